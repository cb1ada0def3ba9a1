//! What a wallet makes of what validators answer.

use atomix::{Session, client::Command as Drive};
use cosi::{
    keys::PeerId,
    machine::{Cx, FaultKind},
};

use super::{Event, Reason, Stage, Step, Wallet};
use crate::{
    epoch::ShardInfo,
    message::{Answer, Peer, Proof},
    pool::Refusal,
};

impl Wallet {
    /// Upon an answer: what is proven counts, and what enough validators refuse.
    pub(super) fn on_answer(&mut self, cx: &mut Cx<'_>, from: PeerId, answer: Answer) -> Step {
        let Answer { shard, said, refused } = answer;
        let Stage::Driving(driving) = &self.stage else { return Step::none() };
        let works = |info: &ShardInfo| info.roster().index_of(from).is_some();
        if !driving.epoch.shard(shard).is_some_and(works) {
            return self.blame(Peer::Validator(from), FaultKind::WrongRole);
        }
        let mut step = Step::none();
        for (session, proof) in said.into_inner() {
            step = step.and(self.on_proof(cx, from, shard, session, proof));
        }
        for (session, refusal) in refused.into_inner() {
            step = step.and(self.on_refusal(cx, from, shard, session, refusal));
        }
        step.and(self.flush())
    }

    fn on_proof(
        &mut self,
        cx: &mut Cx<'_>,
        from: PeerId,
        shard: u16,
        session: Session,
        proof: Proof,
    ) -> Step {
        let Stage::Driving(driving) = &mut self.stage else { return Step::none() };
        let asked = driving.questions.get(&shard).is_some_and(|asked| asked.contains_key(&session));
        if !asked {
            return Step::none(); // answered before
        }
        if proof.shard != shard {
            return self.blame(Peer::Validator(from), FaultKind::InvalidPayload);
        }
        let outcome = proof.outcome;
        let message = atomix::Message::Answer { session, proof };
        let child = driving.client.handle_message(cx, shard, message);
        let step = self.absorb(cx, child, Some(from));
        let Stage::Driving(driving) = &mut self.stage else { return step };
        let is_proof = |proof: &Proof| (proof.shard, proof.outcome) == (shard, outcome);
        let known = driving.client.proofs(&session).any(is_proof);
        let questions = driving.questions.entry(shard).or_default();
        if known && questions.get(&session).is_some_and(|want| want.is_met_by(outcome)) {
            questions.remove(&session);
        }
        step
    }

    /// Upon a refusal: once more validators of the shard than may be faulty say so, an honest one
    /// does. A transaction that every input shard refuses for good has no lock anywhere.
    fn on_refusal(
        &mut self,
        cx: &mut Cx<'_>,
        from: PeerId,
        shard: u16,
        session: Session,
        refusal: Refusal,
    ) -> Step {
        let Stage::Driving(driving) = &mut self.stage else { return Step::none() };
        let Some(info) = driving.epoch.shard(shard) else { return Step::none() };
        let faulty = usize::try_from(info.roster().faulty()).unwrap_or(usize::MAX);
        if !self.payments.refuse(session, shard, refusal, from, faulty) {
            return Step::none();
        }
        if !refusal.is_final() {
            return Step::none().event(Event::Delayed { session });
        }
        if !self.payments.is_refused(&session) {
            return Step::none();
        }
        let Ok(child) = driving.client.handle_command(cx, Drive::GiveUp(session)) else {
            return Step::none(); // a shard has accepted it after all, so it comes to an end
        };
        let step = self.absorb(cx, child, None);
        self.close(&session);
        step.and(self.abort(cx, session, Reason::Refused(refusal)))
    }
}
