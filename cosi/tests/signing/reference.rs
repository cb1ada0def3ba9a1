//! The vectors of the Go reference implementation (kyber v3.1.0), and where strictness differs.

use cosi::{
    keys::{ProofOfPossession, PublicKeyBytes},
    raw,
    roster::{Member, Roster, RosterError},
};
use curve25519_dalek::{EdwardsPoint, Scalar};
use serde_json::Value;
use sha2::{Digest, Sha512};

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("cosi-reference.json")).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn list<const N: usize>(value: &Value) -> Vec<[u8; N]> {
    value.as_array().unwrap().iter().map(|item| bytes(item).try_into().unwrap()).collect()
}

#[test]
fn every_check_of_the_reference_has_its_strict_answer() {
    let mut checks = 0;
    for vector in vectors() {
        let keys: Vec<PublicKeyBytes> = list(&vector["public_keys"]);
        let (message, signature) = (bytes(&vector["message"]), bytes(&vector["signature"]));
        for check in vector["checks"].as_array().unwrap() {
            let least = match check["policy"].as_str().unwrap() {
                "complete" => keys.len(),
                "threshold" => check["k"].as_u64().unwrap_or(0) as usize,
                other => panic!("{other}"),
            };
            let expected = check.get("expect_strict").unwrap_or(&check["expect"]);
            let answer = raw::verify(&keys, &message, &signature, least);
            assert_eq!(answer.is_ok(), expected.as_bool().unwrap(), "{} {check}", vector["name"]);
            checks += 1;
        }
    }
    assert_eq!(checks, 35);
}

#[test]
fn the_equations_yield_the_reference_signatures() {
    let scalar = |bytes: &[u8; 32]| Scalar::from_canonical_bytes(*bytes).unwrap();
    let mut signatures = 0;
    for vector in vectors().iter().filter(|vector| vector["private_keys"].is_array()) {
        let signers = vector["participants"].as_array().unwrap();
        let private: Vec<[u8; 32]> = list(&vector["private_keys"]);
        let public: Vec<[u8; 32]> = list(&vector["public_keys"]);
        assert!(private.iter().zip(&public).all(|(secret, key)| {
            EdwardsPoint::mul_base(&scalar(secret)).compress().to_bytes() == *key
        }));
        let nonces: Vec<[u8; 32]> = list(&vector["nonces"]);
        let secrets = signers.iter().map(|at| scalar(&private[at.as_u64().unwrap() as usize]));
        let (r, a): (Scalar, Scalar) = (nonces.iter().map(scalar).sum(), secrets.sum());
        let commitment = EdwardsPoint::mul_base(&r).compress().to_bytes();
        let key = EdwardsPoint::mul_base(&a).compress().to_bytes();
        let c = Sha512::new_with_prefix(commitment).chain_update(key);
        let c = c.chain_update(bytes(&vector["message"])).finalize().into();
        let s = r + Scalar::from_bytes_mod_order_wide(&c) * a;
        let expected = [&commitment[..], s.as_bytes(), &bytes(&vector["mask"])].concat();
        assert_eq!(bytes(&vector["signature"]), expected, "{}", vector["name"]);
        signatures += 1;
    }
    assert_eq!(signatures, 10);
}

/// One attacker signs for all three: only registration can refuse it.
#[test]
fn the_rogue_key_of_the_reference_finds_no_roster() {
    let vectors = vectors();
    let vector = vectors.iter().find(|vector| vector["name"] == "rogue-key").unwrap();
    let proof = ProofOfPossession { commitment: [1; 32], response: [0; 32] };
    let members = list(&vector["public_keys"]).into_iter().map(|key| {
        let mut rng = rand_chacha::rand_core::SeedableRng::seed_from_u64(0);
        let rng: &mut rand_chacha::ChaCha20Rng = &mut rng;
        let other = cosi::keys::Seed::from_bytes(key).signing_key();
        Member { key, proof, ..Member::new(&other, rng) }
    });
    let error = Roster::new(members).unwrap_err();
    assert!(matches!(&error, RosterError::NoPossession { culprits } if culprits.contains(&2)));
}

#[test]
fn raw_mode_signs_no_statement_of_another_kind() {
    assert!(raw::may_sign(b"a release"));
    assert!(!raw::may_sign(&[0x20; 64]));
    for (_, tag) in cosi::domain::ALL {
        assert!(!raw::may_sign(&[&tag[..], b"anything"].concat()));
    }
}
