//! What each rule, and each record, is for: without it a schedule forks or votes twice, and with
//! it the very same schedule does not.

use std::println;

use super::world::{Rec, Sent, World};
use crate::{
    Digest, Height, Kind, Record, View,
    message::Message,
    rules::bug::{Bug, plant},
    statement::Lock,
};

const H: Height = Height::FIRST;
const V0: View = View::ZERO;
const V1: View = View::new(1);

fn nobody(_: &Rec) -> bool {
    false
}

/// Plays `schedule` with the rule left out, and with it.
fn with_and_without(bug: Bug, schedule: impl Fn() -> World) {
    plant(Some(bug));
    let broken = schedule();
    plant(None);
    assert!(broken.forked(), "{bug:?} does not fork");
    let whole = schedule();
    whole.check();
}

fn is_prepared(sent: &Sent) -> bool {
    matches!(sent.message, Message::Prepared(_))
}

fn is_proposal(sent: &Sent) -> bool {
    matches!(sent.message, Message::Propose(_) | Message::Chunk { .. })
}

fn votes(sent: &Sent, kind: Kind) -> bool {
    matches!(&sent.message, Message::Votes(sig) if sig.statement.kind == kind)
}

fn is_view_change(sent: &Sent) -> bool {
    matches!(sent.message, Message::ViewChange(_))
}

fn is_round(sent: &Sent) -> bool {
    is_proposal(sent) || is_prepared(sent) || matches!(sent.message, Message::Votes(_))
}

/// The block that 0 proposed at first.
fn proposed(world: &World) -> Digest {
    let first = world.sent.iter().find_map(|sent| match &sent.message {
        Message::Propose(propose) if sent.from == 0 => Some(propose.proposal.digest()),
        _ => None,
    });
    first.expect("0 has proposed")
}

/// 0 decides in view 0, by the votes of all, and nobody else learns of it.
fn decided_at_0(byzantine: usize) -> (World, Digest) {
    let mut world = World::new(4, &[byzantine]);
    world.offer_all();
    let digest = proposed(&world);
    world.run(is_round);
    assert_eq!(world.node(0).decided.get(&H), Some(&digest));
    world.pending.clear();
    (world, digest)
}

/// The Byzantine leader of view 1 has view changes of 2 and 3, and its own; `lie` makes its part.
fn takes_view_1(
    world: &mut World,
    lie: Option<Lock>,
    shows: bool,
    block: &(crate::Proposal, crate::Body),
) {
    for node in [2, 3] {
        world.time_out(node);
    }
    world.pending.clear();
    let mut changes = [2, 3].map(|node| world.asked(node, H, V1).unwrap()).to_vec();
    let lock = changes[0].change.lock.expect("2 holds the PC");
    changes.push(world.view_change(1, H, V1, lie));
    let certificate = world.prepared(H, lock).map(|prepared| prepared.certificate);
    let new_view = world.new_view(changes, certificate.filter(|_| shows));
    for node in [2, 3] {
        world.post(1, node, Message::NewView(new_view.clone()));
    }
    world.put(1, &[2, 3], V1, block);
    world.run(|sent| sent.from == 1);
    let lock = Lock { view: V1, digest: block.0.digest() };
    if let Some(prepared) = world.prepared(H, lock) {
        for node in [2, 3] {
            world.post(1, node, Message::Prepared(prepared.clone()));
        }
        world.run(|sent| sent.from == 1);
    }
    if let Some(decided) = world.decision(&block.0, V1) {
        for node in [2, 3] {
            world.post(1, node, decided.clone());
        }
        world.run(|sent| sent.from == 1);
    }
}

#[test]
fn nv_rule_removed_forks() {
    with_and_without(Bug::NewViewBindsNobody, || {
        let (mut world, _) = decided_at_0(1);
        let block = world.block(V1, b"another");
        takes_view_1(&mut world, None, true, &block);
        world
    });
}

#[test]
fn nv_without_its_pc_forks() {
    with_and_without(Bug::NewViewWithoutItsPc, || {
        let (mut world, digest) = decided_at_0(1);
        let blocks = (0..=u8::MAX).map(|salt| world.block(V0, &[salt]));
        let block = blocks.into_iter().find(|block| block.0.digest() > digest).unwrap();
        let lie = Lock { view: V0, digest: block.0.digest() };
        takes_view_1(&mut world, Some(lie), false, &block);
        world
    });
}

#[test]
fn commit_after_view_change_forks() {
    with_and_without(Bug::VoteAfterViewChange, || {
        let mut world = World::new(4, &[3]);
        world.offer_all();
        world.run(|sent| is_proposal(sent) || votes(sent, Kind::Prepare));
        for node in [1, 2] {
            world.time_out(node);
        }
        world.run(|sent| is_prepared(sent) || votes(sent, Kind::Commit));
        open_view_1(&mut world);
        world
    });
}

/// Members 1 and 2 ask for view 1, as 3 does, which names no PC; 1 leads it as it should.
fn open_view_1(world: &mut World) {
    let lie = world.view_change(3, H, V1, None);
    world.post(3, 1, Message::ViewChange(lie));
    world.run(|sent| is_view_change(sent) && sent.to == 1);
    world.run(|sent| matches!(sent.message, Message::NewView(_)) && sent.to == 2);
    world.run(|sent| is_proposal(sent) && sent.from == 1 && sent.to == 2);
    let target = world.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Propose(propose) if sent.from == 1 => Some(propose.proposal.digest()),
        _ => None,
    });
    let Some(digest) = target else { return };
    let lock = Lock { view: V1, digest };
    for kind in [Kind::Prepare, Kind::Commit] {
        world.post(3, 1, world.vote(3, kind, H, lock));
        let in_1 = |sent: &Sent| [1, 2, 3].contains(&sent.from) && [1, 2].contains(&sent.to);
        world.run(|sent| in_1(sent) && is_round(sent));
    }
}

/// Plays `schedule` with the journal losing records, and without.
fn losing(name: &str, loses: fn(&Rec) -> bool, harms: bool, schedule: impl Fn(&mut World)) {
    let play = |loses| {
        let mut world = World::new(4, &[3]);
        world.loses = loses;
        schedule(&mut world);
        world
    };
    let (broken, whole) = (play(loses), play(nobody));
    whole.check();
    let harmed = broken.forked() || !broken.doubles.is_empty();
    println!(
        "{name} lost, after {} restart(s): forked {}, signed twice {:?}",
        broken.restarts,
        broken.forked(),
        broken.doubles
    );
    assert_eq!(harmed, harms, "{name}");
}

#[test]
fn dropping_one_record_double_votes() {
    losing(
        "own PROPOSAL",
        |record| matches!(record, Record::OwnProposal(..)),
        true,
        |world| {
            world.offer_all();
            world.restart(0);
        },
    );
    losing(
        "voted_prepare",
        |record| matches!(record, Record::VotedPrepare(..)),
        true,
        |world| {
            *world = World { loses: world.loses, ..World::new(4, &[0]) };
            let [one, other] = [world.block(V0, b"one"), world.block(V0, b"other")];
            world.put(0, &[1], V0, &one);
            world.run_all();
            world.restart(1);
            world.put(0, &[1], V0, &other);
            world.run_all();
        },
    );
    // CC by 0, 1 and 3; then 1 forgets the PC that it committed on, and 2 has never seen it.
    let forgets_pc = |world: &mut World| {
        world.offer_all();
        world.run(|sent| is_proposal(sent) || votes(sent, Kind::Prepare));
        world.run(|sent| is_prepared(sent) && sent.to == 1);
        let lock = Lock { view: V0, digest: proposed(world) };
        world.post(3, 0, world.vote(3, Kind::Commit, H, lock));
        world.run(|sent| votes(sent, Kind::Commit));
        assert!(world.node(0).decided.contains_key(&H));
        world.restart(1);
        for node in [1, 2] {
            world.time_out(node);
        }
        open_view_1(world);
    };
    let high_pc: fn(&Rec) -> bool = |record| matches!(record, Record::HighPc(_));
    losing("high PC", high_pc, true, forgets_pc);
    let voted_commit: fn(&Rec) -> bool = |record| matches!(record, Record::VotedCommit(..));
    losing("voted_commit", voted_commit, false, forgets_pc);
    let both: fn(&Rec) -> bool =
        |record| matches!(record, Record::VotedCommit(..) | Record::HighPc(_));
    losing("voted_commit and high PC", both, true, forgets_pc);
    // 2 asks for view 1, forgets it, and commits in view 0.
    losing(
        "VIEW-CHANGE",
        |record| matches!(record, Record::ViewChange(_)),
        true,
        |world| {
            world.offer_all();
            world.run(|sent| is_proposal(sent) || votes(sent, Kind::Prepare));
            world.time_out(2);
            world.run(|sent| is_view_change(sent) && sent.to == 1);
            world.restart(2);
            world.run(|sent| is_prepared(sent) && sent.to == 2);
            let lock = Lock { view: V0, digest: proposed(world) };
            world.post(3, 0, world.vote(3, Kind::Commit, H, lock));
            world.run(|sent| votes(sent, Kind::Commit));
            world.time_out(1);
            open_view_1(world);
        },
    );
}
