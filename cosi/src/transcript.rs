//! How secrets, statements and keys become challenges.
//!
//! Two tools. [`struct@Hash`] is SHA-512 over length-prefixed parts: the `Hs` and `H` of the
//! papers, whose exact input is part of a protocol. [`Transcript`] is merlin with typed verbs: it draws
//! hedged secrets, and it is the transcript of every proof that has more than one move.
//! Everything that a proof is about goes in before a challenge comes out.

use core::fmt;

use curve25519_dalek::{
    Scalar,
    rand_core::{CryptoRng, Infallible, TryCryptoRng, TryRng},
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
/// verifier of the same batch comes to the same verdict. Secret only if the hash is.
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
    fn a_hash_decides_its_random_bytes() {
        let draw = |seed| HashRng::new(Hash::new(BATCH).number(seed)).next_u64();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut rng = HashRng::new(Hash::new(BATCH));
        assert_ne!(rng.next_u64(), rng.next_u64());
        assert_eq!(alloc::format!("{rng:?}"), "HashRng(..)", "the hash may be a secret");
    }
}
