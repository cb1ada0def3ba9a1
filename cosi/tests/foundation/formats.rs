//! The formats of the foundation's wire types: a change fails here, and so is a decision.

use core::{fmt::Debug, time::Duration};

use cosi::{
    domain::{BLAME, INDIVIDUAL},
    keys::{PeerId, ProofOfPossession, Signature},
    machine::{Evidence, Signed, Time},
    mask::Mask,
    merkle::{
        map,
        tree::{self, leaf_hash},
    },
    roster::{Member, Opening, Roster, RosterId},
    wire::{BoundedBytes, BoundedVec, Wire},
};
use rand_chacha::rand_core::Rng;
use sha2::{Digest, Sha256};

use crate::{hex, key, members, rng};

/// A length that a peer writes, in the first sample's encoding.
struct Length {
    /// Where its four bytes are.
    at: usize,
    /// How many bytes an item has.
    item: usize,
    /// The most items there may be.
    most: u32,
}

/// Holds `samples`, encoded, to their committed hash, and their decoder to what every decoder
/// refuses. Needs at least one item behind every length.
#[track_caller]
fn check<T: Wire + PartialEq + Debug>(format: &str, samples: &[T], lengths: &[Length]) {
    let type_name = core::any::type_name::<T>();
    let mut hash = Sha256::new();
    for sample in samples {
        let bytes = sample.encode();
        hash.update(&bytes);
        assert_eq!(T::decode(&bytes).as_ref(), Ok(sample), "{type_name}: round trip");
        for len in 0..bytes.len() {
            assert!(T::decode(&bytes[..len]).is_err(), "{type_name}: cut to {len} bytes");
        }
        for trailing in [0, 1, 0xff] {
            let longer = [&bytes[..], &[trailing]].concat();
            assert!(T::decode(&longer).is_err(), "{type_name}: a trailing byte");
        }
    }
    let bytes = samples[0].encode();
    for Length { at, item, most } in lengths {
        let (before, rest) = bytes.split_at(*at);
        let (len, rest) = rest.split_at(4);
        let len = u32::from_le_bytes(len.try_into().unwrap());
        let (items, after) = rest.split_at(usize::try_from(len).unwrap() * item);
        let holding = |count: u32, really: u32| {
            let items = items[..*item].repeat(usize::try_from(really).unwrap());
            T::decode(&[before, &count.to_le_bytes(), &items, after].concat())
        };
        assert!(holding(*most, *most).is_ok(), "{type_name}: {most} items at {at}");
        assert!(holding(most + 1, most + 1).is_err(), "{type_name}: one more at {at}");
        assert!(holding(u32::MAX, 1).is_err(), "{type_name}: a hostile length at {at}");
        assert!(holding(2, 1).is_err(), "{type_name}: a missing item at {at}");
        assert!(holding(0, 1).is_err(), "{type_name}: an item too many at {at}");
    }
    assert_eq!(hex(&hash.finalize()), format, "{type_name}: the format changed");
}

fn random<const N: usize>(seed: u64) -> [u8; N] {
    let mut bytes = [0; N];
    rng(seed).fill_bytes(&mut bytes);
    bytes
}

fn signed(seed: u64) -> Signed {
    let statement = BoundedBytes::new(random::<40>(seed).to_vec()).unwrap();
    Signed { statement, signature: Signature(random(seed + 1)) }
}

#[test]
fn time() {
    let samples = [0, 1, 1_700_000_000_123_456_789, u64::MAX];
    let samples = samples.map(|nanos| Time::at(Duration::from_nanos(nanos)));
    check("c00605452e2fde0026746291e1ef008bd8633662fbcaef2f6c3d772d50dd80fa", &samples, &[]);
}

#[test]
fn keys() {
    check(
        "5a4e9724e70c2d9fee439bef7b64eabfc8a051ae6dc9b513cf6afa6d3d0a3a21",
        &[1, 2, 3].map(|seed| Signature(random(seed))),
        &[],
    );
    check(
        "8ce33408c449f5ede59b71c32fd4415be227a3751aca5e779b252b299bc4a330",
        &[1, 2].map(|number| key(number).sign(&INDIVIDUAL, b"statement")),
        &[],
    );
    check(
        "96ef6d6b332b4bfc8b0f14b4408e39f6df9b19044a5b0c781554c52bd930870e",
        &[1, 2, 3].map(|number| PeerId::of(key(number).public())),
        &[],
    );
    let prove = |number| ProofOfPossession::prove(&key(number), &mut rng(number.into()));
    check(
        "be6fe1fae4f817db53b87d2852b49ac1de77de8dd7f2198def70d9e93e430b72",
        &[1, 2, 3].map(prove),
        &[],
    );
}

#[test]
fn evidence() {
    let statement = Length { at: 0, item: 1, most: 65_536 };
    check(
        "d4fb1cc6905e2504c7db2ce8261db7279cf0354a877e3c6127d87f854db620c3",
        &[1, 2, 3].map(signed),
        &[statement],
    );
    let evidence = |count: u64| {
        let statements = BoundedVec::new((0..count).map(signed).collect()).unwrap();
        Evidence { domain: BLAME, statements }
    };
    let statements = Length { at: 16, item: 4 + 40 + 64, most: 4 };
    check(
        "46fa93a53a05142c84c1cbf790d7bb7a59910fd8ebe16221579f48dafdd7c3ca",
        &[2, 0, 4].map(evidence),
        &[statements],
    );
}

#[test]
fn rosters() {
    let members = members(&[1, 7, u32::MAX, 2, 3]);
    check::<Member>(
        "a46923d625adfd297e41cf01749f763d71543582a1ff21dab2baff2afe419b58",
        &members,
        &[],
    );
    let roster = Roster::new(members).unwrap();
    check(
        "d5f9bdeb8e645b32de0817b98791c0f3384fd1b3d2a62491079b4e180a255241",
        &[roster.id(), RosterId(random(1))],
        &[],
    );

    let open = |shown: &[u16]| roster.open(&Mask::of(5, shown.iter().copied()));
    // Size, weight, ΣA, root; then key, weight, peer, extension and a path of three siblings.
    let shown =
        Length { at: 4 + 8 + 32 + 32, item: 32 + 4 + 32 + 32 + 16 + 4 + 3 * 32, most: 1024 };
    let siblings = Length { at: 80 + 100 + 16, item: 32, most: 64 };
    check::<Opening>(
        "3f16b7accb79447065576adf02cbd5f816991f5b3d484a469a20268b72ef7999",
        &[open(&[2]), open(&[]), open(&[0, 1, 4])],
        &[shown, siblings],
    );
}

#[test]
fn masks() {
    let samples = [Mask::of(11, [0, 9]), Mask::empty(0), Mask::of(65_536, [7, 65_535])];
    check(
        "9f21898d4e52287f45c94f3de1e7d6e12570cf9488b354f5ddc76ae4497b5fcc",
        &samples[..2],
        &[Length { at: 0, item: 1, most: 8192 }],
    );
    check(
        "de31e8b98a7deb7c6c7f8f4057049eaf0df37298b93c77fa2c0f9607c697d343",
        &samples[2..],
        &[Length { at: 0, item: 1, most: 8192 }],
    );
}

#[test]
fn merkle() {
    let tree = tree::Tree::new((0..11_u8).map(|value| leaf_hash(&[value])));
    let samples = [3, 0, 10].map(|index| tree.path(index).unwrap());
    check(
        "952c8ca93f0e9d40e0a12a8963c7ad50cf3d5b92b15a56a69a0da48a08c326f5",
        &samples,
        &[Length { at: 16, item: 32, most: 64 }],
    );

    let key = |number: u8| leaf_hash(&[number]);
    let map: map::Map = (0..20).map(|number| (key(number), [number; 32])).collect();
    let siblings = |at| [Length { at, item: 32, most: 256 }];
    check(
        "9d6d3071a64c1c164c2d756be976c0fcf81ebfad75acf074ef895db58c1c7d1e",
        &[1, 2, 3].map(|number| map.prove(&key(number))),
        &siblings(33),
    );
    // An end of each kind: the key's own leaf, nothing, and another's leaf.
    let absent = (20..=255).map(|number| map.prove(&key(number)));
    let (nothing, other): (Vec<_>, Vec<_>) = absent.partition(|proof| proof.encode()[0] == 1);
    check(
        "ee195266ee447318c7ccb05cd038897e6b217d462606f14feefdd828442ce2f6",
        &nothing[..3],
        &siblings(1),
    );
    check(
        "95132483ac498c0df0d120fc29d25e7f1b950ec60633ddbf8d659f41e4b461cb",
        &other[..3],
        &siblings(65),
    );
}

#[test]
#[should_panic(expected = "the format changed")]
fn a_changed_format_is_noticed() {
    check(&"0".repeat(64), &[RosterId([0; 32])], &[]);
}

#[test]
#[should_panic(expected = "one more at 0")]
fn a_missing_bound_is_noticed() {
    let sample = BoundedVec::<u8, 9>::new(vec![1]).unwrap();
    check("", &[sample], &[Length { at: 0, item: 1, most: 8 }]);
}
