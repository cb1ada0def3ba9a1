//! A machine that says a random word once a round, and an application that writes all down.

use std::{collections::BTreeMap, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    impl_machine,
    machine::{self, Cx, Fault, Time, To},
    sim::{Application, Network, Outcome, Simulation},
    wire::BoundedBytes,
};
use sha2::{Digest, Sha256};

pub(crate) type Step = machine::Step<Message, Event, Record, u8>;

/// Of 20 bytes, and the padding's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Message {
    pub(crate) round: u64,
    pub(crate) word: u64,
    pub(crate) padding: BoundedBytes<1000>,
}

/// Of 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Record {
    pub(crate) round: u64,
    pub(crate) word: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Says the round's word to everyone.
    Say(u64),
    /// The same, in a message of so many bytes.
    Pad(u64, usize),
    /// Says it to these.
    Tell(u64, Vec<u8>),
    /// Rings at that time.
    Wake(Time),
    /// Is refused.
    Nonsense,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Said { round: u64, word: u64 },
    Heard { from: u8, round: u64, word: u64, begun: Time },
    Rang { begun: Time },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    Sound,
    /// Writes no record of what it says.
    Forgetful,
    /// Keeps its deadline when it has passed.
    Stuck,
    /// Does not accept its own records.
    Strange,
    /// Hashes each message so often.
    Slow(u32),
}

#[derive(Debug)]
pub(crate) struct Teller {
    config: Config,
    pub(crate) said: BTreeMap<u64, u64>,
    wake: Option<Time>,
}

impl Teller {
    fn handle_message(&mut self, cx: &mut Cx<'_>, from: u8, message: Message) -> Step {
        if let Config::Slow(hashes) = self.config {
            check(&message, hashes);
        }
        self.heard(cx, from, &message)
    }

    /// Takes in what needs no check, or has been checked.
    pub(crate) fn heard(&mut self, cx: &mut Cx<'_>, from: u8, message: &Message) -> Step {
        let Message { round, word, .. } = *message;
        Step::none().event(Event::Heard { from, round, word, begun: cx.now() })
    }

    fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Refused> {
        match command {
            Command::Say(round) => Ok(self.say(cx, round, 20, To::All)),
            Command::Pad(round, bytes) => Ok(self.say(cx, round, bytes, To::All)),
            Command::Tell(round, peers) => Ok(self.say(cx, round, 20, To::Some(peers))),
            Command::Wake(at) => {
                self.wake = Some(at);
                Ok(Step::none())
            }
            Command::Nonsense => Err(Refused),
        }
    }

    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.wake.is_none_or(|wake| wake > cx.now()) {
            return Step::none();
        }
        if self.config != Config::Stuck {
            self.wake = None;
        }
        Step::none().event(Event::Rang { begun: cx.now() })
    }

    fn next_timeout(&self) -> Option<Time> {
        self.wake
    }

    fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        _: &mut Cx<'_>,
    ) -> Result<(Self, Step), Refused> {
        let said = BTreeMap::from_iter(records.into_iter().map(|said| (said.round, said.word)));
        if config == Config::Strange && !said.is_empty() {
            return Err(Refused);
        }
        let step = said.iter().fold(Step::none(), |step, (&round, &word)| {
            step.send(To::All, message(round, word, 20)).event(Event::Said { round, word })
        });
        Ok((Self { config, said, wake: None }, step))
    }

    fn say(&mut self, cx: &mut Cx<'_>, round: u64, bytes: usize, to: To<u8>) -> Step {
        let word = *self.said.entry(round).or_insert_with(|| cx.rng().next_u64());
        let step = Step::none().send(to, message(round, word, bytes));
        let step = step.event(Event::Said { round, word });
        if self.config == Config::Forgetful { step } else { step.record(Record { round, word }) }
    }
}

impl_machine! {
    Teller { Peer = u8, Message = Message, Command = Command, Event = Event, Record = Record, Error = Refused }
    restore { Config = Config, RestoreError = Refused }
}

/// What is expensive: to hash the message so often.
pub(crate) fn check(message: &Message, hashes: u32) -> u8 {
    let first = [message.word.to_le_bytes(); 4].concat();
    let last = (0..hashes).fold(first, |hash, _| Sha256::digest(&hash).to_vec());
    std::hint::black_box(last[0])
}

/// A message that encodes to so many bytes.
pub(crate) fn message(round: u64, word: u64, bytes: usize) -> Message {
    Message { round, word, padding: BoundedBytes::new(vec![0; bytes - 20]).unwrap() }
}

/// Writes all down; answers hearing of a round below `answers` by saying the next.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) events: Vec<(u8, Time, Event)>,
    pub(crate) faults: Vec<(u8, Time, Fault<u8>)>,
    pub(crate) errors: Vec<(u8, Time)>,
    pub(crate) crashes: Vec<(u8, Time)>,
    pub(crate) answers: u64,
    /// How long it works on all that a step brings.
    pub(crate) work: Duration,
}

impl Application<Teller> for Log {
    fn on_event(&mut self, peer: u8, now: Time, event: Event, commands: &mut Vec<Command>) {
        if let Event::Heard { round, .. } = event
            && round < self.answers
        {
            commands.push(Command::Say(round + 1));
        }
        self.events.push((peer, now, event));
    }

    fn on_fault(&mut self, peer: u8, now: Time, fault: Fault<u8>) {
        self.faults.push((peer, now, fault));
    }

    fn on_error(&mut self, peer: u8, now: Time, _: Refused) {
        self.errors.push((peer, now));
    }

    fn on_crash(&mut self, peer: u8, now: Time) {
        self.crashes.push((peer, now));
    }

    fn busy(&mut self, _: u8) -> Duration {
        self.work
    }
}

impl Log {
    /// What `peer` heard: when, from whom, in which round, which word.
    pub(crate) fn heard(&self, peer: u8) -> Vec<(Time, u8, u64, u64)> {
        let heard = self.events.iter().filter_map(|(at, now, event)| {
            let Event::Heard { from, round, word, .. } = *event else { return None };
            (*at == peer).then_some((*now, from, round, word))
        });
        heard.collect()
    }

    /// When `peer` heard something.
    pub(crate) fn times(&self, peer: u8) -> Vec<Time> {
        self.heard(peer).into_iter().map(|(now, ..)| now).collect()
    }

    /// What `peer`'s application was told its machine said.
    pub(crate) fn said(&self, peer: u8) -> Vec<(u64, u64)> {
        let said = self.events.iter().filter_map(|(at, _, event)| {
            let Event::Said { round, word } = *event else { return None };
            (*at == peer).then_some((round, word))
        });
        said.collect()
    }
}

pub(crate) type Sim = Simulation<Teller, Log>;

pub(crate) fn millis(millis: u64) -> Time {
    Time::at(Duration::from_millis(millis))
}

/// Sound tellers 1 to `nodes`.
pub(crate) fn tellers(network: Network, nodes: u8) -> Sim {
    let mut sim = Simulation::new(network, Log::default());
    (1..=nodes).for_each(|peer| sim.add(peer, Config::Sound));
    sim
}

/// Runs until nothing is left to happen.
pub(crate) fn run(sim: &mut Sim) {
    assert_eq!(sim.run_until(millis(1_000_000), |_| false), Ok(Outcome::Quiet));
}
