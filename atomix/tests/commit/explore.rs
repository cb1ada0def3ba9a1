//! All that two conflicting transactions over three shards can come to, and one that spends after.
//!
//! The explorer is the network and an attacker who holds all transactions and every proof that
//! was ever given: it may ask any shard for anything at any time, again and again, and turn each
//! shard's epoch. So loss is a request that it never makes, duplication one that it makes twice,
//! and a crashed or malicious client one of its ways. In every state that it reaches, value is
//! conserved and sessions are atomic; and from every state an honest client that lost all but
//! the transactions brings each lock to its exit.

use std::collections::BTreeSet;

use atomix::{Checked, Client, Input, Outcome, Proof, client::Record};

use crate::common::{
    SHARDS, Said, Town, WORTH, coin, config, converse, created, output, pay, with_cx,
};

/// A state: the town, what was said of each transaction, and how many epochs each shard turned.
#[derive(Clone)]
struct Node {
    town: Town,
    said: Vec<Vec<Said>>,
    turned: [u64; 3],
}

/// What tells states apart: all but at which height something was said.
type Key = (Vec<BTreeSet<(u16, Outcome)>>, Vec<Vec<bool>>, Vec<bool>, [u64; 3]);

struct Explorer {
    txs: Vec<Checked>,
    /// Every version of every output that there can be.
    outputs: Vec<Input>,
    turns: u64,
    seen: BTreeSet<Key>,
    locked: usize,
}

impl Explorer {
    fn key(&self, node: &Node) -> Key {
        let said = node.said.iter();
        let said = said.map(|said| said.iter().map(|said| (said.shard, said.outcome)).collect());
        let held = node.town.shards.values().map(|state| {
            let outcomes =
                [Outcome::Accepted, Outcome::Rejected, Outcome::GivenBack, Outcome::Created];
            let of = |tx: &Checked| outcomes.map(|outcome| state.said(tx, outcome).is_some());
            self.txs.iter().flat_map(of).collect()
        });
        let unspent = self.outputs.iter().map(|output| node.town.has(output));
        (said.collect(), held.collect(), unspent.collect(), node.turned)
    }

    /// Everything that anyone can do next.
    fn next(&self, node: &Node) -> Vec<Node> {
        let mut next = vec![];
        for (at, tx) in self.txs.iter().enumerate() {
            let of = |shard: u16, outcome| {
                let said = node.said[at].iter();
                said.filter(move |said| said.shard != shard && said.outcome == outcome)
            };
            for shard in 0..SHARDS {
                let mut add = |act: &dyn Fn(&mut Town) -> Result<Said, atomix::Refusal>| {
                    let mut after = node.clone();
                    let Ok(said) = act(&mut after.town) else { return };
                    let same =
                        |known: &Said| (known.shard, known.outcome) == (said.shard, said.outcome);
                    if !after.said[at].iter().any(same) {
                        after.said[at].push(said);
                    }
                    next.push(after);
                };
                add(&|town| town.lock(shard, tx));
                for shown in of(shard, Outcome::Accepted) {
                    add(&|town| town.lock_shown(shard, tx, shown));
                }
                for proof in of(shard, Outcome::Rejected) {
                    add(&|town| town.give_back(shard, tx, proof));
                }
                let mut proofs: Vec<_> = of(shard, Outcome::Accepted).cloned().collect();
                proofs.sort_by_key(|proof: &Proof<()>| proof.shard);
                add(&|town| town.create(shard, tx, &proofs));
            }
        }
        for shard in 0..SHARDS {
            let mut after = node.clone();
            after.turned[usize::from(shard)] += 1;
            after.town.turn(shard, 1);
            if after.turned[usize::from(shard)] <= self.turns {
                next.push(after);
            }
        }
        next
    }

    fn check(&self, node: &Node) {
        assert!(node.town.worth(&self.outputs) <= 3 * WORTH, "value out of nothing");
        for said_of in &node.said {
            let said = |outcome| said_of.iter().any(|said| said.outcome == outcome);
            assert!(!(said(Outcome::Created) && said(Outcome::GivenBack)), "half a session");
            assert!(!(said(Outcome::Created) && said(Outcome::Rejected)), "half a session");
            for shard in 0..SHARDS {
                let by = |outcome| {
                    said_of.iter().any(|said| (said.shard, said.outcome) == (shard, outcome))
                };
                assert!(!(by(Outcome::Accepted) && by(Outcome::Rejected)), "two verdicts");
            }
        }
        let both =
            |outcome| node.said[..2].iter().all(|said| said.iter().any(|s| s.outcome == outcome));
        assert!(!both(Outcome::Created), "they conflict");
    }

    /// From here, an honest client whose only records are the transactions.
    fn drive(&mut self, node: &Node) {
        let locked = node.town.worth(&self.outputs) < 3 * WORTH;
        self.locked += usize::from(locked);
        let mut town = node.town.clone();
        let started = |tx: &Checked| Record::Started(Box::new(tx.transaction().clone()));
        let records: Vec<_> = self.txs.iter().map(started).collect();
        let restored = with_cx(0, |cx| Client::restore(config(&town.notary), records, cx));
        let (mut client, step) = restored.unwrap();
        converse(&mut town, &mut client, step, &self.txs, 6, || false);
        assert_eq!(town.worth(&self.outputs), 3 * WORTH, "a lock without an exit");
        for tx in &self.txs {
            let shards = tx.declaration().output_shards();
            let is_there = |shard| town.shards[&shard].said(tx, Outcome::Created).is_some();
            let created: BTreeSet<_> = shards.into_iter().map(is_there).collect();
            assert_eq!(created.len(), 1, "some outputs and not others");
        }
    }

    fn run(&mut self, root: Node) -> usize {
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            if !self.seen.insert(self.key(&node)) {
                continue;
            }
            self.check(&node);
            self.drive(&node);
            stack.extend(self.next(&node));
        }
        self.seen.len()
    }
}

/// Explores with each shard turning its epoch up to `turns` times, after `epochs` turns of all.
/// With `third`, another transaction spends what the first creates or gets back, so that there
/// is a reason to create it or give it back again.
fn explore(epochs: u64, turns: u64, third: Option<fn(&Checked) -> Input>) -> (usize, usize) {
    // Both want the coin of shard 1.
    let half = WORTH;
    let mut txs = vec![
        pay(1, &[coin(3), coin(1)], &[output(2, 5, half), output(0, 5, half)]),
        pay(2, &[coin(1), coin(2)], &[output(0, 6, half), output(1, 6, half)]),
    ];
    if let Some(input) = third.map(|third| third(&txs[0])) {
        txs.push(pay(3, &[input], &[output(1, 7, input.value)]));
    }
    let of = |tx: &Checked| tx.declaration().created(tx.session()).collect::<Vec<_>>();
    let mut outputs: Vec<_> = txs.iter().flat_map(of).collect();
    for owner in [3, 1, 2] {
        let versions = std::iter::successors(Some(coin(owner)), Input::given_back);
        outputs.extend(versions.take(4));
    }
    let mut town = Town::new();
    town.turn_all(epochs);
    let root = Node { town, said: vec![vec![]; txs.len()], turned: [0; 3] };
    let mut explorer = Explorer { txs, outputs, turns, seen: BTreeSet::new(), locked: 0 };
    (explorer.run(root), explorer.locked)
}

#[test]
fn every_interleaving_is_atomic_and_every_lock_has_an_exit() {
    let (states, locked) = explore(0, 0, None);
    assert!(states > 40 && locked > 30, "{states} states, {locked} with locks");
}

#[test]
fn epochs_that_change_in_flight_change_nothing() {
    for (epochs, turns) in [(1, 1), (0, 2), (0, 3)] {
        let (states, locked) = explore(epochs, turns, None);
        assert!(states > 500 && locked > 200, "{states} states, {locked} with locks");
    }
}

#[test]
fn what_was_created_or_given_back_and_spent_does_not_return() {
    let thirds: [fn(&Checked) -> Input; 2] =
        [|first| created(first, 0), |_| coin(3).given_back().unwrap()];
    for third in thirds {
        for (epochs, turns) in [(0, 0), (1, 1)] {
            let (states, locked) = explore(epochs, turns, Some(third));
            assert!(states > 40 && locked > 30, "{states} states, {locked} with locks");
        }
    }
}
