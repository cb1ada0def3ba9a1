//! Runs in which as many servers are Byzantine as may be.

#[path = "../../benches/randhound/byzantine.rs"]
#[expect(dead_code, reason = "`evaluate` prints what is not read here")]
mod byzantine;
#[path = "../../benches/randhound/work.rs"]
#[expect(dead_code, reason = "`evaluate` prints what is not read here")]
mod work;

use std::sync::Arc;

use byzantine::Strategy;
use work::{Acknowledging, World};

/// Client, transcript and rescuer have one output; who does what others see is blamed, and nobody
/// who is honest.
#[test]
fn each_strategy_ends_with_the_same_verified_output() {
    let world = Arc::new(World::new(64, 16).unwrap());
    for strategy in Strategy::ALL {
        let attacked =
            world.attacked(&[strategy]).unwrap_or_else(|why| panic!("{strategy:?}: {why}"));
        assert_eq!(attacked.byzantine, 21);
    }
}

#[test]
fn a_thousand_servers_with_every_strategy_end_with_the_same_verified_output() {
    let world = Arc::new(World::new(1024, 32).unwrap());
    let attacked = world.attacked(&Strategy::ALL).unwrap();
    assert_eq!(attacked.byzantine, 341);
}

/// The paper's three round trips, and both certificates.
#[test]
fn a_measured_run_yields_a_transcript_that_convinces_anybody() {
    let world = World::new(32, 8).unwrap();
    for acknowledging in [Acknowledging::Collective, Acknowledging::Individual] {
        let run = world.run(acknowledging).unwrap();
        assert!(run.is_sound(&world));
    }
}
