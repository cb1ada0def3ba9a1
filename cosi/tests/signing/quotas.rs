//! Whoever fills a quota pushes out its own oldest, and nobody else's.

use cosi::{
    Policy,
    cosigner::{self, Command, Limits},
    machine::{Cx, Time},
    message::{Ask, Commitment, Message},
    session::Digest,
};
use curve25519_dalek::{EdwardsPoint, Scalar};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    common::{World, at},
    scripted::{Honest, declined, refused, responded},
};

/// A leader fills its quotas: its own oldest goes, and nobody else's.
#[test]
fn every_leader_has_its_own_quotas() {
    let limits =
        Limits { pairs: 3, statements: 2, answers: 2, validated: 300, ..Limits::default() };
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    let statements: Vec<_> = (0..200u16).map(|at| at.to_le_bytes()).collect();
    statements.iter().for_each(|statement| {
        honest.validate(statement);
    });
    let others = honest.commitment(2, &statements[0]).what;
    let mine: Vec<_> = statements.iter().map(|s| honest.commitment(0, s).what).collect();
    let one = EdwardsPoint::mul_base(&Scalar::ONE);
    let mut spend = |leader: u16, attempt, commitment: &Commitment| {
        let session = honest.session(leader, &statements[0], attempt);
        let said = honest.challenge(&session, &statements[0], commitment, one);
        honest.hear(leader, Message::Challenge(said, Ask::Own(commitment.nonce)))
    };
    // Newest first: each answer brings a pair ahead, which would push the older out.
    responded(spend(0, 0, &mine[199]));
    responded(spend(0, 1, &mine[198]));
    responded(spend(0, 2, &mine[197]));
    for (attempt, pushed_out) in (3..).zip(&mine[..197]) {
        refused(spend(0, attempt, pushed_out));
    }
    responded(spend(2, 0, &others));
    assert_eq!(honest.faults, []);

    // Statements that nobody validated: asked for each, and two are kept.
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    assert_eq!(honest.announce(2, b"other"), None);
    for statement in &statements {
        assert_eq!(honest.announce(0, statement), None);
    }
    assert_eq!(honest.asked.len(), 201);
    let mut verdict = |statement: &[u8]| honest.validate(statement);
    assert_eq!(verdict(&statements[197]), None, "pushed out");
    for kept in [&b"other"[..], &statements[198], &statements[199]] {
        assert!(matches!(verdict(kept), Some(Message::Commitment(_))));
    }
}

/// An answer that was pushed out is not given again: its pair is gone.
#[test]
fn answers_beyond_the_quota_become_refusals() {
    let limits = Limits { answers: 2, ..Limits::default() };
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    honest.validate(b"M");
    let one = EdwardsPoint::mul_base(&Scalar::ONE);
    let mut challenges = vec![];
    let mut offer = honest.commitment(0, b"M").what;
    for attempt in 0..3 {
        let said = honest.challenge(&honest.session(0, b"M", attempt), b"M", &offer, one);
        let message = Message::Challenge(said, Ask::Own(offer.nonce));
        challenges.push(message.clone());
        offer = responded(honest.hear(0, message)).what.ahead.what;
    }
    let [first, second, _] = &challenges[..] else { panic!() };
    responded(honest.hear(0, second.clone()));
    refused(honest.hear(0, first.clone()));
}

#[test]
fn the_application_too_has_a_limit() {
    let limits = Limits { validated: 2, ..Limits::default() };
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    honest.validate(b"1");
    honest.validate(b"2");
    honest.validate(b"2");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let command = Command::Validated { digest: Digest::of(b"3"), accept: true };
    let error = honest.cosigner.handle_command(&mut cx, command).unwrap_err();
    assert_eq!(error, cosigner::Error::TooManyValidated);
    honest.tell(Command::Forget { digest: Digest::of(b"1") });
    honest.validate(b"3");
}

/// A leader asks for one statement after another, so that its first are pushed out before the
/// application has refused them: that takes no room from what another leader is to have signed.
#[test]
fn refusals_take_no_room_from_what_is_accepted() {
    let limits = Limits { statements: 2, validated: 3, ..Limits::default() };
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    for evil in 0..50u8 {
        assert_eq!(honest.announce(0, &[evil]), None);
    }
    for evil in 0..50u8 {
        honest.tell(Command::Validated { digest: Digest::of(&[evil]), accept: false });
    }
    for good in [b"good 1", b"good 2", b"good 3"] {
        honest.validate(good);
        honest.commitment(2, good);
    }
    assert_eq!(honest.asked.len(), 50);
    // What is refused last is known, and not asked again; the others may be.
    declined(honest.announce(0, &[49]));
    assert_eq!(honest.asked.len(), 50);
}

/// What was turned down changes nothing.
#[test]
fn a_verdict_for_which_there_is_no_room_is_not_taken() {
    let mut honest = Honest::new(4, Policy::Quorum, Limits { validated: 1, ..Limits::default() });
    let digest = Digest::of(b"M");
    assert_eq!(honest.announce(0, b"M"), None);
    declined(honest.tell(Command::Answered { digest, accept: false }));
    honest.validate(b"another");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let command = Command::Validated { digest, accept: true };
    let error = honest.cosigner.handle_command(&mut cx, command).unwrap_err();
    assert_eq!(error, cosigner::Error::TooManyValidated);
    declined(honest.announce(0, b"M")); // as before
    // A refusal is always taken.
    honest.tell(Command::Forget { digest: Digest::of(b"another") });
    honest.validate(b"M");
    honest.commitment(2, b"M");
    honest.tell(Command::Validated { digest, accept: false });
    for leader in [0, 2, 3] {
        declined(honest.announce(leader, b"M"));
    }
}

/// A member floods a leader with commitments: a bounded number is kept, none is named twice, and
/// the session goes on with one of them.
#[test]
fn a_leader_keeps_a_bounded_number_of_commitments() {
    let mut world = World::new(4);
    let mut honest = Honest::new(4, Policy::Quorum, Limits { pairs: 99, ..Limits::default() });
    let offers: Vec<_> = (0..99u8)
        .map(|statement| {
            honest.validate(&[statement]);
            honest.commitment(0, &[statement])
        })
        .collect();
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    for said in offers.iter().chain(&offers) {
        let message = Message::Commitment(said.clone());
        let step = world.leader.handle_message(&mut cx, at(&world.roster, 1), message);
        assert_eq!(step, cosi::leader::Step::none());
    }
    // One session after another: as many challenges at once as were kept, each with another pair.
    let mut named = vec![];
    for statement in 0..9u8 {
        let policy = Policy::Weight(2);
        let command = cosi::leader::Command::Announce { statement: vec![statement], policy };
        let step = world.leader.handle_command(&mut cx, command).unwrap();
        let messages = step.into_records().1.release().messages;
        named.extend(messages.into_iter().filter_map(|(_, message)| match message {
            Message::Challenge(_, Ask::Own(nonce)) => Some(nonce),
            _ => None,
        }));
        let digest = Digest::of(&[statement]);
        let _ = world.leader.handle_command(&mut cx, cosi::leader::Command::Abandon { digest });
    }
    let latest: Vec<_> = offers[99 - 8..].iter().rev().map(|said| said.what.nonce).collect();
    assert_eq!(named, latest);
    // One that comes twice before it is spent is kept once.
    honest.validate(b"twice");
    let twice = Message::Commitment(honest.commitment(0, b"twice"));
    for message in [twice.clone(), twice] {
        let _ = world.leader.handle_message(&mut cx, at(&world.roster, 1), message);
    }
    for (statement, challenges) in [(b"first".to_vec(), 1), (b"again".to_vec(), 0)] {
        let digest = Digest::of(&statement);
        let command = cosi::leader::Command::Announce { statement, policy: Policy::Weight(2) };
        let step = world.leader.handle_command(&mut cx, command).unwrap();
        let messages = step.into_records().1.release().messages;
        let named = messages.iter().filter(|(_, m)| matches!(m, Message::Challenge(..)));
        assert_eq!(named.count(), challenges);
        let _ = world.leader.handle_command(&mut cx, cosi::leader::Command::Abandon { digest });
    }
    // What was spent comes again, from the network: it is not spent again.
    for said in &offers[99 - 8..] {
        let message = Message::Commitment(said.clone());
        let _ = world.leader.handle_message(&mut cx, at(&world.roster, 1), message);
    }
    let (statement, policy) = (b"last".to_vec(), Policy::Weight(2));
    let command = cosi::leader::Command::Announce { statement, policy };
    let step = world.leader.handle_command(&mut cx, command).unwrap();
    let messages = step.into_records().1.release().messages;
    assert!(messages.iter().all(|(_, message)| matches!(message, Message::Announcement(..))));
}
