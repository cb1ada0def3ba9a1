//! Collecting one thing from each member of a group until enough of them verify.

use alloc::{collections::BTreeMap, vec::Vec};

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

    /// Takes in what a member gives first. As soon as that could make enough, verifies what was
    /// not looked at, as a batch, and returns what does not hold.
    pub(crate) fn insert<E>(
        &mut self,
        member: u16,
        item: T,
        verify: impl FnOnce(Vec<&T>) -> Vec<Result<V, E>>,
    ) -> Vec<(u16, T, E)> {
        self.slots.entry(member).or_insert(Slot::Unchecked(item));
        let hopeful = self.slots.values().filter(|slot| !matches!(slot, Slot::Bad)).count();
        if self.is_done() || hopeful < self.need {
            return Vec::new();
        }
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
