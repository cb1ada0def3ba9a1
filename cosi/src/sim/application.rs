//! What is simulated, and what runs on top of it.

use alloc::vec::Vec;
use core::{fmt::Debug, time::Duration};

use borsh::BorshSerialize;

use crate::{
    machine::{Fault, Machine, Restore, Time},
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

    /// How long it keeps `peer`'s processor busy with the news of the step that it has just heard,
    /// before its answers reach the machine. Asked once after each step that had news.
    ///
    /// The simulator measures machines, not the application: what that does besides keeping the
    /// test's books is its own to measure, with [`Shared`](super::Shared) if many nodes do it.
    /// Ignored with [`Cpu::Ideal`](super::Cpu::Ideal), scaled as the node's other work, and
    /// recorded and replayed with it.
    fn busy(&mut self, _peer: M::Peer) -> Duration {
        Duration::ZERO
    }
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
