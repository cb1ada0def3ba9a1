//! One statement that is being signed: gather commitments, challenge, and again.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use super::{Event, Step, attempt::Attempt, desk::Desk, tree::Canopy};
use crate::{
    challenge::ChallengeId,
    domain::SESSION,
    machine::{Cx, Index, Time, To},
    message::{Message, Response, Said, StatementBytes},
    session::{Digest, Session},
    signature::{CollectiveSignature, Policy},
    transcript::{Hash, fresh},
    tree::Branches,
    wire::Wire,
};

/// How often a member may refuse in one session and be asked again.
const REFUSALS: u8 = 3;

/// A statement that is being signed.
#[derive(Debug)]
pub(super) struct Open {
    /// The next attempt's.
    pub(super) session: Session,
    pub(super) statement: StatementBytes,
    policy: Policy,
    announcement: Message,
    /// When it has failed.
    pub(super) until: Time,
    /// When the phase is over.
    pub(super) wake: Time,
    pub(super) phase: Phase,
    /// The current attempt, those over trees, and those to which somebody owes a response. Nobody
    /// owes to two, so there is at most one for each member, one for each tree, and one.
    pub(super) attempts: Vec<Attempt>,
    /// One slot for each member.
    refusals: BTreeMap<Index, u8>,
    /// How many trees are left to try. `None`: everybody has been asked directly.
    pub(super) trees: Option<u8>,
    /// Who has committed in a tree, and is to be challenged there.
    pub(super) canopy: Canopy,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Tuples of these children are to come.
    Called(Branches),
    /// Commitments are to come. `graced`: enough have, and stragglers are waited for.
    Gathering {
        graced: bool,
    },
    /// Responses to this challenge are to come.
    Challenged(ChallengeId),
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
        Self {
            announcement: announcement(desk, &session, &statement),
            session,
            statement,
            policy,
            until: cx.now().after(config.timing.limit),
            wake: cx.now().after(patience(desk)),
            phase: Phase::Gathering { graced: false },
            attempts: Vec::new(),
            refusals: BTreeMap::new(),
            trees: desk.trees(),
            canopy: Canopy::default(),
        }
    }

    /// Calls a tree. Or challenges at once if enough commitments came ahead, and announces to the
    /// others.
    pub(super) fn start(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        self.trees = self.trees.filter(|_| self.has_time_for_a_tree(desk, cx.now()));
        if self.trees.is_some() {
            return self.call(desk, cx);
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

    /// Goes on if enough have committed.
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

    /// Whether the member owes a response to this challenge.
    pub(super) fn is_owed(&self, challenge: &ChallengeId, member: Index) -> bool {
        self.attempts.iter().any(|a| a.id == *challenge && a.is_owed_by(member))
    }

    /// Takes in what was owed: a response, or a refusal.
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
            None => {
                attempt.lose(member);
                let refusals = self.refusals.entry(member).or_default();
                *refusals = refusals.saturating_add(1);
            }
        }
        if !attempt.is_answered() {
            let late = attempt.overdue;
            return if late { self.examine(desk, challenge) } else { Step::none() };
        }
        self.settle(desk, cx, challenge)
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub(super) fn handle_timeout(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        if self.until <= cx.now() {
            return self.fail(desk);
        }
        if cx.now() < self.wake {
            return Step::none();
        }
        let step = match &self.phase {
            Phase::Over => return Step::none(),
            Phase::Called(_) => return self.ask_the_missing(desk, cx),
            Phase::Gathering { .. } => Step::none(),
            Phase::Challenged(id) => {
                let id = *id;
                let current = self.attempts.iter_mut().find(|attempt| attempt.id == id);
                current.into_iter().for_each(|attempt| attempt.overdue = true);
                self.examine(desk, &id)
            }
        };
        let remind = self.attempts.iter().fold(Step::none(), |step, a| step.and(a.ask()));
        let step = step.and(remind);
        // Stragglers are waited for no longer: enough have committed.
        match self.chosen(desk).filter(|_| matches!(self.phase, Phase::Gathering { .. })) {
            Some(chosen) => step.and(self.challenge(desk, cx, chosen)),
            None => step.and(self.fall_back(desk, cx)),
        }
    }

    pub(super) fn next_timeout(&self) -> Time {
        self.wake.min(self.until)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Who is to sign: all reliable members that have committed; if they are too few, also those
    /// that refused, or sit out. `None`: still too few.
    fn chosen(&self, desk: &Desk) -> Option<Vec<Index>> {
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
    fn may_join(&self, desk: &Desk, member: Index) -> bool {
        let refusals = self.refusals.get(&member).copied().unwrap_or_default();
        member != desk.config.me
            && !self.canopy.covers(member)
            && !desk.is_convicted(member)
            && refusals < REFUSALS
            && !self.attempts.iter().any(|attempt| attempt.is_owed_by(member))
    }

    fn is_reliable(&self, desk: &Desk, member: Index) -> bool {
        !self.refusals.contains_key(&member) && !desk.sits_out(member)
    }

    /// Whether a reliable member has yet to commit.
    fn awaits_more(&self, desk: &Desk) -> bool {
        let mut members = desk.config.roster.indices();
        members.any(|i| self.may_join(desk, i) && self.is_reliable(desk, i) && !desk.has_offer(i))
    }

    /// The announcement, to all who may join and have not committed.
    fn announce_again(&self, desk: &Desk) -> Step {
        let missing = |i: &Index| self.may_join(desk, *i) && !desk.has_offer(*i);
        let missing: Vec<_> = desk.config.roster.indices().filter(missing).collect();
        if missing.is_empty() {
            return Step::none();
        }
        Step::none().send(To::Some(missing), self.announcement.clone())
    }

    fn challenge(&mut self, desk: &mut Desk, cx: &mut Cx<'_>, chosen: Vec<Index>) -> Step {
        let branches = match self.branches(desk, cx, &chosen) {
            Ok(branches) => branches,
            Err(first) => return first,
        };
        let offers = chosen.into_iter().filter_map(|i| desk.spend(i).map(|offer| (i, offer)));
        let offers = offers.collect();
        let session = self.session.clone();
        self.session.attempt = self.session.attempt.saturating_add(1);
        self.wake = cx.now().after(patience(desk));
        let attempt = Attempt::new(desk, cx, session, &self.statement, offers, branches);
        let Some(attempt) = attempt else { return Step::none() };
        let (id, step) = (attempt.id, attempt.ask());
        let alone = attempt.is_answered();
        self.phase = Phase::Challenged(id);
        self.attempts.push(attempt);
        if alone { step.and(self.settle(desk, cx, &id)) } else { step }
    }

    /// Everybody has answered.
    pub(super) fn settle(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        challenge: &ChallengeId,
    ) -> Step {
        let attempt = self.attempts.iter().find(|attempt| attempt.id == *challenge);
        let over_tree = attempt.is_some_and(Attempt::has_tree);
        if let Some(signature) = attempt.and_then(Attempt::signature) {
            return self.signed(desk, signature, over_tree);
        }
        let step = self.examine(desk, challenge);
        self.attempts.retain(|attempt| attempt.id != *challenge);
        if matches!(self.phase, Phase::Challenged(current) if current == *challenge) {
            step.and(self.fall_back(desk, cx))
        } else {
            step
        }
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

    /// Asks all who have not committed, and goes on at once if enough have.
    pub(super) fn gather_anew(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        self.phase = Phase::Gathering { graced: false };
        self.wake = cx.now().after(patience(desk));
        self.announcement = announcement(desk, &self.session, &self.statement);
        let announce = self.announce_again(desk);
        announce.and(self.gather(desk, cx))
    }

    fn signed(&mut self, desk: &mut Desk, signature: CollectiveSignature, over_tree: bool) -> Step {
        if over_tree || self.trees.is_some() {
            desk.judge_trees(over_tree);
        }
        let signed = |i: &Index| signature.mask.contains(i.get());
        let (present, absent): (Vec<_>, Vec<_>) = desk.config.roster.indices().partition(signed);
        let overdue = self.attempts.iter().filter(|attempt| attempt.overdue);
        overdue.flat_map(Attempt::debtors).for_each(|member| desk.sit_out(member));
        present.into_iter().for_each(|member| desk.redeem(member));
        self.phase = Phase::Over;
        let (digest, statement) = (self.session.statement, self.statement.to_vec());
        Step::none().event(Event::Signed { digest, statement, signature, absent })
    }

    fn fail(&mut self, desk: &mut Desk) -> Step {
        if self.trees.is_some() {
            desk.judge_trees(false);
        }
        let debtors = self.debtors();
        debtors.iter().for_each(|member| desk.sit_out(*member));
        let others = desk.config.roster.indices();
        let missing = |i: &Index| {
            let silent = *i != desk.config.me && !desk.has_offer(*i);
            debtors.contains(i) || desk.is_convicted(*i) || silent
        };
        let absent = others.filter(missing).collect();
        self.phase = Phase::Over;
        Step::none().event(Event::Failed { digest: self.session.statement, absent })
    }

    fn debtors(&self) -> Vec<Index> {
        self.attempts.iter().flat_map(Attempt::debtors).collect()
    }
}

fn announcement(desk: &Desk, session: &Session, statement: &StatementBytes) -> Message {
    let said = Said::new(&desk.config.key, session.clone());
    Message::Announcement(said, statement.clone())
}

pub(super) fn patience(desk: &Desk) -> Duration {
    desk.config.timing.patience.max(Duration::from_nanos(1))
}
