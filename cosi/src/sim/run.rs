//! The event loop, and what becomes of a step.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::time::Duration;

use super::{
    Application, Boundary, Bug, Crash, Delivery, Entry, Flaw, Outcome, Simulation, Subject, What,
    counters::{increase, thread_time},
    events::Planned,
    network::chance,
    node::{Input, Packet, Work, life},
};
use crate::{
    machine::{Cx, Fault, FaultKind, Machine, Output, Step, StepOf, Time, To},
    wire::Wire,
};

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// Runs until `done`, which is asked at first and after every event, or nothing is left to
    /// happen, or all that happens by `limit` has. A later call goes on from there.
    ///
    /// Fails at the first [`Bug`], and from then on.
    pub fn run_until(
        &mut self,
        limit: Time,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<Outcome, Bug<M::Peer>> {
        loop {
            if let Some(bug) = &self.bug {
                return Err(bug.clone());
            }
            if done(self) {
                return Ok(Outcome::Done);
            }
            match self.next_time() {
                None => return Ok(Outcome::Quiet),
                Some(next) if next > limit => {
                    self.now = self.now.max(limit);
                    return Ok(Outcome::Limit);
                }
                Some(_) => self.advance(),
            }
        }
    }

    /// Lets the next event happen, whenever it is. `false`: there is none.
    ///
    /// Fails at the first [`Bug`], and from then on.
    pub fn step(&mut self) -> Result<bool, Bug<M::Peer>> {
        let more = self.bug.is_none() && self.next_time().is_some();
        if more {
            self.advance();
        }
        self.bug.clone().map_or(Ok(more), Err)
    }

    /// When something happens next. Clears away what has become void.
    fn next_time(&mut self) -> Option<Time> {
        if let Some(number) = self.current {
            if self.nodes.get(number).is_some_and(|node| node.has_input(self.now)) {
                return Some(self.now);
            }
            self.current = None;
            self.plan_wake(number);
        }
        loop {
            let first = self.events.first()?;
            let at = first.at;
            let (number, void) = match first.what {
                Planned::Wake(number) => {
                    let node = self.nodes.get_mut(number)?;
                    if node.wake == Some(at) && !node.has_input(at) {
                        node.wake = None;
                    }
                    (number, node.wake != Some(at))
                }
                Planned::Finish(number, of) => {
                    let node = self.nodes.get(number)?;
                    (number, node.lives != of || node.work.is_none())
                }
                Planned::Crash(number, _) => (number, self.nodes.get(number)?.machine.is_none()),
                Planned::Arrive(number, _)
                | Planned::Deliver(number, _)
                | Planned::Command(number, _)
                | Planned::Restart(number) => (number, false),
            };
            if !void {
                return Some(at);
            }
            self.events.take();
            self.plan_wake(number);
        }
    }

    /// One event: the current node's next input, or else the first that was planned.
    fn advance(&mut self) {
        if let Some(number) = self.current {
            self.turn_to_next(number);
        } else if let Some(event) = self.events.take() {
            self.now = event.at;
            self.happen(event.what);
        }
        self.check_invariants();
    }

    fn happen(&mut self, what: Planned<M::Command>) {
        match what {
            Planned::Arrive(number, packet) => self.arrive(number, packet),
            Planned::Deliver(number, packet) => self.deliver(number, packet),
            Planned::Command(number, command) => {
                self.hand_over(number, Input::Command(*command));
            }
            Planned::Finish(number, _) => {
                self.complete(number);
                self.current = Some(number);
            }
            Planned::Wake(number) => {
                if let Some(node) = self.nodes.get_mut(number) {
                    node.wake = None;
                }
                self.turn_to_next(number);
            }
            Planned::Crash(number, down_for) => self.crash_now(number, Boundary::Idle, down_for),
            Planned::Restart(number) => {
                if let Some(node) = self.nodes.get_mut(number) {
                    increase(&mut node.counters.restarts, 1);
                }
                self.start(number);
            }
        }
    }

    /// Passes a packet through the receiver's downlink.
    fn arrive(&mut self, number: usize, packet: Packet) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let at = node.downlink.pass(self.now, packet.bytes.len());
        if at > self.now {
            self.events.plan(at, Planned::Deliver(number, packet));
        } else {
            self.deliver(number, packet);
        }
    }

    fn deliver(&mut self, number: usize, packet: Packet) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        if node.machine.is_none() {
            increase(&mut node.counters.missed, 1);
            return self.note(number, What::Missed { message: packet.message });
        }
        node.counters.received(packet.label, packet.bytes.len());
        self.hand_over(number, Input::Message(packet));
    }

    fn hand_over(&mut self, number: usize, input: Input<M>) {
        if let Some(node) = self.nodes.get_mut(number) {
            node.inbox.push_back(input);
        }
        self.turn_to_next(number);
    }

    /// Begins on the node's next input, if it is free and there is one.
    fn turn_to_next(&mut self, number: usize) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(input) = node.next_input(now) else { return };
        if node.stands_still(now) {
            let peer = node.peer;
            return self.report(Flaw::Standstill { peer });
        }
        let started = thread_time();
        let is_timeout = matches!(input, Input::Timeout);
        let (label, step) = match input {
            Input::Timeout => ("timeout", self.time_out(number)),
            Input::Command(command) => ("command", self.obey(number, command)),
            Input::Message(packet) => self.hear(number, &packet),
        };
        self.measured.entry(label).or_default().add(thread_time().saturating_sub(started));
        self.work_on(number, Work { step, is_timeout }, self.network.cpu.cost());
        self.current = Some(number);
    }

    fn work_on(&mut self, number: usize, work: Work<M>, cost: Duration) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.work = Some(work);
        if cost.is_zero() {
            self.complete(number);
        } else {
            self.events.plan(self.now.after(cost), Planned::Finish(number, node.lives));
        }
    }
}

/// A life, from start to crash.
impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// Brings a node up from its journal.
    pub(super) fn start(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let peer = node.peer;
        let Ok(records) = node.journal.records() else {
            return self.report(Flaw::Record { peer });
        };
        node.lives = node.lives.saturating_add(1);
        node.rng = life(self.network.seed, number, node.lives);
        let (config, mut cx) = (node.config.clone(), Cx::new(self.now, &mut node.rng));
        let started = thread_time();
        let restored = M::restore(config, records, &mut cx);
        let took = thread_time().saturating_sub(started);
        self.measured.entry("restore").or_default().add(took);
        match restored {
            Ok((machine, step)) => {
                node.machine = Some(machine);
                node.work = Some(Work { step, is_timeout: false });
                let (done, records) = (self.network.cpu.cost(), node.journal.len());
                self.events.plan(self.now.after(done), Planned::Finish(number, node.lives));
                self.note(number, What::Started { records });
            }
            Err(why) => self.report(Flaw::Restore { peer, why: why.to_string() }),
        }
    }

    fn crash_now(&mut self, number: usize, boundary: Boundary, down_for: Option<Duration>) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let peer = node.peer;
        node.crash();
        increase(&mut node.counters.crashes, 1);
        if let Some(down_for) = down_for {
            self.events.plan(self.now.after(down_for), Planned::Restart(number));
        }
        self.note(number, What::Crashed { boundary });
        self.application.on_crash(peer, self.now);
    }

    /// Crashes the node if a plan says so. Whether it did.
    fn crashes_at(&mut self, number: usize, boundary: Boundary) -> bool {
        let now = self.now;
        let plan = self.nodes.get_mut(number).and_then(|node| node.crash_due(now, boundary));
        if let Some(Crash { down_for, .. }) = plan {
            self.crash_now(number, boundary, down_for);
        }
        plan.is_some()
    }

    /// Plans the node's next wake-up, unless there is one early enough.
    fn plan_wake(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.work.is_none()) else {
            return;
        };
        let Some(at) = node.machine.as_ref().and_then(Machine::next_timeout) else { return };
        let at = at.max(self.now);
        if node.wake.is_none_or(|wake| at < wake) {
            node.wake = Some(at);
            self.events.plan(at, Planned::Wake(number));
        }
    }
}

/// One input.
impl<M: Subject, A: Application<M>> Simulation<M, A> {
    fn time_out(&mut self, number: usize) -> StepOf<M> {
        self.note(number, What::Timeout);
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return Step::none() };
        let Some(machine) = &mut node.machine else { return Step::none() };
        let step = machine.handle_timeout(&mut Cx::new(now, &mut node.rng));
        if machine.next_timeout().is_some_and(|at| at <= now) {
            let peer = node.peer;
            self.report(Flaw::Deadline { peer });
        }
        step
    }

    fn obey(&mut self, number: usize, command: M::Command) -> StepOf<M> {
        self.note(number, What::Command);
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return Step::none() };
        let Some(machine) = &mut node.machine else { return Step::none() };
        let (peer, byzantine) = (node.peer, node.byzantine);
        machine.handle_command(&mut Cx::new(now, &mut node.rng), command).unwrap_or_else(|error| {
            self.note(number, What::Refused);
            if !byzantine {
                self.application.on_error(peer, now, error);
            }
            Step::none()
        })
    }

    fn hear(&mut self, number: usize, packet: &Packet) -> (&'static str, StepOf<M>) {
        let &Packet { from, message, .. } = packet;
        self.note(number, What::Received { from, message });
        let now = self.now;
        let Some(sender) = self.nodes.get(from).map(|node| node.peer) else {
            return (packet.label, Step::none());
        };
        let Ok(message) = M::Message::decode(&packet.bytes) else {
            return ("malformed", self.blame(number, from, sender));
        };
        let label = (self.label)(&message);
        let Some(node) = self.nodes.get_mut(number) else { return (label, Step::none()) };
        let Some(machine) = &mut node.machine else { return (label, Step::none()) };
        (label, machine.handle_message(&mut Cx::new(now, &mut node.rng), sender, message))
    }

    /// What bytes that are no message bring about.
    fn blame(&mut self, number: usize, from: usize, culprit: M::Peer) -> StepOf<M> {
        self.note(number, What::Malformed);
        let Some(node) = self.nodes.get_mut(number) else { return Step::none() };
        increase(&mut node.counters.malformed, 1);
        if !node.accused.insert(from) {
            return Step::none();
        }
        Step::none().fault(Fault { culprit, kind: FaultKind::Malformed, evidence: None })
    }
}

/// The consequence of an input.
impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// Ends the step that a node is working on: stores, releases, tells.
    fn complete(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(Work { step, is_timeout }) = node.work.take() else { return };
        increase(&mut node.counters.steps, 1);
        increase(&mut node.counters.timeouts, u64::from(is_timeout));
        if self.crashes_at(number, Boundary::BeforeRecords) {
            return;
        }
        let (records, held) = step.into_records();
        self.store(number, &records);
        if self.crashes_at(number, Boundary::BeforeRelease) {
            return;
        }
        let Output { messages, events, faults } = held.release();
        self.release(number, messages);
        if self.crashes_at(number, Boundary::AfterRelease) {
            return;
        }
        self.tell(number, events, faults);
        if self.crashes_at(number, Boundary::Idle) || is_timeout {
            return;
        }
        let nudged = chance(self.network.spurious_per_mille, &mut self.rng);
        if let Some(node) = self.nodes.get_mut(number) {
            node.nudged = nudged;
        }
    }

    fn store(&mut self, number: usize, records: &[M::Record]) {
        let Some(node) = self.nodes.get_mut(number).filter(|_| !records.is_empty()) else {
            return;
        };
        let bytes = node.journal.append(records);
        node.counters.stored(records.len(), bytes.len());
        self.trace.bytes(bytes);
        self.note(number, What::Stored { records: records.len() });
    }

    fn release(&mut self, number: usize, messages: Vec<(To<M::Peer>, M::Message)>) {
        let Some(node) = self.nodes.get(number) else { return };
        let Some(adversary) = self.adversary.as_mut().filter(|_| node.byzantine) else {
            for (to, message) in messages {
                self.send(number, to, (self.label)(&message), message.encode());
            }
            return;
        };
        let rng = &mut self.adversary_rng;
        for (to, delivery) in adversary.corrupt(node.peer, self.now, rng, messages) {
            match delivery {
                Delivery::Message(message) => {
                    self.send(number, to, (self.label)(&message), message.encode());
                }
                Delivery::Bytes(bytes) => self.send(number, to, "bytes", bytes),
            }
        }
    }

    fn tell(&mut self, number: usize, events: Vec<M::Event>, faults: Vec<Fault<M::Peer>>) {
        let Some(node) = self.nodes.get(number) else { return };
        let (now, peer, byzantine) = (self.now, node.peer, node.byzantine);
        let mut answers = Vec::new();
        for event in events {
            self.note(number, What::Event);
            match self.adversary.as_mut().filter(|_| byzantine) {
                Some(adversary) => adversary.on_event(peer, now, event, &mut answers),
                None => self.application.on_event(peer, now, event, &mut answers),
            }
        }
        for fault in faults {
            let culprit = self.numbers.get(&fault.culprit).copied();
            self.note(number, What::Fault { culprit, kind: fault.kind.name() });
            if !byzantine {
                self.application.on_fault(peer, now, fault);
            }
        }
        if let Some(node) = self.nodes.get_mut(number) {
            node.answers.extend(answers);
        }
    }
}

/// The way of a message.
impl<M: Subject, A: Application<M>> Simulation<M, A> {
    fn send(&mut self, from: usize, to: To<M::Peer>, label: &'static str, bytes: Vec<u8>) {
        let message = self.messages;
        increase(&mut self.messages, 1);
        self.trace.bytes(&bytes);
        let packet = Packet { from, message, label, bytes: Arc::from(bytes) };
        let mut receivers = core::mem::take(&mut self.receivers);
        self.resolve(from, to, &mut receivers);
        for to in receivers.drain(..) {
            self.transmit(to, &packet);
        }
        self.receivers = receivers;
    }

    /// Lists the nodes that `to` means when `from` says it.
    fn resolve(&mut self, from: usize, to: To<M::Peer>, receivers: &mut Vec<usize>) {
        let Some(node) = self.nodes.get_mut(from) else { return };
        let all = node.broadcast.as_deref().or(self.members.as_deref());
        let named = match (&to, all) {
            (To::All, None) => {
                return receivers.extend((0..self.nodes.len()).filter(|&n| n != from));
            }
            (To::All, Some(all)) => all,
            (To::One(peer), _) => core::slice::from_ref(peer),
            (To::Some(peers), _) => peers,
        };
        for peer in named {
            match self.numbers.get(peer) {
                Some(&number) if number == from && to == To::All => {}
                Some(&number) => receivers.push(number),
                None => increase(&mut node.counters.unroutable, 1),
            }
        }
    }

    /// Sends one copy through the sender's uplink onto the wire.
    fn transmit(&mut self, to: usize, packet: &Packet) {
        let &Packet { from, message, label, .. } = packet;
        let Some(sender) = self.nodes.get_mut(from) else { return };
        let bytes = packet.bytes.len();
        sender.counters.sent(label, bytes);
        if to == from {
            self.events.plan(self.now, Planned::Deliver(to, packet.clone()));
            return self.note(from, What::Sent { to, message, bytes });
        }
        let departure = sender.uplink.pass(self.now, bytes);
        let lost = chance(self.network.loss_per_mille, &mut self.rng);
        let doubled = !lost && chance(self.network.duplicate_per_mille, &mut self.rng);
        increase(&mut sender.counters.lost, u64::from(lost));
        increase(&mut sender.counters.duplicated, u64::from(doubled));
        let latency = self.links.get(&(from, to)).unwrap_or(&self.network.latency);
        let copies = if lost { 0 } else { 1_usize.saturating_add(usize::from(doubled)) };
        for _ in 0..copies {
            let arrival = departure.after(latency.sample(&mut self.rng));
            self.events.plan(arrival, Planned::Arrive(to, packet.clone()));
        }
        self.note(from, What::Sent { to, message, bytes });
        if lost {
            self.note(from, What::Lost);
        }
        if doubled {
            self.note(from, What::Duplicated);
        }
    }

    fn note(&mut self, node: usize, what: What) {
        let entry = Entry { at: self.now, node, what };
        self.trace.entry(&entry);
        if let (Some(observer), Some(node)) = (&mut self.observer, self.nodes.get(node)) {
            observer(node.peer, &entry);
        }
    }
}
