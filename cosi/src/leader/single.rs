//! How a leader has a statement signed by each alone, where collective attempts get it nowhere.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use super::{
    Config, Event, Leader, Step,
    desk::Desk,
    open::{Open, patience},
};
use crate::{
    certificate::{self, Certificate},
    keys::Signature,
    machine::{Cx, FaultKind, Index, Time, To},
    mask::Mask,
    message::{Message, Poll, Said, Single, StatementBytes},
    signature::Mode,
};

/// The single signatures of a session.
#[derive(Debug)]
pub(super) struct Singles {
    /// When to ask for them, and how long to wait after that.
    due: Time,
    pause: Duration,
    /// One slot for each member, the leader among them from the first poll on.
    signatures: BTreeMap<Index, Signature>,
    /// The weight of who signed.
    weight: u64,
}

impl Singles {
    /// None as yet. Raw mode has no such certificate.
    pub(super) fn new(desk: &Desk, now: Time) -> Option<Self> {
        let Config { mode, timing, .. } = &desk.config;
        let after = timing.individual.filter(|_| *mode == Mode::Accountable)?;
        let (signatures, pause) = (BTreeMap::new(), patience(desk));
        Some(Self { due: now.after(after), pause, signatures, weight: 0 })
    }

    /// When to ask for them.
    pub(super) const fn due(&self) -> Time {
        self.due
    }

    fn keep(&mut self, desk: &Desk, member: Index, signature: Signature) {
        if self.signatures.insert(member, signature).is_none() {
            let weight = desk.config.roster.member(member).map_or(0, |member| member.weight);
            self.weight = self.weight.saturating_add(weight.into());
        }
    }
}

impl Leader {
    /// A member signs alone.
    pub(super) fn single(&mut self, cx: &Cx<'_>, member: Index, single: &Single) -> Step {
        let Some(open) = self.sessions.get_mut(&single.statement) else { return Step::none() };
        let step = open.single(&mut self.desk, cx.now(), member, single.signature);
        self.swept(step)
    }
}

impl Open {
    /// Asks all who have neither signed alone nor declined, if it is time to.
    pub(super) fn poll(&mut self, desk: &mut Desk, now: Time) -> Step {
        let Some(singles) = self.singles.as_mut().filter(|singles| singles.due <= now) else {
            return Step::none();
        };
        let Config { roster, me, key, .. } = &desk.config;
        singles.due = now.after(singles.pause);
        singles.pause = singles.pause.saturating_mul(2);
        singles.keep(desk, *me, certificate::sign(key, &roster.id(), &self.statement));
        let missing = |i: &Index| !singles.signatures.contains_key(i) && !self.declined.contains(i);
        let missing: Vec<_> = roster.indices().filter(missing).collect();
        let poll = Said::new(key, Poll { session: self.session.clone() });
        let poll = Message::Poll(poll, StatementBytes::clone(&self.statement));
        Step::none().send(To::Some(missing), poll).and(self.count(desk, now))
    }

    /// Takes in what a member was asked for.
    fn single(&mut self, desk: &mut Desk, now: Time, member: Index, signature: Signature) -> Step {
        let polled = self.singles.as_mut().filter(|singles| !singles.signatures.is_empty());
        let Some(singles) = polled else { return Step::none() };
        if singles.signatures.contains_key(&member) {
            return Step::none();
        }
        let roster = &desk.config.roster;
        if !certificate::verify_single(roster, member, &self.statement, &signature) {
            return desk.blame(member, FaultKind::BadSignature, None);
        }
        singles.keep(desk, member, signature);
        self.count(desk, now)
    }

    /// The statement is signed if the policy accepts those who signed alone. Nobody else counts.
    fn count(&mut self, desk: &mut Desk, now: Time) -> Step {
        let roster = desk.config.roster.clone();
        let enough = |singles: &&Singles| {
            let members = || Mask::of(roster.size(), singles.signatures.keys().map(|i| i.get()));
            singles.weight >= self.policy.least(&roster)
                && self.policy.accepts(&roster, &members()) == Ok(true)
        };
        let Some(singles) = self.singles.as_ref().filter(enough) else { return Step::none() };
        let signatures = singles.signatures.iter().map(|(member, of)| (*member, *of));
        let certificate = Certificate::individual(&roster, signatures);
        let Some(certificate) = certificate else { return Step::none() };
        let absent = |i: &Index| !certificate.signers().contains(i.get());
        let absent: Vec<_> = roster.indices().filter(absent).collect();
        self.end(desk, now, None, &absent);
        let (digest, statement) = (self.session.statement, self.statement.to_vec());
        Step::none().event(Event::Individual { digest, statement, certificate, absent })
    }
}
