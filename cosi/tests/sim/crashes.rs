//! Nodes go down in every place where it hurts.

use std::time::Duration;

use cosi::{
    machine::Time,
    sim::{Boundary, Cpu, Crash, Network, Simulation, When},
};

use crate::teller::{Command, Config, Log, Record, Sim, millis, run, tellers};

const DOWN: Option<Duration> = Some(Duration::from_millis(1000));

/// Node 1 goes down at this boundary of its second step, in which it says the word of round 1;
/// at 3,000 ms it is asked to say it again.
fn crash(config: Config, boundary: Boundary) -> Sim {
    let mut sim = Simulation::new(Network { seed: 7, ..Network::default() }, Log::default());
    sim.add(1, config);
    sim.add(2, Config::Sound);
    sim.crash(1, Crash { when: When::Step(2), boundary, down_for: DOWN });
    sim.command(millis(100), 1, Command::Say(1));
    sim.command(millis(3000), 1, Command::Say(1));
    assert_eq!(sim.run_until(millis(500), |_| false), Ok(cosi::sim::Outcome::Limit));
    assert_eq!(sim.now(), millis(500));
    assert!(sim.machine(1).is_none() && sim.machine(2).is_some());
    sim
}

fn journal(sim: &Sim) -> Vec<(u64, u64)> {
    let records = sim.journal(1).unwrap().records::<Record>().unwrap();
    records.into_iter().map(|Record { round, word }| (round, word)).collect()
}

/// When node 2 heard which word.
fn words(sim: &Sim) -> Vec<(Time, u64)> {
    sim.application().heard(2).into_iter().map(|(at, _, _, word)| (at, word)).collect()
}

#[test]
fn before_its_records_a_step_never_was() {
    let mut sim = crash(Config::Sound, Boundary::BeforeRecords);
    assert!(sim.journal(1).unwrap().is_empty() && words(&sim).is_empty());
    assert_eq!(sim.application().crashes, [(1, millis(100))]);
    run(&mut sim);
    let word = sim.machine(1).unwrap().said[&1];
    assert_eq!(journal(&sim), [(1, word)]);
    assert_eq!(words(&sim), [(millis(3050), word)]);
    let counters = sim.counters(1).unwrap();
    assert_eq!((counters.crashes, counters.restarts), (1, 1));
}

#[test]
fn before_its_release_a_step_is_on_disk_and_nowhere_else() {
    let mut sim = crash(Config::Sound, Boundary::BeforeRelease);
    let [(1, word)] = journal(&sim)[..] else { panic!("{:?}", journal(&sim)) };
    assert_eq!(sim.journal(1).unwrap().as_bytes().len(), 16);
    assert!(words(&sim).is_empty() && sim.application().said(1).is_empty());
    run(&mut sim);
    // The restored machine says what the crash swallowed, and no other word later.
    assert_eq!(words(&sim), [(millis(1150), word), (millis(3050), word)]);
    assert_eq!(sim.application().said(1), [(1, word), (1, word)]);
}

#[test]
fn after_its_release_messages_are_on_their_way_and_events_are_lost() {
    let mut sim = crash(Config::Sound, Boundary::AfterRelease);
    let [(1, word)] = journal(&sim)[..] else { panic!("{:?}", journal(&sim)) };
    assert_eq!(words(&sim), [(millis(150), word)]);
    assert!(sim.application().said(1).is_empty());
    run(&mut sim);
    assert_eq!(words(&sim), [150, 1150, 3050].map(|at| (millis(at), word)));
}

#[test]
fn idle_a_step_is_over() {
    let mut sim = crash(Config::Sound, Boundary::Idle);
    let [(1, word)] = journal(&sim)[..] else { panic!("{:?}", journal(&sim)) };
    assert_eq!(words(&sim), [(millis(150), word)]);
    assert_eq!(sim.application().said(1), [(1, word)]);
    run(&mut sim);
    assert_eq!(words(&sim), [150, 1150, 3050].map(|at| (millis(at), word)));
}

#[test]
fn a_machine_without_its_record_says_two_words_in_one_round() {
    let mut sim = crash(Config::Forgetful, Boundary::AfterRelease);
    run(&mut sim);
    let [(_, first), (_, second)] = words(&sim)[..] else { panic!("{:?}", words(&sim)) };
    assert_ne!(first, second);
}

#[test]
fn while_a_node_is_down_messages_are_missed_and_commands_wait() {
    let mut sim = crash(Config::Sound, Boundary::BeforeRecords);
    sim.command(millis(600), 2, Command::Say(1));
    sim.command(millis(700), 1, Command::Say(2));
    // Sent while node 1 is down, arriving when it is up again.
    sim.command(millis(1075), 2, Command::Say(3));
    run(&mut sim);
    let rounds: Vec<_> = sim.application().heard(1).iter().map(|heard| heard.2).collect();
    assert_eq!(rounds, [3]);
    assert_eq!(sim.counters(1).unwrap().missed, 1);
    assert_eq!(sim.application().times(2), [1150, 3050].map(millis));
}

#[test]
fn a_time_can_be_given_in_place_of_a_step_and_for_good() {
    let mut sim = tellers(Network::default(), 2);
    let plan = |boundary, at| Crash { when: When::At(millis(at)), boundary, down_for: None };
    sim.crash(1, plan(Boundary::Idle, 250));
    sim.crash(2, plan(Boundary::BeforeRecords, 120));
    sim.command(millis(100), 2, Command::Say(1));
    sim.command(millis(200), 2, Command::Say(2));
    run(&mut sim);
    assert_eq!(sim.application().crashes, [(2, millis(200)), (1, millis(250))]);
    assert_eq!(sim.application().times(1), [millis(150)]);
    assert!(sim.machine(1).is_none() && sim.machine(2).is_none());
    assert_eq!(sim.total().restarts, 0);
}

#[test]
fn amid_its_work_a_node_loses_the_work_and_what_waits() {
    let cpu = Cpu::Fixed(Duration::from_millis(10));
    let mut sim = tellers(Network { cpu, ..Network::default() }, 2);
    let when = When::At(millis(165));
    sim.crash(1, Crash { when, boundary: Boundary::Idle, down_for: DOWN });
    // Node 1 is at work from 158 to 168; meanwhile a message comes, and another command.
    sim.command(millis(158), 1, Command::Say(2));
    sim.command(millis(100), 2, Command::Say(1));
    sim.command(millis(161), 1, Command::Say(3));
    run(&mut sim);
    assert_eq!(sim.application().crashes, [(1, millis(165))]);
    assert!(sim.application().heard(1).is_empty());
    assert_eq!(journal(&sim).iter().map(|(round, _)| *round).collect::<Vec<_>>(), [3]);
    // Up at 1,165, at work on the start until 1,175 and on the command that waited until 1,185.
    assert_eq!(sim.application().times(2).last(), Some(&millis(1185 + 50 + 10)));
}

#[test]
fn work_that_a_crash_cut_off_does_not_end_in_the_next_life() {
    let cpu = Cpu::Fixed(Duration::from_millis(10));
    let mut sim = tellers(Network { cpu, ..Network::default() }, 2);
    let (when, down_for) = (When::At(millis(165)), Some(Duration::from_millis(1)));
    sim.crash(1, Crash { when, boundary: Boundary::Idle, down_for });
    // It would end at 168, amid the start that lasts from 166 to 176.
    sim.command(millis(158), 1, Command::Say(2));
    sim.command(millis(161), 1, Command::Say(3));
    run(&mut sim);
    assert_eq!(sim.application().times(2), [millis(176 + 10 + 50 + 10)]);
}

#[test]
fn a_deadline_of_one_life_is_not_one_of_the_next() {
    let mut sim = tellers(Network::default(), 1);
    let (when, down_for) = (When::At(millis(50)), Some(Duration::from_millis(10)));
    sim.crash(1, Crash { when, boundary: Boundary::Idle, down_for });
    sim.command(millis(0), 1, Command::Wake(millis(100)));
    sim.command(millis(70), 1, Command::Wake(millis(200)));
    run(&mut sim);
    assert_eq!((sim.now(), sim.counters(1).unwrap().timeouts), (millis(200), 1));
}

#[test]
fn a_restart_is_a_step_and_can_crash_too() {
    let mut sim = crash(Config::Sound, Boundary::BeforeRelease);
    let plan = Crash { when: When::Step(1), boundary: Boundary::BeforeRelease, down_for: DOWN };
    sim.crash(1, plan);
    sim.crash(1, Crash { when: When::Step(2), ..plan });
    run(&mut sim);
    // Down at 100, up and down at 1,100 and at 2,100, up at 3,100.
    assert_eq!(sim.application().crashes, [100, 1100, 2100].map(|at| (1, millis(at))));
    assert_eq!(sim.application().times(2), [millis(3150), millis(3150)]);
    assert_eq!(journal(&sim).len(), 2);
    assert_eq!(journal(&sim)[0], journal(&sim)[1]);
}

#[test]
fn an_answer_is_swallowed_by_a_crash_before_it_is_given() {
    for (boundary, said) in [(None, 1), (Some(Boundary::Idle), 0)] {
        let mut sim = tellers(Network::default(), 2);
        sim.application_mut().answers = 2;
        if let Some(boundary) = boundary {
            sim.crash(2, Crash { when: When::Step(2), boundary, down_for: DOWN });
        }
        sim.command(millis(0), 1, Command::Say(1));
        run(&mut sim);
        assert_eq!(sim.application().heard(2).len(), 1);
        assert_eq!(sim.application().said(2).len(), said);
    }
}
