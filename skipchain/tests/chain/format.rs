//! The formats, which are final.

use std::fmt::Debug;

use cosi::{merkle::tree, roster::RosterId};
use skipchain::{
    BackLinks, BackProof, BlockId, ChainId, Conflict, Header, Inclusion, Link, LinkStatement,
    Proof, Shape, Spine, Trust, endorser::Record, tree::Tree, wire::Wire,
};

use crate::common::{Chain, QUORUM, parse, shape};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Round trip, truncation and a trailing byte, and the start of the hash of the encoding.
fn check<T: Wire + PartialEq + Debug>(values: &[T]) -> String {
    let mut all = Vec::new();
    for value in values {
        let bytes = value.encode();
        assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
        for len in 0..bytes.len() {
            assert!(T::decode(&bytes[..len]).is_err(), "{len} bytes of {value:?}");
        }
        assert!(T::decode(&[&bytes[..], &[0]].concat()).is_err());
        all.extend(bytes);
    }
    hex(&tree::leaf_hash(&all)[..8])
}

#[test]
fn formats_are_canonical_and_a_change_is_a_decision() {
    let chain = Chain::new(1, shape(2, 4), 12, 3);
    let statement = chain.statement(0, 2).unwrap();
    let signed = |signers: &[u16]| (statement, chain.group(0).sign(&statement, signers));
    let header = |at| Some((chain.header(at).clone(), chain.back(at).clone()));
    let trust = |at: u64| Trust {
        anchor: chain.header(0).clone(),
        opening: chain.group(0).open_all(),
        head: chain.header(at).clone(),
    };
    let record = Record { from: statement.from, level: 2, to: statement.to };
    let payload = Tree::new((0..9).map(|leaf| tree::leaf_hash(&[leaf])));
    let hashes = [
        ("id", check(&[BlockId([1; 32])])),
        ("chain", check(&[ChainId([2; 32])])),
        ("shape", check(&[Shape::default(), shape(1, 1), shape(u32::MAX, 64)])),
        ("header", check(&chain.headers)),
        ("back links", check::<BackLinks>(&chain.backs)),
        ("spine", check(std::slice::from_ref(&chain.spine))),
        ("statement", check::<LinkStatement>(&[statement])),
        ("link", check::<Link>(&[0, 1, 2].map(|level| chain.link(4, level).unwrap()))),
        ("proof", check::<Proof>(&[chain.proof(0, 0), chain.proof(0, 11)])),
        ("way back", check(&[BackProof::build(11, 1, header).unwrap()])),
        ("trust", check(&[trust(0), trust(7)])),
        ("inclusion", check(&[3, 8].map(|at| Inclusion { path: payload.path(at).unwrap() }))),
        ("record", check(&[record])),
        ("conflict", check(&[Conflict { links: [signed(&QUORUM), signed(&[2])] }])),
    ];
    let committed = [
        ("id", "dcffe786ded16d28"),
        ("chain", "cba8c596120bdb69"),
        ("shape", "17efdc51b6389ba9"),
        ("header", "71641b181ab93e27"),
        ("back links", "56f1da06fb03ab61"),
        ("spine", "db9f2ad55aa5caac"),
        ("statement", "bdad61d3737667e2"),
        ("link", "f16c93ab39bdb313"),
        ("proof", "13d195e9c1cf1a7d"),
        ("way back", "53dfb81b727e52a8"),
        ("trust", "44e4d54e689f4083"),
        ("inclusion", "bde419c926fdb16d"),
        ("record", "6f0e91374c15c0aa"),
        ("conflict", "72199822cb46d054"),
    ];
    assert_eq!(hashes.each_ref().map(|(name, hash)| (*name, &hash[..])), committed);
}

#[test]
fn a_headers_id_is_the_hash_of_all_its_fields() {
    let header = Header {
        version: 1,
        chain: ChainId([1; 32]),
        index: 6,
        height: 2,
        shape: Shape::default(),
        roster: RosterId([2; 32]),
        back_root: [3; 32],
        payload_root: [4; 32],
        state_root: Some([5; 32]),
    };
    let fields = [
        &[1][..],
        &[1; 32],
        &[6, 0, 0, 0, 0, 0, 0, 0],
        &[2],
        &[2, 0, 0, 0, 32],
        &[2; 32],
        &[3; 32],
        &[4; 32],
        &[1],
        &[5; 32],
    ];
    assert_eq!(header.encode(), fields.concat());
    let id = "aa3ba7fd5c8f14fff31b1a9383f176547e50f11aac29f6786eba8b109bd1d70b";
    assert_eq!(hex(&header.id().0), id);
    let bytes = header.encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let Ok(other) = Header::decode(&bytes) else { continue };
            assert_ne!(other.id(), header.id(), "byte {at}");
        }
    }
}

#[test]
fn hostile_lengths_are_refused_before_they_cost() {
    let chain = Chain::new(1, shape(2, 4), 4, 9);
    let long = |bytes: &[u8], at: usize, len: u32| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
        bytes
    };
    let proof = chain.proof(0, 4).encode();
    let back =
        BackProof::build(4, 0, |at| Some((chain.header(at).clone(), chain.back(at).clone())));
    let back = back.unwrap().encode();
    let (spine, levels) = (chain.spine.encode(), chain.header(4).encode().len());
    for len in [2, 65_537, u32::MAX] {
        assert!(parse(&long(&proof, 72, len)).is_err());
        assert!(BackProof::decode(&long(&back, 8, len)).is_err());
    }
    for len in [3, 5, 65, u32::MAX] {
        assert!(Spine::decode(&long(&spine, levels, len)).is_err());
    }
    // Seven siblings, and 65 links: one more than any block has.
    let siblings = 76 + 1 + 1 + 32 + 33;
    let mut seven = long(&proof, siblings, 7);
    seven.splice(siblings + 4..siblings + 36, [0; 7 * 32]);
    assert!(parse(&seven).is_err());
    let mut six = long(&proof, siblings, 6);
    six.splice(siblings + 4..siblings + 36, [0; 6 * 32]);
    assert!(parse(&six).is_ok());
    assert!(BackLinks::decode(&[&65u32.to_le_bytes()[..], &[0; 65 * 32]].concat()).is_err());
    assert!(BackLinks::decode(&[&64u32.to_le_bytes()[..], &[0; 64 * 32]].concat()).is_ok());
}
