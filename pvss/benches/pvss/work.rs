//! The work that is measured: made ready once, done as often as a clock asks, its results checked.
//!
//! The binary `evaluate` of the package `examples` measures the same, from this file.

use std::sync::Arc;

use cosi::{
    keys::{PublicKeyBytes, Seed},
    wire::BoundedVec,
};
use curve25519_dalek::ristretto::CompressedRistretto;
use pvss::{
    Chosen, Deal, DecryptedShare, PointBytes, Scheme, Secret, ShareKeys, ShareSecret, Sharing,
    Trustee, VerifiedDeal, deal, recover, verify_all, verify_groups, verify_shares,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// How many trustees, each of whom deals.
pub(crate) const MEMBERS: usize = 32;
/// How many shares reconstruct.
pub(crate) const THRESHOLD: usize = 11;

fn rng(seed: usize) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(u64::try_from(seed).unwrap_or_default())
}

/// A group, and a deal by each of its members.
pub(crate) struct Group {
    pub(crate) sharing: Sharing,
    secrets: Vec<Arc<ShareSecret>>,
    pub(crate) deals: Vec<(PublicKeyBytes, Deal)>,
    /// What the first deal shares.
    first: Secret,
}

impl Group {
    /// Group `number` of a session.
    pub(crate) fn new(scheme: Scheme, number: usize) -> Self {
        let mut rng = rng(number);
        let seed = |member: usize| {
            let mut seed = [5; 32];
            let place = number.wrapping_mul(MEMBERS).wrapping_add(member).to_le_bytes();
            seed.iter_mut().zip(place).for_each(|(to, from)| *to = from);
            Seed::from_bytes(seed)
        };
        let seeds: Vec<_> = (0..MEMBERS).map(seed).collect();
        let secrets: Vec<_> =
            seeds.iter().map(|seed| Arc::new(ShareSecret::derive(seed, scheme))).collect();
        let owners: Vec<_> = seeds.iter().map(|seed| *seed.signing_key().public()).collect();
        let members = owners.iter().zip(&secrets);
        let members = members.map(|(owner, own)| (*owner, own.register(owner, &mut rng)));
        let Ok(keys) = ShareKeys::new(scheme, members.collect::<Vec<_>>()) else {
            unreachable!("each proves possession of its own key")
        };
        let Ok(sharing) = Sharing::new([7; 32], &keys, THRESHOLD) else {
            unreachable!("the threshold is below the size")
        };
        let dealers = owners.iter().zip(&secrets);
        let dealt = dealers.map(|(owner, own)| {
            let owner = owner.to_bytes();
            let (deal, secret) = deal(&sharing, &owner, own, &mut rng);
            ((owner, deal), secret)
        });
        let (deals, secrets_dealt): (Vec<_>, Vec<_>) = dealt.unzip();
        let Some(first) = secrets_dealt.into_iter().next() else { unreachable!("somebody deals") };
        Self { sharing, secrets, deals, first }
    }

    fn claims(&self) -> impl Iterator<Item = (PublicKeyBytes, &Deal)> {
        self.deals.iter().map(|(dealer, deal)| (*dealer, deal))
    }

    /// The first member deals.
    pub(crate) fn deal(&self) -> Option<(Deal, Secret)> {
        let ((dealer, _), own) = self.deals.first().zip(self.secrets.first())?;
        Some(deal(&self.sharing, dealer, own, &mut rng(1)))
    }

    /// Whether the deal at `at` verifies.
    pub(crate) fn verify_one(&self, at: usize) -> bool {
        self.deals.get(at).is_some_and(|(dealer, deal)| deal.verify(&self.sharing, dealer).is_ok())
    }

    /// Which of the deals verify, in a batch.
    pub(crate) fn verify(&self) -> Vec<bool> {
        verify_all(&self.sharing, self.claims()).iter().map(Result::is_ok).collect()
    }

    /// The encodings of all points dealt.
    fn encoded(&self) -> impl Iterator<Item = PointBytes> {
        self.deals.iter().flat_map(|(_, deal)| match deal {
            Deal::Dhpvss(deal) => {
                let shares = deal.shares.iter().copied();
                shares.chain(deal.commitments).chain([deal.ephemeral]).collect()
            }
            Deal::Schoenmakers(deal) => {
                let shares = deal.shares.iter().flat_map(|of| [of.encrypted, of.nonce]);
                let coefficients = deal.coefficients.iter();
                shares.chain(coefficients.flat_map(|of| [of.committed, of.nonce])).collect()
            }
            _ => Vec::new(),
        })
    }

    /// How many points are dealt.
    pub(crate) fn points(&self) -> usize {
        self.encoded().count()
    }

    /// How many of them curve25519-dalek decompresses.
    pub(crate) fn decompress(&self) -> usize {
        let points = self.encoded().filter_map(|bytes| CompressedRistretto(bytes).decompress());
        points.collect::<Vec<_>>().len()
    }

    /// The first deal's, verified.
    fn verified(&self) -> Option<VerifiedDeal> {
        let (dealer, deal) = self.deals.first()?;
        deal.verify(&self.sharing, dealer).ok()
    }

    /// A trustee's opening of the first deal.
    pub(crate) fn opening(&self) -> Option<Opening> {
        let chosen = Chosen::sum(&self.sharing, &[1; 32], [&self.verified()?]).ok()?;
        let trustees = self.secrets.iter().take(THRESHOLD);
        let trustees = trustees.map(|own| Trustee::new(self.sharing.clone(), Arc::clone(own)));
        Some(Opening { chosen, trustees: trustees.collect::<Result<_, _>>().ok()? })
    }

    /// Whether the deals are sound, and found out with a bit flipped: alone, in a batch, and by
    /// what t trustees open.
    pub(crate) fn is_sound(&self) -> bool {
        let tampered = self.tampered(3);
        let expected = (0..MEMBERS).map(|at| at != 3);
        let recovered = self.opening().and_then(|mut opening| {
            let shares = opening.shares();
            opening.recover(&shares)
        });
        self.verify_one(3)
            && !tampered.verify_one(3)
            && self.verify().iter().all(|holds| *holds)
            && tampered.verify().into_iter().eq(expected)
            && recovered.is_some_and(|secret| secret == self.first)
    }

    /// The same, but for a bit of the response in the deal at `at`.
    pub(crate) fn tampered(&self, at: usize) -> Self {
        let mut deals = self.deals.clone();
        match deals.get_mut(at) {
            Some((_, Deal::Dhpvss(deal))) => deal.response[0] ^= 1,
            Some((_, Deal::Schoenmakers(deal))) => {
                let mut coefficients = deal.coefficients.to_vec();
                if let Some(coefficient) = coefficients.last_mut() {
                    coefficient.response[0] ^= 1;
                }
                deal.coefficients = BoundedVec::new(coefficients).unwrap_or_default();
            }
            _ => {}
        }
        let first = Secret::sum([&self.first]);
        Self { sharing: self.sharing.clone(), secrets: self.secrets.clone(), deals, first }
    }
}

/// A choice of one deal, and t trustees.
pub(crate) struct Opening {
    chosen: Chosen,
    trustees: Vec<Trustee>,
}

impl Opening {
    /// What the first trustee opens, with its proof.
    pub(crate) fn decrypt(&mut self) -> Option<DecryptedShare> {
        self.trustees.first_mut()?.decrypt(&self.chosen, &mut rng(2)).ok()
    }

    /// What all open.
    pub(crate) fn shares(&mut self) -> Vec<DecryptedShare> {
        let trustees = self.trustees.iter_mut();
        trustees.filter_map(|trustee| trustee.decrypt(&self.chosen, &mut rng(3)).ok()).collect()
    }

    /// Whether a share holds, and not with a bit of its proof flipped.
    pub(crate) fn holds(&self, share: &DecryptedShare) -> bool {
        let mut tampered = share.clone();
        tampered.proof.response[0] ^= 1;
        share.verify(&self.chosen).is_ok() && tampered.verify(&self.chosen).is_err()
    }

    /// What the shares recover, once all of them verify.
    pub(crate) fn recover(&self, shares: &[DecryptedShare]) -> Option<Secret> {
        let shares: Result<Vec<_>, _> = verify_shares(&self.chosen, shares).into_iter().collect();
        recover(&self.chosen, &shares.ok()?).ok()?.into_iter().next()
    }
}

/// How many of the deals of all these groups verify, at once.
pub(crate) fn verify_many(groups: &[Group]) -> usize {
    let claims = groups.iter().map(|group| (&group.sharing, group.claims()));
    verify_groups(claims).iter().flatten().filter(|verdict| verdict.is_ok()).count()
}
