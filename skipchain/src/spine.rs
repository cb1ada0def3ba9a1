//! The little of a chain that its next block hangs on.

use alloc::{vec, vec::Vec};

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Result as IoResult},
};
use cosi::{
    domain::BACK_LINK,
    merkle::tree::{self, Hash, Path, Tree},
    roster::RosterId,
    wire::BoundedVec,
};

use crate::header::{BlockId, Fields, Header, VERSION};

/// A Merkle path among at most 64 leaves, whose position and number the context fixes.
pub type Siblings = BoundedVec<Hash, 6>;

/// A block's links to earlier blocks, one a level from level 0, at most 64.
///
/// Level ℓ of block j names block j − b^ℓ.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BackLinks(BoundedVec<BlockId, 64>);

impl BackLinks {
    /// The RFC 6962 root over them, each under a domain tag.
    pub fn root(&self) -> Hash {
        self.tree().root()
    }

    /// The ids, level by level.
    pub fn ids(&self) -> &[BlockId] {
        &self.0
    }

    /// What shows the link of `level` to who knows the root: see
    /// [`Header::names`](crate::Header::names). `None`: there is no such link.
    pub fn open(&self, level: u8) -> Option<Siblings> {
        BoundedVec::new(self.tree().path(u64::from(level))?.siblings().to_vec())
    }

    fn tree(&self) -> Tree {
        Tree::new(self.0.iter().map(leaf))
    }
}

fn leaf(id: &BlockId) -> Hash {
    tree::leaf_hash(&[&BACK_LINK[..], &id.0].concat())
}

/// The back root of a block of this height whose link of `level` names `id`. `None` when there
/// are too few siblings or too many.
pub(crate) fn back_root(id: &BlockId, level: u8, height: u8, siblings: &Siblings) -> Option<Hash> {
    let siblings = BoundedVec::new(siblings.to_vec())?;
    Path::new(level.into(), height.into(), siblings).root(&leaf(id))
}

/// Why a header is not the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpineError {
    /// A version that this crate does not know.
    #[error("the header's version is unknown; upgrade")]
    Version,
    /// A block of another chain.
    #[error("the header is one of another chain")]
    Chain,
    /// Another base or maximal height.
    #[error("the header changes the chain's base or maximal height")]
    Shape,
    /// Not the next position.
    #[error("the header's index is not the next one; fetch the blocks between")]
    Index,
    /// Not the height of its index.
    #[error("the header's height is not that of its index")]
    Height,
    /// Not the back links that follow from the chain.
    #[error("the header's back links are not those of this chain")]
    BackLink,
}

/// The last block of each level: what makes the next header, and what checks one.
///
/// Holds at most 64 ids and one header, however long the chain is. Making and checking the next
/// header takes a hash a level. Keep it with the chain's state: it is encodable, and refuses to
/// decode to what no chain has.
///
/// ```
/// use skipchain::{ChainId, Header, Shape, Spine, SpineError, roster::RosterId};
/// let roster = RosterId([7; 32]);
/// let genesis = Header::genesis(ChainId([1; 32]), Shape::default(), roster, [0; 32], None);
/// let mut spine = Spine::new(genesis)?;
/// let header = spine.next(roster, [2; 32], None);
/// assert_eq!(spine.push(&Header { index: 2, ..header.clone() }), Err(SpineError::Index));
/// spine.push(&header)?;
/// assert_eq!((spine.tip(), spine.tip_id()), (&header, header.id()));
/// # Ok::<(), SpineError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Spine {
    tip: Header,
    /// Level ℓ: the last block with more than ℓ levels.
    last: BoundedVec<BlockId, 64>,
}

impl Spine {
    /// The spine of a chain that has only this genesis.
    pub fn new(genesis: Header) -> Result<Self, SpineError> {
        if genesis.version != VERSION {
            return Err(SpineError::Version);
        }
        if genesis.index != 0 {
            return Err(SpineError::Index);
        }
        if genesis.height != genesis.shape.height(0) {
            return Err(SpineError::Height);
        }
        if !genesis.is_sound() {
            return Err(SpineError::BackLink);
        }
        let last = vec![genesis.id(); usize::from(genesis.shape.max_height())];
        Ok(Self { tip: genesis, last: BoundedVec::new(last).unwrap_or_default() })
    }

    /// The last block.
    pub const fn tip(&self) -> &Header {
        &self.tip
    }

    /// The last block's id.
    pub fn tip_id(&self) -> BlockId {
        self.last.first().copied().unwrap_or_else(|| self.tip.id())
    }

    /// The next block's links to earlier blocks.
    pub fn back_links(&self) -> BackLinks {
        let height = self.tip.shape.height(self.tip.index.saturating_add(1));
        let links = self.last.iter().take(height.into()).copied().collect();
        BackLinks(BoundedVec::new(links).unwrap_or_default())
    }

    /// The next header: with the roster that decides the block after it, and its roots.
    pub fn next(&self, roster: RosterId, payload_root: Hash, state_root: Option<Hash>) -> Header {
        self.next_with(Fields { roster, payload_root, state_root })
    }

    /// Appends a header, if it is the next one; which a validator asks of a proposal on a clone.
    ///
    /// The roster and the roots are for the caller to judge.
    pub fn push(&mut self, header: &Header) -> Result<BlockId, SpineError> {
        self.check(header)?;
        let id = header.id();
        let mut last = core::mem::take(&mut self.last).into_inner();
        last.iter_mut().take(header.height.into()).for_each(|slot| *slot = id);
        self.last = BoundedVec::new(last).unwrap_or_default();
        self.tip = header.clone();
        Ok(id)
    }

    /// Checks that a header is the next one.
    pub fn check(&self, header: &Header) -> Result<(), SpineError> {
        let next = self.next_with(header.fields());
        let checks = [
            (header.version == next.version, SpineError::Version),
            (header.chain == next.chain, SpineError::Chain),
            (header.shape == next.shape, SpineError::Shape),
            (self.tip.index.checked_add(1) == Some(header.index), SpineError::Index),
            (header.height == next.height, SpineError::Height),
            (header.back_root == next.back_root, SpineError::BackLink),
        ];
        checks.into_iter().try_for_each(|(holds, error)| if holds { Ok(()) } else { Err(error) })
    }

    fn next_with(&self, fields: Fields) -> Header {
        self.tip.sibling(self.tip.index.saturating_add(1), self.back_links().root(), fields)
    }
}

impl BorshDeserialize for Spine {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let (tip, last) = <(Header, BoundedVec<BlockId, 64>)>::deserialize_reader(reader)?;
        let (id, levels) = (tip.id(), usize::from(tip.shape.max_height()));
        let ends_in_tip = last.iter().take(tip.height.into()).all(|last| *last == id);
        if tip.is_sound() && last.len() == levels && ends_in_tip {
            return Ok(Self { tip, last });
        }
        Err(Error::new(ErrorKind::InvalidData, "no chain has such a spine"))
    }
}

impl FromIterator<BlockId> for BackLinks {
    /// The first 64 ids, level by level.
    fn from_iter<I: IntoIterator<Item = BlockId>>(ids: I) -> Self {
        let ids: Vec<_> = ids.into_iter().take(64).collect();
        Self(BoundedVec::new(ids).unwrap_or_default())
    }
}
