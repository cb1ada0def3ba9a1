//! Whole runs whose client falls silent, and a rescuer, in a network that loses messages, with
//! servers that crash, are silent, or lie to the rescuer.

use std::time::Duration;

use cosi::{
    machine::{Fault, Time, To},
    sim::{
        Adversary, Application, Boundary, Crash, Deliveries, Delivery, Network, Outcome,
        Simulation, When,
    },
};
use curve25519_dalek::rand_core::CryptoRng;
use randhound::{
    Message, Peer, Randomness, Transcript, client,
    message::ByClient,
    rescuer::{self, Abort, Event},
    server,
};

use crate::common::{
    BOUNDARIES, Node, NodeCommand, NodeError, NodeEvent, NodeSetup, World, lossy, world,
};

const RESCUER: Peer = Peer::Guest(5);
const RESCUE: NodeCommand = NodeCommand::Rescuer(rescuer::Command::Start);

#[derive(Default)]
struct Seen {
    /// What the client knows, and may hide.
    client: Option<Randomness>,
    /// How many servers opened.
    opened: usize,
    rescued: Vec<(Randomness, Transcript)>,
    aborted: Vec<Abort>,
    faults: Vec<Fault<Peer>>,
}

impl Application<Node> for Seen {
    fn on_event(&mut self, _: Peer, _: Time, event: NodeEvent, _: &mut Vec<NodeCommand>) {
        match event {
            NodeEvent::Client(client::Event::Finished(output, _)) => self.client = Some(output),
            NodeEvent::Client(event) => panic!("{event:?}"),
            NodeEvent::Server(event) => {
                assert!(matches!(event, server::Event::Opened(_)));
                self.opened += 1;
            }
            NodeEvent::Rescuer(Event::Finished(output, transcript)) => {
                self.rescued.push((output, transcript));
            }
            NodeEvent::Rescuer(Event::Aborted(why)) => self.aborted.push(why),
            NodeEvent::Rescuer(event) => panic!("{event:?}"),
        }
    }
    fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) {
        self.faults.push(fault);
    }
    fn on_error(&mut self, _: Peer, _: Time, error: NodeError) {
        panic!("{error}");
    }
}

/// The servers, the client, and a rescuer that starts after half a minute.
fn network(world: &World, network: Network) -> Simulation<Node, Seen> {
    let mut simulation = Simulation::new(network, Seen::default());
    simulation.add(Peer::Client, NodeSetup::Client(world.client_setup()));
    simulation.add(RESCUER, NodeSetup::Rescuer(world.rescuer_setup()));
    for index in world.committee.roster().indices() {
        let setup = world.server_setup(index.get());
        simulation.add(Peer::Server(index), NodeSetup::Server(setup));
    }
    let start = NodeCommand::Client(client::Command::Start);
    simulation.command(Time::default(), Peer::Client, start);
    simulation.command(Time::at(Duration::from_secs(30)), RESCUER, RESCUE);
    simulation
}

/// The client goes down for good.
fn silence(simulation: &mut Simulation<Node, Seen>, step: u64, boundary: Boundary) {
    let crash = Crash { when: When::Step(step), boundary, down_for: None };
    simulation.crash(Peer::Client, crash);
}

fn run(simulation: &mut Simulation<Node, Seen>) {
    let over = |simulation: &Simulation<Node, Seen>| {
        let seen = simulation.application();
        !seen.rescued.is_empty() || !seen.aborted.is_empty()
    };
    let end = Time::at(Duration::from_secs(60));
    assert_eq!(simulation.run_until(end, over).unwrap(), Outcome::Done);
}

/// Runs to the rescuer's output, which a third party accepts, and which is what the client saw.
fn finish(world: &World, simulation: &mut Simulation<Node, Seen>) -> Randomness {
    run(simulation);
    let seen = simulation.application();
    assert_eq!(seen.aborted, []);
    let (output, transcript) = &seen.rescued[0];
    assert_eq!(transcript.verify(&world.committee, &world.terms), Ok(*output));
    assert!(seen.client.is_none_or(|known| known == *output));
    *output
}

/// Wherever the client falls silent, once a server opened anything the rescuer ends with the
/// output, and before it there is none.
#[test]
fn a_client_that_falls_silent_anywhere_is_replaced_or_has_learnt_nothing() {
    let world = world(8, 4);
    let (mut lost, mut rescued) = (0, 0);
    for boundary in [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease] {
        for step in 2..=26 {
            let mut simulation = network(&world, Network::default());
            silence(&mut simulation, step, boundary);
            run(&mut simulation);
            let seen = simulation.application();
            assert_eq!(seen.faults, [], "{boundary:?} {step}");
            if seen.rescued.is_empty() {
                assert_eq!(seen.aborted, [Abort::Certificate { answers: 8, servers: 8 }]);
                assert_eq!((seen.opened, seen.client), (0, None), "{boundary:?} {step}");
                lost += 1;
            } else {
                finish(&world, &mut simulation);
                rescued += 1;
            }
        }
    }
    assert!(lost > 20 && rescued > 20, "{lost} slots lost, {rescued} sessions rescued");
}

#[test]
fn a_rescuer_ends_with_the_output_that_the_client_saw() {
    for (servers, group_size) in [(4, 4), (12, 4), (32, 8)] {
        let world = world(servers, group_size);
        let mut simulation = network(&world, Network::default());
        finish(&world, &mut simulation);
        assert!(simulation.application().client.is_some());
        assert_eq!(simulation.application().faults, []);
        // Two round trips of 100 ms.
        assert_eq!(simulation.now(), Time::at(Duration::from_millis(30_200)));
    }
}

#[test]
fn a_lossy_rescue_ends_with_the_output() {
    let world = world(12, 4);
    for seed in 0..4 {
        let mut simulation = network(&world, lossy(seed));
        finish(&world, &mut simulation);
        assert_eq!(simulation.application().faults, []);
    }
}

#[test]
fn servers_that_crash_while_they_are_asked_change_nothing() {
    let world = world(8, 4);
    for boundary in BOUNDARIES {
        for step in 1..=6 {
            let mut simulation = network(&world, Network::default());
            let down_for = Some(Duration::from_millis(130));
            for index in world.committee.roster().indices() {
                let crash = Crash { when: When::Step(step), boundary, down_for };
                simulation.crash(Peer::Server(index), crash);
            }
            finish(&world, &mut simulation);
            assert_eq!(simulation.application().faults, [], "{boundary:?} {step}");
        }
    }
}

/// A rescuer that crashes is as new, and asks again when it is told to.
#[test]
fn a_rescuer_that_crashes_asks_again() {
    let world = world(8, 4);
    for step in 2..=14 {
        let mut simulation = network(&world, Network::default());
        let down_for = Some(Duration::from_millis(130));
        let crash = Crash { when: When::Step(step), boundary: Boundary::BeforeRelease, down_for };
        simulation.crash(RESCUER, crash);
        simulation.command(Time::at(Duration::from_secs(40)), RESCUER, RESCUE);
        finish(&world, &mut simulation);
        assert!(simulation.now() > Time::at(Duration::from_secs(40)), "{step}");
    }
}

/// Byzantine servers, which are honest with the client.
#[derive(Clone, Copy, Debug)]
enum Bad {
    Silent,
    /// Show a certificate that holds for nothing.
    Certificate,
    /// Show another statement with the certificate.
    Statement,
    /// Show another statement of the client's making.
    Forged,
    /// Change a fragment's byte.
    Fragment,
    /// Answer for another session.
    Session,
    /// Change a share's byte.
    Share,
}

impl Bad {
    /// What they tell the rescuer.
    fn tell(self, mut message: Message) -> Option<Message> {
        match (self, &mut message) {
            (Self::Silent, _) => return None,
            (Self::Session, Message::Kept(kept)) => kept.session.0[0] ^= 1,
            (Self::Certificate, Message::Kept(kept)) => {
                let (_, certificate) = kept.decided.as_mut()?;
                *certificate = change(certificate, 10);
            }
            (Self::Statement, Message::Kept(kept)) => {
                kept.decided.as_mut()?.0.availability[0] ^= 1;
            }
            (Self::Forged, Message::Kept(kept)) => {
                let (said, _) = kept.acknowledged.as_mut()?;
                let mut what = said.what.clone();
                what.availability[0] ^= 1;
                *said = ByClient { what, signature: said.signature };
            }
            (Self::Fragment, Message::Kept(kept)) => {
                let (_, fragment) = kept.acknowledged.as_mut()?;
                *fragment = change(fragment, 40);
            }
            (Self::Share, Message::Opened(opened)) => opened.share = change(&opened.share, 1),
            _ => {}
        }
        Some(message)
    }
}

/// The same with a bit changed, so many bytes before the end.
fn change<T: cosi::wire::Wire>(value: &T, before: usize) -> T {
    let mut bytes = value.encode();
    let at = bytes.len() - before;
    bytes[at] ^= 1;
    T::decode(&bytes).unwrap()
}

impl Adversary<Node> for Bad {
    fn corrupt(
        &mut self,
        _: Peer,
        _: Time,
        _: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let tell = |(to, message)| {
            let message = if to == To::One(RESCUER) { self.tell(message)? } else { message };
            Some((to, Delivery::Message(message)))
        };
        output.into_iter().filter_map(tell).collect()
    }
}

/// With t_l = 3 honest servers in each group.
#[test]
fn f_servers_that_are_silent_or_lie_stop_no_rescue_and_are_named() {
    let world = world(16, 8);
    let liars: Vec<_> = (0..5).map(|at| Peer::Server(world.index(at))).collect();
    let mut outputs = Vec::new();
    for bad in [
        Bad::Silent,
        Bad::Certificate,
        Bad::Statement,
        Bad::Forged,
        Bad::Fragment,
        Bad::Session,
        Bad::Share,
    ] {
        let mut simulation = network(&world, Network::default());
        simulation.byzantine(liars.iter().copied(), bad);
        outputs.push(finish(&world, &mut simulation));
        let seen = simulation.application();
        let culprits: Vec<_> = seen.faults.iter().map(|fault| fault.culprit).collect();
        assert!(culprits.iter().all(|peer| liars.contains(peer)), "{bad:?}: {culprits:?}");
        // Some lie in answers that are not looked at, since there is enough.
        assert_eq!(culprits.is_empty(), matches!(bad, Bad::Silent), "{bad:?}");
        assert!(seen.faults.iter().all(|fault| fault.evidence.is_none()));
    }
    outputs.dedup();
    assert_eq!(outputs.len(), 1, "{outputs:?}");
}

#[test]
fn one_seed_replays_a_rescue() {
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
