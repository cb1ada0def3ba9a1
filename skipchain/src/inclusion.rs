//! That an entry stands in a block's payload.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::merkle::tree::{Path, leaf_hash};

use crate::header::Header;

/// The way from an entry up to a block's payload root.
///
/// ```
/// use skipchain::{ChainId, Header, Inclusion, Shape, roster::RosterId, tree::{Tree, leaf_hash}};
/// let payload = Tree::new([b"one", b"two"].map(|entry| leaf_hash(entry)));
/// let (chain, roster) = (ChainId([1; 32]), RosterId([7; 32]));
/// let header = Header::genesis(chain, Shape::default(), roster, payload.root(), None);
/// let inclusion = Inclusion { path: payload.path(1).unwrap() };
/// assert!(inclusion.verify(&header, b"two"));
/// assert!(!inclusion.verify(&header, b"one"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Inclusion {
    /// The path.
    pub path: Path,
}

impl Inclusion {
    /// Whether `entry` is in the payload of the block with this header, which the caller has
    /// verified. Nothing tells how many entries there are.
    pub fn verify(&self, header: &Header, entry: &[u8]) -> bool {
        self.path.verify(&header.payload_root, &leaf_hash(entry))
    }
}
