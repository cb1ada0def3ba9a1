//! Requests that wait to be done.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use atomix::{Action, Outcome, Rosters, Session, Verdict};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    chain::{Blocker, Chain, Draft},
    decision::Decision,
    ledger::Checked,
    message::Want,
};

/// How much waits, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// The most bytes of waiting requests; half of them, of those whose inputs are not there
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

/// Why a validator has turned a transaction down: its shard said nothing on it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Refusal {
    /// Another transaction has taken one of its inputs.
    Spent,
    /// An output that it spends is not as it declares.
    Misdeclared,
    /// Its time is over.
    Closed,
    /// One of its inputs has not appeared for many blocks. It may yet.
    Missing,
}

impl Refusal {
    /// Whether the shard can never accept the transaction any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Missing)
    }

    /// The reason in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spent => "spent",
            Self::Missing => "missing",
            Self::Misdeclared => "misdeclared",
            Self::Closed => "closed",
        }
    }
}

/// Checked requests in the order of their arrival. Bounded by [`PoolLimits`].
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    limits: PoolLimits,
    clock: u64,
    bytes: usize,
    /// Of these bytes, those of requests that cannot be done yet.
    unready_bytes: usize,
    /// By arrival: at most `limits.bytes` of requests.
    waiting: BTreeMap<u64, Waiting>,
    /// At most one request of a kind for each session.
    arrivals: BTreeMap<(Session, Want), u64>,
    /// Those that could not be done after the last block.
    unready: BTreeSet<u64>,
    /// Who waits to lock an output, by its name.
    takers: BTreeSet<([u8; 32], u64)>,
    /// Who waits for a verdict, by the transaction's deadline.
    deadlines: BTreeSet<(u32, u64)>,
    /// At most `limits.refusals`.
    refused: BTreeMap<Session, (u64, Refusal)>,
    /// The refused ones, the longest ago first.
    order: BTreeMap<u64, Session>,
}

#[derive(Clone, Debug)]
struct Waiting {
    request: Checked,
    size: usize,
    /// The last block when it arrived.
    since: u64,
}

/// What a block may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
}

/// What came of a request that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It waits, or there was no room for it, or it is done.
    Taken,
    /// It is refused, which is news.
    Refused(Refusal),
    /// It can never be done, and who sent it could know.
    Invalid,
}

/// What a request asks for.
pub(crate) const fn want<I>(action: &Action<I>) -> Want {
    match action {
        Action::Initialize { .. } => Want::Verdict,
        Action::Commit { .. } => Want::Creation,
        Action::Abort { .. } => Want::Return,
    }
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            clock: 0,
            bytes: 0,
            unready_bytes: 0,
            waiting: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            unready: BTreeSet::new(),
            takers: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            refused: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    /// A transaction that waits for something.
    pub(crate) fn known(&self, session: &Session) -> Option<&atomix::Checked> {
        let mut waiting = self.arrivals.range((*session, Want::Verdict)..=(*session, Want::Return));
        let (_, arrival) = waiting.next()?;
        self.waiting.get(arrival).map(|waiting| &waiting.request.transaction)
    }

    /// Whether such a request waits and could be done.
    pub(crate) fn has_ready(&self, session: Session, want: Want) -> bool {
        let arrival = self.arrivals.get(&(session, want));
        arrival.is_some_and(|arrival| !self.unready.contains(arrival))
    }

    pub(crate) fn refusal(&self, session: &Session) -> Option<Refusal> {
        self.refused.get(session).map(|(_, refusal)| *refusal)
    }

    /// Takes in a request of this encoded size, or refuses it for good, and says so once. Drops
    /// it when there is no room. One that can be done takes the place of one that cannot.
    pub(crate) fn add(
        &mut self,
        request: Checked,
        size: usize,
        chain: &Chain,
        rosters: &Rosters<Decision>,
    ) -> Added {
        let (session, want) = (request.transaction.session(), want(&request.action));
        let blocker = chain.blocker(rosters, &request);
        let (request, size) = plain(request, size, chain, rosters);
        match blocker {
            Some(Blocker::Invalid) => return Added::Invalid,
            Some(Blocker::Done) => return Added::Taken,
            Some(Blocker::Refused(refusal)) if refusal.is_final() => {
                let is_news = self.remember(session, refusal);
                return if is_news { Added::Refused(refusal) } else { Added::Taken };
            }
            None | Some(Blocker::Refused(_)) => {}
        }
        let before = self.arrivals.get(&(session, want)).copied();
        let is_ready = blocker.is_none();
        if before.is_some_and(|before| !is_ready || !self.unready.contains(&before)) {
            return Added::Taken;
        }
        let unready = if is_ready { 0 } else { size };
        // What it takes the place of is unready, and makes room once the newcomer fits by itself.
        let bytes = self.bytes.saturating_add(size);
        let unready_bytes = self.unready_bytes.saturating_add(unready);
        if bytes > self.limits.bytes || unready_bytes > self.limits.bytes / 2 {
            return Added::Taken;
        }
        (self.bytes, self.unready_bytes) = (bytes, unready_bytes);
        if let Some(before) = before {
            self.take(before);
        }
        let (arrival, since) = (self.tick(), chain.tip().index);
        self.arrivals.insert((session, want), arrival);
        if !is_ready {
            self.unready.insert(arrival);
        }
        self.takers.extend(takes(&request, chain).map(|name| (name, arrival)));
        self.deadlines.extend(deadline(&request).map(|deadline| (deadline, arrival)));
        self.waiting.insert(arrival, Waiting { request, size, since });
        Added::Taken
    }

    /// Whether some request could be done now.
    pub(crate) fn is_ready(&self) -> bool {
        self.waiting.len() > self.unready.len()
    }

    /// The next block: what can be done, in the order of arrival, as far as there is room.
    pub(crate) fn build(
        &self,
        chain: &Chain,
        rosters: &Rosters<Decision>,
        room: Room,
    ) -> Option<Draft> {
        let (mut draft, mut bytes) = (chain.draft()?, 0usize);
        let ready = self.waiting.iter().filter(|(arrival, _)| !self.unready.contains(arrival));
        for (_, Waiting { request, size, .. }) in ready {
            let with = bytes.saturating_add(*size);
            if draft.len() >= room.requests {
                break;
            }
            // What fits no block beside others gets one of its own.
            let fits = draft.len() == 0 || with <= room.bytes;
            if fits && draft.add(rosters, request).is_ok() {
                bytes = with;
            }
        }
        Some(draft)
    }

    /// Lets go of what the chain's last block did, and of what is refused now: returns that. An
    /// input that is not there may yet appear, so it is waited for.
    pub(crate) fn settle(
        &mut self,
        verdicts: &[Verdict],
        chain: &Chain,
        rosters: &Rosters<Decision>,
    ) -> Vec<(Session, Refusal)> {
        let mut touched = self.unready.clone();
        for verdict in verdicts {
            let session = verdict.session;
            for done in done(verdict.outcome) {
                if let Some(arrival) = self.arrivals.get(&(session, *done)).copied() {
                    self.take(arrival);
                }
            }
            if let Some((at, _)) = self.refused.remove(&session) {
                self.order.remove(&at);
            }
            for outpoint in verdict.outpoints.iter() {
                let takers = self.takers.range((outpoint.id, 0)..=(outpoint.id, u64::MAX));
                touched.extend(takers.map(|(_, arrival)| *arrival));
            }
        }
        let (height, patience) = (chain.tip().index, self.limits.patience);
        // No shard's epoch begins before its chain, so no deadline passes before this.
        let passed = u32::try_from(height).unwrap_or(u32::MAX);
        let late = self.deadlines.range(..=(passed, u64::MAX));
        touched.extend(late.map(|(_, arrival)| *arrival));
        let mut dead = Vec::new();
        for arrival in touched {
            let Some(Waiting { request, size, since }) = self.waiting.get(&arrival) else {
                continue;
            };
            let (session, late) = (request.transaction.session(), height.saturating_sub(*since));
            match chain.blocker(rosters, request) {
                None if self.unready.remove(&arrival) => {
                    self.unready_bytes = self.unready_bytes.saturating_sub(*size);
                }
                None => {}
                Some(Blocker::Refused(refusal)) if !refusal.is_final() && late < patience => {
                    let is_news = self.unready.insert(arrival);
                    let bytes = if is_news { *size } else { 0 };
                    self.unready_bytes = self.unready_bytes.saturating_add(bytes);
                }
                Some(Blocker::Refused(refusal)) => {
                    self.take(arrival);
                    self.remember(session, refusal);
                    dead.push((session, refusal));
                }
                Some(Blocker::Done | Blocker::Invalid) => self.take(arrival),
            }
        }
        dead
    }

    fn take(&mut self, arrival: u64) {
        let Some(Waiting { request, size, .. }) = self.waiting.remove(&arrival) else { return };
        self.bytes = self.bytes.saturating_sub(size);
        if self.unready.remove(&arrival) {
            self.unready_bytes = self.unready_bytes.saturating_sub(size);
        }
        self.arrivals.remove(&(request.transaction.session(), want(&request.action)));
        if let Some(deadline) = deadline(&request) {
            self.deadlines.remove(&(deadline, arrival));
        }
        for input in request.transaction.declaration().inputs.iter() {
            self.takers.remove(&(input.outpoint.id, arrival));
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

/// The request without what is shown for nothing, and its encoded size. A verdict that needs no
/// foreign word does not look at one, so a stranger could make a payment as large as a block.
fn plain(
    request: Checked,
    size: usize,
    chain: &Chain,
    rosters: &Rosters<Decision>,
) -> (Checked, usize) {
    if !matches!(request.action, Action::Initialize { shown: Some(_) }) {
        return (request, size);
    }
    let transaction = request.transaction.clone();
    let plain = Checked { transaction, action: Action::Initialize { shown: None } };
    match chain.blocker(rosters, &plain) {
        None => {
            let size = borsh::object_length(&plain.request()).unwrap_or(size);
            (plain, size)
        }
        Some(_) => (request, size),
    }
}

/// The names of the outputs that the request is to lock.
fn takes<'a>(request: &'a Checked, chain: &Chain) -> impl Iterator<Item = [u8; 32]> + use<'a> {
    let locks = matches!(request.action, Action::Initialize { .. });
    let shard = chain.state().shard();
    let own = request.transaction.declaration().inputs_of(shard).filter(move |_| locks);
    own.map(|input| input.outpoint.id)
}

/// The deadline of the transaction, where its verdict is asked for.
fn deadline(request: &Checked) -> Option<u32> {
    let asks = matches!(request.action, Action::Initialize { .. });
    asks.then(|| request.transaction.declaration().deadline)
}

/// The requests that are done once a shard has said this.
const fn done(outcome: Outcome) -> &'static [Want] {
    match outcome {
        Outcome::Accepted => &[Want::Verdict],
        Outcome::Created => &[Want::Creation],
        Outcome::GivenBack => &[Want::Return],
        Outcome::Rejected => &[Want::Verdict, Want::Return],
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::{INITIALIZE, Town};

    fn size(request: &Checked) -> usize {
        borsh::object_length(&request.request()).unwrap()
    }

    /// A block is decided without a payment whose time is then over. It must not pass for ready:
    /// a shard with such a payment would decide empty blocks for ever, or change views.
    #[test]
    fn what_is_too_late_waits_no_more() {
        let mut town = Town::new(1, &[0, 0]);
        let mut pool = Pool::new(PoolLimits::default());
        let late = town.asks(&town.pay((0, 1), &[town.coin(0)], 0), INITIALIZE);
        let other = town.asks(&town.pay((1, 100), &[town.coin(1)], 0), INITIALIZE);
        let added = pool.add(late.clone(), size(&late), &town.chains[0], &town.rosters);
        assert_eq!((added, pool.is_ready()), (Added::Taken, true));

        let verdicts = town.decide(0, &[other]).verdicts;
        let refused = pool.settle(&verdicts, &town.chains[0], &town.rosters);
        assert_eq!(refused, [(late.transaction.session(), Refusal::Closed)]);
        assert!(!pool.is_ready());
        assert_eq!((pool.bytes, pool.waiting.len(), pool.takers.len()), (0, 0, 0));
        assert!(pool.deadlines.is_empty());
    }

    /// Whoever sees a payment shows something with it that is never looked at, and is first: the
    /// payment would fill a block by itself, and only be locked.
    #[test]
    fn nothing_is_shown_for_nothing() {
        let mut town = Town::new(2, &[0, 1]);
        let elsewhere = town.pay((0, 100), &[town.coin(1)], 1);
        let asked = town.asks(&elsewhere, INITIALIZE);
        town.decide(1, &[asked]);
        let shown = Some(town.word(1, &elsewhere, Want::Verdict));

        let mut pool = Pool::new(PoolLimits::default());
        let pay = town.pay((1, 100), &[town.coin(0)], 0);
        let asks = town.asks(&pay, Action::Initialize { shown });
        let small = town.asks(&pay, INITIALIZE);
        let added = pool.add(asks.clone(), size(&asks), &town.chains[0], &town.rosters);
        assert_eq!((added, pool.bytes), (Added::Taken, size(&small)));
        let room = Room { requests: 1, bytes: 1 };
        let draft = pool.build(&town.chains[0], &town.rosters, room).unwrap();
        let executed = town.chains[0].next(draft);
        assert_eq!((executed.block, executed.verdicts.len()), ([small].into(), 2));
    }
}
