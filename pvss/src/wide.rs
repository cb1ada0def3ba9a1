//! Integers below 2^512. Sums and small multiples of scalars are computed in them and reduced in
//! the end: an operation modulo the group's order costs several times as much.

use alloc::vec::Vec;

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

    /// Plus `a`·`b`. Its time tells which limbs of `a` are zero.
    pub(crate) fn add_product(&mut self, a: &Scalar, b: &Scalar) {
        let (Self(a), Self(b)) = (Self::new(a), Self::new(b));
        let mut product = Self::default();
        for (at, a) in a.iter().enumerate().take(4).filter(|(_, a)| **a != 0) {
            let mut carry = 0_u128;
            for (limb, b) in product.0.iter_mut().skip(at).zip(b.iter().take(5)) {
                let wide = u128::from(*a).wrapping_mul((*b).into());
                let wide = wide.wrapping_add((*limb).into()).wrapping_add(carry);
                (*limb, carry) = (low(wide), wide >> 64);
            }
        }
        self.add(&product);
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

/// Bits of a scalar.
const REDUCED: u32 = 253;
const FULL: u32 = 512;
/// By so many bits a value grows at most when it is multiplied by an evaluation point, which is at
/// most 2^8, and a scalar is added.
const STEP: u32 = 9;

/// The values of the polynomial with these public coefficients, lowest first, at 1, …, n ≤ 256.
pub(crate) fn values(coefficients: &[Scalar], n: usize) -> impl Iterator<Item = Scalar> {
    let coefficients: Vec<_> = coefficients.iter().rev().map(Wide::new).collect();
    let value = move |x: u64| {
        let (mut value, mut bits) = (Wide::default(), REDUCED);
        for coefficient in &coefficients {
            if bits.saturating_add(STEP) > FULL {
                (value, bits) = (Wide::new(&value.reduce()), REDUCED);
            }
            value.multiply(x);
            value.add(coefficient);
            bits = bits.saturating_add(STEP);
        }
        value.reduce()
    };
    (1..).map(value).take(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::{self, MAX_TRUSTEES};

    #[test]
    fn plain_integers_tell_a_polynomials_values() {
        let largest = -Scalar::ONE;
        for (n, t) in [(1, 1), (32, 11), (MAX_TRUSTEES, 28), (MAX_TRUSTEES, MAX_TRUSTEES)] {
            let coefficients: Vec<_> =
                (0..t).map(|at| largest - sharing::point_of(at * 7)).collect();
            let values: Vec<_> = values(&coefficients, n).collect();
            assert_eq!(values, sharing::values(&coefficients, n).collect::<Vec<_>>(), "{n} {t}");
        }
    }

    #[test]
    fn products_of_plain_integers_are_those_of_scalars() {
        let largest = -Scalar::ONE;
        let short = Scalar::from(u128::MAX);
        let odd = Scalar::from(1_u64 << 63) * Scalar::from(u64::MAX) * short.invert();
        let values = [Scalar::ZERO, Scalar::ONE, short, odd, largest, largest - short];
        let (mut sum, mut expected) = (Wide::default(), Scalar::ZERO);
        for (a, b) in values.iter().flat_map(|a| values.map(|b| (a, b))) {
            let mut product = Wide::default();
            product.add_product(a, &b);
            assert_eq!(product.reduce(), a * b);
            sum.add_product(a, &b);
            expected += a * b;
        }
        assert_eq!(sum.reduce(), expected, "36 products of 506 bits stay below 2^512");
    }
}
