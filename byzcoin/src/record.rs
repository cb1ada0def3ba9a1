//! What a replica must not forget: one variant for each durable fact.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    block::{Body, Proposal},
    message::{Decided, NewView, Prepared, ViewChange},
    statement::{Digest, Height, View},
    votes::Votes,
};

/// The records of a [`Replica`](crate::Replica) whose votes are `V`.
pub type RecordOf<V> = Record<<V as Votes>::Signature, <V as Votes>::Certificate>;

/// A durable fact. It is stored before any message leaves that depends on it.
///
/// What each keeps from happening after a crash: see the [rules](crate::rules).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record<S, C> {
    /// The height below is decided: the last commit certificate.
    Decided(Decided<C>),
    /// The view that was entered, and how.
    Entered(NewView<S, C>),
    /// This member proposed the block in the view, and proposes no other.
    OwnProposal(View, Proposal),
    /// The body of a block that an own proposal, a vote or a decision names.
    Body(Proposal, Body),
    /// This member voted to prepare the block.
    VotedPrepare(Height, View, Digest),
    /// This member voted to commit the block.
    VotedCommit(Height, View, Digest),
    /// The highest prepare certificate.
    HighPc(Prepared<C>),
    /// The highest view that this member asked for, in the bytes that it sent.
    ViewChange(ViewChange<S>),
}
