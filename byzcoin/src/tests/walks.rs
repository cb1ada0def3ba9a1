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
    /// The blocks that the Byzantine member made, and those that it saw.
    blocks: Vec<(Proposal, Body)>,
}

impl Walk {
    fn new(seed: u64, byzantine: Option<usize>) -> Self {
        let mut world = World::new(4, byzantine.as_slice());
        world.busy = 2;
        world.offer_all();
        Self { world, rng: ChaCha20Rng::seed_from_u64(seed), byzantine, blocks: Vec::new() }
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
                self.world.tick(node);
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
                if self.blocks.is_empty() || self.below(2) == 0 {
                    let body = [u8::try_from(self.below(3)).unwrap()];
                    let (parent, start) = match self.world.node(to).decided.last_key_value() {
                        Some((last, digest)) if last.next() == height => (*digest, 0),
                        _ => ([9; 32], 0),
                    };
                    let block = self.world.block_on(height, parent, start, view, &body);
                    self.blocks.push(block);
                }
                if let Some(block) = self.block() {
                    self.world.put(byzantine, &[to], view, &block);
                }
            }
            // Votes for anything.
            1 => {
                let Some((proposal, _)) = self.block() else { return };
                let kind = if self.below(2) == 0 { Kind::Prepare } else { Kind::Commit };
                let lock = Lock { view, digest: proposal.digest() };
                let vote = self.world.vote(byzantine, kind, height, lock);
                self.world.post(byzantine, to, vote);
            }
            // Shows a certificate, to one.
            2 => {
                let Some((proposal, _)) = self.block() else { return };
                let lock = Lock { view, digest: proposal.digest() };
                if let Some(prepared) = self.world.prepared(height, lock) {
                    self.world.post(byzantine, to, Message::Prepared(prepared));
                }
                if let Some(decided) = self.world.decision(&proposal, view) {
                    self.world.post(byzantine, to, decided);
                }
            }
            // Asks for a view, naming nothing, something, or a lie.
            3 => {
                let lock = self
                    .block()
                    .filter(|_| self.rng.next_u32() % 2 == 0)
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
                let own = locks.first().copied().filter(|_| self.rng.next_u32() % 2 == 0);
                changes.push(self.world.view_change(byzantine, height, view, own));
                let highest = locks.into_iter().max();
                let shown = highest.filter(|_| self.rng.next_u32() % 4 > 0);
                let certificate = shown.and_then(|lock| self.world.prepared(height, lock));
                let new_view = self.world.new_view(changes, certificate.map(|p| p.certificate));
                self.world.post(byzantine, to, Message::NewView(new_view));
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

    fn block(&mut self) -> Option<(Proposal, Body)> {
        let any = self.below(self.blocks.len());
        self.blocks.get(any).cloned()
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
        self.blocks.retain(|(proposal, _)| proposal.header.height == height);
    }
}

fn walk(seed: u64, byzantine: Option<usize>, counts: &mut Counts) -> World {
    let mut walk = Walk::new(seed, byzantine);
    for _ in 0..250 {
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

#[test]
fn random_walks_find_a_planted_bug() {
    let mut found = Vec::new();
    for bug in [Bug::NewViewBindsNobody, Bug::VoteAfterViewChange] {
        plant(Some(bug));
        let forks = |seed: &u64| {
            let mut world = walk(*seed, Some(1), &mut Counts::default());
            world.settle(1);
            world.forked()
        };
        found.push((bug, (0..1_000).find(forks)));
        plant(None);
    }
    println!("first seed that forks: {found:?}");
}

#[test]
fn random_walks_find_lost_records() {
    let mut found = 0;
    for seed in 0..200 {
        let mut walk = Walk::new(seed, Some(0));
        walk.world.loses = |record| matches!(record, Record::VotedPrepare(..));
        for _ in 0..250 {
            walk.step(&mut Counts::default());
        }
        found += usize::from(!walk.world.doubles.is_empty());
    }
    println!("{found} of 200 walks vote twice without voted_prepare");
    assert!(found > 0);
}
