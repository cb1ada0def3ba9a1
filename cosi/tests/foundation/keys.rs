//! Keys that are none, and signatures on the border between two rules.

use cosi::{
    domain::{Domain, INDIVIDUAL},
    keys::{Batch, KeyError, PublicKey, Seed, Signature, SigningKey},
};
use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY,
};
use sha2::{Digest, Sha512};

use crate::{from_hex, hex, key, seed};

/// p = 2²⁵⁵ − 19, little-endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    p
};

/// ℓ, the order of the group, little-endian.
pub(crate) const L: [u8; 32] = {
    let mut l = [0; 32];
    let low = 0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed_u128.to_le_bytes();
    let mut at = 0;
    while at < 16 {
        l[at] = low[at];
        at += 1;
    }
    l[31] = 0x10;
    l
};

/// a + b, little-endian.
pub(crate) fn add(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    core::array::from_fn(|at| {
        carry = (carry >> 8) + u16::from(a[at]) + u16::from(b[at]);
        carry.to_le_bytes()[0]
    })
}

/// The secret scalar of [`key`], by RFC 8032, section 5.1.5.
pub(crate) fn scalar(number: u16) -> Scalar {
    let wide: [u8; 64] = Sha512::digest(seed(number)).into();
    let mut clamped: [u8; 32] = wide[..32].try_into().unwrap();
    clamped[0] &= 248;
    clamped[31] = clamped[31] & 127 | 64;
    Scalar::from_bytes_mod_order(clamped)
}

#[test]
fn every_encoding_of_y_from_p_on_is_refused() {
    let mut points = 0;
    for above in 0..19_u8 {
        for sign in [0, 0x80] {
            let mut small = [0; 32];
            small[0] = above;
            let mut bytes = add(&P, &small);
            bytes[31] |= sign;
            assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::Encoding), "p + {above}");
            points += usize::from(CompressedEdwardsY(bytes).decompress().is_some());
        }
    }
    assert!(points > 10, "the curve library takes {points} of them for points");
}

#[test]
fn what_is_no_point_is_refused() {
    let none = (0..).map(|byte| [byte; 32]);
    let mut none = none.filter(|bytes| CompressedEdwardsY(*bytes).decompress().is_none());
    assert_eq!(PublicKey::from_bytes(&none.next().unwrap()), Err(KeyError::Encoding));
}

#[test]
fn the_identity_and_every_point_of_small_order_are_refused_with_either_sign() {
    let mut orders = std::collections::BTreeSet::new();
    for point in EIGHT_TORSION {
        for sign in [0, 0x80] {
            let mut bytes = point.compress().to_bytes();
            bytes[31] ^= sign;
            assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::SmallOrder), "{}", hex(&bytes));
        }
        let multiples = (1..=8_u64).map(|n| Scalar::from(n) * point);
        orders.insert(1 + multiples.take_while(|multiple| *multiple != EIGHT_TORSION[0]).count());
    }
    assert_eq!(orders.into_iter().collect::<Vec<_>>(), [1, 2, 4, 8]);
}

#[test]
fn a_key_with_a_torsion_component_is_refused() {
    for torsion in &EIGHT_TORSION[1..] {
        let mixed = key(1).public().point() + torsion;
        let bytes = mixed.compress().to_bytes();
        assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::SmallOrder));
    }
    assert_eq!(PublicKey::from_bytes(&key(1).public().to_bytes()), Ok(*key(1).public()));
}

/// Made by `openssl genpkey -algorithm ed25519 -outform DER`.
const OPENSSL: &[u8] = include_bytes!("openssl-test-key.der");

#[test]
fn a_key_made_by_openssl_loads_and_signs_as_openssl_does() {
    let key = SigningKey::from_pkcs8_der(OPENSSL).unwrap();
    // By `openssl pkey -pubout`.
    let public = "a31750fdef83d32cf6877ec44c1957408fa4487346ae7baf8295d10c9b022332";
    assert_eq!(hex(&key.public().to_bytes()), public);
    // By `openssl pkeyutl -sign -rawin`, of the domain and the statement.
    let signature = "f08bcf651a0510e3f1c10fe0077e49f8a03ed0c5b9ae0e88b76570d248fc6e48\
                     525829ede19a8d4e3d871d9409f7be8f6f7cc26887bad2376bfa14379fd7d60b";
    assert_eq!(hex(&key.sign(&INDIVIDUAL, b"statement").0), signature);
}

#[test]
fn documents_cut_short_extended_or_of_another_algorithm_are_refused() {
    for len in 0..OPENSSL.len() {
        assert_eq!(SigningKey::from_pkcs8_der(&OPENSSL[..len]), Err(KeyError::Encoding));
    }
    let extended = [OPENSSL, &[0]].concat();
    assert_eq!(SigningKey::from_pkcs8_der(&extended), Err(KeyError::Encoding));
    let at = OPENSSL.windows(3).position(|oid| oid == [0x2b, 0x65, 0x70]).unwrap();
    let mut x25519 = OPENSSL.to_vec();
    x25519[at + 2] = 0x6e;
    assert_eq!(SigningKey::from_pkcs8_der(&x25519), Err(KeyError::Encoding));
}

/// RFC 8032, section 7.1: secret and public key of TEST 1, 2, 3, 1024 and SHA(abc).
const RFC_8032: [[&str; 2]; 5] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ],
    [
        "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    ],
];

#[test]
fn the_vectors_of_rfc_8032_hold() {
    let keys = RFC_8032.map(|[secret, public]| {
        let key = Seed::from_bytes(from_hex(secret)).signing_key();
        assert_eq!(hex(&key.public().to_bytes()), public);
        key
    });
    // SHA(abc): its message, SHA-512 of "abc", is long enough for a domain and a statement.
    let message = Sha512::digest(b"abc");
    let (domain, statement) = message.split_first_chunk::<16>().unwrap();
    let signature = Signature(from_hex(
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589\
         09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ));
    assert_eq!(keys[4].sign(domain, statement), signature);
    assert!(both(keys[4].public(), domain, statement, &signature));
}

/// The verdict, which single and batch verification must share.
fn both(key: &PublicKey, domain: &Domain, statement: &[u8], signature: &Signature) -> bool {
    let single = key.verify(domain, statement, signature);
    let good = crate::key(7);
    for companions in [0, 1, 5] {
        let mut batch = Batch::new();
        batch.add(key.to_bytes(), domain, statement, signature);
        for companion in 0..companions {
            let statement = [companion];
            let signature = good.sign(domain, &statement);
            batch.add(good.public().to_bytes(), domain, &statement, &signature);
        }
        assert_eq!(batch.verify(), single, "beside {companions} good ones");
    }
    single
}

const STATEMENT: &[u8] = b"statement";

/// The equation's s for whatever stands as R, by who knows a and r.
fn respond(a: &Scalar, r: &Scalar, commitment: &[u8; 32]) -> Scalar {
    let public = EdwardsPoint::mul_base(a).compress().to_bytes();
    let challenge = [&commitment[..], &public, &INDIVIDUAL, STATEMENT].concat();
    r + Scalar::from_bytes_mod_order_wide(&Sha512::digest(challenge).into()) * a
}

fn signature(commitment: &[u8; 32], response: &[u8; 32]) -> Signature {
    Signature([&commitment[..], response].concat().try_into().unwrap())
}

fn dalek_strict(key: &PublicKey, signature: &Signature) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(&key.to_bytes()).unwrap();
    key.verify_strict(&[&INDIVIDUAL, STATEMENT].concat(), &signature.0.into()).is_ok()
}

#[test]
fn torsion_in_r_gets_one_verdict_by_our_rule_and_another_by_the_strict_one() {
    let (a, r, owner) = (scalar(1), Scalar::from(77_u8), key(1));
    for torsion in EIGHT_TORSION {
        let commitment = (EdwardsPoint::mul_base(&r) + torsion).compress().to_bytes();
        let signature = signature(&commitment, &respond(&a, &r, &commitment).to_bytes());
        assert!(both(owner.public(), &INDIVIDUAL, STATEMENT, &signature));
        // Were the strict rule used for some, they would part from the others here.
        assert_eq!(dalek_strict(owner.public(), &signature), torsion == EIGHT_TORSION[0]);
        assert!(!both(owner.public(), &INDIVIDUAL, b"another", &signature));
    }
}

#[test]
fn r_of_small_order_in_any_encoding_gets_one_verdict() {
    let (a, owner, mut odd) = (scalar(1), key(1), 0);
    let canonical = EIGHT_TORSION.map(|point| point.compress().to_bytes());
    // y = p + 1 is the identity, y = p has order 4.
    let mut high = [P, add(&P, &canonical[0])].to_vec();
    high.extend(high.clone().into_iter().map(|mut bytes| {
        bytes[31] |= 0x80;
        bytes
    }));
    for commitment in canonical.into_iter().chain(high) {
        let signature = signature(&commitment, &respond(&a, &Scalar::ZERO, &commitment).to_bytes());
        assert!(both(owner.public(), &INDIVIDUAL, STATEMENT, &signature), "{}", hex(&commitment));
        odd += usize::from(!dalek_strict(owner.public(), &signature));
    }
    assert_eq!(odd, 12, "the strict rule refuses all of them");
}

#[test]
fn a_response_not_below_the_groups_order_is_refused_alone_and_in_a_batch() {
    let good = key(1).sign(&INDIVIDUAL, STATEMENT);
    assert!(both(key(1).public(), &INDIVIDUAL, STATEMENT, &good));
    let (commitment, response) = good.0.split_at(32);
    let above = add(response.try_into().unwrap(), &L);
    assert_eq!(Scalar::from_bytes_mod_order(above).to_bytes(), response);
    let malleated = signature(commitment.try_into().unwrap(), &above);
    assert!(!both(key(1).public(), &INDIVIDUAL, STATEMENT, &malleated));
}

#[test]
fn a_flipped_bit_another_key_or_another_domain_is_refused() {
    let good = key(1).sign(&INDIVIDUAL, STATEMENT);
    for bit in 0..512 {
        let mut flipped = good;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!key(1).public().verify(&INDIVIDUAL, STATEMENT, &flipped), "bit {bit}");
    }
    assert!(!both(key(2).public(), &INDIVIDUAL, STATEMENT, &good));
    assert!(!both(key(1).public(), &cosi::domain::COMMITMENT, STATEMENT, &good));
    let mut batch = Batch::new();
    batch.add([0xff; 32], &INDIVIDUAL, STATEMENT, &good);
    assert!(!batch.verify(), "bytes that are no key");
    assert!(Batch::new().verify(), "nothing is wrong in an empty batch");
}

#[test]
fn secrets_do_not_print_and_seeds_decide_keys() {
    let (seed, key) = (Seed::from_bytes(seed(1)), key(1));
    assert_eq!(format!("{seed:?}"), "Seed(..)");
    let printed = format!("{key:?}");
    assert!(printed.contains(&hex(&key.public().to_bytes())));
    assert!(!printed.contains(&hex(&crate::seed(1)[..8])));
    assert!(!printed.contains(&hex(&scalar(1).to_bytes()[..8])));
    assert_eq!(EdwardsPoint::mul_base(&scalar(1)), *key.public().point());
    assert_ne!(seed, Seed::from_bytes(crate::seed(2)));
    assert_ne!(key, crate::key(2));
}
