//! Whole runs in a network that loses messages, with servers that crash, or are silent, garbled
//! or two-faced.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    machine::{Fault, FaultKind, Time, To},
    sim::{
        Adversary, Application, Boundary, Crash, Deliveries, Delivery, Network, Outcome,
        Simulation, When,
    },
};
use curve25519_dalek::rand_core::CryptoRng;
use randhound::{
    Message, Peer, Randomness, Session, Terms, Transcript, blame,
    client::{self, Abort, Event},
};

use crate::common::{
    BOUNDARIES, Node, NodeCommand, NodeError, NodeEvent, NodeSetup, World, deal_again, lossy, world,
};

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) finished: Vec<(Randomness, Transcript)>,
    pub(crate) aborted: Vec<Abort>,
    pub(crate) faults: Vec<Fault<Peer>>,
}

impl Application<Node> for Seen {
    fn on_event(&mut self, _: Peer, _: Time, event: NodeEvent, _: &mut Vec<NodeCommand>) {
        match event {
            NodeEvent::Client(Event::Finished(output, transcript)) => {
                self.finished.push((output, transcript));
            }
            NodeEvent::Client(Event::Aborted(why)) => self.aborted.push(why),
            NodeEvent::Server(_) => {}
            NodeEvent::Client(event) => panic!("{event:?}"),
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

pub(crate) fn network(world: &World, network: Network) -> Simulation<Node, Seen> {
    let mut simulation = Simulation::new(network, Seen::default());
    simulation.add(Peer::Client, NodeSetup::Client(world.client_setup()));
    for index in world.committee.roster().indices() {
        let setup = world.server_setup(index.get());
        simulation.add(Peer::Server(index), NodeSetup::Server(setup));
    }
    simulation.command(Time::default(), Peer::Client, NodeCommand::Client(client::Command::Start));
    simulation
}

pub(crate) fn run(simulation: &mut Simulation<Node, Seen>) -> Outcome {
    let over = |simulation: &Simulation<Node, Seen>| {
        let seen = simulation.application();
        !seen.finished.is_empty() || !seen.aborted.is_empty()
    };
    simulation.run_until(Time::at(Duration::from_secs(60)), over).unwrap()
}

/// Runs to an output that a third party accepts.
pub(crate) fn finish(world: &World, simulation: &mut Simulation<Node, Seen>) -> Randomness {
    assert_eq!(run(simulation), Outcome::Done);
    let seen = simulation.application();
    assert_eq!(seen.aborted, []);
    let (output, transcript) = &seen.finished[0];
    assert_eq!(transcript.verify(&world.committee, &world.terms), Ok(*output));
    *output
}

#[test]
fn an_honest_run_takes_three_round_trips() {
    for (servers, group_size) in [(4, 4), (12, 4), (32, 8)] {
        let world = world(servers, group_size);
        let mut simulation = network(&world, Network::default());
        finish(&world, &mut simulation);
        assert_eq!(simulation.now(), Time::at(Duration::from_millis(300)));
        assert_eq!(simulation.application().faults, []);
    }
}

#[test]
fn a_lossy_run_ends_with_an_output() {
    let world = world(12, 4);
    for seed in 0..4 {
        let mut simulation = network(&world, lossy(seed));
        finish(&world, &mut simulation);
        assert_eq!(simulation.application().faults, []);
    }
}

#[test]
fn crashes_at_every_boundary_change_nothing() {
    let world = world(8, 4);
    for boundary in BOUNDARIES {
        for step in 1..=4 {
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

#[test]
fn a_client_that_crashes_goes_on_with_its_one_choice() {
    let world = world(8, 4);
    let boundaries = [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease];
    for boundary in boundaries {
        // Until the start is recorded, the application has to start again.
        let first = if boundary == Boundary::BeforeRecords { 3 } else { 2 };
        for step in first..=26 {
            let mut simulation = network(&world, Network::default());
            let down_for = Some(Duration::from_millis(130));
            simulation.crash(Peer::Client, Crash { when: When::Step(step), boundary, down_for });
            finish(&world, &mut simulation);
            assert_eq!(simulation.application().faults, [], "{boundary:?} {step}");
        }
    }
}

/// Byzantine servers.
enum Bad {
    Silent,
    Garbage,
    /// Say everything, but with a byte changed.
    Tampering,
    /// Say what is right, and then something else of the same kind.
    TwoFaced(World),
    /// Deal for another session, and sign it for this one.
    Invalid(World),
}

impl Adversary<Node> for Bad {
    fn corrupt(
        &mut self,
        _: Peer,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let mut deliveries = Vec::new();
        for (to, message) in output {
            match self {
                Self::Silent => {}
                Self::Garbage => deliveries.push((to, Delivery::Bytes(bytes(rng, 300)))),
                Self::Tampering => {
                    let mut encoding = borsh::to_vec(&message).unwrap();
                    let at = encoding.len() - 1 - usize::from(bytes(rng, 1)[0] % 60);
                    encoding[at] ^= 1;
                    deliveries.push((to, Delivery::Bytes(encoding)));
                }
                Self::TwoFaced(world) => {
                    if let Message::Dealing(said, offer) = &message {
                        let again = deal_again(world, &world.session(), said, rng);
                        let again = Message::Dealing(again, *offer);
                        deliveries.push((to.clone(), Delivery::Message(again)));
                    }
                    deliveries.push((to, Delivery::Message(message)));
                }
                Self::Invalid(world) => {
                    if let Message::Dealing(said, offer) = &message {
                        let terms = Terms { slot: 99, ..world.terms.clone() };
                        let other = Session::new(world.committee.clone(), &terms).unwrap();
                        let bad = deal_again(world, &other, said, rng);
                        deliveries.push((to, Delivery::Message(Message::Dealing(bad, *offer))));
                    }
                }
            }
        }
        deliveries
    }
}

pub(crate) fn bytes(rng: &mut dyn CryptoRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A run with the first `faulty` servers in the adversary's hands.
fn with(world: &World, faulty: u16, bad: Bad) -> Simulation<Node, Seen> {
    let mut simulation = network(world, Network::default());
    simulation.byzantine((0..faulty).map(|at| Peer::Server(world.index(at))), bad);
    simulation
}

/// How many of the first servers can be faulty with t_l honest ones left in each group, and not
/// more than f.
fn tolerable(world: &World) -> u16 {
    let session = world.session();
    let enough = |faulty: u16| {
        session.groups().iter().all(|(_, members)| {
            let honest = members.iter().filter(|member| member.get() >= faulty).count();
            honest > members.len() / 3
        })
    };
    let f = (world.keys.len() - 1) / 3;
    (0..=u16::try_from(f).unwrap()).rev().find(|faulty| enough(*faulty)).unwrap()
}

#[test]
fn silent_garbled_and_tampering_servers_stop_nothing() {
    let world = world(16, 8);
    let faulty = tolerable(&world);
    assert_eq!(faulty, 5, "up to f");
    finish(&world, &mut with(&world, faulty, Bad::Silent));

    let mut simulation = with(&world, faulty, Bad::Garbage);
    finish(&world, &mut simulation);
    let malformed = |fault: &&Fault<Peer>| fault.kind == FaultKind::Malformed;
    let malformed = simulation.application().faults.iter().filter(malformed);
    let culprits: BTreeSet<Peer> = malformed.map(|fault| fault.culprit).collect();
    assert_eq!(culprits.len(), 5);

    let mut simulation = with(&world, faulty, Bad::Tampering);
    finish(&world, &mut simulation);
    let faults = &simulation.application().faults;
    assert!(!faults.is_empty());
    let culprits = (0..faulty).map(|at| Peer::Server(world.index(at)));
    let culprits: Vec<_> = culprits.collect();
    assert!(faults.iter().all(|fault| culprits.contains(&fault.culprit)), "{faults:?}");
}

#[test]
fn two_deals_or_a_bad_one_convict_their_dealer() {
    let world = world(16, 8);
    let faulty = tolerable(&world);
    let twin = || crate::common::world(16, 8);
    let strategies = [
        (Bad::TwoFaced(twin()), FaultKind::Equivocation),
        (Bad::Invalid(twin()), FaultKind::InvalidProof),
    ];
    for (bad, kind) in strategies {
        let mut simulation = with(&world, faulty, bad);
        finish(&world, &mut simulation);
        let faults = &simulation.application().faults;
        assert_eq!(faults.len(), usize::from(faulty));
        for fault in faults {
            assert_eq!(fault.kind, kind);
            let evidence = fault.evidence.as_ref().unwrap();
            assert_eq!(blame::verify(evidence, &world.session()), Some(fault.culprit));
        }
    }
}

#[test]
fn a_run_that_cannot_end_says_why() {
    let world = world(12, 4);
    // 9 of 12 are silent: some group of 4 has fewer than t = 2 dealers.
    let mut simulation = with(&world, 9, Bad::Silent);
    assert_eq!(run(&mut simulation), Outcome::Done);
    let seen = simulation.application();
    assert!(matches!(seen.aborted[..], [Abort::Deals { need: 2, .. }]), "{:?}", seen.aborted);

    // One of 4 too many falls silent after its deal.
    let world = crate::common::world(4, 4);
    let mut simulation = network(&world, Network::default());
    for at in 0..2 {
        let crash = Crash { when: When::Step(2), boundary: Boundary::Idle, down_for: None };
        simulation.crash(Peer::Server(world.index(at)), crash);
    }
    assert_eq!(run(&mut simulation), Outcome::Done);
    let seen = simulation.application();
    assert_eq!(seen.aborted, [Abort::Acknowledgements { have: 2, need: 3 }]);

    // All but one fall silent after their acknowledgement.
    let mut simulation = network(&world, Network::default());
    for at in 0..3 {
        let crash = Crash { when: When::Step(3), boundary: Boundary::Idle, down_for: None };
        simulation.crash(Peer::Server(world.index(at)), crash);
    }
    assert_eq!(run(&mut simulation), Outcome::Done);
    let seen = simulation.application();
    assert_eq!(seen.aborted, [Abort::Shares { group: 0, have: 1, need: 2 }]);
}

#[test]
fn one_seed_replays_a_run() {
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
