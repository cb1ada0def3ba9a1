//! DHPVSS (Cascudo, David, Garms and Konring, "YOLO YOSO", ASIACRYPT 2022): a dealer masks each
//! share with a Diffie–Hellman secret, and one proof shows that all shares lie on one polynomial.
//!
//! ```text
//! deal    δ fresh, D = [δ]G; Sh_i = [p(i)]G; C_i = Sh_i + [δ]X_i
//!         m* ← everything so far, of degree ≤ n − t − 1; v_i = m*(i)/Π_{j≠i}(i − j)
//!         U = Σ[v_i]X_i, V = Σ[v_i]C_i: ΣSh_i[v_i] = O for shares of degree ≤ t − 1, so V = [δ]U
//!         K = [w]G, L = [w]U, e ← everything so far, z = w − e·δ
//! check   [z]G + [e]D = K and [z]U + [e]V = L
//! ```
//!
//! Departures from the paper. U and V are not hashed: keys, shares and m*, which are, leave no
//! choice of them, and so a verifier need not compute them one by one. K and L are sent in place
//! of e, so that deals verify in batches. m* is drawn by its forward differences at 1.

use alloc::vec::Vec;
use core::mem;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{keys::PublicKeyBytes, transcript::Transcript, wire::BoundedVec};
use curve25519_dalek::{
    RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::IsIdentity,
};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    deal::{DealError, Merged, statement},
    group::{PointBytes, Terms, decode_point, decode_scalar},
    sharing::{MAX_TRUSTEES, Sharing, values},
    wide::Wide,
};

/// A deal: 32·(n + 4) bytes, and a length.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deal {
    /// D.
    pub ephemeral: PointBytes,
    /// C_i, for each trustee in order.
    pub shares: BoundedVec<PointBytes, MAX_TRUSTEES>,
    /// K and L.
    pub commitments: [PointBytes; 2],
    /// z.
    pub response: [u8; 32],
}

/// What one deal is made of.
///
/// A mask that repeats gives away the difference of two shares. So no caller ever gives or sees
/// one, this is neither `Clone` nor encodable, and sealing the deal consumes it.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Drawn {
    /// a_0, …, a_{t−1}.
    pub(crate) polynomial: Vec<Scalar>,
    /// δ.
    pub(crate) mask: Scalar,
    /// w.
    pub(crate) nonce: Scalar,
}

/// v_i, once D and the shares are in the transcript.
fn weights(transcript: &mut Transcript, sharing: &Sharing) -> Vec<Scalar> {
    let n = sharing.trustees();
    let free = n.saturating_sub(sharing.threshold());
    let differences = (0..free).map(|_| Wide::new(&transcript.challenge(b"m*")));
    let mut differences: Vec<_> = differences.collect();
    let weigh = |inverse: &Scalar| {
        let value = differences.first().map(Wide::reduce).unwrap_or_default();
        advance(&mut differences);
        value * inverse
    };
    sharing.dual().iter().map(weigh).collect()
}

/// From the forward differences at a point to those at the next. They stay below 2^512: after
/// i ≤ 256 steps they are sums of 2^i scalars at most.
fn advance(differences: &mut [Wide]) {
    let mut rest = differences;
    while let [first, tail @ ..] = mem::take(&mut rest) {
        if let Some(next) = tail.first() {
            first.add(next);
        }
        rest = tail;
    }
}

fn weighted(weights: &[Scalar], points: impl Iterator<Item = RistrettoPoint>) -> RistrettoPoint {
    let mut terms = Terms::default();
    weights.iter().zip(points).for_each(|(weight, point)| terms.add(*weight, &point));
    terms.sum()
}

/// Deals what was drawn, whose mask δ nothing else can use: it is consumed.
pub(crate) fn seal(drawn: Drawn, sharing: &Sharing, dealer: &PublicKeyBytes) -> Deal {
    let Drawn { polynomial, mask: delta, nonce: w } = &drawn;
    let ephemeral = RistrettoPoint::mul_base(delta).compress().to_bytes();
    let mut transcript = statement(sharing, dealer);
    transcript.append(b"D", &ephemeral);
    // Halves, since doubling and compressing a batch costs an eighth of compressing its points.
    let half_mask = Zeroizing::new(delta.div_by_2());
    let encrypt = |(value, key): (Scalar, &RistrettoPoint)| {
        let half = Zeroizing::new(Zeroizing::new(value).div_by_2());
        let share = Zeroizing::new(RistrettoPoint::mul_base(&half));
        let mask = Zeroizing::new(key * *half_mask);
        *share + *mask
    };
    let keys = || sharing.keys().keys().map(|key| &key.point);
    let halves: Vec<_> = values(polynomial, sharing.trustees()).zip(keys()).map(encrypt).collect();
    let shares = RistrettoPoint::double_and_compress_batch(&halves);
    let shares: Vec<_> = shares.iter().map(CompressedRistretto::to_bytes).collect();
    shares.iter().for_each(|share| transcript.append(b"C", share));
    let u = weighted(&weights(&mut transcript, sharing), keys().copied());
    let commitments = [RistrettoPoint::mul_base(w), u * w].map(|k| k.compress().to_bytes());
    commitments.iter().for_each(|commitment| transcript.append(b"commitment", commitment));
    let response = (w - transcript.challenge(b"e") * delta).to_bytes();
    let shares = BoundedVec::new(shares).unwrap_or_default();
    Deal { ephemeral, shares, commitments, response }
}

/// A deal with its points decoded, not yet verified.
pub(crate) struct Decoded {
    pub(crate) ephemeral: RistrettoPoint,
    pub(crate) shares: Vec<RistrettoPoint>,
    commitments: [RistrettoPoint; 2],
    weights: Vec<Scalar>,
    challenge: Scalar,
    response: Scalar,
}

impl Decoded {
    pub(crate) fn new(
        deal: &Deal,
        sharing: &Sharing,
        dealer: &PublicKeyBytes,
    ) -> Result<Self, DealError> {
        if deal.shares.len() != sharing.trustees() {
            return Err(DealError::Size);
        }
        let sound = |bytes: &PointBytes| {
            let point = decode_point(bytes).ok_or(DealError::Encoding)?;
            if point.is_identity() { Err(DealError::Identity) } else { Ok(point) }
        };
        let ephemeral = sound(&deal.ephemeral)?;
        let shares = deal.shares.iter().map(sound).collect::<Result<_, _>>()?;
        // With t = n, U is the identity, and so is L.
        let [Some(k), Some(l)] = deal.commitments.each_ref().map(decode_point) else {
            return Err(DealError::Encoding);
        };
        let response = decode_scalar(&deal.response).ok_or(DealError::Encoding)?;
        let mut transcript = statement(sharing, dealer);
        transcript.append(b"D", &deal.ephemeral);
        deal.shares.iter().for_each(|share| transcript.append(b"C", share));
        let weights = weights(&mut transcript, sharing);
        deal.commitments.iter().for_each(|bytes| transcript.append(b"commitment", bytes));
        let challenge = transcript.challenge(b"e");
        Ok(Self { ephemeral, shares, commitments: [k, l], weights, challenge, response })
    }

    /// Adds ρ·(\[z\]G + \[e\]D − K) + σ·(\[z\]U + \[e\]V − L), with U and V expanded.
    pub(crate) fn merge(&self, mut coefficient: impl FnMut() -> Scalar, merged: &mut Merged) {
        let (rho, sigma) = (coefficient(), coefficient());
        let (e, z) = (&self.challenge, &self.response);
        merged.base += rho * z;
        merged.terms.add(rho * e, &self.ephemeral);
        let [k, l] = &self.commitments;
        merged.terms.add(rho, &-k);
        merged.terms.add(sigma, &-l);
        let (on_keys, on_shares) = (sigma * z, sigma * e);
        let slots = merged.keys.iter_mut().zip(&self.weights).zip(&self.shares);
        for ((slot, weight), share) in slots {
            *slot += on_keys * weight;
            merged.terms.add(on_shares * weight, share);
        }
    }
}
