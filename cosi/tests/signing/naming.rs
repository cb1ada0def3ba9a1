//! What a leader shows is what it names, and only the leader itself speaks for it.

use cosi::{
    Policy,
    cosigner::Limits,
    machine::{FaultKind, Time},
    mask::Mask,
    message::{Ask, Call, Message, Poll, Said},
    session::Session,
    tree::{Plan, Shape},
};
use curve25519_dalek::{EdwardsPoint, Scalar};

use crate::{
    common::key,
    scripted::{Honest, bytes, honest, responded},
};

/// The application looks at the one, and its verdict would be on the other.
#[test]
fn a_statement_under_the_name_of_another_is_neither_shown_nor_answered() {
    let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
    let said = Said::new(&key(0), honest.session(0, b"evil", 0));
    assert_eq!(honest.hear(0, Message::Announcement(said, bytes(b"good"))), None);
    assert_eq!(honest.asked, []);
    let faults: Vec<_> = honest.faults.iter().map(|f| (f.culprit.get(), f.kind)).collect();
    assert_eq!(faults, [(0, FaultKind::Malformed)]);
    // The same in a challenge, when both are validated.
    honest.validate(b"evil");
    honest.validate(b"good");
    let offer = honest.commitment(0, b"good");
    let own = EdwardsPoint::mul_base(&Scalar::ONE);
    let session = honest.session(0, b"evil", 0);
    let said = honest.challenge(&session, b"good", &offer.what, own);
    assert_eq!(honest.hear(0, Message::Challenge(said, Ask::Own(offer.what.nonce))), None);
    let said = honest.challenge(&session, b"evil", &offer.what, own);
    responded(honest.hear(0, Message::Challenge(said, Ask::Own(offer.what.nonce))));
}

/// Answered, they would push the leader's own pairs out, and its next challenges be refused.
#[test]
fn whoever_brings_a_leaders_announcements_again_spends_none_of_its_room() {
    let mut honest = honest();
    let offer = honest.commitment(0, b"M");
    for attempt in 0..20 {
        for statement in [&b"M"[..], b"never seen"] {
            let session = Session { attempt, ..honest.session(0, statement, 0) };
            let said = Said::new(&key(0), session);
            assert_eq!(honest.hear(2, Message::Announcement(said, bytes(statement))), None);
        }
    }
    assert_eq!((&honest.asked[..], &honest.faults[..]), (&[][..], &[][..]));
    let own = EdwardsPoint::mul_base(&Scalar::ONE);
    let said = honest.challenge(&honest.session(0, b"M", 0), b"M", &offer.what, own);
    responded(honest.hear(0, Message::Challenge(said, Ask::Own(offer.what.nonce))));
}

/// What is passed on down a tree is held to the same rule, and so is what asks for single
/// signatures.
#[test]
fn no_message_shows_a_statement_under_the_name_of_another() {
    let honest = honest();
    let session = honest.session(0, b"evil", 0);
    let plan = Plan { shape: Shape::Groups, seed: [1; 32], aside: Mask::empty(4) };
    let call = Call { session: session.clone(), plan, issued: Time::default(), patience: 1 };
    let call = Said::new(&key(0), call);
    let poll = Said::new(&key(0), Poll { session });
    let shown = |statement: &[u8]| {
        let statement = bytes(statement);
        let messages = [
            Message::Call(call.clone(), statement.clone()),
            Message::Poll(poll.clone(), statement),
        ];
        messages.map(|message| message.verify(&honest.roster).err())
    };
    assert_eq!(shown(b"good"), [Some(FaultKind::Malformed); 2]);
    assert_eq!(shown(b"evil"), [None; 2]);
}
