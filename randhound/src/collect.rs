//! Collecting one thing from each member of a group until enough of them verify.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::session::Session;

/// At most one slot a member, by number.
#[derive(Debug)]
pub(crate) struct Collect<T, V> {
    need: usize,
    slots: BTreeMap<u16, Slot<T, V>>,
}

#[derive(Debug)]
enum Slot<T, V> {
    Unchecked(T),
    Verified(T, V),
    Bad,
}

impl<T, V> Collect<T, V> {
    pub(crate) const fn new(need: usize) -> Self {
        Self { need, slots: BTreeMap::new() }
    }

    /// How many verified.
    pub(crate) fn have(&self) -> usize {
        self.verified().count()
    }

    pub(crate) const fn need(&self) -> usize {
        self.need
    }

    /// Whether enough verified.
    pub(crate) fn is_done(&self) -> bool {
        self.have() >= self.need
    }

    /// Whether the member gave something.
    pub(crate) fn has(&self, member: u16) -> bool {
        self.slots.contains_key(&member)
    }

    /// What the member gave, unless it was bad.
    pub(crate) fn get(&self, member: u16) -> Option<&T> {
        match self.slots.get(&member)? {
            Slot::Unchecked(item) | Slot::Verified(item, _) => Some(item),
            Slot::Bad => None,
        }
    }

    /// What verified, in the order of the members.
    pub(crate) fn verified(&self) -> impl Iterator<Item = (&T, &V)> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Verified(item, verified) => Some((item, verified)),
            Slot::Unchecked(_) | Slot::Bad => None,
        })
    }

    /// How many verified or may yet.
    pub(crate) fn hopes(&self) -> usize {
        self.slots.values().filter(|slot| !matches!(slot, Slot::Bad)).count()
    }

    /// How many members gave something.
    pub(crate) fn given(&self) -> usize {
        self.slots.len()
    }

    /// Keeps what a member gives first.
    pub(crate) fn keep(&mut self, member: u16, item: T) {
        self.slots.entry(member).or_insert(Slot::Unchecked(item));
    }

    /// Verifies what was not looked at, as a batch, as soon as that could make enough. Returns what
    /// does not hold.
    pub(crate) fn check_hopeful<E>(
        &mut self,
        verify: impl FnOnce(Vec<&T>) -> Vec<Result<V, E>>,
    ) -> Vec<(u16, T, E)> {
        if self.is_done() || self.hopes() < self.need { Vec::new() } else { self.check(verify) }
    }

    /// Verifies what was not looked at, as a batch, and returns what does not hold.
    pub(crate) fn check<E>(
        &mut self,
        verify: impl FnOnce(Vec<&T>) -> Vec<Result<V, E>>,
    ) -> Vec<(u16, T, E)> {
        let unchecked = self.slots.values().filter_map(|slot| match slot {
            Slot::Unchecked(item) => Some(item),
            Slot::Verified(..) | Slot::Bad => None,
        });
        let mut verdicts = verify(unchecked.collect()).into_iter();
        let mut culprits = Vec::new();
        for (member, slot) in &mut self.slots {
            *slot = match core::mem::replace(slot, Slot::Bad) {
                Slot::Unchecked(item) => match verdicts.next() {
                    Some(Ok(verified)) => Slot::Verified(item, verified),
                    Some(Err(why)) => {
                        culprits.push((*member, item, why));
                        Slot::Bad
                    }
                    None => Slot::Unchecked(item),
                },
                done @ (Slot::Verified(..) | Slot::Bad) => done,
            };
        }
        culprits
    }
}

/// One collection a group, each of which needs its threshold's number.
#[derive(Debug)]
pub(crate) struct ByGroup<T, V>(Vec<Collect<T, V>>);

impl<T, V> ByGroup<T, V> {
    pub(crate) fn new(session: &Session) -> Self {
        let groups = session.groups().iter();
        Self(groups.map(|(group, _)| Collect::new(session.threshold(group))).collect())
    }

    pub(crate) fn get(&self, group: u16) -> Option<&Collect<T, V>> {
        self.0.get(usize::from(group))
    }

    pub(crate) fn get_mut(&mut self, group: u16) -> Option<&mut Collect<T, V>> {
        self.0.get_mut(usize::from(group))
    }

    /// All groups in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &Collect<T, V>)> {
        (0..).zip(&self.0)
    }

    /// Whether enough verified in every group.
    pub(crate) fn is_done(&self) -> bool {
        self.0.iter().all(Collect::is_done)
    }

    /// The first group that has too few, with how many it has and how many it needs.
    pub(crate) fn short(&self) -> Option<(u16, usize, usize)> {
        let (group, collect) = self.iter().find(|(_, collect)| !collect.is_done())?;
        Some((group, collect.have(), collect.need()))
    }
}
