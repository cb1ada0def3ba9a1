//! Signing over trees: the leader speaks to its children alone, and inner nodes sum up.
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
//! The leader L stands at the root, and a public seed, the session's name, deals the other places:
//! see [`Tree`]. The leader draws what the name is made of, so it could choose its tree. A bad tree
//! endangers no signature and no pair. It costs time, and the uplink of those whom the leader makes
//! inner nodes.
//!
//! After the trees of CoSi (Syta et al. 2016). `Groups` is the shallow one of ByzCoinX
//! (Kokoris-Kogias et al., OmniLedger, 2018).
//!
//! # How it works
//!
//! ```text
//!  leader                     inner node i                           its child j
//!    |---- Call ---------------->|---- Call ---------------------------->|  validate, draw r1, r2
//!    |                           |<--- Tuple(Z_j, R1_j, R2_j) -----------|
//!    |<--- Tuple(Z_T, R1_T, R2_T)|  Z_T = {i} ∪ Z_j ∪ .., R1_T = R1_i + R1_j + ..
//!    |  (asks the missing directly, as in a star)                        |
//!    |---- Challenge ----------->|---- Challenge ----------------------->|  compute b, R, c
//!    |                           |<--- Sum(s_j) -------------------------|
//!    |<--- Sum(s_T) -------------|  s_T = s_i + s_j + ..
//!    v
//!  check the whole
//! ```
//!
//! - Calls and challenges come down as the leader signed them, the same for all, so no parent
//!   draws on the leader's quota at its children, nor has them answer anything else. Beside a
//!   challenge stands the name of the one pair to spend, which a parent knows of its children.
//! - A member answers under the rules of a star and one more: of its own subtree Z holds exactly
//!   those for whom it sent its tuple, and so holds signed tuples.
//! - Inner nodes wait for tuples for a share of the leader's patience that shrinks with depth: see
//!   [`Tree::wait`]. Then they send what they have, and who is late is left out.
//! - A silent parent and a silent child look alike, so the leader asks whoever is missing directly.
//!   If they commit, they are challenged directly beside the tree; and so is the whole branch they
//!   stand in, for those above them could not answer to a Z that holds them.
//! - Sums are checked at the leader, once, all together. If that fails, or some are missing, nobody
//!   in the tree is blamed: a sum tells nothing of who made it wrong. The leader calls another
//!   tree, at most [`Config::trees`](crate::leader::Config::trees) in all, and then leads a star,
//!   where blame is exact. After a session whose trees all failed the next ones go without, first
//!   one, then twice as many each time, at most 64.
//!
//! So a faulty member in a tree costs time, and neither the signature nor an innocent's name.
//!
//! # What is yours to do
//!
//! - Set [`Config::shape`](crate::leader::Config::shape) at who leads and
//!   [`Limits::calls`](crate::cosigner::Limits::calls) at who cosigns: it is 0 unless set.
//! - Let cosign over trees those alone who may be made to relay: a member passes a call on to up to
//!   255 children before it has judged the statement, and the newest call takes the oldest one's
//!   place. `Limits::calls` bounds memory, not the rate.
//! - Keep a leader's clock from jumping ahead. Its calls are dated, and a cosigner takes none that
//!   is older than the last: after a jump its trees wait until the clock has caught up. Stars do
//!   not.
//! - Route what goes up by [`Message::is_for_leader_at`](crate::message::Message::is_for_leader_at),
//!   and drive the timeouts of cosigners too.
//! - Choose the leader's patience as at least the depth times a round trip and the time to
//!   validate, and at least a round trip over the whole depth.
//!
//! # Where it departs from the papers, and its limits
//!
//! - In CoSi a parent says which of its children are absent, and in ByzCoin each node checks the
//!   responses below it. Here no parent's word counts against a child, and sums go up unchecked.
//! - Every statement takes a round trip over the tree for the tuples and one for the sums: pairs
//!   ahead, which spare a star the first, are for stars alone.
//! - Everybody has a place in every tree, whatever it did before. One that is silent costs its
//!   parent's wait and the leader's grace each time; one that is silent in the tree and commits
//!   directly has its whole branch asked directly.
//! - A wrong sum is not traced to who made it.
//! - Each call costs each member a hash for each member, to deal the places.
//!
//! # Example
//!
//! Nine members sign over a binary tree. All are honest here, so nobody has to wait.
//!
//! ```
//! use std::{collections::VecDeque, sync::Arc};
//! use cosi::{
//!     Cosigner, Leader, Policy, cosigner, keys::Seed, leader, machine::{Cx, Time, To},
//!     roster::{Member, Roster}, session::Digest, tree::{Branching, Shape},
//! };
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let keys: Vec<_> =
//!     (1..=9).map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key())).collect();
//! let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! let members: Vec<_> = roster.indices().collect();
//! let mut cx = Cx::new(Time::default(), &mut rng);
//!
//! let mut config = leader::Config::new(roster.clone(), members[0], keys[0].clone());
//! config.shape = Shape::Kary { branching: Branching::new(2).unwrap() };
//! let mut leader = Leader::new(config)?;
//! let mut cosigners = Vec::new();
//! for (me, key) in members.iter().zip(&keys) {
//!     let mut config = cosigner::Config::new(roster.clone(), *me, key.clone());
//!     config.limits.calls = 4;
//!     let mut cosigner = Cosigner::new(config)?;
//!     let verdict = cosigner::Command::Validated { digest: Digest::of(b"1.0"), accept: true };
//!     let _ = cosigner.handle_command(&mut cx, verdict)?;
//!     cosigners.push(cosigner);
//! }
//!
//! let (statement, policy) = (b"1.0".to_vec(), Policy::Complete);
//! let command = leader::Command::Announce { statement, policy };
//! let mut led = Some(leader.handle_command(&mut cx, command)?);
//! let (mut mail, mut leader_sent) = (VecDeque::new(), 0);
//! let signature = loop {
//!     if let Some(step) = led.take() {
//!         let output = step.into_records().1.release();
//!         if let Some(leader::Event::Signed { signature, .. }) = output.events.into_iter().next() {
//!             break signature;
//!         }
//!         mail.extend(output.messages.into_iter().map(|(to, message)| (members[0], to, message)));
//!     }
//!     let (from, to, message) = mail.pop_front().unwrap();
//!     let to = match to {
//!         To::One(one) => vec![one],
//!         To::Some(some) => some,
//!         To::All => unreachable!("a star"),
//!     };
//!     leader_sent += if from == members[0] { to.len() } else { 0 };
//!     for to in to {
//!         if message.is_for_leader_at(to) {
//!             led = Some(leader.handle_message(&mut cx, from, message.clone()));
//!             continue;
//!         }
//!         let cosigner = &mut cosigners[usize::from(to.get())];
//!         let step = cosigner.handle_message(&mut cx, from, message.clone());
//!         let output = step.into_records().1.release();
//!         mail.extend(output.messages.into_iter().map(|(next, message)| (to, next, message)));
//!     }
//! };
//! signature.verify(&roster, b"1.0", &Policy::Complete)?;
//! assert_eq!(leader_sent, 4, "a call and a challenge to each of two children");
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
///
/// ```
/// use cosi::tree::{Shape, Tree};
///
/// let tree = Tree::new(Shape::balanced(40), 40, 7, &[1; 32]).unwrap();
/// assert_eq!((tree.parent(7), tree.children(7).count(), tree.depth()), (None, 4, 3));
/// let child = tree.children(7).next().unwrap();
/// assert_eq!(tree.parent(child), Some(7));
/// assert!(tree.subtree(child).contains(child) && !tree.subtree(child).contains(7));
/// // A child passes on what it has before its parent stops waiting.
/// let patience = std::time::Duration::from_secs(3);
/// assert_eq!([7, child].map(|member| tree.wait(member, patience)), [patience, patience * 2 / 3]);
/// ```
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
