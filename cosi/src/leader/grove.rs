//! The tree of a leader, from session to session: who has a place in it, and what its branches
//! committed to for the time after.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use super::{Config, desk::Bench};
use crate::{
    domain::TREE,
    machine::{Cx, Index, Time},
    mask::Mask,
    roster::Roster,
    transcript::{Hash, fresh},
    tree::{Branch, Plan, PlanId, Shape, Tree},
    wire::Wire,
};

/// The leader's tree, and whom it does without.
#[derive(Debug)]
pub(super) struct Grove {
    /// `None`: a new one is to be drawn.
    planted: Option<Planted>,
    /// What each head of the tree committed to for the time after: at most `Limits::offers` each.
    ahead: BTreeMap<Index, VecDeque<Branch>>,
    /// Who was on a way through the tree that failed, and stands aside: at most every member.
    strays: BTreeMap<Index, Bench>,
    /// Who was asked directly and has not answered since: at most every member.
    silent: BTreeSet<Index>,
    /// Whether trees sit out.
    bench: Bench,
    /// When the last call was issued.
    issued: Time,
}

/// A tree, dealt.
#[derive(Clone, Debug)]
pub(super) struct Planted {
    pub(super) plan: Plan,
    pub(super) id: PlanId,
    pub(super) tree: Arc<Tree>,
}

impl Grove {
    pub(super) fn new() -> Self {
        let (ahead, strays, silent) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (bench, issued) = (Bench::default(), Time::default());
        Self { planted: None, ahead, strays, silent, bench, issued }
    }

    /// A session begins.
    pub(super) fn count_down(&mut self) {
        self.strays.values_mut().chain([&mut self.bench]).for_each(Bench::count_down);
    }

    /// Whether trees are tried in a session.
    pub(super) fn is_tried(&self, config: &Config) -> bool {
        let Config { roster, shape, trees, .. } = config;
        *shape != Shape::Star && roster.size() > 1 && *trees > 0 && !self.bench.sits_out()
    }

    /// The tree for a session: the last one, unless others are to stand aside. `None`: nobody is
    /// left to stand in it.
    pub(super) fn plant(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        drawn: u64,
        convicted: &BTreeSet<Index>,
    ) -> Option<Planted> {
        let Config { roster, me, shape, .. } = config;
        let aside = self.aside(roster, convicted);
        let last = self.planted.as_ref().map(|planted| &planted.plan);
        if last.is_none_or(|plan| plan.aside != aside) {
            self.ahead.clear();
            // A new draw puts everybody elsewhere; the last one moves few.
            let hedged = Hash::new(TREE).fixed(&fresh(cx.rng())).number(drawn);
            let hedged = hedged.bytes(&cx.now().encode()).digest();
            let seed = last.map_or(hedged, |plan| plan.seed);
            let plan = Plan { shape: *shape, seed, aside };
            let tree = Arc::new(Tree::new(&plan, roster.size(), me.get())?);
            let id = plan.id(&roster.id(), me.get());
            self.planted = Some(Planted { plan, id, tree });
        }
        let planted = self.planted.clone();
        planted.filter(|planted| planted.tree.children(me.get()).next().is_some())
    }

    fn aside(&self, roster: &Roster, convicted: &BTreeSet<Index>) -> Mask {
        let strays = self.strays.iter().filter(|(_, bench)| bench.sits_out()).map(|(i, _)| i);
        let aside = strays.chain(&self.silent).chain(convicted);
        Mask::of(roster.size(), aside.map(|member| member.get()))
    }

    /// A session over trees ended: if not by one, the next ones go without, and then by another.
    pub(super) fn judge(&mut self, signed_by_one: bool) {
        if signed_by_one {
            self.bench = Bench::default();
        } else {
            self.bench.sit_out();
            self.planted = None;
        }
    }

    /// The time by which a call says when it was issued: no two say the same.
    pub(super) fn issue(&mut self, now: Time) -> Time {
        self.issued = now.max(self.issued.after(Duration::from_nanos(1)));
        self.issued
    }

    /// Keeps what a head committed to for the time after, if it stands in the tree as it is.
    pub(super) fn keep(&mut self, branch: Branch, config: &Config) {
        let head = config.roster.index(branch.said.what.member);
        let stands = |planted: &Planted| {
            planted.id == branch.said.what.plan
                && planted.tree.parent(branch.said.what.member) == Some(config.me.get())
        };
        let Some(head) = head.filter(|_| self.planted.as_ref().is_some_and(stands)) else { return };
        let ahead = self.ahead.entry(head).or_default();
        ahead.push_back(branch);
        if ahead.len() > config.limits.offers.max(1) {
            ahead.pop_front();
        }
    }

    /// Takes out what every head committed to last for the time after; `None` if one has not, and
    /// `all` is asked for.
    pub(super) fn take(&mut self, me: Index, all: bool) -> Option<BTreeMap<Index, Branch>> {
        let tree = &self.planted.as_ref()?.tree;
        let has = |ahead: &VecDeque<Branch>| !ahead.is_empty();
        let ready = self.ahead.values().filter(|ahead| has(ahead)).count();
        if all && ready < tree.children(me.get()).count() {
            return None;
        }
        let last =
            self.ahead.iter_mut().filter_map(|(head, ahead)| Some((*head, ahead.pop_back()?)));
        Some(last.collect())
    }

    /// The ways from the first to the second failed: both stand aside, or the first alone where
    /// several that go out from it did. The leader stands where it stands.
    pub(super) fn stray(&mut self, me: Index, ways: &BTreeSet<(Index, Index)>) {
        let failed = |from: &Index| ways.iter().filter(|(other, _)| other == from).count();
        let ends = ways.iter().flat_map(|(from, to)| {
            let alone = *from != me && failed(from) > 1;
            [Some(*from), Some(*to).filter(|_| !alone)]
        });
        let ends: BTreeSet<_> = ends.flatten().filter(|end| *end != me).collect();
        ends.into_iter().for_each(|end| self.set_aside(end));
    }

    /// The member stands aside for some sessions.
    pub(super) fn set_aside(&mut self, member: Index) {
        self.strays.entry(member).or_default().sit_out();
    }

    /// The member was asked directly, and has not answered.
    pub(super) fn mark_silent(&mut self, member: Index) {
        if self.silent.insert(member) {
            self.set_aside(member);
        }
    }

    /// The member has answered.
    pub(super) fn heard(&mut self, member: Index) {
        self.silent.remove(&member);
    }

    /// Whether the member was asked directly, and has not answered since.
    pub(super) fn is_silent(&self, member: Index) -> bool {
        self.silent.contains(&member)
    }

    /// These members signed over the tree.
    pub(super) fn redeem(&mut self, members: &Mask) {
        self.strays.retain(|member, _| !members.contains(member.get()));
    }
}

/// The children of the leader in a tree, with all below them.
pub(super) fn heads(tree: &Tree, config: &Config) -> Vec<(Index, Mask)> {
    let heads = tree.children(config.me.get()).filter_map(|head| config.roster.index(head));
    heads.map(|head| (head, tree.subtree(head.get()))).collect()
}
