//! f Byzantine servers, one strategy at a time, each of which loses.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    Certificate,
    machine::{FaultKind, Time, To},
    sim::{Adversary, Deliveries, Delivery, Network, Outcome, Simulation},
    wire::Wire,
};
use curve25519_dalek::rand_core::CryptoRng;
use randhound::{
    Message, Peer, Session, Terms,
    client::Abort,
    message::{Acknowledgement, Word},
};

use crate::{
    common::{Node, World, deal_again, world},
    run::{Seen, bytes, finish, network, run},
    table::wrong_part,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Silent,
    Garbage,
    /// Deal for another session, signed for this one.
    WrongDeal,
    /// Deal a second time.
    TwoDeals,
    /// Deal, and acknowledge nothing.
    Mute,
    WrongPart,
    /// Never give a part, and relay nothing.
    Refuse,
    /// Give signatures of nothing.
    WrongSignature,
    WithholdShares,
    WrongShares,
}

const ALL: [Strategy; 10] = [
    Strategy::Silent,
    Strategy::Garbage,
    Strategy::WrongDeal,
    Strategy::TwoDeals,
    Strategy::Mute,
    Strategy::WrongPart,
    Strategy::Refuse,
    Strategy::WrongSignature,
    Strategy::WithholdShares,
    Strategy::WrongShares,
];

struct Liars {
    world: World,
    strategy: Strategy,
}

impl Liars {
    /// What is sent in place of a message.
    fn lie(&self, message: Message, rng: &mut dyn CryptoRng) -> Vec<Message> {
        match (self.strategy, message) {
            (Strategy::Silent, _) => vec![],
            (Strategy::Refuse, Message::Decision(_)) => vec![],
            (Strategy::WrongDeal, Message::Dealing(said, offer)) => {
                let terms = Terms { slot: 99, ..self.world.terms.clone() };
                let other = Session::new(self.world.committee.clone(), &terms).unwrap();
                vec![Message::Dealing(deal_again(&self.world, &other, &said, rng), offer)]
            }
            (Strategy::TwoDeals, Message::Dealing(said, offer)) => {
                let again = deal_again(&self.world, &self.world.session(), &said, rng);
                vec![Message::Dealing(said, offer), Message::Dealing(again, offer)]
            }
            (Strategy::WrongPart, message) => vec![wrong_part(message)],
            (_, Message::Acknowledgement(said)) => self.word(said).into_iter().collect(),
            (Strategy::WithholdShares, Message::Opened(_)) => vec![],
            (Strategy::WrongShares, message @ Message::Opened(_)) => {
                let mut bytes = message.encode();
                let last = bytes.len() - 1;
                bytes[last - 40] ^= 1;
                Message::decode(&bytes).into_iter().collect()
            }
            (_, message) => vec![message],
        }
    }

    fn word(&self, said: Acknowledgement) -> Option<Message> {
        let word = match (self.strategy, said.word) {
            (Strategy::Mute, _) => return None,
            (Strategy::Refuse, Word::Part { attempt, ahead, .. }) => {
                Word::Refusal { attempt, ahead }
            }
            (Strategy::WrongSignature, Word::Part { .. }) => {
                Word::Single(cosi::keys::Signature([5; 64]))
            }
            (_, word) => word,
        };
        Some(Message::Acknowledgement(Acknowledgement { word, ..said }))
    }
}

impl Adversary<Node> for Liars {
    fn corrupt(
        &mut self,
        _: Peer,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let mut deliveries = Vec::new();
        for (to, message) in output {
            if self.strategy == Strategy::Garbage {
                deliveries.push((to, Delivery::Bytes(bytes(rng, 300))));
                continue;
            }
            let lies = self.lie(message, rng).into_iter();
            deliveries.extend(lies.map(|lie| (to.clone(), Delivery::Message(lie))));
        }
        deliveries
    }
}

const SERVERS: u16 = 10;
/// f, of ten.
const LIARS: u16 = 3;

/// The first three servers lie. In two groups of five, two honest ones are left at least.
fn among(world: &World, strategy: Strategy, network: Network) -> Simulation<Node, Seen> {
    let mut simulation = crate::run::network(world, network);
    let liars = Liars { world: crate::common::world(SERVERS, 5), strategy };
    simulation.byzantine((0..LIARS).map(|at| Peer::Server(world.index(at))), liars);
    simulation
}

/// Whom honest nodes blamed, and for what.
fn blamed(simulation: &Simulation<Node, Seen>) -> BTreeSet<(Peer, FaultKind)> {
    let faults = simulation.application().faults.iter();
    faults.map(|fault| (fault.culprit, fault.kind)).collect()
}

/// When all goes well but for the liars: how the servers acknowledged, who, and when it was over.
#[test]
fn every_strategy_costs_what_it_costs_and_no_more() {
    use Strategy as S;
    let world = world(SERVERS, 5);
    let liars: Vec<u16> = (0..LIARS).collect();
    for strategy in ALL {
        let mut simulation = among(&world, strategy, Network::default());
        finish(&world, &mut simulation);
        let certificate = &simulation.application().finished[0].1.certificate;
        let together = matches!(certificate, Certificate::Collective(_));
        let signers = certificate.signers();
        let signed = liars.iter().filter(|at| signers.contains(**at)).count();
        let found = (together, signers.count(), signed, simulation.now());
        let after = |millis| Time::at(Duration::from_millis(millis));
        let expected = match strategy {
            // They are waited for with R1, and asked for no part.
            S::Silent | S::Garbage => (true, 7, 0, after(500)),
            // They dealt badly, and are asked for a signature alone.
            S::WrongDeal | S::TwoDeals => (true, 7, 0, after(300)),
            // They are waited for in a round.
            S::Mute | S::WrongSignature => (true, 7, 0, after(600)),
            S::WrongPart => (true, 7, 0, after(400)),
            // Three round trips of acknowledging, and a retry since the relays keep silent.
            S::Refuse => (false, 7, 3, after(900)),
            S::WithholdShares | S::WrongShares => (true, 10, 3, after(300)),
        };
        assert_eq!(found, expected, "{strategy:?}");
        let kind = match strategy {
            S::Garbage => Some(FaultKind::Malformed),
            S::WrongDeal | S::WrongPart | S::WrongShares => Some(FaultKind::InvalidProof),
            S::TwoDeals => Some(FaultKind::Equivocation),
            S::WrongSignature => Some(FaultKind::BadSignature),
            S::Silent | S::Mute | S::Refuse | S::WithholdShares => None,
        };
        let culprit = |(at, kind)| (Peer::Server(world.index(at)), kind);
        let culprits: BTreeSet<_> =
            liars.iter().copied().zip(kind.into_iter().cycle()).map(culprit).collect();
        let blamed = blamed(&simulation);
        if matches!(strategy, S::WrongDeal | S::WrongShares) {
            // No more is looked at than what it takes.
            assert!(!blamed.is_empty() && blamed.is_subset(&culprits), "{strategy:?}");
        } else {
            assert_eq!(blamed, culprits, "{strategy:?}");
        }
    }
}

#[test]
fn every_strategy_loses_in_a_network_that_loses_messages() {
    let world = world(SERVERS, 5);
    for strategy in ALL {
        for seed in 0..3 {
            let loss = Network { seed, loss_per_mille: 150, ..Network::default() };
            let loss = Network { duplicate_per_mille: 100, spurious_per_mille: 100, ..loss };
            let mut simulation = among(&world, strategy, loss);
            finish(&world, &mut simulation);
            for (who, kind) in blamed(&simulation) {
                let Peer::Server(index) = who else { panic!("{who:?}") };
                assert!(index.get() < LIARS, "{strategy:?} {seed}: {who:?} {kind:?}");
            }
        }
    }
}

#[test]
fn too_few_deals_that_hold_end_a_run_with_the_reason() {
    let world = world(4, 4);
    let mut simulation = network(&world, Network::default());
    let liars = Liars { world: crate::common::world(4, 4), strategy: Strategy::WrongDeal };
    simulation.byzantine((0..3).map(|at| Peer::Server(world.index(at))), liars);
    assert_eq!(run(&mut simulation), Outcome::Done);
    let seen = simulation.application();
    assert_eq!(seen.aborted, [Abort::Deals { group: 0, have: 1, need: 2 }]);
    assert_eq!(seen.faults.len(), 3, "those who dealt badly are named");
    assert_eq!(simulation.now(), Time::at(Duration::from_secs(10)), "after all patience");
}
