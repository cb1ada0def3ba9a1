//! What proves to anyone who has the genesis that a transaction is in the ledger for ever.

use alloc::{collections::BTreeSet, vec::Vec};

use atomix::{
    Malformed, Outcome, ProofError, Rosters, Rules, Session, Shards as _, Transaction, Verdict,
};
use borsh::{BorshDeserialize, BorshSerialize};
use cosi::wire::BoundedVec;
use skipchain::{Header, LightClient};

use crate::{
    decision::Decision,
    epoch::{Epoch, EpochError, EpochProof},
    genesis::{Genesis, MAX_SHARDS},
    message::Proof,
};

/// A transaction, and every output shard's word that it created its outputs; or, of a transaction
/// without outputs, every input shard's that it accepted.
///
/// A file, or a message between phones: whoever has the [`Genesis`] and the [`EpochProof`] checks
/// it offline. A wallet [makes](crate::Wallet::receipt) it and a [`Stranger`] checks it;
/// [`node`](crate::node) shows both.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The transaction, with its owners' signatures.
    pub transaction: Transaction,
    /// The shards' words, in the shards' order.
    pub said: BoundedVec<Proof, { MAX_SHARDS as usize }>,
}

/// What a [`Receipt`] proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The transaction's name.
    pub session: Session,
    /// What the shards said.
    pub verdicts: Vec<Verdict>,
}

/// Why a receipt is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The transaction is not well-formed, or an owner did not sign.
    #[error("transaction: {0}")]
    Transaction(#[from] Malformed),
    /// Not one word of each shard that must have spoken, in the shards' order.
    #[error("shards: the receipt must hold one word of each of {shards:?}, in this order")]
    Shards {
        /// Those that must have spoken.
        shards: BTreeSet<u16>,
    },
    /// A shard did not say so.
    #[error("shard {shard}: {error}")]
    Proof {
        /// The shard.
        shard: u16,
        /// Why it did not.
        error: ProofError,
    },
}

/// What checks receipts: all that follows from a genesis and the proof of its epoch.
///
/// ```
/// # use omniledger::{EpochProof, Genesis, receipt::{Receipt, ReceiptError, Stranger}};
/// # use cosi::wire::Wire;
/// fn check(genesis: &[u8], epoch: &[u8], receipt: &[u8]) -> Result<usize, Box<dyn std::error::Error>> {
///     let mut stranger = Stranger::new(&Genesis::decode(genesis)?, &EpochProof::decode(epoch)?)?;
///     let proven = stranger.verify(&Receipt::decode(receipt)?)?;
///     Ok(proven.verdicts.len())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Stranger {
    epoch: Epoch,
    rules: Rules,
    rosters: Rosters<Decision>,
}

impl Stranger {
    /// Somebody who knows the genesis, and was told how the epoch came about: checks that.
    pub fn new(genesis: &Genesis, epoch: &EpochProof) -> Result<Self, EpochError> {
        let epoch = Epoch::verify(genesis, epoch)?;
        let rosters = epoch.rosters();
        Ok(Self { epoch, rules: genesis.rules(), rosters })
    }

    /// The epoch.
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// What makes a transaction well-formed.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What judges the shards' words.
    pub const fn rosters(&self) -> &Rosters<Decision> {
        &self.rosters
    }

    /// A light client of a shard's chain. `None`: there is no such shard.
    pub fn light_client(&self, genesis: &Genesis, shard: u16) -> Option<LightClient> {
        self.epoch.shard(shard)?.light_client(genesis).ok()
    }

    /// The first header of a shard's chain.
    pub fn first_header(&self, genesis: &Genesis, shard: u16) -> Option<Header> {
        Some(self.epoch.shard(shard)?.header(genesis))
    }

    /// Checks every signature and hash in the receipt. What attests a block is checked once for
    /// all receipts that hold it, if it is the same to the byte.
    pub fn verify(&mut self, receipt: &Receipt) -> Result<Proven, ReceiptError> {
        let checked = self.rules.check_one(receipt.transaction.clone())?;
        let (shards, outcome) = needed(&receipt.transaction);
        let right = |proof: &Proof| proof.outcome == outcome;
        let in_order = receipt.said.iter().map(|proof| &proof.shard).eq(&shards);
        if !in_order || !receipt.said.iter().all(right) {
            return Err(ReceiptError::Shards { shards });
        }
        let verdicts = receipt.said.iter().map(|proof| {
            self.rosters.learn(proof.shard, &proof.inclusion);
            let verdict = proof.verify(&checked, &self.rosters);
            verdict.map_err(|error| ReceiptError::Proof { shard: proof.shard, error })
        });
        let verdicts = verdicts.collect::<Result<_, _>>()?;
        Ok(Proven { session: checked.session(), verdicts })
    }
}

/// Which shards must have said what for the transaction to be done.
pub(crate) fn needed(transaction: &Transaction) -> (BTreeSet<u16>, Outcome) {
    let declaration = &transaction.declaration;
    let outputs = declaration.output_shards();
    if outputs.is_empty() {
        (declaration.input_shards(), Outcome::Accepted)
    } else {
        (outputs, Outcome::Created)
    }
}
