//! What validators answer: the truth, or what an input makes up.

use atomix::Outcome;
use cosi::wire::BoundedVec;
use omniledger::{
    Message, Refusal,
    message::{Answer, Guest, Proof, Query, Sync, Want},
};

use super::session;
use crate::realm::{FORGED, MOST, REALM, STORY, Truth, number, truth};

/// An answer in the making.
pub(super) struct Next {
    said: Vec<(u8, u8, Proof)>,
    refused: Vec<(u8, Refusal)>,
}

impl Next {
    pub(super) const fn new() -> Self {
        Self { said: Vec::new(), refused: Vec::new() }
    }

    /// Adds a word of a shard, or from 16 on a forged one, about the payment at `place` or else
    /// the one that it is about.
    pub(super) fn say(&mut self, which: u8, place: u8) {
        let words = if which < 16 { &STORY.said } else { &*FORGED };
        let at = usize::from(which & 15).checked_rem(words.len());
        let Some((about, proof)) = at.and_then(|at| words.get(at)) else { return };
        let claimed = if place < MOST { place } else { *about };
        let about = if which < 16 { *about } else { u8::MAX };
        self.said.push((claimed, about, proof.clone()));
    }

    pub(super) fn refuse(&mut self, detail: u8) {
        let reasons = [Refusal::Spent, Refusal::Misdeclared, Refusal::Closed, Refusal::Missing];
        let reason = reasons.get(usize::from(detail.wrapping_shr(3) & 3)).copied();
        self.refused.push((detail & 7, reason.unwrap_or(Refusal::Spent)));
    }

    /// The answer in the name of a shard, and whether all that it proves is so.
    pub(super) fn take(&mut self, shard: u16) -> (Answer, bool) {
        let Self { said, refused } = core::mem::replace(self, Self::new());
        let is_true =
            said.iter().all(|(claimed, about, proof)| claimed == about && proof.shard == shard);
        let said = said.into_iter().map(|(claimed, _, proof)| (session(claimed), proof));
        let refused = refused.into_iter().map(|(number, why)| (session(number), why));
        let answer = Answer {
            shard,
            said: BoundedVec::new(said.collect()).unwrap_or_default(),
            refused: BoundedVec::new(refused.collect()).unwrap_or_default(),
        };
        (answer, is_true)
    }
}

/// What an honest validator answers, in the end.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is no question")]
pub(super) fn honest(question: &Message) -> Option<Message> {
    match question {
        Message::Sync(Sync::Ask) => Some(Message::Sync(Sync::Epoch(Box::new(REALM.proof.clone())))),
        Message::Guest(Guest::Ask { shard, queries }) => {
            let said = queries.iter().flat_map(|query| words(*shard, query));
            let refused = queries.iter().filter(|query| is_refused(*shard, query));
            let refused = refused.map(|query| (query.session, Refusal::Spent));
            Some(Message::Guest(Guest::Answer(Answer {
                shard: *shard,
                said: BoundedVec::new(said.collect()).unwrap_or_default(),
                refused: BoundedVec::new(refused.collect()).unwrap_or_default(),
            })))
        }
        _ => None,
    }
}

fn words(shard: u16, query: &Query) -> Vec<(atomix::Session, Proof)> {
    let outcomes: &[Outcome] = match query.want {
        Want::Verdict => &[Outcome::Created, Outcome::Accepted, Outcome::Rejected],
        Want::Creation => &[Outcome::Created],
        Want::Return => &[Outcome::GivenBack, Outcome::Rejected],
    };
    let found =
        outcomes.iter().filter_map(|outcome| STORY.find(number(query.session)?, shard, *outcome));
    found.map(|proof| (query.session, proof.clone())).collect()
}

/// Whether the shard refuses it for good.
fn is_refused(shard: u16, query: &Query) -> bool {
    shard == 0 && number(query.session).map(truth) == Some(Truth::Refused)
}
