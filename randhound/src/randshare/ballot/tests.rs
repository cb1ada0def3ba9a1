//! One agreement among four or seven, with faulty servers that say everything to everybody, in any
//! order, and time that passes as it likes.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests")]

use alloc::{vec, vec::Vec};

use curve25519_dalek::rand_core::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;

struct World {
    honest: Vec<(Rules, Ballot)>,
    /// To whom, from whom, and what.
    wire: Vec<(usize, u16, Word)>,
    now: Time,
    rng: ChaCha20Rng,
    /// The last round in which somebody had not decided.
    latest: u8,
}

impl World {
    /// Servers with these proposals, and as many faulty ones as that allows, which come first.
    fn new(proposals: &[bool], seed: u64) -> Self {
        let faulty = u16::try_from(proposals.len() / 2).unwrap();
        let servers = u16::try_from(proposals.len()).unwrap() + faulty;
        let rules = |own| Rules {
            own,
            servers,
            faulty: faulty.into(),
            quorum: (servers - faulty).into(),
            patience: Duration::from_secs(1),
        };
        let honest = (faulty..servers).zip(proposals).map(|(own, proposal)| {
            let mut ballot = Ballot::default();
            ballot.propose(*proposal);
            (rules(own), ballot)
        });
        let (honest, rng) = (honest.collect(), ChaCha20Rng::seed_from_u64(seed));
        let mut world = Self { honest, wire: vec![], now: Time::default(), rng, latest: 0 };
        for to in 0..proposals.len() {
            for from in 0..faulty {
                world.lie(to, from);
            }
        }
        for at in 0..proposals.len() {
            world.react(at);
        }
        world
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u32()).unwrap() % bound
    }

    /// Both estimates of every round, and something of what else can be said.
    fn lie(&mut self, to: usize, from: u16) {
        for round in 1..=20 {
            for value in [true, false] {
                self.wire.push((to, from, Word::Estimate(round, value)));
            }
            let values = [Values::No, Values::Yes, Values::Both][self.below(3)];
            self.wire.push((to, from, Word::Auxiliary(round, values)));
            if coordinator(&self.honest[0].0, round) == Some(from) {
                let value = self.below(2) == 0;
                self.wire.push((to, from, Word::Coordinate(round, value)));
            }
        }
    }

    fn react(&mut self, at: usize) {
        let (rules, ballot) = &mut self.honest[at];
        let words = ballot.react(rules, self.now);
        let own = rules.own;
        if let State::Voting(voting) = ballot.state
            && ballot.decided.is_none()
        {
            self.latest = self.latest.max(voting.round);
        }
        for to in (0..self.honest.len()).filter(|to| *to != at) {
            self.wire.extend(words.iter().map(|word| (to, own, *word)));
        }
    }

    /// Delivers anything, or lets time pass. `false`: there is nothing left.
    fn step(&mut self) -> bool {
        let is_late = self.below(100) == 0;
        if self.wire.is_empty() || is_late {
            let due = self.honest.iter().filter_map(|(_, ballot)| ballot.next_timeout()).min();
            let Some(due) = due else { return !self.wire.is_empty() };
            self.now = self.now.max(due);
            (0..self.honest.len()).for_each(|at| self.react(at));
            return true;
        }
        let next = self.below(self.wire.len());
        let (to, from, word) = self.wire.swap_remove(next);
        let (rules, ballot) = &mut self.honest[to];
        assert_eq!(ballot.hear(rules, from, word), Ok(()));
        self.react(to);
        true
    }

    /// What all decide, and the last round in which one had not decided.
    fn run(mut self) -> (bool, u8) {
        while self.step() {}
        let decisions: Vec<_> = self.honest.iter().map(|(_, ballot)| ballot.decided()).collect();
        let first = decisions[0].expect("everything has arrived");
        assert!(decisions.iter().all(|decision| *decision == Some(first)), "{decisions:?}");
        (first, self.latest)
    }
}

#[test]
fn what_all_propose_is_decided_in_two_rounds() {
    for seed in 0..40 {
        for proposal in [false, true] {
            for honest in [3, 5] {
                let (decision, latest) = World::new(&vec![proposal; honest], seed).run();
                assert_eq!(decision, proposal);
                assert!(latest <= 2);
            }
        }
    }
}

/// Where proposals differ, all decide the same, some by a coordinator's word.
#[test]
fn mixed_proposals_end_in_one_decision() {
    let (mut decided, mut latest) = ([0, 0], 0);
    for seed in 0..600 {
        let proposals = [[true, true, false], [true, false, false]][usize::from(seed % 2 == 0)];
        let (decision, last) = World::new(&proposals, seed).run();
        decided[usize::from(decision)] += 1;
        latest = latest.max(last);
        let (_, last) = World::new(&[true, false, true, false, seed % 3 == 0], seed).run();
        latest = latest.max(last);
    }
    assert!(decided[0] > 0 && decided[1] > 0, "{decided:?}");
    assert!(latest > 3, "round {latest}");
}

/// From the third round on, a server waits for the coordinator and takes its word, and then waits
/// for the words of all.
#[test]
fn coordinators_are_waited_for_and_believed() {
    let rules =
        Rules { own: 1, servers: 4, faulty: 1, quorum: 3, patience: Duration::from_secs(1) };
    let at = |seconds| Time::at(Duration::from_secs(seconds));
    for (said, believed) in [(None, Values::Both), (Some(false), Values::No)] {
        let mut ballot = Ballot::default();
        ballot.propose(true);
        let hear = |ballot: &mut Ballot, from, word| ballot.hear(&rules, from, word).unwrap();
        for round in 1..=3 {
            for from in [0, 2, 3] {
                let both = [true, false].map(|value| Word::Estimate(round, value));
                both.into_iter().for_each(|word| hear(&mut ballot, from, word));
            }
            if round < 3 {
                hear(&mut ballot, 2, Word::Auxiliary(round, Values::No));
                hear(&mut ballot, 3, Word::Auxiliary(round, Values::Yes));
            }
        }
        if let Some(value) = said {
            hear(&mut ballot, 0, Word::Coordinate(3, value));
        }
        let is_third = |word: &Word| matches!(word, Word::Auxiliary(3, _));
        assert!(!ballot.react(&rules, at(0)).iter().any(is_third));
        assert_eq!(ballot.next_timeout(), Some(at(1)));
        assert!(ballot.react(&rules, at(1)).contains(&Word::Auxiliary(3, believed)));
        hear(&mut ballot, 2, Word::Auxiliary(3, Values::Both));
        hear(&mut ballot, 3, Word::Auxiliary(3, Values::Both));
        let is_fourth = |word: &Word| matches!(word, Word::Estimate(4, _));
        assert!(!ballot.react(&rules, at(1)).iter().any(is_fourth));
        assert_eq!(ballot.next_timeout(), Some(at(2)));
        assert!(ballot.react(&rules, at(2)).iter().any(is_fourth));
        // It waits for twice as long in the next round.
        assert_eq!(ballot.next_timeout(), Some(at(4)));
    }
}

/// f + 1 who are ready make others ready, and no fewer than a quorum deliver: of f + 1, one alone
/// is honest, and those that it makes ready may be too few for anybody else to deliver.
#[test]
fn a_quorum_who_are_ready_deliver() {
    let id = DealId([3; 32]);
    let patience = Duration::from_secs(1);
    let rules = Rules { own: 6, servers: 7, faulty: 2, quorum: 5, patience };
    let mut ballot = Ballot::default();
    for (from, said) in [(0, vec![]), (1, vec![]), (2, vec![Word::Ready(id)])] {
        assert_eq!(ballot.hear(&rules, from, Word::Ready(id)), Ok(()));
        assert_eq!(ballot.react(&rules, Time::default()), said, "{from}");
        assert_eq!(ballot.delivered(), None, "{from}");
    }
    assert_eq!(ballot.hear(&rules, 3, Word::Ready(DealId([4; 32]))), Ok(()));
    assert_eq!(ballot.delivered(), None, "another deal");
    assert_eq!(ballot.hear(&rules, 4, Word::Ready(id)), Ok(()));
    assert_eq!(ballot.delivered(), Some(id));
}
