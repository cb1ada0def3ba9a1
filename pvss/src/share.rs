//! Opened shares: checking them, and recovering what was shared.

use alloc::{collections::BTreeMap, vec::Vec};
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::SHARE_BATCH,
    transcript::Hash,
    wire::{BoundedVec, Wire},
};
use curve25519_dalek::RistrettoPoint;

use crate::{
    chosen::{Chosen, ChosenId},
    dleq::{self, Proof},
    group::{PointBytes, Terms, bisect, coefficients, decode_point},
    parallel,
    secret::Secret,
    sharing::{MAX_TRUSTEES, lagrange},
};

/// What a trustee opened, and the proof that it is what it was dealt: it needs no signature.
///
/// 134 bytes for a sum; 32 more for each further secret, of which there are at most 256.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DecryptedShare {
    /// The trustee's position among the share keys.
    pub trustee: u16,
    /// The share of each secret, in the order of the [`Chosen`].
    pub shares: BoundedVec<PointBytes, MAX_TRUSTEES>,
    /// One proof for all of them.
    pub proof: Proof,
}

/// Why an opened share is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// There is no trustee at its position.
    #[error("the share names a position beyond the last trustee; drop it")]
    Stranger,
    /// Not one share for each secret.
    #[error("there is another number of shares than of secrets; ask another trustee")]
    Size,
    /// Holds bytes that are no canonical point or scalar.
    #[error("the share holds no canonical point or scalar; ask another trustee")]
    Encoding,
    /// Its proof does not hold.
    #[error("the share's proof does not hold for what is opened; ask another trustee")]
    Proof,
}

/// Shares that verified, with their points decoded.
#[derive(Clone)]
pub struct VerifiedShare {
    chosen: ChosenId,
    trustee: u16,
    shares: Vec<RistrettoPoint>,
}

impl VerifiedShare {
    /// What it is a share of.
    pub const fn chosen(&self) -> ChosenId {
        self.chosen
    }

    /// The trustee's position.
    pub const fn trustee(&self) -> u16 {
        self.trustee
    }
}

impl fmt::Debug for VerifiedShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("VerifiedShare");
        fields.field("chosen", &self.chosen).field("trustee", &self.trustee).finish_non_exhaustive()
    }
}

/// A share with its points decoded.
struct Decoded {
    digest: [u8; 32],
    share: VerifiedShare,
    proof: dleq::Decoded,
}

impl Decoded {
    fn new(share: &DecryptedShare, chosen: &Chosen) -> Result<Self, ShareError> {
        let trustee = usize::from(share.trustee);
        let keys = chosen.sharing().keys();
        let key = keys.key(trustee).ok_or(ShareError::Stranger)?;
        if share.shares.len() != chosen.secrets() {
            return Err(ShareError::Size);
        }
        let shares: Option<Vec<_>> = share.shares.iter().map(decode_point).collect();
        let shares = shares.ok_or(ShareError::Encoding)?;
        let parts = chosen.parts().iter().zip(&shares);
        let pairs = parts.filter_map(|(part, share)| part.pair(keys.scheme(), trustee, share));
        let transcript = chosen.transcript(share.trustee, share.shares.iter());
        let proof = dleq::Decoded::new(&share.proof, transcript, key, pairs.collect());
        let proof = proof.ok_or(ShareError::Encoding)?;
        let digest = Hash::new(SHARE_BATCH).bytes(&share.encode()).digest();
        let share = VerifiedShare { chosen: chosen.id(), trustee: share.trustee, shares };
        Ok(Self { digest, share, proof })
    }
}

fn hold(chosen: &Chosen, shares: &[&Decoded]) -> bool {
    let seed = Hash::new(SHARE_BATCH).fixed(&chosen.id().0);
    let seed = shares.iter().fold(seed, |seed, share| seed.fixed(&share.digest));
    dleq::hold(shares.iter().map(|share| &share.proof), coefficients(seed))
}

/// Checks shares of what was chosen at once, to the same verdicts as one by one, in their order.
pub fn verify_shares<'a>(
    chosen: &Chosen,
    shares: impl IntoIterator<Item = &'a DecryptedShare>,
) -> Vec<Result<VerifiedShare, ShareError>> {
    let shares = parallel::map(shares.into_iter().collect(), |share| Decoded::new(share, chosen));
    let sound: Vec<_> = shares.iter().flatten().collect();
    let mut verdicts =
        bisect(sound.len(), &|range| sound.get(range).is_some_and(|shares| hold(chosen, shares)))
            .into_iter();
    let verdict = |share: Result<Decoded, _>| {
        let share = share?;
        let holds = verdicts.next().unwrap_or(false);
        if holds { Ok(share.share) } else { Err(ShareError::Proof) }
    };
    shares.into_iter().map(verdict).collect()
}

impl DecryptedShare {
    /// Checks the share as its trustee's, of what was chosen.
    pub fn verify(&self, chosen: &Chosen) -> Result<VerifiedShare, ShareError> {
        let share = Decoded::new(self, chosen)?;
        if hold(chosen, &[&share]) { Ok(share.share) } else { Err(ShareError::Proof) }
    }
}

/// Why nothing is recovered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// Too few shares.
    #[error("{have} shares of the {need} that reconstruct; collect more")]
    TooFew {
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// These shares are of something else.
    #[error("shares {culprits:?} are of other deals; recover each choice by itself")]
    Foreign {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// The trustees of these shares stand further up too.
    #[error("shares {culprits:?} are by trustees that stand further up; give each share once")]
    Duplicate {
        /// Their positions.
        culprits: Vec<usize>,
    },
}

/// Recovers what was chosen: one secret as a sum, else one for each dealer, in order. Any
/// `threshold` shares give the same secrets, so of more the first few trustees' do.
pub fn recover<'a>(
    chosen: &Chosen,
    shares: impl IntoIterator<Item = &'a VerifiedShare>,
) -> Result<Vec<Secret>, RecoverError> {
    let (mut by_trustee, mut foreign, mut again) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (at, share) in shares.into_iter().enumerate() {
        if share.chosen != chosen.id() {
            foreign.push(at);
        } else if by_trustee.insert(share.trustee, share).is_some() {
            again.push(at);
        }
    }
    if !foreign.is_empty() {
        return Err(RecoverError::Foreign { culprits: foreign });
    }
    if !again.is_empty() {
        return Err(RecoverError::Duplicate { culprits: again });
    }
    let (have, need) = (by_trustee.len(), chosen.sharing().threshold());
    if have < need {
        return Err(RecoverError::TooFew { have, need });
    }
    let shares: Vec<_> = by_trustee.into_values().take(need).collect();
    let positions: Vec<_> = shares.iter().map(|share| usize::from(share.trustee)).collect();
    let lambdas = lagrange(&positions);
    let secret = |part| {
        let mut terms = Terms::new(need);
        let points = shares.iter().filter_map(|share| share.shares.get(part));
        lambdas.iter().zip(points).for_each(|(lambda, point)| terms.add(*lambda, point));
        Secret::new(terms.sum())
    };
    Ok((0..chosen.secrets()).map(secret).collect())
}
