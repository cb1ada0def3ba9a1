//! Weights, and not heads, are what a leader counts.

use std::time::Duration;

use cosi::{Mode, Policy, leader};

use crate::{
    certificate::weighted,
    common::{LATENCY, World},
};

/// Of weight 9, seven are a quorum.
fn world(weights: &[u32], silent: &[u16]) -> World {
    let mut world = World::of(weighted(weights), Mode::Accountable, Policy::Quorum);
    world.cosigners.retain(|member, _| !silent.contains(member));
    world.announce(b"x");
    world.run();
    world
}

#[test]
fn a_few_heavy_members_sign() {
    let world = world(&[4, 1, 2, 1, 1], &[3, 4]);
    assert_eq!((world.signed(b"x").1, world.attempts()), (vec![3, 4], 1));
    assert_eq!(world.now, 4 * LATENCY + Duration::from_millis(200), "the grace, and no patience");
}

#[test]
fn many_light_members_alone_are_not_even_challenged() {
    let world = world(&[1, 4, 2, 1, 1], &[1]);
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));
    assert_eq!((world.attempts(), world.faults.len()), (0, 0));
}
