//! How secrets, statements and keys become challenges.
//!
//! Two tools. [`struct@Hash`] is SHA-512 over length-prefixed parts: the `Hs` and `H` of the
//! papers, whose exact input is part of a protocol. [`Transcript`] is merlin with typed verbs: it draws
//! hedged secrets, and it is the transcript of every proof that has more than one move.
//! Everything that a proof is about goes in before a challenge comes out.

use core::{fmt, num::NonZeroU64};

use curve25519_dalek::{
    Scalar,
    rand_core::{CryptoRng, Infallible, Rng as _, TryCryptoRng, TryRng},
};
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::domain::Domain;

/// SHA-512 under a domain, over parts that cannot run into one another.
#[derive(Clone, Debug)]
pub struct Hash(Sha512);

impl Hash {
    /// Starts a hash for one purpose.
    pub fn new(domain: Domain) -> Self {
        Self(Sha512::new_with_prefix(domain))
    }

    /// Adds bytes whose length the protocol fixes.
    #[must_use]
    pub fn fixed<const N: usize>(mut self, bytes: &[u8; N]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.fixed(&number.to_le_bytes())
    }

    /// Adds bytes of any length, their length first.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.update(len.to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The hash as a scalar: 512 bits, read little-endian, modulo the group's order.
    pub fn scalar(self) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.wide())
    }

    /// The first half of the hash.
    pub fn digest(self) -> [u8; 32] {
        let wide = self.wide();
        core::array::from_fn(|at| wide.get(at).copied().unwrap_or_default())
    }

    /// The hash.
    pub fn wide(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

/// A merlin transcript with typed verbs.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "it may hold secrets")]
pub struct Transcript(merlin::Transcript);

impl Transcript {
    /// Starts a transcript for one purpose.
    pub fn new(domain: Domain) -> Self {
        let mut transcript = merlin::Transcript::new(b"thesis protocols v1");
        transcript.append_message(b"domain", &domain);
        Self(transcript)
    }

    /// Adds a public value.
    pub fn append(&mut self, label: &'static [u8], value: &[u8]) {
        self.0.append_message(label, value);
    }

    /// Adds a public number.
    pub fn append_number(&mut self, label: &'static [u8], value: u64) {
        self.0.append_u64(label, value);
    }

    /// A challenge that everything so far decides.
    pub fn challenge(&mut self, label: &'static [u8]) -> Scalar {
        let mut wide = [0; 64];
        self.0.challenge_bytes(label, &mut wide);
        Scalar::from_bytes_mod_order_wide(&wide)
    }

    /// A secret as good as the better of `secret` and `fresh`, which names what it is for by
    /// all that is in the transcript. The transcript stays as it is.
    pub fn hedged(&self, secret: &Scalar, fresh: &[u8; 32]) -> Zeroizing<Scalar> {
        let mut hedge = self.0.clone();
        hedge.append_message(b"secret", secret.as_bytes());
        hedge.append_message(b"fresh", fresh);
        let mut wide = Zeroizing::new([0; 64]);
        hedge.challenge_bytes(b"hedged", &mut *wide);
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide))
    }
}

/// Fresh entropy for one hedged secret.
pub fn fresh(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut fresh = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *fresh);
    fresh
}

/// Random bytes that a hash decides: the coefficients of a batch verification, so that every
/// verifier of the same batch comes to the same verdict, and the order of members that a public
/// seed deals. Secret only if the hash is.
///
/// Draw number k of 64 bits, from 0, is the first 8 bytes, little-endian, of
/// SHA-512(SHA-512(seed) ‖ k), k in 8 bytes, little-endian.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct HashRng {
    seed: [u8; 64],
    block: u64,
}

impl HashRng {
    /// The bytes that follow from `seed`.
    pub fn new(seed: Hash) -> Self {
        Self { seed: seed.wide(), block: 0 }
    }

    /// A number below `bound`, each as likely: draws of 64 bits, those above the largest multiple
    /// of `bound` passed over, the first other one modulo `bound`.
    pub fn below(&mut self, bound: NonZeroU64) -> u64 {
        let excess = bound.get().wrapping_neg() % bound;
        let last = u64::MAX.saturating_sub(excess);
        loop {
            let draw = self.next_u64();
            if draw <= last {
                return draw % bound;
            }
        }
    }

    /// Puts `items` into an order each as likely, by Fisher and Yates: for i from the last
    /// position down to 1, swaps the items at i and at a number [`below`](Self::below) i + 1.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
            let Some(bound) = NonZeroU64::new(bound) else { continue };
            let other = usize::try_from(self.below(bound)).unwrap_or_default();
            items.swap(last, other);
        }
    }
}

impl fmt::Debug for HashRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashRng(..)")
    }
}

impl TryRng for HashRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for chunk in target.chunks_mut(64) {
            let hash = Sha512::new_with_prefix(self.seed).chain_update(self.block.to_le_bytes());
            self.block = self.block.wrapping_add(1);
            chunk.iter_mut().zip(hash.finalize()).for_each(|(byte, random)| *byte = random);
        }
        Ok(())
    }
}

impl TryCryptoRng for HashRng {}

#[cfg(test)]
mod tests {
    use curve25519_dalek::rand_core::Rng;

    use super::*;
    use crate::domain::{BATCH, NONCE};

    #[test]
    fn parts_do_not_run_into_one_another() {
        let hash = |parts: [&[u8]; 2]| Hash::new(BATCH).bytes(parts[0]).bytes(parts[1]).digest();
        assert_ne!(hash([b"ab", b"c"]), hash([b"a", b"bc"]));
        assert_ne!(Hash::new(BATCH).number(1).digest(), Hash::new(NONCE).number(1).digest());
    }

    #[test]
    fn a_hedge_follows_each_of_its_sources() {
        let mut transcript = Transcript::new(NONCE);
        let before = transcript.hedged(&Scalar::ONE, &[1; 32]);
        assert_eq!(before, transcript.hedged(&Scalar::ONE, &[1; 32]));
        assert_ne!(before, transcript.hedged(&Scalar::ZERO, &[1; 32]));
        assert_ne!(before, transcript.hedged(&Scalar::ONE, &[2; 32]));
        transcript.append_number(b"index", 1);
        assert_ne!(before, transcript.hedged(&Scalar::ONE, &[1; 32]));
    }

    #[test]
    fn a_challenge_is_64_bytes_of_merlins_and_everything_so_far_decides_it() {
        let draw = |value: &[u8]| {
            let mut transcript = Transcript::new(NONCE);
            transcript.append(b"value", value);
            [transcript.challenge(b"first"), transcript.challenge(b"next")]
        };
        let mut merlin = merlin::Transcript::new(b"thesis protocols v1");
        merlin.append_message(b"domain", &NONCE);
        merlin.append_message(b"value", b"a");
        let labels: [&'static [u8]; 2] = [b"first", b"next"];
        let expected = labels.map(|label| {
            let mut wide = [0; 64];
            merlin.challenge_bytes(label, &mut wide);
            Scalar::from_bytes_mod_order_wide(&wide)
        });
        assert_eq!(draw(b"a"), expected);
        let [[first, next], [other, last]] = [draw(b"a"), draw(b"b")];
        assert!(first != next && first != other && next != last);
    }

    /// The rule, written out.
    #[test]
    fn a_shuffle_follows_its_rule_and_every_order_is_as_likely() {
        let seed = Sha512::new_with_prefix(BATCH).chain_update(5u64.to_le_bytes()).finalize();
        let mut draws = (0u64..).map(|k| {
            let block = Sha512::new_with_prefix(seed).chain_update(k.to_le_bytes()).finalize();
            u64::from_le_bytes(block[..8].try_into().unwrap())
        });
        let mut expected: [usize; 9] = core::array::from_fn(|at| at);
        for last in (1..9).rev() {
            let bound = last + 1;
            let most = u128::from(u64::MAX) + 1;
            let cut = most - most % bound;
            let draw = draws.find(|draw| u128::from(*draw) < cut).unwrap();
            expected.swap(last as usize, (u128::from(draw) % bound) as usize);
        }
        let mut items: [usize; 9] = core::array::from_fn(|at| at);
        HashRng::new(Hash::new(BATCH).number(5)).shuffle(&mut items);
        assert_eq!(items, expected);

        let mut counts = alloc::collections::BTreeMap::new();
        let mut rng = HashRng::new(Hash::new(BATCH));
        for _ in 0..6000 {
            let mut items = [1, 2, 3];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert!(counts.len() == 6 && counts.values().all(|count| (850..1150).contains(count)));
        let huge = NonZeroU64::new(u64::MAX / 2 + 2).unwrap();
        assert!((0..100).all(|_| rng.below(huge) < huge.get()));
    }

    #[test]
    fn a_hash_decides_its_random_bytes() {
        let draw = |seed| HashRng::new(Hash::new(BATCH).number(seed)).next_u64();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut rng = HashRng::new(Hash::new(BATCH));
        assert_ne!(rng.next_u64(), rng.next_u64());
        assert_eq!(alloc::format!("{rng:?}"), "HashRng(..)", "the hash may be a secret");
    }
}
