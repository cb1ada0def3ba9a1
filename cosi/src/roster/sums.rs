//! Sums of some members' keys, at an addition for every four members at most.

use alloc::vec::Vec;

use curve25519_dalek::{EdwardsPoint, traits::Identity};

use crate::keys::PublicKey;

/// How many members make a block.
const MEMBERS: u16 = 4;
/// How many subsets a block has.
const SUBSETS: usize = 1 << MEMBERS;

/// The sum of every subset of every block of four keys: 640 bytes a member.
pub(super) struct Sums {
    size: usize,
    /// Block by block, subset by subset. Bit i of a subset is the block's member i.
    sums: Vec<EdwardsPoint>,
}

impl Sums {
    pub(super) fn new(keys: &[PublicKey]) -> Self {
        let blocks = keys.len().div_ceil(MEMBERS.into());
        let mut sums = Vec::with_capacity(blocks.saturating_mul(SUBSETS));
        for block in keys.chunks(MEMBERS.into()) {
            let mut of_block = [EdwardsPoint::identity(); SUBSETS];
            for (at, key) in block.iter().enumerate() {
                // The subsets with this member as their last: those before it, each with it.
                let (before, with) = of_block.split_at_mut(1 << at);
                before.iter().zip(with).for_each(|(sum, with)| *with = sum + key.point());
            }
            sums.extend(of_block);
        }
        Self { size: keys.len(), sums }
    }

    /// The sum of the keys at these positions, which ascend. The error is one that is nobody's.
    pub(super) fn of(&self, members: &mut dyn Iterator<Item = u16>) -> Result<EdwardsPoint, u16> {
        let mut sum = EdwardsPoint::identity();
        let (mut block, mut subset) = (0, 0);
        for at in members {
            if usize::from(at) >= self.size {
                return Err(at);
            }
            if at / MEMBERS != block {
                sum += self.of_block(block, subset);
                (block, subset) = (at / MEMBERS, 0);
            }
            subset |= 1 << (at % MEMBERS);
        }
        Ok(sum + self.of_block(block, subset))
    }

    fn of_block(&self, block: u16, subset: usize) -> EdwardsPoint {
        let first = usize::from(block).saturating_mul(SUBSETS);
        self.sums.get(first | subset).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Seed;

    /// One by one.
    #[test]
    fn every_subset_has_its_sum() {
        let keys: Vec<_> =
            (0..10).map(|seed| *Seed::from_bytes([seed; 32]).signing_key().public()).collect();
        for size in 0..=10_u16 {
            let sums = Sums::new(&keys[..usize::from(size)]);
            for set in 0..1_u16 << size {
                let members = || (0..size).filter(|at| set >> at & 1 == 1);
                let expected: EdwardsPoint =
                    members().map(|at| keys[usize::from(at)].point()).sum();
                assert_eq!(sums.of(&mut members()), Ok(expected), "{set:b} of {size}");
            }
            assert_eq!(sums.of(&mut [0, size].into_iter().skip(usize::from(size == 0))), Err(size));
        }
    }
}
