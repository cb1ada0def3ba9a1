//! The leader: has a statement cosigned, whatever some of the cosigners do.
//!
//! *Upon* a statement: if commitments sent ahead satisfy the policy, challenge at once, in one
//! round trip; otherwise announce. *Upon* commitments of all, or of enough once the grace is
//! over: challenge. *Upon* all responses: check the aggregate, and only if it fails find who
//! answered wrongly, convict, and try again without. *Upon* the end of patience: leave the
//! attempt open, and try again without those who owe it a response; a valid one lets its sender
//! back, and may still complete the old attempt (Ruffing et al. 2022, ROAST).
//!
//! With another [`Shape`] than a star it tries a tree first, at most [`Config::trees`] times a
//! session: see [`tree`](crate::tree).
//!
//! - Whenever members whose weight meets the policy are honest and answer within the patience,
//!   the statement is signed, after at most F + 1 attempts against F disruptors, trees aside. One
//!   that refuses may cost three where the policy cannot be met without it. The limit does not
//!   count the time of an attempt that somebody spoiled.
//! - Where no attempt succeeds in [`Timing::individual`], as when members lose their nonces each
//!   time or many disrupt, single signatures make a certificate beside the attempts that go on
//!   (ByzCoin's fallback, USENIX Security 2016): they need no nonces, disruptors do not put them
//!   off, and none counts beside a collective one. Whichever comes first ends the session.
//! - Whoever declines the statement is waited for no longer, asked no more for it, nobody's debtor,
//!   and no worse off in the next. It costs a round trip if it committed ahead.
//! - A signature is verified before it is reported.
//! - A leader is a cosigner of its own sessions, without a message to itself.
//! - A member that owes an overdue response when a session ends, or any when it fails, sits out
//!   the next ones, first one, then twice as many each time, at most 64, unless the policy cannot
//!   be met without it. So does one that refuses in a second session and has not signed since.
//! - A member that did not answer when it was asked for a commitment is asked in each session, and
//!   waited for in none until it has answered, unless the policy cannot be met without it.
//! - Nothing is recorded: a crash loses the open sessions, and nothing else.
//!
//! ```
//! use std::{collections::VecDeque, sync::Arc};
//! use cosi::{
//!     Cosigner, Leader, Policy, cosigner, keys::Seed, leader, machine::{Cx, Time, To},
//!     roster::{Member, Roster}, session::Digest,
//! };
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let keys = [1, 2, 3, 4].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()));
//! let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! let members: Vec<_> = roster.indices().collect();
//! let mut cx = Cx::new(Time::default(), &mut rng);
//!
//! let config = leader::Config::new(roster.clone(), members[0], keys[0].clone());
//! let (mut leader, _) = Leader::restore(config, [], &mut cx)?;
//! let mut cosigners = Vec::new();
//! for at in 1..4 {
//!     let config = cosigner::Config::new(roster.clone(), members[at], keys[at].clone());
//!     let (mut cosigner, _) = Cosigner::restore(config, [], &mut cx)?;
//!     // The statement is known to be valid: nobody has to be asked.
//!     let digest = Digest::of(b"release 1.0");
//!     let verdict = cosigner::Command::Validated { digest, accept: true };
//!     let _ = cosigner.handle_command(&mut cx, verdict)?;
//!     cosigners.push(cosigner);
//! }
//!
//! let (statement, policy) = (b"release 1.0".to_vec(), Policy::Complete);
//! let command = leader::Command::Announce { statement, policy };
//! let mut steps = VecDeque::from([leader.handle_command(&mut cx, command)?]);
//! let signature = loop {
//!     let output = steps.pop_front().unwrap().into_records().1.release();
//!     for (to, message) in output.messages {
//!         for (member, cosigner) in members[1..].iter().zip(&mut cosigners) {
//!             let addressed = match &to {
//!                 To::All => true,
//!                 To::One(one) => one == member,
//!                 To::Some(some) => some.contains(member),
//!             };
//!             if addressed {
//!                 let step = cosigner.handle_message(&mut cx, members[0], message.clone());
//!                 for (_, reply) in step.into_records().1.release().messages {
//!                     steps.push_back(leader.handle_message(&mut cx, *member, reply));
//!                 }
//!             }
//!         }
//!     }
//!     if let Some(leader::Event::Signed { signature, .. }) = output.events.into_iter().next() {
//!         break signature;
//!     }
//! };
//! signature.verify(&roster, b"release 1.0", &Policy::Complete)?;
//! assert_eq!(signature.to_bytes().len(), 65);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempt;
mod decline;
mod descent;
mod desk;
mod ending;
mod grove;
mod limb;
mod open;
mod single;
mod tree;

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::{convert::Infallible, time::Duration};

use curve25519_dalek::EdwardsPoint;

use self::{
    desk::{Desk, Offer},
    open::Open,
};
use crate::{
    certificate::Certificate,
    challenge::ChallengeId,
    impl_machine,
    keys::SigningKey,
    machine::{self, Cx, FaultKind, Index, Time},
    mask::Mask,
    message::{Account, Message, Response, Said, StatementBytes, Tuple, Verified, decode_points},
    raw,
    roster::Roster,
    session::Digest,
    signature::{CollectiveSignature, Mode, Policy},
    tree::{Branch, Shape},
};

/// What one input to a [`Leader`] brings about.
pub type Step = machine::Step<Message, Event>;

/// How a member leads.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who signs.
    pub roster: Roster,
    /// Who this member is.
    pub me: Index,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// What is signed: one mode a roster. Give a roster in raw mode keys of its own.
    pub mode: Mode,
    /// How long it waits.
    pub timing: Timing,
    /// What it keeps.
    pub limits: Limits,
    /// The shape of its trees. A star, the default, is no tree: it asks everybody directly.
    pub shape: Shape,
    /// k: how often it tries a tree in a session before it asks everybody directly. A try takes at
    /// most four times the patience, and there is none that might end in the second half of
    /// [`Timing::limit`].
    pub trees: u8,
}

impl Config {
    /// The accountable mode over a star, with the default timing and limits. With another shape,
    /// two tries a session.
    pub fn new(roster: Roster, me: Index, key: Arc<SigningKey>) -> Self {
        let (timing, limits) = (Timing::default(), Limits::default());
        let (mode, shape) = (Mode::Accountable, Shape::Star);
        Self { roster, me, key, mode, timing, limits, shape, trees: 2 }
    }
}

/// How long a leader waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For all commitments, or all responses. Honest members that answer later than this cost
    /// attempts. At least a nanosecond.
    pub patience: Duration,
    /// For stragglers, once those who committed satisfy the policy.
    pub grace: Duration,
    /// For the signature, but for the time of attempts that somebody spoiled. Then the session has
    /// failed. No clock bounds the whole, but the number of such attempts does: each member spoils
    /// one, by silence or by a wrong response, or three by refusing, of a patience each; and there
    /// are [`Config::trees`] over trees, of two. So a session against F disruptors and k trees is
    /// over after this and (3F + 2k) patiences, (F + 2k) if nobody refuses. Whoever cannot wait so
    /// long abandons it, or takes single signatures.
    pub limit: Duration,
    /// Before it asks for single signatures too, in accountable mode, whatever the attempts beside
    /// come to; and again after a patience, two, four, and so on, to the end of the session.
    /// `None`: never.
    pub individual: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        let [patience, grace, limit, half] = [2000, 200, 60_000, 30_000].map(Duration::from_millis);
        Self { patience, grace, limit, individual: Some(half) }
    }
}

/// What a leader keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open sessions. One more is an error of the caller's.
    pub sessions: usize,
    /// Unspent commitments a member, and tuples a child in the tree. The oldest goes first.
    pub offers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 8, offers: 8 }
    }
}

/// What the application asks of a [`Leader`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Has a statement signed. Its [`Digest`] names the session.
    Announce {
        /// The statement, at most [`MAX_STATEMENT`](crate::message::MAX_STATEMENT) bytes, which this member signs too.
        statement: Vec<u8>,
        /// Who must sign. Cosigners answer only if their own policy accepts the signers too: a
        /// leader that is less strict learns that by their refusals, and tries again with more.
        policy: Policy,
    },
    /// Gives a session up, without an event.
    Abandon {
        /// The statement's name.
        digest: Digest,
    },
}

/// What a [`Leader`] tells its application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The statement is signed.
    Signed {
        /// The statement's name.
        digest: Digest,
        /// The statement.
        statement: Vec<u8>,
        /// The signature, verified.
        signature: CollectiveSignature,
        /// Who did not sign.
        absent: Vec<Index>,
    },
    /// The statement is signed, by each alone. Of members that sign it, but whose answers to one
    /// challenge never come together.
    Individual {
        /// The statement's name.
        digest: Digest,
        /// The statement.
        statement: Vec<u8>,
        /// The single signatures, verified.
        certificate: Certificate,
        /// Who did not sign.
        absent: Vec<Index>,
    },
    /// The statement is not signed within [`Timing::limit`], or so many declined it that it
    /// cannot be.
    Failed {
        /// The statement's name.
        digest: Digest,
        /// Who was asked and owes an answer, or declined, or was convicted.
        absent: Vec<Index>,
    },
}

/// The application asked for something that makes no sense now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More than [`MAX_STATEMENT`](crate::message::MAX_STATEMENT) bytes.
    #[error("the statement is longer than 32,768 bytes; sign its hash")]
    TooLong,
    /// What raw mode does not sign: see [`raw::may_sign`].
    #[error("raw mode signs no message that begins as another kind of statement")]
    Reserved,
    /// Not even all members together satisfy the policy.
    #[error("no signers satisfy the policy; ask for less weight")]
    Unreachable,
    /// The statement is being signed.
    #[error("the statement is being signed; wait for its event, or abandon it")]
    StillOpen,
    /// More sessions than [`Limits::sessions`].
    #[error("too many open sessions; wait for an event, or abandon one")]
    TooManySessions,
    /// Nothing to abandon.
    #[error("no session is open for this statement")]
    NotOpen,
}

/// The configuration is not a member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is not that of the member; configure the member's own key")]
pub struct RestoreError;

/// A member that has statements signed.
#[derive(Debug)]
pub struct Leader {
    desk: Desk,
    /// At most [`Limits::sessions`].
    sessions: BTreeMap<Digest, Open>,
}

impl_machine! {
    Leader {
        Peer = Index, Message = Message, Command = Command, Event = Event, Record = Infallible,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Leader {
    /// A fresh leader: it has no records.
    pub fn restore(
        config: Config,
        _records: impl IntoIterator<Item = Infallible>,
        _cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        Ok((Self::new(config)?, Step::none()))
    }

    /// A leader without open sessions.
    pub fn new(config: Config) -> Result<Self, RestoreError> {
        if config.roster.key(config.me) != Some(config.key.public()) {
            return Err(RestoreError);
        }
        Ok(Self { desk: Desk::new(config), sessions: BTreeMap::new() })
    }

    /// Does what the application asks, or says why that makes no sense.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        match command {
            Command::Announce { statement, policy } => self.announce(cx, statement, policy),
            Command::Abandon { digest } => {
                self.sessions.remove(&digest).ok_or(Error::NotOpen)?;
                Ok(Step::none())
            }
        }
    }

    /// Takes in what `from` said. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Index, message: Message) -> Step {
        match message.verify(&self.desk.config.roster) {
            Ok(verified) => self.handle_verified(cx, from, verified),
            Err(kind) => self.desk.blame(from, kind, None),
        }
    }

    /// Takes in what was verified elsewhere, under this leader's roster.
    pub fn handle_verified(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        verified: Verified<Message>,
    ) -> Step {
        let Verified { roster, speaker, points, message } = verified;
        if roster != self.desk.config.roster.id() {
            return Step::none(); // and `from` may have been right to send it
        }
        if message.is_leaders() {
            return self.desk.blame(from, FaultKind::WrongRole, None);
        }
        if speaker != from {
            return Step::none(); // relayed, and the relay could replay it
        }
        match (message, points) {
            (Message::Tuple(said, session), Some(sums)) => {
                let branch = Branch { said, sums };
                let open = self.sessions.values_mut().find(|open| open.session.id() == session);
                let desk = &mut self.desk;
                let step = open.map(|open| open.tupled(desk, cx, from, &branch));
                self.swept(step.unwrap_or_else(Step::none))
            }
            (Message::Sum(said, ahead), Some(sums)) => {
                let ahead = Branch { said: ahead, sums };
                self.each(|open, desk| open.summed(desk, cx, from, &said, &ahead))
            }
            (Message::Account(said, ahead), Some(points)) => {
                self.told(cx, from, &said, ahead, points)
            }
            (Message::Commitment(said), Some(points)) => {
                let is_new = self.desk.add(speaker, Offer { said, points });
                if is_new { self.gather(cx) } else { Step::none() }
            }
            (Message::Response(said), Some(points)) => {
                let ahead = Offer { said: said.what.ahead.clone(), points };
                let challenge = said.what.challenge;
                self.given(cx, speaker, challenge, Some(said), ahead)
            }
            (Message::Refusal(said), Some(points)) => {
                let ahead = Offer { said: said.what.ahead, points };
                self.given(cx, speaker, said.what.challenge, None, ahead)
            }
            (Message::Decline(said), _) => self.declined(cx, speaker, &said.what),
            (Message::Single(single), _) => self.single(cx, speaker, &single),
            _ => Step::none(),
        }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        self.each(|open, desk| open.handle_timeout(desk, cx))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        self.sessions.values().map(Open::next_timeout).min()
    }

    fn announce(
        &mut self,
        cx: &mut Cx<'_>,
        statement: Vec<u8>,
        policy: Policy,
    ) -> Result<Step, Error> {
        let Config { roster, mode, limits, .. } = &self.desk.config;
        let digest = Digest::of(&statement);
        let everybody = Mask::of(roster.size(), roster.indices().map(Index::get));
        if *mode == Mode::Raw && !raw::may_sign(&statement) {
            return Err(Error::Reserved);
        }
        if policy.accepts(roster, &everybody) != Ok(true) {
            return Err(Error::Unreachable);
        }
        if self.sessions.contains_key(&digest) {
            return Err(Error::StillOpen);
        }
        if self.sessions.len() >= limits.sessions {
            return Err(Error::TooManySessions);
        }
        let statement = StatementBytes::new(statement).ok_or(Error::TooLong)?;
        let mut open = Open::new(&mut self.desk, cx, digest, statement, policy);
        let step = open.start(&mut self.desk, cx);
        self.sessions.insert(digest, open);
        Ok(self.swept(step))
    }

    /// A commitment came: every session that waits for some may go on.
    fn gather(&mut self, cx: &mut Cx<'_>) -> Step {
        self.each(|open, desk| open.gather(desk, cx))
    }

    /// Tells every session, and lets go of what is over.
    fn each(&mut self, mut tell: impl FnMut(&mut Open, &mut Desk) -> Step) -> Step {
        let mut step = Step::none();
        for open in self.sessions.values_mut() {
            step = step.and(tell(open, &mut self.desk));
        }
        self.swept(step)
    }

    /// A challenge was answered.
    fn given(
        &mut self,
        cx: &mut Cx<'_>,
        member: Index,
        challenge: ChallengeId,
        response: Option<Said<Response>>,
        ahead: Offer,
    ) -> Step {
        let is_new = self.desk.add(member, ahead);
        let Some(open) = self.sessions.values_mut().find(|open| open.is_owed(&challenge, member))
        else {
            // Late, twice, or never asked: the commitment is good.
            return if is_new { self.gather(cx) } else { Step::none() };
        };
        let step = open.given(&mut self.desk, cx, &challenge, member, response);
        let step = self.swept(step);
        step.and(self.gather(cx))
    }

    /// A member told what it made of a challenge in a tree.
    fn told(
        &mut self,
        cx: &mut Cx<'_>,
        member: Index,
        said: &Said<Account>,
        ahead: Option<Said<Tuple>>,
        points: [EdwardsPoint; 2],
    ) -> Step {
        self.desk.add(member, Offer { said: said.what.response.what.ahead.clone(), points });
        let branch = |said: Said<Tuple>| {
            let sums = decode_points(&said.what.sums)?;
            decode_points(&said.what.own).map(|_| Branch { said, sums })
        };
        let ahead = ahead.and_then(branch);
        let step = self.each(|open, desk| open.told(desk, cx, member, said, ahead.as_ref()));
        step.and(self.gather(cx))
    }

    /// Lets go of what is over.
    fn swept(&mut self, step: Step) -> Step {
        self.sessions.retain(|_, open| !open.is_over());
        step
    }
}
