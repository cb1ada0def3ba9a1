//! A shard's chain, as a validator keeps it: the state, the blocks and where each verdict stands.

use alloc::{collections::BTreeMap, vec::Vec};

use atomix::{
    Action, Checked as Known, Input, Outcome, Outpoint, Place, Rosters, Sealed, Session,
    ShardState, Verdict,
};
use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{merkle::tree::Tree, wire::BoundedVec};
use skipchain::{Header, Timeline};

use crate::{
    decision::Decision,
    epoch::{EPOCH, ShardInfo},
    genesis::{Genesis, GenesisError, MAX_REQUESTS},
    ledger::{Checked, Idle, Ledger},
    message::{Proof, Request, Want},
    pool::Refusal,
};

/// A block's body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// The requests, in the order of their execution.
    pub requests: BoundedVec<Request, MAX_REQUESTS>,
}

/// Why a block cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBlock {
    #[error("the body is no list of requests")]
    Malformed,
    #[error("the block has more requests than the genesis allows")]
    Size,
    #[error("the transaction at {0} is malformed: {1}")]
    Transaction(usize, atomix::Malformed),
    #[error("the request at {0} is refused: {1}")]
    Request(usize, Idle),
    #[error("the header is not the one that follows from the parent and the body")]
    Header,
}

/// What a block comes to.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) header: Header,
    pub(crate) block: Vec<Checked>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) after: ShardState,
}

/// A block that is being made.
pub(crate) struct Draft {
    block: Vec<Checked>,
    verdicts: Vec<Verdict>,
    after: ShardState,
}

impl Draft {
    /// Adds a request, or refuses it and is as before.
    pub(crate) fn add(
        &mut self,
        rosters: &Rosters<Decision>,
        request: &Checked,
    ) -> Result<(), Idle> {
        self.verdicts.extend(self.after.perform(rosters, request)?);
        self.block.push(request.clone());
        Ok(())
    }

    pub(crate) const fn len(&self) -> usize {
        self.block.len()
    }

    pub(crate) fn into_requests(self) -> Vec<Checked> {
        self.block
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    timeline: Timeline<Decision>,
    state: ShardState,
    /// The tree over each block's entries, from block 1 on.
    entries: Vec<Tree>,
    /// The block and the position of each verdict.
    places: BTreeMap<(Session, Outcome), (u64, u64)>,
    /// The last version of each output that was locked, by its name: who spends that one, or one
    /// before it, is refused for good.
    taken: BTreeMap<[u8; 32], u32>,
    /// Transactions that the shard has accepted and is to create outputs of: their signatures
    /// need not be checked again. At most [`MAX_OPEN`].
    open: BTreeMap<Session, Known>,
}

/// How many accepted transactions are kept to save checking them again.
const MAX_OPEN: usize = 1 << 14;

impl Chain {
    pub(crate) fn new(genesis: &Genesis, shard: &ShardInfo) -> Result<Self, GenesisError> {
        Ok(Self {
            timeline: Timeline::new(shard.header(genesis)).map_err(|_| GenesisError::Chain)?,
            state: shard.state(genesis),
            entries: Vec::new(),
            places: BTreeMap::new(),
            taken: BTreeMap::new(),
            open: BTreeMap::new(),
        })
    }

    pub(crate) const fn timeline(&self) -> &Timeline<Decision> {
        &self.timeline
    }

    pub(crate) const fn tip(&self) -> &Header {
        self.timeline.tip()
    }

    pub(crate) const fn state(&self) -> &ShardState {
        &self.state
    }

    /// A transaction whose signatures were checked.
    pub(crate) fn known(&self, session: &Session) -> Option<&Known> {
        self.open.get(session)
    }

    /// Whether the shard did what such a request asks for.
    pub(crate) fn has_done(&self, session: Session, want: Want) -> bool {
        outcomes(want).iter().any(|outcome| self.places.contains_key(&(session, *outcome)))
    }

    /// The next block, without requests.
    pub(crate) fn draft(&self) -> Option<Draft> {
        let mut after = self.state.clone();
        after.begin_block(EPOCH, self.tip().index.checked_add(1)?).ok()?;
        Some(Draft { block: Vec::new(), verdicts: Vec::new(), after })
    }

    /// What the draft comes to.
    pub(crate) fn next(&self, draft: Draft) -> Executed {
        let Draft { block, verdicts, after } = draft;
        let payload = entries(&verdicts).root();
        let header = self.timeline.next(self.tip().roster, payload, Some(after.root()));
        Executed { header, block, verdicts, after }
    }

    /// Executes checked requests in order, all or none.
    pub(crate) fn execute(
        &self,
        rosters: &Rosters<Decision>,
        block: &[Checked],
    ) -> Result<Executed, BadBlock> {
        let mut draft = self.draft().ok_or(BadBlock::Header)?;
        for (at, request) in block.iter().enumerate() {
            draft.add(rosters, request).map_err(|idle| BadBlock::Request(at, idle))?;
        }
        Ok(self.next(draft))
    }

    /// Appends what was decided.
    pub(crate) fn append(&mut self, executed: &Executed, decision: Decision) -> Option<u64> {
        let Executed { header, block, verdicts, after } = executed;
        self.timeline.append(header, decision).ok()?;
        for (at, verdict) in (0..).zip(verdicts) {
            self.places.insert((verdict.session, verdict.outcome), (header.index, at));
            if verdict.outcome == Outcome::Accepted {
                let taken = verdict.outpoints.iter().map(|taken| (taken.id, taken.version));
                self.taken.extend(taken);
            }
        }
        self.remember(block);
        self.entries.push(entries(verdicts));
        self.state = after.clone();
        Some(header.index)
    }

    /// Keeps the transactions that the shard will see again, and lets those go that are over.
    fn remember(&mut self, block: &[Checked]) {
        for Checked { transaction, .. } in block {
            let session = transaction.session();
            let has = |outcome| self.places.contains_key(&(session, outcome));
            let creates = transaction.declaration().output_shards().contains(&self.state.shard());
            let over = has(Outcome::Created) || has(Outcome::GivenBack) || has(Outcome::Rejected);
            if over || !creates {
                self.open.remove(&session);
            } else if self.open.len() < MAX_OPEN {
                self.open.insert(session, transaction.clone());
            }
        }
    }

    /// Why the request cannot be executed after the last block. `None`: it can.
    pub(crate) fn blocker(
        &self,
        rosters: &Rosters<Decision>,
        request: &Checked,
    ) -> Option<Blocker> {
        let refusal = match self.draft()?.add(rosters, request) {
            Ok(()) => return None,
            Err(Idle::Repeated) => return Some(Blocker::Done),
            Err(Idle::Refused(refusal)) => refusal,
            Err(Idle::Order(_)) => return Some(Blocker::Invalid),
        };
        Some(match refusal {
            atomix::Refusal::UnknownOutpoint { .. } | atomix::Refusal::WrongDeclaration { .. } => {
                Blocker::Refused(self.unspendable(request))
            }
            atomix::Refusal::Closed => Blocker::Refused(Refusal::Closed),
            atomix::Refusal::LaterEpoch { .. } => Blocker::Refused(Refusal::Missing),
            atomix::Refusal::Proofs if self.lacks_own_word(request) => {
                Blocker::Refused(Refusal::Missing)
            }
            atomix::Refusal::OtherRules
            | atomix::Refusal::NotParty
            | atomix::Refusal::Proofs
            | atomix::Refusal::Proof { .. }
            | _ => Blocker::Invalid,
        })
    }

    /// Whether the request lacks nothing but the shard's own acceptance, which may still be on its
    /// way to this validator.
    fn lacks_own_word(&self, request: &Checked) -> bool {
        let Action::Commit { proofs } = &request.action else { return false };
        let mut inputs = request.transaction.declaration().input_shards();
        inputs.remove(&self.state.shard()) && proofs.iter().map(|proof| proof.shard).eq(inputs)
    }

    /// Why an input of the request cannot be spent: what holds at every later block, if anything
    /// does. An output's value and owner never change, and its version only grows, so a version
    /// that this validator has not come to may yet be there.
    fn unspendable(&self, request: &Checked) -> Refusal {
        let own = request.transaction.declaration().inputs_of(self.state.shard());
        let reason = |input: &Input| {
            let Outpoint { id, version, .. } = &input.outpoint;
            let taken = self.taken.get(id);
            let is_wrong = matches!(
                self.state.spendable(input),
                Err(atomix::Refusal::WrongDeclaration { .. })
            );
            if taken.is_some_and(|taken| taken >= version) {
                Refusal::Spent
            } else if is_wrong && *version == taken.map_or(0, |taken| taken.saturating_add(1)) {
                Refusal::Misdeclared
            } else {
                Refusal::Missing
            }
        };
        // The final reasons come first.
        own.map(reason).min().unwrap_or(Refusal::Missing)
    }

    /// What the shard said on a session, as far as it is asked.
    pub(crate) fn find(&self, session: Session, want: Want) -> Vec<Proof> {
        let outcomes = outcomes(want).iter();
        outcomes.filter_map(|outcome| self.prove(session, *outcome)).collect()
    }

    fn prove(&self, session: Session, outcome: Outcome) -> Option<Proof> {
        let (index, position) = *self.places.get(&(session, outcome))?;
        let before = index.checked_sub(1)?;
        let path = self.entries.get(usize::try_from(before).ok()?)?.path(position)?;
        let sealed = Sealed {
            header: self.timeline.header(index)?.clone(),
            from: self.timeline.id(before)?,
            back: self.timeline.back_links(index)?.open(0)?,
            attestation: self.timeline.attestation(index)?.clone(),
            place: Place::Logged(path),
        };
        Some(Proof { shard: self.state.shard(), outcome, height: index, inclusion: sealed })
    }
}

/// Why a request cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocker {
    /// It was.
    Done,
    /// For a reason that its owner is told.
    Refused(Refusal),
    /// It never can, whatever the state.
    Invalid,
}

/// What answers a question, the later ones first.
const fn outcomes(want: Want) -> &'static [Outcome] {
    match want {
        Want::Verdict => &[Outcome::Created, Outcome::Accepted, Outcome::Rejected],
        Want::Creation => &[Outcome::Created],
        Want::Return => &[Outcome::GivenBack, Outcome::Rejected],
    }
}

/// The tree over a block's entries.
pub(crate) fn entries(verdicts: &[Verdict]) -> Tree {
    let of = u64::try_from(verdicts.len()).unwrap_or(u64::MAX);
    Tree::new((0..).zip(verdicts).map(|(at, verdict)| verdict.entry(at, of)))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{Asks, INITIALIZE, Town};

    /// A coin that was given back is not as an earlier block had it. A validator that is behind
    /// has the earlier one, and must not call the spender of the later one wrong for good: with f
    /// liars it would make a wallet give up what the others commit.
    #[test]
    fn a_validator_behind_refuses_nothing_for_good() {
        let mut town = Town::new(2, &[0, 1]);
        let behind = town.chains[0].clone();
        let (here, there) = (town.coin(0), town.coin(1));
        let torn = town.pay((0, 1), &[here, there], 0);
        let ask = town.asks(&torn, INITIALIZE);
        town.decide(0, core::slice::from_ref(&ask));
        town.decide(1, &[]);
        town.decide(1, &[ask]); // its deadline is over there: rejected
        let proof = town.word(1, &torn, Want::Verdict);
        let abort = town.asks(&torn, Action::Abort { proof });
        let half = town.chains[0].clone();
        town.decide(0, &[abort]);

        let back = here.given_back().unwrap();
        let spend = town.asks(&town.pay((1, 100), &[back], 0), INITIALIZE);
        let blocker = |chain: &Chain| chain.blocker(&town.rosters, &spend);
        assert_eq!(blocker(&town.chains[0]), None);
        assert_eq!(blocker(&half), Some(Blocker::Refused(Refusal::Missing)));
        assert_eq!(blocker(&behind), Some(Blocker::Refused(Refusal::Missing)));

        // What is wrong at every height is refused for good.
        let forged = Input { value: 101, ..back };
        let forged = town.asks(&town.pay((2, 100), &[forged], 0), INITIALIZE);
        let refusal = |request| town.chains[0].blocker(&town.rosters, request);
        assert_eq!(refusal(&forged), Some(Blocker::Refused(Refusal::Misdeclared)));
        let late = town.asks(&town.pay((3, 100), &[here], 0), INITIALIZE);
        assert_eq!(refusal(&late), Some(Blocker::Refused(Refusal::Spent)));
    }

    /// A commit with too few words never can be done, so it takes no place among what waits.
    #[test]
    fn a_commit_waits_for_the_own_word_alone() {
        let mut town = Town::new(2, &[0, 1]);
        let pay = town.pay((0, 100), &[town.coin(0), town.coin(1)], 0);
        let ask = town.asks(&pay, INITIALIZE);
        town.decide(1, core::slice::from_ref(&ask));
        let word = town.word(1, &pay, Want::Verdict);
        let commit = |words: &[Proof]| {
            let proofs = BoundedVec::new(words.to_vec()).unwrap();
            town.asks(&pay, Asks::Commit { proofs })
        };
        let (few, right) = (commit(&[]), commit(core::slice::from_ref(&word)));
        let many = commit(&[word.clone(), word]);
        let blocker = |town: &Town, request| town.chains[0].blocker(&town.rosters, request);
        assert_eq!(blocker(&town, &right), Some(Blocker::Refused(Refusal::Missing)));
        assert_eq!(blocker(&town, &few), Some(Blocker::Invalid));
        assert_eq!(blocker(&town, &many), Some(Blocker::Invalid));
        town.decide(0, &[ask]);
        assert_eq!(blocker(&town, &right), None);
        assert_eq!(blocker(&town, &few), Some(Blocker::Invalid));
    }
}
