//! A Bitcoin block as transactions of this ledger.
//!
//! The graph, the outputs' values and the order are the block's. What the block does not show
//! is filled in:
//!
//! - An output's shard is SHA-256(txid ‖ vout) mod the number of shards, with the hash as a
//!   big-endian number and the outpoint encoded as in a transaction; wherever the output comes
//!   from.
//! - An output from outside the block is granted at genesis, to an owner that follows from its
//!   outpoint. What a transaction creates beyond the inputs whose values the block shows is
//!   shared among its grants, as evenly as satoshis allow and the first ones taking the rest.
//! - The coinbase spends one grant.
//! - The owner of an output follows from its script: the seed of the key is SHA-256(script).
//! - Where the inputs exceed the outputs, the surplus goes to a fee output, whose owner is that
//!   of the coinbase's first output. It is the transaction's last output, and its vout the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use bitcoin::{
    Block, OutPoint, TxOut, Txid,
    consensus::{deserialize, encode, serialize},
    hashes::{Hash, sha256},
    hex::FromHex,
};
use cosi::keys::{PublicKeyBytes, Seed, SigningKey};
use omniledger::{
    Transaction,
    atomix::{
        Declaration, Input, Output,
        transaction::{BuildError, MAX_INPUTS, MAX_OUTPUTS},
    },
    genesis::{Genesis, Grant, MAX_GRANTS},
};

/// Bitcoin mainnet block 702861, as the network sends it.
pub(crate) fn mainnet_702861() -> &'static [u8] {
    bitcoin_test_data::blocks::mainnet_702861()
}

/// Why bytes are no block, or a block no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BlockError {
    /// No encoding of a block.
    #[error(
        "no Bitcoin block: {0}; give one block as `bitcoin-cli getblock HASH 0` prints it, \
         in binary or in hex"
    )]
    Encoding(String),
    /// A block that is not as it was mined.
    #[error("the block's transactions are not those its header names; get the block again")]
    Commitment,
    /// A header without the work that it claims.
    #[error("the block's header lacks the work that it claims; get the block again")]
    Work,
    /// No transaction, or a first one that is no coinbase.
    #[error("the block does not begin with a coinbase; get the block again")]
    Coinbase,
    /// A transaction that spends what comes later, is spent already, or does not exist.
    #[error("transaction {position} spends an output that is not there; get the block again")]
    Order {
        /// The transaction's position in the block.
        position: usize,
    },
    /// A transaction that creates more than it spends.
    #[error("transaction {position} creates more than it spends; get the block again")]
    Balance {
        /// The transaction's position in the block.
        position: usize,
    },
    /// A transaction beyond this ledger's limits.
    #[error("transaction {position} fits no ledger here: {error}")]
    Transaction {
        /// The transaction's position in the block.
        position: usize,
        /// The limit.
        error: BuildError,
    },
    /// More outputs from outside than a genesis grants.
    #[error("the block spends more than {MAX_GRANTS} outputs of other blocks; take a smaller one")]
    Grants,
    /// Not the genesis that grants what this block spends.
    #[error("the genesis grants other outputs than this block spends; make one of its grants")]
    Genesis,
}

/// What a block has to offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Transactions, the coinbase included.
    pub(crate) transactions: usize,
    /// What they spend, the coinbase's one grant included.
    pub(crate) inputs: usize,
    /// What they create, fee outputs included.
    pub(crate) outputs: usize,
    /// Outputs for surplus.
    pub(crate) fees: usize,
    /// What comes from outside the block.
    pub(crate) grants: usize,
    /// The most transactions of which each spends an output of the one before.
    pub(crate) depth: usize,
    /// The most inputs of one transaction.
    pub(crate) largest: usize,
    /// Outputs worth nothing.
    pub(crate) zero_outputs: usize,
    /// Transactions that take from one shard or give to another.
    pub(crate) cross_shard: usize,
}

/// How many blocks after its shard's first one a transaction may be accepted.
pub(crate) const DEADLINE: u32 = 1 << 16;

/// What a transaction spends.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The genesis's grant at this position.
    Grant(usize),
    /// The output of an earlier transaction of the block, at these positions.
    Earlier { transaction: usize, output: usize },
}

#[derive(Debug)]
struct Planned {
    sources: Vec<Source>,
    outputs: Vec<Output>,
}

/// A block's transactions, before the ledger that they are for has a genesis.
#[derive(Debug)]
pub(crate) struct Scenario {
    id: [u8; 32],
    grants: Vec<Grant>,
    planned: Vec<Planned>,
    keys: Keys,
    statistics: Statistics,
}

impl Scenario {
    /// Reads one block, in binary or in hex, checks that it is as it was mined, and deals its
    /// outputs to so many shards.
    pub(crate) fn read(bytes: &[u8], shards: u16) -> Result<Self, BlockError> {
        let text = str::from_utf8(bytes).ok().map(str::trim);
        let binary = text.and_then(|text| Vec::from_hex(text).ok());
        let block: Block = deserialize(binary.as_deref().unwrap_or(bytes))
            .map_err(|error: encode::Error| BlockError::Encoding(error.to_string()))?;
        if block.header.validate_pow(block.header.target()).is_err() {
            return Err(BlockError::Work);
        }
        if !block.txdata.first().is_some_and(bitcoin::Transaction::is_coinbase) {
            return Err(BlockError::Coinbase);
        }
        if !block.check_merkle_root() || !block.check_witness_commitment() {
            return Err(BlockError::Commitment);
        }
        Self::plan(&block, shards)
    }

    fn plan(block: &Block, shards: u16) -> Result<Self, BlockError> {
        let miner = block.txdata.first().and_then(|coinbase| coinbase.output.first());
        let txids = block.txdata.iter().map(bitcoin::Transaction::compute_txid);
        let mut plan = Plan::new(txids, shards);
        let miner = plan.keys.add(miner.map_or(&[], |output| output.script_pubkey.as_bytes()));
        for (position, transaction) in block.txdata.iter().enumerate() {
            plan.add(position, transaction, miner)?;
        }
        let Plan { keys, grants, planned, statistics, .. } = plan;
        if grants.len() > MAX_GRANTS {
            return Err(BlockError::Grants);
        }
        let id = block.block_hash().to_byte_array();
        Ok(Self { id, grants, planned, keys, statistics })
    }

    /// What the genesis must grant.
    pub(crate) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The block's hash.
    pub(crate) const fn id(&self) -> [u8; 32] {
        self.id
    }

    /// What the block has to offer.
    pub(crate) const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The transactions in the block's order, signed for the ledger of `genesis`.
    pub(crate) fn sign(&self, genesis: &Genesis) -> Result<Vec<Transaction>, BlockError> {
        if !genesis.grants.starts_with(&self.grants) {
            return Err(BlockError::Genesis);
        }
        let id = genesis.id();
        let granted: Vec<Input> = genesis.granted().collect();
        let (mut created, mut signed) = (Vec::<Vec<Input>>::new(), Vec::new());
        for (position, Planned { sources, outputs }) in self.planned.iter().enumerate() {
            let find = |source: &Source| match *source {
                Source::Grant(at) => granted.get(at).copied(),
                Source::Earlier { transaction, output } => {
                    created.get(transaction)?.get(output).copied()
                }
            };
            let inputs = sources.iter().map(find).collect::<Option<Vec<_>>>();
            let inputs = inputs.ok_or(BlockError::Order { position })?;
            let error = |error| BlockError::Transaction { position, error };
            let nonce = u64::try_from(position).unwrap_or(u64::MAX);
            let declared =
                Declaration::new(0, nonce, DEADLINE, inputs, outputs.clone()).map_err(error)?;
            created.push(declared.created(declared.session(&id)).collect());
            signed.push(declared.sign(&id, |owner| self.keys.0.get(owner)).map_err(error)?);
        }
        Ok(signed)
    }
}

/// Owners' keys.
#[derive(Debug, Default)]
struct Keys(BTreeMap<PublicKeyBytes, SigningKey>);

impl Keys {
    /// Makes the key that follows from `origin`.
    fn add(&mut self, origin: &[u8]) -> PublicKeyBytes {
        let seed = Seed::from_bytes(sha256::Hash::hash(origin).to_byte_array());
        let key = seed.signing_key();
        let owner = key.public().to_bytes();
        self.0.insert(owner, key);
        owner
    }
}

/// A scenario in the making.
struct Plan {
    shards: u16,
    txids: Vec<Txid>,
    members: BTreeSet<Txid>,
    /// The block's outputs that are unspent so far, with their values.
    unspent: BTreeMap<OutPoint, (Source, u64)>,
    /// The outputs from outside that are spent so far.
    foreign: BTreeSet<OutPoint>,
    /// How many transactions of which each spends the one before end in each transaction.
    depths: Vec<usize>,
    keys: Keys,
    grants: Vec<Grant>,
    planned: Vec<Planned>,
    statistics: Statistics,
}

impl Plan {
    fn new(txids: impl Iterator<Item = Txid>, shards: u16) -> Self {
        let txids: Vec<Txid> = txids.collect();
        Self {
            shards,
            members: txids.iter().copied().collect(),
            txids,
            unspent: BTreeMap::new(),
            foreign: BTreeSet::new(),
            depths: Vec::new(),
            keys: Keys::default(),
            grants: Vec::new(),
            planned: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    fn add(
        &mut self,
        position: usize,
        transaction: &bitcoin::Transaction,
        miner: PublicKeyBytes,
    ) -> Result<(), BlockError> {
        let first_grant = self.grants.len();
        let (mut sources, mut shown, mut depth) = (Vec::new(), Vec::new(), 0);
        for input in &transaction.input {
            let (source, value) = self.source(position, &input.previous_output)?;
            shown.push(value);
            if let Source::Earlier { transaction, .. } = source {
                depth = depth.max(self.depths.get(transaction).copied().unwrap_or_default());
            }
            sources.push(source);
        }
        let txid = self.txids.get(position).copied().ok_or(BlockError::Order { position })?;
        let shards = self.shards;
        let shard = |vout| shard_of(&OutPoint { txid, vout }, shards);
        let outputs = (0..).zip(&transaction.output).map(|(vout, output)| Output {
            shard: shard(vout),
            value: output.value.to_sat(),
            owner: self.keys.add(output.script_pubkey.as_bytes()),
        });
        let mut outputs: Vec<Output> = outputs.collect();

        let (Some(spent), Some(created)) = (sum(shown), sum(outputs.iter().map(|o| o.value)))
        else {
            return Err(BlockError::Balance { position });
        };
        if let Some(missing) = created.checked_sub(spent) {
            let granted = self.grants.get_mut(first_grant..).unwrap_or_default();
            if !share(missing, granted) {
                return Err(BlockError::Balance { position });
            }
        }
        if let Some(value) = spent.checked_sub(created).filter(|surplus| *surplus > 0) {
            let vout = u32::try_from(outputs.len()).unwrap_or(u32::MAX);
            outputs.push(Output { shard: shard(vout), value, owner: miner });
            self.statistics.fees = self.statistics.fees.saturating_add(1);
        }
        let error = match (sources.len() > MAX_INPUTS, outputs.len() > MAX_OUTPUTS) {
            (true, _) => Some(BuildError::TooManyInputs),
            (_, true) => Some(BuildError::TooManyOutputs),
            (false, false) => None,
        };
        if let Some(error) = error {
            return Err(BlockError::Transaction { position, error });
        }
        self.depths.push(depth.saturating_add(1));
        self.count(&sources, &outputs);
        self.offer(position, &transaction.output);
        self.planned.push(Planned { sources, outputs });
        Ok(())
    }

    /// Where an input comes from, and its value when the block shows it, else 0.
    fn source(&mut self, position: usize, spent: &OutPoint) -> Result<(Source, u64), BlockError> {
        if let Some(earlier) = self.unspent.remove(spent) {
            return Ok(earlier);
        }
        let misplaced = spent.is_null() != (position == 0);
        if misplaced || self.members.contains(&spent.txid) || !self.foreign.insert(*spent) {
            return Err(BlockError::Order { position });
        }
        let source = Source::Grant(self.grants.len());
        let (shard, owner) = (shard_of(spent, self.shards), self.keys.add(&serialize(spent)));
        self.grants.push(Grant { shard, owner, value: 0 });
        Ok((source, 0))
    }

    /// The shard of what a transaction spends.
    fn shard_of(&self, source: &Source) -> Option<u16> {
        match *source {
            Source::Grant(at) => self.grants.get(at).map(|grant| grant.shard),
            Source::Earlier { transaction, output } => {
                self.planned.get(transaction)?.outputs.get(output).map(|output| output.shard)
            }
        }
    }

    /// Lets later transactions spend these outputs.
    fn offer(&mut self, transaction: usize, outputs: &[TxOut]) {
        let Some(txid) = self.txids.get(transaction) else { return };
        for ((vout, output), value) in (0..).zip(0..).zip(outputs.iter().map(|o| o.value.to_sat()))
        {
            let source = Source::Earlier { transaction, output };
            self.unspent.insert(OutPoint { txid: *txid, vout }, (source, value));
        }
    }

    fn count(&mut self, sources: &[Source], outputs: &[Output]) {
        let from = sources.iter().filter_map(|source| self.shard_of(source));
        let parties: BTreeSet<u16> =
            from.chain(outputs.iter().map(|output| output.shard)).collect();
        let so_far = &mut self.statistics;
        so_far.cross_shard = so_far.cross_shard.saturating_add(usize::from(parties.len() > 1));
        let zero_outputs = outputs.iter().filter(|output| output.value == 0).count();
        so_far.transactions = so_far.transactions.saturating_add(1);
        so_far.inputs = so_far.inputs.saturating_add(sources.len());
        so_far.outputs = so_far.outputs.saturating_add(outputs.len());
        so_far.zero_outputs = so_far.zero_outputs.saturating_add(zero_outputs);
        so_far.grants = self.grants.len();
        so_far.depth = self.depths.iter().copied().max().unwrap_or_default();
        so_far.largest = so_far.largest.max(sources.len());
    }
}

/// The shard of an output: SHA-256(txid ‖ vout) mod `shards`.
fn shard_of(output: &OutPoint, shards: u16) -> u16 {
    let shards = NonZeroU32::new(shards.into()).unwrap_or(NonZeroU32::MIN);
    let digest = sha256::Hash::hash(&serialize(output)).to_byte_array();
    let digit = |rest: u32, byte: u8| (rest << 8 | u32::from(byte)) % shards;
    u16::try_from(digest.into_iter().fold(0, digit)).unwrap_or_default()
}

/// Shares `value` out among `grants`. Without any, there must be nothing to share.
fn share(value: u64, grants: &mut [Grant]) -> bool {
    let count = u64::try_from(grants.len()).unwrap_or(u64::MAX);
    let (Some(each), Some(rest)) = (value.checked_div(count), value.checked_rem(count)) else {
        return value == 0;
    };
    for (at, grant) in (0..).zip(grants) {
        grant.value = each.saturating_add(u64::from(at < rest));
    }
    true
}

fn sum(values: impl IntoIterator<Item = u64>) -> Option<u64> {
    values.into_iter().try_fold(0, u64::checked_add)
}

#[cfg(test)]
mod mined;
#[cfg(test)]
mod tests;
