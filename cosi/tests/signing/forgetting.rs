//! What is forgotten is gone, answers included.

use cosi::{
    cosigner::Command,
    message::{Ask, Message},
    session::Digest,
};
use curve25519_dalek::{EdwardsPoint, Scalar};

use crate::scripted::{honest, refused, responded};

#[test]
fn a_forgotten_answer_is_not_given_again() {
    let mut honest = honest();
    let offer = honest.commitment(0, b"M").what;
    let session = honest.session(0, b"M", 0);
    let said = honest.challenge(&session, b"M", &offer, EdwardsPoint::mul_base(&Scalar::ONE));
    let challenge = Message::Challenge(said, Ask::Own(offer.nonce));
    let reply = honest.hear(0, challenge.clone());
    responded(reply.clone());
    assert_eq!(honest.hear(0, challenge.clone()), reply);

    let digest = Digest::of(b"M");
    honest.tell(Command::Forget { digest });
    assert_eq!(honest.hear(0, challenge.clone()), None);
    assert_eq!(honest.asked, [digest], "asked anew");
    let reply = honest.validate(b"M");
    assert_eq!(refused(reply).what.nonce, Some(offer.nonce), "the pair is spent");
    assert_eq!(honest.faults, []);
}
