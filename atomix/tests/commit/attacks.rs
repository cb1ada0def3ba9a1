//! The replays of Sonnino et al. and their kin, in pairs: against the rules as OmniLedger
//! published them, which are written here, and against the crate.

use std::collections::{BTreeMap, BTreeSet};

use atomix::{Outcome, Outpoint, ProofError, Refusal};

use crate::common::{Said, Town, WORTH, coin, created, outcome, output, pay};

/// Names an output in the published protocol: its shard and its name there. No versions.
type Name = (u16, &'static str);

/// A transaction as published: signed by the owners, and the same whenever it is sent.
/// Each input with the value that the client says it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Plain {
    inputs: Vec<(Name, u64)>,
    outputs: Vec<(Name, u64)>,
}

/// A proof as published: which shard said what of which transaction. Nothing tells when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    shard: u16,
    accepts: bool,
    of: Plain,
}

/// OmniLedger, section IV-B: "initialize" and "lock", "unlock to commit", "unlock to abort".
/// With `remembers`, a shard also keeps its verdicts, until it prunes them.
#[derive(Default)]
struct Published {
    unspent: BTreeMap<Name, u64>,
    remembers: bool,
    verdicts: BTreeMap<(u16, Plain), bool>,
}

impl Published {
    fn new(coins: &[(Name, u64)]) -> Self {
        Self { unspent: coins.iter().copied().collect(), ..Self::default() }
    }

    /// Marks the inputs as spent and accepts if all can be spent, else rejects.
    fn lock(&mut self, shard: u16, of: &Plain) -> Word {
        let own: Vec<_> = of.inputs.iter().filter(|(name, _)| name.0 == shard).collect();
        let known = self.verdicts.get(&(shard, of.clone())).filter(|_| self.remembers);
        let can = own.iter().all(|(name, _)| self.unspent.contains_key(name));
        let accepts = *known.unwrap_or(&can);
        if known.is_none() && accepts {
            self.unspent.retain(|name, _| !own.iter().any(|(own, _)| own == name));
        }
        self.verdicts.insert((shard, of.clone()), accepts);
        Word { shard, accepts, of: of.clone() }
    }

    /// Creates the outputs if every input shard has accepted and the client's sums add up.
    fn create(&mut self, shard: u16, of: &Plain, words: &[Word]) {
        let inputs: BTreeSet<_> = of.inputs.iter().map(|(name, _)| name.0).collect();
        let accepted = words.iter().filter(|word| word.accepts && word.of == *of);
        let accepted: BTreeSet<_> = accepted.map(|word| word.shard).collect();
        let sum = |values: &[(Name, u64)]| values.iter().map(|(_, value)| value).sum::<u64>();
        if accepted == inputs && sum(&of.inputs) >= sum(&of.outputs) {
            self.unspent.extend(of.outputs.iter().filter(|(name, _)| name.0 == shard).copied());
        }
    }

    /// Marks the inputs as spendable again, upon a rejection.
    fn give_back(&mut self, shard: u16, of: &Plain, word: &Word) {
        if !word.accepts && word.of == *of {
            self.unspent.extend(of.inputs.iter().filter(|(name, _)| name.0 == shard).copied());
        }
    }

    fn spend(&mut self, name: Name) -> u64 {
        self.unspent.remove(&name).unwrap()
    }

    fn value(&self) -> u64 {
        self.unspent.values().sum()
    }
}

const A: Name = (0, "a");
const B: Name = (1, "b");
const C: Name = (2, "c");

/// Shards 0 and 1 pay into shard 2.
fn joint() -> Plain {
    Plain { inputs: vec![(A, 100), (B, 100)], outputs: vec![(C, 200)] }
}

fn two_coins() -> Published {
    Published::new(&[(A, 100), (B, 100)])
}

/// Coins of shards 0 and 1, and what joins them in shard 2.
fn joint_here(nonce: u64) -> atomix::Checked {
    pay(nonce, &[coin(3), coin(1)], &[output(2, 5, 2 * WORTH)])
}

/// Locks the coin of shard 1 to a session that shard 2 then rejects: it can be freed at will.
fn blocker(town: &mut Town) -> (atomix::Checked, Said) {
    let never = atomix::Input { value: 1, ..coin(2) };
    let blocker = pay(90, &[coin(1), never], &[output(1, 1, WORTH)]);
    let accepted = town.lock(1, &blocker).unwrap();
    let rejected = town.lock_shown(2, &blocker, &accepted).unwrap();
    (blocker, rejected)
}

#[test]
fn an_accept_of_an_aborted_run_breaks_published() {
    let mut town = two_coins();
    let (tx, locked) = (joint(), town.spend(B));
    let (accept, reject) = (town.lock(0, &tx), town.lock(1, &tx));
    town.give_back(0, &tx, &reject);
    town.unspent.insert(B, locked);

    let later = town.lock(1, &tx);
    town.create(2, &tx, &[accept, later]);
    assert_eq!(town.value(), 300, "the outputs of 200 and the input of 100");
}

#[test]
fn an_accept_of_an_aborted_run_fails_here() {
    let mut town = Town::new();
    let (blocker, blocked) = blocker(&mut town);
    let tx = joint_here(1);
    let accept = town.lock(0, &tx).unwrap();
    let reject = town.lock_shown(1, &tx, &accept).unwrap();
    assert_eq!(outcome(&town.give_back(0, &tx, &reject)), Outcome::GivenBack);
    town.give_back(1, &blocker, &blocked).unwrap();

    let later = town.lock(1, &tx).unwrap();
    assert_eq!(later.outcome, Outcome::Rejected, "for ever");
    assert_eq!(town.create(2, &tx, &[accept.clone(), later]), Err(Refusal::Proofs));
    // The acceptance that the attacker would need was never given, and cannot be put together.
    let forged = Said { shard: 1, ..accept.clone() };
    let absent = Refusal::Proof { shard: 1, error: ProofError::Absent };
    assert_eq!(town.create(2, &tx, &[accept, forged]), Err(absent));
    assert!(!town.has(&created(&tx, 0)));
}

#[test]
fn a_reject_elicited_early_breaks_published() {
    let mut town = two_coins();
    let (tx, b) = (joint(), town.spend(B));
    let early = town.lock(1, &tx);
    town.unspent.insert(B, b);

    let words = [town.lock(0, &tx), town.lock(1, &tx)];
    town.create(2, &tx, &words);
    town.give_back(0, &tx, &early);
    assert_eq!(town.value(), 300);
}

#[test]
fn a_reject_elicited_early_fails_here() {
    let mut town = Town::new();
    let (blocker, blocked) = blocker(&mut town);
    let tx = joint_here(1);
    // Before the input is there, a shard says nothing.
    let refused = Refusal::UnknownOutpoint { outpoint: [1; 32] };
    assert_eq!(town.lock(1, &tx), Err(refused));
    town.give_back(1, &blocker, &blocked).unwrap();

    // The input has another version now, and the session that names it is another one.
    let freed = coin(1).given_back().unwrap();
    let tx = pay(2, &[coin(3), freed], &[output(2, 5, 2 * WORTH)]);
    let words = [town.lock(0, &tx).unwrap(), town.lock(1, &tx).unwrap()];
    town.create(2, &tx, &words).unwrap();
    for shard in [0, 1] {
        let fake = Said { outcome: Outcome::Rejected, ..words[usize::from(1 - shard)].clone() };
        let absent = Refusal::Proof { shard: 1 - shard, error: ProofError::Absent };
        assert_eq!(town.give_back(shard, &tx, &fake), Err(absent));
    }
    assert!(town.has(&created(&tx, 0)) && !town.has(&coin(3)) && !town.has(&freed));
}

#[test]
fn a_commit_after_the_output_was_spent_breaks_published() {
    let mut town = two_coins();
    let tx = joint();
    let words = [town.lock(0, &tx), town.lock(1, &tx)];
    town.create(2, &tx, &words);
    let spent = town.spend(C);
    town.create(2, &tx, &words);
    assert_eq!(spent + town.value(), 400, "spent, forgotten, and there again");
}

#[test]
fn a_commit_after_the_output_was_spent_fails_here() {
    let mut town = Town::new();
    let tx = joint_here(1);
    let words = [town.lock(0, &tx).unwrap(), town.lock(1, &tx).unwrap()];
    town.create(2, &tx, &words).unwrap();
    let spend = pay(2, &[created(&tx, 0)], &[output(0, 6, 2 * WORTH)]);
    town.lock(2, &spend).unwrap();
    for _ in 0..4 {
        assert_eq!(outcome(&town.create(2, &tx, &words)), Outcome::Created, "as it was said");
        assert!(!town.has(&created(&tx, 0)), "and nothing is created twice");
        town.turn_all(1);
    }
}

#[test]
fn an_abort_of_another_run_breaks_published() {
    let mut town = two_coins();
    let (tx, b) = (joint(), town.spend(B));
    let (_, reject) = (town.lock(0, &tx), town.lock(1, &tx));
    town.give_back(0, &tx, &reject);
    town.unspent.insert(B, b);

    let second = [town.lock(0, &tx), town.lock(1, &tx)];
    town.create(2, &tx, &second);
    town.give_back(0, &tx, &reject);
    assert_eq!(town.value(), 300);
}

#[test]
fn an_abort_of_another_run_fails_here() {
    let mut town = Town::new();
    let (blocker, blocked) = blocker(&mut town);
    let first = joint_here(1);
    let accept = town.lock(0, &first).unwrap();
    let reject = town.lock_shown(1, &first, &accept).unwrap();
    town.give_back(0, &first, &reject).unwrap();
    town.give_back(1, &blocker, &blocked).unwrap();

    // A retry is a new session, on inputs of a new version.
    let inputs = [coin(3), coin(1)].map(|coin| coin.given_back().unwrap());
    let second = pay(2, &inputs, &[output(2, 5, 2 * WORTH)]);
    let words = [town.lock(0, &second).unwrap(), town.lock(1, &second).unwrap()];
    town.create(2, &second, &words).unwrap();
    let absent = Refusal::Proof { shard: 1, error: ProofError::Absent };
    assert_eq!(town.give_back(0, &second, &reject), Err(absent));
    assert_eq!(outcome(&town.give_back(0, &first, &reject)), Outcome::GivenBack, "long ago");
    assert!(inputs.iter().all(|input| !town.has(input)));
}

#[test]
fn a_mix_of_two_runs_breaks_published() {
    let mut town = two_coins();
    let (tx, b) = (joint(), town.spend(B));
    let (accept, reject) = (town.lock(0, &tx), town.lock(1, &tx));
    town.give_back(0, &tx, &reject);
    town.unspent.insert(B, b);
    let words = [accept, town.lock(1, &tx)];
    town.create(2, &tx, &words);
    town.give_back(1, &tx, &reject);
    assert_eq!(town.value(), 400, "committed, and given back on both sides");
}

#[test]
fn a_mix_of_two_runs_fails_here() {
    let mut town = Town::new();
    let (blocker, blocked) = blocker(&mut town);
    let tx = joint_here(1);
    let accept = town.lock(0, &tx).unwrap();
    let reject = town.lock_shown(1, &tx, &accept).unwrap();
    town.give_back(0, &tx, &reject).unwrap();
    town.give_back(1, &blocker, &blocked).unwrap();
    let again = [town.lock(0, &tx).unwrap(), town.lock(1, &tx).unwrap()];
    assert_eq!(again.each_ref().map(|said| said.outcome), [Outcome::Accepted, Outcome::Rejected]);
    assert_eq!(town.create(2, &tx, &again), Err(Refusal::Proofs));
    assert_eq!(outcome(&town.give_back(1, &tx, &reject)), Outcome::Rejected, "nothing to give");
    assert!(!town.has(&created(&tx, 0)) && !town.has(&coin(1)));
    assert!([3, 1].iter().all(|owner| town.has(&coin(*owner).given_back().unwrap())));
}

#[test]
fn a_lie_about_another_shards_value_breaks_published() {
    let mut town = two_coins();
    let lie = Plain { inputs: vec![(A, 100), (B, 900)], outputs: vec![(C, 1000)] };
    let words = [town.lock(0, &lie), town.lock(1, &lie)];
    town.create(2, &lie, &words);
    assert_eq!(town.value(), 1000, "shard 2 sees neither input, shard 1 no sum");
}

#[test]
fn a_lie_about_another_shards_value_fails_here() {
    let mut town = Town::new();
    let (id, version) = ([1; 32], 0);
    let lies = [
        atomix::Input { value: 900, ..coin(1) },
        atomix::Input { owner: coin(3).owner, ..coin(1) },
        atomix::Input { outpoint: Outpoint { shard: 1, id, version: version + 1 }, ..coin(1) },
    ];
    for (nonce, lie) in (0..).zip(lies) {
        let before = coin(3);
        let before = atomix::Input {
            outpoint: Outpoint { version: nonce.try_into().unwrap(), ..before.outpoint },
            ..before
        };
        let value = WORTH + lie.value;
        let tx = pay(nonce, &[before, lie], &[output(2, 5, value)]);
        let accept = town.lock(0, &tx).unwrap();
        let wrong = Refusal::WrongDeclaration { outpoint: id };
        assert_eq!(town.lock(1, &tx), Err(wrong));
        let reject = town.lock_shown(1, &tx, &accept).unwrap();
        assert_eq!(reject.outcome, Outcome::Rejected);
        town.give_back(0, &tx, &reject).unwrap();
        assert!(town.has(&before.given_back().unwrap()) && town.has(&coin(1)));
    }
}

#[test]
fn a_verdict_lost_by_pruning_breaks_published() {
    let mut town = Published { remembers: true, ..two_coins() };
    let (tx, b) = (joint(), town.spend(B));
    let (accept, reject) = (town.lock(0, &tx), town.lock(1, &tx));
    town.give_back(0, &tx, &reject);
    town.unspent.insert(B, b);
    assert!(!town.lock(1, &tx).accepts, "remembered");
    town.verdicts.clear();
    let words = [accept, town.lock(1, &tx)];
    town.create(2, &tx, &words);
    assert_eq!(town.value(), 300);
}

#[test]
fn a_verdict_lost_by_pruning_fails_here() {
    // Whenever within four epochs the attacker comes back, shard 1 does not accept.
    for epochs in 0..4 {
        let mut town = Town::new();
        // The input is not there yet, for it is what this creates.
        let other = pay(7, &[coin(4)], &[output(1, 2, WORTH)]);
        let tx = pay(1, &[coin(3), created(&other, 0)], &[output(2, 5, 2 * WORTH)]);
        let accept = town.lock(0, &tx).unwrap();
        let reject = town.lock_shown(1, &tx, &accept).unwrap();
        town.give_back(0, &tx, &reject).unwrap();
        town.lock(1, &other).unwrap();
        town.create(1, &other, &[]).unwrap();
        assert!(town.has(&created(&other, 0)));

        town.turn_all(epochs);
        let kept = town.shards[&1].verdict(&tx).is_some();
        assert_eq!(kept, epochs < 2, "to the end of the epoch after the session's");
        let later = town.lock(1, &tx).unwrap();
        assert_eq!(later.outcome, Outcome::Rejected, "after {epochs} epochs");
        assert_eq!(outcome(&town.lock(0, &tx)), Outcome::Accepted, "never forgotten");
        assert!(town.has(&created(&other, 0)));
    }
}

#[test]
fn who_holds_a_signed_transaction_can_have_it_executed_and_later_rejected() {
    let mut town = Town::new();
    let tx = joint_here(1);
    let words = [town.lock(0, &tx).unwrap(), town.lock(1, &tx).unwrap()];
    town.turn_all(9);
    town.create(2, &tx, &words).unwrap();
    assert!(town.has(&created(&tx, 0)), "a commit has no time limit");

    let tx = pay(2, &[coin(6), coin(4)], &[output(2, 5, 2 * WORTH)]);
    let rejected = town.lock(0, &tx).unwrap();
    assert_eq!(rejected.outcome, Outcome::Rejected);
    assert_eq!(outcome(&town.give_back(1, &tx, &rejected)), Outcome::Rejected);
}
