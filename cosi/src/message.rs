//! What leader and cosigners say to each other.
//!
//! ```text
//!  leader                                     cosigner i
//!    |------ Announcement(session, statement) ---->|
//!    |<----- Commitment(nonce, R1_i, R2_i) --------|
//!    |------ Challenge(Z, R1, R2, statement) ----->|   beside it, which nonce to spend
//!    |<----- Response(s_i, commitment ahead) ------|   or Refusal(commitment ahead)
//! ```
//!
//! Whoever does not sign the statement answers anything about it with a [`Decline`]. Where nonces
//! get a leader nowhere it asks for single signatures: a [`Poll`], and a [`Single`] in return.
//!
//! In a tree the inner nodes stand between them, and sum up:
//!
//! ```text
//!  leader                            inner node i                              its child j
//!    |-- Call(session, plan) -------->|-- Call --------------------------------->|
//!    |<- Tuple(Z_T, R1_T, R2_T) ------|<- Tuple(Z_j, R1_j, R2_j) ----------------|
//!    |-- Challenge(Z, R1, R2) ------->|-- Challenge ---------------------------->|
//!    |<- Sum(s_T = s_i + Σ s_j), -----|<- Sum(s_j), Tuple ahead -----------------|
//!    |   Tuple ahead                  |                                          |
//! ```
//!
//! Where a sum is missing or wrong the leader asks each below directly: an [`Inquiry`], and an
//! [`Account`] or a refusal in return.
//!
//! Calls and challenges go down as the leader signed them; a tuple or a sum is signed by who sends
//! it up. Everything is signed by who says it, checked by the ZIP-215 rule.

mod single;
mod tree;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, Scalar};

pub use self::{
    single::{Poll, Single},
    tree::{Account, Call, Inquiry, Named, Quote, Sum, Tuple},
};
use crate::{
    challenge::{Challenge, ChallengeId},
    domain::{COMMITMENT, DECLINE, Domain, REFUSAL, RESPONSE},
    keys::{Batch, Signature, SigningKey, decode_point},
    machine::{FaultKind, Index, Signed},
    nonce::NonceId,
    roster::{Roster, RosterId},
    session::{Digest, Session, SessionId},
    wire::{BoundedBytes, Wire},
};

/// The longest statement, in bytes.
pub const MAX_STATEMENT: usize = 32_768;

/// The commitments R1 and R2, or their sums, encoded.
pub type PointBytes = [[u8; 32]; 2];

/// A statement, as bytes.
pub type StatementBytes = BoundedBytes<MAX_STATEMENT>;

/// Something that one member says under its signature.
pub trait Speech: Wire {
    /// What the signature is for.
    const DOMAIN: Domain;
    /// The position of the member that says it.
    fn speaker(&self) -> u16;
}

/// Something said, and the signature of who said it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Said<T> {
    /// What was said.
    pub what: T,
    /// The speaker's signature on it.
    pub signature: Signature,
}

impl<T: Speech> Said<T> {
    /// Says `what`. The key is the speaker's.
    pub fn new(key: &SigningKey, what: T) -> Self {
        let signature = key.sign(&T::DOMAIN, &what.encode());
        Self { what, signature }
    }

    /// Who said it, if the signature holds.
    pub fn speaker(&self, roster: &Roster) -> Option<Index> {
        let speaker = roster.index(self.what.speaker())?;
        let holds = roster.verify(speaker, &T::DOMAIN, &self.what.encode(), &self.signature);
        holds.then_some(speaker)
    }

    fn queue(&self, roster: &Roster, batch: &mut Batch) -> Option<Index> {
        let speaker = roster.index(self.what.speaker())?;
        let key = roster.key(speaker)?.to_bytes();
        batch.add(key, &T::DOMAIN, &self.what.encode(), &self.signature);
        Some(speaker)
    }

    /// The form that evidence holds.
    pub(crate) fn to_signed(&self) -> Option<Signed> {
        let statement = BoundedBytes::new(self.what.encode())?;
        Some(Signed { statement, signature: self.signature })
    }

    /// What evidence holds, if it is such a thing. The signature is not checked.
    pub(crate) fn from_signed(signed: &Signed) -> Option<Self> {
        let what = T::decode(&signed.statement).ok()?;
        Some(Self { what, signature: signed.signature })
    }
}

/// The points of a nonce pair that its owner may spend once, for one leader.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commitment {
    /// The roster.
    pub roster: RosterId,
    /// The position of the leader that may name it.
    pub leader: u16,
    /// The position of the owner.
    pub member: u16,
    /// The pair's name.
    pub nonce: NonceId,
    /// R1 and R2 of this member.
    pub points: PointBytes,
}

impl Speech for Commitment {
    const DOMAIN: Domain = COMMITMENT;
    fn speaker(&self) -> u16 {
        self.member
    }
}

/// A cosigner's answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Response {
    /// The challenge.
    pub challenge: ChallengeId,
    /// The position of who answers.
    pub member: u16,
    /// The pair that is spent.
    pub nonce: NonceId,
    /// s = r1 + b·r2 + c·a of this member.
    pub response: [u8; 32],
    /// A pair for the attempt after this one.
    pub ahead: Said<Commitment>,
}

impl Speech for Response {
    const DOMAIN: Domain = RESPONSE;
    fn speaker(&self) -> u16 {
        self.member
    }
}

/// A cosigner's word that it cannot answer a challenge, which is no fault.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Refusal {
    /// The challenge.
    pub challenge: ChallengeId,
    /// The position of who refuses.
    pub member: u16,
    /// The pair that is gone. `None`: it was asked what it made of a challenge that has not come.
    pub nonce: Option<NonceId>,
    /// A pair for the attempt after this one.
    pub ahead: Said<Commitment>,
}

impl Speech for Refusal {
    const DOMAIN: Domain = REFUSAL;
    fn speaker(&self) -> u16 {
        self.member
    }
}

/// A cosigner's word that it does not sign a statement: its application turned that down.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decline {
    /// The roster.
    pub roster: RosterId,
    /// The position of the leader that asked.
    pub leader: u16,
    /// The statement.
    pub statement: Digest,
    /// What the leader drew for it: the same in all its sessions for one announcement.
    pub entropy: [u8; 32],
    /// The position of who declines.
    pub member: u16,
}

impl Speech for Decline {
    const DOMAIN: Domain = DECLINE;
    fn speaker(&self) -> u16 {
        self.member
    }
}

/// What a challenge asks of one member, beside what it says to all: which pair to spend, and for
/// whom to answer. Whichever way a pair is named, it answers once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ask {
    /// For itself: a [`Response`], to the leader.
    Own(NonceId),
    /// For the subtree whose [`Tuple`] has this pair for its own: a [`Sum`], to whoever passed the
    /// challenge on.
    Branch(NonceId),
}

/// What leader and cosigners say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "an account is rare, and a box shows in each match")]
pub enum Message {
    /// The leader asks for commitments, so as to sign this statement.
    Announcement(Said<Session>, StatementBytes),
    /// A cosigner commits to a pair.
    Commitment(Said<Commitment>),
    /// The leader asks for a response; and what is asked of this cosigner.
    Challenge(Said<Challenge>, Ask),
    /// A cosigner responds.
    Response(Said<Response>),
    /// A cosigner cannot.
    Refusal(Said<Refusal>),
    /// The leader asks a tree for commitments, so as to sign this statement.
    Call(Said<Call>, StatementBytes),
    /// A member commits for its subtree, on the call in this session.
    Tuple(Said<Tuple>, SessionId),
    /// A member responds for its subtree, and commits for the time after.
    Sum(Said<Sum>, Said<Tuple>),
    /// The leader asks a member what it made of a challenge in a tree.
    Inquiry(Said<Inquiry>),
    /// A member tells, and says again how it commits for its subtree for the time after, if its
    /// subtree answered.
    Account(Said<Account>, Option<Said<Tuple>>),
    /// A cosigner does not sign the statement.
    Decline(Said<Decline>),
    /// The leader asks for a single signature on this statement.
    Poll(Said<Poll>, StatementBytes),
    /// A cosigner signs alone. Only who has the statement can check the signature.
    Single(Single),
}

/// A message whose signatures hold, but for a [`Single`]'s, and whose points are decoded.
/// [`Message::verify`] alone makes one; another roster's machine drops it.
#[derive(Clone, Debug)]
pub struct Verified<M> {
    pub(crate) roster: RosterId,
    /// Who said it.
    pub(crate) speaker: Index,
    /// The points in it that are to be spent next: the sums, where it has others too; those ahead,
    /// where it answers; none in an announcement, a call or an inquiry.
    pub(crate) points: Option<[EdwardsPoint; 2]>,
    pub(crate) message: M,
}

impl Message {
    /// Whether a [`Leader`](crate::Leader) handles it. A [`Cosigner`](crate::Cosigner) handles
    /// the others. What goes up a tree is for the one or the other: see
    /// [`is_for_leader_at`](Self::is_for_leader_at).
    pub const fn is_for_leader(&self) -> bool {
        matches!(
            self,
            Self::Commitment(_)
                | Self::Response(_)
                | Self::Refusal(_)
                | Self::Account(..)
                | Self::Decline(_)
                | Self::Single(_)
        )
    }

    /// Whether its speaker leads.
    pub(crate) const fn is_leaders(&self) -> bool {
        matches!(
            self,
            Self::Announcement(..)
                | Self::Challenge(..)
                | Self::Call(..)
                | Self::Inquiry(_)
                | Self::Poll(..)
        )
    }

    /// The statement that the message asks to be signed, if it is a leader's that shows one.
    pub fn statement(&self) -> Option<&[u8]> {
        match self {
            Self::Announcement(_, statement)
            | Self::Call(_, statement)
            | Self::Poll(_, statement) => Some(statement),
            Self::Challenge(said, _) => Some(&said.what.statement),
            Self::Commitment(_)
            | Self::Response(_)
            | Self::Refusal(_)
            | Self::Tuple(..)
            | Self::Sum(..)
            | Self::Inquiry(_)
            | Self::Account(..)
            | Self::Decline(_)
            | Self::Single(_) => None,
        }
    }

    /// Whether the [`Leader`](crate::Leader) of this member handles it, trees included. Its
    /// [`Cosigner`](crate::Cosigner) handles the others.
    pub fn is_for_leader_at(&self, me: Index) -> bool {
        match self {
            Self::Tuple(said, _) => said.what.leader == me.get(),
            Self::Sum(said, _) => said.what.leader == me.get(),
            Self::Announcement(..)
            | Self::Commitment(_)
            | Self::Challenge(..)
            | Self::Response(_)
            | Self::Refusal(_)
            | Self::Call(..)
            | Self::Inquiry(_)
            | Self::Account(..)
            | Self::Decline(_)
            | Self::Poll(..)
            | Self::Single(_) => self.is_for_leader(),
        }
    }

    /// Checks the signatures and decodes the points. Needs no machine, so any thread may do it.
    /// The error is the rule that whoever delivered the message broke.
    pub fn verify(self, roster: &Roster) -> Result<Verified<Self>, FaultKind> {
        let (speaker, points) = match &self {
            Self::Announcement(said, statement) => {
                names(&said.what, statement)?;
                (said.speaker(roster), None)
            }
            Self::Commitment(said) => (said.speaker(roster), Some(&said.what.points)),
            Self::Challenge(said, _) => {
                names(&said.what.session, &said.what.statement)?;
                (said.speaker(roster), Some(&said.what.commitments))
            }
            Self::Response(said) => with_ahead(said, &said.what.ahead, roster)?,
            Self::Refusal(said) => with_ahead(said, &said.what.ahead, roster)?,
            Self::Call(said, statement) => {
                names(&said.what.session, statement)?;
                (said.speaker(roster), None)
            }
            Self::Tuple(said, _) => {
                decode_points(&said.what.own).ok_or(FaultKind::Malformed)?;
                (said.speaker(roster), Some(&said.what.sums))
            }
            Self::Sum(said, ahead) => of_subtree(said, ahead, roster)?,
            Self::Inquiry(said) => {
                is_of(said.what.roster, roster)?;
                (said.speaker(roster), None)
            }
            Self::Account(said, ahead) => of_descent(said, ahead.as_ref(), roster)?,
            Self::Decline(said) => {
                is_of(said.what.roster, roster)?;
                (said.speaker(roster), None)
            }
            Self::Poll(said, statement) => {
                names(&said.what.session, statement)?;
                (said.speaker(roster), None)
            }
            Self::Single(single) => (roster.index(single.member), None),
        };
        let speaker = speaker.ok_or(FaultKind::BadSignature)?;
        let points = points.map(|points| decode_points(points).ok_or(FaultKind::Malformed));
        Ok(Verified { roster: roster.id(), speaker, points: points.transpose()?, message: self })
    }
}

/// Checks that the session is about this statement.
fn names(session: &Session, statement: &[u8]) -> Result<(), FaultKind> {
    if session.statement == Digest::of(statement) { Ok(()) } else { Err(FaultKind::Malformed) }
}

/// Checks that what names its roster is for this one.
fn is_of(named: RosterId, roster: &Roster) -> Result<(), FaultKind> {
    if named == roster.id() { Ok(()) } else { Err(FaultKind::Malformed) }
}

/// Who answered, if both signatures hold, and the points ahead.
fn with_ahead<'a, T: Speech>(
    said: &Said<T>,
    ahead: &'a Said<Commitment>,
    roster: &Roster,
) -> Result<(Option<Index>, Option<&'a PointBytes>), FaultKind> {
    if ahead.what.member != said.what.speaker() {
        return Err(FaultKind::Malformed);
    }
    let mut batch = Batch::new();
    let speaker = said.queue(roster, &mut batch).and(ahead.queue(roster, &mut batch));
    Ok((speaker.filter(|_| batch.verify()), Some(&ahead.what.points)))
}

/// Who answered for a subtree, if both signatures hold, and the sums ahead.
fn of_subtree<'a>(
    said: &Said<Sum>,
    ahead: &'a Said<Tuple>,
    roster: &Roster,
) -> Result<(Option<Index>, Option<&'a PointBytes>), FaultKind> {
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(said.what.sum));
    let own = decode_points(&ahead.what.own);
    if s.is_none() || own.is_none() || ahead.what.member != said.what.member {
        return Err(FaultKind::Malformed);
    }
    let mut batch = Batch::new();
    let speaker = said.queue(roster, &mut batch).and(ahead.queue(roster, &mut batch));
    Ok((speaker.filter(|_| batch.verify()), Some(&ahead.what.sums)))
}

/// Who gave the account, if all its own signatures hold, and the points of the pair ahead. What it
/// quotes is not checked.
fn of_descent<'a>(
    said: &'a Said<Account>,
    branch: Option<&Said<Tuple>>,
    roster: &Roster,
) -> Result<(Option<Index>, Option<&'a PointBytes>), FaultKind> {
    let Account { tuple, response, .. } = &said.what;
    let ahead = &response.what.ahead;
    let member = tuple.what.member;
    let others = [response.what.member, ahead.what.member];
    let others = others.into_iter().chain(branch.map(|branch| branch.what.member));
    if others.into_iter().any(|other| other != member) {
        return Err(FaultKind::Malformed);
    }
    let mut batch = Batch::new();
    let mut speaker = said.queue(roster, &mut batch).and(tuple.queue(roster, &mut batch));
    speaker = speaker.and(response.queue(roster, &mut batch));
    speaker = speaker.and(ahead.queue(roster, &mut batch));
    if let Some(branch) = branch {
        speaker = speaker.and(branch.queue(roster, &mut batch));
    }
    Ok((speaker.filter(|_| batch.verify()), Some(&ahead.what.points)))
}

/// Both points. Torsion is let through: the equation catches it, and names its owner.
pub(crate) fn decode_points([first, second]: &PointBytes) -> Option<[EdwardsPoint; 2]> {
    Some([decode_point(first)?, decode_point(second)?])
}
