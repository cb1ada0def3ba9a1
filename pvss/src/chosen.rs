//! What trustees open: a chosen set of deals, as a sum or one by one.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;

use cosi::{
    domain::CHOSEN,
    domain::DECRYPTION,
    keys::PublicKeyBytes,
    transcript::{Hash, Transcript},
};
use curve25519_dalek::{RistrettoPoint, traits::Identity};

use crate::{
    deal::VerifiedDeal,
    keys::Scheme,
    sharing::{MAX_TRUSTEES, Sharing},
};

/// Names a [`Chosen`]: H(sharing ‖ context ‖ form ‖ dealers in order, with every byte of their
/// deals).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChosenId(pub [u8; 32]);

/// Deals of one sharing by different dealers, T', that are opened together: as their sum, or one
/// by one. Cheap to clone.
///
/// As a sum a trustee opens one share with one proof, and no single secret becomes known:
/// recovery costs O(c) in a group of c dealers and trustees, not O(c²). The order in which deals
/// are given does not count: they stand in the order of their dealers' keys.
///
/// The caller's duty: all trustees of a session open one `Chosen`, which a certificate, say, fixed
/// before the first of them opened it. From two sums that differ in one dealer anyone has that
/// dealer's share. A [`Trustee`](crate::Trustee) keeps to one.
#[derive(Clone)]
pub struct Chosen(Arc<Inner>);

struct Inner {
    sharing: Sharing,
    id: ChosenId,
    dealers: Vec<PublicKeyBytes>,
    parts: Vec<Part>,
}

/// What one share is opened of: a deal, or the sum of all.
pub(crate) struct Part {
    ephemeral: RistrettoPoint,
    shares: Vec<RistrettoPoint>,
}

/// Why deals are not opened together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChosenError {
    /// No deal, or too many to open one by one.
    #[error("from 1 deal on are opened as a sum, and from 1 to 256 one by one")]
    Size,
    /// These deals are of another sharing.
    #[error("deals {culprits:?} are of another session or group; open each sharing by itself")]
    Foreign {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// The dealers of these deals stand further up too.
    #[error("deals {culprits:?} are by dealers that dealt further up; choose one deal a dealer")]
    Duplicate {
        /// Their positions.
        culprits: Vec<usize>,
    },
}

impl Chosen {
    /// Opens the sum of the deals. `context` says what for, such as the hash of a certified
    /// statement; every proof is bound to it.
    pub fn sum<'a>(
        sharing: &Sharing,
        context: &[u8; 32],
        deals: impl IntoIterator<Item = &'a VerifiedDeal>,
    ) -> Result<Self, ChosenError> {
        let deals = ordered(sharing, deals)?;
        let mut shares: Vec<_> =
            sharing.keys().keys().map(|_| RistrettoPoint::identity()).collect();
        for deal in &deals {
            shares.iter_mut().zip(&deal.shares).for_each(|(sum, share)| *sum += share);
        }
        let ephemeral = deals.iter().map(|deal| deal.ephemeral).sum();
        let parts = Vec::from([Part { ephemeral, shares }]);
        Ok(Self::new(sharing, context, 0, &deals, parts))
    }

    /// Opens each of the deals, at most 256: the paper's form.
    pub fn each<'a>(
        sharing: &Sharing,
        context: &[u8; 32],
        deals: impl IntoIterator<Item = &'a VerifiedDeal>,
    ) -> Result<Self, ChosenError> {
        let deals = ordered(sharing, deals)?;
        if deals.len() > MAX_TRUSTEES {
            return Err(ChosenError::Size);
        }
        let part =
            |deal: &&VerifiedDeal| Part { ephemeral: deal.ephemeral, shares: deal.shares.clone() };
        let parts = deals.iter().map(part).collect();
        Ok(Self::new(sharing, context, 1, &deals, parts))
    }

    fn new(
        sharing: &Sharing,
        context: &[u8; 32],
        form: u8,
        deals: &[&VerifiedDeal],
        parts: Vec<Part>,
    ) -> Self {
        let number = u64::try_from(deals.len()).unwrap_or(u64::MAX);
        let hash = Hash::new(CHOSEN).fixed(&sharing.id().0).fixed(context).fixed(&[form]);
        let hash = deals
            .iter()
            .fold(hash.number(number), |hash, deal| hash.fixed(&deal.dealer).fixed(&deal.digest));
        let dealers = deals.iter().map(|deal| deal.dealer).collect();
        let id = ChosenId(hash.digest());
        Self(Arc::new(Inner { sharing: sharing.clone(), id, dealers, parts }))
    }

    /// The name.
    pub fn id(&self) -> ChosenId {
        self.0.id
    }

    /// What the deals are of.
    pub fn sharing(&self) -> &Sharing {
        &self.0.sharing
    }

    /// Who dealt, in order.
    pub fn dealers(&self) -> &[PublicKeyBytes] {
        &self.0.dealers
    }

    /// How many secrets are opened: 1 as a sum, else one for each dealer in order.
    pub fn secrets(&self) -> usize {
        self.0.parts.len()
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0.parts
    }

    /// The transcript of one trustee's proof: the [`ChosenId`] stands for scheme, context, group,
    /// t, n, all keys, the dealers in order, and every point that they dealt.
    pub(crate) fn transcript<'a>(
        &self,
        trustee: u16,
        shares: impl IntoIterator<Item = &'a [u8; 32]>,
    ) -> Transcript {
        let mut transcript = Transcript::new(DECRYPTION);
        transcript.append(b"chosen", &self.0.id.0);
        transcript.append_number(b"trustee", trustee.into());
        shares.into_iter().for_each(|share| transcript.append(b"share", share));
        transcript
    }
}

impl Part {
    /// The encrypted share of a trustee.
    pub(crate) fn encrypted(&self, trustee: usize) -> Option<&RistrettoPoint> {
        self.shares.get(trustee)
    }

    pub(crate) const fn ephemeral(&self) -> &RistrettoPoint {
        &self.ephemeral
    }

    /// The base and its multiple by x that prove `share` to be `trustee`'s.
    pub(crate) fn pair(
        &self,
        scheme: Scheme,
        trustee: usize,
        share: &RistrettoPoint,
    ) -> Option<[RistrettoPoint; 2]> {
        let encrypted = self.encrypted(trustee)?;
        Some(match scheme {
            Scheme::Dhpvss => [self.ephemeral, encrypted - share],
            Scheme::Schoenmakers => [*share, *encrypted],
        })
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Chosen");
        fields.field("id", &self.0.id).field("dealers", &self.0.dealers.len());
        fields.finish_non_exhaustive()
    }
}

/// The deals in the order of their dealers.
fn ordered<'a>(
    sharing: &Sharing,
    deals: impl IntoIterator<Item = &'a VerifiedDeal>,
) -> Result<Vec<&'a VerifiedDeal>, ChosenError> {
    let (mut by_dealer, mut foreign, mut again) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (at, deal) in deals.into_iter().enumerate() {
        if deal.sharing != sharing.id() {
            foreign.push(at);
        } else if by_dealer.insert(deal.dealer, deal).is_some() {
            again.push(at);
        }
    }
    if !foreign.is_empty() {
        return Err(ChosenError::Foreign { culprits: foreign });
    }
    if !again.is_empty() {
        return Err(ChosenError::Duplicate { culprits: again });
    }
    if by_dealer.is_empty() {
        Err(ChosenError::Size)
    } else {
        Ok(by_dealer.into_values().collect())
    }
}
