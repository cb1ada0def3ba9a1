//! Seven servers whose consensus stands in for a client, on a network that does its worst, with
//! crashes, and a server that may deal twice.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    machine::{Cx, Fault, Index, Time},
    message::Said,
    wire::Wire,
};
use rand_chacha::ChaCha20Rng;
use randhound::{
    Draw, Randomness,
    draw::{Choice, Command, DrawStep, Event, Message, Record},
    message::{Dealing, Opened},
};

use crate::{
    actions::Actions,
    committee::{CAST, SERVERS},
    town::{receives, rng},
    transit::{Sent, Transit},
};

/// The most messages on their way. The oldest is lost to make room.
const IN_FLIGHT: usize = 128;
/// The server that may deal twice.
const LIAR: u16 = 6;

/// Each byte is an action; a corruption takes the next one as its place.
///
/// # Panics
/// When a server deals or opens two things, opens anything before it is told what is decided, or
/// another statement; when an output is not the only one; when anyone is blamed who neither lied
/// nor delivered a corrupted message; when not all have the output once all messages arrive.
pub fn draw(input: &[u8]) {
    run(input).end();
}

fn run(input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        let place = if kind == 3 { actions.byte() } else { 0 };
        world.act(kind, detail, place);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let [lose, twice, corrupt, pass, crash, say, all] =
        [1, 2, 3, 4, 5, 6, 7].map(|kind: u8| kind << 5);
    let (decide, deal) = (say | 7, say | 8);
    let seeds: [(&str, Vec<u8>); 6] = [
        ("nothing", vec![]),
        ("drawn", vec![say, all, decide, all]),
        ("replaced", vec![say | 1, lose, lose, 0, say | 2, all, say | 3, decide, all]),
        (
            "crash",
            vec![say, 0, crash, say, all, crash | 9, decide, crash | 2, all, crash, crash | 6],
        ),
        ("two-deals", vec![say, 0, deal, 0, 0, twice, all, deal, all, decide, all]),
        (
            "corrupt",
            vec![say, corrupt, 200, corrupt | 1, 99, all, pass | 8, decide, corrupt, 40, all],
        ),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

struct World {
    now: Time,
    rng: ChaCha20Rng,
    servers: BTreeMap<u16, Draw>,
    /// What is stored: it grows by a few records a server.
    journals: BTreeMap<u16, Vec<Vec<u8>>>,
    /// Who crashes before its next records are stored.
    forgets: BTreeSet<u16>,
    queue: Transit<u16>,
    /// What leaders would have decided.
    chosen: Vec<Choice>,
    decided: Option<Choice>,
    /// Who was told, since it last started or before.
    told: BTreeSet<u16>,
    /// The first of what each server said.
    dealt: BTreeMap<u16, Said<Dealing>>,
    opened: BTreeMap<u16, Opened>,
    drawn: BTreeMap<u16, Randomness>,
    /// Whose messages were corrupted, or who dealt twice.
    liars: BTreeSet<u16>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Time::default(),
            rng: rng(29),
            servers: BTreeMap::new(),
            journals: BTreeMap::new(),
            forgets: BTreeSet::new(),
            queue: Transit::new(IN_FLIGHT),
            chosen: Vec::new(),
            decided: None,
            told: BTreeSet::new(),
            dealt: BTreeMap::new(),
            opened: BTreeMap::new(),
            drawn: BTreeMap::new(),
            liars: BTreeSet::new(),
        };
        (0..SERVERS).for_each(|at| world.start(at));
        world
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        match kind {
            0..=3 => {
                let arrived = self.queue.meddle(kind, detail, place);
                arrived.into_iter().for_each(|sent| self.deliver(sent));
            }
            4 => self.pass(detail),
            5 => {
                let who = u16::from(detail & 7) % SERVERS;
                if detail & 8 > 0 {
                    self.forgets.insert(who);
                } else {
                    self.start(who);
                }
            }
            6 if detail & 8 > 0 => self.deal(),
            6 if detail & 7 == 7 => self.decide(),
            6 => self.lead(u16::from(detail & 7)),
            7 => self.settle(1000),
            _ => {}
        }
    }

    /// Consensus has a server lead, and the others follow.
    fn lead(&mut self, leader: u16) {
        for at in 0..SERVERS {
            let follow = Command::Follow(CAST.index(leader));
            self.commands(at, if at == leader { Command::Lead } else { follow });
        }
    }

    /// Consensus decides the last choice, if it has decided none, and tells all.
    fn decide(&mut self) {
        let Some(last) = self.chosen.last() else { return };
        let choice = self.decided.get_or_insert(last.clone()).clone();
        for at in 0..SERVERS {
            self.told.insert(at);
            self.commands(at, Command::Decided(Box::new(choice.clone())));
        }
    }

    /// The liar deals once more, to all.
    fn deal(&mut self) {
        let said = CAST.deal(LIAR, &mut self.rng);
        self.liars.insert(LIAR);
        for to in 0..LIAR {
            let bytes = Message::Dealing(said.clone()).encode();
            self.queue.send(LIAR, to, bytes);
        }
    }

    fn commands(&mut self, at: u16, command: Command) {
        let Some(server) = self.servers.get_mut(&at) else { return };
        let step = server.handle_command(&mut Cx::new(self.now, &mut self.rng), command);
        self.take(at, step.expect("the choice holds"));
    }

    /// Time passes: until somebody has something to do, or some seconds.
    fn pass(&mut self, detail: u8) {
        let due = self.servers.values().filter_map(Draw::next_timeout).min();
        let due = due.filter(|_| detail == 0);
        self.now = self.now.max(due.unwrap_or(self.now.after(Duration::from_secs(detail.into()))));
        for at in 0..SERVERS {
            let Some(server) = self.servers.get_mut(&at) else { continue };
            let step = server.handle_timeout(&mut Cx::new(self.now, &mut self.rng));
            self.take(at, step);
            let next = self.servers.get(&at).and_then(Draw::next_timeout);
            assert!(next.is_none_or(|next| next > self.now), "a deadline that does not advance");
        }
    }

    fn deliver(&mut self, sent: Sent<u16>) {
        let Some(message) = sent.decode() else { return };
        let Sent { from, to, corrupted, .. } = sent;
        if corrupted {
            self.liars.insert(from);
        }
        let Some(server) = self.servers.get_mut(&to) else { return };
        let mut cx = Cx::new(self.now, &mut self.rng);
        let step = server.handle_message(&mut cx, CAST.index(from), message);
        self.take(to, step);
    }

    /// What a server does, once its records are stored.
    fn take(&mut self, at: u16, step: DrawStep) {
        let (records, held) = step.into_records();
        if !records.is_empty() && self.forgets.remove(&at) {
            return self.start(at);
        }
        self.journals.entry(at).or_default().extend(records.iter().map(Wire::encode));
        let output = held.release();
        for (to, message) in output.messages {
            self.judge(at, &message);
            let bytes = message.encode();
            for other in (0..SERVERS).filter(|other| *other != at) {
                if receives(&to, CAST.index(other)) {
                    let bytes = bytes.clone();
                    self.queue.send(at, other, bytes);
                }
            }
        }
        for event in output.events {
            match event {
                Event::Chosen(choice) => {
                    let holds = CAST.session.check_choice(&choice);
                    assert!(holds.is_ok(), "server {at} chooses what does not hold");
                    self.chosen.push(*choice);
                }
                Event::Drawn(output, _) => {
                    self.drawn.insert(at, output);
                    let first = self.drawn.values().next();
                    assert_eq!(first, Some(&output), "two outputs of one draw");
                }
                _ => {}
            }
        }
        output.faults.iter().for_each(|fault| self.excuse(at, fault));
    }

    /// A server says one thing of each kind, and opens what is decided.
    fn judge(&mut self, at: u16, message: &Message) {
        match message {
            Message::Dealing(said) => {
                let first = self.dealt.entry(at).or_insert_with(|| said.clone());
                assert_eq!(first, said, "server {at} deals twice");
            }
            Message::Opened(opened) => {
                let decided = self.decided.as_ref().map(|choice| choice.statement.id());
                let is_decided = decided == Some(opened.statement) && self.told.contains(&at);
                assert!(is_decided, "server {at} opens what is not decided");
                let first = self.opened.entry(at).or_insert_with(|| opened.clone());
                assert_eq!(first, opened, "server {at} opens twice");
            }
            Message::Ask(_) | _ => {}
        }
    }

    fn excuse(&self, by: u16, fault: &Fault<Index>) {
        let lied = self.liars.contains(&fault.culprit.get());
        assert!(lied, "{by} blames {fault:?}");
        if let Some(evidence) = &fault.evidence {
            let convicts = randhound::blame::verify(evidence, &CAST.session).is_some();
            assert!(convicts && fault.culprit.get() == LIAR, "{by} convicts {fault:?}");
        }
    }

    /// Starts a server, from the bytes that it stored.
    fn start(&mut self, at: u16) {
        let stored = self.journals.entry(at).or_default().iter();
        let stored = stored.map(|bytes| Record::decode(bytes));
        let stored = stored.collect::<Result<_, _>>().expect("as written");
        let (server, step) = CAST.draw(at, stored, &mut Cx::new(self.now, &mut self.rng));
        self.servers.insert(at, server);
        self.take(at, step);
    }

    /// Delivers what is on its way and what follows, in order, so many messages at most.
    fn settle(&mut self, most: usize) {
        for _ in 0..most {
            let Some(sent) = self.queue.next() else { return };
            self.deliver(sent);
        }
    }

    /// The network heals, and consensus decides: all have the output.
    fn end(mut self) {
        self.forgets.clear();
        self.queue.clear();
        (0..SERVERS).for_each(|at| self.start(at));
        self.lead(0);
        for _ in 0..8 {
            self.settle(1000);
            self.pass(0);
        }
        self.decide();
        for _ in 0..8 {
            self.settle(1000);
            self.pass(0);
        }
        let missing: Vec<_> = (0..SERVERS).filter(|at| !self.drawn.contains_key(at)).collect();
        assert!(missing.is_empty(), "all arrives, and {missing:?} have no output");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(name: &str) -> World {
        let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
        run(&input)
    }

    /// What the seeds are called is what happens.
    #[test]
    fn seeds_reach_outputs_and_lies() {
        assert!(reached("nothing").drawn.is_empty());
        for name in ["drawn", "replaced", "crash", "two-deals"] {
            assert!(!reached(name).drawn.is_empty(), "{name}");
        }
        assert!(reached("two-deals").liars.contains(&LIAR));
        assert!(!reached("corrupt").liars.is_empty());
    }

    #[test]
    fn a_second_deal_and_an_early_share_are_noticed() {
        let noticed = |act: fn(&mut World)| {
            let mut world = reached("drawn");
            std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| act(&mut world))).is_err()
        };
        let opened = |world: &World, at| Message::Opened(world.opened[&at].clone());
        assert!(!noticed(|world| world.judge(0, &Message::Opened(world.opened[&0].clone()))));
        assert!(noticed(|world| world.judge(0, &Message::Opened(world.opened[&1].clone()))));
        let (mut fresh, share) = (World::new(), opened(&reached("drawn"), 0));
        let judge = core::panic::AssertUnwindSafe(|| fresh.judge(0, &share));
        assert!(std::panic::catch_unwind(judge).is_err());
        assert!(noticed(|world| {
            let dealt = CAST.deal(1, &mut rng(1));
            world.judge(1, &Message::Dealing(dealt));
        }));
    }
}
