//! How shards that are skipchains prove what they said.
//!
//! A [`Place`] leads from a verdict to a header. The header is believed for one of two reasons:
//! the current or the previous roster of the shard certified it ([`Sealed`], which a validator
//! that follows no foreign chain checks by the [`Rosters`] alone), or a light client verified it
//! ([`InBlock`], held against what was [`Seen`]).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
};
use core::{fmt, marker::PhantomData};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate, Policy,
    domain::ATOMIX_STATE,
    merkle::{
        map::{self, Hash},
        tree::{self, Path},
    },
    roster::{Keys, OpenedRoster},
    transcript,
    wire::Wire,
};
use skipchain::{BlockId, ChainId, Header, LinkStatement, Siblings, Verified};

use crate::{
    proof::{ProofError, Shards},
    verdict::{Outcome, Verdict},
};

/// The roots that a shard's state root is the hash of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Roots {
    /// Which shard, when: the hash over its number, epoch and indices.
    pub clock: Hash,
    /// The outputs that can be spent, by id.
    pub unspent: Hash,
    /// The heights of acceptances, by session.
    pub accepted: Hash,
    /// The heights of rejections of sessions of this epoch, by session.
    pub rejected: Hash,
    /// Those of sessions of the epoch before.
    pub rejected_before: Hash,
    /// The heights at which inputs were given back, by session.
    pub given_back: Hash,
    /// The heights at which outputs were created, by session.
    pub created: Hash,
}

impl Roots {
    /// The state root.
    pub fn root(&self) -> Hash {
        let hash = transcript::Hash::new(ATOMIX_STATE).fixed(&self.clock).fixed(&self.unspent);
        let hash = hash.fixed(&self.accepted).fixed(&self.rejected).fixed(&self.rejected_before);
        hash.fixed(&self.given_back).fixed(&self.created).digest()
    }
}

/// Where a verdict stands in a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Place {
    /// In the log: as an [entry](Verdict::entry) under the payload root of the block that decided
    /// it.
    Logged(Path),
    /// In the state: under the state root of that block or a later one. This proves an old
    /// verdict anew, under a roster that is still believed.
    Kept {
        /// What the state root is the hash of.
        roots: Box<Roots>,
        /// From the session to the root of the outcome's map.
        proof: map::Proof,
    },
}

impl Place {
    /// Whether `verdict` stands here in a block with this header, which the caller believes.
    pub fn holds(&self, verdict: &Verdict, header: &Header) -> bool {
        let stands = match self {
            Self::Logged(path) => {
                let entry = verdict.entry(path.index(), path.len());
                header.index == verdict.height && path.verify(&header.payload_root, &entry)
            }
            Self::Kept { roots, proof } => {
                let Verdict { session, outcome, .. } = verdict;
                let is = |root| proof.verify(root, &session.0) == Ok(Some(height(verdict.height)));
                let kept = match outcome {
                    Outcome::Accepted => is(&roots.accepted),
                    Outcome::Rejected => is(&roots.rejected) || is(&roots.rejected_before),
                    Outcome::GivenBack => is(&roots.given_back),
                    Outcome::Created => is(&roots.created),
                };
                header.state_root == Some(roots.root()) && kept
            }
        };
        stands && header.chain == verdict.chain
    }
}

/// A height as a map's value.
pub(crate) fn height(index: u64) -> Hash {
    let (low, rest) = (index.to_le_bytes(), [0; 24]);
    let mut value = [0; 32];
    for (slot, byte) in value.iter_mut().zip(low.into_iter().chain(rest)) {
        *slot = byte;
    }
    value
}

/// A verdict's place, and the block with the certificate of the roster that decided it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Sealed<A = Certificate> {
    /// The block.
    pub header: Header,
    /// The block before it.
    pub from: BlockId,
    /// The way from the back link that names it up to the block's back root: an attestation need
    /// not say which block is before.
    pub back: Siblings,
    /// That the roster decided the block after the one before: a level-0 forward link's.
    pub attestation: A,
    /// The verdict's place in the block.
    pub place: Place,
}

/// The shards' chains, and the rosters whose word counts: what an identity chain publishes.
///
/// Keeps two rosters a shard. Whoever embeds it [`turn`](Self::turn)s a shard when the
/// identity chain says so, in the same block for all validators. Judges [`Sealed`] verdicts,
/// whose blocks `A` attests. Remembers up to [`MEMORY`] attestations that it found to hold, so
/// that the verdicts of a block cost its signatures once. One that differs in a byte is checked
/// anew.
#[derive(Clone, Debug)]
pub struct Rosters<A = Certificate> {
    shards: BTreeMap<u16, Group>,
    /// At most [`MEMORY`] names of attested blocks; when there are more, all are let go.
    attested: BTreeSet<Hash>,
    attestation: PhantomData<fn(A)>,
}

/// How many attestations [`Rosters`] remember.
pub const MEMORY: usize = 4096;

#[derive(Clone, Debug)]
struct Group {
    chain: ChainId,
    current: OpenedRoster,
    previous: Option<OpenedRoster>,
}

impl<A> Default for Rosters<A> {
    fn default() -> Self {
        Self { shards: BTreeMap::new(), attested: BTreeSet::new(), attestation: PhantomData }
    }
}

impl<A> Rosters<A> {
    /// Knows no shard.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the current roster of a shard. The one that was current is the previous one, and
    /// the one before that is believed no more.
    pub fn turn(&mut self, shard: u16, chain: ChainId, roster: OpenedRoster) {
        let before = self.shards.remove(&shard).filter(|group| group.chain == chain);
        let previous = before.map(|group| group.current);
        self.shards.insert(shard, Group { chain, current: roster, previous });
        self.attested.clear();
    }
}

impl<A: Attests<LinkStatement> + Wire> Rosters<A> {
    /// Whether the current or the previous roster of the shard decided the block.
    fn attests(&self, group: &Group, sealed: &Sealed<A>) -> bool {
        let Sealed { header, from, attestation, .. } = sealed;
        let statement = LinkStatement {
            chain: group.chain,
            level: 0,
            from_index: header.index.saturating_sub(1),
            from: *from,
            to_index: header.index,
            to: header.id(),
            to_roster: header.roster,
        };
        let attested =
            |keys: &dyn Keys| attestation.attests(&statement, keys, &Policy::Quorum).is_ok();
        let previous = group.previous.iter().map(|roster| roster as &dyn Keys);
        [&group.current as &dyn Keys].into_iter().chain(previous).any(attested)
    }

    /// Names a block with all that attests it.
    fn name(shard: u16, sealed: &Sealed<A>) -> Hash {
        let Sealed { header, from, attestation, .. } = sealed;
        let parts = [shard.encode(), header.encode(), from.encode(), attestation.encode()];
        tree::leaf_hash(&parts.concat())
    }
}

impl<A> Shards for Rosters<A>
where
    A: Attests<LinkStatement> + Wire + Clone + Eq + fmt::Debug,
{
    type Inclusion = Sealed<A>;

    fn chain(&self, shard: u16) -> Option<ChainId> {
        self.shards.get(&shard).map(|group| group.chain)
    }

    fn learn(&mut self, shard: u16, sealed: &Sealed<A>) {
        let name = Self::name(shard, sealed);
        let Some(group) = self.shards.get(&shard) else { return };
        if self.attested.contains(&name) || !self.attests(group, sealed) {
            return;
        }
        if self.attested.len() >= MEMORY {
            self.attested.clear();
        }
        self.attested.insert(name);
    }

    fn holds(&self, verdict: &Verdict, sealed: &Sealed<A>) -> Result<(), ProofError> {
        let group = self.shards.get(&verdict.shard).ok_or(ProofError::Unknown)?;
        let Sealed { header, from, back, place, .. } = sealed;
        let sound = header.index > 0 && header.is_sound() && header.names(0, from, back);
        if !sound || !place.holds(verdict, header) {
            return Err(ProofError::Absent);
        }
        let known = self.attested.contains(&Self::name(verdict.shard, sealed));
        if known || self.attests(group, sealed) { Ok(()) } else { Err(ProofError::Roster) }
    }
}

/// A verdict's place in a block that the verifier has a verified header of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct InBlock {
    /// The block's index.
    pub index: u64,
    /// The verdict's place in it.
    pub place: Place,
}

/// Blocks that a [`LightClient`](skipchain::LightClient) verified, of each shard's chain.
///
/// Holds the blocks that the host adds, and none before the first index that still counts.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    shards: BTreeMap<u16, Blocks>,
}

#[derive(Clone, Debug)]
struct Blocks {
    chain: ChainId,
    since: u64,
    headers: BTreeMap<u64, Header>,
}

impl Seen {
    /// Knows no shard.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a shard's chain, and the index of the first block that the roster of its previous
    /// epoch decided. Forgets what is older.
    pub fn count_from(&mut self, shard: u16, chain: ChainId, since: u64) {
        let before = self.shards.remove(&shard).filter(|blocks| blocks.chain == chain);
        let mut headers = before.map(|blocks| blocks.headers).unwrap_or_default();
        headers.retain(|index, _| *index >= since);
        self.shards.insert(shard, Blocks { chain, since, headers });
    }

    /// Adds a verified block of a shard. Ignores one of another chain, or that is too old.
    pub fn add(&mut self, shard: u16, block: &Verified) {
        let header = block.header();
        if let Some(blocks) = self.shards.get_mut(&shard)
            && blocks.chain == header.chain
            && header.index >= blocks.since
        {
            blocks.headers.insert(header.index, header.clone());
        }
    }
}

impl Shards for Seen {
    type Inclusion = InBlock;

    fn chain(&self, shard: u16) -> Option<ChainId> {
        self.shards.get(&shard).map(|blocks| blocks.chain)
    }

    fn holds(&self, verdict: &Verdict, inclusion: &InBlock) -> Result<(), ProofError> {
        let blocks = self.shards.get(&verdict.shard).ok_or(ProofError::Unknown)?;
        let InBlock { index, place } = inclusion;
        if *index < blocks.since {
            return Err(ProofError::Roster);
        }
        let header = blocks.headers.get(index).ok_or(ProofError::Unknown)?;
        if place.holds(verdict, header) { Ok(()) } else { Err(ProofError::Absent) }
    }
}
