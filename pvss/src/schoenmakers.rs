//! Schoenmakers' scheme ("A Simple Publicly Verifiable Secret Sharing Scheme and its Application
//! to Electronic Voting", CRYPTO '99, section 3): a dealer commits to its polynomial, and proves
//! of each share that it is the committed one.
//!
//! ```text
//! deal    S = [p(0)]G; A_k = [a_k]H for k < t; Y_i = [p(i)]X_i; E_i = Σ_k[i^k]A_k = [p(i)]H
//!         U_i = [w_i]H, V_i = [w_i]X_i, e ← everything, z_i = w_i − e·p(i)
//! check   [z_i]H + [e]E_i = U_i and [z_i]X_i + [e]Y_i = V_i
//! ```
//!
//! H is the paper's g. It is hashed from the session, so that nobody knows log_G H.
//!
//! Departures from the paper. U_i and V_i are sent in
//! place of e, so that deals verify in batches; e is never read from a deal. E_i is not hashed:
//! the A_k, which are, leave no choice of it.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{keys::PublicKeyBytes, transcript::Transcript, wire::BoundedVec};
use curve25519_dalek::{RistrettoPoint, Scalar, traits::IsIdentity};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    deal::{DealError, Merged, statement},
    group::{PointBytes, compress_doubles, decode_point, decode_scalar},
    moments::moments,
    sharing::{MAX_TRUSTEES, Sharing, values},
};

/// A deal: 32·(t + 4·n) bytes, and two lengths.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deal {
    /// A_k, for each k below the threshold.
    pub coefficients: BoundedVec<PointBytes, MAX_TRUSTEES>,
    /// For each trustee in order.
    pub shares: BoundedVec<Share, MAX_TRUSTEES>,
}

/// One trustee's share, and the proof that it is the one committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Share {
    /// Y_i.
    pub encrypted: PointBytes,
    /// U_i and V_i.
    pub commitments: [PointBytes; 2],
    /// z_i.
    pub response: [u8; 32],
}

/// What a deal is made of. Sealing it consumes it.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Drawn {
    /// a_0, …, a_{t−1}.
    pub(crate) polynomial: Vec<Scalar>,
    /// w_1, …, w_n.
    pub(crate) nonces: Vec<Scalar>,
}

fn challenge(deal: &Deal, sharing: &Sharing, dealer: &PublicKeyBytes) -> Scalar {
    let mut transcript: Transcript = statement(sharing, dealer);
    deal.coefficients.iter().for_each(|point| transcript.append(b"A", point));
    for share in deal.shares.iter() {
        transcript.append(b"Y", &share.encrypted);
        share.commitments.iter().for_each(|point| transcript.append(b"commitment", point));
    }
    transcript.challenge(b"e")
}

/// Deals what was drawn.
pub(crate) fn seal(drawn: Drawn, sharing: &Sharing, dealer: &PublicKeyBytes) -> Deal {
    let (base, n) = (sharing.base(), sharing.trustees());
    let half = |point: &RistrettoPoint, scalar: &Scalar| point * *Zeroizing::new(scalar.div_by_2());
    let coefficients = compress_doubles(drawn.polynomial.iter().map(|a| half(base, a)));
    let mut plain = Zeroizing::new(Vec::with_capacity(n));
    plain.extend(values(&drawn.polynomial, n));
    let keys = sharing.keys().keys().map(|key| &key.point);
    let slots = plain.iter().zip(keys).zip(&drawn.nonces);
    let points =
        slots.flat_map(|((value, key), w)| [half(key, value), half(base, w), half(key, w)]);
    let points = compress_doubles(points);
    let (points, _) = points.as_chunks::<3>();
    let share = |[encrypted, u, v]: &[PointBytes; 3]| Share {
        encrypted: *encrypted,
        commitments: [*u, *v],
        response: [0; 32],
    };
    let shares = points.iter().map(share).collect();
    let deal = Deal {
        coefficients: BoundedVec::new(coefficients).unwrap_or_default(),
        shares: BoundedVec::new(shares).unwrap_or_default(),
    };
    let e = challenge(&deal, sharing, dealer);
    let responses = plain.iter().zip(&drawn.nonces).map(|(value, w)| w - e * value);
    let answer = |(share, z): (&Share, Scalar)| Share { response: z.to_bytes(), ..*share };
    let shares = deal.shares.iter().zip(responses).map(answer).collect();
    Deal { shares: BoundedVec::new(shares).unwrap_or_default(), ..deal }
}

/// A deal with its points decoded, not yet verified.
pub(crate) struct Decoded {
    coefficients: Vec<RistrettoPoint>,
    pub(crate) shares: Vec<RistrettoPoint>,
    answers: Vec<([RistrettoPoint; 2], Scalar)>,
    challenge: Scalar,
}

impl Decoded {
    pub(crate) fn new(
        deal: &Deal,
        sharing: &Sharing,
        dealer: &PublicKeyBytes,
    ) -> Result<Self, DealError> {
        let counts = (deal.coefficients.len(), deal.shares.len());
        if counts != (sharing.threshold(), sharing.trustees()) {
            return Err(DealError::Size);
        }
        let sound = |bytes: &PointBytes| {
            let point = decode_point(bytes).ok_or(DealError::Encoding)?;
            if point.is_identity() { Err(DealError::Identity) } else { Ok(point) }
        };
        let answer = |share: &Share| {
            let z = decode_scalar(&share.response).ok_or(DealError::Encoding)?;
            let [u, v] = share.commitments.each_ref().map(sound);
            Ok(([u?, v?], z))
        };
        Ok(Self {
            coefficients: deal.coefficients.iter().map(sound).collect::<Result<_, _>>()?,
            shares: deal
                .shares
                .iter()
                .map(|share| sound(&share.encrypted))
                .collect::<Result<_, _>>()?,
            answers: deal.shares.iter().map(answer).collect::<Result<_, _>>()?,
            challenge: challenge(deal, sharing, dealer),
        })
    }

    /// How many points it adds to a sum.
    pub(crate) fn points(&self) -> usize {
        self.shares.len().saturating_mul(3).saturating_add(self.coefficients.len())
    }

    /// Adds Σ_i ρ_i·(\[z_i\]H + \[e\]E_i − U_i) + σ_i·(\[z_i\]X_i + \[e\]Y_i − V_i), with E_i
    /// expanded.
    pub(crate) fn merge(&self, mut coefficient: impl FnMut() -> Scalar, merged: &mut Merged<'_>) {
        let e = &self.challenge;
        let mut rhos = Vec::with_capacity(self.shares.len());
        let slots = merged.keys.iter_mut().zip(&self.shares).zip(&self.answers);
        for ((slot, share), ([u, v], z)) in slots {
            let (rho, sigma) = (coefficient(), coefficient());
            rhos.push(rho);
            merged.base.add_product(&rho, z);
            slot.add_product(&sigma, z);
            merged.terms.add(sigma * e, share);
            merged.terms.add(rho, &-u);
            merged.terms.add(sigma, &-v);
        }
        let moments = moments(&rhos, self.coefficients.len());
        for (moment, commitment) in moments.iter().zip(&self.coefficients) {
            merged.terms.add(e * moment, commitment);
        }
    }
}
