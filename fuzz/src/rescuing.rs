//! A rescuer and seven servers, whose client shows what it likes to whom it likes, on a network that
//! does its worst, with crashes.

mod plots;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    Certificate,
    keys::Signature,
    machine::{Cx, Fault, Time},
    wire::Wire,
};
use rand_chacha::ChaCha20Rng;
use randhound::{
    Message, Peer, Randomness, Rescuer, Server, StatementId,
    message::{Decision, Word},
    rescuer::{Command, Event, RescuerStep, Setup},
    server::{Record, ServerStep},
};

use self::plots::{PLOTS, Plot};
pub(crate) use self::plots::{fragments, shown, voids};
use crate::{
    actions::Actions,
    committee::{CAST, SERVERS},
    town::{receives, rng},
    transit::{Sent, Transit},
};

/// The most messages on their way. The oldest is lost to make room.
const IN_FLIGHT: usize = 64;
/// The servers whose keys sign anything. Their machines are as all others.
const LIARS: [u16; 2] = [5, 6];
/// How many servers decide: 7 − f, where f = 2.
const QUORUM: usize = 5;
const RESCUER: Peer = Peer::Guest(1);

/// Each byte is an action; a corruption and a word of the client's take the next one as well.
///
/// # Panics
/// When an output is not what its transcript says, or not the only one, or that of a statement
/// which no five servers signed; when a sound statement is void, or a void one has an output; when
/// a server opens what no five signed; when anyone is blamed but the client and who delivered a
/// corrupted message; when, once all messages arrive, what some server opened is not completed.
pub fn rescue(input: &[u8]) {
    run(input).end();
}

fn run(input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        let more = if matches!(kind, 3 | 6) { actions.byte() } else { 0 };
        world.act(kind, detail, more);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let [_, lose, twice, corrupt, pass, crash, say, all] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|kind: u8| kind << 5);
    let (show, decide, start) = (say, say | 8, say | 16);
    let seeds: [(&str, Vec<u8>); 9] = [
        ("nothing", vec![]),
        ("rescued", vec![show | 7, 0, all, decide | 1, 0, all, start, 0, all]),
        ("void", vec![show | 7, 2, all, decide | 4, 2, all, start, 0, all]),
        ("undecided", vec![show | 7, 0, all, start, 0, all, pass, all, pass | 31]),
        (
            "by-accomplices",
            vec![show, 0, show | 1, 0, show | 2, 0, all, decide | 3, 0, all, start, 0, all],
        ),
        (
            "two-statements",
            vec![
                show | 3,
                1,
                show | 4,
                1,
                show,
                0,
                show | 1,
                0,
                show | 2,
                0,
                all,
                start,
                0,
                all,
                decide | 4,
                0,
                all,
                pass,
                all,
            ],
        ),
        (
            "crash",
            vec![
                show | 7,
                0,
                all,
                crash | 8 | 1,
                decide | 1,
                0,
                all,
                decide | 2,
                0,
                all,
                start,
                0,
                all | 4,
                crash | 3,
                crash | 7,
                start,
                0,
                all,
            ],
        ),
        (
            "corrupt",
            vec![
                show | 7,
                0,
                all,
                decide,
                0,
                all,
                start,
                0,
                all | 7,
                corrupt | 1,
                200,
                corrupt | 2,
                90,
                all,
                pass,
                all,
            ],
        ),
        (
            "lost",
            vec![
                show | 7,
                0,
                lose,
                all,
                decide | 7,
                0,
                lose,
                all,
                start,
                0,
                lose,
                lose,
                twice,
                all,
                pass,
                all,
                pass,
                all,
            ],
        ),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Output(Randomness),
    Void,
}

struct World {
    now: Time,
    rng: ChaCha20Rng,
    rescuer: Rescuer,
    servers: BTreeMap<u16, Server>,
    /// What is stored: it grows by a few records a server.
    journals: BTreeMap<u16, Vec<Vec<u8>>>,
    /// Who crashes before its next records are stored.
    forgets: BTreeSet<u16>,
    queue: Transit<Peer>,
    /// Who signed which statement.
    signed: BTreeMap<StatementId, BTreeMap<u16, Signature>>,
    /// What was opened, by whom.
    opened: BTreeMap<u16, StatementId>,
    /// Who heard a corrupted message of whom, (from, to).
    corrupted: BTreeSet<(Peer, Peer)>,
    convicted: bool,
    aborted: usize,
    end: Option<End>,
}

fn fresh() -> Rescuer {
    let (retry, patience) = (Duration::from_secs(2), Duration::from_secs(1000));
    Rescuer::new(Setup { session: CAST.session.clone(), retry, patience })
}

fn server(at: u16) -> Peer {
    Peer::Server(CAST.index(at))
}

impl World {
    fn new() -> Self {
        let (now, mut rng) = (Time::default(), rng(33));
        let mut cx = Cx::new(now, &mut rng);
        let servers = (0..SERVERS).map(|at| (at, CAST.server(at, Vec::new(), &mut cx).0)).collect();
        Self {
            now,
            rng,
            rescuer: fresh(),
            servers,
            journals: BTreeMap::new(),
            forgets: BTreeSet::new(),
            queue: Transit::new(IN_FLIGHT),
            signed: BTreeMap::new(),
            opened: BTreeMap::new(),
            corrupted: BTreeSet::new(),
            convicted: false,
            aborted: 0,
            end: None,
        }
    }

    fn act(&mut self, kind: u8, detail: u8, more: u8) {
        match kind {
            0..=3 => {
                let arrived = self.queue.meddle(kind, detail, more);
                arrived.into_iter().for_each(|sent| self.deliver(sent));
            }
            4 => self.pass(detail),
            5 => match u16::from(detail & 7) {
                SERVERS => self.rescuer = fresh(),
                who if detail & 8 == 0 => self.restart(who),
                who => drop(self.forgets.insert(who)),
            },
            6 if detail & 16 != 0 => self.start(),
            6 => {
                let who = u16::from(detail & 7);
                let to = if who < SERVERS { who..who.saturating_add(1) } else { 0..SERVERS };
                let plot = PLOTS.get(usize::from(more % 3)).expect("one of three");
                to.for_each(|at| {
                    if detail & 8 == 0 { self.show(plot, at) } else { self.decide(plot, at) }
                });
            }
            7 => self.settle(if detail == 0 { 1000 } else { detail.into() }),
            _ => {}
        }
    }

    fn start(&mut self) {
        let mut cx = Cx::new(self.now, &mut self.rng);
        if let Ok(step) = self.rescuer.handle_command(&mut cx, Command::Start) {
            self.take(step);
        }
    }

    /// The client has a server acknowledge.
    fn show(&mut self, plot: &Plot, at: u16) {
        if let Some(shown) = plot.shown(at) {
            self.send(Peer::Client, server(at), &Message::Choice(shown));
        }
    }

    /// The client shows a server the signatures that it has, and the liars'.
    fn decide(&mut self, plot: &Plot, at: u16) {
        let signed = self.signed.entry(plot.id()).or_default();
        signed.extend(LIARS.map(|liar| (liar, plot.sign(liar))));
        let signatures = signed.iter().map(|(at, signature)| (CAST.index(*at), *signature));
        let certificate = Certificate::individual(CAST.session.roster(), signatures);
        let decision = Decision {
            config: CAST.session.config().clone(),
            statement: plot.statement.what.clone(),
            certificate: certificate.expect("two at least"),
            deals: plot.deals.get(usize::from(CAST.group(at))).cloned().unwrap_or_default(),
        };
        self.send(Peer::Client, server(at), &Message::Decision(decision));
    }

    /// Time passes: until the rescuer has something to do, some seconds, or more than its patience.
    fn pass(&mut self, detail: u8) {
        let seconds = if detail == 31 { 2000 } else { u64::from(detail) };
        let due = self.rescuer.next_timeout().filter(|_| detail == 0);
        self.now = self.now.max(due.unwrap_or(self.now.after(Duration::from_secs(seconds))));
        let step = self.rescuer.handle_timeout(&mut Cx::new(self.now, &mut self.rng));
        self.take(step);
        let next = self.rescuer.next_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a deadline that does not advance");
    }

    fn deliver(&mut self, sent: Sent<Peer>) {
        let Some(message) = sent.decode() else { return };
        let Sent { from, to, corrupted, .. } = sent;
        if corrupted {
            self.corrupted.insert((from, to));
        }
        let mut cx = Cx::new(self.now, &mut self.rng);
        match to {
            Peer::Client => {}
            Peer::Server(at) => {
                let Some(server) = self.servers.get_mut(&at.get()) else { return };
                let step = server.handle_message(&mut cx, from, message);
                self.take_from(at.get(), step);
            }
            Peer::Guest(_) => {
                let step = self.rescuer.handle_message(&mut cx, from, message);
                self.take(step);
            }
        }
    }

    /// What the rescuer does.
    fn take(&mut self, step: RescuerStep) {
        let (_, held) = step.into_records();
        let output = held.release();
        for (to, message) in output.messages {
            for at in (0..SERVERS).filter(|at| receives(&to, server(*at))) {
                self.send(RESCUER, server(at), &message);
            }
        }
        for event in output.events {
            let (statement, end) = match event {
                Event::Finished(output, transcript) => {
                    assert_eq!(transcript.verify(&CAST.committee, &CAST.terms), Ok(output));
                    (transcript.statement.id(), End::Output(output))
                }
                Event::Void(void) => {
                    assert_eq!(void.verify(&CAST.committee, &CAST.terms), Ok(()));
                    assert!(shown(&void), "a fragment that the client did not make");
                    (void.statement.what.id(), End::Void)
                }
                Event::Aborted(_) | _ => {
                    self.aborted = self.aborted.saturating_add(1);
                    continue;
                }
            };
            let plot = PLOTS.iter().find(|plot| plot.id() == statement);
            let plot = plot.expect("a statement of the client's");
            assert_eq!(plot.sound, end != End::Void, "the other verdict");
            assert!(self.signers(statement) >= QUORUM, "no quorum decided it");
            assert!(self.end.is_none_or(|known| known == end), "two ends of one session");
            self.end = Some(end);
        }
        output.faults.iter().for_each(|fault| self.excuse(RESCUER, fault));
    }

    /// What a server does, once its records are stored.
    fn take_from(&mut self, at: u16, step: ServerStep) {
        let (records, held) = step.into_records();
        if !records.is_empty() && self.forgets.remove(&at) {
            return self.restart(at);
        }
        self.journals.entry(at).or_default().extend(records.iter().map(Wire::encode));
        let output = held.release();
        for (to, message) in output.messages {
            self.judge(at, &message);
            for peer in (0..SERVERS).map(server).chain([RESCUER]) {
                if receives(&to, peer) {
                    self.send(server(at), peer, &message);
                }
            }
        }
        output.faults.iter().for_each(|fault| self.excuse(server(at), fault));
    }

    fn signers(&self, statement: StatementId) -> usize {
        self.signed.get(&statement).map_or(0, BTreeMap::len)
    }

    /// A server opens what a quorum signed.
    fn judge(&mut self, at: u16, message: &Message) {
        match message {
            Message::Acknowledgement(said) => {
                if let Word::Single(signature) = said.word {
                    self.signed.entry(said.statement).or_default().insert(at, signature);
                }
            }
            Message::Opened(opened) => {
                assert!(self.signers(opened.statement) >= QUORUM, "no quorum decided it");
                self.opened.insert(at, opened.statement);
                let one = self.opened.values().all(|other| *other == opened.statement);
                assert!(one, "two statements are opened");
            }
            Message::Kept(_) | Message::Decision(_) | Message::Dealing(..) => {}
            Message::Invitation(_)
            | Message::Choice(_)
            | Message::Ask(..)
            | Message::Inquiry(_)
            | _ => unreachable!("server {at} speaks as another"),
        }
    }

    /// Who delivers a corrupted message answers for it, the client for what it shows, and nobody
    /// else.
    fn excuse(&mut self, by: Peer, fault: &Fault<Peer>) {
        let Fault { culprit, evidence, .. } = fault;
        let corrupted = self.corrupted.contains(&(*culprit, by));
        assert!(*culprit == Peer::Client || corrupted, "{by:?} blames {fault:?}");
        if let Some(evidence) = evidence {
            let convicts = randhound::blame::verify(evidence, &CAST.session);
            assert_eq!(convicts, Some(Peer::Client), "{by:?} convicts {fault:?}");
            self.convicted = true;
        }
    }

    /// Starts a server again, from the bytes that it stored.
    fn restart(&mut self, at: u16) {
        let stored = self.journals.entry(at).or_default().iter();
        let stored = stored.map(|bytes| Record::decode(bytes));
        let stored = stored.collect::<Result<_, _>>().expect("as written");
        let (server, step) = CAST.server(at, stored, &mut Cx::new(self.now, &mut self.rng));
        self.servers.insert(at, server);
        self.take_from(at, step);
    }

    fn send(&mut self, from: Peer, to: Peer, message: &Message) {
        self.queue.send(from, to, message.encode());
    }

    /// Delivers what is on its way and what follows, in order, so many messages at most.
    fn settle(&mut self, most: usize) {
        for _ in 0..most {
            let Some(sent) = self.queue.next() else { return };
            self.deliver(sent);
        }
    }

    /// The network heals: another rescuer completes what any server opened.
    fn end(mut self) {
        self.forgets.clear();
        self.queue.clear();
        (0..SERVERS).for_each(|at| self.restart(at));
        self.queue.clear();
        self.rescuer = fresh();
        self.start();
        for _ in 0..8 {
            self.settle(1000);
            self.pass(0);
        }
        let decided = !self.opened.is_empty();
        assert_eq!(
            decided,
            self.end.is_some(),
            "all arrives, and what was opened is not completed"
        );
    }
}
