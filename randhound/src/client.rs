//! The client: it drives one session to its output, and nobody has to trust it.

mod acknowledging;
mod ask;
mod invited;
mod offers;
mod plan;

use alloc::vec::Vec;
use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Certificate, impl_machine,
    keys::SigningKey,
    machine::{Cx, FaultKind, Index, Step, Time},
    message::Said,
    round::Offer,
    wire::BoundedVec,
};

use self::{
    acknowledging::{Acknowledging, Verdict},
    invited::Invited,
    plan::Plan,
};
use crate::{
    message::{Acknowledgement, ByClient, Dealing, Deals, MAX_GROUPS, Message, Opened, Statement},
    opening::Opening,
    pace::Pace,
    peer::{Blamed, Peer},
    session::Session,
    transcript::{Randomness, Transcript},
};

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The session.
    pub session: Session,
    /// The key that the session's terms name.
    pub key: SigningKey,
    /// After how long those that did not answer are asked again.
    pub retry: Duration,
    /// How long to wait for stragglers: for their deals once there is enough to choose, and for
    /// their parts in a round of signing once a quorum answered. Shorter than I2 takes to leave for
    /// the last third of the servers (0.5 s for 1,024 in groups of 32 at 100 Mbps), it makes
    /// stragglers of them, and rounds fail where nobody does.
    pub grace: Duration,
    /// How long each of the three round trips may take, graces included.
    pub patience: Duration,
    /// How many rounds of collective signing to try before single signatures: 2 are usual. With 0
    /// the certificate is an individual one, of 64 bytes a server.
    pub rounds: u8,
}

/// What the application asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Open the session.
    Start,
}

/// Why a command is turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session was opened.
    #[error("the session was opened before; a slot is drawn once")]
    Started,
}

/// What a client tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "told once a session")]
pub enum Event {
    /// The output, and what convinces others of it.
    Finished(Randomness, Transcript),
    /// The session ends without an output.
    Aborted(Abort),
}

/// Why a session ends without an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Abort {
    /// A group has too few dealers.
    #[error("group {group} has {have} valid deals of {need}")]
    Deals {
        /// The group.
        group: u16,
        /// How many deals verified.
        have: usize,
        /// How many there must be.
        need: usize,
    },
    /// Too few servers acknowledged the choice.
    #[error("{have} servers acknowledged of {need}")]
    Acknowledgements {
        /// How many did.
        have: usize,
        /// How many must.
        need: u64,
    },
    /// A group opened too few shares. Whoever has the certificate may still complete the session.
    #[error("group {group} has {have} valid shares of {need}")]
    Shares {
        /// The group.
        group: u16,
        /// How many shares verified.
        have: usize,
        /// How many there must be.
        need: usize,
    },
}

/// What a client must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Record {
    /// It opened the session.
    Started,
    /// Its one choice, with the chosen deals of every group.
    Chosen(ByClient<Statement>, BoundedVec<Deals, MAX_GROUPS>),
    /// What says that a quorum acknowledged the choice.
    Certified(Certificate),
}

/// Why a client does not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The key is not the one that the terms name.
    #[error("the key is not that of the session's client; give the one in the terms")]
    Key,
    /// The records are of another session, do not verify in this one, or are not in the order of
    /// writing.
    #[error("the records are of another session or out of order; give its own journal, whole")]
    Foreign,
}

/// The step of a client.
pub type ClientStep = Step<Message, Event, Record, Peer>;

/// The client of one session.
///
/// - Told to start, send I1 to all servers.
/// - Upon R1, the first deal of each server and its latest offer, verify a group's deals as a batch
///   once there could be t_l of them, and no more than it takes. With t_l in every group and offers
///   by n − f servers, once all have dealt or the `grace` is over, record the choice of t_l a
///   group, and send I2 to all. Who offered is asked for a part, the others for a signature.
/// - Upon R2 with a part, keep it. Once all that were asked have answered, or n − f and the `grace`
///   is over, check the sum of all parts. If it does not hold, look for the wrong ones; send I2′ to
///   those whose answers held, with the pairs that they offered in them, if they are n − f. After
///   `rounds` of these, or where offers are fewer, ask all for their signatures.
/// - Upon R2 with a signature, check it.
/// - With the parts of all in a round, or n − f signatures, record the certificate. Send I3 to all
///   when it is collective, and to one server a group when it is individual; when asking again, to
///   all whose shares are missing. Deals are for those that did not acknowledge.
/// - Upon R3, verify a group's shares as a batch once there could be t_l of them. With t_l in
///   every group, recover the sums, and tell the output with its transcript.
///
/// Every `retry`, ask those again that did not answer. When a round trip takes longer than
/// `patience`, abort, and say what is missing.
///
/// A choice is made once: no failed round changes it. Whoever's part is wrong is reported without
/// evidence, since parts are not signed: the caller's channel names the sender. A restored client
/// goes on with single signatures, since what was offered for its rounds may be spent.
///
/// It holds at most one deal, two offers, one part, one signature and one share a server.
/// The [crate's example](crate#example) runs a session to its transcript.
#[derive(Debug)]
pub struct Client {
    setup: Setup,
    state: State,
    pace: Pace,
    blamed: Blamed<Peer>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a session")]
enum State {
    Idle,
    Dealing(Invited),
    Acknowledging(Plan, Acknowledging),
    Opening(Opening),
    Over,
}

impl Client {
    /// The client that wrote `records`, and the step that asks again what it asked last. Without
    /// records, a fresh one.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, ClientStep), SetupError> {
        if setup.session.client() != setup.key.public() {
            return Err(SetupError::Key);
        }
        let pace = Pace::new(setup.retry, setup.patience);
        let mut client = Self { setup, state: State::Idle, pace, blamed: Blamed::default() };
        for record in records {
            client.replay(record)?;
        }
        let step = match &client.state {
            State::Idle | State::Over => Step::none(),
            State::Dealing(_) | State::Acknowledging(..) | State::Opening(..) => {
                client.pace.begin(cx.now());
                client.ask()
            }
        };
        Ok((client, step))
    }

    /// The session.
    pub const fn session(&self) -> &Session {
        &self.setup.session
    }

    /// Opens the session.
    ///
    /// # Errors
    ///
    /// [`Error::Started`] when it was opened before.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Command,
    ) -> Result<ClientStep, Error> {
        let Command::Start = command;
        if !matches!(self.state, State::Idle) {
            return Err(Error::Started);
        }
        self.state = self.dealing();
        self.pace.begin(cx.now());
        Ok(Step::none().record(Record::Started).and(self.ask()))
    }

    /// Takes in what `from` said.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> ClientStep {
        let Peer::Server(server) = from else { return Step::none() };
        match message {
            Message::Dealing(dealing, offer) => self.on_dealing(cx, server, dealing, &offer),
            Message::Acknowledgement(said) => self.on_acknowledgement(cx, server, said),
            Message::Opened(opened) => self.on_opened(server, opened),
            Message::Kept(_) => Step::none(),
            Message::Invitation(_)
            | Message::Choice(_)
            | Message::Ask(..)
            | Message::Decision(_)
            | Message::Inquiry(_) => self.blamed.fault(from, FaultKind::WrongRole, None),
        }
    }

    /// Goes on without stragglers, asks again, or gives up.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> ClientStep {
        if self.next_timeout().is_none_or(|due| due > cx.now()) {
            return Step::none();
        }
        if self.pace.is_over(cx.now()) {
            return self.give_up(cx);
        }
        let step = self.end_grace(cx);
        if !self.pace.is_slow(cx.now()) {
            return step;
        }
        self.pace.again(cx.now());
        step.and(self.ask_again())
    }

    /// When a grace is over, somebody is to be asked again, or the round trip's time is over.
    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Idle | State::Over => None,
            State::Dealing(invited) => Some(self.pace.due_or(invited.due())),
            State::Acknowledging(_, words) => Some(self.pace.due_or(words.due())),
            State::Opening(_) => Some(self.pace.due()),
        }
    }

    fn end_grace(&mut self, cx: &Cx<'_>) -> ClientStep {
        match &self.state {
            State::Dealing(_) => self.choose_in_time(cx),
            State::Acknowledging(..) => self.conclude(cx),
            State::Idle | State::Opening(_) | State::Over => Step::none(),
        }
    }

    fn on_dealing(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        said: Said<Dealing>,
        offer: &Offer,
    ) -> ClientStep {
        let State::Dealing(invited) = &mut self.state else { return Step::none() };
        let culprits = invited.insert(&self.setup.session, from, said, offer);
        self.blamed.faults(culprits).and(self.choose_in_time(cx))
    }

    fn on_acknowledgement(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        said: Acknowledgement,
    ) -> ClientStep {
        let State::Acknowledging(plan, words) = &mut self.state else { return Step::none() };
        let culprit = words.insert(&self.setup.session, plan, from, said).err();
        self.blamed.faults(culprit).and(self.conclude(cx))
    }

    fn on_opened(&mut self, from: Index, opened: Opened) -> ClientStep {
        let State::Opening(opening) = &mut self.state else { return Step::none() };
        let culprits = opening.insert(&self.setup.session, from, opened);
        let finished = opening.finish(&self.setup.session);
        let step = self.blamed.faults(culprits);
        let Some((output, transcript)) = finished else { return step };
        self.state = State::Over;
        step.event(Event::Finished(output, transcript))
    }

    fn choose_in_time(&mut self, cx: &Cx<'_>) -> ClientStep {
        let Setup { session, grace, .. } = &self.setup;
        let State::Dealing(invited) = &mut self.state else { return Step::none() };
        if invited.is_time(session, cx.now(), *grace) { self.choose(cx) } else { Step::none() }
    }

    /// With enough deals everywhere, chooses the first ones in the order of the roster, and has
    /// those who offered acknowledge together, if they are a quorum.
    fn choose(&mut self, cx: &Cx<'_>) -> ClientStep {
        let State::Dealing(Invited { deals, offers, .. }) = &self.state else {
            return Step::none();
        };
        let Some(plan) = Plan::choose(&self.setup, deals) else { return Step::none() };
        let record = plan.record();
        let words =
            Acknowledging::new(&self.setup.session, &plan, offers.clone(), self.setup.rounds);
        self.state = State::Acknowledging(plan, words);
        self.pace.begin(cx.now());
        Step::none().record(record).and(self.ask())
    }

    /// With a quorum's acknowledgements in one form, opens the choice. Upon a round that failed,
    /// asks in another form.
    fn conclude(&mut self, cx: &Cx<'_>) -> ClientStep {
        let Setup { session, grace, .. } = &self.setup;
        let State::Acknowledging(plan, words) = &mut self.state else { return Step::none() };
        match words.conclude(session, plan, cx.now(), *grace) {
            Verdict::Open => Step::none(),
            Verdict::Failed(culprits) => {
                self.pace.again(cx.now());
                let step = self.blamed.faults(culprits).and(self.ask());
                step.and(self.conclude(cx))
            }
            Verdict::Certified(certificate) => {
                self.certified(certificate.clone());
                self.pace.begin(cx.now());
                Step::none().record(Record::Certified(certificate)).and(self.ask())
            }
        }
    }

    fn give_up(&mut self, cx: &Cx<'_>) -> ClientStep {
        // Deals suffice where offers do not: single signatures need none.
        if matches!(&self.state, State::Dealing(Invited { deals, .. }) if deals.is_done()) {
            return self.choose(cx);
        }
        // What is told of a group is told of what verifies, though it be too little.
        let session = &self.setup.session;
        let culprits = match &mut self.state {
            State::Dealing(invited) => invited.deals.check(session),
            State::Opening(opening) => opening.check(session),
            State::Idle | State::Acknowledging(..) | State::Over => Vec::new(),
        };
        let abort = match &self.state {
            State::Idle | State::Over => None,
            State::Dealing(Invited { deals, .. }) => {
                deals.short().map(|(group, have, need)| Abort::Deals { group, have, need })
            }
            State::Acknowledging(_, words) => {
                let need = session.roster().quorum();
                Some(Abort::Acknowledgements { have: words.have(), need })
            }
            State::Opening(opening) => {
                opening.short().map(|(group, have, need)| Abort::Shares { group, have, need })
            }
        };
        self.state = State::Over;
        let step = self.blamed.faults(culprits);
        step.and(abort.map_or_else(Step::none, |abort| Step::none().event(Event::Aborted(abort))))
    }

    fn dealing(&self) -> State {
        State::Dealing(Invited::new(&self.setup.session))
    }

    fn certified(&mut self, certificate: Certificate) {
        let session = &self.setup.session;
        self.state = match core::mem::replace(&mut self.state, State::Over) {
            State::Acknowledging(plan, _) => {
                State::Opening(Opening::new(session, plan.checked, certificate))
            }
            other @ (State::Idle | State::Dealing(_) | State::Opening(..) | State::Over) => other,
        };
    }

    fn replay(&mut self, record: Record) -> Result<(), SetupError> {
        match (record, &self.state) {
            (Record::Started, State::Idle) => self.state = self.dealing(),
            (Record::Chosen(choice, deals), State::Dealing(_)) => {
                let plan = Plan::restore(&self.setup.session, choice, deals);
                let plan = plan.ok_or(SetupError::Foreign)?;
                self.state = State::Acknowledging(plan, Acknowledging::individual());
            }
            (Record::Certified(certificate), State::Acknowledging(..)) => {
                self.certified(certificate);
            }
            // Without its choice, a client would make another, whose two signatures convict it.
            (Record::Started | Record::Chosen(..) | Record::Certified(_), _) => {
                return Err(SetupError::Foreign);
            }
        }
        Ok(())
    }
}

impl_machine! {
    Client {
        Peer = Peer, Message = Message, Command = Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Setup, RestoreError = SetupError }
}
