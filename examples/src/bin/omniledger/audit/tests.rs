//! A small ledger that real machines ran, broken in every way.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod files;
mod lies;
mod world;

use std::collections::BTreeSet;

use cosi::{keys::Seed, wire::Wire};
use omniledger::{Genesis, Receipt, Session, atomix::Place, message::Proof};

use self::world::{World, world};
use super::*;

/// Where a fault is found, and of which check.
pub(super) fn broken(files: &Files) -> (Part, &'static str) {
    let broken = audit(files, None).unwrap_err();
    (broken.part, broken.check)
}

#[test]
fn a_sound_ledger_passes() {
    let World { evidence, committed, sent, .. } = world();
    let files = evidence.files();
    let found = audit(&files, None).unwrap();
    assert_eq!(found.verified, committed.len());
    assert_eq!(found.committed, committed.len());
    // One of the two that spend the same coin is aborted, and its other coin given back.
    assert_eq!((found.committed + found.aborted, found.aborted), (sent.len(), 1));
    assert_eq!((found.given_back, found.locks_left), (1, 0));

    let declared = committed.iter().map(|session| &sent[session].declaration);
    let crosses = declared.clone().filter(|declared| {
        let inputs = declared.inputs.iter().map(|input| input.outpoint.shard);
        let outputs = declared.outputs.iter().map(|output| output.shard);
        inputs.chain(outputs).collect::<BTreeSet<_>>().len() == 2
    });
    assert_eq!(found.cross_shard, crosses.count());
    assert!(found.cross_shard > 2);
    let spent = declared.clone().flat_map(|declared| declared.inputs.iter().map(|one| one.value));
    let made = declared.flat_map(|declared| declared.outputs.iter().map(|one| one.value));
    let (spent, made) = (spent.map(u128::from).sum(), made.map(u128::from).sum());
    assert_eq!((found.value_in, found.value_out), (spent, made));
    // Ten coins of 100 were granted, and one of them is burnt.
    assert_eq!((found.value_unspent, spent - made), (900, 100));

    assert_eq!(found.shards.len(), 2);
    for (shard, files) in found.shards.iter().zip(&files.shards) {
        assert_eq!(shard.validators, 4);
        assert_eq!(shard.blocks, u64::try_from(files.bodies.len()).unwrap());
        assert!(shard.blocks > 3 && shard.head_links < files.bodies.len());
        assert_eq!((shard.chain_bytes, shard.head_bytes), (files.chain.len(), files.head.len()));
    }
    assert_eq!(found.transcript_bytes, files.epoch.len());
    assert_eq!(found.receipts, files.receipts.iter().map(Vec::len).collect::<Vec<_>>());
}

#[test]
fn a_ledger_in_which_nothing_happened_passes() {
    let world = world();
    let shards = (0..2).map(|shard| world.cut(shard, 0)).collect();
    let files = Files { shards, receipts: vec![], ..world.evidence.files() };
    let found = audit(&files, None).unwrap();
    assert_eq!((found.committed, found.unspent, found.value_unspent), (0, 10, 1000));
    assert_eq!(broken(&Files { receipts: world.evidence.files().receipts, ..files }).1, "fork");
}

#[test]
fn the_books_and_the_states_say_the_same() {
    let (world, mut shards) = (world(), world().replay());
    let settled = |shards: &[Replayed]| settle(&world.evidence.genesis, shards);
    assert_eq!(settled(&shards).unwrap().committed.len(), world.committed.len());
    let info = world.stranger().epoch().shard(1).unwrap().clone();
    shards[1].state = info.state(&world.evidence.genesis);
    let broken = settled(&shards).unwrap_err();
    assert_eq!((broken.part, broken.check), (Part::Blocks(1), "unspent"));
}

#[test]
fn a_ledger_of_another_genesis_is_refused() {
    let World { evidence, .. } = world();
    let other = Genesis { prior: [1; 32], ..evidence.genesis.clone() };
    let files = Files { genesis: other.encode(), ..evidence.files() };
    assert_eq!(broken(&files), (Part::Epoch, "epoch"));
    let unsound = Genesis { shards: 0, ..evidence.genesis.clone() };
    let files = Files { genesis: unsound.encode(), ..evidence.files() };
    assert_eq!(broken(&files), (Part::Genesis, "genesis"));
}

#[test]
fn shards_and_bodies_are_complete_and_in_their_places() {
    let sound = world().evidence.files();
    let mut files = sound.clone();
    files.shards.swap(0, 1);
    assert_eq!(broken(&files), (Part::Chain(0), "links"));
    let mut files = sound.clone();
    files.shards.pop();
    assert_eq!(broken(&files), (Part::Shard(1), "shards"));
    let mut files = sound.clone();
    files.shards.push(files.shards[1].clone());
    assert_eq!(broken(&files), (Part::Shard(2), "shards"));

    for shard in 0..2 {
        let bodies = sound.shards[usize::from(shard)].bodies.len();
        for at in 0..bodies {
            let index = u64::try_from(at + 1).unwrap();
            let with = |change: fn(&mut Vec<Vec<u8>>, usize)| {
                let mut files = sound.clone();
                change(&mut files.shards[usize::from(shard)].bodies, at);
                broken(&files)
            };
            let missing = |bodies: &mut Vec<Vec<u8>>, at| drop(bodies.remove(at));
            assert_eq!(with(missing), (Part::Block(shard, index), "body"));
            let swapped = |bodies: &mut Vec<Vec<u8>>, at: usize| {
                let next = (at + 1) % bodies.len();
                bodies.swap(at, next);
            };
            let first = if at + 1 == bodies { 1 } else { index };
            assert_eq!(with(swapped), (Part::Block(shard, first), "body"));
        }
        let mut files = sound.clone();
        files.shards[usize::from(shard)].bodies.push(vec![0; 4]);
        let beyond = u64::try_from(bodies + 1).unwrap();
        assert_eq!(broken(&files), (Part::Block(shard, beyond), "body"));
    }
}

#[test]
fn a_chain_and_its_head_have_one_form() {
    let world = world();
    let sound = world.evidence.files();
    for number in 0..2_u16 {
        let at = usize::from(number);
        let with = |change: &dyn Fn(&mut ShardFiles)| {
            let mut files = sound.clone();
            change(&mut files.shards[at]);
            broken(&files)
        };
        let timeline = world.timeline(number);
        let tip = timeline.tip().index;
        // To another block, by more links than it takes, or from another block on.
        let earlier = timeline.prove(0, tip - 1).unwrap().encode();
        assert_eq!(with(&|files| files.head = earlier.clone()), (Part::Head(number), "links"));
        let plain = timeline.plain(0, usize::MAX).unwrap().encode();
        assert_eq!(with(&|files| files.head = plain.clone()), (Part::Head(number), "links"));
        let shortest = timeline.prove(0, tip).unwrap().encode();
        assert_eq!(with(&|files| files.chain = shortest.clone()), (Part::Chain(number), "links"));
        let later = timeline.plain(1, usize::MAX).unwrap().encode();
        assert_eq!(with(&|files| files.chain = later.clone()), (Part::Chain(number), "links"));
        // With the roster, which everybody has.
        let mut timeline = timeline;
        let stranger = world.stranger();
        let roster = stranger.epoch().shard(number).unwrap().roster();
        let all = cosi::mask::Mask::of(4, 0..4);
        assert!(timeline.show(roster.id(), roster.open(&all)));
        let shown = timeline.plain(0, usize::MAX).unwrap().encode();
        assert_eq!(with(&|files| files.chain = shown.clone()), (Part::Chain(number), "links"));
        // Without its last block, of which others know; or a lock is not given back yet.
        let mut files = sound.clone();
        files.shards[at] = world.cut(number, tip - 1);
        assert!(audit(&files, None).map_or(true, |found| found.locks_left == 1));
    }
}

#[test]
fn there_is_one_receipt_of_each_committed_session() {
    let World { evidence, sent, committed, .. } = world();
    let sound = evidence.files();
    let count = sound.receipts.len();
    for at in 0..count {
        let mut files = sound.clone();
        files.receipts.remove(at);
        let check = if at + 1 == count { "completeness" } else { "order" };
        assert_eq!(broken(&files), (Part::Receipt(at), check));
        let mut files = sound.clone();
        files.receipts.insert(at, files.receipts[at].clone());
        assert_eq!(broken(&files), (Part::Receipt(at + 1), "order"));
        let mut files = sound.clone();
        files.receipts.swap(at, (at + 1) % count);
        let first = if at + 1 == count { 0 } else { at };
        assert_eq!(broken(&files), (Part::Receipt(first), "order"));
    }

    // Whoever wants fewer gets those and no other.
    let session = |bytes: &Vec<u8>| {
        let receipt = Receipt::decode(bytes).unwrap();
        receipt.transaction.declaration.session(&evidence.genesis.id())
    };
    let wanted: BTreeSet<Session> = sound.receipts.iter().skip(1).map(session).collect();
    let broken = audit(&sound, Some(&wanted)).unwrap_err();
    assert_eq!((broken.part, broken.check), (Part::Receipt(0), "order"));
    let mut files = sound.clone();
    files.receipts.remove(0);
    let found = audit(&files, Some(&wanted)).unwrap();
    assert_eq!((found.verified, found.committed), (count - 1, count));
    let aborted = sent.keys().find(|session| !committed.contains(session)).unwrap();
    let broken = audit(&sound, Some(&BTreeSet::from([*aborted]))).unwrap_err();
    assert_eq!((broken.part, broken.check), (Part::Whole, "commitment"));
}

#[test]
fn a_receipt_that_holds_by_itself_must_be_of_the_audited_chains() {
    let world = world();
    let mut stranger = world.stranger();
    let mut with = |change: &dyn Fn(&mut Vec<Proof>)| {
        let mut files = world.evidence.files();
        let mut receipt = Receipt::decode(&files.receipts[0]).unwrap();
        let mut said = receipt.said.into_inner();
        change(&mut said);
        receipt.said = cosi::wire::BoundedVec::new(said).unwrap();
        stranger.verify(&receipt).unwrap();
        files.receipts[0] = receipt.encode();
        broken(&files)
    };
    // The same word, shown by a later state, is another receipt of the same.
    let kept = |said: &mut Vec<Proof>| {
        let receipt = Receipt::decode(&world.evidence.files().receipts[0]).unwrap();
        let session = receipt.transaction.declaration.session(&world.evidence.genesis.id());
        let timeline = world.timeline(said[0].shard);
        let tip = timeline.tip().index;
        said[0].inclusion.header = timeline.tip().clone();
        said[0].inclusion.from = timeline.header(tip - 1).unwrap().id();
        said[0].inclusion.back = timeline.back_links(tip).unwrap().open(0).unwrap();
        said[0].inclusion.attestation = timeline.attestation(tip).unwrap().clone();
        let place = world.state(said[0].shard).place(session, said[0].outcome).unwrap();
        assert!(matches!(place, Place::Kept { .. }));
        said[0].inclusion.place = place;
    };
    assert_eq!(with(&kept), (Part::Receipt(0), "place"));
    // Another block, decided by the quorum beside the one in the chain.
    let forked = |said: &mut Vec<Proof>| {
        let receipt = Receipt::decode(&world.evidence.files().receipts[0]).unwrap();
        let checked = world.evidence.genesis.rules().check_one(receipt.transaction).unwrap();
        said[0] = world.forge(said[0].shard, &checked, said[0].outcome);
    };
    assert_eq!(with(&forked), (Part::Receipt(0), "fork"));
}

#[test]
fn a_receipt_of_another_ledger_is_refused() {
    let World { evidence, .. } = world();
    let mut files = evidence.files();
    let mut receipt = Receipt::decode(&files.receipts[0]).unwrap();
    let owner = Seed::from_bytes([9; 32]).signing_key();
    let other = Genesis { prior: [1; 32], ..evidence.genesis.clone() };
    let declared = receipt.transaction.declaration;
    receipt.transaction = declared.sign(&other.id(), |_| Some(&owner)).unwrap();
    files.receipts[0] = receipt.encode();
    assert_eq!(broken(&files), (Part::Receipt(0), "proof"));
}
