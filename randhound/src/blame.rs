//! What convicts a client or a server before anyone who knows the session.
//!
//! - **Two statements in one session**, both signed by the session's client. With more than 1,800
//!   groups they may be longer than [`MAX_SIGNED`](cosi::machine::MAX_SIGNED): the client is reported
//!   all the same, without evidence.
//! - **Two deals in one session**, both signed by one dealer. An honest server records its deal
//!   before it leaves, and sends the same again after a crash.
//! - **A deal that does not hold**, signed by its dealer.
//!
//! A client that had a void statement certified is convicted by the proof of that, a
//! [`Void`](crate::Void), which is too long for these.

use cosi::{
    domain::RANDHOUND_BLAME,
    keys::Signature,
    machine::{Evidence, Index, Signed},
    message::Said,
    wire::{BoundedBytes, BoundedVec, Wire},
};

use crate::{
    message::{ByClient, Dealing, Statement},
    peer::Peer,
    session::Session,
    verify::DealingError,
};

/// Whom `evidence` convicts in this session, if it does.
pub fn verify(evidence: &Evidence, session: &Session) -> Option<Peer> {
    if evidence.domain != RANDHOUND_BLAME {
        return None;
    }
    match &*evidence.statements {
        [deal] => bad_deal(deal, session),
        [first, second] if first.statement != second.statement => {
            two_statements(first, second, session).or_else(|| two_deals(first, second, session))
        }
        _ => None,
    }
}

fn two_statements(first: &Signed, second: &Signed, session: &Session) -> Option<Peer> {
    let says = |signed: &Signed| {
        let what = Statement::decode(&signed.statement).ok()?;
        let said = ByClient { what, signature: signed.signature };
        (said.what.session == session.id() && said.verify(session.client())).then_some(())
    };
    says(first).and(says(second)).map(|()| Peer::Client)
}

fn two_deals(first: &Signed, second: &Signed, session: &Session) -> Option<Peer> {
    let dealer = |signed| dealing(signed, session).map(|(dealer, _)| dealer);
    let (first, second) = (dealer(first)?, dealer(second)?);
    (first == second).then_some(Peer::Server(first))
}

fn bad_deal(deal: &Signed, session: &Session) -> Option<Peer> {
    let (dealer, said) = dealing(deal, session)?;
    let group = session.groups().place(dealer)?.group;
    let verdict = session.verify_deals(group, [&said]).into_iter().next()?;
    matches!(verdict, Err(DealingError::Deal(_))).then_some(Peer::Server(dealer))
}

/// The deal in this session, and whose it is by its signature.
fn dealing(signed: &Signed, session: &Session) -> Option<(Index, Said<Dealing>)> {
    let what = Dealing::decode(&signed.statement).ok()?;
    let said = Said { what, signature: signed.signature };
    let dealer = said.speaker(session.roster())?;
    (said.what.session == session.id()).then_some((dealer, said))
}

/// The evidence that signed things make. `None` when they are too long for it.
pub(crate) fn evidence<const N: usize, T: Wire>(said: [(&T, Signature); N]) -> Option<Evidence> {
    let signed = |(what, signature): (&T, Signature)| {
        Some(Signed { statement: BoundedBytes::new(what.encode())?, signature })
    };
    let statements = said.into_iter().map(signed).collect::<Option<_>>()?;
    let statements = BoundedVec::new(statements)?;
    Some(Evidence { domain: RANDHOUND_BLAME, statements })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use cosi::{keys::Seed, mask::Mask};

    use super::*;
    use crate::message::{NOT_CODED, SessionId};

    #[test]
    fn statements_of_1800_groups_are_evidence() {
        let signature = Seed::from_bytes([1; 32]).signing_key().sign(&RANDHOUND_BLAME, b"");
        let fits = |groups: usize| {
            let roots = BoundedVec::new(vec![[7; 32]; groups]).unwrap_or_default();
            let dealers = Mask::of(groups.saturating_mul(32), [0]);
            let session = SessionId([0; 32]);
            let said = Statement { session, dealers, roots, availability: NOT_CODED };
            evidence([(&said, signature), (&said, signature)]).is_some()
        };
        assert_eq!((fits(1800), fits(2048)), (true, false));
    }
}
