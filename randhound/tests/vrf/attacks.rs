//! Attacks, in pairs: each succeeds against the published or a careless form, and fails here.

use std::collections::BTreeSet;

use cosi::{
    keys::{KeyError, Seed, Signature},
    wire::Wire,
};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION, traits::Identity};
use randhound::vrf::{KeysError, Proof, ProofError, Suite, VrfKey, VrfKeys, VrfSecret};

use crate::{common::*, peer::peer_output};

const INPUT: &[u8] = b"leader of epoch 7";

/// What an attacker makes of a proof of `INPUT`, and of an Ed25519 signature on the 32 bytes of H,
/// which it asks for: s − c·x = k = S − e·a, and if x is a, the secret.
fn extract(key: &VrfKey, proof: &Proof, signer: &[u8; 32], signature: &Signature) -> Scalar {
    let H = bytes(&hash_to_curve(key.suite(), &key.to_bytes(), INPUT));
    let (R, S): ([u8; 32], [u8; 32]) =
        (signature.0[..32].try_into().unwrap(), signature.0[32..].try_into().unwrap());
    let e = Scalar::from_bytes_mod_order_wide(&sha512(&[&R, signer, &H]));
    (scalar(&S) - scalar(&proof.response)) * (e - short(&proof.challenge)).invert()
}

/// A signature on the 32 bytes of H, half of which stand where a domain does.
fn sign_chosen_bytes(seed: &Seed, key: &VrfKey) -> Signature {
    let H = bytes(&hash_to_curve(key.suite(), &key.to_bytes(), INPUT));
    let (first, second) = H.split_first_chunk().unwrap();
    seed.signing_key().sign(first, second)
}

#[test]
fn one_key_for_signing_and_vrf_breaks_published() {
    for suite in BOTH {
        let own = VrfSecret::from_rfc8032_seed(&[7; 32], suite);
        let signer = seed(7).signing_key().public().to_bytes();
        assert_eq!(own.key().to_bytes(), signer);
        let (proof, _) = own.prove(INPUT);
        let signature = sign_chosen_bytes(&seed(7), own.key());
        let x = extract(own.key(), &proof, &signer, &signature);
        assert_eq!(bytes(&EdwardsPoint::mul_base(&x)), signer);
        assert_eq!(x, expanded(&[7; 32]).0, "the secret scalar");
    }
}

#[test]
fn a_derived_key_shares_no_nonce_with_the_signing_key() {
    let own = VrfSecret::derive(&seed(7));
    let signer = seed(7).signing_key().public().to_bytes();
    let (proof, _) = own.prove(INPUT);
    let signature = sign_chosen_bytes(&seed(7), own.key());
    let x = extract(own.key(), &proof, &signer, &signature);
    let key = bytes(&EdwardsPoint::mul_base(&x));
    assert!(key != signer && key != own.key().to_bytes());
    let R: [u8; 32] = signature.0[..32].try_into().unwrap();
    let Y = point(&own.key().to_bytes());
    let U = EdwardsPoint::mul_base(&scalar(&proof.response)) - Y * short(&proof.challenge);
    assert_ne!(bytes(&U), R, "[k]B");
}

#[test]
fn a_verifier_of_both_suites_breaks_published() {
    let [tai, ell2] = BOTH.map(|suite| VrfSecret::from_rfc8032_seed(&[7; 32], suite));
    assert_eq!(tai.key().to_bytes(), ell2.key().to_bytes(), "one key");
    let outputs = [tai, ell2].map(|secret| {
        let pi = secret.prove(INPUT).0.encode();
        let key = secret.key().to_bytes();
        BOTH.into_iter().find_map(|suite| peer_output(suite, &key, INPUT, &pi)).unwrap()
    });
    assert_ne!(outputs[0], outputs[1], "two tickets");
}

#[test]
fn a_member_has_one_output() {
    let owner = *seed(7).signing_key().public();
    let [tai, ell2] = BOTH.map(|suite| VrfSecret::from_rfc8032_seed(&[8; 32], suite));
    let registration = ell2.register(&owner, &mut rng(1));
    let keys = VrfKeys::new([(owner, registration)]).unwrap();
    let key = keys.key(0).unwrap();
    assert_eq!(key.verify(INPUT, &ell2.prove(INPUT).0), Ok(ell2.prove(INPUT).1));
    assert_eq!(key.verify(INPUT, &tai.prove(INPUT).0), Err(ProofError::Equation));
    // And no key of the other suite is registered beside it.
    let refused = VrfKeys::new([(owner, tai.register(&owner, &mut rng(1)))]);
    assert!(matches!(refused, Err(KeysError::Refused { .. })));
}

#[test]
fn a_second_encoding_of_the_response_breaks_published() {
    for suite in BOTH {
        let secret = VrfSecret::from_rfc8032_seed(&[7; 32], suite);
        let (proof, output) = secret.prove(INPUT);
        let again = Proof { response: plus_order(&proof.response), ..proof };
        let taken = peer_output(suite, &secret.key().to_bytes(), INPUT, &again.encode());
        assert_eq!(taken, Some(output.to_bytes()));
    }
}

#[test]
fn a_response_has_one_encoding() {
    for suite in BOTH {
        let secret = VrfSecret::from_rfc8032_seed(&[7; 32], suite);
        let (proof, _) = secret.prove(INPUT);
        let mut response = proof.response;
        // s + ℓ to s + 14ℓ fit into 32 bytes whatever s is.
        for _ in 1..15 {
            response = plus_order(&response);
            let again = Proof { response, ..proof };
            assert_eq!(secret.key().verify(INPUT, &again), Err(ProofError::Response));
            assert_eq!(again.to_hash(suite), Err(ProofError::Response));
        }
    }
}

/// Proofs with Γ + T for each T of small order, with a nonce such that c·T vanishes.
fn torsioned(suite: Suite, seed: &[u8; 32]) -> (EdwardsPoint, Vec<Proof>) {
    let (x, _) = expanded(seed);
    let Y = EdwardsPoint::mul_base(&x);
    let honest = hash_to_curve(suite, &bytes(&Y), INPUT) * x;
    let proofs = EIGHT_TORSION[1..].iter().map(|torsion| {
        let nonces = (1_u64..).map(Scalar::from);
        let mut proofs = nonces.map(|k| forge(suite, (&x, &Y), INPUT, &(honest + torsion), k));
        proofs.find(|proof| published(suite, &Y, INPUT, proof)).unwrap()
    });
    (Y, proofs.collect())
}

/// An application that takes Γ itself for the random value lets the prover choose among eight.
#[test]
fn a_small_order_part_of_gamma_breaks_published() {
    for suite in BOTH {
        let (Y, proofs) = torsioned(suite, &[7; 32]);
        let gammas: BTreeSet<_> = proofs.iter().map(|proof| proof.gamma).collect();
        assert_eq!(gammas.len(), 7, "and the honest one");
        let outputs = proofs.iter().map(|pi| peer_output(suite, &bytes(&Y), INPUT, &pi.encode()));
        let outputs: BTreeSet<_> = outputs.collect();
        assert!(outputs.len() == 1 && !outputs.contains(&None), "of one output");
    }
}

#[test]
fn gamma_has_no_small_order_part() {
    for suite in BOTH {
        let (Y, proofs) = torsioned(suite, &[7; 32]);
        let key = VrfKey::from_bytes(&bytes(&Y), suite).unwrap();
        for proof in proofs {
            assert_eq!(key.verify(INPUT, &proof), Err(ProofError::Gamma));
            assert_eq!(proof.to_hash(suite), Err(ProofError::Gamma));
        }
    }
}

#[test]
fn gamma_has_one_encoding_and_is_a_point() {
    let secret = VrfSecret::derive(&seed(7));
    let (proof, _) = secret.prove(INPUT);
    let mut refused: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(bytes).collect();
    // y from p to 2²⁵⁵ − 1, with either sign; and −0.
    for low in 0xed..=0xff {
        for high in [0x7f, 0xff] {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (low, high);
            refused.push(y);
        }
    }
    let mut negative_zero = bytes(&EdwardsPoint::identity());
    negative_zero[31] |= 0x80;
    refused.push(negative_zero);
    refused.push([2; 32]);
    assert!(curve25519_dalek::edwards::CompressedEdwardsY([2; 32]).decompress().is_none());
    for gamma in refused {
        let proof = Proof { gamma, ..proof };
        assert_eq!(secret.key().verify(INPUT, &proof), Err(ProofError::Gamma));
        assert_eq!(proof.to_hash(Suite::Ell2), Err(ProofError::Gamma));
    }
}

/// Without a secret: c·Y vanishes for one nonce in as many as the key's order.
#[test]
fn an_unchecked_key_breaks_published() {
    for suite in BOTH {
        for Y in EIGHT_TORSION {
            let outputs = [&b"one"[..], b"two"].map(|input| {
                let nonces = (1_u64..).map(Scalar::from);
                let gamma = EdwardsPoint::identity();
                let forged = nonces.map(|k| forge(suite, (&Scalar::ZERO, &Y), input, &gamma, k));
                let proof = forged.take(100).find(|pi| published(suite, &Y, input, pi)).unwrap();
                output(suite, &point(&proof.gamma))
            });
            assert_eq!(outputs[0], outputs[1], "the same for every input");
        }
    }
}

#[test]
fn a_key_is_checked() {
    let Y = point(&VrfSecret::derive(&seed(7)).key().to_bytes());
    for suite in BOTH {
        for torsion in EIGHT_TORSION {
            let refused = VrfKey::from_bytes(&bytes(&torsion), suite);
            assert_eq!(refused, Err(KeyError::SmallOrder));
        }
        for torsion in &EIGHT_TORSION[1..] {
            let refused = VrfKey::from_bytes(&bytes(&(Y + torsion)), suite);
            assert_eq!(refused, Err(KeyError::SmallOrder));
        }
        for low in 0xed..=0xff {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (low, 0x7f);
            assert_eq!(VrfKey::from_bytes(&y, suite), Err(KeyError::Encoding));
        }
        assert!(VrfKey::from_bytes(&bytes(&Y), suite).is_ok());
    }
}

/// Whoever knows the secret has many proofs, and no second output.
#[test]
fn a_prover_with_any_nonce_has_one_output() {
    for suite in BOTH {
        let secret = VrfSecret::from_rfc8032_seed(&[7; 32], suite);
        let (x, _) = expanded(&[7; 32]);
        let Y = EdwardsPoint::mul_base(&x);
        let H = hash_to_curve(suite, &bytes(&Y), INPUT);
        let (honest, only) = secret.prove(INPUT);
        let mut proofs = BTreeSet::from([honest.encode()]);
        for k in (1_u64..50).map(Scalar::from) {
            let other = forge(suite, (&x, &Y), INPUT, &(H * x), k);
            assert_eq!(secret.key().verify(INPUT, &other), Ok(only));
            proofs.insert(other.encode());
            for gamma in [H * (x + Scalar::ONE), H * k, Y, H, -(H * x)] {
                let lie = forge(suite, (&x, &Y), INPUT, &gamma, k);
                assert_eq!(secret.key().verify(INPUT, &lie), Err(ProofError::Equation));
                assert_ne!(lie.to_hash(suite), Ok(only.to_bytes()), "it tells of no verdict");
            }
        }
        assert_eq!(proofs.len(), 50, "rank outputs, never proofs");
    }
}

#[test]
fn a_proof_is_of_one_key_and_one_input() {
    let [one, two] = [1, 2].map(|number| VrfSecret::derive(&seed(number)));
    let (proof, output) = one.prove(INPUT);
    assert_eq!(one.key().verify(INPUT, &proof), Ok(output));
    assert_eq!(two.key().verify(INPUT, &proof), Err(ProofError::Equation));
    assert_eq!(one.key().verify(b"leader of epoch 8", &proof), Err(ProofError::Equation));
    for at in 0..80 {
        let mut flipped = proof.encode();
        flipped[at] ^= 1;
        assert!(one.key().verify(INPUT, &Proof::decode(&flipped).unwrap()).is_err(), "{at}");
    }
}

#[test]
fn a_secret_is_neither_printed_nor_left_behind() {
    fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
    let secret = VrfSecret::derive(&seed(7));
    wiped(&secret);
    let key = secret.key().to_bytes().map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(format!("{secret:?}"), format!("VrfSecret(VrfKey(Ell2, {key}), ..)"));
}
