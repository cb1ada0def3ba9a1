//! Σ_i ρ_i·i^k for all k.

use alloc::vec::Vec;

use curve25519_dalek::Scalar;

use crate::wide::Wide;

/// An evaluation point is at most 2^8, and a sum has at most 2^8 summands.
const STEP: u32 = 8;
/// Bits of a scalar.
const REDUCED: u32 = 253;
const FULL: u32 = 512;

/// Σ_i ρ_i·i^k for i = 1, …, at most 256, and each k below `number`.
pub(crate) fn moments(rhos: &[Scalar], number: usize) -> Vec<Scalar> {
    let mut powers: Vec<_> = rhos.iter().map(Wide::new).collect();
    let mut bits = REDUCED;
    let mut moments = Vec::with_capacity(number);
    for _ in 0..number {
        let mut sum = Wide::default();
        powers.iter().for_each(|power| sum.add(power));
        moments.push(sum.reduce());
        bits = bits.saturating_add(STEP);
        if bits.saturating_add(STEP) > FULL {
            powers.iter_mut().for_each(|power| *power = Wide::new(&power.reduce()));
            bits = REDUCED.saturating_add(STEP);
        }
        powers.iter_mut().zip(1..).for_each(|(power, i)| power.multiply(i));
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
