//! Every slot that a peer can fill, filled.

use std::{println, vec::Vec};

use cosi::wire::Wire;

use super::{
    model::Sig,
    world::{Sent, World},
};
use crate::{
    Height, Kind, View,
    block::CHUNK,
    message::{Message, Wanted},
    statement::Lock,
};

const H: Height = Height::FIRST;
const V0: View = View::ZERO;

/// What a replica holds, by the length of its description: a measure that no field escapes.
fn held(world: &World, node: usize) -> usize {
    std::format!("{:?}", world.replica(node)).len()
}

#[test]
fn a_flood_fills_every_slot_once() {
    let mut world = World::new(4, &[0]);
    let flood = |world: &mut World, from: u64| {
        for at in from..from + 300 {
            let narrow = u32::try_from(at).unwrap();
            let (height, view) = (Height::new(at), View::new(narrow));
            let proposal = world.block(V0, &at.to_le_bytes());
            world.put(0, &[1], V0, &proposal);
            let far = world.block_on(height, [7; 32], 0, view, b"far");
            world.put(0, &[1], view, &far);
            let lock = Lock { view: V0, digest: far.0.digest() };
            for lock in [None, Some(lock)] {
                let change = world.view_change(0, H, view.next(), lock);
                world.post(0, 1, Message::ViewChange(change));
                let change = world.view_change(0, height, view.next(), lock);
                world.post(0, 1, Message::ViewChange(change));
            }
            for kind in [Kind::Prepare, Kind::Commit, Kind::Body, Kind::Proposal] {
                let statement = world.scope().statement(kind, height, view, lock.digest);
                let sig = Sig { signer: 0, statement };
                world.post(0, 1, Message::Votes(sig));
            }
            world.post(0, 1, Message::Content(far.0.clone()));
            let digest = far.0.digest();
            for wanted in [
                Wanted::Decisions(height),
                Wanted::NewView(height, view),
                Wanted::Proposal(H, view),
                Wanted::Content(height, digest),
                Wanted::Certificate(height, view),
                Wanted::Chunks(height, digest, Default::default()),
            ] {
                world.post(0, 1, Message::Pull(wanted));
            }
        }
        world.run(|sent: &Sent| sent.from == 0);
        let answers = world.pending.len();
        world.pending.clear();
        answers
    };
    flood(&mut world, 1);
    let full = held(&world, 1);
    let answers = flood(&mut world, 301);
    let after = held(&world, 1);
    println!("{full} then {after} bytes of state described, {answers} answers");
    assert!(after < full + 200, "{full} grew to {after}");
    assert!(answers < 3 * 300, "an answer for a question, no more");
    assert!(world.faults.len() <= 8, "one fault a kind: {}", world.faults.len());
    world.offer_all();
    assert!(world.settle(1));
    world.check();
}

#[test]
fn history_and_candidates_stay_within_their_limits() {
    let mut world = World::new(4, &[]);
    world.busy = 30;
    world.offer_all();
    world.run_all();
    for node in 0..4 {
        let kept = world.replica(node).kept();
        assert_eq!((kept.0, kept.1), (8, 0), "limits.history is 8, and nothing is undecided");
    }
    // Views that never decide: the block of each is forgotten, but for those the rules name.
    let mut world = World::new(4, &[]);
    world.offer_all();
    for round in 0..40 {
        let early = |sent: &Sent| match &sent.message {
            Message::Votes(sig) => sig.statement.kind != Kind::Prepare,
            Message::Pull(_) | Message::Prepared(_) => false,
            _ => true,
        };
        world.run(early);
        world.pending.clear();
        for node in 0..4 {
            world.time_out(node);
        }
        let most = (0..4).map(|node| world.replica(node).kept().1).max().unwrap();
        assert!(most <= 6, "{round}: {most}");
    }
    assert!((0..4).all(|node| world.replica(node).view() > View::new(30)));
    assert!(world.settle(1));
    world.check();
}

#[test]
fn decided_headers_run_ahead_of_bodies_only_so_far() {
    let mut world = World::new(4, &[]);
    world.busy = 20;
    world.offer_all();
    world.run(|sent| sent.to != 3 || !matches!(sent.message, Message::Chunk { .. }));
    assert_eq!(world.replica(0).height(), Height::new(21));
    assert_eq!(world.replica(3).height(), Height::new(9), "limits.history is 8");
    assert_eq!(world.replica(3).kept().0, 8);
    assert!(world.node(3).decided.is_empty());
}

#[test]
fn a_body_takes_no_chunk_that_is_not_its_own() {
    let world = World::new(4, &[]);
    let bytes: Vec<u8> = (0..2 * CHUNK + 9).map(|at| (at / 7).to_le_bytes()[0]).collect();
    let (proposal, body) = world.block(V0, &bytes);
    let (_, other) = world.block(V0, &bytes[1..]);
    assert_eq!((proposal.chunks(), body.chunks().len(), body.size()), (3, 3, 131_081));
    assert!(body.chunks().iter().all(|chunk| proposal.admits(chunk)));
    assert!(!other.chunks().iter().any(|chunk| proposal.admits(chunk)));
    let mut longer = proposal.clone();
    longer.size += 1;
    assert!(!longer.admits(&body.chunks()[2]) && longer.admits(&body.chunks()[0]));
    assert_eq!(*body.to_bytes(), *bytes);
    assert_eq!(crate::Body::decode(&body.encode()), Ok(body));
}
