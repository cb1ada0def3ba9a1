//! A rescuer: it completes a session whose client fell silent.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{convert::Infallible, time::Duration};

use cosi::{
    Attests, Certificate, Policy, impl_machine,
    machine::{Cx, Evidence, FaultKind, Index, Never, Step, Time, To},
    wire::BoundedVec,
};

use crate::{
    blame,
    coded::{self, Fragment},
    message::{ByClient, Kept, Message, Opened, Statement},
    opening::Opening,
    pace::Pace,
    peer::{Blamed, Peer},
    session::Session,
    transcript::{Randomness, Transcript},
    void::Void,
};

/// What a rescuer is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The session.
    pub session: Session,
    /// After how long those that did not answer are asked again.
    pub retry: Duration,
    /// How long each of the two round trips may take.
    pub patience: Duration,
}

/// What the application asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Ask the servers what they keep.
    Start,
}

/// Why a command is turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rescuer was started.
    #[error("the rescuer was started before; make another to ask again")]
    Started,
}

/// What a rescuer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The output, and what convinces others of it.
    Finished(Randomness, Transcript),
    /// The client had a statement certified that can have no output. This opens the next attempt.
    Void(Void),
    /// The session is not completed.
    Aborted(Abort),
}

/// Why a session is not completed. Asking later may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Abort {
    /// No server showed a certificate that holds.
    #[error("no certificate found at the {answers} servers of {servers} that answered")]
    Certificate {
        /// How many servers answered.
        answers: usize,
        /// How many there are.
        servers: usize,
    },
    /// Too few servers showed their fragments of the deals.
    #[error("{have} valid fragments of {need}")]
    Fragments {
        /// How many were valid.
        have: usize,
        /// How many there must be: f + 1.
        need: usize,
    },
    /// A group opened too few shares.
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

/// The step of a rescuer.
pub type RescuerStep = Step<Message, Event, Never, Peer>;

/// Completes a session in its client's stead. Anybody may, with no key and no leave.
///
/// **Guarantee**: once one honest server holds the certificate, and all honest servers answer, with
/// t_l of them in each group l, the session ends with the output that its client saw or would have
/// seen, or with the proof that it can have none.
///
/// - Told to start, ask all servers what they keep of the session.
/// - The first certificate that holds decides on the statement. f + 1 fragments under the statement's
///   root rebuild the chosen deals of all groups.
/// - If they are those that the statement names, and hold, send I3 to all servers, with deals for
///   those that did not sign. Else tell that the statement is void.
/// - Upon R3, verify a group's shares as a batch once there could be t_l of them. With t_l in every
///   group, recover the sums, and tell the output with its transcript.
///
/// Every `retry`, ask those again that owe an answer. When a round trip takes longer than
/// `patience`, abort, and say what is missing.
///
/// Nothing is taken on a server's word: a certificate, a fragment or a share that does not hold is
/// its fault, and costs one check. It holds at most one statement with its fragment, and one
/// share a server.
///
/// It has no records: restored, it is as new, and told to start it asks again. To servers it is a
/// [guest](Peer::Guest), or, where it has the client's connection, the [client](Peer::Client).
///
/// # Example
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use cosi::{keys::Seed, machine::{Cx, Time, To}, roster::{Member, Roster}};
/// # use pvss::{Scheme, ShareKeys, ShareSecret};
/// # use randhound::{Client, Committee, Message, Peer, Rescuer, Server, Session, Terms, client};
/// # use randhound::{rescuer::{Command, Event, Setup}, server};
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
/// # let key = Seed::from_bytes([9; 32]).signing_key();
/// # let (purpose, slot, attempt, client) = ([0; 32], 1, 0, key.public().to_bytes());
/// # let terms = Terms { purpose, slot, attempt, client, group_size: 4, prior: [5; 32] };
/// # let session = Session::new(committee.clone(), &terms)?;
/// # let mut cx = Cx::new(Time::default(), &mut rng);
/// # let mut servers = Vec::new();
/// # for (index, (key, secret)) in roster.indices().zip(keys.into_iter().zip(secrets)) {
/// #     let setup = server::Setup { session: session.clone(), index, key, secret, void: None };
/// #     servers.push((Peer::Server(index), Server::restore(setup, [], &mut cx)?.0));
/// # }
/// # let (retry, patience) = (Duration::from_secs(1), Duration::from_secs(10));
/// # let setup = client::Setup { session: session.clone(), key, retry, grace: retry, patience, rounds: 2 };
/// # let (mut client, _) = Client::restore(setup, [], &mut cx)?;
/// # let receives = |to: &To<Peer>, peer: &Peer| match to {
/// #     To::One(one) => one == peer,
/// #     To::Some(peers) => peers.contains(peer),
/// #     To::All => true,
/// # };
/// # let (_, held) = client.handle_command(&mut cx, client::Command::Start)?.into_records();
/// # let mut sent = held.release().messages;
/// // The client shows its certificate to the servers, takes their shares, and falls silent.
/// while let Some((to, message)) = sent.pop() {
///     for (peer, server) in servers.iter_mut().filter(|(peer, _)| receives(&to, peer)) {
///         let (_, held) =
///             server.handle_message(&mut cx, Peer::Client, message.clone()).into_records();
///         for (_, reply) in held.release().messages {
///             sent.extend(client.handle_message(&mut cx, *peer, reply)
///                 .into_records().1.release().messages);
///         }
///     }
/// }
///
/// // Anybody asks the servers.
/// let mut rescuer = Rescuer::new(Setup { session, retry, patience });
/// let (_, held) = rescuer.handle_command(&mut cx, Command::Start)?.into_records();
/// let mut sent = held.release().messages;
/// let mut finished = None;
/// while let Some((to, message)) = sent.pop() {
///     for (peer, server) in servers.iter_mut().filter(|(peer, _)| receives(&to, peer)) {
///         let (_, held) =
///             server.handle_message(&mut cx, Peer::Guest(0), message.clone()).into_records();
///         for (_, reply) in held.release().messages {
///             let step = rescuer.handle_message(&mut cx, *peer, reply);
///             let output = step.into_records().1.release();
///             sent.extend(output.messages);
///             finished = output.events.into_iter().next().or(finished);
///         }
///     }
/// }
/// let Some(Event::Finished(output, transcript)) = finished else { panic!("no output") };
/// assert_eq!(transcript.verify(&committee, &terms)?, output);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rescuer {
    session: Session,
    state: State,
    pace: Pace,
    blamed: Blamed<Peer>,
}

#[derive(Debug)]
enum State {
    Idle,
    Seeking(Seeking),
    Opening(Opening),
    Over,
}

/// Until the deals are rebuilt. Each collection has at most one entry a server.
#[derive(Debug, Default)]
struct Seeking {
    /// Who answered.
    heard: BTreeSet<Index>,
    /// Whose certificate did not hold, so that it is checked once.
    refuted: BTreeSet<Index>,
    decided: Option<Decided>,
    /// What servers acknowledged, the client's signature on it checked, with fragments that stand
    /// under its root. Once a statement is decided, that one alone.
    acknowledged: BTreeMap<Index, (ByClient<Statement>, Fragment)>,
}

/// A statement, and what says that a quorum acknowledged it.
type Decided = (Statement, Certificate);

/// Who did what wrong, and what convicts it.
type Wrong = (Peer, FaultKind, Option<Evidence>);

impl Rescuer {
    /// A rescuer that asks nothing yet.
    pub fn new(Setup { session, retry, patience }: Setup) -> Self {
        let pace = Pace::new(retry, patience);
        Self { session, state: State::Idle, pace, blamed: Blamed::default() }
    }

    /// The same: there are no records.
    ///
    /// # Errors
    ///
    /// None.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Never>,
        _cx: &mut Cx<'_>,
    ) -> Result<(Self, RescuerStep), Infallible> {
        match records.into_iter().next() {
            Some(never) => match never {},
            None => Ok((Self::new(setup), Step::none())),
        }
    }

    /// The session.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Asks the servers what they keep.
    ///
    /// # Errors
    ///
    /// [`Error::Started`] when it did before.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Command,
    ) -> Result<RescuerStep, Error> {
        let Command::Start = command;
        if !matches!(self.state, State::Idle) {
            return Err(Error::Started);
        }
        self.state = State::Seeking(Seeking::default());
        self.pace.begin(cx.now());
        Ok(self.ask())
    }

    /// Takes in what `from` said.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> RescuerStep {
        let Peer::Server(server) = from else { return Step::none() };
        match message {
            Message::Kept(kept) => self.on_kept(cx, server, kept),
            Message::Opened(opened) => self.on_opened(server, opened),
            // To the client, in whose place this machine may be.
            Message::Dealing(..) | Message::Acknowledgement(_) => Step::none(),
            Message::Invitation(_)
            | Message::Choice(_)
            | Message::Ask(..)
            | Message::Decision(_)
            | Message::Inquiry(_) => self.blamed.fault(from, FaultKind::WrongRole, None),
        }
    }

    /// Asks again, or gives up.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> RescuerStep {
        if self.next_timeout().is_none_or(|due| due > cx.now()) {
            return Step::none();
        }
        if self.pace.is_over(cx.now()) {
            return self.give_up();
        }
        self.pace.again(cx.now());
        self.ask()
    }

    /// When somebody is to be asked again, or the round trip's time is over.
    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Idle | State::Over => None,
            State::Seeking(_) | State::Opening(_) => Some(self.pace.due()),
        }
    }

    fn on_kept(&mut self, cx: &Cx<'_>, from: Index, kept: Kept) -> RescuerStep {
        let State::Seeking(seeking) = &mut self.state else { return Step::none() };
        if kept.session != self.session.id() {
            return self.blamed.fault(from.into(), FaultKind::InvalidPayload, None);
        }
        seeking.heard.insert(from);
        let decided = kept.decided.map(|decided| seeking.decide(&self.session, from, decided));
        let acknowledged = kept.acknowledged;
        let acknowledged =
            acknowledged.map(|(said, own)| seeking.keep(&self.session, from, said, own));
        let wrong = decided.into_iter().chain(acknowledged).filter_map(Result::err);
        let step = wrong.fold(Step::none(), |step, (culprit, kind, evidence)| {
            step.and(self.blamed.fault(culprit, kind, evidence))
        });
        step.and(self.complete(cx))
    }

    fn on_opened(&mut self, from: Index, opened: Opened) -> RescuerStep {
        let State::Opening(opening) = &mut self.state else { return Step::none() };
        let culprits = opening.insert(&self.session, from, opened);
        let finished = opening.finish(&self.session);
        let step = self.blamed.faults(culprits);
        let Some((output, transcript)) = finished else { return step };
        self.state = State::Over;
        step.event(Event::Finished(output, transcript))
    }

    /// With a certificate and f + 1 fragments, opens what was decided, or finds it void.
    fn complete(&mut self, cx: &Cx<'_>) -> RescuerStep {
        let State::Seeking(seeking) = &self.state else { return Step::none() };
        let Some((decided, fragments)) = seeking.enough(&self.session) else {
            return Step::none();
        };
        let (statement, certificate) = decided.clone();
        if let Some(checked) = self.session.rebuild(&statement, &fragments) {
            self.state = State::Opening(Opening::new(&self.session, checked, certificate));
            self.pace.begin(cx.now());
            return self.ask();
        }
        let void = seeking.void(&self.session, certificate, fragments);
        self.state = State::Over;
        void.map_or_else(Step::none, |void| Step::none().event(Event::Void(void)))
    }

    /// Asks everyone who owes an answer in this round trip.
    fn ask(&self) -> RescuerStep {
        match &self.state {
            State::Idle | State::Over => Step::none(),
            State::Seeking(seeking) => {
                let owing = self.session.roster().indices().filter(|server| seeking.owes(*server));
                let owing: Vec<_> = owing.map(Peer::Server).collect();
                Step::none().send(To::Some(owing), Message::Inquiry(self.session.id()))
            }
            State::Opening(opening) => opening.ask(&self.session),
        }
    }

    fn give_up(&mut self) -> RescuerStep {
        // What is told of a group is told of what verifies, though it be too little.
        let culprits = match &mut self.state {
            State::Opening(opening) => opening.check(&self.session),
            State::Idle | State::Seeking(_) | State::Over => Vec::new(),
        };
        let abort = match &self.state {
            State::Idle | State::Over => None,
            State::Seeking(Seeking { heard, decided: None, .. }) => {
                let servers = self.session.roster().size();
                Some(Abort::Certificate { answers: heard.len(), servers })
            }
            State::Seeking(Seeking { acknowledged, .. }) => {
                let (have, need) = (acknowledged.len(), coded::enough(&self.session));
                Some(Abort::Fragments { have, need })
            }
            State::Opening(opening) => {
                opening.short().map(|(group, have, need)| Abort::Shares { group, have, need })
            }
        };
        self.state = State::Over;
        let step = self.blamed.faults(culprits);
        step.and(abort.map_or_else(Step::none, |abort| Step::none().event(Event::Aborted(abort))))
    }
}

impl Seeking {
    /// Takes in what `from` says was decided: the first that holds is. Names who is wrong.
    fn decide(
        &mut self,
        session: &Session,
        from: Index,
        (statement, certificate): Decided,
    ) -> Result<(), Wrong> {
        let lie = Err((from.into(), FaultKind::InvalidProof, None));
        match &self.decided {
            Some((decided, _)) if *decided == statement => return Ok(()),
            // A quorum decides one statement a session.
            Some(_) => return lie,
            None if self.refuted.contains(&from) => return Ok(()),
            None => {}
        }
        let attested = || certificate.attests(&statement, session.roster(), &Policy::Quorum);
        if session.check(&statement).is_err() || attested().is_err() {
            self.refuted.insert(from);
            return lie;
        }
        self.acknowledged.retain(|_, (said, _)| said.what == statement);
        self.decided = Some((statement, certificate));
        Ok(())
    }

    /// Keeps what `from` acknowledged, the first time, with its fragment, unless another statement
    /// is decided. Names who is wrong: the server, or a client of two statements.
    fn keep(
        &mut self,
        session: &Session,
        from: Index,
        said: ByClient<Statement>,
        fragment: Fragment,
    ) -> Result<(), Wrong> {
        if self.acknowledged.contains_key(&from) {
            return Ok(());
        }
        let wrong = |kind| Err((Peer::Server(from), kind, None));
        if said.what.session != session.id() {
            return wrong(FaultKind::InvalidPayload);
        }
        let known = self.acknowledged.values().next().map(|(known, _)| known);
        if known != Some(&said) && !said.verify(session.client()) {
            return wrong(FaultKind::BadSignature);
        }
        if !fragment.verify(session.roster(), &said.what.availability, from) {
            return wrong(FaultKind::InvalidProof);
        }
        let other = known.filter(|known| known.what != said.what);
        let both = other.map(|other| [other, &said].map(|said| (&said.what, said.signature)));
        let equivocation = both.map(blame::evidence);
        if self.decided.as_ref().is_none_or(|(decided, _)| *decided == said.what) {
            self.acknowledged.insert(from, (said, fragment));
        }
        match equivocation {
            Some(proof) => Err((Peer::Client, FaultKind::Equivocation, proof)),
            None => Ok(()),
        }
    }

    /// Whether a server may have something that is missing.
    fn owes(&self, server: Index) -> bool {
        self.decided.is_none() || !self.acknowledged.contains_key(&server)
    }

    /// What was decided, with f + 1 fragments of its deals, once they are here.
    fn enough(&self, session: &Session) -> Option<(&Decided, BTreeMap<Index, Fragment>)> {
        let (decided, need) = (self.decided.as_ref()?, coded::enough(session));
        // They are copied once, and not for each answer that arrives.
        if self.acknowledged.len() < need {
            return None;
        }
        let fragments = self.acknowledged.iter().take(need);
        let fragments = fragments.map(|(server, (_, fragment))| (*server, fragment.clone()));
        Some((decided, fragments.collect()))
    }

    /// The proof that what these fragments do not rebuild is void.
    fn void(
        &self,
        session: &Session,
        certificate: Certificate,
        fragments: BTreeMap<Index, Fragment>,
    ) -> Option<Void> {
        let (statement, _) = self.acknowledged.values().next()?.clone();
        let fragments = fragments.into_iter().map(|(server, fragment)| (server.get(), fragment));
        let fragments = BoundedVec::new(fragments.collect())?;
        Some(Void { config: session.config().clone(), statement, certificate, fragments })
    }
}

impl_machine! {
    Rescuer {
        Peer = Peer, Message = Message, Command = Command, Event = Event, Record = Never,
        Error = Error
    }
    restore { Config = Setup, RestoreError = Infallible }
}
