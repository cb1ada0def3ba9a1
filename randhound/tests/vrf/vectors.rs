//! The vectors of RFC 9381, appendices B.3 and B.4, with all that they have of how it came about.

use cosi::wire::Wire;
use curve25519_dalek::{EdwardsPoint, Scalar};
use randhound::vrf::{Proof, Suite, VrfKey, VrfSecret};
use serde_json::Value;

use crate::common::*;

struct Vector {
    suite: Suite,
    value: Value,
}

impl Vector {
    fn bytes(&self, name: &str) -> Vec<u8> {
        let hex = self.value[name].as_str().unwrap();
        let digits = (0..hex.len()).step_by(2);
        digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }
}

fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("rfc9381.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().map(|value| {
        let suite = if value["suite"] == "TAI" { Suite::Tai } else { Suite::Ell2 };
        Vector { suite, value: value.clone() }
    });
    let vectors: Vec<_> = vectors.collect();
    let of = |suite| vectors.iter().filter(|vector| vector.suite == suite).count();
    assert_eq!(BOTH.map(of), [3, 3]);
    vectors
}

#[test]
fn the_rfc_is_met() {
    for vector in vectors() {
        let secret = VrfSecret::from_rfc8032_seed(&vector.array("SK"), vector.suite);
        assert_eq!(secret.key().to_bytes(), vector.array("PK"));
        let (alpha, pi, beta) = (vector.bytes("alpha"), vector.bytes("pi"), vector.array("beta"));
        let (proof, output) = secret.prove(&alpha);
        assert_eq!((proof.encode(), output.to_bytes()), (pi.clone(), beta));

        let key = VrfKey::from_bytes(&vector.array("PK"), vector.suite).unwrap();
        let proof = Proof::decode(&pi).unwrap();
        assert_eq!(key.verify(&alpha, &proof), Ok(output));
        assert_eq!(proof.to_hash(vector.suite), Ok(beta));
    }
}

/// What the vectors have of how it came about, by the equations, and by the step-by-step reading
/// that the attacks stand on.
#[test]
fn the_vectors_meet_the_equations() {
    for vector in vectors() {
        let (x, prefix) = expanded(&vector.array("SK"));
        let (H, k): ([u8; 32], [u8; 32]) = (vector.array("H"), vector.array("k"));
        assert_eq!(Scalar::from_bytes_mod_order(vector.array("x")), x);
        let Y = EdwardsPoint::mul_base(&x);
        assert_eq!(bytes(&Y), vector.array("PK"));
        let hashed = hash_to_curve(vector.suite, &bytes(&Y), &vector.bytes("alpha"));
        assert_eq!(bytes(&hashed), H);
        let nonce = Scalar::from_bytes_mod_order_wide(&sha512(&[&prefix, &H]));
        assert_eq!(nonce.to_bytes(), k);
        assert_eq!(bytes(&EdwardsPoint::mul_base(&nonce)), vector.array("U"));
        assert_eq!(bytes(&(hashed * nonce)), vector.array("V"));

        let proof = Proof::decode(&vector.bytes("pi")).unwrap();
        let (c, s) = (short(&proof.challenge), scalar(&proof.response));
        assert_eq!(bytes(&(hashed * x)), proof.gamma);
        assert_eq!(bytes(&(EdwardsPoint::mul_base(&s) - Y * c)), vector.array("U"));
        assert_eq!(bytes(&(hashed * s - hashed * x * c)), vector.array("V"));
        assert_eq!(output(vector.suite, &point(&proof.gamma)), vector.array("beta"));
        assert!(published(vector.suite, &Y, &vector.bytes("alpha"), &proof));
    }
}
