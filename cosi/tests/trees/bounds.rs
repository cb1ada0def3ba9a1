//! Whoever fills a quota in a tree pushes out its own oldest, and nobody else's.

use std::{collections::BTreeMap, time::Duration};

use cosi::{machine::Time, message::Message};

use crate::scene::{ME, PATIENCE, Scene, Script, the_tuple};

/// The default of it, in which a member of these scenes passes four calls on.
const PACE: Duration = Duration::from_secs(1);

fn scripts(scene: &Scene, leader: u16, number: usize) -> Vec<Script> {
    scene.scripts(leader, b"M").take(number).collect()
}

/// Whether the member still has the call: then it says again what it said.
fn holds(scene: &mut Scene, script: &Script) -> bool {
    let heard = scene.hear(script.parent, script.call());
    match &heard[..] {
        [] => false,
        [(_, Message::Tuple(..))] => true,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_leader_has_so_many_calls_and_no_more() {
    let mut scene = Scene::ready();
    let others = scripts(&scene, 2, 1).remove(0);
    scene.hear(others.parent, others.call());
    let scripts = scripts(&scene, 0, 60);
    let mut tuples = 0;
    for script in &scripts {
        let heard = scene.hear(script.parent, script.call());
        assert!(matches!(&heard[..], [(_, Message::Call(..))]), "passed on");
        tuples += scene.pass(PACE / 4).len();
    }
    // Each that is not let go ends its wait with a tuple, and the other leader's.
    tuples += scene.pass(PATIENCE).len();
    assert_eq!(tuples, 60 + 1);
    for (at, script) in scripts.iter().enumerate() {
        assert_eq!(holds(&mut scene, script), at >= 56, "{at}");
    }
    assert!(holds(&mut scene, &others));
    assert_eq!(scene.faults, []);
}

/// A parent says again what its leader said long ago: no pair is drawn for it, nothing is pushed
/// out, and nobody is asked anything.
#[test]
fn old_calls_do_not_come_back() {
    let mut scene = Scene::new(|config| config);
    let scripts = scripts(&scene, 0, 12);
    for script in &scripts {
        scene.hear(script.parent, script.call());
        scene.pass(PACE / 4);
    }
    let asked = scene.asked;
    for script in &scripts[..8] {
        for from in [script.parent, 0, script.children[0]] {
            assert_eq!(scene.hear(from, script.call()), []);
        }
    }
    assert_eq!(scene.asked, asked);
    // Their wait is over: a verdict is all that they lack.
    scene.pass(PATIENCE);
    assert_eq!(scene.validate(b"M").len(), 4);
    for script in &scripts[8..] {
        assert!(holds(&mut scene, script));
    }
}

/// One issued before all that are kept finds no place among them.
#[test]
fn a_call_issued_earlier_pushes_nothing_out() {
    let mut scene = Scene::ready();
    let mut scripts = scripts(&scene, 0, 5);
    let mut late = scripts.remove(0);
    late.issued = Time::at(Duration::from_nanos(1));
    for script in &scripts {
        scene.hear(script.parent, script.call());
    }
    scene.now += PACE;
    assert_eq!(scene.hear(late.parent, late.call()), []);
    assert_eq!(scene.pass(PATIENCE).len(), 4);
    assert!(scripts.iter().all(|script| holds(&mut scene, script)));
}

/// Children that say one thing after the other fill one slot each.
#[test]
fn a_child_has_one_slot() {
    let mut scene = Scene::ready();
    let script = scripts(&scene, 0, 1).remove(0);
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    for number in 0..200u8 {
        let mut tuple = script.leaf(first);
        tuple.nonce.0 = [number; 16];
        assert_eq!(scene.hear(first, script.tuple(tuple)), []);
    }
    let (_, tuple) = the_tuple(&scene.hear(second, script.tuple(script.leaf(second))));
    let mut signers = [ME, first, second];
    signers.sort_unstable();
    assert_eq!(tuple.mask.iter().collect::<Vec<_>>(), signers);
}

/// A call is passed on before its statement is judged, so a leader spends others' uplink: so many
/// calls a pace by way of one member, twice as many in all, and what comes in between takes nobody's
/// place.
#[test]
fn a_leader_calls_so_often_and_no_more() {
    let mut scene = Scene::ready();
    let other = scripts(&scene, 2, 1).remove(0);
    let scripts = scripts(&scene, 0, 40);
    let mut spent = BTreeMap::new();
    for (at, script) in scripts.iter().enumerate() {
        if at % 20 == 0 {
            spent.clear();
        }
        let by: usize = spent.get(&script.parent).copied().unwrap_or_default();
        let expected = by < 4 && spent.values().sum::<usize>() < 8;
        *spent.entry(script.parent).or_default() += usize::from(expected);
        let heard = scene.hear(script.parent, script.call());
        let passed_on = heard.iter().any(|(_, message)| matches!(message, Message::Call(..)));
        assert_eq!(passed_on, expected, "{at}");
        scene.now += PACE / 20;
    }
    assert_eq!(spent.values().sum::<usize>(), 8);
    assert_eq!(scene.hear(other.parent, other.call()).len(), 1, "each leader has its own");
    // Those that were turned away are not held against the leader later.
    scene.now += PACE;
    assert_eq!(scene.hear(scripts[39].parent, scripts[39].call()).len(), 1);
    assert_eq!(scene.faults, []);
}

/// It has a place with more children than it is to relay to: it is absent from that tree.
#[test]
fn a_member_relays_to_so_many_and_no_more() {
    for (children, takes_part) in [(0, false), (1, false), (2, true)] {
        let mut scene = Scene::new(|mut config| {
            config.limits.children = children;
            config
        });
        scene.validate(b"M");
        let script = scripts(&scene, 0, 1).remove(0);
        let heard = scene.hear(script.parent, script.call());
        assert_eq!(heard.len(), usize::from(takes_part), "{children}");
        assert_eq!(scene.pass(PATIENCE).len(), usize::from(takes_part));
        assert_eq!(scene.asked, 0);
    }
}

/// Of the tuples that were sent, the last ones are kept: the others are as if they were spent.
#[test]
fn a_leader_has_so_many_tuples_and_no_more() {
    let mut scene = Scene::new(|mut config| {
        (config.limits.tuples, config.limits.calls) = (3, 40);
        config
    });
    scene.validate(b"M");
    let scripts = scripts(&scene, 0, 12);
    let tuples: Vec<_> = scripts
        .iter()
        .map(|script| {
            scene.hear(script.parent, script.call());
            the_tuple(&scene.pass(PATIENCE)).1
        })
        .collect();
    for (at, (script, tuple)) in scripts.iter().zip(&tuples).enumerate().rev() {
        let challenge = script.challenge(tuple, &[0, ME, 2], 7);
        let heard = scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
        let answered = matches!(&heard[..], [(_, Message::Sum(..))]);
        // Each answer sends a tuple for the time after, which takes the place of one.
        assert_eq!(answered, at >= 9, "{at}: {heard:?}");
    }
    assert_eq!(scene.faults, []);
}

/// Of the challenges that its subtree answers, it keeps the last ones: those are said again, and
/// told of.
#[test]
fn a_leader_has_so_many_challenges_and_no_more() {
    let mut scene = Scene::new(|mut config| {
        config.limits.calls = 2;
        config
    });
    scene.validate(b"M");
    let script = scripts(&scene, 0, 1).remove(0);
    scene.hear(script.parent, script.call());
    let (_, mut tuple) = the_tuple(&scene.pass(PATIENCE));
    let mut asked = vec![];
    for attempt in 0..5 {
        let session = scene.session(0, b"M", 100 + attempt);
        let script = Script { session, ..script.clone() };
        let challenge = script.challenge(&tuple, &[0, ME, 2], 7);
        let message = script.signed(&challenge, tuple.nonce);
        let heard = scene.hear(script.parent, message.clone());
        let [(_, Message::Sum(_, ahead))] = &heard[..] else { panic!("{heard:?}") };
        asked.push((message, script.inquiry(&challenge)));
        tuple = ahead.what.clone();
    }
    for (at, (message, inquiry)) in asked.into_iter().enumerate() {
        assert_eq!(scene.hear(script.parent, message).len(), usize::from(at >= 3), "{at}");
        let told = scene.hear(0, inquiry);
        assert_eq!(matches!(told[..], [(_, Message::Account(..))]), at >= 3, "{told:?}");
    }
    assert_eq!(scene.faults, []);
}
