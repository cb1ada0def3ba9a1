//! For every rule, who breaks it.

use cosi::{
    keys::Signature,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    genesis::GenesisId,
    ledger::Ledger,
    transaction::{
        BuildError, Declaration, Input, MAX_INPUTS, MAX_OUTPUTS, Outpoint, Output, Rejection,
        Rules, Transaction,
    },
    utxo::Utxo,
};

use crate::common::{RULES, coin, declare, execute, key, output, sign, sign_for, town, verdict};

fn honest() -> Transaction {
    sign(declare(&[coin(1), coin(2)], &[output(3, 150), output(1, 50)]))
}

#[test]
fn an_honest_transaction_moves_value() {
    let (mut ledger, pay) = (town(), honest());
    assert_eq!(execute(&mut ledger, &pay), Ok(()));
    let session = pay.declaration.session(&RULES.genesis);
    assert_eq!(ledger.id(&pay), session.0);
    for created in pay.declaration.created(session) {
        assert_eq!(ledger.spendable(&created), Ok(()));
    }
    assert_eq!(ledger.spendable(&coin(1)), Err(Rejection::UnknownOutpoint { outpoint: [1; 32] }));
    let expected = Utxo::new(RULES, (3..10).map(coin).chain(pay.declaration.created(session)));
    assert_eq!(ledger, expected);
}

#[test]
fn a_transaction_is_executed_once() {
    let (mut ledger, pay) = (town(), honest());
    let checked = ledger.check(vec![pay.clone()]).results.remove(0).unwrap();
    assert_eq!(ledger.apply(&checked), Ok(()));
    let spent = Err(Rejection::UnknownOutpoint { outpoint: [1; 32] });
    assert_eq!(ledger.apply(&checked), spent);
    assert_eq!(execute(&mut ledger, &pay), spent);

    // Not even when its outputs are spent again, back to whom they came from.
    let created: Vec<_> = pay.declaration.created(checked.session()).collect();
    let back = declare(&created, &[output(1, 100), output(2, 100)]);
    assert_eq!(execute(&mut ledger, &sign(back)), Ok(()));
    assert_eq!(execute(&mut ledger, &pay), spent);
}

#[test]
fn an_output_is_spent_once() {
    let mut ledger = town();
    assert_eq!(execute(&mut ledger, &honest()), Ok(()));
    let again = declare(&[coin(3), coin(2)], &[output(4, 200)]);
    let spent = Err(Rejection::UnknownOutpoint { outpoint: [2; 32] });
    assert_eq!(execute(&mut ledger, &sign(again)), spent);
    assert_eq!(ledger.spendable(&coin(3)), Ok(()), "the other input stays unspent");

    let twice = sign(declare(&[coin(1), coin(2), coin(1)], &[output(4, 300)]));
    assert_eq!(verdict(&twice), "duplicate_input");
    let version = Outpoint { version: 1, ..coin(1).outpoint };
    let other_version = Input { outpoint: version, ..coin(1) };
    let twice = sign(declare(&[coin(1), other_version], &[output(4, 200)]));
    assert_eq!(verdict(&twice), "duplicate_input");
}

#[test]
fn an_input_that_differs_from_the_ledger_is_refused() {
    let Input { outpoint, value, owner } = coin(1);
    let lies = [
        Input { value: value + 1, ..coin(1) },
        Input { value: value - 1, ..coin(1) },
        // Whoever declares itself the owner signs, and the signature holds.
        Input { owner: coin(2).owner, ..coin(1) },
        Input { outpoint: Outpoint { version: 1, ..outpoint }, ..coin(1) },
        Input { outpoint: Outpoint { shard: 1, ..outpoint }, ..coin(1) },
    ];
    for lie in lies {
        assert_eq!(verdict(&sign(declare(&[lie], &[output(4, 1)]))), "wrong_declaration");
    }
    let nowhere = Outpoint { id: [99; 32], ..outpoint };
    let forged = Input { outpoint: nowhere, value, owner };
    assert_eq!(verdict(&sign(declare(&[coin(2), forged], &[output(4, 1)]))), "unknown_outpoint");
}

#[test]
fn only_owners_spend() {
    let pay = honest();
    let session = pay.declaration.session(&RULES.genesis);
    let with = |signatures: [Signature; 2]| {
        let signatures = BoundedVec::new(signatures.to_vec()).unwrap();
        Transaction { signatures, ..pay.clone() }
    };
    let [first, second] = [1, 2].map(|owner| session.sign(&key(owner)));
    assert_eq!(with([first, second]), pay);

    let nobody = Signature([0; 64]);
    let thief = session.sign(&key(9));
    let another = declare(&[coin(2)], &[output(3, 100)]).session(&RULES.genesis).sign(&key(2));
    let elsewhere = pay.declaration.session(&GenesisId([8; 32])).sign(&key(2));
    let bare = key(2).sign(&[0; 16], &session.0);
    for bad in [nobody, thief, another, elsewhere, bare, first] {
        let refused = execute(&mut town(), &with([first, bad]));
        assert_eq!(refused, Err(Rejection::BadSignature { inputs: vec![1] }));
    }
    let swapped = execute(&mut town(), &with([second, first]));
    assert_eq!(swapped, Err(Rejection::BadSignature { inputs: vec![0, 1] }));

    for signatures in [vec![], vec![first], vec![first, second, second]] {
        let signatures = BoundedVec::new(signatures).unwrap();
        let unsigned = Transaction { signatures, ..pay.clone() };
        assert_eq!(verdict(&unsigned), "signature_count");
    }
}

#[test]
fn signatures_cover_everything_declared() {
    let pay = honest();
    let Declaration { inputs, outputs, nonce, .. } = pay.declaration.clone();
    let mut changed = vec![];
    let mut other_nonce = pay.declaration.clone();
    other_nonce.nonce = nonce + 1;
    changed.push(other_nonce);
    let [a, b] = outputs[..] else { panic!() };
    let others = [
        vec![Output { value: a.value - 1, ..a }, b],
        vec![Output { owner: key(9).public().to_bytes(), ..a }, b],
        vec![Output { shard: 1, ..a }, b],
        vec![b, a],
        vec![a],
        vec![a, b, output(9, 0)],
    ];
    changed.extend(others.iter().map(|outputs| declare(&inputs, outputs)));
    for declaration in changed {
        let forged = Transaction { declaration, ..pay.clone() };
        assert_eq!(verdict(&forged), "bad_signature");
    }
}

#[test]
fn a_transaction_is_for_one_ledger_and_one_epoch() {
    let elsewhere = GenesisId([8; 32]);
    let foreign = sign_for(&elsewhere, honest().declaration);
    assert_eq!(verdict(&foreign), "bad_signature");
    for epoch in [0, RULES.epoch - 1, RULES.epoch + 1, u64::MAX] {
        let declared = Declaration::new(epoch, 1, vec![coin(1)], vec![output(2, 100)]).unwrap();
        assert_eq!(verdict(&sign(declared)), "wrong_epoch");
    }

    // What one ledger or epoch checked is nothing to another, though its state be the same.
    let pay = honest();
    let checked = RULES.check(vec![pay]).results.remove(0).unwrap();
    for rules in [
        Rules { genesis: elsewhere, ..RULES },
        Rules { epoch: RULES.epoch + 1, ..RULES },
        Rules { shards: 1, ..RULES },
    ] {
        let mut other = Utxo::new(rules, (1..10).map(coin));
        assert_eq!(other.apply(&checked), Err(Rejection::OtherRules));
        assert_eq!(other.root(), town().root());
    }
}

#[test]
fn value_is_not_made() {
    assert_eq!(verdict(&sign(declare(&[coin(1)], &[output(2, 101)]))), "inflation");
    assert_eq!(verdict(&sign(declare(&[coin(1)], &[output(2, 100), output(1, 1)]))), "inflation");
    let wraps = [output(2, u64::MAX), output(2, 101)];
    assert_eq!(verdict(&sign(declare(&[coin(1)], &wraps))), "overflow");
    let rich = Input { value: u64::MAX, ..coin(2) };
    assert_eq!(verdict(&sign(declare(&[coin(1), rich], &[output(2, 99)]))), "overflow");
    assert_eq!(verdict(&sign(declare(&[], &[]))), "no_inputs");
    assert_eq!(verdict(&sign(declare(&[], &[output(1, 0)]))), "no_inputs");
}

#[test]
fn value_may_be_nothing_and_may_be_burnt() {
    let mut ledger = town();
    let pay = sign(declare(&[coin(1)], &[output(2, 0), output(3, 60)]));
    assert_eq!(execute(&mut ledger, &pay), Ok(()));
    let created: Vec<_> =
        pay.declaration.created(pay.declaration.session(&RULES.genesis)).collect();
    assert_eq!(execute(&mut ledger, &sign(declare(&created[..1], &[output(4, 0)]))), Ok(()));
    assert_eq!(execute(&mut ledger, &sign(declare(&created[1..], &[]))), Ok(()));
    assert_eq!(ledger.unspent().len(), 9);
}

#[test]
fn shards_are_those_of_the_ledger() {
    for shard in [2, 3, u16::MAX] {
        let to = Output { shard, ..output(2, 100) };
        assert_eq!(verdict(&sign(declare(&[coin(1)], &[to]))), "unknown_shard");
        let outpoint = Outpoint { shard, ..coin(1).outpoint };
        let from = Input { outpoint, ..coin(1) };
        assert_eq!(verdict(&sign(declare(&[from], &[output(2, 100)]))), "unknown_shard");
    }
    assert_eq!(
        verdict(&sign(declare(&[coin(1)], &[Output { shard: 1, ..output(2, 1) }]))),
        "executed"
    );
}

#[test]
fn the_largest_transaction_is_executed_and_a_larger_one_is_not_made() {
    let coins: Vec<Input> = (0..MAX_INPUTS)
        .map(|at| {
            let mut outpoint = coin(1).outpoint;
            outpoint.id[..8].copy_from_slice(&at.to_le_bytes());
            Input { outpoint, value: 2, ..coin(1) }
        })
        .collect();
    let largest = sign(declare(&coins, &[output(2, 1); MAX_OUTPUTS]));
    assert_eq!(largest.encode().len(), omniledger::transaction::MAX_BYTES);
    let mut ledger = Utxo::new(RULES, coins.iter().copied());
    assert_eq!(execute(&mut ledger, &largest), Ok(()));
    assert_eq!(ledger.unspent().len(), MAX_OUTPUTS);

    let inputs = Declaration::new(3, 1, [&coins[..], &coins[..1]].concat(), vec![]);
    assert_eq!(inputs, Err(BuildError::TooManyInputs));
    let outputs = Declaration::new(3, 1, coins, vec![output(2, 0); MAX_OUTPUTS + 1]);
    assert_eq!(outputs, Err(BuildError::TooManyOutputs));
}

#[test]
fn a_wallet_signs_only_with_the_owners_key() {
    let pay = declare(&[coin(1), coin(2)], &[]);
    let nobody = pay.clone().sign(&RULES.genesis, |_| None);
    assert_eq!(nobody, Err(BuildError::MissingKey { input: 0 }));
    let first = key(1);
    let alone = pay.sign(&RULES.genesis, |_| Some(&first));
    assert_eq!(alone, Err(BuildError::MissingKey { input: 1 }));
}

#[test]
fn a_batch_names_each_culprit_and_spares_the_rest() {
    let ledger = town();
    let mut transactions: Vec<_> =
        (1..10).map(|owner| sign(declare(&[coin(owner)], &[output(1, 100)]))).collect();
    let checks = ledger.check(transactions.clone());
    assert!(checks.results.iter().all(Result::is_ok));
    assert_eq!(checks.signatures, 9);

    let forged = transactions[3].declaration.session(&RULES.genesis).sign(&key(1));
    transactions[3].signatures = BoundedVec::new(vec![forged]).unwrap();
    transactions[5].declaration.nonce += 1;
    transactions[7].signatures = BoundedVec::default();
    let checks = ledger.check(transactions);
    let names = checks.results.iter().map(|result| result.as_ref().err().map(Rejection::name));
    let bad = Some("bad_signature");
    let expected = [None, None, None, bad, None, bad, None, Some("signature_count"), None];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    assert_eq!(checks.signatures, 8, "none is checked where the form is wrong");
    assert_eq!(ledger.check(vec![]).signatures, 0);
}
