//! What replicas sign: typed, and bound to one chain, epoch, roster, height and view.
//!
//! A prepare vote cannot be read as a commit vote, nor a vote of one chain, epoch, roster, height
//! or view as one of another.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{domain, roster::RosterId, transcript::Hash, wire::Wire};

/// A hash that names something.
pub type Digest = [u8; 32];

/// A place in the chain. The first block stands at height 1; 0 is what it stands on.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Height(u64);

impl Height {
    /// Where the first block stands.
    pub const FIRST: Self = Self(1);

    /// The height with this number.
    pub const fn new(height: u64) -> Self {
        Self(height)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The height above. The last one is its own.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The height below. The lowest is its own.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// One leader's turn at a height, from 0.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct View(u32);

impl View {
    /// The view that every height begins in.
    pub const ZERO: Self = Self(0);

    /// The view with this number.
    pub const fn new(view: u32) -> Self {
        Self(view)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The view after. The last one is its own.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a statement says of its digest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Kind {
    /// The leader proposes the block.
    Proposal,
    /// The signer holds the whole block, finds it valid, and votes for no other in this view.
    Prepare,
    /// The signer holds a prepare certificate on the block.
    Commit,
    /// The signer asks for the view, and names its highest prepare certificate.
    ViewChange,
    /// The leader spreads the body ahead of its turn.
    Body,
}

/// What a replica signs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Statement {
    /// The chain.
    pub chain: [u8; 32],
    /// The epoch.
    pub epoch: u64,
    /// Whose quorum decides.
    pub roster: RosterId,
    /// What is said.
    pub kind: Kind,
    /// At which height.
    pub height: Height,
    /// In which view.
    pub view: View,
    /// About what.
    pub digest: Digest,
}

/// What the statements of one chain, epoch and roster share.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Scope {
    /// The chain.
    pub chain: [u8; 32],
    /// The epoch.
    pub epoch: u64,
    /// Whose quorum decides.
    pub roster: RosterId,
}

impl Scope {
    /// The statement with this scope.
    pub const fn statement(
        &self,
        kind: Kind,
        height: Height,
        view: View,
        digest: Digest,
    ) -> Statement {
        let Self { chain, epoch, roster } = *self;
        Statement { chain, epoch, roster, kind, height, view, digest }
    }
}

impl Statement {
    /// What the statement shares with others.
    pub const fn scope(&self) -> Scope {
        Scope { chain: self.chain, epoch: self.epoch, roster: self.roster }
    }
}

impl cosi::Statement for Statement {
    fn to_signed(&self) -> Vec<u8> {
        [&domain::BYZCOIN[..], &self.encode()].concat()
    }
}

/// Names a prepare certificate by what it is on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Lock {
    /// Its view.
    pub view: View,
    /// The block that was prepared.
    pub digest: Digest,
}

impl Lock {
    /// The digest of a view change that names `lock`, or none.
    pub fn digest(lock: Option<Self>) -> Digest {
        lock.map_or([0; 32], |Self { view, digest }| {
            Hash::new(domain::LOCK).number(u64::from(view.get())).fixed(&digest).digest()
        })
    }
}

#[cfg(test)]
mod tests {
    use cosi::wire::Wire;

    use super::*;

    #[test]
    fn no_field_of_a_statement_is_silent() {
        let scope = Scope { chain: [1; 32], epoch: 2, roster: RosterId([3; 32]) };
        let base = scope.statement(Kind::Prepare, Height::new(4), View::new(5), [6; 32]);
        let others = [
            Statement { chain: [0; 32], ..base },
            Statement { epoch: 0, ..base },
            Statement { roster: RosterId([0; 32]), ..base },
            Statement { kind: Kind::Commit, ..base },
            Statement { height: Height::new(0), ..base },
            Statement { view: View::ZERO, ..base },
            Statement { digest: [0; 32], ..base },
        ];
        assert!(others.iter().all(|other| other.encode() != base.encode()));
        assert_eq!(base.encode().len(), 32 + 8 + 32 + 1 + 8 + 4 + 32);
        assert_eq!(base.scope(), scope);
    }
}
