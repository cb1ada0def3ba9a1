//! The chosen deals, coded so that the fragments of any f + 1 servers rebuild them.
//!
//! Without them a client that shows the deals of one group only to acknowledgers of its own could
//! learn the output, and withhold it. With them whoever acknowledges holds a fragment, n − 2f ≥
//! f + 1 of those who did are honest, and what any f + 1 of them rebuild is what all of them do.
//!
//! ```text
//!  bytes      deals of group 0 ‖ deals of group 1 ‖ …, each encoded after its number of deals, with
//!             zeros up to k·s bytes; k = f + 1, and s is the least even number that is enough
//!  fragments  0, …, k − 1 are the bytes, cut; k, …, n − 1 the code's recovery shards 0, …, n − k − 1
//!  root       of the RFC 6962 tree over the n fragments, in the order of the roster
//! ```
//!
//! The code is the Reed–Solomon code over GF(2^16) of the crate reed-solomon-simd 3, at its default
//! rate, whose additive FFT is that of Lin, Han and Chung (FOCS 2014). A test pins its fragments.

use alloc::{collections::BTreeMap, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    machine::Index,
    merkle::tree::{Path, Tree, leaf_hash},
    roster::Roster,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use crate::{
    message::{Deals, MAX_GROUPS},
    session::Session,
};

/// The longest fragment, in bytes: twice what the largest deals make.
pub const MAX_FRAGMENT: usize = 1 << 17;

/// One server's fragment, and its way to the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Fragment {
    /// The fragment.
    pub bytes: BoundedBytes<MAX_FRAGMENT>,
    /// The siblings from it to the root, whose position is the server's.
    pub siblings: BoundedVec<[u8; 32], 64>,
}

impl Fragment {
    /// Whether it is this server's, under this root.
    pub fn verify(&self, roster: &Roster, root: &[u8; 32], server: Index) -> bool {
        let servers = u64::try_from(roster.size()).unwrap_or(u64::MAX);
        let path = Path::new(server.get().into(), servers, self.siblings.clone());
        path.verify(root, &leaf_hash(&self.bytes))
    }
}

/// Fragments, by their servers' positions.
type ByPosition<'a> = BTreeMap<usize, &'a [u8]>;

/// How many fragments there are, and how many rebuild.
#[derive(Clone, Copy, Debug)]
struct Shape {
    enough: usize,
    servers: usize,
}

impl Shape {
    fn of(roster: &Roster) -> Self {
        let faulty = usize::try_from(roster.faulty()).unwrap_or(usize::MAX);
        Self { enough: faulty.saturating_add(1), servers: roster.size() }
    }

    const fn others(self) -> usize {
        self.servers.saturating_sub(self.enough)
    }

    /// The size of a fragment of so many bytes.
    fn fragment(self, len: usize) -> usize {
        len.div_ceil(self.enough).next_multiple_of(2).max(2)
    }

    /// Whether there is a code.
    fn is_supported(self) -> bool {
        self.others() == 0 || ReedSolomonEncoder::supports(self.enough, self.others())
    }

    /// All fragments of these bytes.
    fn code(self, mut bytes: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        let size = self.fragment(bytes.len());
        if size > MAX_FRAGMENT {
            return None;
        }
        bytes.resize(size.checked_mul(self.enough)?, 0);
        let mut fragments: Vec<_> = bytes.chunks(size).map(<[u8]>::to_vec).collect();
        if self.others() > 0 {
            let mut encoder = ReedSolomonEncoder::new(self.enough, self.others(), size).ok()?;
            for fragment in &fragments {
                encoder.add_original_shard(fragment).ok()?;
            }
            let coded = encoder.encode().ok()?;
            fragments.extend(coded.recovery_iter().map(<[u8]>::to_vec));
        }
        Some(fragments)
    }

    /// The bytes, with their padding, of fragments by position.
    fn restore(self, fragments: &ByPosition<'_>) -> Option<Vec<u8>> {
        let size = fragments.values().next()?.len();
        if fragments.len() < self.enough || fragments.values().any(|bytes| bytes.len() != size) {
            return None;
        }
        let (own, others): (ByPosition<'_>, ByPosition<'_>) =
            fragments.iter().partition(|(at, _)| **at < self.enough);
        let mut parts: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        if own.len() < self.enough {
            let mut decoder = ReedSolomonDecoder::new(self.enough, self.others(), size).ok()?;
            for (at, bytes) in &own {
                decoder.add_original_shard(*at, bytes).ok()?;
            }
            for (at, bytes) in &others {
                decoder.add_recovery_shard(at.checked_sub(self.enough)?, bytes).ok()?;
            }
            let restored = decoder.decode().ok()?;
            parts.extend(restored.restored_original_iter().map(|(at, bytes)| (at, bytes.to_vec())));
        }
        parts.extend(own.into_iter().map(|(at, bytes)| (at, bytes.to_vec())));
        Some(parts.into_values().flatten().collect())
    }
}

/// Whether there is a code for so many servers.
pub(crate) fn supports(roster: &Roster) -> bool {
    Shape::of(roster).is_supported()
}

/// How many fragments rebuild the deals: f + 1.
pub fn enough(session: &Session) -> usize {
    Shape::of(session.roster()).enough
}

/// Coded deals: every server's fragment.
#[derive(Clone, Debug)]
pub struct Coded {
    fragments: Vec<Vec<u8>>,
    tree: Tree,
}

impl Coded {
    /// Codes the chosen deals of all groups, in order.
    pub fn new<'a>(session: &Session, deals: impl IntoIterator<Item = &'a Deals>) -> Option<Self> {
        let mut bytes = Vec::new();
        deals.into_iter().for_each(|deals| bytes.extend(deals.encode()));
        Self::code(session, bytes)
    }

    /// Codes any bytes.
    pub fn code(session: &Session, bytes: Vec<u8>) -> Option<Self> {
        let fragments = Shape::of(session.roster()).code(bytes)?;
        let tree = Tree::new(fragments.iter().map(|fragment| leaf_hash(fragment)));
        Some(Self { fragments, tree })
    }

    /// What a statement holds of them.
    pub fn root(&self) -> [u8; 32] {
        self.tree.root()
    }

    /// A server's fragment.
    pub fn fragment(&self, server: Index) -> Option<Fragment> {
        let bytes = self.fragments.get(usize::from(server.get()))?.clone();
        let path = self.tree.path(server.get().into())?;
        let siblings = BoundedVec::new(path.siblings().to_vec())?;
        Some(Fragment { bytes: BoundedBytes::new(bytes)?, siblings })
    }
}

/// Rebuilds the deals of all groups from at least f + 1 fragments, which stand under one root.
///
/// `None`: they are fewer, or no fragments of coded deals. It does not say that the deals are
/// those that the root's statement names, nor that all other fragments under it are theirs: see
/// [`Session::check_choice`].
pub fn rebuild<'a>(
    session: &Session,
    fragments: &'a BTreeMap<Index, Fragment>,
) -> Option<BoundedVec<Deals, MAX_GROUPS>> {
    let at =
        |(index, fragment): (&Index, &'a Fragment)| (usize::from(index.get()), &*fragment.bytes);
    let fragments = fragments.iter().map(at).collect();
    let bytes = Shape::of(session.roster()).restore(&fragments)?;
    let mut rest = &bytes[..];
    let deals = session.groups().iter().map(|_| Deals::deserialize(&mut rest).ok());
    BoundedVec::new(deals.collect::<Option<_>>()?)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use alloc::vec;

    use super::*;

    fn shape(servers: usize) -> Shape {
        let roster = u64::try_from(servers).unwrap();
        let faulty = usize::try_from(cosi::roster::faulty(roster)).unwrap();
        Shape { enough: faulty + 1, servers }
    }

    #[test]
    fn as_many_servers_are_supported_as_are_said_to_be() {
        for servers in [1, 2, 3, 4, 7, 1_024, 4_096, 16_384, 32_768, 49_153] {
            assert!(shape(servers).is_supported(), "{servers}");
        }
        assert!(!shape(49_154).is_supported());
        assert!(!shape(65_536).is_supported());
    }

    #[test]
    fn the_last_third_of_the_most_servers_rebuild() {
        let shape = shape(49_153);
        let bytes: Vec<u8> = (0..60_000_u32).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
        let fragments = shape.code(bytes.clone()).unwrap();
        assert_eq!((fragments.len(), fragments[0].len()), (49_153, 4));
        let last = (0..).zip(&fragments).skip(49_153 - shape.enough);
        let last: ByPosition<'_> = last.map(|(at, bytes)| (at, &bytes[..])).collect();
        let restored = shape.restore(&last).unwrap();
        assert_eq!(restored[..bytes.len()], bytes);
        assert_eq!(restored[bytes.len()..], vec![0; 4 * shape.enough - bytes.len()]);
    }
}
