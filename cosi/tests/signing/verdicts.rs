//! What the application made of a statement counts for every leader, and no leader's questions
//! take the room of what it says of its own accord.

use cosi::{
    Policy,
    cosigner::{Command, Error, Limits},
    machine::{Cx, Time},
    session::Digest,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::scripted::{Honest, declined};

fn answer(statement: &[u8], accept: bool) -> Command {
    Command::Answered { digest: Digest::of(statement), accept }
}

/// A leader that asks first neither takes the verdict for itself nor has it asked for twice.
#[test]
fn a_verdict_counts_for_every_leader_whoever_asked_first() {
    let answer_it = |honest: &mut Honest, accept| honest.tell(answer(b"M", accept));
    let say_it = |honest: &mut Honest, accept| {
        honest.tell(Command::Validated { digest: Digest::of(b"M"), accept })
    };
    let verdicts: [&dyn Fn(&mut Honest, bool) -> _; 2] = [&answer_it, &say_it];
    for tell in verdicts {
        for accept in [true, false] {
            let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
            assert_eq!(honest.announce(3, b"M"), None);
            assert!(tell(&mut honest, accept).is_some(), "to whoever asked");
            // Its leader pushes its own question out.
            for other in 0..20u8 {
                honest.announce(3, &[other]);
            }
            honest.asked.clear();
            for leader in [0, 2, 3] {
                if accept {
                    honest.commitment(leader, b"M");
                } else {
                    declined(honest.announce(leader, b"M"));
                }
            }
            assert_eq!(honest.asked, [], "nobody is asked again");
        }
    }
}

/// Statements that are valid, each pushed out before the application answers.
#[test]
fn answers_take_no_room_of_what_is_validated_unasked() {
    let limits = Limits { validated: 8, statements: 2, ..Limits::default() };
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    for evil in 0..50u8 {
        honest.announce(3, &[evil]);
    }
    for evil in 0..50u8 {
        honest.tell(answer(&[evil], true));
    }
    let goods: Vec<_> = (100..108u8).map(|good| [good]).collect();
    for good in &goods {
        honest.validate(good);
    }
    // And the other way round: what is there already stays.
    for evil in 50..70u8 {
        honest.announce(3, &[evil]);
        honest.tell(answer(&[evil], true));
    }
    honest.asked.clear();
    for good in &goods {
        honest.commitment(2, good);
    }
    assert_eq!(honest.asked, []);
    // The table is full of what was said unasked, and that is the application's to know.
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let command = Command::Validated { digest: Digest::of(b"ninth"), accept: true };
    assert_eq!(honest.cosigner.handle_command(&mut cx, command), Err(Error::TooManyValidated));
}

/// The oldest answer goes first, so the last ones are known.
#[test]
fn answers_give_way_to_later_ones() {
    let limits = Limits { validated: 4, statements: 1, ..Limits::default() };
    let mut honest = Honest::new(4, Policy::Quorum, limits);
    for statement in (0..10u8).rev() {
        honest.announce(3, &[statement]);
        honest.tell(answer(&[statement], true));
    }
    honest.asked.clear();
    for known in 0..4u8 {
        honest.commitment(2, &[known]);
    }
    assert_eq!(honest.asked, []);
    assert_eq!(honest.announce(2, &[4]), None);
    assert_eq!(honest.asked, [Digest::of(&[4])]);
}
