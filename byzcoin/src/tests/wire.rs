//! Wire types and evidence.

use std::{println, string::String, vec::Vec};

use cosi::{
    Statement as _, domain,
    keys::{Seed, SigningKey},
    machine::Evidence,
    roster::{Member, Roster},
    transcript::Hash,
    wire::{BoundedVec, Wire},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::world::{Msg, Rec, World};
use crate::{
    Body, Digest, Height, Kind, Scope, Statement, View, evidence,
    message::{Message, Wanted},
    statement::Lock,
};

/// A run with view changes, chunks, pulls and a crash: every kind of message and record.
fn everything() -> World {
    let mut world = World::new(4, &[0]);
    world.busy = 3;
    let block = world.block(View::ZERO, b"one");
    world.put(0, &[1, 2], View::ZERO, &block);
    world.run_all();
    let lock = Lock { view: View::ZERO, digest: block.0.digest() };
    let prepared = world.prepared(Height::FIRST, lock);
    for node in [1, 2] {
        world.time_out(node);
    }
    if let Some(prepared) = prepared {
        world.post(0, 3, Message::Prepared(prepared));
    }
    world.offer_all();
    assert!(world.settle(3));
    world.restart(2);
    world.post(1, 2, Message::Content(block.0.clone()));
    let chunks = BoundedVec::new(std::vec![0, 3]).unwrap();
    world.post(1, 2, Message::Pull(Wanted::Chunks(Height::FIRST, lock.digest, chunks)));
    world.check();
    world
}

fn kind(message: &Msg) -> u8 {
    message.encode()[0]
}

#[test]
fn every_message_and_record_has_one_encoding() {
    let world = everything();
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for tag in 0..9 {
        let found = world.sent.iter().map(|sent| &sent.message).find(|m| kind(m) == tag);
        messages.push(found.unwrap_or_else(|| panic!("no message {tag}")).encode());
    }
    let journals = (1..4).flat_map(|node| world.node(node).journal.clone());
    let journals: Vec<Vec<u8>> = journals.collect();
    let records: Vec<_> = (0..8)
        .map(|tag| {
            journals
                .iter()
                .find(|bytes| bytes[0] == tag)
                .unwrap_or_else(|| panic!("no record {tag}"))
        })
        .collect();
    for bytes in &messages {
        assert_eq!(Msg::decode(bytes).unwrap().encode(), *bytes);
        assert!(Msg::decode(&[&bytes[..], &[0]].concat()).is_err(), "a trailing byte");
        assert!((0..bytes.len()).all(|len| Msg::decode(&bytes[..len]).is_err()), "truncated");
    }
    for bytes in &records {
        assert_eq!(Rec::decode(bytes).unwrap().encode(), **bytes);
        assert!(Rec::decode(&[&bytes[..], &[0]].concat()).is_err(), "a trailing byte");
        assert!((0..bytes.len()).all(|len| Rec::decode(&bytes[..len]).is_err()), "truncated");
    }
    // A length that promises more than there is, wherever one may stand.
    for bytes in messages.iter().chain(records.iter().copied()) {
        for at in 0..bytes.len().saturating_sub(4) {
            let mut hostile = bytes.clone();
            hostile[at..at + 4].copy_from_slice(&[0xff; 4]);
            let _ = (Msg::decode(&hostile), Rec::decode(&hostile));
        }
    }
    let all = messages.iter().chain(records).fold(Hash::new(domain::BATCH), |h, b| h.bytes(b));
    assert_eq!(hex(&all.digest()[..8]), FORMAT, "the format has changed: that is a decision");
}

/// The first bytes of the hash over the encodings of each message and record.
const FORMAT: &str = "6d168ff9629810c2";

#[test]
fn a_statement_and_a_proposal_are_what_they_were() {
    let scope = Scope { chain: [1; 32], epoch: 2, roster: super::world::roster(4).id() };
    let scope = Scope { roster: cosi::roster::RosterId([3; 32]), ..scope };
    let statement = scope.statement(Kind::Commit, Height::new(4), View::new(5), [6; 32]);
    let vector = [
        "01".repeat(32),
        "0200000000000000".into(),
        "03".repeat(32),
        "02".into(),
        "0400000000000000".into(),
        "05000000".into(),
        "06".repeat(32),
    ];
    assert_eq!(hex(&statement.encode()), vector.concat());
    let kinds = [Kind::Proposal, Kind::Prepare, Kind::Commit, Kind::ViewChange, Kind::Body];
    assert_eq!(kinds.map(|kind| kind.encode()[0]), [0, 1, 2, 3, 4]);
    assert_ne!(Lock::digest(None), Lock::digest(Some(Lock { view: View::ZERO, digest: [0; 32] })));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| std::format!("{byte:02x}")).collect()
}

fn keys() -> (Vec<SigningKey>, Roster) {
    let keys: Vec<_> = (1..=4).map(|seed| Seed::from_bytes([seed; 32]).signing_key()).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap();
    (keys, roster)
}

#[test]
fn evidence_convicts_its_signer_and_nobody_else() {
    let (keys, roster) = keys();
    let scope = Scope { chain: [1; 32], epoch: 2, roster: roster.id() };
    let says = |key: &SigningKey, statement: Statement| {
        let signature = match statement.kind {
            Kind::Prepare | Kind::Commit => {
                cosi::certificate::sign(key, &scope.roster, &statement.to_signed())
            }
            _ => key.sign(&domain::BYZCOIN, &statement.encode()),
        };
        (statement, signature)
    };
    let at = |kind, height, view, digest: Digest| {
        scope.statement(kind, Height::new(height), View::new(view), digest)
    };
    let base = at(Kind::Prepare, 3, 1, [1; 32]);
    let [culprit, other] = [2, 3].map(|position| roster.index(position).unwrap());
    let verdict = |signer, first, second| {
        let proof = evidence::contradiction(signer, [first, second]).unwrap();
        let proof = Evidence::decode(&proof.encode()).unwrap();
        evidence::verify(&proof, &roster)
    };
    for kind in [Kind::Proposal, Kind::Prepare, Kind::Commit, Kind::ViewChange] {
        let two = [[1; 32], [2; 32]].map(|digest| says(&keys[2], at(kind, 3, 1, digest)));
        assert_eq!(verdict(culprit, two[0], two[1]), Some(culprit), "{kind:?}");
        assert_eq!(verdict(other, two[0], two[1]), None, "another's name");
    }
    let innocent = [
        base,
        Statement { digest: [2; 32], height: Height::new(4), ..base },
        Statement { digest: [2; 32], view: View::new(2), ..base },
        Statement { digest: [2; 32], kind: Kind::Commit, ..base },
        Statement { digest: [2; 32], chain: [9; 32], ..base },
        Statement { digest: [2; 32], epoch: 9, ..base },
    ];
    for second in innocent {
        assert_eq!(verdict(culprit, says(&keys[2], base), says(&keys[2], second)), None);
    }
    let [first, second] = [[1; 32], [2; 32]].map(|digest| Statement { digest, ..base });
    assert_eq!(verdict(culprit, says(&keys[2], first), says(&keys[3], second)), None, "framed");
    let bodies = [first, second].map(|s| says(&keys[2], Statement { kind: Kind::Body, ..s }));
    assert_eq!(verdict(culprit, bodies[0], bodies[1]), None, "spreading ahead is no vote");
    let elsewhere = [first, second]
        .map(|s| says(&keys[2], Statement { roster: super::world::roster(5).id(), ..s }));
    assert_eq!(verdict(culprit, elsewhere[0], elsewhere[1]), None, "another roster");
    let mut proof =
        evidence::contradiction(culprit, [says(&keys[2], first), says(&keys[2], second)]).unwrap();
    proof.domain = domain::BLAME;
    assert_eq!(evidence::verify(&proof, &roster), None);
    println!("{} bytes of evidence", proof.encode().len());
    assert!(Body::new(&[]).unwrap().chunks().is_empty());
}
