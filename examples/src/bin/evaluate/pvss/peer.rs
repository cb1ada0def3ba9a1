//! The crate `pvss` of crates.io, in ristretto255 too. It deals without a session, a dealer or
//! registered keys, its proofs draw their challenges from fewer points, and its points are not
//! encoded, so that nothing is decoded here.

use std::hint::black_box;

use pvss_peer::{
    crypto::{Drg, PrivateKey, PublicKey, Ristretto255, create_keypair},
    scrape, simple,
};

type Pair = (PublicKey<Ristretto255>, PrivateKey<Ristretto255>);

fn keys(size: usize) -> (Vec<PublicKey<Ristretto255>>, Vec<PrivateKey<Ristretto255>>) {
    let mut drg = Drg::new();
    (0..size).map(|_| -> Pair { create_keypair(&mut drg) }).unzip()
}

fn number(threshold: usize) -> u32 {
    u32::try_from(threshold).unwrap_or_default()
}

/// SCRAPE.
pub(crate) struct Scrape {
    threshold: u32,
    keys: Vec<PublicKey<Ristretto255>>,
    first: PrivateKey<Ristretto255>,
    dealt: scrape::PublicShares<Ristretto255>,
}

impl Scrape {
    /// A deal that holds, and not for other trustees, and whose secret is recovered.
    pub(crate) fn new(size: usize, threshold: usize) -> Result<Self, String> {
        let (keys, secrets) = keys(size);
        let threshold = number(threshold);
        let mut drg = Drg::new();
        let escrow = scrape::escrow(&mut drg, threshold);
        let dealt = scrape::create_shares(&mut drg, &escrow, &keys);
        let trustees = secrets.iter().zip(&keys).zip(&dealt.encrypted_shares);
        let shares: Vec<_> = trustees
            .map(|((secret, key), share)| scrape::decrypt_share(&mut drg, secret, key, share))
            .collect();
        let recovered = scrape::recover(threshold, &shares);
        let others: Vec<_> = keys.iter().rev().cloned().collect();
        let sound = dealt.verify(&mut drg, &keys)
            && !dealt.verify(&mut drg, &others)
            && recovered.is_ok_and(|secret| secret == escrow.secret);
        let first = secrets.into_iter().next().filter(|_| sound);
        let first = first.ok_or("crate pvss: SCRAPE does not work")?;
        Ok(Self { threshold, keys, first, dealt })
    }

    pub(crate) fn deal(&self) {
        let mut drg = Drg::new();
        let escrow = scrape::escrow(&mut drg, self.threshold);
        black_box(scrape::create_shares(&mut drg, &escrow, &self.keys));
    }

    pub(crate) fn verify(&self) -> bool {
        self.dealt.verify(&mut Drg::new(), &self.keys)
    }

    pub(crate) fn decrypt(&self) {
        if let Some((key, share)) = self.keys.first().zip(self.dealt.encrypted_shares.first()) {
            black_box(scrape::decrypt_share(&mut Drg::new(), &self.first, key, share));
        }
    }
}

/// Schoenmakers' scheme.
pub(crate) struct Simple {
    threshold: u32,
    keys: Vec<PublicKey<Ristretto255>>,
    escrow: simple::Escrow<Ristretto255>,
    commitments: Vec<simple::Commitment<Ristretto255>>,
    shares: Vec<simple::EncryptedShare<Ristretto255>>,
}

impl Simple {
    /// A deal that holds, and not for other trustees.
    pub(crate) fn new(size: usize, threshold: usize) -> Result<Self, String> {
        let (keys, _) = keys(size);
        let threshold = number(threshold);
        let mut drg = Drg::new();
        let escrow = simple::escrow(&mut drg, threshold);
        let commitments = simple::commitments(&escrow);
        let shares = simple::create_shares(&mut drg, &escrow, &keys);
        let dealt = Self { threshold, keys, escrow, commitments, shares };
        let others = dealt.keys.iter().rev();
        let sound = dealt.verify() && !dealt.verify_for(others);
        if sound { Ok(dealt) } else { Err("crate pvss: Schoenmakers' scheme does not work".into()) }
    }

    pub(crate) fn deal(&self) {
        let mut drg = Drg::new();
        let escrow = simple::escrow(&mut drg, self.threshold);
        black_box(simple::commitments(&escrow));
        black_box(simple::create_shares(&mut drg, &escrow, &self.keys));
    }

    pub(crate) fn verify(&self) -> bool {
        self.verify_for(self.keys.iter())
    }

    fn verify_for<'a>(&self, keys: impl Iterator<Item = &'a PublicKey<Ristretto255>>) -> bool {
        let base = &self.escrow.extra_generator;
        let mut slots = self.shares.iter().zip(keys);
        slots.all(|(share, key)| share.verify(share.id, key, base, &self.commitments))
    }
}
