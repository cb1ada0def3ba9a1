//! A commitment that comes along with an answer is its owner's word too.

use cosi::{
    Policy,
    challenge::ChallengeId,
    leader,
    machine::{Cx, FaultKind, Time},
    message::{Commitment, Message, Refusal, Response, Said},
    nonce::NonceId,
};

use crate::{
    common::{World, at, key},
    scripted::honest,
};

/// The answer, from member 1, with this commitment.
fn answers(ahead: &Said<Commitment>) -> [Message; 2] {
    let (challenge, nonce, member) = (ChallengeId([1; 32]), NonceId([2; 16]), 1);
    let (response, ahead) = ([0; 32], ahead.clone());
    let refusal = Refusal { challenge, member, nonce: Some(nonce), ahead: ahead.clone() };
    let response = Response { challenge, member, nonce, response, ahead };
    [Message::Response(Said::new(&key(1), response)), Message::Refusal(Said::new(&key(1), refusal))]
}

/// What the leader makes of the answer: the fault, and whether it spends the commitment.
fn kept(answer: Message) -> (Option<FaultKind>, bool) {
    let mut world = World::new(4);
    let mut cx = Cx::new(Time::default(), &mut world.rng);
    let step = world.leader.handle_message(&mut cx, at(&world.roster, 1), answer);
    let output = step.into_records().1.release();
    let fault = output.faults.first().map(|fault| fault.kind);
    let (statement, policy) = (b"M".to_vec(), Policy::Weight(2));
    let command = leader::Command::Announce { statement, policy };
    let step = world.leader.handle_command(&mut cx, command).unwrap();
    let messages = step.into_records().1.release().messages;
    (fault, messages.iter().any(|(_, message)| matches!(message, Message::Challenge(..))))
}

/// Kept, it would be spent in a challenge, and found to be nobody's only in what it spoils.
#[test]
fn a_commitment_ahead_that_nobody_signed_is_not_kept() {
    let good = honest().commitment(0, b"M");
    for answer in answers(&good) {
        assert_eq!(kept(answer), (None, true));
    }
    let mut garbage = good.clone();
    garbage.signature.0[0] ^= 1;
    let other = Said { signature: Said::new(&key(2), good.what.clone()).signature, ..good };
    for answer in [&garbage, &other].into_iter().flat_map(answers) {
        assert_eq!(kept(answer), (Some(FaultKind::BadSignature), false));
    }
}
