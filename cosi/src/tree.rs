//! The trees that a leader signs over: who passes what to whom.
//!
//! ```text
//!   Star               Kary { branching: 2 }            Groups
//!
//!      L                       L                          L
//!   / / \ \                 /     \                    /  |  \
//!  1 2   3 4               1       2                  1   2   3     ⌊√(n−1)⌋ sub-leaders
//!                         / \     / \                /|   |   |\
//!                        3   4   5   6              4 7   5   6 ...
//! ```
//!
//! The leader L stands at the root, and a public seed deals the other places. The leader chooses
//! what the seed is made of, so it could choose its tree: it harms nobody but itself, since a bad
//! tree costs time alone.
//!
//! After the trees of CoSi (Syta et al. 2016). `Groups` is the shallow one of ByzCoinX
//! (Kokoris-Kogias et al., OmniLedger, 2018).
//!
//! ```
//! use cosi::tree::{Shape, Tree};
//!
//! let tree = Tree::new(Shape::balanced(40), 40, 7, &[1; 32]).unwrap();
//! assert_eq!((tree.parent(7), tree.children(7).count(), tree.depth()), (None, 4, 3));
//! for child in tree.children(7) {
//!     assert_eq!(tree.parent(child), Some(7));
//!     assert!(tree.subtree(child).contains(child) && !tree.subtree(child).contains(7));
//! }
//! // Each member passes on what it has before its parent stops waiting.
//! let patience = std::time::Duration::from_secs(3);
//! let child = tree.children(7).next().unwrap();
//! assert_eq!(tree.wait(7, patience), patience);
//! assert_eq!(tree.wait(child, patience), patience * 2 / 3);
//! ```

mod branches;

use alloc::{vec, vec::Vec};
use core::{iter::successors, time::Duration};

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read},
};

pub(crate) use self::branches::{Branches, Sums};
use crate::{
    domain::TREE,
    mask::Mask,
    roster::MAX_MEMBERS,
    transcript::{Hash, HashRng},
};

/// How many children a node of a [`Shape::Kary`] tree has at most: from 2 to 255, so no tree is
/// deeper than 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Branching(u8);

impl Branching {
    /// `None` when it is less than 2.
    pub fn new(children: u8) -> Option<Self> {
        (children >= 2).then_some(Self(children))
    }

    /// How many.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl BorshDeserialize for Branching {
    fn deserialize_reader<R: Read>(reader: &mut R) -> borsh::io::Result<Self> {
        Self::new(u8::deserialize_reader(reader)?)
            .ok_or_else(|| Error::from(ErrorKind::InvalidData))
    }
}

/// The shape of a tree.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Shape {
    /// Everybody is the leader's child.
    #[default]
    Star,
    /// Each node but the last has the same number of children, or none.
    Kary {
        /// How many.
        branching: Branching,
    },
    /// About √n groups, each with a sub-leader under the leader: ByzCoin's shallow tree.
    Groups,
}

impl Shape {
    /// The `Kary` shape that is at most three deep with `size` members: branching ⌈∛size⌉.
    pub fn balanced(size: usize) -> Self {
        let reaches = |b: &u8| usize::from(*b).saturating_pow(3) >= size;
        let branching = Branching((2..=u8::MAX).find(reaches).unwrap_or(u8::MAX));
        Self::Kary { branching }
    }
}

/// A tree over the members of a roster, by their positions there.
///
/// The rule, for n members, the leader among them, and a seed of 32 bytes:
///
/// 1. The members but the leader, in the order of the roster, are put into the order that
///    [`HashRng::shuffle`] makes of them, its draws from [`TREE`] ‖ seed. The leader goes first:
///    place 0.
/// 2. The parent of place p > 0 is: in a star, place 0; in a k-ary tree, place ⌊(p − 1)/k⌋; in
///    groups, of which there are g = ⌊√(n − 1)⌋, place 0 where p ≤ g, and else place
///    1 + (p − 1) mod g.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    shape: Shape,
    /// The member at each place: at most [`MAX_MEMBERS`].
    members: Vec<u16>,
    /// The place of each member.
    places: Vec<usize>,
}

impl Tree {
    /// The tree of this shape over `size` members. `None` when the leader is none of them, or they
    /// are more than [`MAX_MEMBERS`].
    pub fn new(shape: Shape, size: usize, leader: u16, seed: &[u8; 32]) -> Option<Self> {
        if usize::from(leader) >= size || size > MAX_MEMBERS {
            return None;
        }
        let others = (0..=u16::MAX).take(size).filter(|member| *member != leader);
        let mut members: Vec<u16> = core::iter::once(leader).chain(others).collect();
        let (_, others) = members.split_first_mut()?;
        HashRng::new(Hash::new(TREE).fixed(seed)).shuffle(others);
        let mut places = vec![0; size];
        for (place, member) in members.iter().enumerate() {
            if let Some(slot) = places.get_mut(usize::from(*member)) {
                *slot = place;
            }
        }
        Some(Self { shape, members, places })
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Whom the member answers to. `None`: it is the leader, or there is no such member.
    pub fn parent(&self, member: u16) -> Option<u16> {
        self.at(self.above(self.place(member)?)?)
    }

    /// Who answers to the member, by their places.
    pub fn children(&self, member: u16) -> impl Iterator<Item = u16> + '_ {
        let place = self.place(member);
        place.into_iter().flat_map(|place| self.below(place)).filter_map(|place| self.at(place))
    }

    /// The member and all below it.
    pub fn subtree(&self, member: u16) -> Mask {
        let mut places: Vec<usize> = self.place(member).into_iter().collect();
        let mut next = 0;
        while let Some(place) = places.get(next) {
            places.extend(self.below(*place));
            next = next.saturating_add(1);
        }
        Mask::of(self.size(), places.into_iter().filter_map(|place| self.at(place)))
    }

    /// How far the farthest member is from the leader.
    pub fn depth(&self) -> usize {
        // No place is deeper than a later one.
        self.members.len().checked_sub(1).map_or(0, |last| self.steps(last))
    }

    /// How long the member waits for its children's tuples, where the leader waits `patience`:
    /// patience · (D − d)/D at depth d of D. The difference to its parent's wait, patience/D, is
    /// for a message down, a message up, and what the child has to do. A member without children
    /// does not wait.
    pub fn wait(&self, member: u16, patience: Duration) -> Duration {
        let Some(place) = self.place(member).filter(|place| self.below(*place).next().is_some())
        else {
            return Duration::ZERO;
        };
        let number = |steps| u32::try_from(steps).unwrap_or(u32::MAX);
        let depth = self.depth();
        let left = number(depth.saturating_sub(self.steps(place)));
        patience.checked_div(number(depth)).unwrap_or_default().saturating_mul(left)
    }

    fn place(&self, member: u16) -> Option<usize> {
        self.places.get(usize::from(member)).copied()
    }

    fn at(&self, place: usize) -> Option<u16> {
        self.members.get(place).copied()
    }

    /// The place above.
    fn above(&self, place: usize) -> Option<usize> {
        let before = place.checked_sub(1)?;
        Some(match self.shape {
            Shape::Star => 0,
            Shape::Kary { branching } => before.checked_div(branching.get().into())?,
            Shape::Groups => {
                let groups = self.groups();
                if place <= groups { 0 } else { before.checked_rem(groups)?.saturating_add(1) }
            }
        })
    }

    /// The places below, in order.
    fn below(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        let size = self.size();
        let (first, step, count) = match self.shape {
            Shape::Star if place == 0 => (1, 1, size),
            Shape::Star => (size, 1, 0),
            Shape::Kary { branching } => {
                let branching = usize::from(branching.get());
                (place.saturating_mul(branching).saturating_add(1), 1, branching)
            }
            Shape::Groups if place == 0 => (1, 1, self.groups()),
            Shape::Groups if place <= self.groups() => {
                (place.saturating_add(self.groups()), self.groups(), size)
            }
            Shape::Groups => (size, 1, 0),
        };
        (first..size).step_by(step.max(1)).take(count)
    }

    /// How far the place is from the root.
    fn steps(&self, place: usize) -> usize {
        successors(self.above(place), |place| self.above(*place)).count()
    }

    /// How many groups there are.
    fn groups(&self) -> usize {
        self.size().saturating_sub(1).isqrt()
    }
}
