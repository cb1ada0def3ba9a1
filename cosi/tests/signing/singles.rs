//! Single signatures, where no challenge is ever answered by all: they need no nonces.

use std::{cell::RefCell, rc::Rc, time::Duration};

use cosi::{
    Certificate, Mode, Policy, certificate, cosigner,
    cosigner::Limits,
    leader,
    machine::{FaultKind, Index},
    message::{Message, Poll, Said, Single},
    session::Digest,
};

use crate::{
    certificate::weighted,
    common::{Fate, LATENCY, World, key},
    scripted::{Honest, bytes, declined},
};

/// Half the limit.
const POLL: Duration = Duration::from_secs(30);

fn as_it_is(message: Message) -> Fate {
    vec![(Duration::ZERO, message)]
}

/// Nobody's response to a challenge arrives.
fn no_response(message: Message) -> Fate {
    if matches!(message, Message::Response(_)) { vec![] } else { as_it_is(message) }
}

impl World {
    /// The one certificate of single signatures, verified again, and who is absent.
    fn signed_singly(&self, statement: &[u8]) -> Vec<u16> {
        let [leader::Event::Individual { digest, statement: of, certificate, absent }] =
            &self.events[..]
        else {
            panic!("{:?}", self.events)
        };
        assert_eq!((*digest, &of[..]), (Digest::of(statement), statement));
        certificate.verify(&self.roster, statement, &self.policy).unwrap();
        assert!(matches!(certificate, Certificate::Individual { .. }));
        let absent: Vec<_> = absent.iter().copied().map(Index::get).collect();
        let signers = certificate.signers();
        assert!(
            self.roster.indices().all(|i| signers.contains(i.get()) != absent.contains(&i.get()))
        );
        absent
    }
}

/// Every attempt is disrupted, by more than the policy can do without.
#[test]
fn single_signatures_make_up_for_responses_that_never_come() {
    let mut world = World::new(7);
    world.cosigners.remove(&6);
    world.corrupt([1, 2], |_, message| no_response(message));
    world.announce(b"x");
    world.run();
    let absent = world.signed_singly(b"x");
    assert!(absent.contains(&6) && absent.len() == 2, "a quorum of five: {absent:?}");
    assert_eq!(world.now, POLL + 2 * LATENCY);
    assert_eq!(world.faults, []);
}

/// The members crash whenever a challenge comes: their nonces are gone each time.
#[test]
fn members_that_lose_their_nonces_each_time_sign_alone() {
    let mut world = World::new(4);
    world.announce(b"x");
    loop {
        let before = world.log.len();
        if !world.tick() {
            break;
        }
        let challenged = |(_, to, message): &(u16, u16, Message)| {
            matches!(message, Message::Commitment(_) | Message::Refusal(_)).then_some(*to)
        };
        if world.log[before..].iter().any(|entry| challenged(entry).is_some()) {
            (1..4).for_each(|member| world.start(member));
        }
    }
    world.signed_singly(b"x");
    assert_eq!(world.faults, []);
}

/// Lost polls and lost signatures are asked for again, less and less often.
#[test]
fn a_poll_is_said_again_with_back_off() {
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    let polls = Rc::new(RefCell::new(Vec::new()));
    let seen = polls.clone();
    world.corrupt([0, 3], move |member, message| match message {
        Message::Poll(..) if member == 0 => {
            seen.borrow_mut().push(());
            as_it_is(message)
        }
        Message::Single(_) => vec![],
        other if member == 3 => no_response(other),
        other => as_it_is(other),
    });
    world.announce(b"x");
    world.run();
    let failed = matches!(&world.events[..], [leader::Event::Failed { .. }]);
    assert!(failed, "member 3 gives neither form");
    let when = world.log.iter().filter(|(_, to, m)| *to == 3 && matches!(m, Message::Poll(..)));
    assert_eq!(when.count(), 5, "at 30, 32, 36, 44 and 60 seconds, and the end is at 62");
    // Whoever has signed alone is asked no more: three at first, and one each time after.
    assert_eq!(polls.borrow().len(), 3 + 4);
}

/// Weights 4, 1, 2, 1, 1, of which seven are a quorum: members 0 and 1 sign alone, members 0 and 2
/// answer challenges. Together that would be enough, and neither form is.
#[test]
fn weights_never_add_up_across_the_two_forms() {
    let mut world = World::of(weighted(&[4, 1, 2, 1, 1]), Mode::Accountable, Policy::Quorum);
    world.corrupt([1, 2, 3, 4], |member, message| match message {
        Message::Single(_) if member == 2 => vec![],
        Message::Response(_) if member != 2 => vec![],
        _ if member > 2 => vec![],
        other => as_it_is(other),
    });
    world.announce(b"x");
    world.run();
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]), "{:?}", world.events);
    assert!(world.now >= Duration::from_secs(60));
}

/// Whichever form is complete first ends the session.
#[test]
fn a_late_response_and_a_single_signature_end_a_session_once() {
    for late in [POLL, POLL + 3 * LATENCY] {
        let mut world = World::with(4, Mode::Accountable, Policy::Complete);
        world.corrupt([3], move |_, message| {
            let delay = if matches!(message, Message::Response(_)) { late } else { Duration::ZERO };
            vec![(delay - delay.min(4 * LATENCY), message)]
        });
        world.announce(b"x");
        world.run();
        assert_eq!(world.events.len(), 1);
        let collective = matches!(world.events[0], leader::Event::Signed { .. });
        assert_eq!(collective, late == POLL);
    }
}

#[test]
fn a_wrong_single_signature_is_a_fault_and_counts_for_nothing() {
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    world.corrupt([3], |_, message| match message {
        Message::Single(mut single) => {
            single.signature.0[0] ^= 1;
            as_it_is(Message::Single(single))
        }
        other => no_response(other),
    });
    world.announce(b"x");
    world.run();
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));
    let faults: Vec<_> = world.faults.iter().map(|f| (f.culprit.get(), f.kind)).collect();
    assert_eq!(faults, [(3, FaultKind::BadSignature)]);

    // Nor does one count that another member brings, or that names another.
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    world.corrupt([2, 3], |member, message| match message {
        Message::Single(single) if member == 2 => {
            let roster = crate::common::roster(4).id();
            let signature = certificate::sign(&key(2), &roster, b"x");
            vec![
                (Duration::ZERO, Message::Single(Single { member: 3, ..single.clone() })),
                (Duration::ZERO, Message::Single(Single { signature, member: 3, ..single })),
            ]
        }
        Message::Single(_) => vec![],
        other => no_response(other),
    });
    world.announce(b"x");
    world.run();
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));
}

/// A cosigner signs alone what it would sign together: nothing that is turned down or not looked
/// at, and nothing in raw mode.
#[test]
fn a_cosigner_signs_alone_what_its_application_validated() {
    let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
    let poll = |honest: &Honest, leader: u16, statement: &[u8]| {
        let session = honest.session(leader, statement, 0);
        Message::Poll(Said::new(&key(leader), Poll { session }), bytes(statement))
    };
    let single = |message: Option<Message>, statement: &[u8]| {
        let Some(Message::Single(single)) = message else { panic!("{message:?}") };
        let roster = crate::common::roster(4);
        assert_eq!((single.member, single.statement), (1, Digest::of(statement)));
        let signer = roster.index(1).unwrap();
        assert!(certificate::verify_single(&roster, signer, statement, &single.signature));
    };
    let asks = poll(&honest, 0, b"M");
    assert_eq!(honest.hear(0, asks.clone()), None, "it is asked first");
    assert_eq!(honest.hear(0, asks.clone()), None);
    assert_eq!(honest.asked, [Digest::of(b"M")], "once");
    single(honest.validate(b"M"), b"M");
    single(honest.hear(0, asks.clone()), b"M");
    assert_eq!(honest.hear(2, asks), None, "who brings it again");

    let evil = poll(&honest, 0, b"evil");
    assert_eq!(honest.hear(0, evil.clone()), None);
    let no = cosigner::Command::Answered { digest: Digest::of(b"evil"), accept: false };
    declined(honest.tell(no));
    declined(honest.hear(0, evil));
    assert_eq!(honest.faults, []);

    // One statement under the name of another; and the mode that has no such certificate.
    let session = honest.session(0, b"evil", 0);
    let wrong = Message::Poll(Said::new(&key(0), Poll { session }), bytes(b"M"));
    let session = cosi::session::Session { mode: Mode::Raw, ..honest.session(0, b"M", 0) };
    let raw = Message::Poll(Said::new(&key(0), Poll { session }), bytes(b"M"));
    for message in [wrong, raw] {
        assert_eq!(honest.hear(0, message), None);
    }
    let kinds: Vec<_> = honest.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::Malformed, FaultKind::InvalidPayload]);
}

/// A statement that some turn down is signed alone by the others, and not by those.
#[test]
fn whoever_turns_the_statement_down_signs_it_in_neither_form() {
    let mut world = World::new(7);
    let digest = Digest::of(b"x");
    for member in [5, 6] {
        world.tell(member, cosigner::Command::Validated { digest, accept: false });
    }
    world.corrupt([1], |_, message| no_response(message));
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed_singly(b"x"), [5, 6]);
    let polled = world.log.iter().filter(|(_, _, m)| matches!(m, Message::Poll(..)));
    assert!(polled.into_iter().all(|(_, to, _)| *to < 5));
}

/// Raw mode has no certificate of single signatures; nor has who asks for none.
#[test]
fn nobody_is_polled_in_raw_mode() {
    let mut world = World::with(4, Mode::Raw, Policy::Complete);
    world.corrupt([3], |_, message| no_response(message));
    world.announce(b"x");
    world.run();
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));
    assert!(!world.log.iter().any(|(_, _, m)| matches!(m, Message::Poll(..) | Message::Single(_))));
}

/// Whatever they weigh: here the policy is met by member 3 alone, which signs in neither form.
#[test]
fn the_policy_judges_who_signed_alone() {
    let policy = Policy::Predicate(|mask| mask.contains(3));
    for signs in [false, true] {
        let mut world = World::with(4, Mode::Accountable, policy);
        world.corrupt([3], move |_, message| match message {
            Message::Single(_) if !signs => vec![],
            other => no_response(other),
        });
        world.announce(b"x");
        world.run();
        if signs {
            assert!(!world.signed_singly(b"x").contains(&3));
        } else {
            assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));
        }
    }
}
