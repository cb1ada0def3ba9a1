//! What strangers can make a validator keep, and how it stays alive beside them.

use std::slice::from_ref;

use cosi::{
    Certificate,
    keys::{PeerId, Signature},
    machine::{Fault, FaultKind},
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Peer, PoolLimits, Refusal, Session, Transaction, Validator,
    atomix::{
        Declaration, Input, Outcome, Outpoint,
        transaction::{MAX_INPUTS, MAX_OUTPUTS},
    },
    byzcoin,
    chain::Body,
    genesis::Limits,
    message::{
        Answer, Guest, MAX_ASK, MAX_REQUEST_BYTES, MAX_SUBMIT_BYTES, Query, Request, Sync, Want,
    },
    validator::{self, Event},
};

use crate::{
    branch::{Branch, commit, show},
    town::{
        GUEST, Heard, Town, ask, at, genesis, initialize, key, nothing, submit, submit_all, take,
        tell, to, town, validator_config,
    },
};

/// What a leader proposes.
fn proposed(heard: &Heard) -> Option<Vec<Request>> {
    let mut body = Vec::new();
    for (_, message) in &heard.messages {
        let Message::Shard { message, .. } = message else { continue };
        if let byzcoin::Message::Chunk { chunk, .. } = &**message {
            body.extend_from_slice(&chunk.bytes);
        }
    }
    Some(Body::decode(&body).ok()?.requests.into_inner())
}

fn proposes(heard: &Heard, transactions: &[Transaction]) {
    let expected: Vec<_> = transactions.iter().map(initialize).collect();
    assert_eq!(proposed(heard), Some(expected));
}

/// A payment, signed, of a coin of shard 0 that does not exist.
fn orphan(town: &Town, number: u8) -> Transaction {
    let outpoint = Outpoint { shard: 0, id: [number; 32], version: 0 };
    town.pay(1, &[Input { outpoint, ..town.coin(0) }], &[to(0, 100)])
}

fn refusals(heard: &Heard) -> Vec<(Session, Refusal)> {
    let refusal = |event: &Event| match event {
        Event::Refused { shard: 0, session, refusal } => Some((*session, *refusal)),
        _ => None,
    };
    heard.events.iter().filter_map(refusal).collect()
}

/// The first leader of shard 0, seated.
fn leader(town: &Town, pool: PoolLimits) -> Validator {
    let config = validator_config(&town.genesis, town.members(0)[0]);
    town.validator_with(validator::Config { pool, ..config })
}

fn verdicts(sessions: &[Session]) -> Vec<Query> {
    sessions.iter().map(|session| Query { session: *session, want: Want::Verdict }).collect()
}

#[test]
fn a_pool_holds_so_many_bytes() {
    let town = town();
    let pays: Vec<_> = (0..6).map(|at| town.spend(0, at)).collect();
    let bytes = 3 * initialize(&pays[0]).encode().len();
    let mut node = leader(&town, PoolLimits { bytes, ..PoolLimits::default() });
    proposes(&tell(&mut node, GUEST, submit_all(0, &pays)), &pays[..3]);
}

#[test]
fn coins_that_never_come_do_not_keep_real_ones_out() {
    let town = town();
    let bytes = 8 * initialize(&town.spend(0, 0)).encode().len();
    let mut node = leader(&town, PoolLimits { bytes, ..PoolLimits::default() });
    let flood: Vec<_> = (0..100).map(|number| orphan(&town, number)).collect();
    let heard = tell(&mut node, GUEST, submit_all(0, &flood));
    assert!(heard.messages.is_empty(), "there is nothing to propose");
    let pays = [town.spend(0, 0), town.spend(0, 1)];
    proposes(&tell(&mut node, GUEST, submit_all(0, &pays)), &pays);
}

#[test]
fn what_fits_no_block_beside_others_gets_one_of_its_own() {
    let town = town();
    let config = validator_config(&town.genesis, town.members(0)[0]);
    let mut node = town.validator_with(validator::Config { block_bytes: 100, ..config });
    let pays = [town.spend(0, 0), town.spend(0, 1)];
    assert!(initialize(&pays[0]).encode().len() > 100);
    proposes(&tell(&mut node, GUEST, submit_all(0, &pays)), &pays[..1]);
}

#[test]
fn what_fits_no_block_at_all_is_not_taken() {
    // The smallest blocks that a genesis allows; an acceptance that nobody asked for is as long
    // as its sender likes.
    let limits = Limits { requests: 9, bytes: MAX_REQUEST_BYTES.try_into().unwrap() };
    let town = Town::of(omniledger::Genesis { limits, ..genesis(8, 2, 6) });
    let pay = town.spend(0, 0);
    let mut there = Branch::new(&town, 1);
    there.commit_all(&[town.spend(1, 0)]);
    let padded = |signatures: usize| {
        let mut proof = there.proof(&town.spend(1, 0), Outcome::Accepted);
        let Certificate::Individual { signatures: all, .. } =
            &mut proof.inclusion.attestation.certificate
        else {
            panic!("the test signs one by one")
        };
        *all = BoundedVec::new(vec![Signature([7; 64]); signatures]).unwrap();
        show(&pay, proof)
    };
    let bare = padded(0).encode().len();
    let most = padded((MAX_REQUEST_BYTES - bare) / 64);
    let beyond = padded((MAX_REQUEST_BYTES - bare) / 64 + 1);
    assert!((MAX_REQUEST_BYTES + 1..MAX_SUBMIT_BYTES).contains(&beyond.encode().len()));

    let mut node = leader(&town, PoolLimits::default());
    let heard = tell(&mut node, GUEST, submit(0, from_ref(&beyond)));
    assert_eq!(heard.faults[0].kind, FaultKind::InvalidPayload);
    assert!(heard.messages.is_empty());
    // It does not stand in the way of others, and one a little shorter has a block.
    proposes(&tell(&mut node, GUEST, submit_all(0, &[town.spend(0, 1)])), &[town.spend(0, 1)]);
    let mut node = leader(&town, PoolLimits::default());
    let heard = tell(&mut node, GUEST, submit(0, from_ref(&most)));
    // What is shown where nothing is missing does not go into the block.
    proposes(&heard, from_ref(&pay));
}

#[test]
fn a_refused_payment_is_refused_again_and_the_reason_stays_true() {
    let town = town();
    let mut branch = Branch::new(&town, 0);
    let mut node = leader(&town, PoolLimits { refusals: 2, ..PoolLimits::default() });
    let pay = |at: usize, nonce| town.pay(nonce, &[town.coin_of(0, at)], &[to(0, 100)]);
    let (winners, losers): (Vec<_>, Vec<_>) = (0..3).map(|at| (pay(at, 1), pay(at, 2))).unzip();
    let _ = tell(&mut node, GUEST, submit_all(0, &losers));
    let heard = tell(&mut node, town.peer(0, 1), branch.commit_all(&winners));
    let spent = |pays: &[Transaction]| -> Vec<_> {
        pays.iter().map(|pay| (town.session(pay), Refusal::Spent)).collect()
    };
    assert_eq!(refusals(&heard), spent(&losers));

    // Two refusals are remembered, the latest ones.
    let sessions: Vec<_> = losers.iter().map(|pay| town.session(pay)).collect();
    assert_eq!(*ask(&mut node, 0, &verdicts(&sessions)).refused, spent(&losers[1..]));
    // The third is told again when it is submitted again; no block has to come.
    let heard = tell(&mut node, GUEST, submit_all(0, &losers[..1]));
    assert_eq!(refusals(&heard), spent(&losers[..1]));
    assert_eq!(*ask(&mut node, 0, &verdicts(&sessions[..1])).refused, spent(&losers[..1]));
    let again = tell(&mut node, GUEST, submit_all(0, &losers[..1]));
    assert!(refusals(&again).is_empty(), "once");

    for lie in [
        Input { value: 99, ..town.coin_of(0, 3) },
        Input { outpoint: town.coin_of(0, 3).outpoint, value: 0, ..town.coin_of(0, 4) },
    ] {
        let lie = town.pay(1, &[lie], &[]);
        let misdeclared = [(town.session(&lie), Refusal::Misdeclared)];
        assert_eq!(refusals(&tell(&mut node, GUEST, submit_all(0, &[lie]))), misdeclared);
    }
}

#[test]
fn a_version_that_may_come_is_waited_for_and_one_that_is_gone_is_not() {
    // Shard 0 locks a coin for a session that shard 1 rejects, and gives it back.
    let town = town();
    let (coin, far) = (town.coin_of(0, 0), town.coin_of(1, 0));
    let doomed = town.pay(1, &[coin, far], &[to(0, 200)]);
    let (mut here, mut there) = (Branch::new(&town, 0), Branch::new(&town, 1));
    let lock = here.commit_all(from_ref(&doomed));
    there.commit_all(&[town.spend(1, 0)]);
    there.commit(&[show(&doomed, here.proof(&doomed, Outcome::Accepted))]);
    let back =
        here.commit(&[crate::branch::abort(&doomed, there.proof(&doomed, Outcome::Rejected))]);

    let version = |version| {
        let outpoint = Outpoint { version, ..coin.outpoint };
        town.pay(2, &[Input { outpoint, ..coin }], &[to(0, 100)])
    };
    let [gone, given_back, beyond] = [0, 1, 2].map(version);
    // One that has not seen the lock yet does not say that the later versions can never be spent.
    let mut node = leader(&town, PoolLimits::default());
    let later = [given_back.clone(), beyond.clone()];
    assert!(refusals(&tell(&mut node, GUEST, submit_all(0, &later))).is_empty());
    let _ = tell(&mut node, town.peer(0, 1), lock);
    let heard = tell(&mut node, GUEST, submit_all(0, from_ref(&gone)));
    assert_eq!(refusals(&heard), [(town.session(&gone), Refusal::Spent)]);
    let heard = tell(&mut node, town.peer(0, 1), back);
    proposes(&heard, from_ref(&given_back));
    assert!(refusals(&heard).is_empty());

    // The reason is the same for one that has seen the lock taken off.
    let (mut other, mut again) = (leader(&town, PoolLimits::default()), Branch::new(&town, 0));
    let _ = tell(&mut other, town.peer(0, 1), again.commit_all(from_ref(&doomed)));
    let back =
        again.commit(&[crate::branch::abort(&doomed, there.proof(&doomed, Outcome::Rejected))]);
    let _ = tell(&mut other, town.peer(0, 1), back);
    let heard = tell(&mut other, GUEST, submit_all(0, &[gone.clone(), beyond]));
    assert_eq!(refusals(&heard), [(town.session(&gone), Refusal::Spent)]);
}

#[test]
fn what_has_become_too_late_is_refused_and_no_empty_block_follows() {
    let town = town();
    let mut branch = Branch::new(&town, 0);
    let mut node = leader(&town, PoolLimits::default());
    let late = town.pay_by(1, 1, &[town.coin_of(0, 0)], &[to(0, 100)]);
    // It could stand in block 1. The others decide another one.
    proposes(&tell(&mut node, GUEST, submit_all(0, from_ref(&late))), from_ref(&late));
    let heard = tell(&mut node, town.peer(0, 1), branch.commit(&[]));
    assert_eq!(refusals(&heard), [(town.session(&late), Refusal::Closed)]);
    assert_eq!(proposed(&heard), None, "there is nothing to propose");
    let heard = tell(&mut node, GUEST, submit_all(0, from_ref(&late)));
    assert!(proposed(&heard).is_none() && refusals(&heard).is_empty(), "nor ever");

    // One with inputs in several shards is rejected instead: a lock elsewhere needs the word.
    let (mut branch, mut node) = (Branch::new(&town, 0), leader(&town, PoolLimits::default()));
    let inputs = [town.coin_of(0, 0), town.coin_of(1, 0)];
    let joint = town.pay_by(1, 1, &inputs, &[to(0, 200)]);
    let _ = tell(&mut node, GUEST, submit_all(0, from_ref(&joint)));
    proposes(&tell(&mut node, town.peer(0, 1), branch.commit(&[])), from_ref(&joint));
    let heard = tell(&mut node, town.peer(0, 1), branch.commit_all(from_ref(&joint)));
    let rejected = heard.events.iter().any(|event| {
        matches!(event, Event::Committed { verdicts, .. } if verdicts[0].outcome == Outcome::Rejected)
    });
    assert!(rejected && proposed(&heard).is_none());
}

#[test]
fn patience_ends_and_begins_anew() {
    let town = town();
    let mut branch = Branch::new(&town, 0);
    let mut node = leader(&town, PoolLimits { patience: 3, ..PoolLimits::default() });
    let parent = town.spend(0, 0);
    let child = town.pay(5, &[town.created(&parent, 0)], &[to(0, 100)]);
    let session = town.session(&child);
    let _ = tell(&mut node, GUEST, submit_all(0, from_ref(&child)));
    for _ in 0..2 {
        assert!(refusals(&tell(&mut node, town.peer(0, 1), branch.commit(&[]))).is_empty());
    }
    let heard = tell(&mut node, town.peer(0, 1), branch.commit(&[]));
    assert_eq!(refusals(&heard), [(session, Refusal::Missing)]);
    let told = ask(&mut node, 0, &verdicts(&[session]));
    assert_eq!(*told.refused, [(session, Refusal::Missing)]);

    let _ = tell(&mut node, GUEST, submit_all(0, from_ref(&child)));
    let heard = tell(&mut node, town.peer(0, 1), branch.commit_all(&[parent]));
    proposes(&heard, from_ref(&child));
    let _ = tell(&mut node, town.peer(0, 1), branch.commit_all(&[child]));
    let told = ask(&mut node, 0, &verdicts(&[session]));
    assert_eq!((told.said.len(), told.refused.len()), (2, 0), "committed, so not refused");
}

#[test]
fn a_request_that_cannot_be_done_does_not_keep_out_one_that_can() {
    // Anyone who holds the transaction may send it with proofs that do not suffice.
    let town = town();
    let pay = town.pay(1, &[town.coin_of(0, 0), town.coin_of(1, 0)], &[to(0, 200)]);
    let (mut here, mut there) = (Branch::new(&town, 0), Branch::new(&town, 1));
    there.commit_all(from_ref(&pay));
    let (useless, good) =
        (commit(&pay, &[]), commit(&pay, &[there.proof(&pay, Outcome::Accepted)]));
    let mut node = leader(&town, PoolLimits::default());
    let heard = tell(&mut node, GUEST, submit(0, from_ref(&useless)));
    assert_eq!((heard.messages.len(), heard.faults.len()), (0, 1), "it can never be done");
    let heard = tell(&mut node, Peer::Guest(2), submit(0, from_ref(&good)));
    assert!(heard.messages.is_empty() && heard.faults.is_empty(), "it is early");
    let heard = tell(&mut node, town.peer(0, 1), here.commit_all(from_ref(&pay)));
    assert_eq!(proposed(&heard), Some(vec![good]));
}

#[test]
fn an_answer_is_bounded() {
    let town = town();
    let mut branch = Branch::new(&town, 0);
    let mut node = town.validator(0, 1);
    let pay = town.spend(0, 0);
    let _ = tell(&mut node, town.peer(0, 0), branch.commit_all(from_ref(&pay)));
    let query = Query { session: town.session(&pay), want: Want::Verdict };
    let Answer { said, refused, .. } = ask(&mut node, 0, &[query; MAX_ASK]);
    assert_eq!((said.len(), refused.len()), (2, 0), "each is said once");
    let unknown = Query { session: Session([7; 32]), want: Want::Verdict };
    assert_eq!(ask(&mut node, 0, &[unknown]), nothing(0));
    assert_eq!(ask(&mut node, 0, &[]), nothing(0));
}

#[test]
fn a_message_of_too_many_bytes_is_not_looked_into() {
    let town = town();
    let mut node = town.validator(0, 1);
    let inputs = vec![town.coin_of(0, 0); MAX_INPUTS];
    let declared = Declaration::new(0, 0, 9, inputs, vec![to(0, 0); MAX_OUTPUTS]).unwrap();
    let signatures = BoundedVec::new(vec![Signature([7; 64]); MAX_INPUTS]).unwrap();
    let fat = Transaction { declaration: declared, signatures };
    assert!(4 * initialize(&fat).encode().len() > MAX_SUBMIT_BYTES);
    let heard = tell(&mut node, GUEST, submit_all(0, &vec![fat.clone(); 4]));
    assert_eq!((heard.events.len(), heard.faults.len()), (0, 1));
    assert_eq!(heard.faults[0].kind, FaultKind::InvalidPayload);
    let heard = tell(&mut node, Peer::Guest(2), submit_all(0, &[fat]));
    assert_eq!(heard.events.len(), 1, "one is looked at");
}

#[test]
fn guests_are_blamed_once_and_a_bounded_number_of_them() {
    let town = town();
    let mut node = town.validator(0, 1);
    let lie = || Message::Guest(Guest::Answer(nothing(0)));
    let mut faults = 0;
    for guest in 0..5000 {
        let heard = tell(&mut node, Peer::Guest(guest), vec![lie(), lie()]);
        assert!(heard.faults.iter().all(|fault| fault.kind == FaultKind::WrongRole));
        faults += heard.faults.len();
    }
    assert_eq!(faults, 4096);
    // A validator's fault is reported all the same; a stranger who poses as one is not heard.
    for culprit in [town.peer(0, 3), town.peer(1, 3)] {
        let blamed = tell(&mut node, culprit, vec![lie(), lie()]).faults;
        assert_eq!(blamed, [Fault { culprit, kind: FaultKind::WrongRole, evidence: None }]);
    }
    let stranger = Peer::Validator(PeerId::of(key(99).public()));
    let said = [vec![lie(), Message::Sync(Sync::Ask)], submit_all(0, &[town.spend(0, 0)])];
    let heard = tell(&mut node, stranger, said.concat());
    assert!(heard.faults.is_empty() && heard.events.is_empty() && heard.messages.is_empty());
}

#[test]
fn guests_say_nothing_among_validators() {
    let town = town();
    let branch = Branch::new(&town, 0);
    let draft = branch.draft(&[initialize(&town.spend(0, 0))]);
    let mut node = town.validator(0, 1);
    let epoch = Message::Sync(Sync::Epoch(Box::new(town.proof.clone())));
    let said = [
        branch.propose(&draft.app(), &draft.body),
        branch.decided(&draft.app(), &draft.body),
        vec![epoch],
    ];
    let heard = tell(&mut node, GUEST, said.concat());
    assert!(heard.records.is_empty() && heard.events.is_empty() && heard.messages.is_empty());
    assert_eq!((node.timeline().unwrap().tip().index, heard.faults.len()), (0, 1));

    // Nor does another epoch's or shard's traffic reach this one, nor another shard's validator.
    for message in branch.decided(&draft.app(), &draft.body) {
        let heard = tell(&mut node, town.peer(1, 0), vec![message.clone()]);
        assert!(heard.records.is_empty() && heard.faults.is_empty());
        let Message::Shard { message, .. } = message else { panic!() };
        for (epoch, shard) in [(1, 0), (0, 1), (0, 2), (u64::MAX, u16::MAX)] {
            let message = Message::Shard { epoch, shard, message: message.clone() };
            let heard = tell(&mut node, town.peer(0, 0), vec![message]);
            assert!(heard.records.is_empty() && heard.faults.is_empty());
        }
    }
    assert_eq!(node.timeline().unwrap().tip().index, 0);
}

#[test]
fn what_is_of_another_shard_is_dropped() {
    let town = town();
    let mut node = town.validator(0, 1);
    let query = Query { session: Session([7; 32]), want: Want::Verdict };
    for shard in [1, 2, u16::MAX] {
        let queries = BoundedVec::new(vec![query]).unwrap();
        let ask = vec![Message::Guest(Guest::Ask { shard, queries })];
        let said = [submit_all(shard, &[town.spend(1, 0)]), ask].concat();
        let heard = tell(&mut node, GUEST, said);
        assert!(heard.messages.is_empty() && heard.events.is_empty() && heard.faults.is_empty());
    }
}

#[test]
fn bad_payments_are_the_senders_fault_and_late_ones_nobodys() {
    let town = town();
    let mut node = town.validator(0, 1);
    let mut bad = town.spend(0, 0);
    bad.signatures = BoundedVec::new(vec![Signature([7; 64])]).unwrap();
    let heard = tell(&mut node, GUEST, submit_all(0, &[bad.clone(), bad]));
    assert_eq!(heard.faults.len(), 1);
    assert_eq!(heard.faults[0].kind, FaultKind::InvalidPayload);
    // Of an epoch to come, signed: it may wait.
    let declared = Declaration::new(1, 1, 9, vec![town.coin_of(0, 0)], vec![to(0, 100)]).unwrap();
    let owner = crate::town::owner();
    let early = declared.sign(&town.genesis.id(), |_| Some(&owner)).unwrap();
    let heard = tell(&mut node, town.peer(0, 2), submit_all(0, &[early]));
    assert!(heard.faults.is_empty() && refusals(&heard).is_empty());
    // A payment of another shard is nothing that an honest wallet sends here.
    let heard = tell(&mut node, Peer::Guest(3), submit_all(0, &[town.spend(1, 0)]));
    assert_eq!(heard.faults.len(), 1);
}

#[test]
fn a_blocks_worth_is_forwarded_to_the_shard() {
    let town = town();
    let size = u32::try_from(initialize(&town.spend(0, 0)).encode().len()).unwrap();
    let config = validator_config(&town.genesis, town.members(0)[1]);
    let mut node = town.validator_with(validator::Config { block_bytes: 4 * size, ..config });
    let pays: Vec<_> = (0..6).map(|at| initialize(&town.spend(0, at))).collect();
    let _ = tell(&mut node, GUEST, submit(0, &pays));
    let heard = take((1..6).map(|second| at(second, |cx| node.handle_timeout(cx))));
    let forwarded = heard.messages.into_iter().filter_map(|(to, message)| match message {
        Message::Guest(Guest::Submit { shard: 0, requests }) => Some((to, requests.to_vec())),
        _ => None,
    });
    let others = [0, 2, 3].map(|at| town.peer(0, at)).to_vec();
    let all: Vec<_> = forwarded.collect();
    assert_eq!(all, [(cosi::machine::To::Some(others), pays[..4].to_vec())]);
}
