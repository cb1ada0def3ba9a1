//! What a shard's validators replicate: a state, and requests that change it.

use alloc::vec::Vec;
use core::error;

use atomix::{Action, Done, Malformed, Rosters, Rules, Sealed, ShardState, Transaction, Verdict};
use cosi::{merkle::tree::Hash, wire::Wire};

use crate::{decision::Decision, message::Request};

/// A replicated state machine: what requests are, when they hold, and what they change.
///
/// [`ShardState`], the unspent outputs of a shard and its part in transactions across shards, is
/// one; another chain brings its own. Duties of an implementation: every method is a function of
/// the state and its arguments alone, so that all validators come to the same verdict, and a
/// clone is cheap, so that a block is tried on one.
///
/// ```
/// use omniledger::ledger::Ledger;
///
/// /// What a block of these requests logs, and the state's root after it; or the first that fails.
/// fn execute<L: Ledger>(
///     parent: &L,
///     context: &L::Context,
///     (epoch, index): (u64, u64),
///     block: &[L::Checked],
/// ) -> Result<(Vec<L::Entry>, [u8; 32]), L::Error> {
///     let (mut state, mut log) = (parent.clone(), Vec::new());
///     state.begin_block(epoch, index)?;
///     for request in block {
///         log.extend(state.perform(context, request)?);
///     }
///     Ok((log, state.state_root()))
/// }
/// ```
pub trait Ledger: Clone {
    /// What is asked for.
    type Request: Wire;
    /// A request whose signatures hold.
    type Checked;
    /// What a request leaves in the block's payload.
    type Entry;
    /// What a request is judged by, beside the state: the same for all validators.
    type Context;
    /// Why a request is refused.
    type Error: error::Error;

    /// Begins the block at this index of the chain, in this epoch.
    fn begin_block(&mut self, epoch: u64, index: u64) -> Result<(), Self::Error>;

    /// Does what is asked, wholly, or refuses it and is as before. It refuses what is done.
    fn perform(
        &mut self,
        context: &Self::Context,
        request: &Self::Checked,
    ) -> Result<Vec<Self::Entry>, Self::Error>;

    /// The hash over the whole state.
    fn state_root(&self) -> Hash;
}

/// A request whose transaction is well-formed and signed by every owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The transaction.
    pub transaction: atomix::Checked,
    /// What to do with it.
    pub action: Action<Sealed<Decision>>,
}

impl Checked {
    /// The request.
    pub fn request(&self) -> Request {
        Request { transaction: self.transaction.transaction().clone(), action: self.action.clone() }
    }
}

/// Why a request changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Idle {
    /// The shard does nothing on it.
    #[error(transparent)]
    Refused(#[from] atomix::Refusal),
    /// The shard did it before.
    #[error("the shard did this before; ask it for its verdict")]
    Repeated,
    /// The block cannot follow.
    #[error(transparent)]
    Order(#[from] atomix::refusal::OutOfOrder),
}

impl Ledger for ShardState {
    type Request = Request;
    type Checked = Checked;
    type Entry = Verdict;
    type Context = Rosters<Decision>;
    type Error = Idle;

    fn begin_block(&mut self, epoch: u64, index: u64) -> Result<(), Idle> {
        Ok(self.begin(epoch, index)?)
    }

    /// A transaction that is this shard's alone is locked and created in one step.
    fn perform(
        &mut self,
        rosters: &Rosters<Decision>,
        request: &Checked,
    ) -> Result<Vec<Verdict>, Idle> {
        let Checked { transaction, action } = request;
        let done = match action {
            Action::Initialize { shown: None } if is_of_one(transaction, self.shard()) => {
                // What is locked already would be created, and then refused as repeated.
                if self.verdict(transaction).is_some() {
                    return Err(Idle::Repeated);
                }
                self.execute(transaction, rosters)?.to_vec()
            }
            Action::Initialize { .. } | Action::Commit { .. } | Action::Abort { .. } => {
                alloc::vec![self.apply(transaction, action, rosters)?]
            }
        };
        let new = done.into_iter().map(|done| match done {
            Done::New(verdict) => Ok(verdict),
            Done::Repeated(_) => Err(Idle::Repeated),
        });
        new.collect()
    }

    fn state_root(&self) -> Hash {
        self.root()
    }
}

/// Whether the transaction takes from this shard, gives to it, and touches no other.
pub fn is_of_one(transaction: &atomix::Checked, shard: u16) -> bool {
    let declaration = transaction.declaration();
    let parties = [declaration.input_shards(), declaration.output_shards()];
    parties.iter().all(|shards| shards.iter().eq([&shard]))
}

/// Checks the transactions that are not `known`, signatures in one batch. Returns the answers in
/// the order given, and how many signatures it took.
///
/// The same declaration with other signatures is another transaction.
pub(crate) fn check<'a>(
    rules: &Rules,
    transactions: impl IntoIterator<Item = Transaction>,
    known: impl Fn(&atomix::Session) -> Option<&'a atomix::Checked>,
) -> (Vec<Result<atomix::Checked, Malformed>>, usize) {
    let (mut answers, mut new) = (Vec::new(), Vec::new());
    for transaction in transactions {
        let found = known(&transaction.declaration.session(&rules.genesis()));
        let found = found.filter(|known| *known.transaction() == transaction).cloned();
        if found.is_none() {
            new.push(transaction);
        }
        answers.push(found);
    }
    let checks = rules.check(new);
    let mut results = checks.results.into_iter();
    let answers = answers.into_iter().filter_map(|known| known.map(Ok).or_else(|| results.next()));
    (answers.collect(), checks.signatures)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{Asks, INITIALIZE, Town};

    /// Whoever shows something with a payment within one shard has it locked and not created. A
    /// request that is refused afterwards must leave no trace: a leader that drafts a block would
    /// commit to a state that no other validator comes to.
    #[test]
    fn what_is_refused_changes_nothing() {
        let mut town = Town::new(2, &[0, 1]);
        let elsewhere = town.pay((0, 100), &[town.coin(1)], 1);
        let asked = town.asks(&elsewhere, INITIALIZE);
        town.decide(1, &[asked]);
        let shown = Some(town.word(1, &elsewhere, crate::message::Want::Verdict));

        let pay = town.pay((1, 100), &[town.coin(0)], 0);
        let asked = town.asks(&pay, Asks::Initialize { shown });
        town.decide(0, &[asked]);
        let mut state = town.chains[0].state().clone();
        state.begin_block(0, 2).unwrap();
        let before = state.clone();
        let again = town.asks(&pay, INITIALIZE);
        assert_eq!(state.perform(&town.rosters, &again), Err(Idle::Repeated));
        assert_eq!(state.root(), before.root());

        // The outputs are created by a commit.
        let commit = town.asks(&pay, Asks::Commit { proofs: Default::default() });
        assert_eq!(state.perform(&town.rosters, &commit).map(|said| said.len()), Ok(1));
    }
}
