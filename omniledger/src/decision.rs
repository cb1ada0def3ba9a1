//! A shard's decision, as what links its skipchain.

use borsh::{BorshDeserialize, BorshSerialize};
use byzcoin::{Kind, Proposal, Statement, View};
use cosi::{Attests, Certificate, Policy, VerifyError, roster::Keys, wire::Wire};
use skipchain::{Attestation, BlockId, ChainId, LinkStatement};

/// What a quorum of byzcoin's replicas committed: a proposal, which names a skipchain block, and
/// the commit certificate.
///
/// Stands for the forward links of every level that end in the block, from each block whose
/// roster is the one that decided: byzcoin's commit votes are the only signatures that a block
/// costs. The certificate covers the proposal's digest, the digest covers the block's id, and
/// the id covers by the back links one earlier block a level, which a link starts at. Under the
/// keys of any other roster it holds for no link.
///
/// The proposal carries the id of the skipchain block and not its header: the header follows
/// from the parent state and the body, so who votes computes it, and a proof holds it once.
///
/// ```
/// use cosi::{
///     Attests, Certificate, Policy, Statement as _, certificate, keys::Seed,
///     roster::{Member, Roster},
/// };
/// use omniledger::{
///     Decision,
///     byzcoin::{Body, Header, Height, Kind, Proposal, Scope, View},
///     skipchain::{self, ChainId, LinkStatement, Shape, Spine},
///     wire::{BoundedBytes, Wire},
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
/// let chain = ChainId([1; 32]);
/// let first = skipchain::Header::genesis(chain, Shape::default(), roster.id(), [0; 32], None);
/// let next = Spine::new(first.clone())?.next(roster.id(), [7; 32], None);
///
/// // Three of four validators commit a proposal that names the block.
/// let header = Header {
///     parent: first.id().0,
///     height: Height::FIRST,
///     first_view: View::ZERO,
///     next_roster: roster.id(),
///     next_start: 0,
///     app: BoundedBytes::new(next.id().encode()).unwrap(),
/// };
/// let proposal = Proposal::new(header, &Body::new(b"transactions").unwrap());
/// let scope = Scope { chain: chain.0, epoch: 0, roster: roster.id() };
/// let vote = scope.statement(Kind::Commit, Height::FIRST, View::ZERO, proposal.digest());
/// let signed = [0, 1, 2].map(|at: u16| {
///     let signature = certificate::sign(&keys[usize::from(at)], &roster.id(), &vote.to_signed());
///     (roster.index(at).unwrap(), signature)
/// });
/// let certificate = Certificate::individual(&roster, signed).unwrap();
/// let decision = Decision { epoch: 0, view: View::ZERO, proposal, certificate };
///
/// // It stands for the links of all levels to that block, and for none to another.
/// let link = LinkStatement::new(0, &first, &next);
/// decision.attests(&link, &roster, &Policy::Quorum)?;
/// decision.attests(&LinkStatement { level: 3, ..link }, &roster, &Policy::Quorum)?;
/// let other = LinkStatement { to: first.id(), ..link };
/// assert!(decision.attests(&other, &roster, &Policy::Quorum).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decision {
    /// The epoch in which it was decided.
    pub epoch: u64,
    /// The view in which it was decided.
    pub view: View,
    /// What was decided.
    pub proposal: Proposal,
    /// Who decided.
    pub certificate: Certificate,
}

impl Attestation for Decision {
    const SPANS: bool = true;
}

impl Decision {
    /// Whether members whom `policy` accepts decided this block of this chain.
    pub(crate) fn decides<K: Keys + ?Sized>(
        &self,
        chain: ChainId,
        block: BlockId,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        if BlockId::decode(&self.proposal.header.app) != Ok(block) {
            return Err(VerifyError::Signature);
        }
        let statement = Statement {
            chain: chain.0,
            epoch: self.epoch,
            roster: keys.id(),
            kind: Kind::Commit,
            height: self.proposal.header.height,
            view: self.view,
            digest: self.proposal.digest(),
        };
        self.certificate.attests(&statement, keys, policy)
    }
}

impl Attests<LinkStatement> for Decision {
    fn attests<K: Keys + ?Sized>(
        &self,
        link: &LinkStatement,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        self.decides(link.chain, link.to, keys, policy)
    }
}
