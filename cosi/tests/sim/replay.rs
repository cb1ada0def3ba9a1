//! One seed, one run.

use std::{cell::RefCell, collections::BTreeSet, num::NonZeroU64, rc::Rc, time::Duration};

use cosi::sim::{
    Across, Boundary, Counters, Cpu, Crash, Cut, Entry, Latency, Matrix, Network, Outcome,
    Partition, Recording, Simulation, When,
};

use crate::{
    adversary::Mute,
    teller::{Command, Config, Log, millis, run, tellers},
};

/// What can be known of a run.
#[derive(Debug, PartialEq)]
struct Run {
    digest: [u8; 32],
    entries: Vec<Entry>,
    log: String,
    total: Counters,
}

/// All that chance and mishap can do to seven nodes.
fn storm(seed: u64, cpu: Cpu) -> (Run, Option<Recording>) {
    let network = Network {
        seed,
        latency: Latency::LogNormal { median: Duration::from_millis(40), sigma_per_mille: 400 },
        uplink: NonZeroU64::new(20_000),
        downlink: NonZeroU64::new(30_000),
        loss_per_mille: 50,
        duplicate_per_mille: 50,
        spurious_per_mille: 50,
        cpu,
        ..Network::default()
    };
    let mut sim = tellers(network, 7);
    let entries = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&entries);
    sim.observe(move |_, entry| sink.borrow_mut().push(entry.clone()));
    sim.application_mut().answers = 4;
    let exponential =
        Latency::Exponential { least: Duration::ZERO, mean: Duration::from_millis(9) };
    sim.regions(Matrix::new(vec![vec![exponential; 2]; 2]).unwrap(), |peer| usize::from(peer) % 2);
    (3..=7).for_each(|peer| sim.link(1, peer, Latency::Fixed(Duration::from_millis(70))));
    for (across, peers) in [(Across::Held, vec![2, 4]), (Across::Dropped, vec![5])] {
        let (from, until) = (millis(60), Some(millis(110)));
        sim.partition(Partition { from, until, cut: Cut::Groups(vec![peers]), across });
    }
    sim.schedule(Duration::from_millis(30), |_, rng, letter| {
        Duration::from_micros(u64::from(rng.next_u32() % 1000) * u64::from(letter.to))
    });
    sim.byzantine([1], Mute { heard: 0 });
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
    let total = sim.total();
    let (digest, recording) = (sim.digest(), sim.recording());
    let log: &Log = sim.application();
    let log = format!("{log:?}");
    drop(sim);
    let entries = Rc::into_inner(entries).unwrap().into_inner();
    (Run { digest, entries, log, total }, recording)
}

const CPU: Cpu = Cpu::Fixed(Duration::from_micros(300));

#[test]
fn a_seed_replays_to_the_bit_and_another_does_not() {
    let (first, _) = storm(7, CPU);
    assert!(first.entries.len() > 1000, "{}", first.entries.len());
    let Counters { lost, duplicated, cut, held, restarts, .. } = first.total;
    assert!(lost > 0 && duplicated > 0 && cut > 0 && held > 0 && restarts == 7);
    assert_eq!(first, storm(7, CPU).0);
    let (other, _) = storm(8, CPU);
    assert_ne!(first.digest, other.digest);
    assert_ne!(first.entries, other.entries);
}

#[test]
fn a_measured_storm_replays_to_the_bit() {
    let (first, recording) = storm(7, Cpu::Measured);
    let (second, of_replay) = storm(7, Cpu::Replayed(recording.unwrap()));
    assert_eq!(first, second);
    assert_eq!(of_replay, None);
    // Measured anew it is another run, if only by nanoseconds.
    assert_ne!(first.digest, storm(7, Cpu::Measured).0.digest);
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
