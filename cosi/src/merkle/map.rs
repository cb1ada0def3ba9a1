//! A compact sparse Merkle map: values by key under one hash, with proofs of presence and absence.
//!
//! A subtree without keys hashes to zeros, one with a single key to
//! SHA-256([`MAP_LEAF`] ‖ key ‖ value), any other to SHA-256([`MAP_NODE`] ‖ left ‖ right), where
//! the key's next bit, the most significant first, says left (0) or right (1). So the root
//! follows from the entries alone, in whatever order they came, and paths are about log₂ n long.
//!
//! # Why a proof has one reading
//! A leaf and a node are hashed under different tags of one length, so without a collision of
//! SHA-256 neither is a second preimage of the other, and nobody knows what hashes to zeros:
//! whoever walks down from a root is told at each step whether the path ends there. The bits of
//! the key that is asked for choose each step, so a root has one path for a key, and one end of
//! it. Nodes need not name their depth, as a leaf names its whole key: shown at another depth
//! or place, it is on another key's path. This holds for any root, whoever made it: no key is
//! both present and absent.
//!
//! # Keys
//! Keys are hashes, which nobody chooses. All keys are handled alike and a path has at most 256
//! steps, but whoever can make two keys with a common prefix of b bits makes the paths to them
//! b steps long.
//!
//! Compare "Efficient Sparse Merkle Trees" (Dahlberg, Pulls, Peeters, 2016), whose tree has 256
//! levels for every key.
//!
//! ```
//! use cosi::merkle::{map::Map, tree::leaf_hash};
//! let (alice, bob, carol) = (leaf_hash(b"alice"), leaf_hash(b"bob"), leaf_hash(b"carol"));
//! let mut map = Map::from_iter([(alice, [1; 32]), (bob, [2; 32])]);
//! let before = map.clone();
//! map.insert(carol, [3; 32]);
//!
//! assert_eq!(map.prove(&carol).verify(&map.root(), &carol), Ok(Some([3; 32])));
//! assert_eq!(before.prove(&carol).verify(&before.root(), &carol), Ok(None));
//! assert!(map.prove(&carol).verify(&before.root(), &carol).is_err());
//!
//! map.remove(&carol);
//! assert_eq!(map.root(), before.root());
//! ```

use alloc::{sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

pub use crate::merkle::tree::Hash;
use crate::{
    domain::{MAP_LEAF, MAP_NODE},
    wire::BoundedVec,
};

/// The root without entries.
pub const EMPTY: Hash = [0; 32];

fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
    Sha256::new_with_prefix(MAP_LEAF).chain_update(key).chain_update(value).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix(MAP_NODE).chain_update(left).chain_update(right).finalize().into()
}

/// Values by key, under one hash.
///
/// A clone is one reference count, and shares all that neither side changes. Hashes are computed
/// when [`root`](Self::root) or [`prove`](Self::prove) asks, once for every node that changed
/// since. Takes the memory that its entries need: who lets peers add some bounds how many.
#[derive(Clone, Default)]
pub struct Map {
    top: Link,
    len: usize,
}

/// A subtree, if it has keys.
type Link = Option<Arc<Node>>;

#[derive(Clone)]
struct Node {
    hash: Cached,
    kind: Kind,
}

/// A branch has at least two keys below it.
#[derive(Clone)]
enum Kind {
    Leaf { key: Hash, value: Hash },
    Branch { left: Link, right: Link },
}

impl Map {
    /// A map without entries.
    pub const fn new() -> Self {
        Self { top: None, len: 0 }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash over all entries, or [`EMPTY`].
    pub fn root(&self) -> Hash {
        hash(&self.top)
    }

    /// The value at `key`.
    pub fn get(&self, key: &Hash) -> Option<&Hash> {
        let mut link = &self.top;
        for depth in 0.. {
            match &link.as_ref()?.kind {
                Kind::Leaf { key: found, value } => return (found == key).then_some(value),
                Kind::Branch { left, right } => link = if bit(key, depth) { right } else { left },
            }
        }
        None
    }

    /// Sets the value at `key`, and returns the one before.
    pub fn insert(&mut self, key: Hash, value: Hash) -> Option<Hash> {
        let before = self.get(&key).copied();
        if before.is_none() {
            self.len = self.len.saturating_add(1);
        }
        if before != Some(value) {
            insert(&mut self.top, 0, key, value);
        }
        before
    }

    /// Removes the entry at `key`, and returns its value.
    pub fn remove(&mut self, key: &Hash) -> Option<Hash> {
        let before = self.get(key).copied()?;
        self.len = self.len.saturating_sub(1);
        remove(&mut self.top, 0, key);
        Some(before)
    }

    /// The entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Hash, &Hash)> {
        let mut stack: Vec<&Node> = self.top.as_deref().into_iter().collect();
        core::iter::from_fn(move || {
            loop {
                match &stack.pop()?.kind {
                    Kind::Leaf { key, value } => return Some((key, value)),
                    Kind::Branch { left, right } => {
                        stack.extend([right, left].into_iter().filter_map(Option::as_deref));
                    }
                }
            }
        })
    }

    /// Proves the value at `key`, or that there is none.
    pub fn prove(&self, key: &Hash) -> Proof {
        let (mut link, mut siblings) = (&self.top, Vec::new());
        let end = loop {
            let Some(node) = link else { break End::Nothing };
            match &node.kind {
                Kind::Leaf { key: found, value } if found == key => break End::Value(*value),
                Kind::Leaf { key, value } => break End::Other { key: *key, value: *value },
                Kind::Branch { left, right } => {
                    let right_is_next = bit(key, siblings.len());
                    let (next, other) = if right_is_next { (right, left) } else { (left, right) };
                    siblings.push(hash(other));
                    link = next;
                }
            }
        };
        // Two keys part at their 256th bit at the latest.
        Proof { end, siblings: BoundedVec::new(siblings).unwrap_or_default() }
    }
}

impl FromIterator<(Hash, Hash)> for Map {
    fn from_iter<I: IntoIterator<Item = (Hash, Hash)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl Extend<(Hash, Hash)> for Map {
    fn extend<I: IntoIterator<Item = (Hash, Hash)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

impl Eq for Map {}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Proves to who has a root what a key's value is, or that it has none: at most 8,261 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    end: End,
    /// The hashes beside the path, from the root down.
    siblings: BoundedVec<Hash, 256>,
}

/// What stands where the key's path ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
enum End {
    /// The key's own leaf, with this value.
    Value(Hash),
    /// No leaf.
    Nothing,
    /// The only leaf whose key begins as the path does, and it is another key's.
    Other { key: Hash, value: Hash },
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It is about another root or another key.
    #[error("the proof does not lead from the key to this root; ask for one under this root")]
    Root,
    /// The leaf that it shows to prove absence is the key's own, or is on another path.
    #[error("the proof of absence shows a leaf that does not belong there; drop the prover")]
    Misplaced,
}

impl Proof {
    /// The value at `key` under `root`, or `None` when the map has no such key.
    pub fn verify(&self, root: &Hash, key: &Hash) -> Result<Option<Hash>, ProofError> {
        let (found, end) = match &self.end {
            End::Nothing => (None, EMPTY),
            End::Value(value) => (Some(*value), leaf_hash(key, value)),
            End::Other { key: other, value } => {
                if other == key || common_prefix(key, other) < self.siblings.len() {
                    return Err(ProofError::Misplaced);
                }
                (None, leaf_hash(other, value))
            }
        };
        let upwards = self.siblings.iter().enumerate().rev();
        let computed = upwards.fold(end, |below, (depth, sibling)| {
            if bit(key, depth) { node_hash(sibling, &below) } else { node_hash(&below, sibling) }
        });
        if computed == *root { Ok(found) } else { Err(ProofError::Root) }
    }
}

fn hash(link: &Link) -> Hash {
    link.as_ref().map_or(EMPTY, |node| node.hash())
}

impl Node {
    fn new(kind: Kind) -> Arc<Self> {
        Arc::new(Self { hash: Cached::default(), kind })
    }

    fn leaf(key: Hash, value: Hash) -> Arc<Self> {
        Self::new(Kind::Leaf { key, value })
    }

    fn branch(right_is_first: bool, first: Link, second: Link) -> Arc<Self> {
        let (left, right) = if right_is_first { (second, first) } else { (first, second) };
        Self::new(Kind::Branch { left, right })
    }

    /// Recurses at most 256 deep, and not below nodes whose hash is known.
    fn hash(&self) -> Hash {
        self.hash.get().unwrap_or_else(|| {
            let computed = match &self.kind {
                Kind::Leaf { key, value } => leaf_hash(key, value),
                Kind::Branch { left, right } => node_hash(&hash(left), &hash(right)),
            };
            self.hash.set(&computed);
            computed
        })
    }
}

/// Sets the value in a subtree at `depth`, where it is not yet so.
fn insert(link: &mut Link, depth: usize, key: Hash, value: Hash) {
    let Some(node) = link else {
        *link = Some(Node::leaf(key, value));
        return;
    };
    if let Kind::Leaf { key: other, .. } = &node.kind {
        let leaf = Node::leaf(key, value);
        let split = common_prefix(&key, other);
        if split == 256 {
            *link = Some(leaf);
            return;
        }
        let both = Node::branch(bit(&key, split), Some(leaf), link.take());
        let chain = (depth..split).rev();
        *link = Some(chain.fold(both, |below, at| Node::branch(bit(&key, at), Some(below), None)));
        return;
    }
    let node = Arc::make_mut(node);
    node.hash = Cached::default();
    if let Kind::Branch { left, right } = &mut node.kind {
        let next = if bit(&key, depth) { right } else { left };
        insert(next, depth.saturating_add(1), key, value);
    }
}

/// Removes a key that is in a subtree at `depth`. A branch left with one leaf becomes that leaf.
fn remove(link: &mut Link, depth: usize, key: &Hash) {
    let Some(node) = link else { return };
    if matches!(node.kind, Kind::Leaf { .. }) {
        *link = None;
        return;
    }
    let node = Arc::make_mut(node);
    node.hash = Cached::default();
    let Kind::Branch { left, right } = &mut node.kind else { return };
    remove(if bit(key, depth) { right } else { left }, depth.saturating_add(1), key);
    if let (Some(only), None) | (None, Some(only)) = (left, right)
        && matches!(only.kind, Kind::Leaf { .. })
    {
        *link = Some(only.clone());
    }
}

/// The bit of `key` that a branch at `depth` goes by.
fn bit(key: &Hash, depth: usize) -> bool {
    key.get(depth / 8).is_some_and(|byte| (byte << (depth % 8)) & 0x80 != 0)
}

/// How many bits two keys begin with in common: 256 when they are the same.
fn common_prefix(a: &Hash, b: &Hash) -> usize {
    let mut bits = 0_usize;
    for (a, b) in a.iter().zip(b) {
        let same = (a ^ b).leading_zeros();
        bits = bits.saturating_add(usize::try_from(same).unwrap_or_default());
        if same < 8 {
            break;
        }
    }
    bits
}

/// A node's hash, once somebody has asked for it.
///
/// Nodes are shared among threads. Two that ask at once compute the same hash, so it does not
/// matter whose words are stored; the flag is set after the words and read before them.
#[derive(Default)]
struct Cached {
    words: [AtomicU32; 8],
    known: AtomicBool,
}

impl Cached {
    fn get(&self) -> Option<Hash> {
        if !self.known.load(Ordering::Acquire) {
            return None;
        }
        let mut hash = [0; 32];
        for (bytes, word) in hash.chunks_exact_mut(4).zip(&self.words) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        Some(hash)
    }

    fn set(&self, hash: &Hash) {
        for (bytes, word) in hash.as_chunks().0.iter().zip(&self.words) {
            word.store(u32::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        self.known.store(true, Ordering::Release);
    }
}

impl Clone for Cached {
    fn clone(&self) -> Self {
        let clone = Self::default();
        if let Some(hash) = self.get() {
            clone.set(&hash);
        }
        clone
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, vec};

    use super::*;

    fn key(number: u32) -> Hash {
        Sha256::digest(number.to_le_bytes()).into()
    }

    fn nodes(map: &Map) -> Vec<&Arc<Node>> {
        let (mut found, mut stack) = (vec![], vec![&map.top]);
        while let Some(link) = stack.pop() {
            let Some(node) = link else { continue };
            found.push(node);
            if let Kind::Branch { left, right } = &node.kind {
                stack.extend([left, right]);
            }
        }
        found
    }

    fn unhashed(map: &Map) -> usize {
        nodes(map).iter().filter(|node| node.hash.get().is_none()).count()
    }

    #[test]
    fn hashes_wait_for_the_root_and_are_computed_once() {
        let mut map: Map = (0..20_000).map(|n| (key(n), [1; 32])).collect();
        let all = nodes(&map).len();
        assert!(all < 60_000, "about two nodes an entry: {all}");
        assert_eq!(unhashed(&map), all);
        map.root();
        assert_eq!(unhashed(&map), 0);

        map.insert(key(7), [2; 32]);
        let path = map.prove(&key(7)).siblings.len() + 1;
        assert_eq!(unhashed(&map), path);
        map.root();
        map.insert(key(7), [2; 32]);
        map.remove(&key(20_000));
        assert_eq!(unhashed(&map), 0, "nothing changed");
    }

    #[test]
    fn a_clone_shares_what_does_not_change() {
        let mut map: Map = (0..1000).map(|n| (key(n), [1; 32])).collect();
        map.root();
        let parent = map.clone();
        map.insert(key(5), [2; 32]);
        map.remove(&key(6));
        let theirs: BTreeSet<_> = nodes(&parent).into_iter().map(Arc::as_ptr).collect();
        let own = nodes(&map).into_iter().filter(|node| !theirs.contains(&Arc::as_ptr(node)));
        let paths = [5, 6].map(|n| parent.prove(&key(n)).siblings.len() + 1);
        assert!(own.count() <= paths[0] + paths[1]);
        assert_eq!((unhashed(&parent), parent.get(&key(5))), (0, Some(&[1; 32])));
    }

    #[test]
    fn the_cache_gives_back_what_it_took() {
        let cached = Cached::default();
        assert_eq!(cached.get(), None);
        cached.set(&key(1));
        assert_eq!((cached.get(), cached.clone().get()), (Some(key(1)), Some(key(1))));
    }
}
