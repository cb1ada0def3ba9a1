//! What a replica is told, and what it tells.

use core::time::Duration;

use cosi::{machine::Index, roster::Roster, wire::BoundedBytes};

use crate::{
    block::{App, Block, Header, MAX_BODY},
    statement::{Digest, Height, Scope, View},
    votes::Votes,
};

/// How a replica is set up. `K` configures its votes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config<K> {
    /// The chain, by a name that no other chain has.
    pub chain: [u8; 32],
    /// The epoch.
    pub epoch: u64,
    /// Who decides.
    pub roster: Roster,
    /// Which member this is.
    pub me: Index,
    /// What the block at height 1 stands on.
    pub genesis: Digest,
    /// How the votes are made.
    pub votes: K,
    /// How long to wait.
    pub timing: Timing,
    /// How much to keep.
    pub limits: Limits,
    /// After how many heights the turn moves on by one. 16 is a good default; 0 means never.
    pub rotation: u64,
}

impl<K> Config<K> {
    /// What this replica's statements share.
    pub fn scope(&self) -> Scope {
        Scope { chain: self.chain, epoch: self.epoch, roster: self.roster.id() }
    }

    pub(super) fn split(self) -> (Config<()>, K) {
        let Self { chain, epoch, roster, me, genesis, votes, timing, limits, rotation } = self;
        (Config { chain, epoch, roster, me, genesis, votes: (), timing, limits, rotation }, votes)
    }
}

/// How long a replica waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// T_0: how long view 0 has. Each later view has twice as long.
    pub first_timeout: Duration,
    /// T_max: the longest that a view has. Must exceed the slowest round: votes collectively,
    /// then one by one, and every pull.
    pub longest_timeout: Duration,
    /// δ: after how long a replica asks for what it lacks.
    pub pull_after: Duration,
}

impl Default for Timing {
    /// For a wide area network.
    fn default() -> Self {
        Self {
            first_timeout: Duration::from_secs(8),
            longest_timeout: Duration::from_secs(128),
            pull_after: Duration::from_secs(1),
        }
    }
}

/// How much a replica keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The longest body, in bytes. No more than [`MAX_BODY`] counts.
    pub max_body: u32,
    /// How many decided blocks are kept for members that are behind, and how far the decided
    /// headers may be ahead of the bodies. At least 1 counts.
    pub history: usize,
    /// How many undecided blocks are kept at a height, besides those that the rules name.
    pub candidates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body: 1 << 22, history: 64, candidates: 8 }
    }
}

/// What the application asks of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Payload waits to be ordered at the current height. To be repeated after each
    /// [`Event::Decided`] while some still waits.
    Pending,
    /// Answers [`Event::Propose`].
    Propose {
        /// As asked.
        height: Height,
        /// As asked.
        view: View,
        /// The application's part of the header.
        app: App,
        /// The payload.
        body: BoundedBytes<MAX_BODY>,
    },
    /// Answers [`Event::Validate`].
    Validated {
        /// The block.
        digest: Digest,
        /// Whether it may follow its parent.
        valid: bool,
    },
}

/// The events of a [`Replica`](crate::Replica) whose votes are `V`.
pub type EventOf<V> = Event<<V as Votes>::Certificate>;

/// What a replica tells its application. Each may come again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<C> {
    /// It is this member's turn: answer by [`Command::Propose`].
    Propose {
        /// The height.
        height: Height,
        /// The view.
        view: View,
        /// The block below, which is decided, and whose event has been given.
        parent: Digest,
    },
    /// Is this block valid on top of the last decided one? Answer by [`Command::Validated`], as a
    /// function of the chain and the block alone: no clock, no mood.
    Validate {
        /// The block.
        digest: Digest,
        /// Its header.
        header: Header,
        /// Its payload.
        body: BoundedBytes<MAX_BODY>,
    },
    /// The block is decided. Heights come in order, each once between two restarts.
    Decided {
        /// The block.
        block: Block,
        /// The certificate's view.
        view: View,
        /// The commit certificate.
        certificate: C,
    },
    /// Half of view 0 is spent: send your pending payload to all members.
    Forward,
    /// A later view has begun.
    ViewChanged {
        /// The height.
        height: Height,
        /// The view.
        view: View,
    },
    /// Members of weight over f are further ahead than anyone keeps blocks for. Fetch the state
    /// by another way.
    Behind {
        /// The height at which one of them, who is honest, is at least.
        height: Height,
    },
}

/// The application asked for something that makes no sense now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The turn has passed, or is another member's, or the view requires a certain block.
    #[error("{height:?}, {view:?} is not this member's to propose in; wait to be asked again")]
    NotAsked {
        /// The height that was named.
        height: Height,
        /// The view that was named.
        view: View,
    },
    /// One proposal a view.
    #[error("another block has been proposed in this view; propose one block when asked")]
    AlreadyProposed,
    /// The body is longer than the limit.
    #[error("the body has {0} bytes, over the limit; propose less")]
    TooLong(usize),
}

/// The records are not this replica's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The votes are configured for another member.
    #[error("the votes are not configured for this member; give them its own key")]
    Votes,
    /// A decision does not follow the one before.
    #[error("the decision at {0:?} does not extend the one before; restore the whole journal")]
    OutOfOrder(Height),
}
