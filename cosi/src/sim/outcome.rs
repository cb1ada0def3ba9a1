//! What becomes of a step.

use alloc::vec::Vec;

use super::{
    Application, Boundary, Delivery, Flaw, Simulation, Subject, What, counters::increase,
    network::chance, node::Work,
};
use crate::{
    machine::{Fault, Output, To},
    wire::Wire,
};

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// Ends the step that a node is working on: stores, releases, tells.
    pub(super) fn complete(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(Work::Step { step, is_timeout }) = node.work.take() else { return };
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
        let has_news = !events.is_empty() || !faults.is_empty();
        self.tell(number, events, faults);
        if self.crashes_at(number, Boundary::Idle) {
            return;
        }
        if !is_timeout {
            let nudged = chance(self.network.spurious_per_mille, &mut self.rng);
            if let Some(node) = self.nodes.get_mut(number) {
                node.nudged = nudged;
            }
        }
        if has_news {
            self.work_on_news(number);
        }
    }

    /// Lets the application keep the node busy.
    fn work_on_news(&mut self, number: usize) {
        if self.nodes.get(number).is_none_or(|node| node.byzantine) {
            return;
        }
        let cost = self.charge_application(number);
        if let Some(node) = self.nodes.get_mut(number).filter(|_| !cost.is_zero()) {
            node.work = Some(Work::Application);
            self.plan_finish(number, cost);
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
            self.send_as(number, to, delivery);
        }
    }

    fn send_as(&mut self, number: usize, to: To<M::Peer>, delivery: Delivery<M::Message>) {
        match delivery {
            Delivery::Message(message) => {
                self.send(number, to, (self.label)(&message), message.encode());
            }
            Delivery::Bytes(bytes) => self.send(number, to, "bytes", bytes),
        }
    }

    /// Lets the adversary act of its own accord.
    pub(super) fn act(&mut self) {
        let Some(adversary) = &mut self.adversary else { return };
        let acts = adversary.act(self.now, &mut self.adversary_rng);
        if self.adversary_is_due(self.now) {
            self.report(Flaw::Impatient);
        }
        for (from, to, delivery) in acts {
            let Some(number) = self.number(from) else { return };
            match self.nodes.get(number) {
                Some(node) if !node.byzantine => return self.report(Flaw::Forged { peer: from }),
                Some(node) if node.machine.is_some() => self.send_as(number, to, delivery),
                _ => {}
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
