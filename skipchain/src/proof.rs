//! From a block that a client trusts to a later one, in a logarithm of steps.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{Certificate, VerifyError, roster::Opening, wire::BoundedVec};

use crate::{
    header::{BlockId, ChainId, Header},
    link::Link,
};

/// The most links a proof has.
pub const MAX_LINKS: usize = 1 << 16;

/// Shows that a block follows a trusted one: the links between them.
///
/// A file, a QR code, a message between phones: [`encode`](cosi::wire::Wire::encode) it, and a
/// [`LightClient`](crate::LightClient) that trusts the first block checks it offline. It shows
/// headers, not payloads; an [`Inclusion`](crate::Inclusion) shows those. Holds at most
/// [`MAX_LINKS`] links.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proof<A = Certificate> {
    chain: ChainId,
    from_index: u64,
    from: BlockId,
    links: BoundedVec<Link<A>, MAX_LINKS>,
}

impl<A> Proof<A> {
    /// The proof that these links make, in order. `None` when there are too many.
    pub fn new(from: &Header, links: Vec<Link<A>>) -> Option<Self> {
        let links = BoundedVec::new(links)?;
        Some(Self { chain: from.chain, from_index: from.index, from: from.id(), links })
    }

    /// The proof from `from` to the block at `target` by the fewest of the links that `find`
    /// knows, which is asked for (index of From, level), of those that do not pass the target
    /// from the longest on, until it has one.
    ///
    /// An opening that repeats the one before it is left out. `None` when a block on the way has
    /// no link, or `target` is before `from`.
    pub fn build(
        from: &Header,
        target: u64,
        mut find: impl FnMut(u64, u8) -> Option<Link<A>>,
    ) -> Option<Self> {
        let (mut at, mut id, mut links) = (from.clone(), from.id(), Vec::new());
        let mut shown: Option<Opening> = None;
        while at.index < target {
            let longest = (0..at.height).rev().find_map(|level| {
                let end = at.index.checked_add(at.shape.stride(level)?)?;
                let link = if end <= target { find(at.index, level)? } else { return None };
                let to = link.follow(&at, &id).filter(|to| to.index == end)?;
                Some((link, to))
            });
            let (link, to) = longest?;
            let again = link.opening().is_some() && link.opening() == shown.as_ref();
            shown = link.opening().cloned().or(shown);
            links.push(if again { link.without_opening() } else { link });
            (id, at) = (to.id(), to);
        }
        (at.index == target).then(|| Self::new(from, links))?
    }

    /// The chain.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// Where the trusted block stands.
    pub const fn from_index(&self) -> u64 {
        self.from_index
    }

    /// The trusted block.
    pub const fn from(&self) -> BlockId {
        self.from
    }

    /// The links, in order.
    pub fn links(&self) -> &[Link<A>] {
        &self.links
    }

    /// How many links there are.
    pub fn hops(&self) -> usize {
        self.links.len()
    }
}

impl<A: BorshSerialize> Proof<A> {
    /// How many bytes the encoding has.
    pub fn encoded_len(&self) -> usize {
        borsh::object_length(self).unwrap_or(usize::MAX)
    }
}

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It is about another chain.
    #[error("the proof is one of another chain")]
    Chain,
    /// It starts at a block that the client has no reason to trust.
    #[error("the proof starts at a block unknown to this client; ask for one from its head")]
    Start,
    /// The block has no link of this level, or the link has not its one form.
    #[error("no link of the level of link {link} starts at its block")]
    Level {
        /// Which link, from 0.
        link: usize,
    },
    /// What shows the roster is not what the block's roster id names, or is missing.
    #[error("link {link} does not show the roster that must sign it; ask for its opening")]
    Roster {
        /// Which link, from 0.
        link: usize,
    },
    /// The earlier block's roster did not decide on the later block. This is also how a header
    /// that was tampered with falls, since its id is what the roster signed.
    #[error("the roster did not sign link {link} as it stands: {error}")]
    Certificate {
        /// Which link, from 0.
        link: usize,
        /// Why the attestation does not hold.
        error: VerifyError,
    },
    /// The roster decided, and against a block that the client knows.
    #[error("link {link} forks from a block verified before; keep both proofs, and raise alarm")]
    Fork {
        /// Which link, from 0.
        link: usize,
    },
    /// It leads from before the client's head to beyond it, and not through it.
    #[error("link {link} passes over the client's head; ask for a proof from the head")]
    PassesHead {
        /// Which link, from 0.
        link: usize,
    },
    /// It holds, and leads no further than the client is.
    #[error("the proof ends no later than the client's head; ask for a newer one")]
    Stale,
}
