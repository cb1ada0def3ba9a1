//! What validators and wallets say to one another.

use alloc::{boxed::Box, vec::Vec};

use atomix::{Outcome, Sealed, Session, transaction};
use borsh::{BorshDeserialize, BorshSerialize};
use byzcoin::votes::CosiVotes;
use cosi::{
    keys::PeerId,
    wire::{BoundedVec, Wire},
};
use randhound::draw;

use crate::{decision::Decision, epoch::EpochProof, pool::Refusal};

/// A transaction, and what a shard is asked to do with it: what stands in a block.
pub type Request = atomix::Request<Sealed<Decision>>;
/// That a shard said something on a session.
pub type Proof = atomix::Proof<Sealed<Decision>>;

/// The most bytes of a request, encoded.
pub const MAX_REQUEST_BYTES: usize = transaction::MAX_BYTES + MAX_PROOFS_BYTES;
/// The most bytes of what other shards said that a request brings along. A genesis whose commits
/// could need more is refused.
pub const MAX_PROOFS_BYTES: usize = 1 << 20;
/// How many requests one message carries at most.
pub const MAX_SUBMIT: usize = 256;
/// After how many bytes of requests a message is full.
const BATCH_BYTES: usize = 1 << 18;
/// The most bytes of requests one message carries: all but the last one are within 256 KiB.
pub const MAX_SUBMIT_BYTES: usize = BATCH_BYTES + MAX_REQUEST_BYTES;
/// How many sessions one question asks for at most.
pub const MAX_ASK: usize = 1024;
/// How many proofs one answer carries at most: two a session, since what a shard does alone it
/// says in two verdicts.
pub const MAX_SAID: usize = 2 * MAX_ASK;

/// After how many bytes of proofs an answer is full: the rest is for the next one.
pub const ANSWER_BYTES: usize = 1 << 22;

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
    /// Among all validators: what byzcoin's replicas say on the identity chain.
    Identity(Box<byzcoin::MessageOf<CosiVotes>>),
    /// Among all validators: what it takes to draw the epoch's randomness.
    Beacon(Box<draw::Message>),
    /// Among the validators of a shard in an epoch.
    Shard {
        /// The epoch.
        epoch: u64,
        /// The shard.
        shard: u16,
        /// What byzcoin's replicas say.
        message: Box<byzcoin::MessageOf<CosiVotes>>,
    },
    /// To and from anyone: how the epoch came about.
    Sync(Sync),
    /// Between a wallet and a validator; and pending requests among a shard's validators.
    Guest(Guest),
}

/// How who knows the genesis alone catches up.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Sync {
    /// Asks a validator for the proof of the epoch.
    Ask,
    /// Answers.
    Epoch(Box<EpochProof>),
}

/// What wallets ask and validators answer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Guest {
    /// Asks a shard to do these, [`MAX_SUBMIT_BYTES`] at most.
    Submit {
        /// The shard.
        shard: u16,
        /// What to do.
        requests: BoundedVec<Request, MAX_SUBMIT>,
    },
    /// Asks what a shard said.
    Ask {
        /// The shard.
        shard: u16,
        /// On what.
        queries: BoundedVec<Query, MAX_ASK>,
    },
    /// Answers.
    Answer(Answer),
}

/// A question about one session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Query {
    /// The session.
    pub session: Session,
    /// What is asked.
    pub want: Want,
}

/// What is asked about a session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Want {
    /// Whether the shard accepted or rejected it; and whether it created outputs, where the
    /// session is this shard's alone.
    Verdict,
    /// Whether it created the session's outputs.
    Creation,
    /// Whether it gave the inputs back, or rejected the session.
    Return,
}

impl Want {
    /// Whether this says what was asked.
    pub(crate) const fn is_met_by(self, outcome: Outcome) -> bool {
        match self {
            Self::Verdict => matches!(outcome, Outcome::Accepted | Outcome::Rejected),
            Self::Creation => matches!(outcome, Outcome::Created),
            Self::Return => matches!(outcome, Outcome::GivenBack | Outcome::Rejected),
        }
    }
}

/// What a validator knows. A wallet believes none of it without its proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Answer {
    /// The shard.
    pub shard: u16,
    /// What the shard said. What follows from another verdict of the shard stands before it, so
    /// that nobody asks for what is done.
    pub said: BoundedVec<(Session, Proof), MAX_SAID>,
    /// Which ones this validator has turned down, and why.
    pub refused: BoundedVec<(Session, Refusal), MAX_ASK>,
}

/// Requests in messages of at most [`MAX_SUBMIT`], and about [`BATCH_BYTES`].
pub(crate) fn batches(
    shard: u16,
    requests: impl IntoIterator<Item = Request>,
) -> impl Iterator<Item = Message> {
    let mut requests = requests.into_iter();
    core::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0usize);
        while batch.len() < MAX_SUBMIT && bytes < BATCH_BYTES {
            let Some(request) = requests.next() else { break };
            bytes = bytes.saturating_add(request.encode().len());
            batch.push(request);
        }
        let requests = BoundedVec::new(batch).filter(|batch| !batch.is_empty())?;
        Some(Message::Guest(Guest::Submit { shard, requests }))
    })
}
