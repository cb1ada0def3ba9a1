//! The encodings of all wire types: their form, and what is refused.

use cosi::{
    keys::Signature,
    transcript,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Shape,
    genesis::{Genesis, GenesisId, Grant, Limits, MAX_GRANTS},
    transaction::{
        Declaration, Input, MAX_INPUTS, MAX_OUTPUTS, Outpoint, Output, Session, Transaction,
    },
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha512};

use crate::genesis::sample;

fn bytes<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn outpoint(rng: &mut ChaCha20Rng) -> Outpoint {
    Outpoint { shard: u16::from_le_bytes(bytes(rng)), id: bytes(rng), version: rng.next_u32() }
}

fn input(rng: &mut ChaCha20Rng) -> Input {
    Input { outpoint: outpoint(rng), value: rng.next_u64(), owner: bytes(rng) }
}

fn output(rng: &mut ChaCha20Rng) -> Output {
    Output { shard: u16::from_le_bytes(bytes(rng)), value: rng.next_u64(), owner: bytes(rng) }
}

fn declaration(rng: &mut ChaCha20Rng) -> Declaration {
    let inputs = (0..rng.next_u32() % 4).map(|_| input(rng)).collect();
    let outputs = (0..rng.next_u32() % 4).map(|_| output(rng)).collect();
    Declaration::new(rng.next_u64(), rng.next_u64(), inputs, outputs).unwrap()
}

fn transaction(rng: &mut ChaCha20Rng) -> Transaction {
    let declaration = declaration(rng);
    let signatures = (0..rng.next_u32() % 4).map(|_| Signature(bytes(rng))).collect();
    Transaction { declaration, signatures: BoundedVec::new(signatures).unwrap() }
}

fn grant(rng: &mut ChaCha20Rng) -> Grant {
    Grant { owner: bytes(rng), value: rng.next_u64() }
}

fn genesis(rng: &mut ChaCha20Rng) -> Genesis {
    let grants = (0..rng.next_u32() % 4).map(|_| grant(rng)).collect();
    Genesis {
        shape: Shape::new(2 + rng.next_u32() % 9, 1 + (rng.next_u32() % 64) as u8).unwrap(),
        limits: Limits { transactions: rng.next_u32(), bytes: rng.next_u32() },
        grants: BoundedVec::new(grants).unwrap(),
        ..sample()
    }
}

/// Checks 64 seeded values of a type, and returns the hash over their encodings.
fn format<T: Wire + PartialEq + core::fmt::Debug>(make: impl Fn(&mut ChaCha20Rng) -> T) -> String {
    let mut rng = ChaCha20Rng::seed_from_u64(702_861);
    let mut hash = transcript::Hash::new([0; 16]);
    for _ in 0..64 {
        let value = make(&mut rng);
        let encoding = value.encode();
        assert_eq!(T::decode(&encoding), Ok(value));
        for len in 0..encoding.len() {
            assert!(T::decode(&encoding[..len]).is_err(), "truncated to {len}");
        }
        assert!(T::decode(&[&encoding[..], &[0]].concat()).is_err(), "a trailing byte");
        hash = hash.bytes(&encoding);
    }
    hash.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn formats_are_those_committed() {
    let formats = [
        ("Session", format(|rng| Session(bytes(rng)))),
        ("Outpoint", format(outpoint)),
        ("Input", format(input)),
        ("Output", format(output)),
        ("Declaration", format(declaration)),
        ("Transaction", format(transaction)),
        ("GenesisId", format(|rng| GenesisId(bytes(rng)))),
        ("Grant", format(grant)),
        ("Genesis", format(genesis)),
    ];
    let committed = [
        ("Session", "4459435094889775"),
        ("Outpoint", "13fa7c19e1219c15"),
        ("Input", "4d4059b86f535ad3"),
        ("Output", "61d9d347ea5a0e76"),
        ("Declaration", "2e0f71488c271b51"),
        ("Transaction", "ce7763532fefddd4"),
        ("GenesisId", "4459435094889775"),
        ("Grant", "edde29e3765f2b30"),
        ("Genesis", "7b9d1ed387d66ee0"),
    ];
    assert_eq!(formats.each_ref().map(|(name, hash)| (*name, &hash[..])).to_vec(), committed);
}

#[test]
fn hostile_lengths_are_refused() {
    let zeros = [0; 16];
    let long = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
    let plenty = vec![0; 1 << 23];
    let declared = |inputs: usize, outputs: usize| {
        let inputs = [&long(inputs)[..], &vec![0; inputs * 78]].concat();
        let outputs = [&long(outputs)[..], &vec![0; outputs * 42]].concat();
        [&zeros[..], &inputs, &outputs].concat()
    };
    assert!(Declaration::decode(&declared(MAX_INPUTS, MAX_OUTPUTS)).is_ok());
    assert!(Declaration::decode(&declared(MAX_INPUTS + 1, 0)).is_err());
    assert!(Declaration::decode(&declared(0, MAX_OUTPUTS + 1)).is_err());
    let signed =
        |signatures| [&declared(1, 1)[..], &long(signatures), &plenty[..signatures * 64]].concat();
    assert!(Transaction::decode(&signed(MAX_INPUTS)).is_ok());
    assert!(Transaction::decode(&signed(MAX_INPUTS + 1)).is_err());

    let granting = |grants: usize| {
        let bare = Genesis { grants: BoundedVec::default(), ..sample() }.encode();
        [&bare[..bare.len() - 4], &long(grants), &plenty[..grants * 40]].concat()
    };
    assert!(Genesis::decode(&granting(MAX_GRANTS)).is_ok());
    assert!(Genesis::decode(&granting(MAX_GRANTS + 1)).is_err());

    let huge = [&zeros[..], &[0xff; 64]].concat();
    assert!(Declaration::decode(&huge).is_err());
    assert!(Transaction::decode(&huge).is_err());
    assert!(Genesis::decode(&[0xff; 64]).is_err());
}

#[test]
fn names_are_hashes_of_what_they_name() {
    let hash = |tag: &[u8; 16], parts: &[&[u8]]| -> [u8; 32] {
        Sha512::digest([tag, &parts.concat()[..]].concat())[..32].try_into().unwrap()
    };
    let mut rng = ChaCha20Rng::seed_from_u64(702_861);
    let (genesis, pay, input) = (genesis(&mut rng), transaction(&mut rng), input(&mut rng));
    let bytes = genesis.encode();
    let id = hash(b"omniledger/v1/ge", &[&bytes.len().to_le_bytes(), &bytes]);
    assert_eq!(genesis.id().0, id);

    let declared = pay.declaration.encode();
    let session = hash(b"omniledger/v1/tx", &[&declared.len().to_le_bytes(), &declared, &id]);
    assert_eq!(pay.declaration.session(&genesis.id()).0, session);
    let outpoint = hash(b"omniledger/v1/op", &[&session, &1_u64.to_le_bytes()]);
    assert_eq!(Session(session).outpoint(1), outpoint);

    let Input { outpoint: Outpoint { shard, id, version }, value, owner } = input;
    let name = [&shard.to_le_bytes()[..], &id, &version.to_le_bytes()].concat();
    let leaf = hash(b"omniledger/v1/ux", &[&name, &value.to_le_bytes(), &owner]);
    assert_eq!(input.leaf(), leaf);
}
