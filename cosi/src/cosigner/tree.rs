//! How a cosigner takes part in trees.
//!
//! *Upon* a leader's call, whoever passed it on: pass it on to the children, and have the
//! statement validated. *Upon* the tuples of all children, or the end of the own share of the
//! leader's patience, and the own verdict: send up the sums, with the own pair's. *Upon* the
//! leader's challenge from the parent: pass it on, and answer under the rules of a star and one
//! more: Z holds of the own subtree exactly those whose signed tuples are here. *Upon* the sums of
//! all those children: send up the whole.
//!
//! The pair of a tuple lives in its call, and answers there alone, once. What others pass on
//! blames nobody, but by evidence.

use alloc::vec::Vec;
use core::time::Duration;

use curve25519_dalek::EdwardsPoint;

use super::{
    Cosigner, Step, Verdict, Waiting,
    relay::{Phase, Relay},
};
use crate::{
    blame,
    machine::{Cx, FaultKind, Index, Time, To},
    message::{Call, Message, Said, StatementBytes, Sum, Tuple},
    session::{Digest, SessionId},
    tree::{Branches, Tree},
};

impl Cosigner {
    /// A call came, from the parent or whoever had it.
    pub(super) fn called(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        leader: Index,
        said: Said<Call>,
        statement: StatementBytes,
    ) -> Step {
        let (session, limit) = (&said.what.session, self.config.limits.calls);
        // The own calls that others send back have no place for this member: no tree is dealt.
        if limit == 0 || leader == self.config.me || !self.signs(session, &statement) {
            return Step::none();
        }
        let id = session.id();
        if let Some(relay) = self.relay(leader, &id) {
            let again = relay.tuple().filter(|_| relay.parent == from).cloned();
            let send = |said| Step::none().send(To::One(from), Message::Tuple(said));
            return again.map_or_else(Step::none, send);
        }
        if !self.pool(leader).takes(said.what.issued, limit) {
            return Step::none();
        }
        let digest = session.statement;
        let Some((relay, children)) = self.relay_of(cx, leader, &said.what) else {
            return Step::none();
        };
        self.pool(leader).open(relay, limit);
        let verdict = self.case(leader, digest).verdict;
        let step = match verdict {
            Verdict::Accepted => self.join(cx, leader, id),
            Verdict::Refused => Step::none(),
            Verdict::Unasked | Verdict::Asked => self.ask(leader, digest, &statement),
        };
        if children.is_empty() {
            return step;
        }
        Step::none().send(To::Some(children), Message::Call(said, statement)).and(step)
    }

    /// This member's part in the tree of a call, and its children.
    fn relay_of(&self, cx: &Cx<'_>, leader: Index, call: &Call) -> Option<(Relay, Vec<Index>)> {
        let (roster, me) = (&self.config.roster, self.config.me);
        let session = call.session.id();
        let tree = Tree::new(call.shape, roster.size(), leader.get(), &session.0)?;
        let parent = roster.index(tree.parent(me.get())?)?;
        let branches = Branches::below(&tree, roster, me);
        let children = branches.heads();
        let wait = tree.wait(me.get(), Duration::from_nanos(call.patience));
        let until = Some(cx.now().after(wait)).filter(|until| cx.now() < *until);
        let relay = Relay {
            leader,
            session,
            digest: call.session.statement,
            issued: call.issued,
            parent,
            subtree: tree.subtree(me.get()),
            phase: Phase::Gathering { branches, own: None, until },
        };
        Some((relay, children))
    }

    /// The statement is validated: commits for the subtree, with a pair of its own.
    pub(super) fn join(&mut self, cx: &mut Cx<'_>, leader: Index, session: SessionId) -> Step {
        let (config, drawn) = (&self.config, &mut self.drawn);
        let pool = self.pools.get_mut(&leader);
        if let Some(relay) = pool.and_then(|pool| pool.relay(&session)) {
            relay.join(|| config.draw(cx, leader, drawn));
        }
        self.pass_up(leader, &session)
    }

    /// Spends no pair on what is refused.
    pub(super) fn withdraw_all(&mut self, digest: &Digest) {
        let calls = self.pools.values_mut().flat_map(|pool| &mut pool.relays);
        calls.filter(|relay| relay.digest == *digest).for_each(Relay::withdraw);
    }

    /// Joins whatever waits for this verdict.
    pub(super) fn join_all(&mut self, cx: &mut Cx<'_>, digest: Digest) -> Step {
        let calls = self.pools.values().flat_map(|pool| &pool.relays);
        let calls = calls.filter(|relay| relay.digest == digest);
        let calls: Vec<_> = calls.map(|relay| (relay.leader, relay.session)).collect();
        let join = |step: Step, (leader, session)| step.and(self.join(cx, leader, session));
        calls.into_iter().fold(Step::none(), join)
    }

    /// A child commits for its subtree.
    pub(super) fn tupled(
        &mut self,
        from: Index,
        said: Said<Tuple>,
        sums: [EdwardsPoint; 2],
    ) -> Step {
        let Some(leader) = self.config.roster.index(said.what.leader) else { return Step::none() };
        let session = said.what.session;
        if let Some(relay) = self.relay(leader, &session) {
            relay.gather(said, sums, from);
        }
        self.pass_up(leader, &session)
    }

    /// Whether this challenge, from `from`, is one of a tree.
    pub(super) fn is_relayed(&self, from: Index, leader: Index, waiting: &Waiting) -> bool {
        let session = waiting.said.what.session.id();
        let relays = self.pools.get(&leader).into_iter().flat_map(|pool| &pool.relays);
        relays
            .into_iter()
            .any(|relay| relay.session == session && relay.expects(from, &waiting.nonce))
    }

    /// The leader's challenge came down the tree, in the session of a call, which is one that this
    /// roster signs.
    pub(super) fn relayed(&mut self, leader: Index, waiting: &Waiting) -> Step {
        let Waiting { said, sums, .. } = waiting;
        let challenge = &said.what;
        let (session, mask) = (&challenge.session, &challenge.mask);
        // The statement is validated, or there were no pair: its verdict may have given way since.
        let accepted = mask.fits(self.config.roster.size())
            && self.config.policy.accepts(&self.config.roster, mask) == Ok(true);
        let pool = self.pools.get_mut(&leader);
        let Some(pool) = pool.filter(|_| accepted) else { return Step::none() };
        if let Some(other) = pool.contradiction(said) {
            let evidence = blame::equivocation(other, said);
            return self.blame(leader, FaultKind::Equivocation, evidence);
        }
        let Some(relay) = pool.relay(&session.id()) else { return Step::none() };
        if relay.covers(mask) {
            relay.answer(&self.config, said, sums);
            // Once: a parent that says it again would have all below hear it again.
            let Phase::Answered { sums, .. } = &relay.phase else { return Step::none() };
            return sums.ask(said).and(self.pass_sum(leader, &session.id()));
        }
        self.pass_sum(leader, &session.id())
    }

    /// A child responds for its subtree.
    pub(super) fn summed(&mut self, from: Index, sum: &Sum) -> Step {
        let leader = self.config.roster.index(sum.leader);
        let Some(leader) = leader else { return Step::none() };
        let pool = self.pools.get_mut(&leader);
        let mut relays = pool.into_iter().flat_map(|pool| &mut pool.relays);
        let session = relays.find_map(|relay| relay.add(sum, from).then_some(relay.session));
        session.map_or_else(Step::none, |session| self.pass_sum(leader, &session))
    }

    /// Waits for late children no longer.
    pub(super) fn give_up(&mut self, cx: &Cx<'_>) -> Step {
        let relays = self.pools.values_mut().flat_map(|pool| &mut pool.relays);
        let due = relays.filter(|relay| relay.until().is_some_and(|until| until <= cx.now()));
        let due = due.map(|relay| {
            relay.give_up(cx.now());
            (relay.leader, relay.session)
        });
        let due: Vec<_> = due.collect();
        due.iter().fold(Step::none(), |step, (leader, id)| step.and(self.pass_up(*leader, id)))
    }

    /// When to wait for late children no longer.
    pub(super) fn patience(&self) -> Option<Time> {
        self.pools.values().flat_map(|pool| &pool.relays).filter_map(Relay::until).min()
    }

    /// Sends the tuple up, if it is time.
    fn pass_up(&mut self, leader: Index, session: &SessionId) -> Step {
        let pool = self.pools.get_mut(&leader);
        let Some(relay) = pool.and_then(|pool| pool.relay(session)) else { return Step::none() };
        let parent = relay.parent;
        let tuple = relay.commit(&self.config).cloned();
        tuple.map_or_else(Step::none, |said| {
            Step::none().send(To::One(parent), Message::Tuple(said))
        })
    }

    /// Sends the sum up, if it is whole.
    fn pass_sum(&self, leader: Index, session: &SessionId) -> Step {
        let relays = self.pools.get(&leader).into_iter().flat_map(|pool| &pool.relays);
        let relay = relays.into_iter().find(|relay| relay.session == *session);
        let sum = relay.and_then(|relay| Some((relay.parent, relay.sum(&self.config)?)));
        sum.map_or_else(Step::none, |(parent, said)| {
            Step::none().send(To::One(parent), Message::Sum(said))
        })
    }

    fn relay(&mut self, leader: Index, session: &SessionId) -> Option<&mut Relay> {
        self.pools.get_mut(&leader)?.relay(session)
    }
}
