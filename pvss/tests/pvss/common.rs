//! A group of trustees, and arithmetic that shares nothing with the crate's.

use std::sync::Arc;

use cosi::keys::{PublicKey, PublicKeyBytes, Seed};
use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};
use pvss::{
    Chosen, Deal, Registration, Scheme, Secret, ShareKeys, ShareSecret, Sharing, Trustee,
    VerifiedDeal, deal,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn seed(number: usize) -> Seed {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&u64::try_from(number).unwrap().to_le_bytes());
    Seed::from_bytes(bytes)
}

pub(crate) fn owner(number: usize) -> PublicKey {
    *seed(number).signing_key().public()
}

pub(crate) fn dealer(number: usize) -> PublicKeyBytes {
    owner(number).to_bytes()
}

pub(crate) fn own(number: usize, scheme: Scheme) -> ShareSecret {
    ShareSecret::derive(&seed(number), scheme)
}

pub(crate) fn register(number: usize, scheme: Scheme) -> (PublicKey, Registration) {
    let owner = owner(number);
    (owner, own(number, scheme).register(&owner, &mut rng(u64::try_from(number).unwrap())))
}

pub(crate) fn keys(n: usize, scheme: Scheme) -> ShareKeys {
    ShareKeys::new(scheme, (0..n).map(|number| register(number, scheme))).unwrap()
}

/// Members 0 to n − 1 in the session 1.
pub(crate) fn group(n: usize, t: usize, scheme: Scheme) -> Sharing {
    Sharing::new([1; 32], &keys(n, scheme), t).unwrap()
}

/// Member `number` deals.
pub(crate) fn dealt(sharing: &Sharing, number: usize) -> (Deal, Secret) {
    let own = own(number, sharing.keys().scheme());
    deal(sharing, &dealer(number), &own, &mut rng(1000 + u64::try_from(number).unwrap()))
}

pub(crate) fn verified(sharing: &Sharing, number: usize) -> (VerifiedDeal, Secret) {
    let (deal, secret) = dealt(sharing, number);
    (deal.verify(sharing, &dealer(number)).unwrap(), secret)
}

pub(crate) fn trustee(sharing: &Sharing, number: usize) -> Trustee {
    Trustee::new(sharing.clone(), Arc::new(own(number, sharing.keys().scheme()))).unwrap()
}

/// What trustee `number` opens.
pub(crate) fn opened(chosen: &Chosen, number: usize) -> pvss::DecryptedShare {
    trustee(chosen.sharing(), number).decrypt(chosen, &mut rng(7)).unwrap()
}

pub(crate) fn point(bytes: &[u8; 32]) -> RistrettoPoint {
    CompressedRistretto(*bytes).decompress().unwrap()
}

pub(crate) fn bytes(point: &RistrettoPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

pub(crate) fn number(number: i64) -> Scalar {
    let magnitude = Scalar::from(number.unsigned_abs());
    if number < 0 { -magnitude } else { magnitude }
}

/// λ at 0 for the evaluation point `of` among `points`, by the textbook.
pub(crate) fn lambda(of: i64, points: &[i64]) -> Scalar {
    let others = points.iter().filter(|j| **j != of);
    others.map(|j| number(*j) * number(j - of).invert()).product()
}

/// Σλ_i·P_i over points by their evaluation points.
pub(crate) fn interpolate(shares: &[(i64, RistrettoPoint)]) -> RistrettoPoint {
    let points: Vec<_> = shares.iter().map(|(at, _)| *at).collect();
    shares.iter().map(|(at, share)| share * lambda(*at, &points)).sum()
}

/// The secret x of member `number`, as the crate derives it.
pub(crate) fn scalar(number: usize, scheme: Scheme) -> Scalar {
    let domain = match scheme {
        Scheme::Dhpvss => cosi::domain::SHARE_KEY_DHPVSS,
        Scheme::Schoenmakers | _ => cosi::domain::SHARE_KEY_SCHOENMAKERS,
    };
    let x = Scalar::from_bytes_mod_order_wide(&seed(number).derive(domain));
    let registered = register(number, scheme).1.key;
    assert_eq!(bytes(&RistrettoPoint::mul_base(&x)), registered);
    x
}

/// z + ℓ, the same number in bytes that are not canonical.
pub(crate) fn plus_order(z: &[u8; 32]) -> [u8; 32] {
    let (mut sum, mut carry) = (*z, 1);
    for (byte, order) in sum.iter_mut().zip((-Scalar::ONE).to_bytes()) {
        carry += u16::from(*byte) + u16::from(order);
        (*byte, carry) = (carry.to_le_bytes()[0], carry >> 8);
    }
    assert_eq!(Scalar::from_bytes_mod_order(sum).to_bytes(), *z);
    sum
}
