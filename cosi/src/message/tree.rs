//! What is said in a tree.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{PointBytes, Response, Said, Speech};
use crate::{
    challenge::ChallengeId,
    domain::{ACCOUNT, CALL, CHILDREN, Domain, INQUIRY, SUM, TUPLE},
    keys::Signature,
    machine::{MAX_SIGNED, Time},
    mask::{MAX_MASK, Mask},
    nonce::NonceId,
    roster::RosterId,
    session::Session,
    transcript::Hash,
    tree::{MAX_CHILDREN, Plan, PlanId},
    wire::{BoundedVec, Wire},
};

/// A leader's call for the commitments of a tree, before a statement is signed over it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Call {
    /// What the session's name is made of.
    pub session: Session,
    /// What the tree is dealt from.
    pub plan: Plan,
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

/// The commitments of a subtree T, said by the member at its root. As a
/// [`Commitment`](super::Commitment) it is for any one statement of its leader's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tuple {
    /// The roster.
    pub roster: RosterId,
    /// The position of the leader that may name it.
    pub leader: u16,
    /// The leader's tree.
    pub plan: PlanId,
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
    /// The children whose tuples the sums are made of: [`hash`](Named::hash_all) of them.
    pub children: [u8; 32],
}

impl Speech for Tuple {
    const DOMAIN: Domain = TUPLE;
    fn speaker(&self) -> u16 {
        self.member
    }
}

/// A child's tuple, as its parent names it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Named {
    /// The position of the child.
    pub member: u16,
    /// The name of the child's own pair.
    pub nonce: NonceId,
    /// The hash of the tuple: [`Tuple::hash`].
    pub tuple: [u8; 32],
    /// The sums in the tuple.
    pub sums: PointBytes,
}

impl Named {
    /// The hash of these children, in their order.
    pub fn hash_all<'a>(children: impl IntoIterator<Item = &'a Self>) -> [u8; 32] {
        let hash = Hash::new(CHILDREN);
        children.into_iter().fold(hash, |hash, child| hash.bytes(&child.encode())).digest()
    }
}

impl Tuple {
    /// The hash by which a parent names it.
    pub fn hash(&self) -> [u8; 32] {
        Hash::new(TUPLE).bytes(&self.encode()).digest()
    }

    /// How the member's parent names it.
    pub fn to_named(&self) -> Named {
        Named { member: self.member, nonce: self.nonce, tuple: self.hash(), sums: self.sums }
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

/// A leader's question of what a member made of a challenge. It goes to all of a subtree whose sum
/// is missing or wrong, directly.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Inquiry {
    /// The roster.
    pub roster: RosterId,
    /// The position of the leader.
    pub leader: u16,
    /// The challenge.
    pub challenge: ChallengeId,
}

impl Speech for Inquiry {
    const DOMAIN: Domain = INQUIRY;
    fn speaker(&self) -> u16 {
        self.leader
    }
}

/// What a member made of a challenge in a tree: its tuple, its own response, and what the children
/// that the tuple names have answered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// The tuple whose pair is spent, as it was said.
    pub tuple: Said<Tuple>,
    /// The member's own response, with that pair alone. It names the challenge.
    pub response: Said<Response>,
    /// The children that the tuple names, in its order, and what each answered, if it did.
    pub children: BoundedVec<(Named, Option<Quote>), MAX_CHILDREN>,
}

// The parts of the longest account, in bytes.
const SIGNATURE: usize = 64;
const COMMITMENT: usize = (32 + 2 + 2 + 16 + 64) + SIGNATURE;
const LONGEST_TUPLE: usize = (32 + 2 + 32 + 2 + 16) + 64 + 64 + (4 + MAX_MASK) + 32;
const RESPONSE: usize = (32 + 2 + 16 + 32) + COMMITMENT;
const CHILD: usize = (2 + 16 + 32 + 64) + 1 + (32 + SIGNATURE);
/// The longest account, in bytes: with all children that there can be, and all their sums.
const LONGEST: usize =
    LONGEST_TUPLE + SIGNATURE + RESPONSE + SIGNATURE + (4 + MAX_CHILDREN * CHILD);
const _: () = assert!(LONGEST <= MAX_SIGNED, "evidence holds every account");

/// A child's [`Sum`], as its parent quotes it: what the parent does not know already.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Quote {
    /// The sum.
    pub sum: [u8; 32],
    /// The child's signature on it.
    pub signature: Signature,
}

impl Account {
    /// What the child said, if the account quotes it rightly.
    pub fn quoted(&self, child: &Named, quote: &Quote) -> Said<Sum> {
        let (leader, challenge) = (self.tuple.what.leader, self.response.what.challenge);
        let (member, nonce, sum) = (child.member, child.nonce, quote.sum);
        let what = Sum { leader, challenge, member, nonce, sum };
        Said { what, signature: quote.signature }
    }
}

impl Speech for Account {
    const DOMAIN: Domain = ACCOUNT;
    fn speaker(&self) -> u16 {
        self.tuple.what.member
    }
}
