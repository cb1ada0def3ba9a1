//! The cosigner: commits, and answers challenges on statements that its application validated.
//!
//! *Upon* an announcement of a validated statement: commit to a fresh pair.
//! *Upon* a challenge: answer it if the pair that it names is there, the own bit is set, the
//! policy accepts Z, the statement is validated, b ≠ 0, R and A_Z have large order. The pair
//! leaves its pool first, so it answers once, whatever the session.
//! *Upon* the same challenge again: say the same again. *Upon* another one in its session: blame
//! the leader. *Upon* a challenge whose pair is gone: refuse, with a fresh commitment.
//!
//! In a tree it relays too, and sums up for its subtree, if [`Limits::calls`] lets it: see
//! [`tree`](crate::tree).
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
//! let verdict = Command::Validated { digest: *digest, accept: true };
//! let step = cosigner.handle_command(&mut cx, verdict)?;
//! let [(_, Message::Commitment(_))] = &step.into_records().1.release().messages[..]
//! else { panic!() };
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod pool;
mod relay;
mod tree;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::convert::Infallible;

use curve25519_dalek::EdwardsPoint;

use self::{
    pool::{Answered, Pool, Verdict, Waiting},
    relay::Drawn,
};
use crate::{
    blame,
    challenge::{Challenge, Terms},
    impl_machine,
    keys::SigningKey,
    machine::{self, Cx, Evidence, Fault, FaultKind, Index, Time, To},
    message::{Commitment, Message, Refusal, Response, Said, Speech, Verified},
    nonce::NoncePair,
    raw,
    roster::Roster,
    session::{Digest, Session, SessionId},
    signature::{Mode, Policy},
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
}

impl Config {
    /// The accountable mode, beside a quorum, with the default limits.
    pub fn new(roster: Roster, me: Index, key: Arc<SigningKey>) -> Self {
        let (mode, policy, limits) = (Mode::Accountable, Policy::Quorum, Limits::default());
        Self { roster, me, key, mode, policy, limits }
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
    /// Statements a leader has asked for, each with at most one challenge that waits.
    pub statements: usize,
    /// Answers a leader, each with its challenge, at most 42 kB.
    pub answers: usize,
    /// Statements that the application validated unasked, and has not forgotten. Refusals give
    /// way to acceptances.
    pub validated: usize,
    /// Calls a leader in whose trees this member has a place, each with a challenge, at most
    /// 42 kB, and at most 17 kB a child. 0, the default: none, and it is absent from every tree.
    ///
    /// Above 0, choose at least as many as a leader has sessions open: what is let go is lost to
    /// its tree. Call `handle_timeout` when `next_timeout` says so, and route what goes up trees by
    /// [`Message::is_for_leader_at`].
    pub calls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pairs: 16, statements: 16, answers: 16, validated: 1024, calls: 0 }
    }
}

/// What a [`Cosigner`] asks its application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Is this statement valid? [`Command::Validated`] answers.
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
    /// A statement is valid, or is not. Before any leader asks, or after.
    Validated {
        /// The statement's name.
        digest: Digest,
        /// Whether to sign it.
        accept: bool,
    },
    /// The statement needs no more signing: releases all that is kept for it.
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
    /// What the application validated unasked: at most [`Limits::validated`].
    validated: BTreeMap<Digest, bool>,
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
        let (pools, validated, blamed) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { config, pools, validated, blamed, drawn: 0 })
    }

    /// Does what the application asks, or says why that makes no sense.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        match command {
            Command::Validated { digest, accept } => self.validated(cx, digest, accept),
            Command::Forget { digest } => {
                self.validated.remove(&digest);
                self.pools.values_mut().for_each(|pool| pool.forget(&digest));
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
        match (message, points) {
            (Message::Call(said, statement), _) => self.called(cx, from, speaker, said, statement),
            (Message::Challenge(said, nonce), Some(sums)) => {
                let waiting = Waiting { said, nonce, sums };
                if self.is_relayed(from, speaker, &waiting) {
                    return self.relayed(speaker, &waiting);
                }
                if speaker != from {
                    return Step::none(); // no parent passed it on, and who did could replay it
                }
                self.challenged(cx, from, waiting)
            }
            _ if speaker != from => Step::none(), // relayed, and the relay could replay it
            (Message::Announcement(said, statement), _) => {
                self.announced(cx, from, &said.what, &statement)
            }
            (Message::Tuple(said), Some(sums)) => self.tupled(from, said, sums),
            (Message::Sum(said), _) => self.summed(from, &said.what),
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

    fn announced(
        &mut self,
        cx: &mut Cx<'_>,
        leader: Index,
        session: &Session,
        statement: &[u8],
    ) -> Step {
        if !self.signs(session, statement) {
            return self.blame(leader, FaultKind::InvalidPayload, None);
        }
        let digest = session.statement;
        let verdict = self.case(leader, digest).verdict;
        match verdict {
            Verdict::Accepted => self.commit(cx, leader, digest, session.id()),
            Verdict::Refused => Step::none(),
            Verdict::Unasked | Verdict::Asked => {
                self.case(leader, digest).announced = Some(session.id());
                self.ask(leader, digest, statement)
            }
        }
    }

    fn challenged(&mut self, cx: &mut Cx<'_>, leader: Index, waiting: Waiting) -> Step {
        let Challenge { session, mask, statement, .. } = &waiting.said.what;
        let own_bit = mask.fits(self.config.roster.size()) && mask.contains(self.config.me.get());
        let accepts = |mask| self.config.policy.accepts(&self.config.roster, mask) == Ok(true);
        if !self.signs(session, statement) || !own_bit || !accepts(mask) {
            return self.blame(leader, FaultKind::InvalidPayload, None);
        }
        let digest = session.statement;
        if let Some(pool) = self.pools.get(&leader) {
            if let Some(other) = pool.contradiction(&waiting.said) {
                let evidence = blame::equivocation(other, &waiting.said);
                return self.blame(leader, FaultKind::Equivocation, evidence);
            }
            if let Some(reply) = pool.reply(&session.id()) {
                return Step::none().send(To::One(leader), reply.clone());
            }
        }
        let verdict = self.case(leader, digest).verdict;
        match verdict {
            Verdict::Accepted => self.answer(cx, leader, waiting),
            Verdict::Refused => Step::none(),
            Verdict::Unasked | Verdict::Asked => {
                let step = self.ask(leader, digest, &waiting.said.what.statement);
                self.case(leader, digest).challenge = Some(waiting);
                step
            }
        }
    }

    fn validated(&mut self, cx: &mut Cx<'_>, digest: Digest, accept: bool) -> Result<Step, Error> {
        let verdict = if accept { Verdict::Accepted } else { Verdict::Refused };
        if !accept {
            self.withdraw_all(&digest);
        }
        if !self.pools.values().any(|pool| pool.asks(&digest)) {
            self.remember(digest, accept)?;
        }
        let mut waiting = Vec::new();
        for (leader, pool) in &mut self.pools {
            let Some(case) = pool.cases.iter_mut().find(|case| case.digest == digest) else {
                continue;
            };
            case.verdict = verdict;
            waiting.push((*leader, case.announced.take(), case.challenge.take()));
        }
        let mut step = Step::none();
        for (leader, announced, challenge) in waiting.into_iter().filter(|_| accept) {
            step = match (challenge, announced) {
                (Some(challenge), _) => step.and(self.answer(cx, leader, challenge)),
                (None, Some(session)) => step.and(self.commit(cx, leader, digest, session)),
                (None, None) => step,
            };
        }
        Ok(if accept { step.and(self.join_all(cx, digest)) } else { step })
    }

    /// Keeps a verdict that no leader waits for, or no longer does. Refusals give way: without
    /// one the application is asked again, and a leader could have it refuse without end.
    fn remember(&mut self, digest: Digest, accept: bool) -> Result<(), Error> {
        let known = self.validated.contains_key(&digest);
        if !known && self.validated.len() >= self.config.limits.validated {
            if !accept {
                return Ok(());
            }
            let refused = self.validated.iter().find(|(_, accepted)| !**accepted);
            let refused = refused.map(|(digest, _)| *digest).ok_or(Error::TooManyValidated)?;
            self.validated.remove(&refused);
        }
        self.validated.insert(digest, accept);
        Ok(())
    }

    /// Whether this roster signs such a thing at all.
    fn signs(&self, session: &Session, statement: &[u8]) -> bool {
        session.roster == self.config.roster.id()
            && session.mode == self.config.mode
            && (session.mode == Mode::Accountable || raw::may_sign(statement))
    }

    fn ask(&mut self, leader: Index, digest: Digest, statement: &[u8]) -> Step {
        let case = self.case(leader, digest);
        if case.verdict == Verdict::Asked {
            return Step::none();
        }
        case.verdict = Verdict::Asked;
        Step::none().event(Event::Validate { leader, digest, statement: statement.to_vec() })
    }

    /// Commits to a fresh pair, or says again what this very announcement was answered with
    /// while that is unspent. An announcement under another name is a call for another pair:
    /// its leader may have named the first one where this member does not answer.
    fn commit(
        &mut self,
        cx: &mut Cx<'_>,
        leader: Index,
        digest: Digest,
        session: SessionId,
    ) -> Step {
        let offered = self.case(leader, digest).offered.clone();
        let again = |(name, said): &(SessionId, Said<Commitment>)| {
            let pool = self.pools.get(&leader);
            *name == session && pool.is_some_and(|pool| pool.holds(&said.what.nonce))
        };
        let said = offered.filter(again).map(|(_, said)| said);
        let said = said.unwrap_or_else(|| self.draw(cx, leader));
        self.case(leader, digest).offered = Some((session, said.clone()));
        Step::none().send(To::One(leader), Message::Commitment(said))
    }

    /// Answers a challenge on a validated statement, once.
    fn answer(&mut self, cx: &mut Cx<'_>, leader: Index, waiting: Waiting) -> Step {
        let Waiting { said, nonce, sums } = waiting;
        let Some(terms) = Terms::of(&said.what, &self.config.roster, &sums) else {
            return self.blame(leader, FaultKind::InvalidProof, None);
        };
        let pair = self.pool(leader).take(&nonce);
        let ahead = self.draw(cx, leader);
        let (challenge, member) = (said.what.id(), self.config.me.get());
        let reply = match pair {
            Some(pair) => {
                let response = pair.answer(&terms.b, &terms.c, &self.config.key).to_bytes();
                let response = Response { challenge, member, nonce, response, ahead };
                Message::Response(self.say(response))
            }
            None => Message::Refusal(self.say(Refusal { challenge, member, nonce, ahead })),
        };
        let limit = self.config.limits.answers;
        let answered = Answered { session: said.what.session.id(), said, reply: reply.clone() };
        self.pool(leader).answered(answered, limit);
        Step::none().send(To::One(leader), reply)
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

    /// What is known of a statement that this leader asked for.
    fn case(&mut self, leader: Index, digest: Digest) -> &mut pool::Case {
        let verdict = match self.validated.get(&digest) {
            Some(true) => Verdict::Accepted,
            Some(false) => Verdict::Refused,
            None => Verdict::Unasked,
        };
        let limit = self.config.limits.statements;
        self.pool(leader).case(digest, verdict, limit)
    }

    fn blame(&mut self, culprit: Index, kind: FaultKind, evidence: Option<Evidence>) -> Step {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence })
        } else {
            Step::none()
        }
    }
}
