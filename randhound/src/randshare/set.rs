//! Sets of servers, of which there are 64 at most.

/// A set of servers by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(pub(super) u64);

impl Set {
    /// All that can be in it.
    pub(super) const fn all() -> Self {
        Self(u64::MAX)
    }

    pub(super) const fn contains(self, server: u16) -> bool {
        self.0 & bit(server) != 0
    }

    /// Whether it was not there before.
    pub(super) const fn insert(&mut self, server: u16) -> bool {
        let is_new = !self.contains(server);
        self.0 |= bit(server);
        is_new
    }

    pub(super) const fn len(self) -> u64 {
        self.0.count_ones() as u64
    }

    /// Its members below 64, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = u16> {
        (0..64).filter(move |server| self.contains(*server))
    }
}

/// 0 for what is no server.
const fn bit(server: u16) -> u64 {
    match 1_u64.checked_shl(server as u32) {
        Some(bit) => bit,
        None => 0,
    }
}
