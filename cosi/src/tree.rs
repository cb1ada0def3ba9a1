//! Signing over trees: the leader speaks to its children alone, and inner nodes sum up.
//!
//! ```text
//!   Star               Kary { branching: 2 }            Groups
//!
//!      L                       L                          L
//!   / / \ \                 /     \                    /  |  \
//!  1 2   3 4               1       2                  1   2   3     ⌊√(n−1)⌋ sub-leaders
//!                         / \     / \                /|   |   |\
//!                        3   4   5   6              4 7   5   6 ...
//! ```
//!
//! The leader L stands at the root, and a public seed, the session's name, deals the other places:
//! see [`Tree`]. The leader draws what the name is made of, so it could choose its tree. A bad tree
//! endangers no signature and no pair. It costs time, and the uplink of those whom the leader makes
//! inner nodes.
//!
//! After the trees of CoSi (Syta et al. 2016). `Groups` is the shallow one of ByzCoinX
//! (Kokoris-Kogias et al., OmniLedger, 2018).
//!
//! # How it works
//!
//! ```text
//!  leader                     inner node i                           its child j
//!    |---- Call ---------------->|---- Call ---------------------------->|  validate, draw r1, r2
//!    |                           |<--- Tuple(Z_j, R1_j, R2_j) -----------|
//!    |<--- Tuple(Z_T, R1_T, R2_T)|  Z_T = {i} ∪ Z_j ∪ .., R1_T = R1_i + R1_j + ..
//!    |  (asks the missing directly, as in a star)                        |
//!    |---- Challenge ----------->|---- Challenge ----------------------->|  compute b, R, c
//!    |                           |<--- Sum(s_j) -------------------------|
//!    |<--- Sum(s_T) -------------|  s_T = s_i + s_j + ..
//!    v
//!  check the whole
//! ```
//!
//! - Calls and challenges come down as the leader signed them, the same for all, so no parent
//!   draws on the leader's quota at its children, nor has them answer anything else. Beside a
//!   challenge stands the name of the one pair to spend, which a parent knows of its children.
//! - A member answers under the rules of a star and one more: of its own subtree Z holds exactly
//!   those for whom it sent its tuple, and so holds signed tuples.
//! - Inner nodes wait for tuples for a share of the leader's patience that shrinks with depth: see
//!   [`Tree::wait`]. Then they send what they have, and who is late is left out.
//! - A silent parent and a silent child look alike, so the leader asks whoever is missing directly.
//!   If they commit, they are challenged directly beside the tree; and so is the whole branch they
//!   stand in, for those above them could not answer to a Z that holds them.
//! - Sums are checked at the leader, once, all together. If that fails, or some are missing, nobody
//!   in the tree is blamed: a sum tells nothing of who made it wrong. The leader calls another
//!   tree, at most [`Config::trees`](crate::leader::Config::trees) in all, and then leads a star,
//!   where blame is exact. After a session whose trees all failed the next ones go without, first
//!   one, then twice as many each time, at most 64.
//!
//! So a faulty member in a tree costs time, and neither the signature nor an innocent's name.
//!
//! # What is yours to do
//!
//! - Set [`Config::shape`](crate::leader::Config::shape) at who leads and
//!   [`Limits::calls`](crate::cosigner::Limits::calls) at who cosigns: it is 0 unless set.
//! - Let cosign over trees those alone who may be made to relay: a member passes a call on to up to
//!   255 children before it has judged the statement, and the newest call takes the oldest one's
//!   place. `Limits::calls` bounds memory, not the rate.
//! - Keep a leader's clock from jumping ahead. Its calls are dated, and a cosigner takes none that
//!   is older than the last: after a jump its trees wait until the clock has caught up. Stars do
//!   not.
//! - Route what goes up by [`Message::is_for_leader_at`](crate::message::Message::is_for_leader_at),
//!   and drive the timeouts of cosigners too.
//! - Choose the leader's patience as at least the depth times a round trip and the time to
//!   validate, and at least a round trip over the whole depth.
//!
//! # Where it departs from the papers, and its limits
//!
//! - In CoSi a parent says which of its children are absent, and in ByzCoin each node checks the
//!   responses below it. Here no parent's word counts against a child, and sums go up unchecked.
//! - Every statement takes a round trip over the tree for the tuples and one for the sums: pairs
//!   ahead, which spare a star the first, are for stars alone.
//! - Everybody has a place in every tree, whatever it did before. One that is silent costs its
//!   parent's wait and the leader's grace each time; one that is silent in the tree and commits
//!   directly has its whole branch asked directly.
//! - A wrong sum is not traced to who made it.
//! - Each call costs each member a hash for each member, to deal the places.
//!
//! # Example
//!
//! Nine members sign over a binary tree. All are honest here, so nobody has to wait.
//!
//! ```
//! use std::{collections::VecDeque, sync::Arc};
//! use cosi::{
//!     Cosigner, Leader, Policy, cosigner, keys::Seed, leader, machine::{Cx, Time, To},
//!     roster::{Member, Roster}, session::Digest, tree::{Branching, Shape},
//! };
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let keys: Vec<_> =
//!     (1..=9).map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key())).collect();
//! let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! let members: Vec<_> = roster.indices().collect();
//! let mut cx = Cx::new(Time::default(), &mut rng);
//!
//! let mut config = leader::Config::new(roster.clone(), members[0], keys[0].clone());
//! config.shape = Shape::Kary { branching: Branching::new(2).unwrap() };
//! let mut leader = Leader::new(config)?;
//! let mut cosigners = Vec::new();
//! for (me, key) in members.iter().zip(&keys) {
//!     let mut config = cosigner::Config::new(roster.clone(), *me, key.clone());
//!     config.limits.calls = 4;
//!     let mut cosigner = Cosigner::new(config)?;
//!     let verdict = cosigner::Command::Validated { digest: Digest::of(b"1.0"), accept: true };
//!     let _ = cosigner.handle_command(&mut cx, verdict)?;
//!     cosigners.push(cosigner);
//! }
//!
//! let (statement, policy) = (b"1.0".to_vec(), Policy::Complete);
//! let command = leader::Command::Announce { statement, policy };
//! let mut led = Some(leader.handle_command(&mut cx, command)?);
//! let (mut mail, mut leader_sent) = (VecDeque::new(), 0);
//! let signature = loop {
//!     if let Some(step) = led.take() {
//!         let output = step.into_records().1.release();
//!         if let Some(leader::Event::Signed { signature, .. }) = output.events.into_iter().next() {
//!             break signature;
//!         }
//!         mail.extend(output.messages.into_iter().map(|(to, message)| (members[0], to, message)));
//!     }
//!     let (from, to, message) = mail.pop_front().unwrap();
//!     let to = match to {
//!         To::One(one) => vec![one],
//!         To::Some(some) => some,
//!         To::All => unreachable!("a star"),
//!     };
//!     leader_sent += if from == members[0] { to.len() } else { 0 };
//!     for to in to {
//!         if message.is_for_leader_at(to) {
//!             led = Some(leader.handle_message(&mut cx, from, message.clone()));
//!             continue;
//!         }
//!         let cosigner = &mut cosigners[usize::from(to.get())];
//!         let step = cosigner.handle_message(&mut cx, from, message.clone());
//!         let output = step.into_records().1.release();
//!         mail.extend(output.messages.into_iter().map(|(next, message)| (to, next, message)));
//!     }
//! };
//! signature.verify(&roster, b"1.0", &Policy::Complete)?;
//! assert_eq!(leader_sent, 4, "a call and a challenge to each of two children");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod branch;
mod dealt;

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read},
};

pub use self::dealt::Tree;
pub(crate) use self::branch::{Branch, Branches, Owed, Scope, add_up};
use crate::{domain::PLAN, mask::Mask, roster::RosterId, transcript::Hash, wire::Wire};

/// The most children that a node of a tree has, the leader of a star aside.
pub const MAX_CHILDREN: usize = 256;

/// How many children a node of a [`Shape::Kary`] tree has at most: from 2 to 255, so no tree is
/// deeper than 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Branching(u8);

impl Branching {
    /// `None` when it is less than 2.
    pub fn new(children: u8) -> Option<Self> {
        (children >= 2).then_some(Self(children))
    }

    /// How many.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl BorshDeserialize for Branching {
    fn deserialize_reader<R: Read>(reader: &mut R) -> borsh::io::Result<Self> {
        Self::new(u8::deserialize_reader(reader)?)
            .ok_or_else(|| Error::from(ErrorKind::InvalidData))
    }
}

/// The shape of a tree.
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
pub enum Shape {
    /// Everybody is the leader's child.
    #[default]
    Star,
    /// Each node but the last has the same number of children, or none.
    Kary {
        /// How many.
        branching: Branching,
    },
    /// About √n groups, each with a sub-leader under the leader: ByzCoin's shallow tree.
    Groups,
}

impl Shape {
    /// The `Kary` shape that is at most three deep with `size` members: branching ⌈∛size⌉.
    pub fn balanced(size: usize) -> Self {
        let reaches = |b: &u8| usize::from(*b).saturating_pow(3) >= size;
        let branching = Branching((2..=u8::MAX).find(reaches).unwrap_or(u8::MAX));
        Self::Kary { branching }
    }
}

/// What a leader's tree is dealt from: see [`Tree`]. It stays from session to session, so that the
/// members' commitments ahead do.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Plan {
    /// The tree's shape.
    pub shape: Shape,
    /// Drawn by the leader.
    pub seed: [u8; 32],
    /// Who has no place in the tree, and is asked directly.
    pub aside: Mask,
}

/// Names a leader's tree: H(roster ‖ leader ‖ shape ‖ seed ‖ aside).
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
pub struct PlanId(pub [u8; 32]);

impl Plan {
    /// The name of this leader's tree.
    pub fn id(&self, roster: &RosterId, leader: u16) -> PlanId {
        let hash = Hash::new(PLAN).fixed(&roster.0).fixed(&leader.to_le_bytes());
        PlanId(hash.bytes(&self.encode()).digest())
    }
}
