//! The ledger's books, kept over what the shards said and nothing that they computed.
//!
//! Every output lives in one shard, so its shard's log has all that happens to it in order. What
//! shards say of the same session has no common order: that is compared at the end.

use std::collections::{BTreeMap, BTreeSet};

use omniledger::{
    Session,
    atomix::{Declaration, Input, Outcome, Outpoint, ShardState, Verdict},
};

use super::Audit;

/// What does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) check: &'static str,
    pub(super) why: String,
}

impl Flaw {
    fn new(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, why: why.into() }
    }
}

/// A session, and what was said of it by which shard.
struct Dossier<'a> {
    declaration: &'a Declaration,
    said: BTreeSet<(u16, Outcome)>,
}

pub(super) struct Books<'a> {
    granted: u128,
    unspent: BTreeMap<Outpoint, Input>,
    /// By which session each output was locked.
    taken: BTreeMap<Outpoint, Session>,
    sessions: BTreeMap<Session, Dossier<'a>>,
}

/// What the books come to.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) audit: Audit,
    /// The committed sessions, with what makes them so.
    pub(super) committed: BTreeMap<Session, BTreeSet<(u16, Outcome)>>,
}

impl<'a> Books<'a> {
    /// Books of these grants.
    pub(super) fn open(granted: impl Iterator<Item = Input>) -> Self {
        let unspent: BTreeMap<_, _> = granted.map(|grant| (grant.outpoint, grant)).collect();
        let granted = sum(unspent.values().map(|grant| grant.value));
        Self { granted, unspent, taken: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    /// Says what a session is about.
    pub(super) fn declare(&mut self, session: Session, declaration: &'a Declaration) {
        self.sessions.entry(session).or_insert(Dossier { declaration, said: BTreeSet::new() });
    }

    /// Enters what a shard said, after what it said before.
    pub(super) fn enter(&mut self, verdict: &Verdict) -> Result<(), Flaw> {
        let Verdict { shard, session, outcome, outpoints, .. } = verdict;
        let dossier = self.sessions.get_mut(session);
        let dossier = dossier.ok_or_else(|| {
            Flaw::new("session", format!("{session} is of no transaction in the blocks"))
        })?;
        let moved = dossier.moved(*session, *shard, *outcome);
        if moved.is_empty() || !moved.iter().map(|moved| &moved.outpoint).eq(outpoints.iter()) {
            let why = format!("{session} has other {} outpoints in shard {shard}", outcome.name());
            return Err(Flaw::new("outpoints", why));
        }
        dossier.say(*session, *shard, *outcome)?;
        match outcome {
            Outcome::Accepted => moved.iter().try_for_each(|input| self.take(*session, input)),
            Outcome::Rejected => Ok(()),
            Outcome::GivenBack | Outcome::Created => {
                self.unspent.extend(moved.into_iter().map(|output| (output.outpoint, output)));
                Ok(())
            }
        }
    }

    /// Locks an input, which must be there as the session declares it.
    fn take(&mut self, session: Session, input: &Input) -> Result<(), Flaw> {
        let Outpoint { shard, version, .. } = input.outpoint;
        match (self.unspent.remove(&input.outpoint), self.taken.get(&input.outpoint)) {
            (Some(found), _) if found == *input => {
                self.taken.insert(input.outpoint, session);
                Ok(())
            }
            (Some(_), _) => {
                let why = format!("{session} declares an input of another value or owner");
                Err(Flaw::new("declaration", why))
            }
            (None, Some(other)) => {
                let why = format!("{session} and {other} both take an output, version {version}");
                Err(Flaw::new("double spend", why))
            }
            (None, None) => {
                let why = format!("{session} takes what shard {shard} never had");
                Err(Flaw::new("existence", why))
            }
        }
    }

    /// Compares what is unspent in a shard with the shard's state.
    pub(super) fn compare(&self, state: &ShardState) -> Result<(), Flaw> {
        let own = self.unspent.values().filter(|output| output.outpoint.shard == state.shard());
        let (mut count, mut same) = (0, true);
        for output in own {
            count = u64::saturating_add(count, 1);
            same &= state.unspent().get(&output.outpoint.id) == Some(&output.leaf());
        }
        let kept = state.unspent().len();
        if same && u64::try_from(kept).is_ok_and(|kept| kept == count) {
            return Ok(());
        }
        let why = format!("{count} outputs should be unspent, and the state has {kept}, or others");
        Err(Flaw::new("unspent", why))
    }

    /// Compares what the shards said of each session, and all values.
    pub(super) fn close(self) -> Result<Closed, Flaw> {
        let mut audit = Audit::default();
        let (mut committed, mut locked) = (BTreeMap::new(), 0_u128);
        for (session, dossier) in &self.sessions {
            let end = dossier.end(*session)?;
            audit.aborted = audit.aborted.saturating_add(end.rejected.into());
            audit.given_back = audit.given_back.saturating_add(end.given_back);
            audit.locks_left = audit.locks_left.saturating_add(end.is_locked.into());
            locked = locked.saturating_add(end.locked);
            if let Some(by) = end.committed {
                audit.committed = audit.committed.saturating_add(1);
                audit.cross_shard = audit.cross_shard.saturating_add(end.crosses.into());
                audit.value_in = audit.value_in.saturating_add(end.value_in);
                audit.value_out = audit.value_out.saturating_add(end.value_out);
                committed.insert(*session, by);
            }
        }
        audit.unspent = self.unspent.len();
        audit.value_unspent = sum(self.unspent.values().map(|output| output.value));
        let burnt = audit.value_in.saturating_sub(audit.value_out);
        let left = audit.value_unspent.saturating_add(locked).saturating_add(burnt);
        if left != self.granted {
            let why =
                format!("{} were granted, and {left} are unspent, locked or burnt", self.granted);
            return Err(Flaw::new("conservation", why));
        }
        Ok(Closed { audit, committed })
    }
}

/// How a session stands at the end.
struct End {
    /// What makes it committed: creation in every output shard, or without outputs acceptance in
    /// every input shard.
    committed: Option<BTreeSet<(u16, Outcome)>>,
    rejected: bool,
    given_back: usize,
    is_locked: bool,
    /// What is neither given back nor created yet.
    locked: u128,
    crosses: bool,
    value_in: u128,
    value_out: u128,
}

impl Dossier<'_> {
    /// What the shard's word is about.
    fn moved(&self, session: Session, shard: u16, outcome: Outcome) -> Vec<Input> {
        let inputs = self.declaration.inputs.iter().filter(|input| input.outpoint.shard == shard);
        match outcome {
            Outcome::Accepted | Outcome::Rejected => inputs.copied().collect(),
            Outcome::GivenBack => inputs.filter_map(next_version).collect(),
            Outcome::Created => {
                let created = (0..).zip(self.declaration.outputs.iter());
                let own = created.filter(|(_, output)| output.shard == shard);
                let named = own.map(|(position, output)| Input {
                    outpoint: Outpoint { shard, id: session.outpoint(position), version: 0 },
                    value: output.value,
                    owner: output.owner,
                });
                named.collect()
            }
        }
    }

    /// Notes what a shard says, unless it said otherwise. A shard may reject a session again,
    /// whose time is over.
    fn say(&mut self, session: Session, shard: u16, outcome: Outcome) -> Result<(), Flaw> {
        let said = |outcome| self.said.contains(&(shard, outcome));
        let contradicts = match outcome {
            Outcome::Accepted => said(Outcome::Rejected),
            Outcome::Rejected => said(Outcome::Accepted),
            Outcome::GivenBack => !said(Outcome::Accepted),
            Outcome::Created => false,
        };
        let again = said(outcome) && outcome != Outcome::Rejected;
        if contradicts || again {
            let why =
                format!("shard {shard} says of {session} {} against its word", outcome.name());
            return Err(Flaw::new("contradiction", why));
        }
        self.said.insert((shard, outcome));
        Ok(())
    }

    /// The shards that said this.
    fn shards(&self, wanted: Outcome) -> BTreeSet<u16> {
        let said = self.said.iter().filter(|(_, outcome)| *outcome == wanted);
        said.map(|(shard, _)| *shard).collect()
    }

    fn end(&self, session: Session) -> Result<End, Flaw> {
        let Declaration { inputs, outputs, .. } = self.declaration;
        let sources: BTreeSet<_> = inputs.iter().map(|input| input.outpoint.shard).collect();
        let targets: BTreeSet<_> = outputs.iter().map(|output| output.shard).collect();
        let [accepted, rejected, back, created] =
            [Outcome::Accepted, Outcome::Rejected, Outcome::GivenBack, Outcome::Created]
                .map(|outcome| self.shards(outcome));
        // No shard says both accepted and rejected, so none rejected it.
        let all_hold = accepted == sources && back.is_empty();
        if !created.is_empty() && !all_hold {
            let why = format!("{session} was created, and not every input shard gave its inputs");
            return Err(Flaw::new("commit", why));
        }
        if !back.is_empty() && rejected.is_empty() {
            return Err(Flaw::new(
                "abort",
                format!("{session} was given back, and none rejected it"),
            ));
        }
        let value_in = sum(inputs.iter().map(|input| input.value));
        let value_out = sum(outputs.iter().map(|output| output.value));
        if value_in < value_out {
            let why = format!("{session} makes {value_out} of {value_in}");
            return Err(Flaw::new("inflation", why));
        }
        let is_committed = all_hold && created == targets;
        let is_locked = !is_committed && accepted != back;
        let held = inputs.iter().filter(|input| {
            let shard = input.outpoint.shard;
            accepted.contains(&shard) && !back.contains(&shard)
        });
        let made = outputs.iter().filter(|output| created.contains(&output.shard));
        let held = sum(held.map(|input| input.value));
        let pending = held.saturating_sub(sum(made.map(|output| output.value)));
        let deciding = if targets.is_empty() { Outcome::Accepted } else { Outcome::Created };
        let by = self.said.iter().filter(|(_, outcome)| *outcome == deciding).copied().collect();
        Ok(End {
            committed: is_committed.then_some(by),
            rejected: !rejected.is_empty(),
            given_back: back.len(),
            is_locked,
            locked: if is_locked { pending } else { 0 },
            crosses: sources.union(&targets).nth(1).is_some(),
            value_in,
            value_out,
        })
    }
}

/// The same output, one version later.
fn next_version(input: &Input) -> Option<Input> {
    let version = input.outpoint.version.checked_add(1)?;
    Some(Input { outpoint: Outpoint { version, ..input.outpoint }, ..*input })
}

fn sum(values: impl Iterator<Item = u64>) -> u128 {
    values.map(u128::from).sum()
}

#[cfg(test)]
mod tests;
