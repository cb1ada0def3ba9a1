//! Collecting the shares of the chosen sums, until every group's is recovered.

use alloc::vec::Vec;

use cosi::{
    machine::{FaultKind, Index},
    wire::BoundedVec,
};
use pvss::{DecryptedShare, VerifiedShare, recover, verify_shares};

use crate::{
    choice::Checked,
    collect::ByGroup,
    message::{MAX_GROUPS, Opened},
    peer::Culprit,
    session::Session,
    transcript::{GroupTranscript, Randomness},
};

/// The shares that came: at most one a server, by its position in its group.
pub(crate) type Shares = ByGroup<DecryptedShare, VerifiedShare>;

impl Shares {
    /// Takes in what `from` opened, the first time, and verifies a group's shares once there could
    /// be enough. Names who opened badly.
    pub(crate) fn insert(
        &mut self,
        session: &Session,
        checked: &Checked,
        from: Index,
        opened: Opened,
    ) -> Vec<Culprit> {
        let Some(place) = session.groups().place(from) else { return Vec::new() };
        let (Some(collect), Some(chosen)) =
            (self.get_mut(place.group), checked.chosen(place.group))
        else {
            return Vec::new();
        };
        let own = opened.group == place.group && opened.share.trustee == place.position;
        if !own || opened.statement != checked.id {
            return Vec::from([wrong(from)]);
        }
        if collect.has(place.position) {
            return Vec::new();
        }
        collect.keep(place.position, opened.share);
        let culprits = collect.check_hopeful(|shares| verify_shares(chosen, shares));
        self::culprits(session, place.group, culprits)
    }

    /// Verifies every share, and names who opened badly.
    pub(crate) fn check(&mut self, session: &Session, checked: &Checked) -> Vec<Culprit> {
        let check = |(group, _)| {
            let (collect, chosen) = (self.get_mut(group)?, checked.chosen(group)?);
            let bad = collect.check(|shares| verify_shares(chosen, shares));
            Some(culprits(session, group, bad))
        };
        session.groups().iter().filter_map(check).flatten().collect()
    }

    /// Whose shares are missing in groups that have too few.
    pub(crate) fn missing(&self, session: &Session) -> Vec<Index> {
        let short = self.iter().filter(|(_, collect)| !collect.is_done());
        let members = short.flat_map(|(group, collect)| {
            let members = (0..).zip(session.groups().members(group).unwrap_or_default());
            members.filter(|(position, _)| !collect.has(*position)).map(|(_, server)| *server)
        });
        members.collect()
    }

    /// The output, and each group's part of its transcript, once there are enough everywhere.
    pub(crate) fn recover(
        &self,
        session: &Session,
        checked: &Checked,
    ) -> Option<(Randomness, BoundedVec<GroupTranscript, MAX_GROUPS>)> {
        let (mut secrets, mut parts) = (Vec::new(), Vec::new());
        for ((group, collect), deals) in self.iter().zip(checked.choice.deals.iter()) {
            let first = || collect.verified().take(collect.need());
            secrets.extend(recover(checked.chosen(group)?, first().map(|(_, share)| share)).ok()?);
            let shares = BoundedVec::new(first().map(|(share, _)| share.clone()).collect())?;
            parts.push(GroupTranscript { deals: deals.clone(), shares });
        }
        Some((Randomness::derive(session.id(), &secrets), BoundedVec::new(parts)?))
    }
}

/// Who opened badly, of the members of a group.
fn culprits<E>(
    session: &Session,
    group: u16,
    bad: impl IntoIterator<Item = (u16, DecryptedShare, E)>,
) -> Vec<Culprit> {
    let members = session.groups().members(group).unwrap_or_default();
    let culprit = |(at, ..): (u16, _, _)| members.get(usize::from(at)).copied().map(wrong);
    bad.into_iter().filter_map(culprit).collect()
}

const fn wrong(server: Index) -> Culprit {
    (server, FaultKind::InvalidProof, None)
}
