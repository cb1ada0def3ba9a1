//! What the application made of statements, and what waits for it.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    Cosigner, Error, Event, Step,
    pool::{Case, Verdict},
};
use crate::{
    machine::{Cx, Index, To},
    message::{Decline, Message},
    session::{Digest, Session},
};

/// Verdicts that outlive the leaders' questions: at most `limit`.
#[derive(Debug)]
pub(super) struct Verdicts {
    limit: usize,
    kept: BTreeMap<Digest, Kept>,
    /// How many answers were kept.
    answers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    accept: bool,
    /// Which answer to a leader's question it was. `None`: nobody had asked.
    answer: Option<u64>,
}

impl Verdicts {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, kept: BTreeMap::new(), answers: 0 }
    }

    /// What is known of a statement.
    pub(super) fn of(&self, digest: &Digest) -> Verdict {
        match self.kept.get(digest) {
            Some(Kept { accept: true, .. }) => Verdict::Accepted,
            Some(Kept { accept: false, .. }) => Verdict::Refused,
            None => Verdict::Unasked,
        }
    }

    /// Keeps a verdict. Without it the application is asked again, so all but an acceptance that
    /// nobody asked for may be left out: a leader could ask for statements without end.
    pub(super) fn keep(
        &mut self,
        digest: Digest,
        accept: bool,
        answers: bool,
    ) -> Result<(), Error> {
        let known = self.kept.get(&digest).copied();
        if known.is_none() && self.kept.len() >= self.limit {
            if !accept {
                return Ok(());
            }
            match self.least() {
                Some(least) => drop(self.kept.remove(&least)),
                None if answers => return Ok(()),
                None => return Err(Error::TooManyValidated),
            }
        }
        self.answers = self.answers.saturating_add(1);
        let unasked = !answers || known.is_some_and(|known| known.answer.is_none());
        let answer = Some(self.answers).filter(|_| !unasked);
        self.kept.insert(digest, Kept { accept, answer });
        Ok(())
    }

    /// What gives way to an acceptance: a refusal, or the oldest answer.
    fn least(&self) -> Option<Digest> {
        let gives_way = self.kept.iter().filter(|(_, kept)| !kept.accept || kept.answer.is_some());
        let least = gives_way.min_by_key(|(_, kept)| (kept.accept, kept.answer));
        least.map(|(digest, _)| *digest)
    }

    pub(super) fn forget(&mut self, digest: &Digest) {
        self.kept.remove(digest);
    }
}

impl Cosigner {
    /// What is known of a statement that this leader asked for, in what came from `from`.
    pub(super) fn case(&mut self, leader: Index, digest: Digest, from: Index) -> &mut Case {
        let verdict = self.verdicts.of(&digest);
        let limit = self.config.limits.statements;
        self.pool(leader).case(digest, verdict, from == leader, limit)
    }

    /// Asks the application, once, about what has a case.
    pub(super) fn ask(&mut self, leader: Index, session: &Session, statement: &[u8]) -> Step {
        let digest = session.statement;
        let Some(case) = self.pool(leader).known(&digest) else { return Step::none() };
        case.entropy = Some(session.entropy);
        if case.verdict == Verdict::Asked {
            return Step::none();
        }
        case.verdict = Verdict::Asked;
        Step::none().event(Event::Validate { leader, digest, statement: statement.to_vec() })
    }

    /// The application has judged a statement: does what waits for that, for every leader.
    pub(super) fn judged(&mut self, cx: &mut Cx<'_>, digest: Digest, accept: bool) -> Step {
        let verdict = if accept { Verdict::Accepted } else { Verdict::Refused };
        let mut waiting = Vec::new();
        for (leader, pool) in &mut self.pools {
            let Some(case) = pool.cases.iter_mut().find(|case| case.digest == digest) else {
                continue;
            };
            case.verdict = verdict;
            let asked = (case.announced.take(), case.challenge.take(), case.single.take());
            waiting.push((*leader, asked, case.entropy.take()));
        }
        let mut step = Step::none();
        for (leader, (announced, challenge, single), entropy) in waiting {
            if !accept {
                let decline = entropy.map(|entropy| self.say_decline(leader, digest, entropy));
                step = step.and(decline.unwrap_or_else(Step::none));
                continue;
            }
            step = match (challenge, announced) {
                (Some(challenge), _) => step.and(self.answer(cx, leader, challenge)),
                (None, Some(session)) => step.and(self.commit(cx, leader, digest, session)),
                (None, None) => step,
            };
            let single = single.map(|single| self.say_single(leader, digest, single));
            step = step.and(single.unwrap_or_else(Step::none));
        }
        if accept {
            return step.and(self.accepted(cx, digest));
        }
        self.refused(&digest);
        step
    }

    /// Tells the leader that this member does not sign the statement.
    pub(super) fn decline(&self, leader: Index, session: &Session) -> Step {
        self.say_decline(leader, session.statement, session.entropy)
    }

    fn say_decline(&self, leader: Index, statement: Digest, entropy: [u8; 32]) -> Step {
        let (roster, member) = (self.config.roster.id(), self.config.me.get());
        let decline = Decline { roster, leader: leader.get(), statement, entropy, member };
        Step::none().send(To::One(leader), Message::Decline(self.say(decline)))
    }
}
