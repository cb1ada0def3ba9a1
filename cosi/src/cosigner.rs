//! The cosigner: commits, and answers challenges on statements that its application validated.
//!
//! *Upon* an announcement of a validated statement: commit to a fresh pair.
//! *Upon* a challenge: answer it if the pair that it names is there, the own bit is set, the
//! policy accepts Z, the statement is validated, b ≠ 0, R and A_Z have large order. The pair
//! leaves its pool first, so it answers once, whatever the session.
//! *Upon* the same challenge again: say the same again. *Upon* another one in its session: blame
//! the leader. *Upon* a challenge whose pair is gone, or to fewer than the own policy accepts:
//! refuse, with a fresh commitment. *Upon* anything about a statement that the application turned
//! down: decline. *Upon* a poll, which asks for a single signature: sign alone.
//!
//! In a tree it relays too, sums up for its subtree, and tells the leader what became of a challenge
//! if that asks, if [`Limits::calls`] lets it: see [`tree`](crate::tree).
//!
//! Nothing is recorded: pairs live in memory alone, and a crash loses them and nothing else.
//! Every leader has quotas of its own, and can exhaust nobody else's.
//!
//! The application forgets statements when it is done with them, and drops a leader that leads
//! no more.
//!
//! ```
//! # use std::sync::Arc;
//! # use cosi::{keys::Seed, machine::{Cx, Time}, roster::{Member, Roster}};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use cosi::{Cosigner, cosigner::{Command, Config, Event}, leader, message::Message, session::Digest};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! # let keys = [1, 2].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()));
//! # let roster = Roster::new(keys.each_ref().map(|key| Member::new(key, &mut rng)))?;
//! # let [lead, me] = [0, 1].map(|at| roster.index(at).unwrap());
//! # let [lead_key, key] = keys;
//! # let mut cx = Cx::new(Time::default(), &mut rng);
//! # let config = leader::Config::new(roster.clone(), lead, lead_key);
//! # let mut leader = cosi::Leader::restore(config, [], &mut cx)?.0;
//! # let command = leader::Command::Announce {
//! #     statement: b"release 1.0".to_vec(), policy: cosi::Policy::Complete,
//! # };
//! # let step = leader.handle_command(&mut cx, command)?;
//! # let announcement = step.into_records().1.release().messages.pop().unwrap().1;
//! let (mut cosigner, _) = Cosigner::restore(Config::new(roster, me, key), [], &mut cx)?;
//! let step = cosigner.handle_message(&mut cx, lead, announcement);
//! let [Event::Validate { digest, statement, .. }] = &step.into_records().1.release().events[..]
//! else { panic!() };
//! // ... look at the statement, and say yes:
//! assert_eq!((*digest, &statement[..]), (Digest::of(b"release 1.0"), &b"release 1.0"[..]));
//! let verdict = Command::Answered { digest: *digest, accept: true };
//! let step = cosigner.handle_command(&mut cx, verdict)?;
//! let [(_, Message::Commitment(_))] = &step.into_records().1.release().messages[..]
//! else { panic!() };
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod branch;
mod calling;
mod pool;
mod single;
mod star;
mod tree;
mod verdicts;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::{convert::Infallible, time::Duration};

use curve25519_dalek::EdwardsPoint;

use self::{
    calling::Drawn,
    pool::{Pool, Waiting},
    verdicts::Verdicts,
};
use crate::{
    impl_machine,
    keys::SigningKey,
    machine::{self, Cx, Evidence, Fault, FaultKind, Index, Time},
    mask::Mask,
    message::{Ask, Commitment, Message, Said, Speech, Verified},
    nonce::NoncePair,
    raw,
    roster::Roster,
    session::{Digest, Session},
    signature::{Mode, Policy},
    tree::{Branch, MAX_CHILDREN},
};

/// What one input to a [`Cosigner`] brings about.
pub type Step = machine::Step<Message, Event>;

/// How a member cosigns.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who signs.
    pub roster: Roster,
    /// Who this member is.
    pub me: Index,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// What is signed: one mode a roster, never chosen by a leader.
    pub mode: Mode,
    /// Beside whom this member signs: it answers no challenge to fewer.
    pub policy: Policy,
    /// What leaders may make it keep.
    pub limits: Limits,
    /// Who may lead. `None`, the default: every member. Each that does takes up to 0.8 MB for
    /// challenges that wait for a verdict or are answered, and as much as [`Limits`] says for trees: name the
    /// leaders where members are many and one of them may turn on this one.
    pub leaders: Option<Mask>,
}

impl Config {
    /// The accountable mode, beside a quorum, with the default limits.
    pub fn new(roster: Roster, me: Index, key: Arc<SigningKey>) -> Self {
        let (mode, policy, limits) = (Mode::Accountable, Policy::Quorum, Limits::default());
        Self { roster, me, key, mode, policy, limits, leaders: None }
    }

    fn draw(&self, cx: &mut Cx<'_>, leader: Index, drawn: &mut u64) -> Drawn {
        NoncePair::draw(cx, &self.key, &self.roster.id(), leader, drawn)
    }
}

/// What a cosigner keeps at most. Where a leader asks for more, its own oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nonce pairs a leader.
    pub pairs: usize,
    /// Statements a leader has asked for itself, each with at most one challenge that waits.
    pub statements: usize,
    /// Answers a leader, each with its challenge but for the statement, at most 9 kB.
    pub answers: usize,
    /// Verdicts of the application on statements that it has not forgotten. Where there are more,
    /// refusals give way to acceptances, and what leaders asked for to what the application
    /// validated unasked.
    pub validated: usize,
    /// Calls a leader, and challenges, in whose trees this member has a place: each with a
    /// challenge, at most 42 kB, and what is kept of a tuple. 0, the default: none, and it is
    /// absent from every tree.
    ///
    /// Above 0, choose at least as many as a leader has sessions open: what is let go is lost to
    /// its tree. Call `handle_timeout` when `next_timeout` says so, and route what goes up trees by
    /// [`Message::is_for_leader_at`].
    pub calls: usize,
    /// Within this, a leader makes this member pass on, before it has judged their statements, no
    /// more than `calls` calls by way of one member, twice as many in all, and `calls` that are
    /// older than one that came: whoever plays old ones back does not spend what the newest needs.
    /// And so often a tree is dealt in vain for whoever passes a call on that it is not to.
    pub pace: Duration,
    /// Tuples a leader, each unspent and at most 9 kB, and as much a child.
    pub tuples: usize,
    /// To how many children it passes a leader's words on, at most: it is absent from trees in
    /// which it has more. At most 256.
    pub children: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let (pace, children) = (Duration::from_secs(1), MAX_CHILDREN);
        Self {
            pairs: 16,
            statements: 16,
            answers: 16,
            validated: 1024,
            calls: 0,
            pace,
            tuples: 16,
            children,
        }
    }
}

/// What a [`Cosigner`] asks its application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Is this statement valid? [`Command::Answered`] answers.
    Validate {
        /// Who wants it signed.
        leader: Index,
        /// Its name.
        digest: Digest,
        /// The statement.
        statement: Vec<u8>,
    },
}

/// What the application tells a [`Cosigner`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// A statement is valid, or is not: before any leader asks, or after. Counts for every leader
    /// that asks for it, until it is forgotten.
    Validated {
        /// The statement's name.
        digest: Digest,
        /// Whether to sign it.
        accept: bool,
    },
    /// The answer to [`Event::Validate`]. As [`Validated`](Self::Validated), but it takes no room
    /// of what is validated unasked, however many statements a leader asks for: where there is
    /// none left the application is asked again.
    Answered {
        /// The statement's name.
        digest: Digest,
        /// Whether to sign it.
        accept: bool,
    },
    /// The statement needs no more signing: releases all that is kept for it, but for what the
    /// leader of a tree may still ask. That goes without the statement, and within [`Limits::calls`].
    /// A challenge in a tree that still waits for the verdict goes with its pair.
    Forget {
        /// The statement's name.
        digest: Digest,
    },
    /// The leader leads no more: releases all that is kept for it, nonces included.
    Drop {
        /// Who leads no more.
        leader: Index,
    },
}

/// The application asked for something that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More statements than [`Limits::validated`].
    #[error("too many validated statements; forget those that are signed")]
    TooManyValidated,
}

/// The configuration is not a member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not that of the member; configure the member's own key")]
pub struct RestoreError;

/// A member that signs what others lead.
#[derive(Debug)]
pub struct Cosigner {
    config: Config,
    /// At most one a member.
    pools: BTreeMap<Index, Pool>,
    /// What the application made of statements: at most [`Limits::validated`].
    verdicts: Verdicts,
    /// At most one entry for each member and kind.
    blamed: BTreeSet<(Index, FaultKind)>,
    /// How many pairs were drawn.
    drawn: u64,
}

impl_machine! {
    Cosigner {
        Peer = Index, Message = Message, Command = Command, Event = Event, Record = Infallible,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Cosigner {
    /// A fresh cosigner: it has no records.
    pub fn restore(
        config: Config,
        _records: impl IntoIterator<Item = Infallible>,
        _cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        Ok((Self::new(config)?, Step::none()))
    }

    /// A cosigner that knows nothing yet.
    pub fn new(config: Config) -> Result<Self, RestoreError> {
        if config.roster.key(config.me) != Some(config.key.public()) {
            return Err(RestoreError);
        }
        let (pools, blamed) = (BTreeMap::new(), BTreeSet::new());
        let verdicts = Verdicts::new(config.limits.validated);
        Ok(Self { config, pools, verdicts, blamed, drawn: 0 })
    }

    /// Does what the application asks, or says why that makes no sense.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        match command {
            Command::Validated { digest, accept } => {
                let is_open = self.pools.values().any(|pool| pool.asks(&digest));
                self.verdicts.keep(digest, accept, is_open)?;
                Ok(self.judged(cx, digest, accept))
            }
            Command::Answered { digest, accept } => {
                self.verdicts.keep(digest, accept, true)?;
                Ok(self.judged(cx, digest, accept))
            }
            Command::Forget { digest } => {
                self.verdicts.forget(&digest);
                let limit = self.config.limits.calls;
                self.pools.values_mut().for_each(|pool| pool.forget(&digest, limit));
                Ok(Step::none())
            }
            Command::Drop { leader } => {
                self.pools.remove(&leader);
                Ok(Step::none())
            }
        }
    }

    /// Takes in what `from` said. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Index, message: Message) -> Step {
        match message.verify(&self.config.roster) {
            Ok(verified) => self.handle_verified(cx, from, verified),
            Err(kind) => self.blame(from, kind, None),
        }
    }

    /// Takes in what was verified elsewhere, under this cosigner's roster.
    pub fn handle_verified(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        verified: Verified<Message>,
    ) -> Step {
        let Verified { roster, speaker, points, message } = verified;
        if roster != self.config.roster.id() {
            return Step::none(); // and `from` may have been right to send it
        }
        if message.is_for_leader() {
            return self.blame(from, FaultKind::WrongRole, None);
        }
        if message.is_leaders() && !self.may_lead(speaker) {
            return self.blame_if(from == speaker, speaker, FaultKind::WrongRole);
        }
        match (message, points) {
            (Message::Call(said, statement), _) => self.called(cx, from, speaker, said, statement),
            (Message::Challenge(said, Ask::Branch(nonce)), Some(sums)) => {
                self.passed_on(cx, from, speaker, Waiting { said, nonce, sums })
            }
            _ if speaker != from => Step::none(), // relayed, and the relay could replay it
            (Message::Announcement(said, statement), _) => {
                self.announced(cx, from, &said.what, &statement)
            }
            (Message::Challenge(said, Ask::Own(nonce)), Some(sums)) => {
                self.challenged(cx, from, Waiting { said, nonce, sums })
            }
            (Message::Tuple(said, session), Some(sums)) => {
                self.tupled(from, &session, Branch { said, sums })
            }
            (Message::Sum(said, ahead), Some(sums)) => {
                self.summed(cx, from, said, Branch { said: ahead, sums })
            }
            (Message::Inquiry(said), _) => self.inquired(cx, from, &said.what.challenge),
            (Message::Poll(said, statement), _) => {
                self.polled(from, &said.what.session, &statement)
            }
            _ => Step::none(),
        }
    }

    /// Acts on the time in `cx`. Harmless when early. Outside of trees there is nothing to time.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        self.give_up(cx)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        self.patience()
    }

    /// Whether the configuration lets the member lead.
    fn may_lead(&self, leader: Index) -> bool {
        self.config.leaders.as_ref().is_none_or(|leaders| leaders.contains(leader.get()))
    }

    /// Whether this roster signs such a thing at all.
    fn signs(&self, session: &Session, statement: &[u8]) -> bool {
        session.roster == self.config.roster.id()
            && session.mode == self.config.mode
            && (session.mode == Mode::Accountable || raw::may_sign(statement))
    }

    fn draw(&mut self, cx: &mut Cx<'_>, leader: Index) -> Said<Commitment> {
        let (nonce, pair, points) = self.config.draw(cx, leader, &mut self.drawn);
        let limit = self.config.limits.pairs;
        self.pool(leader).keep(nonce, pair, limit);
        self.say(Commitment {
            roster: self.config.roster.id(),
            leader: leader.get(),
            member: self.config.me.get(),
            nonce,
            points: points.map(|point: EdwardsPoint| point.compress().to_bytes()),
        })
    }

    fn say<T: Speech>(&self, what: T) -> Said<T> {
        Said::new(&self.config.key, what)
    }

    fn pool(&mut self, leader: Index) -> &mut Pool {
        self.pools.entry(leader).or_default()
    }

    fn blame(&mut self, culprit: Index, kind: FaultKind, evidence: Option<Evidence>) -> Step {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence })
        } else {
            Step::none()
        }
    }
}
