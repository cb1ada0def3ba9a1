//! One session on its way.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use cosi::{machine::Time, wire::BoundedVec};

use super::{Config, Step, request};
use crate::{
    message::{Action, Message, Request},
    proof::{Proof, Shards},
    rules::Checked,
    verdict::Outcome,
};

/// What is known of one session.
#[derive(Clone, Debug)]
pub(super) struct Drive<I> {
    checked: Checked,
    inputs: BTreeSet<u16>,
    outputs: BTreeSet<u16>,
    since: Time,
    /// One verdict and one later word of each shard that the session names.
    said: BTreeMap<(u16, Outcome), Said<I>>,
    /// At most each shard that the session names.
    refused: BTreeSet<u16>,
}

#[derive(Clone, Debug)]
struct Said<I> {
    proof: Proof<I>,
    /// Whether the proof convinces the shards.
    fresh: bool,
}

/// How far a session is, and whose answer it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Input shards have not voted.
    Voting(BTreeSet<u16>),
    /// All have accepted, and output shards have not created.
    Committing(BTreeSet<u16>),
    /// One has rejected, and others have neither given back nor rejected.
    Aborting(BTreeSet<u16>),
}

impl Progress {
    /// Whose answer is waited for.
    pub(super) const fn open(&self) -> &BTreeSet<u16> {
        let (Self::Voting(open) | Self::Committing(open) | Self::Aborting(open)) = self;
        open
    }

    /// The stage, whoever is waited for.
    pub(super) const fn stage(&self) -> u8 {
        match self {
            Self::Voting(_) => 0,
            Self::Committing(_) => 1,
            Self::Aborting(_) => 2,
        }
    }
}

impl<I: Clone> Drive<I> {
    pub(super) fn new(checked: Checked, since: Time) -> Self {
        let (inputs, outputs) =
            (checked.declaration().input_shards(), checked.declaration().output_shards());
        let (said, refused) = (BTreeMap::new(), BTreeSet::new());
        Self { checked, inputs, outputs, since, said, refused }
    }

    pub(super) const fn checked(&self) -> &Checked {
        &self.checked
    }

    pub(super) fn proofs(&self) -> impl Iterator<Item = &Proof<I>> {
        self.said.values().map(|said| &said.proof)
    }

    fn has_said(&self, shard: u16, outcome: Outcome) -> bool {
        self.said.contains_key(&(shard, outcome))
    }

    pub(super) fn progress(&self) -> Progress {
        let without = |shards: &BTreeSet<u16>, outcomes: &[Outcome]| {
            let silent = |shard: &&u16| !outcomes.iter().any(|said| self.has_said(**shard, *said));
            shards.iter().filter(silent).copied().collect::<BTreeSet<_>>()
        };
        if self.inputs.iter().any(|shard| self.has_said(*shard, Outcome::Rejected)) {
            let over = [Outcome::GivenBack, Outcome::Rejected];
            return Progress::Aborting(without(&self.inputs, &over));
        }
        let silent = without(&self.inputs, &[Outcome::Accepted]);
        if silent.is_empty() {
            return Progress::Committing(without(&self.outputs, &[Outcome::Created]));
        }
        Progress::Voting(silent)
    }

    /// Whether a shard is known to hold inputs locked for the session, or to have held them.
    pub(super) fn has_lock(&self) -> bool {
        self.inputs.iter().any(|shard| self.has_said(*shard, Outcome::Accepted))
    }

    /// Whether this tells something: it is not known with a fresh proof, and the shard did not
    /// vote otherwise.
    pub(super) fn wants(&self, proof: &Proof<I>) -> bool {
        let Proof { shard, outcome, .. } = *proof;
        let other = match outcome {
            Outcome::Accepted | Outcome::GivenBack => Some(Outcome::Rejected),
            Outcome::Rejected => Some(Outcome::Accepted),
            Outcome::Created => None,
        };
        let contradicts = other.is_some_and(|other| self.has_said(shard, other));
        !contradicts && self.said.get(&(shard, outcome)).is_none_or(|said| !said.fresh)
    }

    /// Keeps a proof. Whether it takes the place of one.
    pub(super) fn learn(&mut self, proof: Proof<I>, fresh: bool) -> bool {
        let key = (proof.shard, proof.outcome);
        self.said.insert(key, Said { proof, fresh }).is_some()
    }

    /// Whether this shard's first refusal is news.
    pub(super) fn note_refusal(&mut self, shard: u16) -> bool {
        let is_party = self.inputs.contains(&shard) || self.outputs.contains(&shard);
        is_party && self.refused.insert(shard)
    }

    /// Finds out which proofs still convince, now that the shards have moved on.
    pub(super) fn review<S: Shards<Inclusion = I>>(&mut self, shards: &S) {
        for said in self.said.values_mut() {
            said.fresh = said.proof.verify(&self.checked, shards).is_ok();
        }
    }

    /// Asks all shards that are waited for, or those whose proofs are needed and too old.
    pub(super) fn ask<S: Shards<Inclusion = I>>(&self, config: &Config<S>, now: Time) -> Step<I> {
        let progress = self.progress();
        let impatient = now >= self.since.after(config.patience);
        let (mut step, mut old) = (Step::none(), BTreeSet::new());
        for shard in progress.open().iter().copied() {
            match self.action(&progress, shard, impatient) {
                Ok(action) => step = step.and(self.request(shard, action)),
                Err(other) => old.extend([other]),
            }
        }
        // To prove again what it said, a shard may have to be shown an acceptance.
        let unshown = old.iter().find_map(|shard| self.acceptance_for(*shard).err());
        old.extend(unshown);
        let again = old.into_iter().map(|shard| {
            let shown = self.acceptance_for(shard).unwrap_or_default();
            self.request(shard, Action::Initialize { shown })
        });
        again.fold(step, Step::and)
    }

    /// What to ask of a shard that is waited for, or whose proof is needed first.
    fn action(&self, progress: &Progress, shard: u16, impatient: bool) -> Result<Action<I>, u16> {
        match progress {
            Progress::Voting(_) if impatient => {
                Ok(Action::Initialize { shown: self.acceptance_for(shard)? })
            }
            Progress::Voting(_) => Ok(Action::Initialize { shown: None }),
            Progress::Committing(_) => self.commit(shard),
            Progress::Aborting(_) => self.abort(shard),
        }
    }

    fn request(&self, shard: u16, action: Action<I>) -> Step<I> {
        let transaction = self.checked.transaction().clone();
        request(shard, Message::Request(Request { transaction, action }))
    }

    /// A fresh acceptance of another shard, if another has accepted; or the shard to ask for one.
    fn acceptance_for(&self, shard: u16) -> Result<Option<Proof<I>>, u16> {
        self.of_others(shard, Outcome::Accepted).transpose()
    }

    /// Another shard's fresh proof, or one whose proof is too old.
    fn of_others(&self, shard: u16, outcome: Outcome) -> Option<Result<Proof<I>, u16>> {
        let others = self.inputs.iter().filter(|other| **other != shard);
        let said = others.filter(|other| self.has_said(**other, outcome));
        said.map(|other| self.fresh(*other, outcome)).reduce(Result::or)
    }

    /// The proof, or the shard to ask for another one.
    fn fresh(&self, shard: u16, outcome: Outcome) -> Result<Proof<I>, u16> {
        let said = self.said.get(&(shard, outcome)).filter(|said| said.fresh);
        said.map(|said| said.proof.clone()).ok_or(shard)
    }

    fn commit(&self, shard: u16) -> Result<Action<I>, u16> {
        let others = self.inputs.iter().filter(|other| **other != shard);
        let proofs = others.map(|other| self.fresh(*other, Outcome::Accepted));
        let proofs = proofs.collect::<Result<Vec<_>, _>>()?;
        // A well-formed transaction has no more input shards than that.
        Ok(Action::Commit { proofs: BoundedVec::new(proofs).unwrap_or_default() })
    }

    fn abort(&self, shard: u16) -> Result<Action<I>, u16> {
        let proof = self.of_others(shard, Outcome::Rejected).unwrap_or(Err(shard))?;
        Ok(Action::Abort { proof })
    }
}
