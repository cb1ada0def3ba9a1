//! What is said in a tree.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{PointBytes, Speech};
use crate::{
    challenge::ChallengeId,
    domain::{CALL, Domain, SUM, TUPLE},
    machine::Time,
    mask::Mask,
    nonce::NonceId,
    session::{Session, SessionId},
    tree::Shape,
};

/// A leader's call for the commitments of a tree: [`Tree::new`](crate::tree::Tree::new) of this
/// shape, with the session's name for its seed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Call {
    /// What the session's name is made of.
    pub session: Session,
    /// The tree's shape.
    pub shape: Shape,
    /// When, by the leader's clock: later than all calls before. Whoever passes on an old call
    /// makes nobody draw a pair for it.
    pub issued: Time,
    /// How long the leader waits for tuples, in nanoseconds. Whoever passes them on waits for its
    /// share: see [`Tree::wait`](crate::tree::Tree::wait).
    pub patience: u64,
}

impl Speech for Call {
    const DOMAIN: Domain = CALL;
    fn speaker(&self) -> u16 {
        self.session.leader
    }
}

/// The commitments of a subtree T, said by the member at its root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tuple {
    /// The position of the leader that called for it, and may name it.
    pub leader: u16,
    /// The session of the call.
    pub session: SessionId,
    /// The position of the member.
    pub member: u16,
    /// The name of the member's own pair.
    pub nonce: NonceId,
    /// R1 and R2 of the member itself.
    pub own: PointBytes,
    /// R1_T and R2_T, the sums over Z_T.
    pub sums: PointBytes,
    /// Z_T: who of T has committed, the member among them.
    pub mask: Mask,
    /// The hash of the children's tuples that the sums are made of, in the order of the roster.
    pub children: [u8; 32],
}

impl Speech for Tuple {
    const DOMAIN: Domain = TUPLE;
    fn speaker(&self) -> u16 {
        self.member
    }
}

/// The responses of a subtree T to a challenge, said by the member at its root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sum {
    /// The position of the leader.
    pub leader: u16,
    /// The challenge.
    pub challenge: ChallengeId,
    /// The position of the member.
    pub member: u16,
    /// The pair that the member itself spent.
    pub nonce: NonceId,
    /// s_T, the sum over Z_T.
    pub sum: [u8; 32],
}

impl Speech for Sum {
    const DOMAIN: Domain = SUM;
    fn speaker(&self) -> u16 {
        self.member
    }
}
