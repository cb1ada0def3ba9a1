//! A crash at every boundary of every step in which a block is prepared and committed.

use std::time::Duration;

use byzcoin::Command;
use cosi::{
    machine::Time,
    sim::{Boundary, Crash, Network, When},
};

use crate::cluster::Cluster;

const BOUNDARIES: [Boundary; 4] =
    [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];
const MINUTE: Duration = Duration::from_secs(60);

/// Two heights on which `node` crashes in that step, `silent` being down from the start. Whether
/// it took so many steps.
fn crashes(node: usize, silent: Option<usize>, step: u64, crash: Crash) -> bool {
    let mut cluster = Cluster::new(4, 2);
    let peer = cluster.peers[node];
    if let Some(silent) = silent {
        let (when, boundary) = (When::Step(1), Boundary::BeforeRecords);
        cluster.sim.crash(cluster.peers[silent], Crash { when, boundary, down_for: None });
    }
    cluster.sim.crash(peer, Crash { when: When::Step(step), ..crash });
    // Its application has payload again when it is back.
    cluster.sim.command(Time::at(Duration::from_secs(1)), peer, Command::Pending);
    let down = |at: usize| Some(at) == silent || crash.down_for.is_none() && at == node;
    let others: Vec<_> = (0..4).filter(|at| !down(*at)).collect();
    cluster.run(&others, 20 * MINUTE);
    let crashed = cluster.sim.counters(peer).unwrap().crashes;
    assert_eq!(cluster.app().faults, [], "{node} {silent:?} {step} {crash:?}");
    crashed > 0
}

/// Crashes at every step there is.
fn at_every_step(node: usize, silent: Option<usize>, down_for: Option<Duration>) -> usize {
    let at = |boundary| {
        let crash = Crash { when: When::Step(1), boundary, down_for };
        (1..).take_while(|step| crashes(node, silent, *step, crash)).count()
    };
    BOUNDARIES.into_iter().map(at).sum()
}

#[test]
fn a_crash_at_any_boundary_costs_no_decision_and_blames_nobody() {
    let downs = [Some(Duration::ZERO), Some(Duration::from_millis(200)), None];
    let all: usize = [0, 2]
        .into_iter()
        .flat_map(|node| downs.map(|down_for| at_every_step(node, None, down_for)))
        .sum();
    println!("{all} crashes");
    assert!(all > 200, "{all}");
}

#[test]
fn one_that_is_silent_from_the_start_and_one_that_crashes_stop_nothing() {
    // A member is silent, or the first leader.
    let down_for = Some(Duration::from_millis(200));
    let all = at_every_step(0, Some(3), down_for)
        + at_every_step(1, Some(3), down_for)
        + at_every_step(1, Some(0), down_for);
    println!("{all} crashes");
    assert!(all > 100, "{all}");
}

#[test]
fn members_that_crash_again_and_again_stop_nothing() {
    for seed in 0..6 {
        let network = Network { loss_per_mille: 20, ..Cluster::jittered(seed, 20, 20) };
        let mut cluster = Cluster::with(4, 6, network);
        // One at a time, each for a second, at another boundary each time.
        for round in 0..12_u64 {
            let node = usize::try_from((round + seed) % 4).unwrap();
            let at = Time::at(Duration::from_millis(700) * u32::try_from(round).unwrap());
            let boundary = BOUNDARIES[usize::try_from((round / 4 + seed) % 4).unwrap()];
            let down_for = Some(Duration::from_millis(500));
            cluster
                .sim
                .crash(cluster.peers[node], Crash { when: When::At(at), boundary, down_for });
            for peer in cluster.peers.clone() {
                cluster.sim.command(at.after(Duration::from_millis(600)), peer, Command::Pending);
            }
        }
        cluster.run(&[0, 1, 2, 3], 20 * MINUTE);
        assert_eq!(cluster.app().faults, [], "{seed}");
    }
}
