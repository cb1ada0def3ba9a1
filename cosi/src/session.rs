//! What names a statement, and an attempt to sign it.

use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha512};

use crate::{
    domain::{ANNOUNCEMENT, Domain, SESSION},
    message::Speech,
    roster::RosterId,
    signature::Mode,
    transcript::Hash,
};

/// Names a statement: SHA-512(M).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Digest(pub [u8; 64]);

impl Digest {
    /// The name of `statement`.
    pub fn of(statement: &[u8]) -> Self {
        Self(Sha512::digest(statement).into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// What a session's name is made of: no two attempts of any leader share one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Session {
    /// What the signers sign.
    pub mode: Mode,
    /// Whose members sign.
    pub roster: RosterId,
    /// The statement.
    pub statement: Digest,
    /// The position of the member that leads.
    pub leader: u16,
    /// Drawn by the leader, so that a leader that crashed repeats no name.
    pub entropy: [u8; 32],
    /// Counts the challenges for this statement, and the calls that had to be said again.
    pub attempt: u32,
}

/// A session's name: H(mode ‖ roster ‖ SHA-512(M) ‖ leader ‖ entropy ‖ attempt).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct SessionId(pub [u8; 32]);

impl Session {
    /// The name.
    pub fn id(&self) -> SessionId {
        let hash = Hash::new(SESSION).fixed(&[self.mode as u8]).fixed(&self.roster.0);
        let hash = hash.fixed(&self.statement.0).fixed(&self.leader.to_le_bytes());
        SessionId(hash.fixed(&self.entropy).fixed(&self.attempt.to_le_bytes()).digest())
    }
}

/// A leader calls for commitments by signing the session.
impl Speech for Session {
    const DOMAIN: Domain = ANNOUNCEMENT;
    fn speaker(&self) -> u16 {
        self.leader
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_follows_every_part() {
        let session = Session {
            mode: Mode::Accountable,
            roster: RosterId([1; 32]),
            statement: Digest([2; 64]),
            leader: 3,
            entropy: [4; 32],
            attempt: 5,
        };
        let sessions = [
            Session { mode: Mode::Raw, ..session.clone() },
            Session { roster: RosterId([9; 32]), ..session.clone() },
            Session { statement: Digest([9; 64]), ..session.clone() },
            Session { leader: 9, ..session.clone() },
            Session { entropy: [9; 32], ..session.clone() },
            Session { attempt: 9, ..session.clone() },
            session,
        ];
        assert_eq!(BTreeSet::from_iter(sessions.iter().map(Session::id)).len(), sessions.len());
    }
}
