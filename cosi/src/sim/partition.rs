//! Cuts through the network.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use crate::machine::Time;

/// A time in which some nodes do not reach others.
///
/// It concerns a message that is on the wire at any moment of that time: what is under way when
/// it begins as well as what departs before it heals. See [`Across`] for what becomes of it. What
/// waits in an uplink is not on the wire yet, and what waits in a downlink no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition<P> {
    /// When it begins; now, if that is past.
    pub from: Time,
    /// When it heals; what departs at that very time passes. `None`: never.
    pub until: Option<Time>,
    /// Who does not reach whom.
    pub cut: Cut<P>,
    /// What becomes of messages across it.
    pub across: Across,
}

/// Who does not reach whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut<P> {
    /// Only nodes of one group reach each other. A node in two groups reaches both, and does not
    /// join them. All nodes that are in none, later ones too, are one group more.
    Groups(Vec<Vec<P>>),
    /// What `from` sends does not reach `to`. All else passes, the other direction too.
    OneWay {
        /// Whose messages.
        from: Vec<P>,
        /// Whom they do not reach.
        to: Vec<P>,
    },
}

/// What becomes of a message across a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// It is lost: nobody tries again. Counted in [`Counters::cut`](super::Counters::cut).
    Dropped,
    /// It departs anew when the partition heals, as if a transport tried again, and takes as long
    /// on the wire as it would have. Counted in [`Counters::held`](super::Counters::held). Across
    /// a partition that never heals it is dropped.
    Held,
}

/// What a partition does to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    Dropped,
    /// Until then.
    Held(Time),
}

pub(super) enum Sides {
    /// Which groups a node is in.
    Groups(BTreeMap<usize, BTreeSet<usize>>),
    OneWay(BTreeSet<usize>, BTreeSet<usize>),
}

impl Sides {
    fn separates(&self, from: usize, to: usize) -> bool {
        match self {
            Self::Groups(groups) => match (groups.get(&from), groups.get(&to)) {
                (None, None) => false,
                (Some(of_from), Some(of_to)) => of_from.is_disjoint(of_to),
                _ => true,
            },
            Self::OneWay(senders, receivers) => senders.contains(&from) && receivers.contains(&to),
        }
    }
}

/// A partition, in the simulation's numbers.
pub(super) struct Wall {
    pub(super) from: Time,
    pub(super) until: Option<Time>,
    pub(super) sides: Sides,
    pub(super) across: Across,
}

impl Wall {
    fn fate(&self, from: usize, to: usize, departed: Time, arrived: Time) -> Fate {
        let is_meanwhile = self.from <= arrived
            && self.until.is_none_or(|until| self.from < until && departed < until);
        if !is_meanwhile || !self.sides.separates(from, to) {
            return Fate::Passes;
        }
        match (self.across, self.until) {
            (Across::Held, Some(until)) => Fate::Held(until),
            (Across::Dropped, _) | (Across::Held, None) => Fate::Dropped,
        }
    }
}

/// What becomes of a message that is on the wire from `departed` to `arrived`.
pub(super) fn fate(walls: &[Wall], from: usize, to: usize, departed: Time, arrived: Time) -> Fate {
    let fates = walls.iter().map(|wall| wall.fate(from, to, departed, arrived));
    fates.fold(Fate::Passes, |worst, fate| match (worst, fate) {
        (Fate::Dropped, _) | (_, Fate::Dropped) => Fate::Dropped,
        (Fate::Held(one), Fate::Held(other)) => Fate::Held(one.max(other)),
        (Fate::Passes, fate) => fate,
        (worst, Fate::Passes) => worst,
    })
}
