//! How a leader signs over a tree, before it signs over a star.
//!
//! *Upon* the end of patience with the tuples: ask whoever is missing directly, as in a star.
//! *Upon* their commitments too, or of enough once the grace is over: drop the branches in which
//! they stand, and ask all in those directly too. *Then* challenge the other branches and those
//! who committed directly, together. *Upon* a wrong sum, or the end of patience with the sums:
//! blame nobody in the tree, and call another one; after the last, lead a star.

use curve25519_dalek::EdwardsPoint;

use super::{
    Step,
    desk::Desk,
    open::{Open, Phase, patience},
};
use crate::{
    machine::{Cx, Index, Time, To},
    mask::Mask,
    message::{Call, Message, Said, Sum, Tuple},
    tree::{Branches, Tree},
};

/// The tuples of a tree, and whom they are of.
#[derive(Debug, Default)]
pub(super) struct Canopy {
    branches: Branches,
    members: Mask,
    /// The weight of the members.
    pub(super) weight: u64,
    /// Who is not to be asked directly.
    covered: Mask,
}

impl Canopy {
    fn new(branches: Branches, desk: &Desk) -> Self {
        let roster = &desk.config.roster;
        let members = Mask::of(roster.size(), branches.members());
        let (weight, covered) = (roster.weight_of(&members), members.clone());
        Self { branches, members, weight, covered }
    }

    /// Whether the member is for the tree to bring.
    pub(super) fn covers(&self, member: Index) -> bool {
        self.covered.contains(member.get())
    }

    /// Drops each branch that one of these members, who committed directly, stands in: above them
    /// nobody answers to a Z that holds members whose tuples it does not have. From then on
    /// nobody in the other branches is asked directly. Whether there was such a branch.
    fn prune(&mut self, direct: &[Index], desk: &Desk) -> bool {
        let before = self.branches.heads().len();
        self.branches.retain(|subtree| direct.iter().all(|i| !subtree.contains(i.get())));
        let pruned = self.branches.heads().len() < before;
        if pruned {
            let rest = Self::new(core::mem::take(&mut self.branches), desk);
            let covered = Mask::of(desk.config.roster.size(), rest.branches.reach());
            *self = Self { covered, ..rest };
        }
        pruned
    }
}

impl Open {
    /// Calls for the commitments of a tree.
    pub(super) fn call(&mut self, desk: &mut Desk, cx: &Cx<'_>) -> Step {
        let issued = desk.issue(cx.now());
        let config = &desk.config;
        let (size, me) = (config.roster.size(), config.me);
        let tree = Tree::new(config.shape, size, me.get(), &self.session.id().0);
        let branches = tree.map(|tree| Branches::below(&tree, &config.roster, me));
        let branches = branches.unwrap_or_default();
        let heads = branches.heads();
        let nanos = u64::try_from(patience(desk).as_nanos()).unwrap_or(u64::MAX);
        let session = self.session.clone();
        let call = Call { session, shape: config.shape, issued, patience: nanos };
        let call = Message::Call(Said::new(&config.key, call), self.statement.clone());
        self.trees = self.trees.map(|left| left.saturating_sub(1));
        self.wake = cx.now().after(patience(desk));
        self.phase = Phase::Called(branches);
        Step::none().send(To::Some(heads), call)
    }

    /// Takes in what a child committed for its subtree.
    pub(super) fn tupled(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        from: Index,
        said: &Said<Tuple>,
        sums: [EdwardsPoint; 2],
    ) -> Step {
        if said.what.session != self.session.id() {
            return Step::none();
        }
        let Phase::Called(branches) = &mut self.phase else { return Step::none() };
        if !branches.add(said.clone(), sums, from) || !branches.is_full() {
            return Step::none();
        }
        self.ask_the_missing(desk, cx)
    }

    /// Takes in what a child answered for its subtree.
    pub(super) fn summed(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        from: Index,
        sum: &Sum,
    ) -> Step {
        let mut attempts = self.attempts.iter_mut().filter(|a| a.id == sum.challenge);
        let Some(attempt) = attempts.find_map(|a| a.sum(sum, from).then_some(a)) else {
            return Step::none();
        };
        if attempt.is_answered() { self.settle(desk, cx, &sum.challenge) } else { Step::none() }
    }

    /// The tree has no more to give: asks all the others directly, for a silent parent and a
    /// silent child look alike.
    pub(super) fn ask_the_missing(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        let gathering = Phase::Gathering { graced: false };
        if let Phase::Called(mut branches) = core::mem::replace(&mut self.phase, gathering) {
            branches.close();
            self.canopy = Canopy::new(branches, desk);
        }
        self.gather_anew(desk, cx)
    }

    /// The attempt failed: calls another tree, or asks everybody directly, or goes on as a star.
    pub(super) fn fall_back(&mut self, desk: &mut Desk, cx: &mut Cx<'_>) -> Step {
        self.canopy = Canopy::default();
        match self.trees {
            None => self.retry(desk, cx),
            Some(left) => {
                // Under a new name, by which the tree is another one.
                self.session.attempt = self.session.attempt.saturating_add(1);
                if left > 0 && self.has_time_for_a_tree(desk, cx.now()) {
                    return self.call(desk, cx);
                }
                self.trees = None;
                desk.judge_trees(false);
                self.gather_anew(desk, cx)
            }
        }
    }

    /// Whether a tree that starts now is over within the first half of the session, whatever
    /// happens in it: it has four phases, each within the patience. The second half is the star's.
    pub(super) fn has_time_for_a_tree(&self, desk: &Desk, now: Time) -> bool {
        let limit = desk.config.timing.limit;
        let half = limit.checked_div(2).unwrap_or(limit);
        now.after(patience(desk).saturating_mul(4).saturating_add(half)) <= self.until
    }

    /// The branches to challenge together with these members, or what is to be done first:
    /// whoever was in a branch that had to go is asked directly.
    pub(super) fn branches(
        &mut self,
        desk: &mut Desk,
        cx: &mut Cx<'_>,
        direct: &[Index],
    ) -> Result<Branches, Step> {
        if self.canopy.prune(direct, desk) {
            return Err(self.gather_anew(desk, cx));
        }
        Ok(core::mem::take(&mut self.canopy).branches)
    }

    /// The signers' positions: these members, those who committed in the tree, and the leader.
    pub(super) fn signers(&self, desk: &Desk, members: &[Index]) -> Mask {
        let direct = members.iter().chain([&desk.config.me]).map(|member| member.get());
        Mask::of(desk.config.roster.size(), direct.chain(self.canopy.members.iter()))
    }
}
