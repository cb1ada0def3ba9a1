//! How a session ends: what it yields, and who is held to owe it something.

use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    Event, Step,
    desk::Desk,
    open::{Open, Phase},
};
use crate::{
    challenge::ChallengeId,
    machine::{Index, Time},
    signature::CollectiveSignature,
};

impl Open {
    /// Ends with the signature.
    pub(super) fn signed(
        &mut self,
        desk: &mut Desk,
        now: Time,
        signature: CollectiveSignature,
        by: &ChallengeId,
    ) -> Step {
        let signed = |i: &Index| signature.mask.contains(i.get());
        let (present, absent): (Vec<_>, Vec<_>) = desk.config.roster.indices().partition(signed);
        self.end(desk, now, Some(by), &absent);
        present.into_iter().for_each(|member| desk.redeem(member));
        let (digest, statement) = (self.session.statement, self.statement.to_vec());
        Step::none().event(Event::Signed { digest, statement, signature, absent })
    }

    /// Ends without a signature. These were silent.
    pub(super) fn fail(&mut self, desk: &mut Desk, now: Time, silent: Vec<Index>) -> Step {
        let absent = BTreeSet::from_iter(silent.into_iter().chain(self.debtors(desk, now)));
        let missing =
            |i: &Index| absent.contains(i) || self.declined.contains(i) || desk.is_convicted(*i);
        let absent: Vec<_> = desk.config.roster.indices().filter(missing).collect();
        self.end(desk, now, None, &absent);
        Step::none().event(Event::Failed { digest: self.session.statement, absent })
    }

    /// The session is over, by an attempt or otherwise: who withheld to the end sits out the next
    /// ones, and who refused again.
    pub(super) fn end(
        &mut self,
        desk: &mut Desk,
        now: Time,
        by: Option<&ChallengeId>,
        absent: &[Index],
    ) {
        self.close_trees(desk, by);
        let mut debtors = self.debtors(desk, now);
        // Whoever signed has made up for what it owes to another attempt.
        debtors.retain(|member| by.is_none() || absent.contains(member));
        debtors.into_iter().for_each(|member| desk.sit_out(member));
        self.refusals.keys().for_each(|member| desk.refused(*member));
        let silent: Vec<_> = absent.iter().filter(|i| self.is_silent(desk, **i)).copied().collect();
        silent.into_iter().for_each(|member| desk.grove.mark_silent(member));
        self.phase = Phase::Over;
    }

    /// Who has owed a response for longer than the patience.
    fn debtors(&self, desk: &Desk, now: Time) -> Vec<Index> {
        let overdue = self.attempts.iter().filter(|attempt| attempt.overdue);
        overdue.flat_map(|attempt| attempt.debtors(&desk.config.roster, now)).collect()
    }

    /// Whoever could have joined and has not committed was asked directly, and is silent; but while
    /// a tree is called, only whoever has no place in it was.
    pub(super) fn is_silent(&self, desk: &Desk, member: Index) -> bool {
        let called = self.tree.as_ref().filter(|_| matches!(self.phase, Phase::Called(_)));
        self.may_join(desk, member)
            && !desk.has_offer(member)
            && called.is_none_or(|tree| !tree.contains(member.get()))
    }
}
