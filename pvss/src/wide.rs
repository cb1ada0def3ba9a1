//! Integers below 2^512. Sums and small multiples of scalars are computed in them and reduced in
//! the end: an operation modulo the group's order costs several times as much.

use curve25519_dalek::Scalar;

/// An integer below 2^512, its limbs from the lowest.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wide([u64; 8]);

impl Wide {
    pub(crate) fn new(scalar: &Scalar) -> Self {
        let mut limbs = [0; 8];
        let (words, _) = scalar.as_bytes().as_chunks::<8>();
        limbs.iter_mut().zip(words).for_each(|(limb, word)| *limb = u64::from_le_bytes(*word));
        Self(limbs)
    }

    pub(crate) fn reduce(&self) -> Scalar {
        let mut bytes = [0; 64];
        let (words, _) = bytes.as_chunks_mut::<8>();
        words.iter_mut().zip(self.0).for_each(|(word, limb)| *word = limb.to_le_bytes());
        Scalar::from_bytes_mod_order_wide(&bytes)
    }

    /// Plus `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            let (sum, first) = limb.overflowing_add(*other);
            let (sum, second) = sum.overflowing_add(carry.into());
            (*limb, carry) = (sum, first || second);
        }
    }

    /// Times `by`. A limb times a limb and a carry fit two limbs.
    pub(crate) fn multiply(&mut self, by: u64) {
        let mut carry = 0_u128;
        for limb in &mut self.0 {
            let wide = u128::from(*limb).wrapping_mul(by.into()).wrapping_add(carry);
            (*limb, carry) = (low(wide), wide >> 64);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low limb is what is asked for")]
const fn low(wide: u128) -> u64 {
    wide as u64
}
