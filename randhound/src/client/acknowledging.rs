//! Gathering the acknowledgements of a choice, R2.
//!
//! ```text
//!  Collective(0) ──▶ Collective(1) ──▶ Individual      whatever holds first is the certificate
//!        └───────────────────────────────▲             where too few offer a pair for another round
//! ```
//!
//! Parts of one round, parts of another and single signatures are never counted together.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use cosi::{
    Certificate, Statement as _,
    certificate::verify_single,
    keys::Signature,
    machine::{FaultKind, Index, Time},
    round::{Asking, Offer},
};

use super::{
    offers::{Offers, is_quorum},
    plan::Plan,
};
use crate::{
    message::{self, Acknowledgement, Ask, Word},
    peer::Culprit,
    session::Session,
};

/// What came of a choice: at most one part and one signature a server.
#[derive(Debug)]
pub(super) struct Acknowledging {
    form: Form,
    /// How many rounds there are, before single signatures.
    rounds: u8,
    /// Who has the statement, and is asked with few bytes.
    aware: BTreeSet<Index>,
    signatures: BTreeMap<Index, Signature>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a session")]
enum Form {
    Collective(Round),
    Individual,
}

/// A round of collective signing.
#[derive(Debug)]
struct Round {
    attempt: u8,
    asking: Asking,
    asked: Offers,
    /// The parts of those asked. `None`: it refused.
    answers: BTreeMap<Index, Option<[u8; 32]>>,
    /// Pairs for the next round.
    ahead: Offers,
    /// When the grace for stragglers is over, once a quorum answered.
    end_at: Option<Time>,
}

/// What the acknowledgements amount to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// More are to come.
    Open,
    /// The round failed, by these, and another form begins.
    Failed(Vec<Culprit>),
    /// A quorum acknowledged.
    Certified(Certificate),
}

impl Acknowledging {
    /// Acknowledgements in a round among those who offered, if they are a quorum, or one by one.
    pub(super) fn new(session: &Session, plan: &Plan, offers: Offers, rounds: u8) -> Self {
        let mut words = Self { rounds, ..Self::individual() };
        words.form = words.form(session, plan, 0, offers);
        words
    }

    /// Acknowledgements one by one.
    pub(super) fn individual() -> Self {
        let (aware, signatures) = (BTreeSet::new(), BTreeMap::new());
        Self { form: Form::Individual, rounds: 0, aware, signatures }
    }

    /// The round of this number among those who offered, if they are a quorum and it is not one
    /// too many.
    fn form(&self, session: &Session, plan: &Plan, attempt: u8, asked: Offers) -> Form {
        if attempt >= self.rounds || !asked.are_quorum(session.roster()) {
            return Form::Individual;
        }
        let name = message::round(plan.checked.id, attempt);
        let signed = plan.checked.choice.statement.to_signed();
        let asking = Asking::new(session.roster(), &name, asked.points(), &signed);
        let Some(asking) = asking else { return Form::Individual };
        let (answers, ahead) = (BTreeMap::new(), Offers::default());
        Form::Collective(Round { attempt, asking, asked, answers, ahead, end_at: None })
    }

    /// Whether the server has the statement.
    pub(super) fn is_aware(&self, server: Index) -> bool {
        self.aware.contains(&server)
    }

    /// How a server is to acknowledge, unless it has answered.
    pub(super) fn ask(&self, server: Index) -> Option<Ask> {
        if let Form::Collective(round) = &self.form
            && let Some(nonce) = round.asked.nonce(server)
        {
            let (attempt, question) = (round.attempt, round.asking.question());
            let ask = || Ask::Part { attempt, question: question.clone(), nonce };
            return (!round.answers.contains_key(&server)).then(ask);
        }
        (!self.signatures.contains_key(&server)).then_some(Ask::Single)
    }

    /// Takes in the word of `from`. Names it when it is none for this statement.
    pub(super) fn insert(
        &mut self,
        session: &Session,
        plan: &Plan,
        from: Index,
        said: Acknowledgement,
    ) -> Result<(), Culprit> {
        if said.statement != plan.checked.id {
            return Err((from, FaultKind::InvalidPayload, None));
        }
        self.aware.insert(from);
        match said.word {
            Word::Single(signature) => self.insert_single(session, plan, from, signature),
            Word::Part { attempt, response, ahead } => {
                self.insert_answer(from, attempt, Some(response), &ahead)
            }
            Word::Refusal { attempt, ahead } => self.insert_answer(from, attempt, None, &ahead),
        }
    }

    fn insert_single(
        &mut self,
        session: &Session,
        plan: &Plan,
        from: Index,
        signature: Signature,
    ) -> Result<(), Culprit> {
        if self.signatures.contains_key(&from) {
            return Ok(());
        }
        let signed = plan.checked.choice.statement.to_signed();
        if !verify_single(session.roster(), from, &signed, &signature) {
            return Err((from, FaultKind::BadSignature, None));
        }
        self.signatures.insert(from, signature);
        Ok(())
    }

    fn insert_answer(
        &mut self,
        from: Index,
        attempt: u8,
        response: Option<[u8; 32]>,
        ahead: &Offer,
    ) -> Result<(), Culprit> {
        let Form::Collective(round) = &mut self.form else { return Ok(()) };
        if attempt != round.attempt || round.asked.nonce(from).is_none() {
            return Ok(());
        }
        // A question that arrives twice is refused the second time, and the part stands.
        let answer = round.answers.entry(from).or_default();
        *answer = answer.or(response);
        round.ahead.keep(from, ahead)
    }

    /// What there is so far. A round that fails gives way to the next form.
    pub(super) fn conclude(
        &mut self,
        session: &Session,
        plan: &Plan,
        now: Time,
        grace: Duration,
    ) -> Verdict {
        let Form::Collective(round) = &mut self.form else { return self.certify(session) };
        if !round.is_over(session, &self.signatures, now, grace) {
            return Verdict::Open;
        }
        let culprits = match round.finish(session) {
            Ok(certificate) => return Verdict::Certified(certificate),
            Err(culprits) => culprits,
        };
        culprits.iter().for_each(|culprit| round.ahead.remove(*culprit));
        let (attempt, ahead) = (round.attempt.saturating_add(1), core::mem::take(&mut round.ahead));
        self.form = self.form(session, plan, attempt, ahead);
        let culprit = |server| (server, FaultKind::InvalidProof, None);
        Verdict::Failed(culprits.into_iter().map(culprit).collect())
    }

    fn certify(&self, session: &Session) -> Verdict {
        let roster = session.roster();
        if !is_quorum(roster, self.signatures.len()) {
            return Verdict::Open;
        }
        let signatures = self.signatures.iter().map(|(server, signature)| (*server, *signature));
        Certificate::individual(roster, signatures).map_or(Verdict::Open, Verdict::Certified)
    }

    /// How many servers acknowledged in this form, or signed.
    pub(super) fn have(&self) -> usize {
        let Form::Collective(round) = &self.form else { return self.signatures.len() };
        let servers = round.parts().map(|(server, _)| server);
        servers.chain(self.signatures.keys().copied()).collect::<BTreeSet<_>>().len()
    }

    /// When the grace of a round is over.
    pub(super) const fn due(&self) -> Option<Time> {
        match &self.form {
            Form::Collective(round) => round.end_at,
            Form::Individual => None,
        }
    }
}

impl Round {
    fn parts(&self) -> impl Iterator<Item = (Index, [u8; 32])> {
        self.answers.iter().filter_map(|(server, part)| Some((*server, (*part)?)))
    }

    /// Whether all that were asked answered, or a quorum answered or signed and the grace is over
    /// since.
    fn is_over(
        &mut self,
        session: &Session,
        signatures: &BTreeMap<Index, Signature>,
        now: Time,
        grace: Duration,
    ) -> bool {
        if self.end_at.is_none() {
            let others = signatures.keys().filter(|server| !self.answers.contains_key(server));
            let heard = self.answers.len().saturating_add(others.count());
            self.end_at = is_quorum(session.roster(), heard).then(|| now.after(grace));
        }
        self.answers.len() == self.asked.len() || self.end_at.is_some_and(|end_at| end_at <= now)
    }

    /// The certificate of all that were asked, or who answered wrongly.
    fn finish(&self, session: &Session) -> Result<Certificate, Vec<Index>> {
        let finished = self.asking.finish(session.roster(), self.parts());
        finished.map(Certificate::Collective).map_err(|mut culprits| {
            culprits.retain(|server| matches!(self.answers.get(server), Some(Some(_))));
            culprits
        })
    }
}
