//! A wallet: pays, across shards, and believes nothing but proofs that begin at the genesis.
//!
//! - It asks validators how the epoch came about, and so learns every shard's roster.
//! - A payment is recorded before it is submitted. Then an atomix [`Client`] drives it: it locks
//!   the inputs in their shards, and has the outputs created in theirs, or the inputs given back.
//!   A restored wallet goes on where its records end, so no crash leaves a lock behind.
//! - A payment that spends what another one of this wallet creates is held until that one is
//!   committed.
//! - One validator of a shard at a time is asked, at random, so a lying or silent one costs an
//!   interval.
//!
//! ```
//! use core::time::Duration;
//! use cosi::{keys::Seed, machine::{Cx, Time}};
//! use omniledger::{
//!     atomix::{Declaration, Output},
//!     genesis::{Genesis, Grant, Registration},
//!     wallet::{Command, Config, Wallet},
//! };
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let validators = [1, 2, 3, 4].map(|seed| Registration::new(&Seed::from_bytes([seed; 32]), &mut rng));
//! let alice = Seed::from_bytes([9; 32]).signing_key();
//! let grant = Grant { shard: 0, owner: alice.public().to_bytes(), value: 100 };
//! let genesis = Genesis::new("town", 1, validators.to_vec(), vec![grant])?;
//!
//! let mut cx = Cx::new(Time::default(), &mut rng);
//! let (poll, patience) = (Duration::from_millis(200), Duration::from_secs(30));
//! let config = Config { genesis: genesis.clone(), poll, patience };
//! let (mut wallet, _) = Wallet::restore(config, [], &mut cx)?;
//! let coin = genesis.granted().next().unwrap();
//! let gift = Output { shard: 0, value: 100, owner: [7; 32] };
//! let pay = Declaration::new(0, 0, 100, vec![coin], vec![gift])?.sign(&genesis.id(), |_| Some(&alice))?;
//! let step = wallet.handle_command(&mut cx, Command::Pay(Box::new(pay)))?;
//! let (records, _) = step.into_records();
//! assert_eq!((records.len(), wallet.pending()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answers;
mod config;
mod driving;
mod payments;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use atomix::{
    Client, Rosters, Rules, Session,
    client::{self, Command as Drive},
};
use cosi::{
    impl_machine,
    keys::PeerId,
    machine::{self, Cx, Fault, FaultKind, Output, Time, To},
    roster::Roster,
    wire::BoundedVec,
};

pub use self::config::{Command, Config, Error, Event, Reason, Record, RestoreError};
use self::{driving::Driving, payments::Payments};
use crate::{
    decision::Decision,
    epoch::{Epoch, EpochProof},
    genesis::Genesis,
    identity::any,
    message::{Guest, Message, Peer, Proof, Request, Sync, batches},
    pool::want,
    receipt::{Receipt, needed},
};

/// What one input to a [`Wallet`] brings about.
pub type Step = machine::Step<Message, Event, Record, Peer>;

/// What one input to the atomix client brings about.
type Driven = client::Step<<Rosters<Decision> as atomix::Shards>::Inclusion>;

/// After how many questions what is not answered is submitted again.
const SUBMIT_EVERY: u32 = 16;
/// The most payments that a wallet takes.
const MAX_PAYMENTS: usize = 1 << 20;
/// How often a wallet asks at most.
const LEAST_POLL: Duration = Duration::from_millis(1);

/// A wallet, and a light client.
#[derive(Debug)]
pub struct Wallet {
    genesis: Genesis,
    roster: Roster,
    rules: Rules,
    poll: Duration,
    patience: Duration,
    payments: Payments,
    stage: Stage,
    /// What goes out with the next flush, by shard.
    outbox: BTreeMap<u16, Vec<(Session, Request)>>,
    next_poll: Option<Time>,
    /// At most one entry for each validator and kind.
    blamed: BTreeSet<(Peer, FaultKind)>,
}

/// How far the wallet knows the ledger.
#[derive(Debug)]
enum Stage {
    /// Who was asked for the epoch, and has not answered.
    Asking(BTreeSet<PeerId>),
    Driving(Box<Driving>),
}

impl_machine! {
    Wallet {
        Peer = Peer, Message = Message, Command = Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Wallet {
    /// The wallet that wrote `records`; without any, a fresh one.
    pub fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        let Config { genesis, poll, patience } = config;
        let poll = poll.max(LEAST_POLL);
        let (roster, rules) = (genesis.committee()?.roster().clone(), genesis.rules());
        let mut wallet = Self {
            genesis,
            roster,
            rules,
            poll,
            patience,
            payments: Payments::default(),
            stage: Stage::Asking(BTreeSet::new()),
            outbox: BTreeMap::new(),
            next_poll: None,
            blamed: BTreeSet::new(),
        };
        let (mut proof, mut driven) = (None, Vec::new());
        for record in records {
            match record {
                Record::Epoch(known) => proof = Some(*known),
                Record::Client(record) => driven.push(*record),
                Record::Paid(transaction) => {
                    let checked = wallet.rules.check_one(transaction);
                    let checked = checked.map_err(|_| RestoreError::Journal)?;
                    let session = checked.session();
                    if !wallet.payments.add(session, checked.into_transaction()) {
                        return Err(RestoreError::Journal);
                    }
                    if wallet.payments.is_orphaned(&session) {
                        wallet.payments.abort(session, Reason::Orphaned);
                    }
                }
                Record::Aborted(session, reason) => {
                    wallet.payments.abort(session, reason).ok_or(RestoreError::Journal)?;
                }
            }
        }
        let mut step = wallet.payments.aborted().fold(Step::none(), |step, (session, reason)| {
            step.event(Event::Aborted { session, reason })
        });
        match proof {
            Some(proof) => {
                let epoch = Epoch::verify(&wallet.genesis, &proof);
                let epoch = epoch.map_err(|_| RestoreError::Journal)?;
                step = step.and(wallet.begin(cx, epoch, proof, driven)?);
            }
            None if driven.is_empty() => {}
            None => return Err(RestoreError::Journal),
        }
        wallet.next_poll = (wallet.pending() > 0).then_some(cx.now());
        Ok((wallet, step))
    }

    /// Does what the owner asks, or says why that makes no sense.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        let Command::Pay(transaction) = command;
        if self.payments.has(&transaction.declaration.session(&self.rules.genesis())) {
            return Err(Error::Repeated);
        }
        if self.payments.len() >= MAX_PAYMENTS {
            return Err(Error::Full(MAX_PAYMENTS));
        }
        let checked = self.rules.check_one(*transaction)?;
        let (session, transaction) = (checked.session(), checked.into_transaction());
        if !self.payments.add(session, transaction.clone()) {
            return Err(Error::Repeated);
        }
        let due = cx.now().after(self.poll);
        self.next_poll = Some(self.next_poll.map_or(due, |next| next.min(due)));
        let step = Step::none().record(Record::Paid(transaction));
        if self.payments.is_orphaned(&session) {
            return Ok(step.and(self.abort(cx, session, Reason::Orphaned)));
        }
        Ok(step.and(self.advance(cx)))
    }

    /// Takes in what a validator answers. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> Step {
        let Peer::Validator(peer) = from else { return Step::none() };
        if self.roster.index_of(peer).is_none() {
            return Step::none();
        }
        match message {
            Message::Sync(Sync::Epoch(proof)) => self.on_epoch(cx, peer, *proof),
            Message::Guest(Guest::Answer(answer)) => self.on_answer(cx, peer, answer),
            Message::Identity(_)
            | Message::Beacon(_)
            | Message::Shard { .. }
            | Message::Sync(_)
            | Message::Guest(_) => self.blame(from, FaultKind::WrongRole),
        }
    }

    /// Submits what waits for it, and asks what became of the rest.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        let mut step = Step::none();
        if let Stage::Driving(driving) = &mut self.stage {
            let child = driving.client.handle_timeout(cx);
            step = self.absorb(cx, child, None);
        }
        if self.next_poll.is_none_or(|next| next > cx.now()) {
            return step;
        }
        self.next_poll = (self.pending() > 0).then(|| cx.now().after(self.poll));
        step.and(self.flush()).and(self.ask(cx))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        let client = match &self.stage {
            Stage::Driving(driving) => driving.client.next_timeout(),
            Stage::Asking(_) => None,
        };
        let due = [self.next_poll, client].into_iter().flatten().min();
        due.filter(|_| self.pending() > 0)
    }

    /// How many payments have no fate yet.
    pub fn pending(&self) -> usize {
        self.payments.pending()
    }

    /// The epoch, once it is known.
    pub const fn epoch(&self) -> Option<&Epoch> {
        match &self.stage {
            Stage::Driving(driving) => Some(&driving.epoch),
            Stage::Asking(_) => None,
        }
    }

    /// What proves the epoch, once it is known.
    pub const fn epoch_proof(&self) -> Option<&EpochProof> {
        match &self.stage {
            Stage::Driving(driving) => Some(&driving.proof),
            Stage::Asking(_) => None,
        }
    }

    /// All that shards have said to this wallet on a session.
    pub fn proofs(&self, session: &Session) -> impl Iterator<Item = &Proof> {
        let client = match &self.stage {
            Stage::Driving(driving) => Some(&driving.client),
            Stage::Asking(_) => None,
        };
        client.into_iter().flat_map(|client| client.proofs(session))
    }

    /// What proves to a stranger that a payment is committed.
    pub fn receipt(&self, session: &Session) -> Option<Receipt> {
        let transaction = self.payments.committed(session)?.clone();
        let (shards, outcome) = needed(&transaction);
        let of = |shard: &u16| {
            self.proofs(session).find(|proof| proof.shard == *shard && proof.outcome == outcome)
        };
        let said = shards.iter().map(|shard| of(shard).cloned()).collect::<Option<_>>()?;
        Some(Receipt { transaction, said: BoundedVec::new(said)? })
    }

    /// Upon the proof of the epoch from who was asked for it: begins to drive.
    fn on_epoch(&mut self, cx: &mut Cx<'_>, from: PeerId, proof: EpochProof) -> Step {
        let Stage::Asking(asked) = &mut self.stage else { return Step::none() };
        if !asked.remove(&from) {
            return Step::none(); // not asked for
        }
        let Ok(epoch) = Epoch::verify(&self.genesis, &proof) else {
            return self.blame(Peer::Validator(from), FaultKind::InvalidProof);
        };
        let record = Record::Epoch(Box::new(proof.clone()));
        let begun = self.begin(cx, epoch, proof, Vec::new()).unwrap_or(Step::none());
        Step::none().record(record).and(begun).and(self.flush())
    }

    fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        epoch: Epoch,
        proof: EpochProof,
        records: Vec<client::Record<<Rosters<Decision> as atomix::Shards>::Inclusion>>,
    ) -> Result<Step, RestoreError> {
        let config = client::Config {
            rules: self.rules.clone(),
            shards: epoch.rosters(),
            retry: self.poll.saturating_mul(SUBMIT_EVERY),
            patience: self.patience,
            most: MAX_PAYMENTS,
        };
        let (client, child) =
            Client::restore(config, records, cx).map_err(|_| RestoreError::Journal)?;
        let (questions, turns) = (BTreeMap::new(), BTreeMap::new());
        let driving = Driving { epoch, proof, client, questions, turns };
        self.stage = Stage::Driving(Box::new(driving));
        let step = self.absorb(cx, child, None);
        Ok(step.and(self.advance(cx)))
    }

    /// Takes over what the client brought about. What it asks for goes out with the next
    /// [`flush`](Self::flush).
    fn absorb(&mut self, cx: &mut Cx<'_>, child: Driven, from: Option<PeerId>) -> Step {
        let (records, held) = child.into_records();
        let Output { messages, events, faults } = held.release();
        let client = |step: Step, record| step.record(Record::Client(Box::new(record)));
        let mut step = records.into_iter().fold(Step::none(), client);
        for message in messages {
            if let (To::One(shard), atomix::Message::Request(request)) = message {
                let session = self.question(shard, &request);
                self.outbox.entry(shard).or_default().push((session, request));
            }
        }
        for fault in faults {
            if let Some(from) = from {
                step = step.and(self.blame(Peer::Validator(from), fault.kind));
            }
        }
        for event in events {
            step = match event {
                client::Event::Committed(session) => {
                    self.close(&session);
                    self.payments.commit(&session);
                    step.event(Event::Committed { session }).and(self.advance(cx))
                }
                client::Event::Aborted(session) => {
                    self.close(&session);
                    step.and(self.abort(cx, session, Reason::Rejected))
                }
                client::Event::Refused { .. } | _ => step,
            };
        }
        step
    }

    /// Asks no more about a session that is over, nor for anything.
    fn close(&mut self, session: &Session) {
        for requests in self.outbox.values_mut() {
            requests.retain(|(of, _)| of != session);
        }
        if let Stage::Driving(driving) = &mut self.stage {
            for questions in driving.questions.values_mut() {
                questions.remove(session);
            }
        }
    }

    /// Notes what to ask a shard about a request, and returns its session.
    fn question(&mut self, shard: u16, request: &Request) -> Session {
        let session = request.transaction.declaration.session(&self.rules.genesis());
        if let Stage::Driving(driving) = &mut self.stage {
            let questions = driving.questions.entry(shard).or_default();
            questions.insert(session, want(&request.action));
        }
        session
    }

    /// Gives a payment up, and those that spend what it was to create.
    fn abort(&mut self, cx: &mut Cx<'_>, session: Session, reason: Reason) -> Step {
        let Some(lost) = self.payments.abort(session, reason) else { return Step::none() };
        let step = lost.into_iter().fold(Step::none(), |step, (session, reason)| {
            step.record(Record::Aborted(session, reason)).event(Event::Aborted { session, reason })
        });
        step.and(self.advance(cx))
    }

    /// Has the client drive the payments whose inputs are there.
    fn advance(&mut self, cx: &mut Cx<'_>) -> Step {
        let mut step = Step::none();
        while let Stage::Driving(driving) = &mut self.stage
            && let Some(transaction) = self.payments.next_ready()
        {
            // What was driven before a crash is known to the client.
            let command = Drive::Drive(Box::new(transaction));
            if let Ok(child) = driving.client.handle_command(cx, command) {
                step = step.and(self.absorb(cx, child, None));
            }
        }
        step
    }

    /// Submits what waits, to every validator of each shard.
    fn flush(&mut self) -> Step {
        let mut step = Step::none();
        for (shard, requests) in core::mem::take(&mut self.outbox) {
            let validators = self.validators(shard);
            for batch in batches(shard, requests.into_iter().map(|(_, request)| request)) {
                step = step.send(To::Some(validators.clone()), batch);
            }
        }
        step
    }

    /// Asks for the epoch, or each shard for what it said.
    fn ask(&mut self, cx: &mut Cx<'_>) -> Step {
        let asked = match &mut self.stage {
            Stage::Driving(driving) => driving.ask(cx),
            Stage::Asking(asked) => {
                let members = self.roster.members().iter();
                let all: Vec<_> = members.map(|member| Peer::Validator(member.peer)).collect();
                let Some(Peer::Validator(to)) = any(&all, cx) else { return Step::none() };
                asked.insert(to);
                alloc::vec![(Peer::Validator(to), Message::Sync(Sync::Ask))]
            }
        };
        asked.into_iter().fold(Step::none(), |step, (to, ask)| step.send(To::One(to), ask))
    }

    fn validators(&self, shard: u16) -> Vec<Peer> {
        let info = self.epoch().and_then(|epoch| epoch.shard(shard));
        let members = info.into_iter().flat_map(|info| info.roster().members());
        members.map(|member| Peer::Validator(member.peer)).collect()
    }

    fn blame(&mut self, culprit: Peer, kind: FaultKind) -> Step {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence: None })
        } else {
            Step::none()
        }
    }
}

#[cfg(test)]
mod tests;
