//! How an epoch comes about: its randomness, and by it who works in which shard.
//!
//! ```text
//!  every validator                    the identity chain's leader
//!    |---- its deal, signed -------------->|
//!    |<=== a block: which deals make up the randomness (byzcoin, all validators) ===>|
//!    |---- its share of the sum ----------------> all others
//!    randomness = H(SID ‖ Z)     shards = the validators, dealt by it
//! ```
//!
//! - RandHound's statement is a block of the identity chain, and the block's body the deals that
//!   it chooses. Who prepares the block has checked every deal, so who commits it can open.
//! - **No second draw.** No validator opens a share before the block is decided, and byzcoin
//!   decides one. A leader that falls silent, or proposes what does not hold, is replaced by a
//!   view change; the next one finds the same deals, for a validator deals once. So no leader
//!   learns anything before its choice is final. OmniLedger (section IV) elects the client by a
//!   lottery of verifiable random functions and a view a failure; here byzcoin's turn
//!   elects it, [`byzcoin::rules::leader`], which every validator computes.
//! - An [`EpochProof`] is all of that in bytes: whoever has the genesis checks it offline, and
//!   then knows every shard's roster.
//!
//! The assignment: [`randhound::Groups::deal`] cuts the validators into as many groups as there
//! are shards, with the draws of H(tag ‖ epoch ‖ randomness). Group s is shard s.

use alloc::vec::Vec;

use atomix::{Rosters, ShardState};
use borsh::{BorshDeserialize, BorshSerialize};
use byzcoin::Height;
use cosi::{
    Attests, Policy, Statement as _, VerifyError,
    domain::ASSIGNMENT,
    keys::PeerId,
    mask::Mask,
    merkle::tree,
    roster::{Index, Keys, Opening, Roster},
    transcript::{Hash, HashRng},
};
use randhound::{Committee, Groups, Randomness, Statement, Transcript, TranscriptError};
use skipchain::{ChainId, Header, LightClient, Spine};

use crate::{
    decision::Decision,
    genesis::{Genesis, GenesisError},
};

/// The only epoch of this version.
pub(crate) const EPOCH: u64 = 0;

/// The leaf of the identity block that fixes `statement`: its whole payload.
pub(crate) fn statement_leaf(statement: &Statement) -> tree::Hash {
    tree::leaf_hash(&statement.to_signed())
}

/// That the identity chain decided on a statement: a header with the statement under its payload
/// root, and the decision on the header.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestation {
    /// The block.
    pub header: Header,
    /// Who decided it.
    pub decision: Decision,
}

impl Attests<Statement> for Attestation {
    fn attests<K: Keys + ?Sized>(
        &self,
        statement: &Statement,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        let Self { header, decision } = self;
        if header.payload_root != tree::root([statement_leaf(statement)]) {
            return Err(VerifyError::Signature);
        }
        decision.decides(header.chain, header.id(), keys, policy)
    }
}

/// Convinces whoever has the genesis of the epoch's randomness.
///
/// A file, or a message: [`Epoch::verify`] checks it, offline.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EpochProof {
    /// How the randomness came about, with the deals and the shares that yield it.
    pub transcript: Transcript<Attestation>,
}

/// Why a proof proves no epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// The genesis is not sound.
    #[error("the genesis is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// The block that fixes the statement is not the identity chain's first.
    #[error("identity: the block is not the first after the genesis's on the identity chain")]
    Identity,
    /// The randomness does not follow.
    #[error("transcript: {0}")]
    Transcript(#[from] TranscriptError),
}

/// An epoch: who works in which shard.
///
/// ```
/// # use omniledger::{Epoch, EpochProof, Genesis, wire::Wire};
/// fn shards(genesis: &[u8], proof: &[u8]) -> Result<Vec<usize>, Box<dyn std::error::Error>> {
///     let genesis = Genesis::decode(genesis)?;
///     let epoch = Epoch::verify(&genesis, &EpochProof::decode(proof)?)?;
///     Ok(epoch.shards().iter().map(|shard| shard.roster().size()).collect())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Epoch {
    randomness: Randomness,
    groups: Groups,
    shards: Vec<ShardInfo>,
}

/// What everybody knows of a shard in an epoch.
#[derive(Clone, Debug)]
pub struct ShardInfo {
    number: u16,
    chain: ChainId,
    roster: Roster,
}

impl ShardInfo {
    /// Its chain.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// Who decides in it.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Its state at the start, on the ledger with this genesis.
    pub fn state(&self, genesis: &Genesis) -> ShardState {
        ShardState::new(self.chain, self.number, genesis.rules(), genesis.granted())
    }

    /// The first header of its chain, on the ledger with this genesis.
    pub fn header(&self, genesis: &Genesis) -> Header {
        let (roster, state) = (self.roster.id(), self.state(genesis).root());
        Header::genesis(self.chain, genesis.shape, roster, tree::root([]), Some(state))
    }

    /// A light client of its chain, on the ledger with this genesis.
    pub fn light_client(&self, genesis: &Genesis) -> Result<LightClient, GenesisError> {
        LightClient::new(self.header(genesis), self.opening()).map_err(|_| GenesisError::Chain)
    }

    /// The roster, open to whoever knows its id.
    fn opening(&self) -> Opening {
        self.roster.open(&Mask::of(self.roster.size(), self.roster.indices().map(Index::get)))
    }
}

impl Epoch {
    /// The epoch that `proof` proves on the ledger with this genesis, once everything in it
    /// holds.
    pub fn verify(genesis: &Genesis, proof: &EpochProof) -> Result<Self, EpochError> {
        Self::verify_for(genesis, &genesis.committee()?, proof)
    }

    /// The same, of a genesis whose committee is known.
    pub(crate) fn verify_for(
        genesis: &Genesis,
        committee: &Committee,
        proof: &EpochProof,
    ) -> Result<Self, EpochError> {
        let Attestation { header, decision } = &proof.transcript.certificate;
        let first = genesis.identity_header(committee.roster());
        let spine = Spine::new(first.clone()).map_err(|_| GenesisError::Chain)?;
        let follows = spine.check(header).is_ok() && header.roster == first.roster;
        let is_first = (decision.epoch, decision.proposal.header.height) == (EPOCH, Height::FIRST);
        if !follows || header.state_root.is_some() || !is_first {
            return Err(EpochError::Identity);
        }
        let randomness = proof.transcript.verify(committee, &genesis.terms())?;
        Ok(Self::new(genesis, committee.roster(), randomness)?)
    }

    /// The epoch with this randomness, which was verified.
    pub(crate) fn new(
        genesis: &Genesis,
        roster: &Roster,
        randomness: Randomness,
    ) -> Result<Self, GenesisError> {
        let draws = HashRng::new(Hash::new(ASSIGNMENT).number(EPOCH).fixed(&randomness.0));
        let groups = Groups::deal(roster, genesis.shards.into(), draws);
        let shard = |(shard, members): (u16, &[Index])| {
            let members = members.iter().filter_map(|member| roster.member(*member).cloned());
            let roster = Roster::new(members)?;
            Ok(ShardInfo { number: shard, chain: genesis.shard_chain(shard), roster })
        };
        let shards = groups.iter().map(shard).collect::<Result<_, GenesisError>>()?;
        Ok(Self { randomness, groups, shards })
    }

    /// The number: 0.
    pub const fn number(&self) -> u64 {
        EPOCH
    }

    /// The randomness that dealt the shards.
    pub const fn randomness(&self) -> Randomness {
        self.randomness
    }

    /// The shards, in order.
    pub fn shards(&self) -> &[ShardInfo] {
        &self.shards
    }

    /// A shard.
    pub fn shard(&self, shard: u16) -> Option<&ShardInfo> {
        self.shards.get(usize::from(shard))
    }

    /// Which validators, by their positions in the genesis, work in a shard.
    pub fn members(&self, shard: u16) -> &[Index] {
        self.groups.members(shard).unwrap_or_default()
    }

    /// Where a validator works: its shard, and its place in the shard's roster.
    pub fn place(&self, peer: PeerId) -> Option<(u16, Index)> {
        let places = (0..).zip(&self.shards);
        places.into_iter().find_map(|(at, shard)| Some((at, shard.roster.index_of(peer)?)))
    }

    /// What judges the shards' words.
    pub fn rosters(&self) -> Rosters<Decision> {
        let mut rosters = Rosters::new();
        for (number, shard) in (0..).zip(&self.shards) {
            if let Some(opened) = shard.opening().check(shard.roster.id()) {
                rosters.turn(number, shard.chain, opened);
            }
        }
        rosters
    }
}
