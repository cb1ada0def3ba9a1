//! Leaders and cosigners whose policies differ.

use std::time::Duration;

use cosi::{
    Policy,
    cosigner::Limits,
    mask::Mask,
    message::{Ask, Message, Said},
};
use curve25519_dalek::{EdwardsPoint, Scalar};

use crate::{
    common::{World, key},
    scripted::{Honest, refused, responded},
};

/// No fault, no debt: a refusal, which costs the pair, so that no answer to so few can follow.
#[test]
fn a_challenge_to_too_few_is_refused() {
    let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
    honest.validate(b"M");
    let offer = honest.commitment(0, b"M").what;
    let own = EdwardsPoint::mul_base(&Scalar::ONE);
    let whole = |honest: &Honest, attempt| {
        honest.challenge(&honest.session(0, b"M", attempt), b"M", &offer, own)
    };
    let mut few = whole(&honest, 0).what;
    few.mask = Mask::of(4, [0, 1]);
    let few = Message::Challenge(Said::new(&key(0), few), Ask::Own(offer.nonce));
    let reply = honest.hear(0, few.clone());
    let refusal = refused(reply.clone()).what;
    assert_eq!(refusal.nonce, Some(offer.nonce));
    assert_eq!(honest.hear(0, few), reply, "verbatim");
    let enough = Message::Challenge(whole(&honest, 1), Ask::Own(offer.nonce));
    refused(honest.hear(0, enough)); // the pair is gone
    assert_eq!(honest.faults, []);

    let ahead = refusal.ahead.what;
    let said = honest.challenge(&honest.session(0, b"M", 2), b"M", &ahead, own);
    responded(honest.hear(0, Message::Challenge(said, Ask::Own(ahead.nonce))));
}

/// It learns what the cosigners want by their refusals, and nobody is blamed or benched.
#[test]
fn a_leader_that_is_less_strict_than_its_cosigners_signs_with_enough_of_them() {
    let mut world = World::new(4);
    world.policy = Policy::Weight(2); // the leader's: the cosigners want a quorum of three
    world.corrupt([2, 3], |member, message| match message {
        _ if member == 3 => vec![],
        Message::Commitment(_) => vec![(Duration::from_millis(300), message)],
        _ => vec![(Duration::ZERO, message)],
    });
    world.announce(b"x");
    world.run();
    assert_eq!(world.signed(b"x").1, [3]);
    assert_eq!(world.faults, []);
    assert!(world.now < Duration::from_secs(2), "{:?}", world.now);
    let refused = world.log.iter().filter(|(_, _, m)| matches!(m, Message::Refusal(_))).count();
    assert!((1..=2).contains(&refused), "{refused}");
    world.announce(b"y");
    world.run();
    assert_eq!((world.signed(b"y").1, world.faults.len()), (vec![3], 0));
}
