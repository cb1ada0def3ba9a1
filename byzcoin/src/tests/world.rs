//! A few replicas, their journals as bytes, and a network that forgets nothing by itself.

use alloc::collections::{BTreeMap, BTreeSet};
use core::{convert::Infallible, time::Duration};
use std::{sync::OnceLock, vec::Vec};

use cosi::{
    keys::{PeerId, Seed},
    machine::{Cx, Fault, Index, Output, StepOf, Time, To},
    roster::{Member, Roster},
    wire::{BoundedBytes, Wire},
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{SeedableRng, TryCryptoRng, TryRng},
};

use super::model::{Cert, ModelVotes, Sig};
use crate::{
    Command, Config, Digest, Event, Height, Kind, Limits, MessageOf, RecordOf, Replica, Scope,
    Statement, Timing, View, block::Decision, message::Message,
};

pub(crate) type Msg = MessageOf<ModelVotes>;
pub(crate) type Rec = RecordOf<ModelVotes>;
pub(crate) type Machine = Replica<ModelVotes>;

/// Entropy for who must need none.
#[derive(Debug)]
pub(crate) struct NoRng;

impl TryRng for NoRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the model draws nothing at random")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the model draws nothing at random")
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        panic!("the model draws nothing at random")
    }
}

impl TryCryptoRng for NoRng {}

/// The roster of `n` members of weight 1.
pub(crate) fn roster(n: usize) -> Roster {
    static ROSTERS: OnceLock<Vec<Roster>> = OnceLock::new();
    let rosters = ROSTERS.get_or_init(|| {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let keys = (1..=7).map(|seed| Seed::from_bytes([seed; 32]).signing_key());
        let members: Vec<_> = keys.map(|key| Member::new(&key, &mut rng)).collect();
        (1..=7).map(|n| Roster::new(members[..n].iter().cloned()).unwrap()).collect()
    });
    rosters[n - 1].clone()
}

pub(crate) fn config(n: usize, me: usize) -> Config<()> {
    let roster = roster(n);
    Config {
        chain: [1; 32],
        epoch: 1,
        me: roster.index(u16::try_from(me).unwrap()).unwrap(),
        roster,
        genesis: [9; 32],
        votes: (),
        timing: Timing {
            first_timeout: Duration::from_secs(10),
            longest_timeout: Duration::from_secs(10_000),
            pull_after: Duration::from_secs(1),
        },
        limits: Limits { max_body: 300_000, history: 8, candidates: 4 },
        rotation: 16,
    }
}

/// When a replica crashes: at its `after`-th step with records, before they are stored or after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrashAt {
    pub(crate) node: usize,
    pub(crate) after: usize,
    pub(crate) stored: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) message: Msg,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) replica: Machine,
    pub(crate) journal: Vec<Vec<u8>>,
    /// How often it has restarted: its application proposes another block each time.
    pub(crate) lives: u8,
    pub(crate) boundaries: usize,
    pub(crate) decided: BTreeMap<Height, Digest>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) n: usize,
    pub(crate) now: Time,
    /// `None`: Byzantine, and played by the test.
    pub(crate) nodes: Vec<Option<Node>>,
    /// What has been sent and not yet delivered.
    pub(crate) pending: Vec<Sent>,
    /// Everything that was ever sent.
    pub(crate) sent: Vec<Sent>,
    /// What honest members signed.
    pub(crate) signed: BTreeMap<(u16, Kind, Height, View), Digest>,
    /// The slots in which an honest member signed two things.
    pub(crate) doubles: BTreeSet<(u16, Kind, Height, View)>,
    /// Every signature that was seen.
    pub(crate) sigs: BTreeMap<Statement, BTreeSet<u16>>,
    pub(crate) faults: Vec<Fault<PeerId>>,
    pub(crate) events: Vec<(usize, Event<Cert>)>,
    /// Which records the journal loses.
    pub(crate) loses: fn(&Rec) -> bool,
    pub(crate) crash: Option<CrashAt>,
    pub(crate) restarts: usize,
    /// Up to which height payload waits.
    pub(crate) busy: u64,
}

impl World {
    pub(crate) fn new(n: usize, byzantine: &[usize]) -> Self {
        let nodes = (0..n).map(|me| {
            if byzantine.contains(&me) {
                return None;
            }
            let mut rng = NoRng;
            let mut cx = Cx::new(Time::default(), &mut rng);
            let (replica, _) = Machine::restore(config(n, me), [], &mut cx).unwrap();
            let (journal, decided) = (Vec::new(), BTreeMap::new());
            Some(Node { replica, journal, lives: 0, boundaries: 0, decided })
        });
        Self {
            n,
            now: Time::default(),
            nodes: nodes.collect(),
            pending: Vec::new(),
            sent: Vec::new(),
            signed: BTreeMap::new(),
            doubles: BTreeSet::new(),
            sigs: BTreeMap::new(),
            faults: Vec::new(),
            events: Vec::new(),
            loses: |_| false,
            crash: None,
            restarts: 0,
            busy: 1,
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        config(self.n, 0).scope()
    }

    pub(crate) fn peer(&self, node: usize) -> PeerId {
        roster(self.n).peer(self.index(node)).unwrap()
    }

    pub(crate) fn index(&self, node: usize) -> Index {
        roster(self.n).index(u16::try_from(node).unwrap()).unwrap()
    }

    pub(crate) fn honest(&self) -> Vec<usize> {
        (0..self.n).filter(|node| self.nodes[*node].is_some()).collect()
    }

    pub(crate) fn node(&self, node: usize) -> &Node {
        self.nodes[node].as_ref().unwrap()
    }

    pub(crate) fn replica(&self, node: usize) -> &Machine {
        &self.node(node).replica
    }

    /// Has one replica do something, and plays its application.
    fn act(&mut self, node: usize, act: impl FnOnce(&mut Machine, &mut Cx<'_>) -> StepOf<Machine>) {
        let Some(it) = self.nodes[node].as_mut() else { return };
        let (mut rng, now) = (NoRng, self.now);
        let step = act(&mut it.replica, &mut Cx::new(now, &mut rng));
        self.release(node, step);
    }

    fn release(&mut self, node: usize, step: StepOf<Machine>) {
        let (records, held) = step.into_records();
        let it = self.nodes[node].as_mut().unwrap();
        if !records.is_empty() {
            it.boundaries += 1;
        }
        let cut = self.crash.filter(|crash| {
            crash.node == node && !records.is_empty() && crash.after == it.boundaries
        });
        if cut.is_none_or(|crash| crash.stored) {
            let kept = records.iter().filter(|record| !(self.loses)(record));
            it.journal.extend(kept.map(Wire::encode));
        }
        if cut.is_some() {
            return self.restart(node);
        }
        let Output { messages, events, faults } = held.release();
        for (to, message) in messages {
            self.note(node, &message);
            let positions: Vec<usize> = match to {
                To::All => (0..self.n).filter(|to| *to != node).collect(),
                To::One(peer) => std::vec![self.position(peer)],
                To::Some(peers) => peers.into_iter().map(|peer| self.position(peer)).collect(),
            };
            for to in positions {
                self.post(node, to, message.clone());
            }
        }
        self.faults.extend(faults);
        for event in events {
            self.events.push((node, event.clone()));
            self.answer(node, event);
        }
    }

    fn position(&self, peer: PeerId) -> usize {
        usize::from(roster(self.n).index_of(peer).unwrap().get())
    }

    pub(crate) fn post(&mut self, from: usize, to: usize, message: Msg) {
        let sent = Sent { from, to, message };
        self.sent.push(sent.clone());
        self.pending.push(sent);
    }

    /// The application: validates all but what begins with 0xff, proposes its name and life.
    fn answer(&mut self, node: usize, event: Event<Cert>) {
        match event {
            Event::Propose { height, view, .. } => {
                let life = self.node(node).lives;
                let body = std::vec![u8::try_from(node).unwrap(), life];
                let body = BoundedBytes::new(body).unwrap();
                let command = Command::Propose { height, view, app: Default::default(), body };
                self.command(node, command);
            }
            Event::Validate { digest, body, .. } => {
                let valid = body.first() != Some(&0xff);
                self.command(node, Command::Validated { digest, valid });
            }
            Event::Decided { block, view, certificate } => {
                let decision = Decision { block, view, certificate };
                assert!(decision.verify::<ModelVotes>(&self.scope(), &roster(self.n)));
                let (height, digest) =
                    (decision.block.proposal.header.height, decision.block.proposal.digest());
                let it = self.nodes[node].as_mut().unwrap();
                let first = *it.decided.entry(height).or_insert(digest);
                assert_eq!(first, digest, "a replica decides once");
                let below = it.decided.range(..=height).count();
                assert_eq!(u64::try_from(below), Ok(height.get()), "heights come in order");
                self.offer(node);
            }
            Event::Forward => {
                for other in self.honest() {
                    self.offer(other);
                }
            }
            Event::ViewChanged { .. } | Event::Behind { .. } => (),
        }
    }

    /// Tells a replica that payload waits, if some does at its height.
    pub(crate) fn offer(&mut self, node: usize) {
        if self.replica(node).height().get() <= self.busy {
            self.command(node, Command::Pending);
        }
    }

    pub(crate) fn offer_all(&mut self) {
        self.honest().into_iter().for_each(|node| self.offer(node));
    }

    pub(crate) fn command(&mut self, node: usize, command: Command) {
        self.act(node, |replica, cx| {
            replica.handle_command(cx, command).unwrap_or(StepOf::<Machine>::none())
        });
    }

    pub(crate) fn restart(&mut self, node: usize) {
        if self.crash.is_some_and(|crash| crash.node == node) {
            self.crash = None;
        }
        self.restarts += 1;
        let config = config(self.n, node);
        let it = self.nodes[node].as_mut().unwrap();
        it.lives += 1;
        it.decided.clear();
        let records: Vec<_> = it.journal.iter().map(|bytes| Rec::decode(bytes).unwrap()).collect();
        let (mut rng, now) = (NoRng, self.now);
        let (replica, step) =
            Machine::restore(config, records, &mut Cx::new(now, &mut rng)).unwrap();
        it.replica = replica;
        self.release(node, step);
        self.offer(node);
    }

    /// Remembers what was signed; an honest member signs one thing a slot.
    pub(crate) fn note(&mut self, from: usize, message: &Msg) {
        let scope = self.scope();
        let said = match message {
            Message::Propose(propose) => std::vec![propose.signature.clone()],
            Message::Votes(sig) => std::vec![sig.clone()],
            Message::ViewChange(change) => std::vec![change.change.signature.clone()],
            Message::NewView(new_view) => {
                new_view.changes.iter().map(|change| change.signature.clone()).collect()
            }
            _ => Vec::new(),
        };
        for Sig { signer, statement } in said {
            self.sigs.entry(statement).or_default().insert(signer);
            let own = usize::from(signer) == from && statement.scope() == scope;
            if own && self.nodes[from].is_some() {
                let Statement { kind, height, view, digest, .. } = statement;
                let slot = (signer, kind, height, view);
                if *self.signed.entry(slot).or_insert(digest) != digest {
                    self.doubles.insert(slot);
                }
            }
        }
    }

    /// Delivers one message.
    pub(crate) fn deliver(&mut self, Sent { from, to, message }: Sent) {
        let (from, bytes) = (self.peer(from), message.encode());
        let message = Msg::decode(&bytes).unwrap();
        self.act(to, |replica, cx| replica.handle_message(cx, from, message));
    }

    /// Delivers what is pending and `such`, and what follows from it and is `such`, in order.
    pub(crate) fn run(&mut self, such: impl Fn(&Sent) -> bool) {
        for _ in 0..10_000 {
            let Some(next) = self.pending.iter().position(&such) else { return };
            let sent = self.pending.remove(next);
            self.deliver(sent);
        }
        panic!("the members do not stop talking");
    }

    pub(crate) fn run_all(&mut self) {
        self.run(|_| true);
    }

    /// Lets the time of a replica's next timeout come.
    pub(crate) fn tick(&mut self, node: usize) -> bool {
        let Some(next) = self.nodes[node].as_ref().and_then(|n| n.replica.next_timeout()) else {
            return false;
        };
        let before = self.now;
        self.now = self.now.max(next);
        self.act(node, Machine::handle_timeout);
        let after = self.nodes[node].as_ref().and_then(|n| n.replica.next_timeout());
        assert!(after.is_none_or(|after| after > self.now), "a deadline that does not advance");
        self.now > before
    }

    /// Lets a replica's patience run out: it asks for a further view.
    pub(crate) fn time_out(&mut self, node: usize) {
        let asked = |world: &Self| {
            let own =
                |sent: &&Sent| sent.from == node && matches!(sent.message, Message::ViewChange(_));
            let views = world.sent.iter().filter(own).map(|sent| match &sent.message {
                Message::ViewChange(change) => change.view,
                _ => View::ZERO,
            });
            views.max()
        };
        let before = asked(self);
        for _ in 0..1_000 {
            if asked(self) > before {
                return;
            }
            self.tick(node);
        }
        panic!("{node} does not lose patience");
    }

    /// From here on everything arrives, until every honest replica has decided `height`.
    pub(crate) fn settle(&mut self, height: u64) -> bool {
        for _ in 0..400 {
            self.run_all();
            let done = |node: &Node| node.decided.contains_key(&Height::new(height));
            if self.nodes.iter().flatten().all(done) {
                return true;
            }
            let due = |node: &usize| self.replica(*node).next_timeout();
            let Some(next) = self.honest().into_iter().filter(|n| due(n).is_some()).min_by_key(due)
            else {
                return false;
            };
            self.tick(next);
        }
        false
    }

    /// Two honest replicas decided different blocks.
    pub(crate) fn forked(&self) -> bool {
        let mut chain = BTreeMap::new();
        let decided = self.nodes.iter().flatten().flat_map(|node| &node.decided);
        decided.into_iter().any(|(height, digest)| *chain.entry(height).or_insert(digest) != digest)
    }

    /// Nobody forked, nobody honest signed twice, nobody honest was blamed.
    pub(crate) fn check(&self) {
        assert!(!self.forked(), "a fork");
        assert!(self.doubles.is_empty(), "signed twice: {:?}", self.doubles);
        for fault in &self.faults {
            let culprit = self.position(fault.culprit);
            assert!(self.nodes[culprit].is_none(), "{culprit} is honest: {fault:?}");
        }
    }
}
