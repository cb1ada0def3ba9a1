//! Arithmetic in ristretto255 that all of the crate shares.

use alloc::vec::Vec;

use cosi::transcript::HashRng;
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    rand_core::Rng,
    ristretto::CompressedRistretto,
    traits::{IsIdentity, VartimeMultiscalarMul},
};

/// A point's encoding, as bytes that may mean nothing.
pub type PointBytes = [u8; 32];

pub(crate) fn decode_point(bytes: &PointBytes) -> Option<RistrettoPoint> {
    CompressedRistretto(*bytes).decompress()
}

pub(crate) fn decode_scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(*bytes).into()
}

/// A coefficient of one equation in a batch: 128 bits, not zero. A point times so short a scalar
/// costs half, and times its negative twice as much: negate the point instead.
pub(crate) fn coefficient(rng: &mut HashRng) -> Scalar {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Scalar::from(u128::from_le_bytes(bytes).max(1))
}

/// A sum of public points, each times a public scalar.
#[derive(Default)]
pub(crate) struct Terms {
    scalars: Vec<Scalar>,
    points: Vec<RistrettoPoint>,
}

/// The sizes at which one multiplication costs more than several smaller ones: dalek takes
/// Straus' method below 190 points, whose tables outgrow the cache.
const SLOW: core::ops::RangeInclusive<usize> = 77..=190;
const PART: usize = 64;

impl Terms {
    pub(crate) fn add(&mut self, scalar: Scalar, point: &RistrettoPoint) {
        self.scalars.push(scalar);
        self.points.push(*point);
    }

    /// The sum. Its time tells of the scalars.
    pub(crate) fn sum(&self) -> RistrettoPoint {
        let len = self.scalars.len();
        let part = if SLOW.contains(&len) { PART } else { len.max(1) };
        let parts = self.scalars.chunks(part).zip(self.points.chunks(part));
        parts.map(|(s, p)| RistrettoPoint::vartime_multiscalar_mul(s, p)).sum()
    }

    /// Whether the sum is the identity.
    pub(crate) fn vanish(&self) -> bool {
        self.sum().is_identity()
    }
}

/// Whether each of `len` statements holds. `hold` tells of a range whether all in it do; it
/// draws fresh coefficients for each range, so a liar cannot prepare for the next question.
pub(crate) fn bisect(len: usize, hold: &dyn Fn(core::ops::Range<usize>) -> bool) -> Vec<bool> {
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
