//! How a cosigner takes part in stars: *announced*, it commits; *challenged*, it responds.

use super::{
    Cosigner, Step,
    pool::{Answered, Verdict, Waiting},
};
use crate::{
    blame,
    challenge::{Challenge, Terms},
    machine::{Cx, FaultKind, Index, To},
    mask::Mask,
    message::{Commitment, Message, Refusal, Response, Said},
    session::{Digest, Session, SessionId},
};

impl Cosigner {
    /// Phase 1: the leader announces a statement.
    pub(super) fn announced(
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
        let verdict = self.case(leader, digest, leader).verdict;
        match verdict {
            Verdict::Accepted => self.commit(cx, leader, digest, session.id()),
            Verdict::Refused => self.decline(leader, session),
            Verdict::Unasked | Verdict::Asked => {
                self.case(leader, digest, leader).announced = Some(session.id());
                self.ask(leader, session, statement)
            }
        }
    }

    /// Phase 2: commits to a fresh pair, or says again what this very announcement was answered with
    /// while that is unspent. An announcement under another name is a call for another pair:
    /// its leader may have named the first one where this member does not answer.
    pub(super) fn commit(
        &mut self,
        cx: &mut Cx<'_>,
        leader: Index,
        digest: Digest,
        session: SessionId,
    ) -> Step {
        let offered = self.case(leader, digest, leader).offered.clone();
        let again = |(name, said): &(SessionId, Said<Commitment>)| {
            let pool = self.pools.get(&leader);
            *name == session && pool.is_some_and(|pool| pool.holds(&said.what.nonce))
        };
        let said = offered.filter(again).map(|(_, said)| said);
        let said = said.unwrap_or_else(|| self.draw(cx, leader));
        self.case(leader, digest, leader).offered = Some((session, said.clone()));
        Step::none().send(To::One(leader), Message::Commitment(said))
    }

    /// Phase 3: the leader challenges.
    pub(super) fn challenged(&mut self, cx: &mut Cx<'_>, leader: Index, waiting: Waiting) -> Step {
        let Challenge { session, mask, statement, .. } = &waiting.said.what;
        if !self.signs(session, statement) || !self.is_among(mask) {
            return self.blame(leader, FaultKind::InvalidPayload, None);
        }
        let digest = session.statement;
        if let Some(pool) = self.pools.get(&leader) {
            if let Some(other) = pool.contradiction(&waiting.said) {
                let evidence = blame::equivocation(&other, &waiting.said);
                return self.blame(leader, FaultKind::Equivocation, evidence);
            }
            if let Some(reply) = pool.reply(&session.id()) {
                return Step::none().send(To::One(leader), reply.clone());
            }
            if pool.is_responding(&session.id()) {
                return self.refuse(cx, leader, waiting); // its branch answers
            }
        }
        if !self.accepts(mask) {
            return self.refuse(cx, leader, waiting);
        }
        let verdict = self.case(leader, digest, leader).verdict;
        match verdict {
            Verdict::Accepted => self.answer(cx, leader, waiting),
            Verdict::Refused => self.decline(leader, session),
            Verdict::Unasked | Verdict::Asked => {
                let step = self.ask(leader, session, statement);
                self.case(leader, digest, leader).challenge = Some(waiting);
                step
            }
        }
    }

    /// Phase 4: answers a challenge on a validated statement, once.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, leader: Index, waiting: Waiting) -> Step {
        let Waiting { said, nonce, sums } = waiting;
        let Some(terms) = Terms::of(&said.what, &self.config.roster, &sums) else {
            return self.blame(leader, FaultKind::InvalidProof, None);
        };
        let Some(pair) = self.pool(leader).take(&nonce) else {
            return self.refuse(cx, leader, Waiting { said, nonce, sums });
        };
        let (challenge, member) = (said.what.id(), self.config.me.get());
        let response = pair.answer(&terms.b, &terms.c, &self.config.key).to_bytes();
        let ahead = self.draw(cx, leader);
        let response = Response { challenge, member, nonce, response, ahead };
        let reply = Message::Response(self.say(response));
        self.reply(leader, said, reply)
    }

    /// Says that the pair is gone, and sees to it; or says again what was said in that session.
    pub(super) fn refuse(&mut self, cx: &mut Cx<'_>, leader: Index, waiting: Waiting) -> Step {
        let Waiting { said, nonce, .. } = waiting;
        if let Some(reply) = self.pool(leader).reply(&said.what.session.id()) {
            return Step::none().send(To::One(leader), reply.clone());
        }
        drop(self.pool(leader).take(&nonce));
        let (challenge, member) = (said.what.id(), self.config.me.get());
        let (nonce, ahead) = (Some(nonce), self.draw(cx, leader));
        let refusal = Refusal { challenge, member, nonce, ahead };
        let reply = Message::Refusal(self.say(refusal));
        self.reply(leader, said, reply)
    }

    /// Keeps what a challenge is answered with, and says it.
    fn reply(&mut self, leader: Index, said: Said<Challenge>, reply: Message) -> Step {
        let limit = self.config.limits.answers;
        self.pool(leader).answered(Answered::new(said, reply.clone()), limit);
        Step::none().send(To::One(leader), reply)
    }

    /// Whether this member is one of these members of its roster.
    pub(super) fn is_among(&self, mask: &Mask) -> bool {
        mask.fits(self.config.roster.size()) && mask.contains(self.config.me.get())
    }

    /// Whether these are enough to sign beside. If not their leader is at no fault: it may be less
    /// strict.
    pub(super) fn accepts(&self, mask: &Mask) -> bool {
        self.config.policy.accepts(&self.config.roster, mask) == Ok(true)
    }
}
