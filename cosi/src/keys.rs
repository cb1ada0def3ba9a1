//! Keys of one signer: from a seed to signatures, and what proves that a key is its owner's.
//!
//! Single signatures are RFC 8032 Ed25519 over `domain ‖ statement`, checked by the ZIP-215
//! rule, by which one check and a batch check always agree. Collective signatures follow the
//! strict rule and are elsewhere; the two rules never mix.
//!
//! ```
//! use cosi::{domain, keys::{ProofOfPossession, PublicKey, Seed}};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let key = Seed::generate(&mut rng).signing_key();
//! let signature = key.sign(&domain::INDIVIDUAL, b"statement");
//! assert!(key.public().verify(&domain::INDIVIDUAL, b"statement", &signature));
//! assert!(!key.public().verify(&domain::COMMITMENT, b"statement", &signature));
//!
//! let proof = ProofOfPossession::prove(&key, &mut rng);
//! assert!(proof.verify(key.public()));
//! assert_eq!(PublicKey::from_bytes(&key.public().to_bytes()), Ok(*key.public()));
//! ```

use alloc::vec::Vec;
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{
    EdwardsPoint, Scalar,
    edwards::CompressedEdwardsY,
    rand_core::CryptoRng,
    traits::{IsIdentity, VartimeMultiscalarMul},
};
use ed25519_dalek::{Signer, pkcs8::DecodePrivateKey};
use ed25519_zebra::{VerificationKey, batch};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    domain::{BATCH, Domain, PEER, POSSESSION},
    transcript::{Hash, HashRng, Transcript, fresh},
};

/// What all keys of one validator follow from. Zeroized when dropped, and copied only on purpose:
///
/// ```compile_fail,E0382
/// # use cosi::keys::Seed;
/// let seed = Seed::from_bytes([1; 32]);
/// let (first, second) = (seed, seed);
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed with these bytes, which are secret.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh seed.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(*fresh(rng))
    }

    /// The Ed25519 key, by RFC 8032.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::new(ed25519_dalek::SigningKey::from_bytes(&self.0))
    }

    /// Secret bytes for another key of the validator: H(domain ‖ seed). Each kind of key has a
    /// domain of its own, so none of them tells anything of another, or of the signing key.
    pub fn derive(&self, domain: Domain) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(Hash::new(domain).fixed(&self.0).wide())
    }
}

impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Seed {}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// An Ed25519 signing key. Zeroized when dropped.
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    scalar: Zeroizing<Scalar>,
    public: PublicKey,
}

impl SigningKey {
    fn new(key: ed25519_dalek::SigningKey) -> Self {
        let (scalar, point) = (Zeroizing::new(key.to_scalar()), key.verifying_key().to_edwards());
        let public = PublicKey { bytes: key.verifying_key().to_bytes(), point };
        Self { key, scalar, public }
    }

    /// The key in a PKCS#8 document, as `openssl genpkey -algorithm ed25519 -outform DER`
    /// writes it.
    pub fn from_pkcs8_der(document: &[u8]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(document);
        key.map(Self::new).map_err(|_| KeyError::Encoding)
    }

    /// The key that others know.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `statement` for one purpose.
    pub fn sign(&self, domain: &Domain, statement: &[u8]) -> Signature {
        Signature(self.key.sign(&tagged(domain, statement)).to_bytes())
    }

    /// The scalar a of A = \[a\]B.
    pub(crate) fn scalar(&self) -> &Scalar {
        &self.scalar
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.as_bytes().ct_eq(other.key.as_bytes()).into()
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?}, ..)", self.public)
    }
}

/// A verification key, decoded: a canonical point of the prime-order group, not the identity.
#[derive(Clone, Copy)]
pub struct PublicKey {
    bytes: [u8; 32],
    point: EdwardsPoint,
}

/// A verification key, as bytes that may mean nothing.
pub type PublicKeyBytes = [u8; 32];

impl PublicKey {
    /// Decodes a key. Refuses what is no canonical point of the prime-order group.
    pub fn from_bytes(bytes: &PublicKeyBytes) -> Result<Self, KeyError> {
        let point = decode_point(bytes).ok_or(KeyError::Encoding)?;
        if point.is_identity() || !point.is_torsion_free() {
            return Err(KeyError::SmallOrder);
        }
        Ok(Self { bytes: *bytes, point })
    }

    /// Decodes a key that a trusted roster holds, and so was checked when that was made.
    pub(crate) fn vouched(bytes: &PublicKeyBytes) -> Option<Self> {
        decode_point(bytes).map(|point| Self { bytes: *bytes, point })
    }

    /// The encoding.
    pub const fn to_bytes(&self) -> PublicKeyBytes {
        self.bytes
    }

    /// The point A.
    pub const fn point(&self) -> &EdwardsPoint {
        &self.point
    }

    /// Whether the owner signed `statement` for this purpose, by the ZIP-215 rule.
    pub fn verify(&self, domain: &Domain, statement: &[u8], signature: &Signature) -> bool {
        VerificationKey::try_from(self.bytes)
            .is_ok_and(|key| key.verify(&signature.0.into(), &tagged(domain, statement)).is_ok())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the canonical encoding of a point, or no PKCS#8 document of an Ed25519 key.
    #[error("the bytes are not the canonical encoding of an Ed25519 key")]
    Encoding,
    /// The identity, or outside the prime-order group.
    #[error("the key has a small-order component; use keys made by RFC 8032")]
    SmallOrder,
}

/// A single signer's Ed25519 signature, as bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Signature(pub [u8; 64]);

/// Checks many single signatures at once, to the same verdict as one by one.
///
/// ```
/// use cosi::{domain::ATOMIX_SESSION, keys::{Batch, Seed}};
/// let keys = [1, 2].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let mut batch = Batch::new();
/// for key in &keys {
///     batch.add(key.public().to_bytes(), &ATOMIX_SESSION, b"pay", &key.sign(&ATOMIX_SESSION, b"pay"));
/// }
/// assert!(batch.verify());
/// ```
#[expect(missing_debug_implementations, reason = "nobody keeps one")]
pub struct Batch {
    verifier: batch::Verifier,
    seed: Hash,
}

impl Batch {
    /// An empty batch, which holds.
    #[expect(clippy::new_without_default, reason = "a batch is opened, not defaulted")]
    pub fn new() -> Self {
        Self { verifier: batch::Verifier::new(), seed: Hash::new(BATCH) }
    }

    /// Adds a signature to check.
    pub fn add(
        &mut self,
        key: PublicKeyBytes,
        domain: &Domain,
        statement: &[u8],
        signature: &Signature,
    ) {
        let message = tagged(domain, statement);
        self.seed = self.seed.clone().fixed(&key).fixed(&signature.0).bytes(&message);
        self.verifier.queue((key.into(), signature.0.into(), &message));
    }

    /// Whether every signature holds.
    pub fn verify(self) -> bool {
        self.verifier.verify(HashRng::new(self.seed)).is_ok()
    }
}

/// Proves that who registers a key knows its secret: without it, a key chosen as a difference
/// of others signs for them in an aggregate.
///
/// A Schnorr proof K, z = k + e·a with e = Hs(tag ‖ A ‖ K), in a domain of its own. Checked as
/// \[8\](\[z\]B − K − \[e\]A) = O, alone and in batches alike: by a rule without the cofactor,
/// torsion in K would let the two disagree, and validators would build different rosters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ProofOfPossession {
    /// K.
    pub commitment: [u8; 32],
    /// z.
    pub response: [u8; 32],
}

impl ProofOfPossession {
    /// Proves possession of `key`.
    pub fn prove(key: &SigningKey, rng: &mut dyn CryptoRng) -> Self {
        let mut transcript = Transcript::new(POSSESSION);
        transcript.append(b"key", &key.public.bytes);
        let k = transcript.hedged(key.scalar(), &fresh(rng));
        let commitment = EdwardsPoint::mul_base(&k).compress().to_bytes();
        let e = possession_challenge(&key.public.bytes, &commitment);
        Self { commitment, response: (*k + e * key.scalar()).to_bytes() }
    }

    /// Whether the owner of `key` made this proof.
    pub fn verify(&self, key: &PublicKey) -> bool {
        Self::verify_all([(key, self)])
    }

    /// Whether every one of these proofs holds.
    pub fn verify_all<'a>(proofs: impl IntoIterator<Item = (&'a PublicKey, &'a Self)>) -> bool {
        let proofs: Vec<_> = proofs.into_iter().collect();
        let seed = proofs.iter().fold(Hash::new(BATCH), |seed, (key, proof)| {
            seed.fixed(&key.bytes).fixed(&proof.commitment).fixed(&proof.response)
        });
        let mut rng = HashRng::new(seed);
        let (mut base, mut scalars, mut points) = (Scalar::ZERO, Vec::new(), Vec::new());
        for (key, proof) in proofs {
            let z = Option::<Scalar>::from(Scalar::from_canonical_bytes(proof.response));
            let (Some(z), Some(commitment)) = (z, decode_point(&proof.commitment)) else {
                return false;
            };
            let coefficient = Scalar::random(&mut rng);
            base += coefficient * z;
            scalars.extend([
                -coefficient,
                -coefficient * possession_challenge(&key.bytes, &proof.commitment),
            ]);
            points.extend([commitment, key.point]);
        }
        let sum = EdwardsPoint::mul_base(&base)
            + EdwardsPoint::vartime_multiscalar_mul(&scalars, &points);
        sum.mul_by_cofactor().is_identity()
    }
}

fn possession_challenge(key: &[u8; 32], commitment: &[u8; 32]) -> Scalar {
    Hash::new(POSSESSION).fixed(key).fixed(commitment).scalar()
}

/// Names a peer: the hash of its long-lived identity key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// The peer with this identity key.
    pub fn of(key: &PublicKey) -> Self {
        Self(Hash::new(PEER).fixed(&key.bytes).digest())
    }

    /// The hash.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

/// Decodes a point whose y is below p. (−0 has small order, so who checks that need not look.)
pub(crate) fn decode_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let [first, middle @ .., last] = bytes;
    let above = last & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff) && *first >= 0xed;
    CompressedEdwardsY(*bytes).decompress().filter(|_| !above)
}

fn tagged(domain: &Domain, statement: &[u8]) -> Vec<u8> {
    [&domain[..], statement].concat()
}
