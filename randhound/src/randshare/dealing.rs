//! Feldman's verifiable secret sharing (FOCS 1987) in ristretto255.

use alloc::vec::Vec;

use cosi::{
    domain::{RANDSHARE_DEAL, RANDSHARE_SECRET},
    roster::RosterId,
    transcript::Hash,
    wire::BoundedVec,
};
use curve25519_dalek::{
    RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::VartimeMultiscalarMul,
};
use zeroize::Zeroizing;

use super::words::{Commitments, Deal, DealId};

/// Where a server's share lies.
fn position(server: u16) -> Scalar {
    Scalar::from(u64::from(server)) + Scalar::ONE
}

/// 1, x, x², ….
fn powers(x: Scalar) -> impl Iterator<Item = Scalar> {
    core::iter::successors(Some(Scalar::ONE), move |power| Some(power * x))
}

/// A dealer's polynomial, by its coefficients from the lowest.
pub(super) struct Polynomial {
    coefficients: Zeroizing<Vec<Scalar>>,
    commitments: Commitments,
}

impl core::fmt::Debug for Polynomial {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Polynomial(..)")
    }
}

impl Polynomial {
    /// The polynomial of degree `threshold` − 1 that a seed makes in one session.
    pub(super) fn derive(
        seed: &[u8; 32],
        roster: &RosterId,
        session: &[u8; 32],
        threshold: u64,
    ) -> Self {
        let hash = || Hash::new(RANDSHARE_SECRET).fixed(&roster.0).fixed(session).fixed(seed);
        let coefficients = (0..threshold).map(|k| hash().number(k).scalar());
        let coefficients = Zeroizing::new(Vec::from_iter(coefficients));
        let commit = |a: &Scalar| RistrettoPoint::mul_base(a).compress().to_bytes();
        let commitments = coefficients.iter().map(commit).collect();
        let commitments = Commitments(BoundedVec::new(commitments).unwrap_or_default());
        Self { coefficients, commitments }
    }

    pub(super) const fn commitments(&self) -> &Commitments {
        &self.commitments
    }

    pub(super) fn share(&self, server: u16) -> [u8; 32] {
        let x = position(server);
        let horner = |sum: Scalar, a: &Scalar| sum * x + a;
        self.coefficients.iter().rev().fold(Scalar::ZERO, horner).to_bytes()
    }
}

impl Commitments {
    /// Their name, as those of `dealer`.
    pub(super) fn id(&self, roster: &RosterId, session: &[u8; 32], dealer: u16) -> DealId {
        let hash = Hash::new(RANDSHARE_DEAL).fixed(&roster.0).fixed(session);
        let hash = hash.number(dealer.into());
        DealId(self.0.iter().fold(hash, Hash::fixed).digest())
    }

    /// The points, if they are as many as the threshold.
    pub(super) fn decode(&self, threshold: u64) -> Option<Vec<RistrettoPoint>> {
        let points = self.0.iter().map(|bytes| CompressedRistretto(*bytes).decompress());
        let points: Vec<_> = points.collect::<Option<_>>()?;
        (u64::try_from(points.len()) == Ok(threshold)).then_some(points)
    }
}

impl Deal {
    /// The points, if they are as many as the threshold and the share is theirs.
    pub(super) fn verify(&self, server: u16, threshold: u64) -> Option<Vec<RistrettoPoint>> {
        let points = self.commitments.decode(threshold)?;
        is_valid(&points, server, &self.share).then_some(points)
    }
}

/// Whether \[s\]G = Σ \[xᵏ\]A_k at the server's position x.
pub(super) fn is_valid(points: &[RistrettoPoint], server: u16, share: &[u8; 32]) -> bool {
    let Some(share) = Option::<Scalar>::from(Scalar::from_canonical_bytes(*share)) else {
        return false;
    };
    let powers: Vec<_> = powers(position(server)).take(points.len()).collect();
    RistrettoPoint::mul_base(&share) == RistrettoPoint::vartime_multiscalar_mul(&powers, points)
}

/// The value at 0 of the polynomial through these shares, which are of distinct servers.
pub(super) fn interpolate(shares: &[(u16, [u8; 32])]) -> Option<Scalar> {
    let mut overs = Vec::with_capacity(shares.len());
    let mut unders = Vec::with_capacity(shares.len());
    for (server, _) in shares {
        let (mut over, mut under) = (Scalar::ONE, Scalar::ONE);
        for (other, _) in shares.iter().filter(|(other, _)| other != server) {
            over *= position(*other);
            under *= position(*other) - position(*server);
        }
        overs.push(over);
        unders.push(under);
    }
    Scalar::invert_batch_alloc(&mut unders);
    let weights = overs.iter().zip(&unders).map(|(over, under)| over * under);
    let weighed = shares.iter().zip(weights).map(|((_, share), weight)| {
        Some(Option::<Scalar>::from(Scalar::from_canonical_bytes(*share))? * weight)
    });
    weighed.sum()
}
