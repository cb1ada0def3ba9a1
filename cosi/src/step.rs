//! The whole consequence of one input: records first, then messages, events and faults.

use alloc::vec::Vec;
use core::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    domain::Domain,
    keys::Signature,
    roster::Index,
    wire::{BoundedBytes, BoundedVec},
};

/// Everything one input brought about.
///
/// Holds messages back until the records are out: see [`Step::into_records`]. There is no other way
/// to them:
///
/// ```compile_fail,E0616
/// # use cosi::machine::Step;
/// fn send(step: Step<u8, (), u8, u8>) {
///     let messages = step.output.messages;
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a step holds messages to send; store its records, then release it"]
pub struct Step<M, E, R = Infallible, P = Index> {
    records: Vec<R>,
    output: Output<M, E, P>,
}

/// A step's output, waiting for its records to be durable.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "release it once the records are durable"]
pub struct Held<M, E, P = Index>(Output<M, E, P>);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub struct Output<M, E, P = Index> {
    /// Messages to send, in order.
    pub messages: Vec<(To<P>, M)>,
    /// News for the application, in order.
    pub events: Vec<E>,
    /// Misbehaviour seen. One machine reports at most one for each peer and kind.
    pub faults: Vec<Fault<P>>,
}

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To<P> {
    /// Every other peer of the machine that speaks.
    All,
    /// One peer.
    One(P),
    /// These peers.
    Some(Vec<P>),
}

/// Something a peer did that no correct peer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<P> {
    /// Who did it.
    pub culprit: P,
    /// What rule it broke.
    pub kind: FaultKind,
    /// What convinces others. `None`: only the channel's word for who spoke.
    pub evidence: Option<Evidence>,
}

/// The rule that a peer broke. The domain of the [`Evidence`] says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// Delivered bytes that are no message.
    Malformed,
    /// Delivered a statement whose signature does not hold.
    BadSignature,
    /// Spoke out of turn.
    WrongRole,
    /// Signed two different things in one slot.
    Equivocation,
    /// Signed a response, share or proof that does not hold.
    InvalidProof,
    /// Proposed what the application refuses.
    InvalidPayload,
}

impl FaultKind {
    /// The kind in words, for tables and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadSignature => "bad_signature",
            Self::WrongRole => "wrong_role",
            Self::Equivocation => "equivocation",
            Self::InvalidProof => "invalid_proof",
            Self::InvalidPayload => "invalid_payload",
        }
    }
}

/// What a culprit signed: proof of its fault to anyone who has the roster.
///
/// The crate that owns `domain` has `verify(&Evidence, &Roster)`. At most 262,436 bytes encoded.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Evidence {
    /// What the statements are about.
    pub domain: Domain,
    /// The statements that contradict one another, or a rule.
    pub statements: BoundedVec<Signed, 4>,
}

/// The longest statement in evidence, in bytes.
pub const MAX_SIGNED: usize = 65_536;

/// A statement as it was signed. The domain of its [`Evidence`] tells under which domain, which
/// may be another.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed {
    /// The encoded statement.
    pub statement: BoundedBytes<MAX_SIGNED>,
    /// The culprit's signature.
    pub signature: Signature,
}

impl<M, E, R, P> Step<M, E, R, P> {
    /// The step that changes nothing.
    pub const fn none() -> Self {
        let output = Output { messages: Vec::new(), events: Vec::new(), faults: Vec::new() };
        Self { records: Vec::new(), output }
    }

    /// Adds a record.
    pub fn record(mut self, record: R) -> Self {
        self.records.push(record);
        self
    }

    /// Adds a message.
    pub fn send(mut self, to: To<P>, message: M) -> Self {
        self.output.messages.push((to, message));
        self
    }

    /// Adds an event.
    pub fn event(mut self, event: E) -> Self {
        self.output.events.push(event);
        self
    }

    /// Adds a fault.
    pub fn fault(mut self, fault: Fault<P>) -> Self {
        self.output.faults.push(fault);
        self
    }

    /// Takes over a child's records, messages and faults.
    ///
    /// Returns the child's events. The parent handles them in the same handler.
    #[must_use = "a child's events are its parent's to handle"]
    pub fn absorb<ChildMessage, ChildEvent, ChildRecord>(
        &mut self,
        child: Step<ChildMessage, ChildEvent, ChildRecord, P>,
        map_message: impl Fn(ChildMessage) -> M,
        map_record: impl Fn(ChildRecord) -> R,
    ) -> Vec<ChildEvent> {
        let Output { messages, events, faults } = child.output;
        self.records.extend(child.records.into_iter().map(map_record));
        self.output.messages.extend(messages.into_iter().map(|(to, m)| (to, map_message(m))));
        self.output.faults.extend(faults);
        events
    }

    /// The step in a parent's names for peers: `one` names a peer, `all` are those that
    /// [`To::All`] stands for.
    pub fn map_peers<Q>(self, one: impl Fn(P) -> Q, all: impl Fn() -> Vec<Q>) -> Step<M, E, R, Q> {
        let Output { messages, events, faults } = self.output;
        let to = |to| match to {
            To::All => To::Some(all()),
            To::One(peer) => To::One(one(peer)),
            To::Some(peers) => To::Some(peers.into_iter().map(&one).collect()),
        };
        let fault =
            |Fault { culprit, kind, evidence }| Fault { culprit: one(culprit), kind, evidence };
        let output = Output {
            messages: messages.into_iter().map(|(peers, message)| (to(peers), message)).collect(),
            events,
            faults: faults.into_iter().map(fault).collect(),
        };
        Step { records: self.records, output }
    }

    /// Keeps the faults that pass: a parent of several children reports none twice.
    pub fn retain_faults(mut self, keep: impl FnMut(&Fault<P>) -> bool) -> Self {
        self.output.faults.retain(keep);
        self
    }

    /// Takes over another step of the same machine, after this one.
    pub fn and(mut self, next: Self) -> Self {
        self.records.extend(next.records);
        self.output.messages.extend(next.output.messages);
        self.output.events.extend(next.output.events);
        self.output.faults.extend(next.output.faults);
        self
    }

    /// Splits off the records. Make them durable, all or none, before [`Held::release`].
    pub fn into_records(self) -> (Vec<R>, Held<M, E, P>) {
        (self.records, Held(self.output))
    }
}

impl<M, E, P> Held<M, E, P> {
    /// The output. Call this only once the step's records are durable.
    pub fn release(self) -> Output<M, E, P> {
        self.0
    }
}
