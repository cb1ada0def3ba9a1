//! How a wallet is set up, and what it tells.

use alloc::boxed::Box;
use core::time::Duration;

use atomix::{Malformed, Sealed, Session, Transaction, client};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    decision::Decision,
    epoch::EpochProof,
    genesis::{Genesis, GenesisError},
    pool::Refusal,
};

/// How a wallet is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// All that the wallet trusts.
    pub genesis: Genesis,
    /// How often it asks while something is pending, at most once a millisecond.
    pub poll: Duration,
    /// How long an input that a shard does not know is waited for while other inputs are locked.
    /// Then the shard is shown that they are, and rejects the transaction.
    pub patience: Duration,
}

/// What the owner asks of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Has a transaction committed.
    Pay(Box<Transaction>),
}

/// What a wallet tells its owner. Each may come again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Every output exists for ever; [`Wallet::receipt`](super::Wallet::receipt) proves it.
    Committed {
        /// The transaction.
        session: Session,
    },
    /// No output exists or ever will, and every input that was locked is given back.
    Aborted {
        /// The transaction.
        session: Session,
        /// Why: final, and true.
        reason: Reason,
    },
    /// More validators of a shard than may be faulty have waited long and in vain for what the
    /// transaction spends. The wallet goes on, so it may be committed yet.
    Delayed {
        /// The transaction.
        session: Session,
    },
}

/// Why a payment is aborted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
#[non_exhaustive]
pub enum Reason {
    /// A shard rejected it: another transaction took an input there. What was locked in other
    /// shards is given back.
    Rejected,
    /// Every shard that holds an input refuses it for good, so nothing was locked.
    Refused(Refusal),
    /// A payment of this wallet that was to create one of its inputs is aborted. It was never
    /// submitted.
    Orphaned,
}

impl Reason {
    /// The reason in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Refused(refusal) => refusal.name(),
            Self::Orphaned => "orphaned",
        }
    }
}

/// What a wallet must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Record {
    /// How the epoch came about.
    Epoch(Box<EpochProof>),
    /// The owner asked for this transaction.
    Paid(Transaction),
    /// What the client that drives payments must not forget.
    Client(Box<client::Record<Sealed<Decision>>>),
    /// A transaction was given up.
    Aborted(Session, Reason),
}

/// The owner asked for something that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No shard would take it.
    #[error("the transaction is refused: {0}")]
    Malformed(#[from] Malformed),
    /// One payment once.
    #[error("the transaction has been submitted before; declare another nonce to pay again")]
    Repeated,
    /// As many payments as a wallet takes.
    #[error("the wallet has {0} payments, and takes no more; go on with another one")]
    Full(usize),
}

/// Why there can be no such wallet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The genesis is not sound.
    #[error("the genesis is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// The records are not those of a wallet of this ledger.
    #[error(
        "the journal is another wallet's; use the journal and the genesis that belong together"
    )]
    Journal,
}
