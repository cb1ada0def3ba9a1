//! Nothing is drawn twice, whatever the generator and the clock do.

use std::collections::BTreeSet;

use cosi::{
    Cosigner, Policy, cosigner, leader,
    machine::{Cx, Time},
    message::{Commitment, Message, Said},
    session::Digest,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    common::{World, at, key},
    scripted::{Stuck, bytes, honest},
};

/// Two challenges in one session would convict the leader: under a generator that is stuck and a
/// clock that stands, the count of its pairs tells the sessions apart.
#[test]
fn a_statement_that_is_announced_again_has_another_session() {
    let mut honest = honest();
    let mut world = World::new(4);
    let (mut stuck, mut sessions) = (Stuck, BTreeSet::new());
    let mut cx = Cx::new(Time::default(), &mut stuck);
    for statement in [b"M", b"N"] {
        let offer = Message::Commitment(honest.commitment(0, statement));
        let _ = world.leader.handle_message(&mut cx, at(&world.roster, 1), offer);
    }
    for _ in 0..2 {
        let (statement, policy) = (b"again".to_vec(), Policy::Weight(2));
        let command = leader::Command::Announce { statement, policy };
        let step = world.leader.handle_command(&mut cx, command).unwrap();
        let messages = step.into_records().1.release().messages;
        let challenged = messages.iter().find_map(|(_, message)| match message {
            Message::Challenge(said, _) => Some(said.what.session.id()),
            _ => None,
        });
        assert!(sessions.insert(challenged.unwrap()), "two challenges in one session");
        let digest = Digest::of(b"again");
        let _ = world.leader.handle_command(&mut cx, leader::Command::Abandon { digest }).unwrap();
    }
}

/// A machine that starts twice from one image, at one time: the host's entropy tells its pairs
/// apart.
#[test]
fn fresh_entropy_enters_every_pair() {
    let honest = honest();
    let commitment = |entropy| -> Commitment {
        let mut rng = ChaCha20Rng::seed_from_u64(entropy);
        let mut cx = Cx::new(Time::default(), &mut rng);
        let config = cosigner::Config::new(honest.roster.clone(), at(&honest.roster, 1), key(1));
        let mut cosigner = Cosigner::restore(config, [], &mut cx).unwrap().0;
        let verdict = cosigner::Command::Validated { digest: Digest::of(b"M"), accept: true };
        let _ = cosigner.handle_command(&mut cx, verdict).unwrap();
        let said = Said::new(&key(0), honest.session(0, b"M", 0));
        let message = Message::Announcement(said, bytes(b"M"));
        let step = cosigner.handle_message(&mut cx, at(&honest.roster, 0), message);
        let output = step.into_records().1.release();
        let [(_, Message::Commitment(said))] = &output.messages[..] else { panic!() };
        said.what.clone()
    };
    let [one, same, other] = [1, 1, 2].map(commitment);
    assert_eq!(one, same);
    assert_ne!(one.nonce, other.nonce);
    for j in 0..2 {
        assert_ne!(one.points[j], other.points[j], "R{}", j + 1);
    }
}
