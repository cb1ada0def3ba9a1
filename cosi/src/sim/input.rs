//! What a machine takes in, and what that costs it.

use core::time::Duration;

use super::{
    Application, Cpu, Flaw, Simulation, Subject, What,
    counters::increase,
    incoming::{Heard, Incoming},
    node::{Input, Packet, Work},
    processor::{Charge, timed},
};
use crate::machine::{Cx, Fault, FaultKind, Step, StepOf};

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    pub(super) fn hand_over(&mut self, number: usize, input: Input<M>) {
        if let Some(node) = self.nodes.get_mut(number) {
            node.inbox.push_back(input);
        }
        self.turn_to_next(number);
    }

    /// Begins on the node's next input, if it is free and there is one.
    pub(super) fn turn_to_next(&mut self, number: usize) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(input) = node.next_input(now) else { return };
        if node.stands_still(now) {
            let peer = node.peer;
            return self.report(Flaw::Standstill { peer });
        }
        let is_timeout = matches!(input, Input::Timeout);
        let (label, (step, took)) = match input {
            Input::Timeout => ("timeout", self.time_out(number)),
            Input::Command(command) => ("command", self.obey(number, command)),
            Input::Message(packet) => self.hear(number, &packet),
        };
        self.measured.entry(label).or_default().add(took);
        let cost = self.charge(number, took);
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.work = Some(Work::Step { step, is_timeout });
        if cost.is_zero() {
            self.complete(number);
        } else {
            self.plan_finish(number, cost);
        }
        self.current = Some(number);
    }

    /// How long the node works on what took this processor so long.
    pub(super) fn charge(&mut self, number: usize, took: Duration) -> Duration {
        let Some(node) = self.nodes.get_mut(number) else { return Duration::ZERO };
        let cost = match &self.network.cpu {
            Cpu::Ideal => Duration::ZERO,
            Cpu::Fixed(cost) => *cost,
            Cpu::Measured => {
                self.meter.recorded.push(Charge::new(self.trace.print(), took));
                took
            }
            Cpu::Replayed(recording) => {
                let (peer, step) = (node.peer, self.meter.replayed);
                let Some(charge) = recording.get(step) else {
                    self.report(Flaw::Outruns { peer });
                    return Duration::ZERO;
                };
                if charge.print != self.trace.print() {
                    self.report(Flaw::Strays { peer, step });
                    return Duration::ZERO;
                }
                self.meter.replayed = step.saturating_add(1);
                charge.cost()
            }
        };
        node.charge(cost)
    }

    /// How long the application keeps the node's processor, if it says that it does. A recording
    /// holds a charge for that only where there was one, so a replay looks whether it has.
    pub(super) fn charge_application(&mut self, number: usize) -> Duration {
        let Some(node) = self.nodes.get_mut(number) else { return Duration::ZERO };
        let busy = self.application.busy(node.peer);
        let has_charge = match &self.network.cpu {
            Cpu::Ideal => false,
            Cpu::Fixed(_) => return node.charge(busy),
            Cpu::Measured => !busy.is_zero(),
            Cpu::Replayed(recording) => recording
                .get(self.meter.replayed)
                .is_some_and(|charge| charge.print == self.trace.print()),
        };
        if has_charge { self.charge(number, busy) } else { Duration::ZERO }
    }

    fn time_out(&mut self, number: usize) -> (StepOf<M>, Duration) {
        self.note(number, What::Timeout);
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return nothing() };
        let Some(machine) = &mut node.machine else { return nothing() };
        let result = timed(|| machine.handle_timeout(&mut Cx::new(now, &mut node.rng)));
        if machine.next_timeout().is_some_and(|at| at <= now) {
            let peer = node.peer;
            self.report(Flaw::Deadline { peer });
        }
        result
    }

    fn obey(&mut self, number: usize, command: M::Command) -> (StepOf<M>, Duration) {
        self.note(number, What::Command);
        let now = self.now;
        let Some(node) = self.nodes.get_mut(number) else { return nothing() };
        let Some(machine) = &mut node.machine else { return nothing() };
        let (peer, byzantine) = (node.peer, node.byzantine);
        let (result, took) =
            timed(|| machine.handle_command(&mut Cx::new(now, &mut node.rng), command));
        let step = result.unwrap_or_else(|error| {
            self.note(number, What::Refused);
            if !byzantine {
                self.application.on_error(peer, now, error);
            }
            Step::none()
        });
        (step, took)
    }

    fn hear(&mut self, number: usize, packet: &Packet) -> (&'static str, (StepOf<M>, Duration)) {
        let &Packet { from, message, .. } = packet;
        self.note(number, What::Received { from, message });
        let Some(sender) = self.nodes.get(from).map(|node| node.peer) else {
            return (packet.label, nothing());
        };
        let Some(node) = self.nodes.get_mut(number) else { return (packet.label, nothing()) };
        let Some(machine) = &mut node.machine else { return (packet.label, nothing()) };
        let incoming = Incoming { from: sender, bytes: &packet.bytes, label: self.label };
        let mut cx = Cx::new(self.now, &mut node.rng);
        let Heard { label, step, took } = match (&mut self.adversary, &mut self.sharing) {
            (Some(adversary), _) if node.byzantine => {
                let receive = |message| {
                    let rng = &mut self.adversary_rng;
                    adversary.receive(node.peer, self.now, rng, sender, message)
                };
                incoming.corrupted(machine, &mut cx, receive)
            }
            (_, Some(sharing)) => sharing.handle(machine, &mut cx, incoming),
            _ => incoming.handle(machine, &mut cx),
        };
        let step = step.unwrap_or_else(|| self.blame(number, from, sender));
        (label, (step, took))
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

const fn nothing<M, E, R, P>() -> (Step<M, E, R, P>, Duration) {
    (Step::none(), Duration::ZERO)
}
