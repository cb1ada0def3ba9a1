//! Who stands where.

use alloc::{vec, vec::Vec};
use core::{iter::successors, time::Duration};

use curve25519_dalek::rand_core::Rng as _;

use super::{Plan, Shape};
use crate::{
    domain::TREE,
    mask::Mask,
    roster::MAX_MEMBERS,
    transcript::{Hash, HashRng},
};

/// A tree over the members of a roster, by their positions there.
///
/// The rule, for n members, the leader among them:
///
/// 1. The members but the leader, in the order of the roster, are put into an order: for i from
///    the last position down to 1, those at i and at d mod (i + 1) are swapped, each d the next 8
///    bytes, little-endian, of the blocks SHA-512(SHA-512([`TREE`] ‖ seed) ‖ k), k in 8 bytes,
///    little-endian, from 0. The leader goes first: place 0.
/// 2. The parent of place p > 0 is: in a star, place 0; in a k-ary tree, place ⌊(p − 1)/k⌋; in
///    groups, of which there are g = ⌊√(n − 1)⌋, place 0 where p ≤ g, and else place
///    1 + (p − 1) mod g.
/// 3. From place 1 on, a place whose member is aside goes to the member at the last place below it
///    who is not, and that place is empty from then on. If there is none, it is empty itself. So
///    nobody stands below an empty place; a sub-leader's place goes to one of its own group; and
///    of the others none moves.
///
/// (Rule 1 favours no order by more than 2^-40.)
///
/// ```
/// use cosi::{mask::Mask, tree::{Plan, Shape, Tree}};
///
/// let plan = Plan { shape: Shape::balanced(40), seed: [1; 32], aside: Mask::empty(40) };
/// let tree = Tree::new(&plan, 40, 7).unwrap();
/// assert_eq!((tree.parent(7), tree.children(7).count(), tree.depth()), (None, 4, 3));
/// let child = tree.children(7).next().unwrap();
/// assert_eq!(tree.parent(child), Some(7));
/// assert!(tree.subtree(child).contains(child) && !tree.subtree(child).contains(7));
/// // A child passes on what it has before its parent stops waiting.
/// let patience = std::time::Duration::from_secs(3);
/// assert_eq!([7, child].map(|member| tree.wait(member, patience)), [patience, patience * 2 / 3]);
///
/// // One of its own takes the place of a child that is aside.
/// let without = Tree::new(&Plan { aside: Mask::of(40, [child]), ..plan }, 40, 7).unwrap();
/// let heir = without.children(7).find(|heir| *heir != child && tree.parent(*heir) != Some(7));
/// assert!(tree.subtree(child).contains(heir.unwrap()) && !without.contains(child));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    shape: Shape,
    /// The member at each place, if it is not empty: at most [`MAX_MEMBERS`].
    members: Vec<Option<u16>>,
    /// The place of each member, if it is not aside.
    places: Vec<Option<usize>>,
}

impl Tree {
    /// The leader's tree over `size` members. `None` when the leader is none of them or is aside,
    /// when the mask of those aside does not fit, or they are more than [`MAX_MEMBERS`].
    pub fn new(plan: &Plan, size: usize, leader: u16) -> Option<Self> {
        let Plan { shape, seed, aside } = plan;
        let sane = usize::from(leader) < size && size <= MAX_MEMBERS && aside.fits(size);
        if !sane || aside.contains(leader) {
            return None;
        }
        let mut others: Vec<u16> =
            (0..=u16::MAX).take(size).filter(|member| *member != leader).collect();
        shuffle(&mut others, seed);
        let members = core::iter::once(leader).chain(others).map(Some).collect();
        let mut tree = Self { shape: *shape, members, places: vec![None; size] };
        if aside.count() > 0 {
            tree.set_aside(aside);
        }
        for (place, member) in tree.members.iter().enumerate() {
            if let Some(slot) = member.and_then(|at| tree.places.get_mut(usize::from(at))) {
                *slot = Some(place);
            }
        }
        Some(tree)
    }

    /// How many members the roster has.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Whether the member has a place.
    pub fn contains(&self, member: u16) -> bool {
        self.place(member).is_some()
    }

    /// Whom the member answers to. `None`: it is the leader, or has no place.
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
        let last = self.members.iter().rposition(Option::is_some);
        last.map_or(0, |last| self.steps(last))
    }

    /// How long the member waits for its children's tuples, where the leader waits `patience`:
    /// patience · (D − d)/D at depth d of D. The difference to its parent's wait, patience/D, is
    /// for a message down, a message up, and what the child has to do. A member without children
    /// does not wait.
    pub fn wait(&self, member: u16, patience: Duration) -> Duration {
        let (left, depth) = self.share(member);
        patience.checked_div(depth).unwrap_or_default().saturating_mul(left)
    }

    /// (D − d, D) at depth d of D, or no share for a member without children.
    pub(crate) fn share(&self, member: u16) -> (u32, u32) {
        let number = |steps| u32::try_from(steps).unwrap_or(u32::MAX);
        let depth = self.depth();
        let place = self.place(member).filter(|_| self.children(member).next().is_some());
        let left = place.map_or(0, |place| depth.saturating_sub(self.steps(place)));
        (number(left), number(depth))
    }

    /// Rule 3.
    fn set_aside(&mut self, aside: &Mask) {
        let stays = |member: &Option<u16>| member.is_some_and(|member| !aside.contains(member));
        // The last place of each subtree whose member is not aside.
        let mut last: Vec<Option<usize>> =
            self.members.iter().enumerate().map(|(at, m)| stays(m).then_some(at)).collect();
        for place in (1..self.size()).rev() {
            self.carry_up(&mut last, place);
        }
        for place in 1..self.size() {
            if self.members.get(place).is_none_or(stays) {
                continue;
            }
            let heir = last.get(place).copied().flatten().filter(|heir| *heir > place);
            let member = heir.and_then(|heir| self.members.get_mut(heir)?.take());
            if let Some(slot) = self.members.get_mut(place) {
                *slot = member;
            }
            let Some(heir) = heir else { continue };
            // What is above the place is settled, and looks no further down.
            let way = successors(Some(heir), |at| self.above(*at)).take_while(|at| *at >= place);
            for at in way.collect::<Vec<_>>() {
                let below = self.below(at).filter_map(|child| last.get(child).copied().flatten());
                let own = self.members.get(at).is_some_and(stays).then_some(at);
                let latest = below.max().or(own);
                if let Some(slot) = last.get_mut(at) {
                    *slot = latest;
                }
            }
        }
    }

    fn carry_up(&self, last: &mut [Option<usize>], place: usize) {
        let latest = last.get(place).copied().flatten();
        if let Some(slot) = self.above(place).and_then(|above| last.get_mut(above)) {
            *slot = (*slot).max(latest);
        }
    }

    fn place(&self, member: u16) -> Option<usize> {
        self.places.get(usize::from(member)).copied().flatten()
    }

    fn at(&self, place: usize) -> Option<u16> {
        self.members.get(place).copied().flatten()
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

/// Rule 1. A block of the hash serves eight draws: each member deals a tree of thousands.
fn shuffle(items: &mut [u16], seed: &[u8; 32]) {
    let mut rng = HashRng::new(Hash::new(TREE).fixed(seed));
    let mut block = [0; 64];
    let mut draws = core::iter::from_fn(|| {
        rng.fill_bytes(&mut block);
        Some(block)
    })
    .flat_map(|block| block.as_chunks().0.to_vec())
    .map(u64::from_le_bytes);
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let draw = draws.next().and_then(|draw| draw.checked_rem(bound));
        let other = draw.and_then(|draw| usize::try_from(draw).ok()).unwrap_or_default();
        items.swap(last, other);
    }
}
