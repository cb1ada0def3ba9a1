//! The way of a message: uplink, wire, downlink.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use super::{
    Application, Letter, Simulation, Subject, What,
    counters::increase,
    events::Planned,
    network::chance,
    node::{Input, Packet},
    partition::{Fate, fate},
};
use crate::machine::{Time, To};

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    pub(super) fn send(
        &mut self,
        from: usize,
        to: To<M::Peer>,
        label: &'static str,
        bytes: Vec<u8>,
    ) {
        let message = self.messages;
        increase(&mut self.messages, 1);
        self.trace.bytes(&bytes);
        let packet = Arc::new(Packet {
            from,
            message,
            sent: self.now,
            label,
            bytes: bytes.into_boxed_slice(),
        });
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
    fn transmit(&mut self, to: usize, packet: &Arc<Packet>) {
        let Packet { from, message, label, .. } = **packet;
        let Some(sender) = self.nodes.get_mut(from) else { return };
        let bytes = packet.bytes.len();
        sender.counters.sent(label, bytes);
        if to == from {
            self.events.plan(self.now, Planned::Deliver(to, Arc::clone(packet)));
            return self.note(from, What::Sent { to, message, bytes });
        }
        let departure = sender.uplink.pass(self.now, bytes);
        let lost = chance(self.network.loss_per_mille, &mut self.rng);
        let doubled = !lost && chance(self.network.duplicate_per_mille, &mut self.rng);
        increase(&mut sender.counters.lost, u64::from(lost));
        increase(&mut sender.counters.duplicated, u64::from(doubled));
        let copies = if lost { 0 } else { 1_usize.saturating_add(usize::from(doubled)) };
        for _ in 0..copies {
            let arrival = departure.after(self.time_on_wire(to, packet));
            self.events.plan(arrival, Planned::Arrive(to, Arc::clone(packet), departure));
        }
        self.note(from, What::Sent { to, message, bytes });
        if lost {
            self.note(from, What::Lost);
        }
        if doubled {
            self.note(from, What::Duplicated);
        }
    }

    /// The latency of the link, or else of the regions, or else of the network; and what the
    /// scheduler adds.
    fn time_on_wire(&mut self, to: usize, packet: &Packet) -> Duration {
        let &Packet { from, label, ref bytes, .. } = packet;
        let (Some(sender), Some(receiver)) = (self.nodes.get(from), self.nodes.get(to)) else {
            return Duration::ZERO;
        };
        let of_regions = || self.matrix.as_ref()?.get(sender.region?, receiver.region?);
        let latency = self.links.get(&(from, to)).or_else(of_regions);
        let latency = latency.unwrap_or(&self.network.latency).sample(&mut self.rng);
        let Some(scheduler) = &mut self.scheduler else { return latency };
        let letter = Letter { from: sender.peer, to: receiver.peer, label, bytes };
        latency.saturating_add(scheduler.delay(self.now, &mut self.scheduler_rng, letter))
    }

    /// Passes a packet that was on the wire since it departed through the receiver's downlink,
    /// unless a partition is in its way.
    pub(super) fn arrive(&mut self, number: usize, packet: Arc<Packet>, departed: Time) {
        let message = packet.message;
        match fate(&self.walls, packet.from, number, departed, self.now) {
            Fate::Passes => self.pass(number, packet),
            Fate::Dropped => {
                if let Some(sender) = self.nodes.get_mut(packet.from) {
                    increase(&mut sender.counters.cut, 1);
                }
                self.note(number, What::Cut { message });
            }
            Fate::Held(until) => {
                if let Some(sender) = self.nodes.get_mut(packet.from) {
                    increase(&mut sender.counters.held, 1);
                }
                let flight = self.now.since_epoch().saturating_sub(departed.since_epoch());
                self.events.plan(until.after(flight), Planned::Arrive(number, packet, until));
                self.note(number, What::Held { message });
            }
        }
    }

    fn pass(&mut self, number: usize, packet: Arc<Packet>) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let at = node.downlink.pass(self.now, packet.bytes.len());
        if at > self.now {
            self.events.plan(at, Planned::Deliver(number, packet));
        } else {
            self.deliver(number, packet);
        }
    }

    pub(super) fn deliver(&mut self, number: usize, packet: Arc<Packet>) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        if node.machine.is_none() {
            increase(&mut node.counters.missed, 1);
            return self.note(number, What::Missed { message: packet.message });
        }
        let transit = self.now.since_epoch().saturating_sub(packet.sent.since_epoch());
        node.counters.received(packet.label, packet.bytes.len(), transit);
        self.hand_over(number, Input::Message(packet));
    }
}
