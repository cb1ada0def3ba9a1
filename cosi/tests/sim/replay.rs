//! One seed, one run.

use std::{cell::RefCell, collections::BTreeSet, num::NonZeroU64, rc::Rc, time::Duration};

use cosi::sim::{Boundary, Cpu, Crash, Entry, Latency, Network, Outcome, Simulation, When};

use crate::{
    adversary::Mute,
    teller::{Command, Config, Log, millis, run, tellers},
};

/// All that chance and mishap can do to seven nodes.
fn storm(seed: u64, rounds: u64) -> ([u8; 32], Vec<Entry>, String) {
    let network = Network {
        seed,
        latency: Latency::Jittered {
            least: Duration::from_millis(20),
            jitter: Duration::from_millis(60),
        },
        uplink: NonZeroU64::new(20_000),
        downlink: NonZeroU64::new(30_000),
        loss_per_mille: 50,
        duplicate_per_mille: 50,
        spurious_per_mille: 50,
        cpu: Cpu::Fixed(Duration::from_micros(300)),
        ..Network::default()
    };
    let mut sim = tellers(network, 7);
    let entries = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&entries);
    sim.observe(move |_, entry| sink.borrow_mut().push(entry.clone()));
    sim.application_mut().answers = rounds;
    for peer in 1..=7 {
        sim.command(millis(u64::from(peer) * 10), peer, Command::Say(1));
        sim.command(millis(u64::from(peer) * 15), peer, Command::Wake(millis(70)));
        let down_for = Some(Duration::from_millis(40));
        let when = When::Step(2 + u64::from(peer) * 3);
        let boundary = [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease]
            [usize::from(peer) % 3];
        sim.crash(peer, Crash { when, boundary, down_for });
    }
    assert_eq!(sim.run_until(millis(400), |_| false), Ok(Outcome::Limit));
    assert_eq!(sim.total().restarts, 7);
    let log: &Log = sim.application();
    let digest = sim.digest();
    let log = format!("{log:?}");
    drop(sim);
    (digest, Rc::into_inner(entries).unwrap().into_inner(), log)
}

#[test]
fn a_seed_replays_to_the_bit_and_another_does_not() {
    let first = storm(7, 4);
    assert!(first.1.len() > 1000, "{}", first.1.len());
    assert_eq!(first, storm(7, 4));
    let other = storm(8, 4);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn the_digest_covers_what_is_said_and_what_is_stored() {
    let digest = |silent, seed, round| {
        let network = Network { seed, ..Network::default() };
        let mut sim = Simulation::new(network, Log::default());
        sim.add(1, if silent { Config::Sound } else { Config::Forgetful });
        sim.add(2, Config::Sound);
        if silent {
            sim.byzantine([1], Mute { heard: 0 });
        }
        sim.command(millis(0), 1, Command::Say(round));
        run(&mut sim);
        sim.digest()
    };
    // The same entries, but another round or word: in the record of a silent node, in the
    // message of one that records nothing.
    for silent in [false, true] {
        assert_eq!(digest(silent, 7, 1), digest(silent, 7, 1));
        assert_ne!(digest(silent, 7, 1), digest(silent, 7, 2));
        assert_ne!(digest(silent, 7, 1), digest(silent, 8, 1));
    }
}

#[test]
fn each_node_has_randomness_of_its_own() {
    let mut sim = tellers(Network::default(), 3);
    (1..=3).for_each(|peer| sim.command(millis(0), peer, Command::Say(1)));
    run(&mut sim);
    let words = BTreeSet::from_iter([1, 2, 3].map(|peer| sim.application().said(peer)[0].1));
    assert_eq!(words.len(), 3);
}

#[test]
fn a_run_in_parts_is_the_same_run() {
    let build = || {
        let mut sim = tellers(Network { loss_per_mille: 100, ..Network::default() }, 5);
        sim.application_mut().answers = 3;
        sim.command(millis(0), 1, Command::Say(1));
        sim
    };
    let (mut whole, mut parts, mut steps) = (build(), build(), build());
    run(&mut whole);
    for at in 0..200 {
        parts.run_until(millis(at), |_| false).unwrap();
    }
    let said = |log: &Log| (1..=5).map(|peer| log.said(peer).len()).sum::<usize>();
    let done = steps.run_until(millis(1000), |sim| said(sim.application()) == 2);
    assert_eq!(done, Ok(Outcome::Done));
    assert_eq!(said(steps.application()), 2);
    while steps.step().unwrap() {}
    assert_eq!(whole.digest(), parts.digest());
    assert_eq!(whole.digest(), steps.digest());
    assert!(said(whole.application()) > 2);
}
