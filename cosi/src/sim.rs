//! A deterministic network for any machine whose messages and records are bytes.
//!
//! - One seed reproduces a run bit for bit: every delay, loss and crash, and the randomness of
//!   every node's every life. [`Simulation::digest`] names the run, so two can be compared.
//! - Time is virtual. It costs nothing to wait, and no clock is read but by
//!   [`Simulation::measured`], which decides nothing.
//! - A node loses in a crash all but its journal, and its machine is restored from the bytes
//!   there. Crashes strike where they hurt: see [`Boundary`].
//! - An [`Adversary`] has the nodes in hand that are declared Byzantine, and no more power.
//! - After every event the caller's invariants are checked. What no sound machine does is a
//!   [`Bug`] that names the node and the seed.
//!
//! A node takes one input at a time: answers of its application first, then what is due, then
//! commands and messages as they come. A message to oneself arrives at once.
//!
//! # Example
//!
//! Two nodes greet each other through a slow network.
//!
//! ```
//! use core::{num::NonZeroU64, time::Duration};
//! use cosi::{machine::*, sim::{Application, Network, Outcome, Simulation}};
//!
//! /// Greets everyone when told to, and reports who greets it.
//! struct Greeter;
//! type Step = cosi::machine::Step<String, u8, (), u8>;
//! # #[derive(Debug, PartialEq)]
//! # struct Never;
//! # impl std::fmt::Display for Never {
//! #     fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) }
//! # }
//! # impl std::error::Error for Never {}
//!
//! impl Greeter {
//!     fn handle_message(&mut self, _: &mut Cx<'_>, from: u8, _: String) -> Step {
//!         Step::none().event(from)
//!     }
//!     fn handle_command(&mut self, _: &mut Cx<'_>, name: String) -> Result<Step, Never> {
//!         Ok(Step::none().send(To::All, name))
//!     }
//! #   fn handle_timeout(&mut self, _: &mut Cx<'_>) -> Step { Step::none() }
//! #   fn next_timeout(&self) -> Option<Time> { None }
//! #   fn restore(_: (), _: impl IntoIterator<Item = ()>, _: &mut Cx<'_>) -> Result<(Self, Step), Never> {
//! #       Ok((Self, Step::none()))
//! #   }
//!     // ... handle_timeout, next_timeout, restore ...
//! }
//! # cosi::impl_machine! {
//! #     Greeter { Peer = u8, Message = String, Command = String, Event = u8, Record = (), Error = Never }
//! #     restore { Config = (), RestoreError = Never }
//! # }
//!
//! #[derive(Default)]
//! struct Guestbook(Vec<(u8, Time, u8)>);
//!
//! impl Application<Greeter> for Guestbook {
//!     fn on_event(&mut self, peer: u8, now: Time, from: u8, _: &mut Vec<String>) {
//!         self.0.push((peer, now, from));
//!     }
//!     fn on_fault(&mut self, _: u8, _: Time, _: Fault<u8>) {}
//!     fn on_error(&mut self, _: u8, _: Time, _: Never) {}
//! }
//!
//! let network = Network { seed: 7, uplink: NonZeroU64::new(1_000), ..Network::default() };
//! let mut simulation = Simulation::new(network, Guestbook::default());
//! simulation.add(1, ());
//! simulation.add(2, ());
//! simulation.command(Time::default(), 1, "Ada, 1".into());
//!
//! let limit = Time::at(Duration::from_secs(1));
//! assert_eq!(simulation.run_until(limit, |_| false)?, Outcome::Quiet);
//! // Ten bytes, encoded, at 1,000 a second, and 50 ms on the wire.
//! let arrival = Time::at(Duration::from_millis(10 + 50));
//! assert_eq!(simulation.application().0, [(2, arrival, 1)]);
//! # Ok::<(), cosi::sim::Bug<u8>>(())
//! ```

mod counters;
mod events;
mod hosts;
mod journal;
mod network;
mod node;
mod run;
mod trace;

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, num::NonZeroU64};

use rand_chacha::ChaCha20Rng;

pub use self::{
    counters::{Counters, Measured, Traffic},
    hosts::{
        Adversary, Application, Boundary, Bug, Crash, Deliveries, Delivery, Flaw, Outcome, Subject,
        When,
    },
    journal::Journal,
    network::{Cpu, Latency, Network},
    trace::{Entry, What},
};
use self::{
    events::{Events, Planned},
    node::{Node, stream},
    trace::Trace,
};
use crate::machine::Time;

type Invariant<M, A> = Box<dyn FnMut(&Simulation<M, A>) -> Result<(), String>>;

/// A network of machines `M` under the application `A`. See the [module](self).
///
/// Calls that name a peer which does not exist make the next step fail with
/// [`Flaw::Unknown`].
pub struct Simulation<M: Subject, A> {
    network: Network,
    now: Time,
    events: Events<M::Command>,
    nodes: Vec<Node<M>>,
    numbers: BTreeMap<M::Peer, usize>,
    /// Whom `To::All` means. `None`: all nodes.
    members: Option<Vec<M::Peer>>,
    links: BTreeMap<(usize, usize), Latency>,
    rng: ChaCha20Rng,
    application: A,
    adversary: Option<Box<dyn Adversary<M>>>,
    adversary_rng: ChaCha20Rng,
    label: fn(&M::Message) -> &'static str,
    /// Messages sent so far.
    messages: u64,
    /// The node that may have more to do at this very moment.
    current: Option<usize>,
    /// Receivers of the message being sent; kept for its memory.
    receivers: Vec<usize>,
    invariants: Vec<(&'static str, Invariant<M, A>)>,
    trace: Trace,
    #[expect(clippy::type_complexity, reason = "used once")]
    observer: Option<Box<dyn FnMut(M::Peer, &Entry)>>,
    measured: BTreeMap<&'static str, Measured>,
    bug: Option<Bug<M::Peer>>,
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
            rng: stream(network.seed, 0),
            application,
            adversary: None,
            adversary_rng: stream(network.seed, 1),
            label: |_| "message",
            messages: 0,
            current: None,
            receivers: Vec::new(),
            invariants: Vec::new(),
            trace: Trace::default(),
            observer: None,
            measured: BTreeMap::new(),
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

    /// Names the run so far: a hash over every [`Entry`] of the trace, every message sent and
    /// every record stored. The same seed and calls give the same digest.
    pub fn digest(&self) -> [u8; 32] {
        self.trace.digest()
    }

    fn node(&self, peer: M::Peer) -> Option<&Node<M>> {
        self.nodes.get(*self.numbers.get(&peer)?)
    }

    fn named(&mut self, peer: M::Peer) -> Option<&mut Node<M>> {
        let number = self.number(peer)?;
        self.nodes.get_mut(number)
    }

    /// The number of a peer that must exist.
    fn number(&mut self, peer: M::Peer) -> Option<usize> {
        let number = self.numbers.get(&peer).copied();
        if number.is_none() {
            self.report(Flaw::Unknown { peer });
        }
        number
    }

    /// Keeps the first bug.
    fn report(&mut self, flaw: Flaw<M::Peer>) {
        let bug = Bug { seed: self.network.seed, at: self.now, flaw };
        self.bug.get_or_insert(bug);
    }

    fn check_invariants(&mut self) {
        let mut invariants = core::mem::take(&mut self.invariants);
        for (name, check) in &mut invariants {
            if let Err(why) = check(self) {
                self.report(Flaw::Invariant { name, why });
            }
        }
        self.invariants = invariants;
    }
}
