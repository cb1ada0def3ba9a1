//! That the seeds reach what they are called, and that what is broken is noticed.

use cosi::machine::Step;

use super::*;

fn reached(name: &str) -> World {
    let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
    run(&input)
}

/// What the seeds are called is what happens.
#[test]
fn seeds_reach_outputs_void_statements_and_convictions() {
    for name in ["rescued", "by-accomplices", "two-statements", "crash", "corrupt", "lost"] {
        let end = reached(name).end;
        assert!(matches!(end, Some(End::Output(_))), "{name}: {end:?}");
    }
    assert_eq!(reached("void").end, Some(End::Void));
    let none = reached("undecided");
    assert_eq!((none.end, none.aborted), (None, 1));
    assert!(reached("two-statements").convicted);
    assert!(!reached("corrupt").corrupted.is_empty());
    // The liars' machines saw nothing, and a certificate that bears their names brings no deals.
    let opened: Vec<_> = reached("by-accomplices").opened.into_keys().collect();
    assert_eq!(opened, [0, 1, 2, 3, 4]);
}

#[test]
fn a_share_without_a_quorum_and_another_verdict_are_noticed() {
    let noticed = |name: &str, act: fn(World)| {
        let world = reached(name);
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| act(world))).is_err()
    };
    let void: fn(World) = |mut world| {
        world.take(Step::none().event(Event::Void(voids().remove(0))));
    };
    assert!(!noticed("void", void));
    assert!(noticed("rescued", void));
    assert!(noticed("nothing", void));
    assert!(noticed("rescued", |mut world| {
        world.signed.values_mut().for_each(|signed| signed.retain(|at, _| *at < 4));
        world.restart(1);
    }));
    assert!(!noticed("nothing", World::end));
    assert!(noticed("nothing", |mut world| {
        world.opened.insert(0, PLOTS[0].id());
        world.end();
    }));
}
