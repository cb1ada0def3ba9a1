//! What a cosigner keeps for one leader. Everything has a quota, and the oldest goes first.

use alloc::collections::VecDeque;

use curve25519_dalek::EdwardsPoint;

use super::relay::Relay;
use crate::{
    challenge::Challenge,
    machine::Time,
    message::{Commitment, Message, Said},
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
    /// At most `Limits::calls`.
    pub(super) relays: VecDeque<Relay>,
    /// When the last call was issued of those that were let go. Whoever passes on an old one does
    /// not bring it back.
    floor: Time,
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
    pub(super) session: SessionId,
    pub(super) said: Said<Challenge>,
    pub(super) reply: Message,
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

    /// Takes the pair out, for its one answer.
    pub(super) fn take(&mut self, id: &NonceId) -> Option<NoncePair> {
        let at = self.pairs.iter().position(|(held, _)| held == id)?;
        self.pairs.remove(at).map(|(_, pair)| pair)
    }

    /// The statement's case; if there is none, one with this verdict.
    pub(super) fn case(&mut self, digest: Digest, verdict: Verdict, limit: usize) -> &mut Case {
        let fresh = || Case { digest, verdict, announced: None, challenge: None, offered: None };
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

    /// Whether a call issued at that time has a place.
    pub(super) fn takes(&self, issued: Time, limit: usize) -> bool {
        let is_full = self.relays.len() >= limit;
        let older = || self.relays.iter().any(|relay| relay.issued < issued);
        self.floor < issued && (!is_full || older())
    }

    /// Keeps a call, and lets the one go that was issued first.
    pub(super) fn open(&mut self, relay: Relay, limit: usize) {
        while self.relays.len() >= limit.max(1) {
            let oldest = self.relays.iter().enumerate().min_by_key(|(_, relay)| relay.issued);
            let Some((at, issued)) = oldest.map(|(at, relay)| (at, relay.issued)) else { break };
            self.relays.remove(at);
            self.floor = self.floor.max(issued);
        }
        self.relays.push_back(relay);
    }

    /// The call of this session.
    pub(super) fn relay(&mut self, session: &SessionId) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.session == *session)
    }

    /// What the session's challenge was answered with.
    pub(super) fn reply(&self, session: &SessionId) -> Option<&Message> {
        self.answers.iter().find(|old| old.session == *session).map(|old| &old.reply)
    }

    /// Another challenge of the same session.
    pub(super) fn contradiction(&self, said: &Said<Challenge>) -> Option<&Said<Challenge>> {
        let waiting = self.cases.iter().filter_map(|case| case.challenge.as_ref());
        let known = self.answers.iter().map(|old| &old.said).chain(waiting.map(|w| &w.said));
        let known = known.chain(self.relays.iter().filter_map(Relay::challenge));
        let session = &said.what.session;
        known.into_iter().find(|old| old.what.session == *session && old.what != said.what)
    }

    /// Releases what is kept for a statement.
    pub(super) fn forget(&mut self, digest: &Digest) {
        self.cases.retain(|case| case.digest != *digest);
        self.answers.retain(|old| old.said.what.session.statement != *digest);
        let gone = self.relays.iter().filter(|relay| relay.digest == *digest);
        self.floor = gone.map(|relay| relay.issued).fold(self.floor, Time::max);
        self.relays.retain(|relay| relay.digest != *digest);
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    while queue.len() >= limit.max(1) {
        queue.pop_front();
    }
    queue.push_back(item);
}
