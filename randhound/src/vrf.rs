//! Verifiable random functions: a member's own random value for any input, with a proof that it is
//! that value.
//!
//! Source: RFC 9381, "Verifiable Random Functions", section 5: ECVRF-EDWARDS25519-SHA512-ELL2, and
//! ECVRF-EDWARDS25519-SHA512-TAI for those who speak it.
//!
//! # What it guarantees
//!
//! - **Uniqueness**: under one [`VrfKey`] no input has two [`Output`]s, whoever made the key. One
//!   output has many [`Proof`]s, to who knows the secret: compare, count and rank outputs alone.
//! - **Pseudorandomness**: who has no proof of an input's output, and not the secret, cannot tell
//!   it from random bytes.
//! - **Verifiability**: the key, the input and the proof yield the output to anybody.
//!
//! # What is yours to do
//!
//! - Take keys from [`VrfKeys`], registered before anybody knows the inputs: who picks a key after
//!   the input grinds for an output.
//! - Say in the input what the output is for. One key serves all purposes, and an output shown for
//!   one is known for all.
//! - Take outputs under [`Suite::Ell2`] alone. A key has one suite here, and what a member
//!   registers is of that one: who accepts the proofs of both gives each member two outputs.
//!
//! # How it works
//!
//! With the secret x, the key Y = \[x\]B, and H, the input hashed to a point under Y:
//!
//! ```text
//! Γ = [x]H                                             the output, as a point
//! k = SHA-512(prefix ‖ H) mod ℓ                        RFC 9381, 5.4.2.2; prefix is secret
//! c = SHA-512(suite ‖ 2 ‖ Y ‖ H ‖ Γ ‖ [k]B ‖ [k]H ‖ 0)  its first 16 bytes
//! s = k + c·x mod ℓ                                    the proof is Γ ‖ c ‖ s
//!
//! U = [s]B − [c]Y,  V = [s]H − [c]Γ                    what a verifier puts for [k]B and [k]H
//! output = SHA-512(suite ‖ 3 ‖ [8]Γ ‖ 0)
//! ```
//!
//! The nonce k follows from the secret and H alone, as it does in RFC 8032 from the secret and the
//! message. So with the signing key for x, one Ed25519 signature on the 32 bytes of H and one proof
//! share a nonce, and give the key away. A [`VrfSecret`] is derived under a tag of its own, and no
//! [`Registration`] has its owner's signing key for Y.
//!
//! # Where this departs from the RFC
//!
//! - Keys are always validated, and must lie in the prime-order group; so must Γ. The RFC leaves
//!   validation to the caller and lets small-order parts pass, so that who knows x has further
//!   proofs, of the same output.
//! - A key belongs to one suite.
//! - A derived secret has H(tag ‖ seed) for the 64 bytes that RFC 8032 expands a seed to.
//!
//! The time that hashing takes under [`Suite::Tai`] tells of the input (section 7.1).
//!
//! # Example
//!
//! ```
//! use cosi::keys::Seed;
//! use randhound::vrf::{VrfKeys, VrfSecret};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//!
//! // Three members register, and then the input becomes known.
//! let seeds = [1, 2, 3].map(|seed| Seed::from_bytes([seed; 32]));
//! let secrets = seeds.each_ref().map(VrfSecret::derive);
//! let members = seeds.iter().zip(&secrets).map(|(seed, secret)| {
//!     let owner = *seed.signing_key().public();
//!     (owner, secret.register(&owner, &mut rng))
//! });
//! let keys = VrfKeys::new(members)?;
//! let input = b"leader of epoch 7";
//!
//! // Each draws a ticket, and anybody finds the lowest.
//! let tickets = secrets.each_ref().map(|secret| secret.prove(input).0);
//! let mut outputs = Vec::new();
//! for (at, proof) in tickets.iter().enumerate() {
//!     let key = keys.key(at).ok_or("no such member")?;
//!     outputs.push((key.verify(input, proof)?, at));
//! }
//! let (output, leader) = outputs.into_iter().min().ok_or("no tickets")?;
//! assert_eq!(secrets[leader].prove(input).1, output);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![allow(non_snake_case, reason = "points are upper case, as in the RFC")]

mod keys;

use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::VRF_KEY,
    keys::{KeyError, PublicKey, PublicKeyBytes, Seed},
};
use curve25519_dalek::{
    EdwardsPoint, Scalar, edwards::CompressedEdwardsY, scalar::clamp_integer,
    traits::VartimeMultiscalarMul,
};
use sha2::{Digest, Sha512};
use zeroize::{ZeroizeOnDrop, Zeroizing};

pub use self::keys::{KeysError, Registration, RegistrationError, VrfKeys};

/// How inputs become points. A key has one suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suite {
    /// ECVRF-EDWARDS25519-SHA512-TAI, by try and increment. To speak with others who use it.
    Tai = 3,
    /// ECVRF-EDWARDS25519-SHA512-ELL2, by Elligator 2. What members register.
    Ell2 = 4,
}

impl Suite {
    /// The point H of an input (RFC 9381, 5.4.1), in the prime-order group.
    fn hash_to_curve(self, key: &PublicKeyBytes, input: &[u8]) -> EdwardsPoint {
        match self {
            Self::Tai => try_and_increment(key, input),
            Self::Ell2 => EdwardsPoint::encode_to_curve::<Sha512>(
                &[key, input],
                &[b"ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_", &[self as u8]],
            ),
        }
    }

    /// The challenge c over Y, H, Γ, U and V (5.4.3).
    fn challenge(self, points: &[[u8; 32]; 5]) -> [u8; 16] {
        let hash = Sha512::new_with_prefix([self as u8, 2]);
        let hash = points.iter().fold(hash, |hash, point| hash.chain_update(point));
        let wide: [u8; 64] = hash.chain_update([0]).finalize().into();
        wide.first_chunk().copied().unwrap_or_default()
    }

    /// The output of Γ (5.2). The cofactor takes away whatever small-order part Γ has.
    fn output(self, gamma: &EdwardsPoint) -> [u8; 64] {
        let cleared = gamma.mul_by_cofactor().compress().to_bytes();
        let hash = Sha512::new_with_prefix([self as u8, 3]).chain_update(cleared);
        hash.chain_update([0]).finalize().into()
    }
}

/// The first of 256 hashes that is a point, its small-order part cleared (5.4.1.1). Should none of
/// them be one, as for an input in 2²⁵⁶, the identity, of which no proof holds.
fn try_and_increment(key: &PublicKeyBytes, input: &[u8]) -> EdwardsPoint {
    let hash = Sha512::new_with_prefix([Suite::Tai as u8, 1]).chain_update(key).chain_update(input);
    let mut candidates = (0..=u8::MAX).filter_map(|counter| {
        let wide: [u8; 64] = hash.clone().chain_update([counter, 0]).finalize().into();
        let encoding = wide.first_chunk().copied().map(CompressedEdwardsY)?;
        let point = encoding.decompress().filter(|point| point.compress() == encoding)?;
        Some(point.mul_by_cofactor()).filter(|point| *point != EdwardsPoint::default())
    });
    candidates.next().unwrap_or_default()
}

/// What three points encode to.
fn encodings(points: &[EdwardsPoint; 3]) -> [[u8; 32]; 3] {
    EdwardsPoint::compress_batch(points).map(|point| point.to_bytes())
}

/// A secret that draws, with its key. Zeroized when dropped; not `Clone`:
///
/// ```compile_fail,E0599
/// # use randhound::vrf::VrfSecret;
/// # fn twice(secret: VrfSecret) -> (VrfSecret, VrfSecret) {
/// (secret.clone(), secret)
/// # }
/// ```
#[derive(ZeroizeOnDrop)]
pub struct VrfSecret {
    scalar: Scalar,
    /// What nonces follow from.
    prefix: [u8; 32],
    #[zeroize(skip)]
    key: VrfKey,
}

impl VrfSecret {
    /// The secret that follows from a validator's seed, under a tag of its own, for
    /// [`Suite::Ell2`].
    pub fn derive(seed: &Seed) -> Self {
        Self::expanded(Suite::Ell2, &seed.derive(VRF_KEY))
    }

    /// The secret that RFC 9381 has for an RFC 8032 seed, to speak with others who follow it and
    /// to check its vectors. **The seed must sign nothing**: one Ed25519 signature, on bytes that
    /// an attacker picks, and one proof give the key away.
    pub fn from_rfc8032_seed(seed: &[u8; 32], suite: Suite) -> Self {
        Self::expanded(suite, &Zeroizing::new(Sha512::digest(seed).into()))
    }

    fn expanded(suite: Suite, wide: &Zeroizing<[u8; 64]>) -> Self {
        let (mut low, mut prefix) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        let halves = low.iter_mut().chain(prefix.iter_mut());
        halves.zip(wide.iter()).for_each(|(byte, from)| *byte = *from);
        let scalar = Scalar::from_bytes_mod_order(clamp_integer(*low));
        let point = EdwardsPoint::mul_base(&scalar);
        let key = VrfKey { suite, bytes: point.compress().to_bytes(), point };
        Self { scalar, prefix: *prefix, key }
    }

    /// The key that others know.
    pub const fn key(&self) -> &VrfKey {
        &self.key
    }

    /// The output of `input`, and what proves it (5.1). The same each time.
    pub fn prove(&self, input: &[u8]) -> (Proof, Output) {
        let VrfKey { suite, bytes: Y, .. } = self.key;
        let H = suite.hash_to_curve(&Y, input);
        let h = H.compress().to_bytes();
        let Gamma = H * self.scalar;
        let k = self.nonce(&h);
        let [gamma, U, V] = encodings(&[Gamma, EdwardsPoint::mul_base(&k), H * *k]);
        let challenge = suite.challenge(&[Y, h, gamma, U, V]);
        let response = (*k + short(challenge) * self.scalar).to_bytes();
        (Proof { gamma, challenge, response }, Output(suite.output(&Gamma)))
    }

    /// The nonce for one H (5.4.2.2).
    fn nonce(&self, h: &[u8; 32]) -> Zeroizing<Scalar> {
        let hash = Sha512::new_with_prefix(self.prefix).chain_update(h);
        let wide = Zeroizing::new(hash.finalize().into());
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide))
    }
}

impl fmt::Debug for VrfSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfSecret({:?}, ..)", self.key)
    }
}

/// A challenge as a scalar.
fn short(challenge: [u8; 16]) -> Scalar {
    Scalar::from(u128::from_le_bytes(challenge))
}

/// A key Y, decoded: a canonical point of the prime-order group, not the identity; and its suite.
///
/// That the owner knows the secret is more than this says: see [`VrfKeys`].
#[derive(Clone, Copy)]
pub struct VrfKey {
    suite: Suite,
    bytes: PublicKeyBytes,
    point: EdwardsPoint,
}

impl VrfKey {
    /// Decodes a key. Refuses what is no canonical point of the prime-order group: to a key of
    /// small order, anybody proves the same output for every input.
    pub fn from_bytes(bytes: &PublicKeyBytes, suite: Suite) -> Result<Self, KeyError> {
        let point = *PublicKey::from_bytes(bytes)?.point();
        Ok(Self { suite, bytes: *bytes, point })
    }

    /// The encoding.
    pub const fn to_bytes(&self) -> PublicKeyBytes {
        self.bytes
    }

    /// What the key is for.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The output of `input`, if `proof` proves it (5.3). Its time tells of all of them.
    pub fn verify(&self, input: &[u8], proof: &Proof) -> Result<Output, ProofError> {
        let (Gamma, s) = proof.decode_parts()?;
        let c = short(proof.challenge);
        let H = self.suite.hash_to_curve(&self.bytes, input);
        let U = EdwardsPoint::vartime_double_scalar_mul_basepoint(&c, &-self.point, &s);
        let V = EdwardsPoint::vartime_multiscalar_mul([s, c], [H, -Gamma]);
        let [h, U, V] = encodings(&[H, U, V]);
        if self.suite.challenge(&[self.bytes, h, proof.gamma, U, V]) != proof.challenge {
            return Err(ProofError::Equation);
        }
        Ok(Output(self.suite.output(&Gamma)))
    }
}

impl PartialEq for VrfKey {
    fn eq(&self, other: &Self) -> bool {
        (self.suite, self.bytes) == (other.suite, other.bytes)
    }
}

impl Eq for VrfKey {}

impl fmt::Debug for VrfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfKey({:?}, ", self.suite)?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A proof, as bytes that may mean nothing. Its encoding is the RFC's `pi_string`, of 80 bytes
/// (5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// Γ.
    pub gamma: [u8; 32],
    /// c.
    pub challenge: [u8; 16],
    /// s.
    pub response: [u8; 32],
}

impl Proof {
    /// What the output is if the proof holds (5.2), which this does not say: [`VrfKey::verify`]
    /// does.
    pub fn to_hash(&self, suite: Suite) -> Result<[u8; 64], ProofError> {
        self.decode_parts().map(|(Gamma, _)| suite.output(&Gamma))
    }

    /// Γ and s (5.4.4), each in its one encoding. Γ is held to the rule for keys.
    fn decode_parts(&self) -> Result<(EdwardsPoint, Scalar), ProofError> {
        let Ok(Gamma) = PublicKey::from_bytes(&self.gamma) else { return Err(ProofError::Gamma) };
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(self.response));
        Ok((*Gamma.point(), s.ok_or(ProofError::Response)?))
    }
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Γ is no canonical point of the prime-order group, or the identity.
    #[error("the proof's point is not canonical or has small order; ask its owner for its own")]
    Gamma,
    /// s is ℓ or above.
    #[error("the proof's response is not canonical; ask its owner for its own")]
    Response,
    /// It is of another input, key or suite, or of none.
    #[error("the proof does not hold for this input under this key and its suite")]
    Equation,
}

/// The random value of one input under one key. Only its prover, or who verifies a proof of it, has
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Output([u8; 64]);

impl Output {
    /// The bytes, each as likely as any other.
    pub const fn to_bytes(&self) -> [u8; 64] {
        self.0
    }
}
