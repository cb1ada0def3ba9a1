//! Random payments across shards against one ledger written as a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cosi::sim::Network;
use omniledger::{Session, Transaction, atomix::Input};
use proptest::prelude::*;

use crate::{
    network::{self, WALLETS, pay, simulate},
    shards::unspent,
    town::{Town, WORTH, to, town},
};

/// What to spend, by its place among all outputs so far, and how to share it out.
#[derive(Clone, Debug)]
struct Attempt {
    spend: Vec<prop::sample::Index>,
    share: Vec<(u16, u64)>,
    lie: bool,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let spend = prop::collection::vec(any::<prop::sample::Index>(), 1..4);
    let share = prop::collection::vec((0..4_u16, 0..150_u64), 0..4);
    (spend, share, prop::bool::weighted(0.1)).prop_map(|(spend, share, lie)| Attempt {
        spend,
        share,
        lie,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Rounds of payments that may conflict, against one ledger without shards and locks: a
    /// table of values by name.
    #[test]
    fn shards_together_are_one_ledger(
        rounds in prop::collection::vec(prop::collection::vec(attempt(), 1..5), 1..4),
        wide in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let town = if wide { Town::new(16, 4, 12) } else { town() };
        let shards = town.genesis.shards;
        let mut sim = simulate(&town.genesis, Network { seed, ..Network::default() });
        let mut table: BTreeMap<[u8; 32], u64> =
            town.genesis.granted().map(|coin| (coin.outpoint.id, coin.value)).collect();
        let mut ever: Vec<Input> = town.genesis.granted().collect();
        let (mut all, mut burnt, mut nonce): (Vec<Transaction>, u64, u64) = (vec![], 0, 0);
        for round in rounds {
            network::seat(&mut sim, town.genesis.validators.len());
            let mut pays: Vec<Transaction> = vec![];
            for Attempt { spend, share, lie } in round {
                let mut inputs: Vec<Input> = spend.iter().map(|at| {
                    let any = at.get(&ever);
                    unspent(&sim, any).unwrap_or(*any)
                }).collect();
                if let Some(first) = inputs.first_mut().filter(|_| lie) {
                    first.value += 50;
                }
                let outputs: Vec<_> =
                    share.iter().map(|(shard, value)| to(shard % shards, *value)).collect();
                nonce += 1;
                let made = town.pay(nonce, &inputs, &outputs);
                pays.extend(town.genesis.rules().check_one(made).ok().map(|it| it.into_transaction()));
            }
            let now = sim.now();
            for (at, transaction) in pays.iter().enumerate() {
                pay(&mut sim, now, WALLETS[at % 2], transaction);
            }
            // What spends a coin that is long gone waits for it; the rest comes to an end.
            let _ = sim.run_until(now.after(Duration::from_secs(120)), |sim| {
                let world = sim.application();
                world.committed.len() + world.aborted.len() == all.len() + pays.len()
            }).unwrap();
            let committed: BTreeSet<Session> =
                sim.application().committed.iter().map(|(_, session)| *session).collect();
            for transaction in &pays {
                if !committed.contains(&town.session(transaction)) {
                    continue;
                }
                let mut balance = 0;
                for input in transaction.declaration.inputs.iter() {
                    prop_assert_eq!(table.remove(&input.outpoint.id), Some(input.value));
                    balance += input.value;
                }
                for output in transaction.declaration.created(town.session(transaction)) {
                    table.insert(output.outpoint.id, output.value);
                    balance -= output.value;
                }
                burnt += balance;
            }
            for transaction in &pays {
                // Who is alone and fits is committed.
                let names = |of: &Transaction| -> BTreeSet<_> {
                    of.declaration.inputs.iter().map(|input| input.outpoint.id).collect()
                };
                let others = pays.iter().filter(|other| *other != transaction);
                let alone = others.into_iter().all(|it| names(it).is_disjoint(&names(transaction)));
                let fits = transaction.declaration.inputs.iter().all(|input| {
                    table.get(&input.outpoint.id) == Some(&input.value)
                });
                prop_assert!(!(alone && fits), "left out");
                ever.extend(transaction.declaration.created(town.session(transaction)));
            }
            all.extend(pays);
            for output in &ever {
                let there = unspent(&sim, output).is_some();
                prop_assert_eq!(there, table.contains_key(&output.outpoint.id));
            }
            let total = WORTH * u64::try_from(town.genesis.grants.len()).unwrap();
            prop_assert_eq!(table.values().sum::<u64>() + burnt, total);
        }
        prop_assert!(sim.application().faults.is_empty());
    }
}
