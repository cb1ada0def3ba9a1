//! Validators and wallets on a simulated network, and what they tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cosi::{
    machine::{Fault, FaultKind, Time},
    sim::{Application, Network, Outcome, Simulation},
};
use omniledger::{
    EpochProof, Genesis, Node, Peer, Session, Transaction, Validator, Wallet,
    atomix::Verdict,
    node::{Config, Error, Event},
    randhound::Randomness,
    validator::{self, ChainName},
    wallet::{self, Reason},
};

use crate::town::{peer, validator_config, wallet_config};

/// The wallets of every simulation.
pub(crate) const WALLETS: [Peer; 2] = [Peer::Guest(1), Peer::Guest(2)];

/// All that the honest nodes tell.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) seated: BTreeMap<Peer, (u16, Randomness)>,
    pub(crate) committed: BTreeSet<(Peer, Session)>,
    pub(crate) aborted: BTreeMap<(Peer, Session), Reason>,
    pub(crate) delayed: BTreeSet<(Peer, Session)>,
    pub(crate) blocks: BTreeMap<(u16, u64), Vec<Verdict>>,
    pub(crate) views: BTreeSet<(Peer, ChainName, u32)>,
    pub(crate) faults: BTreeSet<(Peer, FaultKind)>,
}

impl Application<Node> for World {
    fn on_event(&mut self, peer: Peer, _: Time, event: Event, _: &mut Vec<wallet::Command>) {
        match event {
            Event::Wallet(wallet::Event::Committed { session }) => {
                assert!(!self.aborted.contains_key(&(peer, session)), "both fates");
                self.committed.insert((peer, session));
            }
            Event::Wallet(wallet::Event::Aborted { session, reason }) => {
                assert!(!self.committed.contains(&(peer, session)), "both fates");
                let before = self.aborted.insert((peer, session), reason);
                assert!(before.is_none_or(|before| before == reason));
            }
            Event::Wallet(wallet::Event::Delayed { session }) => {
                self.delayed.insert((peer, session));
            }
            Event::Validator(validator::Event::Seated { shard, randomness, .. }) => {
                let before = self.seated.insert(peer, (shard, randomness));
                assert!(before.is_none_or(|before| before == (shard, randomness)), "one seat");
                let all = self.seated.values();
                assert!(all.into_iter().all(|(_, other)| *other == randomness), "one randomness");
            }
            Event::Validator(validator::Event::Committed { shard, block, verdicts, .. }) => {
                let before = self.blocks.insert((shard, block), verdicts.clone());
                assert!(before.is_none_or(|before| before == verdicts), "agreement at {block}");
            }
            Event::Validator(validator::Event::ViewChanged { chain, view, .. }) => {
                self.views.insert((peer, chain, view.get()));
            }
            Event::Validator(validator::Event::Unsound { .. }) => panic!("unsound"),
            Event::Validator(_) => {}
            Event::Wallet(event) => panic!("{event:?}"),
        }
    }

    fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) {
        self.faults.insert((fault.culprit, fault.kind));
    }

    fn on_error(&mut self, _: Peer, _: Time, error: Error) {
        panic!("{error}");
    }
}

pub(crate) type Sim = Simulation<Node, World>;

pub(crate) fn seconds(seconds: u64) -> Time {
    Time::at(Duration::from_secs(seconds))
}

pub(crate) fn millis(millis: u64) -> Time {
    Time::at(Duration::from_millis(millis))
}

/// All validators of a ledger.
pub(crate) fn validators(genesis: &Genesis, network: Network) -> Sim {
    let mut sim = Simulation::new(network, World::default());
    let count = u8::try_from(genesis.validators.len()).unwrap();
    for number in 0..count {
        let config = Config::Validator(Box::new(validator_config(genesis, number)));
        sim.add(peer(number), config);
    }
    sim
}

/// All validators of a ledger, and two wallets.
pub(crate) fn simulate(genesis: &Genesis, network: Network) -> Sim {
    let mut sim = validators(genesis, network);
    for wallet in WALLETS {
        sim.add(wallet, Config::Wallet(wallet_config(genesis)));
    }
    sim
}

pub(crate) fn pay(sim: &mut Sim, at: Time, wallet: Peer, transaction: &Transaction) {
    sim.command(at, wallet, wallet::Command::Pay(Box::new(transaction.clone())));
}

/// Runs until it holds.
pub(crate) fn until(sim: &mut Sim, limit: u64, done: impl Fn(&Sim) -> bool) {
    let outcome = sim.run_until(seconds(limit), done);
    assert_eq!(outcome, Ok(Outcome::Done), "{:?}", sim.application());
}

/// Runs until so many of the validators are seated.
pub(crate) fn seat(sim: &mut Sim, count: usize) {
    until(sim, 600, |sim| sim.application().seated.len() == count);
}

/// Runs until so many payments have a fate.
pub(crate) fn settle(sim: &mut Sim, payments: usize) {
    until(sim, 900, |sim| {
        let world = sim.application();
        world.committed.len() + world.aborted.len() == payments
    });
}

pub(crate) fn validator(sim: &Sim, peer: Peer) -> &Validator {
    let Some(Node::Validator(node)) = sim.machine(peer) else { panic!("no validator") };
    node
}

pub(crate) fn wallet(sim: &Sim, peer: Peer) -> &Wallet {
    let Some(Node::Wallet(node)) = sim.machine(peer) else { panic!("no wallet") };
    node
}

/// How the validators of a ledger draw its epoch.
pub(crate) fn draw(genesis: &Genesis) -> EpochProof {
    let mut sim = validators(genesis, Network::default());
    seat(&mut sim, genesis.validators.len());
    validator(&sim, peer(0)).epoch_proof().unwrap().clone()
}
