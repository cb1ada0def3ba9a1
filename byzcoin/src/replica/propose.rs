//! Proposals: a leader makes one, members take them in.

use cosi::{
    machine::{Cx, FaultKind, Index, To},
    wire::BoundedBytes,
};

use super::{Error, Event, Inner, Replica, state::Candidate, state::Verdict};
use crate::{
    block::{App, Body, Header, MAX_BODY, Proposal},
    evidence,
    message::{Message, Propose, Wanted},
    record::Record,
    rules,
    statement::{Height, Kind, Lock, View},
    votes::{Command, Votes},
};

impl<V: Votes> Replica<V> {
    /// *Upon payload, or a proposal, in view 0*: start T_0.
    pub(super) fn upon_work(&mut self, cx: &Cx<'_>) -> Option<Inner<V>> {
        let round = &mut self.round;
        let proposed = round.proposal.is_some() || round.prepared.is_some();
        let works = round.pending || proposed || !round.held.is_empty();
        if round.view > View::ZERO || round.waits() || round.timer.is_some() || !works {
            return None;
        }
        let first = self.config.timing.first_timeout;
        round.timer = Some(cx.now().after(first));
        round.half = Some(cx.now().after(first.checked_div(2).unwrap_or(first)));
        self.pull = None; // what was asked for while nothing was at stake has slackened its pace
        Some(Inner::<V>::none())
    }

    /// *Upon half of T_0 with payload still pending*: have it forwarded to all.
    pub(super) fn on_half(&mut self) -> Inner<V> {
        self.round.half = None;
        Inner::<V>::none().event(Event::Forward)
    }

    /// *Upon one's turn*, in view 0 with payload or under a free NV: ask the application.
    pub(super) fn upon_turn(&mut self) -> Option<Inner<V>> {
        let (height, view) = (self.round.height, self.round.view);
        let wanted = self.round.pending || view > View::ZERO;
        if !self.may_propose() || self.has_proposed() || !wanted || self.round.asked == Some(view) {
            return None;
        }
        self.round.asked = Some(view);
        let parent = self.round.parent;
        Some(Inner::<V>::none().event(Event::Propose { height, view, parent }))
    }

    /// The application's answer: record it as one's own, sign it, send it, open the votes.
    pub(super) fn propose(
        &mut self,
        cx: &mut Cx<'_>,
        height: Height,
        view: View,
        app: App,
        body: &BoundedBytes<MAX_BODY>,
    ) -> Result<Inner<V>, Error> {
        let too_long = Error::TooLong(body.len());
        let body = Body::new(body).ok_or(too_long)?;
        if body.size() > self.max_body() {
            return Err(too_long);
        }
        if (height, view) != (self.round.height, self.round.view) || !self.may_propose() {
            return Err(Error::NotAsked { height, view });
        }
        let header = Header {
            parent: self.round.parent,
            height,
            first_view: view,
            next_roster: self.config.roster.id(),
            next_start: self.next_start(view),
            app,
        };
        let proposal = Proposal::new(header, &body);
        let lock = Lock { view, digest: proposal.digest() };
        if self.round.own == Some(lock) {
            return Ok(Inner::<V>::none());
        }
        if self.has_proposed() {
            return Err(Error::AlreadyProposed);
        }
        let mut candidate = Candidate::new(proposal.clone(), view);
        candidate.assembly = crate::block::Assembly::whole(proposal.clone(), body.clone());
        (candidate.verdict, candidate.stored) = (Verdict::Valid, true);
        self.round.candidates.insert(lock.digest, candidate);
        let stored = Inner::<V>::none().record(Record::Body(proposal.clone(), body.clone()));
        let chunks = body.chunks().iter().cloned();
        let spread = chunks.fold(self.put_forward(view, proposal), |step, chunk| {
            step.send(To::All, Message::Chunk { height, digest: lock.digest, chunk })
        });
        Ok(stored.and(spread).and(self.open(cx, Kind::Prepare, lock)))
    }

    /// *Upon one's turn under an NV that requires a block*: propose that.
    pub(super) fn upon_required(&mut self) -> Option<Inner<V>> {
        let view = self.round.view;
        let required = rules::required(self.round.new_view.as_ref())?;
        if !self.leads(view) || self.round.waits() || self.has_proposed() {
            return None;
        }
        let proposal = self.round.candidates.get(&required)?.assembly.proposal.clone();
        Some(self.put_forward(view, proposal))
    }

    /// Records the proposal as one's own and sends it, signed.
    fn put_forward(&mut self, view: View, proposal: Proposal) -> Inner<V> {
        self.round.own = Some(Lock { view, digest: proposal.digest() });
        let record = Record::OwnProposal(view, proposal.clone());
        let propose = self.signed(view, proposal);
        self.round.proposal = Some(propose.clone());
        Inner::<V>::none().record(record).send(To::All, Message::Propose(propose))
    }

    /// An own proposal, as it is sent.
    pub(super) fn signed(&self, view: View, proposal: Proposal) -> Propose<V::Signature> {
        let statement = self.statement(Kind::Proposal, view, proposal.digest());
        let signature = self.votes.sign(&statement);
        Propose { view, proposal, signer: self.config.me.get(), signature }
    }

    /// Has the votes on the statement collected here.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>, kind: Kind, lock: Lock) -> Inner<V> {
        let statement = self.statement(kind, lock.view, lock.digest);
        self.vote(cx, Command::Open { statement })
    }

    /// Takes in a leader's proposal.
    pub(super) fn on_propose(&mut self, from: Index, propose: Propose<V::Signature>) -> Inner<V> {
        if let Some(step) = self.elsewhere(from, propose.proposal.header.height) {
            return step;
        }
        if propose.view > self.round.view {
            let wanted = Wanted::NewView(self.round.height, propose.view);
            return Inner::<V>::none().send(To::One(from), Message::Pull(wanted));
        }
        if propose.view < self.round.view {
            return self.show_new_view(from);
        }
        let leader = self.leader(propose.view);
        if propose.signer != leader.get() {
            let signer = self.config.roster.index(propose.signer).unwrap_or(from);
            return self.blame(signer, FaultKind::WrongRole, None);
        }
        let digest = propose.proposal.digest();
        if let Some(first) = &self.round.proposal {
            if first.proposal == propose.proposal {
                return Inner::<V>::none();
            }
            let scope = self.config.scope();
            let statements = [first, &propose]
                .map(|said| Some((said.statement(&scope), V::plain(&said.signature)?)));
            let [first, second] = statements;
            let proof =
                first.zip(second).and_then(|(a, b)| evidence::contradiction(leader, [a, b]));
            return self.blame(leader, FaultKind::Equivocation, proof);
        }
        let required = rules::required(self.round.new_view.as_ref());
        if required != Some(digest) && !self.extends(&propose.proposal, propose.view) {
            return self.blame(leader, FaultKind::InvalidPayload, None);
        }
        let (view, proposal) = (propose.view, propose.proposal.clone());
        self.round.proposal = Some(propose);
        self.admit(digest, proposal, view);
        Inner::<V>::none()
    }

    /// Takes in a header that a certificate or a new view names.
    pub(super) fn on_content(&mut self, proposal: Proposal) -> Inner<V> {
        let digest = proposal.digest();
        let certified = self.round.certified.as_ref().map(|certified| certified.lock.digest);
        if self.round.target() == Some(digest) || certified == Some(digest) {
            self.admit(digest, proposal, self.round.view);
        }
        Inner::<V>::none()
    }

    /// Keeps a block that may be decided at this height.
    pub(super) fn admit(
        &mut self,
        digest: crate::statement::Digest,
        proposal: Proposal,
        view: View,
    ) {
        let fresh = || Candidate::new(proposal, view);
        self.round.candidates.entry(digest).or_insert_with(fresh).view = view;
        let named = self.round.named();
        let limit = self.config.limits.candidates.max(1);
        while self.round.candidates.len() > limit {
            let spare = self.round.candidates.iter().filter(|(digest, _)| !named.contains(*digest));
            let Some(oldest) = spare.min_by_key(|(_, kept)| kept.view).map(|(digest, _)| *digest)
            else {
                return;
            };
            self.round.candidates.remove(&oldest);
        }
    }

    /// Whether a first proposal in `view` extends the decided chain as the rules have it.
    fn extends(&self, proposal: &Proposal, view: View) -> bool {
        let Header { parent, height, first_view, next_roster, next_start, app: _ } =
            &proposal.header;
        *parent == self.round.parent
            && *height == self.round.height
            && *next_roster == self.config.roster.id()
            && *first_view <= view
            && *next_start == self.next_start(*first_view)
            && proposal.size <= self.max_body()
            && proposal.names_a_body()
    }

    fn max_body(&self) -> u32 {
        self.config.limits.max_body.min(u32::try_from(MAX_BODY).unwrap_or(u32::MAX))
    }

    fn next_start(&self, first_view: View) -> u16 {
        let (members, rotation) = (self.config.roster.size(), self.config.rotation);
        rules::next_start(members, self.round.start, self.round.height, first_view, rotation)
    }

    /// Whether a block of the application's choice is this member's to propose.
    fn may_propose(&self) -> bool {
        let free = rules::required(self.round.new_view.as_ref()).is_none();
        self.leads(self.round.view) && free && !self.round.waits() && self.has_parent()
    }

    fn has_proposed(&self) -> bool {
        self.round.own.is_some_and(|own| own.view >= self.round.view)
    }
}
