//! Who drives sessions to their end.
//!
//! ```text
//!  client                      input shards                output shards
//!    |------ Initialize ----------->|                            |
//!    |<----- Answer(Accepted) ------|   from all of them:        |
//!    |------ Commit(acceptances) ---|--------------------------->|
//!    |<----- Answer(Created) -------|----------------------------|   Committed
//!    |                              |
//!    |<----- Answer(Rejected) ------|   from any of them:
//!    |------ Abort(rejection) ----->|   to all others
//!    |<----- Answer(GivenBack) -----|   Aborted
//! ```
//!
//! - A session's transaction is recorded before it is sent, so no crash leaves a lock whose
//!   transaction is lost, and a restored client goes on where its records end.
//! - It believes proofs and no peer. A proof that has become too old to convince a shard is
//!   asked for anew.
//! - It says everything again until it is answered: every request can be repeated.
//! - An input that a shard does not know may still appear, so the client waits for its
//!   patience. Then it shows the shard another one's acceptance, and the shard rejects.

mod drive;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
};
use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::machine::{self, Cx, Fault, FaultKind, Machine, Restore, Time, To};

use self::drive::{Drive, Progress};
use crate::{
    malformed::Malformed,
    message::Message,
    proof::{Proof, ProofError, Shards},
    refusal::Refusal,
    rules::{Parameters, Rules},
    transaction::{Session, Transaction},
};

/// What one input to a [`Client`] brings about. A peer is a shard, by its number: the host sends
/// to as many of its validators as it takes to reach an honest one.
pub type Step<I> = machine::Step<Message<I>, Event, Record<I>, u16>;

/// How a client drives.
#[derive(Clone, Debug)]
pub struct Config<S> {
    /// What is well-formed.
    pub rules: Rules,
    /// What is known of the shards.
    pub shards: S,
    /// After how long what was not answered is said again.
    pub retry: Duration,
    /// How long an input that a shard does not know is waited for, from when the session is
    /// started or restored. Then the shard is shown another one's acceptance, and rejects.
    pub patience: Duration,
    /// The most sessions at a time, finished ones that were not forgotten included.
    pub most: usize,
}

/// What the application is told. A restored client tells again how sessions ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Every output exists.
    Committed(Session),
    /// No output exists or will, and every input that was locked is given back.
    Aborted(Session),
    /// A peer says that its shard did nothing, which proves nothing. Told once for each session
    /// and shard. If every input shard says so, the transaction does not fit the ledger.
    Refused {
        /// The session.
        session: Session,
        /// The shard.
        shard: u16,
        /// Why.
        refusal: Refusal,
    },
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Record<I> {
    /// The transaction may have been sent.
    Started(Box<Transaction>),
    /// This became of a session.
    Proven(Session, Proof<I>),
    /// The session is over, or given up.
    Forgotten(Session),
}

/// What the application asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command<S> {
    /// Drives this transaction to its end. Anyone who holds it may.
    Drive(Box<Transaction>),
    /// Replaces what is known of the shards: their rosters have changed, or their chains grown.
    Follow(Box<S>),
    /// Sets the parameters that hold from an epoch on. Give them to a restored client with its
    /// [`Config::rules`].
    Publish(u64, Parameters),
    /// Forgets a session that is over.
    Forget(Session),
    /// Forgets a session of which no shard is known to have accepted it.
    ///
    /// **If one has after all, its inputs stay locked** until somebody who holds the
    /// transaction drives it: keep it.
    GiveUp(Session),
}

/// The application asked for something that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The transaction is malformed, or an owner did not sign.
    #[error("the transaction is refused: {0}")]
    Malformed(#[from] Malformed),
    /// It is being driven.
    #[error("the session is driven already; wait for its end")]
    Repeated,
    /// There are as many sessions as the configuration allows.
    #[error("{0} sessions are driven, and no more fit; forget those that are over")]
    Full(usize),
    /// No such session.
    #[error("no such session is driven here")]
    Unknown,
    /// The session is not over.
    #[error("the session is not over; wait for its end")]
    Unfinished,
    /// A shard has accepted the session.
    #[error("a shard has locked inputs to the session; let it come to its end")]
    Locked,
}

/// The records are not those of such a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A transaction that these rules refuse.
    #[error("a recorded transaction is refused: {0}")]
    Malformed(#[from] Malformed),
    /// A record about a session that was not started.
    #[error("a record is about session {0}, which was not started")]
    Unknown(Session),
}

/// Drives sessions to their end.
///
/// **Guarantee.** A session that it drives ends as committed everywhere or aborted everywhere,
/// if every shard is safe and live and one client that holds the transaction goes on. That may
/// be this one after any number of crashes, or another one beside it.
///
/// **Duties of the host.** Store a step's records before its messages go out. Let it
/// [`Follow`](Command::Follow) the shards, in every epoch: who sees no current roster believes
/// nothing.
///
/// Keeps at most [`Config::most`] sessions, each with a proof or two of each shard that it
/// names, whatever peers send.
///
/// ```
/// use core::time::Duration;
/// use atomix::{
///     Declaration, GenesisId, Input, Outpoint, Output, Rosters, Rules, Sealed,
///     client::{Client, Command, Config, Record}, keys::Seed, machine::{Cx, Time, To},
///     message::{Action, Message},
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let mut cx = Cx::new(Time::default(), &mut rng);
/// let rules = Rules::new(GenesisId([7; 32]), Default::default());
/// let alice = Seed::from_bytes([1; 32]).signing_key();
/// let outpoint = Outpoint { shard: 2, id: [9; 32], version: 0 };
/// let coin = Input { outpoint, value: 50, owner: alice.public().to_bytes() };
/// let gift = Output { shard: 0, value: 50, owner: [2; 32] };
/// let pay = Declaration::new(0, 0, 100, vec![coin], vec![gift])?;
/// let pay = Box::new(pay.sign(&rules.genesis(), |_| Some(&alice))?);
///
/// let config = Config {
///     rules,
///     shards: Rosters::<cosi::Certificate>::new(),
///     retry: Duration::from_secs(2),
///     patience: Duration::from_secs(10),
///     most: 1000,
/// };
/// let (mut client, _) = Client::restore(config, [], &mut cx)?;
/// let (records, held) = client.handle_command(&mut cx, Command::Drive(pay.clone()))?.into_records();
/// assert_eq!(records, [Record::Started(pay)]);
/// // ... store `records`, then send: ...
/// let (to, Message::Request(request)) = held.release().messages.remove(0) else { panic!() };
/// assert_eq!((to, request.action), (To::One(2), Action::Initialize { shown: None }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client<S: Shards> {
    config: Config<S>,
    /// At most `config.most`.
    sessions: BTreeMap<Session, Drive<S::Inclusion>>,
    /// At most one entry for each shard and kind.
    blamed: BTreeSet<(u16, FaultKind)>,
    next: Option<Time>,
}

impl<S: Shards> Machine for Client<S> {
    type Peer = u16;
    type Message = Message<S::Inclusion>;
    type Command = Command<S>;
    type Event = Event;
    type Record = Record<S::Inclusion>;
    type Error = Error;

    fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: u16,
        message: Message<S::Inclusion>,
    ) -> Step<S::Inclusion> {
        Self::handle_message(self, cx, from, message)
    }
    fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Command<S>,
    ) -> Result<Step<S::Inclusion>, Error> {
        Self::handle_command(self, cx, command)
    }
    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step<S::Inclusion> {
        Self::handle_timeout(self, cx)
    }
    fn next_timeout(&self) -> Option<Time> {
        Self::next_timeout(self)
    }
}

impl<S: Shards> Restore for Client<S> {
    type Config = Config<S>;
    type RestoreError = RestoreError;

    fn restore(
        config: Config<S>,
        records: impl IntoIterator<Item = Record<S::Inclusion>>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step<S::Inclusion>), RestoreError> {
        Self::restore(config, records, cx)
    }
}

impl<S: Shards> Client<S> {
    /// The client that wrote `records`; without any, a fresh one. It asks again for all that is
    /// not over, and tells again how the rest ended.
    pub fn restore(
        config: Config<S>,
        records: impl IntoIterator<Item = Record<S::Inclusion>>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step<S::Inclusion>), RestoreError> {
        let (sessions, blamed) = (BTreeMap::new(), BTreeSet::new());
        let mut client = Self { config, sessions, blamed, next: None };
        for record in records {
            client.replay(record, cx.now())?;
        }
        let mut step = Step::none();
        for (session, drive) in &client.sessions {
            step = match drive.progress().end(*session) {
                Some(event) => step.event(event),
                None => step.and(drive.ask(&client.config, cx.now())),
            };
        }
        client.schedule(cx.now());
        Ok((client, step))
    }

    /// Does what the application asks.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Command<S>,
    ) -> Result<Step<S::Inclusion>, Error> {
        match command {
            Command::Drive(transaction) => self.drive(cx, *transaction),
            Command::Follow(shards) => {
                self.config.shards = *shards;
                let Self { config, sessions, .. } = self;
                sessions.values_mut().for_each(|drive| drive.review(&config.shards));
                Ok(Step::none())
            }
            Command::Publish(epoch, parameters) => {
                self.config.rules.publish(epoch, parameters);
                Ok(Step::none())
            }
            Command::Forget(session) => {
                let drive = self.sessions.get(&session).ok_or(Error::Unknown)?;
                if drive.progress().end(session).is_none() {
                    return Err(Error::Unfinished);
                }
                Ok(self.forget(session))
            }
            Command::GiveUp(session) => {
                let drive = self.sessions.get(&session).ok_or(Error::Unknown)?;
                if drive.has_lock() {
                    return Err(Error::Locked);
                }
                Ok(self.forget(session))
            }
        }
    }

    /// Takes in what `shard` says. Nothing a peer says is an error.
    pub fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        shard: u16,
        message: Message<S::Inclusion>,
    ) -> Step<S::Inclusion> {
        match message {
            Message::Request(_) => self.blame(shard, FaultKind::WrongRole),
            Message::Answer { session, proof } => self.hear(cx, shard, session, proof),
            Message::Refused { session, refusal } => {
                let drive = self.sessions.get_mut(&session);
                if drive.is_some_and(|drive| drive.note_refusal(shard)) {
                    return Step::none().event(Event::Refused { session, shard, refusal });
                }
                Step::none()
            }
        }
    }

    /// Says again what has not been answered.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step<S::Inclusion> {
        let now = cx.now();
        if self.next.is_none_or(|next| next > now) {
            return Step::none();
        }
        self.next = None;
        self.schedule(now);
        let asked = self.sessions.values().map(|drive| drive.ask(&self.config, now));
        asked.fold(Step::none(), Step::and)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub const fn next_timeout(&self) -> Option<Time> {
        self.next
    }

    /// The sessions that are not over.
    pub fn unfinished(&self) -> impl Iterator<Item = Session> + '_ {
        let open = |(session, drive): (&Session, &Drive<_>)| {
            drive.progress().end(*session).is_none().then_some(*session)
        };
        self.sessions.iter().filter_map(open)
    }

    /// The proofs that a session has collected, to show to anyone who has the transaction.
    pub fn proofs(&self, session: &Session) -> impl Iterator<Item = &Proof<S::Inclusion>> {
        self.sessions.get(session).into_iter().flat_map(Drive::proofs)
    }

    fn drive(
        &mut self,
        cx: &Cx<'_>,
        transaction: Transaction,
    ) -> Result<Step<S::Inclusion>, Error> {
        let checked = self.config.rules.check_one(transaction)?;
        let session = checked.session();
        if self.sessions.contains_key(&session) {
            return Err(Error::Repeated);
        }
        if self.sessions.len() >= self.config.most {
            return Err(Error::Full(self.config.most));
        }
        let record = Record::Started(Box::new(checked.transaction().clone()));
        let drive = Drive::new(checked, cx.now());
        let step = Step::none().record(record).and(drive.ask(&self.config, cx.now()));
        self.sessions.insert(session, drive);
        self.schedule(cx.now());
        Ok(step)
    }

    /// Upon a proof: it is recorded if it holds and is news, and the session goes on.
    fn hear(
        &mut self,
        cx: &Cx<'_>,
        from: u16,
        session: Session,
        proof: Proof<S::Inclusion>,
    ) -> Step<S::Inclusion> {
        let Some(drive) = self.sessions.get_mut(&session) else { return Step::none() };
        if !drive.wants(&proof) {
            return Step::none(); // known, or against what is known
        }
        self.config.shards.learn(proof.shard, &proof.inclusion);
        match proof.verify(drive.checked(), &self.config.shards) {
            Ok(_) => {}
            // It may be late, or the client behind.
            Err(ProofError::Roster | ProofError::Unknown) => return Step::none(),
            Err(_) => return self.blame(from, FaultKind::InvalidProof),
        }
        let before = drive.progress();
        let renewed = drive.learn(proof.clone(), true);
        let after = drive.progress();
        let step = Step::none().record(Record::Proven(session, proof));
        match after.end(session) {
            Some(event) if before != after => step.event(event),
            None if renewed || before.stage() != after.stage() => {
                step.and(drive.ask(&self.config, cx.now()))
            }
            _ => step,
        }
    }

    fn replay(&mut self, record: Record<S::Inclusion>, now: Time) -> Result<(), RestoreError> {
        match record {
            Record::Started(transaction) => {
                let checked = self.config.rules.check_one(*transaction)?;
                self.sessions.insert(checked.session(), Drive::new(checked, now));
            }
            Record::Proven(session, proof) => {
                let drive = self.sessions.get_mut(&session);
                let drive = drive.ok_or(RestoreError::Unknown(session))?;
                self.config.shards.learn(proof.shard, &proof.inclusion);
                let fresh = proof.verify(drive.checked(), &self.config.shards).is_ok();
                drive.learn(proof, fresh);
            }
            Record::Forgotten(session) => {
                self.sessions.remove(&session).ok_or(RestoreError::Unknown(session))?;
            }
        }
        Ok(())
    }

    fn forget(&mut self, session: Session) -> Step<S::Inclusion> {
        self.sessions.remove(&session);
        Step::none().record(Record::Forgotten(session))
    }

    /// Sets the next deadline, if something waits and none is set.
    fn schedule(&mut self, now: Time) {
        let waits = self.unfinished().next().is_some();
        let next = now.after(self.config.retry.max(Duration::from_nanos(1)));
        self.next = waits.then(|| self.next.unwrap_or(next));
    }

    fn blame(&mut self, culprit: u16, kind: FaultKind) -> Step<S::Inclusion> {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence: None })
        } else {
            Step::none()
        }
    }
}

impl Progress {
    /// What to tell of a session that is over.
    fn end(&self, session: Session) -> Option<Event> {
        match self {
            Self::Committing(open) if open.is_empty() => Some(Event::Committed(session)),
            Self::Aborting(open) if open.is_empty() => Some(Event::Aborted(session)),
            Self::Voting(_) | Self::Committing(_) | Self::Aborting(_) => None,
        }
    }
}

/// A message to one shard.
fn request<I>(shard: u16, message: Message<I>) -> Step<I> {
    Step::none().send(To::One(shard), message)
}
