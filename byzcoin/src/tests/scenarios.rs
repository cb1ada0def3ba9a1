//! Schedules that a bad leader, a bad network or a crash would choose.

use std::{println, vec::Vec};

use cosi::{
    machine::{Cx, FaultKind, StepOf, Time},
    wire::{BoundedBytes, Wire},
};

use super::world::{CrashAt, Machine, NoRng, Sent, World, config};
use crate::{
    Command, Error, Event, Height, Kind, Limits, RestoreError, View,
    block::CHUNK,
    message::{Message, Wanted},
    statement::Lock,
};

const H: Height = Height::FIRST;
const V0: View = View::ZERO;

fn is_prepared(sent: &Sent) -> bool {
    matches!(sent.message, Message::Prepared(_))
}

fn is_decided(sent: &Sent) -> bool {
    matches!(sent.message, Message::Decided(_))
}

#[test]
fn blocks_are_decided_without_a_view_change_or_a_timeout() {
    let mut world = World::new(4, &[]);
    world.busy = 40;
    world.offer_all();
    world.run_all();
    world.check();
    assert_eq!(world.now, Time::default());
    for node in 0..4 {
        assert_eq!(world.node(node).decided.len(), 40);
        assert_eq!(world.replica(node).height(), Height::new(41));
    }
    assert!(!world.events.iter().any(|(_, event)| matches!(event, Event::ViewChanged { .. })));
}

#[test]
fn the_turn_moves_on_by_itself() {
    let mut world = World::new(4, &[]);
    world.busy = 40;
    world.offer_all();
    let mut leaders = Vec::new();
    world.run_all();
    for (node, event) in &world.events {
        if let Event::Propose { height, view: V0, .. } = event {
            leaders.push((height.get(), *node));
        }
    }
    leaders.sort_unstable();
    let expected: Vec<_> =
        (1..=40).map(|h| (h, usize::from(h > 16) + usize::from(h > 32))).collect();
    assert_eq!(leaders, expected);
}

#[test]
fn a_dead_leader_costs_one_timeout_and_not_one_a_height() {
    let mut world = World::new(4, &[0]);
    world.busy = 10;
    world.offer_all();
    assert!(world.settle(10));
    world.check();
    let changes = world.events.iter().filter(|(_, e)| matches!(e, Event::ViewChanged { .. }));
    assert_eq!(changes.count(), 3);
}

#[test]
fn silent_leaders_in_several_views_in_a_row_are_passed() {
    let mut world = World::new(7, &[0, 1]);
    world.busy = 3;
    world.offer_all();
    assert!(world.settle(3));
    world.check();
    assert_eq!(world.replica(2).leader(V0), world.index(2));
}

#[test]
fn payload_that_one_member_has_is_forwarded_and_decided() {
    let mut world = World::new(4, &[]);
    world.offer(2);
    assert!(world.settle(1));
    world.check();
    assert_eq!(world.events[0], (2, Event::Forward));
    let changed = world.events.iter().any(|(_, e)| matches!(e, Event::ViewChanged { .. }));
    assert!(!changed, "half of a view was enough");
}

#[test]
fn a_prepare_certificate_that_one_member_saw_binds_the_next_leader() {
    let mut world = World::new(4, &[]);
    world.offer_all();
    world.run(|sent| !is_prepared(sent));
    world.run(|sent| is_prepared(sent) && sent.to == 3);
    world.pending.clear();
    for node in [1, 2, 3] {
        world.time_out(node);
    }
    // 1 makes its NV of 1, 2 and 3: it must fetch what 3 names.
    world.run(|sent| sent.from != 0 && sent.to != 0);
    let first = world.sent.iter().find_map(|sent| match &sent.message {
        Message::Propose(propose) => Some(propose.proposal.digest()),
        _ => None,
    });
    assert!(world.settle(1));
    world.check();
    assert!(world.honest().iter().all(|node| world.node(*node).decided.get(&H) == first.as_ref()));
}

#[test]
fn a_leader_that_hides_a_prepare_certificate_is_not_followed() {
    let mut world = World::new(4, &[1]);
    world.offer_all();
    world.run(|sent| !is_decided(sent));
    world.pending.clear();
    for node in [2, 3] {
        world.time_out(node);
    }
    world.pending.clear();
    let view = View::new(1);
    let mut changes = [2, 3].map(|node| world.asked(node, H, view).unwrap()).to_vec();
    changes.push(world.view_change(1, H, view, None));
    let hides = world.new_view(changes, None);
    for node in [2, 3] {
        world.post(1, node, Message::NewView(hides.clone()));
    }
    world.run_all();
    assert_eq!([2, 3].map(|node| world.replica(node).view()), [V0; 2]);
    let blamed: Vec<_> = world.faults.iter().map(|fault| (fault.culprit, fault.kind)).collect();
    assert_eq!(blamed, [(world.peer(1), FaultKind::BadSignature); 2]);
    assert!(world.settle(1));
    world.check();
}

#[test]
fn a_lock_of_ones_own_does_not_veto_a_new_view() {
    // 3 alone holds the PC of view 0, and view 1 opens without 3, for another block.
    let mut world = World::new(4, &[0]);
    let [one, other] = [world.block(V0, b"one"), world.block(V0, b"other")];
    world.put(0, &[1, 2, 3], V0, &one);
    world.run_all();
    let lock = Lock { view: V0, digest: one.0.digest() };
    let prepared = world.prepared(H, lock).unwrap();
    world.post(0, 3, Message::Prepared(prepared));
    world.run(is_prepared);
    for node in [1, 2] {
        world.time_out(node);
    }
    let view = View::new(1);
    let lie = world.view_change(0, H, view, None);
    world.post(0, 1, Message::ViewChange(lie));
    world.run(|sent| sent.to == 1);
    world.run(|sent| sent.from == 1);
    let vote = world.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Votes(sig) if sent.from == 3 && sig.statement.view == view => Some(sig.statement),
        _ => None,
    });
    let vote = vote.expect("3 prepares");
    assert_eq!(vote.kind, Kind::Prepare);
    assert!(vote.digest != lock.digest && vote.digest != other.0.digest());
    assert!(world.settle(1));
    world.check();
}

#[test]
fn a_withheld_commit_certificate_still_binds() {
    let mut world = World::new(4, &[]);
    world.offer_all();
    world.run(|sent| !is_decided(sent));
    world.pending.retain(|sent| !is_decided(sent));
    let decided = world.node(0).decided[&H];
    // 0 keeps it to itself from here on.
    for _ in 0..200 {
        world.run(|sent| sent.from != 0 && sent.to != 0);
        let rest = world.honest().into_iter().skip(1);
        let next = rest.min_by_key(|node| world.replica(*node).next_timeout()).unwrap();
        world.tick(next);
    }
    for node in 1..4 {
        assert_eq!(world.node(node).decided.get(&H), Some(&decided));
    }
    world.check();
}

#[test]
fn who_was_away_catches_up_in_order() {
    let mut world = World::new(4, &[]);
    world.busy = 7;
    world.offer_all();
    world.run(|sent| sent.to != 3);
    assert_eq!((world.node(0).decided.len(), world.node(3).decided.len()), (7, 0));
    world.pending.clear();
    world.busy = 8;
    world.offer_all();
    assert!(world.settle(8));
    world.check();
}

#[test]
fn who_is_beyond_all_history_is_told_so_once_f_plus_1_say_so() {
    let mut world = World::new(4, &[]);
    world.busy = 20;
    world.offer_all();
    world.run(|sent| sent.to != 3);
    world.pending.clear();
    world.busy = 21;
    world.offer_all();
    let behind = |world: &World| {
        let told = world.events.iter().filter(|(_, e)| matches!(e, Event::Behind { .. }));
        told.cloned().collect::<Vec<_>>()
    };
    world.run(|sent| sent.to != 3 || sent.from == 1);
    let pull = Message::Pull(Wanted::NewView(Height::new(21), V0));
    world.post(1, 3, pull.clone());
    world.run(|sent| sent.to != 3 || sent.from == 1);
    assert_eq!(behind(&world), [], "one member's word");
    world.post(2, 3, pull);
    world.run(|_| true);
    assert_eq!(behind(&world), [(3, Event::Behind { height: Height::new(21) })]);
}

#[test]
fn bodies_of_many_chunks_are_spread_and_pulled() {
    let mut world = World::new(4, &[]);
    world.busy = 0;
    let bytes: Vec<u8> = (0..4 * CHUNK + 5).map(|at| at.to_le_bytes()[0]).collect();
    let body = BoundedBytes::new(bytes.clone()).unwrap();
    let command = Command::Propose { height: H, view: V0, app: Default::default(), body };
    world.command(0, command);
    // 3 gets no chunk, 2 gets some, and nothing is lost for good.
    let mut seen = 0;
    world.pending.retain(|sent| {
        let chunk = matches!(sent.message, Message::Chunk { .. });
        seen += usize::from(chunk && sent.to == 2);
        !(chunk && (sent.to == 3 || sent.to == 2 && seen > 2))
    });
    assert!(world.settle(1));
    world.check();
    let whole = |event: &Event<_>| match event {
        Event::Decided { block, .. } => *block.body == *bytes,
        _ => false,
    };
    assert_eq!(world.events.iter().filter(|(_, event)| whole(event)).count(), 4);
}

#[test]
fn votes_do_not_wait_for_bodies() {
    let mut world = World::new(4, &[]);
    world.busy = 2;
    world.offer_all();
    // 3 gets no chunk at all: it knows what was decided, and gives nothing to its application.
    let starved = |sent: &Sent| sent.to != 3 || !matches!(sent.message, Message::Chunk { .. });
    world.run(starved);
    assert_eq!(world.replica(3).height(), Height::new(3));
    assert!(world.node(3).decided.is_empty());
    let commits = world.sent.iter().filter(|sent| match &sent.message {
        Message::Votes(sig) => sent.from == 3 && sig.statement.kind == Kind::Commit,
        _ => false,
    });
    assert!(commits.count() > 0, "3 commits without the body");
    assert!(world.settle(2));
    world.check();
}

#[test]
fn an_invalid_block_is_refused_and_its_leader_replaced() {
    let mut world = World::new(4, &[0]);
    let block = world.block(V0, &[0xff]);
    world.offer_all();
    world.put(0, &[1, 2, 3], V0, &block);
    assert!(world.settle(1));
    world.check();
    assert!(world.faults.iter().all(|fault| fault.kind == FaultKind::InvalidPayload));
    assert_eq!(world.faults.len(), 3);
    assert_ne!(world.node(1).decided[&H], block.0.digest());
}

#[test]
fn what_does_not_extend_the_chain_is_refused() {
    for wrong in 0..5 {
        let mut world = World::new(4, &[0]);
        let (mut proposal, body) = world.block(V0, b"ok");
        match wrong {
            0 => proposal.header.parent = [8; 32],
            1 => proposal.header.next_start = 3,
            2 => proposal.header.first_view = View::new(1),
            3 => proposal.header.next_roster.0 = [8; 32],
            _ => proposal.size = 300_001,
        }
        world.put(0, &[1, 2, 3], V0, &(proposal, body));
        world.run_all();
        assert_eq!(world.faults.len(), 3, "{wrong}");
        let voted = world.sent.iter().any(|sent| matches!(sent.message, Message::Votes(_)));
        assert!(!voted, "{wrong}");
    }
}

#[test]
fn an_equivocating_leader_is_caught() {
    let mut world = World::new(4, &[0]);
    let [one, other] = [world.block(V0, b"one"), world.block(V0, b"other")];
    world.put(0, &[1, 2, 3], V0, &one);
    world.put(0, &[1, 2, 3], V0, &other);
    world.offer_all();
    assert!(world.settle(1));
    world.check();
    let caught = world.faults.iter().filter(|fault| fault.kind == FaultKind::Equivocation);
    assert_eq!(caught.count(), 3);
}

#[test]
fn who_asks_for_a_view_twice_is_caught() {
    let mut world = World::new(4, &[3]);
    world.offer_all();
    world.run(|sent| !is_decided(sent));
    let lock =
        world.prepared(H, Lock { view: V0, digest: world.node(0).decided[&H] }).unwrap().lock;
    for lock in [None, Some(lock)] {
        let change = world.view_change(3, H, View::new(1), lock);
        world.post(3, 1, Message::ViewChange(change));
    }
    world.run(|sent| sent.from == 3);
    let caught: Vec<_> = world.faults.iter().map(|fault| (fault.culprit, fault.kind)).collect();
    assert_eq!(caught, [(world.peer(3), FaultKind::Equivocation)]);
}

#[test]
fn nothing_of_another_chain_epoch_or_height_counts() {
    // Everything that is said in a whole run with a view change, to members of another scope.
    let mut source = World::new(4, &[0]);
    source.busy = 3;
    source.offer_all();
    assert!(source.settle(3));
    for other in 0..2 {
        let mut config = config(4, 3);
        match other {
            0 => config.chain = [2; 32],
            _ => config.epoch = 2,
        }
        let (mut rng, now) = (NoRng, Time::default());
        let mut cx = Cx::new(now, &mut rng);
        let (mut replica, _) = Machine::restore(config, [], &mut cx).unwrap();
        for sent in source.sent.iter().filter(|sent| sent.from != 3) {
            let from = source.peer(sent.from);
            let step = replica.handle_message(&mut cx, from, sent.message.clone());
            let (records, held) = step.into_records();
            assert!(records.is_empty());
            let silent = held.release().events.is_empty();
            assert!(silent && replica.height() == H && replica.view() == V0);
        }
    }
    // And the same again to the members that heard it first, at a later height.
    let before: Vec<_> = (1..4).map(|node| source.node(node).journal.clone()).collect();
    for sent in source.sent.clone() {
        if sent.to != 0 && sent.from != sent.to {
            source.deliver(sent);
        }
    }
    let after: Vec<_> = (1..4).map(|node| source.node(node).journal.clone()).collect();
    assert_eq!(before, after);
    source.check();
}

#[test]
fn f_silent_members_stop_nothing() {
    for silent in 0..4 {
        let mut world = World::new(4, &[silent]);
        world.busy = 5;
        world.offer_all();
        assert!(world.settle(5), "{silent}");
        world.check();
    }
}

#[test]
fn a_partition_that_heals_loses_nothing() {
    let mut world = World::new(4, &[]);
    world.busy = 4;
    world.offer_all();
    let side = |node: usize| node < 2;
    for _ in 0..60 {
        world.run(|sent| side(sent.from) == side(sent.to));
        world.pending.clear();
        let due = |node: &usize| world.replica(*node).next_timeout();
        let next = (0..4).filter(|node| due(node).is_some()).min_by_key(due).unwrap();
        world.tick(next);
    }
    assert!((0..4).all(|node| world.node(node).decided.is_empty()), "no side has a quorum");
    assert!(world.settle(4));
    world.check();
}

#[test]
fn a_crash_at_any_boundary_costs_neither_safety_nor_progress() {
    let mut crashes = 0;
    // A run in view 0, and one whose first leaders are silent or cut off, with view changes.
    for cut_off in [false, true] {
        for node in 0..4 {
            for stored in [false, true] {
                for after in 1.. {
                    let mut world = World::new(4, &[]);
                    world.busy = 2;
                    world.crash = Some(CrashAt { node, after, stored });
                    world.offer_all();
                    if cut_off {
                        world.run(|sent| !is_prepared(sent) || sent.to == 3);
                        world.pending.clear();
                        for node in 1..4 {
                            world.time_out(node);
                        }
                    }
                    assert!(world.settle(2), "{cut_off} {node} {stored} {after}");
                    world.check();
                    if world.restarts == 0 {
                        break;
                    }
                    crashes += world.restarts;
                }
            }
        }
    }
    println!("{crashes} crashes, each at another boundary of a record and its release");
    assert!(crashes > 80);
}

#[test]
fn a_restored_replica_tells_all_decisions_in_order_and_says_its_view_change_byte_for_byte() {
    let mut world = World::new(4, &[]);
    world.busy = 12;
    world.offer_all();
    world.run_all();
    world.busy = 13;
    world.offer(1);
    world.time_out(1);
    let said: Vec<_> =
        world.sent.iter().filter(|s| s.from == 1).map(|s| s.message.clone()).collect();
    let change = said.iter().rfind(|m| matches!(m, Message::ViewChange(_))).unwrap().encode();
    world.restart(1);
    assert_eq!(world.node(1).decided.len(), 12);
    let again = world.sent.iter().rev().filter(|s| s.from == 1).map(|s| s.message.encode());
    assert!(again.take(12).any(|bytes| bytes == change));
    assert!(world.settle(13));
    world.check();
}

#[test]
fn the_applications_mistakes_change_nothing() {
    let (mut rng, now) = (NoRng, Time::default());
    let mut cx = Cx::new(now, &mut rng);
    let (mut replica, _) = Machine::restore(config(4, 0), [], &mut cx).unwrap();
    let fresh = replica.clone();
    let propose = |height, view, body: &[u8]| Command::Propose {
        height,
        view,
        app: Default::default(),
        body: BoundedBytes::new(body.to_vec()).unwrap(),
    };
    let (later, view) = (Height::new(2), View::new(4));
    let not_asked = |height, view| Err(Error::NotAsked { height, view });
    for (command, error) in [
        (propose(later, V0, b"a"), not_asked(later, V0)),
        (propose(H, view, b"a"), not_asked(H, view)),
        (propose(H, V0, &[0; 300_001]), Err(Error::TooLong(300_001))),
    ] {
        assert_eq!(replica.handle_command(&mut cx, command), error);
        assert_eq!(replica, fresh);
    }
    let step = replica.handle_command(&mut cx, propose(H, V0, b"a")).unwrap();
    assert!(!step.into_records().0.is_empty());
    let again = replica.handle_command(&mut cx, propose(H, V0, b"a"));
    assert_eq!(again, Ok(StepOf::<Machine>::none()));
    let another = replica.handle_command(&mut cx, propose(H, V0, b"b"));
    assert_eq!(another, Err(Error::AlreadyProposed));
}

#[test]
fn a_journal_with_a_gap_is_refused() {
    let mut world = World::new(4, &[]);
    world.busy = 3;
    world.offer_all();
    world.run_all();
    let records =
        world.node(2).journal.iter().map(|bytes| super::world::Rec::decode(bytes).unwrap());
    let mut first = true;
    let gap = records.filter(|record| {
        !(matches!(record, crate::Record::Decided(_)) && core::mem::take(&mut first))
    });
    let (mut rng, now) = (NoRng, Time::default());
    let refused = Machine::restore(config(4, 2), gap, &mut Cx::new(now, &mut rng));
    assert_eq!(refused.err(), Some(RestoreError::OutOfOrder(Height::new(2))));
    assert!(Limits::default().history > 0);
}
