//! How a leader signs over a tree, before it signs over a star: phase by phase.
//!
//! 1. *Upon* a statement: plant the tree for it, which is the last one unless others are to stand
//!    aside. If it is, and every branch committed ahead, challenge at once; otherwise call.
//! 2. *Upon* the tuples of all branches, or the end of patience: ask whoever is in none directly,
//!    as in a star. *Upon* their commitments, or of enough once the grace is over:
//! 3. challenge the branches and those who committed directly, together.
//! 4. *Upon* all sums and responses: check the whole. If it holds, the statement is signed.
//! 5. *Upon* a whole that does not hold, or the end of patience: check each branch, and ask all in
//!    those that failed directly, and whoever does not answer again. If all in them answered rightly, that completes the
//!    attempt. Otherwise find out which ways failed, and try again: the branches that held by what
//!    they committed to ahead, as do sound ones below those that failed, all others directly. After
//!    the last such attempt, lead a star.

use alloc::collections::{BTreeMap, BTreeSet};

use super::{
    Step,
    descent::{Descent, Verdict},
    desk::Desk,
    grove::{Planted, heads},
    open::{Open, Phase, patience},
};
use crate::{
    challenge::ChallengeId,
    machine::{Cx, Index, Time, To},
    mask::Mask,
    message::{Account, Call, Message, Said, StatementBytes, Sum},
    tree::{Branch, Branches},
};

/// The branches that are to be challenged next, and whom they are of.
#[derive(Debug, Default)]
pub(super) struct Canopy {
    pub(super) branches: BTreeMap<Index, Branch>,
    members: Mask,
    /// The weight of the members.
    pub(super) weight: u64,
}

impl Canopy {
    pub(super) fn new(branches: BTreeMap<Index, Branch>, desk: &Desk) -> Self {
        let roster = &desk.config.roster;
        let members = branches.values().flat_map(|branch| branch.mask().iter());
        let members = Mask::of(roster.size(), members);
        Self { branches, weight: roster.weight_of(&members), members }
    }

    /// Whether the member is for a branch to bring.
    pub(super) fn covers(&self, member: Index) -> bool {
        self.members.contains(member.get())
    }
}

/// What a session over trees knows of them.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// How many attempts over a tree are left.
    pub(super) left: u8,
    /// Who had a place in the tree and did not come with the tuples.
    missing: BTreeSet<Index>,
    /// The ways in the tree that failed.
    ways: BTreeSet<(Index, Index)>,
    /// Who said what no honest member says.
    strays: BTreeSet<Index>,
}

impl Open {
    /// Phase 1: a tree that is ready is challenged at once; another one is called.
    pub(super) fn start_tree(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Option<Step> {
        if !desk.grove.is_tried(&desk.config) || !self.has_time_for_a_tree(desk, cx.now()) {
            return None;
        }
        let planted = desk.plant(cx)?;
        self.tree = Some(planted.tree.clone());
        self.trees = Some(Trees { left: desk.config.trees, ..Trees::default() });
        if let Some(ahead) = desk.grove.take(desk.config.me, true) {
            self.canopy = Canopy::new(ahead, desk);
            if let Some(chosen) = self.chosen(desk) {
                self.note_missing(desk);
                let announce = self.announce_again(desk);
                return Some(announce.and(self.challenge(desk, cx, chosen)));
            }
            let unspent = core::mem::take(&mut self.canopy).branches;
            unspent.into_values().for_each(|branch| desk.grove.keep(branch, &desk.config));
        }
        Some(self.call(desk, cx, planted))
    }

    /// Calls for the commitments of the tree.
    fn call(&mut self, desk: &mut Desk, cx: &Cx<'_>, planted: Planted) -> Step {
        let issued = desk.grove.issue(cx.now());
        let config = &desk.config;
        let children = heads(&planted.tree, config);
        let scope = (config.roster.id(), config.me.get(), planted.id);
        let branches = Branches::of(scope, children);
        let heads = branches.heads();
        let nanos = u64::try_from(patience(desk).as_nanos()).unwrap_or(u64::MAX);
        let (session, plan) = (self.session.clone(), planted.plan);
        let call = Call { session, plan, issued, patience: nanos };
        let call =
            Message::Call(Said::new(&config.key, call), StatementBytes::clone(&self.statement));
        self.wake = cx.now().after(patience(desk));
        self.phase = Phase::Called(branches);
        // Whoever stands aside need not wait for the tree.
        let aside = self.announcement_to(desk, |i| !planted.tree.contains(i.get()));
        Step::none().send(To::Some(heads), call).and(aside)
    }

    /// Phase 2: a branch commits.
    pub(super) fn tupled(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        from: Index,
        branch: &Branch,
    ) -> Step {
        let Phase::Called(branches) = &mut self.phase else { return Step::none() };
        if !branches.add(from, branch.clone()) || !branches.is_full() {
            return Step::none();
        }
        self.ask_the_missing(desk, cx)
    }

    /// The tree has no more to give: asks all the others directly, for a silent parent and a
    /// silent child look alike.
    pub(super) fn ask_the_missing(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        let gathering = Phase::Gathering { graced: false };
        if let Phase::Called(branches) = core::mem::replace(&mut self.phase, gathering) {
            self.canopy = Canopy::new(branches.into_branches(), desk);
        }
        self.note_missing(desk);
        self.gather_anew(desk, cx)
    }

    /// Remembers who has a place in the tree and is in none of its branches.
    fn note_missing(&mut self, desk: &Desk) {
        let (Some(tree), Some(trees)) = (&self.tree, &mut self.trees) else { return };
        let others = desk.config.roster.indices().filter(|i| *i != desk.config.me);
        let missing = others.filter(|i| tree.contains(i.get()) && !self.canopy.covers(*i));
        trees.missing = missing.collect();
    }

    /// Phase 4: a branch responds.
    pub(super) fn summed(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        from: Index,
        said: &Said<Sum>,
        ahead: &Branch,
    ) -> Step {
        let id = said.what.challenge;
        let mut attempts = self.attempts.iter_mut();
        let (config, sum) = (&desk.config, || (said.clone(), ahead.clone()));
        let kept = attempts.any(|attempt| {
            let (said, ahead) = sum();
            attempt.id == id && attempt.sum(config, from, said, ahead)
        });
        if kept { self.answered(desk, cx, &id) } else { Step::none() }
    }

    /// Phase 5: a member tells what it made of a challenge.
    pub(super) fn told(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        from: Index,
        said: &Said<Account>,
        ahead: Option<&Branch>,
    ) -> Step {
        let id = said.what.response.what.challenge;
        // So that all accounts together are no longer than the tree is large.
        let is_parent =
            |at: u16| self.tree.as_ref().and_then(|tree| tree.parent(at)) == Some(from.get());
        if !said.what.children.iter().all(|(named, _)| is_parent(named.member)) {
            return Step::none();
        }
        let told = (said.clone(), ahead.cloned());
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == id);
        let Some(attempt) = attempt else { return Step::none() };
        if !attempt.tell(&desk.config, from, told) {
            return Step::none();
        }
        let wrong = attempt.wrong_share(from);
        let convict = wrong.map(|evidence| desk.convict(from, evidence));
        convict.unwrap_or_else(Step::none).and(self.answered(desk, cx, &id))
    }

    /// Asks all in the branches of an attempt that failed directly.
    pub(super) fn descend(&mut self, desk: &Desk, cx: &Cx<'_>, id: &ChallengeId) -> Option<Step> {
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == *id)?;
        let due = cx.now().after(patience(desk));
        let inquiry = attempt.inquire(&desk.config, due)?;
        for member in &self.declined {
            attempt.lose_branch(*member);
        }
        if matches!(self.phase, Phase::Challenged(current) if current == *id) {
            self.phase = Phase::Descending(*id);
            self.wake = due;
        }
        Some(inquiry)
    }

    /// The descent of an attempt is over: convicts, remembers which ways failed, and keeps what
    /// the sound branches committed to for the time after. Returns what of it is below others.
    pub(super) fn conclude(
        &mut self,
        desk: &mut Desk,
        id: &ChallengeId,
    ) -> (Step, BTreeMap<Index, Branch>) {
        let (mut step, mut sound) = (Step::none(), BTreeMap::new());
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == *id);
        let (Some(attempt), Some(tree)) = (attempt, &self.tree) else { return (step, sound) };
        for limb in attempt.limbs.values() {
            let Some(replies) = &limb.replies else { continue };
            let descent = Descent::new(&desk.config.roster, tree, limb, replies);
            let Verdict { convicted, mut ways, strays, sound: below } = descent.judge();
            ways.retain(|(_, child)| !self.declined.contains(child)); // it told why
            if let Some(trees) = &mut self.trees {
                trees.ways.extend(ways);
                trees.strays.extend(strays);
            }
            sound.extend(below);
            for (member, evidence) in convicted {
                step = step.and(desk.convict(member, evidence));
            }
        }
        attempt.keep_ahead(desk);
        (step, sound)
    }

    /// The attempt failed: tries another one over what is left of the tree, or asks everybody
    /// directly, or goes on as a star.
    pub(super) fn fall_back(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        sound: BTreeMap<Index, Branch>,
    ) -> Step {
        self.canopy = Canopy::default();
        let Some(trees) = &self.trees else { return self.retry(desk, cx) };
        let left = trees.left;
        // Under a new name, so that whoever committed for the old one commits anew.
        self.session.attempt = self.session.attempt.saturating_add(1);
        if left > 0 && self.has_time_for_a_tree(desk, cx.now()) {
            self.canopy = Canopy::new(self.untouched(desk, sound), desk);
        }
        if self.canopy.branches.is_empty() {
            self.leave_trees(desk);
        }
        self.gather_anew(desk, cx)
    }

    /// The sound branches, and whatever the other ones committed to ahead that nothing was found
    /// against: nobody stands in two.
    fn untouched(
        &self,
        desk: &mut Desk,
        sound: BTreeMap<Index, Branch>,
    ) -> BTreeMap<Index, Branch> {
        let ahead = desk.grove.take(desk.config.me, false).unwrap_or_default();
        let roster = &desk.config.roster;
        let failed = |member: Index| {
            self.trees.as_ref().is_some_and(|trees| {
                let Trees { ways, strays, .. } = trees;
                strays.contains(&member) || ways.iter().any(|(a, b)| [*a, *b].contains(&member))
            })
        };
        let mut branches = BTreeMap::<Index, Branch>::new();
        for (head, branch) in sound.into_iter().chain(ahead) {
            let apart = branches.values().all(|other| other.mask().is_disjoint(branch.mask()));
            let joins = |at| roster.index(at).is_some_and(|i| self.may_join(desk, i) && !failed(i));
            let all_join = branch.mask().iter().all(joins);
            if apart && all_join {
                branches.insert(head, branch);
            }
        }
        branches
    }

    /// Goes on as a star.
    pub(super) fn leave_trees(&mut self, desk: &mut Desk) {
        if self.trees.is_some() {
            self.stand_aside(desk);
            self.trees = None;
            desk.grove.judge(false);
        }
    }

    /// Whoever was on a way that failed stands aside from the next session on.
    fn stand_aside(&mut self, desk: &mut Desk) {
        let (Some(tree), Some(trees)) = (&self.tree, &mut self.trees) else { return };
        let (roster, me) = (&desk.config.roster, desk.config.me);
        let missing = core::mem::take(&mut trees.missing);
        for member in missing.difference(&self.declined) {
            let parent = tree.parent(member.get()).and_then(|parent| roster.index(parent));
            let answered =
                desk.has_offer(*member) || self.attempts.iter().any(|a| a.asked(*member));
            // What is below a way that failed, or below somebody silent, tells nothing of its own.
            if let Some(parent) = parent.filter(|parent| answered && !missing.contains(parent)) {
                trees.ways.insert((parent, *member));
            }
        }
        desk.grove.stray(me, &core::mem::take(&mut trees.ways));
        core::mem::take(&mut trees.strays).into_iter().for_each(|i| desk.grove.set_aside(i));
    }

    /// The session is over.
    pub(super) fn close_trees(&mut self, desk: &mut Desk, by_tree: Option<&ChallengeId>) {
        let attempt = self.attempts.iter_mut().find(|attempt| Some(&attempt.id) == by_tree);
        let attempt = attempt.filter(|attempt| !attempt.limbs.is_empty());
        if attempt.is_some() || self.trees.is_some() {
            desk.grove.judge(attempt.is_some());
        }
        if let Some(attempt) = attempt {
            attempt.keep_ahead(desk);
            attempt.redeem(desk);
        }
        self.stand_aside(desk);
    }

    /// Whether a tree that starts now is over within the first half of the session, whatever
    /// happens in it: it has four phases, each within the patience. The second half is the star's.
    pub(super) fn has_time_for_a_tree(&self, desk: &Desk, now: Time) -> bool {
        let limit = desk.config.timing.limit;
        let half = limit.checked_div(2).unwrap_or(limit);
        now.after(patience(desk).saturating_mul(4).saturating_add(half)) <= self.until
    }

    /// The signers' positions: these members, those who committed in branches, and the leader.
    pub(super) fn signers(&self, desk: &Desk, members: &[Index]) -> Mask {
        let direct = members.iter().chain([&desk.config.me]).map(|member| member.get());
        Mask::of(desk.config.roster.size(), direct.chain(self.canopy.members.iter()))
    }
}
