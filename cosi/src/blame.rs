//! What convicts a leader or a cosigner before anyone who has the roster.
//!
//! - **A wrong response**: a challenge, a commitment or a tuple, and a response to that challenge
//!   with that pair, the last two signed by the culprit, and
//!   \[s_i\]B ≠ R1_i + \[b\]R2_i + \[c\]A_i. The response names the challenge and the pair, of which
//!   no honest member has two with one name. Its own points alone are asked for, so a leader that
//!   lies about sums frames nobody, nor does a parent or a child.
//! - **A wrong tuple**: an account whose tuple's sums are not its own points and those of the
//!   children that it names.
//! - **A wrong sum**: an account that names what each child answered, and a sum to the same
//!   challenge that is not the own response and those answers. What the children answered may be
//!   wrong: an honest member adds it up as it is.
//! - **Two challenges in one session**, both signed by its leader.
//!
//! A sum that does not hold convicts nobody: who stands in between adds up unchecked, and a child
//! would frame its parent. Nor does it that a parent and a child say different things, or that an
//! account does not name the children that its tuple does.
//!
//! The session's name is computed anew with the given roster, whose members alone it can convict:
//! a mismatch voids the evidence.

use curve25519_dalek::{EdwardsPoint, Scalar};

use crate::{
    challenge::{Challenge, Terms},
    domain::BLAME,
    machine::{Evidence, Index, Signed},
    message::{
        Account, Commitment, Named, PointBytes, Quote, Response, Said, Sum, Tuple, decode_points,
    },
    nonce::NonceId,
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
        [account] => is_wrong_tuple(account, roster),
        [first, second] => {
            two_challenges(first, second, roster).or_else(|| is_wrong_sum(first, second, roster))
        }
        [challenge, pair, response] => wrong_response(challenge, pair, response, roster),
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

/// Whose pair it is, what it is called, and its points, in a commitment or a tuple.
struct Pair {
    member: u16,
    nonce: NonceId,
    points: PointBytes,
}

fn pair(signed: &Signed, roster: &Roster) -> Option<Pair> {
    if let Some(said) = Said::<Commitment>::from_signed(signed) {
        said.speaker(roster)?;
        let Commitment { roster: of, member, nonce, points, .. } = said.what;
        return Some(Pair { member, nonce, points }).filter(|_| of == roster.id());
    }
    let said = Said::<Tuple>::from_signed(signed)?;
    said.speaker(roster)?;
    let Tuple { roster: of, member, nonce, own, .. } = said.what;
    Some(Pair { member, nonce, points: own }).filter(|_| of == roster.id())
}

fn wrong_response(
    challenge: &Signed,
    commitment: &Signed,
    response: &Signed,
    roster: &Roster,
) -> Option<Index> {
    let challenge = Said::<Challenge>::from_signed(challenge)?;
    let pair = pair(commitment, roster)?;
    let response = Said::<Response>::from_signed(response)?;
    let session = &challenge.what.session;
    let one_story = session.roster == roster.id()
        && session.statement == Digest::of(&challenge.what.statement)
        && pair.member == response.what.member
        && pair.nonce == response.what.nonce
        && response.what.challenge == challenge.what.id();
    if !one_story {
        return None;
    }
    let culprit = response.speaker(roster)?;
    let sums = decode_points(&challenge.what.commitments)?;
    let terms = Terms::of(&challenge.what, roster, &sums)?;
    let points = decode_points(&pair.points)?;
    let key = roster.key(culprit)?.point();
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(response.what.response));
    let holds = s.is_some_and(|s| terms.hold(&s, &points, key));
    (!holds).then_some(culprit)
}

/// Whether the account names the children that its tuple does.
pub(crate) fn names_its_children(tuple: &Tuple, children: &[(Named, Option<Quote>)]) -> bool {
    Named::hash_all(children.iter().map(|(named, _)| named)) == tuple.children
}

/// Whether the tuple's sums are its own points and those of the children that the account names.
/// `None`: there is no telling, for what it names are no points.
pub(crate) fn adds_up(account: &Account) -> Option<bool> {
    let Account { tuple, children, .. } = account;
    let add = |[r1, r2]: [EdwardsPoint; 2], (named, _): &(Named, _)| {
        let [p1, p2] = decode_points(&named.sums)?;
        Some([r1 + p1, r2 + p2])
    };
    let sums = children.iter().try_fold(decode_points(&tuple.what.own)?, add)?;
    Some(sums.map(|sum| sum.compress().to_bytes()) == tuple.what.sums)
}

/// The own response and what each child answered, if all have.
pub(crate) fn total(account: &Account) -> Option<Scalar> {
    let scalar = |bytes| Option::<Scalar>::from(Scalar::from_canonical_bytes(bytes));
    let mut answers = account.children.iter().map(|(_, quote)| scalar(quote.as_ref()?.sum));
    let own = scalar(account.response.what.response)?;
    answers.try_fold(own, |total, answer| Some(total + answer?))
}

/// An account, and who gave it under its signatures alone, if it names the children that its tuple
/// does.
fn accountable(account: &Signed, roster: &Roster) -> Option<(Account, Index)> {
    let said = Said::<Account>::from_signed(account)?;
    let culprit = said.speaker(roster)?;
    let Account { tuple, response, children } = &said.what;
    let own = tuple.speaker(roster)? == culprit && response.speaker(roster)? == culprit;
    let one_story = own
        && tuple.what.roster == roster.id()
        && tuple.what.nonce == response.what.nonce
        && names_its_children(&tuple.what, children);
    one_story.then_some((said.what, culprit))
}

fn is_wrong_tuple(account: &Signed, roster: &Roster) -> Option<Index> {
    let (account, culprit) = accountable(account, roster)?;
    (adds_up(&account) == Some(false)).then_some(culprit)
}

fn is_wrong_sum(account: &Signed, sum: &Signed, roster: &Roster) -> Option<Index> {
    let (account, culprit) = accountable(account, roster)?;
    let sum = Said::<Sum>::from_signed(sum)?;
    let one_story = sum.what.challenge == account.response.what.challenge
        && sum.what.nonce == account.tuple.what.nonce
        && sum.speaker(roster)? == culprit;
    let total = total(&account).filter(|_| one_story)?;
    (total.to_bytes() != sum.what.sum).then_some(culprit)
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

/// The evidence that a wrong response in a tree makes.
pub(crate) fn invalid_share(
    challenge: &Said<Challenge>,
    tuple: &Said<Tuple>,
    response: &Said<Response>,
) -> Option<Evidence> {
    evidence([challenge.to_signed()?, tuple.to_signed()?, response.to_signed()?])
}

/// The evidence that an account of a wrong tuple makes.
pub(crate) fn wrong_tuple(account: &Said<Account>) -> Option<Evidence> {
    evidence([account.to_signed()?])
}

/// The evidence that an account makes together with another sum.
pub(crate) fn wrong_sum(account: &Said<Account>, sum: &Said<Sum>) -> Option<Evidence> {
    evidence([account.to_signed()?, sum.to_signed()?])
}

fn evidence<const N: usize>(statements: [Signed; N]) -> Option<Evidence> {
    Some(Evidence { domain: BLAME, statements: BoundedVec::new(statements.into())? })
}
