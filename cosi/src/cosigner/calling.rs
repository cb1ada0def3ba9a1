//! The first half of a round at a member of a tree: it passes a call on, and commits for its
//! subtree.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::mem;

use curve25519_dalek::EdwardsPoint;

use super::Config;
use crate::{
    machine::{Index, Time},
    mask::Mask,
    message::{Named, Said, Tuple},
    nonce::{NonceId, NoncePair},
    session::{Digest, SessionId},
    tree::{Branch, Branches, PlanId, Scope, Tree, add_up},
};

/// A pair, its name and its points.
pub(super) type Drawn = (NonceId, NoncePair, [EdwardsPoint; 2]);

/// This member's place in a leader's tree. The tree itself is not kept.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) plan: PlanId,
    pub(super) parent: Index,
    pub(super) children: BTreeMap<Index, Mask>,
    /// Its share of the leader's patience, as a fraction.
    pub(super) share: (u32, u32),
}

impl Post {
    /// The member's place, if it has one under another.
    pub(super) fn of(config: &Config, plan: PlanId, tree: &Tree) -> Option<Self> {
        let (roster, me) = (&config.roster, config.me.get());
        let parent = roster.index(tree.parent(me)?)?;
        let children = tree.children(me).filter_map(|child| roster.index(child));
        let children = children.map(|child| (child, tree.subtree(child.get()))).collect();
        Some(Self { plan, parent, children, share: tree.share(me) })
    }
}

/// One call, and how far it has come.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) leader: Index,
    pub(super) session: SessionId,
    pub(super) digest: Digest,
    pub(super) issued: Time,
    pub(super) parent: Index,
    pub(super) plan: PlanId,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The own pair is to come, once the statement is validated, and tuples of the children.
    Gathering {
        branches: Branches,
        own: Option<Box<Drawn>>,
        /// When to wait for children no longer. `None`: it is over.
        until: Option<Time>,
    },
    /// The tuple with this pair is sent.
    Committed(NonceId),
}

/// A tuple that was sent, and what its pair is spent with.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) said: Said<Tuple>,
    pub(super) pair: NoncePair,
    /// Who may pass on the challenge that names it, beside the leader.
    pub(super) parent: Index,
    /// The children's tuples that its sums are made of.
    pub(super) branches: BTreeMap<Index, Branch>,
}

impl Calling {
    /// Takes the member's own pair in, unless it has one.
    pub(super) fn join(&mut self, draw: impl FnOnce() -> Drawn) {
        if let Phase::Gathering { own: own @ None, .. } = &mut self.phase {
            *own = Some(Box::new(draw()));
        }
    }

    /// Takes the member's own pair out, for the statement is refused.
    pub(super) fn withdraw(&mut self) {
        if let Phase::Gathering { own, .. } = &mut self.phase {
            *own = None;
        }
    }

    /// Takes a child's tuple in. Those that come late are left out.
    pub(super) fn gather(&mut self, from: Index, branch: Branch) {
        if let Phase::Gathering { branches, until: Some(_), .. } = &mut self.phase {
            branches.add(from, branch);
        }
    }

    /// Whether children are waited for that are to be waited for no longer.
    pub(super) fn give_up(&mut self, now: Time) {
        if let Phase::Gathering { until: until @ Some(_), .. } = &mut self.phase {
            *until = until.filter(|until| now < *until);
        }
    }

    /// When children are waited for no longer.
    pub(super) const fn until(&self) -> Option<Time> {
        if let Phase::Gathering { until, .. } = &self.phase { *until } else { None }
    }

    /// Sums the tuples up with the member's own pair, once: when all are there, or those that are
    /// not are waited for no longer.
    pub(super) fn commit(&mut self, config: &Config) -> Option<Committed> {
        let Phase::Gathering { branches, own: Some(own), until } = &self.phase else { return None };
        if until.is_some() && !branches.is_full() {
            return None;
        }
        let sent = Phase::Committed(own.0);
        let phase = mem::replace(&mut self.phase, sent);
        let Phase::Gathering { branches, own: Some(own), .. } = phase else { return None };
        let scope = (config.roster.id(), self.leader.get(), self.plan);
        Some(Committed::new(config, scope, self.parent, *own, branches.into_branches()))
    }
}

impl Committed {
    /// Commits with the own pair and the children's tuples.
    pub(super) fn new(
        config: &Config,
        (roster, leader, plan): Scope,
        parent: Index,
        (nonce, pair, own): Drawn,
        branches: BTreeMap<Index, Branch>,
    ) -> Self {
        let encode = |points: [EdwardsPoint; 2]| points.map(|point| point.compress().to_bytes());
        let members = branches.values().flat_map(|branch| branch.mask().iter());
        let named: Vec<Named> =
            branches.values().map(|branch| branch.said.what.to_named()).collect();
        let tuple = Tuple {
            roster,
            leader,
            plan,
            member: config.me.get(),
            nonce,
            own: encode(own),
            sums: encode(add_up(own, branches.values())),
            mask: Mask::of(config.roster.size(), members.chain([config.me.get()])),
            children: Named::hash_all(&named),
        };
        Self { said: Said::new(&config.key, tuple), pair, parent, branches }
    }
}
