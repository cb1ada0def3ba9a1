//! What a cosigner keeps for one leader. Everything has a quota, and the oldest goes first.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use curve25519_dalek::EdwardsPoint;

use super::{
    Limits,
    branch::Responding,
    calling::{Calling, Committed, Post},
};
use crate::{
    challenge::{Challenge, ChallengeId},
    keys::Signature,
    machine::{Index, Time},
    message::{Call, Commitment, Message, Said, StatementBytes},
    nonce::{NonceId, NoncePair},
    session::{Digest, SessionId},
};

/// One leader's.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// At most `Limits::pairs`.
    pairs: VecDeque<(NonceId, NoncePair)>,
    /// At most `Limits::statements` that the leader asked for itself, and as many more as there are
    /// calls and challenges that others passed on.
    pub(super) cases: VecDeque<Case>,
    /// At most `Limits::answers`.
    answers: VecDeque<Answered>,
    /// The place in the leader's last tree.
    pub(super) post: Option<Post>,
    /// At most `Limits::calls`.
    pub(super) calls: VecDeque<Calling>,
    /// The calls that were charged last, at most three times `Limits::calls`.
    paced: VecDeque<Paced>,
    /// When the newest call was issued that was charged.
    newest: Time,
    /// When each member last came, within the pace, with a call of another plan that it is not to
    /// pass on: at most one a member.
    strays: BTreeMap<Index, Time>,
    /// Calls whose statement is forgotten, and when they were issued: at most `Limits::calls`.
    forgotten: VecDeque<(Time, SessionId)>,
    /// When the last call was issued of those that newer ones pushed out, here or from `forgotten`.
    /// Whoever passes on an old one does not bring it back, so each has a pair drawn once; and one
    /// that is late is not taken for old before so many newer ones have come.
    floor: Time,
    /// At most `Limits::tuples`.
    committed: VecDeque<Committed>,
    /// At most `Limits::calls`.
    pub(super) responding: VecDeque<Responding>,
}

/// A call that was charged.
#[derive(Debug)]
struct Paced {
    from: Index,
    at: Time,
    /// Whether it was issued after all that had come.
    is_new: bool,
}

/// A statement that the leader asked for.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) digest: Digest,
    /// Whether the leader asked for it itself. Else it lives as long as what others passed on.
    is_direct: bool,
    pub(super) verdict: Verdict,
    /// The announcement that waits for the verdict: the last one.
    pub(super) announced: Option<SessionId>,
    /// The challenge that waits for the verdict: the last one.
    pub(super) challenge: Option<Waiting>,
    /// What the last announcement was answered with.
    pub(super) offered: Option<(SessionId, Said<Commitment>)>,
    /// The entropy of the session that was asked about last.
    pub(super) entropy: Option<[u8; 32]>,
    /// The single signature that waits for the verdict.
    pub(super) single: Option<Signature>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Unasked,
    Asked,
    Accepted,
    Refused,
}

/// A challenge that is still to be answered.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) said: Said<Challenge>,
    pub(super) nonce: NonceId,
    pub(super) sums: [EdwardsPoint; 2],
}

/// A challenge that was answered, and how.
#[derive(Debug)]
pub(super) struct Answered {
    session: SessionId,
    id: ChallengeId,
    /// Without the statement: another challenge in its session has the same.
    said: Said<Challenge>,
    reply: Message,
}

impl Answered {
    pub(super) fn new(mut said: Said<Challenge>, reply: Message) -> Self {
        let (session, id) = (said.what.session.id(), said.what.id());
        said.what.statement = StatementBytes::default();
        Self { session, id, said, reply }
    }
}

impl Pool {
    /// Keeps a pair.
    pub(super) fn keep(&mut self, id: NonceId, pair: NoncePair, limit: usize) {
        push(&mut self.pairs, (id, pair), limit);
    }

    /// Whether the pair is there.
    pub(super) fn holds(&self, id: &NonceId) -> bool {
        self.pairs.iter().any(|(held, _)| held == id)
    }

    /// Takes the pair out, for its one answer: also that of a tuple, for the member alone.
    pub(super) fn take(&mut self, id: &NonceId) -> Option<NoncePair> {
        let at = self.pairs.iter().position(|(held, _)| held == id);
        let pair = at.and_then(|at| self.pairs.remove(at)).map(|(_, pair)| pair);
        pair.or_else(|| self.take_tuple(id).map(|committed| committed.pair))
    }

    /// Keeps a tuple that is sent.
    pub(super) fn keep_tuple(&mut self, committed: Committed, limit: usize) {
        push(&mut self.committed, committed, limit);
    }

    /// The tuple with this pair.
    pub(super) fn tuple(&self, id: &NonceId) -> Option<&Committed> {
        self.committed.iter().find(|committed| committed.said.what.nonce == *id)
    }

    /// Takes the tuple with this pair out, for its one answer.
    pub(super) fn take_tuple(&mut self, id: &NonceId) -> Option<Committed> {
        let at = self.committed.iter().position(|committed| committed.said.what.nonce == *id)?;
        self.committed.remove(at)
    }

    /// The statement's case; if there is none, one with this verdict. What others passed on pushes
    /// nothing out that the leader asked for itself.
    pub(super) fn case(
        &mut self,
        digest: Digest,
        verdict: Verdict,
        is_direct: bool,
        limit: usize,
    ) -> &mut Case {
        let fresh = || Case {
            digest,
            is_direct,
            verdict,
            announced: None,
            challenge: None,
            offered: None,
            entropy: None,
            single: None,
        };
        let at = self.cases.iter().position(|case| case.digest == digest);
        let mut case = at.and_then(|at| self.cases.remove(at)).unwrap_or_else(fresh);
        case.is_direct |= is_direct;
        if case.is_direct {
            self.make_room(limit);
        } else {
            let (calls, responding) = (&self.calls, &self.responding);
            let lives = |digest: &Digest| {
                calls.iter().any(|call| call.digest == *digest)
                    || responding.iter().any(|this| this.digest == *digest)
            };
            self.cases.retain(|case| case.is_direct || lives(&case.digest));
        }
        self.cases.push_back(case);
        self.cases.back_mut().expect("a case was put there")
    }

    /// Lets go of what the leader asked for itself, the oldest first.
    fn make_room(&mut self, limit: usize) {
        while self.cases.iter().filter(|case| case.is_direct).count() >= limit.max(1) {
            let Some(at) = self.cases.iter().position(|case| case.is_direct) else { break };
            self.cases.remove(at);
        }
    }

    /// The statement's case, if there is one.
    pub(super) fn known(&mut self, digest: &Digest) -> Option<&mut Case> {
        self.cases.iter_mut().find(|case| case.digest == *digest)
    }

    /// Whether the application has yet to say what it makes of the statement.
    pub(super) fn asks(&self, digest: &Digest) -> bool {
        self.cases.iter().any(|case| case.digest == *digest && case.verdict == Verdict::Asked)
    }

    /// Keeps an answer.
    pub(super) fn answered(&mut self, answered: Answered, limit: usize) {
        push(&mut self.answers, answered, limit);
    }

    /// Whether this call has a place, and within the pace.
    pub(super) fn admits(&self, from: Index, call: &Call, now: Time, limits: &Limits) -> bool {
        let (issued, id) = (call.issued, call.session.id());
        let older = |call: &Calling| call.issued < issued;
        let has_place = self.calls.len() < limits.calls || self.calls.iter().any(older);
        let is_forgotten = self.forgotten.iter().any(|(_, forgotten)| *forgotten == id);
        let is_old = issued <= self.floor || is_forgotten;
        !is_old && has_place && self.paces(from, issued, now, limits)
    }

    /// Whether not too many came within the pace. Old calls are counted apart from new ones, and of
    /// those no member spends what others may pass on. So nobody who plays old ones back, though it
    /// was once to pass them on, keeps the leader's newest out: before that has come it would take
    /// two of them, and then nobody can.
    fn paces(&self, from: Index, issued: Time, now: Time, limits: &Limits) -> bool {
        let lately = self.paced.iter().filter(|paced| now < paced.at.after(limits.pace));
        if issued <= self.newest {
            return lately.filter(|paced| !paced.is_new).count() < limits.calls;
        }
        let new = lately.filter(|paced| paced.is_new);
        let theirs = new.clone().filter(|paced| paced.from == from);
        theirs.count() < limits.calls && new.count() < limits.calls.saturating_mul(2)
    }

    /// Charges a call that it admits to whoever passed it on.
    pub(super) fn charge(&mut self, from: Index, issued: Time, now: Time, limits: &Limits) {
        let is_new = self.newest < issued;
        self.newest = self.newest.max(issued);
        self.paced.retain(|paced| now < paced.at.after(limits.pace));
        push(&mut self.paced, Paced { from, at: now, is_new }, limits.calls.saturating_mul(3));
    }

    /// Whether the member came lately with a call that it is not to pass on.
    pub(super) fn strays(&self, from: Index, now: Time, pace: Duration) -> bool {
        self.strays.get(&from).is_some_and(|at| now < at.after(pace))
    }

    /// Notes that the member came with a call that it is not to pass on.
    pub(super) fn stray(&mut self, from: Index, now: Time, pace: Duration) {
        self.strays.retain(|_, at| now < at.after(pace));
        self.strays.insert(from, now);
    }

    /// Keeps a call, and lets the one go that was issued first.
    pub(super) fn open(&mut self, call: Calling, limit: usize) {
        while self.calls.len() >= limit.max(1) {
            let oldest = self.calls.iter().enumerate().min_by_key(|(_, call)| call.issued);
            let Some((at, issued)) = oldest.map(|(at, call)| (at, call.issued)) else { break };
            self.calls.remove(at);
            self.floor = self.floor.max(issued);
        }
        self.calls.push_back(call);
    }

    /// The call of this session.
    pub(super) fn call(&mut self, session: &SessionId) -> Option<&mut Calling> {
        self.calls.iter_mut().find(|call| call.session == *session)
    }

    /// Keeps a challenge that a subtree answers.
    pub(super) fn respond(&mut self, responding: Responding, limit: usize) {
        push(&mut self.responding, responding, limit);
    }

    /// What the subtree answers in this session.
    pub(super) fn responding(&mut self, session: &SessionId) -> Option<&mut Responding> {
        self.responding.iter_mut().find(|responding| responding.session == *session)
    }

    /// Whether the subtree answers in this session.
    pub(super) fn is_responding(&self, session: &SessionId) -> bool {
        self.responding.iter().any(|responding| responding.session == *session)
    }

    /// Whether this member has answered the session's challenge for itself alone, or will after the
    /// verdict. A refusal is no answer.
    pub(super) fn answers_alone(&self, session: &SessionId) -> bool {
        let waiting = self.cases.iter().filter_map(|case| case.challenge.as_ref());
        let mut waiting = waiting.map(|waiting| waiting.said.what.session.id());
        matches!(self.reply(session), Some(Message::Response(_)))
            || waiting.any(|id| id == *session)
    }

    /// What the session's challenge was answered with.
    pub(super) fn reply(&self, session: &SessionId) -> Option<&Message> {
        self.answers.iter().find(|old| old.session == *session).map(|old| &old.reply)
    }

    /// What the challenge was answered with.
    pub(super) fn reply_to(&self, id: &ChallengeId) -> Option<&Message> {
        self.answers.iter().find(|old| old.id == *id).map(|old| &old.reply)
    }

    /// Another challenge of the same session, and so with the same statement.
    pub(super) fn contradiction(&self, said: &Said<Challenge>) -> Option<Said<Challenge>> {
        let waiting = self.cases.iter().filter_map(|case| case.challenge.as_ref());
        let known = self.answers.iter().map(|old| &old.said).chain(waiting.map(|w| &w.said));
        let known = known.chain(self.responding.iter().map(|responding| &responding.challenge));
        let Challenge { session, mask, commitments, statement } = &said.what;
        let differs = |old: &Challenge| (&old.mask, &old.commitments) != (mask, commitments);
        let mut others = known.filter(|old| old.what.session == *session && differs(&old.what));
        others.next().map(|old| Said {
            what: Challenge { statement: statement.clone(), ..old.what.clone() },
            signature: old.signature,
        })
    }

    /// Releases what is kept for a statement. What the leader may ask of a challenge that its subtree
    /// answers stays, without the statement, until newer ones push it out.
    pub(super) fn forget(&mut self, digest: &Digest, limit: usize) {
        self.cases.retain(|case| case.digest != *digest);
        self.answers.retain(|old| old.said.what.session.statement != *digest);
        let gone = self.calls.iter().filter(|call| call.digest == *digest);
        self.forgotten.extend(gone.map(|call| (call.issued, call.session)));
        while self.forgotten.len() > limit {
            let oldest = self.forgotten.iter().copied().min();
            let Some((issued, _)) = oldest else { break };
            self.forgotten.retain(|forgotten| Some(*forgotten) != oldest);
            self.floor = self.floor.max(issued);
        }
        self.calls.retain(|call| call.digest != *digest);
        self.responding.retain_mut(|this| this.digest != *digest || this.forget());
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    while queue.len() >= limit.max(1) {
        queue.pop_front();
    }
    queue.push_back(item);
}
