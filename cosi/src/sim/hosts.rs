//! Those around the machines: their application, and the adversary.

use alloc::{string::String, vec::Vec};
use core::{fmt::Debug, time::Duration};

use borsh::BorshSerialize;
use curve25519_dalek::rand_core::CryptoRng;

use crate::{
    machine::{Fault, Machine, Restore, Time, To},
    wire::Wire,
};

/// A machine that can be simulated: it outlives crashes, and all it says and keeps is bytes.
pub trait Subject:
    Restore<Config: Clone> + Machine<Peer: Debug, Message: Wire, Record: Wire>
{
}

impl<M> Subject for M where
    M: Restore<Config: Clone> + Machine<Peer: Debug, Message: Wire, Record: Wire>
{
}

/// What runs on top of the honest nodes: one value for all of them, told which node speaks.
pub trait Application<M: Machine> {
    /// Hears news of `peer`'s machine.
    ///
    /// What it adds to `commands` is done at that node before anything else, at the same time;
    /// a crash in between swallows it.
    fn on_event(
        &mut self,
        peer: M::Peer,
        now: Time,
        event: M::Event,
        commands: &mut Vec<M::Command>,
    );

    /// Hears of misbehaviour that `peer`'s machine saw.
    fn on_fault(&mut self, peer: M::Peer, now: Time, fault: Fault<M::Peer>);

    /// Hears that `peer`'s machine refused a command.
    fn on_error(&mut self, peer: M::Peer, now: Time, error: M::Error);

    /// Hears that `peer` went down, and what the application held there in memory is gone.
    fn on_crash(&mut self, _peer: M::Peer, _now: Time) {}
}

/// Who has the Byzantine nodes in hand, all of them at once.
///
/// Their machines run as everyone's do, and know their keys. What they would send goes through
/// [`corrupt`](Self::corrupt) instead. That is all its power: every message bears the true
/// sender, passes that node's uplink, and takes the wire's time; honest nodes never hear of the
/// Byzantine nodes' events, faults and errors.
pub trait Adversary<M: Machine> {
    /// What `peer` sends, in place of the `output` of a step of its machine, which may be empty.
    fn corrupt(
        &mut self,
        peer: M::Peer,
        now: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<M::Peer>, M::Message)>,
    ) -> Deliveries<M>;

    /// Hears news of `peer`'s machine, as its application would. Ignores it unless overridden.
    fn on_event(
        &mut self,
        _peer: M::Peer,
        _now: Time,
        _event: M::Event,
        _commands: &mut Vec<M::Command>,
    ) {
    }
}

/// What an adversary sends, and to whom.
pub type Deliveries<M> = Vec<(To<<M as Machine>::Peer>, Delivery<<M as Machine>::Message>)>;

/// What an adversary sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery<T> {
    /// A message.
    Message(T),
    /// Bytes, which may be no message. A receiver that cannot decode them blames their sender
    /// with [`FaultKind::Malformed`](crate::machine::FaultKind::Malformed), once in each life.
    Bytes(Vec<u8>),
}

/// When and where a node goes down. The machine is dropped with all its volatile state, and so
/// is what waits in line for it; the journal stays, and what it sent is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// In or after which step.
    pub when: When,
    /// Where in that step.
    pub boundary: Boundary,
    /// How long it stays down, counted from then. `None`: for good.
    pub down_for: Option<Duration>,
}

/// Which step a node crashes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The `n`-th step that ends from now on; 1 is the next, and so is 0. A start is a step.
    Step(u64),
    /// The first step that ends at that time or later; with [`Boundary::Idle`] that very moment,
    /// between steps or amid one. Nothing happens to a node that is down then.
    At(Time),
}

/// Where in a step a node crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub enum Boundary {
    /// The machine has taken the input in, and nothing is stored.
    BeforeRecords,
    /// The records are stored, and nothing is sent.
    BeforeRelease,
    /// The messages are sent, and the application has heard of nothing.
    AfterRelease,
    /// The application has heard of everything, and its answers have not reached the machine.
    Idle,
}

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
}
