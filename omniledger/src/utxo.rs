//! A ledger of unspent outputs.

use alloc::vec::Vec;

use cosi::merkle::{map::Map, tree::Hash};

pub use crate::rejection::Rejection;
use crate::{
    ledger::{Checks, Ledger},
    transaction::{Checked, Input, Rules, Transaction},
};

/// The outputs that are unspent, under one hash.
///
/// Keeps [`Input::leaf`] under each output's id and no more: who spends an output declares the
/// rest, and signs it. Holds the outputs of every shard that its rules name. A clone shares
/// what neither side changes, so it costs next to nothing.
///
/// A transaction adds at most [`MAX_OUTPUTS`](crate::transaction::MAX_OUTPUTS) leaves. Outputs
/// may be worth nothing, so only the limits of blocks bound how fast the state grows.
///
/// A transaction is executed at most once: it has an input, a spent output's id never returns,
/// and an id is the hash of the session that creates it.
///
/// ```
/// use cosi::keys::Seed;
/// use omniledger::{
///     genesis::GenesisId,
///     ledger::Ledger,
///     transaction::{Declaration, Input, Outpoint, Output, Rules},
///     utxo::{Rejection, Utxo},
/// };
/// let [alice, bob] = [1, 2].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let rules = Rules { genesis: GenesisId([7; 32]), epoch: 0, shards: 1 };
/// let outpoint = Outpoint { shard: 0, id: [9; 32], version: 0 };
/// let coin = Input { outpoint, value: 50, owner: alice.public().to_bytes() };
/// let mut ledger = Utxo::new(rules, [coin]);
///
/// let gift = Output { shard: 0, value: 50, owner: bob.public().to_bytes() };
/// let pay = Declaration::new(0, 0, vec![coin], vec![gift])?.sign(&rules.genesis, |_| Some(&alice))?;
/// let checked = ledger.check(vec![pay]).results.remove(0)?;
/// ledger.apply(&checked)?;
/// assert_eq!(ledger.apply(&checked), Err(Rejection::UnknownOutpoint { outpoint: [9; 32] }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utxo {
    rules: Rules,
    unspent: Map,
}

impl Utxo {
    /// The ledger with these unspent outputs, each under its own id.
    pub fn new(rules: Rules, unspent: impl IntoIterator<Item = Input>) -> Self {
        let leaves = unspent.into_iter().map(|output| (output.outpoint.id, output.leaf()));
        Self { rules, unspent: leaves.collect() }
    }

    /// What makes a transaction well-formed here.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The leaves by outpoint id: what proves to a light client that an output is unspent.
    pub const fn unspent(&self) -> &Map {
        &self.unspent
    }

    /// Whether exactly this output is unspent; why not, if not.
    pub fn spendable(&self, output: &Input) -> Result<(), Rejection> {
        let outpoint = output.outpoint.id;
        let Some(leaf) = self.unspent.get(&outpoint) else {
            return Err(Rejection::UnknownOutpoint { outpoint });
        };
        if *leaf != output.leaf() {
            return Err(Rejection::WrongDeclaration { outpoint });
        }
        Ok(())
    }
}

impl Ledger for Utxo {
    type Transaction = Transaction;
    type Checked = Checked;
    type Error = Rejection;

    fn id(&self, transaction: &Transaction) -> Hash {
        transaction.declaration.session(&self.rules.genesis).0
    }

    fn check(&self, transactions: Vec<Transaction>) -> Checks<Checked, Rejection> {
        self.rules.check(transactions)
    }

    fn apply(&mut self, checked: &Checked) -> Result<(), Rejection> {
        if *checked.rules() != self.rules {
            return Err(Rejection::OtherRules);
        }
        let declaration = &checked.transaction().declaration;
        declaration.inputs.iter().try_for_each(|input| self.spendable(input))?;
        for input in declaration.inputs.iter() {
            self.unspent.remove(&input.outpoint.id);
        }
        let created = declaration.created(checked.session());
        self.unspent.extend(created.map(|output| (output.outpoint.id, output.leaf())));
        Ok(())
    }

    fn root(&self) -> Hash {
        self.unspent.root()
    }
}
