//! A session without a client: a consensus decision attests the statement.
//!
//! ```text
//!  the server that consensus has lead                   server i, in group l
//!    |<----- R1 Dealing(deal to its group) ----------------|   again and again, until decided
//!    |...... Choice(statement, all chosen deals) ..........|   consensus decides it
//!    |<----- R3 Opened(share of the sum) ----------------->|   from all to all
//! ```
//!
//! The decision stands in for acknowledgements and certificate. Whoever took part in it holds all
//! chosen deals, so no deal can be withheld.

mod restore;
mod words;

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::time::Duration;

use cosi::{
    impl_machine,
    machine::{Cx, FaultKind, Index, Step, Time, To},
    message::Said,
    wire::BoundedVec,
};

pub use self::words::{Command, Error, Event, Message, Record, Setup};
use crate::{
    choice::Checked,
    gather::Gathered,
    message::{Dealing, NOT_CODED, Opened, StatementId},
    peer::{Blamed, Culprit},
    seat::Seat,
    session::Session,
    shares::Shares,
};
pub use crate::{
    choice::{Choice, ChoiceError},
    seat::SetupError,
};

/// The step of a server in a draw.
pub type DrawStep = Step<Message, Event, Record, Index>;

/// One server in one session whose statement consensus decides.
///
/// - Restored for the first time, deal to the own group, and record the deal.
/// - Told to follow, send the deal to the leader. Told again, or after `retry`, send the same.
/// - Told to lead, propose a choice that was checked before, if any. Else wait for the deals of all
///   servers; after `grace`, for t_l valid ones in each group l. Choose the first t_l valid ones
///   in the order of the roster: the same valid deals make the same choice.
/// - Upon R1, keep the first of each server, since any server may come to lead.
/// - Told what consensus decided, check it, record it with the own share of the sum of the own
///   group's chosen deals, and send the share to all.
/// - Upon R3, keep the first of each server until the decision, and then verify a group's shares as
///   a batch once there could be t_l of them. With t_l in every group, recover the sums, record
///   the shares, and tell the output. Until then, after `retry`, ask those whose shares are
///   missing.
/// - Upon a question for a share that was opened, send the same again.
///
/// **Nobody draws twice.** A server deals once, opens one decided sum, and opens nothing before
/// the decision; and there is no attempt but the first. So a leader that falls silent, or does not
/// like what it gathered, learns nothing of any output, and who leads after it completes the same
/// session with the same deals.
///
/// It holds at most one deal and one share a server, and one checked choice.
///
/// The caller's duties:
///
/// - One `Draw` a session and server, restored from its records, which are durable before a step's
///   messages leave. After a restore, tell it again whom to follow, or to lead.
/// - A consensus that is safe: honest servers are told one decision. The first one counts, and
///   every other after it is ignored for good.
/// - A server votes only for choices that [`check`](Self::check), or [`Session::check_choice`],
///   accepts, and keeps the body of the block that it voted for. With a quorum behind the
///   decision, an honest server can then serve the deals.
/// - What attests the statement, in the [`Transcript`](crate::Transcript), is the consensus'
///   certificate over a block that names it.
///
/// # Example
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use cosi::{Certificate, Statement, certificate::sign, keys::Seed, roster::{Member, Roster}};
/// # use cosi::machine::{Cx, Time};
/// # use pvss::{Scheme, ShareKeys, ShareSecret};
/// # use randhound::{Committee, Draw, Session, Terms, Transcript, draw::*};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let seeds = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]));
/// # let keys = seeds.each_ref().map(Seed::signing_key);
/// # let secrets = seeds.map(|seed| Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss)));
/// # let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
/// # let shares: Vec<_> = keys.iter().zip(&secrets)
/// #     .map(|(key, secret)| (*key.public(), secret.register(key.public(), &mut rng)))
/// #     .collect();
/// # let committee = Committee::new(roster.clone(), ShareKeys::new(Scheme::Dhpvss, shares)?)?;
/// # let client = keys[0].public().to_bytes();
/// # let (purpose, slot, attempt, prior) = ([0; 32], 1, 0, [5; 32]);
/// # let terms = Terms { purpose, slot, attempt, client, group_size: 4, prior };
/// # let signers = keys.clone();
/// # let (retry, grace) = (Duration::from_secs(1), Duration::from_secs(5));
/// let session = Session::new(committee.clone(), &terms)?;
/// let mut cx = Cx::new(Time::default(), &mut rng);
/// let mut servers = Vec::new();
/// for (index, (key, secret)) in roster.indices().zip(keys.into_iter().zip(secrets)) {
///     let setup = Setup { session: session.clone(), index, key, secret, retry, grace };
///     let (server, dealt) = Draw::restore(setup, [], &mut cx)?;
///     let _held = dealt.into_records(); // Its deal, for its journal.
///     servers.push((index, server));
/// }
///
/// // Consensus has the last one lead, and the others send it their deals.
/// let (leader, mut lead) = servers.pop().unwrap();
/// let mut output = lead.handle_command(&mut cx, Command::Lead)?.into_records().1.release();
/// for (index, server) in &mut servers {
///     let step = server.handle_command(&mut cx, Command::Follow(leader))?;
///     for (_, deal) in step.into_records().1.release().messages {
///         output = lead.handle_message(&mut cx, *index, deal).into_records().1.release();
///     }
/// }
/// let Some(Event::Chosen(choice)) = output.events.pop() else { panic!("a deal is missing") };
///
/// // Consensus decides on it, and all open their shares to all.
/// for (_, server) in &mut servers {
///     server.check(&choice)?; // Before its vote.
/// }
/// let mut drawn = None;
/// let mut step = lead.handle_command(&mut cx, Command::Decided(choice.clone()))?;
/// for (index, server) in &mut servers {
///     let own = server.handle_command(&mut cx, Command::Decided(choice.clone()))?;
///     for (_, share) in own.into_records().1.release().messages {
///         step = step.and(lead.handle_message(&mut cx, *index, share));
///     }
/// }
/// for event in step.into_records().1.release().events {
///     let Event::Drawn(output, groups) = event else { continue };
///     drawn = Some((output, groups));
/// }
///
/// // With what attests the statement, here signatures of all, it convinces anybody.
/// let (output, groups) = drawn.unwrap();
/// let statement = choice.statement;
/// let signed = statement.to_signed();
/// let signatures = roster.indices().zip(&signers)
///     .map(|(index, key)| (index, sign(key, &roster.id(), &signed)));
/// let certificate = Certificate::individual(&roster, signatures).unwrap();
/// let transcript =
///     Transcript { config: session.config().clone(), statement, certificate, groups };
/// assert_eq!(transcript.verify(&committee, &terms)?, output);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Draw {
    seat: Seat,
    retry: Duration,
    grace: Duration,
    dealt: Said<Dealing>,
    state: State,
    blamed: Blamed<Index>,
}

#[derive(Debug)]
enum State {
    Gathering(Gathering),
    Opening(Opening),
    Drawn(Opened),
}

/// Before the decision.
#[derive(Debug)]
struct Gathering {
    role: Role,
    deals: Gathered,
    /// The last choice that was checked and holds.
    checked: Option<Checked>,
    /// Shares that cannot be judged yet, one a server.
    early: BTreeMap<Index, Opened>,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Idle,
    /// Leads, and makes do with t_l deals a group from then on.
    Leading(Time),
    /// Leads, and told what to propose.
    Proposed,
    /// Follows, and sends its deal again then.
    Following(Index, Time),
}

/// After the decision.
#[derive(Debug)]
struct Opening {
    checked: Checked,
    opened: Opened,
    shares: Shares,
    ask_at: Time,
}

impl Draw {
    /// The session.
    pub const fn session(&self) -> &Session {
        &self.seat.session
    }

    /// Checks a choice, as [`Session::check_choice`] does, and remembers the last one that holds:
    /// it is not checked again when it is decided, and proposed when this server comes to lead.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn check(&mut self, choice: &Choice) -> Result<(), ChoiceError> {
        let session = &self.seat.session;
        match &mut self.state {
            State::Gathering(Gathering { checked: Some(known), .. })
            | State::Opening(Opening { checked: known, .. })
                if known.choice == *choice => {}
            State::Gathering(gathering) => {
                gathering.checked = Some(Checked::new(session, choice.clone())?);
            }
            State::Opening(_) | State::Drawn(_) => drop(session.check_choice(choice)?),
        }
        Ok(())
    }

    /// Takes in what `from` said.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Index, message: Message) -> DrawStep {
        match message {
            Message::Dealing(said) => self.on_dealing(cx, from, said),
            Message::Ask(statement) => self.on_ask(from, statement),
            Message::Opened(opened) => self.on_opened(from, opened),
        }
    }

    /// Leads, follows, or opens what was decided. After the decision, nothing changes anything.
    ///
    /// # Errors
    ///
    /// [`Error::Choice`] when the decided choice does not hold, and [`Error::Follow`] when the
    /// server is to follow itself.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<DrawStep, Error> {
        if let Command::Follow(leader) = &command
            && *leader == self.seat.index
        {
            return Err(Error::Follow);
        }
        let State::Gathering(gathering) = &mut self.state else { return Ok(Step::none()) };
        match command {
            Command::Lead => {
                gathering.role = Role::Leading(cx.now().after(self.grace));
                Ok(self.choose(cx.now()))
            }
            Command::Follow(leader) => {
                gathering.role = Role::Following(leader, cx.now());
                Ok(self.follow(cx.now()))
            }
            Command::Decided(choice) => Ok(self.decided(cx, *choice)?),
        }
    }

    /// Chooses when the grace is over, or says again what nobody answered.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> DrawStep {
        if self.next_timeout().is_none_or(|due| due > cx.now()) {
            return Step::none();
        }
        match &mut self.state {
            State::Gathering(Gathering { role: Role::Following(..), .. }) => self.follow(cx.now()),
            State::Gathering(_) => self.choose(cx.now()),
            State::Opening(opening) => {
                opening.ask_at = cx.now().after(self.retry);
                self.ask()
            }
            State::Drawn(_) => Step::none(),
        }
    }

    /// When the grace is over, or something is to be said again.
    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Gathering(gathering) => match gathering.role {
                // With too few deals, the next one is waited for, and no time.
                Role::Leading(due) => gathering.deals.is_hopeful().then_some(due),
                Role::Following(_, due) => Some(due),
                Role::Idle | Role::Proposed => None,
            },
            State::Opening(opening) => Some(opening.ask_at),
            State::Drawn(_) => None,
        }
    }

    fn on_dealing(&mut self, cx: &Cx<'_>, from: Index, said: Said<Dealing>) -> DrawStep {
        let State::Gathering(gathering) = &mut self.state else { return Step::none() };
        match gathering.deals.keep(&self.seat.session, from, said) {
            Ok(Some(_)) => self.choose(cx.now()),
            Ok(None) => Step::none(),
            Err(culprit) => self.blamed.faults([culprit]),
        }
    }

    fn on_ask(&mut self, from: Index, statement: StatementId) -> DrawStep {
        let opened = match &self.state {
            State::Gathering(_) => return Step::none(),
            State::Opening(Opening { opened, .. }) | State::Drawn(opened) => opened,
        };
        if opened.statement != statement {
            return self.blamed.fault(from, FaultKind::InvalidPayload, None);
        }
        Step::none().send(To::One(from), Message::Opened(opened.clone()))
    }

    fn on_opened(&mut self, from: Index, opened: Opened) -> DrawStep {
        match &mut self.state {
            State::Gathering(gathering) => {
                if self.seat.session.groups().place(from).is_some() {
                    gathering.early.entry(from).or_insert(opened);
                }
                Step::none()
            }
            State::Opening(opening) => {
                let culprits = opening.insert(&self.seat.session, from, opened);
                self.blamed.faults(culprits).and(self.finish())
            }
            State::Drawn(_) => Step::none(),
        }
    }

    /// As the leader, chooses as soon as it may.
    fn choose(&mut self, now: Time) -> DrawStep {
        let session = &self.seat.session;
        let State::Gathering(gathering) = &mut self.state else { return Step::none() };
        let Role::Leading(until) = gathering.role else { return Step::none() };
        let mut step = Step::none();
        if gathering.checked.is_none() {
            let waits = now < until && !gathering.deals.is_full(session);
            if waits || !gathering.deals.is_hopeful() {
                return step;
            }
            step = self.blamed.faults(gathering.deals.check(session));
            gathering.checked = gathering.deals.choose(session, |_| Some(NOT_CODED));
        }
        let Some(checked) = &gathering.checked else { return step };
        gathering.role = Role::Proposed;
        step.event(Event::Chosen(Box::new(checked.choice.clone())))
    }

    /// As a follower, sends the deal.
    fn follow(&mut self, now: Time) -> DrawStep {
        let State::Gathering(Gathering { role: Role::Following(leader, due), .. }) =
            &mut self.state
        else {
            return Step::none();
        };
        *due = now.after(self.retry);
        Step::none().send(To::One(*leader), Message::Dealing(self.dealt.clone()))
    }

    /// Takes in the decision, the first time, and opens what it chooses.
    fn decided(&mut self, cx: &mut Cx<'_>, choice: Choice) -> Result<DrawStep, ChoiceError> {
        self.check(&choice)?;
        let State::Gathering(gathering) = &mut self.state else { return Ok(Step::none()) };
        let Some(checked) = gathering.checked.take() else { return Ok(Step::none()) };
        let culprits = gathering.contradictions(&self.seat.session, &choice);
        let early = core::mem::take(&mut gathering.early);
        let step = Step::none()
            .record(Record::Decided(Box::new(choice)))
            .and(self.open(cx, checked))
            .and(self.blamed.faults(culprits));
        let early = early.into_iter().map(|(from, opened)| self.on_opened(from, opened));
        Ok(early.fold(step, Step::and))
    }

    /// Opens the own share of what was decided.
    fn open(&mut self, cx: &mut Cx<'_>, checked: Checked) -> DrawStep {
        let Some(chosen) = checked.chosen(self.seat.place.group) else { return Step::none() };
        let Some(opened) = self.seat.open(checked.id, chosen, cx) else { return Step::none() };
        self.begin_opening(cx.now(), checked, opened.clone());
        Step::none()
            .record(Record::Opened(opened.clone()))
            .send(To::All, Message::Opened(opened))
            .and(self.finish())
    }

    fn begin_opening(&mut self, now: Time, checked: Checked, opened: Opened) {
        let session = &self.seat.session;
        let (shares, ask_at) = (Shares::new(session), now.after(self.retry));
        let mut opening = Opening { checked, opened: opened.clone(), shares, ask_at };
        // The own share is in its place and holds.
        let _ = opening.insert(session, self.seat.index, opened);
        self.state = State::Opening(opening);
    }

    /// With enough shares everywhere, tells the output.
    fn finish(&mut self) -> DrawStep {
        let State::Opening(opening) = &self.state else { return Step::none() };
        if !opening.shares.is_done() {
            return Step::none();
        }
        let recovered = opening.shares.recover(&self.seat.session, &opening.checked);
        let Some((output, groups)) = recovered else { return Step::none() };
        let shares = groups.iter().map(|part| part.shares.clone()).collect();
        self.state = State::Drawn(opening.opened.clone());
        Step::none()
            .record(Record::Drawn(BoundedVec::new(shares).unwrap_or_default()))
            .event(Event::Drawn(output, groups))
    }

    /// Asks those whose shares are missing.
    fn ask(&self) -> DrawStep {
        let State::Opening(opening) = &self.state else { return Step::none() };
        let missing = opening.shares.missing(&self.seat.session);
        if missing.is_empty() {
            return Step::none();
        }
        Step::none().send(To::Some(missing), Message::Ask(opening.checked.id))
    }
}

impl Gathering {
    /// Who dealt otherwise than in this choice.
    fn contradictions(&self, session: &Session, choice: &Choice) -> Vec<Culprit> {
        let chosen = choice.deals.iter().flat_map(|deals| deals.iter());
        let compare = |said: &Said<Dealing>| {
            let dealer = session.roster().index(said.what.dealer)?;
            self.deals.compare(session, dealer, said).err()
        };
        chosen.filter_map(compare).collect()
    }
}

impl Opening {
    fn insert(&mut self, session: &Session, from: Index, opened: Opened) -> Vec<Culprit> {
        self.shares.insert(session, &self.checked, from, opened)
    }
}

impl_machine! {
    Draw {
        Peer = Index, Message = Message, Command = Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Setup, RestoreError = SetupError }
}
