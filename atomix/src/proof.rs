//! Proofs that a shard said something on a session.

use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::wire::Wire;
use skipchain::ChainId;

use crate::{
    rules::Checked,
    verdict::{Outcome, Verdict},
};

/// What is known of the shards, to whoever judges their proofs.
///
/// [`Rosters`](crate::Rosters) and [`Seen`](crate::Seen) are for shards that are skipchains.
///
/// **Duties of an implementation**: [`holds`](Self::holds) is a function of what all validators
/// of a shard agree on, since proofs stand in blocks. It accepts nothing but what the shard
/// decided under **the roster of the current or the previous epoch**: keys of older rosters are
/// worth nothing, and whoever has them would mint. An older verdict is proved anew, from the
/// state under a fresh block.
pub trait Shards {
    /// How a shard shows that a verdict is in its log or its state.
    type Inclusion: Wire + Clone + Eq + fmt::Debug;

    /// The skipchain of a shard.
    fn chain(&self, shard: u16) -> Option<ChainId>;

    /// Does the costly part of judging what is said to be this shard's word, once for all
    /// verdicts of a block, and remembers what it found. By default it does nothing.
    ///
    /// **Duty of an implementation**: [`holds`](Self::holds) answers alike with and without it.
    fn learn(&mut self, _shard: u16, _inclusion: &Self::Inclusion) {}

    /// Whether the verdict's shard decided it.
    fn holds(&self, verdict: &Verdict, inclusion: &Self::Inclusion) -> Result<(), ProofError>;
}

/// Proves what became of a session in one shard, to who has the transaction.
///
/// Carries what does not follow from the transaction, so it has nothing to lie about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proof<I> {
    /// The shard.
    pub shard: u16,
    /// What became of the session there.
    pub outcome: Outcome,
    /// The skipchain index of the block that decided it.
    pub height: u64,
    /// That it did.
    pub inclusion: I,
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The shard has no say of this kind on the session.
    #[error("the shard has no such say on this session; ask one that has")]
    NotParty,
    /// No such shard is known, or no such block of it.
    #[error("the shard or its block is not known here; catch up, or ask for another proof")]
    Unknown,
    /// It was not decided under the roster of the current or the previous epoch. This is also
    /// how forged signatures fall.
    #[error("no current or previous roster of the shard decided this; ask for a fresh proof")]
    Roster,
    /// The verdict does not stand where it is said to stand.
    #[error("the verdict is not in the shard's log or state; drop the prover")]
    Absent,
}

impl<I> Proof<I> {
    /// Proves this verdict.
    pub const fn new(verdict: &Verdict, inclusion: I) -> Self {
        let Verdict { shard, outcome, height, .. } = verdict;
        Self { shard: *shard, outcome: *outcome, height: *height, inclusion }
    }

    /// What is proved of this transaction, which decides all that the proof does not carry.
    pub fn verify<S: Shards<Inclusion = I>>(
        &self,
        checked: &Checked,
        shards: &S,
    ) -> Result<Verdict, ProofError> {
        let declaration = checked.declaration();
        let parties = if self.outcome.is_of_inputs() {
            declaration.input_shards()
        } else {
            declaration.output_shards()
        };
        if !parties.contains(&self.shard) {
            return Err(ProofError::NotParty);
        }
        let chain = shards.chain(self.shard).ok_or(ProofError::Unknown)?;
        let verdict = Verdict::new(chain, self.shard, checked, self.outcome, self.height);
        shards.holds(&verdict, &self.inclusion)?;
        Ok(verdict)
    }
}
