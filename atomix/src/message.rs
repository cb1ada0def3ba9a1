//! What a client and the shards say to one another.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::wire::BoundedVec;

use crate::{
    proof::Proof,
    refusal::Refusal,
    transaction::{MAX_INPUT_SHARDS, Session, Transaction},
};

/// What a shard is asked to do with a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Action<I> {
    /// Asks an input shard for its verdict: to lock its inputs, or to say again what it said.
    Initialize {
        /// Another input shard's acceptance: asks for a rejection where inputs are unknown.
        shown: Option<Proof<I>>,
    },
    /// Asks an output shard to create its outputs.
    Commit {
        /// The acceptances of all other input shards, in the shards' order.
        proofs: BoundedVec<Proof<I>, MAX_INPUT_SHARDS>,
    },
    /// Asks an input shard to give its inputs back.
    Abort {
        /// Another input shard's rejection.
        proof: Proof<I>,
    },
}

/// A transaction and what to do with it: what stands in a shard's block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Request<I> {
    /// The transaction.
    pub transaction: Transaction,
    /// What to do.
    pub action: Action<I>,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Message<I> {
    /// To a shard.
    Request(Request<I>),
    /// To a client: what became of the session in a shard.
    Answer {
        /// The session.
        session: Session,
        /// That it did.
        proof: Proof<I>,
    },
    /// To a client: nothing was done. Proves nothing.
    Refused {
        /// The session.
        session: Session,
        /// Why.
        refusal: Refusal,
    },
}
