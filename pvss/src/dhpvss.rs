//! DHPVSS (Cascudo, David, Garms and Konring, "YOLO YOSO", ASIACRYPT 2022): a dealer masks each
//! share with a Diffie–Hellman secret, and one proof shows that all shares lie on one polynomial.
//!
//! ```text
//! deal    δ fresh, D = [δ]G; Sh_i = [p(i)]G; C_i = Sh_i + [δ]X_i
//!         c ← everything so far, q = Σ_{k<n−t} c^k·x^k; Σ_i v_i·x^(i−1) = q(−x)·(1 − x)^t
//!         U = Σ[v_i]X_i, V = Σ[v_i]C_i: ΣSh_i[v_i] = O for shares of degree ≤ t − 1, so V = [δ]U
//!         K = [w]G, L = [w]U, e ← everything so far, z = w − e·δ
//! check   [z]G + [e]D = K and [z]U + [e]V = L
//! ```
//!
//! Departures from the paper.
//!
//! It draws the word v of the dual code as m*(i)/Π_{j≠i}(i − j), with m* of degree ≤ n − t − 1 and
//! n − t coefficients drawn one by one. Here words come with fewer operations, from one challenge.
//! Σv_i·C(i − 1, k) is 0 for all k < t if and only if (1 − x)^t divides the polynomial with the
//! coefficients v_i, since these sums are its derivatives at 1 over k!. In other words, ΣSh_i\[v_i\]
//! combines the n − t differences of order t of the shares, and these all vanish for shares of
//! degree ≤ t − 1 alone. The k-th of them is taken c^k times (but for its sign): for any other
//! shares that is a polynomial in c, not zero and of degree < n − t, and at most that many of all
//! 2^252 challenges are its roots.
//!
//! U and V are not hashed: keys and shares, which are, and so c, leave no choice of them, and a
//! verifier need not compute them one by one. K and L are sent in place of e, so that deals verify
//! in batches.

use alloc::vec::Vec;
use core::{iter, mem};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    keys::PublicKeyBytes,
    transcript::{Hash, Transcript},
    wire::BoundedVec,
};
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    deal::{DealError, Merged, all_sound, append_points, sound, statement},
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

/// c, once D is in the transcript.
fn combination(transcript: &mut Transcript, shares: &[PointBytes]) -> Scalar {
    append_points(transcript, b"C", shares);
    transcript.challenge(b"c")
}

/// `first`·q: first, first·c, …, for each difference of order t.
fn progression(first: Scalar, c: &Scalar, sharing: &Sharing) -> impl Iterator<Item = Scalar> {
    let powers = iter::successors(Some(first), move |power| Some(power * c));
    powers.take(sharing.trustees().saturating_sub(sharing.threshold()))
}

/// v_i of q, which are linear in it.
///
/// (−1)^(i−1)·v_i are the coefficients of q(x)·(1 + x)^t, sums of at most 2^t scalars each: of
/// t ≤ 256 they stay below 2^509.
pub(crate) fn weights(q: impl Iterator<Item = Scalar>, t: usize) -> Vec<Scalar> {
    let mut product: Vec<_> = q.map(|coefficient| Wide::new(&coefficient)).collect();
    product.reserve_exact(t);
    for _ in 0..t {
        product.push(Wide::default());
        let mut lower = Wide::default();
        for coefficient in &mut product {
            let own = *coefficient;
            coefficient.add(&lower);
            lower = own;
        }
    }
    let signed = |(at, weight): (usize, &Wide)| {
        let weight = weight.reduce();
        if at.is_multiple_of(2) { weight } else { -weight }
    };
    product.iter().enumerate().map(signed).collect()
}

fn weighted<'a>(
    weights: &[Scalar],
    points: impl Iterator<Item = &'a RistrettoPoint>,
) -> RistrettoPoint {
    let mut terms = Terms::new(weights.len());
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
    let c = combination(&mut transcript, &shares);
    let q = progression(Scalar::ONE, &c, sharing);
    let u = weighted(&weights(q, sharing.threshold()), keys());
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
    /// −K and −L.
    negated: [RistrettoPoint; 2],
    combination: Scalar,
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
        let ephemeral = sound(&deal.ephemeral)?;
        let shares = all_sound(deal.shares.iter())?;
        // With t = n, U is the identity, and so is L.
        let [Some(k), Some(l)] = deal.commitments.each_ref().map(decode_point) else {
            return Err(DealError::Encoding);
        };
        let response = decode_scalar(&deal.response).ok_or(DealError::Encoding)?;
        let mut transcript = statement(sharing, dealer);
        transcript.append(b"D", &deal.ephemeral);
        let combination = combination(&mut transcript, &deal.shares);
        deal.commitments.iter().for_each(|bytes| transcript.append(b"commitment", bytes));
        let challenge = transcript.challenge(b"e");
        Ok(Self { ephemeral, shares, negated: [-k, -l], combination, challenge, response })
    }

    /// What everybody's view of the deal follows from: e, of all but z, and z.
    pub(crate) fn bind(&self, hash: Hash) -> Hash {
        hash.fixed(self.challenge.as_bytes()).fixed(self.response.as_bytes())
    }

    /// How many points it adds to a sum.
    pub(crate) fn points(&self) -> usize {
        self.shares.len().saturating_add(3)
    }

    /// Adds ρ·(\[z\]G + \[e\]D − K) + σ·(\[z\]U + \[e\]V − L), with U and V expanded.
    pub(crate) fn merge<'a>(
        &'a self,
        coefficient: &mut impl FnMut() -> Scalar,
        merged: &mut Merged<'a, '_>,
    ) {
        let (rho, sigma) = (coefficient(), coefficient());
        let (e, z) = (&self.challenge, &self.response);
        merged.base.add_product(&rho, z);
        merged.terms.add(rho * e, &self.ephemeral);
        let [minus_k, minus_l] = &self.negated;
        merged.terms.add(rho, minus_k);
        merged.terms.add(sigma, minus_l);
        let scaled = |by: &Scalar| progression(sigma * by, &self.combination, merged.sharing);
        let on_keys = scaled(z).map(|weight| Wide::new(&weight));
        merged.keys.iter_mut().zip(on_keys).for_each(|(slot, weight)| slot.add(&weight));
        let weights = weights(scaled(e), merged.sharing.threshold());
        weights.into_iter().zip(&self.shares).for_each(|(v, share)| merged.terms.add(v, share));
    }
}
