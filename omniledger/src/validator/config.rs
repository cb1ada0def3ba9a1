//! How a validator is set up, and what it tells.

use alloc::vec::Vec;

use byzcoin::{Height, View, votes};
use cosi::{Certificate, keys::SigningKey};

use crate::{
    genesis::{Genesis, GenesisError},
    pool::{PoolLimits, Refusal},
    transaction::Session,
};

/// How a validator is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ledger.
    pub genesis: Genesis,
    /// The key of one of the genesis's validators.
    pub key: SigningKey,
    /// How long the replica waits.
    pub timing: byzcoin::Timing,
    /// How long votes wait for one another.
    pub votes: votes::Timing,
    /// How much waits to be committed.
    pub pool: PoolLimits,
    /// How many bytes of transactions to propose at once. A larger one is proposed by itself.
    pub block_bytes: u32,
}

/// What the application asks of a validator: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {}

/// Why a command was turned down: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

/// What a validator tells its host. Each may come again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// So many owners' signatures have been checked, each counted once.
    Checked {
        /// How many.
        signatures: usize,
    },
    /// A block is part of the ledger for ever.
    Committed {
        /// Its index in the chain.
        block: u64,
        /// The view that decided it.
        view: View,
        /// Its transactions.
        sessions: Vec<Session>,
        /// Who decided it.
        certificate: Certificate,
    },
    /// A transaction was given up.
    Refused {
        /// The transaction.
        session: Session,
        /// Why.
        refusal: Refusal,
    },
    /// A leader was replaced.
    ViewChanged {
        /// The height.
        height: Height,
        /// The view.
        view: View,
    },
    /// The others are further ahead than anyone keeps blocks for.
    Behind {
        /// At least there.
        height: Height,
    },
    /// A quorum decided what does not hold: more than a third of the weight is faulty. This
    /// validator takes no further part.
    Unsound {
        /// The height.
        height: Height,
    },
}

/// Why there can be no such validator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The genesis is not sound.
    #[error("the genesis is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// The key is none of the validators'.
    #[error("the key is none of the genesis's validators; use the key that was registered")]
    NotAValidator,
    /// The records are not those of this ledger's validator.
    #[error("the journal is refused: {0}")]
    Journal(#[from] byzcoin::RestoreError),
}
