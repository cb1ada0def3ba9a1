//! What an honest member of a tree commits to ahead, passes on before it knows the statement, and
//! tells the leader.

use cosi::{
    cosigner::Command,
    mask::Mask,
    message::{Ask, Message, Named, Said, Tuple},
    roster::RosterId,
    session::Digest,
    tree::PlanId,
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};

use crate::{
    grove::key,
    member::{all, committed},
    scene::{Heard, ME, PATIENCE, SIZE, Scene, Script, declines, the_tuple},
    sums::terms,
};

/// With a pair sent ahead a challenge may be the first that is heard of a statement: it is passed on
/// at once, and answered once the statement is validated. The pair is spent on it either way.
#[test]
fn a_challenge_is_passed_on_before_the_verdict_and_answered_after() {
    for accept in [true, false] {
        let mut scene = Scene::ready();
        let script = scene.scripts(0, b"M").next().unwrap();
        let tuple = committed(&mut scene, &script);
        let other = Script { statement: b"new".to_vec(), ..script.clone() };
        let session = scene.session(0, b"new", 7);
        let other = Script { session, ..other };
        let challenge = other.challenge(&tuple, &all(&other), 7);
        let heard = scene.hear(other.parent, other.signed(&challenge, tuple.nonce));
        assert_eq!((heard.len(), scene.asked), (2, 1), "passed on, and asked");
        for child in other.children {
            assert_eq!(scene.hear(child, other.said_sum(other.sum(&challenge, child))), []);
        }
        assert_eq!(scene.hear(0, other.inquiry(&challenge)), [], "nothing to tell yet");
        let digest = Digest::of(b"new");
        let heard = scene.tell(Command::Validated { digest, accept });
        if accept {
            let [(_, Message::Sum(..)), (to, Message::Account(said, Some(_)))] = &heard[..] else {
                panic!("{heard:?}")
            };
            assert_eq!((&to[..], said.what.children.len()), (&[0][..], 2));
            assert!(said.what.children.iter().all(|(_, quote)| quote.is_some()));
        } else {
            declines(&heard);
            assert_eq!(scene.hear(0, other.inquiry(&challenge)), []);
        }
        // Spent: on the statement that was validated all along there is no answer with it.
        let challenge = script.challenge(&tuple, &all(&script), 7);
        assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)), []);
        assert_eq!((scene.faults.len(), scene.asked), (0, 1));
    }
}

/// It commits for the time after with what its children commit to for the time after, and answers
/// with that pair as with any other: for any one statement.
#[test]
fn a_sum_brings_a_tuple_for_the_time_after() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let challenge = script.challenge(&tuple, &all(&script), 7);
    scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
    let [first, second] = script.children;
    scene.hear(first, script.said_sum(script.sum(&challenge, first)));
    let answer = scene.hear(second, script.said_sum(script.sum(&challenge, second)));
    let [(_, Message::Sum(_, ahead))] = &answer[..] else { panic!("{answer:?}") };
    let ahead = &ahead.what;
    assert_eq!((ahead.plan, &ahead.mask), (tuple.plan, &tuple.mask));
    assert!(ahead.nonce != tuple.nonce && ahead.own != tuple.own);
    for ((own, sum), r) in ahead.own.iter().zip(&ahead.sums).zip([4u64, 5]) {
        let own = CompressedEdwardsY(*own).decompress().unwrap();
        let sum = CompressedEdwardsY(*sum).decompress().unwrap();
        assert_eq!(sum, own + EdwardsPoint::mul_base(&Scalar::from(2 * r)));
    }
    let other = Script { session: scene.session(0, b"N", 3), statement: b"N".to_vec(), ..script };
    let challenge = other.challenge(ahead, &all(&other), 7);
    let heard = scene.hear(other.parent, other.signed(&challenge, ahead.nonce));
    let named: Vec<_> = heard
        .iter()
        .map(|(to, message)| match message {
            Message::Challenge(_, Ask::Branch(nonce)) => (to[0], nonce.0[0]),
            other => panic!("{other:?}"),
        })
        .collect();
    let mut children = other.children.map(|child| (child, child as u8 + 100));
    children.sort_unstable();
    assert_eq!(named, children);
}

/// What a child commits to for the time after counts only if it is for no more than before.
#[test]
fn what_comes_ahead_is_of_the_same_branch() {
    let mask = |members: &[u16]| Mask::of(SIZE.into(), members.iter().copied());
    for wrong in 0..7 {
        let mut scene = Scene::ready();
        let script = scene.scripts(0, b"M").next().unwrap();
        let tuple = committed(&mut scene, &script);
        let challenge = script.challenge(&tuple, &all(&script), 7);
        scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
        let [first, second] = script.children;
        let ahead = script.ahead(second);
        let changed = match wrong {
            0 => Tuple { mask: mask(&[second, first]), ..ahead },
            1 => Tuple { mask: mask(&[]), ..ahead },
            2 => Tuple { plan: PlanId([1; 32]), ..ahead },
            3 => Tuple { leader: 2, ..ahead },
            4 => Tuple { roster: RosterId([1; 32]), ..ahead },
            5 => Tuple { nonce: script.leaf(second).nonce, ..ahead },
            _ => Tuple { sums: tuple.sums, ..ahead },
        };
        let sum = Said::new(&key(second), script.sum(&challenge, second));
        scene.hear(first, script.said_sum(script.sum(&challenge, first)));
        let ahead = Said::new(&key(second), changed);
        let answer = scene.hear(second, Message::Sum(sum, ahead));
        let [(_, Message::Sum(_, ahead))] = &answer[..] else { panic!("{answer:?}") };
        let mut kept = vec![ME, first];
        kept.sort_unstable();
        assert_eq!(ahead.what.mask.iter().collect::<Vec<_>>(), kept, "{wrong}");
        assert_eq!(scene.faults, []);
    }
}

/// It tells the leader what it has; to nobody else, and of no challenge that it has not seen.
#[test]
fn an_account_says_what_is_there() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let challenge = script.challenge(&tuple, &all(&script), 7);
    let unheard = scene.hear(0, script.inquiry(&challenge));
    let [(_, Message::Refusal(said))] = &unheard[..] else { panic!("{unheard:?}") };
    assert_eq!((said.what.nonce, said.what.challenge), (None, challenge.id()));
    // It has not answered, and does once the challenge comes.
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)).len(), 2);
    let [first, second] = script.children;
    scene.hear(first, script.said_sum(script.sum(&challenge, first)));
    assert_eq!(scene.hear(script.parent, script.inquiry(&challenge)), [], "not the leader");
    let told = scene.hear(0, script.inquiry(&challenge));
    let [(_, Message::Account(said, None))] = &told[..] else { panic!("{told:?}") };
    let account = &said.what;
    assert_eq!(account.tuple.what, tuple);
    assert_eq!(Named::hash_all(account.children.iter().map(|(named, _)| named)), tuple.children);
    for (named, quote) in account.children.iter() {
        assert_eq!(*named, script.leaf(named.member).to_named());
        let quoted = quote.as_ref().map(|quote| account.quoted(named, quote));
        let sum = script.sum(&challenge, first);
        let expected = (named.member == first).then(|| Said::new(&key(first), sum));
        assert_eq!(quoted, expected);
    }
    // Once the other child has answered, it tells of that too, and with the same response.
    scene.hear(second, script.said_sum(script.sum(&challenge, second)));
    let told = scene.hear(0, script.inquiry(&challenge));
    let [(_, Message::Account(later, Some(_)))] = &told[..] else { panic!("{told:?}") };
    assert_eq!(later.what.response, account.response);
    assert!(later.what.children.iter().all(|(_, quote)| quote.is_some()));
    assert_eq!(scene.faults, []);
}

/// A statement that gave way is asked about again, as in a star.
#[test]
fn what_gave_way_is_validated_again() {
    let mut scene = Scene::new(|mut config| {
        (config.limits.calls, config.limits.validated) = (1, 0);
        config
    });
    let [one, two] = [b"M", b"N"].map(|statement| scene.scripts(0, statement).next().unwrap());
    let two = Script { issued: one.issued.after(PATIENCE), ..two };
    scene.hear(one.parent, one.call());
    scene.validate(b"M");
    let tuples = one.children.map(|child| scene.hear(child, one.tuple(one.leaf(child))));
    let (_, tuple) = the_tuple(&tuples[1]);
    scene.now += PATIENCE;
    scene.hear(two.parent, two.call());
    assert_eq!(scene.asked, 2);
    let challenge = one.challenge(&tuple, &all(&one), 7);
    assert_eq!(scene.hear(one.parent, one.signed(&challenge, tuple.nonce)).len(), 2, "passed on");
    let [first, second] = one.children;
    scene.hear(first, one.said_sum(one.sum(&challenge, first)));
    assert_eq!(scene.hear(second, one.said_sum(one.sum(&challenge, second))), []);
    assert_eq!(scene.asked, 3);
    assert!(matches!(&scene.validate(b"M")[..], [(_, Message::Sum(..))]));
}

/// For itself, for its branch, or by way of an account: whichever comes first, and once.
#[test]
fn a_pair_answers_once_whichever_way_it_is_named() {
    let answers = |heard: &Heard| {
        let answer = |(_, message): &(_, Message)| match message {
            Message::Response(said) => Some(said.what.response),
            Message::Account(said, _) => Some(said.what.response.what.response),
            _ => None,
        };
        heard.iter().filter_map(answer).collect::<Vec<_>>()
    };
    let is_passed_on = |heard: &Heard| {
        heard.iter().filter(|(_, message)| matches!(message, Message::Challenge(..))).count()
    };
    for (first, again) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut scene = Scene::ready();
        let mut scripts = scene.scripts(0, b"M");
        let (one, two) = (scripts.next().unwrap(), scripts.next().unwrap());
        let tuple = committed(&mut scene, &one);
        let ask = |own| if own { Ask::Own(tuple.nonce) } else { Ask::Branch(tuple.nonce) };
        let challenge = one.challenge(&tuple, &all(&one), 7);
        let heard = scene.hear(0, one.asked(&challenge, ask(first)));
        assert_eq!(
            (answers(&heard).len(), is_passed_on(&heard)),
            if first { (1, 0) } else { (0, 2) }
        );
        // In the same session, and in another: no new answer.
        let other = two.challenge(&tuple, &all(&one), 9);
        for message in [one.asked(&challenge, ask(again)), two.asked(&other, ask(again))] {
            let new = scene.hear(0, message);
            assert_eq!(is_passed_on(&new), 0);
            assert!(answers(&new).iter().all(|answer| answers(&heard).contains(answer)), "{new:?}");
            assert!(!new.iter().any(|(_, message)| matches!(message, Message::Sum(..))));
        }
        // Asked what it made of it, it tells the same.
        let told = scene.hear(0, one.inquiry(&challenge));
        let [told] = answers(&told)[..] else { panic!("{told:?}") };
        assert!(!first || answers(&heard) == [told]);
        let again = answers(&scene.hear(0, one.inquiry(&challenge)));
        assert_eq!(again, [told]);
        // It is right.
        let (b, c) = terms(&scene.roster, &challenge, b"M");
        let [r1, r2] = tuple.own.map(|bytes| CompressedEdwardsY(bytes).decompress().unwrap());
        let s = Scalar::from_canonical_bytes(told).unwrap();
        assert_eq!(EdwardsPoint::mul_base(&s), r1 + b * r2 + c * key(ME).public().point());
        assert_eq!(scene.faults, []);
    }
}
