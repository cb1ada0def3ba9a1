//! How a cosigner takes part in trees, phase by phase.
//!
//! 1. *Upon* a leader's call from the parent, or the leader itself: pass it on to the children, and
//!    have the statement validated.
//! 2. *Upon* the tuples of all children, or the end of the own share of the leader's patience, and
//!    the own verdict: commit, with the sums of their tuples and the own pair.
//! 3. *Upon* the leader's challenge from the parent, or the leader itself, that names the pair of a
//!    tuple: pass it on, if Z holds Z_T. The pair is spent, whatever comes of it.
//! 4. *Upon* the verdict, and the sums of all those children: respond with the sum, and commit for
//!    the time after with what they commit to for the time after.
//! 5. *Upon* the leader's inquiry: tell it the own share and what the children answered; or that
//!    its challenge has not come.
//!
//! What others pass on blames nobody, but by evidence.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    Cosigner, Step,
    branch::Responding,
    calling::{Calling, Committed, Phase, Post},
    pool::{Verdict, Waiting},
};
use crate::{
    blame,
    challenge::{ChallengeId, Terms},
    machine::{Cx, FaultKind, Index, Time, To},
    message::{Call, Message, Refusal, Said, StatementBytes, Sum},
    session::{Digest, SessionId},
    tree::{Branch, Branches, PlanId, Tree},
};

impl Cosigner {
    /// Phase 1: a call came, from the parent or the leader itself. From anybody else it charges
    /// nothing of the leader's.
    pub(super) fn called(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        leader: Index,
        said: Said<Call>,
        statement: StatementBytes,
    ) -> Step {
        let (session, limits) = (&said.what.session, self.config.limits);
        // The own calls that others send back have no place for this member: no tree is dealt.
        if limits.calls == 0 || leader == self.config.me || !self.signs(session, &statement) {
            return Step::none();
        }
        let id = session.id();
        if let Some(call) = self.pools.get_mut(&leader).and_then(|pool| pool.call(&id)) {
            let Phase::Committed(nonce) = call.phase else { return Step::none() };
            let asks = call.parent == from;
            let tuple = self.pools.get(&leader).and_then(|pool| pool.tuple(&nonce));
            let again = tuple.filter(|_| asks).map(|committed| committed.said.clone());
            return again.map_or_else(Step::none, |said| to_parent(from, said, id));
        }
        if !self.pool(leader).admits(from, &said.what, cx.now(), &limits) {
            return Step::none();
        }
        let digest = session.statement;
        let Some(call) = self.place(cx, from, leader, &said.what) else { return Step::none() };
        let Phase::Gathering { branches, .. } = &call.phase else { return Step::none() };
        let children = branches.heads();
        let pool = self.pool(leader);
        pool.charge(from, said.what.issued, cx.now(), &limits);
        pool.open(call, limits.calls);
        let verdict = self.case(leader, digest, from).verdict;
        let step = match verdict {
            Verdict::Accepted => self.join(cx, leader, id),
            Verdict::Refused => self.decline(leader, session),
            Verdict::Unasked | Verdict::Asked => self.ask(leader, session, &statement),
        };
        if children.is_empty() {
            return step;
        }
        Step::none().send(To::Some(children), Message::Call(said, statement)).and(step)
    }

    /// This member's part in the tree of a call, if it is the parent there who passes it on, or the
    /// leader itself.
    fn place(&mut self, cx: &Cx<'_>, from: Index, leader: Index, call: &Call) -> Option<Calling> {
        let (roster, limit) = (self.config.roster.clone(), self.config.limits.children);
        let plan = call.plan.id(&roster.id(), leader.get());
        let has_post = |post: &Post| post.plan == plan;
        if !self.pool(leader).post.as_ref().is_some_and(has_post) {
            let post = self.deal(cx, from, leader, plan, call)?;
            self.pool(leader).post = Some(post);
        }
        let post = self.pool(leader).post.as_ref()?;
        let asks = from == leader || from == post.parent;
        if !asks || post.children.len() > limit {
            return None;
        }
        let (left, depth) = post.share;
        let patience = Duration::from_nanos(call.patience);
        let wait = patience.checked_div(depth).unwrap_or_default().saturating_mul(left);
        let until = Some(cx.now().after(wait)).filter(|until| cx.now() < *until);
        let children = post.children.iter().map(|(child, subtree)| (*child, subtree.clone()));
        let branches = Branches::of((roster.id(), leader.get(), plan), children);
        Some(Calling {
            leader,
            session: call.session.id(),
            digest: call.session.statement,
            issued: call.issued,
            parent: post.parent,
            plan,
            phase: Phase::Gathering { branches, own: None, until },
        })
    }

    /// Deals the tree of a call, which is another than the last. That takes a hash for eight members.
    /// So whoever passed one on that it was not to, which nobody honest does, has none dealt for a
    /// while; nobody else is charged for it.
    fn deal(
        &mut self,
        cx: &Cx<'_>,
        from: Index,
        leader: Index,
        plan: PlanId,
        call: &Call,
    ) -> Option<Post> {
        let (pace, size) = (self.config.limits.pace, self.config.roster.size());
        if self.pool(leader).strays(from, cx.now(), pace) {
            return None;
        }
        let tree = Tree::new(&call.plan, size, leader.get());
        let post = tree.and_then(|tree| Post::of(&self.config, plan, &tree));
        let post = post.filter(|post| from == leader || from == post.parent);
        if post.is_none() {
            self.pool(leader).stray(from, cx.now(), pace);
        }
        post
    }

    /// The statement is validated: commits for the subtree, with a pair of its own.
    fn join(&mut self, cx: &mut Cx<'_>, leader: Index, session: SessionId) -> Step {
        let (config, drawn) = (&self.config, &mut self.drawn);
        let pool = self.pools.get_mut(&leader);
        if let Some(call) = pool.and_then(|pool| pool.call(&session)) {
            call.join(|| config.draw(cx, leader, drawn));
        }
        self.commit_up(leader, &session)
    }

    /// A child commits for its subtree.
    pub(super) fn tupled(&mut self, from: Index, session: &SessionId, branch: Branch) -> Step {
        let leader = self.config.roster.index(branch.said.what.leader);
        let Some(leader) = leader else { return Step::none() };
        let pool = self.pools.get_mut(&leader);
        if let Some(call) = pool.and_then(|pool| pool.call(session)) {
            call.gather(from, branch);
        }
        self.commit_up(leader, session)
    }

    /// Phase 2: sends the tuple up, if it is time.
    fn commit_up(&mut self, leader: Index, session: &SessionId) -> Step {
        let Some(pool) = self.pools.get_mut(&leader) else { return Step::none() };
        let committed = pool.call(session).and_then(|call| call.commit(&self.config));
        let Some(committed) = committed else { return Step::none() };
        let step = to_parent(committed.parent, committed.said.clone(), *session);
        pool.keep_tuple(committed, self.config.limits.tuples);
        step
    }

    /// Waits for late children no longer.
    pub(super) fn give_up(&mut self, cx: &Cx<'_>) -> Step {
        let calls = self.pools.values_mut().flat_map(|pool| &mut pool.calls);
        let due = calls.filter(|call| call.until().is_some_and(|until| until <= cx.now()));
        let due = due.map(|call| {
            call.give_up(cx.now());
            (call.leader, call.session)
        });
        let due: Vec<_> = due.collect();
        due.iter().fold(Step::none(), |step, (leader, id)| step.and(self.commit_up(*leader, id)))
    }

    /// When to wait for late children no longer.
    pub(super) fn patience(&self) -> Option<Time> {
        self.pools.values().flat_map(|pool| &pool.calls).filter_map(Calling::until).min()
    }

    /// Phase 3: the leader's challenge came down the tree, or from the leader itself. In this order:
    ///
    /// 1. It is of this roster, in this mode, and Z holds the own bit: else it blames the leader, if
    ///    that sent it.
    /// 2. It contradicts none of its session: else it convicts the leader.
    /// 3. The subtree has not answered it: else the sum is said again, to whoever asked.
    /// 4. The pair that it names is that of a tuple, and unspent: else the leader, if it asks, is
    ///    refused, or told again what it was told.
    /// 5. The leader passed it on, or the parent to whom the tuple went; Z holds Z_T; and this member
    ///    does not answer for itself alone: else nothing comes of it.
    /// 6. The own policy accepts Z: else the leader is refused, and the pair is gone.
    /// 7. The application has not turned the statement down: else the leader is told so.
    /// 8. b ≠ 0, R and A_Z have large order: else it blames the leader, if that sent it.
    ///
    /// Then the pair is spent, and the challenge goes to the children that the tuple names. The own
    /// share waits for the verdict.
    pub(super) fn passed_on(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        leader: Index,
        waiting: Waiting,
    ) -> Step {
        let challenge = &waiting.said.what;
        let (session, mask) = (&challenge.session, &challenge.mask);
        let (id, digest) = (session.id(), session.statement);
        if !self.signs(session, &challenge.statement) || !self.is_among(mask) {
            return self.blame_if(from == leader, leader, FaultKind::InvalidPayload);
        }
        let pool = self.pool(leader);
        if let Some(other) = pool.contradiction(&waiting.said) {
            let evidence = blame::equivocation(&other, &waiting.said);
            return self.blame(leader, FaultKind::Equivocation, evidence);
        }
        if let Some(responding) = pool.responding(&id) {
            return responding.sum_again(from);
        }
        let known = pool.tuple(&waiting.nonce).map(|committed| {
            let asks = from == leader || from == committed.parent;
            asks && committed.said.what.mask.is_subset(mask)
        });
        match known.map(|is_fit| is_fit && !pool.answers_alone(&id)) {
            None if from == leader => return self.refuse(cx, leader, waiting),
            None | Some(false) => return Step::none(),
            Some(true) => {}
        }
        if !self.accepts(mask) {
            return self.refuse(cx, leader, waiting);
        }
        let verdict = self.case(leader, digest, from).verdict;
        if verdict == Verdict::Refused {
            return self.decline(leader, session);
        }
        let Some(terms) = Terms::of(challenge, &self.config.roster, &waiting.sums) else {
            return self.blame_if(from == leader, leader, FaultKind::InvalidProof);
        };
        let (session, statement) = (session.clone(), challenge.statement.clone());
        let step = self.spend(from, leader, waiting, &terms);
        match verdict {
            Verdict::Accepted => step.and(self.respond(cx, leader, &id)),
            Verdict::Refused => step,
            Verdict::Unasked | Verdict::Asked => step.and(self.ask(leader, &session, &statement)),
        }
    }

    /// Spends the pair that is named, and passes the challenge on.
    fn spend(&mut self, from: Index, leader: Index, waiting: Waiting, terms: &Terms) -> Step {
        let limit = self.config.limits.calls;
        let pool = self.pool(leader);
        let Some(committed) = pool.take_tuple(&waiting.nonce) else { return Step::none() };
        let responding = Responding::new(leader, from, waiting.said, terms, committed);
        let step = responding.pass_on();
        pool.respond(responding, limit);
        step
    }

    /// A child responds for its subtree.
    pub(super) fn summed(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        said: Said<Sum>,
        ahead: Branch,
    ) -> Step {
        let leader = self.config.roster.index(said.what.leader);
        let pool = leader.and_then(|leader| self.pools.get_mut(&leader));
        let id = said.what.challenge;
        let mut all = pool.into_iter().flat_map(|pool| &mut pool.responding);
        let Some(responding) = all.find(|responding| responding.id == id) else {
            return Step::none();
        };
        let (leader, session) = (responding.leader, responding.session);
        if !responding.add(from, said, ahead) {
            return Step::none();
        }
        self.respond_up(cx, leader, &session)
    }

    /// The statement is validated: makes the own share.
    fn respond(&mut self, cx: &mut Cx<'_>, leader: Index, session: &SessionId) -> Step {
        let pool = self.pools.get_mut(&leader);
        let responding = pool.and_then(|pool| pool.responding(session));
        let Some(responding) = responding else { return Step::none() };
        let id = responding.id;
        let is_asked = responding.answer(&self.config);
        let step = self.respond_up(cx, leader, session);
        if is_asked { step.and(self.inquired(cx, leader, &id)) } else { step }
    }

    /// Phase 4: sends the sum up, once it is whole, and commits for the time after.
    fn respond_up(&mut self, cx: &mut Cx<'_>, leader: Index, session: &SessionId) -> Step {
        let (config, drawn) = (&self.config, &mut self.drawn);
        let Some(pool) = self.pools.get_mut(&leader) else { return Step::none() };
        let Some(responding) = pool.responding(session).filter(|this| this.sum.is_none()) else {
            return Step::none();
        };
        let Some(total) = responding.total() else { return Step::none() };
        let (own, asker) = (config.draw(cx, leader, drawn), responding.asker);
        let ahead = Committed::new(config, responding.scope(), asker, own, responding.ahead());
        responding.say(config, &total, ahead.said.clone());
        let step = responding.sum_again(asker);
        pool.keep_tuple(ahead, config.limits.tuples);
        step
    }

    /// Phase 5, if it comes to that: the leader asks what became of a challenge.
    pub(super) fn inquired(&mut self, cx: &mut Cx<'_>, leader: Index, id: &ChallengeId) -> Step {
        let pool = self.pools.get(&leader);
        let responding = pool.and_then(|pool| pool.responding.iter().find(|this| this.id == *id));
        let Some(session) = responding.map(|this| this.session) else {
            if let Some(reply) = pool.and_then(|pool| pool.reply_to(id)) {
                return Step::none().send(To::One(leader), reply.clone());
            }
            let (ahead, member) = (self.draw(cx, leader), self.config.me.get());
            let refusal = Refusal { challenge: *id, member, nonce: None, ahead };
            return Step::none().send(To::One(leader), Message::Refusal(self.say(refusal)));
        };
        let lacks = responding.is_some_and(Responding::lacks_commitment);
        let ahead = lacks.then(|| self.draw(cx, leader));
        let pool = self.pools.get_mut(&leader);
        let responding = pool.and_then(|pool| pool.responding(&session));
        responding.map_or_else(Step::none, |this| this.account(&self.config, ahead))
    }

    /// Commits and responds where that waits for this verdict.
    pub(super) fn accepted(&mut self, cx: &mut Cx<'_>, digest: Digest) -> Step {
        let pools = self.pools.values();
        let calls = pools.clone().flat_map(|pool| &pool.calls);
        let calls = calls.filter(|call| call.digest == digest);
        let calls: Vec<_> = calls.map(|call| (call.leader, call.session)).collect();
        let responding = pools.flat_map(|pool| &pool.responding);
        let responding = responding.filter(|this| this.digest == digest);
        let responding: Vec<_> = responding.map(|this| (this.leader, this.session)).collect();
        let join = |step: Step, (leader, id)| step.and(self.join(cx, leader, id));
        let step = calls.into_iter().fold(Step::none(), join);
        let respond = |step: Step, (leader, id)| step.and(self.respond(cx, leader, &id));
        responding.into_iter().fold(step, respond)
    }

    /// Gives up what pairs wait for this verdict.
    pub(super) fn refused(&mut self, digest: &Digest) {
        for pool in self.pools.values_mut() {
            let calls = pool.calls.iter_mut().filter(|call| call.digest == *digest);
            calls.for_each(Calling::withdraw);
            let responding = pool.responding.iter_mut().filter(|this| this.digest == *digest);
            responding.for_each(Responding::withdraw);
        }
    }

    /// Blames the leader for what it said itself. What others pass on may not have been for this
    /// member.
    pub(super) fn blame_if(&mut self, said_so: bool, leader: Index, kind: FaultKind) -> Step {
        if said_so { self.blame(leader, kind, None) } else { Step::none() }
    }
}

fn to_parent(parent: Index, said: Said<crate::message::Tuple>, session: SessionId) -> Step {
    Step::none().send(To::One(parent), Message::Tuple(said, session))
}
