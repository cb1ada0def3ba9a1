//! Four members whose keys are all at hand, and what they can sign.
//!
//! Everything follows from constants, so that a corpus can be made again to the byte.

use std::sync::{Arc, LazyLock};

use cosi::{
    Certificate, CollectiveSignature, Mode, certificate,
    keys::{Seed, SigningKey},
    machine::{Index, To},
    mask::Mask,
    roster::{Member, Roster},
};
use curve25519_dalek::{EdwardsPoint, Scalar, scalar::clamp_integer};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest as _, Sha512};

/// How many validators there are.
pub(crate) const SIZE: u16 = 4;
/// A quorum of them, by positions.
pub(crate) const QUORUM: [u16; 3] = [0, 1, 3];

/// Entropy that is the same each time.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The validators' keys.
pub(crate) static KEYS: LazyLock<[Arc<SigningKey>; 5]> = LazyLock::new(|| {
    [1, 2, 3, 4, 5].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()))
});

/// The validators.
pub(crate) static ROSTER: LazyLock<Roster> = LazyLock::new(|| roster(0));

/// Four members, from the key at `first` on.
pub(crate) fn roster(first: usize) -> Roster {
    let mut rng = rng(7);
    let keys = KEYS.iter().skip(first).take(SIZE.into());
    Roster::new(keys.map(|key| Member::new(key, &mut rng))).expect("four sound members")
}

/// The key of the member at `position`.
pub(crate) fn key(position: u16) -> &'static Arc<SigningKey> {
    KEYS.get(usize::from(position)).expect("there are five keys")
}

/// The member at `position`.
pub(crate) fn member(position: u16) -> Index {
    ROSTER.index(position).expect("positions are below four")
}

/// The certificate by single signatures of these members, whose keys begin at `first`.
pub(crate) fn individual(
    roster: &Roster,
    first: u16,
    signers: &[u16],
    statement: &[u8],
) -> Certificate {
    let signed = signers.iter().map(|at| {
        let signature = certificate::sign(key(first.wrapping_add(*at)), &roster.id(), statement);
        (roster.index(*at).expect("a member"), signature)
    });
    Certificate::individual(roster, signed).expect("there are signers")
}

/// The collective signature of all validators, from their seeds and a nonce that never changes:
/// s = r + cΣa_i, where c = SHA-512(R ‖ ΣA_i ‖ m).
pub(crate) fn collective(statement: &[u8]) -> CollectiveSignature {
    let mask = Mask::of(SIZE.into(), 0..SIZE);
    let message = Mode::Accountable.signed(&ROSTER.id(), &mask, statement);
    let secret = |seed: u8| -> Scalar {
        let hash: [u8; 64] = Sha512::digest([seed; 32]).into();
        let low = hash.first_chunk().expect("64 bytes");
        Scalar::from_bytes_mod_order(clamp_integer(*low))
    };
    let (nonce, sum) = (Scalar::from(7_u8), (1..=4).map(secret).sum::<Scalar>());
    let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let hash = Sha512::new().chain_update(commitment);
    let hash = hash.chain_update(EdwardsPoint::mul_base(&sum).compress().as_bytes());
    let c = Scalar::from_bytes_mod_order_wide(&hash.chain_update(message).finalize().into());
    CollectiveSignature { commitment, response: (nonce + c * sum).to_bytes(), mask }
}

/// Whether `to` names `peer`, who is not the sender.
pub(crate) fn receives<P: PartialEq>(to: &To<P>, peer: P) -> bool {
    match to {
        To::All => true,
        To::One(one) => *one == peer,
        To::Some(some) => some.contains(&peer),
    }
}
