//! Every schedule of one height: four members, one Byzantine, two views, two blocks.
//!
//! The network is the set of all that was ever said: anything may arrive anywhere, at any time,
//! again or never. A timeout may come at any time that a timer runs. The Byzantine member says
//! whatever it can sign, or put together from what others signed. Messages that only ask are
//! left out: in this network nothing is lost for good.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use core::{
    hash::{Hash as _, Hasher as _},
    time::Duration,
};
use std::{env, hash::DefaultHasher, println, vec::Vec};

use cosi::{
    machine::{Cx, StepOf, Time},
    wire::{BoundedVec, Wire},
};

use super::{
    model::{Cert, Sig},
    world::{Machine, Msg, NoRng, World, config, roster},
};
use crate::{
    Command, Digest, Event, Height, Kind, Proposal, View,
    message::{Change, Decided, Message, NewView, Prepared, ViewChange},
    rules::bug::{Bug, plant},
    statement::Lock,
};

const H: Height = Height::FIRST;
const VIEWS: u32 = 2;

/// One state: the honest replicas, and what has been said.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    replicas: BTreeMap<usize, Arc<Machine>>,
    said: Arc<BTreeSet<Vec<u8>>>,
    decided: BTreeMap<usize, Digest>,
}

struct Model {
    /// The Byzantine member, and the blocks that it may propose.
    byzantine: usize,
    world: World,
    blocks: Vec<Proposal>,
}

impl Model {
    /// `byzantine` leads the view of its number. Bodies are empty: the blocks differ by `app`.
    fn new(byzantine: usize) -> Self {
        let world = World::new(4, &[byzantine]);
        let view = View::new(u32::try_from(byzantine).unwrap().min(VIEWS - 1));
        let blocks = (0..2_u8).map(|salt| {
            let (mut proposal, _) = world.block(view, b"");
            proposal.header.app = cosi::wire::BoundedBytes::new(std::vec![salt]).unwrap();
            proposal
        });
        Self { byzantine, blocks: blocks.collect(), world }
    }

    fn start(&self) -> State {
        let (replicas, decided) = (BTreeMap::new(), BTreeMap::new());
        let mut state = State { replicas, said: Arc::default(), decided };
        for node in (0..4).filter(|node| *node != self.byzantine) {
            let mut config = config(4, node);
            config.timing.pull_after = Duration::from_secs(1_000_000_000);
            config.timing.longest_timeout = Duration::from_secs(10);
            let mut rng = NoRng;
            let mut cx = Cx::new(Time::default(), &mut rng);
            let (replica, _) = Machine::restore(config, [], &mut cx).unwrap();
            state.replicas.insert(node, Arc::new(replica));
        }
        for node in state.replicas.keys().copied().collect::<Vec<_>>() {
            state = self.act(&state, node, |replica, cx| {
                replica.handle_command(cx, Command::Pending).unwrap()
            });
        }
        state
    }

    fn act(
        &self,
        state: &State,
        node: usize,
        act: impl FnOnce(&mut Machine, &mut Cx<'_>) -> StepOf<Machine>,
    ) -> State {
        let mut state = state.clone();
        let mut replica = Machine::clone(&state.replicas[&node]);
        let mut rng = NoRng;
        let mut cx = Cx::new(Time::default(), &mut rng);
        let mut steps = VecDeque::from([act(&mut replica, &mut cx)]);
        let mut said = BTreeSet::clone(&state.said);
        while let Some(step) = steps.pop_front() {
            let output = step.into_records().1.release();
            for (_, message) in output.messages {
                if !matches!(message, Message::Pull(_) | Message::Content(_)) {
                    said.insert(message.encode());
                }
            }
            for event in output.events {
                let answer = match event {
                    Event::Propose { height: H, view, .. } => {
                        let app = cosi::wire::BoundedBytes::new(std::vec![9]).unwrap();
                        let body = Default::default();
                        Command::Propose { height: H, view, app, body }
                    }
                    Event::Validate { digest, .. } => Command::Validated { digest, valid: true },
                    Event::Decided { block, .. } => {
                        state.decided.insert(node, block.proposal.digest());
                        continue;
                    }
                    _ => continue,
                };
                steps.push_back(replica.handle_command(&mut cx, answer).unwrap());
            }
        }
        state.replicas.insert(node, Arc::new(replica));
        state.said = Arc::new(said);
        state
    }

    /// What the Byzantine member can say, by what it has heard.
    fn lies(&self, said: &[Msg]) -> Vec<Msg> {
        let (world, byzantine) = (&self.world, self.byzantine);
        let me = u16::try_from(byzantine).unwrap();
        let (mut lies, mut digests) = (Vec::new(), BTreeMap::new());
        digests.extend(self.blocks.iter().map(|block| (block.digest(), block.clone())));
        let mut signed: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
        let mut asked: Vec<Change<Sig>> = Vec::new();
        let mut shown: BTreeMap<Lock, Cert> = BTreeMap::new();
        for message in said {
            match message {
                Message::Propose(p) => {
                    digests.insert(p.proposal.digest(), p.proposal.clone());
                }
                Message::Votes(sig) => {
                    signed.entry(sig.statement).or_default().insert(sig.signer);
                }
                Message::ViewChange(change) if change.view == View::new(1) => {
                    asked.push(change.change.clone());
                }
                Message::Prepared(prepared) => {
                    shown.insert(prepared.lock, prepared.certificate.clone());
                }
                _ => (),
            }
        }
        let view = View::new(u32::try_from(byzantine).unwrap());
        if view < View::new(VIEWS) {
            lies.extend(self.blocks.iter().map(|block| world.propose(byzantine, view, block)));
        }
        let mut locks = std::vec![None];
        for digest in digests.keys().copied() {
            for view in (0..VIEWS).map(View::new) {
                let lock = Lock { view, digest };
                for kind in [Kind::Prepare, Kind::Commit] {
                    lies.push(world.vote(byzantine, kind, H, lock));
                    let statement = world.scope().statement(kind, H, view, digest);
                    let mut voters = signed.get(&statement).cloned().unwrap_or_default();
                    voters.insert(me);
                    if voters.len() < 3 {
                        continue;
                    }
                    let voters = BoundedVec::new(voters.into_iter().collect()).unwrap();
                    let certificate = Cert(voters, statement);
                    if kind == Kind::Prepare {
                        shown.entry(lock).or_insert(certificate);
                    } else {
                        let proposal = digests[&digest].clone();
                        lies.push(Message::Decided(Decided { proposal, view, certificate }));
                    }
                }
                locks.extend((view == View::ZERO).then_some(Some(lock)));
            }
        }
        for (lock, certificate) in &shown {
            let (lock, certificate) = (*lock, certificate.clone());
            lies.push(Message::Prepared(Prepared { height: H, lock, certificate }));
        }
        for lock in locks {
            let own: ViewChange<Sig> = world.view_change(byzantine, H, View::new(1), lock);
            for left_out in 0..=asked.len() {
                let mut changes: Vec<_> = asked.clone();
                if left_out < changes.len() {
                    changes.remove(left_out);
                }
                changes.push(own.change.clone());
                changes.sort_by_key(|change| change.signer);
                changes.dedup_by_key(|change| change.signer);
                if changes.len() < 3 {
                    continue;
                }
                let changes = BoundedVec::new(changes).unwrap();
                let mut new_view =
                    NewView { height: H, view: View::new(1), changes, certificate: None };
                let highest = new_view.highest();
                new_view.certificate = highest.and_then(|lock| shown.get(&lock).cloned());
                lies.push(Message::NewView(new_view));
            }
            lies.push(Message::ViewChange(own));
        }
        lies
    }

    /// All states that follow.
    fn next(&self, state: &State) -> Vec<State> {
        let said: Vec<Msg> = state.said.iter().map(|bytes| Msg::decode(bytes).unwrap()).collect();
        let lies = self.lies(&said);
        let mut next = Vec::new();
        for (node, replica) in &state.replicas {
            if state.decided.contains_key(node) {
                continue;
            }
            for message in said.iter().chain(&lies) {
                let from = self.speaker(message);
                if from == *node {
                    continue;
                }
                let from = self.world.peer(from);
                let message = message.clone();
                next.push(self.act(state, *node, |r, cx| r.handle_message(cx, from, message)));
            }
            let asks = replica.view() == View::ZERO && replica.next_timeout().is_some();
            if asks {
                let mut late = Machine::clone(replica);
                let mut rng = NoRng;
                let now = Time::at(Duration::from_secs(10));
                let step = late.handle_timeout(&mut Cx::new(now, &mut rng));
                let mut state = state.clone();
                state.replicas.insert(*node, Arc::new(late));
                let mut said = BTreeSet::clone(&state.said);
                let before = said.len();
                for (_, message) in step.into_records().1.release().messages {
                    let first =
                        matches!(&message, Message::ViewChange(c) if c.view == View::new(1));
                    if first {
                        said.insert(message.encode());
                    }
                }
                let asked = said.len() > before;
                state.said = Arc::new(said);
                next.extend(asked.then_some(state));
            }
        }
        next.retain(|after| after != state);
        next
    }

    /// Who says it: its signer, or the Byzantine member, which passes on whatever it has.
    fn speaker(&self, message: &Msg) -> usize {
        match message {
            Message::Votes(sig) => usize::from(sig.signer),
            _ => self.byzantine,
        }
    }

    /// Where 0 alone knows what it decided in view 0, and 2 and 3 have asked for view 1.
    fn secret_decision(&self) -> State {
        let mut state = self.start();
        let quiet = |message: &Msg| matches!(message, Message::ViewChange(_) | Message::Decided(_));
        while !state.decided.contains_key(&0) {
            for bytes in state.said.clone().iter() {
                let message = Msg::decode(bytes).unwrap();
                for node in state.replicas.keys().copied().collect::<Vec<_>>() {
                    let from = match &message {
                        Message::Votes(sig) => usize::from(sig.signer),
                        _ => 0,
                    };
                    if from == node || quiet(&message) {
                        continue;
                    }
                    let (from, message) = (self.world.peer(from), message.clone());
                    state = self.act(&state, node, |r, cx| r.handle_message(cx, from, message));
                }
            }
        }
        for node in [2, 3] {
            let asks = |next: &State| {
                let replica = &next.replicas[&node];
                replica != &state.replicas[&node] && replica.has_asked()
            };
            state = self.next(&state).into_iter().find(asks).unwrap();
        }
        // What 0 says of its decision is lost, and so is all that is of no further use.
        let mut said = BTreeSet::clone(&state.said);
        said.retain(|bytes| {
            let message = Msg::decode(bytes).unwrap();
            !matches!(message, Message::Decided(_) | Message::Votes(_))
        });
        state.said = Arc::new(said);
        state
    }

    /// Explores, breadth first, up to `limit` states. The states seen, whether these are all, and
    /// whether two honest members decided differently in one.
    fn explore(&self, start: State, limit: usize) -> (usize, bool, bool) {
        let hash = |state: &State| {
            let mut hasher = DefaultHasher::new();
            state.hash(&mut hasher);
            hasher.finish()
        };
        let mut seen = BTreeSet::from([hash(&start)]);
        let mut queue = VecDeque::from([start]);
        while let Some(state) = queue.pop_front() {
            for after in self.next(&state) {
                let decided: BTreeSet<_> = after.decided.values().collect();
                if decided.len() > 1 {
                    return (seen.len(), false, true);
                }
                if seen.len() >= limit {
                    return (seen.len(), false, false);
                }
                if seen.insert(hash(&after)) {
                    queue.push_back(after);
                }
            }
        }
        (seen.len(), true, false)
    }
}

/// How many states: `BYZCOIN_STATES`, or 3,000 for each place of the Byzantine member.
fn limit() -> usize {
    env::var("BYZCOIN_STATES").ok().and_then(|states| states.parse().ok()).unwrap_or(3_000)
}

#[test]
fn no_state_within_reach_forks() {
    assert_eq!(roster(4).quorum(), 3);
    plant(None::<Bug>);
    for byzantine in [0, 1, 3] {
        let (states, complete, forked) = {
            let model = Model::new(byzantine);
            model.explore(model.start(), limit())
        };
        println!("member {byzantine} Byzantine: {states} states, complete: {complete}");
        assert!(!forked);
    }
}

#[test]
fn every_way_on_from_a_secret_decision_is_explored() {
    let model = Model::new(1);
    let start = model.secret_decision();
    let (states, complete, forked) = model.explore(start, 200_000);
    println!("with the rule: {states} states, complete: {complete}");
    assert!(complete && !forked);
    for bug in [Bug::NewViewBindsNobody, Bug::NewViewWithoutItsPc] {
        plant(Some(bug));
        let start = model.secret_decision();
        let (states, _, forked) = model.explore(start, 200_000);
        plant(None);
        println!("{bug:?}: a fork after {states} states");
        assert!(forked, "{bug:?}");
    }
}
