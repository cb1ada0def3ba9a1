//! Who takes part, with what weight, and how much of it decides.
//!
//! A [`Roster`] checks every key and every proof of possession when it is made, so nothing that
//! holds one has to. A [`RosterId`] commits to every key and weight, so that whoever knows the
//! id and trusts it can check certificates from an [`Opening`] alone.
//!
//! ```
//! use cosi::{keys::Seed, roster::{Member, Roster}};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
//! let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! assert_eq!((roster.weight(), roster.faulty(), roster.quorum()), (4, 1, 3));
//! # Ok::<(), cosi::roster::RosterError>(())
//! ```

mod sums;

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, rand_core::CryptoRng};

use self::sums::Sums;
pub use crate::opening::{Keys, OpenedRoster, Opening};
use crate::{
    domain::{self, Domain},
    keys::{
        Aggregate, PeerId, ProofOfPossession, PublicKey, PublicKeyBytes, Signature, SigningKey,
    },
    mask::Mask,
    merkle::tree::{self, Tree},
    transcript::Hash,
};

/// The most members a roster has.
pub const MAX_MEMBERS: usize = 1 << 16;

/// A member's position in a [`Roster`], which alone makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(u16);

impl Index {
    /// The position.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Names a roster: H(n ‖ W ‖ ΣA ‖ the Merkle root of its members).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct RosterId(pub [u8; 32]);

/// Who wants to be a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// The key that signs.
    pub key: PublicKeyBytes,
    /// Proves that the member knows the key's secret.
    pub proof: ProofOfPossession,
    /// How much the member's voice counts, at least 1.
    pub weight: u32,
    /// Who the member is on the network.
    pub peer: PeerId,
    /// Commits to further keys of the member, which another crate defines and checks.
    pub extension: [u8; 32],
}

impl Member {
    /// A member of weight 1 whose signing key is its identity too.
    pub fn new(key: &SigningKey, rng: &mut dyn CryptoRng) -> Self {
        Self {
            key: key.public().to_bytes(),
            proof: ProofOfPossession::prove(key, rng),
            weight: 1,
            peer: PeerId::of(key.public()),
            extension: [0; 32],
        }
    }

    fn leaf(&self) -> tree::Hash {
        leaf(self.weight, &self.key, self.peer, &self.extension)
    }
}

pub(crate) fn leaf(
    weight: u32,
    key: &PublicKeyBytes,
    peer: PeerId,
    extension: &[u8; 32],
) -> tree::Hash {
    let fields = [&weight.to_le_bytes()[..], key, &peer.to_bytes(), extension];
    tree::leaf_hash(&[&domain::MEMBER[..], &fields.concat()].concat())
}

/// Why members make no roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// Nobody, or more than [`MAX_MEMBERS`].
    #[error("a roster has from 1 to 65,536 members")]
    Size,
    /// These members' keys are no keys.
    #[error("members {culprits:?} have unsound keys; refuse their registration")]
    BadKey {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// These members' keys, or their names on the network, stand further up too.
    #[error("members {culprits:?} are in the roster twice; register each key once")]
    Duplicate {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// These members do not prove possession of their keys.
    #[error("members {culprits:?} do not prove possession; refuse their registration")]
    NoPossession {
        /// Their positions.
        culprits: Vec<usize>,
    },
    /// These members have no weight.
    #[error("members {culprits:?} have weight 0; leave them out")]
    NoWeight {
        /// Their positions.
        culprits: Vec<usize>,
    },
}

/// The members, in order. Cheap to clone.
#[derive(Clone)]
pub struct Roster(Arc<Inner>);

struct Inner {
    members: Vec<Member>,
    keys: Vec<PublicKey>,
    sums: Sums,
    positions: BTreeMap<PeerId, Index>,
    sum: Aggregate,
    weight: u64,
    tree: Tree,
    id: RosterId,
}

impl Roster {
    /// The roster of these members, each of them checked; or who stands in the way.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Self, RosterError> {
        let members: Vec<Member> =
            members.into_iter().take(MAX_MEMBERS.saturating_add(1)).collect();
        if members.is_empty() || members.len() > MAX_MEMBERS {
            return Err(RosterError::Size);
        }
        let keys = checked_keys(&members)?;
        let positions = (0..=u16::MAX).zip(&members).map(|(at, m)| (m.peer, Index(at))).collect();
        let sum = Aggregate::of(keys.iter().map(PublicKey::point).sum());
        let sums = Sums::new(&keys);
        let weight = members.iter().map(|member| u64::from(member.weight)).sum();
        let tree = Tree::new(members.iter().map(Member::leaf));
        let id = roster_id(members.len(), weight, &sum.bytes, &tree.root());
        Ok(Self(Arc::new(Inner { members, keys, sums, positions, sum, weight, tree, id })))
    }

    /// The name.
    pub fn id(&self) -> RosterId {
        self.0.id
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.0.members.len()
    }

    /// W, the weight of all members.
    pub fn weight(&self) -> u64 {
        self.0.weight
    }

    /// f = ⌊(W − 1) / 3⌋, the most weight that may be faulty.
    pub fn faulty(&self) -> u64 {
        faulty(self.0.weight)
    }

    /// q = W − f, the weight that decides: any two quorums share an honest member.
    pub fn quorum(&self) -> u64 {
        quorum(self.0.weight)
    }

    /// The member at `position`.
    pub fn index(&self, position: u16) -> Option<Index> {
        self.0.members.get(usize::from(position)).map(|_| Index(position))
    }

    /// The member that is this peer.
    pub fn index_of(&self, peer: PeerId) -> Option<Index> {
        self.0.positions.get(&peer).copied()
    }

    /// All members, in order.
    pub fn indices(&self) -> impl Iterator<Item = Index> + use<> {
        let size = self.size();
        (0..=u16::MAX).map(Index).take(size)
    }

    /// What the member registered.
    pub fn member(&self, index: Index) -> Option<&Member> {
        self.0.members.get(usize::from(index.0))
    }

    /// What all members registered, in order.
    pub fn members(&self) -> &[Member] {
        &self.0.members
    }

    /// The member's key.
    pub fn key(&self, index: Index) -> Option<&PublicKey> {
        self.0.keys.get(usize::from(index.0))
    }

    /// Who the member is on the network.
    pub fn peer(&self, index: Index) -> Option<PeerId> {
        self.member(index).map(|member| member.peer)
    }

    /// The weight of these members, each counted once.
    pub fn weight_of(&self, members: &Mask) -> u64 {
        let weigh = |index| self.member(index).map_or(0, |member| u64::from(member.weight));
        self.indices().filter(|index| members.contains(index.0)).map(weigh).sum()
    }

    /// Whether `signer` signed `statement` for this purpose, by the ZIP-215 rule.
    pub fn verify(
        &self,
        signer: Index,
        domain: &Domain,
        statement: &[u8],
        signature: &Signature,
    ) -> bool {
        self.key(signer).is_some_and(|key| key.verify(domain, statement, signature))
    }

    /// Opens the roster to who knows only its id: with the keys and weights of `members`.
    pub fn open(&self, members: &Mask) -> Opening {
        Opening::new(self, members)
    }

    pub(crate) fn sum(&self) -> &Aggregate {
        &self.0.sum
    }

    pub(crate) fn sum_of(
        &self,
        members: &mut dyn Iterator<Item = u16>,
    ) -> Result<EdwardsPoint, u16> {
        self.0.sums.of(members)
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.0.tree
    }
}

impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Roster {}

impl core::hash::Hash for Roster {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl core::fmt::Debug for Roster {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Roster").field("id", &self.0.id).field("size", &self.size()).finish()
    }
}

/// f = ⌊(W − 1) / 3⌋.
pub const fn faulty(weight: u64) -> u64 {
    weight.saturating_sub(1) / 3
}

/// q = W − f. Not 2f + 1, which is too little unless W = 3f + 1.
pub const fn quorum(weight: u64) -> u64 {
    weight.saturating_sub(faulty(weight))
}

/// H(n ‖ W ‖ ΣA ‖ root).
pub(crate) fn roster_id(size: usize, weight: u64, sum: &[u8; 32], root: &tree::Hash) -> RosterId {
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    let hash = Hash::new(domain::ROSTER).number(size).number(weight).fixed(sum).fixed(root);
    RosterId(hash.digest())
}

/// The members' keys, once every member has been checked.
fn checked_keys(members: &[Member]) -> Result<Vec<PublicKey>, RosterError> {
    let culprits = |bad: &dyn Fn(usize, &Member) -> bool| {
        let numbered = members.iter().enumerate();
        let culprits: Vec<_> = numbered.filter(|(at, m)| bad(*at, m)).map(|(at, _)| at).collect();
        Some(culprits).filter(|culprits| !culprits.is_empty())
    };
    if let Some(culprits) = culprits(&|_, member| member.weight == 0) {
        return Err(RosterError::NoWeight { culprits });
    }
    let (mut first_key, mut first_peer) = (BTreeMap::new(), BTreeMap::new());
    for (at, member) in members.iter().enumerate() {
        first_key.entry(member.key).or_insert(at);
        first_peer.entry(member.peer).or_insert(at);
    }
    let again = |at, member: &Member| {
        first_key.get(&member.key) != Some(&at) || first_peer.get(&member.peer) != Some(&at)
    };
    if let Some(culprits) = culprits(&again) {
        return Err(RosterError::Duplicate { culprits });
    }
    let keys: Vec<_> = members.iter().map(|m| PublicKey::from_bytes(&m.key).ok()).collect();
    if let Some(culprits) = culprits(&|at, _| keys.get(at).is_none_or(Option::is_none)) {
        return Err(RosterError::BadKey { culprits });
    }
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    if !ProofOfPossession::verify_all(keys.iter().zip(members.iter().map(|m| &m.proof))) {
        let unproven = |at, m: &Member| keys.get(at).is_none_or(|key| !m.proof.verify(key));
        let culprits = culprits(&unproven).unwrap_or_default();
        return Err(RosterError::NoPossession { culprits });
    }
    Ok(keys)
}
