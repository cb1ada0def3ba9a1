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
//! The leader L stands at the root, and a seed that it draws deals the other places: see [`Tree`].
//! So it could choose its tree. A bad one endangers no signature and no pair. It costs time, and the
//! uplink of those whom the leader makes inner nodes.
//!
//! After the trees of CoSi (Syta et al. 2016). `Groups` is the shallow one of ByzCoinX
//! (Kokoris-Kogias et al., OmniLedger, 2018). Commitments ahead are ROAST's (Ruffing et al. 2022).
//!
//! # How it works
//!
//! ```text
//!            leader                     inner node i                           its child j
//!  announce    |---- Call ---------------->|---- Call ---------------------------->|  validate
//!  commit      |                           |<--- Tuple(Z_j, R1_j, R2_j) -----------|
//!              |<--- Tuple(Z_T, R1_T, R2_T)|  Z_T = {i} ∪ Z_j ∪ .., R1_T = R1_i + R1_j + ..
//!              |  (asks the missing directly, as in a star)                        |
//!  challenge   |---- Challenge ----------->|---- Challenge ----------------------->|
//!  respond     |                           |<--- Sum(s_j), Tuple ahead ------------|
//!              |<--- Sum(s_T), Tuple ahead |  s_T = s_i + s_j + ..
//!              v
//!  check the whole, and only if that fails, or some are missing:
//!
//!  descend     |---- Inquiry ------------->|                                       |
//!              |---- Inquiry ------------------------------------------------------>|
//!              |<--- Account(s_i, s_j) ----|<                                       |
//!              |<--- Account(s_j) --------------------------------------------------|
//! ```
//!
//! - **One tree, session after session.** The [`Plan`] stays, and each sum brings its branch's tuple
//!   for the time after. So from the second statement on the challenge comes first: one round trip.
//!   A challenge is passed on before its statement is validated, and answered after.
//! - Calls and challenges come down as the leader signed them, the same for all, so no parent
//!   draws on the leader's quota at its children, nor has them answer anything else. Beside a
//!   challenge stands what is asked of one member, which a parent knows of its children: the pair
//!   to spend, and whether to answer for itself or for its branch. Whichever way it is named, a pair
//!   answers once.
//! - A member answers for its branch if Z holds all of Z_T. Members below it that are not in Z_T may
//!   be in Z too, where the leader asked them directly. That frames nobody: what a member answers
//!   with is its own pair, whoever else signs; and what convicts it are its own words, none of
//!   which says who else is in Z. Only the leader has to keep those whom it asks apart, or its own
//!   sums are wrong.
//! - Inner nodes wait for tuples for a share of the leader's patience that shrinks with depth: see
//!   [`Tree::wait`]. Then they send what they have, and who is late is left out.
//! - A silent parent and a silent child look alike, so the leader asks whoever is missing directly,
//!   and challenges those who commit beside the tree.
//!
//! # When it fails
//!
//! The leader checks each branch, and asks everybody in those that failed or did not answer
//! directly, once. Each says what it committed to, its own share, and what its children said. If all
//! shares are right the attempt completes without the sums: a wrong or withheld sum costs a round
//! trip and no attempt. Otherwise it is tried again, at most
//! [`Config::trees`](crate::leader::Config::trees) times in all, without those whose share was wrong
//! or who are silent: the branches that held by what they committed to ahead, so nobody there hears
//! a call; sound branches below a head that failed under the leader; all others directly. Then the
//! leader leads a star. After a session in which that was of no use the next ones go without trees,
//! first one, then twice as many each time, at most 64.
//!
//! What members signed themselves convicts them, before everybody: see [`blame`](crate::blame).
//! Where a parent and a child say different things, or one has not passed on what the other says,
//! nobody is convicted. From the next session on both *stand aside*, or the parent alone where that
//! happened with several of its children. So does who was silent when it was asked directly, until
//! it answers. Who stands aside has no place in the tree, and is asked directly; whoever is last
//! below it takes its place, so a silent sub-leader is replaced from its own group. It comes back
//! after one session, after two, four and at most 64 the next times; signing over the tree clears it.
//! One that was silent is not waited for until it has answered.
//!
//! So a faulty member costs the time of one session, then of fewer and fewer, and neither the
//! signature nor an innocent's name.
//!
//! # What is yours to do
//!
//! - Set [`Config::shape`](crate::leader::Config::shape) at who leads and
//!   [`Limits::calls`](crate::cosigner::Limits::calls) at who cosigns: it is 0 unless set.
//! - Let cosign over trees those alone who may be made to relay: a member passes a call on before it
//!   has judged the statement, to at most [`Limits::children`](crate::cosigner::Limits::children),
//!   and so many within [`Limits::pace`](crate::cosigner::Limits::pace). A challenge is passed on
//!   once for each tuple.
//! - Keep a leader's clock from jumping ahead. Its calls are dated, and a cosigner takes none that
//!   is older than the last: after a jump its calls wait until the clock has caught up. Stars, and
//!   trees that need no call, do not.
//! - Route what goes up by [`Message::is_for_leader_at`](crate::message::Message::is_for_leader_at),
//!   and drive the timeouts of cosigners too.
//! - Choose the leader's patience as at least the depth times a round trip and the time to
//!   validate, and at least a round trip over the whole depth.
//!
//! # Where it departs from the papers, and its limits
//!
//! - In CoSi a parent says which of its children are absent, and in ByzCoin each node checks the
//!   responses below it. Here no parent's word counts against a child, and sums go up unchecked.
//! - A sum that does not hold is nobody's fault by itself, for a child would frame its parent.
//! - A way that fails takes an honest end of it aside too, for a while. That costs the leader a
//!   message to it and back.
//! - Whoever comes back, or goes, costs all the others' pairs ahead: one call.
//! - A member deals the tree, with a hash for eight members, whenever the plan changes. It keeps
//!   its place, and the masks of its children's subtrees: a kilobyte each for 8,192 members.
//!
//! # Example
//!
//! Nine members sign twice over a binary tree. All are honest here, so nobody has to wait.
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
//!     for statement in [b"1.0", b"1.1"] {
//!         let digest = Digest::of(statement);
//!         let verdict = cosigner::Command::Validated { digest, accept: true };
//!         let _ = cosigner.handle_command(&mut cx, verdict)?;
//!     }
//!     cosigners.push(cosigner);
//! }
//!
//! let mut leader_sent = Vec::new();
//! for statement in [b"1.0", b"1.1"] {
//!     let (policy, mut mail, mut sent) = (Policy::Complete, VecDeque::new(), 0);
//!     let command = leader::Command::Announce { statement: statement.to_vec(), policy };
//!     let mut led = Some(leader.handle_command(&mut cx, command)?);
//!     let signature = loop {
//!         if let Some(step) = led.take() {
//!             let output = step.into_records().1.release();
//!             let event = output.events.into_iter().next();
//!             if let Some(leader::Event::Signed { signature, .. }) = event {
//!                 break signature;
//!             }
//!             mail.extend(output.messages.into_iter().map(|(to, said)| (members[0], to, said)));
//!         }
//!         let (from, to, message) = mail.pop_front().unwrap();
//!         let to = match to {
//!             To::One(one) => vec![one],
//!             To::Some(some) => some,
//!             To::All => unreachable!("a star"),
//!         };
//!         sent += if from == members[0] { to.len() } else { 0 };
//!         for to in to {
//!             if message.is_for_leader_at(to) {
//!                 led = Some(leader.handle_message(&mut cx, from, message.clone()));
//!                 continue;
//!             }
//!             let cosigner = &mut cosigners[usize::from(to.get())];
//!             let step = cosigner.handle_message(&mut cx, from, message.clone());
//!             let output = step.into_records().1.release();
//!             mail.extend(output.messages.into_iter().map(|(next, said)| (to, next, said)));
//!         }
//!     };
//!     signature.verify(&roster, statement, &Policy::Complete)?;
//!     leader_sent.push(sent);
//! }
//! assert_eq!(leader_sent, [4, 2], "a call and a challenge to two children, then a challenge alone");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod branch;
mod dealt;

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read},
};

pub(crate) use self::branch::{Branch, Branches, Owed, Scope, add_up};
pub use self::dealt::Tree;
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
