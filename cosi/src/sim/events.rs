//! What will happen, in order of time and, at one time, in the order it was planned.

use alloc::{boxed::Box, collections::BinaryHeap, sync::Arc};
use core::{
    cmp::{Ordering, Reverse},
    time::Duration,
};

use super::node::Packet;
use crate::machine::Time;

pub(super) enum Planned<C> {
    /// A packet reaches a node's downlink, having been on the wire since then.
    Arrive(usize, Arc<Packet>, Time),
    /// A packet reaches a node.
    Deliver(usize, Arc<Packet>),
    /// A command is given to a node.
    Command(usize, Box<C>),
    /// A node is done with its work, unless that life is over.
    Finish(usize, u32),
    /// A node's deadline.
    Wake(usize),
    /// A node goes down, for so long.
    Crash(usize, Option<Duration>),
    /// A node comes up again.
    Restart(usize),
    /// The adversary's deadline.
    Act,
}

pub(super) struct Scheduled<C> {
    pub(super) at: Time,
    number: u64,
    pub(super) what: Planned<C>,
}

impl<C> PartialEq for Scheduled<C> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<C> Eq for Scheduled<C> {}

impl<C> PartialOrd for Scheduled<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C> Ord for Scheduled<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

pub(super) struct Events<C> {
    heap: BinaryHeap<Reverse<Scheduled<C>>>,
    planned: u64,
}

impl<C> Events<C> {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }

    pub(super) fn plan(&mut self, at: Time, what: Planned<C>) {
        self.heap.push(Reverse(Scheduled { at, number: self.planned, what }));
        self.planned = self.planned.saturating_add(1);
    }

    pub(super) fn first(&self) -> Option<&Scheduled<C>> {
        self.heap.peek().map(|Reverse(first)| first)
    }

    pub(super) fn take(&mut self) -> Option<Scheduled<C>> {
        self.heap.pop().map(|Reverse(first)| first)
    }
}
