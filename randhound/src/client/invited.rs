//! What comes upon I1: deals, and the nonce pairs that are offered beside them.

use alloc::vec::Vec;
use core::time::Duration;

use cosi::{
    machine::{Index, Time},
    message::Said,
    round::Offer,
};

use super::offers::Offers;
use crate::{gather::Gathered, message::Dealing, peer::Culprit, session::Session};

/// At most one deal and one offer a server.
#[derive(Debug)]
pub(super) struct Invited {
    pub(super) deals: Gathered,
    pub(super) offers: Offers,
    /// When the grace for stragglers is over, once there is enough to choose.
    choose_at: Option<Time>,
}

impl Invited {
    pub(super) fn new(session: &Session) -> Self {
        Self { deals: Gathered::new(session), offers: Offers::default(), choose_at: None }
    }

    /// Takes in what `from` dealt and offers. Verifies a group's deals once there could be enough,
    /// and no more; names who dealt badly, and leaves it out of the rounds of signing.
    pub(super) fn insert(
        &mut self,
        session: &Session,
        from: Index,
        said: Said<Dealing>,
        offer: &Offer,
    ) -> Vec<Culprit> {
        let mut culprits = match self.deals.keep(session, from, said) {
            Ok(Some(group)) => self.deals.check_hopeful(session, group),
            Ok(None) => Vec::new(),
            Err(culprit) => Vec::from([culprit]),
        };
        culprits.extend(self.offers.keep(from, offer).err());
        culprits.iter().for_each(|(server, ..)| self.offers.remove(*server));
        culprits
    }

    /// Whether it is time to choose: there are enough deals in every group and a quorum offered,
    /// and either everybody dealt or the grace is over since.
    pub(super) fn is_time(&mut self, session: &Session, now: Time, grace: Duration) -> bool {
        if !self.offers.are_quorum(session.roster()) {
            self.choose_at = None;
            return false;
        }
        if self.choose_at.is_none() && self.deals.is_done() {
            self.choose_at = Some(now.after(grace));
        }
        let full = || self.deals.is_full(session);
        self.choose_at.is_some_and(|choose_at| choose_at <= now || full())
    }

    /// When to choose.
    pub(super) const fn due(&self) -> Option<Time> {
        self.choose_at
    }
}
