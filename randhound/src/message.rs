//! What client and servers say to each other.
//!
//! ```text
//!  client                                               server i, in group l
//!    |------ I1 Invitation(config) ------------------------->|
//!    |<----- R1 Dealing(deal to its group) ------------------|
//!    |------ I2 Choice(statement), the deals of group l, --->|
//!    |          fragment i of all chosen deals               |
//!    |<----- R2 Acknowledgement(statement) ------------------|
//!    |------ I3 Decision(statement, certificate) ----------->|   from anyone, to anyone
//!    |<----- R3 Opened(share of the sum) --------------------|
//!
//!  rescuer                                              server i
//!    |------ Inquiry(session) ------------------------------>|   where the client fell silent
//!    |<----- Kept(statement, fragment i, certificate) -------|
//! ```
//!
//! The statement fixes the session, the chosen dealers, and by its roots every byte that they
//! dealt. It is decided before the first share is opened.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
pub use cosi::message::{Said, Speech};
use cosi::{
    Certificate, Statement as _,
    domain::{
        ACKNOWLEDGING, CHOICE, DEALING, DEALS_ROOT, Domain, INVITATION, RANDHOUND,
        RANDHOUND_SESSION,
    },
    keys::{PublicKey, PublicKeyBytes, Signature, SigningKey},
    mask::Mask,
    nonce::NonceId,
    roster::RosterId,
    round::{Offer, Question},
    transcript::Hash,
    wire::{BoundedVec, Wire},
};
use pvss::{Deal, DecryptedShare, MAX_TRUSTEES};

use crate::coded::Fragment;

/// The most groups of one session.
pub const MAX_GROUPS: usize = 1 << 16;

/// The root of coded deals in a statement whose deals are not coded.
pub const NOT_CODED: [u8; 32] = [0; 32];

/// What a session is about, C. Servers and verifiers know every field from elsewhere, and refuse
/// a config that differs in any. The grouping's seed is no field: nobody chooses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Config {
    /// The servers.
    pub roster: RosterId,
    /// What the output is for.
    pub purpose: [u8; 32],
    /// Which of the purpose's outputs it is.
    pub slot: u64,
    /// Which attempt at the slot this is, from 0.
    pub attempt: u32,
    /// Who alone may be the client.
    pub client: PublicKeyBytes,
    /// About how many servers a group has.
    pub group_size: u16,
}

impl Config {
    /// SID = H(C).
    pub fn id(&self) -> SessionId {
        SessionId(Hash::new(RANDHOUND_SESSION).bytes(&self.encode()).digest())
    }
}

/// Names a session: SID.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct SessionId(pub [u8; 32]);

/// What the servers decide: which deals make up the output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Statement {
    /// The session.
    pub session: SessionId,
    /// T', the chosen dealers.
    pub dealers: Mask,
    /// For each group the [`root`] of its chosen deals.
    pub roots: BoundedVec<[u8; 32], MAX_GROUPS>,
    /// The [root](crate::coded::Coded::root) over the fragments of the coded deals. [`NOT_CODED`]
    /// where whoever decides holds them all.
    pub availability: [u8; 32],
}

impl Statement {
    /// The name.
    pub fn id(&self) -> StatementId {
        StatementId(Hash::new(RANDHOUND).bytes(&self.to_signed()).digest())
    }
}

impl cosi::Statement for Statement {
    fn to_signed(&self) -> Vec<u8> {
        [&RANDHOUND[..], &self.encode()].concat()
    }
}

/// Names a [`Statement`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct StatementId(pub [u8; 32]);

/// A server's deal to its group, R1.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dealing {
    /// The session.
    pub session: SessionId,
    /// The dealer's position in the roster.
    pub dealer: u16,
    /// The deal.
    pub deal: Deal,
}

impl Speech for Dealing {
    const DOMAIN: Domain = DEALING;
    fn speaker(&self) -> u16 {
        self.dealer
    }
}

/// Signed deals of one group, at most as many as it has members.
pub type Deals = BoundedVec<Said<Dealing>, MAX_TRUSTEES>;

/// The hash over one group's chosen deals, signatures included, in the order of their dealers:
/// H(tag ‖ l ‖ number ‖ \[(j, H(signed R1_j))\]).
pub fn root(group: u16, deals: &[Said<Dealing>]) -> [u8; 32] {
    let number = u64::try_from(deals.len()).unwrap_or(u64::MAX);
    let hash = Hash::new(DEALS_ROOT).number(group.into()).number(number);
    let add = |hash: Hash, said: &Said<Dealing>| {
        let signed = Hash::new(DEALING).bytes(&said.encode()).digest();
        hash.number(said.what.dealer.into()).fixed(&signed)
    };
    deals.iter().fold(hash, add).digest()
}

/// What a client says under its signature.
pub trait ClientSpeech: Wire {
    /// What the signature is for.
    const DOMAIN: Domain;
}

impl ClientSpeech for Config {
    const DOMAIN: Domain = INVITATION;
}

impl ClientSpeech for Statement {
    const DOMAIN: Domain = CHOICE;
}

/// Something that the client said, and its signature. The client need not be in any roster.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ByClient<T> {
    /// What was said.
    pub what: T,
    /// The client's signature on it.
    pub signature: Signature,
}

impl<T: ClientSpeech> ByClient<T> {
    /// Says `what`. The key is the client's.
    pub fn new(key: &SigningKey, what: T) -> Self {
        let signature = key.sign(&T::DOMAIN, &what.encode());
        Self { what, signature }
    }

    /// Whether the client said it.
    pub fn verify(&self, client: &PublicKey) -> bool {
        client.verify(&T::DOMAIN, &self.what.encode(), &self.signature)
    }
}

/// What a client shows a server of its choice, I2.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shown {
    /// The choice.
    pub statement: ByClient<Statement>,
    /// The chosen deals of the receiver's group.
    pub deals: Deals,
    /// The receiver's fragment of all chosen deals.
    pub fragment: Fragment,
    /// How the receiver is to acknowledge.
    pub ask: Ask,
}

/// How a server is asked to acknowledge.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ask {
    /// By a signature of its own.
    Single,
    /// By its part in a signature of all that the question names: a round of
    /// [collective signing](cosi::round).
    Part {
        /// Counts the rounds, from 0. It names the round, together with the statement.
        attempt: u8,
        /// The question, the same for all.
        question: Question,
        /// Which of the receiver's pairs to spend.
        nonce: NonceId,
    },
}

/// A server's word for a statement, R2.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Acknowledgement {
    /// The statement.
    pub statement: StatementId,
    /// The word.
    pub word: Word,
}

/// How a server acknowledges.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Word {
    /// Its signature, as an individual [`Certificate`] holds it.
    Single(Signature),
    /// Its part in a round.
    Part {
        /// The round.
        attempt: u8,
        /// s.
        response: [u8; 32],
        /// A pair for the next round.
        ahead: Offer,
    },
    /// It has no such pair, as after a crash, or may not answer the question.
    Refusal {
        /// The round.
        attempt: u8,
        /// A pair for the next round.
        ahead: Offer,
    },
}

/// The name of a round of acknowledging.
pub fn round(statement: StatementId, attempt: u8) -> [u8; 32] {
    Hash::new(ACKNOWLEDGING).fixed(&statement.0).fixed(&[attempt]).digest()
}

/// A statement that was decided, I3. Anybody may show it to any server.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decision {
    /// The session.
    pub config: Config,
    /// The statement.
    pub statement: Statement,
    /// What says that a quorum acknowledged it.
    pub certificate: Certificate,
    /// The chosen deals of the receiver's group, or none for a receiver that has them.
    pub deals: Deals,
}

/// A server's share of the sum of its group's chosen secrets, R3. It needs no signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opened {
    /// The statement, to which the share's proof is bound.
    pub statement: StatementId,
    /// The group.
    pub group: u16,
    /// The share.
    pub share: DecryptedShare,
}

/// What a server keeps of a session, for anyone who completes it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Kept {
    /// The session.
    pub session: SessionId,
    /// What it acknowledged, with its fragment.
    pub acknowledged: Option<(ByClient<Statement>, Fragment)>,
    /// What was decided, if it saw that.
    pub decided: Option<(Statement, Certificate)>,
}

/// What client, servers and rescuers say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Message {
    /// I1: the client opens a session.
    Invitation(ByClient<Config>),
    /// R1: a server deals; beside it, and fresh after a crash, a pair for the first round.
    Dealing(Said<Dealing>, Offer),
    /// I2: the client chose, and shows the receiver the chosen deals of its group.
    Choice(Shown),
    /// I2′: the client asks again for an acknowledgement of what it showed.
    Ask(StatementId, Ask),
    /// R2: a server acknowledges.
    Acknowledgement(Acknowledgement),
    /// I3: the choice is decided.
    Decision(Decision),
    /// R3: a server opens its share.
    Opened(Opened),
    /// Anyone asks a server what it keeps of a session.
    Inquiry(SessionId),
    /// It tells.
    Kept(Kept),
}
