//! One branch of an attempt: its sum, or, where that is missing or wrong, what each of its members
//! tells when it is asked directly.

use alloc::{boxed::Box, collections::BTreeMap};

use curve25519_dalek::Scalar;

use crate::{
    blame,
    challenge::{Challenge, ChallengeId, Terms},
    machine::{Evidence, Index, Time},
    message::{Account, Said, Sum, decode_points},
    roster::Roster,
    signature::aggregate,
    tree::{Branch, Owed},
};

/// One branch, and what it answered.
#[derive(Debug)]
pub(super) struct Limb {
    pub(super) owed: Owed,
    /// Whether the sum is wrong, or will not come.
    pub(super) failed: bool,
    /// Whether the sum came after the members were asked.
    late: bool,
    /// What the members answered when they were asked directly. `None`: they were not.
    pub(super) replies: Option<BTreeMap<Index, Reply>>,
    /// When they are to have answered, if they were asked.
    due: Time,
    /// Σ s_i, from their accounts.
    recount: Option<Scalar>,
}

/// What a member answered to an inquiry.
#[derive(Debug)]
pub(super) enum Reply {
    /// It has answered the challenge.
    Account(Box<Told>),
    /// The challenge has not come, or its pair was gone.
    Refused,
}

/// An account whose words fit together.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) said: Said<Account>,
    /// Its s_i, if that is right.
    s: Option<Scalar>,
    /// What it commits to for its branch, for the time after.
    pub(super) ahead: Option<Branch>,
}

impl Limb {
    pub(super) fn new(branch: Branch) -> Self {
        let (owed, due) = (Owed::new(branch), Time::default());
        Self { owed, failed: false, late: false, replies: None, due, recount: None }
    }

    /// Asks the members directly. They are to answer by then.
    pub(super) fn inquire(&mut self, due: Time) {
        (self.replies, self.due) = (Some(BTreeMap::new()), due);
    }

    /// Whether whoever was asked and has not answered is silent.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    /// s_T: the head's word, or the members'.
    pub(super) fn share(&self) -> Option<Scalar> {
        let sum = self.owed.answer.as_ref().filter(|_| !self.failed).map(|answer| answer.s);
        sum.or(self.recount)
    }

    /// Whether there is more to wait for.
    pub(super) fn pends(&self) -> bool {
        let missing = match &self.replies {
            None => !self.failed,
            Some(replies) => replies.len() < self.owed.branch.mask().count(),
        };
        self.share().is_none() && missing
    }

    /// Whether the member was asked, and has not answered.
    pub(super) fn is_owed_by(&self, member: Index) -> bool {
        let asked = self.replies.as_ref().is_some_and(|replies| !replies.contains_key(&member));
        self.share().is_none() && asked && self.owed.branch.mask().contains(member.get())
    }

    /// Who was asked, and has not answered.
    pub(super) fn debtors<'a>(&'a self, roster: &'a Roster) -> impl Iterator<Item = Index> + 'a {
        let asked = self.replies.iter().flat_map(|_| self.owed.branch.mask().iter());
        asked.filter_map(|at| roster.index(at)).filter(|member| self.is_owed_by(*member))
    }

    /// Whether it waits for the member's share.
    pub(super) fn lacks(&self, member: Index) -> bool {
        let waits = self.owed.answer.is_none() || self.is_owed_by(member);
        waits && self.owed.branch.mask().contains(member.get())
    }

    /// Checks the sum: \[s_T\]B = R1_T + \[b\]R2_T + \[c\]A_Z_T.
    pub(super) fn examine(&mut self, terms: &Terms, roster: &Roster) {
        let Some(answer) = self.owed.answer.as_ref().filter(|_| !self.failed) else { return };
        self.failed = !self.holds(&answer.s, terms, roster);
    }

    fn holds(&self, s: &Scalar, terms: &Terms, roster: &Roster) -> bool {
        let Branch { said, sums } = &self.owed.branch;
        aggregate(roster, &said.what.mask).is_ok_and(|key| terms.hold(s, sums, key.point()))
    }

    /// Keeps an account, if it is of this branch and its words fit together: otherwise it is as if
    /// the member were silent.
    pub(super) fn tell(
        &mut self,
        member: Index,
        id: &ChallengeId,
        terms: &Terms,
        roster: &Roster,
        (said, ahead): (Said<Account>, Option<Branch>),
    ) -> bool {
        let Account { tuple, response, children } = &said.what;
        let mine = &self.owed.branch.said.what;
        let of_this = (tuple.what.roster, tuple.what.leader, tuple.what.plan)
            == (mine.roster, mine.leader, mine.plan)
            && response.what.challenge == *id
            && response.what.nonce == tuple.what.nonce
            && blame::names_its_children(&tuple.what, children)
            && blame::adds_up(&said.what).is_some();
        let own = decode_points(&tuple.what.own).filter(|_| of_this);
        let (Some(own), Some(key)) = (own, roster.key(member)) else { return false };
        let Some(replies) = &mut self.replies else { return false };
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(response.what.response));
        let s = s.filter(|s| terms.hold(s, &own, key.point()));
        let spent = Branch { said: tuple.clone(), sums: own };
        let ahead = ahead.filter(|ahead| spent.precedes(ahead));
        replies.insert(member, Reply::Account(Box::new(Told { said, s, ahead })));
        true
    }

    /// What proves that the member's own share is wrong, if its account shows that.
    pub(super) fn wrong_share(
        &self,
        member: Index,
        challenge: impl FnOnce() -> Said<Challenge>,
    ) -> Option<Option<Evidence>> {
        let Reply::Account(told) = self.replies.as_ref()?.get(&member)? else { return None };
        let Account { tuple, response, .. } = &told.said.what;
        let evidence = || blame::invalid_share(&challenge(), tuple, response);
        (!told.is_right()).then(evidence)
    }

    /// Adds the members' own shares up, once all have told theirs.
    pub(super) fn recount(&mut self, terms: &Terms, roster: &Roster) {
        if self.pends() || self.share().is_some() {
            return;
        }
        let share = |reply: &Reply| match reply {
            Reply::Account(told) => told.s,
            Reply::Refused => None,
        };
        let mut shares = self.replies.iter().flat_map(BTreeMap::values).map(share);
        let total = shares.try_fold(Scalar::ZERO, |total, s| Some(total + s?));
        let asked = self.replies.is_some();
        self.recount = total.filter(|s| asked && self.holds(s, terms, roster));
    }

    /// The head's tuple, and its sum, if that was there in time.
    pub(super) fn word(&self) -> (&Branch, Option<&Said<Sum>>) {
        let answer = self.owed.answer.as_ref().filter(|_| !self.late);
        (&self.owed.branch, answer.map(|answer| &answer.said))
    }

    /// Whether the sum came after the members were asked.
    pub(super) const fn is_late(&self) -> bool {
        self.late
    }

    /// Keeps the sum that the head owes.
    pub(super) fn answer(&mut self, id: &ChallengeId, said: Said<Sum>, ahead: Branch) -> bool {
        let kept = self.share().is_none() && self.owed.answer(id, said, ahead);
        self.late |= kept && self.replies.is_some();
        kept
    }

    /// Checks a sum that has come after somebody said that it would not.
    pub(super) fn reconsider(&mut self, terms: &Terms, roster: &Roster) {
        self.failed = false;
        self.examine(terms, roster);
    }
}

impl Told {
    /// Whether the own share is right.
    pub(super) const fn is_right(&self) -> bool {
        self.s.is_some()
    }

    /// What the member said for its subtree, by its own account: nothing, if a child has not
    /// answered.
    pub(super) fn total(&self) -> Option<Scalar> {
        blame::total(&self.said.what)
    }
}
