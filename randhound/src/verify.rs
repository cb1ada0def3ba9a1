//! What servers, clients and third parties check alike: statements, and the deals behind them.

use alloc::vec::Vec;

use cosi::{
    keys::{Batch, PublicKeyBytes},
    machine::Index,
    message::{Said, Speech},
    wire::Wire,
};
use pvss::{Chosen, DealError, VerifiedDeal};

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
        let chosen = self.check_groups(statement, [(group, deals)])?.pop();
        chosen.ok_or(DealsError::Group { group })
    }

    /// As [`check_deals`](Self::check_deals), for several groups at once. Names the first that
    /// fails the first check.
    pub(crate) fn check_groups<'a>(
        &self,
        statement: &Statement,
        groups: impl IntoIterator<Item = (u16, &'a [Said<Dealing>])>,
    ) -> Result<Vec<Chosen>, DealsError> {
        let groups: Vec<_> = groups.into_iter().collect();
        for (group, deals) in groups.iter().copied() {
            let dealers = self.dealers(statement, group).map(Index::get);
            if !dealers.eq(deals.iter().map(|said| said.what.dealer)) {
                return Err(DealsError::Dealers { group });
            }
            if statement.roots.get(usize::from(group)) != Some(&root(group, deals)) {
                return Err(DealsError::Root { group });
            }
        }
        let claims = groups.iter().map(|(group, deals)| (*group, deals.iter().collect()));
        let verdicts = self.verify_groups(claims.collect());
        let chosen = groups.into_iter().zip(verdicts).map(|((group, deals), verdicts)| {
            let verified = deals.iter().zip(verdicts).map(|(said, verdict)| {
                verdict.map_err(|why| DealsError::Deal { dealer: said.what.dealer, why })
            });
            let verified = verified.collect::<Result<Vec<_>, _>>()?;
            self.chosen(statement, group, &verified).ok_or(DealsError::Group { group })
        });
        chosen.collect()
    }

    /// Checks signed deals of one group at once, to the same verdicts as one by one.
    pub(crate) fn verify_deals<'a>(
        &self,
        group: u16,
        deals: impl IntoIterator<Item = &'a Said<Dealing>>,
    ) -> Vec<Result<VerifiedDeal, DealingError>> {
        let deals = deals.into_iter().collect();
        self.verify_groups(Vec::from([(group, deals)])).pop().unwrap_or_default()
    }

    /// Checks signed deals of several groups at once, to the same verdicts as one by one.
    fn verify_groups(
        &self,
        groups: Vec<(u16, Vec<&Said<Dealing>>)>,
    ) -> Vec<Vec<Result<VerifiedDeal, DealingError>>> {
        let mut batch = Batch::new();
        let mut claims = Vec::with_capacity(groups.len());
        for (group, deals) in groups {
            let dealers: Vec<_> = deals.iter().map(|said| self.dealer(group, said)).collect();
            for (said, dealer) in deals.iter().zip(&dealers) {
                if let Ok(dealer) = dealer {
                    batch.add(*dealer, &Dealing::DOMAIN, &said.what.encode(), &said.signature);
                }
            }
            claims.push((group, deals, dealers));
        }
        let all_signed = batch.verify();
        for (_, deals, dealers) in &mut claims {
            for (said, dealer) in deals.iter().zip(dealers) {
                let signed = all_signed || said.speaker(self.roster()).is_some();
                *dealer =
                    dealer.and_then(|key| signed.then_some(key).ok_or(DealingError::Signature));
            }
        }
        let sound = claims.iter().filter_map(|(group, deals, dealers)| {
            let deals = deals.iter().zip(dealers);
            let deals = deals.filter_map(|(said, dealer)| Some((dealer.ok()?, &said.what.deal)));
            Some((self.sharing(*group)?, deals))
        });
        let mut verdicts = pvss::verify_groups(sound).into_iter();
        let verdict = |(group, _, dealers): (u16, Vec<_>, Vec<Result<_, DealingError>>)| {
            let verdicts = self.sharing(group).and_then(|_| verdicts.next()).unwrap_or_default();
            let mut verdicts = verdicts.into_iter();
            let verdict = |dealer: Result<_, _>| {
                dealer?;
                verdicts.next().ok_or(DealingError::Foreign)?.map_err(DealingError::Deal)
            };
            dealers.into_iter().map(verdict).collect()
        };
        claims.into_iter().map(verdict).collect()
    }

    /// The key of who says that it dealt, if it is in the group and dealt in this session.
    fn dealer(&self, group: u16, said: &Said<Dealing>) -> Result<PublicKeyBytes, DealingError> {
        let dealer = self.roster().index(said.what.dealer).ok_or(DealingError::Foreign)?;
        let place = self.groups().place(dealer).filter(|place| place.group == group);
        let member = self.roster().member(dealer).filter(|_| place.is_some());
        let member = member.filter(|_| said.what.session == self.id());
        member.map(|member| member.key).ok_or(DealingError::Foreign)
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
