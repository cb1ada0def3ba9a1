//! What a block is: a small header, all of it hashed into the block's id.

use alloc::vec::Vec;

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Result},
};
use cosi::{
    domain::SKIPBLOCK,
    merkle::tree::{self, Hash},
    roster::RosterId,
    transcript,
    wire::Wire,
};

use crate::spine::{BackLinks, Siblings, back_root};

/// The one version of the header's format.
pub const VERSION: u8 = 1;

/// The greatest height a block can have: no index has more factors than 63.
pub const MAX_HEIGHT: u8 = 64;

/// Names a block: the hash of its header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct BlockId(pub [u8; 32]);

/// Names a chain. Its founder chooses it, as a hash of whatever tells the chain from all others.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct ChainId(pub [u8; 32]);

/// How far links reach: base b and maximal height H.
///
/// A link of level ℓ < H spans b^ℓ blocks. A height cap that the chain outgrows kills the
/// logarithm: with b = 3 and H = 4, 52,000 blocks are 1,930 links, with b = 4 and H = 10 they
/// are 10. The default, b = 2 and H = 32, lasts for four thousand million blocks.
///
/// ```
/// use skipchain::Shape;
/// let shape = Shape::new(2, 4).unwrap();
/// assert_eq!([0, 1, 2, 3, 4, 8, 16].map(|index| shape.height(index)), [4, 1, 2, 1, 3, 4, 4]);
/// assert_eq!((shape.stride(3), shape.stride(4)), (Some(8), None));
/// assert!(Shape::new(1, 2).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize)]
pub struct Shape {
    base: u32,
    max_height: u8,
}

impl Default for Shape {
    fn default() -> Self {
        Self { base: 2, max_height: 32 }
    }
}

impl Shape {
    /// The shape with this base, at least 1, and maximal height, from 1 to [`MAX_HEIGHT`].
    /// Base 1 is a plain chain, so its height is 1.
    pub const fn new(base: u32, max_height: u8) -> Option<Self> {
        let sound = base > 0 && max_height > 0 && max_height <= MAX_HEIGHT;
        if sound && (base > 1 || max_height == 1) { Some(Self { base, max_height }) } else { None }
    }

    /// b.
    pub const fn base(self) -> u32 {
        self.base
    }

    /// H.
    pub const fn max_height(self) -> u8 {
        self.max_height
    }

    /// On how many levels the block at `index` has links: min(H, 1 + v_b(index)), where v_b
    /// counts how often b divides. The genesis has all H.
    pub const fn height(self, index: u64) -> u8 {
        let (mut rest, mut height, base) = (index, 1_u8, self.base as u64);
        while height < self.max_height
            && let (Some(0), Some(quotient)) = (rest.checked_rem(base), rest.checked_div(base))
        {
            (rest, height) = (quotient, height.saturating_add(1));
        }
        height
    }

    /// How many blocks a link of this level spans: b^ℓ. `None` for a level that no block has.
    pub const fn stride(self, level: u8) -> Option<u64> {
        if level < self.max_height { (self.base as u64).checked_pow(level as u32) } else { None }
    }
}

impl BorshDeserialize for Shape {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let (base, max_height) = BorshDeserialize::deserialize_reader(reader)?;
        let refused = || Error::new(ErrorKind::InvalidData, "no such shape");
        Self::new(base, max_height).ok_or_else(refused)
    }
}

/// A block, as links and proofs see it. Its payload stands under `payload_root`.
///
/// Whoever takes a header from others holds it against a [`Spine`](crate::Spine), or a proof:
/// the fields alone promise nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u8,
    /// The chain.
    pub chain: ChainId,
    /// The position, 0 for the genesis.
    pub index: u64,
    /// On how many levels the block has links; a function of `index` and `shape`.
    pub height: u8,
    /// How far links reach, the same in every block of a chain.
    pub shape: Shape,
    /// Who decides the next block.
    pub roster: RosterId,
    /// The root over the [`BackLinks`].
    pub back_root: Hash,
    /// The RFC 6962 root over the payload's entries.
    pub payload_root: Hash,
    /// The root of the state after this block, where the chain keeps one.
    pub state_root: Option<Hash>,
}

impl Header {
    /// The first header of a chain.
    pub fn genesis(
        chain: ChainId,
        shape: Shape,
        roster: RosterId,
        payload_root: Hash,
        state_root: Option<Hash>,
    ) -> Self {
        Self {
            version: VERSION,
            chain,
            index: 0,
            height: shape.height(0),
            shape,
            roster,
            back_root: BackLinks::default().root(),
            payload_root,
            state_root,
        }
    }

    /// The name of the block.
    pub fn id(&self) -> BlockId {
        BlockId(transcript::Hash::new(SKIPBLOCK).bytes(&self.encode()).digest())
    }

    /// Whether the version is known, the height fits the index, and a genesis has no back links.
    pub fn is_sound(&self) -> bool {
        let rooted = self.index > 0 || self.back_root == BackLinks::default().root();
        self.version == VERSION && self.height == self.shape.height(self.index) && rooted
    }

    /// Whether the back link of `level` names this block, as `siblings` show.
    ///
    /// ```
    /// use skipchain::{ChainId, Header, Shape, Spine, roster::RosterId};
    /// let roster = RosterId([7; 32]);
    /// let genesis = Header::genesis(ChainId([1; 32]), Shape::default(), roster, [0; 32], None);
    /// let spine = Spine::new(genesis.clone())?;
    /// let next = spine.next(roster, [2; 32], None);
    /// let siblings = spine.back_links().open(0).unwrap();
    /// assert!(next.names(0, &genesis.id(), &siblings) && !next.names(0, &next.id(), &siblings));
    /// # Ok::<(), skipchain::SpineError>(())
    /// ```
    pub fn names(&self, level: u8, id: &BlockId, siblings: &Siblings) -> bool {
        back_root(id, level, self.height, siblings) == Some(self.back_root)
    }

    /// The header of another block of the same chain.
    pub(crate) fn sibling(&self, index: u64, back_root: Hash, fields: Fields) -> Self {
        let Fields { roster, payload_root, state_root } = fields;
        let height = self.shape.height(index);
        let (version, chain, shape) = (VERSION, self.chain, self.shape);
        Self { version, chain, index, height, shape, roster, back_root, payload_root, state_root }
    }

    /// What a proposer chooses.
    pub(crate) const fn fields(&self) -> Fields {
        let (payload_root, state_root) = (self.payload_root, self.state_root);
        Fields { roster: self.roster, payload_root, state_root }
    }
}

/// The part of a header that does not follow from the blocks before it.
pub(crate) struct Fields {
    pub(crate) roster: RosterId,
    pub(crate) payload_root: Hash,
    pub(crate) state_root: Option<Hash>,
}

/// The payload root over these entries.
///
/// ```
/// let entries = [b"one".as_slice(), b"two"];
/// assert_ne!(skipchain::header::payload_root(entries), skipchain::header::payload_root([]));
/// ```
pub fn payload_root<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let leaves: Vec<_> = entries.into_iter().map(tree::leaf_hash).collect();
    tree::root(leaves)
}
