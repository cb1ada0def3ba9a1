//! Sessions in which everybody is honest, if not always in time.

use std::time::Duration;

use cosi::{
    Cosigner, Leader, Mode, Policy, cosigner, leader,
    machine::{Cx, Time},
    message::Message,
    raw,
    session::Digest,
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, traits::Identity};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

use crate::common::{LATENCY, World, at, key, leader_config, roster};

#[test]
fn all_sign_in_two_round_trips_and_the_next_statement_in_one() {
    let mut world = World::new(7);
    for statement in [b"prepare", b"commit."] {
        world.validate(statement);
    }
    world.announce(b"prepare");
    world.run();
    assert!(world.signed(b"prepare").1.is_empty());
    assert_eq!(world.now, 4 * LATENCY);
    world.announce(b"commit.");
    world.run();
    assert!(world.signed(b"commit.").1.is_empty());
    assert_eq!(world.now, 6 * LATENCY, "the nonces came ahead");
    assert_eq!((world.attempts(), world.faults.len()), (2, 0));
}

/// The application is slow: it validates after the challenge of the second statement came.
#[test]
fn a_cosigner_answers_once_its_application_has_validated() {
    let mut world = World::new(4);
    world.announce(b"first");
    world.run();
    let (announcing, challenging) = (b"bad until later", b"second");
    for statement in [&announcing[..], challenging] {
        world.announce(statement);
    }
    world.run();
    assert!(world.signed(b"first").1.is_empty());
    assert!(world.signed(challenging).1.is_empty());
    let failed = |event: &leader::Event| matches!(event, leader::Event::Failed { .. });
    assert!(world.events.iter().any(failed));
}

#[test]
fn raw_mode_yields_a_plain_ed25519_signature() {
    let mut world = World::with(5, Mode::Raw, Policy::Complete);
    world.announce(b"a release");
    world.run();
    let (signature, _) = world.signed(b"a release");
    let sum: EdwardsPoint = (0..5).map(|at| *key(at).public().point()).sum();
    let foreign = ed25519_dalek::VerifyingKey::from_bytes(&sum.compress().to_bytes()).unwrap();
    let bytes: [u8; 64] = signature.to_bytes()[..64].try_into().unwrap();
    let bytes = ed25519_dalek::Signature::from_bytes(&bytes);
    foreign.verify_strict(b"a release", &bytes).unwrap();
    let keys: Vec<_> = (0..5).map(|at| key(at).public().to_bytes()).collect();
    assert_eq!(raw::verify(&keys, b"a release", &signature.to_bytes(), 5), Ok(5));
}

#[test]
fn raw_mode_refuses_other_kinds_of_statement_on_both_sides() {
    let mut world = World::with(4, Mode::Raw, Policy::Quorum);
    let vote = [&cosi::domain::BYZCOIN[..], b"vote"].concat();
    let command = || leader::Command::Announce { statement: vote.clone(), policy: Policy::Quorum };
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let error = world.leader.handle_command(&mut cx, command()).unwrap_err();
    assert_eq!(error, leader::Error::Reserved);

    // A leader that asks all the same, and one that picks the mode itself.
    for (asked, of) in [(Mode::Raw, &vote[..]), (Mode::Accountable, b"a release")] {
        let session = cosi::session::Session {
            mode: asked,
            roster: world.roster.id(),
            statement: Digest::of(of),
            leader: 0,
            entropy: [1; 32],
            attempt: 0,
        };
        let said = cosi::message::Said::new(&key(0), session);
        let statement = cosi::message::StatementBytes::new(of.to_vec()).unwrap();
        let message = Message::Announcement(said, statement);
        let mut cx = Cx::new(Time::default(), &mut world.rng);
        let config = cosigner::Config {
            mode: Mode::Raw,
            ..cosigner::Config::new(world.roster.clone(), at(&world.roster, 1), key(1))
        };
        let mut cosigner = Cosigner::restore(config, [], &mut cx).unwrap().0;
        let step = cosigner.handle_message(&mut cx, at(&world.roster, 0), message);
        let output = step.into_records().1.release();
        assert_eq!((output.messages.len(), output.events.len()), (0, 0));
        assert_eq!(output.faults[0].kind, cosi::machine::FaultKind::InvalidPayload);
    }
}

#[test]
fn several_sessions_are_open_at_once_up_to_the_limit() {
    let mut world = World::new(4);
    let statements: Vec<_> = (0..8u8).map(|at| vec![at; 3]).collect();
    statements.iter().for_each(|statement| world.announce(statement));
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let mut announce = |statement: &[u8]| {
        let policy = Policy::Quorum;
        let command = leader::Command::Announce { statement: statement.to_vec(), policy };
        world.leader.handle_command(&mut cx, command).unwrap_err()
    };
    assert_eq!(announce(&statements[3]), leader::Error::StillOpen);
    assert_eq!(announce(b"one more"), leader::Error::TooManySessions);
    assert_eq!(announce(&[0; 32_769]), leader::Error::TooManySessions);
    world.run();
    for statement in &statements {
        assert!(world.signed(statement).1.is_empty());
    }
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let command = |statement, policy| leader::Command::Announce { statement, policy };
    let mut refused = |command| world.leader.handle_command(&mut cx, command).unwrap_err();
    assert_eq!(refused(command(vec![0; 32_769], Policy::Quorum)), leader::Error::TooLong);
    assert_eq!(refused(command(vec![], Policy::Weight(5))), leader::Error::Unreachable);
    let digest = Digest::of(b"nothing");
    assert_eq!(refused(leader::Command::Abandon { digest }), leader::Error::NotOpen);
    assert_eq!(world.faults.len(), 0);
}

#[test]
fn the_longest_statement_is_signed_and_an_abandoned_one_is_not() {
    let mut world = World::new(4);
    let statement = vec![7; 32_768];
    world.announce(&statement);
    world.announce(b"never mind");
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let command = leader::Command::Abandon { digest: Digest::of(b"never mind") };
    let _ = world.leader.handle_command(&mut cx, command).unwrap();
    world.run();
    assert!(world.signed(&statement).1.is_empty());
    assert_eq!(world.events.len(), 1);
}

/// One that was away is back as soon as it commits, though nobody waits for it.
#[test]
fn a_member_that_was_away_comes_back() {
    let mut world = World::new(4);
    world.cosigners.remove(&3);
    world.announce(b"1");
    world.run();
    assert_eq!(world.signed(b"1").1, [3]);
    world.start(3);
    for statement in [b"2", b"3"] {
        world.announce(statement);
        world.run();
    }
    assert_eq!((world.signed(b"2").1, world.signed(b"3").1), (vec![3], vec![]));
}

#[test]
fn a_lone_member_signs_alone_and_a_lax_policy_still_waits_for_all() {
    let mut world = World::new(1);
    world.announce(b"alone");
    assert!(world.signed(b"alone").1.is_empty());

    let mut world = World::with(4, Mode::Accountable, Policy::Weight(1));
    world.announce(b"witness");
    world.run();
    assert!(world.signed(b"witness").1.is_empty());
    assert_eq!(world.now, 4 * LATENCY);
}

#[test]
fn a_machine_needs_its_members_own_key() {
    let roster = roster(2);
    let mut world = World::new(1);
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let config = leader::Config { key: key(1), ..leader_config(&roster, Mode::Accountable) };
    assert_eq!(Leader::restore(config, [], &mut cx).unwrap_err(), leader::RestoreError);
    let config = cosigner::Config::new(roster.clone(), at(&roster, 1), key(0));
    assert_eq!(Cosigner::restore(config, [], &mut cx).unwrap_err(), cosigner::RestoreError);
}

#[test]
fn lost_announcements_and_challenges_are_said_again() {
    for lost in [1, 4] {
        let mut world = World::with(4, Mode::Accountable, Policy::Complete);
        let mut count = 0;
        world.corrupt([0], move |_, message| {
            count += 1;
            if count == lost { vec![] } else { vec![(Duration::ZERO, message)] }
        });
        world.announce(b"lossy");
        world.run();
        assert_eq!((world.signed(b"lossy").1, world.attempts()), (vec![], 1));
        assert_eq!(world.faults, []);
    }
}

/// Commitments are the leader's to spend on any statement. One that was spent on a statement that
/// its owner refuses, or on a challenge that got lost, must not be the owner's last word.
#[test]
fn a_refused_statement_or_a_lost_challenge_takes_nobody_from_another_session() {
    for (number, lossy) in (0..8u8).flat_map(|number| [(number, false), (number, true)]) {
        let mut world = World::with(4, Mode::Accountable, Policy::Complete);
        let [refused, good] = [&b"bad "[..], b"good"].map(|of| [of, &[number]].concat());
        if lossy {
            let digest = Digest::of(&refused);
            world.corrupt([0], move |_, message| match &message {
                Message::Challenge(said, _) if said.what.session.statement == digest => vec![],
                _ => vec![(Duration::ZERO, message)],
            });
        }
        world.announce(&refused);
        world.announce(&good);
        world.run();
        assert!(world.signed(&good).1.is_empty());
        assert_eq!(world.faults, []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Any participants: the signature verifies, and is the naive sum of what was said.
    #[test]
    fn a_signature_is_the_naive_sum(
        present in prop::collection::btree_set(1u16..12, 1..12),
        raw in any::<bool>(),
    ) {
        let mode = if raw { Mode::Raw } else { Mode::Accountable };
        let mut world = World::with(12, mode, Policy::Weight(2));
        world.cosigners.retain(|member, _| present.contains(member));
        world.announce(b"sum");
        world.run();
        let (signature, absent) = world.signed(b"sum");
        prop_assert_eq!(absent.len(), 11 - present.len());

        // Everything below is arithmetic of its own.
        let scalar = |bytes: &[u8; 32]| Scalar::from_canonical_bytes(*bytes).unwrap();
        let point = |bytes: &[u8; 32]| CompressedEdwardsY(*bytes).decompress().unwrap();
        let wide = |hash: Sha512| Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let (mut others, mut keys) = (Scalar::ZERO, EdwardsPoint::identity());
        let (mut nonces, mut challenge) = ([EdwardsPoint::identity(); 2], None);
        for (from, _, message) in &world.log {
            match message {
                Message::Response(said) => {
                    others += scalar(&said.what.response);
                    keys += key(*from).public().point();
                }
                Message::Commitment(said) => {
                    for (sum, of) in nonces.iter_mut().zip(&said.what.points) {
                        *sum += point(of);
                    }
                }
                Message::Challenge(said, _) => challenge = Some(&said.what),
                _ => {}
            }
        }
        let challenge = challenge.unwrap();
        let [r1, r2] = challenge.commitments.each_ref().map(point);
        let aggregate = (keys + key(0).public().point()).compress().to_bytes();
        let (roster, mask) = (world.roster.id().0, signature.mask.as_bytes());
        let account = [&cosi::domain::ACCOUNTABLE[..], &roster, mask, b"sum"].concat();
        let m = if raw { b"sum".to_vec() } else { account };
        let sid = Sha512::new_with_prefix(cosi::domain::SESSION).chain_update([u8::from(raw)]);
        let sid = sid.chain_update(roster).chain_update(Sha512::digest(b"sum"));
        let sid = sid.chain_update([0; 2]).chain_update(challenge.session.entropy);
        let sid = sid.chain_update([0; 4]).finalize();
        let b = Sha512::new_with_prefix(cosi::domain::BINDING).chain_update([u8::from(raw)]);
        let b = b.chain_update(&sid[..32]).chain_update(roster);
        let b = b.chain_update([2, 0, 0, 0, 0, 0, 0, 0]).chain_update(mask);
        let b = b.chain_update(aggregate).chain_update(challenge.commitments.concat());
        let b = wide(b.chain_update(Sha512::digest(&m)));
        prop_assert_eq!((r1 + b * r2).compress().to_bytes(), signature.commitment);
        let c = Sha512::new_with_prefix(signature.commitment).chain_update(aggregate);
        let c = wide(c.chain_update(m));
        prop_assert_eq!(EdwardsPoint::mul_base(&others), nonces[0] + b * nonces[1] + c * keys);
        // What is not the others' is the leader's, and right too.
        let own = scalar(&signature.response) - others;
        let left = r1 - nonces[0] + b * (r2 - nonces[1]) + c * key(0).public().point();
        prop_assert_eq!(EdwardsPoint::mul_base(&own), left);
    }
}
