//! How a run ends.

use alloc::string::String;
use core::fmt::Debug;

use crate::machine::Time;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller's condition holds.
    Done,
    /// Nothing will happen any more.
    Quiet,
    /// The time is over; the clock shows the limit.
    Limit,
}

/// Something that never happens to a sound machine in a sound test. The seed replays it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flaw} (seed {seed}, {} ns after the epoch)", at.since_epoch().as_nanos())]
pub struct Bug<P: Debug> {
    /// The network's seed.
    pub seed: u64,
    /// When it showed.
    pub at: Time,
    /// What is wrong.
    pub flaw: Flaw<P>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw<P: Debug> {
    /// After `handle_timeout` the machine's deadline is not in the future, so a driver would
    /// call again for ever.
    #[error("after handle_timeout, {peer:?} still has a deadline that has passed")]
    Deadline {
        /// Whose machine.
        peer: P,
    },
    /// A hundred thousand steps passed at the node and no time, so it goes round in circles with
    /// its application or itself.
    #[error("{peer:?} takes one step after the other and time stands still")]
    Standstill {
        /// Whose machine.
        peer: P,
    },
    /// The machine refuses its configuration or its own records.
    #[error("{peer:?} cannot be restored: {why}")]
    Restore {
        /// Whose machine.
        peer: P,
        /// The machine's error.
        why: String,
    },
    /// A record that the machine wrote does not decode.
    #[error("{peer:?} wrote a record that does not decode; mend its encoding")]
    Record {
        /// Whose machine.
        peer: P,
    },
    /// An invariant does not hold.
    #[error("the invariant {name:?} does not hold: {why}")]
    Invariant {
        /// Which.
        name: &'static str,
        /// What it found.
        why: String,
    },
    /// A call named a peer that is not in the simulation.
    #[error("there is no {peer:?} in the simulation; add it first")]
    Unknown {
        /// Whom.
        peer: P,
    },
    /// A peer was added twice.
    #[error("{peer:?} is in the simulation already; add each peer once")]
    Twice {
        /// Whom.
        peer: P,
    },
    /// The adversary's [`act`](super::Adversary::act) leaves it with a deadline that has passed.
    #[error("after act, the adversary still has a deadline that has passed")]
    Impatient,
    /// The adversary spoke in the name of a node that it does not have.
    #[error("the adversary speaks as {peer:?}, which is not in its hands")]
    Forged {
        /// In whose name.
        peer: P,
    },
    /// A node was assigned a region that the matrix does not have.
    #[error("{peer:?} is in region {region} of a matrix that has {regions}")]
    Region {
        /// Which node.
        peer: P,
        /// Where it is.
        region: usize,
        /// How many there are.
        regions: usize,
    },
    /// Work is to be shared among nodes that are few enough to do it all for real.
    #[error("{nodes} nodes do all their work themselves; share it among more than 100")]
    Unshared {
        /// How many nodes there are.
        nodes: usize,
    },
    /// The run is not the one that was recorded: its trace differs before this step.
    #[error(
        "a step of {peer:?} is not the recorded one, after {step} that are; \
         replay the same seed and calls"
    )]
    Strays {
        /// Whose step.
        peer: P,
        /// How many charges fit before.
        step: usize,
    },
    /// The run is longer than the one that was recorded.
    #[error("the recording ends before a step of {peer:?}; record as long a run as is replayed")]
    Outruns {
        /// Whose step.
        peer: P,
    },
}
