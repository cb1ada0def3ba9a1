//! The step from a block to a later one, attested by the earlier block's roster.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate, Policy, Statement, VerifyError,
    domain::FORWARD_LINK,
    merkle::tree::Hash,
    roster::{Keys, Opening, RosterId},
    wire::Wire,
};

use crate::{
    header::{BlockId, ChainId, Fields, Header},
    spine::{BackLinks, Siblings, back_root},
};

/// What a forward link says: on this chain, `to` follows `from`, b^level blocks later.
///
/// From's roster decides it. At level 0 it is the decision on the block `to` itself, so another
/// engine's proof of that decision may stand for it; from level 1 on, a signer has seen the
/// chain of links of the level below.
///
/// **Duty of an attestation** that stands for it: it holds only if the roster with the given
/// keys decided on the block with the id `to`. Need not bind From, which To's back links name,
/// nor the level: see [`Attestation::SPANS`].
/// **Duty of a signer**, which an [`Endorser`](crate::Endorser) fulfils: record
/// (from, level) → to before signing, and sign no other `to`: two convict it, see
/// [`Conflict`](crate::Conflict).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct LinkStatement {
    /// The chain.
    pub chain: ChainId,
    /// ℓ.
    pub level: u8,
    /// Where From stands.
    pub from_index: u64,
    /// From.
    pub from: BlockId,
    /// Where To stands: b^ℓ after From.
    pub to_index: u64,
    /// To.
    pub to: BlockId,
    /// Who decides the block after To.
    pub to_roster: RosterId,
}

impl LinkStatement {
    /// What a link of `level` from `from` to `to` says. Tells nothing of whether there is one.
    pub fn new(level: u8, from: &Header, to: &Header) -> Self {
        Self::between(level, from, from.id(), to, to.id())
    }

    pub(crate) const fn between(
        level: u8,
        from: &Header,
        from_id: BlockId,
        to: &Header,
        to_id: BlockId,
    ) -> Self {
        Self {
            chain: from.chain,
            level,
            from_index: from.index,
            from: from_id,
            to_index: to.index,
            to: to_id,
            to_roster: to.roster,
        }
    }
}

impl Statement for LinkStatement {
    fn to_signed(&self) -> Vec<u8> {
        [&FORWARD_LINK[..], &self.encode()].concat()
    }
}

/// What a [`Timeline`](crate::Timeline) keeps for each block: the proof that the roster of the
/// block before decided on it.
pub trait Attestation: Clone {
    /// Whether it attests the links of *all* levels that end in the block, from any block whose
    /// roster is the one that decided.
    ///
    /// So does whatever attests the decision on To alone: To names From among its back links of
    /// that level, by the very id that was decided, and who decides on a block has checked its
    /// back links. Upper links then cost no signature. A [`Certificate`] on a [`LinkStatement`]
    /// is on one level and one From, and stands for no other link.
    const SPANS: bool;
}

impl Attestation for Certificate {
    const SPANS: bool = false;
}

/// What attests links of a chain that another engine decides: its decisions `D` on the blocks,
/// and what an [`Endorser`](crate::Endorser)'s roster signed where no decision stands.
///
/// A certificate is on links from level 1 on: at level 0, only a decision is one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Attested<D> {
    /// From's roster decided on To.
    Decided(D),
    /// From's roster signed the link.
    Linked(Certificate),
}

impl<D: Attestation> Attestation for Attested<D> {
    const SPANS: bool = D::SPANS;
}

impl<D: Attests<LinkStatement>> Attests<LinkStatement> for Attested<D> {
    fn attests<K: Keys + ?Sized>(
        &self,
        link: &LinkStatement,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        match self {
            Self::Decided(decision) => decision.attests(link, keys, policy),
            Self::Linked(certificate) if link.level > 0 => certificate.attests(link, keys, policy),
            Self::Linked(_) => Err(VerifyError::Signature),
        }
    }
}

/// A forward link, as a proof carries it: what To's header adds to From's, and the attestation.
///
/// Holds no index, height, chain or id. They follow from the block that the link starts at, so
/// they cannot be wrong: [`follow`](Self::follow) yields the one header that can stand at the
/// link's end, and the attestation is over its id. To's back link of the same level names From
/// under To's back root, so the id binds From whatever the attestation does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Link<A = Certificate> {
    level: u8,
    /// To's roster, unless it is From's.
    roster: Option<RosterId>,
    payload_root: Hash,
    state_root: Option<Hash>,
    /// The way from To's back link of this level up to its back root.
    back: Siblings,
    attestation: A,
    /// From's roster, as far as the attestation needs it. `None`: the client holds it open.
    opening: Option<Opening>,
}

impl<A> Link<A> {
    /// The link of `level` from `from` to `to`, whose back links are `back`. `None` when no
    /// such link can be: the strides, heights or back links do not fit.
    ///
    /// `opening` shows From's roster, with the members that the attestation needs, to clients
    /// that know just its id. The attestation is not checked.
    pub fn new(
        level: u8,
        from: &Header,
        to: &Header,
        back: &BackLinks,
        attestation: A,
        opening: Option<Opening>,
    ) -> Option<Self> {
        let Fields { roster, payload_root, state_root } = to.fields();
        let roster = Some(roster).filter(|roster| *roster != from.roster);
        let back = back.open(level)?;
        let link = Self { level, roster, payload_root, state_root, back, attestation, opening };
        (link.follow(from, &from.id()).as_ref() == Some(to)).then_some(link)
    }

    /// ℓ.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// What says that From's roster decided on the link.
    pub const fn attestation(&self) -> &A {
        &self.attestation
    }

    /// From's roster, as far as the link shows it.
    pub const fn opening(&self) -> Option<&Opening> {
        self.opening.as_ref()
    }

    /// To's header, if the attestation holds. `None` when From has no link of this level, or
    /// the link has not its one form.
    pub fn follow(&self, from: &Header, from_id: &BlockId) -> Option<Header> {
        let stride = from.shape.stride(self.level).filter(|_| self.level < from.height)?;
        let index = from.index.checked_add(stride)?;
        let height = from.shape.height(index);
        let back_root = back_root(from_id, self.level, height, &self.back)?;
        if self.roster == Some(from.roster) {
            return None;
        }
        let (payload_root, state_root) = (self.payload_root, self.state_root);
        let roster = self.roster.unwrap_or(from.roster);
        Some(from.sibling(index, back_root, Fields { roster, payload_root, state_root }))
    }

    /// Leaves out the opening, for a client that holds From's roster open.
    #[must_use]
    pub fn without_opening(self) -> Self {
        Self { opening: None, ..self }
    }
}
