//! Validators and wallets on a simulated network: conflicts, crashes, losses, liars.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use cosi::{
    machine::{Fault, FaultKind, Time, To},
    sim::{
        Adversary, Application, Boundary, Crash, Deliveries, Delivery, Network, Outcome,
        Simulation, When,
    },
    wire::BoundedVec,
};
use omniledger::{
    Message, Node, Peer, Refusal, Session, Transaction,
    message::Guest,
    node::{Config, Error, Event},
    validator, wallet,
};
use rand_chacha::rand_core::CryptoRng;

use crate::town::{Town, peer, to_owner};

const WALLETS: [Peer; 2] = [Peer::Guest(1), Peer::Guest(2)];

/// All that the nodes tell.
#[derive(Debug, Default)]
struct World {
    committed: BTreeMap<(Peer, Session), u64>,
    aborted: BTreeMap<(Peer, Session), Refusal>,
    blocks: BTreeMap<u64, Vec<Session>>,
    faults: BTreeSet<(Peer, FaultKind)>,
}

impl Application<Node> for World {
    fn on_event(&mut self, peer: Peer, _: Time, event: Event, _: &mut Vec<wallet::Command>) {
        match event {
            Event::Wallet(wallet::Event::Committed { session, block }) => {
                let before = self.committed.insert((peer, session), block);
                assert!(before.is_none_or(|before| before == block));
            }
            Event::Wallet(wallet::Event::Aborted { session, refusal }) => {
                self.aborted.insert((peer, session), refusal);
            }
            Event::Wallet(event) => panic!("{event:?}"),
            Event::Validator(validator::Event::Committed { block, sessions, .. }) => {
                let before = self.blocks.insert(block, sessions.clone());
                assert!(before.is_none_or(|before| before == sessions), "agreement at {block}");
            }
            Event::Validator(validator::Event::Unsound { .. }) => panic!("unsound"),
            Event::Validator(_) => {}
        }
    }

    fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) {
        self.faults.insert((fault.culprit, fault.kind));
    }

    fn on_error(&mut self, _: Peer, _: Time, error: Error) {
        panic!("{error}");
    }
}

fn seconds(seconds: u64) -> Time {
    Time::at(Duration::from_secs(seconds))
}

fn network(town: &Town, network: Network) -> Simulation<Node, World> {
    let mut simulation = Simulation::new(network, World::default());
    for number in 0..4 {
        let config = Config::Validator(Box::new(town.validator_config(number)));
        simulation.add(peer(number), config);
    }
    for wallet in WALLETS {
        simulation.add(wallet, Config::Wallet(town.wallet_config()));
    }
    simulation
}

fn pay(network: &mut Simulation<Node, World>, at: Time, wallet: Peer, transaction: &Transaction) {
    network.command(at, wallet, wallet::Command::Pay(Box::new(transaction.clone())));
}

/// Runs until so many payments have a fate, with the wallets that have proofs of them.
fn settle(network: &mut Simulation<Node, World>, payments: usize) {
    let outcome = network.run_until(seconds(600), |network| {
        let world = network.application();
        world.committed.len() + world.aborted.len() == payments
    });
    assert_eq!(outcome.unwrap(), Outcome::Done, "{:?}", network.application());
}

/// What was committed is proven to a stranger by the wallet that paid it.
fn proven(town: &Town, network: &Simulation<Node, World>) {
    let mut stranger = town.stranger();
    for ((wallet, session), block) in &network.application().committed {
        let Some(Node::Wallet(node)) = network.machine(*wallet) else { panic!() };
        let receipt = node.receipt(session).unwrap();
        let proven = stranger.verify(&receipt).unwrap();
        assert_eq!((proven.session, proven.header.index), (*session, *block));
    }
}

/// Payments without conflicts: one in three spends what the one before it creates.
fn payments(town: &Town) -> Vec<Transaction> {
    let mut pays: Vec<Transaction> = Vec::new();
    for at in 0..6 {
        let before = pays.last().filter(|_| at % 3 == 1);
        let made = before.and_then(|pay| pay.declaration.created(town.session(pay)).next());
        let coin = made.unwrap_or_else(|| town.coin(at));
        pays.push(town.pay(at.try_into().unwrap(), &[coin], &[to_owner(100)]));
    }
    pays
}

#[test]
fn of_two_that_spend_one_coin_one_is_committed_and_one_aborted() {
    let town = Town::new(2);
    for seed in 0..4 {
        let mut network = network(&town, Network { seed, ..Network::default() });
        let rivals = [1, 2].map(|nonce| town.pay(nonce, &[town.coin(0)], &[to_owner(100)]));
        for (wallet, rival) in WALLETS.iter().zip(&rivals) {
            pay(&mut network, Time::default(), *wallet, rival);
        }
        settle(&mut network, 2);
        proven(&town, &network);
        let World { committed, aborted, faults, .. } = network.application();
        assert_eq!((committed.len(), aborted.len(), faults.len()), (1, 1, 0));
        assert!(aborted.values().all(|refusal| *refusal == Refusal::Spent));

        // Who comes later is told so as well, though no block comes any more.
        let late = town.pay(3, &[town.coin(0), town.coin(1)], &[to_owner(200)]);
        let now = network.now();
        pay(&mut network, now, WALLETS[0], &late);
        settle(&mut network, 3);
        let refusal = network.application().aborted[&(WALLETS[0], town.session(&late))];
        assert_eq!(refusal, Refusal::Spent);
    }
}

#[test]
fn every_kind_of_node_crashes_at_every_boundary_and_all_is_settled() {
    let town = Town::new(6);
    let pays = payments(&town);
    let boundaries =
        [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];
    for (seed, boundary) in (0..).zip(boundaries) {
        let mut network = network(&town, Network { seed, ..Network::default() });
        let nodes = [peer(0), peer(1), peer(2), peer(3), WALLETS[0], WALLETS[1]];
        for (number, node) in (0..).zip(nodes) {
            for turn in 0..3 {
                let when =
                    When::At(Time::at(Duration::from_millis(70 + 350 * number + 2200 * turn)));
                let down_for = Some(Duration::from_millis(300));
                network.crash(node, Crash { when, boundary, down_for });
            }
        }
        for (at, transaction) in (0..).zip(&pays) {
            pay(&mut network, seconds(at), WALLETS[usize::from(at % 2 == 1)], transaction);
        }
        settle(&mut network, pays.len());
        proven(&town, &network);
        assert!(network.total().restarts >= 10, "{}", network.total().restarts);
        let World { committed, faults, .. } = network.application();
        assert_eq!((committed.len(), faults.len()), (6, 0), "{boundary:?}");
    }
}

#[test]
fn a_wallet_that_crashes_between_record_and_submission_pays_all_the_same() {
    let town = Town::new(1);
    let mut network = network(&town, Network::default());
    pay(&mut network, Time::default(), WALLETS[0], &town.spend(0));
    // The wallet's start is a step, the command the next.
    let (when, down_for) = (When::Step(1), Some(Duration::from_secs(5)));
    let crash = Crash { when, boundary: Boundary::BeforeRelease, down_for };
    network.crash(WALLETS[0], crash);
    settle(&mut network, 1);
    assert_eq!(network.counters(WALLETS[0]).unwrap().restarts, 1);
    assert!(network.now() >= seconds(5));
    proven(&town, &network);
}

#[test]
fn lost_and_doubled_messages_cost_time_only() {
    let town = Town::new(6);
    let pays = payments(&town);
    let run = |seed| {
        let lossy = Network {
            seed,
            loss_per_mille: 100,
            duplicate_per_mille: 100,
            spurious_per_mille: 50,
            ..Network::default()
        };
        let mut network = network(&town, lossy);
        for transaction in &pays {
            pay(&mut network, Time::default(), WALLETS[0], transaction);
        }
        settle(&mut network, pays.len());
        proven(&town, &network);
        let World { committed, faults, .. } = network.application();
        assert_eq!((committed.len(), faults.len()), (6, 0));
        network.digest()
    };
    assert_eq!(run(1), run(1), "the same seed is the same run");
    assert_ne!(run(1), run(2));
}

/// A validator that tells wallets what is not so.
struct Liar {
    /// What it says was refused, whatever is asked.
    lies: Rc<RefCell<usize>>,
}

impl Adversary<Node> for Liar {
    fn corrupt(
        &mut self,
        _: Peer,
        _: Time,
        _: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let lie = |(to, message)| match message {
            Message::Guest(Guest::Answer(mut answer)) => {
                *self.lies.borrow_mut() += 1;
                let found = answer.found.to_vec();
                let all = found.iter().map(|found| found.session);
                let refused = all.map(|session| (session, Refusal::Spent)).collect();
                answer.refused = BoundedVec::new(refused).unwrap();
                // The first one's place goes for all of them.
                let moved = found.iter().map(|other| omniledger::message::Found {
                    session: other.session,
                    path: found[0].path.clone(),
                    block: found[0].block,
                });
                answer.found = BoundedVec::new(moved.collect()).unwrap();
                (to, Delivery::Message(Message::Guest(Guest::Answer(answer))))
            }
            other => (to, Delivery::Message(other)),
        };
        output.into_iter().map(lie).collect()
    }
}

#[test]
fn a_liar_aborts_nothing_and_proves_nothing() {
    let town = Town::new(6);
    let pays = payments(&town);
    let mut blamed = 0;
    for seed in 0..6 {
        let mut network = network(&town, Network { seed, ..Network::default() });
        let lies = Rc::new(RefCell::new(0));
        network.byzantine([peer(2)], Liar { lies: lies.clone() });
        for transaction in &pays {
            pay(&mut network, Time::default(), WALLETS[0], transaction);
        }
        settle(&mut network, pays.len());
        proven(&town, &network);
        let World { committed, aborted, faults, .. } = network.application();
        assert_eq!((committed.len(), aborted.len()), (6, 0));
        let liar = BTreeSet::from([(peer(2), FaultKind::InvalidProof)]);
        assert!(faults.is_subset(&liar), "{faults:?}");
        blamed += faults.len();
        assert!(*lies.borrow() == 0 || network.now() > Time::default());
    }
    assert!(blamed > 0, "one of the seeds has the liar asked in time");
}
