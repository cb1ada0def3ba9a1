//! One server in one session.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{convert::Infallible, time::Duration};

use cosi::{
    impl_machine,
    machine::{Cx, FaultKind, Index, Step, Time, To},
    roster::Roster,
    wire::BoundedVec,
};
use curve25519_dalek::Scalar;

use super::{
    ballot::{Ballot, Rules},
    dealing::Polynomial,
    set::Set,
    words::{
        Commitments, Deal, DealId, Disclosed, Event, MAX_SERVERS, MAX_VOTES, Message, Record,
        Setup, SetupError, Vote, Word,
    },
};
use crate::peer::Blamed;

/// The step of a server of RandShare.
pub type RandShareStep = Step<Message, Event, Record, Index>;

/// Shares of all dealers that contribute, as one server disclosed them.
pub(super) type Shares = BoundedVec<Disclosed, MAX_SERVERS>;

/// One server in one session of RandShare. See the [module](super).
///
/// - Restored for the first time, deal to every server, and record the seed of the deal.
/// - Upon a deal whose share is valid, the first of its dealer, record it and echo its name.
/// - Upon a vote, take part in the broadcast and the agreement on its dealer. Whatever is voted is
///   recorded before.
/// - Once a dealer's commitments are delivered, propose that it contributes. Once n − f dealers
///   are agreed on, and `grace` is over, propose of all others that they do not.
/// - Once all agreements are over, or f + 1 servers say the same of their outcome, and the
///   commitments of all who contribute are delivered, record who that is, and disclose the own
///   shares of theirs.
/// - Upon disclosed shares, keep the first of each server. With f + 1 valid ones of each dealer
///   that contributes, recover the secrets, and tell the output.
/// - Until then, and until a quorum has disclosed, after `retry` ask all others for what they
///   said. Asked, say all of it again.
///
/// It holds, for each server, one deal, one message of disclosed shares and one ballot; and a
/// ballot holds at most 255 rounds of a fixed size.
///
/// The caller's duties:
///
/// - One `RandShare` a session and server, restored from its records, which are durable before a
///   step's messages leave, and which are kept secret until the output is told.
/// - **Channels that are authenticated and private**, and one set of them a session: a
///   [`Message::Deal`] is a secret of its receiver's. Mutual TLS does.
/// - It serves those who lag behind until it is dropped, each time they ask: bound what a peer may
///   send.
///
/// ```
/// use std::time::Duration;
/// # use std::collections::VecDeque;
/// # use cosi::{keys::Seed, machine::{Cx, Time, To}, roster::{Member, Roster}};
/// use randhound::{RandShare, randshare::{Event, Setup}};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// # let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
/// # let mut cx = Cx::new(Time::default(), &mut rng);
/// let second = Duration::from_secs(1);
/// let (mut servers, mut wire) = (Vec::new(), VecDeque::new());
/// for index in roster.indices() {
///     let (retry, grace, patience) = (second, 5 * second, second);
///     let (roster, session) = (roster.clone(), *b"who sweeps the kitchen next week");
///     let setup = Setup { roster, session, index, retry, grace, patience };
///     let (server, step) = RandShare::restore(setup, [], &mut cx)?;
///     servers.push(server);
///     let sent = step.into_records().1.release().messages;
///     wire.extend(sent.into_iter().map(|sent| (index, sent)));
/// }
///
/// // A perfect network, on which records are not lost since nobody crashes.
/// let mut drawn = Vec::new();
/// while let Some((from, (to, message))) = wire.pop_front() {
///     let others = roster.indices().zip(&mut servers).filter(|(index, _)| *index != from);
///     for (index, server) in others {
///         if to != To::All && to != To::One(index) {
///             continue;
///         }
///         let step = server.handle_message(&mut cx, from, message.clone());
///         let output = step.into_records().1.release();
///         wire.extend(output.messages.into_iter().map(|sent| (index, sent)));
///         drawn.extend(output.events);
///     }
/// }
/// let all: Vec<_> = roster.indices().collect();
/// let Event::Drawn(output, _) = &drawn[0] else { panic!() };
/// assert_eq!(drawn, vec![Event::Drawn(*output, all); 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RandShare {
    pub(super) roster: Roster,
    pub(super) session: [u8; 32],
    pub(super) index: Index,
    pub(super) rules: Rules,
    pub(super) retry: Duration,
    pub(super) ask_at: Time,
    /// Until when the deals of all are waited for.
    pub(super) grace: Option<Time>,
    pub(super) polynomial: Polynomial,
    /// Valid deals, one a dealer.
    pub(super) kept: BTreeMap<u16, Deal>,
    /// Commitments of dealers of whom no valid deal is kept, or another one.
    pub(super) told: BTreeMap<u16, Commitments>,
    /// One a dealer.
    pub(super) ballots: Vec<Ballot>,
    /// The dealers on whom there may be something to say.
    pub(super) touched: Set,
    /// All own votes: at most one of each kind, value, round and dealer.
    pub(super) said: Vec<Vote>,
    /// The first disclosed shares of each other server, and who contributes by its word.
    pub(super) disclosed: BTreeMap<u16, (Set, Shares)>,
    pub(super) state: State,
    pub(super) blamed: Blamed<Index>,
}

#[derive(Debug)]
pub(super) enum State {
    Agreeing,
    /// With the secrets that are recovered, by dealer.
    Opening(Agreed, BTreeMap<u16, Scalar>),
    /// With the other servers that are known to have disclosed theirs.
    Drawn(Agreed, Set),
}

/// Who contributes, and what the server discloses.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) dealers: Set,
    pub(super) own: Shares,
}

impl Agreed {
    pub(super) fn disclosure(&self) -> Message {
        Message::Disclosed(self.dealers.0, self.own.clone())
    }
}

impl RandShare {
    /// A server that has a polynomial, and has said nothing.
    pub(super) fn new(setup: Setup, seed: &[u8; 32], now: Time) -> Result<Self, SetupError> {
        let Setup { roster, session, index, retry, grace, patience } = setup;
        let servers = u16::try_from(roster.size()).unwrap_or(u16::MAX);
        if roster.size() > MAX_SERVERS {
            return Err(SetupError::Size(roster.size()));
        }
        if roster.members().iter().any(|member| member.weight != 1) {
            return Err(SetupError::Weight);
        }
        if roster.member(index).is_none() {
            return Err(SetupError::Index);
        }
        let (faulty, quorum) = (roster.faulty(), roster.quorum());
        let retry = retry.max(Duration::from_nanos(1));
        let polynomial = Polynomial::derive(seed, &roster.id(), &session, faulty.saturating_add(1));
        Ok(Self {
            rules: Rules { own: index.get(), servers, faulty, quorum, patience },
            ballots: (0..servers).map(|_| Ballot::default()).collect(),
            touched: Set::default(),
            ask_at: now.after(retry),
            grace: Some(now.after(grace)),
            roster,
            session,
            index,
            retry,
            polynomial,
            kept: BTreeMap::new(),
            told: BTreeMap::new(),
            said: Vec::new(),
            disclosed: BTreeMap::new(),
            state: State::Agreeing,
            blamed: Blamed::default(),
        })
    }

    /// Takes in what `from` said.
    pub fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        message: Message,
    ) -> RandShareStep {
        if self.roster.member(from).is_none() || from == self.index {
            return Step::none();
        }
        match message {
            Message::Deal(deal) => self.on_deal(cx, from, deal),
            Message::Votes(votes) => self.on_votes(cx, from, &votes),
            Message::Disclosed(dealers, shares) => {
                self.on_disclosed(cx, from, Set(dealers), shares)
            }
            Message::Ask(deals) => self.on_ask(from, Set(deals)),
            Message::Commitments(dealer, commitments) => {
                self.on_commitments(from, dealer, commitments)
            }
        }
    }

    /// Never called: there are no commands.
    pub fn handle_command(
        &mut self,
        _cx: &mut Cx<'_>,
        command: Infallible,
    ) -> Result<RandShareStep, Infallible> {
        match command {}
    }

    /// Says no to dealers that are late, goes on without a coordinator, or asks again.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> RandShareStep {
        self.grace.take_if(|until| *until <= cx.now());
        self.touched = Set::all();
        let asked = if !self.is_settled() && self.ask_at <= cx.now() {
            self.ask_at = cx.now().after(self.retry);
            self.ask()
        } else {
            Step::none()
        };
        asked.and(self.advance(cx.now()))
    }

    /// The next of these times.
    pub fn next_timeout(&self) -> Option<Time> {
        let waits = self.ballots.iter().filter_map(Ballot::next_timeout);
        let ask_at = (!self.is_settled()).then_some(self.ask_at);
        waits.chain(self.grace).chain(ask_at).min()
    }

    fn on_deal(&mut self, cx: &Cx<'_>, from: Index, deal: Deal) -> RandShareStep {
        if !matches!(self.state, State::Agreeing) {
            return Step::none();
        }
        if let Some(kept) = self.kept.get(&from.get()) {
            return if *kept == deal {
                Step::none()
            } else {
                self.blamed.fault(from, FaultKind::Equivocation, None)
            };
        }
        if deal.verify(self.rules.own, self.threshold()).is_none() {
            return self.blamed.fault(from, FaultKind::InvalidProof, None);
        }
        self.keep(from.get(), deal.clone())
            .and(self.echo(from.get(), &deal.commitments))
            .and(self.advance(cx.now()))
    }

    fn on_votes(&mut self, cx: &Cx<'_>, from: Index, votes: &[Vote]) -> RandShareStep {
        let mut step = Step::none();
        for Vote { dealer, word } in votes {
            let heard = match self.ballots.get_mut(usize::from(*dealer)) {
                Some(ballot) => {
                    self.touched.insert(*dealer);
                    ballot.hear(&self.rules, from.get(), *word)
                }
                None => Err(FaultKind::InvalidPayload),
            };
            if let Err(kind) = heard {
                step = step.and(self.blamed.fault(from, kind, None));
            }
        }
        step.and(self.advance(cx.now()))
    }

    fn on_disclosed(
        &mut self,
        cx: &Cx<'_>,
        from: Index,
        dealers: Set,
        shares: Shares,
    ) -> RandShareStep {
        if let State::Drawn(agreed, others) = &mut self.state {
            if agreed.dealers == dealers {
                others.insert(from.get());
            }
            return Step::none();
        }
        self.disclosed.entry(from.get()).or_insert((dealers, shares));
        self.advance(cx.now())
    }

    fn on_ask(&mut self, from: Index, deals: Set) -> RandShareStep {
        let mut step = Step::none();
        if deals.contains(self.rules.own) {
            step = step.send(To::One(from), self.deal_for(from.get()));
        }
        for dealer in deals.iter().filter(|dealer| *dealer != self.rules.own) {
            let Some(commitments) = self.commitments(dealer) else { continue };
            let answer = Message::Commitments(dealer, commitments.clone());
            step = step.send(To::One(from), answer);
        }
        for votes in self.said.chunks(MAX_VOTES) {
            let votes = BoundedVec::new(votes.to_vec()).unwrap_or_default();
            step = step.send(To::One(from), Message::Votes(votes));
        }
        match &self.state {
            State::Agreeing => step,
            State::Opening(agreed, _) | State::Drawn(agreed, _) => {
                step.send(To::One(from), agreed.disclosure())
            }
        }
    }

    fn on_commitments(
        &mut self,
        from: Index,
        dealer: u16,
        commitments: Commitments,
    ) -> RandShareStep {
        let delivered = self.delivered(dealer);
        let is_drawn = matches!(self.state, State::Drawn(..));
        if is_drawn || delivered.is_none() || self.commitments(dealer).is_some() {
            return Step::none();
        }
        if Some(self.name(dealer, &commitments)) != delivered {
            return self.blamed.fault(from, FaultKind::InvalidPayload, None);
        }
        self.told.insert(dealer, commitments);
        self.finish()
    }

    /// Records a valid deal.
    fn keep(&mut self, dealer: u16, deal: Deal) -> RandShareStep {
        self.kept.insert(dealer, deal.clone());
        Step::none().record(Record::Kept(dealer, deal))
    }

    /// Says that the own share is valid.
    pub(super) fn echo(&mut self, dealer: u16, commitments: &Commitments) -> RandShareStep {
        let word = Word::Echo(self.name(dealer, commitments));
        let Some(ballot) = self.ballots.get_mut(usize::from(dealer)) else { return Step::none() };
        if ballot.hear(&self.rules, self.rules.own, word).is_err() {
            return Step::none();
        }
        self.touched.insert(dealer);
        self.say([Vote { dealer, word }].into())
    }

    /// Records and sends own votes.
    fn say(&mut self, votes: Vec<Vote>) -> RandShareStep {
        let mut step = Step::none();
        for votes in votes.chunks(MAX_VOTES) {
            let votes = BoundedVec::new(votes.to_vec()).unwrap_or_default();
            step = step.record(Record::Voted(votes.clone()));
            step = step.send(To::All, Message::Votes(votes));
        }
        self.said.extend(votes);
        step
    }

    /// Votes as far as it goes, and discloses once there is nothing left to vote on.
    pub(super) fn advance(&mut self, now: Time) -> RandShareStep {
        let mut votes = Vec::new();
        loop {
            self.propose();
            let touched = core::mem::take(&mut self.touched);
            for dealer in touched.iter() {
                let Some(ballot) = self.ballots.get_mut(usize::from(dealer)) else { continue };
                let words = ballot.react(&self.rules, now);
                votes.extend(words.into_iter().map(|word| Vote { dealer, word }));
            }
            if touched == Set::default() {
                break;
            }
        }
        self.say(votes).and(self.disclose()).and(self.finish())
    }

    /// Proposes what there is to propose.
    fn propose(&mut self) {
        let agreed = self.ballots.iter().filter(|ballot| ballot.decided() == Some(true)).count();
        let enough = u64::try_from(agreed).is_ok_and(|agreed| agreed >= self.rules.quorum);
        let is_late = enough && self.grace.is_none();
        for (dealer, ballot) in (0..).zip(&mut self.ballots) {
            let is_delivered = ballot.delivered().is_some();
            if ballot.is_idle() && (is_delivered || is_late) {
                ballot.propose(is_delivered);
                self.touched.insert(dealer);
            }
        }
    }

    /// Asks all others for what they said.
    pub(super) fn ask(&self) -> RandShareStep {
        let mut lacking = Set::default();
        for dealer in (0..self.rules.servers).filter(|dealer| *dealer != self.rules.own) {
            let lacks = match self.delivered(dealer) {
                Some(_) => self.commitments(dealer).is_none(),
                None => !self.kept.contains_key(&dealer),
            };
            if lacks {
                lacking.insert(dealer);
            }
        }
        Step::none().send(To::All, Message::Ask(lacking.0))
    }

    /// The commitments that were delivered, if they are here.
    pub(super) fn commitments(&self, dealer: u16) -> Option<&Commitments> {
        let delivered = self.delivered(dealer)?;
        let kept = self.kept.get(&dealer).map(|deal| &deal.commitments);
        let known = kept.into_iter().chain(self.told.get(&dealer));
        known.into_iter().find(|known| self.name(dealer, known) == delivered)
    }

    pub(super) fn delivered(&self, dealer: u16) -> Option<DealId> {
        self.ballots.get(usize::from(dealer))?.delivered()
    }

    pub(super) fn name(&self, dealer: u16, commitments: &Commitments) -> DealId {
        commitments.id(&self.roster.id(), &self.session, dealer)
    }

    /// The own deal, as this server gets it.
    pub(super) fn deal_for(&self, server: u16) -> Message {
        let commitments = self.polynomial.commitments().clone();
        Message::Deal(Deal { commitments, share: self.polynomial.share(server) })
    }

    pub(super) fn indices(&self, dealers: Set) -> Vec<Index> {
        self.roster.indices().filter(|index| dealers.contains(index.get())).collect()
    }

    /// How many shares recover a secret.
    pub(super) const fn threshold(&self) -> u64 {
        self.rules.faulty.saturating_add(1)
    }

    /// Whether the output is told and enough others have disclosed theirs, so that everybody who
    /// lags behind gets there by asking them.
    const fn is_settled(&self) -> bool {
        match &self.state {
            State::Agreeing | State::Opening(..) => false,
            State::Drawn(_, others) => others.len().saturating_add(1) >= self.rules.quorum,
        }
    }
}

impl_machine! {
    RandShare {
        Peer = Index, Message = Message, Command = Infallible, Event = Event, Record = Record,
        Error = Infallible
    }
    restore { Config = Setup, RestoreError = SetupError }
}
