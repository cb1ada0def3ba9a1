//! Catching up: answer who is behind, ask for what is lacking.

use alloc::vec::Vec;

use cosi::{
    machine::{Cx, FaultKind, Index, Step, Time, To},
    mask::Mask,
};

use super::{Event, Inner, Replica, state::Link};
use crate::{
    block::{Assembly, Chunk},
    message::{Message, MessageOf, Wanted},
    rules,
    statement::{Digest, Height, Kind, View},
    votes::Votes,
};

/// The most decisions in one answer.
const BATCH: u64 = 8;
/// The most decided blocks whose bodies are asked for at once.
const BODIES: usize = 2;

/// When to ask for what is lacking, and how often that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pull {
    pub(super) at: Time,
    attempt: u32,
}

/// Whether an answer stops after the decision at this height.
pub(super) const fn ends_batch(height: Height) -> bool {
    height.next().get().is_multiple_of(BATCH)
}

impl<V: Votes> Replica<V> {
    /// Whether the message says nothing that is not known, so that checking it is no use.
    pub(super) fn knows(&self, message: &MessageOf<V>) -> bool {
        let round = &self.round;
        match message {
            Message::Propose(propose) => round.proposal.as_ref() == Some(propose),
            Message::Prepared(prepared) => {
                prepared.height == round.height
                    && round.held.get(&prepared.lock.view).is_some_and(|h| h.lock == prepared.lock)
            }
            Message::Decided(decided) => decided.proposal.header.height < round.height,
            Message::ViewChange(change) => {
                let signer = self.config.roster.index(change.change.signer);
                signer.and_then(|signer| round.changes.get(&signer)) == Some(change)
            }
            Message::NewView(new_view) => {
                new_view.height == round.height && new_view.view <= round.view
            }
            Message::Content(_) | Message::Chunk { .. } | Message::Votes(_) | Message::Pull(_) => {
                false
            }
        }
    }

    /// *Upon traffic of a decided height*: answer with its CC. *Of a later height*: ask for the
    /// decisions. `None`: it is of this height.
    pub(super) fn elsewhere(&mut self, from: Index, height: Height) -> Option<Inner<V>> {
        if height == self.round.height {
            return None;
        }
        if height < self.round.height {
            let decided = self.chain.links.get(&height).map(|link| link.decided());
            let answer =
                decided.map(|d| Inner::<V>::none().send(To::One(from), Message::Decided(d)));
            return Some(answer.unwrap_or(Inner::<V>::none()));
        }
        // Asked at once when the claim is news, or else two members could echo for ever.
        if self.ahead.get(&from).is_some_and(|claimed| *claimed >= height) {
            return Some(Inner::<V>::none());
        }
        self.ahead.insert(from, height);
        let wanted = Message::Pull(Wanted::Decisions(self.round.height));
        Some(self.is_behind().send(To::One(from), wanted))
    }

    /// Tells the application, once a height, when an honest member is beyond all history.
    fn is_behind(&mut self) -> Inner<V> {
        let roster = &self.config.roster;
        let reachable = Height::new(self.round.height.get().saturating_add(self.history()));
        let weighty = |height: &&Height| {
            let beyond = self.ahead.iter().filter(|(_, claimed)| claimed >= height);
            let members = Mask::of(roster.size(), beyond.map(|(index, _)| index.get()));
            roster.weight_of(&members) > roster.faulty()
        };
        let highest = self.ahead.values().filter(weighty).max().copied();
        let Some(height) = highest.filter(|height| *height > reachable) else {
            return Inner::<V>::none();
        };
        if self.behind.replace(self.round.height) == Some(self.round.height) {
            return Inner::<V>::none();
        }
        Inner::<V>::none().event(Event::Behind { height })
    }

    /// Answers who lacks something.
    pub(super) fn on_pull(&mut self, from: Index, wanted: Wanted) -> Inner<V> {
        let to = To::One(from);
        let none = Inner::<V>::none();
        match wanted {
            Wanted::Decisions(first) => self.show_decisions(from, first),
            Wanted::NewView(height, view) => {
                let Some(step) = self.elsewhere(from, height) else {
                    let helps = self.round.view >= view;
                    return if helps { self.show_new_view(from) } else { none };
                };
                step
            }
            Wanted::Proposal(height, view) => {
                if let Some(step) = self.elsewhere(from, height) {
                    return step;
                }
                let known = self.round.proposal.clone().filter(|known| known.view == view);
                let Some(propose) = known else { return self.show_new_view(from) };
                none.send(to, Message::Propose(propose))
            }
            Wanted::Content(height, digest) => {
                let Some(assembly) = self.assembly(height, digest) else { return none };
                let proposal = assembly.proposal.clone();
                none.send(to, Message::Content(proposal))
            }
            Wanted::Certificate(height, view) => {
                if let Some(step) = self.elsewhere(from, height) {
                    return step;
                }
                let Some(prepared) = self.round.held.get(&view).cloned() else { return none };
                none.send(to, Message::Prepared(prepared))
            }
            Wanted::Chunks(height, digest, places) => {
                let Some(assembly) = self.assembly(height, digest) else { return none };
                let chunks = places.iter().filter_map(|index| assembly.chunk(*index)).cloned();
                chunks.fold(none, |step, chunk| {
                    step.send(to.clone(), Message::Chunk { height, digest, chunk })
                })
            }
        }
    }

    /// The decisions from `first` on, up to where a batch ends; after the last one, what goes on
    /// above it. Who asks for what is forgotten learns how far the chain is.
    fn show_decisions(&self, to: Index, first: Height) -> Inner<V> {
        let none = Inner::<V>::none();
        let show = |step: Inner<V>, link: &Link<V::Certificate>| {
            step.send(To::One(to), Message::Decided(link.decided()))
        };
        let oldest = self.chain.links.first_key_value().map(|(height, _)| *height);
        if oldest.is_some_and(|oldest| first < oldest) {
            return self.chain.links.values().next_back().map_or(none, |l| show(Step::none(), l));
        }
        let (mut last, mut step) = (first.before(), none);
        for (height, link) in self.chain.links.range(first..) {
            last = *height;
            step = show(step, link);
            if ends_batch(*height) {
                break;
            }
        }
        if last != self.chain.tip {
            return step;
        }
        let step = step.and(self.show_new_view(to));
        match self.round.proposal.clone() {
            Some(propose) => step.send(To::One(to), Message::Propose(propose)),
            None => step,
        }
    }

    fn assembly(&mut self, height: Height, digest: Digest) -> Option<&mut Assembly> {
        if height == self.round.height {
            return self.round.candidates.get_mut(&digest).map(|kept| &mut kept.assembly);
        }
        let link = self.chain.links.get_mut(&height).map(|link| &mut link.assembly);
        link.filter(|assembly| assembly.proposal.digest() == digest)
    }

    /// Takes in a part of a body that is wanted, and asks for the next parts.
    pub(super) fn on_chunk(
        &mut self,
        from: Index,
        height: Height,
        digest: Digest,
        chunk: Chunk,
    ) -> Inner<V> {
        let Some(assembly) = self.assembly(height, digest) else {
            return Inner::<V>::none(); // late, early, or nobody's block
        };
        let waited = !assembly.asked.is_empty();
        if !assembly.add(chunk) {
            return self.blame(from, FaultKind::InvalidProof, None);
        }
        let missing = assembly.missing();
        if !waited || !assembly.asked.is_empty() || missing.is_empty() {
            return Inner::<V>::none();
        }
        assembly.asked = missing.to_vec();
        let wanted = Wanted::Chunks(height, digest, missing);
        Inner::<V>::none().send(To::One(from), Message::Pull(wanted))
    }

    /// What is lacking, and who surely had it. Nobody named: the leader, then all others in turn.
    fn lacking(&self) -> Vec<(Wanted, Vec<Index>)> {
        let (round, height) = (&self.round, self.round.height);
        let mut wanted = Vec::new();
        if !self.ahead.is_empty() || round.committed.is_some_and(|vote| vote.view == round.view) {
            wanted.push(Wanted::Decisions(height));
        }
        let highest = round.held.last_key_value().map_or(View::ZERO, |(view, _)| *view);
        let sought = if round.timer.is_some() { round.reached() } else { round.view }.max(highest);
        if sought > round.view {
            wanted.push(Wanted::NewView(height, sought));
        }
        if round.timer.is_some() && !round.waits() && round.target().is_none() {
            wanted.push(Wanted::Proposal(height, round.view));
        }
        let unheld = !round.held.contains_key(&round.view);
        if unheld && round.prepared.is_some_and(|vote| vote.view == round.view) {
            wanted.push(Wanted::Certificate(height, round.view));
        }
        let certified = round.certified.as_ref().map(|certified| certified.lock.digest);
        if let Some(digest) = certified.or_else(|| round.target()) {
            match round.candidates.get(&digest).map(|kept| kept.assembly.missing()) {
                None => wanted.push(Wanted::Content(height, digest)),
                Some(missing) if missing.is_empty() => (),
                Some(missing) => wanted.push(Wanted::Chunks(height, digest, missing)),
            }
        }
        for (height, link) in self.chain.links.range(self.chain.applied.next()..).take(BODIES) {
            let (missing, digest) = (link.assembly.missing(), link.assembly.proposal.digest());
            if !missing.is_empty() {
                wanted.push(Wanted::Chunks(*height, digest, missing));
            }
        }
        let anyone = wanted.into_iter().map(|wanted| (wanted, Vec::new()));
        anyone.chain(self.unseen()).collect()
    }

    /// Sees to it that what is lacking is asked for.
    pub(super) fn schedule_pull(&mut self, cx: &Cx<'_>) {
        let lacks = !self.lacking().is_empty();
        let first = || Pull { at: cx.now().after(self.config.timing.pull_after), attempt: 0 };
        self.pull = lacks.then(|| self.pull.unwrap_or_else(first));
    }

    /// *Upon lacking something for δ*: ask for it, and repeat what others may lack.
    pub(super) fn on_pull_due(&mut self, cx: &mut Cx<'_>) -> Inner<V> {
        let Some(Pull { attempt, .. }) = self.pull else { return Inner::<V>::none() };
        let mut step = self.repeat(cx);
        for (wanted, namers) in self.lacking() {
            let Some(target) = self.target(attempt, &namers) else { continue };
            if let Wanted::Chunks(height, digest, missing) = &wanted
                && let Some(assembly) = self.assembly(*height, *digest)
            {
                assembly.asked = missing.to_vec();
            }
            step = step.send(To::One(target), Message::Pull(wanted));
        }
        // Everybody has been asked once before the pace slackens.
        let members = u32::try_from(self.config.roster.size()).unwrap_or(u32::MAX);
        let laps = View::new(attempt.checked_div(members).unwrap_or_default());
        let timing = &self.config.timing;
        let wait = rules::view_timeout(timing.pull_after, timing.longest_timeout, laps);
        self.pull = Some(Pull { at: cx.now().after(wait), attempt: attempt.saturating_add(1) });
        step
    }

    /// Whom to ask.
    fn target(&self, attempt: u32, namers: &[Index]) -> Option<Index> {
        let me = self.config.me;
        let others: Vec<Index> = if namers.is_empty() {
            self.config.roster.indices().filter(|index| *index != me).collect()
        } else {
            namers.iter().copied().filter(|index| *index != me).collect()
        };
        let leader = self.leader(self.round.reached());
        if namers.is_empty() && attempt == 0 && leader != me {
            return Some(leader);
        }
        let turn = usize::try_from(attempt).ok()?.saturating_add(usize::from(me.get()));
        others.get(turn.checked_rem(others.len())?).copied()
    }

    /// Says again what this member said in this view, and what it collected as its leader.
    pub(super) fn repeat(&mut self, cx: &mut Cx<'_>) -> Inner<V> {
        let (view, mut step) = (self.round.view, Inner::<V>::none());
        if self.round.waits() {
            return step;
        }
        let held = self.round.held.get(&view).cloned();
        if self.leads(view) {
            if let Some(prepared) = held.clone() {
                step = step.and(self.open(cx, Kind::Commit, prepared.lock));
                step = step.send(To::All, Message::Prepared(prepared));
            } else {
                step = step.and(self.open_required(cx));
                if let Some(own) = self.round.own.filter(|own| own.view == view) {
                    step = step.and(self.open(cx, Kind::Prepare, own));
                }
                if let Some(propose) = self.round.proposal.clone() {
                    step = step.send(To::All, Message::Propose(propose));
                }
            }
        }
        let in_view = |vote: &crate::statement::Lock| vote.view == view;
        if let Some(vote) = self.round.prepared.filter(in_view).filter(|_| held.is_none()) {
            step = step.and(self.cast(cx, Kind::Prepare, vote));
        }
        if let Some(vote) = self.round.committed.filter(in_view) {
            step = step.and(self.cast(cx, Kind::Commit, vote));
        }
        step
    }

    /// What a member that was away says first: where it is, and how its view was opened.
    pub(super) fn announce(&self) -> Inner<V> {
        let wanted = Message::Pull(Wanted::Decisions(self.round.height));
        let step = Inner::<V>::none().send(To::All, wanted);
        match self.round.new_view.clone().filter(|_| self.leads(self.round.view)) {
            Some(new_view) => step.send(To::All, Message::NewView(new_view)),
            None => step,
        }
    }
}
