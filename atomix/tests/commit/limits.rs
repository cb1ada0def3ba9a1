//! What is refused: malformed transactions, wrong times, wrong places, wrong proofs.

use atomix::{
    Declaration, GenesisId, Input, Malformed, Outcome, Outpoint, Parameters, ProofError, Refusal,
    Rules, Transaction, refusal::OutOfOrder, transaction::MAX_INPUT_SHARDS, wire::BoundedVec,
};

use crate::common::{
    GENESIS, Said, Town, WORTH, coin, created, key, outcome, output, pay, pay_in, rules, sign,
};

fn declare(inputs: &[Input], outputs: &[atomix::Output]) -> Declaration {
    Declaration::new(0, 1, 10, inputs.to_vec(), outputs.to_vec()).unwrap()
}

fn malformed(transaction: Transaction) -> &'static str {
    rules().check_one(transaction).unwrap_err().name()
}

#[test]
fn malformed_transactions_are_dropped() {
    let good = declare(&[coin(1), coin(2)], &[output(0, 3, WORTH)]);
    let with = |change: fn(&mut Declaration)| {
        let mut declared = good.clone();
        change(&mut declared);
        malformed(sign(declared))
    };
    assert!(rules().check_one(sign(good.clone())).is_ok());
    assert_eq!(with(|declared| declared.inputs = BoundedVec::default()), "no_inputs");
    assert_eq!(with(|declared| declared.deadline = 1001), "deadline");
    let twice = Input { outpoint: Outpoint { version: 1, ..coin(1).outpoint }, ..coin(1) };
    assert_eq!(malformed(sign(declare(&[coin(1), twice], &[]))), "duplicate_input");
    let far = Input { outpoint: Outpoint { shard: 3, ..coin(1).outpoint }, ..coin(1) };
    assert_eq!(malformed(sign(declare(&[far], &[]))), "unknown_shard");
    assert_eq!(malformed(sign(declare(&[coin(1)], &[output(3, 1, 0)]))), "unknown_shard");
    let last = Outpoint { version: u32::MAX, ..coin(1).outpoint };
    let last = Input { outpoint: last, ..coin(1) };
    assert_eq!(malformed(sign(declare(&[last], &[]))), "last_version");
    let more = declare(&[coin(1)], &[output(0, 1, WORTH), output(1, 1, 1)]);
    assert_eq!(malformed(sign(more)), "inflation");
    let rich = [output(0, 1, u64::MAX), output(1, 1, 1)];
    assert_eq!(malformed(sign(declare(&[coin(1)], &rich))), "overflow");

    let signed = sign(good.clone());
    let short = Transaction {
        signatures: BoundedVec::new(signed.signatures[..1].to_vec()).unwrap(),
        ..signed.clone()
    };
    assert_eq!(malformed(short), "signature_count");
    // What an owner signed is this session, with all that it declares.
    let changes: [fn(&mut Declaration); 5] = [
        |declared| declared.nonce += 1,
        |declared| declared.epoch += 1,
        |declared| declared.deadline += 1,
        |declared| declared.outputs = BoundedVec::new(vec![output(1, 3, WORTH)]).unwrap(),
        |declared| declared.inputs = BoundedVec::new(vec![coin(2), coin(1)]).unwrap(),
    ];
    for change in changes {
        let mut other = signed.clone();
        change(&mut other.declaration);
        assert_eq!(malformed(other), "bad_signature");
    }
    let elsewhere = Rules::new(GenesisId([8; 32]), Parameters::default());
    assert_eq!(elsewhere.check_one(signed.clone()).unwrap_err().name(), "bad_signature");
    let stranger = declare(&[coin(1)], &[]).session(&GENESIS).sign(&key(2));
    let stolen = Transaction {
        declaration: declare(&[coin(1)], &[]),
        signatures: BoundedVec::new(vec![stranger]).unwrap(),
    };
    let batch = rules().check(vec![signed.clone(), stolen, signed]);
    let bad = Err(Malformed::BadSignature { inputs: vec![0] });
    assert_eq!((batch.results[0].is_ok(), batch.results[2].is_ok()), (true, true));
    assert_eq!((&batch.results[1], batch.signatures), (&bad, 5));
}

#[test]
fn limits_of_the_epoch_hold_and_are_reached() {
    let parameters = Parameters { shards: 100, inputs: 65, outputs: 1, ..Parameters::default() };
    let mut rules = Rules::new(GENESIS, parameters);
    let inputs = |count: u8, spread: u16| {
        let input = |at: u8| Input {
            outpoint: Outpoint { shard: u16::from(at) % spread, id: [at; 32], version: 0 },
            ..coin(1)
        };
        (0..count).map(input).collect::<Vec<_>>()
    };
    let check = |rules: &Rules, declared| rules.check_one(sign(declared)).map(|_| ());
    assert_eq!(check(&rules, declare(&inputs(65, 64), &[output(0, 1, 1)])), Ok(()));
    let spread = check(&rules, declare(&inputs(65, 65), &[]));
    assert_eq!(spread, Err(Malformed::TooManyShards { shards: MAX_INPUT_SHARDS + 1 }));
    assert_eq!(check(&rules, declare(&inputs(66, 2), &[])), Err(Malformed::TooLarge));
    let two = [output(0, 1, 1), output(0, 1, 1)];
    assert_eq!(check(&rules, declare(&inputs(2, 2), &two)), Err(Malformed::TooLarge));

    // Parameters are those of the session's epoch, whatever came since.
    rules.publish(1, Parameters { shards: 1, ..parameters });
    assert_eq!(check(&rules, declare(&inputs(2, 2), &[])), Ok(()));
    let later = Declaration::new(5, 1, 10, inputs(2, 2), vec![]).unwrap();
    assert_eq!(check(&rules, later), Err(Malformed::UnknownShard { shard: 1 }));
}

#[test]
fn a_state_takes_what_its_own_rules_checked() {
    let mut town = Town::new();
    let more = Parameters { shards: 4, deadline: 1000, ..Parameters::default() };
    let foreign = Rules::new(GENESIS, more);
    let declared = declare(&[coin(1)], &[output(2, 1, WORTH)]);
    let foreign = foreign.check_one(sign(declared)).unwrap();
    assert_eq!(town.lock(1, &foreign), Err(Refusal::OtherRules));
    let state = town.shards.get_mut(&1).unwrap();
    assert_eq!(state.publish(0, more), Err(OutOfOrder::Epoch(0)));
    state.publish(1, more).unwrap();
    assert_eq!(town.lock(1, &foreign), Err(Refusal::OtherRules));
    assert_eq!(outcome(&town.lock(1, &pay(1, &[coin(1)], &[]))), Outcome::Accepted);
}

#[test]
fn an_epoch_is_waited_for_and_its_time_ends() {
    let tx = pay_in(1, 1, 1000, &[coin(3), coin(1)], &[output(2, 5, 2 * WORTH)]);
    let verdict = |epochs| {
        let mut town = Town::new();
        town.turn_all(epochs);
        town.lock(0, &tx).map(|said| said.outcome)
    };
    let early = Refusal::LaterEpoch { declared: 1, current: 0 };
    assert_eq!(verdict(0), Err(early));
    assert_eq!([1, 2].map(verdict), [Ok(Outcome::Accepted); 2]);
    assert_eq!([3, 4].map(verdict), [Ok(Outcome::Rejected); 2]);

    let mut town = Town::new();
    assert_eq!(town.create(2, &tx, &[]), Err(early));
    let state = town.shards.get_mut(&0).unwrap();
    assert_eq!(state.begin(0, 1), Err(OutOfOrder::Index(1)));
    assert_eq!(state.begin(2, 2), Err(OutOfOrder::Epoch(0)));
}

#[test]
fn after_the_deadline_a_session_is_rejected_and_nothing_is_kept_of_it() {
    let tx = pay_in(0, 1, 5, &[coin(3), coin(1)], &[output(2, 5, 2 * WORTH)]);
    for (index, last) in [(5, Outcome::Accepted), (6, Outcome::Rejected)] {
        let mut town = Town::new();
        town.shards.get_mut(&0).unwrap().begin(0, index).unwrap();
        let verdict = town.lock(0, &tx);
        assert_eq!(outcome(&verdict), last);
        let kept = town.shards[&0].verdict(&tx).is_some();
        assert_eq!(kept, last == Outcome::Accepted);
        // The other shard takes its word, and the session ends the same everywhere.
        if last == Outcome::Rejected {
            let said = town.give_back(1, &tx, &verdict.unwrap());
            assert_eq!(outcome(&said), Outcome::Rejected);
            assert_eq!(outcome(&town.lock(1, &tx)), Outcome::Rejected);
        }
    }
    // The epoch after counts from the same block.
    let mut town = Town::new();
    let state = town.shards.get_mut(&0).unwrap();
    state.begin(1, 4).unwrap();
    state.begin(1, 6).unwrap();
    assert_eq!(outcome(&town.lock(0, &tx)), Outcome::Rejected);
}

#[test]
fn strangers_fill_no_state_with_rejections() {
    let mut town = Town::new();
    let bogus = |id| Input { outpoint: Outpoint { shard: 1, id: [id; 32], version: 0 }, ..coin(9) };
    let before = town.shards[&1].root();
    for id in 100..200 {
        let tx = pay(u64::from(id), &[coin(3), bogus(id)], &[]);
        let unknown = Refusal::UnknownOutpoint { outpoint: [id; 32] };
        assert_eq!(town.lock(1, &tx), Err(unknown));
        // Not even with an acceptance of another session.
        let accepted = Said { shard: 0, outcome: Outcome::Accepted, height: 1, inclusion: () };
        let absent = Refusal::Proof { shard: 0, error: ProofError::Absent };
        assert_eq!(town.lock_shown(1, &tx, &accepted), Err(absent));
    }
    assert_eq!(town.shards[&1].root(), before);
}

#[test]
fn each_step_asks_for_its_own_proofs() {
    let mut town = Town::new();
    let tx = pay(1, &[coin(3), coin(1)], &[output(2, 5, WORTH), output(0, 6, WORTH)]);
    let other = pay(2, &[coin(6), coin(4)], &[output(2, 5, WORTH)]);
    assert_eq!(town.lock(2, &tx), Err(Refusal::NotParty));
    assert_eq!(town.create(1, &tx, &[]), Err(Refusal::NotParty));
    let words = [town.lock(0, &tx).unwrap(), town.lock(1, &tx).unwrap()];
    let foreign = [town.lock(0, &other).unwrap(), town.lock(1, &other).unwrap()];
    let [a, b] = words.clone();

    for proofs in [
        vec![],
        vec![a.clone()],
        vec![b.clone(), a.clone()],
        [words.to_vec(), vec![b.clone()]].concat(),
    ] {
        assert_eq!(town.create(2, &tx, &proofs), Err(Refusal::Proofs));
    }
    let absent = |shard| Refusal::Proof { shard, error: ProofError::Absent };
    assert_eq!(town.create(2, &tx, &[a.clone(), Said { height: 2, ..b.clone() }]), Err(absent(1)));
    let mixed = [a.clone(), foreign[1].clone()];
    town.turn_all(1); // the same height would make the same proof
    let late = pay(3, &[coin(9), coin(7)], &[output(2, 5, WORTH)]);
    let late = [town.lock(0, &late).unwrap(), town.lock(1, &late).unwrap()];
    assert_eq!(town.create(2, &tx, &[a.clone(), late[1].clone()]), Err(absent(1)));
    assert_eq!(mixed[1], b, "a proof carries nothing that follows from the session");

    assert_eq!(town.give_back(0, &tx, &a), Err(Refusal::Proofs), "no rejection");
    let own = Said { outcome: Outcome::Rejected, ..a.clone() };
    assert_eq!(town.give_back(0, &tx, &own), Err(Refusal::Proofs), "its own word");
    let absurd = Said { shard: 2, outcome: Outcome::Rejected, ..a };
    let none = Refusal::Proof { shard: 2, error: ProofError::NotParty };
    assert_eq!(town.give_back(0, &tx, &absurd), Err(none), "no input shard");

    // An input shard that is an output shard too needs no proof of its own word.
    town.create(0, &tx, &[b]).unwrap();
    assert!(town.has(&created(&tx, 1)) && !town.has(&created(&tx, 0)));
}

#[test]
fn one_shard_executes_in_one_step() {
    let mut town = Town::new();
    let tx = pay_in(0, 1, 5, &[coin(1), coin(4)], &[output(1, 5, WORTH)]);
    let away = pay(2, &[coin(7)], &[output(2, 5, WORTH)]);
    let notary = town.notary.clone();
    let state = town.shards.get_mut(&1).unwrap();
    assert_eq!(state.execute(&away, &notary), Err(Refusal::NotParty));
    let mut late = state.clone();
    late.begin(0, 9).unwrap();
    let before = late.root();
    assert_eq!(late.execute(&tx, &notary), Err(Refusal::Closed));
    assert_eq!(late.root(), before);
    let first = state.execute(&tx, &notary).unwrap();
    let said = first.each_ref().map(|done| done.verdict().outcome);
    assert_eq!(said, [Outcome::Accepted, Outcome::Created]);
    let again = state.execute(&tx, &notary).unwrap();
    assert_eq!(
        again.each_ref().map(|done| done.verdict()),
        first.each_ref().map(|done| done.verdict())
    );
    assert_eq!(state.unspent().len(), 2, "one coin left, and one output");
}
