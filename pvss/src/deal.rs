//! Dealing a secret, and checking deals: alone, or many at once with blame.

use alloc::{vec, vec::Vec};
use core::{fmt, iter};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{DEAL, DEAL_POINTS, SHARE_BATCH},
    keys::PublicKeyBytes,
    transcript::{Hash, Transcript, fresh},
};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    rand_core::CryptoRng,
    traits::{Identity, IsIdentity},
};
use zeroize::Zeroizing;

use crate::{
    dhpvss,
    group::{MOST, PointBytes, Terms, bisect, coefficients, decode_point},
    keys::{Scheme, ShareSecret},
    parallel, schoenmakers,
    secret::Secret,
    sharing::{Sharing, SharingId},
    wide::Wide,
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
    let mut transcript = sharing.statement();
    transcript.append(b"dealer", dealer);
    transcript
}

/// Adds points by their hash, which takes their bytes in half the time that a transcript takes.
pub(crate) fn append_points(
    transcript: &mut Transcript,
    label: &'static [u8],
    points: &[PointBytes],
) {
    let hash = Hash::new(DEAL_POINTS).bytes(points.as_flattened());
    transcript.append(label, &hash.wide());
}

/// A point of a deal that is not the identity, whose one encoding is zero.
pub(crate) fn sound(bytes: &PointBytes) -> Result<RistrettoPoint, DealError> {
    if *bytes == [0; 32] {
        return Err(DealError::Identity);
    }
    decode_point(bytes).ok_or(DealError::Encoding)
}

/// As many points, in their order.
pub(crate) fn all_sound<'a>(
    encoded: impl ExactSizeIterator<Item = &'a PointBytes>,
) -> Result<Vec<RistrettoPoint>, DealError> {
    let mut points = Vec::with_capacity(encoded.len());
    for bytes in encoded {
        points.push(sound(bytes)?);
    }
    Ok(points)
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
            let nonces = source.many(sharing.threshold());
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

/// The equations of deals of one sharing, summed up: a sum of all such sums vanishes if every
/// equation holds, and but with probability 2^−127 only then.
pub(crate) struct Merged<'a, 't> {
    /// What they are equations of.
    pub(crate) sharing: &'a Sharing,
    /// What the base of commitments is multiplied by: G for DHPVSS, else H.
    pub(crate) base: Wide,
    /// What share keys are multiplied by: by Schoenmakers' scheme each. By DHPVSS they have the
    /// weights of this combination.
    pub(crate) keys: Vec<Wide>,
    /// All else.
    pub(crate) terms: &'t mut Terms<'a>,
}

/// How many deals are summed up in plain integers at most: so many products of two scalars stay
/// below 2^512.
const SUMMANDS: usize = 128;

impl<'a, 't> Merged<'a, 't> {
    fn new(sharing: &'a Sharing, terms: &'t mut Terms<'a>) -> Self {
        let slots = match sharing.keys().scheme() {
            Scheme::Dhpvss => sharing.trustees().saturating_sub(sharing.threshold()),
            Scheme::Schoenmakers => sharing.trustees(),
        };
        Self { sharing, base: Wide::default(), keys: vec![Wide::default(); slots], terms }
    }

    fn close(self) {
        let Self { sharing, base, keys, terms } = self;
        let keys = keys.iter().map(Wide::reduce);
        let scalars = match sharing.keys().scheme() {
            Scheme::Dhpvss => dhpvss::weights(keys, sharing.threshold()),
            Scheme::Schoenmakers => keys.collect(),
        };
        terms.add(base.reduce(), sharing.base());
        let keys = sharing.keys().keys();
        scalars.into_iter().zip(keys).for_each(|(scalar, key)| terms.add(scalar, &key.point));
    }
}

/// A deal as it came: of this sharing, says its dealer.
type Claim<'a> = (&'a Sharing, PublicKeyBytes, &'a Deal);

/// A deal with its points decoded.
struct Decoded<'a> {
    sharing: &'a Sharing,
    digest: [u8; 32],
    dealer: PublicKeyBytes,
    body: Body,
}

#[expect(clippy::large_enum_variant, reason = "few at a time, and never moved in bulk")]
enum Body {
    Dhpvss(dhpvss::Decoded),
    Schoenmakers(schoenmakers::Decoded),
}

impl<'a> Decoded<'a> {
    fn new((sharing, dealer, deal): Claim<'a>) -> Result<Self, DealError> {
        let body = match (deal, sharing.keys().scheme()) {
            (Deal::Dhpvss(deal), Scheme::Dhpvss) => {
                Body::Dhpvss(dhpvss::Decoded::new(deal, sharing, &dealer)?)
            }
            (Deal::Schoenmakers(deal), Scheme::Schoenmakers) => {
                Body::Schoenmakers(schoenmakers::Decoded::new(deal, sharing, &dealer)?)
            }
            (Deal::Dhpvss(_), Scheme::Schoenmakers) | (Deal::Schoenmakers(_), Scheme::Dhpvss) => {
                return Err(DealError::Scheme);
            }
        };
        let hash = Hash::new(DEAL);
        let hash = match &body {
            Body::Dhpvss(deal) => deal.bind(hash),
            Body::Schoenmakers(deal) => deal.bind(hash),
        };
        let digest = hash.digest();
        Ok(Self { sharing, digest, dealer, body })
    }

    fn verified(self) -> VerifiedDeal {
        let Self { sharing, digest, dealer, body } = self;
        let (ephemeral, shares) = match body {
            Body::Dhpvss(deal) => (deal.ephemeral, deal.shares),
            Body::Schoenmakers(deal) => (RistrettoPoint::identity(), deal.shares),
        };
        VerifiedDeal { sharing: sharing.id(), dealer, digest, ephemeral, shares }
    }

    /// About how many points it adds to a sum.
    fn points(&self) -> usize {
        match &self.body {
            Body::Dhpvss(deal) => deal.points(),
            Body::Schoenmakers(deal) => deal.points(),
        }
    }
}

/// Whether all these deals hold. Each equation has a coefficient of its own, drawn from the
/// statement and every byte of every deal: of two equations under one, two errors could cancel.
fn hold(deals: &[&Decoded<'_>]) -> bool {
    let seed = deals.iter().fold(Hash::new(SHARE_BATCH), |seed, deal| {
        seed.fixed(&deal.sharing.id().0).fixed(&deal.digest)
    });
    let seed = seed.wide();
    let most = deals.iter().map(|deal| deal.points()).max().unwrap_or_default();
    let part = MOST.checked_div(most).unwrap_or_default().clamp(1, SUMMANDS);
    let parts = (0..).zip(deals.chunks(part)).collect();
    let sums = parallel::map(parts, |(number, part)| {
        sum(Hash::new(SHARE_BATCH).fixed(&seed).number(number), part)
    });
    sums.into_iter().sum::<RistrettoPoint>().is_identity()
}

/// The sum of the equations of some deals of a batch.
fn sum(seed: Hash, deals: &[&Decoded<'_>]) -> RistrettoPoint {
    let mut coefficient = coefficients(seed);
    let groups = || deals.chunk_by(|one, next| one.sharing == next.sharing);
    let own = |group: &[&Decoded<'_>]| group.first().map_or(0, |deal| deal.sharing.trustees());
    let keys = groups().map(|group| own(group).saturating_add(1));
    let mut terms = Terms::new(deals.iter().map(|deal| deal.points()).chain(keys).sum());
    for group in groups() {
        let Some(Decoded { sharing, .. }) = group.first() else { continue };
        let mut merged = Merged::new(sharing, &mut terms);
        for deal in group {
            match &deal.body {
                Body::Dhpvss(deal) => deal.merge(&mut coefficient, &mut merged),
                Body::Schoenmakers(deal) => deal.merge(&mut coefficient, &mut merged),
            }
        }
        merged.close();
    }
    terms.sum()
}

fn check(claims: Vec<Claim<'_>>) -> Vec<Result<VerifiedDeal, DealError>> {
    let deals = parallel::map(claims, Decoded::new);
    let sound: Vec<_> = deals.iter().flatten().collect();
    let verdicts = bisect(sound.len(), &|range| sound.get(range).is_some_and(hold));
    let mut verdicts = verdicts.into_iter();
    let verdict = |deal: Result<Decoded<'_>, _>| {
        let deal = deal?;
        let holds = verdicts.next().unwrap_or(false);
        if holds { Ok(deal.verified()) } else { Err(DealError::Proof) }
    };
    deals.into_iter().map(verdict).collect()
}

/// Checks deals of one sharing at once, each with its dealer, to the same verdicts as one by one.
///
/// The verdicts are in the order of the deals. A batch costs n + 1 points for the group, and n + 3
/// a deal by DHPVSS or 2·(t + n) by Schoenmakers' scheme; each bad deal in it costs about log2 of
/// the batch's size in further batches.
pub fn verify_all<'a>(
    sharing: &Sharing,
    deals: impl IntoIterator<Item = (PublicKeyBytes, &'a Deal)>,
) -> Vec<Result<VerifiedDeal, DealError>> {
    check(deals.into_iter().map(|(dealer, deal)| (sharing, dealer, deal)).collect())
}

/// Checks deals of many sharings at once, to the same verdicts as [`verify_all`] of each: groups
/// of one session, say, or sessions of one group.
///
/// The verdicts are in the order of the sharings, and of each one's deals. A point costs less the
/// more of them there are, up to some thousands.
///
/// ```
/// # use cosi::keys::Seed;
/// # use pvss::{Scheme, ShareKeys, ShareSecret, Sharing, deal, verify_groups};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let seeds = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]));
/// # let owners = seeds.each_ref().map(|seed| *seed.signing_key().public());
/// # let secrets = seeds.each_ref().map(|seed| ShareSecret::derive(seed, Scheme::Dhpvss));
/// # let members = owners.iter().zip(&secrets);
/// # let members = members.map(|(owner, own)| (*owner, own.register(owner, &mut rng)));
/// # let keys = ShareKeys::new(Scheme::Dhpvss, members.collect::<Vec<_>>())?;
/// let left = Sharing::new([7; 32], &keys.group([0, 1])?, 2)?;
/// let right = Sharing::new([7; 32], &keys.group([2, 3])?, 2)?;
/// let [alice, .., dave] = owners.map(|owner| owner.to_bytes());
/// let (alices, _) = deal(&left, &alice, &secrets[0], &mut rng);
/// let (daves, _) = deal(&right, &dave, &secrets[3], &mut rng);
/// let verdicts = verify_groups([
///     (&left, vec![(alice, &alices)]),
///     (&right, vec![(dave, &daves), (alice, &alices)]),
/// ]);
/// assert!(verdicts[0][0].is_ok() && verdicts[1][0].is_ok() && verdicts[1][1].is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_groups<'a, D>(
    groups: impl IntoIterator<Item = (&'a Sharing, D)>,
) -> Vec<Vec<Result<VerifiedDeal, DealError>>>
where
    D: IntoIterator<Item = (PublicKeyBytes, &'a Deal)>,
{
    let (mut claims, mut ends) = (Vec::new(), Vec::new());
    for (sharing, deals) in groups {
        claims.extend(deals.into_iter().map(|(dealer, deal)| (sharing, dealer, deal)));
        ends.push(claims.len());
    }
    let starts = iter::once(0).chain(ends.iter().copied());
    let sizes: Vec<_> = ends.iter().zip(starts).map(|(end, start)| end.abs_diff(start)).collect();
    let mut verdicts = check(claims).into_iter();
    sizes.into_iter().map(|size| verdicts.by_ref().take(size).collect()).collect()
}

impl Deal {
    /// Checks the deal as this dealer's, in this sharing.
    pub fn verify(
        &self,
        sharing: &Sharing,
        dealer: &PublicKeyBytes,
    ) -> Result<VerifiedDeal, DealError> {
        let deal = Decoded::new((sharing, *dealer, self))?;
        if hold(&[&deal]) { Ok(deal.verified()) } else { Err(DealError::Proof) }
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

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use cosi::{keys::Seed, wire::Wire};
    use curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::keys::ShareKeys;

    #[test]
    fn as_many_products_as_are_summed_up_fit() {
        let largest = -Scalar::ONE;
        let mut sum = Wide::default();
        (0..SUMMANDS).for_each(|_| sum.add_product(&largest, &largest));
        assert_eq!(sum.reduce(), Scalar::from(128_u8));
    }

    /// The coefficients of a batch follow from it, and the name of a choice.
    #[test]
    fn a_digest_follows_from_the_dealer_and_every_point_and_scalar_of_a_deal() {
        // Where they stand in a deal to three, of whom two reconstruct.
        let dhpvss: Vec<_> = iter::once(1).chain((0..6).map(|at| 37 + 32 * at)).collect();
        let coefficients = (0..6).map(|at| 5 + 32 * at);
        let schoenmakers = coefficients.chain((0..6).map(|at| 201 + 32 * at)).collect();
        let schemes = [(Scheme::Dhpvss, dhpvss), (Scheme::Schoenmakers, schoenmakers)];
        for (scheme, places) in schemes {
            let mut rng = ChaCha20Rng::seed_from_u64(7);
            let seeds = [1, 2, 3].map(|seed| Seed::from_bytes([seed; 32]));
            let owners = seeds.each_ref().map(|seed| *seed.signing_key().public());
            let secrets = seeds.map(|seed| ShareSecret::derive(&seed, scheme));
            let members = owners.iter().zip(&secrets);
            let members = members.map(|(owner, own)| (*owner, own.register(owner, &mut rng)));
            let keys = ShareKeys::new(scheme, members.collect::<Vec<_>>()).unwrap();
            let sharing = Sharing::new([1; 32], &keys, 2).unwrap();
            let [dealer, other, _] = owners.map(|owner| owner.to_bytes());
            let (dealt, _) = deal(&sharing, &dealer, &secrets[0], &mut rng);
            let digest = |deal: &Deal, dealer: &PublicKeyBytes| {
                Decoded::new((&sharing, *dealer, deal)).ok().map(|deal| deal.digest)
            };
            let mut digests = BTreeSet::from([digest(&dealt, &dealer), digest(&dealt, &other)]);
            let bytes = dealt.encode();
            assert_eq!(places.last(), Some(&(bytes.len() - 32)));
            for at in &places {
                // The one is no scalar, and the other no point.
                let values = [RISTRETTO_BASEPOINT_COMPRESSED.to_bytes(), Scalar::ONE.to_bytes()];
                digests.extend(values.iter().map(|value| {
                    let altered = [&bytes[..*at], value, &bytes[at + 32..]].concat();
                    digest(&Deal::decode(&altered).unwrap(), &dealer)
                }));
            }
            assert_eq!(digests.len(), 2 + places.len() + 1, "{scheme:?}: all of these, and none");
        }
    }

    #[test]
    fn what_a_deal_is_made_of_is_erased() {
        fn erased<T: zeroize::ZeroizeOnDrop>() {}
        erased::<dhpvss::Drawn>();
        erased::<schoenmakers::Drawn>();
        erased::<Zeroizing<Vec<RistrettoPoint>>>();
        erased::<ShareSecret>();
        erased::<Secret>();
    }
}
