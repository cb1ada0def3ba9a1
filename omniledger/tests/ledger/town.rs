//! A town whose keys are all at hand, its epoch drawn, so that anything can be said in it: sound
//! or not.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cosi::{
    keys::{PeerId, Seed, SigningKey},
    machine::{Cx, Fault, Output as Done, Step, Time, To},
    wire::BoundedVec,
};
use omniledger::{
    Epoch, EpochProof, Genesis, Message, Peer, PoolLimits, Session, Stranger, Transaction,
    Validator, Wallet,
    atomix::{Action, Declaration, Input, Output},
    byzcoin,
    genesis::{Grant, Registration},
    message::{Answer, Guest, Query, Request},
    validator, wallet,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::network;

/// The seed of the validator with this number.
pub(crate) fn seed(number: u8) -> Seed {
    Seed::from_bytes([number; 32])
}

pub(crate) fn key(number: u8) -> SigningKey {
    seed(number).signing_key()
}

/// Who owns all coins.
pub(crate) fn owner() -> SigningKey {
    key(200)
}

/// An output of this value in a shard, to the owner of all coins.
pub(crate) fn to(shard: u16, value: u64) -> Output {
    Output { shard, value, owner: owner().public().to_bytes() }
}

/// What every coin is worth.
pub(crate) const WORTH: u64 = 100;

/// So many validators in so many shards, and coins of [`WORTH`]: coin i is in shard i mod shards.
pub(crate) fn genesis(validators: u8, shards: u16, coins: u16) -> Genesis {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let registered = (0..validators).map(|number| Registration::new(&seed(number), &mut rng));
    let grants = (0..coins).map(|at| {
        let owner = owner().public().to_bytes();
        Grant { shard: at % shards, owner, value: WORTH }
    });
    Genesis::new("town", shards, registered.collect(), grants.collect()).unwrap()
}

/// A ledger whose epoch is known.
#[derive(Clone)]
pub(crate) struct Town {
    pub(crate) genesis: Genesis,
    pub(crate) proof: EpochProof,
    pub(crate) epoch: Epoch,
}

/// Eight validators in two shards, and twelve coins, of which the even ones are in shard 0.
pub(crate) fn town() -> Town {
    Town::new(8, 2, 12)
}

impl Town {
    /// The town of [`genesis`], with what its validators draw. Each is drawn once.
    pub(crate) fn new(validators: u8, shards: u16, coins: u16) -> Self {
        static DRAWN: Mutex<BTreeMap<(u8, u16, u16), Town>> = Mutex::new(BTreeMap::new());
        let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = || Self::of(genesis(validators, shards, coins));
        drawn.entry((validators, shards, coins)).or_insert_with(draw).clone()
    }

    pub(crate) fn of(genesis: Genesis) -> Self {
        let proof = network::draw(&genesis);
        let epoch = Epoch::verify(&genesis, &proof).unwrap();
        Self { genesis, proof, epoch }
    }

    pub(crate) fn coin(&self, at: usize) -> Input {
        self.genesis.granted().nth(at).unwrap()
    }

    /// Of the coins in a shard, the one at this position.
    pub(crate) fn coin_of(&self, shard: u16, at: usize) -> Input {
        self.genesis.granted().filter(|coin| coin.outpoint.shard == shard).nth(at).unwrap()
    }

    pub(crate) fn pay(&self, nonce: u64, inputs: &[Input], outputs: &[Output]) -> Transaction {
        self.pay_by(1000, nonce, inputs, outputs)
    }

    /// A payment with this deadline.
    pub(crate) fn pay_by(
        &self,
        deadline: u32,
        nonce: u64,
        inputs: &[Input],
        outputs: &[Output],
    ) -> Transaction {
        let (inputs, outputs) = (inputs.to_vec(), outputs.to_vec());
        let declared = Declaration::new(0, nonce, deadline, inputs, outputs).unwrap();
        let owner = owner();
        declared.sign(&self.genesis.id(), |_| Some(&owner)).unwrap()
    }

    /// Sends a coin of a shard back to its owner there.
    pub(crate) fn spend(&self, shard: u16, at: usize) -> Transaction {
        self.pay(at.try_into().unwrap(), &[self.coin_of(shard, at)], &[to(shard, WORTH)])
    }

    pub(crate) fn session(&self, transaction: &Transaction) -> Session {
        transaction.declaration.session(&self.genesis.id())
    }

    /// The first output of a transaction, as who spends it declares it.
    pub(crate) fn created(&self, transaction: &Transaction, at: usize) -> Input {
        transaction.declaration.created(self.session(transaction)).nth(at).unwrap()
    }

    /// The numbers of the validators in a shard, in the order of its roster.
    pub(crate) fn members(&self, shard: u16) -> Vec<u8> {
        let members = self.epoch.members(shard).iter();
        members.map(|member| u8::try_from(member.get()).unwrap()).collect()
    }

    /// The validator at this position of a shard's roster, as a peer.
    pub(crate) fn peer(&self, shard: u16, at: usize) -> Peer {
        peer(self.members(shard)[at])
    }

    pub(crate) fn stranger(&self) -> Stranger {
        Stranger::new(&self.genesis, &self.proof).unwrap()
    }

    /// The validator at this position of a shard's roster, seated, with nothing decided.
    pub(crate) fn validator(&self, shard: u16, at: usize) -> Validator {
        self.validator_with(validator_config(&self.genesis, self.members(shard)[at]))
    }

    pub(crate) fn validator_with(&self, config: validator::Config) -> Validator {
        let told = validator::Record::Epoch(Box::new(self.proof.clone()));
        now(|cx| Validator::restore(config, [told], cx).unwrap().0)
    }

    /// A wallet that knows the epoch.
    pub(crate) fn wallet(&self) -> Wallet {
        let known = wallet::Record::Epoch(Box::new(self.proof.clone()));
        now(|cx| Wallet::restore(wallet_config(&self.genesis), [known], cx).unwrap().0)
    }
}

pub(crate) fn validator_config(genesis: &Genesis, number: u8) -> validator::Config {
    validator::Config {
        genesis: genesis.clone(),
        seed: seed(number),
        timing: byzcoin::Timing::default(),
        votes: byzcoin::votes::Timing::default(),
        retry: Duration::from_secs(1),
        pool: PoolLimits::default(),
        block_bytes: 1 << 18,
    }
}

pub(crate) fn wallet_config(genesis: &Genesis) -> wallet::Config {
    let (poll, patience) = (Duration::from_millis(200), Duration::from_secs(10));
    wallet::Config { genesis: genesis.clone(), poll, patience }
}

/// The validator with this number, as a peer.
pub(crate) fn peer(number: u8) -> Peer {
    Peer::Validator(PeerId::of(key(number).public()))
}

pub(crate) const GUEST: Peer = Peer::Guest(1);

/// Does something at the beginning of time.
pub(crate) fn now<T>(act: impl FnOnce(&mut Cx<'_>) -> T) -> T {
    at(0, act)
}

pub(crate) fn at<T>(seconds: u64, act: impl FnOnce(&mut Cx<'_>) -> T) -> T {
    let mut rng = ChaCha20Rng::seed_from_u64(seconds);
    act(&mut Cx::new(Time::at(Duration::from_secs(seconds)), &mut rng))
}

/// A step taken apart.
pub(crate) struct Taken<M, E, R> {
    pub(crate) records: Vec<R>,
    pub(crate) messages: Vec<(To<Peer>, M)>,
    pub(crate) events: Vec<E>,
    pub(crate) faults: Vec<Fault<Peer>>,
}

pub(crate) fn take<M, E, R>(
    steps: impl IntoIterator<Item = Step<M, E, R, Peer>>,
) -> Taken<M, E, R> {
    let (records, messages, events, faults) = Default::default();
    let mut all = Taken { records, messages, events, faults };
    for step in steps {
        let (records, held) = step.into_records();
        let Done { messages, events, faults } = held.release();
        all.records.extend(records);
        all.messages.extend(messages);
        all.events.extend(events);
        all.faults.extend(faults);
    }
    all
}

pub(crate) type Heard = Taken<Message, validator::Event, validator::Record>;
pub(crate) type Answered = Taken<Message, wallet::Event, wallet::Record>;

/// Has a validator hear messages, one after the other.
pub(crate) fn tell(node: &mut Validator, from: Peer, messages: Vec<Message>) -> Heard {
    let hear = |message| now(|cx| node.handle_message(cx, from, message));
    take(messages.into_iter().map(hear))
}

/// Asks a shard to initialize these.
pub(crate) fn initialize(transaction: &Transaction) -> Request {
    let action = Action::Initialize { shown: None };
    Request { transaction: transaction.clone(), action }
}

pub(crate) fn submit(shard: u16, requests: &[Request]) -> Vec<Message> {
    let requests = BoundedVec::new(requests.to_vec()).unwrap();
    vec![Message::Guest(Guest::Submit { shard, requests })]
}

/// Submits transactions to be initialized.
pub(crate) fn submit_all(shard: u16, transactions: &[Transaction]) -> Vec<Message> {
    submit(shard, &transactions.iter().map(initialize).collect::<Vec<_>>())
}

/// What a validator says to a guest that asks.
pub(crate) fn ask(node: &mut Validator, shard: u16, queries: &[Query]) -> Answer {
    let queries = BoundedVec::new(queries.to_vec()).unwrap();
    let heard = tell(node, GUEST, vec![Message::Guest(Guest::Ask { shard, queries })]);
    match heard.messages.into_iter().next() {
        Some((To::One(GUEST), Message::Guest(Guest::Answer(answer)))) => answer,
        other => panic!("{other:?}"),
    }
}

/// Has a wallet pay.
pub(crate) fn pay(node: &mut Wallet, transaction: &Transaction) -> Answered {
    let pay = wallet::Command::Pay(Box::new(transaction.clone()));
    take([now(|cx| node.handle_command(cx, pay).unwrap())])
}

/// Has a wallet hear an answer.
pub(crate) fn answer(node: &mut Wallet, from: Peer, answer: Answer) -> Answered {
    take([now(|cx| node.handle_message(cx, from, Message::Guest(Guest::Answer(answer))))])
}

pub(crate) fn nothing(shard: u16) -> Answer {
    Answer { shard, said: BoundedVec::default(), refused: BoundedVec::default() }
}
