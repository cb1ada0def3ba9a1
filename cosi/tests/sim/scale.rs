//! Thousands of nodes.

use std::{convert::Infallible, num::NonZeroU64, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    impl_machine,
    machine::{self, Cx, Fault, Time, To},
    sim::{Application, Cpu, Network, Outcome, Simulation, Traffic},
};

use crate::teller::millis;

/// The children of `node` are `20 · node + 1` to `20 · node + 20`, so there are 1, 20, 400 and
/// 8,000 nodes at depths 0 to 3.
const BRANCHES: u32 = 20;
const NODES: u32 = 8421;

/// Counts the nodes below it: asks its children, and tells its parent.
#[derive(Debug)]
struct Counter {
    me: u32,
    waiting: u32,
    below: u32,
}

#[derive(Debug, BorshSerialize, BorshDeserialize)]
enum Message {
    Ask,
    /// Whoever is called answers for itself alone.
    Call,
    Below(u32),
}

type Step = machine::Step<Message, u32, u32, u32>;

impl Counter {
    fn handle_message(&mut self, _: &mut Cx<'_>, from: u32, message: Message) -> Step {
        let below = match message {
            Message::Ask => return self.ask(),
            Message::Call => return Step::none().send(To::One(from), Message::Below(1)),
            Message::Below(below) => below,
        };
        self.below += below;
        self.waiting -= 1;
        if self.waiting > 0 { Step::none() } else { self.tell() }
    }

    fn handle_command(&mut self, _: &mut Cx<'_>, all: bool) -> Result<Step, Infallible> {
        if !all {
            return Ok(self.ask());
        }
        (self.waiting, self.below) = (NODES - 1, 1);
        Ok(Step::none().send(To::All, Message::Call))
    }

    fn ask(&mut self) -> Step {
        let children: Vec<_> = (1..=BRANCHES).map(|child| self.me * BRANCHES + child).collect();
        let is_leaf = children[0] >= NODES;
        (self.waiting, self.below) = (if is_leaf { 0 } else { BRANCHES }, 1);
        if is_leaf { self.tell() } else { Step::none().send(To::Some(children), Message::Ask) }
    }

    fn tell(&mut self) -> Step {
        let step = Step::none().record(self.below);
        match self.me.checked_sub(1) {
            None => step.event(self.below),
            Some(before) => step.send(To::One(before / BRANCHES), Message::Below(self.below)),
        }
    }

    fn handle_timeout(&mut self, _: &mut Cx<'_>) -> Step {
        Step::none()
    }

    fn next_timeout(&self) -> Option<Time> {
        None
    }

    fn restore(
        me: u32,
        _: impl IntoIterator<Item = u32>,
        _: &mut Cx<'_>,
    ) -> Result<(Self, Step), Infallible> {
        Ok((Self { me, waiting: 0, below: 0 }, Step::none()))
    }
}

impl_machine! {
    Counter { Peer = u32, Message = Message, Command = bool, Event = u32, Record = u32, Error = Infallible }
    restore { Config = u32, RestoreError = Infallible }
}

/// When the root had counted how many.
#[derive(Debug, Default)]
struct Counts(Vec<(Time, u32)>);

impl Application<Counter> for Counts {
    fn on_event(&mut self, _: u32, now: Time, count: u32, _: &mut Vec<bool>) {
        self.0.push((now, count));
    }

    fn on_fault(&mut self, _: u32, _: Time, _: Fault<u32>) {}
    fn on_error(&mut self, _: u32, _: Time, _: Infallible) {}
}

fn tree(network: Network) -> Simulation<Counter, Counts> {
    let mut sim = Simulation::new(network, Counts::default());
    (0..NODES).for_each(|node| sim.add(node, node));
    sim
}

#[test]
fn thousands_of_nodes_count_themselves_in_a_tree() {
    let mut sim = tree(Network::default());
    (0..5).for_each(|round| sim.command(millis(1000 * round), 0, false));
    assert_eq!(sim.run_until(millis(60_000), |_| false), Ok(Outcome::Quiet));
    // Three hops down and three up.
    let counts = (0..5).map(|round| (millis(1000 * round + 300), NODES));
    assert_eq!(sim.application().0, counts.collect::<Vec<_>>());
    // A question is one byte, an answer five.
    let messages = 5 * 2 * u64::from(NODES - 1);
    assert_eq!(sim.total().sent, Traffic { messages, bytes: 3 * messages });
}

#[test]
fn thousands_of_nodes_answer_one() {
    let cpu = Cpu::Fixed(Duration::from_micros(10));
    let mut sim = tree(Network { cpu, ..Network::default() });
    // A call takes a microsecond up, an answer as long down; a step takes longer than either.
    sim.bandwidth(0, NonZeroU64::new(1_000_000), NonZeroU64::new(5_000_000));
    sim.command(millis(1000), 0, true);
    assert_eq!(sim.run_until(millis(60_000), |_| false), Ok(Outcome::Quiet));
    // Its own step; a call's and an answer's way, and a step; then one step for each answer.
    let first = 10 + 1 + 50_000 + 10 + 50_000 + 1;
    let all = first + u64::from(NODES - 1) * 10;
    let at = Time::at(Duration::from_micros(1_000_000 + all));
    assert_eq!(sim.application().0, [(at, NODES)]);
    let root = sim.counters(0).unwrap();
    assert_eq!((root.sent.messages, root.received.messages), (8420, 8420));
}

#[test]
fn a_measured_run_of_thousands_replays() {
    let mut first = tree(Network { cpu: Cpu::Measured, ..Network::default() });
    first.command(millis(1000), 0, false);
    assert!(first.run_until(millis(60_000), |_| false).is_ok());
    let recording = first.recording().unwrap();
    assert_eq!(recording.len() as u64, first.total().steps);
    let mut second = tree(Network { cpu: Cpu::Replayed(recording), ..Network::default() });
    second.command(millis(1000), 0, false);
    assert!(second.run_until(millis(60_000), |_| false).is_ok());
    assert_eq!(second.digest(), first.digest());
    assert_eq!(second.application().0, first.application().0);
}
