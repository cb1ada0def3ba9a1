//! Whatever runs in a process of its own: a validator, or a wallet.
//!
//! One type for both, so that one simulation or one program runs a whole ledger:
//!
//! ```
//! use std::time::Duration;
//! use cosi::{keys::{PeerId, Seed}, machine::Time, sim::{Network, Simulation}};
//! use omniledger::{
//!     Genesis, Message, Peer, PoolLimits,
//!     atomix::{Declaration, Output},
//!     genesis::{Grant, Registration},
//!     node::{Config, Event, Node},
//!     validator, wallet,
//! };
//! # use cosi::{machine::Fault, sim::Application};
//! # use omniledger::{EpochProof, Receipt, Stranger, node::Error, wallet::Command, wire::Wire};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! # #[derive(Default)]
//! # struct Bank(Vec<wallet::Event>);
//! # impl Application<Node> for Bank {
//! #     fn on_event(&mut self, _: Peer, _: Time, event: Event, _: &mut Vec<Command>) {
//! #         if let Event::Wallet(event) = event { self.0.push(event); }
//! #     }
//! #     fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) { panic!("{fault:?}") }
//! #     fn on_error(&mut self, _: Peer, _: Time, error: Error) { panic!("{error}") }
//! # }
//! let seeds: Vec<_> = (1..=8).map(|seed| Seed::from_bytes([seed; 32])).collect();
//! let alice = Seed::from_bytes([9; 32]).signing_key();
//! let validators = seeds.iter().map(|seed| Registration::new(seed, &mut rng)).collect();
//! let grant = Grant { shard: 0, owner: alice.public().to_bytes(), value: 100 };
//! let genesis = Genesis::new("town", 2, validators, vec![grant])?;
//!
//! // `Bank` keeps what the wallet tells.
//! let mut town = Simulation::<Node, _>::new(Network::default(), Bank::default());
//! for seed in seeds {
//!     let peer = PeerId::of(seed.signing_key().public());
//!     let (timing, votes) = Default::default();
//!     let (retry, pool, genesis) = (Duration::from_secs(1), PoolLimits::default(), genesis.clone());
//!     let validator = validator::Config { genesis, seed, timing, votes, retry, pool, block_bytes: 1 << 18 };
//!     town.add(Peer::Validator(peer), Config::Validator(Box::new(validator)));
//! }
//! let (wallet, poll, patience) = (Peer::Guest(0), Duration::from_millis(200), Duration::from_secs(30));
//! town.add(wallet, Config::Wallet(wallet::Config { genesis: genesis.clone(), poll, patience }));
//!
//! // A coin in shard 0 becomes one in shard 1.
//! let coin = genesis.granted().next().unwrap();
//! let gift = Output { shard: 1, value: 100, owner: [7; 32] };
//! let pay = Declaration::new(0, 0, 100, vec![coin], vec![gift])?.sign(&genesis.id(), |_| Some(&alice))?;
//! let session = pay.declaration.session(&genesis.id());
//! town.command(Time::default(), wallet, wallet::Command::Pay(Box::new(pay)));
//! town.run_until(Time::at(Duration::from_secs(60)), |town| !town.application().0.is_empty())?;
//!
//! // Whoever has the genesis checks the epoch and the receipt, from bytes.
//! let Some(Node::Wallet(node)) = town.machine(wallet) else { panic!() };
//! let (epoch, receipt) = (node.epoch_proof().unwrap().encode(), node.receipt(&session).unwrap().encode());
//! let mut stranger = Stranger::new(&genesis, &EpochProof::decode(&epoch)?)?;
//! let proven = stranger.verify(&Receipt::decode(&receipt)?)?;
//! assert_eq!((proven.session, proven.verdicts[0].shard), (session, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{boxed::Box, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    impl_machine,
    machine::{self, Cx, Step as StepOf, Time},
};

use crate::{Message, Peer, Validator, Wallet, validator, wallet};

/// A node of the network.
#[derive(Debug)]
pub enum Node {
    /// Orders, checks and keeps transactions.
    Validator(Box<Validator>),
    /// Pays.
    Wallet(Box<Wallet>),
}

/// How a node is set up.
#[derive(Clone, Debug)]
pub enum Config {
    /// As a validator.
    Validator(Box<validator::Config>),
    /// As a wallet.
    Wallet(wallet::Config),
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A validator's news.
    Validator(validator::Event),
    /// A wallet's news.
    Wallet(wallet::Event),
}

/// What a node must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// A validator's record.
    Validator(Box<validator::Record>),
    /// A wallet's record.
    Wallet(wallet::Record),
}

/// Why a node refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The wallet refuses it.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// Only wallets pay.
    #[error("a validator takes no payments; pay with a wallet")]
    NoWallet,
}

/// Why a node does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// There can be no such validator.
    #[error(transparent)]
    Validator(#[from] validator::RestoreError),
    /// There can be no such wallet.
    #[error(transparent)]
    Wallet(#[from] wallet::RestoreError),
    /// A wallet's journal for a validator, or the reverse.
    #[error("the journal is one of another kind of node; use the node's own")]
    Kind,
}

/// What one input to a [`Node`] brings about.
pub type Step = machine::Step<Message, Event, Record, Peer>;

impl_machine! {
    Node {
        Peer = Peer, Message = Message, Command = wallet::Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Node {
    /// The node that wrote `records`; without any, a fresh one.
    pub fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        match config {
            Config::Validator(config) => {
                let records = records.into_iter().map(|record| match record {
                    Record::Validator(record) => Ok(*record),
                    Record::Wallet(_) => Err(RestoreError::Kind),
                });
                let records: Vec<_> = records.collect::<Result<_, _>>()?;
                let (validator, step) = Validator::restore(*config, records, cx)?;
                Ok((Self::Validator(Box::new(validator)), of_validator(step)))
            }
            Config::Wallet(config) => {
                let records = records.into_iter().map(|record| match record {
                    Record::Wallet(record) => Ok(record),
                    Record::Validator(_) => Err(RestoreError::Kind),
                });
                let records: Vec<_> = records.collect::<Result<_, _>>()?;
                let (wallet, step) = Wallet::restore(config, records, cx)?;
                Ok((Self::Wallet(Box::new(wallet)), of_wallet(step)))
            }
        }
    }

    /// Takes in what `from` said. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> Step {
        match self {
            Self::Validator(node) => of_validator(node.handle_message(cx, from, message)),
            Self::Wallet(node) => of_wallet(node.handle_message(cx, from, message)),
        }
    }

    /// Does what the owner asks of a wallet.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: wallet::Command,
    ) -> Result<Step, Error> {
        match self {
            Self::Validator(_) => Err(Error::NoWallet),
            Self::Wallet(node) => Ok(of_wallet(node.handle_command(cx, command)?)),
        }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        match self {
            Self::Validator(node) => of_validator(node.handle_timeout(cx)),
            Self::Wallet(node) => of_wallet(node.handle_timeout(cx)),
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Validator(node) => node.next_timeout(),
            Self::Wallet(node) => node.next_timeout(),
        }
    }
}

fn of_validator(step: validator::Step) -> Step {
    wrap(step, Event::Validator, |record| Record::Validator(Box::new(record)))
}

fn of_wallet(step: wallet::Step) -> Step {
    wrap(step, Event::Wallet, Record::Wallet)
}

fn wrap<E, R>(
    child: StepOf<Message, E, R, Peer>,
    event: impl Fn(E) -> Event,
    record: impl Fn(R) -> Record,
) -> Step {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, record);
    events.into_iter().map(event).fold(step, Step::event)
}
