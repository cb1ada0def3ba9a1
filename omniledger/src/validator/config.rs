//! How a validator is set up, and what it tells.

use alloc::vec::Vec;
use core::time::Duration;

use atomix::{Session, Verdict};
use byzcoin::{Height, View, votes};
use cosi::{Certificate, keys::Seed};
use randhound::Randomness;

use crate::{
    genesis::{Genesis, GenesisError},
    identity,
    pool::{PoolLimits, Refusal},
    shard,
};

/// How a validator is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ledger.
    pub genesis: Genesis,
    /// What the keys follow from that one of the genesis's validators registered.
    pub seed: Seed,
    /// How long replicas wait.
    pub timing: byzcoin::Timing,
    /// How long votes wait for one another.
    pub votes: votes::Timing,
    /// How long a leader of the beacon waits for the last deals, and after how long what was not
    /// answered in it is said again.
    pub retry: Duration,
    /// How much waits to be done.
    pub pool: PoolLimits,
    /// How many bytes of requests to propose at once. A larger one is proposed by itself.
    pub block_bytes: u32,
}

/// What the application asks of a validator: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {}

/// Why a command was turned down: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

/// One of the ledger's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainName {
    /// That of all validators.
    Identity,
    /// A shard's.
    Shard(u16),
}

/// What a validator tells its host. Each may come again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The epoch is known, and this validator's shard.
    Seated {
        /// The epoch.
        epoch: u64,
        /// The shard.
        shard: u16,
        /// What dealt it.
        randomness: Randomness,
    },
    /// So many owners' signatures have been checked, each counted once.
    Checked {
        /// How many.
        signatures: usize,
    },
    /// A block is part of the shard's chain for ever.
    Committed {
        /// The shard.
        shard: u16,
        /// Its index in the chain.
        block: u64,
        /// The view that decided it.
        view: View,
        /// What the shard says in it.
        verdicts: Vec<Verdict>,
        /// The encoded [`Body`](crate::chain::Body): what it was asked.
        body: Vec<u8>,
        /// Who decided it.
        certificate: Certificate,
    },
    /// A transaction was turned down.
    Refused {
        /// The shard.
        shard: u16,
        /// The transaction.
        session: Session,
        /// Why.
        refusal: Refusal,
    },
    /// A leader was replaced.
    ViewChanged {
        /// The chain.
        chain: ChainName,
        /// The height.
        height: Height,
        /// The view.
        view: View,
    },
    /// The others are further ahead than anyone keeps blocks for.
    Behind {
        /// The chain.
        chain: ChainName,
        /// At least there.
        height: Height,
    },
    /// A quorum decided what does not hold: more than a third of the weight is faulty. This
    /// validator takes no further part in the chain.
    Unsound {
        /// The chain.
        chain: ChainName,
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
    #[error("the seed is none of the genesis's validators'; use the one that was registered")]
    NotAValidator,
    /// The records are not those of this ledger's validator.
    #[error("the journal is refused: {0}")]
    Journal(#[from] byzcoin::RestoreError),
    /// The records are not those of this ledger's validator.
    #[error("the journal's beacon is another's; restore each validator from its own journal")]
    Foreign,
    /// The records have a shard's and not those of the epoch that dealt it.
    #[error("the journal has lost the epoch; restore the validator from its whole journal")]
    Incomplete,
}

impl From<identity::Unfit> for RestoreError {
    fn from(unfit: identity::Unfit) -> Self {
        match unfit {
            identity::Unfit::Genesis(error) => Self::Genesis(error),
            identity::Unfit::Journal(error) => Self::Journal(error),
            identity::Unfit::Foreign => Self::Foreign,
        }
    }
}

impl From<shard::Unfit> for RestoreError {
    fn from(unfit: shard::Unfit) -> Self {
        match unfit {
            shard::Unfit::Genesis(error) => Self::Genesis(error),
            shard::Unfit::Journal(error) => Self::Journal(error),
        }
    }
}
