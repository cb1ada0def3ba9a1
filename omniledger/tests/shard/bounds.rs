//! What strangers can make a validator keep, and how it stays alive beside them.

use std::slice::from_ref;

use cosi::{
    keys::{PeerId, Signature},
    machine::{Fault, FaultKind},
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Peer, PoolLimits, Refusal, Session, Transaction, Validator, byzcoin,
    chain::Body,
    message::{Answer, Guest, MAX_ASK, MAX_LINKS, MAX_SUBMIT_BYTES},
    transaction::{Declaration, Input, MAX_INPUTS, MAX_OUTPUTS, Outpoint},
    validator::{self, Event},
};

use crate::town::{
    GUEST, Heard, Town, ask, at, key, nothing, peer, shard, submit, take, tell, to_owner,
};

/// What a leader proposes.
fn proposed(heard: &Heard) -> Option<Vec<Transaction>> {
    let mut body = Vec::new();
    for (_, message) in &heard.messages {
        let Message::Shard { message, .. } = message else { continue };
        if let byzcoin::Message::Chunk { chunk, .. } = &**message {
            body.extend_from_slice(&chunk.bytes);
        }
    }
    Some(Body::decode(&body).ok()?.transactions.into_inner())
}

/// A payment, signed, of a coin that does not exist.
fn orphan(town: &Town, number: u8) -> Transaction {
    let outpoint = Outpoint { shard: 0, id: [number; 32], version: 0 };
    town.pay(1, &[Input { outpoint, ..town.coin(0) }], &[to_owner(100)])
}

fn refusals(heard: &Heard) -> Vec<(Session, Refusal)> {
    let refusal = |event: &Event| match event {
        Event::Refused { session, refusal } => Some((*session, *refusal)),
        _ => None,
    };
    heard.events.iter().filter_map(refusal).collect()
}

fn leader(town: &Town, limits: PoolLimits) -> Validator {
    town.validator_with(validator::Config { pool: limits, ..town.validator_config(0) })
}

#[test]
fn a_pool_holds_so_many_bytes() {
    let town = Town::new(6);
    let pays: Vec<_> = (0..6).map(|at| town.spend(at)).collect();
    let bytes = 3 * pays[0].encode().len();
    let mut node = leader(&town, PoolLimits { bytes, ..PoolLimits::default() });
    assert_eq!(proposed(&tell(&mut node, GUEST, submit(&pays))).unwrap(), pays[..3]);
}

#[test]
fn coins_that_never_come_do_not_keep_real_ones_out() {
    let town = Town::new(2);
    let bytes = 8 * town.spend(0).encode().len();
    let mut node = leader(&town, PoolLimits { bytes, ..PoolLimits::default() });
    let flood: Vec<_> = (0..100).map(|number| orphan(&town, number)).collect();
    let heard = tell(&mut node, GUEST, submit(&flood));
    assert!(heard.messages.is_empty(), "there is nothing to propose");
    assert_eq!(node.next_timeout(), None, "nor to wait for");
    let pays = [town.spend(0), town.spend(1)];
    assert_eq!(proposed(&tell(&mut node, GUEST, submit(&pays))).unwrap(), pays);
}

#[test]
fn what_fits_no_block_beside_others_gets_one_of_its_own() {
    let town = Town::new(3);
    let config = validator::Config { block_bytes: 100, ..town.validator_config(0) };
    let mut node = town.validator_with(config);
    let pays = [town.spend(0), town.spend(1)];
    assert!(pays[0].encode().len() > 100);
    assert_eq!(proposed(&tell(&mut node, GUEST, submit(&pays))).unwrap(), pays[..1]);
}

#[test]
fn a_refused_payment_is_refused_again_and_the_reason_stays_true() {
    let mut town = Town::new(4);
    let limits = PoolLimits { refusals: 2, ..PoolLimits::default() };
    let mut node = leader(&town, limits);
    let pay = |at: usize, nonce| town.pay(nonce, &[town.coin(at)], &[to_owner(100)]);
    let (winners, losers): (Vec<_>, Vec<_>) = (0..3).map(|at| (pay(at, 1), pay(at, 2))).unzip();
    let _ = tell(&mut node, GUEST, submit(&losers));
    let heard = tell(&mut node, peer(1), town.commit(&winners));
    let spent = |pays: &[Transaction]| -> Vec<_> {
        pays.iter().map(|pay| (town.session(pay), Refusal::Spent)).collect()
    };
    assert_eq!(refusals(&heard), spent(&losers));

    // Two refusals are remembered, the latest ones.
    let sessions: Vec<_> = losers.iter().map(|pay| town.session(pay)).collect();
    assert_eq!(*ask(&mut node, 0, &sessions).refused, spent(&losers[1..]));
    // The third is told again when it is submitted again; no block has to come.
    let heard = tell(&mut node, GUEST, submit(&losers[..1]));
    assert_eq!(refusals(&heard), spent(&losers[..1]));
    assert_eq!(*ask(&mut node, 0, &sessions[..1]).refused, spent(&losers[..1]));
    assert!(refusals(&tell(&mut node, GUEST, submit(&losers[..1]))).is_empty(), "once");

    let mut lie = town.coin(3);
    lie.value = 99;
    let lie = town.pay(1, &[lie], &[]);
    let misdeclared = [(town.session(&lie), Refusal::Misdeclared)];
    assert_eq!(refusals(&tell(&mut node, GUEST, submit(&[lie]))), misdeclared);
}

#[test]
fn patience_ends_and_begins_anew() {
    let mut town = Town::new(2);
    let mut node = leader(&town, PoolLimits { patience: 3, ..PoolLimits::default() });
    let parent = town.spend(0);
    let coin = parent.declaration.created(town.session(&parent)).next().unwrap();
    let child = town.pay(5, &[coin], &[to_owner(100)]);
    let session = town.session(&child);
    let _ = tell(&mut node, GUEST, submit(from_ref(&child)));
    for _ in 0..2 {
        assert!(refusals(&tell(&mut node, peer(1), town.commit(&[]))).is_empty());
    }
    let heard = tell(&mut node, peer(1), town.commit(&[]));
    assert_eq!(refusals(&heard), [(session, Refusal::Missing)]);
    assert_eq!(*ask(&mut node, 0, &[session]).refused, [(session, Refusal::Missing)]);

    let _ = tell(&mut node, GUEST, submit(from_ref(&child)));
    let heard = tell(&mut node, peer(1), town.commit(&[parent]));
    assert_eq!(proposed(&heard).unwrap(), from_ref(&child), "its coin is there");
    let _ = tell(&mut node, peer(1), town.commit(&[child]));
    let told = ask(&mut node, 0, &[session]);
    assert_eq!((told.found.len(), told.refused.len()), (1, 0), "committed, so not refused");
}

#[test]
fn an_answer_is_bounded_and_goes_on_where_it_ended() {
    let mut town = Town::new(1);
    let mut node = town.validator(1);
    let pay = town.spend(0);
    let _ = tell(&mut node, peer(0), town.commit(from_ref(&pay)));
    for _ in 0..=MAX_LINKS {
        let _ = tell(&mut node, peer(0), town.commit(&[]));
    }
    let session = town.session(&pay);
    let Answer { links, found, refused } = ask(&mut node, 0, &[session; MAX_ASK]);
    assert_eq!((links.unwrap().hops(), found.len(), refused.len()), (MAX_LINKS, MAX_ASK, 0));
    let head = u64::try_from(MAX_LINKS).unwrap();
    assert_eq!(ask(&mut node, head, &[]).links, Some(town.links_after(MAX_LINKS)));
    assert_eq!(ask(&mut node, head + 2, &[]).links.unwrap().hops(), 0);
    for unknown in [head + 3, u64::MAX] {
        assert_eq!(ask(&mut node, unknown, &[Session([7; 32])]), nothing());
    }
}

#[test]
fn a_message_of_too_many_bytes_is_not_looked_into() {
    let town = Town::new(1);
    let mut node = town.validator(1);
    let inputs = vec![town.coin(0); MAX_INPUTS];
    let declaration = Declaration::new(0, 0, inputs, vec![to_owner(0); MAX_OUTPUTS]).unwrap();
    let signatures = BoundedVec::new(vec![Signature([7; 64]); MAX_INPUTS]).unwrap();
    let fat = Transaction { declaration, signatures };
    assert!(2 * fat.encode().len() > MAX_SUBMIT_BYTES);
    let heard = tell(&mut node, GUEST, submit(&[fat.clone(), fat.clone()]));
    assert_eq!((heard.events.len(), heard.faults.len()), (0, 1));
    assert_eq!(heard.faults[0].kind, FaultKind::InvalidPayload);
    assert_eq!(tell(&mut node, Peer::Guest(2), submit(&[fat])).events.len(), 1, "one is looked at");
}

#[test]
fn guests_are_blamed_once_and_a_bounded_number_of_them() {
    let town = Town::new(1);
    let mut node = town.validator(1);
    let lie = || Message::Guest(Guest::Answer(nothing()));
    let mut faults = 0;
    for guest in 0..5000 {
        let heard = tell(&mut node, Peer::Guest(guest), vec![lie(), lie()]);
        assert!(heard.faults.iter().all(|fault| fault.kind == FaultKind::WrongRole));
        faults += heard.faults.len();
    }
    assert_eq!(faults, 4096);
    // A validator's fault is reported all the same; a stranger who poses as one is not heard.
    let culprit = peer(3);
    let blamed = tell(&mut node, culprit, vec![lie(), lie()]).faults;
    assert_eq!(blamed, [Fault { culprit, kind: FaultKind::WrongRole, evidence: None }]);
    let stranger = Peer::Validator(PeerId::of(key(99).public()));
    let heard = tell(&mut node, stranger, [vec![lie()], submit(&[town.spend(0)])].concat());
    assert!(heard.faults.is_empty() && heard.events.is_empty());
}

#[test]
fn guests_say_nothing_among_validators() {
    let town = Town::new(1);
    let draft = town.draft(&[town.spend(0)]);
    let mut node = town.validator(1);
    let said = [
        town.propose(&draft.header.id().encode(), &draft.body),
        town.decided(&draft.header.id().encode(), &draft.body),
    ];
    let heard = tell(&mut node, GUEST, said.concat());
    assert!(heard.records.is_empty() && heard.events.is_empty() && heard.messages.is_empty());
    assert_eq!((node.head().index, heard.faults.len()), (0, 1));

    // Nor does another epoch's or shard's traffic reach this one.
    for (epoch, number) in [(1, 0), (0, 1)] {
        for message in town.decided(&draft.header.id().encode(), &draft.body) {
            let Message::Shard { message, .. } = message else { panic!() };
            let heard =
                tell(&mut node, peer(0), vec![Message::Shard { epoch, shard: number, message }]);
            assert!(heard.records.is_empty() && heard.faults.is_empty());
        }
    }
    let pull = byzcoin::message::Wanted::Decisions(byzcoin::Height::FIRST);
    assert!(tell(&mut node, peer(0), vec![shard(byzcoin::Message::Pull(pull))]).faults.is_empty());
}

#[test]
fn bad_payments_are_the_senders_fault_and_late_ones_nobodys() {
    let town = Town::new(1);
    let mut node = town.validator(1);
    let mut bad = town.spend(0);
    bad.signatures = BoundedVec::new(vec![Signature([7; 64])]).unwrap();
    let heard = tell(&mut node, GUEST, submit(&[bad.clone(), bad.clone()]));
    assert_eq!(heard.faults.len(), 1);
    assert_eq!(heard.faults[0].kind, FaultKind::InvalidPayload);
    bad.declaration.epoch = 1;
    assert!(tell(&mut node, peer(2), submit(&[bad])).faults.is_empty());
}

#[test]
fn a_blocks_worth_is_forwarded() {
    let town = Town::new(9);
    let size = u32::try_from(town.spend(0).encode().len()).unwrap();
    let config = validator::Config { block_bytes: 4 * size, ..town.validator_config(1) };
    let mut node = town.validator_with(config);
    let pays: Vec<_> = (0..9).map(|at| town.spend(at)).collect();
    let _ = tell(&mut node, GUEST, submit(&pays));
    let heard = take((1..6).map(|second| at(second, |cx| node.handle_timeout(cx))));
    let forwarded = heard.messages.iter().filter_map(|(_, message)| match message {
        Message::Guest(Guest::Submit(pays)) => Some(pays.to_vec()),
        _ => None,
    });
    assert_eq!(forwarded.collect::<Vec<_>>(), [pays[..4].to_vec()]);
}
