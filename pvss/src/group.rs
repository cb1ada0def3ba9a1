//! Arithmetic in ristretto255 that all of the crate shares.

use alloc::vec::Vec;
use core::{iter, ops::Range};

use cosi::transcript::{Hash, HashRng};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT,
    rand_core::Rng,
    ristretto::CompressedRistretto,
    traits::{Identity, VartimeMultiscalarMul},
};

/// A point's encoding, as bytes that may mean nothing.
pub type PointBytes = [u8; 32];

pub(crate) fn decode_point(bytes: &PointBytes) -> Option<RistrettoPoint> {
    CompressedRistretto(*bytes).decompress()
}

/// The encodings of the doubles of points: an eighth of what it costs to encode them one by one.
pub(crate) fn compress_doubles(
    halves: impl IntoIterator<Item = RistrettoPoint>,
) -> Vec<PointBytes> {
    let halves: Vec<_> = halves.into_iter().collect();
    let doubles = RistrettoPoint::double_and_compress_batch(&halves);
    doubles.iter().map(CompressedRistretto::to_bytes).collect()
}

pub(crate) fn decode_scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(*bytes).into()
}

/// The coefficients of a batch's equations: 128 bits each, not zero. A point times so short a
/// scalar costs half, and times its negative twice as much: negate the point instead.
///
/// They follow from a hash of all that the equations are about.
pub(crate) fn coefficients(seed: Hash) -> impl FnMut() -> Scalar {
    let mut rng = HashRng::new(seed);
    let block = move || {
        let mut block = [[0; 16]; 4];
        rng.fill_bytes(block.as_flattened_mut());
        block
    };
    let mut drawn = iter::repeat_with(block).flatten();
    move || Scalar::from(u128::from_le_bytes(drawn.next().unwrap_or_default()).max(1))
}

/// A sum of public points, each times a public scalar.
#[derive(Default)]
pub(crate) struct Terms<'a> {
    scalars: Vec<Scalar>,
    points: Vec<&'a RistrettoPoint>,
    before: RistrettoPoint,
}

/// How many points are multiplied at once at most. Half a megabyte is kept of them then, and where
/// more outgrows a processor's own cache, each costs more.
pub(crate) const MOST: usize = 2048;

/// From how many points on dalek takes Pippenger's method, and before that Straus'.
const PIPPENGER: usize = 190;
/// From how many points on Pippenger's method costs less, even with points added that count
/// nothing. Straus' tables outgrow the cache of most processors at [`STRAUS`] points.
const PADDED: usize = 120;
const STRAUS: usize = 34;

impl<'a> Terms<'a> {
    /// No term, and room for so many.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(MOST);
        let (scalars, points) = (Vec::with_capacity(most), Vec::with_capacity(most));
        Self { scalars, points, before: RistrettoPoint::identity() }
    }

    pub(crate) fn add(&mut self, scalar: Scalar, point: &'a RistrettoPoint) {
        if self.scalars.len() >= MOST {
            self.multiply();
        }
        self.scalars.push(scalar);
        self.points.push(point);
    }

    /// The sum. Its time tells of the scalars.
    pub(crate) fn sum(mut self) -> RistrettoPoint {
        self.multiply();
        self.before
    }

    fn multiply(&mut self) {
        let len = self.scalars.len();
        if (PADDED..PIPPENGER).contains(&len) {
            self.scalars.resize(PIPPENGER, Scalar::ZERO);
            self.points.resize(PIPPENGER, &RISTRETTO_BASEPOINT_POINT);
        }
        let parts = if len < PADDED { len.div_ceil(STRAUS) } else { 1 };
        let part = self.scalars.len().div_ceil(parts.max(1)).max(1);
        let parts = self.scalars.chunks(part).zip(self.points.chunks(part));
        for (scalars, points) in parts {
            let points = points.iter().copied();
            self.before += RistrettoPoint::vartime_multiscalar_mul(scalars, points);
        }
        self.scalars.clear();
        self.points.clear();
    }
}

/// Whether each of `len` statements holds. `hold` tells of a range whether all in it do; it
/// draws fresh coefficients for each range, so a liar cannot prepare for the next question.
pub(crate) fn bisect(len: usize, hold: &dyn Fn(Range<usize>) -> bool) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(len);
    let mut ranges = Vec::from_iter((len > 0).then_some(0..len));
    while let Some(range) = ranges.pop() {
        let verdict = hold(range.clone());
        if verdict || range.len() == 1 {
            verdicts.extend(range.map(|_| verdict));
            continue;
        }
        let middle = range.start.midpoint(range.end);
        ranges.extend([middle..range.end, range.start..middle]);
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At every size at which another way is taken.
    #[test]
    fn a_sum_is_that_of_its_terms_one_by_one() {
        let sizes = [0, 1, STRAUS, STRAUS + 1, PADDED - 1, PADDED, PIPPENGER - 1, PIPPENGER];
        for size in sizes.into_iter().chain([MOST - 1, MOST, MOST + 1, 2 * MOST + PADDED]) {
            let (mut terms, mut expected) = (Terms::default(), Scalar::ZERO);
            let first = (RistrettoPoint::mul_base(&Scalar::ONE), Scalar::ONE);
            let step = (RistrettoPoint::mul_base(&Scalar::from(3_u8)), Scalar::from(3_u8));
            let next =
                |(point, log): &(RistrettoPoint, Scalar)| Some((point + step.0, log + step.1));
            let points: Vec<_> = iter::successors(Some(first), next).take(size).collect();
            let mut scalar = -Scalar::from(7_u8);
            for (point, log) in &points {
                terms.add(scalar, point);
                expected += scalar * log;
                scalar *= Scalar::from(u128::MAX);
            }
            assert_eq!(terms.sum(), RistrettoPoint::mul_base(&expected), "{size}");
        }
    }

    #[test]
    fn coefficients_have_128_bits_of_their_own() {
        let draw = |number| coefficients(Hash::new(cosi::domain::SHARE_BATCH).number(number));
        let (mut one, mut same, mut other) = (draw(1), draw(1), draw(2));
        let mut seen = alloc::collections::BTreeSet::new();
        for _ in 0..64 {
            let drawn = one();
            assert_eq!(drawn, same());
            let (low, high) = drawn.as_bytes().split_at(16);
            assert!(high.iter().all(|byte| *byte == 0) && low.iter().any(|byte| *byte != 0));
            assert!(seen.insert(drawn.to_bytes()) && seen.insert(other().to_bytes()));
        }
        // All 128 bits are used, each in about half of 128 draws.
        for bit in 0..128 {
            let set = seen.iter().filter(|drawn| drawn[bit / 8] >> (bit % 8) & 1 == 1).count();
            assert!((32..96).contains(&set), "{bit}: {set}");
        }
    }
}
