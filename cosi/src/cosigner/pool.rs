//! What a cosigner keeps for one leader. Everything has a quota, and the oldest goes first.

use alloc::collections::VecDeque;

use curve25519_dalek::EdwardsPoint;

use super::{
    Limits,
    branch::Responding,
    calling::{Calling, Committed, Post},
};
use crate::{
    challenge::{Challenge, ChallengeId},
    keys::Signature,
    machine::Time,
    message::{Commitment, Message, Said, StatementBytes},
    nonce::{NonceId, NoncePair},
    session::{Digest, SessionId},
};

/// One leader's.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// At most `Limits::pairs`.
    pairs: VecDeque<(NonceId, NoncePair)>,
    /// At most `Limits::statements`.
    pub(super) cases: VecDeque<Case>,
    /// At most `Limits::answers`.
    answers: VecDeque<Answered>,
    /// The place in the leader's last tree.
    pub(super) post: Option<Post>,
    /// At most `Limits::calls`.
    pub(super) calls: VecDeque<Calling>,
    /// When the last calls came: at most `Limits::calls`.
    paced: VecDeque<Time>,
    /// When the last call was issued of those that were let go. Whoever passes on an old one does
    /// not bring it back.
    floor: Time,
    /// At most `Limits::tuples`.
    committed: VecDeque<Committed>,
    /// At most `Limits::calls`.
    pub(super) responding: VecDeque<Responding>,
}

/// A statement that the leader asked for.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) digest: Digest,
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

    /// The statement's case; if there is none, one with this verdict.
    pub(super) fn case(&mut self, digest: Digest, verdict: Verdict, limit: usize) -> &mut Case {
        let fresh = || Case {
            digest,
            verdict,
            announced: None,
            challenge: None,
            offered: None,
            entropy: None,
            single: None,
        };
        let at = self.cases.iter().position(|case| case.digest == digest);
        let case = at.and_then(|at| self.cases.remove(at)).unwrap_or_else(fresh);
        push(&mut self.cases, case, limit.max(1));
        self.cases.back_mut().expect("a case was put there")
    }

    /// Whether the application has yet to say what it makes of the statement.
    pub(super) fn asks(&self, digest: &Digest) -> bool {
        self.cases.iter().any(|case| case.digest == *digest && case.verdict == Verdict::Asked)
    }

    /// Keeps an answer.
    pub(super) fn answered(&mut self, answered: Answered, limit: usize) {
        push(&mut self.answers, answered, limit);
    }

    /// Whether a call issued at that time has a place, which it takes: it is none of old, and so
    /// many calls came within the pace, and no more.
    pub(super) fn admits(&mut self, issued: Time, now: Time, limits: &Limits) -> bool {
        let older = |call: &Calling| call.issued < issued;
        let has_place = self.calls.len() < limits.calls || self.calls.iter().any(older);
        let paces = self.paced.len() < limits.calls;
        let paces = paces || self.paced.front().is_some_and(|at| at.after(limits.pace) <= now);
        if issued <= self.floor || !has_place || !paces {
            return false;
        }
        push(&mut self.paced, now, limits.calls);
        true
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

    /// Releases what is kept for a statement.
    pub(super) fn forget(&mut self, digest: &Digest) {
        self.cases.retain(|case| case.digest != *digest);
        self.answers.retain(|old| old.said.what.session.statement != *digest);
        let gone = self.calls.iter().filter(|call| call.digest == *digest);
        self.floor = gone.map(|call| call.issued).fold(self.floor, Time::max);
        self.calls.retain(|call| call.digest != *digest);
        self.responding.retain(|responding| responding.digest != *digest);
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    while queue.len() >= limit.max(1) {
        queue.pop_front();
    }
    queue.push_back(item);
}
