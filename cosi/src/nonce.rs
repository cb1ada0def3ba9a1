//! One-use nonce pairs: what a cosigner answers a challenge with, s = r1 + b·r2 + c·a.

use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, Scalar};
use zeroize::ZeroizeOnDrop;

use crate::{
    domain,
    keys::SigningKey,
    machine::Cx,
    transcript::{Transcript, fresh},
};

/// Names a nonce pair. Random, so that no two pairs of a cosigner share one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct NonceId(pub [u8; 16]);

/// A secret pair r1, r2. Two answers with one pair give the key away, so a `NoncePair` cannot
/// be cloned or encoded, and answering consumes it:
///
/// ```compile_fail,E0382
/// # use cosi::{keys::SigningKey, nonce::NoncePair};
/// # fn twice(pair: NoncePair, key: &SigningKey, b: curve25519_dalek::Scalar) {
/// pair.answer(&b, &b, key);
/// pair.answer(&b, &b, key);
/// # }
/// ```
#[derive(ZeroizeOnDrop)]
pub struct NoncePair([Scalar; 2]);

impl NoncePair {
    /// Draws a pair, its name, and its commitments R_j = \[r_j\]B. The pair is hedged: it is as
    /// good as the better of `cx`'s entropy and the secrecy of `key`.
    ///
    /// The index j enters each hedge: with r1 = r2 the answer is that of the single-nonce
    /// scheme, which ROS breaks (Benhamouda et al. 2021).
    pub fn draw(cx: &mut Cx<'_>, key: &SigningKey) -> (NonceId, Self, [EdwardsPoint; 2]) {
        let mut id = NonceId([0; 16]);
        cx.rng().fill_bytes(&mut id.0);
        let fresh = fresh(cx.rng());
        let pair = Self([1, 2].map(|j| {
            let mut transcript = Transcript::new(domain::NONCE);
            transcript.append_number(b"index", j);
            transcript.append(b"nonce id", &id.0);
            *transcript.hedged(key.scalar(), &fresh)
        }));
        let points = pair.0.each_ref().map(EdwardsPoint::mul_base);
        (id, pair, points)
    }

    /// The answer s = r1 + b·r2 + c·a.
    pub fn answer(self, b: &Scalar, c: &Scalar, key: &SigningKey) -> Scalar {
        let [r1, r2] = &self.0;
        r1 + b * r2 + c * key.scalar()
    }
}

impl fmt::Debug for NoncePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoncePair(..)")
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{keys::Seed, machine::Time};

    #[test]
    fn an_answer_checks_out_and_the_two_nonces_differ() {
        let key = Seed::from_bytes([1; 32]).signing_key();
        let [b, c] = [6u64, 7].map(Scalar::from);
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let (_, pair, [r1, r2]) = NoncePair::draw(&mut cx, &key);
        assert_ne!(r1, r2);
        let s = pair.answer(&b, &c, &key);
        assert_eq!(EdwardsPoint::mul_base(&s), r1 + b * r2 + c * key.public().point());
    }

    #[test]
    fn a_stuck_generator_does_not_give_two_signers_one_pair() {
        let draw = |seed| {
            let key = Seed::from_bytes([seed; 32]).signing_key();
            let mut rng = ChaCha20Rng::seed_from_u64(7);
            NoncePair::draw(&mut Cx::new(Time::default(), &mut rng), &key).2
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
