//! The challenge, and the equations that follow from it.
#![allow(non_snake_case, reason = "points are upper case, as in the papers")]

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};

use crate::{
    domain::{BINDING, CHALLENGE, Domain},
    keys::Aggregate,
    machine::MAX_SIGNED,
    mask::{MAX_MASK, Mask},
    message::{MAX_STATEMENT, PointBytes, Speech, StatementBytes},
    roster::Roster,
    session::{Session, SessionId},
    signature::{Mode, aggregate},
    transcript::Hash,
    wire::Wire,
};

/// What a leader asks its cosigners to answer: the same for all, and never a bare scalar.
///
/// A leader signs one challenge a session. Two are evidence against it: see
/// [`blame`](crate::blame).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Challenge {
    /// What the session's name is made of.
    pub session: Session,
    /// Z: who is to answer, the leader among them.
    pub mask: Mask,
    /// R1 and R2, the sums of their commitments.
    pub commitments: PointBytes,
    /// M.
    pub statement: StatementBytes,
}

/// The longest challenge, in bytes: a session, a mask, two points and a statement.
const LONGEST: usize = (1 + 32 + 64 + 2 + 32 + 4) + (4 + MAX_MASK) + 64 + (4 + MAX_STATEMENT);
const _: () = assert!(LONGEST <= MAX_SIGNED, "evidence holds every challenge");

/// Names a challenge: H(ch).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct ChallengeId(pub [u8; 32]);

impl Challenge {
    /// The name.
    pub fn id(&self) -> ChallengeId {
        ChallengeId(Hash::new(CHALLENGE).bytes(&self.encode()).digest())
    }
}

impl Speech for Challenge {
    const DOMAIN: Domain = CHALLENGE;
    fn speaker(&self) -> u16 {
        self.session.leader
    }
}

/// What follows from a challenge. Each signer computes it, nobody sends it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// b binds the two nonces to all that enters c: were anything in c free once R is fixed, a
    /// leader would have two challenges for one R, which is all that ROS needs.
    pub(crate) b: Scalar,
    /// c = SHA-512(R ‖ A_Z ‖ m).
    pub(crate) c: Scalar,
    /// R = R1 + \[b\]R2, encoded.
    pub(crate) commitment: [u8; 32],
    /// A_Z.
    pub(crate) key: Aggregate,
}

impl Terms {
    /// The terms of `challenge`, whose decoded commitments are `sums`. `None` when it names no
    /// signers of `roster`, or when b = 0, R or A_Z has small order: nobody answers that.
    pub(crate) fn of(
        challenge: &Challenge,
        roster: &Roster,
        sums: &[EdwardsPoint; 2],
    ) -> Option<Self> {
        let Challenge { session, mask, commitments, statement } = challenge;
        if session.roster != roster.id() {
            return None;
        }
        let (mode, name) = (session.mode, session.id());
        Asked { mode, name, mask, commitments, statement }.terms(roster, sums)
    }

    /// Whether \[s\]B = R1 + \[b\]R2 + \[c\]A. Without the cofactor, so that torsion smuggled
    /// into a nonce is caught; and b is not negated, which on torsion is not the inverse.
    pub(crate) fn hold(&self, s: &Scalar, [R1, R2]: &[EdwardsPoint; 2], A: &EdwardsPoint) -> bool {
        let left = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-self.c, A, s);
        left == R1 + times(&self.b, R2)
    }
}

/// What is asked of the signers, under the name of an attempt that no other has.
pub(crate) struct Asked<'a> {
    pub(crate) mode: Mode,
    pub(crate) name: SessionId,
    /// Z.
    pub(crate) mask: &'a Mask,
    /// R1 and R2, encoded.
    pub(crate) commitments: &'a PointBytes,
    /// M.
    pub(crate) statement: &'a [u8],
}

impl Asked<'_> {
    /// What follows, given the decoded commitments: see [`Terms::of`].
    pub(crate) fn terms(&self, roster: &Roster, [R1, R2]: &[EdwardsPoint; 2]) -> Option<Terms> {
        let Self { mode, name, mask, commitments, statement } = self;
        if !mask.fits(roster.size()) || mask.count() == 0 {
            return None;
        }
        let key = aggregate(roster, mask).ok().filter(|key| !key.point.is_small_order())?;
        let message = mode.signed(&roster.id(), mask, statement);
        let hash = Hash::new(BINDING).fixed(&[*mode as u8]).fixed(&name.0);
        let hash = hash.fixed(&roster.id().0).bytes(mask.as_bytes()).fixed(&key.bytes);
        let hash = commitments.iter().fold(hash, Hash::fixed);
        let b = hash.fixed(&Sha512::digest(&message).into()).scalar();
        let R = R1 + times(&b, R2);
        if b == Scalar::ZERO || R.is_small_order() {
            return None;
        }
        let commitment = R.compress().to_bytes();
        let c = Sha512::new_with_prefix(commitment).chain_update(key.bytes);
        let c = Scalar::from_bytes_mod_order_wide(&c.chain_update(&message).finalize().into());
        Some(Terms { b, c, commitment, key })
    }
}

fn times(scalar: &Scalar, point: &EdwardsPoint) -> EdwardsPoint {
    EdwardsPoint::vartime_double_scalar_mul_basepoint(scalar, point, &Scalar::ZERO)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{roster::RosterId, session::Digest};

    #[test]
    fn no_challenge_is_longer_than_the_longest() {
        let session = Session {
            mode: Mode::Accountable,
            roster: RosterId([1; 32]),
            statement: Digest([2; 64]),
            leader: u16::MAX,
            entropy: [3; 32],
            attempt: u32::MAX,
        };
        let challenge = Challenge {
            session,
            mask: Mask::from_bytes(vec![0xff; MAX_MASK]).unwrap(),
            commitments: [[4; 32]; 2],
            statement: StatementBytes::new(vec![5; MAX_STATEMENT]).unwrap(),
        };
        assert_eq!(challenge.encode().len(), LONGEST);
    }
}
