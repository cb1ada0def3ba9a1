//! Which keys members may have.

use std::collections::BTreeMap;

use cosi::{
    domain::VRF_POSSESSION,
    keys::{KeyError, PublicKey},
    roster::MAX_MEMBERS,
    transcript::Hash,
};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
use randhound::vrf::{
    KeysError, Registration, RegistrationError, Suite, VrfKey, VrfKeys, VrfSecret,
};

use crate::common::*;

fn owner(number: u8) -> PublicKey {
    *seed(number).signing_key().public()
}

fn register(number: u8) -> (PublicKey, Registration) {
    let secret = VrfSecret::derive(&seed(number));
    (owner(number), secret.register(&owner(number), &mut rng(number.into())))
}

/// A proof by the documented equations, of a key \[x\]B, or so the prover says.
fn hand(
    suite: u8,
    owner: &PublicKey,
    key: [u8; 32],
    x: &Scalar,
    K: &EdwardsPoint,
    k: &Scalar,
) -> Registration {
    let commitment = bytes(K);
    let hash = Hash::new(VRF_POSSESSION).fixed(&[suite]).fixed(&owner.to_bytes());
    let e = hash.fixed(&key).fixed(&commitment).scalar();
    Registration { key, commitment, response: (k + e * x).to_bytes() }
}

fn reasons(
    members: impl IntoIterator<Item = (PublicKey, Registration)>,
) -> BTreeMap<usize, RegistrationError> {
    let Err(KeysError::Refused { culprits }) = VrfKeys::new(members) else {
        panic!("all are sound")
    };
    culprits
}

#[test]
fn members_register_and_their_outputs_are_theirs() {
    let keys = VrfKeys::new([1, 2, 3].map(register)).unwrap();
    assert_eq!((keys.len(), keys.key(3), keys.owner(3)), (3, None, None));
    for (at, number) in [1, 2, 3].into_iter().enumerate() {
        let secret = VrfSecret::derive(&seed(number));
        assert_eq!(keys.owner(at), Some(&owner(number).to_bytes()));
        assert_eq!(keys.key(at), Some(secret.key()));
        let (proof, output) = secret.prove(b"input");
        let verdicts = [0, 1, 2].map(|at| keys.key(at).unwrap().verify(b"input", &proof).ok());
        assert_eq!(verdicts[at], Some(output));
        assert_eq!(verdicts.iter().flatten().count(), 1);
    }
}

#[test]
fn a_proof_meets_its_equations() {
    let (k, x) = (Scalar::from(11_u8), Scalar::from(77_u8));
    let key = bytes(&EdwardsPoint::mul_base(&x));
    let registration = hand(4, &owner(1), key, &x, &EdwardsPoint::mul_base(&k), &k);
    let found = registration.verify(&owner(1)).unwrap();
    assert_eq!(found, VrfKey::from_bytes(&key, Suite::Ell2).unwrap());
}

#[test]
fn a_nonce_is_hedged() {
    let secret = VrfSecret::derive(&seed(1));
    let register = |number, fresh| secret.register(&owner(number), &mut rng(fresh)).commitment;
    assert_eq!(register(1, 1), register(1, 1));
    assert_ne!(register(1, 1), register(1, 2), "it follows fresh entropy");
    assert_ne!(register(1, 1), register(2, 1), "and without it, what is signed");
}

#[test]
fn keys_of_others_are_not_registered() {
    let (k, x) = (Scalar::from(11_u8), Scalar::from(77_u8));
    let K = EdwardsPoint::mul_base(&k);
    let victim = register(1).1;
    let Y = point(&victim.key);
    let e = |K: &EdwardsPoint| {
        let hash = Hash::new(VRF_POSSESSION).fixed(&[4]).fixed(&owner(2).to_bytes());
        hash.fixed(&victim.key).fixed(&bytes(K)).scalar()
    };
    let attempts = [
        ("as it is", victim),
        ("another secret", hand(4, &owner(2), victim.key, &x, &K, &k)),
        ("no secret", hand(4, &owner(2), victim.key, &Scalar::ZERO, &K, &k)),
        ("K after e", {
            let late = EdwardsPoint::mul_base(&k) - Y * e(&K);
            Registration { key: victim.key, commitment: bytes(&late), response: k.to_bytes() }
        }),
    ];
    for (name, registration) in attempts {
        let culprits = reasons([register(1), (owner(2), registration)]);
        assert_eq!(culprits, [(1, RegistrationError::NoPossession)].into(), "{name}");
        let culprits = reasons([(owner(2), registration), register(1)]);
        assert_eq!(
            culprits,
            [(0, RegistrationError::NoPossession)].into(),
            "{name}: nor its owner"
        );
    }
}

#[test]
fn unsound_registrations_are_named_each_with_its_reason() {
    let x = Scalar::from(77_u8);
    let Y = EdwardsPoint::mul_base(&x);
    let K = EdwardsPoint::mul_base(&Scalar::ONE);
    let by_hand = |number, key| (owner(number), hand(4, &owner(number), key, &x, &K, &Scalar::ONE));
    let signing = VrfSecret::from_rfc8032_seed(&[4; 32], Suite::Ell2);
    assert_eq!(signing.key().to_bytes(), owner(4).to_bytes());
    let tai = VrfSecret::from_rfc8032_seed(&[99; 32], Suite::Tai);
    let mut high = register(6).1;
    high.response = plus_order(&high.response);
    let mut torsioned = register(7).1;
    torsioned.commitment = bytes(&(point(&torsioned.commitment) + EIGHT_TORSION[1]));
    let shared = VrfSecret::derive(&seed(1)).register(&owner(9), &mut rng(1));
    // y = 1 + p, which is 2²⁵⁵ − 18.
    let mut high_y = [0xff; 32];
    (high_y[0], high_y[31]) = (0xee, 0x7f);
    let culprits = reasons([
        register(1),
        by_hand(2, high_y),
        by_hand(3, bytes(&(Y + EIGHT_TORSION[1]))),
        (owner(4), signing.register(&owner(4), &mut rng(4))),
        (owner(5), tai.register(&owner(5), &mut rng(5))),
        (owner(6), high),
        (owner(7), torsioned),
        by_hand(8, bytes(&EIGHT_TORSION[0])),
        (owner(9), shared),
        register(1),
        (owner(1), register(1).1),
        by_hand(10, bytes(&Y)),
    ]);
    let expected = [
        (1, RegistrationError::Key(KeyError::Encoding)),
        (2, RegistrationError::Key(KeyError::SmallOrder)),
        (3, RegistrationError::SigningKey),
        (4, RegistrationError::NoPossession),
        (5, RegistrationError::NoPossession),
        (6, RegistrationError::NoPossession),
        (7, RegistrationError::Key(KeyError::SmallOrder)),
        (8, RegistrationError::Duplicate),
        (9, RegistrationError::Duplicate),
        (10, RegistrationError::Duplicate),
    ];
    assert_eq!(culprits, expected.into());
}

#[test]
fn an_owner_has_one_key() {
    let second = VrfSecret::derive(&seed(2)).register(&owner(1), &mut rng(1));
    let culprits = reasons([register(1), (owner(1), second)]);
    assert_eq!(culprits, [(1, RegistrationError::Duplicate)].into());
}

#[test]
fn there_are_from_one_to_as_many_as_a_roster_has() {
    let nothing = Registration { key: [0xff; 32], commitment: [0; 32], response: [0; 32] };
    let members = |number| std::iter::repeat_n((owner(1), nothing), number);
    assert_eq!(reasons(members(MAX_MEMBERS)).len(), MAX_MEMBERS);
    assert_eq!(VrfKeys::new(members(MAX_MEMBERS + 1)).unwrap_err(), KeysError::Size);
    assert_eq!(VrfKeys::new(members(0)).unwrap_err(), KeysError::Size);
    let endless = VrfKeys::new(std::iter::repeat((owner(1), nothing)));
    assert_eq!(endless.unwrap_err(), KeysError::Size);
}
