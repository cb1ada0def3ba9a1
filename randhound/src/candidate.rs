//! Who wants to be a server, with all that a committee checks.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::CANDIDATE,
    keys::{PeerId, ProofOfPossession, PublicKeyBytes, Seed},
    roster::{Member, RosterError},
    transcript::Hash,
    wire::Wire,
};
use curve25519_dalek::rand_core::CryptoRng;
use pvss::{KeysError, Registration, Scheme, ShareSecret};

/// Who wants to be a server: its keys, each with the proof that it knows the secret.
///
/// Its roster entry has weight 1 and commits to the share key, so the id of a roster of candidates
/// names the whole committee.
///
/// ```
/// use cosi::keys::Seed;
/// use randhound::{Candidate, CandidatesError, Committee};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
///
/// let seeds = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]));
/// let mut candidates = seeds.map(|seed| Candidate::new(&seed, &mut rng));
/// let committee = Committee::of(&candidates)?;
/// assert_eq!(committee.roster().quorum(), 3);
///
/// candidates[2].share = candidates[1].share;
/// assert!(matches!(Committee::of(&candidates), Err(CandidatesError::Shares(_))));
/// # Ok::<(), CandidatesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Candidate {
    /// The key that signs.
    pub key: PublicKeyBytes,
    /// Proves that the candidate knows its secret.
    pub possession: ProofOfPossession,
    /// Who the candidate is on the network.
    pub peer: PeerId,
    /// The key that shares of random secrets are encrypted to, by DHPVSS.
    pub share: Registration,
}

/// Why candidates make no committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidatesError {
    /// They make no roster.
    #[error("members: {0}")]
    Roster(#[from] RosterError),
    /// Their share keys do not hold.
    #[error("share keys: {0}")]
    Shares(#[from] KeysError),
}

impl Candidate {
    /// The candidate whose keys follow from a seed. Its signing key is its identity too.
    pub fn new(seed: &Seed, rng: &mut dyn CryptoRng) -> Self {
        let key = seed.signing_key();
        let share = ShareSecret::derive(seed, Scheme::Dhpvss).register(key.public(), rng);
        let Member { key, proof: possession, peer, .. } = Member::new(&key, rng);
        Self { key, possession, peer, share }
    }

    /// The roster entry.
    pub fn member(&self) -> Member {
        Member {
            key: self.key,
            proof: self.possession,
            weight: 1,
            peer: self.peer,
            extension: Hash::new(CANDIDATE).bytes(&self.share.encode()).digest(),
        }
    }
}
