//! Replicas that vote collectively, in the simulator.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use byzcoin::{
    Command, Config, Decision, Digest, Event, Height, Limits, MessageOf, Replica, Scope, Timing,
    View, evidence,
    votes::{self, CosiVotes},
};
use cosi::{
    Certificate, blame,
    keys::PeerId,
    machine::{Fault, FaultKind, Time},
    roster::Roster,
    sim::{Application, Latency, Network, Outcome, Simulation},
    wire::BoundedBytes,
};

use crate::common::{key, roster};

pub(crate) type Machine = Replica<CosiVotes>;
pub(crate) type Msg = MessageOf<CosiVotes>;
pub(crate) type Sim = Simulation<Machine, App>;

/// One way.
pub(crate) const HOP: Duration = Duration::from_millis(50);

/// What one replica decided at a height, and when.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) digest: Digest,
    pub(crate) at: Duration,
    pub(crate) view: View,
    pub(crate) collective: bool,
}

/// Proposes a body that no other proposal has, finds every block valid, and keeps the chain.
#[derive(Debug)]
pub(crate) struct App {
    roster: Roster,
    scope: Scope,
    goal: u64,
    proposals: u64,
    pub(crate) chains: BTreeMap<PeerId, BTreeMap<Height, Decided>>,
    pub(crate) faults: Vec<(PeerId, Fault<PeerId>)>,
    /// What can never be: two chains, evidence that does not hold.
    pub(crate) wrong: Vec<String>,
}

impl App {
    pub(crate) fn culprits(&self) -> BTreeSet<(PeerId, FaultKind)> {
        self.faults.iter().map(|(_, fault)| (fault.culprit, fault.kind)).collect()
    }

    pub(crate) fn convicted(&self) -> BTreeSet<PeerId> {
        let proven = self.faults.iter().filter(|(_, fault)| fault.evidence.is_some());
        proven.map(|(_, fault)| fault.culprit).collect()
    }

    pub(crate) fn at(&self, peer: PeerId, height: u64) -> Option<&Decided> {
        self.chains.get(&peer)?.get(&Height::new(height))
    }
}

impl Application<Machine> for App {
    fn on_event(
        &mut self,
        peer: PeerId,
        now: Time,
        event: Event<Certificate>,
        commands: &mut Vec<Command>,
    ) {
        match event {
            Event::Propose { height, view, .. } => {
                self.proposals += 1;
                let body = BoundedBytes::new(self.proposals.to_le_bytes().to_vec()).unwrap();
                commands.push(Command::Propose { height, view, app: Default::default(), body });
            }
            Event::Validate { digest, .. } => {
                commands.push(Command::Validated { digest, valid: true });
            }
            Event::Decided { block, view, certificate } => {
                let collective = matches!(certificate, Certificate::Collective(_));
                let decision = Decision { block, view, certificate };
                if !decision.verify::<CosiVotes>(&self.scope, &self.roster) {
                    self.wrong.push(format!("{peer:?} decided what convinces nobody"));
                }
                let height = decision.block.proposal.header.height;
                let digest = decision.block.proposal.digest();
                let at = now.since_epoch();
                let others = self.chains.values().filter_map(|chain| chain.get(&height));
                if others.into_iter().any(|other| other.digest != digest) {
                    self.wrong.push(format!("a fork at {height:?}"));
                }
                let chain = self.chains.entry(peer).or_default();
                chain.entry(height).or_insert(Decided { digest, at, view, collective });
                if height.get() < self.goal {
                    commands.push(Command::Pending);
                }
            }
            _ => (),
        }
    }

    fn on_fault(&mut self, peer: PeerId, _: Time, fault: Fault<PeerId>) {
        if let Some(proof) = &fault.evidence {
            let culprit = blame::verify(proof, &self.roster)
                .or_else(|| evidence::verify(proof, &self.roster));
            if culprit != self.roster.index_of(fault.culprit) {
                self.wrong.push(format!("evidence that does not hold: {:?}", fault.kind));
            }
        }
        self.faults.push((peer, fault));
    }

    fn on_error(&mut self, _: PeerId, _: Time, _: byzcoin::Error) {}
}

pub(crate) fn config(roster: &Roster, me: u16) -> Config<votes::Config> {
    Config {
        chain: [1; 32],
        epoch: 1,
        roster: roster.clone(),
        me: roster.index(me).unwrap(),
        genesis: [9; 32],
        votes: votes::Config { key: key(me), timing: votes::Timing::default() },
        timing: Timing::default(),
        limits: Limits::default(),
        rotation: 16,
    }
}

/// A cluster that is to decide the heights up to `goal`.
pub(crate) struct Cluster {
    pub(crate) sim: Sim,
    pub(crate) peers: Vec<PeerId>,
    goal: u64,
}

impl Cluster {
    pub(crate) fn new(size: u16, goal: u64) -> Self {
        Self::with(size, goal, Network::default())
    }

    pub(crate) fn with(size: u16, goal: u64, network: Network) -> Self {
        let roster = roster(size);
        let peers: Vec<_> = roster.indices().map(|at| roster.peer(at).unwrap()).collect();
        let scope = config(&roster, 0).scope();
        let app = App {
            roster: roster.clone(),
            scope,
            goal,
            proposals: 0,
            chains: BTreeMap::new(),
            faults: vec![],
            wrong: vec![],
        };
        let mut sim = Sim::new(network, app);
        for (at, peer) in (0..).zip(&peers) {
            sim.add(*peer, config(&roster, at));
            sim.command(Time::default(), *peer, Command::Pending);
        }
        Self { sim, peers, goal }
    }

    pub(crate) fn jittered(seed: u64, loss: u16, duplicates: u16) -> Network {
        Network {
            seed,
            latency: Latency::Jittered { least: HOP / 5, jitter: 2 * HOP },
            loss_per_mille: loss,
            duplicate_per_mille: duplicates,
            spurious_per_mille: 20,
            ..Network::default()
        }
    }

    /// Runs until these have decided everything.
    pub(crate) fn run(&mut self, members: &[usize], limit: Duration) {
        let (goal, peers) = (self.goal, self.peers.clone());
        let done = move |sim: &Sim| {
            let app = sim.application();
            !app.wrong.is_empty() || members.iter().all(|at| app.at(peers[*at], goal).is_some())
        };
        let outcome = self.sim.run_until(Time::at(limit), done);
        assert_eq!(self.app().wrong, Vec::<String>::new());
        assert_eq!(outcome, Ok(Outcome::Done), "{:?}", self.heights());
    }

    pub(crate) fn app(&self) -> &App {
        self.sim.application()
    }

    pub(crate) fn heights(&self) -> Vec<usize> {
        let height = |peer| self.app().chains.get(peer).map_or(0, BTreeMap::len);
        self.peers.iter().map(height).collect()
    }

    pub(crate) fn decided(&self, at: usize, height: u64) -> &Decided {
        self.app().at(self.peers[at], height).unwrap()
    }

    pub(crate) fn all_collective(&self) -> bool {
        let mut decided = self.app().chains.values().flat_map(BTreeMap::values);
        decided.all(|decided| decided.collective)
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.sim.now().after(time);
        let outcome = self.sim.run_until(until, |_| false);
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(self.app().wrong, Vec::<String>::new());
    }

    /// Gives the links from a to b that are `such` this latency.
    pub(crate) fn link_all(&mut self, latency: &Latency, such: impl Fn(usize, usize) -> bool) {
        for (a, from) in self.peers.iter().enumerate() {
            for (_, to) in self.peers.iter().enumerate().filter(|(b, _)| such(a, *b)) {
                self.sim.link(*from, *to, latency.clone());
            }
        }
    }
}
