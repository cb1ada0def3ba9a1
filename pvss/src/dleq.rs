//! Proofs that one secret links several pairs of points (Chaum and Pedersen 1992; for several
//! pairs at once, RFC 9497, section 2.2).

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::transcript::{Transcript, fresh};
use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT, rand_core::CryptoRng,
    traits::IsIdentity,
};

use crate::{
    group::{PointBytes, Terms, decode_point, decode_scalar},
    keys::{ShareKey, ShareSecret},
};

/// Proves that X = \[x\]G and P_j = \[x\]B_j for all j with one x: K = \[k\]G, L = \[k\]ΣB_j\[d_j\]
/// and z = k − e·x. 96 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// K and L.
    pub commitments: [PointBytes; 2],
    /// z.
    pub response: [u8; 32],
}

/// 1 and then one challenge for each further pair. All pairs are in the transcript.
fn combination(transcript: &mut Transcript, pairs: usize) -> Vec<Scalar> {
    let first = (pairs > 0).then_some(Scalar::ONE);
    let others = (1..pairs).map(|_| transcript.challenge(b"d"));
    first.into_iter().chain(others).collect()
}

fn challenge(transcript: &mut Transcript, commitments: &[PointBytes; 2]) -> Scalar {
    commitments.iter().for_each(|commitment| transcript.append(b"commitment", commitment));
    transcript.challenge(b"e")
}

impl Proof {
    /// Proves that `secret` takes each of `bases` to its product. Everything that decides on bases
    /// and products is in the transcript, and none of it is secret.
    pub(crate) fn prove(
        mut transcript: Transcript,
        secret: &ShareSecret,
        bases: &[RistrettoPoint],
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let k = transcript.hedged(secret.scalar(), &fresh(rng));
        let mut base = Terms::default();
        let combination = combination(&mut transcript, bases.len());
        combination.into_iter().zip(bases).for_each(|(d, point)| base.add(d, point));
        let base = match bases {
            [base] => *base,
            _ => base.sum(),
        };
        let commitments = [RistrettoPoint::mul_base(&k), base * *k];
        let commitments = commitments.map(|point| point.compress().to_bytes());
        let e = challenge(&mut transcript, &commitments);
        Self { commitments, response: (*k - e * secret.scalar()).to_bytes() }
    }
}

/// A proof with its points decoded, and what it is about.
pub(crate) struct Decoded {
    key: RistrettoPoint,
    pairs: Vec<[RistrettoPoint; 2]>,
    combination: Vec<Scalar>,
    /// −K and −L.
    negated: [RistrettoPoint; 2],
    challenge: Scalar,
    response: Scalar,
}

impl Decoded {
    /// `None`: no canonical encodings. Each pair is a base and its product.
    pub(crate) fn new(
        proof: &Proof,
        mut transcript: Transcript,
        key: &ShareKey,
        pairs: Vec<[RistrettoPoint; 2]>,
    ) -> Option<Self> {
        let [k, l] = proof.commitments.each_ref().map(decode_point);
        let combination = combination(&mut transcript, pairs.len());
        Some(Self {
            key: key.point,
            pairs,
            combination,
            negated: [-k?, -l?],
            challenge: challenge(&mut transcript, &proof.commitments),
            response: decode_scalar(&proof.response)?,
        })
    }

    /// Adds ρ·(\[z\]G + \[e\]X − K) + σ·Σ_j\[d_j\](\[z\]B_j + \[e\]P_j) − \[σ\]L, where G goes to
    /// `on_base`.
    pub(crate) fn merge<'a>(
        &'a self,
        mut coefficient: impl FnMut() -> Scalar,
        on_base: &mut Scalar,
        terms: &mut Terms<'a>,
    ) {
        let (rho, sigma) = (coefficient(), coefficient());
        let [minus_k, minus_l] = &self.negated;
        *on_base += rho * self.response;
        terms.add(rho * self.challenge, &self.key);
        terms.add(rho, minus_k);
        terms.add(sigma, minus_l);
        for (d, [base, product]) in self.combination.iter().zip(&self.pairs) {
            terms.add(sigma * d * self.response, base);
            terms.add(sigma * d * self.challenge, product);
        }
    }
}

/// Whether all the proofs hold. `coefficient` gives each equation its own.
pub(crate) fn hold<'a>(
    proofs: impl IntoIterator<Item = &'a Decoded>,
    mut coefficient: impl FnMut() -> Scalar,
) -> bool {
    let (mut on_base, mut terms) = (Scalar::ZERO, Terms::default());
    for proof in proofs {
        proof.merge(&mut coefficient, &mut on_base, &mut terms);
    }
    terms.add(on_base, &RISTRETTO_BASEPOINT_POINT);
    terms.sum().is_identity()
}
