//! Proofs of possession, and the rogue key that they keep out.

use cosi::{
    domain::POSSESSION,
    keys::{ProofOfPossession, PublicKey},
    roster::{Member, Roster, RosterError},
    transcript::Hash,
};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION, traits::IsIdentity};
use sha2::{Digest, Sha512};

use crate::{
    key,
    keys::{L, add, scalar},
    members, rng,
};

fn proof(number: u16) -> ProofOfPossession {
    ProofOfPossession::prove(&key(number), &mut rng(number.into()))
}

/// The verdict, which single and batched checks must share, whatever stands beside.
fn verdict(key: &PublicKey, proof: &ProofOfPossession) -> bool {
    let single = proof.verify(key);
    let (others, proofs) =
        ([11, 12, 13].map(crate::key), [11, 12, 13].map(crate::possession::proof));
    let beside = || others.iter().map(|key| key.public()).zip(&proofs);
    assert!(ProofOfPossession::verify_all(beside()));
    assert_eq!(ProofOfPossession::verify_all(beside().chain([(key, proof)])), single);
    assert_eq!(ProofOfPossession::verify_all([(key, proof)].into_iter().chain(beside())), single);
    single
}

/// Hs(tag ‖ A ‖ K), by SHA-512 alone.
fn challenge(key: &[u8; 32], commitment: &[u8; 32]) -> Scalar {
    let input = [&POSSESSION[..], key, commitment].concat();
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(input).into())
}

fn answer(a: &Scalar, k: &Scalar, public: &[u8; 32], commitment: [u8; 32]) -> ProofOfPossession {
    let response = k + challenge(public, &commitment) * a;
    ProofOfPossession { commitment, response: response.to_bytes() }
}

#[test]
fn an_honest_proof_holds_for_its_key_alone() {
    for number in 0..8 {
        let proof = proof(number);
        assert!(verdict(key(number).public(), &proof));
        assert!(!verdict(key(number + 1).public(), &proof), "another's proof");
        let public = key(number).public().to_bytes();
        let e = Hash::new(POSSESSION).fixed(&public).fixed(&proof.commitment).scalar();
        assert_eq!(e, challenge(&public, &proof.commitment));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = proof(1);
    for bit in 0..512 {
        let mut bad = good;
        let half = if bit < 256 { &mut bad.commitment } else { &mut bad.response };
        half[bit % 256 / 8] ^= 1 << (bit % 8);
        assert!(!bad.verify(key(1).public()), "bit {bit}");
    }
}

#[test]
fn torsion_in_the_commitment_gets_one_verdict() {
    let (a, k, public) = (scalar(1), Scalar::from(99_u8), key(1).public().to_bytes());
    let mut strict = 0;
    for torsion in EIGHT_TORSION {
        let point = EdwardsPoint::mul_base(&k) + torsion;
        let commitment = point.compress().to_bytes();
        let proof = answer(&a, &k, &public, commitment);
        assert!(verdict(key(1).public(), &proof), "the cofactor clears it, alone and in batches");
        // A rule without the cofactor refuses it alone, and lets it through in some batches.
        let z = Scalar::from_bytes_mod_order(proof.response);
        let left = EdwardsPoint::mul_base(&z) - point;
        let rest = left - challenge(&public, &commitment) * key(1).public().point();
        strict += usize::from(rest.is_identity());
        assert!(rest.is_small_order());
    }
    assert_eq!(strict, 1);
}

#[test]
fn a_response_not_below_the_groups_order_is_refused() {
    let good = proof(1);
    let bad = ProofOfPossession { response: add(&good.response, &L), ..good };
    assert_eq!(Scalar::from_bytes_mod_order(bad.response).to_bytes(), good.response);
    assert!(!verdict(key(1).public(), &bad));
}

#[test]
fn a_commitment_with_a_second_encoding_is_refused() {
    let (a, public) = (scalar(1), key(1).public().to_bytes());
    let identity = EIGHT_TORSION[0].compress().to_bytes();
    assert!(verdict(key(1).public(), &answer(&a, &Scalar::ZERO, &public, identity)));
    // y = p + 1, the identity again.
    let mut second = [0xff; 32];
    (second[0], second[31]) = (0xee, 0x7f);
    assert!(!verdict(key(1).public(), &answer(&a, &Scalar::ZERO, &public, second)));
}

#[test]
fn a_signature_is_no_proof_and_a_proof_no_signature() {
    // What a key signs as R, s under this tag is a proof's equation with its parts elsewhere.
    let signature = key(1).sign(&POSSESSION, &key(1).public().to_bytes());
    let (commitment, response) = signature.0.split_at(32);
    let (commitment, response) = (commitment.try_into().unwrap(), response.try_into().unwrap());
    assert!(!verdict(key(1).public(), &ProofOfPossession { commitment, response }));
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&proof(1).commitment);
    bytes[32..].copy_from_slice(&proof(1).response);
    let signature = cosi::keys::Signature(bytes);
    assert!(!key(1).public().verify(&POSSESSION, &key(1).public().to_bytes(), &signature));
}

#[test]
fn a_rogue_key_signs_for_all_in_a_naive_aggregate_and_is_refused_at_registration() {
    // A' = B' − ΣA, so that the sum of all keys is B', whose secret the rogue has.
    let honest = members(&[1, 1, 1]);
    let sum: EdwardsPoint = (0..3).map(|number| *key(number).public().point()).sum();
    let (b, rogue_sum) = (scalar(9), *key(9).public().point());
    let rogue = (rogue_sum - sum).compress().to_bytes();
    assert!(PublicKey::from_bytes(&rogue).is_ok(), "nothing is wrong with the key as such");

    // Who adds up keys without proofs takes the rogue's signature for everybody's.
    let aggregate = sum + PublicKey::from_bytes(&rogue).unwrap().point();
    let aggregate = ed25519_dalek::VerifyingKey::from(aggregate);
    let r = Scalar::from(5_u8);
    let commitment = EdwardsPoint::mul_base(&r).compress().to_bytes();
    let input = [&commitment[..], aggregate.as_bytes(), b"pay the rogue"].concat();
    let s = r + Scalar::from_bytes_mod_order_wide(&Sha512::digest(input).into()) * b;
    let signature = ed25519_dalek::Signature::from_components(commitment, s.to_bytes());
    assert!(aggregate.verify_strict(b"pay the rogue", &signature).is_ok());

    // All that the rogue can say is with its own secret, or somebody else's proof.
    let k = Scalar::from(6_u8);
    let nonce = EdwardsPoint::mul_base(&k).compress().to_bytes();
    let proofs = [
        proof(9),
        proof(0),
        answer(&b, &k, &rogue, nonce),
        answer(&b, &k, aggregate.as_bytes(), nonce),
        ProofOfPossession { commitment: rogue, response: [0; 32] },
        ProofOfPossession { commitment: EIGHT_TORSION[0].compress().0, response: [0; 32] },
    ];
    for proof in proofs {
        let member = Member { key: rogue, proof, ..members(&[1, 1, 1, 1])[3].clone() };
        let refused = Roster::new(honest.iter().cloned().chain([member]));
        assert_eq!(refused, Err(RosterError::NoPossession { culprits: vec![3] }));
    }
}

#[test]
fn proofs_of_two_entropies_differ_and_without_entropy_no_nonce_repeats() {
    let with = |seed| ProofOfPossession::prove(&key(1), &mut rng(seed));
    assert_ne!(with(1).commitment, with(2).commitment);
    // The same bytes from a broken source: two keys still draw two nonces.
    let other = ProofOfPossession::prove(&key(2), &mut rng(1));
    assert_ne!(with(1).commitment, other.commitment);
}
