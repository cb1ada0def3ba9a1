//! What convicts a leader or a cosigner before anyone who has the roster.
//!
//! - **A wrong response**: a challenge, a commitment and a response to that challenge with that
//!   commitment's pair, the last two signed by the culprit, and
//!   \[s_i\]B ≠ R1_i + \[b\]R2_i + \[c\]A_i. The response names the challenge and the pair, of which
//!   no honest member has two with one name. Its own points alone are asked for, so a leader that
//!   lies about sums frames nobody.
//! - **Two challenges in one session**, both signed by its leader.
//!
//! The session's name is computed anew with the given roster, whose members alone it can convict:
//! a mismatch voids the evidence.

use curve25519_dalek::Scalar;

use crate::{
    challenge::{Challenge, Terms},
    domain::BLAME,
    machine::{Evidence, Index, Signed},
    message::{Commitment, Response, Said, decode_points},
    roster::Roster,
    session::Digest,
    wire::BoundedVec,
};

/// Whom `evidence` convicts, if it does.
pub fn verify(evidence: &Evidence, roster: &Roster) -> Option<Index> {
    if evidence.domain != BLAME {
        return None;
    }
    match &*evidence.statements {
        [first, second] => two_challenges(first, second, roster),
        [challenge, commitment, response] => {
            wrong_response(challenge, commitment, response, roster)
        }
        _ => None,
    }
}

fn two_challenges(first: &Signed, second: &Signed, roster: &Roster) -> Option<Index> {
    let [first, second] = [first, second].map(Said::<Challenge>::from_signed);
    let (first, second) = (first?, second?);
    let contradict = first.what.session == second.what.session && first.what != second.what;
    if !contradict || first.what.session.roster != roster.id() {
        return None;
    }
    second.speaker(roster).and(first.speaker(roster))
}

fn wrong_response(
    challenge: &Signed,
    commitment: &Signed,
    response: &Signed,
    roster: &Roster,
) -> Option<Index> {
    let challenge = Said::<Challenge>::from_signed(challenge)?;
    let commitment = Said::<Commitment>::from_signed(commitment)?;
    let response = Said::<Response>::from_signed(response)?;
    let session = &challenge.what.session;
    let one_story = session.roster == roster.id()
        && session.statement == Digest::of(&challenge.what.statement)
        && commitment.what.roster == roster.id()
        && commitment.what.member == response.what.member
        && commitment.what.nonce == response.what.nonce
        && response.what.challenge == challenge.what.id();
    if !one_story {
        return None;
    }
    let culprit = response.speaker(roster).and(commitment.speaker(roster))?;
    let sums = decode_points(&challenge.what.commitments)?;
    let terms = Terms::of(&challenge.what, roster, &sums)?;
    let points = decode_points(&commitment.what.points)?;
    let key = roster.key(culprit)?.point();
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(response.what.response));
    let holds = s.is_some_and(|s| terms.hold(&s, &points, key));
    (!holds).then_some(culprit)
}

/// The evidence that two challenges of one session make.
pub(crate) fn equivocation(first: &Said<Challenge>, second: &Said<Challenge>) -> Option<Evidence> {
    evidence([first.to_signed()?, second.to_signed()?])
}

/// The evidence that a wrong response makes.
pub(crate) fn invalid_response(
    challenge: &Said<Challenge>,
    commitment: &Said<Commitment>,
    response: &Said<Response>,
) -> Option<Evidence> {
    evidence([challenge.to_signed()?, commitment.to_signed()?, response.to_signed()?])
}

fn evidence<const N: usize>(statements: [Signed; N]) -> Option<Evidence> {
    Some(Evidence { domain: BLAME, statements: BoundedVec::new(statements.into())? })
}
