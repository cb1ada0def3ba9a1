//! Schoenmakers' scheme ("A Simple Publicly Verifiable Secret Sharing Scheme and its Application
//! to Electronic Voting", CRYPTO '99, section 3): a dealer commits to its polynomial, and proves
//! of each share that it is the committed one.
//!
//! ```text
//! deal    S = [p(0)]G; A_k = [a_k]H for k < t; Y_i = [p(i)]X_i
//!         r of degree t − 1, B_k = [r_k]H, V_i = [r(i)]X_i, e ← everything, z_k = r_k − e·a_k
//! check   [z_k]H + [e]A_k = B_k for k < t, and [z(i)]X_i + [e]Y_i = V_i
//! ```
//!
//! H is the paper's g. It is hashed from the session, so that nobody knows log_G H.
//!
//! Departures from the paper.
//!
//! The nonces w_i = r(i) of the shares' proofs lie on a polynomial, as the shares do, so that t
//! points and responses stand for n: U_i = \[w_i\]H is Σ_k\[i^k\]B_k, the responses are z(i), and
//! with E_i = Σ_k\[i^k\]A_k the first equations, weighted by i^k and summed up, are the paper's
//! \[z(i)\]H + \[e\]E_i = U_i. 2·(t + n) points and t scalars come to 3,104 bytes at n = 32, t = 11,
//! where t + 3·n points and n scalars came to 4,448, and a fifth of the points need not be decoded.
//!
//! It is the proof of knowledge of a preimage under a homomorphism (Maurer, "Unifying
//! Zero-Knowledge Proofs of Knowledge", AFRICACRYPT 2009) for a ↦ (\[a_k\]H, \[p(i)\]X_i). Two
//! answers to one first move give a_k = (z_k − z'_k)/(e' − e), which all A_k and Y_i are made of.
//! A simulator draws e and a uniform z first, and takes the points that follow.
//!
//! B_k and V_i are sent in place of e, so that deals verify in batches; e is never read from a
//! deal. E_i is not hashed: the A_k, which are, leave no choice of it.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{keys::PublicKeyBytes, transcript::Hash, wire::BoundedVec};
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    deal::{DealError, Merged, all_sound, append_points, statement},
    group::{PointBytes, compress_doubles, decode_scalar},
    sharing::{MAX_TRUSTEES, Sharing, values},
    wide,
};

/// A deal: 32·(3·t + 2·n) bytes, and two lengths.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deal {
    /// For each k below the threshold.
    pub coefficients: BoundedVec<Coefficient, MAX_TRUSTEES>,
    /// For each trustee in order.
    pub shares: BoundedVec<Share, MAX_TRUSTEES>,
}

/// A commitment to a coefficient of the polynomial, and what proves it known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Coefficient {
    /// A_k.
    pub committed: PointBytes,
    /// B_k.
    pub nonce: PointBytes,
    /// z_k.
    pub response: [u8; 32],
}

/// One trustee's share, and what proves that it is the one committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Share {
    /// Y_i.
    pub encrypted: PointBytes,
    /// V_i.
    pub nonce: PointBytes,
}

/// What a deal is made of. Sealing it consumes it.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Drawn {
    /// a_0, …, a_{t−1}.
    pub(crate) polynomial: Vec<Scalar>,
    /// r_0, …, r_{t−1}.
    pub(crate) nonces: Vec<Scalar>,
}

/// e, of all A_k and B_k in turn, then all Y_i and V_i. The sharing tells how many.
fn challenge(deal: &Deal, sharing: &Sharing, dealer: &PublicKeyBytes) -> Scalar {
    let coefficients = deal.coefficients.iter().map(|of| [of.committed, of.nonce]);
    let shares = deal.shares.iter().map(|of| [of.encrypted, of.nonce]);
    let points: Vec<_> = coefficients.chain(shares).collect();
    let mut transcript = statement(sharing, dealer);
    append_points(&mut transcript, b"points", points.as_flattened());
    transcript.challenge(b"e")
}

/// The halves of \[s_k\]H and of \[s(i)\]X_i for a secret polynomial s, in the order of a deal.
fn halves(secret: &[Scalar], sharing: &Sharing) -> Vec<RistrettoPoint> {
    let n = sharing.trustees();
    let half = |point: &RistrettoPoint, scalar: &Scalar| point * *Zeroizing::new(scalar.div_by_2());
    let mut plain = Zeroizing::new(Vec::with_capacity(n));
    plain.extend(values(secret, n));
    let shares = sharing.keys().keys().zip(&*plain).map(|(key, value)| half(&key.point, value));
    secret.iter().map(|scalar| half(sharing.base(), scalar)).chain(shares).collect()
}

/// Deals what was drawn.
pub(crate) fn seal(drawn: Drawn, sharing: &Sharing, dealer: &PublicKeyBytes) -> Deal {
    let Drawn { polynomial, nonces } = &drawn;
    let halves = [polynomial, nonces].map(|secret| halves(secret, sharing));
    let encoded = compress_doubles(halves.into_iter().flatten());
    let (dealt, moves) = encoded.split_at(encoded.len() / 2);
    let mut pairs = dealt.iter().copied().zip(moves.iter().copied());
    let first = pairs.by_ref().take(polynomial.len());
    let coefficients =
        first.map(|(committed, nonce)| Coefficient { committed, nonce, response: [0; 32] });
    let coefficients = coefficients.collect();
    let shares = pairs.map(|(encrypted, nonce)| Share { encrypted, nonce }).collect();
    let deal = Deal {
        coefficients: BoundedVec::new(coefficients).unwrap_or_default(),
        shares: BoundedVec::new(shares).unwrap_or_default(),
    };
    let e = challenge(&deal, sharing, dealer);
    let responses = polynomial.iter().zip(nonces).map(|(a, r)| r - e * a);
    let answer = |(of, z): (&Coefficient, Scalar)| Coefficient { response: z.to_bytes(), ..*of };
    let answered = deal.coefficients.iter().zip(responses).map(answer).collect();
    Deal { coefficients: BoundedVec::new(answered).unwrap_or_default(), ..deal }
}

/// A deal with its points decoded, not yet verified.
pub(crate) struct Decoded {
    coefficients: Vec<RistrettoPoint>,
    pub(crate) shares: Vec<RistrettoPoint>,
    /// −B_k, and −V_i.
    negated: [Vec<RistrettoPoint>; 2],
    responses: Vec<Scalar>,
    challenge: Scalar,
}

impl Decoded {
    pub(crate) fn new(
        deal: &Deal,
        sharing: &Sharing,
        dealer: &PublicKeyBytes,
    ) -> Result<Self, DealError> {
        let Deal { coefficients, shares } = deal;
        if (coefficients.len(), shares.len()) != (sharing.threshold(), sharing.trustees()) {
            return Err(DealError::Size);
        }
        let response = |of: &Coefficient| decode_scalar(&of.response).ok_or(DealError::Encoding);
        let mut negated = [
            all_sound(coefficients.iter().map(|of| &of.nonce))?,
            all_sound(shares.iter().map(|of| &of.nonce))?,
        ];
        negated.iter_mut().flatten().for_each(|point| *point = -*point);
        Ok(Self {
            coefficients: all_sound(coefficients.iter().map(|of| &of.committed))?,
            shares: all_sound(shares.iter().map(|of| &of.encrypted))?,
            negated,
            responses: coefficients.iter().map(response).collect::<Result<_, _>>()?,
            challenge: challenge(deal, sharing, dealer),
        })
    }

    /// What everybody's view of the deal follows from: e, of all but the responses, and these.
    pub(crate) fn bind(&self, hash: Hash) -> Hash {
        let hash = hash.fixed(self.challenge.as_bytes());
        self.responses.iter().fold(hash, |hash, response| hash.fixed(response.as_bytes()))
    }

    /// How many points it adds to a sum.
    pub(crate) fn points(&self) -> usize {
        self.shares.len().saturating_add(self.coefficients.len()).saturating_mul(2)
    }

    /// Adds Σ_k ρ_k·(\[z_k\]H + \[e\]A_k − B_k) + Σ_i σ_i·(\[z(i)\]X_i + \[e\]Y_i − V_i).
    pub(crate) fn merge<'a>(
        &'a self,
        coefficient: &mut impl FnMut() -> Scalar,
        merged: &mut Merged<'a, '_>,
    ) {
        let e = &self.challenge;
        let [minus_b, minus_v] = &self.negated;
        for ((z, committed), minus_b) in self.responses.iter().zip(&self.coefficients).zip(minus_b)
        {
            let rho = coefficient();
            merged.base.add_product(&rho, z);
            merged.terms.add(rho * e, committed);
            merged.terms.add(rho, minus_b);
        }
        let responses = wide::values(&self.responses, self.shares.len());
        let slots = merged.keys.iter_mut().zip(responses).zip(&self.shares).zip(minus_v);
        for (((slot, z), share), minus_v) in slots {
            let sigma = coefficient();
            slot.add_product(&sigma, &z);
            merged.terms.add(sigma * e, share);
            merged.terms.add(sigma, minus_v);
        }
    }
}
