//! Members whose applications turn a statement down: they say so, and nobody waits for them.

use std::time::Duration;

use cosi::{
    Mode, Policy, cosigner, leader,
    machine::{Cx, Time},
    message::{Decline, Message, Said},
    session::Digest,
};

use crate::common::{LATENCY, World, at, key};

impl World {
    fn turn_down(&mut self, member: u16, statement: &[u8]) {
        let digest = Digest::of(statement);
        self.tell(member, cosigner::Command::Validated { digest, accept: false });
    }

    fn declines(&self) -> Vec<&Said<Decline>> {
        let declines = self.log.iter().filter_map(|(_, _, message)| match message {
            Message::Decline(said) => Some(said),
            _ => None,
        });
        declines.collect()
    }
}

/// Neither the grace nor a patience: one that declines is as good as one that commits.
#[test]
fn whoever_declines_costs_no_wait_and_stays_in_other_sessions() {
    let mut world = World::new(7);
    world.turn_down(3, b"1");
    world.turn_down(5, b"1");
    world.announce(b"1");
    world.run();
    assert_eq!((world.signed(b"1").1, world.now), (vec![3, 5], 4 * LATENCY));
    // With what came ahead the leader challenges at once: a decline costs it another round trip.
    let before = world.now;
    world.turn_down(4, b"2");
    world.announce(b"2");
    world.run();
    assert_eq!((world.signed(b"2").1, world.attempts()), (vec![4], 3));
    assert_eq!(world.now - before, 4 * LATENCY);
    for statement in [b"3", b"4"] {
        world.announce(statement);
        world.run();
    }
    assert_eq!(world.signed(b"3").1, [4], "nothing of it came ahead");
    assert!(world.signed(b"4").1.is_empty(), "nobody is benched");
    assert_eq!(world.faults, []);
    for said in world.declines() {
        assert!(said.speaker(&world.roster).is_some());
    }
}

/// Asked again by nobody, in this session.
#[test]
fn whoever_declined_is_asked_no_more_in_that_session() {
    let mut world = World::new(7);
    world.turn_down(3, b"1");
    world.corrupt([5], |_, message| match message {
        Message::Response(_) => vec![],
        other => vec![(Duration::ZERO, other)],
    });
    world.announce(b"1");
    world.run();
    assert_eq!((world.signed(b"1").1, world.attempts()), (vec![3, 5], 2));
    assert_eq!(world.log.iter().filter(|(from, to, _)| (*from, *to) == (0, 3)).count(), 1);
}

/// What cannot be signed any more has failed.
#[test]
fn a_statement_that_too_many_decline_fails_at_once_and_names_them() {
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    world.turn_down(2, b"1");
    world.announce(b"1");
    world.run();
    let [leader::Event::Failed { absent, .. }] = &world.events[..] else { panic!() };
    assert_eq!(*absent, [at(&world.roster, 2)]);
    assert!(world.now <= 2 * LATENCY, "{:?}", world.now);
    // Nor does anybody pay for it who had no time to answer.
    world.announce(b"2");
    world.run();
    assert!(world.signed(b"2").1.is_empty());
}

/// The application takes its time, and says no to what has been announced and challenged.
#[test]
fn a_late_no_is_told_to_whoever_asked() {
    let mut world = World::new(4);
    world.announce(b"1");
    world.run();
    world.announce(b"bad");
    world.run();
    assert_eq!(world.declines().len(), 3);
    assert!(matches!(world.events.last(), Some(leader::Event::Failed { .. })));
    assert!(world.now < Duration::from_secs(1), "{:?}", world.now);
}

/// A decline is its member's, and of one announcement: others or old ones silence nobody.
#[test]
fn a_decline_counts_for_its_member_and_session_alone() {
    let mut world = World::with(4, Mode::Accountable, Policy::Complete);
    world.turn_down(2, b"1");
    world.announce(b"1");
    world.run();
    let old = world.declines()[0].clone();
    let digest = Digest::of(b"1");
    world.tell(2, cosigner::Command::Validated { digest, accept: true });

    world.announce(b"1");
    let session = Decline { leader: 3, ..old.what.clone() };
    let forged = Said::new(&key(3), old.what.clone());
    let replays =
        [(2, old.clone()), (3, old), (2, Said::new(&key(2), session)), (3, forged.clone())];
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    for (from, said) in replays {
        let step =
            world.leader.handle_message(&mut cx, at(&world.roster, from), Message::Decline(said));
        assert!(step.into_records().1.release().events.is_empty());
    }
    world.events.clear();
    world.run();
    assert!(world.signed(b"1").1.is_empty());
}
