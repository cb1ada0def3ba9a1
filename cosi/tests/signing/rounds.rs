//! Rounds whose leader is no member. That a leader with two challenges for one R forges, and that
//! binding both nonces to all of a challenge is what stops it, is shown in `ros`: a round's
//! equations are those of the cosigner there. Here is what its b binds, and who is named.

use cosi::{
    CollectiveSignature, Mode, Policy,
    domain::{BINDING, ROUND},
    machine::{Cx, Index, Time},
    mask::Mask,
    nonce::NoncePair,
    roster::Roster,
    round::{Asking, Offer, Question, Round},
    transcript::Hash,
};
use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY, traits::Identity,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest as _, Sha512};

use crate::{
    certificate::of_scalars,
    common::{at, key, roster},
};

const NAME: [u8; 32] = [7; 32];
const STATEMENT: &[u8] = b"statement";

/// A member's pair. The same seed draws the same one, which outside of tests nobody can.
fn pair(roster: &Roster, member: u16, seed: u64) -> (Offer, NoncePair) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut cx = Cx::new(Time::default(), &mut rng);
    Offer::draw(&mut cx, &key(member), &roster.id(), &[9; 32], &mut 0)
}

/// What each of these offers, decoded.
fn offers(roster: &Roster, members: &[u16]) -> Vec<(Index, [EdwardsPoint; 2])> {
    let offer = |member: &u16| (at(roster, *member), pair(roster, *member, 1).0.decode().unwrap());
    members.iter().map(offer).collect()
}

fn asking(roster: &Roster, offers: &[(Index, [EdwardsPoint; 2])]) -> Asking {
    Asking::new(roster, &NAME, offers.iter().copied(), STATEMENT).unwrap()
}

fn answer(roster: &Roster, member: u16, question: &Question) -> (Index, [u8; 32]) {
    let round = Round::new(roster, &NAME, question, STATEMENT).unwrap();
    (at(roster, member), round.answer(pair(roster, member, 1).1, &key(member)))
}

/// The answers of these members, all right.
fn answers(roster: &Roster, members: &[u16], question: &Question) -> Vec<(Index, [u8; 32])> {
    members.iter().map(|member| answer(roster, *member, question)).collect()
}

/// s + value.
fn shifted(s: [u8; 32], value: Scalar) -> [u8; 32] {
    (Scalar::from_canonical_bytes(s).unwrap() + value).to_bytes()
}

#[test]
fn a_signature_of_a_round_holds_by_the_strict_rule_for_those_who_gave_it() {
    let roster = roster(4);
    let asking = asking(&roster, &offers(&roster, &[0, 1, 3]));
    let given = answers(&roster, &[0, 1, 3], asking.question());
    let signature = asking.finish(&roster, given).unwrap();
    signature.verify(&roster, STATEMENT, &Policy::Quorum).unwrap();
    assert!(signature.verify(&roster, b"another", &Policy::Quorum).is_err());
    assert!(signature.verify(&roster, STATEMENT, &Policy::Complete).is_err());

    let CollectiveSignature { commitment, response, mask } = signature;
    assert_eq!(mask.iter().collect::<Vec<_>>(), [0, 1, 3]);
    let aggregate: EdwardsPoint =
        [0, 1, 3].map(|member| *key(member).public().point()).iter().sum();
    let message = Mode::Accountable.signed(&roster.id(), &mask, STATEMENT);
    let verifier = aggregate.compress().to_bytes();
    let verifier = ed25519_dalek::VerifyingKey::from_bytes(&verifier).unwrap();
    let signature = ed25519_dalek::Signature::from_components(commitment, response);
    verifier.verify_strict(&message, &signature).unwrap();
}

type Answer = (Index, [u8; 32]);

#[test]
fn wrong_and_missing_answers_are_named_and_right_ones_are_not() {
    let roster = roster(5);
    let members = [0, 1, 2, 4];
    let asking = asking(&roster, &offers(&roster, &members));
    let right = answers(&roster, &members, asking.question());
    let culprits = |change: &dyn Fn(&mut Vec<Answer>)| {
        let mut answers = right.clone();
        change(&mut answers);
        let culprits = asking.finish(&roster, answers).unwrap_err();
        culprits.into_iter().map(Index::get).collect::<Vec<_>>()
    };
    let one = Scalar::ONE;
    assert_eq!(culprits(&|all| all[1].1 = shifted(all[1].1, one)), [1]);
    assert_eq!(culprits(&|all| all[3].1 = all[0].1), [4]);
    assert_eq!(culprits(&|all| all.truncate(3)), [4], "it did not answer");
    assert_eq!(culprits(&|all| all.clear()), members);
    // Two at once, one of them missing.
    let wrong_and_missing = culprits(&|all| {
        all[2].1 = shifted(all[2].1, one);
        all.remove(0);
    });
    assert_eq!(wrong_and_missing, [0, 2]);
    // Errors that make up for each other do no harm in a sum of all, and are not looked for.
    let mut answers = right.clone();
    answers[1].1 = shifted(answers[1].1, one);
    answers[2].1 = shifted(answers[2].1, -one);
    let signature = asking.finish(&roster, answers).unwrap();
    signature.verify(&roster, STATEMENT, &Policy::Quorum).unwrap();
    // Who was not asked is not heard.
    let extra = right.iter().copied().chain([(at(&roster, 3), [1; 32])]);
    assert!(asking.finish(&roster, extra).is_ok());
}

/// With the cofactor, as published for Ed25519 batches, a nonce may carry torsion, and what the
/// round ends with verifies for some and not for others.
#[test]
fn a_check_with_the_cofactor_breaks_published() {
    let roster = roster(3);
    let mut offers = offers(&roster, &[0, 1, 2]);
    offers[1].1[0] += EIGHT_TORSION[1];
    let asking = asking(&roster, &offers);
    let (_, answer) = answer(&roster, 1, asking.question());
    let s = Scalar::from_canonical_bytes(answer).unwrap();
    let (b, c) = terms(&roster, asking.question(), &NAME, STATEMENT);
    let [r1, r2] = offers[1].1;
    let difference = EdwardsPoint::mul_base(&s) - r1 - b * r2 - c * key(1).public().point();
    assert_ne!(difference, EdwardsPoint::identity());
    assert!(difference.is_small_order(), "times the cofactor it vanishes");
}

#[test]
fn torsion_in_an_offer_and_scalars_that_are_not_reduced_are_named() {
    let roster = roster(3);
    for (index, torsion) in EIGHT_TORSION.iter().enumerate().skip(1) {
        for half in [0, 1] {
            let mut offers = offers(&roster, &[0, 1, 2]);
            offers[1].1[half] += torsion;
            let asking = asking(&roster, &offers);
            let given = answers(&roster, &[0, 1, 2], asking.question());
            let finished = asking.finish(&roster, given);
            let (b, _) = terms(&roster, asking.question(), &NAME, STATEMENT);
            // [b]T vanishes for one b in eight or so.
            let harmless = half == 1 && b * torsion == EdwardsPoint::identity();
            let culprits = if harmless { vec![] } else { vec![at(&roster, 1)] };
            assert_eq!(finished.err().unwrap_or_default(), culprits, "{index} {half}");
        }
    }
    let asking = asking(&roster, &offers(&roster, &[0, 1, 2]));
    let mut given = answers(&roster, &[0, 1, 2], asking.question());
    // s + ℓ, byte by byte.
    let order = (-Scalar::ONE).to_bytes();
    let mut carry = 1;
    for (byte, order) in given[0].1.iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(asking.finish(&roster, given).unwrap_err(), [at(&roster, 0)]);
}

/// b and c by the documented rule, written anew.
fn terms(
    roster: &Roster,
    question: &Question,
    name: &[u8; 32],
    statement: &[u8],
) -> (Scalar, Scalar) {
    let keys = question.mask.iter().map(|member| *key(member).public().point());
    let aggregate = keys.sum::<EdwardsPoint>().compress().to_bytes();
    let message = Mode::Accountable.signed(&roster.id(), &question.mask, statement);
    let name = Hash::new(ROUND).fixed(name).digest();
    let hash = Hash::new(BINDING).fixed(&[0]).fixed(&name).fixed(&roster.id().0);
    let hash = hash.bytes(question.mask.as_bytes()).fixed(&aggregate);
    let hash = question.commitments.iter().fold(hash, Hash::fixed);
    let b = hash.fixed(&Sha512::digest(&message).into()).scalar();
    let [r1, r2] =
        question.commitments.map(|point| CompressedEdwardsY(point).decompress().unwrap());
    let commitment = (r1 + b * r2).compress().to_bytes();
    let c = Sha512::new().chain_update(commitment).chain_update(aggregate).chain_update(message);
    (b, Scalar::from_bytes_mod_order_wide(&c.finalize().into()))
}

#[test]
fn whatever_a_leader_changes_changes_what_binds_the_nonces() {
    let roster = roster(4);
    let other = crate::common::roster(5);
    let question = asking(&roster, &offers(&roster, &[0, 1, 3])).question().clone();
    // The rule is the one written here: an honest answer satisfies its equation.
    let holds = |roster: &Roster, question: &Question, name: &[u8; 32], statement: &[u8]| {
        let (b, c) = terms(roster, question, name, statement);
        let (offer, pair) = pair(roster, 1, 1);
        let s = Round::new(roster, name, question, statement).unwrap().answer(pair, &key(1));
        let s = Scalar::from_canonical_bytes(s).unwrap();
        let [r1, r2] = offer.decode().unwrap();
        assert_eq!(EdwardsPoint::mul_base(&s), r1 + b * r2 + c * key(1).public().point());
        b
    };
    let sums = asking(&roster, &offers(&roster, &[0, 1, 2])).question().commitments;
    let [first, second] = question.commitments;
    let with = |commitments| Question { commitments, ..question.clone() };
    let mask = Question { mask: Mask::of(4, [0, 1, 2]), ..question.clone() };
    let bindings = [
        holds(&roster, &question, &NAME, STATEMENT),
        holds(&roster, &question, &[8; 32], STATEMENT),
        holds(&roster, &question, &NAME, b"another statement"),
        holds(&roster, &mask, &NAME, STATEMENT),
        holds(&roster, &with([sums[0], second]), &NAME, STATEMENT),
        holds(&roster, &with([first, sums[1]]), &NAME, STATEMENT),
        holds(&other, &question, &NAME, STATEMENT),
    ];
    for (at, b) in bindings.iter().enumerate() {
        assert!(!bindings[..at].contains(b), "{at}");
    }
}

/// Three answers with one pair, which three questions ask for, are three equations in r1, r2 and
/// the key. A pair here answers once: see `NoncePair`.
#[test]
fn a_pair_that_answers_again_breaks_published() {
    let roster = roster(3);
    let question = asking(&roster, &offers(&roster, &[0, 1, 2])).question().clone();
    let secret = ed25519_dalek::SigningKey::from_bytes(&crate::common::seed(1)).to_scalar();
    let asked = [NAME, [8; 32], [9; 32]].map(|name| {
        let (b, c) = terms(&roster, &question, &name, STATEMENT);
        let s = Round::new(&roster, &name, &question, STATEMENT).unwrap();
        let s = s.answer(pair(&roster, 1, 1).1, &key(1));
        (b, c, Scalar::from_canonical_bytes(s).unwrap())
    });
    // s_i − s_0 = (b_i − b_0)·r2 + (c_i − c_0)·a.
    let [(b0, c0, s0), (b1, c1, s1), (b2, c2, s2)] = asked;
    let determinant = (b1 - b0) * (c2 - c0) - (b2 - b0) * (c1 - c0);
    let stolen = ((b1 - b0) * (s2 - s0) - (b2 - b0) * (s1 - s0)) * determinant.invert();
    assert_eq!(EdwardsPoint::mul_base(&stolen), *key(1).public().point());
    assert_eq!(EdwardsPoint::mul_base(&secret), *key(1).public().point());
}

#[test]
fn a_question_that_nobody_may_answer_is_none() {
    let roster = roster(4);
    let question = asking(&roster, &offers(&roster, &[0, 1, 3])).question().clone();
    let is_asked = |question: &Question| Round::new(&roster, &NAME, question, STATEMENT).is_some();
    assert!(is_asked(&question));
    let with = |mask| Question { mask, ..question.clone() };
    assert!(!is_asked(&with(Mask::of(4, []))), "nobody");
    assert!(!is_asked(&with(Mask::of(9, [0, 1, 3]))), "no set of members");
    let identity = EdwardsPoint::identity().compress().to_bytes();
    let small = EIGHT_TORSION[3].compress().to_bytes();
    // y = 2 is on no point.
    let mut nowhere = [0; 32];
    nowhere[0] = 2;
    for commitments in [[identity; 2], [small; 2], [nowhere, question.commitments[1]]] {
        assert!(!is_asked(&Question { commitments, ..question.clone() }));
    }
    assert!(Offer { points: [nowhere; 2], ..pair(&roster, 0, 1).0 }.decode().is_none());
    // Keys that cancel out would sign everything.
    let [one, two] = [7_u8, 9].map(Scalar::from);
    let members = of_scalars(&[one, -one, two]);
    for (mask, asks) in [([0, 1], false), ([0, 2], true)] {
        let question = with(Mask::of(3, mask));
        assert_eq!(Round::new(&members, &NAME, &question, STATEMENT).is_some(), asks, "{mask:?}");
    }
    // Offers that cancel out leave nothing to ask.
    let [r1, r2] = offers(&roster, &[0])[0].1;
    let cancelling = [(at(&roster, 0), [r1, r2]), (at(&roster, 1), [-r1, -r2])];
    assert!(Asking::new(&roster, &NAME, cancelling, STATEMENT).is_none());
    assert!(Asking::new(&roster, &NAME, [], STATEMENT).is_none());
}

#[test]
fn pairs_are_drawn_for_one_asker_and_never_twice() {
    let roster = roster(3);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (key, mut drawn) = (key(1), 0);
    let mut seen = Vec::new();
    for _ in 0..20 {
        let (offer, _) = Offer::draw(&mut cx, &key, &roster.id(), &[9; 32], &mut drawn);
        assert!(!seen.contains(&offer) && offer.points[0] != offer.points[1]);
        seen.push(offer);
    }
    // From the same entropy, another asker, roster or count gives another pair.
    let draw = |roster: &Roster, asker: u8, mut drawn: u64| {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut cx = Cx::new(Time::default(), &mut rng);
        Offer::draw(&mut cx, &key, &roster.id(), &[asker; 32], &mut drawn).0.points
    };
    let first = draw(&roster, 9, 0);
    assert_eq!(first, draw(&roster, 9, 0));
    for other in [draw(&roster, 8, 0), draw(&roster, 9, 1), draw(&crate::common::roster(4), 9, 0)] {
        assert_ne!(first, other);
    }
}
