//! Members that play a leader's old calls back spend what is their own, and nothing of the leader's.

use std::time::Duration;

use cosi::{
    cosigner::Command,
    machine::Time,
    message::{Message, Said},
    session::Digest,
};

use crate::{
    grove::key,
    scene::{PATIENCE, Scene, Script, bytes, declines},
};

const PACE: Duration = Duration::from_secs(1);

/// What the leader issued in the seconds from `first` on, each under a plan of its own.
fn issued(scene: &Scene, first: u64, scripts: impl Iterator<Item = Script>) -> Vec<Script> {
    assert!(scene.now < PATIENCE);
    let dated = |(at, script): (u64, Script)| {
        let issued = Time::at(Duration::from_secs(first + at));
        Script { issued, ..script }
    };
    (0..).zip(scripts).map(dated).collect()
}

/// Calls that this member is to pass on, and others do: each with a statement of its own.
fn by_way_of(scene: &Scene, parent: u16, number: u8) -> Vec<Script> {
    let statements = (0..number).map(|at| {
        let mut scripts = scene.scripts(0, &[b'o', at]);
        scripts.find(|script| script.parent == parent).unwrap()
    });
    issued(scene, 1, statements)
}

/// The leader's newest call.
fn newest(scene: &Scene, statement: &[u8], avoid: &[u16]) -> Script {
    let mut scripts = scene.scripts(0, statement);
    let script = scripts.find(|script| !avoid.contains(&script.parent)).unwrap();
    Script { issued: Time::at(Duration::from_secs(10_000)), ..script }
}

fn passes_on(heard: &[(Vec<u16>, Message)]) -> bool {
    heard.iter().any(|(_, message)| matches!(message, Message::Call(..)))
}

/// A member that was away has seen none of the old calls. Neither parent nor leader plays them
/// back: it passes none on, and its leader has lost nothing.
#[test]
fn a_stranger_spends_nothing_of_the_leaders() {
    let mut scene = Scene::ready();
    let old = issued(&scene, 1, scene.scripts(0, b"M").take(200));
    let now = newest(&scene, b"N", &[]);
    for (script, stranger) in old.iter().zip((2..15).cycle()) {
        if ![script.parent, now.parent].contains(&stranger) {
            assert_eq!(scene.hear(stranger, script.call()), []);
        }
    }
    assert!(passes_on(&scene.hear(now.parent, now.call())));
    // Nor in the tree that the member knows.
    let later = |attempt: u32| Script {
        session: scene.session(0, b"N", 3000 + attempt),
        issued: now.issued.after(PACE),
        ..now.clone()
    };
    let later: Vec<_> = (0..9u32).map(later).collect();
    for script in &later {
        assert_eq!(scene.hear(now.children[0], script.call()), []);
    }
    assert!(passes_on(&scene.hear(0, later[8].call())), "from the leader itself");
    assert_eq!((scene.faults.len(), scene.asked), (0, 0));
}

/// A tree is dealt in vain once a pace for each member, at its own cost.
#[test]
fn a_stranger_has_no_tree_dealt_again_and_again() {
    let mut scene = Scene::ready();
    let scripts = issued(&scene, 1, scene.scripts(0, b"M").take(200));
    let stranger = scripts[0].children[0];
    let mut of_stranger = scripts.iter().filter(|script| script.parent == stranger);
    let [first, second] = [of_stranger.next().unwrap(), of_stranger.next().unwrap()];
    let other = scripts[1..].iter().find(|script| script.parent != stranger).unwrap();
    assert_eq!(scene.hear(stranger, scripts[0].call()), []);
    assert_eq!(scene.hear(stranger, first.call()), [], "though it is the parent there");
    assert!(passes_on(&scene.hear(other.parent, other.call())), "nobody else is charged");
    assert!(passes_on(&scene.hear(0, first.call())), "not the leader");
    scene.now += PACE;
    assert!(passes_on(&scene.hear(stranger, second.call())));
}

/// Who was a parent once plays back what it was to pass on: it spends its own pace alone, and what
/// is older pushes nothing newer out.
#[test]
fn a_former_parent_spends_its_own_pace() {
    for first in [true, false] {
        let mut scene = Scene::new(|config| config);
        let old = by_way_of(&scene, 2, 12);
        let now = newest(&scene, b"new", &[2]);
        if first {
            assert!(passes_on(&scene.hear(now.parent, now.call())));
        }
        let heard = old.iter().map(|script| scene.hear(2, script.call()));
        let passed_on = heard.filter(|heard| passes_on(heard)).count();
        assert_eq!(passed_on, 4);
        if !first {
            assert!(passes_on(&scene.hear(now.parent, now.call())));
        }
        for script in &old[4..] {
            scene.now += PACE;
            scene.hear(2, script.call());
        }
        // It still has the newest, and its case.
        let digest = Digest::of(b"new");
        scene.pass(PATIENCE);
        declines(&scene.tell(Command::Answered { digest, accept: false }));
        assert_eq!(scene.validate(b"new").len(), 1, "a tuple");
        assert_eq!(scene.faults, []);
    }
}

/// Nor does it push out what the leader asked for itself, nor newer calls' statements.
#[test]
fn old_calls_push_no_statement_out() {
    let mut scene = Scene::new(|config| config);
    let old = by_way_of(&scene, 2, 40);
    let statements: Vec<_> = (0..15).map(|at| vec![b'a', at]).collect();
    for statement in &statements {
        let session = scene.session(0, statement, 0);
        let said = Said::new(&key(0), session);
        assert_eq!(scene.hear(0, Message::Announcement(said, bytes(statement))), []);
    }
    let now = newest(&scene, b"new", &[2]);
    scene.hear(now.parent, now.call());
    for script in &old {
        assert!(passes_on(&scene.hear(2, script.call())));
        scene.now += PACE / 4;
    }
    declines(&scene.tell(Command::Answered { digest: Digest::of(b"new"), accept: false }));
    for statement in &statements {
        let heard = scene.validate(statement);
        assert!(matches!(heard[..], [(_, Message::Commitment(_))]), "{heard:?}");
    }
    // All of that was asked about, once.
    assert_eq!((scene.asked, scene.faults.len()), (15 + 1 + 40, 0));
}
