//! What a node of a tree has from its children: first their tuples, then their sums. The leader
//! and those who relay for it keep the same, under the same checks.

use alloc::{collections::BTreeMap, vec::Vec};

use curve25519_dalek::{EdwardsPoint, Scalar};

use super::Tree;
use crate::{
    challenge::Challenge,
    domain::TUPLE,
    machine::{Index, Step, To},
    mask::Mask,
    message::{Message, Said, Sum, Tuple},
    nonce::NonceId,
    roster::Roster,
    transcript::Hash,
    wire::Wire,
};

/// The tuples of a node's children.
#[derive(Debug, Default)]
pub(crate) struct Branches {
    /// One slot for each child.
    slots: BTreeMap<Index, Slot>,
}

#[derive(Debug)]
struct Slot {
    subtree: Mask,
    tuple: Option<(Said<Tuple>, [EdwardsPoint; 2])>,
}

impl Branches {
    /// No tuples yet of the member's children.
    pub(crate) fn below(tree: &Tree, roster: &Roster, member: Index) -> Self {
        let children = tree.children(member.get()).filter_map(|child| roster.index(child));
        let slot = |child: Index| Slot { subtree: tree.subtree(child.get()), tuple: None };
        Self { slots: children.map(|child| (child, slot(child))).collect() }
    }

    /// The children.
    pub(crate) fn heads(&self) -> Vec<Index> {
        self.slots.keys().copied().collect()
    }

    /// Keeps the tuple that a child said, whose decoded sums are `sums`, if its Z is in the child's subtree,
    /// the child in it, and its sums are its own points where it is alone. The last one counts: a
    /// child that crashed has no other pair.
    pub(crate) fn add(&mut self, said: Said<Tuple>, sums: [EdwardsPoint; 2], from: Index) -> bool {
        let Some(slot) = self.slots.get_mut(&from) else { return false };
        let Tuple { member, mask, own, sums: encoded, .. } = &said.what;
        let in_place = mask.as_bytes().len() == slot.subtree.as_bytes().len()
            && mask.contains(*member)
            && mask.is_subset(&slot.subtree);
        if !in_place || (mask.count() == 1 && own != encoded) {
            return false;
        }
        slot.tuple = Some((said, sums));
        true
    }

    /// Whether every child's tuple is there.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.values().all(|slot| slot.tuple.is_some())
    }

    /// Who has committed.
    pub(crate) fn members(&self) -> impl Iterator<Item = u16> + '_ {
        self.tuples().flat_map(|(said, _)| said.what.mask.iter())
    }

    /// Waits for no more tuples.
    pub(crate) fn close(&mut self) {
        self.slots.retain(|_, slot| slot.tuple.is_some());
    }

    /// Keeps the branches whose subtree passes.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Mask) -> bool) {
        self.slots.retain(|_, slot| keep(&slot.subtree));
    }

    /// All who stand in the branches, whether they have committed or not.
    pub(crate) fn reach(&self) -> impl Iterator<Item = u16> + '_ {
        self.slots.values().flat_map(|slot| slot.subtree.iter())
    }

    /// The sums of all their commitments and of `own`.
    pub(crate) fn add_to(&self, own: [EdwardsPoint; 2]) -> [EdwardsPoint; 2] {
        self.tuples().fold(own, |[r1, r2], (_, [p1, p2])| [r1 + p1, r2 + p2])
    }

    /// The hash of the tuples, in order.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let hash = Hash::new(TUPLE);
        self.tuples().fold(hash, |hash, (said, _)| hash.bytes(&said.what.encode())).digest()
    }

    /// No sums yet of the children whose tuples are there.
    pub(crate) fn into_sums(self) -> Sums {
        let tuples = self.slots.into_iter().filter_map(|(child, slot)| Some((child, slot.tuple?)));
        let owed = |(said, _): (Said<Tuple>, _)| Owed { nonce: said.what.nonce, sum: None };
        Sums { owed: tuples.map(|(child, tuple)| (child, owed(tuple))).collect() }
    }

    fn tuples(&self) -> impl Iterator<Item = &(Said<Tuple>, [EdwardsPoint; 2])> {
        self.slots.values().filter_map(|slot| slot.tuple.as_ref())
    }
}

/// The sums of a node's children.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// One for each child whose tuple counts.
    owed: BTreeMap<Index, Owed>,
}

#[derive(Debug)]
struct Owed {
    /// The child's own pair.
    nonce: NonceId,
    sum: Option<Scalar>,
}

impl Sums {
    /// Whether no child is to answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// The challenge, to each child that owes its sum.
    pub(crate) fn ask<E>(&self, challenge: &Said<Challenge>) -> Step<Message, E> {
        let owing = self.owed.iter().filter(|(_, owed)| owed.sum.is_none());
        owing.fold(Step::none(), |step, (child, owed)| {
            step.send(To::One(*child), Message::Challenge(challenge.clone(), owed.nonce))
        })
    }

    /// Keeps the sum that a child said, if it owes it. One with another pair than was named counts as none.
    pub(crate) fn add(&mut self, sum: &Sum, from: Index) -> bool {
        let Some(owed) = self.owed.get_mut(&from) else { return false };
        let scalar = Option::<Scalar>::from(Scalar::from_canonical_bytes(sum.sum));
        if owed.sum.is_some() || sum.nonce != owed.nonce {
            return false;
        }
        owed.sum = scalar;
        scalar.is_some()
    }

    /// The sum of all of them and of `own`, once all are there.
    pub(crate) fn total(&self, own: Scalar) -> Option<Scalar> {
        self.owed.values().try_fold(own, |total, owed| Some(total + owed.sum?))
    }
}
