//! What the machines run on.

use alloc::vec::Vec;
use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::wire::BoundedVec;

/// How many charges a [`Recording`] holds at most: 1.6 GB, encoded.
const MAX_CHARGES: usize = 1 << 27;

/// How long a node works on an input before the step's records and output are there.
///
/// Meanwhile its inputs wait in line. Each node has one processor, of its own: see
/// [`Simulation::pace`](super::Simulation::pace) for how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cpu {
    /// No time.
    Ideal,
    /// This long, whatever the input.
    Fixed(Duration),
    /// As long as this thread's processor took for it just now: to decode the message and to
    /// handle it, or to decode the journal and to restore from it.
    ///
    /// Two such runs differ. [`Simulation::recording`](super::Simulation::recording) lets one be
    /// replayed.
    Measured,
    /// As long as it took in a measured run, which this one then repeats bit for bit. All else
    /// must be as it was, or the run ends in [`Flaw::Strays`](super::Flaw::Strays) at the first
    /// step that differs, or in [`Flaw::Outruns`](super::Flaw::Outruns).
    Replayed(Recording),
}

/// What a measured run charged its nodes with, in order. It can be saved by
/// [`Wire::encode`](crate::wire::Wire::encode): twelve bytes a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Recording {
    charges: BoundedVec<Charge, MAX_CHARGES>,
}

/// What one step cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Charge {
    /// The beginning of the trace's digest at that step: where in which run it belongs.
    pub(super) print: [u8; 4],
    pub(super) nanos: u64,
}

impl Charge {
    pub(super) fn new(print: [u8; 4], cost: Duration) -> Self {
        Self { print, nanos: u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX) }
    }

    pub(super) const fn cost(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

impl Recording {
    /// `None`: there are too many.
    pub(super) fn new(charges: Vec<Charge>) -> Option<Self> {
        BoundedVec::new(charges).map(|charges| Self { charges })
    }

    pub(super) fn get(&self, at: usize) -> Option<Charge> {
        self.charges.get(at).copied()
    }

    /// How many charges it holds: one a step, and one each time the application was busy.
    pub fn len(&self) -> usize {
        self.charges.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.charges.is_empty()
    }
}

/// What has been recorded or replayed so far.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) recorded: Vec<Charge>,
    pub(super) replayed: usize,
}

/// What `work` yields, and the processor time of this thread that it took.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = thread_time();
    let result = work();
    (result, thread_time().saturating_sub(started))
}

/// How much processor time this thread has had.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    seconds.saturating_add(Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0)))
}
