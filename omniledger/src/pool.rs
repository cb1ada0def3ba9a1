//! Transactions that wait to be committed.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::wire::Wire;

use crate::{
    ledger::Ledger,
    transaction::{Checked, Input, Rejection, Session},
    utxo::Utxo,
};

/// How much waits, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most bytes of waiting transactions. Beyond: the newcomer is dropped.
    pub bytes: usize,
    /// After how many blocks a transaction whose inputs have not appeared is refused.
    pub patience: u64,
    /// How many refusals are remembered, the latest ones.
    pub refusals: usize,
}

impl Default for PoolLimits {
    /// 64 MiB, 64 blocks and 4,096 refusals.
    fn default() -> Self {
        Self { bytes: 64 << 20, patience: 64, refusals: 4096 }
    }
}

/// Why a validator has given a transaction up.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Refusal {
    /// Another transaction has spent one of its inputs.
    Spent,
    /// One of its inputs has not appeared for many blocks.
    Missing,
    /// An output that it spends is not as it declares.
    Misdeclared,
}

impl Refusal {
    /// The reason in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spent => "spent",
            Self::Missing => "missing",
            Self::Misdeclared => "misdeclared",
        }
    }
}

/// Checked transactions in the order of their arrival. Bounded by [`PoolLimits`].
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    limits: PoolLimits,
    clock: u64,
    bytes: usize,
    /// By arrival: at most `limits.bytes` of transactions.
    waiting: BTreeMap<u64, Waiting>,
    arrivals: BTreeMap<Session, u64>,
    /// At most `limits.refusals`.
    refused: BTreeMap<Session, (u64, Refusal)>,
}

#[derive(Clone, Debug)]
struct Waiting {
    checked: Checked,
    size: usize,
    /// The height at which it arrived.
    since: u64,
}

/// What a block may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        let (waiting, arrivals, refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { limits, clock: 0, bytes: 0, waiting, arrivals, refused }
    }

    pub(crate) fn get(&self, session: &Session) -> Option<&Checked> {
        let waiting = self.waiting.get(self.arrivals.get(session)?)?;
        Some(&waiting.checked)
    }

    pub(crate) fn refusal(&self, session: &Session) -> Option<Refusal> {
        self.refused.get(session).map(|(_, refusal)| *refusal)
    }

    pub(crate) fn transactions(&self) -> impl Iterator<Item = &Checked> {
        self.waiting.values().map(|waiting| &waiting.checked)
    }

    /// Takes in a transaction. Drops it when there is no room.
    pub(crate) fn add(&mut self, checked: Checked, height: u64) {
        let (session, size) = (checked.session(), checked.transaction().encode().len());
        let bytes = self.bytes.saturating_add(size);
        if self.arrivals.contains_key(&session) || bytes > self.limits.bytes {
            return;
        }
        self.bytes = bytes;
        let arrival = self.tick();
        self.arrivals.insert(session, arrival);
        self.waiting.insert(arrival, Waiting { checked, size, since: height });
    }

    /// Whether some transaction could be executed on `state` now.
    pub(crate) fn is_ready(&self, state: &Utxo) -> bool {
        self.transactions().any(|checked| blocker(checked, state).is_none())
    }

    /// The next block's transactions: what can be executed, in the order of arrival, as far as
    /// there is room. Also returns the state after them.
    pub(crate) fn build(&self, state: &Utxo, room: Room) -> (Vec<Checked>, Utxo) {
        let (mut block, mut after, mut bytes) = (Vec::new(), state.clone(), 0usize);
        for Waiting { checked, size, .. } in self.waiting.values() {
            let with = bytes.saturating_add(*size);
            if block.len() >= room.transactions {
                break;
            }
            if with <= room.bytes && after.apply(checked).is_ok() {
                block.push(checked.clone());
                bytes = with;
            }
        }
        (block, after)
    }

    /// Lets go of what a block at `height` committed, and of what can no longer be: returns
    /// that. An input that is not there may yet appear, so it is waited for.
    pub(crate) fn settle(
        &mut self,
        block: &[Checked],
        state: &Utxo,
        height: u64,
    ) -> Vec<(Session, Refusal)> {
        let spent = block.iter().flat_map(|checked| inputs(checked).map(|input| input.outpoint.id));
        let spent: BTreeSet<_> = spent.collect();
        for checked in block {
            self.take(&checked.session());
        }
        let patience = self.limits.patience;
        let dead = self.waiting.values().filter_map(|Waiting { checked, since, .. }| {
            let taken = inputs(checked).any(|input| spent.contains(&input.outpoint.id));
            let refusal = if taken { Refusal::Spent } else { blocker(checked, state)? };
            let waits = height.saturating_sub(*since) < patience;
            if refusal == Refusal::Missing && waits {
                return None;
            }
            Some((checked.session(), refusal))
        });
        let dead: Vec<_> = dead.collect();
        for (session, refusal) in &dead {
            self.take(session);
            self.remember(*session, *refusal);
        }
        dead
    }

    fn take(&mut self, session: &Session) {
        let arrival = self.arrivals.remove(session);
        if let Some(waiting) = arrival.and_then(|arrival| self.waiting.remove(&arrival)) {
            self.bytes = self.bytes.saturating_sub(waiting.size);
        }
    }

    fn remember(&mut self, session: Session, refusal: Refusal) {
        let at = self.tick();
        self.refused.insert(session, (at, refusal));
        if self.refused.len() > self.limits.refusals {
            let oldest = self.refused.iter().min_by_key(|(_, (at, _))| *at);
            if let Some(session) = oldest.map(|(session, _)| *session) {
                self.refused.remove(&session);
            }
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }
}

fn inputs(checked: &Checked) -> impl Iterator<Item = &Input> {
    checked.transaction().declaration.inputs.iter()
}

/// Why the transaction cannot be executed on this state.
fn blocker(checked: &Checked, state: &Utxo) -> Option<Refusal> {
    let error = inputs(checked).find_map(|input| state.spendable(input).err())?;
    let missing = matches!(error, Rejection::UnknownOutpoint { .. });
    Some(if missing { Refusal::Missing } else { Refusal::Misdeclared })
}
