//! What a client chose.

use cosi::{keys::Signature, machine::Index, wire::BoundedVec};

use crate::{
    choice::{Checked, Choice},
    client::{Record, Setup},
    coded::Coded,
    gather::Gathered,
    message::{Ask, ByClient, Deals, MAX_GROUPS, Message, Shown, Statement},
    session::Session,
};

/// A choice that holds, and the client's signature on its statement.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) checked: Checked,
    signature: Signature,
    coded: Coded,
}

impl Plan {
    /// Chooses among the deals, and signs the choice.
    pub(super) fn choose(Setup { session, key, .. }: &Setup, deals: &Gathered) -> Option<Self> {
        let mut coded = None;
        let checked = deals.choose(session, |deals| {
            coded = Coded::new(session, deals.iter());
            coded.as_ref().map(Coded::root)
        })?;
        let ByClient { signature, .. } = ByClient::new(key, checked.choice.statement.clone());
        Some(Self { checked, signature, coded: coded? })
    }

    /// The plan that was recorded, every deal checked anew.
    pub(super) fn restore(
        session: &Session,
        said: ByClient<Statement>,
        deals: BoundedVec<Deals, MAX_GROUPS>,
    ) -> Option<Self> {
        let choice = Choice { statement: said.what, deals };
        let coded = Coded::new(session, choice.deals.iter())?;
        let checked = Checked::new(session, choice).ok()?;
        Some(Self { checked, signature: said.signature, coded })
    }

    /// What is recorded of it.
    pub(super) fn record(&self) -> Record {
        Record::Chosen(self.said(), self.checked.choice.deals.clone())
    }

    /// I2 for a server of a group.
    pub(super) fn shown(&self, group: u16, server: Index, ask: Ask) -> Option<Message> {
        let (statement, deals) = (self.said(), self.deals_of(group));
        let fragment = self.coded.fragment(server)?;
        Some(Message::Choice(Shown { statement, deals, fragment, ask }))
    }

    fn said(&self) -> ByClient<Statement> {
        ByClient { what: self.checked.choice.statement.clone(), signature: self.signature }
    }

    fn deals_of(&self, group: u16) -> Deals {
        self.checked.choice.deals.get(usize::from(group)).cloned().unwrap_or_default()
    }
}
