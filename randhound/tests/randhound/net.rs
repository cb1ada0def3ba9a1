//! A network of servers in a draw, in which consensus is the test's word.

use std::{collections::VecDeque, ops::Range, time::Duration};

use cosi::{
    Certificate, Statement as _,
    certificate::sign,
    machine::{Cx, Fault, Index, Time, To},
    wire::BoundedVec,
};
use randhound::{
    Draw, GroupTranscript, Randomness, Transcript,
    draw::{Choice, Command, DrawStep, Event, Message, Record},
    message::{Dealing, MAX_GROUPS, Opened, Said},
};

use crate::common::{World, rng};

type Parts = BoundedVec<GroupTranscript, MAX_GROUPS>;

/// What an adversary makes of a message that a server sends to another.
pub(crate) type Corrupt<'a> = Box<dyn FnMut(u16, u16, Message) -> Vec<Message> + 'a>;

/// All servers of a world, on a network that the test drives. Consensus is the test's word.
pub(crate) struct Net<'a> {
    world: &'a World,
    pub(crate) now: Time,
    pub(crate) draws: Vec<Draw>,
    pub(crate) journals: Vec<Vec<Record>>,
    pub(crate) wire: VecDeque<(u16, u16, Message)>,
    pub(crate) sent: Vec<(u16, Message)>,
    pub(crate) chosen: Vec<(u16, Choice)>,
    pub(crate) drawn: Vec<Option<(Randomness, Parts)>>,
    pub(crate) faults: Vec<(u16, Fault<Index>)>,
    pub(crate) corrupt: Corrupt<'a>,
}

impl<'a> Net<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self::with(world, Box::new(|_, _, message| vec![message]))
    }

    pub(crate) fn with(world: &'a World, corrupt: Corrupt<'a>) -> Self {
        let mut net = Self {
            world,
            now: Time::default(),
            draws: Vec::new(),
            journals: vec![Vec::new(); world.keys.len()],
            wire: VecDeque::new(),
            sent: Vec::new(),
            chosen: Vec::new(),
            drawn: vec![None; world.keys.len()],
            faults: Vec::new(),
            corrupt,
        };
        for at in net.servers() {
            let mut rng = rng(at.into());
            let mut cx = Cx::new(net.now, &mut rng);
            let (draw, step) = Draw::restore(world.draw_setup(at), [], &mut cx).unwrap();
            net.draws.push(draw);
            net.take(at, step);
        }
        net
    }

    pub(crate) fn servers(&self) -> Range<u16> {
        0..u16::try_from(self.world.keys.len()).unwrap()
    }

    pub(crate) fn take(&mut self, at: u16, step: DrawStep) {
        let (records, held) = step.into_records();
        self.journals[usize::from(at)].extend(records);
        let output = held.release();
        for (to, message) in output.messages {
            self.sent.push((at, message.clone()));
            let others: Vec<u16> = match to {
                To::All => self.servers().filter(|other| *other != at).collect(),
                To::One(peer) => vec![peer.get()],
                To::Some(peers) => peers.into_iter().map(Index::get).collect(),
            };
            for other in others {
                for message in (self.corrupt)(at, other, message.clone()) {
                    self.wire.push_back((at, other, message));
                }
            }
        }
        for event in output.events {
            match event {
                Event::Chosen(choice) => self.chosen.push((at, *choice)),
                Event::Drawn(output, parts) => {
                    self.drawn[usize::from(at)] = Some((output, parts));
                }
                event => panic!("{event:?}"),
            }
        }
        self.faults.extend(output.faults.into_iter().map(|fault| (at, fault)));
    }

    pub(crate) fn on<T>(&mut self, at: u16, act: impl FnOnce(&mut Draw, &mut Cx<'_>) -> T) -> T {
        let mut rng = rng(1_000 + u64::from(at));
        act(&mut self.draws[usize::from(at)], &mut Cx::new(self.now, &mut rng))
    }

    pub(crate) fn tell(&mut self, at: u16, command: Command) {
        let step = self.on(at, |draw, cx| draw.handle_command(cx, command)).unwrap();
        self.take(at, step);
    }

    /// Crashes a server after its first `kept` records, and starts it anew. Returns what that tells
    /// at once.
    pub(crate) fn restart(&mut self, at: u16, kept: usize) -> Vec<Message> {
        let records = self.journals[usize::from(at)].clone().into_iter().take(kept);
        let mut rng = rng(2_000 + u64::from(at));
        let mut cx = Cx::new(self.now, &mut rng);
        let (draw, step) = Draw::restore(self.world.draw_setup(at), records, &mut cx).unwrap();
        self.draws[usize::from(at)] = draw;
        self.journals[usize::from(at)].truncate(kept);
        self.drawn[usize::from(at)] = None;
        let before = self.sent.len();
        self.take(at, step);
        self.sent[before..].iter().map(|(_, message)| message.clone()).collect()
    }

    /// Has a server lead, and all others follow it.
    pub(crate) fn lead(&mut self, leader: u16) {
        self.tell(leader, Command::Lead);
        for at in self.servers().filter(|at| *at != leader) {
            self.tell(at, Command::Follow(self.world.index(leader)));
        }
    }

    pub(crate) fn decide(&mut self, choice: &Choice) {
        for at in self.servers() {
            self.tell(at, Command::Decided(Box::new(choice.clone())));
        }
    }

    pub(crate) fn deliver(&mut self) {
        while let Some((from, to, message)) = self.wire.pop_front() {
            let from = self.world.index(from);
            let step = self.on(to, |draw, cx| draw.handle_message(cx, from, message));
            self.take(to, step);
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        for at in self.servers() {
            let step = self.on(at, |draw, cx| draw.handle_timeout(cx));
            self.take(at, step);
        }
    }

    /// The one output, which everybody but `faulty` told, with a transcript that convinces.
    pub(crate) fn output(&self, choice: &Choice, faulty: &[u16]) -> Randomness {
        let mut outputs = Vec::new();
        for at in self.servers().filter(|at| !faulty.contains(at)) {
            let (output, groups) = self.drawn[usize::from(at)].clone().unwrap();
            let config = self.world.session().config().clone();
            let (statement, certificate) = (choice.statement.clone(), certify(self.world, choice));
            let transcript = Transcript { config, statement, certificate, groups };
            let verdict = transcript.verify(&self.world.committee, &self.world.terms);
            assert_eq!(verdict, Ok(output));
            outputs.push(output);
        }
        assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
        outputs[0]
    }

    /// The deal that a server recorded.
    pub(crate) fn deal(&self, at: u16) -> Said<Dealing> {
        let Record::Dealt(said) = &self.journals[usize::from(at)][0] else { panic!() };
        said.clone()
    }

    /// The shares that were shown so far, and by whom.
    pub(crate) fn shares(&self) -> Vec<(u16, Opened)> {
        let share = |(at, message): &(u16, Message)| {
            let Message::Opened(opened) = message else { return None };
            Some((*at, opened.clone()))
        };
        self.sent.iter().filter_map(share).collect()
    }
}

/// A quorum's signatures on the statement, which stand for the certificate of a block.
pub(crate) fn certify(world: &World, choice: &Choice) -> Certificate {
    let roster = world.committee.roster();
    let statement = choice.statement.to_signed();
    let sign = |(at, key)| (world.index(at), sign(key, &roster.id(), &statement));
    let quorum = usize::try_from(roster.quorum()).unwrap();
    Certificate::individual(roster, (0..).zip(&world.keys).take(quorum).map(sign)).unwrap()
}
