//! What a wallet believes, and what it survives.

use std::slice::from_ref;

use cosi::{
    machine::{FaultKind, To},
    mask::Mask,
    wire::BoundedVec,
};
use omniledger::{
    Message, Peer, Refusal, Session, Wallet,
    chain::genesis_header,
    message::{Answer, Found, Guest, MAX_ASK, MAX_SUBMIT},
    skipchain::{Link, Proof, Timeline},
    wallet::{Error, Event, Record, RestoreError},
};

use crate::town::{
    Answered, GUEST, Town, answer, at, key, nothing, now, pay, peer, take, to_owner,
};

fn refused(session: Session, refusal: Refusal) -> Answer {
    Answer { refused: BoundedVec::new(vec![(session, refusal)]).unwrap(), ..nothing() }
}

fn shown(town: &Town, head: usize, found: Vec<Found>) -> Answer {
    let (links, found) = (Some(town.links_after(head)), BoundedVec::new(found).unwrap());
    Answer { links, found, ..nothing() }
}

fn tick(node: &mut Wallet, seconds: u64) -> Answered {
    take([at(seconds, |cx| node.handle_timeout(cx))])
}

/// Batches submitted to all validators, and sessions asked about, of one validator.
fn said(heard: &Answered) -> (Vec<usize>, Vec<Session>) {
    let (mut submitted, mut asked) = (Vec::new(), Vec::new());
    for (to, message) in &heard.messages {
        match (to, message) {
            (To::Some(peers), Message::Guest(Guest::Submit(pays))) => {
                assert_eq!(peers.len(), 4);
                submitted.push(pays.len());
            }
            (To::One(Peer::Validator(_)), Message::Guest(Guest::Ask { sessions, .. })) => {
                asked.extend_from_slice(sessions);
            }
            other => panic!("{other:?}"),
        }
    }
    (submitted, asked)
}

#[test]
fn a_payment_is_recorded_then_submitted_then_proven() {
    let mut town = Town::new(1);
    let (mut node, transaction) = (town.wallet(), town.spend(0));
    let session = town.session(&transaction);
    let heard = pay(&mut node, &transaction);
    assert_eq!(heard.records, [Record::Paid(transaction.clone())]);
    assert!(heard.messages.is_empty(), "nothing is sent before the record is out");
    assert_eq!(said(&tick(&mut node, 0)), (vec![1], vec![session]));
    assert!(node.receipt(&session).is_none());

    town.commit(from_ref(&transaction));
    let heard = answer(&mut node, peer(2), shown(&town, 0, vec![town.found(&transaction, 1, 0)]));
    assert_eq!(heard.events, [Event::Committed { session, block: 1 }]);
    assert_eq!((node.pending(), node.next_timeout()), (0, None));
    let receipt = node.receipt(&session).unwrap();
    assert_eq!(receipt, town.receipt(&transaction, 1, 0));
    assert_eq!(town.stranger().verify(&receipt).unwrap().session, session);

    // The same again is no news and no fault.
    let again = answer(&mut node, peer(2), shown(&town, 0, vec![town.found(&transaction, 1, 0)]));
    assert!(again.records.is_empty() && again.events.is_empty() && again.faults.is_empty());
}

#[test]
fn a_wallet_that_crashes_goes_on_where_it_was() {
    let mut town = Town::new(3);
    let (mut node, pays) = (town.wallet(), [0, 1, 2].map(|at| town.spend(at)));
    let sessions = pays.each_ref().map(|pay| town.session(pay));
    let mut records = Vec::new();
    pays.iter().for_each(|transaction| records.extend(pay(&mut node, transaction).records));
    // It crashes before anything is submitted.
    let config = town.wallet_config();
    let (mut node, step) = now(|cx| Wallet::restore(config, records.clone(), cx).unwrap());
    assert!(take([step]).events.is_empty());
    assert_eq!(said(&tick(&mut node, 0)), (vec![3], sessions.to_vec()));

    town.commit(&[pays[1].clone()]);
    let told = answer(&mut node, peer(0), shown(&town, 0, vec![town.found(&pays[1], 1, 0)]));
    records.extend(told.records);
    for validator in [1, 2] {
        let told = answer(&mut node, peer(validator), refused(sessions[0], Refusal::Spent));
        records.extend(told.records);
    }
    let config = town.wallet_config();
    let (mut node, step) = now(|cx| Wallet::restore(config, records.clone(), cx).unwrap());
    let repeated = [
        Event::Committed { session: sessions[1], block: 1 },
        Event::Aborted { session: sessions[0], refusal: Refusal::Spent },
    ];
    assert_eq!(take([step]).events, repeated);
    assert_eq!(node.receipt(&sessions[1]).unwrap(), town.receipt(&pays[1], 1, 0));
    assert_eq!(node.head(), town.spine.tip());
    assert_eq!(said(&tick(&mut node, 0)), (vec![1], vec![sessions[2]]));

    // Records of another ledger, out of order, or twice the same are not a wallet's.
    let restore = |config, records: &[Record]| {
        now(|cx| Wallet::restore(config, records.to_vec(), cx).map(|_| ()))
    };
    let other = Town::new(4).wallet_config();
    assert_eq!(restore(other, &records).unwrap_err(), RestoreError::Journal);
    assert_eq!(restore(town.wallet_config(), &records[4..]).unwrap_err(), RestoreError::Journal);
    let twice = [&records[..1], &records[..1]].concat();
    assert_eq!(restore(town.wallet_config(), &twice).unwrap_err(), RestoreError::Journal);
}

#[test]
fn f_validators_cannot_abort_a_payment() {
    let town = Town::new(1);
    let (mut node, transaction) = (town.wallet(), town.spend(0));
    let session = town.session(&transaction);
    let _ = pay(&mut node, &transaction);
    for refusal in [Refusal::Spent, Refusal::Spent, Refusal::Misdeclared, Refusal::Missing] {
        let heard = answer(&mut node, peer(0), refused(session, refusal));
        assert!(heard.events.is_empty() && heard.faults.is_empty());
    }
    // An honest one says otherwise: no two agree, so whose word counts is open.
    assert!(
        answer(&mut node, peer(1), refused(Session([7; 32]), Refusal::Spent)).events.is_empty()
    );
    assert_eq!(node.pending(), 1);
    let heard = answer(&mut node, peer(1), refused(session, Refusal::Spent));
    assert_eq!(heard.events, [Event::Aborted { session, refusal: Refusal::Spent }]);
    assert_eq!(heard.records, [Record::Aborted(session, Refusal::Spent)]);
    assert_eq!(node.pending(), 0);
}

#[test]
fn the_reason_of_an_abort_is_an_honest_validators() {
    let town = Town::new(1);
    let (mut node, transaction) = (town.wallet(), town.spend(0));
    let session = town.session(&transaction);
    let _ = pay(&mut node, &transaction);
    assert!(answer(&mut node, peer(1), refused(session, Refusal::Spent)).events.is_empty());
    assert!(answer(&mut node, peer(0), refused(session, Refusal::Misdeclared)).events.is_empty());
    let heard = answer(&mut node, peer(2), refused(session, Refusal::Spent));
    assert_eq!(heard.events, [Event::Aborted { session, refusal: Refusal::Spent }]);
}

#[test]
fn what_is_missing_may_still_come() {
    let mut town = Town::new(1);
    let (mut node, transaction) = (town.wallet(), town.spend(0));
    let session = town.session(&transaction);
    let _ = pay(&mut node, &transaction);
    let missing = || refused(session, Refusal::Missing);
    assert!(answer(&mut node, peer(0), missing()).events.is_empty());
    let heard = answer(&mut node, peer(1), missing());
    assert_eq!((heard.events, heard.records), (vec![Event::Delayed { session }], vec![]));
    assert!(answer(&mut node, peer(1), missing()).events.is_empty(), "once");
    assert!(answer(&mut node, peer(2), missing()).events.is_empty(), "once");

    town.commit(from_ref(&transaction));
    let heard = answer(&mut node, peer(3), shown(&town, 0, vec![town.found(&transaction, 1, 0)]));
    assert_eq!(heard.events, [Event::Committed { session, block: 1 }]);
}

#[test]
fn a_false_proof_is_its_senders_fault() {
    let mut town = Town::new(3);
    let transaction = town.spend(0);
    let session = town.session(&transaction);
    // Two validators make a chain on which the payment stands.
    let mut liars = Town::new(3);
    let draft = liars.draft(from_ref(&transaction));
    let (proposal, _) = liars.proposal(&cosi::wire::Wire::encode(&draft.header.id()), &draft.body);
    let decision = liars.decision(&[0, 1], proposal);
    let back = liars.spine.back_links();
    let link = Link::new(0, liars.spine.tip(), &draft.header, &back, decision, None).unwrap();
    let links = Some(Proof::new(liars.spine.tip(), vec![link]).unwrap());
    liars.commit(from_ref(&transaction));
    let found = BoundedVec::new(vec![liars.found(&transaction, 1, 0)]).unwrap();

    let mut node = town.wallet();
    let _ = pay(&mut node, &transaction);
    let lie = Answer { links, found: found.clone(), ..nothing() };
    for times in [1, 0] {
        let heard = answer(&mut node, peer(0), lie.clone());
        assert_eq!(heard.faults.len(), times, "once");
        assert!(
            heard.faults.iter().all(|f| f.culprit == peer(0) && f.kind == FaultKind::InvalidProof)
        );
        assert!(heard.records.is_empty() && heard.events.is_empty());
    }

    // A place in a block that is not there yet is nobody's fault; a false one in one that is, is.
    let early = Answer { links: None, found: found.clone(), ..nothing() };
    assert!(answer(&mut node, peer(1), early).faults.is_empty());
    town.commit(&[town.spend(1), town.spend(2)]);
    let wrong = shown(&town, 0, vec![liars.found(&transaction, 1, 0)]);
    let heard = answer(&mut node, peer(1), wrong);
    assert_eq!((heard.records.len(), heard.events.len()), (1, 0), "the links hold");
    assert_eq!(heard.faults.len(), 1);
    for found in
        [town.found(&transaction, 1, 1), Found { block: 0, ..town.found(&transaction, 1, 0) }]
    {
        assert_eq!(found.session, session);
        let found = BoundedVec::new(vec![found]).unwrap();
        let heard = answer(&mut node, peer(2), Answer { found, ..nothing() });
        assert!(heard.events.is_empty());
    }
    assert_eq!(node.pending(), 1);
}

#[test]
fn stale_links_are_nobodys_fault() {
    let mut town = Town::new(3);
    let mut node = town.wallet();
    (0..3).for_each(|at| drop(town.commit(&[town.spend(at)])));
    for head in [1, 2] {
        let heard = answer(&mut node, peer(0), shown(&town, head, vec![]));
        assert!(heard.faults.is_empty() && heard.records.is_empty(), "too early");
    }
    assert_eq!(answer(&mut node, peer(1), shown(&town, 0, vec![])).records.len(), 1);
    for head in [0, 1, 2, 3] {
        let heard = answer(&mut node, peer(2), shown(&town, head, vec![]));
        assert!(heard.faults.is_empty() && heard.records.is_empty(), "late");
    }
    assert_eq!(node.head(), town.spine.tip());
}

#[test]
fn openings_do_not_swell_receipts() {
    let mut town = Town::new(1);
    let (mut node, transaction) = (town.wallet(), town.spend(0));
    let _ = pay(&mut node, &transaction);
    let (from, back) = (town.spine.tip().clone(), town.spine.back_links());
    town.commit(from_ref(&transaction));
    let opening = town.roster.open(&Mask::of(4, 0..4));
    let decision = town.links[0].attestation().clone();
    let fat = Link::new(0, &from, town.spine.tip(), &back, decision, Some(opening)).unwrap();
    let links = Some(Proof::new(&from, vec![fat]).unwrap());
    let found = BoundedVec::new(vec![town.found(&transaction, 1, 0)]).unwrap();
    let heard = answer(&mut node, peer(0), Answer { links, found, ..nothing() });
    assert_eq!(heard.events.len(), 1);
    let receipt = node.receipt(&town.session(&transaction)).unwrap();
    assert_eq!(receipt, town.receipt(&transaction, 1, 0));
}

#[test]
fn only_validators_are_heard() {
    let town = Town::new(1);
    let (mut node, transaction) = (town.wallet(), town.spend(0));
    let session = town.session(&transaction);
    let _ = pay(&mut node, &transaction);
    let stranger = Peer::Validator(cosi::keys::PeerId::of(key(99).public()));
    for from in [GUEST, Peer::Guest(2), stranger] {
        let heard = answer(&mut node, from, refused(session, Refusal::Spent));
        assert!(heard.faults.is_empty() && heard.events.is_empty());
    }
    for times in [1, 0] {
        let submit = Message::Guest(Guest::Submit(BoundedVec::default()));
        let heard = take([now(|cx| node.handle_message(cx, peer(0), submit))]);
        assert_eq!(heard.faults.len(), times);
    }
}

#[test]
fn every_payment_has_its_turn() {
    let town = Town::new(1);
    let mut node = town.wallet();
    let count = MAX_ASK + 2;
    let sessions: Vec<_> = (0..count)
        .map(|nonce| {
            let transaction =
                town.pay(nonce.try_into().unwrap(), &[town.coin(0)], &[to_owner(100)]);
            let _ = pay(&mut node, &transaction);
            town.session(&transaction)
        })
        .collect();
    let (submitted, asked) = said(&tick(&mut node, 0));
    assert_eq!(submitted.iter().sum::<usize>(), count);
    assert!(submitted[..4].iter().all(|batch| *batch == MAX_SUBMIT));
    assert_eq!(asked, sessions[..MAX_ASK]);
    let (submitted, asked) = said(&tick(&mut node, 1));
    assert!(submitted.is_empty(), "not yet again");
    assert_eq!(asked[..2], sessions[MAX_ASK..]);
    assert_eq!(asked[2..], sessions[..MAX_ASK - 2]);
}

#[test]
fn a_wallet_refuses_what_no_validator_would_take() {
    let town = Town::new(1);
    let mut node = town.wallet();
    let mut pay = |transaction: &_| {
        let pay = omniledger::wallet::Command::Pay(Box::new(Clone::clone(transaction)));
        now(|cx| node.handle_command(cx, pay).map(|_| ()))
    };
    let mut bad = town.spend(0);
    bad.signatures = BoundedVec::default();
    assert!(matches!(pay(&bad), Err(Error::Refused(_))));
    assert_eq!(pay(&town.spend(0)), Ok(()));
    assert_eq!(pay(&town.spend(0)), Err(Error::Repeated));
}

#[test]
fn a_wallet_sees_every_block_though_a_link_may_skip_some() {
    let mut town = Town::new(2);
    let pays = [town.spend(0), town.spend(1)];
    pays.iter().for_each(|pay| drop(town.commit(from_ref(pay))));
    let mut chain = Timeline::new(genesis_header(&town.genesis).unwrap()).unwrap();
    for link in &town.links {
        let header = link.follow(chain.tip(), &chain.tip().id()).unwrap();
        chain.append(&header, link.attestation().clone()).unwrap();
    }
    let skipping = chain.prove(0, 2).unwrap();
    assert_eq!((skipping.hops(), skipping.links()[0].level()), (1, 1));
    assert_eq!(town.stranger().verify_chain(&skipping).unwrap(), *town.spine.tip());

    let mut node = town.wallet();
    let _ = pay(&mut node, &pays[0]);
    let heard = answer(&mut node, peer(0), Answer { links: Some(skipping), ..nothing() });
    let faults = heard.faults.iter().map(|fault| (fault.culprit, fault.kind));
    assert_eq!(faults.collect::<Vec<_>>(), [(peer(0), FaultKind::InvalidProof)]);
    assert_eq!(node.head().index, 0);
    let heard = answer(&mut node, peer(1), shown(&town, 0, vec![town.found(&pays[0], 1, 0)]));
    let session = town.session(&pays[0]);
    assert_eq!(heard.events, [Event::Committed { session, block: 1 }]);
}
