//! A validator: orders, checks and keeps what wallets submit, and proves it to them.
//!
//! ```text
//!  wallet                     validator                          other validators
//!    |--- Submit(transactions) -->| check signatures, wait            |
//!    |                            |<===== byzcoin: propose, vote ====>|
//!    |                            | execute, append to the chain      |
//!    |--- Ask(head, sessions) --->|                                   |
//!    |<-- Answer(links, paths) ---|                                   |
//! ```
//!
//! - A block is prepared only if it is a function of the parent state and its body: every
//!   transaction well-formed, signed by every owner, and executable in order; and the header the
//!   one that follows. So no quorum commits what an honest validator has not checked.
//! - A validator that learns a block from others, already decided, checks it all the same. If it
//!   does not hold, more than a third of the weight is faulty: [`Event::Unsound`] says so, and
//!   the validator stops.
//! - What is decided is in the records; the state is computed from them again after a crash.
//!   Waiting transactions are not: wallets submit again until they have a proof.

mod config;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};

use byzcoin::{
    Height, Replica, View,
    votes::{self, CosiVotes},
};
use cosi::{
    Certificate, impl_machine,
    keys::PeerId,
    machine::{self, Cx, Fault, FaultKind, StepOf, Time, To},
    roster::Roster,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use skipchain::{BlockId, Header};

use crate::{
    chain::{BadBlock, Body, Chain, Executed},
    decision::Decision,
    ledger::Checks,
    message::{Answer, Guest, MAX_SUBMIT_BYTES, Message, Peer, batches},
    pool::{Pool, Room},
    transaction::{Checked, Rejection, Session, Transaction},
    utxo::Utxo,
};

pub use self::config::{Command, Config, Error, Event, RestoreError};

/// What one input to a [`Validator`] brings about.
pub type Step = machine::Step<Message, Event, Record, Peer>;
/// What a validator must not forget: what its replica must not.
pub type Record = byzcoin::RecordOf<CosiVotes>;

/// A validator of a ledger with one shard.
///
/// Guarantees, duties and bounds are those of the [crate]; [`node`](crate::node) shows
/// four of them at work. A leader, given a payment, proposes it:
///
/// ```
/// use cosi::{keys::Seed, machine::{Cx, Time}, roster::Member, wire::BoundedVec};
/// use omniledger::{
///     Genesis, Message, Peer, PoolLimits, Validator,
///     genesis::Grant,
///     message::Guest,
///     transaction::{Declaration, Output},
///     validator::{Config, Event},
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let alice = Seed::from_bytes([9; 32]).signing_key();
/// let members = keys.iter().map(|key| Member::new(key, &mut rng)).collect();
/// let grant = Grant { owner: alice.public().to_bytes(), value: 100 };
/// let genesis = Genesis::new("town", members, vec![grant])?;
/// let config = Config {
///     genesis: genesis.clone(),
///     key: keys[0].clone(),
///     timing: Default::default(),
///     votes: Default::default(),
///     pool: PoolLimits::default(),
///     block_bytes: 1 << 18,
/// };
/// let mut cx = Cx::new(Time::default(), &mut rng);
/// let (mut validator, _) = Validator::restore(config, [], &mut cx)?;
///
/// let coin = genesis.granted().next().unwrap();
/// let gift = Output { shard: 0, value: 100, owner: [7; 32] };
/// let pay = Declaration::new(0, 0, vec![coin], vec![gift])?.sign(&genesis.id(), |_| Some(&alice))?;
/// let submit = Message::Guest(Guest::Submit(BoundedVec::new(vec![pay]).unwrap()));
/// let step = validator.handle_message(&mut cx, Peer::Guest(1), submit);
/// let (records, held) = step.into_records();
/// // ... write `records`, sync, then send what the step holds ...
/// let output = held.release();
/// assert_eq!(output.events[0], Event::Checked { signatures: 1 });
/// assert!(!records.is_empty() && !output.messages.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Validator {
    roster: Roster,
    me: PeerId,
    replica: Replica<CosiVotes>,
    chain: Chain,
    pool: Pool,
    room: Room,
    /// Blocks of this height that hold, so that none is checked twice: [`MAX_TRIED`] at most.
    tried: BTreeMap<BlockId, Executed>,
    /// Whether a quorum decided what does not hold.
    unsound: bool,
    /// At most one entry for each validator and kind, and [`MAX_BLAMED`] for guests.
    blamed: BTreeSet<(Peer, FaultKind)>,
}

/// How many guests' faults are remembered, so that each is reported once.
const MAX_BLAMED: usize = 4096;
/// How many blocks of a height are kept with what they come to.
const MAX_TRIED: usize = 8;
/// The only shard, and the only epoch.
const SHARD: u16 = 0;
const EPOCH: u64 = 0;

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
        let Config { genesis, key, timing, votes, pool, block_bytes } = config;
        let (roster, chain) = (genesis.roster()?, Chain::new(&genesis)?);
        let me = PeerId::of(key.public());
        let index = roster.index_of(me).ok_or(RestoreError::NotAValidator)?;
        let limits = genesis.limits;
        let replica = byzcoin::Config {
            chain: genesis.id().0,
            epoch: EPOCH,
            roster: roster.clone(),
            me: index,
            genesis: chain.tip().id().0,
            votes: votes::Config { key: Arc::new(key), timing: votes },
            timing,
            limits: byzcoin::Limits { max_body: limits.max_body(), ..byzcoin::Limits::default() },
            rotation: 16,
        };
        let (replica, child) = Replica::restore(replica, records, cx)?;
        let room = Room {
            transactions: usize::try_from(limits.transactions).unwrap_or(usize::MAX),
            bytes: usize::try_from(limits.bytes.min(block_bytes)).unwrap_or(usize::MAX),
        };
        let mut validator = Self {
            roster,
            me,
            replica,
            chain,
            pool: Pool::new(pool),
            room,
            tried: BTreeMap::new(),
            unsound: false,
            blamed: BTreeSet::new(),
        };
        let step = validator.drive(cx, child);
        Ok((validator, step))
    }

    /// There is no command.
    pub fn handle_command(&mut self, _: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        match command {}
    }

    /// Takes in what `from` said. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> Step {
        let stranger =
            matches!(from, Peer::Validator(peer) if self.roster.index_of(peer).is_none());
        if self.unsound || stranger {
            return Step::none();
        }
        match (from, message) {
            (Peer::Validator(peer), Message::Shard { epoch: EPOCH, shard: SHARD, message }) => {
                let child = self.replica.handle_message(cx, peer, *message);
                self.drive(cx, child)
            }
            (Peer::Validator(_), Message::Shard { .. }) => Step::none(), // of another time
            (_, Message::Guest(Guest::Submit(transactions))) => {
                self.submit(cx, from, transactions.into_inner())
            }
            (_, Message::Guest(Guest::Ask { head, sessions })) => {
                Step::none().send(To::One(from), self.answer(head, &sessions))
            }
            (Peer::Guest(_), Message::Shard { .. }) | (_, Message::Guest(Guest::Answer(_))) => {
                self.blame(from, FaultKind::WrongRole)
            }
        }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.unsound {
            return Step::none();
        }
        let child = self.replica.handle_timeout(cx);
        self.drive(cx, child)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        self.replica.next_timeout().filter(|_| !self.unsound)
    }

    /// The last block.
    pub const fn head(&self) -> &Header {
        self.chain.tip()
    }

    /// The state after the last block.
    pub const fn ledger(&self) -> &Utxo {
        self.chain.state()
    }

    /// Upon transactions: checks those that are new, and lets them wait.
    fn submit(&mut self, cx: &mut Cx<'_>, from: Peer, transactions: Vec<Transaction>) -> Step {
        let length = |transaction| borsh::object_length(transaction).unwrap_or(usize::MAX);
        let bytes = transactions.iter().map(length).fold(0, usize::saturating_add);
        if bytes > MAX_SUBMIT_BYTES {
            return self.blame(from, FaultKind::InvalidPayload);
        }
        let rules = *self.chain.state().rules();
        let new = transactions.into_iter().filter(|transaction| {
            let session = transaction.declaration.session(&rules.genesis);
            !self.chain.contains(&session) && self.pool.get(&session).is_none()
        });
        let Checks { results, signatures } = rules.check(new.collect());
        let mut step = Step::none().event(Event::Checked { signatures });
        for result in results {
            match result {
                Ok(checked) => {
                    let session = checked.session();
                    if let Some(refusal) = self.pool.add(checked, &self.chain) {
                        step = step.event(Event::Refused { session, refusal });
                    }
                }
                Err(Rejection::WrongEpoch { .. }) => {} // perhaps of another time
                Err(_) => step = step.and(self.blame(from, FaultKind::InvalidPayload)),
            }
        }
        step.and(self.command(cx, self.pending()))
    }

    /// Upon a question: the blocks after `head`, and where these transactions stand.
    fn answer(&self, head: u64, sessions: &[Session]) -> Message {
        let found = sessions.iter().filter_map(|session| self.chain.find(session)).collect();
        let refused = sessions.iter().filter_map(|s| Some((*s, self.pool.refusal(s)?))).collect();
        Message::Guest(Guest::Answer(Answer {
            links: self.chain.links_after(head),
            found: BoundedVec::new(found).unwrap_or_default(),
            refused: BoundedVec::new(refused).unwrap_or_default(),
        }))
    }

    /// Takes over what the replica brought about, and answers what it asks until it asks no more.
    fn drive(&mut self, cx: &mut Cx<'_>, child: StepOf<Replica<CosiVotes>>) -> Step {
        let (mut step, mut events) = (Step::none(), VecDeque::new());
        events.extend(self.absorb(&mut step, child));
        while let Some(event) = events.pop_front() {
            let (news, command) = self.handle_event(event);
            step = step.and(news);
            let child = command.and_then(|command| self.replica.handle_command(cx, command).ok());
            if let Some(child) = child {
                events.extend(self.absorb(&mut step, child));
            }
        }
        step
    }

    /// Passes a command to the replica. One that comes too late is as good as none.
    fn command(&mut self, cx: &mut Cx<'_>, command: Option<byzcoin::Command>) -> Step {
        let child = command.and_then(|command| self.replica.handle_command(cx, command).ok());
        child.map_or(Step::none(), |child| self.drive(cx, child))
    }

    fn absorb(
        &self,
        step: &mut Step,
        child: StepOf<Replica<CosiVotes>>,
    ) -> Vec<byzcoin::EventOf<CosiVotes>> {
        let child = child.map_peers(Peer::Validator, || self.others());
        let wrap =
            |message| Message::Shard { epoch: EPOCH, shard: SHARD, message: Box::new(message) };
        step.absorb(child, wrap, |record| record)
    }

    fn handle_event(
        &mut self,
        event: byzcoin::EventOf<CosiVotes>,
    ) -> (Step, Option<byzcoin::Command>) {
        use byzcoin::{Command as Ask, Event as Told};
        match event {
            _ if self.unsound => (Step::none(), None),
            Told::Propose { height, view, .. } => (Step::none(), self.propose(height, view)),
            Told::Validate { digest, header, body } => {
                let (step, valid) = match self.check(&header.app, &body) {
                    Ok((signatures, executed)) => {
                        self.keep(executed);
                        (Step::none().event(Event::Checked { signatures }), true)
                    }
                    Err(_) => (Step::none(), false),
                };
                (step, Some(Ask::Validated { digest, valid }))
            }
            Told::Decided { block, view, certificate } => {
                let step = self.decide(&block, view, certificate);
                (step, self.pending())
            }
            Told::Forward => (self.forward(), None),
            Told::ViewChanged { height, view } => {
                (Step::none().event(Event::ViewChanged { height, view }), None)
            }
            Told::Behind { height } => (Step::none().event(Event::Behind { height }), None),
            _ => (Step::none(), None),
        }
    }

    /// Proposes what can be executed.
    fn propose(&mut self, height: Height, view: View) -> Option<byzcoin::Command> {
        let (block, after) = self.pool.build(self.chain.state(), self.room);
        let transactions = block.iter().map(|checked| checked.transaction().clone()).collect();
        let body = Body { transactions: BoundedVec::new(transactions)? };
        let executed = self.chain.next(block, after);
        let app = BoundedBytes::new(executed.header.id().encode())?;
        self.keep(executed);
        Some(byzcoin::Command::Propose {
            height,
            view,
            app,
            body: BoundedBytes::new(body.encode())?,
        })
    }

    /// Keeps what a block comes to. What is let go is checked again if it is decided.
    fn keep(&mut self, executed: Executed) {
        if self.tried.len() >= MAX_TRIED {
            self.tried.pop_first();
        }
        self.tried.insert(executed.header.id(), executed);
    }

    /// Whether the block may follow the last one: how many signatures that took to tell, and
    /// what the block comes to.
    fn check(&self, app: &[u8], body: &[u8]) -> Result<(usize, Executed), BadBlock> {
        let body = Body::decode(body).map_err(|_| BadBlock::Malformed)?;
        let transactions = body.transactions.into_inner();
        if transactions.len() > self.room.transactions {
            return Err(BadBlock::Size);
        }
        let rules = self.chain.state().rules();
        let mut block: Vec<Option<Checked>> = Vec::new();
        let mut new = Vec::new();
        for transaction in transactions {
            // The same declaration with other signatures is another transaction.
            let known = self.pool.get(&transaction.declaration.session(&rules.genesis));
            let known = known.filter(|known| *known.transaction() == transaction).cloned();
            if known.is_none() {
                new.push(transaction);
            }
            block.push(known);
        }
        let Checks { results, signatures } = rules.check(new);
        let mut results = results.into_iter();
        let checked = block.into_iter().enumerate().map(|(at, known)| {
            let checked = known.map(Ok).or_else(|| results.next()).ok_or(BadBlock::Malformed)?;
            checked.map_err(|rejection| BadBlock::Transaction(at, rejection))
        });
        let executed = self.chain.execute(checked.collect::<Result<_, _>>()?)?;
        let follows = executed.header.id().encode() == app;
        if follows { Ok((signatures, executed)) } else { Err(BadBlock::Header) }
    }

    /// Upon a decision: appends the block, which holds, or stops.
    fn decide(&mut self, block: &byzcoin::Block, view: View, certificate: Certificate) -> Step {
        let header = &block.proposal.header;
        let tried = BlockId::decode(&header.app).ok().and_then(|id| self.tried.remove(&id));
        let checked = match tried {
            Some(executed) => Ok((0, executed)),
            None => self.check(&header.app, &block.body),
        };
        let height = header.height;
        let Ok((signatures, executed)) = checked else { return self.stop(height) };
        let proposal = block.proposal.clone();
        let decision = Decision { epoch: EPOCH, view, proposal, certificate: certificate.clone() };
        let Some(block) = self.chain.append(&executed, decision) else { return self.stop(height) };
        self.tried.clear();
        let refused = self.pool.settle(&executed.block, &self.chain);
        let sessions = executed.block.iter().map(Checked::session).collect();
        let step = Step::none().event(Event::Checked { signatures }).event(Event::Committed {
            block,
            view,
            sessions,
            certificate,
        });
        refused
            .into_iter()
            .fold(step, |step, (session, refusal)| step.event(Event::Refused { session, refusal }))
    }

    fn stop(&mut self, height: Height) -> Step {
        self.unsound = true;
        Step::none().event(Event::Unsound { height })
    }

    /// Whether something waits that the next block could commit.
    fn pending(&self) -> Option<byzcoin::Command> {
        let ready = !self.unsound && self.pool.is_ready();
        ready.then_some(byzcoin::Command::Pending)
    }

    /// Sends a block's worth of what waits to all validators: the leader may not have it.
    fn forward(&self) -> Step {
        let (block, _) = self.pool.build(self.chain.state(), self.room);
        let waiting = block.into_iter().map(Checked::into_transaction);
        batches(waiting).fold(Step::none(), |step, batch| {
            step.send(To::Some(self.others()), Message::Guest(Guest::Submit(batch)))
        })
    }

    fn others(&self) -> Vec<Peer> {
        let peers = self.roster.members().iter().map(|member| member.peer);
        peers.filter(|peer| *peer != self.me).map(Peer::Validator).collect()
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

#[cfg(test)]
mod tests;
