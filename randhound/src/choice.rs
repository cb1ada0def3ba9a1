//! A statement, with the deals that it chooses.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::wire::BoundedVec;
use pvss::Chosen;

use crate::{
    coded::Coded,
    message::{Deals, MAX_GROUPS, NOT_CODED, Statement, StatementId},
    session::Session,
    verify::{DealsError, StatementError},
};

/// A statement, and for each group its chosen signed deals, in the order of their dealers.
///
/// Who decides on a choice holds every deal that its statement names, so no deal is withheld from
/// it afterwards.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Choice {
    /// Which deals are chosen.
    pub statement: Statement,
    /// The chosen deals of each group.
    pub deals: BoundedVec<Deals, MAX_GROUPS>,
}

/// Why a choice is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// The statement is none of this session.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// Not one list of deals for each group.
    #[error("groups: the choice has deals of {have} groups and there are {need}")]
    Groups {
        /// How many lists there are.
        have: usize,
        /// How many groups there are.
        need: usize,
    },
    /// The deals are not those that the statement names, or do not hold.
    #[error("deals: {0}")]
    Deals(#[from] DealsError),
    /// The fragments under the statement's root are not those of the chosen deals.
    #[error("availability: the root is not that of the coded deals, nor zero")]
    Availability,
}

/// A choice that holds, and what its groups open.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) choice: Choice,
    pub(crate) id: StatementId,
    pub(crate) chosen: Vec<Chosen>,
}

impl Checked {
    /// Checks a choice in full.
    pub(crate) fn new(session: &Session, choice: Choice) -> Result<Self, ChoiceError> {
        let chosen = session.check_choice(&choice)?;
        Ok(Self { id: choice.statement.id(), choice, chosen })
    }

    /// What a group opens.
    pub(crate) fn chosen(&self, group: u16) -> Option<&Chosen> {
        self.chosen.get(usize::from(group))
    }
}

impl Session {
    /// Checks a choice in full: that the statement is sound, and that there is one list of deals a
    /// group, each deal of which is the one under the group's root and verifies; and that the
    /// statement's root of coded deals is theirs, unless it says that they are not coded. Returns
    /// what each group opens.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`ChoiceError`].
    pub fn check_choice(&self, choice: &Choice) -> Result<Vec<Chosen>, ChoiceError> {
        self.check(&choice.statement)?;
        let (have, need) = (choice.deals.len(), self.groups().len());
        if have != need {
            return Err(ChoiceError::Groups { have, need });
        }
        let groups = (0..).zip(choice.deals.iter().map(|deals| &**deals));
        let chosen = self.check_groups(&choice.statement, groups)?;
        if self.is_coded(&choice.statement, choice.deals.iter()) {
            Ok(chosen)
        } else {
            Err(ChoiceError::Availability)
        }
    }

    /// Whether the statement's root of coded deals is that of these deals, or says that they are not
    /// coded: to that honest servers agree only where a consensus decides.
    pub(crate) fn is_coded<'a>(
        &self,
        statement: &Statement,
        deals: impl IntoIterator<Item = &'a Deals>,
    ) -> bool {
        statement.availability == NOT_CODED
            || Coded::new(self, deals).is_some_and(|coded| coded.root() == statement.availability)
    }
}
