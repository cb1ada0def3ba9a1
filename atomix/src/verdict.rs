//! What a shard says of a session: one leaf in a block's payload.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{ATOMIX_ENTRY, ATOMIX_VERDICT},
    merkle::tree::{self, Hash},
    wire::{BoundedVec, Wire},
};
use skipchain::ChainId;

use alloc::vec::Vec;

use crate::{
    rules::Checked,
    transaction::{Declaration, Input, MAX_OUTPUTS, Outpoint, Session},
};

/// What became of a session in one shard.
///
/// `Accepted` and `Rejected` are an input shard's verdict: one for each session and shard, for
/// ever. `GivenBack` and `Created` are what followed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Outcome {
    /// The input shard locked its inputs to the session.
    Accepted,
    /// The input shard will never accept the session.
    Rejected,
    /// The input shard took the lock off: its inputs can be spent again, one version later.
    GivenBack,
    /// The output shard created its outputs.
    Created,
}

impl Outcome {
    /// Whether shards that hold inputs say so, and not those that create outputs.
    pub const fn is_of_inputs(self) -> bool {
        !matches!(self, Self::Created)
    }

    /// The outcome in one word, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::GivenBack => "given_back",
            Self::Created => "created",
        }
    }
}

/// What a shard logs on a session: a leaf under the payload root of one of its blocks.
///
/// It follows from the transaction, the chain, the outcome and the height, so a
/// [`Proof`](crate::Proof) carries no more than those.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Verdict {
    /// The shard's skipchain.
    pub chain: ChainId,
    /// The shard.
    pub shard: u16,
    /// The session.
    pub session: Session,
    /// What became of it.
    pub outcome: Outcome,
    /// What of this shard it is about: the inputs, with their versions as the session declares
    /// them or as they were given back, or the outputs.
    pub outpoints: BoundedVec<Outpoint, MAX_OUTPUTS>,
    /// The skipchain index of the block that decided it.
    pub height: u64,
}

impl Verdict {
    /// What this shard says when this becomes of a checked transaction at this height.
    pub fn new(
        chain: ChainId,
        shard: u16,
        checked: &Checked,
        outcome: Outcome,
        height: u64,
    ) -> Self {
        let (session, declaration) = (checked.session(), checked.declaration());
        let outpoints = outpoints(declaration, session, shard, outcome);
        // A transaction has no more inputs or outputs than that.
        let outpoints = BoundedVec::new(outpoints).unwrap_or_default();
        Self { chain, shard, session, outcome, outpoints, height }
    }

    /// Names the verdict, wherever it is logged.
    pub fn leaf(&self) -> Hash {
        tree::leaf_hash(&[&ATOMIX_VERDICT[..], &self.encode()].concat())
    }

    /// The leaf under a block's payload root, where this is entry `at`, from 0, of `of`.
    ///
    /// Says where it stands among how many, which no Merkle root tells. So a path to it has one
    /// encoding, and a block's entries can be told to be complete.
    pub fn entry(&self, at: u64, of: u64) -> Hash {
        let place = (at, of).encode();
        tree::leaf_hash(&[&ATOMIX_ENTRY[..], &place, &self.encode()].concat())
    }
}

fn outpoints(
    declaration: &Declaration,
    session: Session,
    shard: u16,
    outcome: Outcome,
) -> Vec<Outpoint> {
    let inputs = declaration.inputs_of(shard);
    let name = |input: Input| input.outpoint;
    match outcome {
        Outcome::Accepted | Outcome::Rejected => inputs.copied().map(name).collect(),
        Outcome::GivenBack => inputs.filter_map(Input::given_back).map(name).collect(),
        Outcome::Created => {
            declaration.created(session).map(name).filter(|out| out.shard == shard).collect()
        }
    }
}
