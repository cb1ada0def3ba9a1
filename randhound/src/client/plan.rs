//! What a client chose.

use cosi::{
    Certificate,
    keys::{Signature, SigningKey},
    wire::BoundedVec,
};

use crate::{
    choice::{Checked, Choice},
    client::Record,
    message::{ByClient, Deals, Decision, MAX_GROUPS, Message, Statement},
    session::Session,
};

/// A choice that holds, and the client's signature on its statement.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) checked: Checked,
    signature: Signature,
}

impl Plan {
    /// Signs a choice.
    pub(super) fn new(key: &SigningKey, checked: Checked) -> Self {
        let ByClient { signature, .. } = ByClient::new(key, checked.choice.statement.clone());
        Self { checked, signature }
    }

    /// The plan that was recorded, every deal checked anew.
    pub(super) fn restore(
        session: &Session,
        said: ByClient<Statement>,
        deals: BoundedVec<Deals, MAX_GROUPS>,
    ) -> Option<Self> {
        let choice = Choice { statement: said.what, deals };
        let checked = Checked::new(session, choice).ok()?;
        Some(Self { checked, signature: said.signature })
    }

    /// What is recorded of it.
    pub(super) fn record(&self) -> Record {
        Record::Chosen(self.said(), self.checked.choice.deals.clone())
    }

    /// I2 for a group.
    pub(super) fn message(&self, group: u16) -> Message {
        Message::Choice(self.said(), self.deals_of(group))
    }

    /// I3 for those of a group that know its deals, or for the others.
    pub(super) fn decision(
        &self,
        session: &Session,
        certificate: &Certificate,
        group: u16,
        knows: bool,
    ) -> Decision {
        Decision {
            config: session.config().clone(),
            statement: self.checked.choice.statement.clone(),
            certificate: certificate.clone(),
            deals: if knows { Deals::default() } else { self.deals_of(group) },
        }
    }

    fn said(&self) -> ByClient<Statement> {
        ByClient { what: self.checked.choice.statement.clone(), signature: self.signature }
    }

    fn deals_of(&self, group: u16) -> Deals {
        self.checked.choice.deals.get(usize::from(group)).cloned().unwrap_or_default()
    }
}
