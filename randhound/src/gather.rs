//! Gathering the deals of a session, from which somebody chooses.

use alloc::vec::Vec;

use cosi::{
    machine::{FaultKind, Index},
    mask::Mask,
    message::Said,
    wire::BoundedVec,
};
use pvss::VerifiedDeal;

use crate::{
    blame,
    choice::{Checked, Choice},
    collect::{ByGroup, Collect},
    message::{Dealing, Deals, MAX_GROUPS, Statement, root},
    peer::Culprit,
    session::Session,
    verify::DealingError,
};

/// The deals that came: at most one a server, by its position in the roster.
pub(crate) type Gathered = ByGroup<Said<Dealing>, VerifiedDeal>;

impl Gathered {
    /// Keeps what `from` dealt, the first time, and returns the group that has one deal more.
    /// Another deal after it, signed as well, is evidence.
    pub(crate) fn keep(
        &mut self,
        session: &Session,
        from: Index,
        said: Said<Dealing>,
    ) -> Result<Option<u16>, Culprit> {
        let Some(place) = session.groups().place(from) else { return Ok(None) };
        if said.what.dealer != from.get() || said.what.session != session.id() {
            return Err((from, FaultKind::InvalidPayload, None));
        }
        self.compare(session, from, &said)?;
        match self.get_mut(place.group) {
            Some(collect) if !collect.has(from.get()) => {
                collect.keep(from.get(), said);
                Ok(Some(place.group))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Compares a deal by `from` with the one that it sent, if any.
    pub(crate) fn compare(
        &self,
        session: &Session,
        from: Index,
        said: &Said<Dealing>,
    ) -> Result<(), Culprit> {
        let place = session.groups().place(from);
        let first = place.and_then(|place| self.get(place.group)?.get(from.get()));
        let Some(first) = first.filter(|first| first.what != said.what) else { return Ok(()) };
        let both_signed = first.speaker(session.roster()).and(said.speaker(session.roster()));
        let both = [first, said].map(|said| (&said.what, said.signature));
        Err(match both_signed.and_then(|_| blame::evidence(both)) {
            Some(proof) => (from, FaultKind::Equivocation, Some(proof)),
            None => (from, FaultKind::BadSignature, None),
        })
    }

    /// Verifies a group's deals as soon as there could be enough, and names who dealt badly.
    pub(crate) fn check_hopeful(&mut self, session: &Session, group: u16) -> Vec<Culprit> {
        let Some(collect) = self.get_mut(group) else { return Vec::new() };
        let bad = collect.check_hopeful(|deals| session.verify_deals(group, deals));
        culprits(session, bad)
    }

    /// Verifies every deal, and names who dealt badly.
    pub(crate) fn check(&mut self, session: &Session) -> Vec<Culprit> {
        let groups = session.groups().iter();
        let check = |(group, _)| {
            let bad = self.get_mut(group)?.check(|deals| session.verify_deals(group, deals));
            Some(culprits(session, bad))
        };
        groups.filter_map(check).flatten().collect()
    }

    /// Whether there may be enough valid deals in every group.
    pub(crate) fn is_hopeful(&self) -> bool {
        self.iter().all(|(_, collect)| collect.hopes() >= collect.need())
    }

    /// Whether every server dealt, well or badly.
    pub(crate) fn is_full(&self, session: &Session) -> bool {
        let given = self.iter().map(|(_, collect)| collect.given());
        given.eq(session.groups().iter().map(|(_, members)| members.len()))
    }

    /// Chooses the first t_l deals of each group l among those that verified, in the order of the
    /// roster. The same verified deals make the same choice, in whatever order they came.
    /// `code` tells the root of the coded deals.
    pub(crate) fn choose(
        &self,
        session: &Session,
        code: impl FnOnce(&BoundedVec<Deals, MAX_GROUPS>) -> Option<[u8; 32]>,
    ) -> Option<Checked> {
        fn first(
            collect: &Collect<Said<Dealing>, VerifiedDeal>,
        ) -> impl Iterator<Item = (&Said<Dealing>, &VerifiedDeal)> {
            collect.verified().take(collect.need())
        }
        let deals = self
            .iter()
            .map(|(_, collect)| Deals::new(first(collect).map(|(said, _)| said.clone()).collect()));
        let deals = BoundedVec::new(deals.collect::<Option<Vec<Deals>>>()?)?;
        let dealers = deals.iter().flat_map(|deals| deals.iter()).map(|said| said.what.dealer);
        let roots = (0..).zip(deals.iter()).map(|(group, deals)| root(group, deals)).collect();
        let statement = Statement {
            session: session.id(),
            dealers: Mask::of(session.roster().size(), dealers),
            roots: BoundedVec::new(roots)?,
            availability: code(&deals)?,
        };
        session.check(&statement).ok()?;
        let chosen = self.iter().map(|(group, collect)| {
            let verified: Vec<_> = first(collect).map(|(_, deal)| deal.clone()).collect();
            session.chosen(&statement, group, &verified)
        });
        let chosen = chosen.collect::<Option<_>>()?;
        let id = statement.id();
        Some(Checked { choice: Choice { statement, deals }, id, chosen })
    }
}

/// Who dealt badly. The deal itself convicts whoever signed it.
fn culprits(session: &Session, bad: Vec<(u16, Said<Dealing>, DealingError)>) -> Vec<Culprit> {
    let culprit = |(dealer, said, why): (u16, Said<Dealing>, DealingError)| {
        let (kind, evidence) = match why {
            DealingError::Foreign | DealingError::Signature => (FaultKind::BadSignature, None),
            DealingError::Deal(_) => {
                (FaultKind::InvalidProof, blame::evidence([(&said.what, said.signature)]))
            }
        };
        Some((session.roster().index(dealer)?, kind, evidence))
    };
    bad.into_iter().filter_map(culprit).collect()
}
