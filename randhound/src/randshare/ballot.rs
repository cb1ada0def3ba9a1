//! What the servers make of one dealer: the broadcast of its commitments, and the agreement on
//! whether it contributes.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use cosi::machine::{FaultKind, Time};

use super::{
    set::Set,
    words::{DealId, Values, Word},
};

/// An agreement that takes longer ends no more. Each round beyond the second has an honest
/// coordinator with a chance of 2/3, and needs one while messages arrive in time.
const LAST_ROUND: u8 = u8::MAX;

/// The rounds that have no coordinator, and wait for no time.
const SWIFT_ROUNDS: u8 = 2;

/// What all ballots of a server have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) own: u16,
    pub(super) servers: u16,
    pub(super) faulty: u64,
    pub(super) quorum: u64,
    pub(super) patience: Duration,
}

/// The broadcast and the agreement on one dealer, seen by one server.
///
/// It holds one echo and one readiness a server, and at most [`LAST_ROUND`] rounds of a fixed size.
#[derive(Debug, Default)]
pub(super) struct Ballot {
    echoes: BTreeMap<u16, DealId>,
    readies: BTreeMap<u16, DealId>,
    delivered: Option<DealId>,
    rounds: BTreeMap<u8, Round>,
    state: State,
    /// The round of the decision, and the decision.
    decided: Option<(u8, bool)>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is proposed.
    #[default]
    Idle,
    Voting(Voting),
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Voting {
    round: u8,
    estimate: bool,
    /// Until when to wait for more.
    until: Option<Time>,
}

#[derive(Debug, Default)]
struct Round {
    /// Who has which estimate.
    no: Set,
    yes: Set,
    coordinate: Option<bool>,
    /// Who sees which estimates.
    only_no: Set,
    only_yes: Set,
    both: Set,
}

impl Round {
    const fn estimates(&mut self, value: bool) -> &mut Set {
        if value { &mut self.yes } else { &mut self.no }
    }

    const fn auxiliaries(&mut self, values: Values) -> &mut Set {
        match values {
            Values::No => &mut self.only_no,
            Values::Yes => &mut self.only_yes,
            Values::Both => &mut self.both,
        }
    }

    fn auxiliary_of(&self, server: u16) -> Option<Values> {
        let sets =
            [(self.only_no, Values::No), (self.only_yes, Values::Yes), (self.both, Values::Both)];
        sets.into_iter().find(|(set, _)| set.contains(server)).map(|(_, values)| values)
    }

    /// The estimates of which one is honest, as a quorum has them.
    const fn seen(&self, rules: &Rules) -> Option<Values> {
        match (self.no.len() >= rules.quorum, self.yes.len() >= rules.quorum) {
            (false, false) => None,
            (true, false) => Some(Values::No),
            (false, true) => Some(Values::Yes),
            (true, true) => Some(Values::Both),
        }
    }

    /// What a quorum of auxiliary words leaves over, all of them within what is seen.
    fn outcome(&self, rules: &Rules) -> Option<Values> {
        let (no, yes, both) = (self.only_no.len(), self.only_yes.len(), self.both.len());
        match self.seen(rules)? {
            Values::No => (no >= rules.quorum).then_some(Values::No),
            Values::Yes => (yes >= rules.quorum).then_some(Values::Yes),
            Values::Both if no >= rules.quorum => Some(Values::No),
            Values::Both if yes >= rules.quorum => Some(Values::Yes),
            Values::Both => {
                let all = no.saturating_add(yes).saturating_add(both);
                (all >= rules.quorum).then_some(Values::Both)
            }
        }
    }
}

impl Ballot {
    /// What was broadcast, once that is certain: all honest servers come to have the same, and
    /// f + 1 of them hold valid shares.
    pub(super) const fn delivered(&self) -> Option<DealId> {
        self.delivered
    }

    /// Whether the dealer contributes, once that is decided.
    pub(super) fn decided(&self) -> Option<bool> {
        self.decided.map(|(_, value)| value)
    }

    /// Whether anything was proposed here.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Until when it waits.
    pub(super) const fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Voting(voting) => voting.until,
            State::Idle | State::Over => None,
        }
    }

    /// Proposes, unless something was proposed before.
    pub(super) const fn propose(&mut self, value: bool) {
        if self.is_idle() {
            self.state = State::Voting(Voting { round: 1, estimate: value, until: None });
        }
    }

    /// Takes up the own words from before a crash: one initial estimate is as good as the other,
    /// since an honest server has it.
    pub(super) fn resume(&mut self, rules: &Rules) {
        let Some(first) = self.rounds.get(&1) else { return };
        if first.yes.contains(rules.own) {
            self.propose(true);
        } else if first.no.contains(rules.own) {
            self.propose(false);
        }
    }

    /// Takes in a word, the first of its kind from this server.
    pub(super) fn hear(&mut self, rules: &Rules, from: u16, word: Word) -> Result<(), FaultKind> {
        let round = match word {
            Word::Echo(id) => return keep(&mut self.echoes, from, id),
            Word::Ready(id) => {
                keep(&mut self.readies, from, id)?;
                let ready = most(&self.readies).filter(|(_, count)| *count >= rules.quorum);
                self.delivered = self.delivered.or(ready.map(|(id, _)| id));
                return Ok(());
            }
            Word::Estimate(round, _) | Word::Coordinate(round, _) | Word::Auxiliary(round, _)
                if round > 0 =>
            {
                round
            }
            Word::Estimate(..) | Word::Coordinate(..) | Word::Auxiliary(..) => {
                return Err(FaultKind::InvalidPayload);
            }
        };
        match word {
            Word::Echo(_) | Word::Ready(_) => {}
            Word::Estimate(_, value) => {
                self.rounds.entry(round).or_default().estimates(value).insert(from);
            }
            Word::Coordinate(_, value) => {
                if coordinator(rules, round) != Some(from) {
                    return Err(FaultKind::WrongRole);
                }
                let known = self.rounds.entry(round).or_default();
                if *known.coordinate.get_or_insert(value) != value {
                    return Err(FaultKind::Equivocation);
                }
            }
            Word::Auxiliary(_, values) => {
                let known = self.rounds.entry(round).or_default();
                match known.auxiliary_of(from) {
                    Some(said) if said != values => return Err(FaultKind::Equivocation),
                    Some(_) => {}
                    None => drop(known.auxiliaries(values).insert(from)),
                }
            }
        }
        Ok(())
    }

    /// Says all that there is to say, and tells it.
    pub(super) fn react(&mut self, rules: &Rules, now: Time) -> Vec<Word> {
        if let State::Voting(voting) = &mut self.state {
            voting.until.take_if(|until| *until <= now);
        }
        let mut said = Vec::new();
        loop {
            while let Some(word) = self.due(rules) {
                // The own words contradict none before.
                let _ = self.hear(rules, rules.own, word);
                self.after(rules, word, now);
                said.push(word);
            }
            if !self.turn(rules, now) {
                return said;
            }
        }
    }

    /// A word that is due.
    fn due(&self, rules: &Rules) -> Option<Word> {
        self.readiness(rules).or_else(|| self.relay(rules)).or_else(|| self.vote(rules))
    }

    /// Ready, after a quorum of echoes or f + 1 who are.
    fn readiness(&self, rules: &Rules) -> Option<Word> {
        if self.readies.contains_key(&rules.own) {
            return None;
        }
        let echoed = most(&self.echoes).filter(|(_, count)| *count >= rules.quorum);
        let ready = most(&self.readies).filter(|(_, count)| *count > rules.faulty);
        echoed.or(ready).map(|(id, _)| Word::Ready(id))
    }

    /// An estimate that f + 1 others have, in whatever round.
    fn relay(&self, rules: &Rules) -> Option<Word> {
        self.rounds.iter().find_map(|(number, round)| {
            let sets = [(round.no, false), (round.yes, true)];
            let mut due = sets
                .into_iter()
                .filter(|(set, _)| set.len() > rules.faulty && !set.contains(rules.own));
            due.next().map(|(_, value)| Word::Estimate(*number, value))
        })
    }

    /// What the own round asks for.
    fn vote(&self, rules: &Rules) -> Option<Word> {
        let State::Voting(Voting { round: number, estimate, until }) = self.state else {
            return None;
        };
        let default = Round::default();
        let round = self.rounds.get(&number).unwrap_or(&default);
        if !round.no.contains(rules.own) && !round.yes.contains(rules.own) {
            return Some(Word::Estimate(number, estimate));
        }
        let seen = round.seen(rules)?;
        if coordinator(rules, number) == Some(rules.own) && round.coordinate.is_none() {
            return Some(Word::Coordinate(number, seen != Values::No));
        }
        if until.is_some() || round.auxiliary_of(rules.own).is_some() {
            return None;
        }
        let values = match (seen, round.coordinate) {
            (Values::Both, Some(true)) => Values::Yes,
            (Values::Both, Some(false)) => Values::No,
            (seen, _) => seen,
        };
        Some(Word::Auxiliary(number, values))
    }

    /// Waits after an auxiliary word of the own round, for those of others.
    fn after(&mut self, rules: &Rules, word: Word, now: Time) {
        let State::Voting(voting) = &mut self.state else { return };
        if matches!(word, Word::Auxiliary(round, _) if round == voting.round) {
            voting.until = wait(rules, voting.round, now);
        }
    }

    /// Ends the own round, if it may. Whether it did.
    fn turn(&mut self, rules: &Rules, now: Time) -> bool {
        let State::Voting(Voting { round: number, until: None, .. }) = self.state else {
            return false;
        };
        let Some(round) = self.rounds.get(&number) else { return false };
        if round.auxiliary_of(rules.own).is_none() {
            return false;
        }
        let Some(outcome) = round.outcome(rules) else { return false };
        let favoured = number % 2 == 1;
        let estimate = match outcome {
            Values::No => false,
            Values::Yes => true,
            Values::Both => favoured,
        };
        if outcome != Values::Both && estimate == favoured && self.decided.is_none() {
            self.decided = Some((number, estimate));
        }
        // Two rounds after a decision, everybody honest has decided.
        let is_over = self.decided.is_some_and(|(at, _)| number >= at.saturating_add(2));
        self.state = if is_over || number == LAST_ROUND {
            State::Over
        } else {
            let next = number.saturating_add(1);
            State::Voting(Voting { round: next, estimate, until: wait(rules, next, now) })
        };
        true
    }
}

/// Keeps the first word of a kind.
fn keep(words: &mut BTreeMap<u16, DealId>, from: u16, id: DealId) -> Result<(), FaultKind> {
    if *words.entry(from).or_insert(id) == id { Ok(()) } else { Err(FaultKind::Equivocation) }
}

/// The deal that most have, and how many.
fn most(words: &BTreeMap<u16, DealId>) -> Option<(DealId, u64)> {
    let mut counts = BTreeMap::<DealId, u64>::new();
    for id in words.values() {
        let count = counts.entry(*id).or_default();
        *count = count.saturating_add(1);
    }
    counts.into_iter().max_by_key(|(_, count)| *count)
}

/// Who coordinates a round.
fn coordinator(rules: &Rules, round: u8) -> Option<u16> {
    let turn = round.checked_sub(SWIFT_ROUNDS)?.checked_sub(1)?;
    u16::from(turn).checked_rem(rules.servers)
}

/// How long to wait in a round, each of the two times.
fn wait(rules: &Rules, round: u8, now: Time) -> Option<Time> {
    let times = round.checked_sub(SWIFT_ROUNDS).filter(|times| *times > 0)?;
    Some(now.after(rules.patience.saturating_mul(times.into())))
}

#[cfg(test)]
mod tests;
