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

/// Two heights on which `node` crashes in that step. Whether it took so many steps.
fn crashes(node: usize, step: u64, boundary: Boundary, down_for: Option<Duration>) -> bool {
    let mut cluster = Cluster::new(4, 2);
    let peer = cluster.peers[node];
    cluster.sim.crash(peer, Crash { when: When::Step(step), boundary, down_for });
    // Its application has payload again when it is back.
    cluster.sim.command(Time::at(Duration::from_secs(1)), peer, Command::Pending);
    let others: Vec<_> = (0..4).filter(|at| down_for.is_some() || *at != node).collect();
    cluster.run(&others, 3 * MINUTE);
    let crashed = cluster.sim.counters(peer).unwrap().crashes;
    assert_eq!(cluster.app().faults, [], "{node} {step} {boundary:?} {down_for:?}");
    crashed > 0
}

#[test]
fn a_crash_at_any_boundary_costs_no_decision_and_blames_nobody() {
    let mut all = 0;
    for node in [0, 2] {
        for boundary in BOUNDARIES {
            for down_for in [Some(Duration::ZERO), Some(Duration::from_millis(200)), None] {
                let steps = (1..).take_while(|step| crashes(node, *step, boundary, down_for));
                all += steps.count();
            }
        }
    }
    println!("{all} crashes");
    assert!(all > 200, "{all}");
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
