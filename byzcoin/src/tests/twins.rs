//! Twins (Bano et al., OPODIS 2021): two replicas with one key, each honest by itself, are one
//! Byzantine member. Whatever the schedule, the others agree, and convict nobody but the twin.

use std::{
    collections::{BTreeMap, BTreeSet},
    println,
    sync::Arc,
    vec::Vec,
};

use cosi::{
    keys::Seed,
    machine::{Cx, Fault, Output, StepOf, Time, To},
    roster::Roster,
    wire::{BoundedBytes, Wire},
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{
    model::ModelVotes,
    world::{config, roster},
};
use crate::{
    Command, Config, Decision, Digest, Event, Height, MessageOf, Replica, Scope, Votes, evidence,
    votes::{self, CosiVotes},
};

/// The instances: four members, and the twin of one of them.
const INSTANCES: usize = 5;

struct Instance<V: Votes> {
    member: usize,
    replica: Replica<V>,
    decided: BTreeMap<Height, Digest>,
}

struct Twins<V: Votes> {
    instances: Vec<Instance<V>>,
    pending: Vec<(usize, usize, MessageOf<V>)>,
    now: Time,
    rng: ChaCha20Rng,
    busy: u64,
    faults: Vec<Fault<usize>>,
    /// Which instances hear one another.
    side: [bool; INSTANCES],
    scope: Scope,
    roster: Roster,
}

impl<V: Votes> Twins<V> {
    fn new(seed: u64, twin: usize, votes: impl Fn(usize) -> V::Config) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut instances = Vec::new();
        for member in [0, 1, 2, 3, twin] {
            let Config { chain, epoch, roster, me, genesis, timing, limits, rotation, .. } =
                config(4, member);
            let votes = votes(member);
            let config =
                Config { chain, epoch, roster, me, genesis, votes, timing, limits, rotation };
            let mut cx = Cx::new(Time::default(), &mut rng);
            let (replica, _) = Replica::<V>::restore(config, [], &mut cx).unwrap();
            instances.push(Instance { member, replica, decided: BTreeMap::new() });
        }
        let (scope, roster) = (config(4, 0).scope(), roster(4));
        let (now, side) = (Time::default(), [true; INSTANCES]);
        let (pending, faults) = (Vec::new(), Vec::new());
        let mut twins = Self { instances, pending, now, rng, busy: 2, faults, side, scope, roster };
        (0..INSTANCES).for_each(|at| twins.offer(at));
        twins
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u64() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn offer(&mut self, at: usize) {
        if self.instances[at].replica.height().get() <= self.busy {
            self.command(at, Command::Pending);
        }
    }

    fn command(&mut self, at: usize, command: Command) {
        self.act(at, |replica, cx| {
            replica.handle_command(cx, command).unwrap_or(StepOf::<Replica<V>>::none())
        });
    }

    fn act(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Replica<V>, &mut Cx<'_>) -> StepOf<Replica<V>>,
    ) {
        let mut cx = Cx::new(self.now, &mut self.rng);
        let step = act(&mut self.instances[at].replica, &mut cx);
        let Output { messages, events, faults } = step.into_records().1.release();
        for (to, message) in messages {
            let members: Vec<usize> = match to {
                To::All => (0..4).collect(),
                To::One(peer) => [self.position(peer)].into(),
                To::Some(peers) => peers.into_iter().map(|peer| self.position(peer)).collect(),
            };
            for to in 0..INSTANCES {
                let member = self.instances[to].member;
                if members.contains(&member) && member != self.instances[at].member {
                    self.pending.push((at, to, message.clone()));
                }
            }
        }
        for Fault { culprit, kind, evidence } in faults {
            if let Some(proof) = &evidence {
                let convict = evidence::verify(proof, &self.roster)
                    .or_else(|| cosi::blame::verify(proof, &self.roster));
                assert_eq!(convict, self.roster.index_of(culprit), "{kind:?}");
            }
            let culprit = self.position(culprit);
            self.faults.push(Fault { culprit, kind, evidence });
        }
        events.into_iter().for_each(|event| self.answer(at, event));
    }

    fn position(&self, peer: cosi::keys::PeerId) -> usize {
        usize::from(self.roster.index_of(peer).unwrap().get())
    }

    fn answer(&mut self, at: usize, event: Event<V::Certificate>) {
        match event {
            Event::Propose { height, view, .. } => {
                // The twins propose different blocks.
                let body = BoundedBytes::new([u8::try_from(at).unwrap()].into()).unwrap();
                self.command(at, Command::Propose { height, view, app: Default::default(), body });
            }
            Event::Validate { digest, .. } => {
                self.command(at, Command::Validated { digest, valid: true });
            }
            Event::Decided { block, view, certificate } => {
                let decision = Decision { block, view, certificate };
                assert!(decision.verify::<V>(&self.scope, &self.roster));
                let proposal = &decision.block.proposal;
                let (height, digest) = (proposal.header.height, proposal.digest());
                let first = self.instances[at].decided.insert(height, digest);
                assert_eq!(first, None, "a replica decides once");
                self.offer(at);
            }
            Event::Forward => (0..INSTANCES).for_each(|at| self.offer(at)),
            Event::ViewChanged { .. } | Event::Behind { .. } => (),
        }
    }

    fn deliver(&mut self, next: usize) {
        let (from, to, message) = self.pending.remove(next);
        if self.side[from] != self.side[to] {
            return;
        }
        let from = self
            .roster
            .peer(self.roster.index(u16::try_from(self.instances[from].member).unwrap()).unwrap());
        let message = MessageOf::<V>::decode(&message.encode()).unwrap();
        self.act(to, |replica, cx| replica.handle_message(cx, from.unwrap(), message));
    }

    fn tick(&mut self, at: usize) {
        if let Some(next) = self.instances[at].replica.next_timeout() {
            self.now = self.now.max(next);
            self.act(at, Replica::handle_timeout);
        }
    }

    /// A while of chance, under one partition after the other.
    fn wander(&mut self, steps: usize) {
        for step in 0..steps {
            if step % 60 == 0 {
                self.side = [(); INSTANCES].map(|()| !self.rng.next_u32().is_multiple_of(3));
            }
            match self.below(20) {
                0..14 if !self.pending.is_empty() => {
                    let next = self.below(self.pending.len().min(30));
                    self.deliver(next);
                }
                0..18 => {
                    let (at, ticks) = (self.below(INSTANCES), [1, 1, 1, 12][self.below(4)]);
                    (0..ticks).for_each(|_| self.tick(at));
                }
                _ => {
                    let lost = self.below(self.pending.len());
                    if lost < self.pending.len() {
                        self.pending.swap_remove(lost);
                    }
                }
            }
        }
    }

    /// From here on everything arrives, until every member but the twins has decided all.
    fn settle(&mut self, twin: usize) -> bool {
        self.side = [true; INSTANCES];
        for _ in 0..600 {
            for _ in 0..10_000 {
                if self.pending.is_empty() {
                    break;
                }
                self.deliver(0);
            }
            let honest = self.instances.iter().filter(|it| it.member != twin);
            if honest.into_iter().all(|it| u64::try_from(it.decided.len()).unwrap() >= self.busy) {
                return true;
            }
            let due = |at: &usize| self.instances[*at].replica.next_timeout();
            let next = (0..INSTANCES).filter(|at| due(at).is_some()).min_by_key(due);
            next.into_iter().for_each(|at| self.tick(at));
        }
        false
    }

    fn forked(&self) -> bool {
        let mut chain = BTreeMap::new();
        let decided = self.instances.iter().flat_map(|it| &it.decided);
        decided.into_iter().any(|(height, digest)| *chain.entry(height).or_insert(digest) != digest)
    }
}

/// Runs the schedules, and says in how many the twin was blamed, and by evidence.
fn schedules<V: Votes>(seeds: u64, votes: impl Fn(usize) -> V::Config) -> (usize, usize) {
    let (mut blamed, mut proven) = (0, 0);
    for seed in 0..seeds {
        let twin = usize::try_from(seed % 4).unwrap();
        let mut twins = Twins::<V>::new(seed, twin, &votes);
        twins.wander(400);
        assert!(!twins.forked(), "seed {seed}");
        assert!(twins.settle(twin), "seed {seed}: the chain has halted");
        assert!(!twins.forked(), "seed {seed}");
        let culprits: BTreeSet<_> = twins.faults.iter().map(|fault| fault.culprit).collect();
        assert!(culprits.is_subset(&[twin].into()), "seed {seed}: {:?}", twins.faults);
        blamed += usize::from(!culprits.is_empty());
        proven += usize::from(twins.faults.iter().any(|fault| fault.evidence.is_some()));
    }
    (blamed, proven)
}

#[test]
fn twins_fork_nobody_under_model_votes() {
    let (blamed, _) = schedules::<ModelVotes>(400, |_| ());
    println!("the twin was blamed in {blamed} of 400 schedules");
    assert!(blamed > 40, "schedules that show both twins: {blamed}");
}

#[test]
fn twins_fork_nobody_under_collective_votes() {
    let votes = |member: usize| {
        let seed = [u8::try_from(member + 1).unwrap(); 32];
        let key = Arc::new(Seed::from_bytes(seed).signing_key());
        votes::Config { key, timing: votes::Timing::default() }
    };
    let (blamed, proven) = schedules::<CosiVotes>(24, votes);
    println!("the twin was blamed in {blamed} of 24 schedules, by evidence in {proven}");
    assert!(proven > 4, "{proven}");
}
