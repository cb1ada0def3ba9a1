//! The RFC, step by step, and what a prover that has its own way can do with it.

use cosi::keys::Seed;
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, scalar::clamp_integer};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use randhound::vrf::{Proof, Suite};
use sha2::{Digest, Sha512};

pub(crate) const BOTH: [Suite; 2] = [Suite::Tai, Suite::Ell2];

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn seed(number: u8) -> Seed {
    Seed::from_bytes([number; 32])
}

pub(crate) fn octet(suite: Suite) -> u8 {
    if suite == Suite::Tai { 3 } else { 4 }
}

pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    Sha512::digest(parts.concat()).into()
}

pub(crate) fn bytes(point: &EdwardsPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

pub(crate) fn point(bytes: &[u8; 32]) -> EdwardsPoint {
    CompressedEdwardsY(*bytes).decompress().unwrap()
}

pub(crate) fn scalar(bytes: &[u8; 32]) -> Scalar {
    Scalar::from_canonical_bytes(*bytes).unwrap()
}

pub(crate) fn short(c: &[u8; 16]) -> Scalar {
    Scalar::from(u128::from_le_bytes(*c))
}

/// x and the prefix of nonces, of an RFC 8032 seed.
pub(crate) fn expanded(seed: &[u8; 32]) -> (Scalar, [u8; 32]) {
    let wide = sha512(&[seed]);
    let low = clamp_integer(wide[..32].try_into().unwrap());
    (Scalar::from_bytes_mod_order(low), wide[32..].try_into().unwrap())
}

pub(crate) fn hash_to_curve(suite: Suite, key: &[u8; 32], input: &[u8]) -> EdwardsPoint {
    if suite == Suite::Ell2 {
        let tag = b"ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_\x04";
        return EdwardsPoint::encode_to_curve::<Sha512>(&[&[key, input].concat()], &[tag]);
    }
    let mut counter = 0;
    loop {
        let hash = sha512(&[&[3, 1], key, input, &[counter, 0]]);
        let found = CompressedEdwardsY(hash[..32].try_into().unwrap()).decompress();
        if let Some(found) = found {
            return found * Scalar::from(8_u8);
        }
        counter += 1;
    }
}

pub(crate) fn challenge(suite: Suite, points: [&EdwardsPoint; 5]) -> [u8; 16] {
    let points = points.map(bytes).concat();
    sha512(&[&[octet(suite), 2], &points, &[0]])[..16].try_into().unwrap()
}

pub(crate) fn output(suite: Suite, gamma: &EdwardsPoint) -> [u8; 64] {
    let cleared = bytes(&(gamma * Scalar::from(8_u8)));
    sha512(&[&[octet(suite), 3], &cleared, &[0]])
}

/// Verification without the validation of the key, as the RFC's `ECVRF_verify` with
/// `validate_key = FALSE`.
pub(crate) fn published(suite: Suite, Y: &EdwardsPoint, input: &[u8], pi: &Proof) -> bool {
    let (c, s, Gamma) = (short(&pi.challenge), scalar(&pi.response), point(&pi.gamma));
    let H = hash_to_curve(suite, &bytes(Y), input);
    let U = EdwardsPoint::mul_base(&s) - Y * c;
    let V = H * s - Gamma * c;
    challenge(suite, [Y, &H, &Gamma, &U, &V]) == pi.challenge
}

/// A proof that Γ is what one likes, with the nonce one likes, under Y = \[x\]B + T for any T. It
/// is no lie where c·(Γ − \[x\]H) and c·T vanish.
pub(crate) fn forge(
    suite: Suite,
    (x, Y): (&Scalar, &EdwardsPoint),
    input: &[u8],
    gamma: &EdwardsPoint,
    k: Scalar,
) -> Proof {
    let H = hash_to_curve(suite, &bytes(Y), input);
    let c = challenge(suite, [Y, &H, gamma, &EdwardsPoint::mul_base(&k), &(H * k)]);
    Proof { gamma: bytes(gamma), challenge: c, response: (k + short(&c) * x).to_bytes() }
}

/// The next higher encoding of the same scalar: ℓ above.
pub(crate) fn plus_order(encoding: &[u8; 32]) -> [u8; 32] {
    // ℓ − 1, and 1 carried in.
    let order = (-Scalar::ONE).to_bytes();
    let mut carry = 1;
    core::array::from_fn(|at| {
        let sum = u16::from(encoding[at]) + u16::from(order[at]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}
