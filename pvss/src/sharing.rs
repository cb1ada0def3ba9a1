//! What deals of one session are about: who gets shares, and how many of them reconstruct.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use cosi::{
    domain::{DEAL, SHARE_BASE, SHARING},
    transcript::{Hash, Transcript},
};
use curve25519_dalek::{RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT};

use crate::keys::{Scheme, ShareKeys};

/// The most trustees of one sharing: the largest deal then fits a signed statement of evidence.
pub const MAX_TRUSTEES: usize = 256;

/// Names a sharing: H(session ‖ t ‖ base ‖ scheme ‖ n ‖ owners and share keys in order).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharingId(pub [u8; 32]);

/// One session in one group: any `threshold` of the trustees reconstruct what is dealt in it,
/// fewer learn nothing. Cheap to clone.
///
/// The trustee at position i, counted from 0, holds the share at the point i + 1 of a polynomial
/// of degree `threshold` − 1 whose value at 0 is the secret's. No peer ever supplies a point.
///
/// The caller's duty: `session` names one attempt of one protocol, and never repeats.
///
/// ```
/// # use cosi::keys::Seed;
/// # use pvss::{Scheme, ShareKeys, ShareSecret, Sharing};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let members = [1, 2, 3].map(|seed| {
/// #     let seed = Seed::from_bytes([seed; 32]);
/// #     let owner = *seed.signing_key().public();
/// #     (owner, ShareSecret::derive(&seed, Scheme::Dhpvss).register(&owner, &mut rng))
/// # });
/// # let keys = ShareKeys::new(Scheme::Dhpvss, members)?;
/// let sharing = Sharing::new([7; 32], &keys, 2)?;
/// assert_eq!((sharing.threshold(), sharing.keys().len()), (2, 3));
/// assert!(Sharing::new([7; 32], &keys, 4).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Sharing(Arc<Inner>);

struct Inner {
    keys: ShareKeys,
    threshold: usize,
    base: RistrettoPoint,
    id: SharingId,
    statement: Transcript,
}

/// Why there is no such sharing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// More than [`MAX_TRUSTEES`] trustees.
    #[error("a sharing has at most 256 trustees; share within smaller groups")]
    Size,
    /// Nobody reconstructs, or not even all do.
    #[error("a threshold of {threshold} among {trustees} trustees; choose from 1 to all of them")]
    Threshold {
        /// What was asked for.
        threshold: usize,
        /// How many trustees there are.
        trustees: usize,
    },
}

impl Sharing {
    /// The sharing of this session among the owners of `keys`, by the keys' scheme.
    pub fn new(
        session: [u8; 32],
        keys: &ShareKeys,
        threshold: usize,
    ) -> Result<Self, SharingError> {
        let trustees = keys.len();
        if trustees > MAX_TRUSTEES {
            return Err(SharingError::Size);
        }
        if threshold == 0 || threshold > trustees {
            return Err(SharingError::Threshold { threshold, trustees });
        }
        let base = match keys.scheme() {
            Scheme::Dhpvss => RISTRETTO_BASEPOINT_POINT,
            Scheme::Schoenmakers => second_base(&session),
        };
        let t = u64::try_from(threshold).unwrap_or(u64::MAX);
        let hash = Hash::new(SHARING).fixed(&session).number(t);
        let hash = hash.fixed(&RISTRETTO_BASEPOINT_POINT.compress().to_bytes());
        let id = SharingId(keys.bind(hash.fixed(&base.compress().to_bytes())).digest());
        let mut statement = Transcript::new(DEAL);
        statement.append(b"sharing", &id.0);
        Ok(Self(Arc::new(Inner { keys: keys.clone(), threshold, base, id, statement })))
    }

    /// The name.
    pub fn id(&self) -> SharingId {
        self.0.id
    }

    /// The trustees' keys.
    pub fn keys(&self) -> &ShareKeys {
        &self.0.keys
    }

    /// t, the number of shares that reconstruct.
    pub fn threshold(&self) -> usize {
        self.0.threshold
    }

    /// n, the number of trustees.
    pub(crate) fn trustees(&self) -> usize {
        self.0.keys.len()
    }

    /// What a deal's commitments are multiples of: G for DHPVSS, else H.
    pub(crate) fn base(&self) -> &RistrettoPoint {
        &self.0.base
    }

    /// How every deal's transcript begins.
    pub(crate) fn statement(&self) -> Transcript {
        self.0.statement.clone()
    }
}

impl PartialEq for Sharing {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Sharing {}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Sharing");
        fields.field("id", &self.0.id).field("keys", &self.0.keys);
        fields.field("threshold", &self.0.threshold).finish()
    }
}

/// H. Hashed to, since a deal tells log_G H's holder every share.
fn second_base(session: &[u8; 32]) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&Hash::new(SHARE_BASE).fixed(session).wide())
}

/// The evaluation point of a position.
pub(crate) fn point_of(position: usize) -> Scalar {
    Scalar::from(u64::try_from(position).unwrap_or(u64::MAX)) + Scalar::ONE
}

/// The values of the polynomial with these coefficients, lowest first, at 1, …, n.
pub(crate) fn values(coefficients: &[Scalar], n: usize) -> impl Iterator<Item = Scalar> {
    (0..n).map(|position| {
        let x = point_of(position);
        coefficients.iter().rev().fold(Scalar::ZERO, |value, a| value * x + a)
    })
}

/// λ_i = Π_{j≠i} j/(j − i) for each of these distinct positions: Σλ_i·p(i) = p(0).
pub(crate) fn lagrange(positions: &[usize]) -> Vec<Scalar> {
    let points: Vec<_> = positions.iter().copied().map(point_of).collect();
    let product = |i: &Scalar, factor: &dyn Fn(&Scalar) -> Scalar| {
        let others = points.iter().filter(|j| *j != i);
        others.fold(Scalar::ONE, |product, j| product * factor(j))
    };
    let over = |i: &Scalar| product(i, &|j| *j);
    let below = |i: &Scalar| product(i, &|j| j - i);
    let mut inverses: Vec<_> = points.iter().map(below).collect();
    Scalar::invert_batch_alloc(&mut inverses);
    points.iter().map(over).zip(inverses).map(|(over, inverse)| over * inverse).collect()
}
