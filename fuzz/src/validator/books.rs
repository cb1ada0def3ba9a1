//! What follows from a shard's words, by arithmetic of its own.

use std::collections::{BTreeMap, BTreeSet};

use atomix::{Input, Outcome, Session, ShardState, Verdict};
use omniledger::{Refusal, message::Answer};

use super::{MOST, SHARD};
use crate::realm::{GENESIS, REALM, STORY, config, number, payment};

pub(super) struct Books {
    /// By name.
    unspent: BTreeMap<[u8; 32], Input>,
    /// Payment, and what became of it here.
    said: BTreeSet<(u8, Outcome)>,
    /// By name: the last version that was locked.
    locked: BTreeMap<[u8; 32], u32>,
}

impl Books {
    pub(super) fn new(shard: u16) -> Self {
        let own = GENESIS.granted().filter(|coin| coin.outpoint.shard == shard);
        let unspent = own.map(|coin| (coin.outpoint.id, coin)).collect();
        Self { unspent, said: BTreeSet::new(), locked: BTreeMap::new() }
    }

    fn has(&self, number: u8, outcome: Outcome) -> bool {
        self.said.contains(&(number, outcome))
    }

    /// The shard says something for the first time.
    pub(super) fn enter(&mut self, verdict: &Verdict) {
        let number = number(verdict.session).expect("a payment that nobody signed");
        let declared = payment(number).declaration();
        let own = declared.inputs.iter().filter(|input| input.outpoint.shard == SHARD);
        match verdict.outcome {
            Outcome::Accepted => {
                assert!(!self.has(number, Outcome::Rejected), "accepted after a rejection");
                for input in own {
                    let spent = self.unspent.remove(&input.outpoint.id);
                    assert_eq!(spent, Some(*input), "a coin that is not there is locked");
                    self.locked.insert(input.outpoint.id, input.outpoint.version);
                }
            }
            Outcome::Rejected => {
                assert!(!self.has(number, Outcome::Accepted), "rejected after an acceptance");
                let elsewhere = [Outcome::Accepted, Outcome::Rejected];
                let reason =
                    elsewhere.iter().any(|outcome| STORY.find(number, 0, *outcome).is_some());
                assert!(reason, "rejected without another shard's word");
            }
            Outcome::GivenBack => {
                assert!(self.has(number, Outcome::Accepted), "what is not locked comes back");
                let rejected = STORY.find(number, 0, Outcome::Rejected).is_some();
                assert!(rejected && !self.has(number, Outcome::Created), "nobody aborted it");
                for input in own {
                    let mut back = *input;
                    back.outpoint.version = back.outpoint.version.wrapping_add(1);
                    let there = self.unspent.insert(back.outpoint.id, back);
                    assert_eq!(there, None, "a coin comes back twice");
                }
            }
            Outcome::Created => {
                for shard in declared.input_shards() {
                    let accepted = if shard == SHARD {
                        self.has(number, Outcome::Accepted)
                    } else {
                        STORY.find(number, shard, Outcome::Accepted).is_some()
                    };
                    assert!(accepted, "a commit that not all decided");
                }
                let created = declared.created(verdict.session);
                for output in created.filter(|output| output.outpoint.shard == SHARD) {
                    let there = self.unspent.insert(output.outpoint.id, output);
                    assert_eq!(there, None, "an output is created twice");
                }
            }
        }
        assert!(self.said.insert((number, verdict.outcome)), "{:?} twice", verdict.outcome);
    }

    /// What the shard holds is what the books say.
    pub(super) fn audit(&self, state: &ShardState) {
        assert_eq!(state.unspent().len(), self.unspent.len(), "value appears or vanishes");
        for output in self.unspent.values() {
            assert_eq!(state.spendable(output), Ok(()), "what is left cannot be spent");
        }
    }

    /// What the validator says is so, and proven. Returns on which payments it said something.
    pub(super) fn hears(&self, answer: &Answer) -> Vec<u8> {
        assert_eq!(answer.shard, SHARD, "it answers for another shard");
        let rosters = REALM.epoch.rosters();
        let mut numbers = Vec::new();
        for (session, proof) in answer.said.iter() {
            let number = number(*session).expect("it was asked");
            let verdict = proof.verify(payment(number), &rosters);
            assert!(verdict.is_ok_and(|said| said.session == *session), "what it says is not so");
            assert!(self.has(number, proof.outcome), "what was never committed");
            numbers.push(number);
        }
        let refused: BTreeSet<_> = answer.refused.iter().map(|(session, _)| *session).collect();
        assert!(refused.len() <= config(0).pool.refusals, "more refusals than are remembered");
        answer.refused.iter().for_each(|(session, refusal)| self.allows(*session, *refusal));
        numbers
    }

    /// A payment may be refused for good when the shard can never accept it, however far the
    /// others are ahead.
    pub(super) fn allows(&self, session: Session, refusal: Refusal) {
        let Some(number) = number(session) else { return };
        let mut own = payment(number).declaration().inputs_of(SHARD).map(|input| input.outpoint);
        let is_over = match refusal {
            Refusal::Missing => true,
            Refusal::Spent => {
                own.any(|coin| self.locked.get(&coin.id).is_some_and(|last| *last >= coin.version))
            }
            Refusal::Misdeclared => own.any(|coin| {
                let held = self.unspent.get(&coin.id);
                held.is_some_and(|held| held.outpoint.version > coin.version)
            }),
            Refusal::Closed => false,
        };
        assert!(is_over, "{number} is refused as {}, and could be committed", refusal.name());
    }
}

// A block of the whole menu is too large.
const _: () = assert!(MOST < 17);
