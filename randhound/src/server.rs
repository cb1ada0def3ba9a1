//! A server: it deals once, acknowledges once, and opens what a quorum decided.

use alloc::sync::Arc;
use core::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Policy, Statement as _,
    certificate::sign,
    impl_machine,
    keys::SigningKey,
    machine::{Cx, Evidence, FaultKind, Index, Step, Time, To},
    message::Said,
};
use pvss::{Chosen, ShareSecret};

pub use crate::seat::SetupError;
use crate::{
    blame,
    message::{
        Acknowledgement, ByClient, Config, Dealing, Deals, Decision, Message, Opened, Statement,
        StatementId,
    },
    peer::{Blamed, Peer},
    seat::Seat,
    session::Session,
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
    Acknowledged(ByClient<Statement>, Deals),
    /// The decision, with the deals of its group, and the share that it opened.
    Opened(Decision, Opened),
}

/// The step of a server.
pub type ServerStep = Step<Message, Event, Record, Peer>;

/// One server in one session.
///
/// - Upon I1 from the client, with the config that the terms fix, deal to the own group, record
///   the deal, and send R1. Asked again, send the same.
/// - Upon I2 from the client, check that t_l members of each group are chosen, that the own
///   group's deals are those under its root, and every one of them. Record statement and deals,
///   and acknowledge. A second statement is evidence against the client.
/// - Upon I3 from anyone, check that the certificate attests the statement; with the deals from
///   I2 or, for want of them, those in the decision, open the own share of their sum. Record
///   everything, and send R3 to who asked. Asked again, send the same.
///
/// A certificate binds a server that saw no I1 or I2, or acknowledged another statement.
///
/// It has no timeouts and holds one deal, one choice and one decision. The caller's duty: one
/// server a session, restored from its records, and one session an attempt.
/// The [crate's example](crate#example) runs a session to its transcript.
#[derive(Debug)]
pub struct Server {
    seat: Seat,
    dealt: Option<Said<Dealing>>,
    acknowledged: Option<Acknowledged>,
    opened: Option<Opened>,
    blamed: Blamed<Peer>,
}

#[derive(Debug)]
struct Acknowledged {
    choice: ByClient<Statement>,
    deals: Deals,
    chosen: Chosen,
}

impl Server {
    /// The server that wrote `records`, and the step that says again what it said last to the
    /// client. Without records, a fresh one.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        _cx: &mut Cx<'_>,
    ) -> Result<(Self, ServerStep), SetupError> {
        let Setup { session, index, key, secret } = setup;
        let mut server = Self {
            seat: Seat::new(session, index, key, secret)?,
            dealt: None,
            acknowledged: None,
            opened: None,
            blamed: Blamed::default(),
        };
        for record in records {
            server.replay(record)?;
        }
        let step = server.repeat();
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
            Message::Choice(choice, deals) => self.on_choice(from, choice, deals),
            Message::Decision(decision) => self.on_decision(cx, from, decision),
            Message::Dealing(_) | Message::Acknowledgement(_) | Message::Opened(_) => {
                self.fault(from, FaultKind::WrongRole, None)
            }
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
            return Step::none().send(To::One(from), Message::Dealing(dealt.clone()));
        }
        let Some(dealt) = self.seat.deal(cx) else { return Step::none() };
        self.dealt = Some(dealt.clone());
        Step::none()
            .record(Record::Dealt(dealt.clone()))
            .send(To::One(from), Message::Dealing(dealt))
    }

    fn on_choice(&mut self, from: Peer, choice: ByClient<Statement>, deals: Deals) -> ServerStep {
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
                Step::none().send(To::One(from), self.acknowledgement(&choice.what))
            } else {
                let said = [&acknowledged.choice, &choice];
                let evidence = blame::evidence(said.map(|said| (&said.what, said.signature)));
                self.fault(from, FaultKind::Equivocation, evidence)
            };
        }
        let Some(chosen) = self.check(&choice.what, &deals) else {
            return self.fault(from, FaultKind::InvalidPayload, None);
        };
        let record = Record::Acknowledged(choice.clone(), deals.clone());
        let acknowledgement = self.acknowledgement(&choice.what);
        self.acknowledged = Some(Acknowledged { choice, deals, chosen });
        Step::none().record(record).send(To::One(from), acknowledgement)
    }

    fn on_decision(&mut self, cx: &mut Cx<'_>, from: Peer, decision: Decision) -> ServerStep {
        if decision.config != *self.session().config() {
            return self.fault(from, FaultKind::InvalidPayload, None);
        }
        let statement = decision.statement.id();
        if let Some(opened) = &self.opened {
            return if opened.statement == statement {
                Step::none().send(To::One(from), Message::Opened(opened.clone()))
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
                (chosen, decision.deals)
            }
        };
        let Some(opened) = self.seat.open(statement, &chosen, cx) else { return Step::none() };
        self.opened = Some(opened.clone());
        let decision = Decision { deals, ..decision };
        Step::none()
            .record(Record::Opened(decision, opened.clone()))
            .send(To::One(from), Message::Opened(opened))
            .event(Event::Opened(statement))
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

    fn acknowledgement(&self, statement: &Statement) -> Message {
        let roster = self.session().roster().id();
        let signature = sign(&self.seat.key, &roster, &statement.to_signed());
        Message::Acknowledgement(Acknowledgement { statement: statement.id(), signature })
    }

    fn replay(&mut self, record: Record) -> Result<(), SetupError> {
        let id = self.session().id();
        match record {
            Record::Dealt(dealt) if dealt.what.session == id => self.dealt = Some(dealt),
            Record::Acknowledged(choice, deals) => {
                let chosen = self.check(&choice.what, &deals).ok_or(SetupError::Foreign)?;
                self.acknowledged = Some(Acknowledged { choice, deals, chosen });
            }
            Record::Opened(decision, opened) if decision.statement.session == id => {
                self.opened = Some(opened);
            }
            Record::Dealt(_) | Record::Opened(..) => return Err(SetupError::Foreign),
        }
        Ok(())
    }

    /// Says again to the client what it said last, and repeats what the application may not know.
    fn repeat(&self) -> ServerStep {
        let to = To::One(Peer::Client);
        if let Some(opened) = &self.opened {
            let event = Event::Opened(opened.statement);
            return Step::none().send(to, Message::Opened(opened.clone())).event(event);
        }
        if let Some(acknowledged) = &self.acknowledged {
            return Step::none().send(to, self.acknowledgement(&acknowledged.choice.what));
        }
        match &self.dealt {
            Some(dealt) => Step::none().send(to, Message::Dealing(dealt.clone())),
            None => Step::none(),
        }
    }
}

impl_machine! {
    Server {
        Peer = Peer, Message = Message, Command = Infallible, Event = Event, Record = Record,
        Error = Infallible
    }
    restore { Config = Setup, RestoreError = SetupError }
}
