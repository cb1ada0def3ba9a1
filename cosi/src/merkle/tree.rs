//! The Merkle tree of RFC 6962, section 2.1: an ordered list of values under one hash.
//!
//! Leaves and inner nodes are hashed under different prefixes, so neither passes for the other.
//!
//! ```
//! use cosi::merkle::tree::{Tree, leaf_hash};
//! let leaves = [b"a", b"b", b"c"].map(|leaf| leaf_hash(leaf));
//! let tree = Tree::new(leaves);
//! let path = tree.path(2).unwrap();
//! assert!(path.verify(&tree.root(), &leaf_hash(b"c")));
//! assert!(!path.verify(&tree.root(), &leaf_hash(b"b")));
//! ```

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::wire::BoundedVec;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a value as a leaf: SHA-256(0x00 ‖ value).
pub fn leaf_hash(value: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(value).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree over leaf hashes, all of its nodes kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// From the leaves up. A level's last node, when it has no sibling, moves up as it is.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over these leaf hashes.
    pub fn new(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut levels = Vec::new();
        let mut level: Vec<Hash> = leaves.into_iter().collect();
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                alone => alone.first().copied().unwrap_or_default(),
            });
            let above = above.collect();
            levels.push(core::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// The hash over all leaves. Without leaves, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let root = self.levels.last().and_then(|level| level.first());
        root.copied().unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// How many leaves there are.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| count(leaves.len()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The way from the leaf at `index` to the root.
    pub fn path(&self, index: u64) -> Option<Path> {
        let mut at = usize::try_from(index).ok().filter(|_| index < self.len())?;
        let mut siblings = Vec::new();
        for level in &self.levels {
            siblings.extend(level.get(at ^ 1));
            at /= 2;
        }
        Some(Path { index, len: self.len(), siblings: BoundedVec::new(siblings)? })
    }
}

/// The root over these leaf hashes.
pub fn root(leaves: impl IntoIterator<Item = Hash>) -> Hash {
    Tree::new(leaves).root()
}

/// The way from one leaf to the root: RFC 6962's audit path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Path {
    index: u64,
    len: u64,
    siblings: BoundedVec<Hash, 64>,
}

impl Path {
    /// The path of the leaf at `index` among `len`, for formats that fix both and so carry the
    /// siblings alone, from the leaf up.
    pub const fn new(index: u64, len: u64, siblings: BoundedVec<Hash, 64>) -> Self {
        Self { index, len, siblings }
    }

    /// The siblings, from the leaf up.
    pub fn siblings(&self) -> &[Hash] {
        &self.siblings
    }

    /// The leaf's position. The root vouches for it only together with [`len`](Self::len).
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many leaves the tree is said to have. No root tells: compare it with what you know.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the tree is said to have no leaves, and so no path.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `leaf` stands under `root` here.
    pub fn verify(&self, root: &Hash, leaf: &Hash) -> bool {
        self.root(leaf).is_some_and(|computed| computed == *root)
    }

    /// The root that `leaf` would have, or `None` when the path is not as long as it must be.
    pub fn root(&self, leaf: &Hash) -> Option<Hash> {
        if self.index >= self.len {
            return None;
        }
        let (mut at, mut last, mut hash) = (self.index, self.len.saturating_sub(1), *leaf);
        let mut siblings = self.siblings.iter();
        while last > 0 {
            if at % 2 == 1 {
                hash = node_hash(siblings.next()?, &hash);
            } else if at < last {
                hash = node_hash(&hash, siblings.next()?);
            }
            (at, last) = (at / 2, last / 2);
        }
        siblings.next().is_none().then_some(hash)
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Wire;

    /// RFC 6962, written as its definition.
    fn reference(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&reference(left), &reference(right))
            }
        }
    }

    #[test]
    fn roots_and_paths_are_those_of_the_definition() {
        let leaves: Vec<Hash> = (0..70u8).map(|leaf| leaf_hash(&[leaf])).collect();
        for len in 0..leaves.len() {
            let tree = Tree::new(leaves[..len].iter().copied());
            assert_eq!(tree.root(), reference(&leaves[..len]));
            for (index, leaf) in (0..).zip(&leaves[..len]) {
                let path = Path::decode(&tree.path(index).unwrap().encode()).unwrap();
                assert_eq!(path.root(leaf), Some(tree.root()));
                let siblings = BoundedVec::new(path.siblings().to_vec()).unwrap();
                assert_eq!(Path::new(index, tree.len(), siblings), path);
                let other = leaves.iter().find(|other| *other != leaf).unwrap();
                assert!(!path.verify(&tree.root(), other));
            }
            assert!(tree.path(count(len)).is_none());
        }
    }

    #[test]
    fn an_inner_node_is_no_leaf_and_a_path_has_one_length() {
        let leaves = [1, 2, 3, 4].map(|leaf| leaf_hash(&[leaf]));
        let tree = Tree::new(leaves);
        let path = tree.path(0).unwrap();
        let siblings = BoundedVec::new(path.siblings[1..].to_vec()).unwrap();
        let inner = [leaves[0], leaves[1]].concat();
        assert!(!Path { index: 0, len: 2, siblings }.verify(&tree.root(), &leaf_hash(&inner)));
        for len in [0, 2, 5, 9] {
            assert!(!Path { len, ..path.clone() }.verify(&tree.root(), &leaves[0]));
        }
    }
}
