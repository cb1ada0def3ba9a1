//! Four servers of RandShare, one of them faulty, on a network that does its worst, with crashes.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    machine::{Cx, Fault, Index, Time},
    wire::Wire,
};
use rand_chacha::ChaCha20Rng;
use randhound::{
    RandShare, Randomness,
    randshare::{Event, Message, RandShareStep, Record, Setup, Word},
};

use crate::{
    actions::Actions,
    town::{ROSTER, SIZE, member, receives, rng},
    transit::{Sent, Transit},
};

/// The most messages on their way. The oldest is lost to make room.
const IN_FLIGHT: usize = 512;
/// The server whose messages may be corrupted: channels are authenticated, so nobody else's are.
const LIAR: u16 = 3;

/// Each byte is an action; a corruption takes the next one as its place.
///
/// # Panics
/// When an honest server deals, discloses or votes twice; when an output is not the only one; when
/// anyone but the liar is blamed; when not all have the output once all messages arrive.
pub fn randshare(input: &[u8]) {
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
    let [lose, twice, corrupt, pass, crash, all] = [1, 2, 3, 4, 5, 7].map(|kind: u8| kind << 5);
    let seeds: [(&str, Vec<u8>); 6] = [
        ("nothing", vec![]),
        ("drawn", vec![all]),
        ("late", [[lose; 6], [0; 6], [pass; 6]].concat()),
        ("crash", vec![0, 0, crash, 0, 0, crash | 9, 0, 0, 0, crash | 2, all, crash | 10, all]),
        ("twice", vec![twice, twice | 3, 5, 7, twice | 9, all, pass | 9, all]),
        (
            "corrupt",
            [[corrupt | 9, 250], [corrupt | 10, 30], [corrupt | 11, 1], [all, all]].concat(),
        ),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

/// All that is said and stored in an honest run.
pub(crate) fn rehearsal() -> (Vec<Message>, Vec<Record>) {
    let mut world = World::new();
    world.start(1);
    world.settle(2000);
    let commitments = world.said.iter().find_map(|message| {
        let Message::Deal(deal) = message else { return None };
        Some(Message::Commitments(2, deal.commitments.clone()))
    });
    world.said.extend(commitments);
    let records = world.journals.values().flatten().map(|bytes| Record::decode(bytes));
    (world.said, records.collect::<Result<_, _>>().expect("as written"))
}

struct World {
    now: Time,
    rng: ChaCha20Rng,
    servers: BTreeMap<u16, RandShare>,
    /// What is stored: it grows by a few records for each dealer and round.
    journals: BTreeMap<u16, Vec<Vec<u8>>>,
    /// Who crashes before its next records are stored.
    forgets: BTreeSet<u16>,
    queue: Transit<u16>,
    /// The first of each kind of word, by who said it of whom.
    words: BTreeMap<(u16, u16, &'static str, u8), Word>,
    disclosed: BTreeMap<u16, Message>,
    dealt: BTreeMap<(u16, u16), Message>,
    drawn: BTreeMap<u16, Randomness>,
    /// Everything, up to the first output.
    said: Vec<Message>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Time::default(),
            rng: rng(31),
            servers: BTreeMap::new(),
            journals: BTreeMap::new(),
            forgets: BTreeSet::new(),
            queue: Transit::new(IN_FLIGHT),
            words: BTreeMap::new(),
            disclosed: BTreeMap::new(),
            dealt: BTreeMap::new(),
            drawn: BTreeMap::new(),
            said: Vec::new(),
        };
        (0..SIZE).for_each(|at| world.start(at));
        world
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        match kind {
            3 if self.queue.named(detail).is_none_or(|sent| sent.from != LIAR) => {}
            0..=3 => {
                let arrived = self.queue.meddle(kind, detail, place);
                arrived.into_iter().for_each(|sent| self.deliver(sent));
            }
            4 => self.pass(detail),
            5 => {
                let who = u16::from(detail & 7) % SIZE;
                if detail & 8 > 0 {
                    self.forgets.insert(who);
                } else {
                    self.start(who);
                }
            }
            7 => self.settle(2000),
            _ => {}
        }
    }

    /// Time passes: until somebody has something to do, or some seconds.
    fn pass(&mut self, detail: u8) {
        let due = self.servers.values().filter_map(RandShare::next_timeout).min();
        let due = due.filter(|_| detail == 0);
        self.now = self.now.max(due.unwrap_or(self.now.after(Duration::from_secs(detail.into()))));
        for at in 0..SIZE {
            let Some(server) = self.servers.get_mut(&at) else { continue };
            let step = server.handle_timeout(&mut Cx::new(self.now, &mut self.rng));
            self.take(at, step);
            let next = self.servers.get(&at).and_then(RandShare::next_timeout);
            assert!(next.is_none_or(|next| next > self.now), "a deadline that does not advance");
        }
    }

    fn deliver(&mut self, sent: Sent<u16>) {
        let Some(message) = sent.decode() else { return };
        let Sent { from, to, .. } = sent;
        let Some(server) = self.servers.get_mut(&to) else { return };
        let step =
            server.handle_message(&mut Cx::new(self.now, &mut self.rng), member(from), message);
        self.take(to, step);
    }

    /// What a server does, once its records are stored.
    fn take(&mut self, at: u16, step: RandShareStep) {
        let (records, held) = step.into_records();
        if !records.is_empty() && self.forgets.remove(&at) {
            return self.start(at);
        }
        self.journals.entry(at).or_default().extend(records.iter().map(Wire::encode));
        let output = held.release();
        for (to, message) in output.messages {
            let bytes = message.encode();
            for other in (0..SIZE).filter(|other| *other != at) {
                if receives(&to, member(other)) {
                    self.judge(at, other, &message);
                    let bytes = bytes.clone();
                    self.queue.send(at, other, bytes);
                }
            }
            if self.drawn.is_empty() {
                self.said.push(message);
            }
        }
        for event in output.events {
            let Event::Drawn(output, _) = event else { continue };
            self.drawn.insert(at, output);
            assert_eq!(self.drawn.values().next(), Some(&output), "two outputs of one session");
        }
        output.faults.iter().for_each(|fault| Self::excuse(at, fault));
    }

    /// A server says one thing of each kind. What it hears from the liar, it may blame it for.
    fn judge(&mut self, at: u16, to: u16, message: &Message) {
        match message {
            Message::Deal(_) => {
                let first = self.dealt.entry((at, to)).or_insert_with(|| message.clone());
                assert_eq!(first, message, "server {at} deals twice");
            }
            Message::Disclosed(..) => {
                let first = self.disclosed.entry(at).or_insert_with(|| message.clone());
                assert_eq!(first, message, "server {at} discloses twice");
            }
            Message::Votes(votes) => {
                for vote in votes.iter() {
                    let (kind, round) = match vote.word {
                        Word::Echo(_) => ("echo", 0),
                        Word::Ready(_) => ("ready", 0),
                        // Of these an honest server may say both.
                        Word::Estimate(..) => continue,
                        Word::Coordinate(round, _) => ("coordinate", round),
                        Word::Auxiliary(round, _) => ("auxiliary", round),
                    };
                    let slot = (at, vote.dealer, kind, round);
                    let first = self.words.entry(slot).or_insert(vote.word);
                    assert_eq!(*first, vote.word, "server {at} says two things of {slot:?}");
                }
            }
            Message::Ask(_) | Message::Commitments(..) | _ => {}
        }
    }

    fn excuse(by: u16, fault: &Fault<Index>) {
        assert_eq!(fault.culprit.get(), LIAR, "{by} blames {fault:?}");
    }

    /// Starts a server, from the bytes that it stored.
    fn start(&mut self, at: u16) {
        let stored = self.journals.entry(at).or_default().iter();
        let stored = stored.map(|bytes| Record::decode(bytes));
        let stored: Vec<_> = stored.collect::<Result<_, _>>().expect("as written");
        let setup = Setup {
            roster: ROSTER.clone(),
            session: *b"who sweeps the kitchen next week",
            index: member(at),
            retry: Duration::from_secs(1),
            grace: Duration::from_secs(5),
            patience: Duration::from_secs(1),
        };
        let mut cx = Cx::new(self.now, &mut self.rng);
        let (server, step) = RandShare::restore(setup, stored, &mut cx).expect("as written");
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

    /// The network heals: all have the output.
    fn end(mut self) {
        self.forgets.clear();
        self.queue.clear();
        (0..SIZE).for_each(|at| self.start(at));
        for _ in 0..40 {
            self.settle(2000);
            self.pass(0);
        }
        let missing: Vec<_> = (0..SIZE).filter(|at| !self.drawn.contains_key(at)).collect();
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
    fn seeds_reach_outputs() {
        assert!(reached("nothing").drawn.is_empty());
        for name in ["drawn", "crash", "twice", "corrupt"] {
            assert!(!reached(name).drawn.is_empty(), "{name}");
        }
        let crashed = reached("crash");
        assert!(crashed.journals.values().all(|journal| !journal.is_empty()));
    }

    #[test]
    fn a_second_word_is_noticed() {
        let noticed = |act: fn(&mut World)| {
            let mut world = reached("drawn");
            std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| act(&mut world))).is_err()
        };
        assert!(!noticed(|world| world.judge(0, 1, &world.disclosed[&0].clone())));
        assert!(noticed(|world| world.judge(0, 1, &world.disclosed[&1].clone())));
        assert!(!noticed(|world| world.judge(0, 1, &world.dealt[&(0, 1)].clone())));
        assert!(noticed(|world| world.judge(0, 1, &world.dealt[&(0, 2)].clone())));
    }
}
