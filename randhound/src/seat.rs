//! A server's seat in a session: where it sits, what it deals, and what it opens.

use alloc::sync::Arc;

use cosi::{
    keys::SigningKey,
    machine::{Cx, Index},
    message::Said,
};
use pvss::{Chosen, ShareSecret, Trustee, TrusteeError};

use crate::{
    groups::Place,
    message::{Dealing, Opened, StatementId},
    session::Session,
    void::{AttemptError, Void},
};

/// Why a server does not come to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The server is in no group, or its keys are not those in the committee.
    #[error("the keys are not those of the server at this position; give those it registered")]
    Keys,
    /// The share secret is not the one registered.
    #[error("the share secret does not serve: {0}")]
    Secret(#[from] TrusteeError),
    /// The session's attempt is not open.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The records are of another session or server, or do not verify in this one.
    #[error("the records are of another session or server; restore each from its own journal")]
    Foreign,
}

#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) session: Session,
    pub(crate) index: Index,
    pub(crate) key: SigningKey,
    pub(crate) place: Place,
    secret: Arc<ShareSecret>,
    trustee: Trustee,
}

impl Seat {
    /// The seat of the server at `index`, if these are its keys, and the session's attempt is open.
    pub(crate) fn new(
        session: Session,
        index: Index,
        key: SigningKey,
        secret: Arc<ShareSecret>,
        void: Option<&Void>,
    ) -> Result<Self, SetupError> {
        session.check_attempt(void)?;
        if session.roster().key(index) != Some(key.public()) {
            return Err(SetupError::Keys);
        }
        let place = session.groups().place(index).ok_or(SetupError::Keys)?;
        let sharing = session.sharing(place.group).ok_or(SetupError::Keys)?.clone();
        let trustee = Trustee::new(sharing, secret.clone())?;
        if trustee.position() != place.position {
            return Err(SetupError::Keys);
        }
        Ok(Self { session, index, key, place, secret, trustee })
    }

    /// A fresh deal to the own group, signed. The machine makes one, and records it first.
    pub(crate) fn deal(&self, cx: &mut Cx<'_>) -> Option<Said<Dealing>> {
        let sharing = self.session.sharing(self.place.group)?;
        let own = self.key.public().to_bytes();
        let (deal, _) = pvss::deal(sharing, &own, &self.secret, cx.rng());
        let (session, dealer) = (self.session.id(), self.index.get());
        Some(Said::new(&self.key, Dealing { session, dealer, deal }))
    }

    /// Whether the share stands in the server's place.
    pub(crate) fn is_own(&self, opened: &Opened) -> bool {
        let Place { group, position } = self.place;
        (opened.group, opened.share.trustee) == (group, position)
    }

    /// The own share of what was chosen. `None` when another choice was opened.
    pub(crate) fn open(
        &mut self,
        statement: StatementId,
        chosen: &Chosen,
        cx: &mut Cx<'_>,
    ) -> Option<Opened> {
        let share = self.trustee.decrypt(chosen, cx.rng()).ok()?;
        Some(Opened { statement, group: self.place.group, share })
    }
}
