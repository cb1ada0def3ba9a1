//! Collective signatures and certificates that an attacker made, under rosters and openings.

use std::collections::BTreeSet;

use cosi::{
    Attests, Certificate, CollectiveSignature, Mode, Policy, Statement, VerifyError, certificate,
    domain::{ACCOUNTABLE, BYZCOIN, INDIVIDUAL},
    keys::{ProofOfPossession, Signature},
    mask::Mask,
    roster::{Index, Member, OpenedRoster, Roster},
    wire::{BoundedVec, Wire},
};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION, traits::Identity};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha512};

use crate::common::{at, key, seed};

const WEIGHTS: [u32; 5] = [4, 1, 2, 1, 1];

pub(crate) fn weighted(weights: &[u32]) -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let member =
        |(at, weight): (u16, &u32)| Member { weight: *weight, ..Member::new(&key(at), &mut rng) };
    Roster::new((0..).zip(weights).map(member)).unwrap()
}

pub(crate) fn secret(member: u16) -> Scalar {
    ed25519_dalek::SigningKey::from_bytes(&seed(member)).to_scalar()
}

fn wide(hash: Sha512) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn account(roster: &Roster, mask: &Mask, statement: &[u8]) -> Vec<u8> {
    [&ACCOUNTABLE[..], &roster.id().0, mask.as_bytes(), statement].concat()
}

/// What the secret's owners sign, by arithmetic of its own: R may be any point beside \[r\]B.
fn sign_with(secret: &Scalar, r: u64, beside: EdwardsPoint, message: &[u8]) -> [[u8; 32]; 2] {
    let r = Scalar::from(r);
    let commitment = (EdwardsPoint::mul_base(&r) + beside).compress().to_bytes();
    let public = EdwardsPoint::mul_base(secret).compress();
    let c = Sha512::new_with_prefix(commitment).chain_update(public.as_bytes());
    let s = r + wide(c.chain_update(message)) * secret;
    [commitment, s.to_bytes()]
}

fn sum(members: &[u16]) -> Scalar {
    members.iter().map(|member| secret(*member)).sum()
}

fn signed(roster: &Roster, members: &[u16], statement: &[u8]) -> CollectiveSignature {
    let mask = Mask::of(roster.size(), members.iter().copied());
    let message = account(roster, &mask, statement);
    let [commitment, response] = sign_with(&sum(members), 77, EdwardsPoint::identity(), &message);
    CollectiveSignature { commitment, response, mask }
}

fn singles(roster: &Roster, members: &[u16], statement: &[u8]) -> Vec<(Index, Signature)> {
    let sign = |member: &u16| certificate::sign(&key(*member), &roster.id(), statement);
    members.iter().map(|member| (at(roster, *member), sign(member))).collect()
}

fn subset(bits: u16) -> Vec<u16> {
    (0..16).filter(|bit| bits >> bit & 1 == 1).collect()
}

const ANY: Policy = Policy::Weight(1);

#[test]
fn a_signature_holds_for_its_signers_statement_roster_and_mode_alone() {
    let roster = weighted(&WEIGHTS);
    let good = signed(&roster, &[0, 2, 3], b"x");
    assert_eq!(good.verify(&roster, b"x", &Policy::Quorum), Ok(()));
    let bytes = good.to_bytes();
    assert_eq!(CollectiveSignature::from_bytes(&bytes, 5), Ok(good.clone()));
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let verdict = CollectiveSignature::from_bytes(&bad, 5)
            .and_then(|bad| bad.verify(&roster, b"x", &ANY));
        assert!(verdict.is_err(), "bit {bit}");
    }
    let refused = Err(VerifyError::Signature);
    assert_eq!(good.verify(&roster, b"y", &ANY), refused);
    assert_eq!(good.verify(&weighted(&[4, 1, 2, 1, 2]), b"x", &ANY), refused);
    assert_eq!(good.verify_mode(Mode::Raw, &roster, b"x", &ANY), refused);
    for len in (0..bytes.len()).chain([bytes.len() + 1]) {
        let mut other = bytes.clone();
        other.resize(len, 0);
        assert!(CollectiveSignature::from_bytes(&other, 5).is_err(), "{len} bytes");
    }
}

/// Each is let through by some Ed25519 verifier, or by the Go reference.
#[test]
fn what_is_not_strictly_right_is_refused() {
    let roster = weighted(&WEIGHTS);
    let mask = Mask::of(5, [0, 2]);
    let message = account(&roster, &mask, b"x");
    let with = |r, beside| {
        let [commitment, response] = sign_with(&sum(&[0, 2]), r, beside, &message);
        let signature = CollectiveSignature { commitment, response, mask: mask.clone() };
        signature.verify(&roster, b"x", &ANY)
    };
    assert_eq!(with(77, EdwardsPoint::identity()), Ok(()));
    let refused = Err(VerifyError::Signature);
    assert_eq!(with(0, EdwardsPoint::identity()), refused, "R = O, and the equation holds");
    for torsion in &EIGHT_TORSION[1..] {
        assert_eq!(with(77, *torsion), refused, "right with the cofactor");
        assert_eq!(with(0, *torsion), refused);
    }

    let good = signed(&roster, &[0, 2], b"x");
    let key = EdwardsPoint::mul_base(&sum(&[0, 2])).compress().to_bytes();
    assert_eq!(good.key(&roster), Ok(key));
    let mut carry = 0;
    let order = (-Scalar::ONE).to_bytes(); // ℓ − 1
    let mut above = good.clone();
    for (byte, add) in above.response.iter_mut().zip(order) {
        carry = (carry >> 8) + u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
    }
    above.response[0] += 1; // it does not overflow here
    let s = Scalar::from_bytes_mod_order(above.response).to_bytes();
    assert_eq!(s, good.response, "the same s, and not below ℓ");
    assert_eq!(above.verify(&roster, b"x", &ANY), refused);

    for (mask, why) in [
        (vec![], "too short"),
        (vec![0b101, 0], "too long"),
        (vec![0b10_0101], "padding"),
        (vec![0b1000_0101], "padding"),
        (vec![0], "nobody"),
    ] {
        let mask = Mask::from_bytes(mask).unwrap();
        for secret in [sum(&[0, 2]), Scalar::ZERO] {
            let message = account(&roster, &mask, b"x");
            let [commitment, response] = sign_with(&secret, 77, EdwardsPoint::identity(), &message);
            let signature = CollectiveSignature { commitment, response, mask: mask.clone() };
            for policy in [Policy::Weight(0), Policy::Predicate(|_| true)] {
                let verdict = signature.verify(&roster, b"x", &policy);
                assert_eq!(verdict, Err(VerifyError::Mask), "{why}");
            }
            assert_eq!(signature.key(&roster), Err(VerifyError::Mask), "{why}");
        }
    }
}

/// Whoever knows these scalars, with the keys and proofs of their own making.
pub(crate) fn of_scalars(scalars: &[Scalar]) -> Roster {
    let member = |(number, a): (u16, &Scalar)| {
        let key = EdwardsPoint::mul_base(a).compress().to_bytes();
        let k = Scalar::from(5u8);
        let commitment = EdwardsPoint::mul_base(&k).compress().to_bytes();
        let e = Sha512::new_with_prefix(cosi::domain::POSSESSION).chain_update(key);
        let response = (k + wide(e.chain_update(commitment)) * a).to_bytes();
        let proof = ProofOfPossession { commitment, response };
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        Member { key, proof, ..Member::new(&crate::common::key(number), &mut rng) }
    };
    Roster::new((0..).zip(scalars).map(member)).unwrap()
}

/// A_Z = O: everything would be signed by both.
#[test]
fn keys_that_cancel_sign_nothing() {
    let roster = of_scalars(&[secret(0), -secret(0), secret(1)]);
    let mask = Mask::of(3, [0, 1]);
    let message = account(&roster, &mask, b"x");
    let [commitment, response] = sign_with(&Scalar::ZERO, 77, EdwardsPoint::identity(), &message);
    let signature = CollectiveSignature { commitment, response, mask };
    assert_eq!(signature.verify(&roster, b"x", &ANY), Err(VerifyError::Signature));
}

/// A_0 + A_1 = A_2. In raw mode the three move credit among themselves; here Z is signed.
#[test]
fn members_with_related_keys_cannot_move_credit() {
    let (a, b) = (secret(0), secret(1));
    let roster = of_scalars(&[a, b, a + b]);
    let mask = Mask::of(3, [0, 1]);
    let other = Mask::of(3, [2]);
    let verdicts = |message: &[u8], mode| {
        let [commitment, response] = sign_with(&(a + b), 77, EdwardsPoint::identity(), message);
        [&mask, &other].map(|mask| {
            let signature = CollectiveSignature { commitment, response, mask: mask.clone() };
            signature.verify_mode(mode, &roster, b"x", &ANY).is_ok()
        })
    };
    assert_eq!(verdicts(&account(&roster, &mask, b"x"), Mode::Accountable), [true, false]);
    assert_eq!(verdicts(b"x", Mode::Raw), [true, true]);
}

/// A member's vote, or its TLS handshake, is its plain signature: in raw mode that of Z = {i}.
#[test]
fn a_members_other_signatures_are_no_raw_ones() {
    let roster = weighted(&WEIGHTS);
    let mask = Mask::of(5, [3]);
    let handshake = [&[0x20; 64][..], b"TLS 1.3, server CertificateVerify\0"].concat();
    for message in [&[&BYZCOIN[..], b"vote"].concat(), &handshake] {
        let [commitment, response] = sign_with(&secret(3), 77, EdwardsPoint::identity(), message);
        let signature = CollectiveSignature { commitment, response, mask: mask.clone() };
        let verdict = signature.verify_mode(Mode::Raw, &roster, message, &ANY);
        assert_eq!(verdict, Err(VerifyError::Reserved));
    }
}

fn opened(roster: &Roster, shown: &[u16]) -> OpenedRoster {
    let opening = roster.open(&Mask::of(roster.size(), shown.iter().copied()));
    opening.check(roster.id()).unwrap()
}

/// Every opening under every set of signers: it says what the roster says, or which signer it
/// does not show; and it says that only where neither the present nor the absent are shown.
#[test]
fn an_opening_accepts_what_its_roster_accepts_and_nothing_else() {
    let roster = weighted(&WEIGHTS);
    let policies = [
        Policy::Complete,
        Policy::Quorum,
        Policy::Weight(3),
        Policy::Predicate(|mask| mask.contains(1)),
    ];
    let (mut accepted, mut unopened) = (0, 0);
    for signers in (1..32).map(subset) {
        let signature = signed(&roster, &signers, b"x");
        let weight: u32 = signers.iter().map(|at| WEIGHTS[usize::from(*at)]).sum();
        let expected = [signers.len() == 5, weight >= 7, weight >= 3, signers.contains(&1)];
        for shown in (0..32).map(subset) {
            let keys = opened(&roster, &shown);
            let present = signers.iter().all(|at| shown.contains(at));
            let absent = (0..5).all(|at| signers.contains(&at) || shown.contains(&at));
            for (policy, expected) in policies.iter().zip(expected) {
                let by_roster = signature.verify(&roster, b"x", policy);
                assert_eq!(by_roster.is_ok(), expected);
                match signature.verify(&keys, b"x", policy) {
                    Err(VerifyError::Unopened(at)) => {
                        assert!(!present && !absent);
                        assert!(signers.contains(&at) && !shown.contains(&at), "{at}");
                        unopened += 1;
                    }
                    verdict => {
                        assert_eq!(verdict, by_roster);
                        accepted += u32::from(verdict.is_ok());
                    }
                }
            }
        }
    }
    assert!(accepted > 300 && unopened > 300, "{accepted} {unopened}");
}

#[test]
fn an_individual_certificate_is_one_signature_a_signer_in_order() {
    let roster = weighted(&WEIGHTS);
    let good = Certificate::individual(&roster, singles(&roster, &[0, 2, 3], b"x")).unwrap();
    assert_eq!(good.verify(&roster, b"x", &Policy::Quorum), Ok(()));
    assert_eq!(good.signers(), &Mask::of(5, [0, 2, 3]));
    assert_eq!(Certificate::decode(&good.encode()), Ok(good.clone()));
    let refused = Err(VerifyError::Signature);
    assert_eq!(good.verify(&roster, b"y", &ANY), refused);
    assert_eq!(good.verify(&weighted(&[4, 1, 2, 1, 2]), b"x", &ANY), refused);
    assert_eq!(good.verify(&roster, b"x", &Policy::Weight(8)), Err(VerifyError::Policy));

    let Certificate::Individual { signatures, .. } = &good else { panic!() };
    let forge = |members: &[u16], order: &[usize]| {
        let signatures = order.iter().map(|at| signatures[*at]).collect();
        let mask = Mask::of(5, members.iter().copied());
        let forged =
            Certificate::Individual { mask, signatures: BoundedVec::new(signatures).unwrap() };
        forged.verify(&roster, b"x", &Policy::Weight(0))
    };
    assert_eq!(forge(&[0, 2, 3], &[0, 1, 2]), Ok(()));
    assert_eq!(forge(&[0, 2, 3], &[1, 0, 2]), refused, "swapped");
    assert_eq!(forge(&[0, 2, 4], &[0, 1, 2]), refused, "another's credit");
    assert_eq!(forge(&[0, 1, 2], &[0, 0, 1]), refused, "counted twice");
    let mask = Err(VerifyError::Mask);
    assert_eq!(forge(&[0, 2, 3, 4], &[0, 1, 2]), mask, "one missing");
    assert_eq!(forge(&[0, 2], &[0, 1, 2]), mask, "one too many");
    assert_eq!(forge(&[], &[]), mask, "nobody");
    assert_eq!(Certificate::individual(&roster, []), None);
}

/// Each signer's key must be shown: the absent do not help, for nothing is summed.
#[test]
fn an_individual_certificate_needs_its_signers_opened() {
    let roster = weighted(&WEIGHTS);
    let good = Certificate::individual(&roster, singles(&roster, &[0, 2], b"x")).unwrap();
    for shown in (0..32).map(subset) {
        let verdict = good.verify(&opened(&roster, &shown), b"x", &ANY);
        let missing = [0, 2].into_iter().find(|at| !shown.contains(at));
        assert_eq!(verdict, missing.map_or(Ok(()), |at| Err(VerifyError::Unopened(at))));
    }
}

/// An index of a larger roster names nobody here, and its signature counts for nobody.
#[test]
fn a_strangers_signature_spoils_no_certificate() {
    let (roster, larger) = (weighted(&WEIGHTS), weighted(&[1; 9]));
    let stranger = singles(&larger, &[8], b"x");
    let mixed = singles(&roster, &[0, 2], b"x").into_iter().chain(stranger.clone());
    let certificate = Certificate::individual(&roster, mixed).unwrap();
    assert_eq!(certificate.verify(&roster, b"x", &ANY), Ok(()));
    assert_eq!(Certificate::individual(&roster, stranger), None);
}

/// What a member signs alone is no collective signature of one, nor the other way round; and the
/// last of two signatures of a member counts.
#[test]
fn the_two_forms_are_never_taken_for_one_another() {
    let roster = weighted(&WEIGHTS);
    let collective = signed(&roster, &[0], b"x");
    let bytes = [collective.commitment, collective.response].concat().try_into().unwrap();
    let relabelled = Certificate::individual(&roster, [(at(&roster, 0), Signature(bytes))]);
    let refused = Err(VerifyError::Signature);
    assert_eq!(relabelled.unwrap().verify(&roster, b"x", &ANY), refused);

    let single = singles(&roster, &[0], b"x")[0];
    assert!(certificate::verify_single(&roster, single.0, b"x", &single.1));
    assert!(!certificate::verify_single(&roster, single.0, b"y", &single.1));
    assert!(!certificate::verify_single(&roster, at(&roster, 1), b"x", &single.1));
    let [commitment, response] =
        [0, 32].map(|from| single.1.0[from..from + 32].try_into().unwrap());
    let mask = Mask::of(5, [0]);
    let relabelled = Certificate::Collective(CollectiveSignature { commitment, response, mask });
    assert_eq!(relabelled.verify(&roster, b"x", &ANY), refused);
    // It is a plain signature on tag ‖ roster ‖ statement.
    let said = [&roster.id().0[..], b"x"].concat();
    assert!(key(0).public().verify(&INDIVIDUAL, &said, &single.1));

    let stale = (single.0, Signature([0; 64]));
    let last = Certificate::individual(&roster, [stale, single]).unwrap();
    assert_eq!(last.verify(&roster, b"x", &ANY), Ok(()));
}

struct Vote(u8);

impl Statement for Vote {
    fn to_signed(&self) -> Vec<u8> {
        [&BYZCOIN[..], &[self.0]].concat()
    }
}

#[test]
fn a_certificate_attests_the_typed_statement_that_was_signed() {
    let roster = weighted(&WEIGHTS);
    let forms = [
        Certificate::Collective(signed(&roster, &[0, 2, 3], &Vote(1).to_signed())),
        Certificate::individual(&roster, singles(&roster, &[0, 2, 3], &Vote(1).to_signed()))
            .unwrap(),
    ];
    let mut signers = BTreeSet::new();
    for certificate in forms {
        assert_eq!(certificate.attests(&Vote(1), &roster, &Policy::Quorum), Ok(()));
        let refused = Err(VerifyError::Signature);
        assert_eq!(certificate.attests(&Vote(2), &roster, &Policy::Quorum), refused);
        let refused = Err(VerifyError::Policy);
        assert_eq!(certificate.attests(&Vote(1), &roster, &Policy::Complete), refused);
        signers.insert(certificate.signers().clone());
    }
    assert_eq!(signers.len(), 1);
}
