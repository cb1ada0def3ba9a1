//! Random transaction graphs over three shards, against one ledger written as a table.

use std::collections::{BTreeMap, BTreeSet};

use atomix::{
    Checked, Client, Declaration, Input,
    client::{Event, Record},
};
use proptest::prelude::*;

use crate::common::{Town, WORTH, coin, config, converse, output, rules, sign, with_cx};

/// One attempt: which of all outputs ever made to spend, whether to lie of a value, and how to
/// share the value out.
#[derive(Clone, Debug)]
struct Attempt {
    spend: Vec<prop::sample::Index>,
    lie: bool,
    share: Vec<(u16, u8, u64)>,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let spend = prop::collection::vec(any::<prop::sample::Index>(), 1..4);
    let share = prop::collection::vec((0..3_u16, 1..10_u8, 0..150_u64), 0..4);
    (spend, prop::bool::weighted(0.1), share).prop_map(|(spend, lie, share)| Attempt {
        spend,
        lie,
        share,
    })
}

/// Attempts that are made at the same time, and which messages are lost meanwhile.
fn round() -> impl Strategy<Value = (Vec<Attempt>, Vec<bool>)> {
    (prop::collection::vec(attempt(), 1..4), prop::collection::vec(any::<bool>(), 0..14))
}

/// Outputs by name, without shards, locks or versions.
struct Table {
    unspent: BTreeMap<[u8; 32], u64>,
    burnt: u64,
}

impl Table {
    fn execute(&mut self, tx: &Checked) {
        let mut balance = 0;
        for input in tx.declaration().inputs.iter() {
            let value = self.unspent.remove(&input.outpoint.id);
            assert_eq!(value, Some(input.value), "spent twice, or never there");
            balance += input.value;
        }
        for output in tx.declaration().created(tx.session()) {
            assert_eq!(self.unspent.insert(output.outpoint.id, output.value), None);
            balance -= output.value;
        }
        self.burnt += balance;
    }

    /// Whether it could be executed.
    fn fits(&self, tx: &Checked) -> bool {
        let mut inputs = tx.declaration().inputs.iter();
        inputs.all(|input| self.unspent.get(&input.outpoint.id) == Some(&input.value))
    }
}

/// The output as it can be spent, at whatever version, or as it is.
fn latest(town: &Town, output: &Input) -> Input {
    let mut versions = std::iter::successors(Some(*output), Input::given_back).take(64);
    versions.find(|version| town.has(version)).unwrap_or(*output)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn shards_together_are_one_ledger(rounds in prop::collection::vec(round(), 1..8)) {
        let mut town = Town::new();
        let unspent = (1..10).map(|owner| ([owner; 32], WORTH)).collect();
        let mut table = Table { unspent, burnt: 0 };
        let mut ever: Vec<Input> = (1..10).map(coin).collect();
        let mut nonce = 0;
        for (attempts, mut losses) in rounds {
            let mut txs: Vec<Checked> = vec![];
            for Attempt { spend, lie, share } in attempts {
                let inputs = spend.iter().map(|index| latest(&town, index.get(&ever)));
                let mut inputs: Vec<Input> = inputs.collect();
                if let Some(first) = inputs.first_mut().filter(|_| lie) {
                    first.value += 50;
                }
                let outputs = share.iter().map(|(shard, to, value)| output(*shard, *to, *value));
                nonce += 1;
                let tx = Declaration::new(0, nonce, 1000, inputs, outputs.collect()).unwrap();
                txs.extend(rules().check_one(sign(tx)));
            }
            let started = |tx: &Checked| Record::Started(Box::new(tx.transaction().clone()));
            let records: Vec<_> = txs.iter().map(started).collect();
            let restored = with_cx(0, |cx| Client::restore(config(&town.notary), records, cx));
            let (mut client, step) = restored.unwrap();
            let lost = || losses.pop().unwrap_or(false);
            let (_, events) = converse(&mut town, &mut client, step, &txs, 20, lost);

            let ended = |end: fn(_) -> Event| {
                txs.iter().filter(|tx| events.contains(&end(tx.session()))).collect::<Vec<_>>()
            };
            let (committed, aborted) = (ended(Event::Committed), ended(Event::Aborted));
            for tx in &committed {
                prop_assert!(!aborted.contains(tx));
                table.execute(tx);
            }
            for tx in &txs {
                // Who is alone and fits is executed.
                let names = |tx: &Checked| {
                    let inputs = tx.declaration().inputs.iter();
                    inputs.map(|input| input.outpoint.id).collect::<BTreeSet<_>>()
                };
                let others = txs.iter().filter(|other| *other != tx);
                let alone = others.into_iter().all(|other| names(other).is_disjoint(&names(tx)));
                prop_assert!(!(alone && table.fits(tx)), "left out: {tx:?}");
                ever.extend(tx.declaration().created(tx.session()));
            }
            for output in &ever {
                let there = town.has(&latest(&town, output));
                prop_assert_eq!(there, table.unspent.contains_key(&output.outpoint.id));
            }
            prop_assert_eq!(table.unspent.values().sum::<u64>() + table.burnt, 9 * WORTH);
        }
    }
}
