//! Keys of verifiable random functions that members registered.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::VRF_POSSESSION,
    keys::{KeyError, PublicKey, PublicKeyBytes},
    roster::MAX_MEMBERS,
    transcript::{Hash, Transcript, fresh},
};
use curve25519_dalek::{EdwardsPoint, Scalar, rand_core::CryptoRng};

use super::{Suite, VrfKey, VrfSecret};

/// The suite that members register for.
const REGISTERED: Suite = Suite::Ell2;

impl VrfSecret {
    /// Registers the key for the member whose signing key is `owner`. A key of another suite than
    /// [`Suite::Ell2`] is refused by all who check the registration.
    pub fn register(&self, owner: &PublicKey, rng: &mut dyn CryptoRng) -> Registration {
        let (owner, key) = (owner.to_bytes(), self.key.bytes);
        let mut transcript = Transcript::new(VRF_POSSESSION);
        transcript.append(b"suite", &[self.key.suite as u8]);
        transcript.append(b"owner", &owner);
        transcript.append(b"key", &key);
        let k = transcript.hedged(&self.scalar, &fresh(rng));
        let commitment = EdwardsPoint::mul_base(&k).compress().to_bytes();
        let e = possession_challenge(self.key.suite, &owner, &key, &commitment);
        Registration { key, commitment, response: (*k + e * self.scalar).to_bytes() }
    }
}

/// A key, and the proof that its owner knows the secret: K and z = k + e·x with
/// e = Hs(tag ‖ suite ‖ A ‖ Y ‖ K). 96 bytes.
///
/// Whoever could register without the proof would register another's key, and show that member's
/// proofs as its own. That the owner wants this key is for the owner's signature to say: what its
/// roster entry commits to has the registration in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Registration {
    /// Y.
    pub key: PublicKeyBytes,
    /// K.
    pub commitment: [u8; 32],
    /// z.
    pub response: [u8; 32],
}

impl Registration {
    /// The key, if `owner` registered it for [`Suite::Ell2`]. K is compared with \[z\]B − \[e\]Y
    /// by its encoding, so the proof has one.
    pub fn verify(&self, owner: &PublicKey) -> Result<VrfKey, RegistrationError> {
        let owner = owner.to_bytes();
        let key = VrfKey::from_bytes(&self.key, REGISTERED).map_err(RegistrationError::Key)?;
        if self.key == owner {
            return Err(RegistrationError::SigningKey);
        }
        let z = Option::<Scalar>::from(Scalar::from_canonical_bytes(self.response));
        let z = z.ok_or(RegistrationError::NoPossession)?;
        let e = possession_challenge(REGISTERED, &owner, &self.key, &self.commitment);
        let K = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-e, &key.point, &z);
        if K.compress().to_bytes() != self.commitment {
            return Err(RegistrationError::NoPossession);
        }
        Ok(key)
    }
}

fn possession_challenge(
    suite: Suite,
    owner: &PublicKeyBytes,
    key: &PublicKeyBytes,
    commitment: &[u8; 32],
) -> Scalar {
    let hash = Hash::new(VRF_POSSESSION).fixed(&[suite as u8]).fixed(owner);
    hash.fixed(key).fixed(commitment).scalar()
}

/// Why a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// No key.
    #[error(transparent)]
    Key(KeyError),
    /// The key that signs.
    #[error("the key is its owner's signing key; derive one for this alone")]
    SigningKey,
    /// The owner does not prove that it knows the key's secret, for this suite.
    #[error("the owner does not prove possession of the key")]
    NoPossession,
    /// The owner or the key stands further up too, soundly registered.
    #[error("the owner or the key is there twice; register each once")]
    Duplicate,
}

/// Why registrations make no [`VrfKeys`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Nobody, or more than a roster has.
    #[error("there are from 1 to 65,536 keys")]
    Size,
    /// These members' registrations are refused.
    #[error("the registrations of members {culprits:?} are unsound; leave these members out")]
    Refused {
        /// The first reason against each, by position.
        culprits: BTreeMap<usize, RegistrationError>,
    },
}

/// Keys in the order of members, each proven its owner's, all of [`Suite::Ell2`]. Cheap to clone.
/// At most [`MAX_MEMBERS`].
///
/// ```
/// use cosi::keys::Seed;
/// use randhound::vrf::{KeysError, RegistrationError, VrfKeys, VrfSecret};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let [alice, mallory] = [1, 2].map(|seed| Seed::from_bytes([seed; 32]));
/// let owners = [&alice, &mallory].map(|seed| *seed.signing_key().public());
/// let secret = VrfSecret::derive(&alice);
/// let own = secret.register(&owners[0], &mut rng);
/// assert_eq!(VrfKeys::new([(owners[0], own)])?.key(0), Some(secret.key()));
///
/// // A key that another registered.
/// let Err(KeysError::Refused { culprits }) = VrfKeys::new([(owners[1], own)]) else { panic!() };
/// assert_eq!(culprits[&0], RegistrationError::NoPossession);
/// # Ok::<(), KeysError>(())
/// ```
#[derive(Clone)]
pub struct VrfKeys(Arc<[(PublicKeyBytes, VrfKey)]>);

impl VrfKeys {
    /// The keys of these members, each proof checked; or who stands in the way.
    pub fn new(
        members: impl IntoIterator<Item = (PublicKey, Registration)>,
    ) -> Result<Self, KeysError> {
        let members: Vec<_> = members.into_iter().take(MAX_MEMBERS.saturating_add(1)).collect();
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(KeysError::Size);
        }
        let (mut owners, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let (mut sound, mut culprits) = (Vec::with_capacity(members.len()), BTreeMap::new());
        for (at, (owner, registration)) in members.iter().enumerate() {
            match registration.verify(owner) {
                Ok(key) if owners.insert(owner.to_bytes()) & keys.insert(key.bytes) => {
                    sound.push((owner.to_bytes(), key));
                }
                Ok(_) => drop(culprits.insert(at, RegistrationError::Duplicate)),
                Err(reason) => drop(culprits.insert(at, reason)),
            }
        }
        if culprits.is_empty() {
            Ok(Self(sound.into()))
        } else {
            Err(KeysError::Refused { culprits })
        }
    }

    /// How many keys there are, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The key at `position`.
    pub fn key(&self, position: usize) -> Option<&VrfKey> {
        self.0.get(position).map(|(_, key)| key)
    }

    /// Whose key stands at `position`.
    pub fn owner(&self, position: usize) -> Option<&PublicKeyBytes> {
        self.0.get(position).map(|(owner, _)| owner)
    }
}

impl fmt::Debug for VrfKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VrfKeys").field("len", &self.len()).finish_non_exhaustive()
    }
}
