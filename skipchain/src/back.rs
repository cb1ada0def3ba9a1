//! From a trusted block to an earlier one, by hashes alone.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{merkle::tree::Hash, roster::RosterId, wire::BoundedVec};

use crate::{
    header::{Fields, Header},
    proof::MAX_LINKS,
    spine::{BackLinks, Siblings, back_root},
};

/// One step back: what the earlier block's header adds, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
struct Step {
    level: u8,
    roster: RosterId,
    back_root: Hash,
    payload_root: Hash,
    state_root: Option<Hash>,
    /// The way from the later block's back link of this level up to its back root.
    siblings: Siblings,
}

impl Step {
    /// The header that the step leads to, if `later` has this back link.
    fn follow(&self, later: &Header) -> Option<Header> {
        let stride = later.shape.stride(self.level).filter(|_| self.level < later.height)?;
        let index = later.index.checked_sub(stride)?;
        let Self { roster, payload_root, state_root, .. } = *self;
        let fields = Fields { roster, payload_root, state_root };
        let earlier = later.sibling(index, self.back_root, fields);
        let root = back_root(&earlier.id(), self.level, later.height, &self.siblings);
        (root == Some(later.back_root)).then_some(earlier)
    }
}

/// Shows that a block precedes a trusted one: the back links between them.
///
/// Needs no signature and no roster: a later block commits to every earlier one. So the past of
/// a trusted block is as safe as the hash, however many keys were lost since. Holds at most
/// [`MAX_LINKS`] steps.
///
/// ```
/// use skipchain::{BackLinks, BackProof, ChainId, Header, Shape, Spine, roster::RosterId};
/// let roster = RosterId([7; 32]);
/// let genesis = Header::genesis(ChainId([1; 32]), Shape::default(), roster, [0; 32], None);
/// let mut spine = Spine::new(genesis.clone())?;
/// let mut blocks = vec![(genesis, BackLinks::default())];
/// for entry in 1..=48 {
///     let (header, links) = (spine.next(roster, [entry; 32], None), spine.back_links());
///     spine.push(&header)?;
///     blocks.push((header, links));
/// }
/// let find = |at: u64| blocks.get(usize::try_from(at).ok()?).cloned();
/// let proof = BackProof::build(48, 31, find).unwrap();
/// assert_eq!(proof.hops(), 2);
/// assert_eq!(proof.verify(spine.tip())?, blocks[31].0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct BackProof {
    from_index: u64,
    steps: BoundedVec<Step, MAX_LINKS>,
}

/// Why a way back is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackError {
    /// It starts at a block that the client does not know, or at another than this.
    #[error("the proof starts at another block than one that is trusted")]
    Start,
    /// The later block has no such back link.
    #[error("step {step} is no back link of the block before it")]
    BackLink {
        /// Which step, from 0.
        step: usize,
    },
    /// It holds, and leads to another block than the one verified at that index.
    #[error("the proof leads to another block than was verified at its index; raise alarm")]
    Fork,
}

impl BackProof {
    /// The proof from `from` back to the block at `target` in the fewest steps. `find` yields
    /// a block's header and back links, by index.
    ///
    /// `None` when a block on the way is missing, or `target` is after `from`.
    pub fn build(
        from: u64,
        target: u64,
        mut find: impl FnMut(u64) -> Option<(Header, BackLinks)>,
    ) -> Option<Self> {
        let ((mut later, mut links), mut steps) = (find(from)?, Vec::new());
        while later.index > target {
            let shape = later.shape;
            let step = |level| Some((level, later.index.checked_sub(shape.stride(level)?)?));
            let mut longest_first = (0..later.height).rev().filter_map(step);
            let (level, index) = longest_first.find(|(_, index)| *index >= target)?;
            let (earlier, earlier_links) = find(index)?;
            let Fields { roster, payload_root, state_root } = earlier.fields();
            let siblings = links.open(level)?;
            let back_root = earlier.back_root;
            steps.push(Step { level, roster, back_root, payload_root, state_root, siblings });
            (later, links) = (earlier, earlier_links);
        }
        let steps = BoundedVec::new(steps).filter(|_| later.index == target)?;
        Some(Self { from_index: from, steps })
    }

    /// Where the trusted block stands.
    pub const fn from_index(&self) -> u64 {
        self.from_index
    }

    /// How many steps there are.
    pub fn hops(&self) -> usize {
        self.steps.len()
    }

    /// The earlier block that this leads to from `trusted`, a header that its holder verified.
    pub fn verify(&self, trusted: &Header) -> Result<Header, BackError> {
        if trusted.index != self.from_index {
            return Err(BackError::Start);
        }
        let mut steps = self.steps.iter().enumerate();
        steps.try_fold(trusted.clone(), |later, (at, step)| {
            step.follow(&later).ok_or(BackError::BackLink { step: at })
        })
    }
}
