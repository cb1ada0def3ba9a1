//! A validator: draws the epoch's randomness with all others, and works in the shard that it is
//! dealt into.
//!
//! ```text
//!              ┌──────────────── Validator ────────────────┐
//!  Identity ──▶│ byzcoin of all validators ─▶ RandHound    │◀── Beacon
//!              │                                 │         │
//!      Sync ──▶│            Epoch: who works where         │
//!              │                                 ▼         │
//!     Shard ──▶│ byzcoin of the shard ─▶ atomix ─▶ chain   │◀── Guest
//!              └───────────────────────────────────────────┘
//! ```
//!
//! - What is said of an epoch or a shard that this validator does not work in is dropped.
//! - What is decided is in the records; the state is computed from them again after a crash.
//!   Waiting requests are not: wallets submit again until they have a proof.
//! - Who was away while the others drew asks them for the [`EpochProof`], as wallets do.

mod config;

use alloc::{boxed::Box, collections::BTreeSet, sync::Arc, vec::Vec};

use atomix::ShardState;
use borsh::{BorshDeserialize, BorshSerialize};
use byzcoin::votes::CosiVotes;
use cosi::{
    impl_machine,
    keys::PeerId,
    machine::{self, Cx, Fault, FaultKind, Time, To},
    roster::Roster,
};
use pvss::{Scheme, ShareSecret};
use randhound::draw;
use skipchain::Timeline;

use crate::{
    decision::Decision,
    epoch::{EPOCH, Epoch, EpochProof},
    genesis::Genesis,
    identity::{self, Identity, Journal},
    message::{Guest, MAX_REQUEST_BYTES, MAX_SUBMIT_BYTES, Message, Peer, Request, Sync},
    shard::{self, Shard},
};

pub use self::config::{ChainName, Command, Config, Error, Event, RestoreError};

/// What one input to a [`Validator`] brings about.
pub type Step = machine::Step<Message, Event, Record, Peer>;

/// What a validator must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Record {
    /// What its replica on the identity chain must not.
    Identity(Box<byzcoin::RecordOf<CosiVotes>>),
    /// What its part in the beacon must not.
    Beacon(Box<draw::Record>),
    /// How the epoch came about, where others told.
    Epoch(Box<EpochProof>),
    /// What its replica in the shard must not.
    Shard(Box<byzcoin::RecordOf<CosiVotes>>),
}

/// A validator of a sharded ledger.
///
/// Guarantees, duties and bounds are those of the [crate]; [`node`](crate::node) shows a whole
/// ledger at work. A validator deals as soon as it starts:
///
/// ```
/// use cosi::{keys::Seed, machine::{Cx, Time}};
/// use omniledger::{
///     Genesis, Message, PoolLimits, Validator, genesis::Registration,
///     validator::{Config, Record},
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let seeds = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]));
/// let validators = seeds.iter().map(|seed| Registration::new(seed, &mut rng)).collect();
/// let genesis = Genesis::new("town", 1, validators, vec![])?;
/// let config = Config {
///     genesis,
///     seed: seeds[1].clone(),
///     timing: Default::default(),
///     votes: Default::default(),
///     retry: core::time::Duration::from_secs(1),
///     pool: PoolLimits::default(),
///     block_bytes: 1 << 18,
/// };
/// let mut cx = Cx::new(Time::default(), &mut rng);
/// let (validator, step) = Validator::restore(config, [], &mut cx)?;
/// let (records, held) = step.into_records();
/// assert!(matches!(records[..], [Record::Beacon(_), ..]));
/// // ... write `records`, sync, then send what the step holds ...
/// let output = held.release();
/// assert!(output.messages.iter().any(|(_, message)| matches!(message, Message::Beacon(_))));
/// assert!(validator.epoch().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Validator {
    genesis: Genesis,
    roster: Roster,
    me: PeerId,
    identity: Identity,
    work: shard::Config,
    /// The epoch, and the shard that this validator works in.
    seat: Option<(Epoch, Shard)>,
    /// At most one entry for each validator and kind, and [`MAX_BLAMED`] for guests.
    blamed: BTreeSet<(Peer, FaultKind)>,
}

/// How many guests' faults are remembered, so that each is reported once.
const MAX_BLAMED: usize = 4096;

impl_machine! {
    Validator {
        Peer = Peer, Message = Message, Command = Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Validator {
    /// The validator that wrote `records`; without any, a fresh one.
    pub fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        let Config { genesis, seed, timing, votes, retry, pool, block_bytes } = config;
        let key = Arc::new(seed.signing_key());
        let committee = genesis.committee()?;
        let roster = committee.roster().clone();
        let me = PeerId::of(key.public());
        let index = roster.index_of(me).ok_or(RestoreError::NotAValidator)?;
        let secret = Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss));
        let (journal, shard_records) = sort(records);
        let part = identity::Config { key: Arc::clone(&key), secret, timing, votes, retry };
        let (identity, step, epoch) =
            Identity::restore(part, &genesis, (committee, index), journal, cx)?;
        let work = shard::Config { key, timing, votes, pool, block_bytes };
        let blamed = BTreeSet::new();
        let mut validator = Self { genesis, roster, me, identity, work, seat: None, blamed };
        let step = match epoch {
            Some(epoch) => step.and(validator.sit(cx, epoch, shard_records)?),
            None if shard_records.is_empty() => step,
            None => return Err(RestoreError::Incomplete),
        };
        Ok((validator, step))
    }

    /// There is no command.
    pub fn handle_command(&mut self, _: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        match command {}
    }

    /// Takes in what `from` said. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> Step {
        match (from, message) {
            (Peer::Validator(peer), _) if self.roster.index_of(peer).is_none() => Step::none(),
            (Peer::Validator(peer), Message::Identity(message)) => {
                let news = self.identity.handle_consensus(cx, &self.genesis, peer, *message);
                self.conclude(cx, news)
            }
            (Peer::Validator(peer), Message::Beacon(message)) => {
                let news = self.identity.handle_beacon(cx, &self.genesis, peer, *message);
                self.conclude(cx, news)
            }
            (Peer::Validator(peer), Message::Shard { epoch: EPOCH, shard, message }) => {
                match self.shard_mut(shard) {
                    Some(shard) => shard.handle_message(cx, peer, *message),
                    None => Step::none(),
                }
            }
            (Peer::Validator(_), Message::Shard { .. }) => Step::none(), // of another time
            (Peer::Validator(peer), Message::Sync(Sync::Epoch(proof))) => {
                match self.identity.handle_proof(&self.genesis, peer, *proof) {
                    Ok(news) => self.conclude(cx, news),
                    Err(()) => self.blame(from, FaultKind::InvalidProof),
                }
            }
            (_, Message::Sync(Sync::Ask)) => match self.identity.proof() {
                Some(proof) => {
                    let proof = Sync::Epoch(Box::new(proof.clone()));
                    Step::none().send(To::One(from), Message::Sync(proof))
                }
                None => Step::none(),
            },
            (_, Message::Guest(Guest::Submit { shard, requests })) => {
                self.submit(cx, from, shard, requests.into_inner())
            }
            (_, Message::Guest(Guest::Ask { shard, queries })) => match self.shard_mut(shard) {
                Some(shard) => {
                    let answer = Guest::Answer(shard.answer(&queries));
                    Step::none().send(To::One(from), Message::Guest(answer))
                }
                None => Step::none(),
            },
            (Peer::Guest(_), Message::Identity(_) | Message::Beacon(_) | Message::Shard { .. })
            | (Peer::Guest(_), Message::Sync(Sync::Epoch(_)))
            | (_, Message::Guest(Guest::Answer(_))) => self.blame(from, FaultKind::WrongRole),
        }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        let news = self.identity.handle_timeout(cx, &self.genesis);
        let step = self.conclude(cx, news);
        match &mut self.seat {
            Some((_, shard)) => step.and(shard.handle_timeout(cx)),
            None => step,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        let shard = self.seat.as_ref().and_then(|(_, shard)| shard.next_timeout());
        [self.identity.next_timeout(), shard].into_iter().flatten().min()
    }

    /// The epoch, once it is known.
    pub fn epoch(&self) -> Option<&Epoch> {
        self.seat.as_ref().map(|(epoch, _)| epoch)
    }

    /// What proves the epoch, once it is known.
    pub const fn epoch_proof(&self) -> Option<&EpochProof> {
        self.identity.proof()
    }

    /// The shard that this validator works in, once it is known.
    pub fn shard(&self) -> Option<u16> {
        self.seat.as_ref().map(|(_, shard)| shard.number())
    }

    /// The shard's chain, as far as this validator has it.
    pub fn timeline(&self) -> Option<&Timeline<Decision>> {
        self.seat.as_ref().map(|(_, shard)| shard.timeline())
    }

    /// The shard's state after the last block.
    pub fn state(&self) -> Option<&ShardState> {
        self.seat.as_ref().map(|(_, shard)| shard.state())
    }

    /// Takes its seat, once the epoch is known.
    fn conclude(&mut self, cx: &mut Cx<'_>, (step, epoch): (Step, Option<Epoch>)) -> Step {
        let Some(epoch) = epoch.filter(|_| self.seat.is_none()) else { return step };
        match self.sit(cx, epoch, Vec::new()) {
            Ok(seated) => step.and(seated),
            Err(_) => step,
        }
    }

    fn sit(
        &mut self,
        cx: &mut Cx<'_>,
        epoch: Epoch,
        records: Vec<byzcoin::RecordOf<CosiVotes>>,
    ) -> Result<Step, RestoreError> {
        let place = epoch.place(self.me).ok_or(RestoreError::NotAValidator)?;
        let seated =
            Event::Seated { epoch: epoch.number(), shard: place.0, randomness: epoch.randomness() };
        let (work, genesis) = (self.work.clone(), &self.genesis);
        let (shard, step) = Shard::restore(work, (genesis, &epoch), place, records, cx)?;
        self.seat = Some((epoch, shard));
        Ok(Step::none().event(seated).and(step))
    }

    fn shard_mut(&mut self, number: u16) -> Option<&mut Shard> {
        let (_, shard) = self.seat.as_mut()?;
        (shard.number() == number).then_some(shard)
    }

    fn submit(&mut self, cx: &mut Cx<'_>, from: Peer, shard: u16, requests: Vec<Request>) -> Step {
        let length = |request| borsh::object_length(request).unwrap_or(usize::MAX);
        let lengths = requests.iter().map(length);
        // What fits no block would never leave the pool, and no block leave its leader.
        let fits = lengths.clone().all(|bytes| bytes <= MAX_REQUEST_BYTES);
        if !fits || lengths.fold(0, usize::saturating_add) > MAX_SUBMIT_BYTES {
            return self.blame(from, FaultKind::InvalidPayload);
        }
        let Some(shard) = self.shard_mut(shard) else { return Step::none() };
        let (step, honest) = shard.submit(cx, requests);
        if honest { step } else { step.and(self.blame(from, FaultKind::InvalidPayload)) }
    }

    fn blame(&mut self, culprit: Peer, kind: FaultKind) -> Step {
        let room = matches!(culprit, Peer::Validator(_)) || self.blamed.len() < MAX_BLAMED;
        if room && self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence: None })
        } else {
            Step::none()
        }
    }
}

/// Sorts records by whose they are.
fn sort(records: impl IntoIterator<Item = Record>) -> (Journal, Vec<byzcoin::RecordOf<CosiVotes>>) {
    let (mut journal, mut shard) = (Journal::default(), Vec::new());
    for record in records {
        match record {
            Record::Identity(record) => journal.identity.push(*record),
            Record::Beacon(record) => journal.beacon.push(*record),
            Record::Epoch(proof) => journal.epoch = Some(*proof),
            Record::Shard(record) => shard.push(*record),
        }
    }
    (journal, shard)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::vec;
    use core::time::Duration;

    use cosi::{
        Certificate,
        keys::{Seed, Signature},
        mask::Mask,
        wire::{BoundedVec, Wire},
    };
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{
        genesis::Limits,
        message::Want,
        pool::PoolLimits,
        testing::{Asks, INITIALIZE, Town},
    };

    /// The validator that leads a shard first, in its seat.
    fn leader(town: &Town, shard: u16, cx: &mut Cx<'_>) -> Validator {
        let first = town.epoch.shard(shard).unwrap().roster().members()[0].peer;
        let is_first = |seed: &&Seed| PeerId::of(seed.signing_key().public()) == first;
        let config = Config {
            genesis: town.genesis.clone(),
            seed: town.seeds.iter().find(is_first).unwrap().clone(),
            timing: Default::default(),
            votes: Default::default(),
            retry: Duration::from_secs(1),
            pool: PoolLimits::default(),
            block_bytes: 1 << 18,
        };
        let (mut validator, step) = Validator::restore(config, [], cx).unwrap();
        drop(step.into_records());
        drop(validator.sit(cx, town.epoch.clone(), vec![]).unwrap().into_records());
        validator
    }

    /// What is shown with a payment of unspent coins is never looked at, and may be as large as a
    /// message. In a pool, such a request would keep every block of its leader from being sent.
    #[test]
    fn a_request_larger_than_a_block_stops_nobody() {
        let bytes = u32::try_from(MAX_REQUEST_BYTES).unwrap();
        let limits = Limits { bytes, ..Limits::default() };
        let mut town = Town::with(2, &[0, 0, 1], limits);
        let elsewhere = town.pay((0, 100), &[town.coin(2)], 1);
        let asked = town.asks(&elsewhere, INITIALIZE);
        town.decide(1, &[asked]);
        let mut shown = town.word(1, &elsewhere, Want::Verdict);
        let signatures = vec![Signature::decode(&[0; 64]).unwrap(); MAX_REQUEST_BYTES / 64];
        shown.inclusion.attestation.certificate = Certificate::Individual {
            mask: Mask::of(4, [0]),
            signatures: BoundedVec::new(signatures).unwrap(),
        };

        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let mut leader = leader(&town, 0, &mut cx);
        let mut submit = |at: usize, action| {
            let transaction = town.pay((1, 100), &[town.coin(at)], 0);
            let requests = BoundedVec::new(vec![Request { transaction, action }]).unwrap();
            let message = Message::Guest(Guest::Submit { shard: 0, requests });
            leader.handle_message(&mut cx, Peer::Guest(1), message).into_records().1.release()
        };
        let large = submit(0, Asks::Initialize { shown: Some(shown) });
        let small = submit(1, INITIALIZE);
        let proposed = |(_, message): &(_, _)| matches!(message, Message::Shard { .. });
        assert!(small.messages.iter().any(proposed));
        assert_eq!(large.faults.len(), 1);
    }
}
