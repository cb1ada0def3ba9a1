//! Random walks: messages in any order, again and late; timeouts, crashes, a Byzantine member.

use std::{env, println, vec::Vec};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{
    model::Sig,
    world::{CrashAt, World},
};
use crate::{
    Body, Height, Kind, Proposal, Record, View,
    message::Message,
    rules::bug::{Bug, plant},
    statement::Lock,
};

#[derive(Debug, Default)]
struct Counts {
    walks: usize,
    delivered: usize,
    timeouts: usize,
    crashes: usize,
    lies: usize,
    decided_early: usize,
    views: u32,
}

struct Walk {
    world: World,
    rng: ChaCha20Rng,
    byzantine: Option<usize>,
    /// Certificates and commit votes are mostly lost.
    lossy: bool,
    /// The blocks that the Byzantine member made, and those that it saw.
    blocks: Vec<(Proposal, Body)>,
}

impl Walk {
    fn new(seed: u64, byzantine: Option<usize>) -> Self {
        let mut world = World::new(4, byzantine.as_slice());
        world.busy = 2;
        world.offer_all();
        let (rng, lossy) = (ChaCha20Rng::seed_from_u64(seed), !seed.is_multiple_of(2));
        Self { world, rng, byzantine, lossy, blocks: Vec::new() }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u64() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn honest(&mut self) -> usize {
        let honest = self.world.honest();
        honest[self.below(honest.len())]
    }

    fn step(&mut self, counts: &mut Counts) {
        match self.below(100) {
            0..65 => {
                if self.world.pending.is_empty() {
                    return;
                }
                let next = self.below(self.world.pending.len().min(40));
                let sent = self.world.pending.remove(next);
                let cuts = matches!(sent.message, Message::Prepared(_) | Message::Decided(_))
                    || matches!(&sent.message, Message::Votes(s) if s.statement.kind == Kind::Commit);
                if self.lossy && cuts && self.below(3) > 0 {
                    return;
                }
                self.world.deliver(sent);
                counts.delivered += 1;
            }
            65..68 => {
                let again = self.below(self.world.sent.len());
                if let Some(sent) = self.world.sent.get(again).cloned() {
                    self.world.deliver(sent);
                    counts.delivered += 1;
                }
            }
            68..72 => {
                let lost = self.below(self.world.pending.len());
                if lost < self.world.pending.len() {
                    self.world.pending.swap_remove(lost);
                }
            }
            72..82 => {
                let node = self.honest();
                let ticks = if self.below(8) > 0 { 1 } else { 14 };
                for _ in 0..ticks {
                    self.world.tick(node);
                }
                counts.timeouts += 1;
            }
            82..84 => {
                let (node, stored) = (self.honest(), self.below(2) == 0);
                if self.below(3) == 0 {
                    self.world.restart(node);
                    counts.crashes += 1;
                } else {
                    let after = self.world.node(node).boundaries + 1;
                    self.world.crash = Some(CrashAt { node, after, stored });
                }
            }
            _ => {
                if let Some(byzantine) = self.byzantine {
                    self.lie(byzantine);
                    counts.lies += 1;
                }
            }
        }
    }

    /// One thing that a Byzantine member can do.
    fn lie(&mut self, byzantine: usize) {
        let to = self.honest();
        let (height, reached) = {
            let replica = self.world.replica(to);
            (replica.height(), replica.view())
        };
        let view = View::new(reached.get() + u32::try_from(self.below(2)).unwrap());
        self.learn(height);
        let leads = self.world.replica(to).leader(view) == self.world.index(byzantine);
        let what = if leads && self.below(3) == 0 { 0 } else { self.below(7) };
        match what {
            // Proposes one of its blocks, or a new one.
            0 => {
                if !leads {
                    return;
                }
                if self.block(height).is_none() || self.below(2) == 0 {
                    let body = [u8::try_from(self.below(3)).unwrap()];
                    let (parent, start) = match self.world.node(to).decided.last_key_value() {
                        Some((last, digest)) if last.next() == height => (*digest, 0),
                        _ => ([9; 32], 0),
                    };
                    let block = self.world.block_on(height, parent, start, view, &body);
                    self.blocks.push(block);
                }
                if let Some(block) = self.block(height) {
                    let to = self.some(to);
                    self.world.put(byzantine, &to, view, &block);
                }
            }
            // Votes for anything.
            1 => {
                let Some((proposal, _)) = self.block(height) else { return };
                let kind = if self.below(2) == 0 { Kind::Prepare } else { Kind::Commit };
                let lock = Lock { view, digest: proposal.digest() };
                let vote = self.world.vote(byzantine, kind, height, lock);
                self.world.post(byzantine, to, vote);
            }
            // Shows a certificate.
            2 => {
                let Some((proposal, _)) = self.block(height) else { return };
                let lock = Lock { view, digest: proposal.digest() };
                for to in self.some(to) {
                    if let Some(prepared) = self.world.prepared(height, lock) {
                        self.world.post(byzantine, to, Message::Prepared(prepared));
                    }
                    if let Some(decided) = self.world.decision(&proposal, view) {
                        self.world.post(byzantine, to, decided);
                    }
                }
            }
            // Asks for a view, naming nothing, something, or a lie.
            3 => {
                let lock = self
                    .block(height)
                    .filter(|_| self.rng.next_u32().is_multiple_of(2))
                    .map(|(p, _)| Lock { view: reached, digest: p.digest() });
                let change = self.world.view_change(byzantine, height, view.next(), lock);
                self.world.post(byzantine, to, Message::ViewChange(change));
            }
            // Opens a view, leaving out whom it wants.
            4 => {
                let mut changes: Vec<_> = self
                    .world
                    .honest()
                    .into_iter()
                    .filter_map(|node| self.world.asked(node, height, view))
                    .collect();
                if changes.len() < 2 || view == View::ZERO {
                    return;
                }
                if changes.len() == 3 {
                    let left_out = self.below(3);
                    changes.remove(left_out);
                }
                let locks: Vec<_> = changes.iter().filter_map(|c| c.change.lock).collect();
                let own = self.block(height).filter(|_| self.rng.next_u32().is_multiple_of(2));
                let own = own.map(|(p, _)| Lock { view: View::ZERO, digest: p.digest() });
                changes.push(self.world.view_change(byzantine, height, view, own));
                let highest = locks.into_iter().max();
                let shown = highest.filter(|_| !self.rng.next_u32().is_multiple_of(4));
                let certificate = shown.and_then(|lock| self.world.prepared(height, lock));
                let new_view = self.world.new_view(changes, certificate.map(|p| p.certificate));
                for to in self.some(to) {
                    self.world.post(byzantine, to, Message::NewView(new_view.clone()));
                }
            }
            // Talks nonsense.
            5 => {
                let statement = self.world.scope().statement(
                    Kind::Commit,
                    Height::new(self.rng.next_u64()),
                    view,
                    [7; 32],
                );
                let sig = Sig { signer: u16::try_from(to).unwrap(), statement };
                self.world.post(byzantine, to, Message::Votes(sig));
            }
            // Passes on what another said, in its own name.
            _ => {
                let any = self.below(self.world.sent.len());
                if let Some(sent) = self.world.sent.get(any).cloned() {
                    self.world.post(byzantine, to, sent.message);
                }
            }
        }
    }

    /// This honest member, or all.
    fn some(&mut self, one: usize) -> Vec<usize> {
        if self.below(2) == 0 { self.world.honest() } else { std::vec![one] }
    }

    fn block(&mut self, height: Height) -> Option<(Proposal, Body)> {
        let there = self.blocks.iter().filter(|(p, _)| p.header.height == height);
        let there: Vec<_> = there.cloned().collect();
        let any = self.below(there.len());
        there.get(any).cloned()
    }

    /// Sees what has been proposed at the height.
    fn learn(&mut self, height: Height) {
        let seen = self.world.sent.iter().rev().take(60).filter_map(|sent| match &sent.message {
            Message::Propose(p) if p.proposal.header.height == height => Some(&p.proposal),
            _ => None,
        });
        let seen: Vec<_> = seen.cloned().collect();
        for proposal in seen {
            if self.blocks.iter().all(|(known, _)| *known != proposal) {
                self.blocks.push((proposal, Body::new(&[]).unwrap()));
            }
        }
    }
}

fn walk(seed: u64, byzantine: Option<usize>, counts: &mut Counts) -> World {
    let mut walk = Walk::new(seed, byzantine);
    for _ in 0..400 {
        walk.step(counts);
    }
    let mut world = walk.world;
    counts.crashes += world.restarts;
    counts.walks += 1;
    let decided = |world: &World| world.nodes.iter().flatten().any(|node| !node.decided.is_empty());
    counts.decided_early += usize::from(decided(&world));
    let views = world.honest().into_iter().map(|node| world.replica(node).view().get());
    counts.views = counts.views.max(views.max().unwrap());
    world.crash = None;
    world
}

/// How many walks: `BYZCOIN_WALKS`, or 2,000.
fn walks() -> u64 {
    env::var("BYZCOIN_WALKS").ok().and_then(|walks| walks.parse().ok()).unwrap_or(2_000)
}

#[test]
fn random_walks_agree_and_arrive() {
    let mut counts = Counts::default();
    for seed in 0..walks() {
        let byzantine =
            [None, Some(0), Some(1), Some(2), Some(3)][usize::try_from(seed % 5).unwrap()];
        let mut world = walk(seed, byzantine, &mut counts);
        assert!(!world.forked(), "seed {seed}");
        world.check();
        // From here on the Byzantine member is silent, and everything arrives.
        assert!(world.settle(2), "seed {seed}: the chain has halted");
        world.check();
    }
    println!("{counts:?}");
    assert!(counts.decided_early > counts.walks / 10 && counts.views > 2);
}

/// Whether a walk forks that begins where 0 alone knows what is decided, and 1, which is
/// Byzantine, leads the view that 2 and 3 ask for.
fn from_a_secret_decision(seed: u64) -> bool {
    let mut walk = Walk::new(seed, Some(1));
    walk.lossy = false;
    walk.world.run(|sent| !matches!(sent.message, Message::Decided(_)));
    assert_eq!(walk.world.node(0).decided.len(), 1);
    for node in [2, 3] {
        walk.world.time_out(node);
    }
    for _ in 0..80 {
        walk.lie(1);
        walk.world.run(|sent| sent.from != 0 && sent.to != 0);
    }
    walk.world.forked()
}

#[test]
fn random_walks_find_the_new_view_rule_removed() {
    plant(Some(Bug::NewViewBindsNobody));
    let forks = (0..500).find(|seed| from_a_secret_decision(*seed));
    plant(None);
    println!("without the rule the first seed that forks is {forks:?}");
    assert!(forks.is_some());
    let whole = (0..500).find(|seed| from_a_secret_decision(*seed));
    assert_eq!(whole, None, "a seed that forks with every rule in place");
}

#[test]
fn random_walks_find_lost_records() {
    let mut found = 0;
    for seed in 0..600 {
        let mut walk = Walk::new(seed, Some(0));
        walk.world.loses = |record| matches!(record, Record::VotedPrepare(..));
        for _ in 0..250 {
            walk.step(&mut Counts::default());
        }
        found += usize::from(!walk.world.doubles.is_empty());
    }
    println!("{found} of 600 walks vote twice without voted_prepare");
    assert!(found > 0);
}
