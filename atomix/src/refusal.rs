//! Why a shard does nothing on a transaction: no verdict, no lock, nothing logged.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{malformed::Hex, proof::ProofError};

/// Why a shard does nothing. Its state is as before.
///
/// A refusal is no rejection: it proves nothing, and the shard may do otherwise later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It was checked for another ledger, or under other parameters.
    #[error("the transaction was checked for another ledger or epoch; check it for this one")]
    OtherRules,
    /// The session is of an epoch that the shard has not entered.
    #[error("the session is of epoch {declared} and the shard in {current}; send it again later")]
    LaterEpoch {
        /// The epoch that it declares.
        declared: u64,
        /// The shard's epoch.
        current: u64,
    },
    /// No input, or no output, is of this shard.
    #[error("the transaction has nothing of that kind in this shard; send it to those it names")]
    NotParty,
    /// No such output is unspent here: it is spent, locked, or not yet created. An acceptance
    /// by another input shard turns this into a rejection.
    #[error("output {} is spent, locked or not yet there; spend another", Hex(outpoint))]
    UnknownOutpoint {
        /// The output's name.
        outpoint: [u8; 32],
    },
    /// The output's version, value or owner is not what is declared. An acceptance by another
    /// input shard turns this into a rejection.
    #[error("output {} is not as declared; declare what the ledger has", Hex(outpoint))]
    WrongDeclaration {
        /// The output's name.
        outpoint: [u8; 32],
    },
    /// The time in which the session could be accepted is over.
    #[error("the session's time is over; make a new one")]
    Closed,
    /// Not the proofs that this step takes: one of each other input shard, in their order, and
    /// of the outcome that it asks for.
    #[error("these are not the proofs that this step takes; collect those that it asks for")]
    Proofs,
    /// A proof does not hold.
    #[error("shard {shard}: {error}")]
    Proof {
        /// The shard whose word it is said to be.
        shard: u16,
        /// Why.
        error: ProofError,
    },
}

/// A block that cannot follow the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfOrder {
    /// The index is not greater than the last block's.
    #[error("the shard is at index {0} already; begin a later block")]
    Index(u64),
    /// The epoch is neither the shard's nor the one after.
    #[error("the shard is in epoch {0}; go on in it or enter the next")]
    Epoch(u64),
}
