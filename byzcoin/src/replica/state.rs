//! What a replica knows: the decided chain, and the height that it works on.

use alloc::collections::{BTreeMap, BTreeSet};

use cosi::machine::{Index, Time};

use crate::{
    block::{Assembly, Block, Decision, Proposal},
    message::{Decided, NewView, Prepared, Propose, ViewChange},
    rules,
    statement::{Digest, Height, Lock, View},
};

/// The decided blocks that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chain<C> {
    /// The last `limits.history` decided headers, and more only while bodies are out.
    pub(super) links: BTreeMap<Height, Link<C>>,
    /// The height of the last decision.
    pub(super) tip: Height,
    /// The height of the last decision that the application has been given.
    pub(super) applied: Height,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link<C> {
    pub(super) assembly: Assembly,
    pub(super) view: View,
    pub(super) certificate: C,
    /// Whether the body has been recorded.
    pub(super) stored: bool,
}

impl<C: Clone> Link<C> {
    pub(super) fn decided(&self) -> Decided<C> {
        let (proposal, certificate) = (self.assembly.proposal.clone(), self.certificate.clone());
        Decided { proposal, view: self.view, certificate }
    }

    /// The decision, once the body is whole.
    pub(super) fn decision(&self) -> Option<Decision<C>> {
        let body = self.assembly.body()?.to_bytes();
        let block = Block { proposal: self.assembly.proposal.clone(), body };
        Some(Decision { block, view: self.view, certificate: self.certificate.clone() })
    }
}

/// A block that may be decided at this height.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) assembly: Assembly,
    /// The last view that named it.
    pub(super) view: View,
    pub(super) verdict: Verdict,
    /// Whether the body has been recorded.
    pub(super) stored: bool,
}

/// What the application says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    Unasked,
    Asked,
    Valid,
    Invalid,
}

impl Candidate {
    pub(super) fn new(proposal: Proposal, view: View) -> Self {
        let assembly = Assembly::new(proposal);
        Self { assembly, view, verdict: Verdict::Unasked, stored: false }
    }
}

/// All about the height that is being decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Round<S, C> {
    pub(super) height: Height,
    pub(super) parent: Digest,
    /// s, whose turn view 0 is.
    pub(super) start: u16,
    /// The view that was entered.
    pub(super) view: View,
    /// How it was entered. `None`: it is view 0.
    pub(super) new_view: Option<NewView<S, C>>,
    /// The first proposal that the view's leader signed: one slot.
    pub(super) proposal: Option<Propose<S>>,
    /// At most `limits.candidates`, and those that the rules name: the proposal, the required
    /// block, the prepared blocks, the certified block.
    pub(super) candidates: BTreeMap<Digest, Candidate>,
    /// The last own proposal.
    pub(super) own: Option<Lock>,
    /// The last prepare vote.
    pub(super) prepared: Option<Lock>,
    /// The last commit vote.
    pub(super) committed: Option<Lock>,
    /// The highest prepare certificate, of a view up to this one.
    pub(super) high: Option<Lock>,
    /// Valid prepare certificates: one slot a view, and only quorums fill one.
    pub(super) held: BTreeMap<View, Prepared<C>>,
    /// The highest view asked for.
    pub(super) sent: Option<ViewChange<S>>,
    /// When to say it again, and how often it was said.
    pub(super) resend: Option<(Time, u32)>,
    /// The view changes of members: the latest of each.
    pub(super) changes: BTreeMap<Index, ViewChange<S>>,
    /// A commit certificate whose header is not here yet, and whether this member made it.
    pub(super) certified: Option<Certified<C>>,
    pub(super) pending: bool,
    /// The last view that the application was asked to propose in.
    pub(super) asked: Option<View>,
    /// When the view, or the wait for one, is over.
    pub(super) timer: Option<Time>,
    /// When to have payload forwarded.
    pub(super) half: Option<Time>,
}

/// A commit certificate, and what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Certified<C> {
    pub(super) lock: Lock,
    pub(super) certificate: C,
    /// Whether this member collected the votes, and so tells all.
    pub(super) mine: bool,
}

impl<S, C> Round<S, C> {
    pub(super) const fn new(height: Height, parent: Digest, start: u16) -> Self {
        Self {
            height,
            parent,
            start,
            view: View::ZERO,
            new_view: None,
            proposal: None,
            candidates: BTreeMap::new(),
            own: None,
            prepared: None,
            committed: None,
            high: None,
            held: BTreeMap::new(),
            sent: None,
            resend: None,
            changes: BTreeMap::new(),
            certified: None,
            pending: false,
            asked: None,
            timer: None,
            half: None,
        }
    }

    /// The highest view that this member asked for.
    pub(super) fn asked_for(&self) -> Option<View> {
        self.sent.as_ref().map(|sent| sent.view)
    }

    /// The view that this member is in, or waits for.
    pub(super) fn reached(&self) -> View {
        self.asked_for().unwrap_or_default().max(self.view)
    }

    /// Whether this member waits for a view that it asked for.
    pub(super) fn waits(&self) -> bool {
        self.reached() > self.view
    }

    /// The digest that the view is about: what its NV requires, or else what its leader proposed.
    pub(super) fn target(&self) -> Option<Digest> {
        let proposed = self.proposal.as_ref().map(|propose| propose.proposal.digest());
        rules::target(self.new_view.as_ref(), proposed)
    }

    /// Whether the prepare certificate that a view change names is here, or none is named.
    pub(super) fn counts(&self, change: &ViewChange<S>) -> bool {
        change.change.lock.is_none_or(|lock| {
            self.held.get(&lock.view).is_some_and(|held| held.lock.digest == lock.digest)
        })
    }

    /// The blocks that must not be forgotten.
    pub(super) fn named(&self) -> BTreeSet<Digest> {
        let locks = [self.own, self.prepared, self.high].into_iter().flatten();
        let certified = self.certified.as_ref().map(|certified| certified.lock.digest);
        let held = self.held.values().map(|held| held.lock.digest);
        locks.map(|lock| lock.digest).chain(certified).chain(held).chain(self.target()).collect()
    }
}
