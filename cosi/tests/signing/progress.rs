//! A session goes on while attempts bring it on, and keeps no more than it may.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use cosi::{
    Leader, Policy,
    cosigner::Limits,
    leader,
    machine::{Cx, Time},
    message::Message,
    session::Digest,
};

use crate::{
    common::{World, at, leader_config},
    scripted::Honest,
};

/// Members 1 to f withhold, each in an attempt of its own, and sign nothing alone.
fn taking_turns(size: u16, f: u16, policy: Policy) -> World {
    let mut world = World::with(size, cosi::Mode::Accountable, policy);
    let challenges = Rc::new(RefCell::new(Vec::new()));
    world.corrupt(1..=f, move |member, message| {
        let Message::Response(said) = &message else {
            let is_single = matches!(message, Message::Single(_));
            return if is_single { vec![] } else { vec![(Duration::ZERO, message)] };
        };
        let (challenge, mut seen) = (said.what.challenge, challenges.borrow_mut());
        let turn = seen.iter().position(|old| *old == challenge).unwrap_or_else(|| {
            seen.push(challenge);
            seen.len() - 1
        });
        if turn + 1 == usize::from(member) { vec![] } else { vec![(Duration::ZERO, message)] }
    });
    world
}

/// With a leader that asks for no single signatures.
fn one_at_a_time(size: u16, f: u16, policy: Policy) -> World {
    let mut world = taking_turns(size, f, policy);
    let mut config = leader_config(&world.roster, world.mode);
    config.timing.individual = None;
    world.leader = Leader::new(config).unwrap();
    world.announce(b"x");
    world.run();
    world
}

/// As many attempts are open as can be: one for each member but the leader, which ends alone.
#[test]
fn every_member_keeps_one_attempt_open_at_most() {
    let world = one_at_a_time(12, 11, Policy::Weight(1));
    assert_eq!(world.signed(b"x").1, (1..12).collect::<Vec<_>>());
    assert_eq!(world.attempts(), 11);
}

/// The limit is for silence. Each of 32 disruptors takes a patience of two seconds.
#[test]
fn disruptors_one_at_a_time_do_not_outlast_the_limit() {
    let world = one_at_a_time(97, 32, Policy::Quorum);
    assert_eq!(world.signed(b"x").1, (1..=32).collect::<Vec<_>>());
    assert_eq!(world.attempts(), 33, "F + 1");
    assert!(world.now > Duration::from_secs(60), "{:?}", world.now);
}

/// Silence is bounded as before.
#[test]
fn a_session_outlasts_its_limit_by_what_was_spoiled_and_no_more() {
    let world = one_at_a_time(7, 3, Policy::Quorum);
    assert!(matches!(world.events[..], [leader::Event::Failed { .. }]));
    assert_eq!(world.attempts(), 3);
    assert_eq!(world.now, Duration::from_secs(60 + 3 * 2), "three patiences more");
}

/// Single signatures are asked for by the clock, whatever the collective attempts come to.
#[test]
fn disruptors_do_not_put_single_signatures_off() {
    let mut world = taking_turns(61, 20, Policy::Quorum);
    world.announce(b"x");
    world.run();
    let [leader::Event::Individual { certificate, .. }] = &world.events[..] else {
        panic!("{:?}", world.events)
    };
    assert_eq!(certificate.signers().count(), 41);
    assert!(world.now < Duration::from_secs(31), "{:?}", world.now);
}

/// However many attempts stay open, each costs the leader no more than its debtors.
#[test]
fn open_attempts_hold_their_debtors_alone() {
    let mut world = taking_turns(46, 15, Policy::Quorum);
    world.announce(b"x");
    let (mut first, mut most) = (0, 0);
    while world.tick() {
        let size = format!("{:?}", world.leader).len();
        let attempts = world.attempts();
        first = if attempts == 1 { first.max(size) } else { first };
        most = most.max(size);
        assert!(attempts < 2 || most < 2 * first, "{attempts} attempts: {most} after {first}");
    }
    assert!(world.attempts() > 12);
}

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// A commitment that is said again makes no session look for signers again.
#[test]
fn a_commitment_that_is_known_costs_nothing() {
    let mut world = World::new(4);
    let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
    honest.validate(b"x");
    let policy = Policy::Predicate(|mask| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        mask.count() == 4
    });
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let command = leader::Command::Announce { statement: b"x".to_vec(), policy };
    let _ = world.leader.handle_command(&mut cx, command).unwrap();
    let offer = Message::Commitment(honest.commitment(0, b"x"));
    let mut asked = || {
        let before = ASKED.load(Ordering::Relaxed);
        let one = at(&world.roster, 1);
        let _ = world.leader.handle_message(&mut cx, one, offer.clone());
        ASKED.load(Ordering::Relaxed) - before
    };
    assert!(asked() > 0);
    assert_eq!([asked(), asked()], [0, 0]);
}

/// A leader remembers the last 64 commitments of a member that it spent. One that is older than
/// that is spent again, and its owner refuses.
#[test]
fn a_leader_remembers_a_bounded_number_of_spent_commitments() {
    let mut world = World::new(4);
    let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let one = at(&world.roster, 1);
    let mut spends = |offer: &Message, statement: &[u8]| {
        let _ = world.leader.handle_message(&mut cx, one, offer.clone());
        let (policy, digest) = (Policy::Weight(2), Digest::of(statement));
        let command = leader::Command::Announce { statement: statement.to_vec(), policy };
        let step = world.leader.handle_command(&mut cx, command).unwrap();
        let messages = step.into_records().1.release().messages;
        let _ = world.leader.handle_command(&mut cx, leader::Command::Abandon { digest }).unwrap();
        messages.iter().any(|(_, message)| matches!(message, Message::Challenge(..)))
    };
    let offers: Vec<_> = (0..70u8)
        .map(|at| {
            honest.validate(&[at]);
            Message::Commitment(honest.commitment(0, &[at]))
        })
        .collect();
    for offer in &offers {
        assert!(spends(offer, b"first"));
    }
    for known in &offers[6..] {
        assert!(!spends(known, b"again"));
    }
    for forgotten in &offers[..6] {
        assert!(spends(forgotten, b"again"));
    }
}
