//! What is said where single signatures stand in for a collective one.

use borsh::{BorshDeserialize, BorshSerialize};

use super::Speech;
use crate::{
    domain::{Domain, POLL},
    keys::Signature,
    session::{Digest, Session},
};

/// A leader's call for single signatures, to all.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Poll {
    /// What the session's name is made of.
    pub session: Session,
}

impl Speech for Poll {
    const DOMAIN: Domain = POLL;
    fn speaker(&self) -> u16 {
        self.session.leader
    }
}

/// One member's signature, as [`certificate::sign`](crate::certificate::sign) makes it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Single {
    /// The statement.
    pub statement: Digest,
    /// The position of the member.
    pub member: u16,
    /// Its signature.
    pub signature: Signature,
}
