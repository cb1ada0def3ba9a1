//! What a validator needs of the state that it replicates.

use alloc::vec::Vec;
use core::error;

use cosi::{merkle::tree::Hash, wire::Wire};

/// A replicated state machine: what transactions are, when they hold, and what they change.
///
/// [`Utxo`](crate::utxo::Utxo) is one; another chain brings its own. Duties of an
/// implementation: every method is a function of the state and its arguments alone, so that all
/// validators come to the same verdict, and a clone is cheap, so that a block is tried on one.
///
/// ```
/// use omniledger::ledger::Ledger;
///
/// /// Executes what of `transactions` holds, in order.
/// fn execute<L: Ledger>(ledger: &mut L, transactions: Vec<L::Transaction>) -> Vec<Result<(), L::Error>> {
///     let checks = ledger.check(transactions);
///     checks.results.into_iter().map(|checked| ledger.apply(&checked?)).collect()
/// }
/// ```
pub trait Ledger: Clone {
    /// What users send.
    type Transaction: Wire;
    /// A transaction that passed [`check`](Self::check), which alone makes one.
    type Checked;
    /// Why a transaction is refused.
    type Error: error::Error;

    /// Names a transaction: two that differ in what they do have different names.
    fn id(&self, transaction: &Self::Transaction) -> Hash;

    /// Checks all that needs no state, signatures above all, and many transactions at once.
    fn check(&self, transactions: Vec<Self::Transaction>) -> Checks<Self::Checked, Self::Error>;

    /// Executes the transaction wholly, or refuses it and is as before.
    fn apply(&mut self, transaction: &Self::Checked) -> Result<(), Self::Error>;

    /// The hash over the whole state.
    fn root(&self) -> Hash;
}

/// What [`Ledger::check`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks<C, E> {
    /// A verdict for each transaction, in the order given.
    pub results: Vec<Result<C, E>>,
    /// How many signatures were checked, each counted once.
    pub signatures: usize,
}
