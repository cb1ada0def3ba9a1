//! One statement that is being signed: gather commitments, challenge, and again.
//!
//! ```text
//!    start, over a tree                     start, over a star
//!            | (1)                                  | (2)
//!            v                                      v
//!         Called -------------- (3) ----------> Gathering <---+
//!                                                |     ^      | (4)
//!    start, with enough ahead                    |     +------+
//!            | (5)                           (5) |     ^
//!            v                                   v     |
//!       Challenged <-----------------------------+     |
//!         |    |  ^                                    |
//!     (7) |    |  +----------- (6), enough ------------+
//!         |    +-------------- (6), too few -----------+
//!         v                                            |
//!     Descending ------------- (6) --------------------+
//!
//!    any ---- (8) ----> Over
//! ```
//!
//! 1. Calls for tuples, and announces to whoever stands aside.
//! 2. Announces.
//! 3. All tuples are there, or patience is over: announces to whoever is in no branch.
//! 4. Patience is over, and too few have committed: repeats what older attempts are owed, leaves the
//!    tree if it brought some, and announces again under a new name.
//! 5. Enough have committed: spends their commitments in a challenge.
//! 6. The attempt is spoiled: convicts who answered wrongly, repeats what attempts are owed, gives
//!    the session its time back, and goes on without whoever spoiled it: with a challenge if enough
//!    have committed ahead, otherwise with an announcement.
//! 7. Branches fail, or their sums are missing: asks all in them directly, once each attempt.
//! 8. The signature holds, of this attempt or an older one; enough signed alone; the time is over;
//!    or too many declined: sets aside who owes, and tells the application.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use super::{
    Step,
    attempt::Attempt,
    desk::Desk,
    single::Singles,
    tree::{Canopy, Trees},
};
use crate::{
    challenge::ChallengeId,
    domain::SESSION,
    machine::{Cx, Index, Time, To},
    message::{Message, Response, Said, StatementBytes},
    session::{Digest, Session},
    signature::Policy,
    transcript::{Hash, fresh},
    tree::{Branch, Branches, Tree},
    wire::Wire,
};

/// How often a member may refuse in one session and be asked again.
const REFUSALS: u8 = 3;

/// A statement that is being signed.
#[derive(Debug)]
pub(super) struct Open {
    /// The next attempt's.
    pub(super) session: Session,
    pub(super) statement: Arc<StatementBytes>,
    pub(super) policy: Policy,
    announcement: Message,
    /// When it has failed.
    pub(super) until: Time,
    /// When the phase is over.
    pub(super) wake: Time,
    pub(super) phase: Phase,
    /// The current attempt, those over trees, and those to which somebody owes a response. Nobody
    /// owes to two, so there is at most one for each member, one for each time that a tree is tried,
    /// and one. Those that are overdue hold a mask each, and one slot for each who owes them: all
    /// together at most a slot for each member. Those over trees hold their branches, and what the
    /// members in them told.
    pub(super) attempts: Vec<Attempt>,
    /// When the current attempt began.
    since: Time,
    /// Who had yet to commit at the last look.
    missing: u16,
    /// One slot for each member.
    pub(super) refusals: BTreeMap<Index, u8>,
    /// Who does not sign the statement: at most every member.
    pub(super) declined: BTreeSet<Index>,
    /// The single signatures. `None`: nobody is asked for any.
    pub(super) singles: Option<Singles>,
    /// The tree, if the session began with one.
    pub(super) tree: Option<Arc<Tree>>,
    /// What is known of it. `None`: everybody is asked directly.
    pub(super) trees: Option<Trees>,
    /// Who has committed in a branch, and is to be challenged there.
    pub(super) canopy: Canopy,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Tuples of these branches are to come.
    Called(Branches),
    /// Commitments are to come. `graced`: enough have, and stragglers are waited for.
    Gathering {
        graced: bool,
    },
    /// Responses to this challenge are to come.
    Challenged(ChallengeId),
    /// What became of this challenge in the branches that failed it is to come.
    Descending(ChallengeId),
    Over,
}

impl Open {
    pub(super) fn new(
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        digest: Digest,
        statement: StatementBytes,
        policy: Policy,
    ) -> Self {
        desk.count_down();
        let config = &desk.config;
        // Hedged as nonces are: a name that comes twice would convict this leader.
        let entropy = Hash::new(SESSION).fixed(&fresh(cx.rng())).number(desk.drawn);
        let session = Session {
            mode: config.mode,
            roster: config.roster.id(),
            statement: digest,
            leader: config.me.get(),
            entropy: entropy.bytes(&cx.now().encode()).digest(),
            attempt: 0,
        };
        let singles = Singles::new(desk, cx.now());
        Self {
            announcement: announcement(desk, &session, &statement),
            session,
            statement: Arc::new(statement),
            policy,
            until: cx.now().after(config.timing.limit),
            wake: cx.now().after(patience(desk)),
            phase: Phase::Gathering { graced: false },
            attempts: Vec::new(),
            since: cx.now(),
            missing: 0,
            refusals: BTreeMap::new(),
            declined: BTreeSet::new(),
            singles,
            tree: None,
            trees: None,
            canopy: Canopy::default(),
        }
    }

    /// Phase 1: announces, to a tree or to all. Or challenges at once if enough commitments came
    /// ahead, and announces to the others.
    pub(super) fn start(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        if let Some(step) = self.start_tree(desk, cx) {
            return step;
        }
        let alone = desk.config.roster.size() == 1;
        match self.chosen(desk).filter(|chosen| alone || !chosen.is_empty()) {
            Some(chosen) => {
                let announce = self.announce_again(desk);
                announce.and(self.challenge(desk, cx, chosen))
            }
            None => Step::none().send(To::All, self.announcement.clone()),
        }
    }

    /// Phase 2: goes on if enough have committed.
    pub(super) fn gather(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        let Phase::Gathering { graced } = self.phase else { return Step::none() };
        let awaits_more = self.awaits_more(desk);
        if graced && awaits_more {
            return Step::none();
        }
        let Some(chosen) = self.chosen(desk) else { return Step::none() };
        if !awaits_more {
            return self.challenge(desk, cx, chosen);
        }
        self.phase = Phase::Gathering { graced: true };
        self.wake = self.wake.min(cx.now().after(desk.config.timing.grace));
        Step::none()
    }

    /// Asks all who have not committed, and goes on at once if enough have.
    pub(super) fn gather_anew(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        self.phase = Phase::Gathering { graced: false };
        self.wake = cx.now().after(patience(desk));
        self.announcement = announcement(desk, &self.session, &self.statement);
        let announce = self.announce_again(desk);
        announce.and(self.gather(desk, cx))
    }

    /// Phase 3: challenges these members, and the branches.
    pub(super) fn challenge(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        chosen: Vec<Index>,
    ) -> Step {
        let branches = core::mem::take(&mut self.canopy).branches;
        if let Some(trees) = self.trees.as_mut().filter(|_| !branches.is_empty()) {
            trees.left = trees.left.saturating_sub(1);
        }
        let offers = chosen.into_iter().filter_map(|i| desk.spend(i).map(|offer| (i, offer)));
        let offers = offers.collect();
        let session = self.session.clone();
        self.session.attempt = self.session.attempt.saturating_add(1);
        (self.since, self.wake) = (cx.now(), cx.now().after(patience(desk)));
        let attempt = Attempt::new(desk, cx, session, &self.statement, offers, branches);
        let Some(attempt) = attempt else { return Step::none() };
        let (id, step) = (attempt.id, attempt.ask(&desk.config));
        let alone = attempt.is_settled();
        self.phase = Phase::Challenged(id);
        self.attempts.push(attempt);
        if alone { step.and(self.settle(desk, cx, &id)) } else { step }
    }

    /// Phase 4: takes in what was owed, a response or a refusal.
    pub(super) fn given(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        challenge: &ChallengeId,
        member: Index,
        response: Option<Said<Response>>,
    ) -> Step {
        let Some(attempt) = self.attempts.iter_mut().find(|a| a.id == *challenge) else {
            return Step::none();
        };
        match response {
            Some(said) => {
                if !attempt.respond(member, said) {
                    return Step::none();
                }
            }
            None if attempt.lose(member) => {
                let refusals = self.refusals.entry(member).or_default();
                *refusals = refusals.saturating_add(1);
            }
            None => drop(attempt.lose_branch(member)),
        }
        self.answered(desk, cx, challenge)
    }

    /// Something of what was owed has come.
    pub(super) fn answered(&mut self, desk: &mut Desk, cx: &mut Cx<'_>, id: &ChallengeId) -> Step {
        let attempt = self.attempts.iter().find(|attempt| attempt.id == *id);
        let Some(attempt) = attempt else { return Step::none() };
        if attempt.is_settled() {
            return self.settle(desk, cx, id);
        }
        if attempt.overdue { self.examine(desk, id) } else { Step::none() }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub(super) fn handle_timeout(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        if self.until <= cx.now() {
            self.attempts.iter_mut().for_each(|attempt| attempt.overdue = true);
            let silent = desk.config.roster.indices().filter(|i| self.is_silent(desk, *i));
            let silent = silent.collect();
            return self.fail(desk, cx.now(), silent);
        }
        let step = self.poll(desk, cx.now());
        if cx.now() < self.wake {
            return step;
        }
        step.and(self.next_phase(desk, cx))
    }

    /// Patience with the phase is over.
    fn next_phase(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        match self.phase {
            Phase::Over => Step::none(),
            Phase::Called(_) => self.ask_the_missing(desk, cx),
            Phase::Gathering { .. } => {
                let remind = self.remind(desk);
                // Stragglers are waited for no longer: enough have committed.
                match self.chosen(desk) {
                    Some(chosen) => remind.and(self.challenge(desk, cx, chosen)),
                    None => {
                        if !self.canopy.branches.is_empty() {
                            self.leave_trees(desk); // the branches and all others are too few
                        }
                        remind.and(self.fall_back(desk, cx, BTreeMap::new()))
                    }
                }
            }
            Phase::Challenged(id) => {
                let step = self.overdue(desk, &id).and(self.remind(desk));
                if let Some(inquiry) = self.descend(desk, cx, &id) {
                    return step.and(inquiry);
                }
                step.and(self.try_again(desk, cx, BTreeMap::new()))
            }
            Phase::Descending(id) => {
                let step = self.overdue(desk, &id);
                let (judged, sound) = self.conclude(desk, &id);
                let step = step.and(judged).and(self.remind(desk));
                step.and(self.try_again(desk, cx, sound))
            }
        }
    }

    /// Says the challenge again to those who owe a response, and the inquiry to those who owe an
    /// answer to that.
    fn remind(&self, desk: &Desk) -> Step {
        let ask = |step: Step, attempt: &Attempt| step.and(attempt.ask(&desk.config));
        self.attempts.iter().fold(Step::none(), ask)
    }

    pub(super) fn next_timeout(&self) -> Time {
        let poll = self.singles.as_ref().map_or(self.until, Singles::due);
        self.wake.min(self.until).min(poll)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the member owes a response to this challenge.
    pub(super) fn is_owed(&self, challenge: &ChallengeId, member: Index) -> bool {
        self.attempts.iter().any(|a| a.id == *challenge && a.expects(member))
    }

    /// Who is to sign: all reliable members that have committed; if they are too few, also those
    /// that refused, or sit out. `None`: still too few.
    pub(super) fn chosen(&self, desk: &Desk) -> Option<Vec<Index>> {
        let config = &desk.config;
        let reach = desk.reach().saturating_add(self.canopy.weight);
        if reach < self.policy.least(&config.roster) {
            return None;
        }
        let ready =
            config.roster.indices().filter(|i| self.may_join(desk, *i) && desk.has_offer(*i));
        let (reliable, others): (Vec<_>, Vec<_>) = ready.partition(|i| self.is_reliable(desk, *i));
        let enough = |members: &[Index]| {
            let signers = self.signers(desk, members);
            self.policy.accepts(&config.roster, &signers) == Ok(true)
        };
        if enough(&reliable) {
            return Some(reliable);
        }
        let all = [reliable, others].concat();
        enough(&all).then_some(all)
    }

    /// Whoever owes a response joins no later attempt, and whoever is in a tree is asked there.
    pub(super) fn may_join(&self, desk: &Desk, member: Index) -> bool {
        let refusals = self.refusals.get(&member).copied().unwrap_or_default();
        member != desk.config.me
            && !self.canopy.covers(member)
            && !self.declined.contains(&member)
            && !desk.is_convicted(member)
            && refusals < REFUSALS
            && !self.attempts.iter().any(|attempt| attempt.is_owed_by(member))
    }

    fn is_reliable(&self, desk: &Desk, member: Index) -> bool {
        !self.refusals.contains_key(&member) && !desk.sits_out(member)
    }

    /// Whether a reliable member has yet to commit, which answered when it was asked last. Looks on
    /// from where it found one last, so that all commitments together cost a look or two at each.
    fn awaits_more(&mut self, desk: &Desk) -> bool {
        let roster = &desk.config.roster;
        let last = u16::try_from(roster.size().saturating_sub(1)).unwrap_or(u16::MAX);
        let mut members = (self.missing..=last).chain(0..self.missing);
        let answers = |i| self.is_reliable(desk, i) && !desk.grove.is_silent(i);
        let lacks = |i| !desk.has_offer(i) && answers(i) && self.may_join(desk, i);
        let missing = members.find(|at| roster.index(*at).is_some_and(lacks));
        self.missing = missing.unwrap_or_default();
        missing.is_some()
    }

    /// The announcement, to all who may join and have not committed.
    pub(super) fn announce_again(&self, desk: &Desk) -> Step {
        self.announcement_to(desk, |_| true)
    }

    /// The announcement, to those of them.
    pub(super) fn announcement_to(&self, desk: &Desk, whom: impl Fn(&Index) -> bool) -> Step {
        let missing = |i: &Index| self.may_join(desk, *i) && !desk.has_offer(*i) && whom(i);
        let missing: Vec<_> = desk.config.roster.indices().filter(missing).collect();
        if missing.is_empty() {
            return Step::none();
        }
        Step::none().send(To::Some(missing), self.announcement.clone())
    }

    /// There is nothing to wait for.
    fn settle(&mut self, desk: &mut Desk, cx: &mut Cx<'_>, challenge: &ChallengeId) -> Step {
        let attempt = self.attempts.iter().find(|attempt| attempt.id == *challenge);
        if let Some(signature) = attempt.and_then(Attempt::signature) {
            let (step, _) = self.conclude(desk, challenge);
            return step.and(self.signed(desk, cx.now(), signature, challenge));
        }
        let step = self.examine(desk, challenge);
        if let Some(inquiry) = self.descend(desk, cx, challenge) {
            return step.and(inquiry);
        }
        let (judged, sound) = self.conclude(desk, challenge);
        let step = step.and(judged);
        self.attempts.retain(|attempt| attempt.id != *challenge);
        let current = match &self.phase {
            Phase::Challenged(id) | Phase::Descending(id) => id == challenge,
            Phase::Called(_) | Phase::Gathering { .. } | Phase::Over => false,
        };
        if current { step.and(self.try_again(desk, cx, sound)) } else { step }
    }

    /// The current attempt is spoiled: tries without who spoiled it. The session gets its time
    /// back, so that the limit bounds silence and not how many disruptors there may be.
    fn try_again(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        sound: BTreeMap<Index, Branch>,
    ) -> Step {
        let took = cx.now().since_epoch().saturating_sub(self.since.since_epoch());
        self.until = self.until.after(took);
        self.fall_back(desk, cx, sound)
    }

    /// The attempt is no longer waited for, and may yet complete.
    fn overdue(&mut self, desk: &mut Desk, challenge: &ChallengeId) -> Step {
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == *challenge);
        attempt.into_iter().for_each(|attempt| attempt.overdue = true);
        self.examine(desk, challenge)
    }

    /// Convicts whoever answered wrongly.
    fn examine(&mut self, desk: &mut Desk, challenge: &ChallengeId) -> Step {
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == *challenge);
        let wrong = attempt.map(|attempt| attempt.examine(&desk.config)).unwrap_or_default();
        wrong
            .into_iter()
            .fold(Step::none(), |step, (member, evidence)| step.and(desk.convict(member, evidence)))
    }

    /// Challenges those who have committed, if they are enough, or gathers again.
    pub(super) fn retry(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        if let Some(chosen) = self.chosen(desk) {
            return self.challenge(desk, cx, chosen);
        }
        // Under a new name, so that whoever committed for the old one commits anew: that pair
        // may be spent, on a challenge that its owner never answers.
        self.session.attempt = self.session.attempt.saturating_add(1);
        self.gather_anew(desk, cx)
    }
}

fn announcement(desk: &Desk, session: &Session, statement: &StatementBytes) -> Message {
    let said = Said::new(&desk.config.key, session.clone());
    Message::Announcement(said, statement.clone())
}

pub(super) fn patience(desk: &Desk) -> Duration {
    desk.config.timing.patience.max(Duration::from_nanos(1))
}
