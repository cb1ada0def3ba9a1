//! Which members took part: one bit a member.

use alloc::{vec, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::wire::BoundedBytes;

/// The longest mask, in bytes.
pub const MAX_MASK: usize = 8192;

/// A set of members. Bit i is bit i mod 8, from the least significant, of byte ⌊i / 8⌋; a one
/// means that the member took part.
///
/// A mask from a peer may have any length and any padding: [`Mask::fits`] tells whether it is
/// the one encoding of a set of members of a roster.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Mask(BoundedBytes<MAX_MASK>);

impl Mask {
    /// Nobody, among `size` members.
    pub fn empty(size: usize) -> Self {
        Self(BoundedBytes::new(vec![0; size.div_ceil(8)]).unwrap_or_default())
    }

    /// These members, among `size`. Positions beyond are left out.
    pub fn of(size: usize, members: impl IntoIterator<Item = u16>) -> Self {
        let mut bytes = Self::empty(size).0.into_inner();
        for member in members.into_iter().filter(|member| usize::from(*member) < size) {
            if let Some(byte) = bytes.get_mut(usize::from(member / 8)) {
                *byte |= 1 << (member % 8);
            }
        }
        Self(BoundedBytes::new(bytes).unwrap_or_default())
    }

    /// The mask with these bytes, or `None` when there are more than 8,192.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        BoundedBytes::new(bytes).map(Self)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the member at `position` is in the set.
    pub fn contains(&self, position: u16) -> bool {
        self.0.get(usize::from(position / 8)).is_some_and(|byte| byte >> (position % 8) & 1 == 1)
    }

    /// The members' positions, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let bytes = (0..=u16::MAX).step_by(8).zip(self.0.iter().copied());
        let set = |(first, byte): (u16, u8)| {
            let bits = (0..8).filter(move |bit| byte >> bit & 1 == 1);
            bits.map(move |bit| first | bit)
        };
        bytes.filter(|(_, byte)| *byte != 0).flat_map(set)
    }

    /// How many members are in the set.
    pub fn count(&self) -> usize {
        self.0.iter().map(|byte| usize::try_from(byte.count_ones()).unwrap_or_default()).sum()
    }

    /// Whether this is a mask over exactly `size` members: as long as it must be, and no bit
    /// set beyond the last member.
    pub fn fits(&self, size: usize) -> bool {
        self.0.len() == size.div_ceil(8) && self.iter().all(|at| usize::from(at) < size)
    }

    /// Whether every member of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        let others = other.0.iter().copied().chain(core::iter::repeat(0));
        self.0.iter().zip(others).all(|(mine, other)| mine & !other == 0)
    }

    /// Whether no member is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).all(|(mine, other)| mine & other == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_one_encoding() {
        let mask = Mask::of(11, [0, 9, 10, 10, 11, 700]);
        assert_eq!(mask.as_bytes(), [1, 0b110]);
        assert_eq!(mask.iter().collect::<Vec<_>>(), [0, 9, 10]);
        assert_eq!(
            (mask.count(), mask.fits(11), mask.fits(10), mask.fits(17)),
            (3, true, false, false)
        );
        assert!(Mask::of(11, [9]).is_subset(&mask) && !mask.is_subset(&Mask::of(11, [9])));
        assert!(Mask::of(3, [2]).is_subset(&mask) == mask.contains(2));
        assert!(mask.is_disjoint(&Mask::of(11, [8])) && !mask.is_disjoint(&Mask::of(99, [9])));
        assert!(!mask.is_subset(&Mask::of(3, [0])) && Mask::of(99, [9]).is_subset(&mask));
        assert!(Mask::from_bytes(vec![0; 8193]).is_none());
        assert_eq!(Mask::of(65_536, [65_535]).iter().collect::<Vec<_>>(), [65_535]);
    }
}
