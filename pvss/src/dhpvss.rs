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
use curve25519_dalek::{RistrettoPoint, Scalar, traits::IsIdentity};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    deal::{DealError, Merged, statement},
    group::{PointBytes, Terms, compress_doubles, decode_point, decode_scalar},
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

fn weighted<'a>(
    weights: &[Scalar],
    points: impl Iterator<Item = &'a RistrettoPoint>,
) -> RistrettoPoint {
    let mut terms = Terms::default();
    weights.iter().zip(points).for_each(|(weight, point)| terms.add(*weight, point));
    terms.sum()
}

/// A multiple of G costs as much as so many additions of points.
const ADDITIONS: usize = 64;

/// \[p(1)/2\]G, …, \[p(n)/2\]G, in a time that tells n and t alone. All are secret.
///
/// The first t values have forward differences at 1, of which G is multiplied by t, not n; the
/// points that follow are sums of those before.
fn halves(polynomial: &[Scalar], n: usize) -> Zeroizing<Vec<RistrettoPoint>> {
    let t = polynomial.len();
    let half = |value: &Scalar| RistrettoPoint::mul_base(&Zeroizing::new(value.div_by_2()));
    let saved = n.saturating_sub(t).saturating_mul(ADDITIONS);
    let added = n.saturating_mul(t.saturating_sub(1));
    let direct = added > saved;
    let known = if direct { n } else { t };
    let mut scalars = Zeroizing::new(Vec::with_capacity(known));
    scalars.extend(values(polynomial, known));
    let mut points = Zeroizing::new(Vec::with_capacity(n));
    if direct {
        points.extend(scalars.iter().map(half));
        return points;
    }
    for order in 1..t {
        subtract_each_from_the_next(scalars.get_mut(order.saturating_sub(1)..).unwrap_or_default());
    }
    let mut differences = Zeroizing::new(Vec::with_capacity(t));
    differences.extend(scalars.iter().map(half));
    for _ in 0..n {
        points.extend(differences.first());
        add_to_each_the_next(&mut differences);
    }
    points
}

/// From the values at some points to that at the first, and the differences at all others.
fn subtract_each_from_the_next(values: &mut [Scalar]) {
    let mut before = Scalar::ZERO;
    for (at, value) in values.iter_mut().enumerate() {
        let own = *value;
        if at > 0 {
            *value -= before;
        }
        before = own;
    }
}

fn add_to_each_the_next(differences: &mut [RistrettoPoint]) {
    let mut rest = differences;
    while let [first, tail @ ..] = mem::take(&mut rest) {
        if let Some(next) = tail.first() {
            *first += next;
        }
        rest = tail;
    }
}

/// Deals what was drawn, whose mask δ nothing else can use: it is consumed.
pub(crate) fn seal(drawn: Drawn, sharing: &Sharing, dealer: &PublicKeyBytes) -> Deal {
    let Drawn { polynomial, mask: delta, nonce: w } = &drawn;
    let ephemeral = RistrettoPoint::mul_base(delta).compress().to_bytes();
    let mut transcript = statement(sharing, dealer);
    transcript.append(b"D", &ephemeral);
    // Halves, since doubling and compressing a batch costs an eighth of compressing its points.
    let half_mask = Zeroizing::new(delta.div_by_2());
    let keys = || sharing.keys().keys().map(|key| &key.point);
    let plain = halves(polynomial, sharing.trustees());
    let encrypt = |(share, key): (&RistrettoPoint, &RistrettoPoint)| {
        share + *Zeroizing::new(key * *half_mask)
    };
    let shares = compress_doubles(plain.iter().zip(keys()).map(encrypt));
    shares.iter().for_each(|share| transcript.append(b"C", share));
    let u = weighted(&weights(&mut transcript, sharing), keys());
    let half_nonce = Zeroizing::new(w.div_by_2());
    let commitments = [RistrettoPoint::mul_base(&half_nonce), u * *half_nonce];
    let commitments = compress_doubles(commitments);
    commitments.iter().for_each(|commitment| transcript.append(b"commitment", commitment));
    let response = (w - transcript.challenge(b"e") * delta).to_bytes();
    let commitments = commitments.try_into().unwrap_or_default();
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

    /// How many points it adds to a sum.
    pub(crate) fn points(&self) -> usize {
        self.shares.len().saturating_add(3)
    }

    /// Adds ρ·(\[z\]G + \[e\]D − K) + σ·(\[z\]U + \[e\]V − L), with U and V expanded.
    pub(crate) fn merge(&self, mut coefficient: impl FnMut() -> Scalar, merged: &mut Merged<'_>) {
        let (rho, sigma) = (coefficient(), coefficient());
        let (e, z) = (&self.challenge, &self.response);
        merged.base.add_product(&rho, z);
        merged.terms.add(rho * e, &self.ephemeral);
        let [k, l] = &self.commitments;
        merged.terms.add(rho, &-k);
        merged.terms.add(sigma, &-l);
        let (on_keys, on_shares) = (sigma * z, sigma * e);
        let slots = merged.keys.iter_mut().zip(&self.weights).zip(&self.shares);
        for ((slot, weight), share) in slots {
            slot.add(&Wide::new(&(on_keys * weight)));
            merged.terms.add(on_shares * weight, share);
        }
    }
}
