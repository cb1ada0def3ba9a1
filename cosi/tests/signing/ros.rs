//! What breaks the published scheme, and its near misses, and fails here: the polynomial attack
//! on ROS (Benhamouda, Lepoint, Loss, Orrù, Raykova 2021, section 4).
//!
//! A leader opens ℓ ≥ log2 of the group's order sessions with one honest cosigner, and in each
//! may choose between two challenges for one R_i. Then with δ_i = c_i¹ − c_i⁰ and ρ_i = 2^i / δ_i
//! the choice of the c_i as the bits of c* + Σ ρ_i c_i⁰ makes Σ ρ_i c_i = c*, so that
//! Σ ρ_i s_i is a response to c* for R* = Σ ρ_i R_i: a signature that nobody gave.

use cosi::{
    CollectiveSignature, Mode, Policy,
    challenge::Challenge,
    cosigner::Limits,
    domain::BINDING,
    mask::Mask,
    message::{Ask, Commitment, Message, Said},
    session::Digest,
    transcript::Hash,
};
use curve25519_dalek::{EdwardsPoint, Scalar};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest as _, Sha512};

use crate::{
    common::{key, seed},
    scripted::{Honest, point},
};

/// At least log2 of the group's order.
const SESSIONS: usize = 253;

fn wide(hash: Sha512) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn random(rng: &mut ChaCha20Rng) -> Scalar {
    let mut bytes = [0; 64];
    rng.fill_bytes(&mut bytes);
    Scalar::from_bytes_mod_order_wide(&bytes)
}

/// c = SHA-512(R ‖ A ‖ m), as Ed25519 has it.
fn schnorr(commitment: &EdwardsPoint, key: &EdwardsPoint, message: &[u8]) -> Scalar {
    let hash = Sha512::new_with_prefix(commitment.compress().as_bytes());
    wide(hash.chain_update(key.compress().as_bytes()).chain_update(message))
}

/// One open session as the attacker sees it: what it takes for the honest signer's R, and the
/// two challenges that it may ask for.
struct Target {
    nonce: EdwardsPoint,
    challenges: [Scalar; 2],
}

/// R* and the response to it, given how to compute c* from R*, and how to have a session
/// answered for the first or the second challenge.
fn attack(
    targets: &[Target],
    hash: impl Fn(&EdwardsPoint) -> Scalar,
    mut answer: impl FnMut(usize, usize) -> Scalar,
) -> (EdwardsPoint, Scalar) {
    let mut power = Scalar::ONE;
    let mut weights = Vec::new();
    for Target { challenges: [zero, one], .. } in targets {
        weights.push(power * (one - zero).invert());
        power += power;
    }
    let nonces = weights.iter().zip(targets).map(|(weight, target)| weight * target.nonce);
    let commitment: EdwardsPoint = nonces.sum();
    let zeros = weights.iter().zip(targets).map(|(weight, target)| weight * target.challenges[0]);
    let bits = (hash(&commitment) - zeros.sum::<Scalar>()).to_bytes();
    let bit = |at: usize| usize::from(bits[at / 8] >> (at % 8) & 1);
    let answers = weights.iter().enumerate().map(|(at, weight)| weight * answer(at, bit(at)));
    (commitment, answers.sum())
}

fn keys() -> [Scalar; 2] {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    [random(&mut rng), random(&mut rng)]
}

/// Single-nonce CoSi as published: the leader, who signs too, chooses R once it knows R_i.
#[test]
fn single_nonce_cosi_breaks_as_published() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let [honest, own] = keys();
    let aggregate = EdwardsPoint::mul_base(&(honest + own));
    let secrets: Vec<_> = (0..SESSIONS).map(|_| random(&mut rng)).collect();
    let targets: Vec<_> = secrets
        .iter()
        .map(|r| {
            let nonce = EdwardsPoint::mul_base(r);
            let with = |own: u64| nonce + EdwardsPoint::mul_base(&Scalar::from(own));
            let challenges = [1, 2].map(|own| schnorr(&with(own), &aggregate, b"harmless"));
            Target { nonce, challenges }
        })
        .collect();
    let hash = |commitment: &EdwardsPoint| schnorr(commitment, &aggregate, b"never signed");
    let (commitment, mut s) =
        attack(&targets, hash, |at, bit| secrets[at] + targets[at].challenges[bit] * honest);
    s += hash(&commitment) * own;
    assert!(plain_ed25519_accepts(&commitment, &s, &aggregate, b"never signed"));
}

/// Two nonces, bound to the statement but not to the mode, which the leader picks late: two
/// challenges for one R again.
#[test]
fn two_nonces_with_the_mode_chosen_late_break_too() {
    for (late, breaks) in [(true, true), (false, false)] {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let [honest, own] = keys();
        let aggregate = EdwardsPoint::mul_base(&(honest + own));
        let modes: [&[u8]; 2] = [b"harmless", b"accountable harmless"];
        let secrets: Vec<_> = (0..SESSIONS).map(|_| [(); 2].map(|()| random(&mut rng))).collect();
        let terms = |secrets: &[Scalar; 2], mode: usize| {
            let [r1, r2] = secrets.map(|r| EdwardsPoint::mul_base(&r));
            let bound: &[u8] = if late { b"harmless" } else { modes[mode] };
            let b = Hash::new(BINDING).bytes(bound).fixed(r1.compress().as_bytes());
            let b = b.fixed(r2.compress().as_bytes()).scalar();
            let nonce = r1 + b * r2;
            (b, nonce, schnorr(&nonce, &aggregate, modes[mode]))
        };
        let target = |secrets: &[Scalar; 2]| Target {
            nonce: terms(secrets, 0).1,
            challenges: [0, 1].map(|mode| terms(secrets, mode).2),
        };
        let targets: Vec<_> = secrets.iter().map(target).collect();
        let hash = |commitment: &EdwardsPoint| schnorr(commitment, &aggregate, b"never signed");
        let (commitment, mut s) = attack(&targets, hash, |at, mode| {
            let (b, _, c) = terms(&secrets[at], mode);
            secrets[at][0] + b * secrets[at][1] + c * honest
        });
        s += hash(&commitment) * own;
        let accepted = plain_ed25519_accepts(&commitment, &s, &aggregate, b"never signed");
        assert_eq!(accepted, breaks);
    }
}

/// With r1 = r2 = r the answer (1 + b)·r + c·a is that of one nonce: dividing by 1 + b gives
/// challenges c / (1 + b) for one R_i = \[r\]B, as many as one likes.
#[test]
fn equal_nonces_are_a_single_nonce() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let [honest, own] = keys();
    let aggregate = EdwardsPoint::mul_base(&(honest + own));
    let secrets: Vec<_> = (0..SESSIONS).map(|_| random(&mut rng)).collect();
    let terms = |r: &Scalar, choice: u64| {
        let point = EdwardsPoint::mul_base(r).compress();
        let b = Hash::new(BINDING).number(choice).fixed(point.as_bytes()).scalar();
        let nonce = EdwardsPoint::mul_base(&((Scalar::ONE + b) * r));
        (b, schnorr(&nonce, &aggregate, &[b"harmless ", &choice.to_le_bytes()[..]].concat()))
    };
    let divisor = |b: Scalar| (Scalar::ONE + b).invert();
    let target = |r: &Scalar| Target {
        nonce: EdwardsPoint::mul_base(r),
        challenges: [0, 1].map(|choice| {
            let (b, c) = terms(r, choice);
            c * divisor(b)
        }),
    };
    let targets: Vec<_> = secrets.iter().map(target).collect();
    let hash = |commitment: &EdwardsPoint| schnorr(commitment, &aggregate, b"never signed");
    let (commitment, mut s) = attack(&targets, hash, |at, choice| {
        let (b, c) = terms(&secrets[at], choice as u64);
        let (r1, r2) = (secrets[at], secrets[at]);
        (r1 + b * r2 + c * honest) * divisor(b)
    });
    s += hash(&commitment) * own;
    assert!(plain_ed25519_accepts(&commitment, &s, &aggregate, b"never signed"));
}

/// The same attacker against a real cosigner: all it may vary moves b, and so R_i, so the two
/// challenges of a session are for two different R_i, and what it forges does not hold.
#[test]
fn the_attack_fails_against_the_cosigner() {
    let limits = Limits { pairs: 2 * SESSIONS, ..Limits::default() };
    let mut cosigner = Honest::new(2, Policy::Complete, limits);
    let statement = b"harmless";
    cosigner.validate(statement);
    let size = cosigner.roster.size();
    let aggregate = key(0).public().point() + key(1).public().point();
    let mask = Mask::of(size, [0, 1]);
    let sign = |statement: &[u8]| Mode::Accountable.signed(&cosigner.roster.id(), &mask, statement);
    let (harmless, never) = (sign(statement), sign(b"never signed"));

    // An announcement gives the first pair; refused challenges, which name none, give more.
    let mut offers: Vec<Commitment> = vec![cosigner.commitment(0, statement).what];
    for attempt in 0u32.. {
        if offers.len() == SESSIONS {
            break;
        }
        let session = cosigner.session(0, statement, 1_000_000 + attempt);
        let said = cosigner.challenge(&session, statement, &offers[0], Default::default());
        let nowhere = cosi::nonce::NonceId([0; 16]);
        match cosigner.hear(0, Message::Challenge(said, Ask::Own(nowhere))) {
            Some(Message::Refusal(said)) => offers.push(said.what.ahead.what),
            other => panic!("{other:?}"),
        }
    }

    let challenge = |at: usize, choice: usize| -> Challenge {
        let own = EdwardsPoint::mul_base(&Scalar::from(1 + choice as u64));
        let session = cosigner.session(0, statement, at as u32);
        cosigner.challenge(&session, statement, &offers[at], own).what
    };
    let terms = |at: usize, choice: usize| {
        let challenge = challenge(at, choice);
        let b = Hash::new(BINDING).fixed(&[0]).fixed(&challenge.session.id().0);
        let b = b.fixed(&cosigner.roster.id().0).bytes(mask.as_bytes());
        let b = b.fixed(aggregate.compress().as_bytes());
        let b = challenge.commitments.iter().fold(b, Hash::fixed);
        let b = b.fixed(&Digest::of(&harmless).0).scalar();
        let [r1, r2] = challenge.commitments.each_ref().map(point);
        let [own1, own2] = offers[at].points.each_ref().map(point);
        (own1 + b * own2, schnorr(&(r1 + b * r2), &aggregate, &harmless))
    };
    let target = |at| {
        let (nonce, zero) = terms(at, 0);
        Target { nonce, challenges: [zero, terms(at, 1).1] }
    };
    let targets: Vec<_> = (0..SESSIONS).map(target).collect();
    let asked: Vec<_> = (0..SESSIONS).map(|at| [challenge(at, 0), challenge(at, 1)]).collect();
    let nonces: Vec<_> = (0..SESSIONS).map(|at| [terms(at, 0).0, terms(at, 1).0]).collect();

    let mut chosen = [0; 2];
    let hash = |commitment: &EdwardsPoint| schnorr(commitment, &aggregate, &never);
    let (commitment, s) = attack(&targets, hash, |at, choice| {
        let said = Said::new(&key(0), asked[at][choice].clone());
        let Some(Message::Response(said)) =
            cosigner.hear(0, Message::Challenge(said, Ask::Own(offers[at].nonce)))
        else {
            panic!("an honest cosigner answers")
        };
        // The attacker has the equations right: each answer alone is as it expected.
        let s = Scalar::from_canonical_bytes(said.what.response).unwrap();
        let right = nonces[at][choice] + targets[at].challenges[choice] * key(1).public().point();
        assert_eq!(EdwardsPoint::mul_base(&s), right);
        chosen[choice] += 1;
        s
    });
    assert!(chosen.iter().all(|count| *count > 50), "{chosen:?}");
    assert_eq!(cosigner.faults, []);
    let own = ed25519_dalek::SigningKey::from_bytes(&seed(0)).to_scalar();
    let s = s + hash(&commitment) * own;
    assert!(!plain_ed25519_accepts(&commitment, &s, &aggregate, &never));
    let (commitment, response) = (commitment.compress().to_bytes(), s.to_bytes());
    let forged = CollectiveSignature { commitment, response, mask };
    assert!(forged.verify(&cosigner.roster, b"never signed", &Policy::Complete).is_err());
}

fn plain_ed25519_accepts(
    commitment: &EdwardsPoint,
    s: &Scalar,
    key: &EdwardsPoint,
    message: &[u8],
) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(&key.compress().to_bytes()).unwrap();
    let commitment = commitment.compress().to_bytes();
    let signature = ed25519_dalek::Signature::from_components(commitment, s.to_bytes());
    key.verify_strict(message, &signature).is_ok()
}
