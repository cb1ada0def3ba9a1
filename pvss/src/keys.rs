//! Keys that shares are encrypted to, and what proves that a key is its owner's.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{SHARE_BATCH, SHARE_KEY_DHPVSS, SHARE_KEY_SCHOENMAKERS, SHARE_POSSESSION},
    keys::{PublicKey, PublicKeyBytes, Seed},
    roster::MAX_MEMBERS,
    transcript::{Hash, Transcript, fresh},
};
use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT, rand_core::CryptoRng,
    traits::IsIdentity,
};
use zeroize::ZeroizeOnDrop;

use crate::{
    group::{PointBytes, Terms, coefficients, decode_point, decode_scalar},
    parallel,
};

/// How secrets are shared. A share key serves one scheme.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
#[non_exhaustive]
pub enum Scheme {
    /// DHPVSS (Cascudo, David, Garms and Konring 2022): one proof a deal.
    #[default]
    Dhpvss,
    /// Schoenmakers (1999): a commitment and a response for each coefficient of the polynomial.
    Schoenmakers,
}

/// The secret x of a trustee's share key X = \[x\]G. Zeroized when dropped; not `Clone`:
///
/// ```compile_fail,E0599
/// # fn twice(secret: pvss::ShareSecret) -> (pvss::ShareSecret, pvss::ShareSecret) {
/// (secret.clone(), secret)
/// # }
/// ```
#[derive(ZeroizeOnDrop)]
pub struct ShareSecret {
    #[zeroize(skip)]
    scheme: Scheme,
    scalar: Scalar,
    #[zeroize(skip)]
    key: ShareKey,
}

/// A share key X, with its encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShareKey {
    pub(crate) bytes: PointBytes,
    pub(crate) point: RistrettoPoint,
}

impl ShareSecret {
    /// The secret for one scheme that follows from a validator's seed, under a tag of its own.
    pub fn derive(seed: &Seed, scheme: Scheme) -> Self {
        let wide = seed.derive(match scheme {
            Scheme::Dhpvss => SHARE_KEY_DHPVSS,
            Scheme::Schoenmakers => SHARE_KEY_SCHOENMAKERS,
        });
        let scalar = Scalar::from_bytes_mod_order_wide(&wide);
        let point = RistrettoPoint::mul_base(&scalar);
        let key = ShareKey { bytes: point.compress().to_bytes(), point };
        Self { scheme, scalar, key }
    }

    /// Registers the key for the member whose signing key is `owner`.
    pub fn register(&self, owner: &PublicKey, rng: &mut dyn CryptoRng) -> Registration {
        let (owner, key) = (owner.to_bytes(), self.key.bytes);
        let mut transcript = Transcript::new(SHARE_POSSESSION);
        transcript.append(b"owner", &owner);
        transcript.append(b"key", &key);
        let k = transcript.hedged(&self.scalar, &fresh(rng));
        let commitment = RistrettoPoint::mul_base(&k).compress().to_bytes();
        let e = possession_challenge(self.scheme, &owner, &key, &commitment);
        let response = (*k + e * self.scalar).to_bytes();
        Registration { key, commitment, response }
    }

    /// What the key is for.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) const fn scalar(&self) -> &Scalar {
        &self.scalar
    }

    pub(crate) const fn key(&self) -> &ShareKey {
        &self.key
    }
}

impl fmt::Debug for ShareSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareSecret({:?}, ..)", self.scheme)
    }
}

/// A share key, and the proof that its owner knows the secret: K and z = k + e·x with
/// e = Hs(tag ‖ scheme ‖ A ‖ X ‖ K). 96 bytes.
///
/// Whoever could register without the proof would choose X as a combination of the others' keys,
/// and read every secret shared with them from the public deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Registration {
    /// X.
    pub key: PointBytes,
    /// K.
    pub commitment: PointBytes,
    /// z.
    pub response: [u8; 32],
}

fn possession_challenge(
    scheme: Scheme,
    owner: &PublicKeyBytes,
    key: &PointBytes,
    commitment: &PointBytes,
) -> Scalar {
    let hash = Hash::new(SHARE_POSSESSION).fixed(&[scheme as u8]).fixed(owner);
    hash.fixed(key).fixed(commitment).scalar()
}

/// A registration with its points decoded.
struct Claim {
    key: ShareKey,
    /// −K.
    negated: RistrettoPoint,
    response: Scalar,
    challenge: Scalar,
}

impl Claim {
    fn decode(scheme: Scheme, owner: &PublicKeyBytes, from: &Registration) -> Option<Self> {
        let point = decode_point(&from.key).filter(|point| !point.is_identity())?;
        Some(Self {
            key: ShareKey { bytes: from.key, point },
            negated: -decode_point(&from.commitment)?,
            response: decode_scalar(&from.response)?,
            challenge: possession_challenge(scheme, owner, &from.key, &from.commitment),
        })
    }

    fn hold(claims: &[&Self]) -> bool {
        let seed = claims.iter().fold(Hash::new(SHARE_BATCH), |seed, claim| {
            seed.fixed(claim.challenge.as_bytes()).fixed(claim.response.as_bytes())
        });
        let mut coefficient = coefficients(seed);
        let (mut terms, mut base) = (Terms::default(), Scalar::ZERO);
        for claim in claims {
            let rho = coefficient();
            base += rho * claim.response;
            terms.add(rho, &claim.negated);
            terms.add(-rho * claim.challenge, &claim.key.point);
        }
        terms.add(base, &RISTRETTO_BASEPOINT_POINT);
        terms.sum().is_identity()
    }
}

/// Why registrations make no [`ShareKeys`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Nobody, or more than a roster has.
    #[error("there are from 1 to 65,536 share keys")]
    Size,
    /// These members' registrations hold no canonical point other than the identity.
    #[error("members {culprits:?} have unsound share keys; refuse their registration")]
    BadKey {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// These members' keys stand further up too.
    #[error("members {culprits:?} are there twice; register each key once")]
    Duplicate {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// These members do not prove that they know their keys' secrets.
    #[error("members {culprits:?} do not prove possession; refuse their registration")]
    NoPossession {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// There are no such positions.
    #[error("positions {culprits:?} are beyond the last member; choose among the members")]
    Unknown {
        /// The positions.
        culprits: Vec<usize>,
    },
}

/// Share keys in order, each proven its owner's. Cheap to clone.
///
/// ```
/// use cosi::keys::Seed;
/// use pvss::{Scheme, ShareKeys, ShareSecret};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let members = [1, 2, 3].map(|seed| {
///     let seed = Seed::from_bytes([seed; 32]);
///     let owner = *seed.signing_key().public();
///     let secret = ShareSecret::derive(&seed, Scheme::Dhpvss);
///     (owner, secret.register(&owner, &mut rng))
/// });
/// let keys = ShareKeys::new(Scheme::Dhpvss, members)?;
/// let group = keys.group([2, 0])?;
/// assert_eq!((keys.len(), group.len()), (3, 2));
/// assert!(ShareKeys::new(Scheme::Schoenmakers, members).is_err());
/// # Ok::<(), pvss::KeysError>(())
/// ```
#[derive(Clone)]
pub struct ShareKeys {
    scheme: Scheme,
    members: Arc<[(PublicKeyBytes, ShareKey)]>,
}

impl ShareKeys {
    /// The keys of these members, each proof checked; or who stands in the way.
    pub fn new(
        scheme: Scheme,
        members: impl IntoIterator<Item = (PublicKey, Registration)>,
    ) -> Result<Self, KeysError> {
        let members: Vec<_> = members.into_iter().take(MAX_MEMBERS.saturating_add(1)).collect();
        let members: Vec<_> =
            members.iter().map(|(owner, from)| (owner.to_bytes(), from)).collect();
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(KeysError::Size);
        }
        let claims = parallel::map(members.iter().collect(), |(owner, from)| {
            Claim::decode(scheme, owner, from)
        });
        let unsound = positions(claims.iter().map(Option::is_none));
        if !unsound.is_empty() {
            return Err(KeysError::BadKey { culprits: unsound });
        }
        let claims: Vec<_> = claims.into_iter().flatten().collect();
        let owners = members.iter().map(|(owner, _)| *owner);
        let pairs: Vec<_> = owners.zip(claims.iter().map(|claim| claim.key)).collect();
        distinct(&pairs)?;
        if !Claim::hold(&claims.iter().collect::<Vec<_>>()) {
            let culprits = positions(claims.iter().map(|claim| !Claim::hold(&[claim])));
            return Err(KeysError::NoPossession { culprits });
        }
        Ok(Self { scheme, members: pairs.into() })
    }

    /// The keys of the members at these positions, in this order. Their proofs were checked.
    pub fn group(&self, members: impl IntoIterator<Item = usize>) -> Result<Self, KeysError> {
        let members: Vec<_> = members.into_iter().take(self.len().saturating_add(1)).collect();
        let culprits: Vec<_> = members.iter().copied().filter(|at| *at >= self.len()).collect();
        if !culprits.is_empty() {
            return Err(KeysError::Unknown { culprits });
        }
        let pairs: Vec<_> =
            members.iter().filter_map(|at| self.members.get(*at).copied()).collect();
        distinct(&pairs)?;
        if pairs.is_empty() {
            return Err(KeysError::Size);
        }
        Ok(Self { scheme: self.scheme, members: pairs.into() })
    }

    /// What the keys are for.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// How many keys there are, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whose share key stands at `position`.
    pub fn owner(&self, position: usize) -> Option<&PublicKeyBytes> {
        self.members.get(position).map(|(owner, _)| owner)
    }

    pub(crate) fn key(&self, position: usize) -> Option<&ShareKey> {
        self.members.get(position).map(|(_, key)| key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &ShareKey> {
        self.members.iter().map(|(_, key)| key)
    }

    /// Adds scheme, number, owners and keys, in order.
    pub(crate) fn bind(&self, hash: Hash) -> Hash {
        let n = u64::try_from(self.len()).unwrap_or(u64::MAX);
        let hash = hash.fixed(&[self.scheme as u8]).number(n);
        self.members.iter().fold(hash, |hash, (owner, key)| hash.fixed(owner).fixed(&key.bytes))
    }
}

impl fmt::Debug for ShareKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareKeys").field("scheme", &self.scheme).field("len", &self.len()).finish()
    }
}

/// Where it is true.
fn positions(of: impl Iterator<Item = bool>) -> Vec<usize> {
    of.enumerate().filter_map(|(at, is)| is.then_some(at)).collect()
}

fn distinct(members: &[(PublicKeyBytes, ShareKey)]) -> Result<(), KeysError> {
    let (mut owners, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for (at, (owner, key)) in members.iter().enumerate() {
        owners.entry(owner).or_insert(at);
        keys.entry(&key.bytes).or_insert(at);
    }
    let culprits = positions(members.iter().enumerate().map(|(at, (owner, key))| {
        owners.get(owner) != Some(&at) || keys.get(&key.bytes) != Some(&at)
    }));
    if culprits.is_empty() { Ok(()) } else { Err(KeysError::Duplicate { culprits }) }
}
