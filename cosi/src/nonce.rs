//! One-use nonce pairs: what a cosigner answers a challenge with, s = r1 + b·r2 + c·a.

use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, Scalar};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    domain,
    keys::SigningKey,
    machine::{Cx, Index},
    roster::RosterId,
    transcript::{Transcript, fresh},
    wire::Wire,
};

/// Names a nonce pair. As random as the pair itself: no two pairs of a cosigner share one, or
/// the responses with one would convict it by the commitment to the other.
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
    /// Draws a pair for one leader, its name, and its commitments R_j = \[r_j\]B. `drawn` counts
    /// the machine's pairs.
    ///
    /// The pair is hedged: a generator that others predict is made up for by the secrecy of
    /// `key`, and one that repeats itself by the count and the time. Only where all three repeat,
    /// as in a machine that runs twice from one memory image, does a pair.
    ///
    /// The index j enters each hedge: with r1 = r2 the answer is that of the single-nonce
    /// scheme, which ROS breaks (Benhamouda et al. 2021).
    pub fn draw(
        cx: &mut Cx<'_>,
        key: &SigningKey,
        roster: &RosterId,
        leader: Index,
        drawn: &mut u64,
    ) -> (NonceId, Self, [EdwardsPoint; 2]) {
        Self::draw_for(cx, key, roster, leader.get().into(), &[], drawn)
    }

    /// Draws a pair for a leader that is no member, named by `asker`: see [`round`](crate::round).
    pub(crate) fn draw_outside(
        cx: &mut Cx<'_>,
        key: &SigningKey,
        roster: &RosterId,
        asker: &[u8; 32],
        drawn: &mut u64,
    ) -> (NonceId, Self, [EdwardsPoint; 2]) {
        Self::draw_for(cx, key, roster, u64::MAX, asker, drawn)
    }

    fn draw_for(
        cx: &mut Cx<'_>,
        key: &SigningKey,
        roster: &RosterId,
        leader: u64,
        asker: &[u8],
        drawn: &mut u64,
    ) -> (NonceId, Self, [EdwardsPoint; 2]) {
        *drawn = drawn.wrapping_add(1);
        let mut transcript = Transcript::new(domain::NONCE);
        transcript.append(b"roster", &roster.0);
        transcript.append_number(b"leader", leader);
        transcript.append(b"asker", asker);
        transcript.append(b"time", &cx.now().encode());
        transcript.append_number(b"drawn", *drawn);
        let fresh = fresh(cx.rng());
        let hedged = |j| {
            let mut transcript = transcript.clone();
            transcript.append_number(b"index", j);
            transcript.hedged(key.scalar(), &fresh)
        };
        let name = hedged(0).to_bytes();
        let id = NonceId(core::array::from_fn(|at| name.get(at).copied().unwrap_or_default()));
        let pair = Self([1, 2].map(|j| *hedged(j)));
        let points = pair.0.each_ref().map(EdwardsPoint::mul_base);
        (id, pair, points)
    }

    /// The answer s = r1 + b·r2 + c·a.
    pub fn answer(self, b: &Scalar, c: &Scalar, key: &SigningKey) -> Scalar {
        let [r1, r2] = &self.0;
        let [of_nonce, of_key] = [b * r2, c * key.scalar()].map(Zeroizing::new);
        r1 + *of_nonce + *of_key
    }
}

impl fmt::Debug for NoncePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoncePair(..)")
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{
        keys::Seed,
        machine::Time,
        roster::{Member, Roster},
    };

    fn draw(key: &SigningKey, now: Time, drawn: u64) -> (NoncePair, [EdwardsPoint; 2]) {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let other = Seed::from_bytes([9; 32]).signing_key();
        let roster = Roster::new([Member::new(&other, &mut rng)]).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let (mut cx, mut drawn) = (Cx::new(now, &mut rng), drawn);
        let leader = roster.index(0).unwrap();
        let (_, pair, points) = NoncePair::draw(&mut cx, key, &roster.id(), leader, &mut drawn);
        (pair, points)
    }

    #[test]
    fn an_answer_checks_out_and_the_two_nonces_differ() {
        let key = Seed::from_bytes([1; 32]).signing_key();
        let [b, c] = [6u64, 7].map(Scalar::from);
        let (pair, [r1, r2]) = draw(&key, Time::default(), 0);
        assert_ne!(r1, r2);
        let s = pair.answer(&b, &c, &key);
        assert_eq!(EdwardsPoint::mul_base(&s), r1 + b * r2 + c * key.public().point());
    }

    #[test]
    fn a_pair_follows_its_key_its_count_and_the_time() {
        let points = |seed, now, drawn| {
            let key = Seed::from_bytes([seed; 32]).signing_key();
            draw(&key, Time::at(Duration::from_nanos(now)), drawn).1
        };
        assert_eq!(points(1, 1, 1), points(1, 1, 1));
        for other in [points(2, 1, 1), points(1, 2, 1), points(1, 1, 2)] {
            assert_ne!(points(1, 1, 1), other);
        }
    }
}
