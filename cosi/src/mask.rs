//! Which members took part: one bit a member.

use alloc::{vec, vec::Vec};
use core::iter::successors;

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
        ones(self.0.iter().copied())
    }

    /// The positions of those of `size` members who are not in the set, in order.
    pub(crate) fn absent(&self, size: usize) -> impl Iterator<Item = u16> + '_ {
        ones(self.0.iter().map(|byte| !byte)).take_while(move |at| usize::from(*at) < size)
    }

    /// How many members are in the set.
    pub fn count(&self) -> usize {
        self.0.iter().map(|byte| usize::try_from(byte.count_ones()).unwrap_or_default()).sum()
    }

    /// Whether this is a mask over exactly `size` members: as long as it must be, and no bit
    /// set beyond the last member.
    pub fn fits(&self, size: usize) -> bool {
        let padding = match size % 8 {
            0 => 0,
            used => u8::MAX << used,
        };
        self.0.len() == size.div_ceil(8) && self.0.last().is_none_or(|last| last & padding == 0)
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

/// The positions of the bits that are set, in order, at most 65,536.
fn ones(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = u16> {
    (0..=u16::MAX).step_by(8).zip(bytes).flat_map(|(first, byte)| {
        // Each step drops the lowest bit that is set, so an empty byte takes none.
        let rest = successors(Some(byte), |rest| Some(rest & rest.wrapping_sub(1)));
        let left = rest.take_while(|rest| *rest != 0);
        left.map(move |rest| first | u16::try_from(rest.trailing_zeros()).unwrap_or_default())
    })
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

    /// Bit by bit.
    #[test]
    fn members_and_absentees_are_those_whose_bits_say_so() {
        for size in [0, 1, 7, 8, 9, 24, 1000, 65_536] {
            for step in [1, 2, 3, 11, 200] {
                let mask = Mask::of(size, (0..=u16::MAX).take(size).step_by(step));
                let bit = |at: &usize| mask.as_bytes()[at / 8] >> (at % 8) & 1 == 1;
                let (members, absent): (Vec<usize>, _) = (0..size).partition(bit);
                assert_eq!(mask.iter().map(usize::from).collect::<Vec<_>>(), members);
                assert_eq!(mask.absent(size).map(usize::from).collect::<Vec<_>>(), absent);
                assert_eq!(mask.count(), members.len());
                assert!(mask.fits(size) && !mask.fits(size + 8));
            }
        }
        for padding in 3..8 {
            assert!(!Mask::from_bytes(vec![0, 1 << padding]).unwrap().fits(11));
        }
    }
}
