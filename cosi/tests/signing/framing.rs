//! Whom the evidence convicts: who broke a rule, and nobody whom others would frame.

use cosi::{
    Policy, blame,
    challenge::Challenge,
    cosigner::Limits,
    machine::{Evidence, FaultKind, Signed},
    message::{Ask, Commitment, Message, Response, Said, Speech},
    nonce::NonceId,
    session::Session,
    wire::{BoundedBytes, BoundedVec},
};
use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity};

use crate::{
    common::{at, key, roster},
    scripted::{Honest, bytes, honest, responded},
};

fn signed<T: Speech>(said: &Said<T>) -> Signed {
    Signed { statement: BoundedBytes::new(said.what.encode()).unwrap(), signature: said.signature }
}

fn evidence(statements: Vec<Signed>) -> Evidence {
    Evidence { domain: cosi::domain::BLAME, statements: BoundedVec::new(statements).unwrap() }
}

/// Sums, masks, entropy, attempts: whatever the leader makes up, an honest response holds.
#[test]
fn a_framing_leader_frames_nobody() {
    let mut honest = honest();
    for (attempt, own) in (0u32..).zip([Scalar::ZERO, Scalar::ONE, -Scalar::ONE]) {
        let offer = honest.commitment(0, b"M");
        let session = honest.session(0, b"M", attempt);
        let own = EdwardsPoint::mul_base(&own);
        let said = honest.challenge(&session, b"M", &offer.what, own);
        let reply = honest.hear(0, Message::Challenge(said.clone(), Ask::Own(offer.what.nonce)));
        let response = responded(reply);
        let convicts = |challenge: &Said<Challenge>, response: &Said<Response>| {
            let statements = vec![signed(challenge), signed(&offer), signed(response)];
            blame::verify(&evidence(statements), &honest.roster)
        };
        assert_eq!(convicts(&said, &response), None);
        // Another challenge than was answered, or a response that the leader signed itself.
        let session = Session { attempt: 77, ..session };
        let other = honest.challenge(&session, b"M", &offer.what, own);
        assert_eq!(convicts(&other, &response), None);
        let lie = Response { response: [0; 32], ..response.what.clone() };
        assert_eq!(convicts(&said, &Said::new(&key(0), lie.clone())), None);
        // Signed by the member itself the lie convicts it: the test would see a frame.
        assert_eq!(convicts(&said, &Said::new(&key(1), lie)), Some(at(&honest.roster, 1)));
        // Another pair's commitment; one under this pair's name, by another or in its name.
        let frame = |commitment: &Said<Commitment>| {
            let statements = vec![signed(&said), signed(commitment), signed(&response)];
            blame::verify(&evidence(statements), &honest.roster)
        };
        assert_eq!(frame(&response.what.ahead), None);
        let points = response.what.ahead.what.points;
        let renamed = Commitment { points, ..offer.what.clone() };
        assert_eq!(frame(&Said::new(&key(0), renamed.clone())), None);
        assert_eq!(frame(&Said::new(&key(2), Commitment { member: 2, ..renamed.clone() })), None);
        let elsewhere = Commitment { roster: roster(5).id(), ..renamed.clone() };
        assert_eq!(frame(&Said::new(&key(1), elsewhere)), None, "another roster's pair");
        assert_eq!(frame(&Said::new(&key(1), renamed)), Some(at(&honest.roster, 1)));
        // The statement swapped for another, under the old digest.
        let swapped = Challenge { statement: bytes(b"N"), ..said.what.clone() };
        let swapped = Said::new(&key(0), swapped);
        let lie =
            Response { response: [0; 32], challenge: swapped.what.id(), ..response.what.clone() };
        assert_eq!(convicts(&swapped, &Said::new(&key(1), lie)), None, "nobody answers that");
    }
}

#[test]
fn evidence_of_another_roster_convicts_nobody() {
    let mut honest = honest();
    let offer = honest.commitment(0, b"M");
    let said = honest.challenge(&honest.session(0, b"M", 0), b"M", &offer.what, Default::default());
    let response =
        responded(honest.hear(0, Message::Challenge(said.clone(), Ask::Own(offer.what.nonce))));
    let lie = Said::new(&key(1), Response { response: [0; 32], ..response.what });
    let proof = evidence(vec![signed(&said), signed(&offer), signed(&lie)]);
    assert_eq!(blame::verify(&proof, &honest.roster), Some(at(&honest.roster, 1)));
    assert_eq!(blame::verify(&proof, &roster(5)), None);
    let elsewhere = Evidence { domain: cosi::domain::RESPONSE, ..proof };
    assert_eq!(blame::verify(&elsewhere, &honest.roster), None);
}

#[test]
fn two_challenges_in_one_session_convict_the_leader_and_nothing_else_does() {
    for waits in [false, true] {
        let mut honest = Honest::new(4, Policy::Quorum, Limits::default());
        if !waits {
            honest.validate(b"M");
        }
        let offer = if waits { None } else { Some(honest.commitment(0, b"M").what) };
        let blank = Commitment {
            roster: honest.roster.id(),
            leader: 0,
            member: 1,
            nonce: NonceId([0; 16]),
            points: [EdwardsPoint::identity().compress().to_bytes(); 2],
        };
        let commitment = offer.unwrap_or(blank);
        let session = honest.session(0, b"M", 0);
        let [one, two] = [1u64, 2].map(|own| {
            let own = EdwardsPoint::mul_base(&Scalar::from(own));
            honest.challenge(&session, b"M", &commitment, own)
        });
        let first = honest.hear(0, Message::Challenge(one.clone(), Ask::Own(commitment.nonce)));
        assert_eq!(first.is_some(), !waits);
        assert_eq!(
            honest.hear(0, Message::Challenge(two.clone(), Ask::Own(commitment.nonce))),
            None
        );
        let [fault] = &honest.faults[..] else { panic!("{:?}", honest.faults) };
        assert_eq!((fault.culprit.get(), fault.kind), (0, FaultKind::Equivocation));
        let proof = fault.evidence.clone().unwrap();
        assert_eq!(blame::verify(&proof, &honest.roster), Some(fault.culprit));
        assert_eq!(blame::verify(&proof, &roster(5)), None);

        // The same twice, another attempt, a signature by another: no contradiction.
        let session = honest.session(0, b"M", 1);
        let later = honest.challenge(&session, b"M", &commitment, EdwardsPoint::identity());
        let forged = Said::new(&key(1), two.what);
        for other in [&one, &later, &forged] {
            let proof = evidence(vec![signed(&one), signed(other)]);
            assert_eq!(blame::verify(&proof, &honest.roster), None);
        }
        assert_eq!(blame::verify(&evidence(vec![signed(&one)]), &honest.roster), None);
    }
}
