//! What validators and wallets say to one another.

use alloc::{boxed::Box, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use byzcoin::votes::CosiVotes;
use cosi::{
    keys::PeerId,
    merkle::tree::Path,
    wire::{BoundedVec, Wire},
};

use skipchain::Proof;

use crate::{
    decision::Decision,
    pool::Refusal,
    transaction::{self, Session, Transaction},
};

/// How many transactions one message carries at most.
pub const MAX_SUBMIT: usize = 256;
/// After how many bytes of transactions a message is full.
const BATCH_BYTES: usize = 1 << 18;
/// The most bytes of transactions one message carries: all but the last one are within 256 KiB.
pub const MAX_SUBMIT_BYTES: usize = BATCH_BYTES + transaction::MAX_BYTES;
/// How many transactions one question asks for at most.
pub const MAX_ASK: usize = 1024;
/// How many blocks one answer carries at most.
pub const MAX_LINKS: usize = 256;

/// Who speaks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Peer {
    /// A validator, by its identity key.
    Validator(PeerId),
    /// Anybody else, by the number that the transport gave the connection.
    Guest(u64),
}

/// What peers say.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Message {
    /// Among the validators of a shard in an epoch.
    Shard {
        /// The epoch.
        epoch: u64,
        /// The shard.
        shard: u16,
        /// What byzcoin's replicas say.
        message: Box<byzcoin::MessageOf<CosiVotes>>,
    },
    /// Between a wallet and a validator; and pending transactions among validators.
    Guest(Guest),
}

/// What wallets ask and validators answer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Guest {
    /// Asks for these transactions, [`MAX_SUBMIT_BYTES`] at most, to be committed.
    Submit(BoundedVec<Transaction, MAX_SUBMIT>),
    /// Asks what became of transactions, and for the blocks after one that is known.
    Ask {
        /// The index of the last block that is known.
        head: u64,
        /// The transactions.
        sessions: BoundedVec<Session, MAX_ASK>,
    },
    /// Answers.
    Answer(Answer),
}

/// What a validator knows. A wallet believes none of it without its proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Answer {
    /// The first blocks after the one that was known. `None`: this validator does not know it.
    pub links: Option<Proof<Decision>>,
    /// Where the committed ones stand.
    pub found: BoundedVec<Found, MAX_ASK>,
    /// Which ones this validator has turned down, and why.
    pub refused: BoundedVec<(Session, Refusal), MAX_ASK>,
}

/// Where a transaction stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Found {
    /// The transaction.
    pub session: Session,
    /// The block.
    pub block: u64,
    /// The way from its entry to the block's payload root.
    pub path: Path,
}

/// Transactions in messages of at most [`MAX_SUBMIT`], and about [`BATCH_BYTES`].
pub(crate) fn batches(
    transactions: impl IntoIterator<Item = Transaction>,
) -> impl Iterator<Item = BoundedVec<Transaction, MAX_SUBMIT>> {
    let mut transactions = transactions.into_iter();
    core::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0usize);
        while batch.len() < MAX_SUBMIT && bytes < BATCH_BYTES {
            let Some(transaction) = transactions.next() else { break };
            bytes = bytes.saturating_add(transaction.encode().len());
            batch.push(transaction);
        }
        BoundedVec::new(batch).filter(|batch| !batch.is_empty())
    })
}
