//! What an honest member of a tree answers, once, and whom it blames.

use std::time::Duration;

use cosi::{
    Mode, Policy, blame,
    challenge::Challenge,
    cosigner::{self, Command},
    machine::FaultKind,
    mask::Mask,
    message::{Ask, Call, Message, Said, Sum, Tuple},
    nonce::NonceId,
    roster::RosterId,
    session::{Digest, Session},
    tree::{Plan, PlanId, Shape},
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, traits::Identity};

use crate::{
    grove::{key, roster},
    scene::{ME, PATIENCE, SIZE, Scene, Script, bytes, declines, the_tuple},
    sums::terms,
};

/// Has the member commit together with both children.
pub(crate) fn committed(scene: &mut Scene, script: &Script) -> Tuple {
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    assert_eq!(scene.hear(first, script.tuple(script.leaf(first))), []);
    let (to, tuple) = the_tuple(&scene.hear(second, script.tuple(script.leaf(second))));
    assert_eq!(to, script.parent);
    tuple
}

pub(crate) fn all(script: &Script) -> Vec<u16> {
    [&[script.session.leader, ME], &script.children[..]].concat()
}

#[test]
fn it_passes_on_sums_up_and_answers() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let mut children = script.children.to_vec();
    children.sort_unstable();
    assert_eq!(scene.hear(script.parent, script.call()), [(children.clone(), script.call())]);
    let [first, second] = script.children;
    scene.hear(first, script.tuple(script.leaf(first)));
    let (_, tuple) = the_tuple(&scene.hear(second, script.tuple(script.leaf(second))));
    // Own points, and twice those of the leaves.
    for ((own, sum), r) in tuple.own.iter().zip(&tuple.sums).zip([2u64, 3]) {
        let own = CompressedEdwardsY(*own).decompress().unwrap();
        let sum = CompressedEdwardsY(*sum).decompress().unwrap();
        assert_eq!(sum, own + EdwardsPoint::mul_base(&Scalar::from(2 * r)));
    }
    let mut subtree = [&[ME], &children[..]].concat();
    subtree.sort_unstable();
    assert_eq!(tuple.mask.iter().collect::<Vec<_>>(), subtree);

    let challenge = script.challenge(&tuple, &all(&script), 7);
    let message = script.signed(&challenge, tuple.nonce);
    let passed_on = scene.hear(script.parent, message.clone());
    let expected: Vec<_> = children
        .iter()
        .map(|child| (vec![*child], script.signed(&challenge, NonceId([*child as u8; 16]))))
        .collect();
    assert_eq!(passed_on, expected);
    assert_eq!(scene.hear(first, script.said_sum(script.sum(&challenge, first))), []);
    let answer = scene.hear(second, script.said_sum(script.sum(&challenge, second)));
    let [(to, Message::Sum(said, _))] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!((&to[..], said.what.nonce), (&[script.parent][..], tuple.nonce));
    // Said again, it is the same.
    assert_eq!(scene.hear(script.parent, message), answer);
    assert_eq!(scene.faults, []);
}

/// The same pair, in two challenges, by whichever parent: it answers one of them, once.
#[test]
fn a_pair_answers_once_whatever_the_tree_says() {
    let mut scene = Scene::ready();
    let mut scripts = scene.scripts(0, b"M");
    let one = scripts.next().unwrap();
    let two =
        scripts.find(|two| two.parent != one.parent && two.parent != one.children[0]).unwrap();
    let [first, second] = [&one, &two].map(|script| committed(&mut scene, script));
    assert_ne!(first.nonce, second.nonce);
    let ask = |scene: &mut Scene, script: &Script, from, more, nonce| {
        let challenge = script.challenge(&first, &all(script), more);
        scene.hear(from, script.signed(&challenge, nonce))
    };
    // From another parent; from a child.
    assert_eq!(ask(&mut scene, &two, two.parent, 1, first.nonce), []);
    assert_eq!(ask(&mut scene, &one, two.parent, 1, first.nonce), []);
    assert_eq!(ask(&mut scene, &one, one.children[0], 1, first.nonce), []);
    // From its parent it is answered.
    let answered = ask(&mut scene, &one, one.parent, 1, first.nonce);
    assert_eq!(answered.len(), 2, "passed on to both children");
    // Another one in the session convicts the leader, whoever passes it on.
    assert_eq!(ask(&mut scene, &one, one.parent, 2, first.nonce), []);
    let [fault] = &scene.faults[..] else { panic!("{:?}", scene.faults) };
    assert_eq!((fault.culprit.get(), fault.kind), (0, FaultKind::Equivocation));
    let evidence = fault.evidence.clone().unwrap();
    assert_eq!(blame::verify(&evidence, &scene.roster), Some(fault.culprit));
    // The pair is spent: in no other session is there an answer with it.
    for script in scene.scripts(0, b"M").skip(2).take(6) {
        scene.hear(script.parent, script.call());
        assert_eq!(ask(&mut scene, &script, script.parent, 3, first.nonce), []);
        let direct = ask(&mut scene, &script, 0, 3, first.nonce);
        assert!(matches!(direct[..], [(_, Message::Refusal(_))]), "{direct:?}");
    }
}

/// Two challenges in one session, both by the parent: the second has no answer, and convicts the
/// leader.
#[test]
fn an_equivocating_leader_is_convicted_in_a_tree_too() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let [first, second] = [1, 2].map(|more| script.challenge(&tuple, &all(&script), more));
    let [one, two] = [&first, &second].map(|challenge| script.signed(challenge, tuple.nonce));
    assert_eq!(scene.hear(script.parent, one.clone()).len(), 2);
    assert_eq!(scene.hear(script.parent, two), []);
    let [fault] = &scene.faults[..] else { panic!("{:?}", scene.faults) };
    assert_eq!((fault.culprit.get(), fault.kind), (0, FaultKind::Equivocation));
    let evidence = fault.evidence.clone().unwrap();
    assert_eq!(blame::verify(&evidence, &scene.roster), Some(fault.culprit));
    // The first still stands, and is passed on once.
    assert_eq!(scene.hear(script.parent, one), []);
    for child in script.children {
        scene.hear(child, script.said_sum(script.sum(&first, child)));
    }
    let answer = scene.hear(script.parent, script.signed(&first, tuple.nonce));
    assert!(
        matches!(&answer[..], [(_, Message::Sum(said, _))] if said.what.challenge == first.id())
    );
}

#[test]
fn z_holds_of_the_subtree_those_whose_tuples_are_here() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let [here, late] = script.children;
    scene.hear(here, script.tuple(script.leaf(here)));
    let (_, tuple) = the_tuple(&scene.pass(PATIENCE));
    let ask = |scene: &mut Scene, signers: &[u16]| {
        let challenge = script.challenge(&tuple, signers, 7);
        scene.hear(script.parent, script.signed(&challenge, tuple.nonce))
    };
    assert_eq!(ask(&mut scene, &[0, ME, script.parent]), [], "the sums are over both");
    assert_eq!(ask(&mut scene, &[0, ME, late, script.parent]), [], "not over that one");
    assert_eq!(ask(&mut scene, &[0, here, script.parent]), [], "not the own bit");
    let wide = Mask::from_bytes(vec![0xff; 3]).unwrap();
    let challenge = Challenge { mask: wide, ..script.challenge(&tuple, &[], 7) };
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)), []);
    assert_eq!(scene.faults, [], "a parent may pass on what was not for this member");
    // Who came late may be asked directly: the sums are over the others all the same.
    let answered = ask(&mut scene, &[0, ME, here, late]);
    assert!(matches!(&answered[..], [(to, Message::Challenge(..))] if to[..] == [here]));
}

/// Too few for the own policy: the leader is told, for it may be less strict, and the pair is gone.
#[test]
fn a_challenge_to_too_few_is_refused_in_a_tree_too() {
    for from_leader in [false, true] {
        let mut scene =
            Scene::new(|config| cosigner::Config { policy: Policy::Complete, ..config });
        scene.validate(b"M");
        let script = scene.scripts(0, b"M").next().unwrap();
        let tuple = committed(&mut scene, &script);
        let from = if from_leader { 0 } else { script.parent };
        let few = script.challenge(&tuple, &all(&script), 7);
        let heard = scene.hear(from, script.signed(&few, tuple.nonce));
        let [(to, Message::Refusal(said))] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!((&to[..], said.what.nonce), (&[0][..], Some(tuple.nonce)));
        let everybody: Vec<_> = (0..SIZE).collect();
        let session = scene.session(0, b"M", 8);
        let later = Script { session, ..script.clone() };
        let enough = later.challenge(&tuple, &everybody, 7);
        let heard = scene.hear(from, script.signed(&enough, tuple.nonce));
        assert!(!heard.iter().any(|(_, m)| matches!(m, Message::Challenge(..) | Message::Sum(..))));
        assert_eq!(scene.faults, []);
    }
}

/// The same from the leader itself is its fault.
#[test]
fn a_leader_answers_for_what_it_asks_itself() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let [one, other] = script.children;
    let challenge = script.challenge(&tuple, &[0, one, other], 7);
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)), []);
    assert_eq!(scene.faults, []);
    assert_eq!(scene.hear(0, script.signed(&challenge, tuple.nonce)), []);
    let [fault] = &scene.faults[..] else { panic!("{:?}", scene.faults) };
    assert_eq!((fault.culprit.get(), fault.kind), (0, FaultKind::InvalidPayload));
}

/// An application's own policy sees masks of its roster alone.
#[test]
fn a_policy_sees_no_mask_that_does_not_fit() {
    fn accepts(mask: &Mask) -> bool {
        assert!(mask.fits(SIZE.into()));
        true
    }
    let policy = Policy::Predicate(accepts);
    let mut scene = Scene::new(|config| cosigner::Config { policy, ..config });
    scene.validate(b"M");
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let fits = script.challenge(&tuple, &all(&script), 7);
    let longer = [fits.mask.as_bytes(), &[0]].concat();
    let unfit = Challenge { mask: Mask::from_bytes(longer).unwrap(), ..fits.clone() };
    assert_eq!(scene.hear(script.parent, script.signed(&unfit, tuple.nonce)), []);
    assert_eq!(scene.hear(script.parent, script.signed(&fits, tuple.nonce)).len(), 2);
}

#[test]
fn nothing_is_answered_that_is_not_validated() {
    // Refused, or not yet validated: no tuple.
    let mut scene = Scene::new(|config| config);
    let script = scene.scripts(0, b"M").next().unwrap();
    assert_eq!(scene.hear(script.parent, script.call()).len(), 1, "passed on");
    for child in script.children {
        assert_eq!(scene.hear(child, script.tuple(script.leaf(child))), []);
    }
    assert_eq!((scene.pass(PATIENCE), scene.asked), (vec![], 1));
    // Late, but once validated it commits at once.
    let (_, tuple) = the_tuple(&scene.validate(b"M"));
    assert_eq!(tuple.mask.count(), 3);
    // Refused since: no answer.
    scene.tell(Command::Validated { digest: Digest::of(b"M"), accept: false });
    let challenge = script.challenge(&tuple, &all(&script), 7);
    declines(&scene.hear(script.parent, script.signed(&challenge, tuple.nonce)));
    // The pair is for any statement: accepted after all, it is answered.
    scene.tell(Command::Forget { digest: Digest::of(b"M") });
    scene.validate(b"M");
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)).len(), 2);
    // And whoever still has the call does not bring it back.
    assert_eq!(scene.hear(script.parent, script.call()), []);
    assert_eq!(scene.faults, []);
}

/// A refusal takes the pair of a call, whatever else is still known of the statement.
#[test]
fn what_is_refused_since_is_not_committed_to() {
    let refuse = Command::Validated { digest: Digest::of(b"M"), accept: false };
    let mut scene = Scene::new(|mut config| {
        (config.limits.statements, config.limits.validated) = (1, 0);
        config
    });
    let script = scene.scripts(0, b"M").next().unwrap();
    let other = scene.scripts(0, b"N").next().unwrap();
    let other = Script { issued: script.issued.after(PATIENCE), ..other };
    scene.hear(script.parent, script.call());
    scene.validate(b"M");
    scene.hear(script.children[0], script.tuple(script.leaf(script.children[0])));
    scene.hear(other.parent, other.call());
    scene.tell(refuse);
    assert_eq!(scene.pass(PATIENCE), []);
}

#[test]
fn two_leaders_trees_do_not_mix() {
    let mut scene = Scene::ready();
    let mine = scene.scripts(0, b"M").next().unwrap();
    let other = scene.scripts(2, b"M").find(|other| other.children.contains(&mine.children[0]));
    let other = other.unwrap();
    scene.hear(mine.parent, mine.call());
    scene.hear(other.parent, other.call());
    // A tuple under the other leader's name, or for its session.
    let child = mine.children[0];
    let leaf = mine.leaf(child);
    scene.hear(child, mine.tuple(Tuple { leader: 2, ..leaf.clone() }));
    scene.hear(child, mine.tuple(Tuple { plan: other.id, ..leaf.clone() }));
    scene.hear(child, other.tuple(leaf));
    // Both wait in vain.
    let tuples = scene.pass(PATIENCE);
    assert_eq!(tuples.len(), 2);
    for (_, message) in &tuples {
        let Message::Tuple(said, _) = message else { panic!() };
        assert_eq!(said.what.mask.iter().collect::<Vec<_>>(), [ME]);
    }
    let [Message::Tuple(first, _), Message::Tuple(second, _)] = [&tuples[0].1, &tuples[1].1] else {
        panic!()
    };
    assert_ne!(first.what.nonce, second.what.nonce);
    assert_ne!(first.what.own, second.what.own);
    // The pair of one, named by the other.
    let challenge = other.challenge(&second.what, &[2, ME, other.parent], 7);
    assert_eq!(scene.hear(other.parent, other.signed(&challenge, first.what.nonce)), []);
    assert_eq!(scene.hear(other.parent, other.signed(&challenge, second.what.nonce)).len(), 1);
}

/// What does not fit a child's place is as if it had not come.
#[test]
fn a_childs_tuple_must_be_of_its_subtree() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    let leaf = script.leaf(first);
    let identity = EdwardsPoint::identity().compress().to_bytes();
    let mask = |members: &[u16]| Mask::of(SIZE.into(), members.iter().copied());
    let raw = |bytes: Vec<u8>| Mask::from_bytes(bytes).unwrap();
    let padded = |mut bytes: Vec<u8>| {
        bytes[1] |= 0x80;
        raw(bytes)
    };
    let wrong = [
        Tuple { mask: mask(&[]), ..leaf.clone() },
        Tuple { mask: mask(&[first, second]), ..leaf.clone() },
        Tuple { mask: mask(&[first, ME]), ..leaf.clone() },
        Tuple { mask: mask(&[second]), ..leaf.clone() },
        Tuple { mask: padded(leaf.mask.as_bytes().to_vec()), ..leaf.clone() },
        Tuple { mask: raw([leaf.mask.as_bytes(), &[0]].concat()), ..leaf.clone() },
        Tuple { mask: raw(leaf.mask.as_bytes()[..1].to_vec()), ..leaf.clone() },
        Tuple { sums: [identity; 2], ..leaf.clone() },
        Tuple { plan: PlanId([9; 32]), ..leaf.clone() },
        Tuple { roster: RosterId([9; 32]), ..leaf.clone() },
        Tuple { leader: 99, ..leaf.clone() },
    ];
    // With the other child's here, a tuple that counted would end the wait.
    scene.hear(second, script.tuple(script.leaf(second)));
    for tuple in wrong {
        assert_eq!(scene.hear(first, script.tuple(tuple.clone())), [], "{tuple:?}");
    }
    // Somebody else's tuple, passed on; and one of somebody who is no child.
    assert_eq!(scene.hear(second, script.tuple(leaf.clone())), []);
    assert_eq!(scene.hear(script.parent, script.tuple(script.leaf(script.parent))), []);
    assert_eq!(scene.faults, []);
    let (_, tuple) = the_tuple(&scene.hear(first, script.tuple(leaf)));
    assert_eq!(tuple.mask.count(), 3);
}

/// Of two tuples that are right the last counts: its sender may have crashed in between.
#[test]
fn the_last_tuple_of_a_child_counts() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    let again = Tuple { nonce: NonceId([77; 16]), ..script.leaf(first) };
    scene.hear(first, script.tuple(script.leaf(first)));
    scene.hear(first, script.tuple(again));
    let (_, tuple) = the_tuple(&scene.hear(second, script.tuple(script.leaf(second))));
    let challenge = script.challenge(&tuple, &all(&script), 7);
    let passed_on = scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
    let named = passed_on.iter().any(|(to, message)| {
        to[..] == [first]
            && matches!(message, Message::Challenge(_, ask) if *ask == Ask::Branch(NonceId([77; 16])))
    });
    assert!(named);
}

#[test]
fn points_and_scalars_that_are_none_are_malformed() {
    let scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let leaf = script.leaf(script.children[0]);
    let challenge = script.challenge(&leaf, &all(&script), 7);
    let malformed = |message: Message| message.verify(&scene.roster).err();
    let none = [[0xff; 32]; 2];
    let tuples = [Tuple { own: none, ..leaf.clone() }, Tuple { sums: none, ..leaf.clone() }];
    for tuple in tuples {
        assert_eq!(malformed(script.tuple(tuple)), Some(FaultKind::Malformed));
    }
    let sum = Sum { sum: [0xff; 32], ..script.sum(&challenge, leaf.member) };
    assert_eq!(malformed(script.said_sum(sum)), Some(FaultKind::Malformed));
    let Message::Call(said, _) = script.call() else { panic!() };
    let other = Message::Call(said.clone(), bytes(b"another"));
    assert_eq!(malformed(other), Some(FaultKind::Malformed));
    let forged = Said::new(&key(3), said.what);
    assert_eq!(malformed(Message::Call(forged, bytes(b"M"))), Some(FaultKind::BadSignature));
    let nobody = Tuple { member: SIZE, ..leaf };
    assert_eq!(
        malformed(Message::Tuple(Said::new(&key(3), nobody), script.session.id())),
        Some(FaultKind::BadSignature)
    );
}

/// Only what answers the challenge, with the pair that was named, is summed up, once.
#[test]
fn a_childs_sum_must_be_the_one_that_is_owed() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let [first, second] = script.children;
    let challenge = script.challenge(&tuple, &all(&script), 7);
    let early = script.said_sum(script.sum(&challenge, first));
    assert_eq!(scene.hear(first, early), [], "before it was asked");
    scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
    assert_eq!(scene.hear(first, script.said_sum(script.sum(&challenge, first))), []);
    let right = script.sum(&challenge, second);
    let other = script.challenge(&tuple, &all(&script), 8);
    for wrong in [
        Sum { nonce: NonceId([1; 16]), ..right.clone() },
        Sum { challenge: other.id(), ..right.clone() },
        Sum { leader: 2, ..right.clone() },
    ] {
        assert_eq!(scene.hear(second, script.said_sum(wrong)), []);
    }
    assert_eq!(scene.hear(first, script.said_sum(right.clone())), [], "passed on");
    let twice = Sum { sum: [0; 32], ..script.sum(&challenge, first) };
    assert_eq!(scene.hear(first, script.said_sum(twice)), []);
    let answer = scene.hear(second, script.said_sum(right));
    let [(_, Message::Sum(said, _))] = &answer[..] else { panic!("{answer:?}") };
    // Less the children's, it is the own answer.
    let sum = Scalar::from_canonical_bytes(said.what.sum).unwrap();
    let own = sum - Scalar::from(u64::from(first)) - Scalar::from(u64::from(second));
    let (b, c) = terms(&scene.roster, &challenge, b"M");
    let [r1, r2] = tuple.own.map(|bytes| CompressedEdwardsY(bytes).decompress().unwrap());
    assert_eq!(EdwardsPoint::mul_base(&own), r1 + b * r2 + c * key(ME).public().point());
    assert_eq!(scene.faults, []);
}

/// The wait is the member's share of the leader's patience, and what comes later is too late.
#[test]
fn late_children_are_left_out() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    // At depth 2 of 3.
    assert_eq!((script.tree.depth(), script.tree.wait(ME, PATIENCE)), (3, PATIENCE / 3));
    let due = scene.cosigner.next_timeout().unwrap().since_epoch();
    assert_eq!(due, scene.now + PATIENCE / 3);
    let [first, second] = script.children;
    scene.hear(first, script.tuple(script.leaf(first)));
    assert_eq!(scene.pass(PATIENCE / 3 - Duration::from_nanos(1)), []);
    let (_, tuple) = the_tuple(&scene.pass(Duration::from_nanos(1)));
    assert!(tuple.mask.contains(first) && !tuple.mask.contains(second));
    assert_eq!(scene.hear(second, script.tuple(script.leaf(second))), []);
    assert_eq!((scene.cosigner.next_timeout(), scene.pass(PATIENCE)), (None, vec![]));
    // Asked again, it says the same.
    let (_, again) = the_tuple(&scene.hear(script.parent, script.call()));
    assert_eq!(again, tuple);
    assert_eq!(scene.hear(script.children[0], script.call()), [], "to its parent alone");
}

/// The wait is over though the own verdict is not there yet.
#[test]
fn a_late_verdict_makes_no_late_child_early() {
    let mut scene = Scene::new(|config| config);
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    scene.hear(first, script.tuple(script.leaf(first)));
    assert_eq!(scene.pass(PATIENCE), []);
    scene.hear(second, script.tuple(script.leaf(second)));
    let (_, tuple) = the_tuple(&scene.validate(b"M"));
    assert!(tuple.mask.contains(first) && !tuple.mask.contains(second));
}

/// Of another roster, another mode, or with no place for this member.
#[test]
fn calls_that_are_not_for_this_member_are_nobodys_fault() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let raw = Session { mode: Mode::Raw, ..script.session.clone() };
    let elsewhere = Session { roster: roster(4).id(), ..script.session.clone() };
    let own = Session { leader: ME, ..script.session.clone() };
    for session in [raw, elsewhere, own] {
        let script = Script { session, ..script.clone() };
        assert_eq!(scene.hear(script.parent, script.call()), []);
    }
    assert_eq!((scene.faults.len(), scene.asked), (0, 0));
    let mut without = Scene::new(|mut config| {
        config.limits.calls = 0;
        config
    });
    without.validate(b"M");
    assert_eq!(without.hear(script.parent, script.call()), []);
    // A star is a tree too, of leaves.
    let Message::Call(said, _) = script.call() else { panic!() };
    let plan = Plan { shape: Shape::Star, ..said.what.plan.clone() };
    let star = Said::new(&key(0), Call { plan, ..said.what });
    let (to, tuple) = the_tuple(&scene.hear(0, Message::Call(star, bytes(b"M"))));
    assert_eq!((to, tuple.mask.count(), tuple.own), (0, 1, tuple.sums));
}
