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
        let dealt = CAST.deal(0, &mut rng(1));
        let mut cx = Cx::new(world.now, &mut world.rng);
        let (offer, _) = offer(&mut cx, 0);
        world.judge(0, &Message::Dealing(dealt, offer));
    }));
}
