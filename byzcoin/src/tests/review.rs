//! What a hostile reading of the rules asks for.

use core::time::Duration;
use std::vec::Vec;

use cosi::{
    machine::{Cx, FaultKind, Time},
    wire::Wire,
};

use super::world::{Machine, NoRng, World, config};
use crate::{
    Command, Event, Height, Kind, View,
    message::{Message, Wanted},
    statement::Lock,
};

const H: Height = Height::FIRST;
const V0: View = View::ZERO;

/// A body of no bytes has one root, and a decided block is to be shown to others.
#[test]
fn an_empty_body_under_a_false_root_is_refused() {
    let mut world = World::new(4, &[0]);
    let (mut proposal, body) = world.block(V0, b"");
    proposal.chunk_root = [7; 32];
    world.offer_all();
    world.put(0, &[1, 2, 3], V0, &(proposal.clone(), body));
    world.run_all();
    let lock = Lock { view: V0, digest: proposal.digest() };
    if let Some(prepared) = world.prepared(H, lock) {
        (1..4).for_each(|to| world.post(0, to, Message::Prepared(prepared.clone())));
        world.run_all();
    }
    // If they vote for it, its leader decides it: the world looks at what is decided.
    if let Some(decided) = world.decision(&proposal, V0) {
        world.post(0, 1, decided);
    }
    assert!(world.settle(1));
    world.check();
    assert_ne!(world.node(1).decided[&H], proposal.digest());
    assert!(world.faults.iter().all(|fault| fault.kind == FaultKind::InvalidPayload));
    assert_eq!(world.faults.len(), 3);
    // The right root is as good as any.
    let mut world = World::new(4, &[0]);
    let empty = world.block(V0, b"");
    world.offer_all();
    world.put(0, &[1, 2, 3], V0, &empty);
    assert!(world.settle(1));
    world.check();
}

/// Power fails everywhere after the prepare votes, and the leader does not come back. Nobody's
/// application remembers payload: the votes do.
#[test]
fn a_vote_is_work_to_be_done_after_a_restart() {
    for prepared in [false, true] {
        let mut world = World::new(4, &[0]);
        let block = world.block(V0, b"one");
        world.put(0, &[1, 2, 3], V0, &block);
        world.run_all();
        if prepared {
            let lock = Lock { view: V0, digest: block.0.digest() };
            let prepared = world.prepared(H, lock).unwrap();
            (1..4).for_each(|to| world.post(0, to, Message::Prepared(prepared.clone())));
            world.run_all();
        }
        world.busy = 0;
        world.pending.clear();
        (1..4).for_each(|node| world.restart(node));
        assert!(world.settle(1), "the height is never decided: {prepared}");
        world.check();
    }
}

/// A member that claims a far height keeps all others asking; they ask for what they really lack
/// in time nevertheless.
#[test]
fn a_false_claim_of_height_slows_no_later_pull() {
    let mut world = World::new(4, &[3]);
    for to in 0..3 {
        world.post(3, to, Message::Pull(Wanted::Proposal(Height::new(1 << 40), V0)));
    }
    world.run(|sent| sent.from == 3);
    for _ in 0..60 {
        for node in 0..3 {
            world.tick(node);
        }
        world.pending.clear();
    }
    // An hour of idling later there is payload, and the proposal is lost on its way to 2.
    world.offer_all();
    world.run(|sent| sent.to != 2);
    let began = world.now;
    world.pending.clear();
    assert!(world.settle(1));
    world.check();
    let views = world.events.iter().filter(|(_, e)| matches!(e, Event::ViewChanged { .. }));
    assert_eq!(views.count(), 0, "asked for within the view");
    let waited = world.now.since_epoch() - began.since_epoch();
    assert!(waited <= Duration::from_secs(2), "{waited:?}");
}

/// The same proposal in other bytes is no second one.
#[test]
fn a_proposal_signed_twice_is_one_proposal() {
    let (mut rng, now) = (NoRng, Time::default());
    let mut cx = Cx::new(now, &mut rng);
    let (mut replica, _) = Machine::restore(config(4, 1), [], &mut cx).unwrap();
    let world = World::new(4, &[0]);
    let (proposal, _) = world.block(V0, b"one");
    let Message::Propose(propose) = world.propose(0, V0, &proposal) else { panic!() };
    let mut again = propose.clone();
    // Verified elsewhere, under a scheme whose signatures differ each time.
    again.signature.statement.epoch += 1;
    let mut faults = Vec::new();
    for propose in [propose, again] {
        let scope = config(4, 1).scope();
        let verified = crate::Verified { message: Message::Propose(propose), scope };
        let step = replica.handle_verified(&mut cx, world.peer(0), verified);
        faults.extend(step.into_records().1.release().faults);
    }
    assert_eq!(faults, []);
}

/// Without patience time goes on all the same.
#[test]
fn no_patience_is_no_standstill() {
    let mut config = config(4, 2);
    config.timing.first_timeout = Duration::ZERO;
    config.timing.pull_after = Duration::ZERO;
    let (mut rng, mut now) = (NoRng, Time::default());
    let (mut replica, _) = Machine::restore(config, [], &mut Cx::new(now, &mut rng)).unwrap();
    let _ = replica.handle_command(&mut Cx::new(now, &mut rng), Command::Pending).unwrap();
    for _ in 0..50 {
        let Some(next) = replica.next_timeout() else { return };
        now = now.max(next);
        let _ = replica.handle_timeout(&mut Cx::new(now, &mut rng));
        let next = replica.next_timeout();
        assert!(next.is_none_or(|next| next > now), "the deadline stands still");
    }
}

/// There is no view after the last, and nobody asks twice for that, naming two certificates.
#[test]
fn the_last_view_is_asked_for_once() {
    let mut world = World::new(4, &[0, 3]);
    let last = View::new(u32::MAX);
    world.offer_all();
    for from in [0, 3] {
        let change = world.view_change(from, H, last, None);
        world.post(from, 1, Message::ViewChange(change));
    }
    world.run(|sent| sent.to == 1);
    let change = world.asked(1, H, last).unwrap();
    assert_eq!(change.change.lock, None);
    // A quorum asks: its timer runs, and runs out.
    for _ in 0..40 {
        world.tick(1);
        world.pending.retain(|sent| sent.to == 1);
        world.run_all();
    }
    world.check();
    assert_eq!(world.replica(1).view(), V0);
    // One's highest certificate grows meanwhile: what was said stays said.
    let block = world.block(V0, b"one");
    let lock = Lock { view: V0, digest: block.0.digest() };
    let statement = world.scope().statement(Kind::Prepare, H, V0, lock.digest);
    world.sigs.entry(statement).or_default().insert(2);
    let prepared = world.prepared(H, lock).unwrap();
    world.post(0, 1, Message::Prepared(prepared));
    for _ in 0..40 {
        world.run(|sent| sent.to == 1);
        world.tick(1);
    }
    let said: Vec<_> = world
        .sent
        .iter()
        .filter(|sent| sent.from == 1)
        .filter_map(|sent| match &sent.message {
            Message::ViewChange(change) => Some(change.encode()),
            _ => None,
        })
        .collect();
    assert!(said.len() > 3 && said.iter().all(|bytes| *bytes == said[0]));
    world.check();
}

/// A new view convinces without its leader's signature, so a rival may open the view for some
/// by other view changes than the leader's. It wastes that view, and the next one is whole.
#[test]
fn a_rival_new_view_wastes_one_view_at_most() {
    let mut world = World::new(4, &[0]);
    let block = world.block(V0, b"one");
    world.put(0, &[1, 2, 3], V0, &block);
    world.run_all();
    // 0 shows the certificate to 1 alone.
    let lock = Lock { view: V0, digest: block.0.digest() };
    let prepared = world.prepared(H, lock).unwrap();
    world.post(0, 1, Message::Prepared(prepared));
    world.run_all();
    let view = View::new(1);
    (1..4).for_each(|node| world.time_out(node));
    let mut free: Vec<_> = [2, 3].map(|node| world.asked(node, H, view).unwrap()).into();
    free.push(world.view_change(0, H, view, None));
    let rival = world.new_view(free, None);
    for to in [2, 3] {
        let sent = super::world::Sent { from: 0, to, message: Message::NewView(rival.clone()) };
        world.deliver(sent);
    }
    assert_eq!([1, 2, 3].map(|node| world.replica(node).view()), [V0, view, view]);
    world.offer_all();
    assert!(world.settle(1));
    world.check();
    assert_eq!(world.node(2).decided[&H], lock.digest);
    let views = world.events.iter().filter_map(|(_, event)| match event {
        Event::Decided { view, .. } => Some(*view),
        _ => None,
    });
    assert!(views.clone().count() == 3 && views.into_iter().all(|at| at == View::new(2)));
}

#[test]
fn a_new_view_of_too_few_or_doubled_signers_is_refused() {
    let mut world = World::new(4, &[0]);
    world.offer_all();
    let view = View::new(1);
    [2, 3].into_iter().for_each(|node| world.time_out(node));
    world.pending.clear();
    let mut changes: Vec<_> = [2, 3].map(|node| world.asked(node, H, view).unwrap()).into();
    let own = world.view_change(0, H, view, None);
    let two = world.new_view(changes.clone(), None);
    let doubled = [&changes[..], &[changes[0].clone()]].concat();
    let doubled = world.new_view(doubled, None);
    changes.push(own);
    let whole = world.new_view(changes, None);
    let disordered: Vec<_> = whole.changes.iter().rev().cloned().collect();
    let mut disorder = whole.clone();
    disorder.changes = cosi::wire::BoundedVec::new(disordered).unwrap();
    for wrong in [two, doubled, disorder] {
        world.post(0, 1, Message::NewView(wrong));
        world.run(|sent| sent.to == 1);
        assert_eq!(world.replica(1).view(), V0);
    }
    world.post(0, 1, Message::NewView(whole));
    world.run(|sent| sent.to == 1);
    assert_eq!(world.replica(1).view(), view);
    world.check();
}

#[test]
fn a_new_view_below_what_was_asked_for_is_ignored() {
    let mut world = World::new(4, &[0]);
    world.offer_all();
    let view = View::new(1);
    (1..4).for_each(|node| world.time_out(node));
    let changes = [1, 2, 3].map(|node| world.asked(node, H, view).unwrap());
    let new_view = world.new_view(changes.into(), None);
    // 2 hears all that ask, and none that answers: it asks for the view after.
    world.run(|sent| sent.to == 2 && matches!(sent.message, Message::ViewChange(_)));
    world.pending.clear();
    world.time_out(2);
    world.pending.clear();
    assert!(world.asked(2, H, View::new(2)).is_some());
    world.post(0, 2, Message::NewView(new_view.clone()));
    world.post(0, 3, Message::NewView(new_view));
    world.run(|sent| sent.from == 0);
    assert_eq!([2, 3].map(|node| world.replica(node).view()), [V0, view]);
    world.offer_all();
    assert!(world.settle(1));
    world.check();
}

#[test]
fn f_plus_one_that_ask_for_a_view_take_the_others_along_and_f_do_not() {
    let mut world = World::new(4, &[0]);
    world.offer_all();
    let view = View::new(1);
    let lie = world.view_change(0, H, View::new(7), None);
    world.post(0, 1, Message::ViewChange(lie));
    world.run(|sent| sent.from == 0);
    assert!(!world.replica(1).has_asked(), "one member's word");
    world.time_out(2);
    world.run(|sent| sent.to == 1);
    // The lowest of the views that they ask for.
    assert!(world.asked(1, H, view).is_some() && world.asked(1, H, View::new(7)).is_none());
    world.check();
}

#[test]
fn no_block_is_looked_at_before_its_parent_is_here() {
    let mut world = World::new(4, &[]);
    world.busy = 2;
    world.offer_all();
    let first =
        |sent: &super::world::Sent| matches!(&sent.message, Message::Chunk { height: H, .. });
    // 3 gets the body at height 2, and not the one at height 1.
    world.run(|sent| sent.to != 3 || !first(sent));
    let asked = |world: &World| {
        let mut of_3 = world.events.iter().filter(|(node, _)| *node == 3);
        of_3.any(|(_, event)| matches!(event, Event::Validate { .. }))
    };
    assert_eq!(world.replica(3).height(), Height::new(3));
    assert!(!asked(&world), "valid as a function of the parent's state and the block");
    let prepares = world.sent.iter().any(|sent| match &sent.message {
        Message::Votes(sig) => sent.from == 3 && sig.statement.kind == Kind::Prepare,
        _ => false,
    });
    assert!(!prepares);
    assert!(world.settle(2));
    world.check();
}
