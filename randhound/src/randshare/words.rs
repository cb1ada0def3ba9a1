//! What goes into a server of RandShare, and what comes out.

use alloc::vec::Vec;
use core::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{machine::Index, roster::Roster, wire::BoundedVec};

use crate::transcript::Randomness;

/// The most servers of a session: with n of them, messages are some n³.
pub const MAX_SERVERS: usize = 64;

/// The most commitments of a deal: f + 1 of [`MAX_SERVERS`].
pub const MAX_COMMITMENTS: usize = 22;

/// The most votes in a message.
pub const MAX_VOTES: usize = 1024;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The servers, all of weight 1.
    pub roster: Roster,
    /// Names the session. The caller gives no two sessions of a roster one name.
    pub session: [u8; 32],
    /// The server's position in the roster.
    pub index: Index,
    /// After how long it asks others again for what it lacks.
    pub retry: Duration,
    /// How long it waits for the deals of all, once those of n − f are agreed on.
    pub grace: Duration,
    /// How much longer it waits for each further round's coordinator.
    pub patience: Duration,
}

/// Why there is no such server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The roster is too large.
    #[error("{0} servers; RandShare is for {MAX_SERVERS} at most, so take RandHound")]
    Size(usize),
    /// Some member has another weight than 1.
    #[error("a server has a weight other than 1; RandShare counts servers, so give each weight 1")]
    Weight,
    /// The index is of another roster.
    #[error("the index is not of this roster")]
    Index,
    /// The records are not of this server in this session.
    #[error("the records are of another server or session, or not in the order of writing")]
    Foreign,
}

/// Names the commitments of one dealer in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct DealId(pub [u8; 32]);

/// The coefficients of a dealer's polynomial, each times the generator: A_k = \[a_k\]G.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commitments(pub BoundedVec<[u8; 32], MAX_COMMITMENTS>);

/// A deal, as one server gets it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Deal {
    /// The same for all servers.
    pub commitments: Commitments,
    /// The value of the polynomial at the receiver's position, counted from 1.
    pub share: [u8; 32],
}

/// A server's word on one dealer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// The dealer.
    pub dealer: u16,
    /// The word.
    pub word: Word,
}

/// A word in the broadcast of a deal's commitments, or in the agreement on its dealer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Word {
    /// The voter holds a share that is valid for these commitments.
    Echo(DealId),
    /// A quorum holds shares that are valid for these commitments.
    Ready(DealId),
    /// EST: whether the dealer is to contribute, as the voter has it, or f + 1 others do.
    Estimate(u8, bool),
    /// COORD: what the coordinator of the round suggests.
    Coordinate(u8, bool),
    /// AUX: what a quorum has as its estimates, as far as the voter sees.
    Auxiliary(u8, Values),
}

/// Some of the two values of an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Values {
    /// The dealer does not contribute.
    No,
    /// The dealer contributes.
    Yes,
    /// Both.
    Both,
}

/// A share that is disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Disclosed {
    /// Whose polynomial.
    pub dealer: u16,
    /// Its value at the discloser's position, counted from 1.
    pub share: [u8; 32],
}

/// What a server says to others.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Message {
    /// The sender's deal. It holds a secret of the receiver's.
    Deal(Deal),
    /// Votes, in the order in which they were cast.
    Votes(BoundedVec<Vote, MAX_VOTES>),
    /// The dealers that contribute, one bit each, and the shares of theirs that the sender has.
    Disclosed(u64, BoundedVec<Disclosed, MAX_SERVERS>),
    /// Asks for all that the receiver said, and for the deals of these dealers: one bit each.
    Ask(u64),
    /// A dealer's commitments, for a server that asked for them.
    Commitments(u16, Commitments),
}

/// What a server must not forget. Until the disclosure, these hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub enum Record {
    /// The seed of its polynomial, which it never draws again.
    Dealt([u8; 32]),
    /// The deal of this dealer, which is valid.
    Kept(u16, Deal),
    /// What it voted.
    Voted(BoundedVec<Vote, MAX_VOTES>),
    /// Agreement is reached: the dealers that contribute, one bit each, and the shares of theirs
    /// that it discloses.
    Agreed(u64, BoundedVec<Disclosed, MAX_SERVERS>),
    /// The output.
    Drawn(Randomness),
}

/// What a server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The output, and the dealers that contributed to it, at least n − f. Told again after a
    /// restore.
    Drawn(Randomness, Vec<Index>),
}
