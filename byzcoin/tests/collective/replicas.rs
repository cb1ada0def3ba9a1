//! Replicas that vote collectively, on a network that is fast, slow, lossy or cut.

use std::time::Duration;

use byzcoin::View;
use cosi::{
    machine::Time,
    sim::{Latency, Network},
};

use crate::cluster::{Cluster, HOP};

const MINUTE: Duration = Duration::from_secs(60);

/// The hops of the first decision, at its leader: proposal and call for nonces, nonces, prepare
/// challenge, responses; with the certificate the commit challenge, which spends the nonces that
/// came with the responses, and the responses to that.
const FIRST: u32 = 6;
/// Of every later one: proposal and prepare challenge, responses, certificate and commit
/// challenge, responses.
const LATER: u32 = 4;

#[test]
fn two_round_trips_decide_once_nonces_are_there() {
    for size in [4, 7, 10] {
        let goal = 8;
        let mut cluster = Cluster::new(size, goal);
        let everybody: Vec<_> = (0..usize::from(size)).collect();
        cluster.run(&everybody, MINUTE);
        for height in 1..=goal {
            let hops = FIRST + LATER * u32::try_from(height - 1).unwrap();
            for member in &everybody {
                // The leader tells the others.
                let told = u32::from(*member != 0);
                let decided = cluster.decided(*member, height);
                assert_eq!(decided.at, HOP * (hops + told), "{size}, {height}, {member}");
                assert_eq!(decided.view, View::ZERO);
            }
        }
        assert!(cluster.all_collective() && cluster.app().faults.is_empty());
    }
}

#[test]
fn a_new_leader_needs_one_round_trip_more() {
    // The turn passes on after 16 heights: the nonces were for the first leader.
    let mut cluster = Cluster::new(4, 20);
    cluster.run(&[0, 1, 2, 3], MINUTE);
    let at = |member, height| cluster.decided(member, height).at;
    assert_eq!(at(0, 16) - at(0, 15), HOP * LATER);
    // 1 hears of height 16 one hop after its leader.
    assert_eq!(at(1, 17) - at(0, 16), HOP * (1 + FIRST));
    assert_eq!(at(1, 18) - at(1, 17), HOP * LATER);
    assert!(cluster.all_collective() && cluster.app().faults.is_empty());
}

#[test]
fn a_roster_of_one_decides_by_itself() {
    let mut cluster = Cluster::new(1, 40);
    cluster.run(&[0], Duration::ZERO);
    assert!(cluster.all_collective());
}

#[test]
fn loss_duplication_and_jitter_cost_time_alone() {
    for (seed, size, loss) in [(1, 4, 20), (2, 4, 100), (3, 7, 50), (4, 10, 30), (5, 4, 200)] {
        let mut cluster = Cluster::with(size, 6, Cluster::jittered(seed, loss, 100));
        let everybody: Vec<_> = (0..usize::from(size)).collect();
        cluster.run(&everybody, 20 * MINUTE);
        assert_eq!(cluster.app().faults, [], "{seed}");
    }
}

#[test]
fn disorder_alone_changes_no_view_and_needs_no_single_vote() {
    for seed in 0..4 {
        let mut cluster = Cluster::with(7, 6, Cluster::jittered(seed, 0, 50));
        cluster.run(&[0, 1, 2, 3, 4, 5, 6], 2 * MINUTE);
        assert!(cluster.all_collective() && cluster.app().faults.is_empty());
        assert!((1..=6).all(|height| cluster.decided(0, height).view == View::ZERO), "{seed}");
    }
}

/// Everything is lost for a while, between all or between two halves.
#[test]
fn a_cut_that_heals_loses_nothing() {
    for halves in [false, true] {
        let mut cluster = Cluster::new(4, 1_000);
        cluster.run_for(Duration::from_secs(2));
        let before = cluster.heights();
        assert!(before.iter().all(|height| *height > 5), "{before:?}");
        // A wire that takes an hour is none.
        let cut = Latency::Fixed(Duration::from_secs(3600));
        let across = |a: usize, b: usize| a != b && (!halves || (a < 2) != (b < 2));
        cluster.link_all(&cut, across);
        cluster.run_for(Duration::from_secs(100));
        let during = cluster.heights();
        assert!(during.iter().zip(&before).all(|(now, then)| *now <= then + 2), "no quorum");
        cluster.link_all(&Latency::Fixed(HOP), across);
        cluster.run_for(Duration::from_secs(200));
        let after = cluster.heights();
        assert!(after.iter().zip(&during).all(|(now, then)| *now > then + 20), "{after:?}");
        assert_eq!(cluster.app().faults, []);
    }
}

#[test]
fn one_seed_is_one_run() {
    let run = |seed| {
        let mut cluster = Cluster::with(4, 4, Cluster::jittered(seed, 50, 50));
        cluster.run(&[0, 1, 2, 3], 20 * MINUTE);
        cluster.sim.digest()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn slow_members_cost_their_delay() {
    // 3 hears and is heard a second late: longer than the grace, shorter than the patience.
    let network = Network::default();
    let mut cluster = Cluster::with(4, 6, network);
    cluster.link_all(&Latency::Fixed(Duration::from_secs(1)), |a, b| a == 3 || b == 3);
    cluster.run(&[0, 1, 2, 3], 2 * MINUTE);
    assert!(cluster.all_collective());
    assert_eq!(cluster.app().faults, []);
    assert!(cluster.sim.now() < Time::at(MINUTE));
}
