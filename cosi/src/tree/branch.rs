//! What a node of a tree has from its children: first their tuples, then their sums. The leader
//! and those who relay for it keep the same, under the same checks.

use alloc::{collections::BTreeMap, vec::Vec};

use curve25519_dalek::{EdwardsPoint, Scalar};

use super::PlanId;
use crate::{
    challenge::ChallengeId,
    machine::Index,
    mask::Mask,
    message::{Said, Sum, Tuple},
    roster::RosterId,
};

/// Whose tree it is: roster, leader, plan.
pub(crate) type Scope = (RosterId, u16, PlanId);

/// The tuple of a subtree, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) said: Said<Tuple>,
    /// R1_T and R2_T.
    pub(crate) sums: [EdwardsPoint; 2],
}

impl Branch {
    /// Whether it is for this leader's tree, its Z is in the subtree, its member in Z, and its
    /// sums are its own points where it is alone. The signature is known to hold.
    fn fits(&self, (roster, leader, plan): Scope, subtree: &Mask) -> bool {
        let Tuple { member, mask, own, sums, .. } = &self.said.what;
        self.scope() == (roster, leader, plan)
            && mask.as_bytes().len() == subtree.as_bytes().len()
            && mask.contains(*member)
            && mask.is_subset(subtree)
            && (mask.count() > 1 || own == sums)
    }

    /// Whether it commits for the time after `self`, for no more of the subtree.
    pub(crate) fn precedes(&self, ahead: &Self) -> bool {
        let Tuple { member, nonce, mask, .. } = &self.said.what;
        ahead.said.what.member == *member
            && ahead.said.what.nonce != *nonce
            && ahead.fits(self.scope(), mask)
    }

    const fn scope(&self) -> Scope {
        let Tuple { roster, leader, plan, .. } = &self.said.what;
        (*roster, *leader, *plan)
    }

    /// Z_T.
    pub(crate) const fn mask(&self) -> &Mask {
        &self.said.what.mask
    }
}

/// The sums of all these commitments and of `own`.
pub(crate) fn add_up<'a>(
    own: [EdwardsPoint; 2],
    branches: impl IntoIterator<Item = &'a Branch>,
) -> [EdwardsPoint; 2] {
    let add = |[r1, r2]: [_; 2], branch: &Branch| {
        let [p1, p2] = branch.sums;
        [r1 + p1, r2 + p2]
    };
    branches.into_iter().fold(own, add)
}

/// The tuples of a node's children, on a call.
#[derive(Clone, Debug)]
pub(crate) struct Branches {
    scope: Scope,
    /// One slot for each child.
    slots: BTreeMap<Index, Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    subtree: Mask,
    branch: Option<Branch>,
}

impl Branches {
    /// No tuples yet of these children with these subtrees.
    pub(crate) fn of(scope: Scope, children: impl IntoIterator<Item = (Index, Mask)>) -> Self {
        let slot = |(child, subtree)| (child, Slot { subtree, branch: None });
        Self { scope, slots: children.into_iter().map(slot).collect() }
    }

    /// The children.
    pub(crate) fn heads(&self) -> Vec<Index> {
        self.slots.keys().copied().collect()
    }

    /// Keeps the tuple of a child, if it fits its place. The last one counts: a child that crashed
    /// has no other pair.
    pub(crate) fn add(&mut self, from: Index, branch: Branch) -> bool {
        let Some(slot) = self.slots.get_mut(&from) else { return false };
        if !branch.fits(self.scope, &slot.subtree) {
            return false;
        }
        slot.branch = Some(branch);
        true
    }

    /// Waits for that child no longer. Whether it was waited for.
    pub(crate) fn waive(&mut self, child: Index) -> bool {
        self.slots.remove(&child).is_some()
    }

    /// Whether every child's tuple is there.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.values().all(|slot| slot.branch.is_some())
    }

    /// The tuples that are there.
    pub(crate) fn into_branches(self) -> BTreeMap<Index, Branch> {
        let slots = self.slots.into_iter();
        slots.filter_map(|(child, slot)| Some((child, slot.branch?))).collect()
    }
}

/// What a child whose tuple counts owes to a challenge.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) branch: Branch,
    pub(crate) answer: Option<Answer>,
}

/// What a child has answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) said: Said<Sum>,
    pub(crate) s: Scalar,
    /// Its tuple for the time after.
    pub(crate) ahead: Option<Branch>,
}

impl Owed {
    pub(crate) const fn new(branch: Branch) -> Self {
        Self { branch, answer: None }
    }

    /// Keeps a sum, if it is owed. One with another pair than was named counts as none.
    pub(crate) fn answer(&mut self, id: &ChallengeId, said: Said<Sum>, ahead: Branch) -> bool {
        let owed = self.answer.is_none()
            && said.what.challenge == *id
            && said.what.nonce == self.branch.said.what.nonce;
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(said.what.sum));
        let Some(s) = s.filter(|_| owed) else { return false };
        let ahead = Some(ahead).filter(|ahead| self.branch.precedes(ahead));
        self.answer = Some(Answer { said, s, ahead });
        true
    }
}
