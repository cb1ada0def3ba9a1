//! What a wallet was asked to pay, and what became of it.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use atomix::{Session, Transaction};
use cosi::keys::PeerId;

use super::Reason;
use crate::pool::Refusal;

/// All payments.
#[derive(Debug, Default)]
pub(super) struct Payments {
    payments: BTreeMap<Session, Payment>,
    /// Which payment creates an output, by the output's name.
    creators: BTreeMap<[u8; 32], Session>,
    /// Which payments wait for this one.
    followers: BTreeMap<Session, Vec<Session>>,
    /// Those whose inputs are there, in the order that they came to be.
    ready: VecDeque<Session>,
    pending: usize,
}

#[derive(Debug)]
struct Payment {
    transaction: Transaction,
    fate: Fate,
    /// At most one entry for each validator and reason, by shard.
    refused_by: BTreeMap<u16, BTreeSet<(Refusal, PeerId)>>,
    /// The shards of which an honest validator refuses it for good.
    refusing: BTreeSet<u16>,
}

#[derive(Debug)]
enum Fate {
    /// For these payments to be committed.
    Waiting(BTreeSet<Session>),
    Driven,
    Committed,
    Aborted(Reason),
}

impl Payments {
    /// Adds a payment. Whether it is new.
    pub(super) fn add(&mut self, session: Session, transaction: Transaction) -> bool {
        if self.payments.contains_key(&session) {
            return false;
        }
        let inputs = transaction.declaration.inputs.iter();
        let creators = inputs.filter_map(|input| self.creators.get(&input.outpoint.id).copied());
        let creators: BTreeSet<_> = creators.collect();
        let is_open = |creator: &Session| {
            let fate = self.payments.get(creator).map(|payment| &payment.fate);
            !matches!(fate, None | Some(Fate::Committed))
        };
        let awaited: BTreeSet<_> = creators.into_iter().filter(is_open).collect();
        for creator in &awaited {
            self.followers.entry(*creator).or_default().push(session);
        }
        let created = transaction.declaration.created(session);
        self.creators.extend(created.map(|output| (output.outpoint.id, session)));
        if awaited.is_empty() {
            self.ready.push_back(session);
        }
        let fate = Fate::Waiting(awaited);
        let (refused_by, refusing) = (BTreeMap::new(), BTreeSet::new());
        self.payments.insert(session, Payment { transaction, fate, refused_by, refusing });
        self.pending = self.pending.saturating_add(1);
        true
    }

    /// Whether a payment waits for one that is aborted, and so in vain.
    pub(super) fn is_orphaned(&self, session: &Session) -> bool {
        let fate = |session| self.payments.get(session).map(|payment| &payment.fate);
        let Some(Fate::Waiting(awaited)) = fate(session) else { return false };
        awaited.iter().any(|creator| matches!(fate(creator), Some(Fate::Aborted(_))))
    }

    /// Whether there is such a payment.
    pub(super) fn has(&self, session: &Session) -> bool {
        self.payments.contains_key(session)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.payments.len()
    }

    /// How many have no fate yet.
    pub(super) const fn pending(&self) -> usize {
        self.pending
    }

    /// The next payment to drive.
    pub(super) fn next_ready(&mut self) -> Option<Transaction> {
        loop {
            let payment = self.payments.get_mut(&self.ready.pop_front()?)?;
            if let Fate::Waiting(_) = payment.fate {
                payment.fate = Fate::Driven;
                return Some(payment.transaction.clone());
            }
        }
    }

    /// Notes that a payment is committed, and so what it creates is there.
    pub(super) fn commit(&mut self, session: &Session) {
        let Some(payment) = self.payments.get_mut(session) else { return };
        if matches!(payment.fate, Fate::Committed | Fate::Aborted(_)) {
            return;
        }
        payment.fate = Fate::Committed;
        self.pending = self.pending.saturating_sub(1);
        for follower in self.followers.remove(session).unwrap_or_default() {
            let Some(Payment { fate: Fate::Waiting(awaited), .. }) =
                self.payments.get_mut(&follower)
            else {
                continue;
            };
            awaited.remove(session);
            if awaited.is_empty() {
                self.ready.push_back(follower);
            }
        }
    }

    /// Notes that a payment is aborted, and so all that wait for it are. Returns those that had
    /// no fate, with their reasons. `None`: there is no such payment.
    pub(super) fn abort(
        &mut self,
        session: Session,
        reason: Reason,
    ) -> Option<Vec<(Session, Reason)>> {
        self.payments.get(&session)?;
        let (mut lost, mut next) = (Vec::new(), VecDeque::from([(session, reason)]));
        while let Some((session, reason)) = next.pop_front() {
            let Some(payment) = self.payments.get_mut(&session) else { continue };
            if matches!(payment.fate, Fate::Committed | Fate::Aborted(_)) {
                continue;
            }
            payment.fate = Fate::Aborted(reason);
            self.pending = self.pending.saturating_sub(1);
            lost.push((session, reason));
            let followers = self.followers.remove(&session).unwrap_or_default();
            next.extend(followers.into_iter().map(|follower| (follower, Reason::Orphaned)));
        }
        Some(lost)
    }

    /// Those that were aborted.
    pub(super) fn aborted(&self) -> impl Iterator<Item = (Session, Reason)> + '_ {
        self.payments.iter().filter_map(|(session, payment)| match payment.fate {
            Fate::Aborted(reason) => Some((*session, reason)),
            Fate::Waiting(_) | Fate::Driven | Fate::Committed => None,
        })
    }

    /// The transaction of a payment that is committed.
    pub(super) fn committed(&self, session: &Session) -> Option<&Transaction> {
        let payment = self.payments.get(session)?;
        matches!(payment.fate, Fate::Committed).then_some(&payment.transaction)
    }

    /// Notes that a validator refuses a payment in its shard. Whether more than `faulty` of them
    /// do so for this reason, which is news.
    pub(super) fn refuse(
        &mut self,
        session: Session,
        shard: u16,
        refusal: Refusal,
        by: PeerId,
        faulty: usize,
    ) -> bool {
        let Some(payment) = self.payments.get_mut(&session) else { return false };
        let has_input = payment.transaction.declaration.inputs_of(shard).next().is_some();
        if !has_input || !matches!(payment.fate, Fate::Driven) {
            return false;
        }
        let refused_by = payment.refused_by.entry(shard).or_default();
        let is_news = refused_by.insert((refusal, by));
        let alike = refused_by.iter().filter(|(why, _)| *why == refusal).count();
        let honest = is_news && alike == faulty.saturating_add(1);
        if honest && refusal.is_final() {
            payment.refusing.insert(shard);
        }
        honest
    }

    /// Whether every shard that holds an input refuses the payment for good.
    pub(super) fn is_refused(&self, session: &Session) -> bool {
        self.payments.get(session).is_some_and(|payment| {
            payment.transaction.declaration.input_shards() == payment.refusing
        })
    }
}
