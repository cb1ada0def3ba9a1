//! A wallet: pays, and believes nothing but proofs that begin at the genesis.
//!
//! - A transaction is recorded before it is submitted, submitted to every validator, and
//!   submitted again until its fate is known, crash or no crash.
//! - It is committed when a light client says so: links from the genesis, and the path from its
//!   entry to a verified block. It is aborted when validators of weight over f, so an honest one
//!   among them, say that it can never be committed, for one and the same reason.
//! - One validator at a time is asked, at random, so a lying or silent one costs an interval.
//!
//! ```
//! use core::time::Duration;
//! use cosi::{keys::Seed, machine::{Cx, Time}, roster::Member};
//! use omniledger::{
//!     genesis::{Genesis, Grant},
//!     transaction::{Declaration, Output},
//!     wallet::{Command, Config, Wallet},
//! };
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let validators = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
//! let alice = Seed::from_bytes([9; 32]).signing_key();
//! let grant = Grant { owner: alice.public().to_bytes(), value: 100 };
//! let members = validators.iter().map(|key| Member::new(key, &mut rng)).collect();
//! let genesis = Genesis::new("town", members, vec![grant])?;
//!
//! let mut cx = Cx::new(Time::default(), &mut rng);
//! let config = Config { genesis: genesis.clone(), poll: Duration::from_millis(200) };
//! let (mut wallet, _) = Wallet::restore(config, [], &mut cx)?;
//! let coin = genesis.granted().next().unwrap();
//! let gift = Output { shard: 0, value: 100, owner: validators[0].public().to_bytes() };
//! let pay = Declaration::new(0, 0, vec![coin], vec![gift])?.sign(&genesis.id(), |_| Some(&alice))?;
//! let step = wallet.handle_command(&mut cx, Command::Pay(Box::new(pay)))?;
//! let (records, _) = step.into_records();
//! assert_eq!((records.len(), wallet.pending()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    impl_machine,
    machine::{self, Cx, Fault, FaultKind, Time, To},
    mask::Mask,
    roster::Roster,
    wire::BoundedVec,
};
use skipchain::{Header, LightClient, Link, Proof};

use crate::{
    chain::{Entry, Verdict, genesis_header},
    decision::Decision,
    genesis::{Genesis, GenesisError},
    message::{Answer, Found, Guest, MAX_ASK, Message, Peer, batches},
    pool::Refusal,
    receipt::{Receipt, light_client},
    transaction::{Rejection, Rules, Session, Transaction},
};

/// What one input to a [`Wallet`] brings about.
pub type Step = machine::Step<Message, Event, Record, Peer>;

/// After how many questions a transaction without a fate is submitted again.
const SUBMIT_EVERY: u32 = 16;

/// How a wallet is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// All that the wallet trusts.
    pub genesis: Genesis,
    /// How often it asks while something is pending.
    pub poll: Duration,
}

/// What the owner asks of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Has a transaction committed.
    Pay(Box<Transaction>),
}

/// What a wallet tells its owner. Each may come again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The transaction is in the ledger for ever; [`Wallet::receipt`] proves it.
    Committed {
        /// The transaction.
        session: Session,
        /// The block.
        block: u64,
    },
    /// The transaction can never be committed.
    Aborted {
        /// The transaction.
        session: Session,
        /// Why: final, and true.
        refusal: Refusal,
    },
    /// Validators, an honest one among them, have waited long and in vain for what the
    /// transaction spends. The wallet goes on submitting it, so it may be committed yet. To be
    /// rid of it, spend one of its inputs otherwise.
    Delayed {
        /// The transaction.
        session: Session,
    },
}

/// What a wallet must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// The owner asked for this transaction.
    Paid(Transaction),
    /// These links were verified.
    Links(Proof<Decision>),
    /// A transaction was found here.
    Found(Found),
    /// A transaction was given up.
    Aborted(Session, Refusal),
}

/// The owner asked for something that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No validator would take it.
    #[error("the transaction is refused: {0}")]
    Refused(#[from] Rejection),
    /// One payment once.
    #[error("the transaction has been submitted before; declare another nonce to pay again")]
    Repeated,
}

/// Why there can be no such wallet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The genesis is not sound.
    #[error("the genesis is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// The records are not those of a wallet of this ledger.
    #[error(
        "the journal is another wallet's; use the journal and the genesis that belong together"
    )]
    Journal,
}

/// A wallet, and a light client.
#[derive(Debug)]
pub struct Wallet {
    roster: Roster,
    rules: Rules,
    poll: Duration,
    client: LightClient,
    genesis: Header,
    /// The chain from the genesis: a header and a link a block.
    blocks: Vec<(Header, Link<Decision>)>,
    /// One entry for each payment.
    payments: BTreeMap<Session, Payment>,
    /// The payments whose fate is not known, in the order they were asked for.
    pending: BTreeMap<u64, Session>,
    /// The first payment to ask about next, by number: each has its turn.
    turn: u64,
    next_poll: Option<Time>,
    /// At most one entry for each validator and kind.
    blamed: BTreeSet<(Peer, FaultKind)>,
}

#[derive(Debug)]
struct Payment {
    number: u64,
    transaction: Transaction,
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    /// How often it was asked about since it was submitted last. `None`: not submitted yet.
    Pending {
        asked: Option<u32>,
        /// At most one entry for each validator and reason.
        refused_by: BTreeSet<(Refusal, u16)>,
    },
    Committed(Found),
    Aborted,
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
        let Config { genesis, poll } = config;
        let mut wallet = Self {
            roster: genesis.roster()?,
            rules: genesis.rules(),
            poll,
            client: light_client(&genesis)?,
            genesis: genesis_header(&genesis)?,
            blocks: Vec::new(),
            payments: BTreeMap::new(),
            pending: BTreeMap::new(),
            turn: 0,
            next_poll: None,
            blamed: BTreeSet::new(),
        };
        let mut step = Step::none();
        for record in records {
            if let Some(event) = wallet.replay(record).ok_or(RestoreError::Journal)? {
                step = step.event(event);
            }
        }
        wallet.next_poll = (!wallet.pending.is_empty()).then_some(cx.now());
        Ok((wallet, step))
    }

    /// Does what the owner asks, or says why that makes no sense.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        let Command::Pay(transaction) = command;
        let session = transaction.declaration.session(&self.rules.genesis);
        if self.payments.contains_key(&session) {
            return Err(Error::Repeated);
        }
        let mut checks = self.rules.check(alloc::vec![(*transaction).clone()]);
        checks.results.pop().ok_or(Error::Repeated)??;
        self.remember(session, (*transaction).clone());
        self.next_poll.get_or_insert(cx.now());
        Ok(Step::none().record(Record::Paid(*transaction)))
    }

    /// Takes in what a validator answers. Nothing a peer says is an error.
    pub fn handle_message(&mut self, _: &mut Cx<'_>, from: Peer, message: Message) -> Step {
        let Peer::Validator(peer) = from else { return Step::none() };
        let Some(index) = self.roster.index_of(peer) else { return Step::none() };
        let Message::Guest(Guest::Answer(answer)) = message else {
            return self.blame(from, FaultKind::WrongRole);
        };
        let Answer { links, found, refused } = answer;
        let mut step = match links.map_or(Ok(Step::none()), |links| self.follow(&links)) {
            Ok(step) => step,
            Err(kind) => return self.blame(from, kind),
        };
        for found in found.into_inner() {
            step = match self.find(found) {
                Ok(news) => step.and(news),
                Err(kind) => return step.and(self.blame(from, kind)),
            };
        }
        for (session, refusal) in refused.into_inner() {
            step = step.and(self.hear_refusal(index.get(), session, refusal));
        }
        step
    }

    /// Submits what waits for it, and asks a validator what became of the rest.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.next_poll.is_none_or(|next| next > cx.now()) {
            return Step::none();
        }
        self.next_poll = (!self.pending.is_empty()).then(|| cx.now().after(self.poll));
        let step = self.submit();
        let Some(validator) = self.any_validator(cx) else { return step };
        let ask = Guest::Ask { head: self.head().index, sessions: self.due() };
        step.send(To::One(validator), Message::Guest(ask))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        self.next_poll.filter(|_| !self.pending.is_empty())
    }

    /// How many payments have no fate yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The last block that was verified.
    pub fn head(&self) -> &Header {
        self.blocks.last().map_or(&self.genesis, |(header, _)| header)
    }

    /// The chain from the genesis to the last block that was verified.
    pub fn chain(&self) -> Option<Proof<Decision>> {
        self.chain_to(self.head().index)
    }

    /// What proves to a stranger that a payment is committed.
    pub fn receipt(&self, session: &Session) -> Option<Receipt> {
        let Payment { transaction, fate: Fate::Committed(found), .. } =
            self.payments.get(session)?
        else {
            return None;
        };
        let (transaction, path) = (transaction.clone(), found.path.clone());
        Some(Receipt { transaction, chain: self.chain_to(found.block)?, path })
    }

    /// The payments to ask about now, in turn.
    fn due(&mut self) -> BoundedVec<Session, MAX_ASK> {
        let (from, rest) = (self.pending.range(self.turn..), self.pending.range(..self.turn));
        let due: Vec<_> = from.chain(rest).take(MAX_ASK).collect();
        self.turn = due.last().map_or(0, |(number, _)| number.saturating_add(1));
        BoundedVec::new(due.into_iter().map(|(_, session)| *session).collect()).unwrap_or_default()
    }

    fn chain_to(&self, block: u64) -> Option<Proof<Decision>> {
        let blocks = usize::try_from(block).ok()?;
        let links = self.blocks.iter().take(blocks).map(|(_, link)| link.clone()).collect();
        Proof::new(&self.genesis, links)
    }

    /// Upon links from the head: verifies them, and moves the head. Links from anywhere else
    /// answer an earlier question. Openings are left out: the roster is known, and they would
    /// only make every receipt longer. A link that skips blocks is refused: a payment's block may
    /// be any.
    fn follow(&mut self, links: &Proof<Decision>) -> Result<Step, FaultKind> {
        let stale = links.from() != self.head().id();
        if stale || links.links().is_empty() {
            return Ok(Step::none());
        }
        let bare = links.links().iter().map(|link| link.clone().without_opening()).collect();
        let links = Proof::new(self.head(), bare).ok_or(FaultKind::InvalidProof)?;
        self.extend(&links).ok_or(FaultKind::InvalidProof)?;
        Ok(Step::none().record(Record::Links(links)))
    }

    fn extend(&mut self, links: &Proof<Decision>) -> Option<()> {
        if links.links().iter().any(|link| link.level() != 0) {
            return None;
        }
        self.client.advance(links).ok()?;
        for link in links.links() {
            let head = self.head();
            let header = link.follow(head, &head.id())?;
            self.blocks.push((header, link.clone()));
        }
        Some(())
    }

    /// Upon a place: the payment is committed if it stands there, in a block that was verified.
    fn find(&mut self, found: Found) -> Result<Step, FaultKind> {
        let known = self.payments.get(&found.session);
        let pending = known.is_some_and(|payment| matches!(payment.fate, Fate::Pending { .. }));
        if !pending || found.block > self.head().index {
            return Ok(Step::none()); // answered before, or the links went astray
        }
        let (record, session, block) = (Record::Found(found.clone()), found.session, found.block);
        self.settle(found).ok_or(FaultKind::InvalidProof)?;
        Ok(Step::none().record(record).event(Event::Committed { session, block }))
    }

    fn settle(&mut self, found: Found) -> Option<()> {
        let at = usize::try_from(found.block.checked_sub(1)?).ok()?;
        let (header, _) = self.blocks.get(at)?;
        let (at, of) = (found.path.index(), found.path.len());
        let entry = Entry { at, of, verdict: Verdict::Committed(found.session) };
        let payment =
            self.payments.get_mut(&found.session).filter(|_| entry.is_in(header, &found.path))?;
        self.pending.remove(&payment.number);
        payment.fate = Fate::Committed(found);
        Some(())
    }

    /// Upon a refusal: once validators of weight over f say so, an honest one does.
    fn hear_refusal(&mut self, validator: u16, session: Session, refusal: Refusal) -> Step {
        let (size, faulty) = (self.roster.size(), self.roster.faulty());
        let Some(Payment { fate: Fate::Pending { refused_by, .. }, .. }) =
            self.payments.get_mut(&session)
        else {
            return Step::none();
        };
        let news = refused_by.insert((refusal, validator));
        let alike = refused_by.iter().filter(|(why, _)| *why == refusal);
        let by = Mask::of(size, alike.map(|(_, validator)| *validator));
        let others = Mask::of(size, by.iter().filter(|member| *member != validator));
        let weight = |members| self.roster.weight_of(members);
        if !news || weight(&by) <= faulty || weight(&others) > faulty {
            return Step::none();
        }
        if !refusal.is_final() {
            return Step::none().event(Event::Delayed { session });
        }
        self.abort(&session);
        let step = Step::none().record(Record::Aborted(session, refusal));
        step.event(Event::Aborted { session, refusal })
    }

    fn abort(&mut self, session: &Session) -> Option<()> {
        let pending = |payment: &&mut Payment| matches!(payment.fate, Fate::Pending { .. });
        let payment = self.payments.get_mut(session).filter(pending)?;
        self.pending.remove(&payment.number);
        payment.fate = Fate::Aborted;
        Some(())
    }

    fn remember(&mut self, session: Session, transaction: Transaction) {
        let number = u64::try_from(self.payments.len()).unwrap_or(u64::MAX);
        let fate = Fate::Pending { asked: None, refused_by: BTreeSet::new() };
        self.pending.insert(number, session);
        self.payments.insert(session, Payment { number, transaction, fate });
    }

    /// Does again what a record says was done. `None` when it does not follow.
    fn replay(&mut self, record: Record) -> Option<Option<Event>> {
        match record {
            Record::Paid(transaction) => {
                let session = transaction.declaration.session(&self.rules.genesis);
                let new = !self.payments.contains_key(&session);
                new.then(|| self.remember(session, transaction)).map(|()| None)
            }
            Record::Links(links) => self.extend(&links).map(|()| None),
            Record::Found(found) => {
                let (session, block) = (found.session, found.block);
                self.settle(found).map(|()| Some(Event::Committed { session, block }))
            }
            Record::Aborted(session, refusal) => {
                self.abort(&session).map(|()| Some(Event::Aborted { session, refusal }))
            }
        }
    }

    /// Submits, to every validator, what has not been or may have been lost.
    fn submit(&mut self) -> Step {
        let mut due = Vec::new();
        for session in self.pending.values() {
            let Some(Payment { fate: Fate::Pending { asked, .. }, transaction, .. }) =
                self.payments.get_mut(session)
            else {
                continue;
            };
            let again = asked.is_none_or(|asked| asked >= SUBMIT_EVERY);
            *asked = if again { Some(0) } else { asked.map(|asked| asked.saturating_add(1)) };
            if again {
                due.push(transaction.clone());
            }
        }
        batches(due).fold(Step::none(), |step, batch| {
            step.send(To::Some(self.validators()), Message::Guest(Guest::Submit(batch)))
        })
    }

    fn validators(&self) -> Vec<Peer> {
        self.roster.members().iter().map(|member| Peer::Validator(member.peer)).collect()
    }

    fn any_validator(&self, cx: &mut Cx<'_>) -> Option<Peer> {
        let size = u64::try_from(self.roster.size()).ok()?;
        let at = usize::try_from(cx.rng().next_u64().checked_rem(size)?).ok()?;
        self.roster.members().get(at).map(|member| Peer::Validator(member.peer))
    }

    fn blame(&mut self, culprit: Peer, kind: FaultKind) -> Step {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence: None })
        } else {
            Step::none()
        }
    }
}
