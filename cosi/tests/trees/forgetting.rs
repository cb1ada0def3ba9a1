//! What a member of a tree keeps of a statement that is forgotten, and for how long.

use cosi::{
    cosigner::Command,
    machine::Time,
    message::{Ask, Message},
    session::Digest,
};

use crate::{
    member::{all, committed},
    scene::{Heard, PATIENCE, Scene, Script, the_tuple},
};

fn forget(scene: &mut Scene, statement: &[u8]) {
    let digest = Digest::of(statement);
    assert_eq!(scene.tell(Command::Forget { digest }), []);
}

/// Calls with a statement each, in the order in which they were issued.
fn calls(scene: &Scene, number: u8) -> Vec<Script> {
    let dated = |at: u8| {
        let script = scene.scripts(0, &[at]).next().unwrap();
        Script { issued: Time::at(PATIENCE * (u32::from(at) + 1)), ..script }
    };
    (0..number).map(dated).collect()
}

fn calls_for_all(scene: &mut Scene, script: &Script) -> Heard {
    scene.now += PATIENCE;
    scene.validate(&script.statement);
    let heard = scene.hear(script.parent, script.call());
    [heard, scene.pass(PATIENCE)].concat()
}

/// Two sessions are open, and of the later one all is done before the earlier one's call is here.
#[test]
fn a_late_call_is_not_taken_for_old() {
    let mut scene = Scene::new(|config| config);
    let calls = calls(&scene, 2);
    the_tuple(&calls_for_all(&mut scene, &calls[1]));
    forget(&mut scene, &calls[1].statement);
    the_tuple(&calls_for_all(&mut scene, &calls[0]));
    forget(&mut scene, &calls[0].statement);
    for script in &calls {
        assert_eq!(calls_for_all(&mut scene, script), [], "each has a pair drawn once");
    }
    assert_eq!(scene.faults, []);
}

/// However many are forgotten, in whichever order they came: none of them comes back.
#[test]
fn forgotten_calls_do_not_come_back() {
    for backwards in [false, true] {
        let mut scene = Scene::new(|config| config);
        let mut calls = calls(&scene, 20);
        if backwards {
            calls.reverse();
        }
        let mut tuples = 0;
        for script in &calls {
            tuples += usize::from(!calls_for_all(&mut scene, script).is_empty());
            forget(&mut scene, &script.statement);
        }
        // Of those that come late, the fifth is let go at once: older ones are as old as that.
        assert_eq!(tuples, if backwards { 5 } else { 20 });
        for script in &calls {
            assert_eq!(calls_for_all(&mut scene, script), []);
        }
    }
}

/// The statement is signed, and forgotten, and the leader asks what became of a sum all the same.
#[test]
fn it_tells_of_what_it_answered_though_that_is_forgotten() {
    let mut scene = Scene::new(|mut config| {
        config.limits.calls = 2;
        config
    });
    scene.validate(b"M");
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let (_, mut tuple) = the_tuple(&scene.pass(PATIENCE));
    let mut inquiries = vec![];
    for attempt in 0..5 {
        scene.validate(b"M");
        let session = scene.session(0, b"M", 100 + attempt);
        let script = Script { session, ..script.clone() };
        let challenge = script.challenge(&tuple, &[0, 1, 2], 7);
        let message = script.signed(&challenge, tuple.nonce);
        let heard = scene.hear(script.parent, message.clone());
        let [(_, Message::Sum(_, ahead))] = &heard[..] else { panic!("{heard:?}") };
        tuple = ahead.what.clone();
        forget(&mut scene, b"M");
        assert_eq!(scene.hear(script.parent, message), heard);
        inquiries.push(script.inquiry(&challenge));
    }
    for (at, inquiry) in inquiries.into_iter().enumerate() {
        let told = scene.hear(0, inquiry);
        match &told[..] {
            [(_, Message::Account(..))] => assert!(at >= 3, "{at}"),
            [(_, Message::Refusal(_))] => assert!(at < 3, "{at}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(scene.faults, []);
}

/// What it has not answered when the statement is forgotten it never will, and says so.
#[test]
fn what_waits_for_a_verdict_is_forgotten() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    forget(&mut scene, b"M");
    let challenge = script.challenge(&tuple, &all(&script), 7);
    let message = script.signed(&challenge, tuple.nonce);
    assert_eq!(scene.hear(script.parent, message.clone()).len(), 2, "passed on");
    forget(&mut scene, b"M");
    let told = scene.hear(0, script.inquiry(&challenge));
    assert!(matches!(told[..], [(_, Message::Refusal(_))]), "{told:?}");
    assert_eq!(scene.validate(b"M"), []);
    assert_eq!(scene.hear(script.parent, message), []);
}

/// One challenge, two pairs, for itself and for its branch: the leader has the answer that it asked
/// for first, before the verdict and after.
#[test]
fn one_challenge_is_answered_one_way() {
    for (own_first, late) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut scene = Scene::ready();
        let mut scripts = scene.scripts(0, b"M");
        let (one, two) = (scripts.next().unwrap(), scripts.next().unwrap());
        let [tuple, other] = [&one, &two].map(|script| committed(&mut scene, script));
        if late {
            forget(&mut scene, b"M");
        }
        let challenge = one.challenge(&tuple, &all(&one), 7);
        let own = one.asked(&challenge, Ask::Own(other.nonce));
        let branch = one.asked(&challenge, Ask::Branch(tuple.nonce));
        let [first, second] = if own_first { [own, branch] } else { [branch, own] };
        let mut heard = scene.hear(0, first.clone());
        heard.extend(scene.hear(0, second.clone()));
        heard.extend(scene.validate(b"M"));
        heard.extend(scene.hear(0, second));
        for child in one.children {
            heard.extend(scene.hear(child, one.said_sum(one.sum(&challenge, child))));
        }
        let count = |kind: fn(&Message) -> bool| heard.iter().filter(|(_, m)| kind(m)).count();
        let responses = count(|message| matches!(message, Message::Response(_)));
        let sums = count(|message| matches!(message, Message::Sum(..)));
        let refusals = count(|message| matches!(message, Message::Refusal(_)));
        let told = (responses, sums, refusals);
        assert_eq!(told, if own_first { (1, 0, 0) } else { (0, 1, 2) }, "{late}: {heard:?}");
        assert_eq!(scene.faults, []);
    }
}
