//! Time that nodes take, and deadlines.

use std::{num::NonZeroU32, time::Duration};

use cosi::{
    sim::{Boundary, Cpu, Crash, Flaw, Network, Outcome, Recording, Simulation, When},
    wire::Wire,
};

use crate::teller::{Command, Config, Event, Log, Sim, millis, run, tellers};

const CPU: Cpu = Cpu::Fixed(Duration::from_millis(10));

#[test]
fn inputs_wait_for_a_busy_node() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 4);
    for peer in [1, 2, 3] {
        sim.command(millis(100), peer, Command::Tell(1, vec![4]));
    }
    run(&mut sim);
    // Sent at 110, there at 160, and then one after the other.
    assert_eq!(sim.application().times(4), [170, 180, 190].map(millis));
    let begun = sim.application().events.iter().filter_map(|(_, _, event)| match event {
        Event::Heard { begun, .. } => Some(*begun),
        Event::Said { .. } | Event::Rang { .. } => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), [160, 170, 180].map(millis));
}

#[test]
fn a_deadline_comes_after_the_work_in_hand_and_before_the_next() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 3);
    sim.command(millis(100), 3, Command::Wake(millis(165)));
    sim.command(millis(100), 1, Command::Tell(1, vec![3]));
    sim.command(millis(101), 2, Command::Tell(1, vec![3]));
    run(&mut sim);
    assert_eq!(sim.application().times(3), [170, 190].map(millis));
    let rang = Event::Rang { begun: millis(170) };
    assert!(sim.application().events.contains(&(3, millis(180), rang)));
}

#[test]
fn an_answer_is_given_at_once_and_before_other_inputs() {
    let mut sim = tellers(Network::default(), 2);
    sim.application_mut().answers = 2;
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(50), 2, Command::Say(7));
    run(&mut sim);
    let rounds: Vec<_> = sim.application().said(2).iter().map(|said| said.0).collect();
    assert_eq!(rounds, [7, 2]);
    // Heard at 50 and answered at 50; heard back at 100.
    assert!(sim.application().heard(1).iter().any(|heard| (heard.0, heard.2) == (millis(100), 2)));
}

#[test]
fn deadlines_move_and_ring_once() {
    let mut sim = tellers(Network::default(), 1);
    sim.command(millis(0), 1, Command::Wake(millis(500)));
    sim.command(millis(10), 1, Command::Wake(millis(300)));
    sim.command(millis(20), 1, Command::Wake(millis(400)));
    sim.command(millis(600), 1, Command::Wake(millis(100)));
    let mut times = Vec::new();
    while sim.step().unwrap() {
        times.push(sim.now());
    }
    // The start, four commands, and the deadlines: one met, one past when it was set.
    assert_eq!(times, [0, 0, 10, 20, 400, 600, 600].map(millis));
    let rang = [400, 600].map(|at| (1, millis(at), Event::Rang { begun: millis(at) }));
    assert_eq!(sim.application().events, rang);
    assert_eq!((sim.now(), sim.counters(1).unwrap().timeouts), (millis(600), 2));
}

#[test]
fn spurious_timeouts_are_injected_and_change_nothing() {
    let run = |spurious_per_mille| {
        let mut sim = tellers(Network { spurious_per_mille, ..Network::default() }, 3);
        sim.command(millis(0), 1, Command::Wake(millis(500)));
        (1..=3).for_each(|peer| sim.command(millis(100), peer, Command::Say(1)));
        run(&mut sim);
        sim
    };
    let (without, with) = (run(0), run(1000));
    assert_eq!(without.application().events, with.application().events);
    // 3 starts, 4 commands, 6 messages, and one deadline.
    assert_eq!((without.total().steps, without.total().timeouts), (14, 1));
    assert_eq!((with.total().steps, with.total().timeouts), (14 + 13, 1 + 13));
}

/// Node 1 hears from each of the others, and takes as long for each as it is told.
fn at_work(cpu: Cpu, work: Duration) -> Sim {
    let mut sim = tellers(Network { cpu, seed: 7, ..Network::default() }, 4);
    sim.application_mut().work = work;
    for peer in [2, 3, 4] {
        sim.command(millis(100), peer, Command::Tell(1, vec![1]));
    }
    run(&mut sim);
    sim
}

#[test]
fn an_application_keeps_its_node_busy() {
    let work = Duration::from_millis(5);
    // Sent at 110 or, the application being busy with what was said, as soon; there at 160.
    let sim = at_work(CPU, work);
    assert_eq!(sim.application().times(1), [170, 185, 200].map(millis));
    assert_eq!(sim.counters(1).unwrap().busy, Duration::from_millis(10 + 3 * 15));
    assert_eq!(sim.total().busy, Duration::from_millis(10 + 3 * 15 + 3 * 25));
    let ideal = at_work(Cpu::Ideal, work);
    assert_eq!(ideal.application().times(1), [150, 150, 150].map(millis));
    assert_eq!(ideal.total().busy, Duration::ZERO);
}

#[test]
fn an_answer_waits_for_the_application() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 2);
    sim.application_mut().work = Duration::from_millis(100);
    sim.application_mut().answers = 2;
    sim.command(millis(0), 1, Command::Tell(1, vec![2]));
    // Node 2 is at work when this comes; its application's answer goes first.
    sim.command(millis(90), 2, Command::Say(7));
    run(&mut sim);
    let said = sim.application().events.iter().filter_map(|(peer, at, event)| {
        let Event::Said { round, .. } = event else { return None };
        (*peer == 2).then_some((*at, *round))
    });
    let said: Vec<_> = said.collect();
    // Started until 10; heard at 20 + 50 + 10; busy until 180.
    assert_eq!(said, [(millis(190), 2), (millis(300), 7)]);
}

#[test]
fn a_crash_ends_what_the_application_was_busy_with() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 2);
    sim.application_mut().work = Duration::from_millis(100);
    sim.application_mut().answers = 2;
    sim.command(millis(10), 1, Command::Tell(1, vec![2]));
    let (when, boundary) = (When::At(millis(90)), Boundary::Idle);
    sim.crash(2, Crash { when, boundary, down_for: Some(Duration::from_millis(1)) });
    run(&mut sim);
    assert_eq!(sim.application().times(2), [millis(80)]);
    assert!(sim.application().said(2).is_empty());
    sim.command(millis(500), 2, Command::Say(5));
    run(&mut sim);
    assert_eq!(sim.application().times(1).last(), Some(&millis(570)));
}

#[test]
fn a_node_works_at_its_own_pace() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 3);
    sim.pace(1, NonZeroU32::new(250).unwrap());
    sim.pace(2, NonZeroU32::new(50).unwrap());
    (1..=3).for_each(|peer| sim.command(millis(100), peer, Command::Tell(1, vec![peer])));
    run(&mut sim);
    // Each tells itself: two steps.
    assert_eq!(
        [1, 2, 3].map(|peer| sim.application().times(peer)),
        [[150], [110], [120]].map(|at| at.map(millis).to_vec())
    );
}

/// Three nodes that work hard: each message is hashed so often.
fn hard(cpu: Cpu, seed: u64, rounds: u64) -> Sim {
    let mut sim = Simulation::new(Network { cpu, seed, ..Network::default() }, Log::default());
    (1..=3).for_each(|peer| sim.add(peer, Config::Slow(2000)));
    sim.application_mut().answers = rounds;
    sim.command(millis(0), 1, Command::Say(1));
    sim
}

#[test]
fn a_measured_run_takes_the_time_that_its_machines_take() {
    let mut sim = hard(Cpu::Measured, 7, 3);
    run(&mut sim);
    let measured = sim.measured().values().fold(Duration::ZERO, |sum, took| sum + took.cpu);
    assert_eq!(sim.total().busy, measured);
    // 2,000 hashes a message: more than 10 µs on any machine, less than a second.
    let at = sim.application().times(2)[0].since_epoch() - Duration::from_millis(50);
    assert!((Duration::from_micros(10)..Duration::from_secs(1)).contains(&at), "{at:?}");
    assert!(sim.recording().unwrap().len() as u64 == sim.total().steps);
    assert_eq!(hard(Cpu::Ideal, 7, 3).recording(), None);
}

#[test]
fn a_measured_run_replays_to_the_bit() {
    let mut first = hard(Cpu::Measured, 7, 4);
    // The application's work is recorded too, and a replay does not ask how long it takes.
    first.application_mut().work = Duration::from_micros(300);
    run(&mut first);
    let recording = first.recording().unwrap();
    assert!(recording.len() as u64 > first.total().steps && !recording.is_empty());
    let saved = recording.encode();
    assert_eq!(saved.len(), 4 + 12 * recording.len());
    let replayed = Cpu::Replayed(Recording::decode(&saved).unwrap());
    let mut second = hard(replayed, 7, 4);
    second.application_mut().work = Duration::from_secs(9);
    run(&mut second);
    assert_eq!(second.digest(), first.digest());
    assert_eq!(second.now(), first.now());
    assert_eq!(second.application().events, first.application().events);
    assert_eq!(second.total(), first.total());
    // A part of it is a replay, too.
    let mut part = hard(Cpu::Replayed(recording), 7, 4);
    assert_eq!(part.run_until(millis(60), |_| false), Ok(Outcome::Limit));
}

#[test]
fn a_replay_that_does_not_fit_is_a_bug() {
    let mut sim = hard(Cpu::Measured, 7, 3);
    run(&mut sim);
    let recording = sim.recording().unwrap();
    let end = |seed, rounds, recording: Recording| {
        let mut sim = hard(Cpu::Replayed(recording), seed, rounds);
        sim.run_until(millis(10_000), |_| false).map_err(|bug| bug.flaw)
    };
    assert_eq!(end(7, 3, recording.clone()), Ok(Outcome::Quiet));
    // Another seed says another word, and what differs is seen at the next step.
    let strays = end(8, 3, recording.clone());
    assert!(matches!(strays, Err(Flaw::Strays { .. })), "{strays:?}");
    // Where the recorded run was quiet, this one goes on.
    let outruns = end(7, 4, recording);
    assert!(matches!(outruns, Err(Flaw::Strays { .. } | Flaw::Outruns { .. })), "{outruns:?}");
    assert_eq!(end(7, 3, Recording::default()), Err(Flaw::Outruns { peer: 1 }));
}

#[test]
fn a_saved_recording_has_one_encoding() {
    let mut sim = hard(Cpu::Measured, 7, 1);
    run(&mut sim);
    let saved = sim.recording().unwrap().encode();
    assert!(Recording::decode(&saved[..saved.len() - 1]).is_err());
    assert!(Recording::decode(&[&saved[..], &[0]].concat()).is_err());
    // A length far beyond what follows allocates nothing of that size.
    assert!(Recording::decode(&[0xff, 0xff, 0xff, 0x07, 1]).is_err());
    assert!(Recording::decode(&[0xff; 64]).is_err());
    // The format: a count, then for each charge four bytes of digest and the nanoseconds.
    let bytes =
        [&[1, 0, 0, 0][..], &[0xaa, 0xbb, 0xcc, 0xdd], &[0x39, 5, 0, 0, 0, 0, 0, 0]].concat();
    let recording = Recording::decode(&bytes).unwrap();
    assert_eq!((recording.len(), recording.encode()), (1, bytes));
}
