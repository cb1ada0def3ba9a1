//! Random transactions against a ledger written as a table.

use std::collections::BTreeMap;

use cosi::wire::Wire;
use omniledger::{
    ledger::Ledger,
    transaction::{Input, Transaction},
    utxo::Utxo,
};
use proptest::prelude::*;

use crate::common::{RULES, coin, declare, execute, output, sign, town};

/// One attempt: which of all outputs ever made to spend, what to say of their values, and how
/// to share the value out.
#[derive(Clone, Debug)]
struct Attempt {
    spend: Vec<prop::sample::Index>,
    lie: bool,
    share: Vec<(u8, u64)>,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let spend = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let share = prop::collection::vec((1..10_u8, 0..250_u64), 0..4);
    (spend, prop::bool::weighted(0.1), share).prop_map(|(spend, lie, share)| Attempt {
        spend,
        lie,
        share,
    })
}

/// Outputs by name: value and owner.
#[derive(Default)]
struct Table {
    unspent: BTreeMap<[u8; 32], Input>,
    burnt: i128,
}

impl Table {
    fn execute(&mut self, transaction: &Transaction) -> bool {
        let (inputs, outputs) = (&transaction.declaration.inputs, &transaction.declaration.outputs);
        let mut after = self.unspent.clone();
        let mut balance = 0_i128;
        for input in inputs.iter() {
            if after.remove(&input.outpoint.id) != Some(*input) {
                return false;
            }
            balance += i128::from(input.value);
        }
        balance -= outputs.iter().map(|output| i128::from(output.value)).sum::<i128>();
        if inputs.is_empty() || balance < 0 {
            return false;
        }
        let session = transaction.declaration.session(&RULES.genesis);
        after.extend(transaction.declaration.created(session).map(|new| (new.outpoint.id, new)));
        self.unspent = after;
        self.burnt += balance;
        true
    }

    fn value(&self) -> i128 {
        self.unspent.values().map(|output| i128::from(output.value)).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_transactions_conserve_value(attempts in prop::collection::vec(attempt(), 1..24)) {
        let mut ledger = town();
        let mut table = Table::default();
        table.unspent.extend((1..10).map(|owner| (coin(owner).outpoint.id, coin(owner))));
        let mut ever: Vec<Input> = (1..10).map(coin).collect();
        let mut executed: Vec<Transaction> = vec![];
        for Attempt { spend, lie, share } in attempts {
            let mut inputs: Vec<Input> = spend.iter().map(|index| *index.get(&ever)).collect();
            if let Some(first) = inputs.first_mut().filter(|_| lie) {
                first.value += 50;
            }
            let outputs: Vec<_> = share.iter().map(|(to, value)| output(*to, *value)).collect();
            let transaction = sign(declare(&inputs, &outputs));
            prop_assert_eq!(Transaction::decode(&transaction.encode()), Ok(transaction.clone()));

            let done = execute(&mut ledger, &transaction).is_ok();
            prop_assert_eq!(done, table.execute(&transaction));
            prop_assert_eq!(table.value() + table.burnt, 900);
            prop_assert_eq!(ledger.root(), Utxo::new(RULES, table.unspent.values().copied()).root());
            if done {
                let session = transaction.declaration.session(&RULES.genesis);
                ever.extend(transaction.declaration.created(session));
                executed.push(transaction);
            }
            for replayed in &executed {
                prop_assert!(execute(&mut ledger, replayed).is_err());
            }
        }
    }
}
