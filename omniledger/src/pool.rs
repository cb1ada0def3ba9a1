//! Transactions that wait to be committed.

use alloc::{collections::BTreeMap, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::wire::Wire;

use crate::{
    chain::Chain,
    ledger::Ledger,
    transaction::{Checked, Session},
    utxo::Utxo,
};

/// How much waits, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most bytes of waiting transactions; half of them, of those whose inputs are not there
    /// yet, so that inputs which never come keep nobody else out. Beyond: the newcomer is dropped.
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
    /// An output that it spends is not as it declares.
    Misdeclared,
    /// One of its inputs has not appeared for many blocks. It may yet.
    Missing,
}

impl Refusal {
    /// Whether the transaction can never be committed any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Missing)
    }

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
    /// Of these bytes, those of transactions whose inputs are not all there.
    unready: usize,
    /// By arrival: at most `limits.bytes` of transactions.
    waiting: BTreeMap<u64, Waiting>,
    arrivals: BTreeMap<Session, u64>,
    /// At most `limits.refusals`.
    refused: BTreeMap<Session, (u64, Refusal)>,
    /// The refused ones, the longest ago first.
    order: BTreeMap<u64, Session>,
}

#[derive(Clone, Debug)]
struct Waiting {
    checked: Checked,
    size: usize,
    /// The last block when it arrived.
    since: u64,
    /// Whether it could be executed after the last block.
    ready: bool,
}

/// What a block may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            clock: 0,
            bytes: 0,
            unready: 0,
            waiting: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            refused: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, session: &Session) -> Option<&Checked> {
        let waiting = self.waiting.get(self.arrivals.get(session)?)?;
        Some(&waiting.checked)
    }

    pub(crate) fn refusal(&self, session: &Session) -> Option<Refusal> {
        self.refused.get(session).map(|(_, refusal)| *refusal)
    }

    /// Takes in a transaction, or refuses it for good, and says so once. Drops it when there is no
    /// room.
    pub(crate) fn add(&mut self, checked: Checked, chain: &Chain) -> Option<Refusal> {
        let (session, blocker) = (checked.session(), chain.blocker(&checked));
        if self.arrivals.contains_key(&session) {
            return None;
        }
        if let Some(refusal) = blocker.filter(|refusal| refusal.is_final()) {
            return self.remember(session, refusal).then_some(refusal);
        }
        let (size, ready) = (checked.transaction().encode().len(), blocker.is_none());
        let bytes = self.bytes.saturating_add(size);
        let unready = if ready { self.unready } else { self.unready.saturating_add(size) };
        if bytes > self.limits.bytes || unready > self.limits.bytes / 2 {
            return None;
        }
        (self.bytes, self.unready) = (bytes, unready);
        let (arrival, since) = (self.tick(), chain.tip().index);
        self.arrivals.insert(session, arrival);
        self.waiting.insert(arrival, Waiting { checked, size, since, ready });
        None
    }

    /// Whether some transaction could be executed now.
    pub(crate) const fn is_ready(&self) -> bool {
        self.bytes > self.unready
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
            // What fits no block beside others gets one of its own.
            let fits = block.is_empty() || with <= room.bytes;
            if fits && after.apply(checked).is_ok() {
                block.push(checked.clone());
                bytes = with;
            }
        }
        (block, after)
    }

    /// Lets go of what the chain's last block committed, and of what is refused now: returns that.
    /// An input that is not there may yet appear, so it is waited for.
    pub(crate) fn settle(&mut self, block: &[Checked], chain: &Chain) -> Vec<(Session, Refusal)> {
        for session in block.iter().map(Checked::session) {
            self.take(&session);
            if let Some((at, _)) = self.refused.remove(&session) {
                self.order.remove(&at);
            }
        }
        let (height, patience) = (chain.tip().index, self.limits.patience);
        let mut dead = Vec::new();
        self.unready = 0;
        for Waiting { checked, size, since, ready } in self.waiting.values_mut() {
            let blocker = chain.blocker(checked);
            *ready = blocker.is_none();
            let Some(refusal) = blocker else { continue };
            self.unready = self.unready.saturating_add(*size);
            if refusal.is_final() || height.saturating_sub(*since) >= patience {
                dead.push((checked.session(), refusal));
            }
        }
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
            let unready = if waiting.ready { 0 } else { waiting.size };
            self.unready = self.unready.saturating_sub(unready);
        }
    }

    /// Whether this is news.
    fn remember(&mut self, session: Session, refusal: Refusal) -> bool {
        let at = self.tick();
        let before = self.refused.insert(session, (at, refusal));
        if let Some((before, _)) = before {
            self.order.remove(&before);
        }
        self.order.insert(at, session);
        if self.refused.len() > self.limits.refusals
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.refused.remove(&oldest);
        }
        before.is_none_or(|(_, before)| before != refusal)
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }
}
