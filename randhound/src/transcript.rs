//! How an output came about, for anyone to check.

use alloc::vec::Vec;
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate, Policy, VerifyError, domain::RANDOMNESS, transcript::Hash,
    wire::BoundedVec,
};
use pvss::{Chosen, DecryptedShare, MAX_TRUSTEES, Secret, ShareError, recover, verify_shares};

use crate::{
    message::{Config, Deals, MAX_GROUPS, SessionId, Statement},
    session::{Committee, Session, SessionError, Terms},
    verify::{DealsError, StatementError},
};

/// The output of a session: 32 bytes that nobody chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Randomness(pub [u8; 32]);

impl Randomness {
    /// H(tag ‖ SID ‖ Z), where Z is the sum of all chosen secrets.
    pub(crate) fn derive<'a>(
        session: SessionId,
        groups: impl IntoIterator<Item = &'a Secret>,
    ) -> Self {
        let sum = Secret::sum(groups).to_bytes();
        Self(Hash::new(RANDOMNESS).fixed(&session.0).fixed(&sum).digest())
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// One group's part of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GroupTranscript {
    /// The chosen deals, in the order of their dealers.
    pub deals: Deals,
    /// As many shares as the threshold says, in the order of their servers.
    pub shares: BoundedVec<DecryptedShare, MAX_TRUSTEES>,
}

/// What convinces anybody of an output: L.
///
/// The statement may be attested by a [`Certificate`], or by whatever else [`Attests`] that the
/// servers decided it. [`Wire::encode`](cosi::wire::Wire::encode) gives the bytes to publish.
///
/// A session has one output, and more than one transcript of it: any n − f servers attest, and any
/// t_l of group l open. So name a draw by its [`SessionId`] or its output, not by a hash of these
/// bytes.
///
/// The [crate's example](crate#example) runs a session to its transcript.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transcript<A = Certificate> {
    /// What the session was about.
    pub config: Config,
    /// Which deals were chosen.
    pub statement: Statement,
    /// What says that the servers decided the statement.
    pub certificate: A,
    /// The groups, in order.
    pub groups: BoundedVec<GroupTranscript, MAX_GROUPS>,
}

/// The check that a transcript fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The verifier's own terms make no session.
    #[error("the terms make no session: {0}")]
    Session(#[from] SessionError),
    /// The transcript is about other servers, or on other terms.
    #[error("config: the transcript is of another roster, purpose, slot, attempt or client")]
    Config,
    /// The statement is none of this session.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The servers did not decide the statement.
    #[error("certificate: {0}")]
    Certificate(#[from] VerifyError),
    /// Not one part for each group.
    #[error("groups: the transcript has {have} parts and there are {need} groups")]
    Groups {
        /// How many parts there are.
        have: usize,
        /// How many groups there are.
        need: usize,
    },
    /// The deals are not those that the servers decided.
    #[error("deals: {0}")]
    Deals(#[from] DealsError),
    /// A group has another number of shares than its threshold, or not in the order of distinct
    /// servers.
    #[error("shares: group {group} holds no {need} shares by distinct servers, in their order")]
    Shares {
        /// The group.
        group: u16,
        /// Its threshold.
        need: usize,
    },
    /// A share does not verify.
    #[error("shares: the share at position {trustee} of group {group} does not hold: {why}")]
    Share {
        /// The group.
        group: u16,
        /// The server's position in the group.
        trustee: u16,
        /// What is wrong with it.
        why: ShareError,
    },
    /// The root of coded deals is neither that of the chosen deals nor zero.
    #[error("availability: the statement is void, since its coded deals are not the chosen ones")]
    Availability,
}

impl<A: Attests<Statement>> Transcript<A> {
    /// Checks everything, and derives the output anew.
    ///
    /// Nothing is taken from the transcript that the verifier can know itself: the grouping and
    /// the thresholds follow from `committee` and `terms`, which must come from elsewhere.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`TranscriptError`].
    pub fn verify(
        &self,
        committee: &Committee,
        terms: &Terms,
    ) -> Result<Randomness, TranscriptError> {
        let session = Session::new(committee.clone(), terms)?;
        if self.config != *session.config() {
            return Err(TranscriptError::Config);
        }
        session.check(&self.statement)?;
        self.certificate.attests(&self.statement, session.roster(), &Policy::Quorum)?;
        let (have, need) = (self.groups.len(), session.groups().len());
        if have != need {
            return Err(TranscriptError::Groups { have, need });
        }
        let deals = (0..).zip(self.groups.iter().map(|part| &*part.deals));
        let chosen = session.check_groups(&self.statement, deals)?;
        let groups = (0..).zip(self.groups.iter()).zip(&chosen);
        let secrets = groups
            .map(|((group, part), chosen)| part.open(group, chosen, session.threshold(group)));
        let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
        if !session.is_coded(&self.statement, self.groups.iter().map(|part| &part.deals)) {
            return Err(TranscriptError::Availability);
        }
        Ok(Randomness::derive(session.id(), secrets.iter().flatten()))
    }
}

impl GroupTranscript {
    /// Checks the shares of what was chosen, and recovers its sum.
    fn open(
        &self,
        group: u16,
        chosen: &Chosen,
        need: usize,
    ) -> Result<Vec<Secret>, TranscriptError> {
        let ordered = self.shares.is_sorted_by(|one, next| one.trustee < next.trustee);
        if self.shares.len() != need || !ordered {
            return Err(TranscriptError::Shares { group, need });
        }
        let verdicts = verify_shares(chosen, self.shares.iter());
        let shares = self.shares.iter().zip(verdicts).map(|(share, verdict)| {
            let trustee = share.trustee;
            verdict.map_err(|why| TranscriptError::Share { group, trustee, why })
        });
        let shares = shares.collect::<Result<Vec<_>, _>>()?;
        recover(chosen, &shares).map_err(|_| TranscriptError::Shares { group, need })
    }
}
