//! RandHound in this crate: whole runs of its client and servers.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    machine::{Fault, Time, To},
    sim::{Adversary, Application, Deliveries, Delivery, Network, Outcome, Simulation},
    wire::{BoundedVec, Wire},
};
use curve25519_dalek::rand_core::CryptoRng;
use randhound::{
    Message, Peer, Randomness, Terms, Transcript,
    client::{Command, Event},
    message::Deals,
};

use super::common::{
    Node, NodeCommand, NodeError, NodeEvent, NodeSetup, World, deal_again, rng, world,
};

#[derive(Default)]
struct Seen {
    finished: Option<(Randomness, Transcript)>,
    aborted: bool,
    opened: usize,
}

impl Application<Node> for Seen {
    fn on_event(&mut self, _: Peer, _: Time, event: NodeEvent, _: &mut Vec<NodeCommand>) {
        match event {
            NodeEvent::Client(Event::Finished(output, transcript)) => {
                self.finished = Some((output, transcript));
            }
            NodeEvent::Client(Event::Aborted(_)) => self.aborted = true,
            NodeEvent::Client(_) | NodeEvent::Rescuer(_) => {}
            NodeEvent::Server(_) => self.opened += 1,
        }
    }
    fn on_fault(&mut self, _: Peer, _: Time, _: Fault<Peer>) {}
    fn on_error(&mut self, _: Peer, _: Time, error: NodeError) {
        panic!("{error}");
    }
}

fn label(message: &Message) -> &'static str {
    match message {
        Message::Opened(_) => "opened",
        _ => "other",
    }
}

/// Byzantine servers.
#[derive(Clone, Copy)]
enum Bad {
    Silent,
    Garbage,
    /// Deal, and say nothing more.
    OnlyDealing,
    /// Open nothing.
    Withholding,
}

impl Adversary<Node> for Bad {
    fn corrupt(
        &mut self,
        _: Peer,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let say = |(to, message)| {
            let is_said = match self {
                Self::Silent => false,
                Self::Garbage => {
                    let mut bytes = vec![0; 300];
                    rng.fill_bytes(&mut bytes);
                    return Some((to, Delivery::Bytes(bytes)));
                }
                Self::OnlyDealing => matches!(message, Message::Dealing(..)),
                Self::Withholding => !matches!(message, Message::Opened(_)),
            };
            is_said.then_some((to, Delivery::Message(message)))
        };
        output.into_iter().filter_map(say).collect()
    }
}

/// A run with the first `faulty` servers in the adversary's hands, to its end.
fn run(world: &World, faulty: u16, bad: Bad) -> Simulation<Node, Seen> {
    let mut simulation = Simulation::new(Network::default(), Seen::default());
    simulation.label(label);
    simulation.add(Peer::Client, NodeSetup::Client(world.client_setup()));
    for index in world.committee.roster().indices() {
        let setup = world.server_setup(index.get());
        simulation.add(Peer::Server(index), NodeSetup::Server(setup));
    }
    simulation.byzantine((0..faulty).map(|at| Peer::Server(world.index(at))), bad);
    let start = NodeCommand::Client(Command::Start);
    simulation.command(Time::default(), Peer::Client, start);
    let is_over = |simulation: &Simulation<Node, Seen>| {
        let seen = simulation.application();
        seen.finished.is_some() || seen.aborted
    };
    let end = simulation.run_until(Time::at(Duration::from_secs(60)), is_over);
    assert_eq!(end.unwrap(), Outcome::Done);
    simulation
}

/// The output of a run, which a third party accepts.
fn drawn(world: &World, simulation: &Simulation<Node, Seen>) -> (Randomness, Transcript) {
    let (output, transcript) = simulation.application().finished.clone().unwrap();
    assert_eq!(transcript.verify(&world.committee, &world.terms), Ok(output));
    (output, transcript)
}

/// f servers are silent, or say what is no message.
pub(crate) fn faulty_servers_stop_nothing() {
    let world = world(16, 8);
    for bad in [Bad::Silent, Bad::Garbage] {
        drawn(&world, &run(&world, 5, bad));
    }
}

/// One server too many does not acknowledge: all the others have the deals, and nobody opens
/// anything.
pub(crate) fn nothing_is_opened_before_a_quorum_decides() {
    let world = world(7, 7);
    for (faulty, opened) in [(2, true), (3, false)] {
        let simulation = run(&world, faulty, Bad::OnlyDealing);
        let seen = simulation.application();
        assert_eq!((seen.finished.is_some(), seen.opened > 0), (opened, opened));
        let sent = simulation.total().sent_by_label;
        assert_eq!(sent.contains_key("opened"), opened);
    }
}

/// f servers withhold their shares: the output is the same. A dealer that deals again when it knows
/// the output is refused.
pub(crate) fn nobody_drops_out_or_deals_again() {
    let world = world(16, 8);
    let (honest, transcript) = drawn(&world, &run(&world, 0, Bad::Silent));
    let (withheld, _) = drawn(&world, &run(&world, 5, Bad::Withholding));
    assert_eq!(withheld, honest);

    let mut groups = transcript.groups.clone().into_inner();
    let mut deals = groups[0].deals.clone().into_inner();
    deals[0] = deal_again(&world, &world.session(), &deals[0], &mut rng(4));
    groups[0].deals = Deals::new(deals).unwrap();
    let groups = BoundedVec::new(groups).unwrap();
    let swapped = Transcript { groups, ..transcript };
    assert!(swapped.verify(&world.committee, &world.terms).is_err());
}

/// A transcript convinces from its bytes, on the terms of its session alone, and not with any byte
/// changed.
pub(crate) fn whoever_tampers_is_refused() {
    let world = world(4, 4);
    let (output, transcript) = drawn(&world, &run(&world, 0, Bad::Silent));
    let verify = |bytes: &[u8], terms: &Terms| {
        let transcript = <Transcript>::decode(bytes).ok()?;
        transcript.verify(&world.committee, terms).ok()
    };
    let bytes = transcript.encode();
    assert_eq!(verify(&bytes, &world.terms), Some(output));
    let other = Terms { slot: world.terms.slot + 1, ..world.terms.clone() };
    assert_eq!(verify(&bytes, &other), None);
    let steps = 1 + bytes.len() / 300;
    for at in (0..bytes.len()).step_by(steps) {
        let mut tampered = bytes.clone();
        tampered[at] ^= 1;
        assert_eq!(verify(&tampered, &world.terms), None, "byte {at}");
    }
}

/// With four times the servers in groups of one size, each has the same messages, and less than
/// twice the bytes.
pub(crate) fn work_a_server_does_not_grow() {
    let busiest = |servers| {
        let world = world(servers, 8);
        let simulation = run(&world, 0, Bad::Silent);
        drawn(&world, &simulation);
        let counters = world.committee.roster().indices().map(|index| {
            let counters = simulation.counters(Peer::Server(index)).unwrap();
            let messages = counters.sent.messages + counters.received.messages;
            (messages, counters.sent.bytes + counters.received.bytes)
        });
        let (messages, bytes): (BTreeSet<_>, BTreeSet<_>) = counters.unzip();
        (messages.into_iter().max().unwrap(), bytes.into_iter().max().unwrap())
    };
    let [few, many] = [16, 64].map(busiest);
    assert_eq!(few.0, many.0);
    assert!(many.1 < 2 * few.1, "{few:?} {many:?}");
}
