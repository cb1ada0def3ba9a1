//! That the seeds reach what they are called, and that what is broken is noticed.

use super::*;

fn reached(name: &str) -> World {
    let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
    run(&input)
}

/// What the seeds are called is what happens.
#[test]
fn seeds_reach_outputs_crashes_and_convictions() {
    let nothing = reached("nothing");
    assert!(nothing.dealt.is_empty() && nothing.output.is_none());
    for name in ["drawn", "shown-too-early", "crash", "forgets", "two-deals", "corrupt", "lost"] {
        assert!(reached(name).output.is_some(), "{name}");
    }
    for (name, together) in [("mute", true), ("refused", true), ("one-by-one", false)] {
        let reached = reached(name);
        assert!(reached.output.is_some(), "{name}");
        let journal = reached.client_journal.iter().map(|bytes| ClientRecord::decode(bytes));
        let certified = journal.filter_map(|record| {
            let ClientRecord::Certified(certificate) = record.unwrap() else { return None };
            Some(certificate)
        });
        let forms = certified.map(|it| matches!(it, Certificate::Collective(_)));
        assert_eq!(forms.collect::<Vec<_>>(), [together], "{name}");
    }
    let asked = reached("asked-again");
    assert!(asked.offered.values().all(|offers| offers.len() > 2), "{:?}", asked.offered);
    let two = reached("two-choices");
    assert_eq!((two.choices.len(), two.convicted), (2, BTreeSet::from([Peer::Client])));
    assert_eq!(reached("two-deals").convicted, BTreeSet::from([server(LIAR)]));
    let shown = reached("shown");
    assert!(shown.choices.values().any(|choice| choice.signed.contains_key(&LIAR)));
    assert!(!reached("corrupt").corrupted.is_empty());
}

#[test]
fn a_second_word_and_a_share_without_a_quorum_are_noticed() {
    let noticed = |act: fn(&mut World)| {
        let mut world = reached("drawn");
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| act(&mut world))).is_err()
    };
    assert!(!noticed(|world| {
        let opened = Message::Opened(world.opened[&0].clone());
        world.judge(0, &opened);
    }));
    assert!(noticed(|world| {
        let opened = Message::Opened(world.opened[&1].clone());
        world.judge(0, &opened);
    }));
    assert!(noticed(|world| {
        world.choices.values_mut().for_each(|choice| {
            choice.signed.retain(|at, _| *at < 4);
            choice.parts.retain(|at| *at < 4);
        });
        let opened = Message::Opened(world.opened[&0].clone());
        world.judge(0, &opened);
    }));
    assert!(noticed(|world| {
        let offer = world.offered[&0][0];
        let word = Word::Part { attempt: 0, response: [0; 32], ahead: offer };
        let statement = world.acknowledged[&0];
        let said = randhound::message::Acknowledgement { statement, word };
        world.judge(0, &Message::Acknowledgement(said));
    }));
    assert!(noticed(|world| {
        let dealt = CAST.deal(0, &mut rng(1));
        let mut cx = Cx::new(world.now, &mut world.rng);
        let (offer, _) = offer(&mut cx, 0);
        world.judge(0, &Message::Dealing(dealt, offer));
    }));
}
