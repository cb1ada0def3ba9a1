//! Another's implementation of the RFC, the crate `vrf-rfc9381`: it agrees on all that has one
//! encoding.

use cosi::wire::Wire;
use curve25519_dalek::constants::EIGHT_TORSION;
use proptest::{collection::vec, prelude::*};
use randhound::vrf::{Proof, Suite, VrfKey, VrfSecret};
use vrf_rfc9381::{
    Proof as _, Prover, VRF, Verifier,
    ec::edwards25519::{elligator2::EdVrfEdwards25519Ell2, tai::EdVrfEdwards25519Tai},
};

use crate::common::*;

fn proves<P: Prover<sha2::Sha512>>(seed: &[u8; 32], input: &[u8]) -> Vec<u8> {
    P::from_slice(seed).unwrap().prove(input).unwrap().encode_to_pi()
}

/// What the peer proves for a seed.
fn peer_proof(suite: Suite, seed: &[u8; 32], input: &[u8]) -> Vec<u8> {
    if suite == Suite::Tai {
        proves::<<EdVrfEdwards25519Tai as VRF>::Prover>(seed, input)
    } else {
        proves::<<EdVrfEdwards25519Ell2 as VRF>::Prover>(seed, input)
    }
}

fn accepts<V: VRF<Hash = sha2::Sha512>>(
    vrf: &V,
    key: &[u8],
    input: &[u8],
    pi: &[u8],
) -> Option<[u8; 64]> {
    let key = V::Verifier::from_slice(key).ok()?;
    Some(vrf.verify(&key, input, pi).ok()?.into())
}

/// The output that the peer takes from a proof.
pub(crate) fn peer_output(suite: Suite, key: &[u8], input: &[u8], pi: &[u8]) -> Option<[u8; 64]> {
    if suite == Suite::Tai {
        accepts(&EdVrfEdwards25519Tai, key, input, pi)
    } else {
        accepts(&EdVrfEdwards25519Ell2, key, input, pi)
    }
}

fn own_output(suite: Suite, key: &[u8; 32], input: &[u8], pi: &[u8]) -> Option<[u8; 64]> {
    let key = VrfKey::from_bytes(key, suite).ok()?;
    Some(key.verify(input, &Proof::decode(pi).ok()?).ok()?.to_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_peer_agrees(seed: [u8; 32], input in vec(any::<u8>(), 0..300), tai: bool) {
        let suite = if tai { Suite::Tai } else { Suite::Ell2 };
        let secret = VrfSecret::from_rfc8032_seed(&seed, suite);
        let (proof, output) = secret.prove(&input);
        let (key, pi) = (secret.key().to_bytes(), proof.encode());
        prop_assert_eq!(&peer_proof(suite, &seed, &input), &pi);
        prop_assert_eq!(own_output(suite, &key, &input, &pi), Some(output.to_bytes()));
        prop_assert_eq!(peer_output(suite, &key, &input, &pi), Some(output.to_bytes()));
    }

    #[test]
    fn the_peer_agrees_on_what_is_wrong(
        seed: [u8; 32],
        input in vec(any::<u8>(), 1..100),
        at: prop::sample::Index,
        flip in 1_u8..,
        part in 0..3,
    ) {
        let secret = VrfSecret::from_rfc8032_seed(&seed, Suite::Ell2);
        let (mut key, mut input, mut pi) =
            (secret.key().to_bytes(), input.clone(), secret.prove(&input).0.encode());
        let whole = match part { 0 => &mut key[..], 1 => &mut input[..], _ => &mut pi[..] };
        whole[at.index(whole.len())] ^= flip;
        prop_assert_eq!(own_output(Suite::Ell2, &key, &input, &pi), None);
        prop_assert_eq!(peer_output(Suite::Ell2, &key, &input, &pi), None);
    }

    #[test]
    fn a_round_trip_yields_the_output(number: u8, input in vec(any::<u8>(), 0..300)) {
        let secret = VrfSecret::derive(&seed(number));
        let (proof, output) = secret.prove(&input);
        let again = VrfSecret::derive(&seed(number)).prove(&input);
        prop_assert_eq!((proof, output), again, "the same each time");
        let sent = Proof::decode(&proof.encode()).unwrap();
        prop_assert_eq!(secret.key().verify(&input, &sent), Ok(output));
        prop_assert_eq!(sent.to_hash(Suite::Ell2), Ok(output.to_bytes()));
        let other = [&input[..], &[0]].concat();
        prop_assert!(secret.key().verify(&other, &sent).is_err());
        prop_assert_ne!(secret.prove(&other).1, output);
    }
}

#[test]
fn both_refuse_keys_of_small_order_and_wrong_lengths() {
    let secret = VrfSecret::from_rfc8032_seed(&[1; 32], Suite::Ell2);
    let pi = secret.prove(b"input").0.encode();
    for torsion in EIGHT_TORSION {
        assert!(own_output(Suite::Ell2, &bytes(&torsion), b"input", &pi).is_none());
        assert!(peer_output(Suite::Ell2, &bytes(&torsion), b"input", &pi).is_none());
    }
    let key = secret.key().to_bytes();
    for pi in [&pi[..79], &[&pi[..], &[0]].concat(), &[]] {
        assert!(own_output(Suite::Ell2, &key, b"input", pi).is_none());
        assert!(peer_output(Suite::Ell2, &key, b"input", pi).is_none());
    }
}
