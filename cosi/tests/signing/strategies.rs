//! Every strategy of a faulty cosigner ends in a signature, and in a named culprit where what
//! it did can be proved; and a crash costs an attempt, nothing else.

use std::{cell::Cell, collections::BTreeSet, rc::Rc, time::Duration};

use cosi::{
    Mode, Policy, leader,
    machine::FaultKind,
    message::{Commitment, Message, Response, Said},
};
use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY,
};

use crate::common::{Fate, LATENCY, World, at, key};

const NOW: Duration = Duration::ZERO;
/// Longer than a leader's patience.
const LATE: Duration = Duration::from_millis(2500);

fn honest(message: Message) -> Fate {
    vec![(NOW, message)]
}

/// The response with another s, signed again by who gave it.
fn altered(said: Said<Response>, alter: impl Fn(Scalar) -> Scalar) -> Fate {
    let s = Scalar::from_canonical_bytes(said.what.response).unwrap();
    let key = key(said.what.member);
    let what = Response { response: alter(s).to_bytes(), ..said.what };
    vec![(NOW, Message::Response(Said::new(&key, what)))]
}

fn wrong(message: Message) -> Fate {
    match message {
        Message::Response(said) => altered(said, |s| s + Scalar::ONE),
        other => honest(other),
    }
}

fn withheld(message: Message) -> Fate {
    let withholds = matches!(message, Message::Response(_) | Message::Single(_));
    if withholds { vec![] } else { honest(message) }
}

fn late(message: Message) -> Fate {
    vec![(if matches!(message, Message::Response(_)) { LATE } else { NOW }, message)]
}

fn convicts(members: impl IntoIterator<Item = u16>) -> BTreeSet<(u16, FaultKind)> {
    members.into_iter().map(|member| (member, FaultKind::InvalidProof)).collect()
}

#[test]
fn the_silent_are_absent_and_no_culprits() {
    let mut world = World::new(7);
    world.corrupt([2, 5], |_, _| vec![]);
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [2, 5]);
    assert_eq!((world.attempts(), world.faults.len()), (1, 0));
    assert_eq!(world.now, 4 * LATENCY + Duration::from_millis(200), "the grace, and no patience");
}

#[test]
fn too_many_silent_members_fail_the_session_and_are_named() {
    let mut world = World::new(7);
    world.corrupt([1, 2, 5], |_, _| vec![]);
    world.announce(b"x");
    world.run();
    let [leader::Event::Failed { absent, .. }] = &world.events[..] else { panic!() };
    let silent: Vec<_> = [1, 2, 5].map(|member| at(&world.roster, member)).into();
    assert_eq!(*absent, silent);
    assert_eq!(world.now, Duration::from_secs(60));
}

#[test]
fn a_wrong_response_is_convicted_and_the_others_sign() {
    let mut world = World::new(7);
    world.corrupt([2, 5], |_, message| wrong(message));
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [2, 5]);
    assert_eq!((world.attempts(), world.convicted()), (2, convicts([2, 5])));
    assert_eq!(world.now, 6 * LATENCY, "the retry takes one round trip");
    world.announce(b"y");
    world.run();
    assert_eq!(world.signed(b"y").1, [2, 5]);
    assert_eq!(world.attempts(), 3, "convicts are not asked again");
}

#[test]
fn a_response_that_is_no_scalar_is_convicted_too() {
    let mut world = World::new(4);
    world.corrupt([3], |_, message| match message {
        Message::Response(said) => {
            let what = Response { response: [0xff; 32], ..said.what };
            honest(Message::Response(Said::new(&key(3), what)))
        }
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert_eq!((world.signed(b"x").1, world.convicted()), (vec![3], convicts([3])));
}

/// Two that err by ±1 spoil nothing: the sum is right.
#[test]
fn errors_that_cancel_are_no_errors() {
    let mut world = World::new(7);
    world.corrupt([2, 5], |member, message| match message {
        Message::Response(said) if member == 2 => altered(said, |s| s + Scalar::ONE),
        Message::Response(said) => altered(said, |s| s - Scalar::ONE),
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert!(world.signed(b"x").1.is_empty());
    assert_eq!(world.faults, []);
}

#[test]
fn garbage_is_a_fault_of_who_delivers_it() {
    let mut world = World::new(4);
    world.corrupt([3], |_, message| match message {
        Message::Commitment(mut said) => {
            said.signature.0[0] ^= 1;
            honest(Message::Commitment(said))
        }
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [3]);
    let faults: Vec<_> = world.faults.iter().map(|f| (f.culprit.get(), f.kind)).collect();
    assert_eq!(faults, [(3, FaultKind::BadSignature)]);
}

#[test]
fn points_that_are_none_are_malformed() {
    let mut world = World::new(4);
    world.corrupt([3], |_, message| match message {
        Message::Commitment(said) => {
            let what = Commitment { points: [[0xff; 32]; 2], ..said.what };
            honest(Message::Commitment(Said::new(&key(3), what)))
        }
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [3]);
    assert_eq!(world.faults[0].kind, FaultKind::Malformed);
}

/// A check with the cofactor would let this through, and Ed25519 verifiers would disagree. In R2
/// the torsion is multiplied by b, so one b in eight hides it, and then the signature is right.
#[test]
fn torsion_in_a_nonce_is_caught_and_blamed() {
    for (which, least) in [(0, 16), (1, 10)] {
        let mut caught = 0;
        for statement in 0..16u8 {
            let mut world = World::new(4);
            world.corrupt([3], move |_, message| match message {
                Message::Commitment(said) => {
                    let mut points = said.what.points;
                    let point = CompressedEdwardsY(points[which]).decompress().unwrap();
                    points[which] = (point + EIGHT_TORSION[1]).compress().to_bytes();
                    let what = Commitment { points, ..said.what };
                    honest(Message::Commitment(Said::new(&key(3), what)))
                }
                other => honest(other),
            });
            world.announce(&[statement]);
            world.run();
            let (_, absent) = world.signed(&[statement]);
            assert_eq!(world.convicted(), convicts(absent.iter().copied()));
            caught += absent.len();
        }
        assert!(caught >= least, "{caught} of 16");
    }
}

/// Commitments that cancel everybody else's: the leader's own come last, so R is not O.
#[test]
fn nonces_that_cancel_the_others_cancel_nothing() {
    let mut world = World::new(4);
    let mut others = [EdwardsPoint::default(); 2];
    world.corrupt([1, 2, 3], move |member, message| match message {
        Message::Commitment(said) => {
            let points = said.what.points.map(|p| CompressedEdwardsY(p).decompress().unwrap());
            if member != 3 {
                others.iter_mut().zip(points).for_each(|(sum, point)| *sum += point);
                return honest(Message::Commitment(said));
            }
            let points = others.map(|sum| (-sum).compress().to_bytes());
            honest(Message::Commitment(Said::new(&key(3), Commitment { points, ..said.what })))
        }
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert_eq!((world.signed(b"x").1, world.convicted()), (vec![3], convicts([3])));
}

#[test]
fn whoever_withholds_joins_no_later_attempt() {
    let mut world = World::new(7);
    world.corrupt([2, 5], |_, message| withheld(message));
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [2, 5]);
    assert_eq!((world.attempts(), world.faults.len()), (2, 0));
    // They sit out the next session, and are asked again in the one after.
    let mut attempts = vec![];
    for statement in [b"1", b"2", b"3", b"4", b"5"] {
        let before = world.attempts();
        world.announce(statement);
        world.run();
        attempts.push(world.attempts() - before);
    }
    assert_eq!(attempts, [1, 2, 1, 1, 2]);
}

/// Having signed again, it sits out one session for the next offence, not two.
#[test]
fn whoever_signs_again_is_redeemed() {
    let mut world = World::new(4);
    let bad = Rc::new(Cell::new(true));
    let now_bad = bad.clone();
    world.corrupt(
        [3],
        move |_, message| {
            if now_bad.get() { withheld(message) } else { honest(message) }
        },
    );
    let mut attempts = vec![];
    for (statement, withholds) in (0u8..).zip([true, true, false, true, true, true]) {
        bad.set(withholds);
        let before = world.attempts();
        world.announce(&[statement]);
        world.run();
        attempts.push(world.attempts() - before);
    }
    assert_eq!(attempts, [2, 1, 1, 2, 1, 2]);
}

/// Everybody is late, so no attempt has enough left: the late responses complete the first.
#[test]
fn late_responses_complete_the_old_attempt() {
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    world.corrupt([3], |_, message| late(message));
    world.announce(b"x");
    world.run();
    assert!(world.signed(b"x").1.is_empty());
    assert_eq!(world.attempts(), 1);
}

/// The first attempt completes while the second is under way: who was asked in the second, and
/// had no time to answer, is in nobody's debt, and what it commits to ahead counts.
#[test]
fn whoever_had_no_time_to_respond_is_in_the_next_session() {
    let mut world = World::new(4);
    let mut late = BTreeSet::from([2, 3]);
    world.corrupt([2, 3], move |member, message| {
        let delay = match &message {
            Message::Response(_) if member == 2 => 1950,
            Message::Commitment(_) if member == 3 => 300,
            _ => return honest(message),
        };
        let delay = if late.remove(&member) { Duration::from_millis(delay) } else { NOW };
        vec![(delay, message)]
    });
    world.announce(b"1");
    world.run();
    assert_eq!((world.signed(b"1").1, world.attempts()), (vec![3], 2));
    assert_eq!(world.now, Duration::from_millis(2400), "the second attempt's responses are in");
    world.announce(b"2");
    world.run();
    assert_eq!((world.signed(b"2").1, world.attempts()), (vec![], 3));
    assert_eq!(world.now, Duration::from_millis(2500), "in one round trip");
}

/// They withhold in turns, and commit anew each time: were they let back in with their debt,
/// they would go on for ever.
#[test]
fn two_alternating_disruptors_do_not_stall() {
    for size in [7, 10] {
        let mut world = World::new(size);
        let mut challenges = vec![];
        world.corrupt([2, 5], move |member, message| {
            let Message::Response(said) = message else { return honest(message) };
            let challenge = said.what.challenge;
            let turn = challenges.iter().position(|old| *old == challenge).unwrap_or_else(|| {
                challenges.push(challenge);
                challenges.len() - 1
            });
            if turn.is_multiple_of(2) == (member == 2) {
                return honest(Message::Commitment(said.what.ahead));
            }
            honest(Message::Response(said))
        });
        world.announce(b"x");
        world.run();
        assert_eq!(world.signed(b"x").1, [2, 5]);
        assert_eq!(world.attempts(), 3, "F + 1");
        assert!(world.convicted().is_empty());
    }
}

/// A wrong response hides behind one that is withheld no longer than the patience.
#[test]
fn a_wrong_response_is_convicted_though_another_is_withheld() {
    let mut world = World::new(7);
    world.corrupt([2, 5], |member, m| if member == 2 { wrong(m) } else { withheld(m) });
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [2, 5]);
    assert_eq!((world.attempts(), world.convicted()), (2, convicts([2])));
}

#[test]
fn a_late_wrong_response_is_convicted_while_others_still_owe() {
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    world.corrupt([2, 3], |member, message| match message {
        Message::Response(said) if member == 3 => {
            altered(said, |s| s + Scalar::ONE).into_iter().map(|(_, m)| (LATE, m)).collect()
        }
        other => withheld(other),
    });
    world.announce(b"x");
    world.run();
    let [leader::Event::Failed { absent, .. }] = &world.events[..] else { panic!() };
    assert_eq!(*absent, [2, 3].map(|member| at(&world.roster, member)));
    assert_eq!(world.convicted(), convicts([3]));
}

/// It is no answer, and no evidence either.
#[test]
fn a_response_with_another_pair_counts_as_none() {
    let mut world = World::new(4);
    world.corrupt([3], |_, message| match message {
        Message::Response(said) => {
            let what = Response { nonce: said.what.ahead.what.nonce, ..said.what };
            honest(Message::Response(Said::new(&key(3), what)))
        }
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [3]);
    assert_eq!(world.faults, []);
}

/// Spent as the carrier's, it would make the carrier's next response wrong, or its owner's.
#[test]
fn a_commitment_of_another_member_is_nobodys_ahead() {
    let mut world = World::new(7);
    let mut stolen = None;
    world.corrupt([2, 3], move |member, message| match message {
        Message::Commitment(said) if member == 2 => {
            stolen = Some(said.clone());
            honest(Message::Commitment(said))
        }
        Message::Response(said) if member == 3 => {
            let what = Response { ahead: stolen.clone().unwrap(), ..said.what };
            honest(Message::Response(Said::new(&key(3), what)))
        }
        other => honest(other),
    });
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [3]);
    let faults: Vec<_> = world.faults.iter().map(|f| (f.culprit.get(), f.kind)).collect();
    assert_eq!(faults, [(3, FaultKind::Malformed)]);
}

/// All mixtures of the strategies: at most F + 1 attempts, and honest members sign.
#[test]
fn mixed_disruptors_cost_at_most_one_attempt_each() {
    type Strategy = fn(Message) -> Fate;
    let strategies: [Strategy; 5] = [honest, wrong, withheld, late, |_| vec![]];
    for mix in 0..strategies.len().pow(3) {
        let of = move |member: u16| {
            let digit = strategies.len().pow(u32::from(member) - 1);
            mix / digit % strategies.len()
        };
        let mut world = World::new(10);
        world.corrupt([1, 2, 3], move |member, message| strategies[of(member)](message));
        world.announce(b"x");
        world.run();
        let (_, absent) = world.signed(b"x");
        assert!(absent.iter().all(|member| of(*member) != 0 && *member <= 3), "{mix}: {absent:?}");
        let disruptors = [1, 2, 3].iter().filter(|member| of(**member) != 0).count();
        assert!(world.attempts() <= disruptors + 1, "{mix}: {}", world.attempts());
        assert_eq!(world.convicted(), convicts([1, 2, 3].into_iter().filter(|m| of(*m) == 1)));
    }
}

/// A cosigner crashes after any message of the run: its nonces are gone, it refuses with fresh
/// ones, and nobody is blamed.
#[test]
fn a_cosigner_may_crash_at_any_step() {
    for policy in [Policy::Quorum, Policy::Complete] {
        for crash in 0..30 {
            let mut world = World::with(4, Mode::Accountable, policy);
            let mut steps = 0;
            for statement in [b"first", b"after"] {
                world.announce(statement);
                loop {
                    if steps == crash {
                        world.start(3);
                    }
                    steps += 1;
                    if !world.tick() {
                        break;
                    }
                }
                world.signed(statement);
            }
            assert_eq!(world.faults, []);
        }
    }
}

/// A leader crashes after any step, and starts the session anew: no session has two challenges,
/// or the cosigners would blame it.
#[test]
fn a_leader_may_crash_at_any_step() {
    for crash in 0..14 {
        let mut world = World::new(4);
        world.announce(b"x");
        for _ in 0..crash {
            world.tick();
        }
        let signed = !world.events.is_empty();
        world.restart_leader();
        if !signed {
            world.announce(b"x");
        }
        world.run();
        world.signed(b"x");
        assert_eq!(world.faults, []);
    }
}

#[test]
fn whoever_refuses_for_ever_is_left_out() {
    for (policy, attempts, done) in [(Policy::Quorum, 2, true), (Policy::Complete, 3, false)] {
        let mut world = World::with(4, Mode::Accountable, policy);
        world.corrupt([3], |_, message| match message {
            Message::Response(Said { what, .. }) => {
                let Response { challenge, member, nonce, ahead, .. } = what;
                let what = cosi::message::Refusal { challenge, member, nonce: Some(nonce), ahead };
                honest(Message::Refusal(Said::new(&key(3), what)))
            }
            other => honest(other),
        });
        world.announce(b"x");
        world.run();
        assert_eq!(matches!(world.events[..], [leader::Event::Signed { .. }]), done);
        assert_eq!((world.attempts(), world.faults.len()), (attempts, 0));
    }
}

#[test]
fn the_network_may_say_everything_twice() {
    let mut world = World::new(4);
    world.corrupt(0..4, |_, message| vec![(NOW, message.clone()), (LATENCY, message)]);
    for statement in [b"1", b"2", b"3"] {
        world.announce(statement);
        world.run();
        assert!(world.signed(statement).1.is_empty());
    }
    assert_eq!((world.attempts(), world.faults.len()), (3, 0));
    let refused = world.log.iter().filter(|(_, _, m)| matches!(m, Message::Refusal(_))).count();
    assert_eq!(refused, 0, "no pair was named twice");
}
