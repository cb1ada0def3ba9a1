//! Votes: prepare, commit, decide.

use cosi::machine::{Cx, FaultKind, Index, To};

use super::{
    Event, Inner, Replica,
    catch_up::ends_batch,
    state::{Candidate, Certified, Link, Round, Verdict},
};
use crate::{
    message::{Decided, Message, Prepared, Wanted},
    record::Record,
    rules,
    statement::{Digest, Height, Kind, Lock, View},
    votes::{self, Command, Votes},
};

impl<V: Votes> Replica<V> {
    /// *Upon a whole body of the view's block*: have it validated.
    pub(super) fn upon_body(&mut self) -> Option<Inner<V>> {
        let digest = self.round.target().filter(|_| self.has_parent() && !self.round.waits())?;
        let candidate = self.round.candidates.get_mut(&digest)?;
        let body = candidate.assembly.body()?.to_bytes();
        if candidate.verdict != Verdict::Unasked {
            return None;
        }
        candidate.verdict = Verdict::Asked;
        let header = candidate.assembly.proposal.header.clone();
        Some(Inner::<V>::none().event(Event::Validate { digest, header, body }))
    }

    /// The application's answer. Late ones are let go.
    pub(super) fn validated(&mut self, digest: Digest, valid: bool) -> Inner<V> {
        let asked = |candidate: &&mut Candidate| candidate.verdict == Verdict::Asked;
        let Some(candidate) = self.round.candidates.get_mut(&digest).filter(asked) else {
            return Inner::<V>::none();
        };
        candidate.verdict = if valid { Verdict::Valid } else { Verdict::Invalid };
        let proposed = self.round.proposal.as_ref().is_some_and(|p| p.proposal.digest() == digest);
        if valid || !proposed || rules::required(self.round.new_view.as_ref()).is_some() {
            return Inner::<V>::none();
        }
        self.blame(self.leader(self.round.view), FaultKind::InvalidPayload, None)
    }

    /// *Upon a block's validity*: if it may be prepared, record the vote, send it to the leader.
    pub(super) fn upon_valid(&mut self, cx: &mut Cx<'_>) -> Option<Inner<V>> {
        let round = &mut self.round;
        let lock = Lock { view: round.view, digest: round.target()? };
        let (new_view, asked) = (round.new_view.as_ref(), round.asked_for());
        let candidate = round.candidates.get_mut(&lock.digest)?;
        let (whole, proposal) = (candidate.assembly.body(), &candidate.assembly.proposal);
        let first_view = proposal.header.first_view;
        if round.prepared == Some(lock)
            || candidate.verdict != Verdict::Valid
            || !rules::may_prepare(lock, first_view, new_view, asked, round.prepared)
        {
            return None;
        }
        let mut step = Inner::<V>::none();
        if !candidate.stored {
            step = step.record(Record::Body(proposal.clone(), whole?.clone()));
        }
        candidate.stored = true;
        round.prepared = Some(lock);
        let record = Record::VotedPrepare(round.height, lock.view, lock.digest);
        Some(step.record(record).and(self.cast(cx, Kind::Prepare, lock)))
    }

    /// Sends a vote that has been recorded.
    pub(super) fn cast(&mut self, cx: &mut Cx<'_>, kind: Kind, lock: Lock) -> Inner<V> {
        let statement = self.statement(kind, lock.view, lock.digest);
        let leader = self.leader(lock.view);
        self.vote(cx, Command::Vote { statement, leader })
    }

    /// Takes in what the votes came to. The collector tells all.
    pub(super) fn on_certified(&mut self, event: votes::Event<V::Certificate>) -> Inner<V> {
        let votes::Event::Certified { statement, certificate } = event;
        let (height, lock) =
            (statement.height, Lock { view: statement.view, digest: statement.digest });
        if (statement.scope(), height) != (self.config.scope(), self.round.height) {
            return Inner::<V>::none();
        }
        match statement.kind {
            Kind::Prepare => {
                let prepared = Prepared { height, lock, certificate };
                self.round.held.entry(lock.view).or_insert_with(|| prepared.clone());
                Inner::<V>::none().send(To::All, Message::Prepared(prepared))
            }
            Kind::Commit => {
                self.round.certified = Some(Certified { lock, certificate, mine: true });
                Inner::<V>::none()
            }
            Kind::Proposal | Kind::ViewChange | Kind::Body => Inner::<V>::none(),
        }
    }

    /// Takes in a prepare certificate.
    pub(super) fn on_prepared(
        &mut self,
        from: Index,
        prepared: Prepared<V::Certificate>,
    ) -> Inner<V> {
        if let Some(step) = self.elsewhere(from, prepared.height) {
            return step;
        }
        self.round.held.entry(prepared.lock.view).or_insert(prepared);
        Inner::<V>::none()
    }

    /// *Upon PC(h,v,d)* of this view or an earlier one, the highest so far: record it as that.
    pub(super) fn upon_prepared(&mut self) -> Option<Inner<V>> {
        let view = self.round.view;
        let (_, highest) = self.round.held.range(..=view).next_back()?;
        if self.round.high.is_some_and(|high| high.view >= highest.lock.view) {
            return None;
        }
        self.round.high = Some(highest.lock);
        Some(Inner::<V>::none().record(Record::HighPc(highest.clone())))
    }

    /// *Upon PC(h,v,d) of this view*: if that may be committed, record the vote, send it.
    pub(super) fn upon_committable(&mut self, cx: &mut Cx<'_>) -> Option<Inner<V>> {
        let round = &mut self.round;
        let lock = round.held.get(&round.view)?.lock;
        if round.committed == Some(lock)
            || !rules::may_commit(lock, round.view, round.asked_for(), round.committed)
        {
            return None;
        }
        round.committed = Some(lock);
        let record = Record::VotedCommit(round.height, lock.view, lock.digest);
        let mut step = Inner::<V>::none().record(record);
        if self.leads(lock.view) {
            step = step.and(self.open(cx, Kind::Commit, lock));
        }
        Some(step.and(self.cast(cx, Kind::Commit, lock)))
    }

    /// Takes in a decision without its body.
    pub(super) fn on_decided(&mut self, from: Index, decided: Decided<V::Certificate>) -> Inner<V> {
        let height = decided.proposal.header.height;
        if height < self.round.height {
            return Inner::<V>::none();
        }
        if let Some(step) = self.elsewhere(from, height) {
            return step;
        }
        let away = self.round.proposal.is_none() && self.round.held.is_empty();
        let Decided { proposal, view, certificate } = decided;
        let lock = Lock { view, digest: proposal.digest() };
        self.round.certified = Some(Certified { lock, certificate, mine: false });
        self.admit(lock.digest, proposal, self.round.view);
        let step = Inner::<V>::none();
        if !away || !ends_batch(height) {
            return step;
        }
        step.send(To::One(from), Message::Pull(Wanted::Decisions(height.next())))
    }

    /// *Upon CC(h,·,d)*, whatever the view: record it, begin h + 1.
    pub(super) fn upon_certified(&mut self, cx: &mut Cx<'_>) -> Option<Inner<V>> {
        let digest = self.round.certified.as_ref()?.lock.digest;
        let bodies_out = self.chain.tip.get().saturating_sub(self.chain.applied.get());
        if bodies_out >= self.history() || !self.round.candidates.contains_key(&digest) {
            return None;
        }
        let Certified { lock, certificate, mine } = self.round.certified.take()?;
        let Candidate { assembly, stored, .. } = self.round.candidates.remove(&lock.digest)?;
        let proposal = assembly.proposal.clone();
        let decided = Decided { proposal, view: lock.view, certificate: certificate.clone() };
        let step = Inner::<V>::none().record(Record::Decided(decided.clone()));
        let step = if mine { step.send(To::All, Message::Decided(decided)) } else { step };
        self.extend(Link { assembly, view: lock.view, certificate, stored }, lock.digest);
        let before = (self.round.height, View::ZERO);
        Some(step.and(self.vote(cx, Command::Drop { before })))
    }

    /// Puts a decided block on the chain and begins the next height.
    pub(super) fn extend(&mut self, link: Link<V::Certificate>, digest: Digest) {
        let (height, next) = (self.round.height, self.round.height.next());
        self.round = Round::new(next, digest, link.assembly.proposal.header.next_start);
        self.chain.tip = height;
        self.chain.links.insert(height, link);
        self.forget();
        self.ahead.retain(|_, claimed| *claimed > next);
        self.pull = None;
    }

    /// *Upon a decided block's body, the blocks below being given*: give it.
    pub(super) fn upon_applicable(&mut self) -> Option<Inner<V>> {
        let height = self.chain.applied.next();
        let link = self.chain.links.get_mut(&height)?;
        let decision = link.decision()?;
        let mut step = Inner::<V>::none();
        if !link.stored
            && let Some(body) = link.assembly.body()
        {
            step = step.record(Record::Body(link.assembly.proposal.clone(), body.clone()));
        }
        link.stored = true;
        self.chain.applied = height;
        self.forget();
        let crate::block::Decision { block, view, certificate } = decision;
        Some(step.event(Event::Decided { block, view, certificate }))
    }

    /// Keeps the last decided blocks, and those that have not been given.
    fn forget(&mut self) {
        let keep = self.chain.tip.get().saturating_sub(self.history());
        let first = Height::new(keep.min(self.chain.applied.get())).next();
        self.chain.links = self.chain.links.split_off(&first);
    }

    pub(super) fn history(&self) -> u64 {
        u64::try_from(self.config.limits.history.max(1)).unwrap_or(u64::MAX)
    }
}
