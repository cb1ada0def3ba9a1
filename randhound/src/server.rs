//! A server: it deals once, acknowledges once, and opens what a quorum decided.

use alloc::{sync::Arc, vec::Vec};
use core::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate, Policy, Statement as _,
    certificate::sign,
    impl_machine,
    keys::SigningKey,
    machine::{Cx, Evidence, FaultKind, Index, Step, Time, To},
    message::Said,
    nonce::NoncePair,
    round::{Offer, Question, Round},
};
use pvss::{Chosen, ShareSecret};

pub use crate::seat::SetupError;
use crate::{
    blame,
    coded::Fragment,
    message::{
        self, Acknowledgement, Ask, ByClient, Config, Dealing, Deals, Decision, Kept, Message,
        Opened, SessionId, Shown, Statement, StatementId, Word,
    },
    opening,
    peer::{Blamed, Peer},
    seat::Seat,
    session::Session,
    void::Void,
};

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The session.
    pub session: Session,
    /// The server's position in the roster.
    pub index: Index,
    /// Its signing key.
    pub key: SigningKey,
    /// The secret of its share key.
    pub secret: Arc<ShareSecret>,
    /// The proof that the attempt before this one is void, and none for the first.
    pub void: Option<Void>,
}

/// What a server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A quorum decided this statement, and the server opened its share: whoever has t shares a
    /// group knows the output.
    Opened(StatementId),
}

/// What a server must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "three a session")]
pub enum Record {
    /// Its deal, which it never makes again.
    Dealt(Said<Dealing>),
    /// The one statement that it acknowledges, and the deals of its group.
    Acknowledged(ByClient<Statement>, Deals, Fragment),
    /// The decision, with the deals of its group, and the share that it opened.
    Opened(Decision, Opened),
}

/// The step of a server.
pub type ServerStep = Step<Message, Event, Record, Peer>;

/// One server in one session.
///
/// - Upon I1 from the client, with the config that the terms fix, deal to the own group, record
///   the deal, and send R1, with a nonce pair for the first round of acknowledging. Asked again,
///   send the same.
/// - Upon I2 from the client, check that t_l members of each group are chosen, that the own
///   group's deals are those under its root, every one of them, and that the fragment of all
///   chosen deals is the own one. Record statement, deals and fragment, and acknowledge. A second
///   statement is evidence against the client.
/// - Asked to acknowledge alone, sign. Asked for a part, take the pair that is named, if it is
///   there, and answer with it if a quorum is asked, this server among it; refuse otherwise. Either
///   way offer a fresh pair.
/// - Upon I3 from anyone, check that the certificate attests the statement; with the deals from
///   I2 or, for want of them, those in the decision, open the own share of their sum. Record
///   everything, and send R3 to who asked. Asked again, send the same. A client that shows an
///   individual certificate, which is long, shows it to one server a group: the first that signed,
///   or the first, relays it to the others, whose R3 goes to the client.
/// - Upon an inquiry by anyone, tell what is kept.
///
/// A certificate binds a server that saw no I1 or I2, or acknowledged another statement.
///
/// It has no timeouts and holds one deal, one nonce pair, which is never recorded, one choice and
/// one decision. It serves a later attempt than the first with the proof alone that the one before
/// is void. The caller's duty: one server a session, restored from its records, and one session an
/// attempt.
/// The [crate's example](crate#example) runs a session to its transcript.
#[derive(Debug)]
pub struct Server {
    seat: Seat,
    dealt: Option<Said<Dealing>>,
    pair: Option<(Offer, NoncePair)>,
    /// How many pairs were drawn.
    drawn: u64,
    acknowledged: Option<Acknowledged>,
    decided: Option<(Statement, Certificate)>,
    opened: Option<Opened>,
    blamed: Blamed<Peer>,
}

#[derive(Debug)]
struct Acknowledged {
    choice: ByClient<Statement>,
    deals: Deals,
    fragment: Fragment,
    chosen: Chosen,
}

impl Server {
    /// The server that wrote `records`, and the step that says again what it said last to the
    /// client. Without records, a fresh one.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, ServerStep), SetupError> {
        let Setup { session, index, key, secret, void } = setup;
        let mut server = Self {
            seat: Seat::new(session, index, key, secret, void.as_ref())?,
            dealt: None,
            pair: None,
            drawn: 0,
            acknowledged: None,
            decided: None,
            opened: None,
            blamed: Blamed::default(),
        };
        for record in records {
            server.replay(record)?;
        }
        let step = server.repeat(cx);
        Ok((server, step))
    }

    /// The session.
    pub const fn session(&self) -> &Session {
        &self.seat.session
    }

    /// Takes in what `from` said.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> ServerStep {
        match message {
            Message::Invitation(invitation) => self.on_invitation(cx, from, &invitation),
            Message::Choice(shown) => self.on_choice(cx, from, shown),
            Message::Ask(statement, ask) => self.on_ask(cx, from, statement, &ask),
            Message::Decision(decision) => self.on_decision(cx, from, decision),
            Message::Inquiry(session) => self.on_inquiry(from, session),
            Message::Dealing(..)
            | Message::Acknowledgement(_)
            | Message::Opened(_)
            | Message::Kept(_) => self.fault(from, FaultKind::WrongRole, None),
        }
    }

    /// Never called: there are no commands.
    pub fn handle_command(
        &mut self,
        _cx: &mut Cx<'_>,
        command: Infallible,
    ) -> Result<ServerStep, Infallible> {
        match command {}
    }

    /// Does nothing: a server has no timeouts.
    pub fn handle_timeout(&mut self, _cx: &mut Cx<'_>) -> ServerStep {
        Step::none()
    }

    /// Never.
    pub const fn next_timeout(&self) -> Option<Time> {
        None
    }

    fn on_invitation(
        &mut self,
        cx: &mut Cx<'_>,
        from: Peer,
        invitation: &ByClient<Config>,
    ) -> ServerStep {
        if from != Peer::Client {
            return self.fault(from, FaultKind::WrongRole, None);
        }
        if !invitation.verify(self.session().client()) {
            return self.fault(from, FaultKind::BadSignature, None);
        }
        if invitation.what != *self.session().config() {
            return self.fault(from, FaultKind::InvalidPayload, None);
        }
        if let Some(dealt) = &self.dealt {
            let dealt = dealt.clone();
            return Step::none().send(To::One(from), Message::Dealing(dealt, self.offer(cx)));
        }
        let Some(dealt) = self.seat.deal(cx) else { return Step::none() };
        self.dealt = Some(dealt.clone());
        Step::none()
            .record(Record::Dealt(dealt.clone()))
            .send(To::One(from), Message::Dealing(dealt, self.offer(cx)))
    }

    fn on_choice(&mut self, cx: &mut Cx<'_>, from: Peer, shown: Shown) -> ServerStep {
        let Shown { statement: choice, deals, fragment, ask } = shown;
        if from != Peer::Client {
            return self.fault(from, FaultKind::WrongRole, None);
        }
        if choice.what.session != self.session().id() {
            return self.fault(from, FaultKind::InvalidPayload, None);
        }
        if !choice.verify(self.session().client()) {
            return self.fault(from, FaultKind::BadSignature, None);
        }
        if let Some(acknowledged) = &self.acknowledged {
            return if acknowledged.choice.what == choice.what {
                self.acknowledge(cx, &ask)
            } else {
                let said = [&acknowledged.choice, &choice];
                let evidence = blame::evidence(said.map(|said| (&said.what, said.signature)));
                self.fault(from, FaultKind::Equivocation, evidence)
            };
        }
        let Some(acknowledged) = self.check_shown(choice, deals, fragment) else {
            return self.fault(from, FaultKind::InvalidPayload, None);
        };
        let record = acknowledged.record();
        self.acknowledged = Some(acknowledged);
        Step::none().record(record).and(self.acknowledge(cx, &ask))
    }

    fn on_ask(
        &mut self,
        cx: &mut Cx<'_>,
        from: Peer,
        statement: StatementId,
        ask: &Ask,
    ) -> ServerStep {
        if from != Peer::Client {
            return self.fault(from, FaultKind::WrongRole, None);
        }
        let known = self.acknowledged.as_ref().map(|known| known.choice.what.id());
        if known == Some(statement) { self.acknowledge(cx, ask) } else { Step::none() }
    }

    fn on_inquiry(&self, from: Peer, session: SessionId) -> ServerStep {
        if session != self.session().id() {
            return Step::none();
        }
        let acknowledged = self.acknowledged.as_ref();
        let acknowledged = acknowledged.map(|known| (known.choice.clone(), known.fragment.clone()));
        let kept = Kept { session, acknowledged, decided: self.decided.clone() };
        Step::none().send(To::One(from), Message::Kept(kept))
    }

    fn on_decision(&mut self, cx: &mut Cx<'_>, from: Peer, decision: Decision) -> ServerStep {
        if decision.config != *self.session().config() {
            return self.fault(from, FaultKind::InvalidPayload, None);
        }
        let statement = decision.statement.id();
        if let Some(opened) = &self.opened {
            return if opened.statement == statement {
                Step::none().send(To::One(asker(from)), Message::Opened(opened.clone()))
            } else {
                Step::none()
            };
        }
        let roster = self.session().roster();
        if decision.certificate.attests(&decision.statement, roster, &Policy::Quorum).is_err() {
            return self.fault(from, FaultKind::InvalidProof, None);
        }
        let (chosen, deals) = match &self.acknowledged {
            Some(known) if known.choice.what == decision.statement => {
                (known.chosen.clone(), known.deals.clone())
            }
            // Deals are left out for servers that have them: nobody's fault, and nothing to open.
            Some(_) | None if decision.deals.is_empty() => return Step::none(),
            Some(_) | None => {
                let Some(chosen) = self.check(&decision.statement, &decision.deals) else {
                    return self.fault(from, FaultKind::InvalidPayload, None);
                };
                (chosen, decision.deals.clone())
            }
        };
        let Some(opened) = self.seat.open(statement, &chosen, cx) else { return Step::none() };
        self.opened = Some(opened.clone());
        self.decided = Some((decision.statement.clone(), decision.certificate.clone()));
        let relayed = self.relay(from, &decision);
        let decision = Decision { deals, ..decision };
        Step::none()
            .record(Record::Opened(decision, opened.clone()))
            .send(To::One(asker(from)), Message::Opened(opened))
            .and(relayed)
            .event(Event::Opened(statement))
    }

    /// Passes a long certificate on to the own group, when the client showed it to its relay.
    fn relay(&self, from: Peer, decision: &Decision) -> ServerStep {
        if from != Peer::Client || matches!(decision.certificate, Certificate::Collective(_)) {
            return Step::none();
        }
        let members = self.session().groups().members(self.seat.place.group).unwrap_or_default();
        if opening::relay(members, decision.certificate.signers()) != Some(self.seat.index) {
            return Step::none();
        }
        let others = members.iter().filter(|member| **member != self.seat.index);
        let others: Vec<_> = others.copied().map(Peer::Server).collect();
        let decision = Decision { deals: Deals::default(), ..decision.clone() };
        Step::none().send(To::Some(others), Message::Decision(decision))
    }

    /// Reports a fault. Guests have no name that outlives a connection, so nobody reports them.
    fn fault(&mut self, culprit: Peer, kind: FaultKind, proof: Option<Evidence>) -> ServerStep {
        match culprit {
            Peer::Client | Peer::Server(_) => self.blamed.fault(culprit, kind, proof),
            Peer::Guest(_) => Step::none(),
        }
    }

    /// What the own group opens, if the statement is sound and these are its deals.
    fn check(&self, statement: &Statement, deals: &Deals) -> Option<Chosen> {
        self.session().check(statement).ok()?;
        self.session().check_deals(statement, self.seat.place.group, deals).ok()
    }

    fn check_shown(
        &self,
        choice: ByClient<Statement>,
        deals: Deals,
        fragment: Fragment,
    ) -> Option<Acknowledged> {
        let (roster, root) = (self.session().roster(), &choice.what.availability);
        if !fragment.verify(roster, root, self.seat.index) {
            return None;
        }
        let chosen = self.check(&choice.what, &deals)?;
        Some(Acknowledged { choice, deals, fragment, chosen })
    }

    /// The acknowledgement of what was recorded, as it is asked for.
    fn acknowledge(&mut self, cx: &mut Cx<'_>, ask: &Ask) -> ServerStep {
        let Some(known) = &self.acknowledged else { return Step::none() };
        let (statement, signed) = (known.choice.what.id(), known.choice.what.to_signed());
        let word = match ask {
            Ask::Single => {
                Word::Single(sign(&self.seat.key, &self.session().roster().id(), &signed))
            }
            Ask::Part { attempt, question, nonce } => {
                let pair = self.pair.take_if(|(offer, _)| offer.nonce == *nonce);
                let name = message::round(statement, *attempt);
                let round = Round::new(self.session().roster(), &name, question, &signed);
                let response = pair.zip(round.filter(|_| self.may_sign(question)));
                let response =
                    response.map(|((_, pair), round)| round.answer(pair, &self.seat.key));
                let (attempt, ahead) = (*attempt, self.offer(cx));
                match response {
                    Some(response) => Word::Part { attempt, response, ahead },
                    None => Word::Refusal { attempt, ahead },
                }
            }
        };
        let acknowledgement = Acknowledgement { statement, word };
        Step::none().send(To::One(Peer::Client), Message::Acknowledgement(acknowledgement))
    }

    /// Whether a quorum is asked, this server among it.
    fn may_sign(&self, question: &Question) -> bool {
        let (roster, mask) = (self.session().roster(), &question.mask);
        mask.fits(roster.size())
            && mask.contains(self.seat.index.get())
            && Policy::Quorum.accepts(roster, mask) == Ok(true)
    }

    /// The public half of the pair to spend next.
    fn offer(&mut self, cx: &mut Cx<'_>) -> Offer {
        if let Some((offer, _)) = &self.pair {
            return *offer;
        }
        let (roster, session) = (self.session().roster().id(), self.session().id().0);
        let (offer, pair) = Offer::draw(cx, &self.seat.key, &roster, &session, &mut self.drawn);
        self.pair = Some((offer, pair));
        offer
    }

    fn replay(&mut self, record: Record) -> Result<(), SetupError> {
        let id = self.session().id();
        match record {
            Record::Dealt(dealt)
                if self.dealt.is_none()
                    && dealt.what.session == id
                    && dealt.what.dealer == self.seat.index.get() =>
            {
                self.dealt = Some(dealt);
            }
            Record::Acknowledged(choice, deals, fragment) if self.acknowledged.is_none() => {
                let known = self.check_shown(choice, deals, fragment).ok_or(SetupError::Foreign)?;
                self.acknowledged = Some(known);
            }
            Record::Opened(decision, opened)
                if self.opened.is_none()
                    && decision.statement.session == id
                    && decision.statement.id() == opened.statement
                    && self.seat.is_own(&opened) =>
            {
                self.decided = Some((decision.statement, decision.certificate));
                self.opened = Some(opened);
            }
            // A second record of a kind is none that this server wrote.
            Record::Dealt(_) | Record::Acknowledged(..) | Record::Opened(..) => {
                return Err(SetupError::Foreign);
            }
        }
        Ok(())
    }

    /// Says again to the client what it said last, and repeats what the application may not know.
    fn repeat(&mut self, cx: &mut Cx<'_>) -> ServerStep {
        let to = To::One(Peer::Client);
        if let Some(opened) = &self.opened {
            let event = Event::Opened(opened.statement);
            return Step::none().send(to, Message::Opened(opened.clone())).event(event);
        }
        if self.acknowledged.is_some() {
            return self.acknowledge(cx, &Ask::Single);
        }
        match self.dealt.clone() {
            Some(dealt) => Step::none().send(to, Message::Dealing(dealt, self.offer(cx))),
            None => Step::none(),
        }
    }
}

/// Who waits for R3: the client, where a server relays what the client showed.
const fn asker(from: Peer) -> Peer {
    match from {
        Peer::Client | Peer::Server(_) => Peer::Client,
        Peer::Guest(_) => from,
    }
}

impl Acknowledged {
    fn record(&self) -> Record {
        Record::Acknowledged(self.choice.clone(), self.deals.clone(), self.fragment.clone())
    }
}

impl_machine! {
    Server {
        Peer = Peer, Message = Message, Command = Infallible, Event = Event, Record = Record,
        Error = Infallible
    }
    restore { Config = Setup, RestoreError = SetupError }
}
