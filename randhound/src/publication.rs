//! How an output came about, for whoever knows only the roster's id.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate,
    roster::{MAX_MEMBERS, RosterId},
    wire::BoundedVec,
};

use crate::{
    candidate::{Candidate, CandidatesError},
    message::Statement,
    session::{Committee, SessionError, Terms},
    transcript::{Randomness, Transcript, TranscriptError},
};

/// A transcript with all that it takes to check it, but for what the verifier must know: the
/// roster's id, the purpose and the slot. [`Wire::encode`](cosi::wire::Wire::encode) gives the
/// bytes to publish.
///
/// Nothing in it is taken on its word:
///
/// - **The members** have to be those that the roster's id names, and prove what a [`Candidate`]
///   proves. A transcript that brings a roster of its own proves nothing.
/// - **The client, the size of groups and the attempt** are fields of the
///   [`Config`](crate::Config), whose hash names the session. Of a quorum that acknowledged a
///   statement of that session, more than f servers are honest, and an honest server takes part in
///   a slot's attempt only in the session of the terms that it was given.
/// - **The prior** is not in the config. Every deal is bound to it, and to the members of the group
///   that it is made for. However servers are grouped, the thresholds add up to more than n/3, so
///   in some group fewer servers are faulty than are chosen, and one of its chosen deals is an
///   honest server's. That deal holds under no other prior than the one that its dealer knows. So
///   a client that grinds the grouping has nothing to publish.
///
/// It holds what a client [finishes](crate::client::Event::Finished) with, as in the
/// [crate's example](crate#example), where the committee is [of](Committee::of) candidates:
///
/// ```
/// use cosi::wire::{BoundedVec, Wire};
/// use randhound::{Candidate, Publication, Transcript};
///
/// fn publish(
///     candidates: Vec<Candidate>,
///     prior: [u8; 32],
///     transcript: Transcript,
/// ) -> Option<Vec<u8>> {
///     let members = BoundedVec::new(candidates)?;
///     Some(Publication { members, prior, transcript }.encode())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Publication<A = Certificate> {
    /// The servers, in the roster's order.
    pub members: BoundedVec<Candidate, MAX_MEMBERS>,
    /// What seeded the grouping.
    pub prior: [u8; 32],
    /// How the output came about.
    pub transcript: Transcript<A>,
}

/// The check that a publication fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicationError {
    /// The output is for something else.
    #[error("purpose: the output is for another purpose than the one asked for")]
    Purpose,
    /// The output is another one of its purpose.
    #[error("slot: the output is that of slot {0}, and not of the one asked for")]
    Slot(u64),
    /// The members make no committee.
    #[error(transparent)]
    Candidates(#[from] CandidatesError),
    /// The members are others than those that the roster's id names.
    #[error(
        "roster: the servers are not those of the roster asked for; what brings its own roster \
         proves nothing"
    )]
    Roster,
    /// There is no session on the terms that the transcript's config says.
    #[error("config: there is no such session: {0}")]
    Config(SessionError),
    /// The transcript does not hold.
    #[error(transparent)]
    Transcript(TranscriptError),
}

impl<A> Publication<A> {
    /// What the transcript says of the terms that its servers were given.
    fn terms(&self) -> Terms {
        let config = &self.transcript.config;
        Terms {
            purpose: config.purpose,
            slot: config.slot,
            attempt: config.attempt,
            client: config.client,
            group_size: config.group_size,
            prior: self.prior,
        }
    }
}

impl<A: Attests<Statement>> Publication<A> {
    /// Checks everything, and derives the output anew.
    ///
    /// `roster`, `purpose` and `slot` must come from elsewhere, and have been known before the
    /// draw.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`PublicationError`].
    pub fn verify(
        &self,
        roster: RosterId,
        purpose: &[u8; 32],
        slot: u64,
    ) -> Result<Randomness, PublicationError> {
        let terms = self.terms();
        if terms.purpose != *purpose {
            return Err(PublicationError::Purpose);
        }
        if terms.slot != slot {
            return Err(PublicationError::Slot(terms.slot));
        }
        let committee = Committee::of(&self.members)?;
        if committee.roster().id() != roster {
            return Err(PublicationError::Roster);
        }
        self.transcript.verify(&committee, &terms).map_err(|error| {
            // These terms are the file's, and no verifier's own.
            if let TranscriptError::Session(why) = error {
                PublicationError::Config(why)
            } else {
                PublicationError::Transcript(error)
            }
        })
    }
}
