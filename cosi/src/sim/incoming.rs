//! Bytes on their way into a machine: decoded, checked, handled, and timed.

use alloc::{sync::Arc, vec::Vec};
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

/// Bytes on their way into a machine.
pub(super) struct Incoming<'a, M: Machine> {
    pub(super) from: M::Peer,
    pub(super) bytes: &'a Arc<[u8]>,
    pub(super) label: fn(&M::Message) -> &'static str,
}

impl<M: Machine<Message: Wire>> Incoming<'_, M> {
    /// The message, or what comes of bytes that are none, and how long it took to find out.
    pub(super) fn decode(&self) -> Result<(M::Message, &'static str, Duration), Heard<M>> {
        let (decoded, took) = timed(|| M::Message::decode(self.bytes));
        match decoded {
            Ok(message) => {
                let label = (self.label)(&message);
                Ok((message, label, took))
            }
            Err(_) => Err(Heard { label: "malformed", step: None, took }),
        }
    }

    /// Has the machine do it all by itself.
    pub(super) fn handle(self, machine: &mut M, cx: &mut Cx<'_>) -> Heard<M> {
        let (message, label, decoding) = match self.decode() {
            Ok(decoded) => decoded,
            Err(heard) => return heard,
        };
        let (step, handling) = timed(|| machine.handle_message(cx, self.from, message));
        Heard { label, step: Some(step), took: decoding.saturating_add(handling) }
    }

    /// Has the machine take in what an adversary makes of the message.
    pub(super) fn corrupted(
        self,
        machine: &mut M,
        cx: &mut Cx<'_>,
        receive: impl FnOnce(M::Message) -> Vec<(M::Peer, M::Message)>,
    ) -> Heard<M> {
        let (message, label, decoding) = match self.decode() {
            Ok(decoded) => decoded,
            Err(heard) => return heard,
        };
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
                let (message, label, decoding) = match incoming.decode() {
                    Ok(decoded) => decoded,
                    Err(heard) => return heard,
                };
                let (verified, checking) = timed(|| self.check.verify(&message));
                let Some(verified) = verified else {
                    let (step, handling) = timed(|| machine.handle_message(cx, from, message));
                    let took = decoding.saturating_add(handling);
                    return Heard { label, step: Some(step), took };
                };
                let cost = decoding.saturating_add(checking);
                self.shared.keep(Arc::clone(bytes), (label, verified.clone()), cost);
                ((label, verified), cost)
            }
        };
        let (step, handling) = timed(|| self.check.handle(machine, cx, from, verified));
        Heard { label, step: Some(step), took: cost.saturating_add(handling) }
    }
}
