//! View changes: ask for a view, gather who asks, enter.

use alloc::vec::Vec;

use cosi::{
    machine::{Cx, FaultKind, Index, To},
    mask::Mask,
    wire::BoundedVec,
};

use super::{Event, Inner, Replica};
use crate::{
    evidence,
    message::{Change, Message, NewView, ViewChange, Wanted},
    record::Record,
    rules,
    statement::{Kind, Lock, View},
    votes::{Command, Votes},
};

impl<V: Votes> Replica<V> {
    /// *Upon a timeout*: ask for the next view.
    pub(super) fn on_timer(&mut self, cx: &Cx<'_>) -> Inner<V> {
        let (reached, next) = (self.round.reached(), self.round.reached().next());
        if next == reached {
            self.round.timer = None; // there is no view after the last
            return Inner::<V>::none();
        }
        self.ask(cx, next)
    }

    /// Records that this member asks for `view`, naming its highest PC, and tells all.
    fn ask(&mut self, cx: &Cx<'_>, view: View) -> Inner<V> {
        let (height, lock) = (self.round.height, self.round.high);
        let statement = self.statement(Kind::ViewChange, view, Lock::digest(lock));
        let signature = self.votes.sign(&statement);
        let change = Change { signer: self.config.me.get(), lock, signature };
        let change = ViewChange { height, view, change };
        self.round.sent = Some(change.clone());
        self.round.changes.insert(self.config.me, change.clone());
        (self.round.timer, self.round.half) = (None, None);
        self.round.resend = Some((cx.now().after(self.config.timing.pull_after), 0));
        let step = Inner::<V>::none().record(Record::ViewChange(change.clone()));
        step.send(To::All, Message::ViewChange(change))
    }

    /// Says byte for byte again what it asked for, with back-off.
    pub(super) fn on_resend(&mut self, cx: &Cx<'_>) -> Inner<V> {
        let Some((sent, (_, times))) = self.round.sent.clone().zip(self.round.resend) else {
            return Inner::<V>::none();
        };
        let (times, timing) = (times.saturating_add(1), &self.config.timing);
        let (first, longest) = (timing.pull_after, timing.longest_timeout);
        let wait = rules::view_timeout(first, longest, View::new(times));
        self.round.resend = Some((cx.now().after(wait), times));
        Inner::<V>::none().send(To::All, Message::ViewChange(sent))
    }

    /// Takes in that a member asks for a view: the latest of each member.
    pub(super) fn on_view_change(
        &mut self,
        from: Index,
        change: ViewChange<V::Signature>,
    ) -> Inner<V> {
        if let Some(step) = self.elsewhere(from, change.height) {
            return step;
        }
        if change.view <= self.round.view {
            return self.show_new_view(from);
        }
        let Some(signer) = self.config.roster.index(change.change.signer) else {
            return Inner::<V>::none(); // verified under another roster
        };
        let known = self.round.changes.get(&signer).filter(|known| known.view >= change.view);
        let Some(known) = known else {
            self.round.changes.insert(signer, change);
            return Inner::<V>::none();
        };
        if known.view > change.view || known.change.lock == change.change.lock {
            return Inner::<V>::none();
        }
        let scope = self.config.scope();
        let [first, second] = [known, &change]
            .map(|said| Some((said.statement(&scope), V::plain(&said.change.signature)?)));
        let proof = first.zip(second).and_then(|(a, b)| evidence::contradiction(signer, [a, b]));
        self.blame(signer, FaultKind::Equivocation, proof)
    }

    /// *Upon view changes of weight ≥ f + 1 for views beyond this*: ask for the lowest of them.
    pub(super) fn upon_amplified(&mut self, cx: &Cx<'_>) -> Option<Inner<V>> {
        let reached = self.round.reached();
        if self.asking(|view| view > reached) <= self.config.roster.faulty() {
            return None;
        }
        let views = self.round.changes.values().filter(|change| self.round.counts(change));
        let lowest = views.map(|change| change.view).filter(|view| *view > reached).min()?;
        Some(self.ask(cx, lowest))
    }

    /// *Upon view changes of weight ≥ q for the view asked for, or later ones*: start its timer.
    pub(super) fn upon_awaited(&mut self, cx: &Cx<'_>) -> Option<Inner<V>> {
        let asked = self.round.reached();
        if !self.round.waits()
            || self.round.timer.is_some()
            || self.asking(|view| view >= asked) < self.config.roster.quorum()
        {
            return None;
        }
        self.start_timer(cx, asked);
        Some(Inner::<V>::none())
    }

    /// *Upon view changes of weight ≥ q for exactly a view that this member leads*: make its NV.
    pub(super) fn upon_elected(&mut self, cx: &mut Cx<'_>) -> Option<Inner<V>> {
        let lowest = self.round.reached().max(self.round.view.next());
        let views = self.round.changes.values().map(|change| change.view);
        let quorum = self.config.roster.quorum();
        let elected = |view: &View| {
            *view >= lowest && self.leads(*view) && self.asking(|asked| asked == *view) >= quorum
        };
        let view = views.filter(elected).max()?;
        let counted = self.round.changes.values().filter(|change| self.round.counts(change));
        let changes: Vec<_> =
            counted.filter(|c| c.view == view).map(|c| c.change.clone()).collect();
        let height = self.round.height;
        let changes = BoundedVec::new(changes)?;
        let mut new_view = NewView { height, view, changes, certificate: None };
        let shown = new_view.highest().and_then(|lock| self.round.held.get(&lock.view));
        new_view.certificate = shown.map(|held| held.certificate.clone());
        let entered = self.enter(cx, new_view.clone());
        Some(entered.send(To::All, Message::NewView(new_view)))
    }

    /// Takes in a new view. One below what this member asked for is no use to it.
    pub(super) fn on_new_view(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        new_view: NewView<V::Signature, V::Certificate>,
    ) -> Inner<V> {
        if let Some(step) = self.elsewhere(from, new_view.height) {
            return step;
        }
        if new_view.view <= self.round.view || new_view.view < self.round.reached() {
            return Inner::<V>::none();
        }
        self.enter(cx, new_view)
    }

    /// *Upon an NV of a later view, no lower than asked for*: record it, enter, start T_v.
    fn enter(
        &mut self,
        cx: &mut Cx<'_>,
        new_view: NewView<V::Signature, V::Certificate>,
    ) -> Inner<V> {
        let (height, view) = (new_view.height, new_view.view);
        let step = Inner::<V>::none().record(Record::Entered(new_view.clone()));
        self.opened(new_view);
        self.start_timer(cx, view);
        self.pull = None;
        let dropped = self.vote(cx, Command::Drop { before: (height, view) });
        let step = step.and(dropped).event(Event::ViewChanged { height, view });
        step.and(self.open_required(cx))
    }

    /// The leader of a view that requires a block collects the votes for it, proposed or not.
    pub(super) fn open_required(&mut self, cx: &mut Cx<'_>) -> Inner<V> {
        let view = self.round.view;
        match rules::required(self.round.new_view.as_ref()) {
            Some(digest) if self.leads(view) => self.open(cx, Kind::Prepare, Lock { view, digest }),
            Some(_) | None => Inner::<V>::none(),
        }
    }

    /// The state of a member that has just entered.
    pub(super) fn opened(&mut self, new_view: NewView<V::Signature, V::Certificate>) {
        let round = &mut self.round;
        round.view = new_view.view;
        (round.proposal, round.resend, round.half) = (None, None, None);
        round.changes.retain(|_, change| change.view > new_view.view);
        if let Some((lock, certificate)) = new_view.highest().zip(new_view.certificate.clone()) {
            let prepared = crate::message::Prepared { height: round.height, lock, certificate };
            round.held.entry(lock.view).or_insert(prepared);
        }
        round.new_view = Some(new_view);
    }

    pub(super) fn start_timer(&mut self, cx: &Cx<'_>, view: View) {
        let timing = &self.config.timing;
        let wait = rules::view_timeout(timing.first_timeout, timing.longest_timeout, view);
        self.round.timer = Some(cx.now().after(wait));
    }

    /// Shows a member that is behind how this view was opened.
    pub(super) fn show_new_view(&self, to: Index) -> Inner<V> {
        let new_view = self.round.new_view.clone().map(|new_view| {
            let message = Message::NewView(new_view);
            Inner::<V>::none().send(To::One(to), message)
        });
        new_view.unwrap_or(Inner::<V>::none())
    }

    /// The prepare certificates that view changes name and that are not here, and who has them.
    pub(super) fn unseen(&self) -> Vec<(Wanted, Vec<Index>)> {
        let uncounted = self.round.changes.iter().filter(|(_, c)| !self.round.counts(c));
        let mut unseen: Vec<(Wanted, Vec<Index>)> = Vec::new();
        for (signer, lock) in uncounted.filter_map(|(i, c)| Some((*i, c.change.lock?))) {
            let wanted = Wanted::Certificate(self.round.height, lock.view);
            match unseen.iter_mut().find(|(known, _)| *known == wanted) {
                Some((_, namers)) => namers.push(signer),
                None => unseen.push((wanted, [signer].into())),
            }
        }
        unseen
    }

    /// The weight of the members whose latest view change counts, and is for such a view.
    fn asking(&self, such: impl Fn(View) -> bool) -> u64 {
        let counted =
            self.round.changes.iter().filter(|(_, c)| such(c.view) && self.round.counts(c));
        let members = counted.map(|(index, _)| index.get());
        self.config.roster.weight_of(&Mask::of(self.config.roster.size(), members))
    }
}
