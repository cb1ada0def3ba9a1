//! Who works with whom: disjoint groups that a public seed deals.

use alloc::vec::Vec;

use cosi::{machine::Index, roster::Roster, transcript::HashRng};

/// The largest size of groups that a session may ask for. Balanced groups then have fewer than
/// [`pvss::MAX_TRUSTEES`] members.
pub const MAX_GROUP_SIZE: u16 = 128;

/// A server's place: its group, and its position in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The group.
    pub group: u16,
    /// The position in the group, from 0.
    pub position: u16,
}

/// A roster's servers in disjoint groups, whose sizes differ by one at most.
///
/// The rule, for n servers, groups of about c, and a seed:
///
/// 1. The draw number k, from 0, is the first 8 bytes, little-endian, of
///    SHA-512(SHA-512(seed) ‖ k), k in 8 bytes, little-endian.
/// 2. Fisher–Yates: from the order 0, …, n − 1, for i = n − 1 down to 1, swap the entries at i
///    and at j = x mod (i + 1), where x is the next draw that is below the largest multiple of
///    i + 1 up to 2^64; draws that are not are passed over.
/// 3. There are m = max(1, ⌊(n + ⌊c/2⌋)/c⌋) groups, and entry e of the order is in group e mod m.
/// 4. In each group the members stand in the order of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    members: Vec<Vec<Index>>,
    places: Vec<Option<Place>>,
}

impl Groups {
    /// Deals the roster's servers into groups of about `size`, which is at least 1.
    pub(crate) fn new(roster: &Roster, size: u16, draws: HashRng) -> Self {
        Self::deal(roster, number(roster.size(), size), draws)
    }

    /// Deals the roster's servers into this `number` of groups, at least 1: the rule from its
    /// second step on.
    pub fn deal(roster: &Roster, number: usize, mut draws: HashRng) -> Self {
        let number = number.max(1);
        let mut order: Vec<Index> = roster.indices().collect();
        draws.shuffle(&mut order);
        let members: Vec<Vec<Index>> = (0..number)
            .map(|group| {
                let mut members: Vec<_> =
                    order.iter().skip(group).step_by(number).copied().collect();
                members.sort_unstable();
                members
            })
            .collect();
        let mut places = Vec::new();
        places.resize(order.len(), None);
        for (group, members) in (0..).zip(&members) {
            for (position, member) in (0..).zip(members) {
                if let Some(place) = places.get_mut(usize::from(member.get())) {
                    *place = Some(Place { group, position });
                }
            }
        }
        Self { members, places }
    }

    /// How many groups there are, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// All groups in order, each with its members in order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &[Index])> {
        (0..).zip(self.members.iter().map(Vec::as_slice))
    }

    /// The members of a group, in order.
    pub fn members(&self, group: u16) -> Option<&[Index]> {
        self.members.get(usize::from(group)).map(Vec::as_slice)
    }

    /// Where a server is.
    pub fn place(&self, server: Index) -> Option<Place> {
        self.places.get(usize::from(server.get())).copied().flatten()
    }
}

/// m = max(1, ⌊(n + ⌊c/2⌋)/c⌋), how many groups of about c there are.
pub(crate) fn number(servers: usize, size: u16) -> usize {
    let size = usize::from(size.max(1));
    servers.saturating_add(size / 2).checked_div(size).unwrap_or_default().max(1)
}

/// t = ⌊c/3⌋ + 1, which is both the number of shares that recover a group's secrets, and the
/// number of its chosen dealers.
///
/// Over all groups the thresholds add up to more than n/3, so in some group fewer than t are
/// faulty: a chosen dealer there is honest, and the faulty ones alone do not open its secret.
pub const fn threshold(members: usize) -> usize {
    (members / 3).saturating_add(1)
}
