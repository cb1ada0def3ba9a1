//! The simulation as its user holds it: built, planned, and looked at.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    string::String,
    vec::Vec,
};
use core::{
    cell::Cell,
    fmt,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use curve25519_dalek::rand_core::CryptoRng;
use rand_chacha::ChaCha20Rng;

use super::{
    Adversary, Application, Boundary, Bug, Counters, Cpu, Crash, Cut, Entry, Flaw, Journal,
    Latency, Letter, Matrix, Measured, Network, Partition, Recording, Shared, SharedCheck,
    SharedWork, Subject, What, When,
    adversary::Scheduler,
    events::{Events, Planned},
    incoming::{Desk, Sharing},
    node::{Node, stream},
    partition::{Sides, Wall},
    processor::Meter,
    shared::MAX_UNSHARED_NODES,
    trace::Trace,
};
use crate::machine::Time;

type Invariant<M, A> = Box<dyn FnMut(&Simulation<M, A>) -> Result<(), String>>;

/// A network of machines `M` under the application `A`. See the [module](super).
///
/// Calls that name a peer which does not exist make the next step fail with
/// [`Flaw::Unknown`].
pub struct Simulation<M: Subject, A> {
    pub(super) network: Network,
    pub(super) now: Time,
    pub(super) events: Events<M::Command>,
    pub(super) nodes: Vec<Node<M>>,
    pub(super) numbers: BTreeMap<M::Peer, usize>,
    /// Whom `To::All` means. `None`: all nodes.
    pub(super) members: Option<Vec<M::Peer>>,
    pub(super) links: BTreeMap<(usize, usize), Latency>,
    pub(super) matrix: Option<Matrix>,
    pub(super) walls: Vec<Wall>,
    pub(super) rng: ChaCha20Rng,
    pub(super) application: A,
    pub(super) adversary: Option<Box<dyn Adversary<M>>>,
    pub(super) adversary_rng: ChaCha20Rng,
    /// The adversary's earliest deadline in the queue.
    pub(super) adversary_wake: Option<Time>,
    pub(super) scheduler: Option<Scheduler<M::Peer>>,
    pub(super) scheduler_rng: ChaCha20Rng,
    pub(super) label: fn(&M::Message) -> &'static str,
    /// Messages sent so far.
    pub(super) messages: u64,
    /// The node that may have more to do at this very moment.
    pub(super) current: Option<usize>,
    /// Receivers of the message being sent; kept for its memory.
    pub(super) receivers: Vec<usize>,
    pub(super) invariants: Vec<(&'static str, Invariant<M, A>)>,
    pub(super) trace: Trace,
    #[expect(clippy::type_complexity, reason = "used once")]
    pub(super) observer: Option<Box<dyn FnMut(M::Peer, &Entry)>>,
    pub(super) measured: BTreeMap<&'static str, Measured>,
    pub(super) meter: Meter,
    pub(super) sharing: Option<Box<dyn Sharing<M>>>,
    pub(super) shared: Rc<Cell<SharedWork>>,
    pub(super) bug: Option<Bug<M::Peer>>,
}

impl<M: Subject, A: fmt::Debug> fmt::Debug for Simulation<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("network", &self.network)
            .field("now", &self.now)
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// An empty network.
    pub fn new(network: Network, application: A) -> Self {
        Self {
            now: network.start,
            events: Events::new(),
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            members: None,
            links: BTreeMap::new(),
            matrix: None,
            walls: Vec::new(),
            rng: stream(network.seed, 0),
            application,
            adversary: None,
            adversary_rng: stream(network.seed, 1),
            adversary_wake: None,
            scheduler: None,
            scheduler_rng: stream(network.seed, 2),
            label: |_| "message",
            messages: 0,
            current: None,
            receivers: Vec::new(),
            invariants: Vec::new(),
            trace: Trace::default(),
            observer: None,
            measured: BTreeMap::new(),
            meter: Meter::default(),
            sharing: None,
            shared: Rc::default(),
            bug: None,
            network,
        }
    }

    /// Adds a node, which starts at once, with an empty journal.
    pub fn add(&mut self, peer: M::Peer, config: M::Config) {
        let number = self.nodes.len();
        if self.numbers.contains_key(&peer) {
            return self.report(Flaw::Twice { peer });
        }
        self.numbers.insert(peer, number);
        self.nodes.push(Node::new(peer, config, &self.network));
        self.start(number);
    }

    /// Says whom [`To::All`](crate::machine::To::All) means, at every node: these, but for the
    /// sender. Unless said, it means all nodes.
    pub fn members(&mut self, members: impl IntoIterator<Item = M::Peer>) {
        self.members = Some(members.into_iter().collect());
    }

    /// Says whom [`To::All`](crate::machine::To::All) means at `peer`: these, but for itself.
    pub fn members_of(&mut self, peer: M::Peer, members: impl IntoIterator<Item = M::Peer>) {
        if let Some(node) = self.named(peer) {
            node.broadcast = Some(members.into_iter().collect());
        }
    }

    /// Gives one link, in one direction, a latency of its own.
    pub fn link(&mut self, from: M::Peer, to: M::Peer, latency: Latency) {
        if let (Some(from), Some(to)) = (self.number(from), self.number(to)) {
            self.links.insert((from, to), latency);
        }
    }

    /// Gives each pair of the nodes that are here the latency of their regions.
    ///
    /// A link's own latency goes before it. Regions count from 0; one that `matrix` does not have
    /// makes the next step fail with [`Flaw::Region`].
    pub fn regions(&mut self, matrix: Matrix, mut region: impl FnMut(M::Peer) -> usize) {
        let regions = matrix.regions();
        let mut outside = None;
        for node in &mut self.nodes {
            let (peer, region) = (node.peer, region(node.peer));
            node.region = Some(region);
            if region >= regions {
                outside.get_or_insert(Flaw::Region { peer, region, regions });
            }
        }
        self.matrix = Some(matrix);
        if let Some(flaw) = outside {
            self.report(flaw);
        }
    }

    /// Plans a time in which nodes do not reach one another. Plans add up.
    pub fn partition(&mut self, partition: Partition<M::Peer>) {
        let Partition { from, until, cut, across } = partition;
        let sides = match cut {
            Cut::Groups(groups) => {
                let mut of: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
                for (group, peers) in groups.into_iter().enumerate() {
                    for number in self.numbers(peers) {
                        of.entry(number).or_default().insert(group);
                    }
                }
                Sides::Groups(of)
            }
            Cut::OneWay { from, to } => Sides::OneWay(self.numbers(from), self.numbers(to)),
        };
        self.walls.push(Wall { from: from.max(self.now), until, sides, across });
    }

    /// Has `delay` say how much longer than the wire takes each copy is under way, up to `bound`;
    /// what it says beyond is cut down to that. It is asked when the copy is sent, and told when
    /// that is.
    ///
    /// This is the scheduler of an asynchronous network: it sees every message of every node, and
    /// loses none. It is no [`Adversary`] unless the caller lets the two share what they know.
    pub fn schedule(
        &mut self,
        bound: Duration,
        delay: impl FnMut(Time, &mut dyn CryptoRng, Letter<'_, M::Peer>) -> Duration + 'static,
    ) {
        self.scheduler = Some(Scheduler::new(bound, Box::new(delay)));
    }

    /// Gives a node a processor of its own speed: it takes so many hundredths of the time that
    /// [`Network::cpu`] says. 50 is twice as fast.
    pub fn pace(&mut self, peer: M::Peer, per_cent: NonZeroU32) {
        if let Some(node) = self.named(peer) {
            node.pace = per_cent;
        }
    }

    /// Has honest nodes share this check, all of them being here: done for real once for the same
    /// bytes, and charged to each. See [`SharedCheck`]; [`shared_work`](Self::shared_work) counts.
    ///
    /// With 100 nodes or fewer the next step fails with [`Flaw::Unshared`].
    pub fn share<C>(&mut self, check: C)
    where
        C: SharedCheck<M> + 'static,
        C::Verified: 'static,
    {
        match self.shared() {
            Ok(shared) => self.sharing = Some(Box::new(Desk { check, shared })),
            Err(bug) => self.report(bug.flaw),
        }
    }

    /// What an application needs to do the same work once for many nodes, all of them being here.
    ///
    /// Refused with [`Flaw::Unshared`] at 100 nodes or fewer.
    pub fn shared<V: Clone>(&self) -> Result<Shared<V>, Bug<M::Peer>> {
        let nodes = self.nodes.len();
        if nodes > MAX_UNSHARED_NODES {
            return Ok(Shared::new(Rc::clone(&self.shared)));
        }
        Err(Bug { seed: self.network.seed, at: self.now, flaw: Flaw::Unshared { nodes } })
    }

    /// Gives a node bandwidth of its own, in bytes a second; `None` is any.
    pub fn bandwidth(
        &mut self,
        peer: M::Peer,
        uplink: Option<NonZeroU64>,
        downlink: Option<NonZeroU64>,
    ) {
        if let Some(node) = self.named(peer) {
            node.uplink.rate = uplink;
            node.downlink.rate = downlink;
        }
    }

    /// Gives these nodes, all of them already here, into the adversary's hands.
    ///
    /// A later call adds nodes, and puts all of them into the later adversary's hands.
    pub fn byzantine(
        &mut self,
        peers: impl IntoIterator<Item = M::Peer>,
        adversary: impl Adversary<M> + 'static,
    ) {
        self.adversary = Some(Box::new(adversary));
        for peer in peers {
            if let Some(node) = self.named(peer) {
                node.byzantine = true;
            }
        }
        self.plan_act();
    }

    /// Says by what words messages are counted and measured.
    pub fn label(&mut self, label: fn(&M::Message) -> &'static str) {
        self.label = label;
    }

    /// Adds a check to be made after every event. What it returns as an error becomes a
    /// [`Flaw::Invariant`].
    pub fn invariant(
        &mut self,
        name: &'static str,
        check: impl FnMut(&Self) -> Result<(), String> + 'static,
    ) {
        self.invariants.push((name, Box::new(check)));
    }

    /// Shows every entry of the trace to `observer` as it is made, with the node's name.
    ///
    /// There is one observer: the last.
    pub fn observe(&mut self, observer: impl FnMut(M::Peer, &Entry) + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// Gives a node a command at that time, or now when that is past.
    ///
    /// While the node is down, the command waits.
    pub fn command(&mut self, at: Time, peer: M::Peer, command: M::Command) {
        if let Some(number) = self.number(peer) {
            let command = Planned::Command(number, Box::new(command));
            self.events.plan(at.max(self.now), command);
        }
    }

    /// Plans for a node to go down. Plans add up; each strikes once.
    pub fn crash(&mut self, peer: M::Peer, crash: Crash) {
        let Some(number) = self.number(peer) else { return };
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return };
        match crash.when {
            When::At(at) if crash.boundary == Boundary::Idle => {
                self.events.plan(at.max(now), Planned::Crash(number, crash.down_for));
            }
            When::At(_) => node.plans.push(crash),
            When::Step(step) => {
                let when = When::Step(node.counters.steps.saturating_add(step));
                node.plans.push(Crash { when, ..crash });
            }
        }
    }

    /// The virtual time.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The application.
    pub const fn application(&self) -> &A {
        &self.application
    }

    /// The application, to be changed.
    pub const fn application_mut(&mut self) -> &mut A {
        &mut self.application
    }

    /// The peers, in their order.
    pub fn peers(&self) -> impl Iterator<Item = M::Peer> + '_ {
        self.numbers.keys().copied()
    }

    /// A node's machine, unless it is down.
    pub fn machine(&self, peer: M::Peer) -> Option<&M> {
        self.node(peer)?.machine.as_ref()
    }

    /// A node's journal.
    pub fn journal(&self, peer: M::Peer) -> Option<&Journal> {
        Some(&self.node(peer)?.journal)
    }

    /// A node's counters.
    pub fn counters(&self, peer: M::Peer) -> Option<&Counters> {
        Some(&self.node(peer)?.counters)
    }

    /// All nodes' counters together.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.nodes.iter().for_each(|node| total.add(&node.counters));
        total
    }

    /// Real processor time that the machines took, by the label of the message, and for
    /// `command`, `timeout`, `restore` and `malformed`.
    pub const fn measured(&self) -> &BTreeMap<&'static str, Measured> {
        &self.measured
    }

    /// What the nodes' processors were charged so far, if that is [`Cpu::Measured`]: a run with
    /// [`Cpu::Replayed`] and the same seed and calls repeats this one bit for bit.
    ///
    /// `None` too when there were more than 2²⁷ charges.
    pub fn recording(&self) -> Option<Recording> {
        let is_measured = self.network.cpu == Cpu::Measured;
        is_measured.then(|| Recording::new(self.meter.recorded.clone())).flatten()
    }

    /// What was done once for real and charged often.
    pub fn shared_work(&self) -> SharedWork {
        self.shared.get()
    }

    /// Names the run so far: a hash over every [`Entry`] of the trace, every message sent and
    /// every record stored. The same seed and calls give the same digest.
    pub fn digest(&self) -> [u8; 32] {
        self.trace.digest()
    }

    /// The numbers of peers that must exist.
    fn numbers(&mut self, peers: Vec<M::Peer>) -> BTreeSet<usize> {
        peers.into_iter().filter_map(|peer| self.number(peer)).collect()
    }

    fn node(&self, peer: M::Peer) -> Option<&Node<M>> {
        self.nodes.get(*self.numbers.get(&peer)?)
    }

    fn named(&mut self, peer: M::Peer) -> Option<&mut Node<M>> {
        let number = self.number(peer)?;
        self.nodes.get_mut(number)
    }

    /// The number of a peer that must exist.
    pub(super) fn number(&mut self, peer: M::Peer) -> Option<usize> {
        let number = self.numbers.get(&peer).copied();
        if number.is_none() {
            self.report(Flaw::Unknown { peer });
        }
        number
    }

    /// Keeps the first bug.
    pub(super) fn report(&mut self, flaw: Flaw<M::Peer>) {
        let bug = Bug { seed: self.network.seed, at: self.now, flaw };
        self.bug.get_or_insert(bug);
    }

    /// Adds to the trace.
    pub(super) fn note(&mut self, node: usize, what: What) {
        let entry = Entry { at: self.now, node, what };
        self.trace.entry(&entry);
        if let (Some(observer), Some(node)) = (&mut self.observer, self.nodes.get(node)) {
            observer(node.peer, &entry);
        }
    }

    pub(super) fn check_invariants(&mut self) {
        let mut invariants = core::mem::take(&mut self.invariants);
        for (name, check) in &mut invariants {
            if let Err(why) = check(self) {
                self.report(Flaw::Invariant { name, why });
            }
        }
        self.invariants = invariants;
    }
}
