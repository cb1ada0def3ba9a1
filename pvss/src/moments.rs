//! Σ_i ρ_i·i^k for all k, in plain integers: a multiplication modulo the group's order costs
//! several times as much as one of a few limbs by a small number.

use alloc::vec::Vec;

use curve25519_dalek::Scalar;

/// An integer below 2^512, its limbs from the lowest.
#[derive(Clone, Copy, Default)]
struct Wide([u64; 8]);

/// An evaluation point is at most 2^8, and a sum has at most 2^8 summands.
const STEP: u32 = 8;
/// Bits of a scalar.
const REDUCED: u32 = 253;
const FULL: u32 = 512;

impl Wide {
    fn new(scalar: &Scalar) -> Self {
        let mut limbs = [0; 8];
        let (words, _) = scalar.as_bytes().as_chunks::<8>();
        limbs.iter_mut().zip(words).for_each(|(limb, word)| *limb = u64::from_le_bytes(*word));
        Self(limbs)
    }

    fn reduce(&self) -> Scalar {
        let mut bytes = [0; 64];
        let (words, _) = bytes.as_chunks_mut::<8>();
        words.iter_mut().zip(self.0).for_each(|(word, limb)| *word = limb.to_le_bytes());
        Scalar::from_bytes_mod_order_wide(&bytes)
    }

    /// Times `by`, plus `other`. A limb times a limb, a limb and a carry fit two limbs.
    fn multiply_add(&self, by: u64, other: &Self) -> Self {
        let (mut carry, mut sum) = (0_u128, Self::default());
        for ((target, limb), other) in sum.0.iter_mut().zip(&self.0).zip(&other.0) {
            let product = u128::from(*limb).wrapping_mul(by.into());
            let wide = product.wrapping_add(u128::from(*other)).wrapping_add(carry);
            (*target, carry) = (low(wide), wide >> 64);
        }
        sum
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low limb is what is asked for")]
const fn low(wide: u128) -> u64 {
    wide as u64
}

/// Σ_i ρ_i·i^k for i = 1, …, at most 256, and each k below `number`.
pub(crate) fn moments(rhos: &[Scalar], number: usize) -> Vec<Scalar> {
    let mut powers: Vec<_> = rhos.iter().map(Wide::new).collect();
    let mut bits = REDUCED;
    let mut moments = Vec::with_capacity(number);
    for _ in 0..number {
        let sum = powers.iter().fold(Wide::default(), |sum, power| power.multiply_add(1, &sum));
        moments.push(sum.reduce());
        bits = bits.saturating_add(STEP);
        if bits.saturating_add(STEP) > FULL {
            powers.iter_mut().for_each(|power| *power = Wide::new(&power.reduce()));
            bits = REDUCED.saturating_add(STEP);
        }
        let points = 1_u64..;
        let zero = Wide::default();
        powers.iter_mut().zip(points).for_each(|(power, i)| *power = power.multiply_add(i, &zero));
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::{MAX_TRUSTEES, point_of};

    #[test]
    fn plain_integers_tell_what_scalars_do() {
        let largest = -Scalar::ONE;
        for (n, number) in [(1, 1), (32, 11), (MAX_TRUSTEES, MAX_TRUSTEES)] {
            let rhos: Vec<_> = (0..n).map(|at| largest - point_of(at * 7)).collect();
            let mut powers = rhos.clone();
            for (k, moment) in moments(&rhos, number).into_iter().enumerate() {
                assert_eq!(moment, powers.iter().sum::<Scalar>(), "{n} {k}");
                powers.iter_mut().enumerate().for_each(|(at, power)| *power *= point_of(at));
            }
        }
    }
}
