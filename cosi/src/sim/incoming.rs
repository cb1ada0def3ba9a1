//! Bytes on their way into a machine: decoded, checked, handled, and timed.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Shared, SharedCheck, processor::timed};
use crate::{
    machine::{Cx, Machine, Step, StepOf},
    wire::Wire,
};

/// What came of bytes that a node received.
pub(super) struct Heard<M: Machine> {
    pub(super) label: &'static str,
    /// `None`: they are no message.
    pub(super) step: Option<StepOf<M>>,
    pub(super) took: Duration,
}

impl<M: Machine> Heard<M> {
    const fn malformed(took: Duration) -> Self {
        Self { label: "malformed", step: None, took }
    }
}

/// Bytes on their way into a machine.
pub(super) struct Incoming<'a, M: Machine> {
    pub(super) from: M::Peer,
    pub(super) bytes: &'a [u8],
    pub(super) label: fn(&M::Message) -> &'static str,
}

impl<M: Machine<Message: Wire>> Incoming<'_, M> {
    /// The message and its label, if it is one, and how long it took to find out.
    fn decode(&self) -> (Option<(M::Message, &'static str)>, Duration) {
        let (decoded, took) = timed(|| M::Message::decode(self.bytes).ok());
        (
            decoded.map(|message| {
                let label = (self.label)(&message);
                (message, label)
            }),
            took,
        )
    }

    /// Has the machine do it all by itself. The clock, whose reading is no cheaper than many a
    /// step, is read twice and no more.
    pub(super) fn handle(self, machine: &mut M, cx: &mut Cx<'_>) -> Heard<M> {
        let (handled, took) = timed(|| {
            let message = M::Message::decode(self.bytes).ok()?;
            let label = (self.label)(&message);
            Some((label, machine.handle_message(cx, self.from, message)))
        });
        let Some((label, step)) = handled else { return Heard::malformed(took) };
        Heard { label, step: Some(step), took }
    }

    /// Has the machine take in what an adversary makes of the message.
    pub(super) fn corrupted(
        self,
        machine: &mut M,
        cx: &mut Cx<'_>,
        receive: impl FnOnce(M::Message) -> Vec<(M::Peer, M::Message)>,
    ) -> Heard<M> {
        let (decoded, decoding) = self.decode();
        let Some((message, label)) = decoded else { return Heard::malformed(decoding) };
        let messages = receive(message);
        let (step, handling) = timed(|| {
            messages.into_iter().fold(Step::none(), |step, (from, message)| {
                step.and(machine.handle_message(cx, from, message))
            })
        });
        Heard { label, step: Some(step), took: decoding.saturating_add(handling) }
    }
}

/// A [`SharedCheck`], whatever it makes of a message.
pub(super) trait Sharing<M: Machine> {
    fn handle(&mut self, machine: &mut M, cx: &mut Cx<'_>, incoming: Incoming<'_, M>) -> Heard<M>;
}

pub(super) struct Desk<C, V> {
    pub(super) check: C,
    pub(super) shared: Shared<(&'static str, V)>,
}

impl<M: Machine<Message: Wire>, C: SharedCheck<M>> Sharing<M> for Desk<C, C::Verified> {
    fn handle(&mut self, machine: &mut M, cx: &mut Cx<'_>, incoming: Incoming<'_, M>) -> Heard<M> {
        let Incoming { from, bytes, .. } = incoming;
        let ((label, verified), cost) = match self.shared.known(bytes) {
            Some(known) => known,
            None => {
                let (decoded, decoding) = incoming.decode();
                let Some((message, label)) = decoded else { return Heard::malformed(decoding) };
                let (verified, checking) = timed(|| self.check.verify(&message));
                let Some(verified) = verified else {
                    let (step, handling) = timed(|| machine.handle_message(cx, from, message));
                    let took = decoding.saturating_add(handling);
                    return Heard { label, step: Some(step), took };
                };
                let cost = decoding.saturating_add(checking);
                self.shared.keep(bytes, (label, verified.clone()), cost);
                ((label, verified), cost)
            }
        };
        let (step, handling) = timed(|| self.check.handle(machine, cx, from, verified));
        Heard { label, step: Some(step), took: cost.saturating_add(handling) }
    }
}
