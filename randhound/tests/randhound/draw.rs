//! Draws by consensus: whole runs, leaders that fall silent or lie, crashes, and bounds.

use std::{collections::VecDeque, time::Duration};

use cosi::{
    Certificate, Statement as _,
    certificate::sign,
    machine::{Cx, Fault, FaultKind, Index, Time, To},
    wire::BoundedVec,
};
use randhound::{
    Draw, GroupTranscript, Randomness, Transcript,
    draw::{Choice, Command, Event, Message, Record},
    message::MAX_GROUPS,
};

use crate::common::{World, rng, world};

type Parts = BoundedVec<GroupTranscript, MAX_GROUPS>;

/// What an adversary makes of a message that a server sends to another.
type Corrupt<'a> = Box<dyn FnMut(u16, u16, Message) -> Option<Message> + 'a>;

/// All servers of a world, on a network that the test drives. Consensus is the test's word.
struct Net<'a> {
    world: &'a World,
    now: Time,
    draws: Vec<Draw>,
    journals: Vec<Vec<Record>>,
    wire: VecDeque<(u16, u16, Message)>,
    sent: Vec<(u16, Message)>,
    chosen: Vec<(u16, Choice)>,
    drawn: Vec<Option<(Randomness, Parts)>>,
    faults: Vec<(u16, Fault<Index>)>,
    corrupt: Corrupt<'a>,
}

impl<'a> Net<'a> {
    fn new(world: &'a World) -> Self {
        Self::with(world, Box::new(|_, _, message| Some(message)))
    }

    fn with(world: &'a World, corrupt: Corrupt<'a>) -> Self {
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

    fn servers(&self) -> std::ops::Range<u16> {
        0..u16::try_from(self.world.keys.len()).unwrap()
    }

    fn take(&mut self, at: u16, step: randhound::draw::DrawStep) {
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
                if let Some(message) = (self.corrupt)(at, other, message.clone()) {
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

    fn on<T>(&mut self, at: u16, act: impl FnOnce(&mut Draw, &mut Cx<'_>) -> T) -> T {
        let mut rng = rng(1_000 + u64::from(at));
        act(&mut self.draws[usize::from(at)], &mut Cx::new(self.now, &mut rng))
    }

    fn tell(&mut self, at: u16, command: Command) {
        let step = self.on(at, |draw, cx| draw.handle_command(cx, command)).unwrap();
        self.take(at, step);
    }

    /// Has a server lead, and all others follow it.
    fn lead(&mut self, leader: u16) {
        self.tell(leader, Command::Lead);
        for at in self.servers().filter(|at| *at != leader) {
            self.tell(at, Command::Follow(self.world.index(leader)));
        }
    }

    fn decide(&mut self, choice: &Choice) {
        for at in self.servers() {
            self.tell(at, Command::Decided(Box::new(choice.clone())));
        }
    }

    fn deliver(&mut self) {
        while let Some((from, to, message)) = self.wire.pop_front() {
            let from = self.world.index(from);
            let step = self.on(to, |draw, cx| draw.handle_message(cx, from, message));
            self.take(to, step);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        for at in self.servers() {
            let step = self.on(at, |draw, cx| draw.handle_timeout(cx));
            self.take(at, step);
        }
    }

    /// The one output, which everybody but `faulty` told, with a transcript that convinces.
    fn output(&self, choice: &Choice, faulty: &[u16]) -> Randomness {
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

    /// Whether anybody showed a share.
    fn opened(&self) -> bool {
        self.sent.iter().any(|(_, message)| matches!(message, Message::Opened(_)))
    }
}

/// A quorum's signatures on the statement, which stand for the certificate of a block.
fn certify(world: &World, choice: &Choice) -> Certificate {
    let roster = world.committee.roster();
    let statement = choice.statement.to_signed();
    let sign = |(at, key)| (world.index(at), sign(key, &roster.id(), &statement));
    let quorum = usize::try_from(roster.quorum()).unwrap();
    Certificate::individual(roster, (0..).zip(&world.keys).take(quorum).map(sign)).unwrap()
}

/// The deal that a server recorded.
fn dealt(journal: &[Record]) -> &Record {
    assert!(matches!(journal[0], Record::Dealt(_)));
    &journal[0]
}

#[test]
fn a_draw_ends_everywhere_with_the_one_output() {
    for (servers, size) in [(1, 1), (2, 2), (7, 3), (16, 4), (16, 8)] {
        let world = world(servers, size);
        let mut net = Net::new(&world);
        net.lead(servers / 2);
        net.deliver();
        let [(leader, choice)] = &net.chosen[..] else { panic!("{servers} {size}") };
        assert_eq!(*leader, servers / 2);
        let choice = choice.clone();
        assert!(!net.opened());
        net.decide(&choice);
        net.deliver();
        net.output(&choice, &[]);
        assert_eq!(net.faults, []);
        assert_eq!(net.draws[0].next_timeout(), None);
    }
}
