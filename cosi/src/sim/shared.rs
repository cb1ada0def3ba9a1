//! Work that many nodes do on the same bytes, done once for real.

use alloc::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
};
use core::{cell::Cell, fmt, time::Duration};

use super::{counters::increase, processor::timed};
use crate::machine::{Cx, Machine, StepOf};

/// Up to so many nodes, every node does all its work for real.
pub(super) const MAX_UNSHARED_NODES: usize = 100;

/// Of how many bytes [`Shared`] remembers what was made of them; the oldest are forgotten first.
const MAX_BYTES: usize = 64 << 20;

/// What was done once and charged often, in the whole run. Print it beside what was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedWork {
    /// How many pieces of work were done for real.
    pub done: u64,
    /// How long that took.
    pub spent: Duration,
    /// How often such a result was used again in place of the work.
    pub reused: u64,
    /// How long that would have taken, which the nodes were charged.
    pub charged: Duration,
}

impl fmt::Display for SharedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, spent, reused, charged } = self;
        write!(
            f,
            "{done} checks done for real ({spent:?}), \
             {reused} more charged with their measured cost ({charged:?})"
        )
    }
}

/// An expensive check of a message, done for real by the first node that gets these very bytes,
/// and charged with its measured cost, decoding included, to every node that gets them.
///
/// Nodes share no cache: this saves the machine that simulates them time, and the simulated nodes
/// none. For [`Simulation::share`](super::Simulation::share), which refuses it in small networks.
///
/// Duties: what [`verify`](Self::verify) finds hangs on nothing but the message and what all
/// honest nodes that handle it have in common, such as their roster; and
/// [`handle`](Self::handle) does all else that the machine does with a message.
///
/// # Example
///
/// A witness's messages are verified under the one roster, apart from the machine.
///
/// ```
/// use cosi::{
///     Witness,
///     machine::{Cx, Index},
///     message::{Message, Verified},
///     roster::Roster,
///     sim::SharedCheck,
///     witness::Step,
/// };
///
/// struct Signatures(Roster);
///
/// impl SharedCheck<Witness> for Signatures {
///     type Verified = Verified<Message>;
///
///     fn verify(&mut self, message: &Message) -> Option<Verified<Message>> {
///         message.clone().verify(&self.0).ok()
///     }
///
///     fn handle(
///         &mut self,
///         witness: &mut Witness,
///         cx: &mut Cx<'_>,
///         from: Index,
///         verified: Verified<Message>,
///     ) -> Step {
///         witness.handle_verified(cx, from, verified)
///     }
/// }
/// ```
pub trait SharedCheck<M: Machine> {
    /// What the check makes of a message.
    type Verified: Clone;

    /// The check. `None`: it does not hold, or is not worth sharing, and every receiver handles
    /// the message as if there were no such check, with `handle_message`.
    fn verify(&mut self, message: &M::Message) -> Option<Self::Verified>;

    /// Has a machine handle what was verified.
    fn handle(
        &mut self,
        machine: &mut M,
        cx: &mut Cx<'_>,
        from: M::Peer,
        verified: Self::Verified,
    ) -> StepOf<M>;
}

/// Remembers what was made of bytes, and what that cost. [`Simulation::shared`] makes it, and
/// counts what is done with it.
///
/// An application uses it for its own expensive checks, and charges their cost by
/// [`Application::busy`](super::Application::busy):
///
/// ```
/// # mod greeter { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/greeter.rs")); }
/// # use greeter::*;
/// use cosi::sim::{Network, Simulation};
///
/// # fn checks(_: &[u8]) -> bool { true }
/// let mut simulation = Simulation::new(Network::default(), Guestbook::default());
/// (1..=100).for_each(|peer| simulation.add(peer, ()));
/// assert!(simulation.shared::<bool>().is_err(), "a hundred nodes do their work themselves");
/// simulation.add(101, ());
///
/// let mut shared = simulation.shared()?;
/// let block = b"a block of transactions";
/// let (valid, cost) = shared.once(block, || checks(block));
/// // Another node has the same to do, and pays the same.
/// assert_eq!(shared.once(block, || unreachable!()), (valid, cost));
/// assert_eq!((simulation.shared_work().done, simulation.shared_work().reused), (1, 1));
/// # Ok::<(), cosi::sim::Bug<u8>>(())
/// ```
///
/// [`Simulation::shared`]: super::Simulation::shared
pub struct Shared<V> {
    /// At most [`MAX_BYTES`] of keys.
    results: BTreeMap<Arc<[u8]>, (V, Duration)>,
    order: VecDeque<Arc<[u8]>>,
    bytes: usize,
    tally: Rc<Cell<SharedWork>>,
}

impl<V> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("results", &self.results.len()).finish_non_exhaustive()
    }
}

impl<V: Clone> Shared<V> {
    pub(super) const fn new(tally: Rc<Cell<SharedWork>>) -> Self {
        Self { results: BTreeMap::new(), order: VecDeque::new(), bytes: 0, tally }
    }

    /// The result of `work`, which hangs on `bytes` alone, and its cost: what it took this
    /// thread's processor when it was done for real, now or before.
    pub fn once(&mut self, bytes: &[u8], work: impl FnOnce() -> V) -> (V, Duration) {
        if let Some(known) = self.known(bytes) {
            return known;
        }
        let (result, cost) = timed(work);
        self.keep(bytes, result.clone(), cost);
        (result, cost)
    }

    pub(super) fn known(&self, bytes: &[u8]) -> Option<(V, Duration)> {
        let (result, cost) = self.results.get(bytes)?.clone();
        let mut tally = self.tally.get();
        increase(&mut tally.reused, 1);
        tally.charged = tally.charged.saturating_add(cost);
        self.tally.set(tally);
        Some((result, cost))
    }

    pub(super) fn keep(&mut self, bytes: &[u8], result: V, cost: Duration) {
        let bytes: Arc<[u8]> = Arc::from(bytes);
        let mut tally = self.tally.get();
        increase(&mut tally.done, 1);
        tally.spent = tally.spent.saturating_add(cost);
        self.tally.set(tally);
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.order.push_back(Arc::clone(&bytes));
        self.results.insert(bytes, (result, cost));
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.len());
            self.results.remove(&oldest);
        }
    }
}
