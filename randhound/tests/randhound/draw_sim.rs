//! Draws in a network that loses messages, with servers that crash. Consensus is the test's word:
//! it changes its leader again and again, and decides the first choice that is proposed.

use std::{collections::BTreeMap, time::Duration};

use cosi::{
    machine::{Fault, Index, Time},
    sim::{Application, Crash, Network, Simulation, When},
};
use randhound::{
    Draw, Randomness,
    draw::{Choice, Command, Error, Event},
};

use crate::common::{BOUNDARIES, World, lossy, world};

#[derive(Default)]
struct Seen {
    chosen: Vec<(Index, Choice)>,
    drawn: BTreeMap<Index, Randomness>,
    faults: Vec<Fault<Index>>,
}

impl Application<Draw> for Seen {
    fn on_event(&mut self, peer: Index, _: Time, event: Event, _: &mut Vec<Command>) {
        match event {
            Event::Chosen(choice) => self.chosen.push((peer, *choice)),
            Event::Drawn(output, _) => {
                let first = *self.drawn.entry(peer).or_insert(output);
                assert_eq!(first, output, "told again, the same");
            }
            event => panic!("{event:?}"),
        }
    }
    fn on_fault(&mut self, _: Index, _: Time, fault: Fault<Index>) {
        self.faults.push(fault);
    }
    fn on_error(&mut self, _: Index, _: Time, error: Error) {
        panic!("{error}");
    }
}

fn network(world: &World, network: Network) -> Simulation<Draw, Seen> {
    let mut simulation = Simulation::new(network, Seen::default());
    for index in world.committee.roster().indices() {
        simulation.add(index, world.draw_setup(index.get()));
    }
    simulation
}

/// Runs to an output that everybody tells. The leader of every third second is silent: what it
/// proposes is lost.
fn finish(world: &World, simulation: &mut Simulation<Draw, Seen>) -> Randomness {
    let servers: Vec<_> = world.committee.roster().indices().collect();
    let mut decided: Option<Choice> = None;
    for second in 0..60 {
        let leader = servers[second % servers.len()];
        for server in &servers {
            let command = match &decided {
                Some(choice) => Command::Decided(Box::new(choice.clone())),
                None if *server == leader => Command::Lead,
                None => Command::Follow(leader),
            };
            simulation.command(simulation.now(), *server, command);
        }
        let end = simulation.now().after(Duration::from_secs(1));
        simulation.run_until(end, |_| false).unwrap();
        let seen = simulation.application();
        if decided.is_none() && second % 3 != 0 {
            let own = seen.chosen.iter().find(|(proposer, _)| *proposer == leader);
            decided = own.map(|(_, choice)| choice.clone());
        }
        if seen.drawn.len() == servers.len() {
            let mut outputs: Vec<_> = seen.drawn.values().copied().collect();
            outputs.dedup();
            assert_eq!(outputs.len(), 1);
            return outputs[0];
        }
    }
    panic!("no output after a minute");
}

#[test]
fn a_draw_ends_despite_loss_and_silent_leaders() {
    let world = world(12, 4);
    for seed in 0..4 {
        let mut simulation = network(&world, lossy(seed));
        finish(&world, &mut simulation);
        assert_eq!(simulation.application().faults, []);
    }
}

#[test]
fn crashes_at_every_boundary_of_a_draw_change_nothing() {
    let world = world(8, 4);
    for boundary in BOUNDARIES {
        for step in 1..=12 {
            let mut simulation = network(&world, Network::default());
            for index in world.committee.roster().indices() {
                let down_for = Some(Duration::from_millis(130));
                simulation.crash(index, Crash { when: When::Step(step), boundary, down_for });
            }
            finish(&world, &mut simulation);
            assert_eq!(simulation.application().faults, [], "{boundary:?} {step}");
        }
    }
}

#[test]
fn one_seed_replays_a_draw() {
    let world = world(8, 4);
    let digest = |seed| {
        let network = Network { seed, loss_per_mille: 200, ..Network::default() };
        let mut simulation = self::network(&world, network);
        let output = finish(&world, &mut simulation);
        (simulation.digest(), output)
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}
