//! Where in a branch it went wrong: the leader walks its ways, from parent to child, along what
//! both ends told it.
//!
//! A parent and a child that say different things look alike from here. So nobody is convicted but
//! by two things that it signed itself, and of a way that failed both ends stand aside.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::limb::{Limb, Reply, Told};
use crate::{
    blame,
    machine::{Evidence, Index},
    mask::Mask,
    message::{Account, Named, Said, Sum},
    roster::Roster,
    tree::{Branch, Tree},
};

/// What comes of a descent.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Who contradicts itself.
    pub(super) convicted: Vec<(Index, Option<Evidence>)>,
    /// The ways that failed, from parent to child.
    pub(super) ways: BTreeSet<(Index, Index)>,
    /// Who said what no honest member says, though not in its own contradiction.
    pub(super) strays: BTreeSet<Index>,
    /// The branches below that are as they should be, as far as is known.
    pub(super) sound: BTreeMap<Index, Branch>,
}

/// Looks at one branch.
#[derive(Debug)]
pub(super) struct Descent<'a> {
    roster: &'a Roster,
    tree: &'a Tree,
    limb: &'a Limb,
    replies: &'a BTreeMap<Index, Reply>,
    verdict: Verdict,
}

/// What a parent says of its child.
struct Word {
    named: Named,
    sum: Option<Said<Sum>>,
}

impl<'a> Descent<'a> {
    /// A look at this branch, whose head answers to the leader.
    pub(super) fn new(
        roster: &'a Roster,
        tree: &'a Tree,
        limb: &'a Limb,
        replies: &'a BTreeMap<Index, Reply>,
    ) -> Self {
        Self { roster, tree, limb, replies, verdict: Verdict::default() }
    }

    /// Looks at each member's account, and at each way.
    pub(super) fn judge(mut self) -> Verdict {
        let members = self.limb.owed.branch.mask();
        for member in self.roster.indices().filter(|i| members.contains(i.get())) {
            let Some(reply) = self.replies.get(&member) else { continue }; // it owes one
            if let Reply::Account(told) = reply {
                if blame::adds_up(&told.said.what) != Some(true) {
                    self.verdict.convicted.push((member, blame::wrong_tuple(&told.said)));
                }
                if self.miscounts(told) {
                    self.verdict.strays.insert(member);
                }
            }
            self.look_at(member, reply);
        }
        let head = self.limb.owed.branch.said.what.member;
        let Verdict { convicted, ways, strays, .. } = &self.verdict;
        let nobody = convicted.is_empty() && ways.is_empty() && strays.is_empty();
        if nobody && self.limb.is_late() {
            self.fail_above(head); // and nobody told of another way
        }
        self.find_sound(head);
        self.verdict
    }

    /// The way to this member.
    fn look_at(&mut self, member: Index, reply: &Reply) {
        let parent = self.tree.parent(member.get()).and_then(|parent| self.roster.index(parent));
        let Some(parent) = parent else { return };
        let is_head = self.limb.owed.branch.said.what.member == member.get();
        let word = if is_head { Some(self.of_head()) } else { self.of_child(parent, member) };
        match (word, reply) {
            (Some(word), Reply::Account(told)) => self.compare(parent, member, &word, told),
            // Its parent has not passed the challenge on, or its pair was gone.
            (Some(_), Reply::Refused) => self.fail(parent, member),
            (None, _) if self.claims(parent, member) => self.fail(parent, member),
            _ => {}
        }
    }

    /// Compares what a parent says of its child to what the child says.
    fn compare(&mut self, parent: Index, child: Index, word: &Word, told: &Told) {
        if told.said.what.tuple.what.to_named() != word.named {
            return self.fail(parent, child);
        }
        let total = told.total();
        let Some(said) = &word.sum else {
            // What a child waits for itself it cannot have passed on.
            return if total.is_some() {
                self.fail(parent, child)
            };
        };
        if total.is_some_and(|total| total.to_bytes() == said.what.sum) {
            return;
        }
        if said.speaker(self.roster) != Some(child) {
            self.verdict.strays.insert(parent); // it cannot produce what it quotes
        } else if total.is_some() {
            let evidence = blame::wrong_sum(&told.said, said);
            self.verdict.convicted.push((child, evidence));
        } else {
            self.verdict.strays.insert(child);
        }
    }

    fn fail(&mut self, parent: Index, child: Index) {
        self.verdict.ways.insert((parent, child));
    }

    /// The way to this member.
    fn fail_above(&mut self, member: u16) {
        let above = self.tree.parent(member).and_then(|above| self.roster.index(above));
        let way = above.zip(self.roster.index(member));
        self.verdict.ways.extend(way);
    }

    /// What the leader has of the head.
    fn of_head(&self) -> Word {
        let (branch, sum) = self.limb.word();
        Word { named: branch.said.what.to_named(), sum: sum.cloned() }
    }

    /// What the parent's account has of the child.
    fn of_child(&self, parent: Index, child: Index) -> Option<Word> {
        let told = self.told(parent)?;
        let entries = &told.said.what.children;
        let (named, quote) = entries.iter().find(|(named, _)| named.member == child.get())?;
        let sum = quote.as_ref().map(|quote| told.said.what.quoted(named, quote));
        Some(Word { named: named.clone(), sum })
    }

    /// Whether the parent's tuple counts the child in.
    fn claims(&self, parent: Index, child: Index) -> bool {
        self.told(parent).is_some_and(|told| told.said.what.tuple.what.mask.contains(child.get()))
    }

    /// Whether the tuple's mask is other than its children's and the member, where all are known.
    fn miscounts(&self, told: &Told) -> bool {
        let Account { tuple, children, .. } = &told.said.what;
        let mask_of = |named: &Named| {
            let child = self.told(self.roster.index(named.member)?)?;
            let tuple = &child.said.what.tuple.what;
            Some(&tuple.mask).filter(|_| tuple.to_named() == *named)
        };
        let masks: Option<Vec<&Mask>> = children.iter().map(|(named, _)| mask_of(named)).collect();
        masks.is_some_and(|masks| {
            let below = masks.into_iter().flat_map(Mask::iter).chain([tuple.what.member]);
            Mask::of(self.roster.size(), below) != tuple.what.mask
        })
    }

    fn told(&self, member: Index) -> Option<&'a Told> {
        match self.replies.get(&member)? {
            Reply::Account(told) => Some(told),
            Reply::Refused => None,
        }
    }

    /// The largest branches below the member, without itself, whose members all answered rightly,
    /// and on ways that did not fail.
    fn find_sound(&mut self, member: u16) {
        for child in self.tree.children(member).filter_map(|child| self.roster.index(child)) {
            let ahead = self.told(child).and_then(|told| told.ahead.as_ref());
            match ahead.filter(|ahead| self.is_sound(ahead)) {
                Some(ahead) => drop(self.verdict.sound.insert(child, ahead.clone())),
                None => self.find_sound(child.get()),
            }
        }
    }

    fn is_sound(&self, ahead: &Branch) -> bool {
        let mut members = ahead.mask().iter().map(|at| self.roster.index(at));
        let failed = |i: &Index| {
            let Verdict { convicted, ways, strays, .. } = &self.verdict;
            strays.contains(i)
                || convicted.iter().any(|(culprit, _)| culprit == i)
                || ways.iter().any(|(from, to)| from == i || to == i)
        };
        members.all(|i| i.is_some_and(|i| self.told(i).is_some_and(Told::is_right) && !failed(&i)))
    }
}
