//! Whoever fills a quota in a tree pushes out its own oldest, and nobody else's.

use std::time::Duration;

use cosi::{machine::Time, message::Message};

use crate::scene::{ME, PATIENCE, Scene, Script, said_tuple, the_tuple};

fn scripts(scene: &Scene, leader: u16, number: usize) -> Vec<Script> {
    scene.scripts(leader, b"M").take(number).collect()
}

/// Whether the member still has the call: then it says again what it said.
fn holds(scene: &mut Scene, script: &Script) -> bool {
    let heard = scene.hear(script.parent, script.call());
    match &heard[..] {
        [] => false,
        [(_, Message::Tuple(_))] => true,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_leader_has_so_many_calls_and_no_more() {
    let mut scene = Scene::ready();
    let others = scripts(&scene, 2, 1).remove(0);
    scene.hear(others.parent, others.call());
    let scripts = scripts(&scene, 0, 60);
    for script in &scripts {
        assert_eq!(scene.hear(script.parent, script.call()).len(), 1, "passed on");
    }
    // Each of the last four ends its wait with a tuple, and the other leader's.
    assert_eq!(scene.pass(PATIENCE).len(), 5);
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
    }
    let asked = scene.asked;
    for script in &scripts[..8] {
        for from in [script.parent, 0, script.children[0]] {
            assert_eq!(scene.hear(from, script.call()), []);
        }
    }
    assert_eq!(scene.asked, asked);
    scene.validate(b"M");
    assert_eq!(scene.pass(PATIENCE).len(), 4);
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
        assert_eq!(scene.hear(first, said_tuple(tuple)), []);
    }
    let (_, tuple) = the_tuple(&scene.hear(second, said_tuple(script.leaf(second))));
    let mut signers = [ME, first, second];
    signers.sort_unstable();
    assert_eq!(tuple.mask.iter().collect::<Vec<_>>(), signers);
}
