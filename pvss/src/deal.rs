//! Dealing a secret, and checking deals: alone, or many at once with blame.

use alloc::vec::Vec;
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{DEAL, SHARE_BATCH},
    keys::PublicKeyBytes,
    transcript::{Hash, HashRng, Transcript, fresh},
    wire::Wire,
};
use curve25519_dalek::{RistrettoPoint, Scalar, rand_core::CryptoRng, traits::Identity};
use zeroize::Zeroizing;

use crate::{
    dhpvss,
    group::{Terms, bisect, coefficient},
    keys::{Scheme, ShareSecret},
    schoenmakers,
    secret::Secret,
    sharing::{Sharing, SharingId},
};

/// A secret, shared: public, and checked by anybody. Authenticate it as its dealer's.
///
/// At most 40,969 bytes encoded. It does not say for what sharing it is, nor whose: it verifies for
/// the sharing and the dealer that it was made for, and for no other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Deal {
    /// By DHPVSS.
    Dhpvss(dhpvss::Deal),
    /// By Schoenmakers' scheme.
    Schoenmakers(schoenmakers::Deal),
}

/// What every deal's secrets and proof are about: the [`SharingId`] stands for session, scheme,
/// threshold, both bases, and all keys in order.
pub(crate) fn statement(sharing: &Sharing, dealer: &PublicKeyBytes) -> Transcript {
    let mut transcript = Transcript::new(DEAL);
    transcript.append(b"sharing", &sharing.id().0);
    transcript.append(b"dealer", dealer);
    transcript
}

/// Draws a deal's secrets. Each is hedged by the dealer's share secret and named by the whole
/// statement: even a generator that is stuck repeats one only within the very same deal.
struct Source<'a> {
    transcript: Transcript,
    own: &'a ShareSecret,
    fresh: Zeroizing<[u8; 32]>,
}

impl Source<'_> {
    fn one(&mut self) -> Scalar {
        self.transcript.append(b"next", &[]);
        *self.transcript.hedged(self.own.scalar(), &self.fresh)
    }

    fn many(&mut self, number: usize) -> Vec<Scalar> {
        let mut secrets = Vec::with_capacity(number);
        (0..number).for_each(|_| secrets.push(self.one()));
        secrets
    }
}

/// Deals a fresh random secret, S = \[p(0)\]G, to the trustees of `sharing`.
///
/// The dealer need not be a trustee. `own` is a share secret of the dealer's, which hedges what
/// `rng` gives. Sign the deal: the signed message holds all of it. After a crash send the same
/// bytes again rather than a second deal, which others take for equivocation.
///
/// ```
/// # use cosi::keys::Seed;
/// # use pvss::{Scheme, ShareKeys, ShareSecret, Sharing, deal};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let seeds = [1, 2, 3].map(|seed| Seed::from_bytes([seed; 32]));
/// # let owners = seeds.each_ref().map(|seed| *seed.signing_key().public());
/// # let secrets = seeds.each_ref().map(|seed| ShareSecret::derive(seed, Scheme::Dhpvss));
/// # let members = owners.iter().zip(&secrets);
/// # let members = members.map(|(owner, own)| (*owner, own.register(owner, &mut rng)));
/// # let keys = ShareKeys::new(Scheme::Dhpvss, members.collect::<Vec<_>>())?;
/// let sharing = Sharing::new([7; 32], &keys, 2)?;
/// let [alice, bob, _] = owners.map(|owner| owner.to_bytes());
/// let (deal, _secret) = deal(&sharing, &alice, &secrets[0], &mut rng);
/// assert!(deal.verify(&sharing, &alice).is_ok());
/// assert!(deal.verify(&sharing, &bob).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deal(
    sharing: &Sharing,
    dealer: &PublicKeyBytes,
    own: &ShareSecret,
    rng: &mut dyn CryptoRng,
) -> (Deal, Secret) {
    let mut source = Source { transcript: statement(sharing, dealer), own, fresh: fresh(rng) };
    let polynomial = source.many(sharing.threshold());
    let zero = Zeroizing::new(polynomial.first().copied().unwrap_or_default());
    let secret = Secret::new(RistrettoPoint::mul_base(&zero));
    let deal = match sharing.keys().scheme() {
        Scheme::Dhpvss => {
            let drawn = dhpvss::Drawn { polynomial, mask: source.one(), nonce: source.one() };
            Deal::Dhpvss(dhpvss::seal(drawn, sharing, dealer))
        }
        Scheme::Schoenmakers => {
            let nonces = source.many(sharing.keys().len());
            let drawn = schoenmakers::Drawn { polynomial, nonces };
            Deal::Schoenmakers(schoenmakers::seal(drawn, sharing, dealer))
        }
    };
    (deal, secret)
}

/// Why a deal is refused. Its dealer is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DealError {
    /// Made by another scheme than the trustees' keys are for.
    #[error("the deal is of another scheme than the share keys; leave the dealer out")]
    Scheme,
    /// Not one share for each trustee.
    #[error("the deal has another number of shares than there are trustees; leave the dealer out")]
    Size,
    /// Holds bytes that are no canonical point or scalar.
    #[error("the deal holds no canonical point or scalar; leave the dealer out")]
    Encoding,
    /// Holds the identity.
    #[error("the deal holds the identity; leave the dealer out")]
    Identity,
    /// Its proof does not hold, for this sharing and this dealer.
    #[error("the deal's proof does not hold for this sharing and dealer; leave the dealer out")]
    Proof,
}

/// The equations of a batch, summed up: the sum vanishes if every equation holds, and but with
/// probability 2^−127 only then.
pub(crate) struct Merged {
    /// What the base of commitments is multiplied by: G for DHPVSS, else H.
    pub(crate) base: Scalar,
    /// What each share key is multiplied by.
    pub(crate) keys: Vec<Scalar>,
    /// All else.
    pub(crate) terms: Terms,
}

impl Merged {
    fn vanish(mut self, sharing: &Sharing) -> bool {
        self.terms.add(self.base, sharing.base());
        let keys = self.keys.iter().zip(sharing.keys().keys());
        keys.for_each(|(scalar, key)| self.terms.add(*scalar, &key.point));
        self.terms.vanish()
    }
}

/// A deal with its points decoded.
struct Decoded {
    digest: [u8; 32],
    dealer: PublicKeyBytes,
    body: Body,
}

#[expect(clippy::large_enum_variant, reason = "few at a time, and never moved in bulk")]
enum Body {
    Dhpvss(dhpvss::Decoded),
    Schoenmakers(schoenmakers::Decoded),
}

impl Decoded {
    fn new(deal: &Deal, sharing: &Sharing, dealer: &PublicKeyBytes) -> Result<Self, DealError> {
        let body = match (deal, sharing.keys().scheme()) {
            (Deal::Dhpvss(deal), Scheme::Dhpvss) => {
                Body::Dhpvss(dhpvss::Decoded::new(deal, sharing, dealer)?)
            }
            (Deal::Schoenmakers(deal), Scheme::Schoenmakers) => {
                Body::Schoenmakers(schoenmakers::Decoded::new(deal, sharing, dealer)?)
            }
            (Deal::Dhpvss(_), Scheme::Schoenmakers) | (Deal::Schoenmakers(_), Scheme::Dhpvss) => {
                return Err(DealError::Scheme);
            }
        };
        let digest = Hash::new(DEAL).fixed(dealer).bytes(&deal.encode()).digest();
        Ok(Self { digest, dealer: *dealer, body })
    }

    fn verified(self, sharing: &Sharing) -> VerifiedDeal {
        let Self { digest, dealer, body } = self;
        let (ephemeral, shares) = match body {
            Body::Dhpvss(deal) => (deal.ephemeral, deal.shares),
            Body::Schoenmakers(deal) => (RistrettoPoint::identity(), deal.shares),
        };
        VerifiedDeal { sharing: sharing.id(), dealer, digest, ephemeral, shares }
    }
}

/// Whether all these deals hold. Each equation has a coefficient of its own, drawn from the
/// statement and every byte of every deal: of two equations under one, two errors could cancel.
fn hold(sharing: &Sharing, deals: &[&Decoded]) -> bool {
    let seed = Hash::new(SHARE_BATCH).fixed(&sharing.id().0);
    let mut rng = HashRng::new(deals.iter().fold(seed, |seed, deal| seed.fixed(&deal.digest)));
    let keys = sharing.keys().keys().map(|_| Scalar::ZERO).collect();
    let mut merged = Merged { base: Scalar::ZERO, keys, terms: Terms::default() };
    for deal in deals {
        match &deal.body {
            Body::Dhpvss(deal) => deal.merge(|| coefficient(&mut rng), &mut merged),
            Body::Schoenmakers(deal) => deal.merge(|| coefficient(&mut rng), &mut merged),
        }
    }
    merged.vanish(sharing)
}

/// Checks deals of one sharing at once, each with its dealer, to the same verdicts as one by one.
///
/// The verdicts are in the order of the deals. A batch costs n + 1 points for the group, and n + 3
/// a deal by DHPVSS or t + 3·n by Schoenmakers' scheme; each bad deal in it costs about log2 of the batch's size in further batches.
pub fn verify_all<'a>(
    sharing: &Sharing,
    deals: impl IntoIterator<Item = (PublicKeyBytes, &'a Deal)>,
) -> Vec<Result<VerifiedDeal, DealError>> {
    let deals = deals.into_iter().map(|(dealer, deal)| Decoded::new(deal, sharing, &dealer));
    let deals: Vec<_> = deals.collect();
    let sound: Vec<_> = deals.iter().flatten().collect();
    let mut verdicts =
        bisect(sound.len(), &|range| sound.get(range).is_some_and(|deals| hold(sharing, deals)))
            .into_iter();
    let verdict = |deal: Result<Decoded, _>| {
        let deal = deal?;
        let holds = verdicts.next().unwrap_or(false);
        if holds { Ok(deal.verified(sharing)) } else { Err(DealError::Proof) }
    };
    deals.into_iter().map(verdict).collect()
}

impl Deal {
    /// Checks the deal as this dealer's, in this sharing.
    pub fn verify(
        &self,
        sharing: &Sharing,
        dealer: &PublicKeyBytes,
    ) -> Result<VerifiedDeal, DealError> {
        let deal = Decoded::new(self, sharing, dealer)?;
        if hold(sharing, &[&deal]) { Ok(deal.verified(sharing)) } else { Err(DealError::Proof) }
    }
}

/// A deal that verified, with its points decoded: the only thing that trustees open.
///
/// A trustee that opened anything else would be an oracle: whoever copies an honest deal's D
/// beside a share of its own making learns the honest share.
#[derive(Clone)]
pub struct VerifiedDeal {
    pub(crate) sharing: SharingId,
    pub(crate) dealer: PublicKeyBytes,
    pub(crate) digest: [u8; 32],
    pub(crate) ephemeral: RistrettoPoint,
    pub(crate) shares: Vec<RistrettoPoint>,
}

impl VerifiedDeal {
    /// The sharing that it is of.
    pub const fn sharing(&self) -> SharingId {
        self.sharing
    }

    /// Who dealt it.
    pub const fn dealer(&self) -> &PublicKeyBytes {
        &self.dealer
    }
}

impl fmt::Debug for VerifiedDeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("VerifiedDeal");
        fields.field("sharing", &self.sharing).field("dealer", &self.dealer).finish_non_exhaustive()
    }
}
