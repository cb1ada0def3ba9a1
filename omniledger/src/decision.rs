//! A shard's decision, as what links its skipchain.

use borsh::{BorshDeserialize, BorshSerialize};
use byzcoin::{Kind, Proposal, Statement, View};
use cosi::{Attests, Certificate, Policy, VerifyError, roster::Keys, wire::Wire};
use skipchain::{BlockId, LinkStatement};

/// What a quorum of byzcoin's replicas committed: a proposal, which names a skipchain block, and
/// the commit certificate.
///
/// Stands for a level-0 forward link: byzcoin's commit votes are the only signatures that a
/// block costs. The certificate covers the proposal's digest, the digest covers the block's id,
/// and the id covers the block before it by the back links.
///
/// The proposal carries the id of the skipchain block and not its header: the header follows
/// from the parent state and the body, so who votes computes it, and a proof holds it once.
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

impl Attests<LinkStatement> for Decision {
    fn attests<K: Keys + ?Sized>(
        &self,
        link: &LinkStatement,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        let decided = BlockId::decode(&self.proposal.header.app);
        if link.level != 0 || decided != Ok(link.to) {
            return Err(VerifyError::Signature);
        }
        let statement = Statement {
            chain: link.chain.0,
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
