//! Blocks: a header and a body that travel apart.
//!
//! What is voted on is small: H(header ‖ chunk root ‖ size). The body follows in chunks of
//! [`CHUNK`] bytes, each with its Merkle path, so that any member can pass on any part of it and
//! nobody keeps a byte that the proposal does not name.
//!
//! ```
//! use byzcoin::{Body, Header, Height, Proposal, View, roster::RosterId};
//! let body = Body::new(&[7; 100_000]).unwrap();
//! let header = Header {
//!     parent: [0; 32],
//!     height: Height::FIRST,
//!     first_view: View::ZERO,
//!     next_roster: RosterId([1; 32]),
//!     next_start: 0,
//!     app: Default::default(),
//! };
//! let proposal = Proposal::new(header, &body);
//! assert_eq!(proposal.chunks(), 2);
//! assert!(body.chunks().iter().all(|chunk| proposal.admits(chunk)));
//! ```

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain,
    merkle::tree::{self, Path, Tree},
    roster::{Roster, RosterId},
    transcript::Hash,
    wire::{BoundedBytes, BoundedVec, Wire},
};

use crate::{
    statement::{Digest, Height, Kind, Scope, View},
    votes::Votes,
};

/// The bytes of a chunk. Only a body's last chunk is shorter.
pub const CHUNK: usize = 1 << 16;
/// The most bytes of any body: 32 MiB.
pub const MAX_BODY: usize = 1 << 25;
/// The most chunks of any body.
pub const MAX_CHUNKS: usize = MAX_BODY / CHUNK;

/// What the application puts into a header. The engine does not read it.
pub type App = BoundedBytes<4096>;

/// What a block says of its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// The block below.
    pub parent: Digest,
    /// The block's height.
    pub height: Height,
    /// The view in which the block was first proposed. Re-proposals keep it.
    pub first_view: View,
    /// Who decides the next height.
    pub next_roster: RosterId,
    /// Whose turn view 0 of the next height is: a position in the order of leaders.
    pub next_start: u16,
    /// The application's part.
    pub app: App,
}

/// What a leader proposes, and what is voted on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The header.
    pub header: Header,
    /// The Merkle root over the body's chunks.
    pub chunk_root: Digest,
    /// The body's length in bytes.
    pub size: u32,
}

impl Proposal {
    /// The proposal of a block with this header and body.
    pub fn new(header: Header, body: &Body) -> Self {
        Self { header, chunk_root: body.root(), size: body.size() }
    }

    /// Names the block: H(header ‖ chunk root ‖ size).
    pub fn digest(&self) -> Digest {
        Hash::new(domain::PROPOSAL).bytes(&self.encode()).digest()
    }

    /// How many chunks the body has.
    pub fn chunks(&self) -> u32 {
        self.size.div_ceil(u32::try_from(CHUNK).unwrap_or(u32::MAX))
    }

    /// Whether there is such a body: of no bytes there is one root.
    pub(crate) fn names_a_body(&self) -> bool {
        self.size > 0 || self.chunk_root == tree::root([])
    }

    /// Whether `chunk` is a part of the body.
    pub fn admits(&self, chunk: &Chunk) -> bool {
        let Ok(index) = usize::try_from(chunk.path.index()) else { return false };
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let length = size.saturating_sub(index.saturating_mul(CHUNK)).min(CHUNK);
        chunk.path.len() == u64::from(self.chunks())
            && chunk.bytes.len() == length
            && chunk.path.verify(&self.chunk_root, &tree::leaf_hash(&chunk.bytes))
    }
}

/// A part of a body, and its path to the chunk root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Chunk {
    /// The bytes.
    pub bytes: BoundedBytes<CHUNK>,
    /// The place, proven.
    pub path: Path,
}

impl Chunk {
    fn index(&self) -> u32 {
        u32::try_from(self.path.index()).unwrap_or(u32::MAX)
    }
}

/// A whole body, cut into chunks. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body(Arc<Vec<Chunk>>);

impl Body {
    /// Cuts `bytes` into chunks. `None` when there are more than [`MAX_BODY`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_BODY {
            return None;
        }
        let tree = Tree::new(bytes.chunks(CHUNK).map(tree::leaf_hash));
        let cut = |(index, part): (u64, &[u8])| {
            Some(Chunk { bytes: BoundedBytes::new(part.to_vec())?, path: tree.path(index)? })
        };
        (0..).zip(bytes.chunks(CHUNK)).map(cut).collect::<Option<_>>().map(|c| Self(Arc::new(c)))
    }

    /// The Merkle root over the chunks.
    pub fn root(&self) -> Digest {
        tree::root(self.0.iter().map(|chunk| tree::leaf_hash(&chunk.bytes)))
    }

    /// The length in bytes.
    pub fn size(&self) -> u32 {
        let size = self.0.iter().fold(0_usize, |sum, chunk| sum.saturating_add(chunk.bytes.len()));
        u32::try_from(size).unwrap_or(u32::MAX)
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.0
    }

    /// The bytes.
    pub fn to_bytes(&self) -> BoundedBytes<MAX_BODY> {
        let bytes = self.0.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect();
        BoundedBytes::new(bytes).unwrap_or_default()
    }
}

/// A body on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Assembly {
    pub(crate) proposal: Proposal,
    /// At most one chunk for each place that the proposal has. Empty once the body is whole.
    parts: BTreeMap<u32, Chunk>,
    body: Option<Body>,
    /// What was asked for last and has not come. At most [`BATCH`] places.
    pub(crate) asked: Vec<u32>,
}

/// The most chunks that are asked for at once.
pub const BATCH: usize = 16;

impl Assembly {
    pub(crate) fn new(proposal: Proposal) -> Self {
        let mut assembly = Self { proposal, parts: BTreeMap::new(), body: None, asked: Vec::new() };
        assembly.complete();
        assembly
    }

    pub(crate) fn whole(proposal: Proposal, body: Body) -> Self {
        Self { proposal, parts: BTreeMap::new(), body: Some(body), asked: Vec::new() }
    }

    pub(crate) const fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }

    /// The chunk at `index`, if it is here.
    pub(crate) fn chunk(&self, index: u32) -> Option<&Chunk> {
        let whole = self.body.as_ref().zip(usize::try_from(index).ok());
        whole.and_then(|(body, at)| body.0.get(at)).or_else(|| self.parts.get(&index))
    }

    /// The first places without a chunk.
    pub(crate) fn missing(&self) -> BoundedVec<u32, BATCH> {
        let places = 0..if self.body.is_some() { 0 } else { self.proposal.chunks() };
        let missing = places.filter(|index| !self.parts.contains_key(index));
        BoundedVec::new(missing.take(BATCH).collect()).unwrap_or_default()
    }

    /// Takes a chunk in. `false` when it is no part of the body.
    pub(crate) fn add(&mut self, chunk: Chunk) -> bool {
        if self.chunk(chunk.index()).is_some() {
            return true;
        }
        if !self.proposal.admits(&chunk) {
            return false;
        }
        self.asked.retain(|index| *index != chunk.index());
        self.parts.insert(chunk.index(), chunk);
        self.complete();
        true
    }

    fn complete(&mut self) {
        if u32::try_from(self.parts.len()) == Ok(self.proposal.chunks()) {
            let parts = core::mem::take(&mut self.parts);
            self.body = Some(Body(Arc::new(parts.into_values().collect())));
        }
    }
}

/// A proposal with its body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// What was voted on.
    pub proposal: Proposal,
    /// What the application asked to be ordered.
    pub body: BoundedBytes<MAX_BODY>,
}

impl Block {
    /// Whether the body is the one that the proposal names.
    pub fn holds(&self) -> bool {
        Body::new(&self.body).is_some_and(|body| {
            body.root() == self.proposal.chunk_root && body.size() == self.proposal.size
        })
    }
}

/// A decided block: convinces whoever knows the roster.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decision<C> {
    /// The block.
    pub block: Block,
    /// The view of the certificate.
    pub view: View,
    /// The commit certificate.
    pub certificate: C,
}

impl<C> Decision<C> {
    /// Whether the roster decided this block, body included, in `scope`.
    pub fn verify<V: Votes<Certificate = C>>(&self, scope: &Scope, roster: &Roster) -> bool {
        let Proposal { header, .. } = &self.block.proposal;
        let digest = self.block.proposal.digest();
        let statement = scope.statement(Kind::Commit, header.height, self.view, digest);
        self.block.holds() && V::verify_certificate(roster, &statement, &self.certificate)
    }
}

impl BorshSerialize for Body {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        self.to_bytes().serialize(writer)
    }
}

impl BorshDeserialize for Body {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let bytes = BoundedBytes::<MAX_BODY>::deserialize_reader(reader)?;
        Self::new(&bytes).ok_or_else(|| borsh::io::ErrorKind::InvalidData.into())
    }
}
