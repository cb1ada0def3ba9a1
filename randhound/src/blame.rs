//! What convicts a client or a server before anyone who knows the session.
//!
//! - **Two statements in one session**, both signed by the session's client.
//! - **Two deals in one session**, both signed by one dealer. An honest server records its deal
//!   before it leaves, and sends the same again after a crash.

use cosi::{
    domain::RANDHOUND_BLAME,
    keys::Signature,
    machine::{Evidence, Signed},
    message::Said,
    wire::{BoundedBytes, BoundedVec, Wire},
};

use crate::{
    message::{ByClient, Dealing, Statement},
    peer::Peer,
    session::Session,
};

/// Whom `evidence` convicts in this session, if it does.
pub fn verify(evidence: &Evidence, session: &Session) -> Option<Peer> {
    let [first, second] = &*evidence.statements else { return None };
    if evidence.domain != RANDHOUND_BLAME || first.statement == second.statement {
        return None;
    }
    two_statements(first, second, session).or_else(|| two_deals(first, second, session))
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
    let dealer = |signed: &Signed| {
        let what = Dealing::decode(&signed.statement).ok()?;
        let said = Said { what, signature: signed.signature };
        said.speaker(session.roster()).filter(|_| said.what.session == session.id())
    };
    let (first, second) = (dealer(first)?, dealer(second)?);
    (first == second).then_some(Peer::Server(first))
}

/// The evidence that two signed things make. `None` when they are too long for it.
pub(crate) fn evidence<T: Wire>([first, second]: [(&T, Signature); 2]) -> Option<Evidence> {
    let signed = |(what, signature): (&T, Signature)| {
        Some(Signed { statement: BoundedBytes::new(what.encode())?, signature })
    };
    let statements = BoundedVec::new([signed(first)?, signed(second)?].into())?;
    Some(Evidence { domain: RANDHOUND_BLAME, statements })
}
