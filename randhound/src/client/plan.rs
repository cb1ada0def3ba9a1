//! What a client chose.

use alloc::vec::Vec;

use cosi::{Certificate, keys::SigningKey, mask::Mask, message::Said, wire::BoundedVec};
use pvss::{Chosen, VerifiedDeal};

use crate::{
    collect::Collect,
    message::{ByClient, Dealing, Deals, Decision, MAX_GROUPS, Message, Statement, root},
    session::Session,
};

/// A choice, the chosen deals of every group, and what its members open.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) choice: ByClient<Statement>,
    pub(super) deals: BoundedVec<Deals, MAX_GROUPS>,
    pub(super) chosen: Vec<Chosen>,
}

impl Plan {
    /// Chooses the first deals of each group that verified, in the order of the roster.
    pub(super) fn new(
        session: &Session,
        key: &SigningKey,
        groups: &[Collect<Said<Dealing>, VerifiedDeal>],
    ) -> Option<Self> {
        let first = |collect: &Collect<Said<Dealing>, _>| {
            let need = collect.need();
            BoundedVec::new(collect.verified().take(need).map(|(said, _)| said.clone()).collect())
        };
        let deals: Vec<Deals> = groups.iter().map(first).collect::<Option<_>>()?;
        let dealers = deals.iter().flat_map(|deals| deals.iter()).map(|said| said.what.dealer);
        let roots = (0..).zip(&deals).map(|(group, deals)| root(group, deals)).collect();
        let statement = Statement {
            session: session.id(),
            dealers: Mask::of(session.roster().size(), dealers),
            roots: BoundedVec::new(roots)?,
            availability: [0; 32],
        };
        let chosen = (0..).zip(groups).map(|(group, collect): (u16, &Collect<_, _>)| {
            let verified = collect.verified().take(collect.need());
            let verified: Vec<_> =
                verified.map(|(_, deal): (_, &VerifiedDeal)| deal.clone()).collect();
            session.chosen(&statement, group, &verified)
        });
        let chosen = chosen.collect::<Option<_>>()?;
        let choice = ByClient::new(key, statement);
        Some(Self { choice, deals: BoundedVec::new(deals)?, chosen })
    }

    /// The plan that was recorded, every deal checked anew.
    pub(super) fn restore(
        session: &Session,
        choice: ByClient<Statement>,
        deals: BoundedVec<Deals, MAX_GROUPS>,
    ) -> Option<Self> {
        session.check(&choice.what).ok()?;
        if deals.len() != session.groups().len() {
            return None;
        }
        let groups = (0..).zip(deals.iter());
        let chosen =
            groups.map(|(group, deals)| session.check_deals(&choice.what, group, deals).ok());
        let chosen = chosen.collect::<Option<_>>()?;
        Some(Self { choice, deals, chosen })
    }

    /// I2 for a group.
    pub(super) fn message(&self, group: usize) -> Message {
        Message::Choice(self.choice.clone(), self.deals_of(group))
    }

    /// I3 for those of a group that know its deals, or for the others.
    pub(super) fn decision(
        &self,
        session: &Session,
        certificate: &Certificate,
        group: usize,
        knows: bool,
    ) -> Decision {
        Decision {
            config: session.config().clone(),
            statement: self.choice.what.clone(),
            certificate: certificate.clone(),
            deals: if knows { Deals::default() } else { self.deals_of(group) },
        }
    }

    fn deals_of(&self, group: usize) -> Deals {
        self.deals.get(group).cloned().unwrap_or_default()
    }
}
