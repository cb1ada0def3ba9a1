//! What goes into a server in a draw, and what comes out.

use alloc::{boxed::Box, sync::Arc};
use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{keys::SigningKey, machine::Index, message::Said, wire::BoundedVec};
use pvss::{DecryptedShare, MAX_TRUSTEES, ShareSecret};

use crate::{
    choice::{Choice, ChoiceError},
    message::{Dealing, MAX_GROUPS, Opened, StatementId},
    session::Session,
    transcript::{GroupTranscript, Randomness},
};

/// What a server in a draw is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The session. The client that its terms name has no part in a draw.
    pub session: Session,
    /// The server's position in the roster.
    pub index: Index,
    /// Its signing key.
    pub key: SigningKey,
    /// The secret of its share key.
    pub secret: Arc<ShareSecret>,
    /// After how long the own deal is sent again, and missing shares are asked for again.
    pub retry: Duration,
    /// How long a leader waits for the deals of all servers before it makes do with t_l a group.
    pub grace: Duration,
}

/// What servers in a draw say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Message {
    /// R1: a server deals.
    Dealing(Said<Dealing>),
    /// Asks for the receiver's share of this statement.
    Ask(StatementId),
    /// R3: a server opens its share.
    Opened(Opened),
}

/// What a server in a draw must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Record {
    /// Its deal, which it never makes again.
    Dealt(Said<Dealing>),
    /// What consensus decided.
    Decided(Box<Choice>),
    /// The share that it opened.
    Opened(Opened),
    /// Shares of each group, as many as its threshold says, from which the output was recovered.
    Drawn(BoundedVec<BoundedVec<DecryptedShare, MAX_TRUSTEES>, MAX_GROUPS>),
}

/// What the application, on behalf of its consensus, asks for. Asking again does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Consensus has this server lead: gather deals and choose.
    Lead,
    /// Consensus has this other server lead: send it the own deal, again every `retry`.
    Follow(Index),
    /// Consensus decided this choice.
    Decided(Box<Choice>),
}

/// Why a command is turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server is to follow itself.
    #[error("a server does not follow itself; tell it to lead")]
    Follow,
    /// The choice does not hold, so no honest server voted for it.
    #[error("the decided choice does not hold: {0}; check choices before voting for them")]
    Choice(#[from] ChoiceError),
}

/// What a server in a draw tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// What to propose. Told once a [`Command::Lead`].
    Chosen(Box<Choice>),
    /// The output, and each group's part of its [`Transcript`](crate::Transcript). Told when every
    /// group's sum is recovered, and again after a restore.
    Drawn(Randomness, BoundedVec<GroupTranscript, MAX_GROUPS>),
}
