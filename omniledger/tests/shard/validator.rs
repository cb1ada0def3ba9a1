//! What a validator prepares, what it refuses, and when it stops.

use cosi::{
    keys::Signature,
    machine::{Fault, FaultKind},
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Transaction, Validator, byzcoin, chain::Body, genesis::Limits, skipchain::Header,
    transaction::MAX_BYTES, validator::Event,
};

use crate::town::{Heard, Town, ask, now, peer, submit, take, tell, to_owner};

fn prepares(heard: &Heard) -> bool {
    heard.records.iter().any(|record| matches!(record, byzcoin::Record::VotedPrepare(..)))
}

/// Has a fresh validator hear a proposal, after it has heard of `known`.
fn hear(town: &Town, known: &[Transaction], proposal: Vec<Message>) -> Heard {
    let mut node = town.validator(1);
    let _ = tell(&mut node, peer(0), submit(known));
    tell(&mut node, peer(0), proposal)
}

/// What the leader says that proposes these transactions under the header of `like`.
fn propose(town: &Town, like: &[Transaction], transactions: &[Transaction]) -> Vec<Message> {
    let header = town.draft(like).header;
    let body = Body { transactions: BoundedVec::new(transactions.to_vec()).unwrap() };
    town.propose(&header.id().encode(), &body.encode())
}

fn refuses(town: &Town, known: &[Transaction], proposal: Vec<Message>) {
    let heard = hear(town, known, proposal);
    assert!(!prepares(&heard));
    let fault = Fault { culprit: peer(0), kind: FaultKind::InvalidPayload, evidence: None };
    assert_eq!(heard.faults, [fault]);
}

fn forged(transaction: &Transaction) -> Transaction {
    let mut signatures = transaction.signatures.to_vec();
    let Signature(bytes) = &mut signatures[0];
    bytes[0] ^= 1;
    Transaction { signatures: BoundedVec::new(signatures).unwrap(), ..transaction.clone() }
}

#[test]
fn a_block_that_follows_is_prepared() {
    let town = Town::new(3);
    let pays = [town.spend(0), town.spend(2)];
    for known in [&[][..], &pays[..1], &pays] {
        let heard = hear(&town, known, propose(&town, &pays, &pays));
        assert!(prepares(&heard) && heard.faults.is_empty());
        // Each signature is checked once: on submission, or in the block.
        let in_block = pays.len() - known.len();
        assert!(
            heard.events.contains(&Event::Checked { signatures: in_block }),
            "{:?}",
            heard.events
        );
    }
    let heard = hear(&town, &[], propose(&town, &[], &[]));
    assert!(prepares(&heard), "a block may be empty");
}

#[test]
fn a_block_with_a_bad_transaction_is_refused() {
    let town = Town::new(3);
    let good = [town.spend(0), town.spend(1)];
    let bad = |transaction: Transaction| [good[0].clone(), transaction];
    let unsigned = Transaction { signatures: BoundedVec::default(), ..good[1].clone() };
    let foreign = Town::new(4).spend(1);
    let double = town.pay(9, &[town.coin(0)], &[to_owner(100)]);
    let inflated = town.pay(9, &[town.coin(1)], &[to_owner(101)]);
    let absent = {
        let ghost = good[1].declaration.created(town.session(&good[1])).next().unwrap();
        town.pay(9, &[ghost], &[])
    };
    for last in [unsigned, forged(&good[1]), foreign, double, inflated, absent, good[0].clone()] {
        let block = bad(last);
        refuses(&town, &[], propose(&town, &block, &block));
        refuses(&town, &good, propose(&town, &block, &block));
    }
}

#[test]
fn a_session_that_is_known_does_not_vouch_for_other_signatures() {
    let town = Town::new(1);
    let good = [town.spend(0)];
    let bad = [forged(&good[0])];
    assert_eq!(town.session(&good[0]), town.session(&bad[0]));
    refuses(&town, &good, propose(&town, &good, &bad));
}

#[test]
fn a_header_that_does_not_follow_is_refused() {
    let town = Town::new(2);
    let pays = [town.spend(0)];
    let draft = town.draft(&pays);
    let header = &draft.header;
    for wrong in [
        Header { payload_root: [7; 32], ..header.clone() },
        Header { state_root: Some([7; 32]), ..header.clone() },
        Header { state_root: None, ..header.clone() },
        Header { index: 2, ..header.clone() },
        Header { back_root: [7; 32], ..header.clone() },
        town.draft(&[town.spend(1)]).header,
        town.draft(&[]).header,
    ] {
        refuses(&town, &pays, town.propose(&wrong.id().encode(), &draft.body));
    }
    let id = header.id().encode();
    for app in [&[][..], &id[..31], &[&id[..], &[0]].concat()] {
        refuses(&town, &pays, town.propose(app, &draft.body));
    }
}

#[test]
fn a_body_has_one_form() {
    let town = Town::new(2);
    let draft = town.draft(&[town.spend(0)]);
    let id = draft.header.id().encode();
    let trailing = [&draft.body[..], &[0]].concat();
    for body in [&trailing[..], &draft.body[..draft.body.len() - 1], &[0xff; 4], &[]] {
        refuses(&town, &[], town.propose(&id, body));
    }
}

#[test]
fn a_block_beyond_the_limits_is_refused() {
    let limits = Limits { transactions: 2, bytes: MAX_BYTES.try_into().unwrap() };
    let town = Town::with(4, limits);
    let pays: Vec<_> = (0..3).map(|at| town.spend(at)).collect();
    assert!(prepares(&hear(&town, &[], propose(&town, &pays[..2], &pays[..2]))));
    refuses(&town, &[], propose(&town, &pays, &pays));

    // Byzcoin refuses a body beyond the limit by its size, before it comes.
    let draft = town.draft(&[]);
    let fat = vec![0; MAX_BYTES + 5];
    let heard = hear(&town, &[], town.propose(&draft.header.id().encode(), &fat));
    assert!(!prepares(&heard));
    assert!(heard.faults.iter().any(|fault| fault.kind == FaultKind::InvalidPayload));
}

#[test]
fn what_a_quorum_decided_is_committed_and_shown() {
    let mut town = Town::new(2);
    let mut node = town.validator(1);
    let pays = [town.spend(0), town.spend(1)];
    let heard = tell(&mut node, peer(3), town.commit(&pays));
    let sessions: Vec<_> = pays.iter().map(|pay| town.session(pay)).collect();
    let committed = heard.events.iter().any(
        |event| matches!(event, Event::Committed { block: 1, sessions: s, .. } if *s == sessions),
    );
    assert!(committed, "{:?}", heard.events);
    assert_eq!(node.head(), town.spine.tip());
    assert_eq!(*node.ledger(), town.state);

    let told = ask(&mut node, 0, &sessions);
    assert_eq!(told.links, Some(town.links_after(0)));
    assert_eq!(*told.found, [town.found(&pays[0], 1, 0), town.found(&pays[1], 1, 1)]);
    assert!(told.refused.is_empty());
}

/// Whatever is wrong with a decision, the validator says so, stops, and stays so.
fn stops(town: &Town, decided: Vec<Message>) {
    let mut node = town.validator(1);
    let heard = tell(&mut node, peer(0), decided);
    let unsound = |event: &Event| matches!(event, Event::Unsound { height } if height.get() == 1);
    assert!(heard.events.iter().any(unsound), "{:?}", heard.events);
    assert!(!heard.events.iter().any(|event| matches!(event, Event::Committed { .. })));
    silent(town, &mut node);

    let config = town.validator_config(1);
    let (mut node, step) = now(|cx| Validator::restore(config, heard.records, cx).unwrap());
    assert!(take([step]).events.iter().any(unsound), "nor after a restart");
    silent(town, &mut node);
}

fn silent(town: &Town, node: &mut Validator) {
    assert_eq!(node.next_timeout(), None);
    assert_eq!(node.head().index, 0);
    let proposal = propose(town, &[], &[]);
    let heard = tell(node, peer(0), [proposal, submit(&[town.spend(0)])].concat());
    assert!(heard.records.is_empty() && heard.messages.is_empty() && heard.events.is_empty());
    assert!(take([now(|cx| node.handle_timeout(cx))]).messages.is_empty());
}

#[test]
fn a_decision_that_does_not_hold_stops_a_validator() {
    let town = Town::new(2);
    let double = [town.spend(0), town.pay(9, &[town.coin(0)], &[to_owner(100)])];
    let draft = town.draft(&double);
    stops(&town, town.decided(&draft.header.id().encode(), &draft.body));
    let stolen = [forged(&town.spend(0))];
    let draft = town.draft(&stolen);
    stops(&town, town.decided(&draft.header.id().encode(), &draft.body));
    let draft = town.draft(&[town.spend(0)]);
    stops(&town, town.decided(&[7; 32], &draft.body));
    stops(&town, town.decided(&draft.header.id().encode(), b"garbage"));
}
