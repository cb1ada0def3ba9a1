//! What no sound machine does is reported with its name and the seed.

use std::{num::NonZeroU32, time::Duration};

use cosi::sim::{Boundary, Bug, Crash, Flaw, Network, Outcome, Simulation, When};

use crate::{
    adversary::Mute,
    teller::{Command, Config, Log, Sim, millis, tellers},
};

fn with(config: Config) -> Sim {
    let mut sim = Simulation::new(Network { seed: 99, ..Network::default() }, Log::default());
    sim.add(1, Config::Sound);
    sim.add(2, config);
    sim
}

#[test]
fn a_deadline_that_does_not_advance() {
    for (config, stuck) in [(Config::Sound, false), (Config::Stuck, true)] {
        let mut sim = with(config);
        sim.command(millis(0), 2, Command::Wake(millis(300)));
        let end = sim.run_until(millis(1000), |_| false);
        if stuck {
            let bug = Bug { seed: 99, at: millis(300), flaw: Flaw::Deadline { peer: 2 } };
            assert_eq!(end, Err(bug.clone()));
            assert_eq!(sim.step(), Err(bug.clone()));
            assert_eq!(
                bug.to_string(),
                "after handle_timeout, 2 still has a deadline that has passed \
                 (seed 99, 300000000 ns after the epoch)"
            );
        } else {
            assert_eq!(end, Ok(Outcome::Quiet));
        }
    }
}

#[test]
fn an_application_that_answers_for_ever() {
    let mut sim = with(Config::Sound);
    sim.application_mut().answers = u64::MAX;
    // Each answers the other, and no time passes on the wire.
    sim.link(2, 1, cosi::sim::Latency::Fixed(Duration::ZERO));
    sim.link(1, 2, cosi::sim::Latency::Fixed(Duration::ZERO));
    sim.command(millis(40), 2, Command::Say(1));
    let end = sim.run_until(millis(1000), |_| false);
    let Err(Bug { at, flaw: Flaw::Standstill { .. }, .. }) = end else { panic!("{end:?}") };
    assert_eq!(at, millis(40));
}

#[test]
fn a_machine_that_does_not_come_back() {
    let mut sim = with(Config::Strange);
    let (boundary, down_for) = (Boundary::BeforeRelease, Some(Duration::from_millis(5)));
    sim.crash(2, Crash { when: When::Step(2), boundary, down_for });
    sim.command(millis(10), 2, Command::Say(1));
    let Err(bug) = sim.run_until(millis(1000), |_| false) else { panic!() };
    assert_eq!(bug.flaw, Flaw::Restore { peer: 2, why: "refused".into() });
    assert_eq!(bug.at, millis(15));
}

#[test]
fn an_invariant_that_breaks_at_the_very_event() {
    let mut sim = with(Config::Sound);
    sim.invariant("at most two words are said", |sim| {
        let said = sim.machine(1).map_or(0, |machine| machine.said.len());
        if said <= 2 { Ok(()) } else { Err(format!("{said} words")) }
    });
    (1..=9).for_each(|round| sim.command(millis(round), 1, Command::Say(round)));
    let Err(bug) = sim.run_until(millis(1000), |_| false) else { panic!() };
    let flaw = Flaw::Invariant { name: "at most two words are said", why: "3 words".into() };
    assert_eq!(bug, Bug { seed: 99, at: millis(3), flaw });
}

#[test]
fn calls_that_name_nobody() {
    type Call = fn(&mut Sim);
    let calls: [Call; 7] = [
        |sim| sim.pace(9, NonZeroU32::MIN),
        |sim| sim.byzantine([9], Mute { heard: 0 }),
        |sim| sim.command(millis(0), 9, Command::Say(1)),
        |sim| sim.members_of(9, []),
        |sim| sim.bandwidth(9, None, None),
        |sim| sim.link(1, 9, cosi::sim::Latency::Fixed(Duration::ZERO)),
        |sim| {
            let (when, boundary) = (When::Step(1), Boundary::Idle);
            sim.crash(9, Crash { when, boundary, down_for: None });
        },
    ];
    for call in calls {
        let mut sim = tellers(Network::default(), 2);
        call(&mut sim);
        assert_eq!(sim.step().unwrap_err().flaw, Flaw::Unknown { peer: 9 });
    }
    let mut sim = tellers(Network::default(), 2);
    sim.add(2, Config::Sound);
    assert_eq!(sim.step().unwrap_err().flaw, Flaw::Twice { peer: 2 });
}
