//! What servers, clients and third parties check alike: statements, and the deals behind them.

use alloc::vec::Vec;

use cosi::{
    keys::Batch,
    machine::Index,
    message::{Said, Speech},
    wire::Wire,
};
use pvss::{Chosen, DealError, VerifiedDeal, verify_all};

use crate::{
    message::{Dealing, Statement, root},
    session::Session,
};

/// Why a statement is none of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// It is about another session.
    #[error("the statement names another session")]
    Session,
    /// The mask of dealers does not fit the roster.
    #[error("the mask of dealers is no set of servers")]
    Dealers,
    /// A group has another number of chosen dealers than its threshold.
    #[error("group {group} has {have} chosen dealers; choose {need}")]
    Threshold {
        /// The group.
        group: u16,
        /// How many of its members are chosen.
        have: usize,
        /// Its threshold.
        need: usize,
    },
    /// Not one root for each group.
    #[error("there is another number of roots than of groups")]
    Roots,
}

/// Why a server's deal is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DealingError {
    /// The dealer is not in the group, or dealt in another session.
    #[error("the deal is not of this group and session")]
    Foreign,
    /// The dealer's signature does not hold.
    #[error("the dealer's signature does not hold")]
    Signature,
    /// The deal does not verify.
    #[error(transparent)]
    Deal(#[from] DealError),
}

/// Why deals are not those that a statement names for a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DealsError {
    /// Not one deal by each chosen dealer, in their order.
    #[error("group {group} does not hold one deal by each of its chosen dealers, in their order")]
    Dealers {
        /// The group.
        group: u16,
    },
    /// The deals are others than the root names.
    #[error("the deals of group {group} are not those under its root")]
    Root {
        /// The group.
        group: u16,
    },
    /// A chosen deal does not verify.
    #[error("the deal by server {dealer} does not hold: {why}")]
    Deal {
        /// The dealer's position in the roster.
        dealer: u16,
        /// What is wrong with it.
        why: DealingError,
    },
    /// There is no such group, or its deals cannot be opened together.
    #[error("the deals of group {group} cannot be opened together")]
    Group {
        /// The group.
        group: u16,
    },
}

impl Session {
    /// Checks that the statement chooses the threshold's number of dealers in each group.
    pub fn check(&self, statement: &Statement) -> Result<(), StatementError> {
        if statement.session != self.id() {
            return Err(StatementError::Session);
        }
        if !statement.dealers.fits(self.roster().size()) {
            return Err(StatementError::Dealers);
        }
        for (group, _) in self.groups().iter() {
            let have = self.dealers(statement, group).count();
            let need = self.threshold(group);
            if have != need {
                return Err(StatementError::Threshold { group, have, need });
            }
        }
        if statement.roots.len() == self.groups().len() {
            Ok(())
        } else {
            Err(StatementError::Roots)
        }
    }

    /// Checks that these are the deals that a sound statement chooses in a group, each of them
    /// verified, and returns what the group's members open: their sum, bound to the statement.
    pub fn check_deals(
        &self,
        statement: &Statement,
        group: u16,
        deals: &[Said<Dealing>],
    ) -> Result<Chosen, DealsError> {
        let dealers = self.dealers(statement, group).map(Index::get);
        if !dealers.eq(deals.iter().map(|said| said.what.dealer)) {
            return Err(DealsError::Dealers { group });
        }
        if statement.roots.get(usize::from(group)) != Some(&root(group, deals)) {
            return Err(DealsError::Root { group });
        }
        let verdicts = self.verify_deals(group, deals);
        let verified = deals.iter().zip(verdicts).map(|(said, verdict)| {
            verdict.map_err(|why| DealsError::Deal { dealer: said.what.dealer, why })
        });
        let verified = verified.collect::<Result<Vec<_>, _>>()?;
        self.chosen(statement, group, &verified).ok_or(DealsError::Group { group })
    }

    /// Checks signed deals of one group at once, to the same verdicts as one by one.
    pub(crate) fn verify_deals<'a>(
        &self,
        group: u16,
        deals: impl IntoIterator<Item = &'a Said<Dealing>>,
    ) -> Vec<Result<VerifiedDeal, DealingError>> {
        let deals: Vec<_> = deals.into_iter().collect();
        let Some(sharing) = self.sharing(group) else {
            return deals.iter().map(|_| Err(DealingError::Foreign)).collect();
        };
        let foreign = |said: &Said<Dealing>| {
            let dealer = self.roster().index(said.what.dealer);
            let place = dealer.and_then(|dealer| self.groups().place(dealer));
            said.what.session != self.id() || place.is_none_or(|place| place.group != group)
        };
        let mut batch = Batch::new();
        for said in deals.iter().filter(|said| !foreign(said)) {
            if let Some(member) = self.roster().members().get(usize::from(said.what.dealer)) {
                batch.add(member.key, &Dealing::DOMAIN, &said.what.encode(), &said.signature);
            }
        }
        let all_signed = batch.verify();
        let signed = |said: &&Said<Dealing>| {
            if foreign(said) {
                Err(DealingError::Foreign)
            } else if all_signed || said.speaker(self.roster()).is_some() {
                Ok(())
            } else {
                Err(DealingError::Signature)
            }
        };
        let signed: Vec<_> = deals.iter().map(signed).collect();
        let key = |said: &Said<Dealing>| self.roster().members().get(usize::from(said.what.dealer));
        let sound = deals.iter().zip(&signed).filter(|(_, signed)| signed.is_ok());
        let sound = sound.filter_map(|(said, _)| Some((key(said)?.key, &said.what.deal)));
        let mut verdicts = verify_all(sharing, sound).into_iter();
        let verdict = |signed: Result<(), DealingError>| {
            signed?;
            verdicts.next().ok_or(DealingError::Foreign)?.map_err(DealingError::Deal)
        };
        signed.into_iter().map(verdict).collect()
    }

    /// What the group's members open: the sum of these deals, bound to the statement.
    pub(crate) fn chosen(
        &self,
        statement: &Statement,
        group: u16,
        deals: &[VerifiedDeal],
    ) -> Option<Chosen> {
        Chosen::sum(self.sharing(group)?, &statement.id().0, deals).ok()
    }

    /// The chosen dealers in a group, in order.
    fn dealers(&self, statement: &Statement, group: u16) -> impl Iterator<Item = Index> {
        let members = self.groups().members(group).unwrap_or_default();
        members.iter().copied().filter(|member| statement.dealers.contains(member.get()))
    }
}
