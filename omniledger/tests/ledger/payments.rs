//! What a wallet does with all that it is to pay: what waits, what is lost, and what it restores.

use std::{collections::BTreeSet, slice::from_ref};

use cosi::{keys::Signature, wire::BoundedVec};
use omniledger::{
    Refusal, Transaction, Wallet,
    atomix::Outcome,
    message::{Answer, MAX_ASK, MAX_SUBMIT, Want},
    wallet::{Command, Config, Error, Event, Reason, Record, RestoreError},
};

use crate::{
    branch::Branch,
    town::{Town, answer, at, nothing, now, pay, take, to, town, wallet_config},
    wallet::{Sent, joint, refused, sent, tick},
};

#[test]
fn a_payment_that_needs_another_is_held_until_that_one_is_committed() {
    let town = town();
    let mut branch = Branch::new(&town, 0);
    let parent = town.spend(0, 0);
    let child = town.pay(7, &[town.created(&parent, 0), town.coin_of(1, 0)], &[to(1, 200)]);
    let mut node = town.wallet();
    let _ = pay(&mut node, &parent);
    let heard = pay(&mut node, &child);
    assert_eq!(heard.records, [Record::Paid(child.clone())]);
    let session = town.session(&parent);
    let expected = [
        Sent::Submit(0, vec![(session, Want::Verdict)]),
        Sent::Ask(0, vec![(session, Want::Verdict)]),
    ];
    assert_eq!(sent(&town, &tick(&mut node, 1)), expected);
    branch.commit_all(from_ref(&parent));
    let proofs =
        [Outcome::Created, Outcome::Accepted].map(|of| (session, branch.proof(&parent, of)));
    let said = Answer { said: BoundedVec::new(proofs.to_vec()).unwrap(), ..nothing(0) };
    let heard = answer(&mut node, town.peer(0, 0), said);
    let child_submits =
        [0, 1].map(|shard| Sent::Submit(shard, vec![(town.session(&child), Want::Verdict)]));
    assert_eq!(sent(&town, &heard), child_submits);
    assert_eq!(node.pending(), 1);
}

#[test]
fn what_spends_an_aborted_payments_output_is_aborted_then_or_later() {
    let town = town();
    let parent = town.spend(0, 0);
    let child = town.pay(7, &[town.created(&parent, 0), town.coin_of(1, 0)], &[to(1, 200)]);
    let grandchild = town.pay(8, &[town.created(&child, 0)], &[to(1, 200)]);
    let late = town.pay(9, &[town.created(&grandchild, 0)], &[to(0, 200)]);
    let mut node = town.wallet();
    let mut records = vec![Record::Epoch(Box::new(town.proof.clone()))];
    for transaction in [&parent, &child, &grandchild] {
        records.extend(pay(&mut node, transaction).records);
    }
    let session = town.session(&parent);
    let told = |node: &mut Wallet, at| {
        answer(node, town.peer(0, at), refused(0, session, Refusal::Closed))
    };
    assert!(told(&mut node, 0).events.is_empty());
    let heard = told(&mut node, 1);
    let orphaned =
        |pay: &Transaction| Event::Aborted { session: town.session(pay), reason: Reason::Orphaned };
    let first = Event::Aborted { session, reason: Reason::Refused(Refusal::Closed) };
    assert_eq!(heard.events, [first.clone(), orphaned(&child), orphaned(&grandchild)]);
    assert_eq!((node.pending(), node.next_timeout()), (0, None));
    records.extend(heard.records);
    let heard = pay(&mut node, &late);
    assert_eq!(heard.events, [orphaned(&late)], "the owner did not know yet");
    assert_eq!((node.pending(), node.next_timeout()), (0, None));
    records.extend(heard.records);
    // All is told again after a crash.
    let (node, step) = restore(&town, records).unwrap();
    let told: BTreeSet<_> = take([step]).events.iter().map(|event| format!("{event:?}")).collect();
    let all = [first, orphaned(&child), orphaned(&grandchild), orphaned(&late)];
    assert_eq!(told, all.iter().map(|event| format!("{event:?}")).collect());
    assert_eq!(node.pending(), 0);
}

fn restore(
    town: &Town,
    records: Vec<Record>,
) -> Result<(Wallet, omniledger::wallet::Step), RestoreError> {
    now(|cx| Wallet::restore(wallet_config(&town.genesis), records, cx))
}

#[test]
fn a_wallet_goes_on_from_every_prefix_of_its_records() {
    let town = town();
    let mut joint = joint(&town);
    let (session, spent) = (joint.session(), town.spend(0, 3));
    let mut node = town.wallet();
    let mut records = vec![Record::Epoch(Box::new(town.proof.clone()))];
    records.extend(pay(&mut node, &joint.pay).records);
    records.extend(pay(&mut node, &spent).records);
    let accepted = [joint.accept(0), joint.accept(1)];
    let created = [joint.create(0), joint.create(1)];
    let all: Vec<(usize, Answer)> = (0..).zip(accepted).chain((0..).zip(created)).collect();
    for (shard, told) in &all {
        let from = town.peer((*shard).try_into().unwrap(), 0);
        records.extend(answer(&mut node, from, told.clone()).records);
    }
    for at in [0, 1] {
        let told = refused(0, town.session(&spent), Refusal::Spent);
        records.extend(answer(&mut node, town.peer(0, at), told).records);
    }
    assert_eq!(node.pending(), 0);
    for len in 0..=records.len() {
        let (mut node, step) = restore(&town, records[..len].to_vec()).unwrap();
        let mut events = take([step]).events;
        let paid = |of: &Transaction| records[..len].contains(&Record::Paid(of.clone()));
        for _ in 0..2 {
            // Whatever it knows, the same answers bring it to the same end.
            let _ = tick(&mut node, 1);
            for (shard, told) in &all {
                let from = town.peer((*shard).try_into().unwrap(), 0);
                events.extend(answer(&mut node, from, told.clone()).events);
            }
        }
        for at in [0, 1] {
            let told = refused(0, town.session(&spent), Refusal::Spent);
            events.extend(answer(&mut node, town.peer(0, at), told).events);
        }
        let ended = |event: &Event| events.iter().filter(|it| *it == event).count();
        let known = node.epoch().is_some();
        let committed = Event::Committed { session };
        let reason = Reason::Refused(Refusal::Spent);
        let aborted = Event::Aborted { session: town.session(&spent), reason };
        assert_eq!(ended(&committed), usize::from(known && paid(&joint.pay)), "{len}");
        assert_eq!(ended(&aborted), usize::from(known && paid(&spent)), "{len}");
        assert_eq!(events.len(), ended(&committed) + ended(&aborted));
    }
}

#[test]
fn another_ledgers_journal_is_refused() {
    let town = town();
    let mut node = town.wallet();
    let spend = town.spend(0, 0);
    let paid = pay(&mut node, &spend).records;
    let told = Record::Epoch(Box::new(town.proof.clone()));
    let whole = [vec![told.clone()], paid.clone()].concat();
    let error = |town: &Town, records: &[Record]| restore(town, records.to_vec()).err();
    assert_eq!(error(&town, &whole), None);
    assert_eq!(error(&town, &paid[..1]), None, "before it knew the epoch");
    let refused = Some(RestoreError::Journal);
    let other = Town::new(8, 2, 4);
    assert_eq!(error(&other, &whole), refused);
    assert_eq!(error(&other, &paid[..1]), refused, "signed for another ledger");
    assert_eq!(error(&other, &whole[..1]), refused);
    assert_eq!(error(&town, &paid), refused, "the epoch is lost");
    assert_eq!(error(&town, &[&whole[..], &paid[..1]].concat()), refused, "paid twice");
    let reason = Reason::Orphaned;
    let aborted = Record::Aborted(town.session(&spend), reason);
    assert_eq!(error(&town, &[told, aborted]), refused, "never paid");
    let mut forged = spend.clone();
    forged.signatures = BoundedVec::new(vec![Signature([7; 64])]).unwrap();
    assert_eq!(error(&town, &[Record::Paid(forged)]), refused);

    let bad = omniledger::Genesis { shards: 0, ..town.genesis.clone() };
    let config = Config { genesis: bad, ..wallet_config(&town.genesis) };
    let error = now(|cx| Wallet::restore(config, [], cx).err());
    assert!(matches!(error, Some(RestoreError::Genesis(_))));
}

#[test]
fn a_wallet_refuses_what_no_validator_would_take() {
    let town = town();
    let mut node = town.wallet();
    let mut pay = |transaction: &_| {
        let pay = Command::Pay(Box::new(Clone::clone(transaction)));
        now(|cx| node.handle_command(cx, pay).map(|_| ()))
    };
    let mut bad = town.spend(0, 0);
    bad.signatures = BoundedVec::default();
    assert!(matches!(pay(&bad), Err(Error::Malformed(_))));
    assert_eq!(pay(&town.spend(0, 0)), Ok(()));
    assert_eq!(pay(&town.spend(0, 0)), Err(Error::Repeated));
    let foreign = Town::new(8, 2, 4).spend(0, 0);
    assert!(matches!(pay(&foreign), Err(Error::Malformed(_))));
}

#[test]
fn every_payment_has_its_turn() {
    let town = town();
    let mut node = town.wallet();
    let count = MAX_ASK + 2;
    let mut sessions: Vec<_> = (0..count)
        .map(|nonce| {
            let nonce = nonce.try_into().unwrap();
            let transaction = town.pay(nonce, &[town.coin_of(0, 0)], &[to(0, 100)]);
            let _ = pay(&mut node, &transaction);
            town.session(&transaction)
        })
        .collect();
    sessions.sort();
    let split = |sent: Vec<Sent>| {
        let (mut submitted, mut asked) = (Vec::new(), Vec::new());
        for each in sent {
            match each {
                Sent::Submit(0, each) => submitted.push(each.len()),
                Sent::Ask(0, each) => asked.extend(each.into_iter().map(|(session, _)| session)),
                other => panic!("{other:?}"),
            }
        }
        (submitted, asked)
    };
    let (submitted, asked) = split(sent(&town, &tick(&mut node, 1)));
    assert_eq!(submitted.iter().sum::<usize>(), count);
    assert!(submitted.iter().all(|batch| *batch <= MAX_SUBMIT));
    let mut all: BTreeSet<_> = asked.iter().copied().collect();
    assert_eq!(asked, sessions[..MAX_ASK]);
    let (submitted, asked) = split(sent(&town, &tick(&mut node, 2)));
    assert!(submitted.is_empty(), "not yet again");
    assert_eq!(asked.len(), MAX_ASK);
    all.extend(asked);
    assert_eq!(all.len(), count, "all were asked about");
}

#[test]
fn a_poll_of_no_time_does_not_stop_the_clock() {
    let town = town();
    let config = Config { poll: core::time::Duration::ZERO, ..wallet_config(&town.genesis) };
    let mut node = now(|cx| Wallet::restore(config, [], cx).unwrap().0);
    let _ = pay(&mut node, &town.spend(0, 0));
    let due = at(1, |cx| {
        let _ = node.handle_timeout(cx);
        node.next_timeout().unwrap() > cx.now()
    });
    assert!(due);
}
