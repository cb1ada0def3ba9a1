//! The ordered tree against an independent implementation of RFC 6962.

use cosi::{
    merkle::tree::{Path, Tree, leaf_hash, root},
    wire::Wire,
};
use ct_merkle::{InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use sha2::Sha256;

#[test]
fn roots_and_paths_are_those_of_ct_merkle() {
    let values: Vec<[u8; 2]> = (0..130_u16).map(u16::to_le_bytes).collect();
    let mut theirs = MemoryBackedTree::<Sha256, [u8; 2]>::new();
    for len in 1..=values.len() {
        theirs.push(values[len - 1]);
        let ours = Tree::new(values[..len].iter().map(|value| leaf_hash(value)));
        let their_root = theirs.root();
        assert_eq!(ours.root()[..], their_root.as_bytes()[..], "{len} leaves");
        if len % 13 > 2 {
            continue;
        }
        for (index, value) in values[..len].iter().enumerate() {
            let path = ours.path(index.try_into().unwrap()).unwrap();
            let siblings = path.encode().split_off(20);
            assert_eq!(siblings, theirs.prove_inclusion(index).as_bytes());
            let proof = InclusionProof::<Sha256>::from_bytes(siblings);
            let root = RootHash::<Sha256>::new(ours.root().into(), len.try_into().unwrap());
            assert!(root.verify_inclusion(value, index.try_into().unwrap(), &proof).is_ok());
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_path_is_refused() {
    let leaves: Vec<_> = (0..11_u8).map(|value| leaf_hash(&[value])).collect();
    let (tree, expected) = (Tree::new(leaves.clone()), root(leaves.clone()));
    let mut same = 0;
    for (index, leaf) in (0..).zip(&leaves) {
        let bytes = tree.path(index).unwrap().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(path) = Path::decode(&flipped) else { continue };
            if path.verify(&expected, leaf) {
                // A root does not tell its tree's size: only the stated length may differ.
                assert_eq!((path.index(), path.len() != 11), (index, true));
                same += 1;
            }
        }
    }
    assert!(same > 0, "lengths that ask for the same siblings exist, as the docs say");
}
