//! Who may lead, and what a leader may make a member keep.

use cosi::{
    Cosigner, cosigner,
    machine::{Cx, FaultKind, Time},
    mask::Mask,
    message::{Ask, Commitment, Message, Said},
    nonce::NonceId,
    session::Digest,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    common::{at, key},
    scripted::{bytes, honest},
};

/// Nothing is kept for who may not lead, nor is the application asked.
#[test]
fn whoever_may_not_lead_is_not_heard() {
    let honest = honest();
    let roster = &honest.roster;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let config = cosigner::Config {
        leaders: Some(Mask::of(4, [0, 3])),
        ..cosigner::Config::new(roster.clone(), at(roster, 1), key(1))
    };
    let mut cosigner = Cosigner::restore(config, [], &mut cx).unwrap().0;
    let verdict = cosigner::Command::Validated { digest: Digest::of(b"M"), accept: true };
    let _ = cosigner.handle_command(&mut cx, verdict).unwrap();
    let blank = Commitment {
        roster: roster.id(),
        leader: 2,
        member: 1,
        nonce: NonceId([0; 16]),
        points: [key(1).public().to_bytes(); 2],
    };
    for (leader, leads) in [(0, true), (2, false), (3, true)] {
        for statement in [b"M", b"N"] {
            let session = honest.session(leader, statement, 0);
            let challenge = honest.challenge(
                &session,
                statement,
                &blank,
                curve25519_dalek::EdwardsPoint::default(),
            );
            let announcement =
                Message::Announcement(Said::new(&key(leader), session), bytes(statement));
            for message in [announcement, Message::Challenge(challenge, Ask::Own(blank.nonce))] {
                let step = cosigner.handle_message(&mut cx, at(roster, leader), message.clone());
                let output = step.into_records().1.release();
                assert!(leads || (output.messages.is_empty() && output.events.is_empty()));
                if leads && statement == b"M" {
                    assert_eq!(output.messages.len(), 1);
                }
                for fault in output.faults {
                    assert_eq!((fault.culprit.get(), fault.kind), (2, FaultKind::WrongRole));
                }
                // Who brings what another says is at no fault.
                let step = cosigner.handle_message(&mut cx, at(roster, 0), message);
                assert!(leads || step == cosigner::Step::none());
            }
        }
    }
}
