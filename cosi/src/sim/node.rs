//! One node: a machine, its disk, and what waits for it.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::{num::NonZeroU32, time::Duration};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::{
    Boundary, Crash, When,
    counters::Counters,
    journal::Journal,
    network::{Network, Pipe},
};
use crate::machine::{Machine, Restore, StepOf, Time};

/// How many steps a node takes at one time before it is held to go round in circles.
const MAX_STEPS_AT_ONE_TIME: u32 = 100_000;

const PER_CENT: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

/// A message on its way, encoded once for all its receivers.
pub(super) struct Packet {
    pub(super) from: usize,
    pub(super) message: u64,
    pub(super) sent: Time,
    pub(super) label: &'static str,
    pub(super) bytes: Box<[u8]>,
}

pub(super) enum Input<M: Machine> {
    Timeout,
    Command(M::Command),
    Message(Arc<Packet>),
}

/// What the node is working on.
pub(super) enum Work<M: Machine> {
    Step {
        step: StepOf<M>,
        is_timeout: bool,
    },
    /// What its application does with the news of a step.
    Application,
}

pub(super) struct Node<M: Restore> {
    pub(super) peer: M::Peer,
    pub(super) config: M::Config,
    pub(super) journal: Journal,
    pub(super) counters: Counters,
    pub(super) uplink: Pipe,
    pub(super) downlink: Pipe,
    /// Whom its `To::All` means, if not whom everybody's does.
    pub(super) broadcast: Option<Vec<M::Peer>>,
    /// Its row and column in the matrix.
    pub(super) region: Option<usize>,
    /// How many hundredths of the time its processor takes.
    pub(super) pace: NonZeroU32,
    pub(super) byzantine: bool,
    /// Crashes at the end of a step. Those at a very moment are planned events.
    pub(super) plans: Vec<Crash>,
    /// When its last step began, and how many steps began at that very time.
    begun: (Time, u32),
    /// Lives begun.
    pub(super) lives: u32,
    /// What waits in line. Commands survive a crash, messages do not.
    pub(super) inbox: VecDeque<Input<M>>,
    /// Whether to call `handle_timeout` with nothing due.
    pub(super) nudged: bool,
    /// The earliest wake-up in the queue. An earlier life's does no harm: it finds nothing due.
    pub(super) wake: Option<Time>,

    // What follows is lost in a crash.
    pub(super) machine: Option<M>,
    pub(super) rng: ChaCha20Rng,
    pub(super) work: Option<Work<M>>,
    pub(super) answers: VecDeque<M::Command>,
    /// Whose malformed messages this life has reported.
    pub(super) accused: BTreeSet<usize>,
}

impl<M: Restore> Node<M> {
    pub(super) fn new(peer: M::Peer, config: M::Config, network: &Network) -> Self {
        Self {
            peer,
            config,
            journal: Journal::default(),
            counters: Counters::default(),
            uplink: Pipe::new(network.uplink),
            downlink: Pipe::new(network.downlink),
            broadcast: None,
            region: None,
            pace: PER_CENT,
            byzantine: false,
            plans: Vec::new(),
            begun: (network.start, 0),
            lives: 0,
            inbox: VecDeque::new(),
            nudged: false,
            wake: None,
            machine: None,
            rng: ChaCha20Rng::seed_from_u64(0),
            work: None,
            answers: VecDeque::new(),
            accused: BTreeSet::new(),
        }
    }

    /// Whether [`next_input`](Self::next_input) has something at that time.
    pub(super) fn has_input(&self, now: Time) -> bool {
        let Some(machine) = self.machine.as_ref().filter(|_| self.work.is_none()) else {
            return false;
        };
        !self.answers.is_empty()
            || machine.next_timeout().is_some_and(|at| at <= now)
            || self.nudged
            || !self.inbox.is_empty()
    }

    /// What the machine turns to now, if it is up and not at work.
    pub(super) fn next_input(&mut self, now: Time) -> Option<Input<M>> {
        let machine = self.machine.as_ref().filter(|_| self.work.is_none())?;
        if let Some(command) = self.answers.pop_front() {
            return Some(Input::Command(command));
        }
        if machine.next_timeout().is_some_and(|at| at <= now) || core::mem::take(&mut self.nudged) {
            return Some(Input::Timeout);
        }
        self.inbox.pop_front()
    }

    /// How long its processor takes for what takes another one `cost`.
    pub(super) fn charge(&mut self, cost: Duration) -> Duration {
        let paced = cost.saturating_mul(self.pace.get()).checked_div(PER_CENT.get());
        let cost = paced.unwrap_or(cost);
        self.counters.busy = self.counters.busy.saturating_add(cost);
        cost
    }

    /// Notes that a step begins. Whether too many began at one time.
    pub(super) fn stands_still(&mut self, now: Time) -> bool {
        let (last, steps) = self.begun;
        let steps = if last == now { steps.saturating_add(1) } else { 1 };
        self.begun = (now, steps);
        steps > MAX_STEPS_AT_ONE_TIME
    }

    /// Takes up the plan, if there is one, to crash at this boundary of the step that ends now.
    pub(super) fn crash_due(&mut self, now: Time, boundary: Boundary) -> Option<Crash> {
        let steps = self.counters.steps;
        let is_due = |plan: &Crash| {
            plan.boundary == boundary
                && match plan.when {
                    When::Step(step) => step <= steps,
                    When::At(at) => at <= now,
                }
        };
        let at = self.plans.iter().position(is_due)?;
        Some(self.plans.remove(at))
    }

    /// Drops the machine and all that is volatile.
    pub(super) fn crash(&mut self) {
        self.machine = None;
        self.work = None;
        self.answers.clear();
        self.inbox.retain(|input| matches!(input, Input::Command(_)));
        self.accused.clear();
    }
}

/// A source of randomness of its own for each purpose.
pub(super) fn stream(seed: u64, stream: u64) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// The randomness of a node's life: no other life of any node has the same.
pub(super) fn life(seed: u64, node: usize, life: u32) -> ChaCha20Rng {
    let node = u64::try_from(node).unwrap_or(u64::MAX).saturating_add(1);
    stream(seed, node << 32 | u64::from(life))
}
