//! A client and seven servers on a network that does its worst, with crashes, a client that may
//! choose twice, and a server that may deal twice.

mod asking;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    Certificate, Statement as _, certificate,
    keys::Signature,
    machine::{Cx, Fault, Time},
    round::Offer,
    wire::Wire,
};
use rand_chacha::ChaCha20Rng;
use randhound::{
    Client, Message, Peer, Randomness, Server, Statement, StatementId,
    client::{ClientStep, Command, Event, Record as ClientRecord},
    message::{Ask, Dealing, Deals, Decision, Opened, Said, Word},
    server::{Record as ServerRecord, ServerStep},
};

use self::asking::offer;
use crate::{
    actions::Actions,
    committee::{CAST, SERVERS},
    town::{receives, rng},
    transit::{Sent, Transit},
};

/// The most messages on their way. The oldest is lost to make room.
const IN_FLIGHT: usize = 64;
/// The server that may deal twice, and sign anything.
const LIAR: u16 = 6;
/// How many servers decide: 7 − f, where f = 2.
const QUORUM: usize = 5;

/// Each byte is an action; a corruption takes the next one as its place.
///
/// # Panics
/// When a server deals, acknowledges or opens two things; when it opens what not five servers
/// signed, or two open different things; when an output is not what its transcript says, or not
/// the only one; when anyone is blamed who neither lied nor delivered a corrupted message; when
/// an honest client has no output once all messages arrive.
pub fn randhound(input: &[u8]) {
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
    let [_, lose, twice, corrupt, pass, crash, say, all] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|kind: u8| kind << 5);
    let start = say;
    let [choose, deal, show, guest, ask] = [1, 2, 3, 4, 5].map(|what| say | what);
    let some = all | 7;
    let seeds: [(&str, Vec<u8>); 14] = [
        ("nothing", vec![]),
        ("drawn", vec![start, all]),
        (
            "crash",
            vec![
                start,
                some,
                crash | 7,
                all,
                pass,
                some,
                crash | 3,
                some,
                crash | 8 | 7,
                pass,
                all,
            ],
        ),
        ("forgets", vec![start, crash | 8, 0, crash | 8 | 1, 0, pass, all, pass, all]),
        ("two-choices", vec![start, some, some, choose, all, pass, all]),
        ("two-deals", vec![start, 6, deal, 6, 6, all]),
        // A straggler in the round of signing: the next one is without it.
        ("mute", vec![start, some, some, 0, 0, 0, 0, 0, 0, lose, some, pass, all]),
        // All crash after they offered.
        (
            "refused",
            vec![
                start,
                some,
                some,
                crash,
                crash | 1,
                crash | 2,
                crash | 3,
                crash | 4,
                crash | 5,
                crash | 6,
                some,
                all,
            ],
        ),
        // The client crashes after its choice: single signatures, and relays.
        ("one-by-one", vec![start, some, some, crash | 7, all]),
        ("asked-again", vec![start, some, some, some, ask, ask | 8, all]),
        ("shown-too-early", vec![start, some, some, 0, 0, show, 7, 7, 7, 7, all]),
        ("shown", vec![start, some, some, some, show, show | 8, all, show, guest, all]),
        (
            "corrupt",
            vec![
                start,
                some,
                corrupt,
                200,
                corrupt | 1,
                99,
                all,
                pass,
                corrupt | 2,
                30,
                all,
                pass,
                all,
            ],
        ),
        ("lost", vec![start, lose, lose, 0, twice, all, pass, lose, some, pass, all, pass | 31]),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

/// A statement with what its groups were shown.
struct Choice {
    statement: Statement,
    deals: BTreeMap<u16, Deals>,
    /// Who signed it.
    signed: BTreeMap<u16, Signature>,
    /// Who gave a part in a round of signing it.
    parts: BTreeSet<u16>,
}

impl Choice {
    fn signers(&self) -> usize {
        self.parts.iter().chain(self.signed.keys()).collect::<BTreeSet<_>>().len()
    }
}

struct World {
    now: Time,
    rng: ChaCha20Rng,
    client: Client,
    servers: BTreeMap<u16, Server>,
    /// What is stored: it grows by a few records a machine.
    client_journal: Vec<Vec<u8>>,
    journals: BTreeMap<u16, Vec<Vec<u8>>>,
    /// Who crashes before its next records are stored.
    forgets: BTreeSet<Peer>,
    queue: Transit<Peer>,
    /// The first of what each server said, by what it is.
    dealt: BTreeMap<u16, Said<Dealing>>,
    acknowledged: BTreeMap<u16, StatementId>,
    opened: BTreeMap<u16, Opened>,
    /// What each server offered: one pair a part or a crash.
    offered: BTreeMap<u16, Vec<Offer>>,
    /// All that the client signed.
    choices: BTreeMap<StatementId, Choice>,
    /// Who heard a corrupted message of whom, (from, to).
    corrupted: BTreeSet<(Peer, Peer)>,
    liars: BTreeSet<Peer>,
    convicted: BTreeSet<Peer>,
    output: Option<Randomness>,
}

impl World {
    fn new() -> Self {
        let (now, mut rng) = (Time::default(), rng(25));
        let mut cx = Cx::new(now, &mut rng);
        let servers = (0..SERVERS).map(|at| (at, CAST.server(at, Vec::new(), &mut cx).0)).collect();
        Self {
            now,
            client: CAST.client(Vec::new(), &mut cx).0,
            rng,
            servers,
            client_journal: Vec::new(),
            journals: BTreeMap::new(),
            forgets: BTreeSet::new(),
            queue: Transit::new(IN_FLIGHT),
            dealt: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            opened: BTreeMap::new(),
            offered: BTreeMap::new(),
            choices: BTreeMap::new(),
            corrupted: BTreeSet::new(),
            liars: BTreeSet::new(),
            convicted: BTreeSet::new(),
            output: None,
        }
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        match kind {
            0..=3 => {
                let arrived = self.queue.meddle(kind, detail, place);
                arrived.into_iter().for_each(|sent| self.deliver(sent));
            }
            4 => self.pass(detail),
            5 => {
                let who = u16::from(detail & 7);
                let who = if who < SERVERS { server(who) } else { Peer::Client };
                if detail & 8 == 0 {
                    self.restart(who);
                } else {
                    self.forgets.insert(who);
                }
            }
            6 => self.say(detail & 7, detail & 8 != 0),
            7 => self.settle(if detail == 0 { 1000 } else { detail.into() }),
            _ => {}
        }
    }

    /// Somebody speaks up, and not always as it should.
    fn say(&mut self, what: u8, other: bool) {
        match what {
            0 => {
                let mut cx = Cx::new(self.now, &mut self.rng);
                if let Ok(step) = self.client.handle_command(&mut cx, Command::Start) {
                    self.take(step);
                }
            }
            1 => self.choose(other),
            2 => {
                let said = CAST.deal(LIAR, &mut self.rng);
                self.liars.insert(server(LIAR));
                let mut cx = Cx::new(self.now, &mut self.rng);
                let (offer, _) = offer(&mut cx, LIAR);
                self.send(server(LIAR), Peer::Client, &Message::Dealing(said, offer));
            }
            3 => self.show(other),
            5 => self.ask(other),
            _ => {
                if let Some(sent) = self.queue.first().cloned() {
                    self.deliver(Sent { from: Peer::Guest(7), ..sent });
                }
            }
        }
    }

    /// The client signs a choice of its own, beside what the machine chooses.
    fn choose(&mut self, last: bool) {
        let deals: Vec<_> = self.dealt.values().cloned().collect();
        let Some((choice, groups)) = CAST.choice(&deals, !last) else { return };
        self.liars.insert(Peer::Client);
        for at in 0..SERVERS {
            let Some(shown) = CAST.shown(at, &choice, &groups, Ask::Single) else { continue };
            self.learn(&choice.what, CAST.group(at), &shown.deals);
            self.send(Peer::Client, server(at), &Message::Choice(shown));
        }
    }

    fn learn(&mut self, statement: &Statement, group: u16, deals: &Deals) {
        let fresh = || Choice {
            statement: statement.clone(),
            deals: BTreeMap::new(),
            signed: BTreeMap::new(),
            parts: BTreeSet::new(),
        };
        let choice = self.choices.entry(statement.id()).or_insert_with(fresh);
        choice.deals.insert(group, deals.clone());
    }

    /// Someone shows all a decision, by the signatures there are, and the liar's.
    fn show(&mut self, last: bool) {
        let choice =
            if last { self.choices.values_mut().last() } else { self.choices.values_mut().next() };
        let Some(Choice { statement, deals, signed, .. }) = choice else { return };
        let roster = CAST.session.roster();
        let own = certificate::sign(CAST.key(LIAR), &roster.id(), &statement.to_signed());
        signed.insert(LIAR, own);
        let signatures = signed.iter().map(|(at, signature)| (CAST.index(*at), *signature));
        let certificate = Certificate::individual(roster, signatures).expect("one at least");
        let (config, statement, deals) = (CAST.session.config(), statement.clone(), deals.clone());
        for at in 0..SERVERS {
            let decision = Decision {
                config: config.clone(),
                statement: statement.clone(),
                certificate: certificate.clone(),
                deals: deals.get(&CAST.group(at)).cloned().unwrap_or_default(),
            };
            self.send(Peer::Guest(9), server(at), &Message::Decision(decision));
        }
    }

    /// Time passes: until the client has something to do, some seconds, or more than its patience.
    fn pass(&mut self, detail: u8) {
        let seconds = if detail == 31 { 2000 } else { u64::from(detail) };
        let due = self.client.next_timeout().filter(|_| detail == 0);
        self.now = self.now.max(due.unwrap_or(self.now.after(Duration::from_secs(seconds))));
        let step = self.client.handle_timeout(&mut Cx::new(self.now, &mut self.rng));
        self.take(step);
        let next = self.client.next_timeout();
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
            Peer::Client => {
                let step = self.client.handle_message(&mut cx, from, message);
                self.take(step);
            }
            Peer::Server(at) => {
                let Some(server) = self.servers.get_mut(&at.get()) else { return };
                let step = server.handle_message(&mut cx, from, message);
                self.take_from(at.get(), step);
            }
            Peer::Guest(_) => {}
        }
    }

    /// What the client does, once its records are stored.
    fn take(&mut self, step: ClientStep) {
        let (records, held) = step.into_records();
        if !records.is_empty() && self.forgets.remove(&Peer::Client) {
            return self.restart(Peer::Client);
        }
        self.client_journal.extend(records.iter().map(Wire::encode));
        let output = held.release();
        for (to, message) in output.messages {
            for at in (0..SERVERS).filter(|at| receives(&to, server(*at))) {
                if let Message::Choice(shown) = &message {
                    self.learn(&shown.statement.what, CAST.group(at), &shown.deals);
                }
                self.send(Peer::Client, server(at), &message);
            }
        }
        for event in output.events {
            let Event::Finished(output, transcript) = event else { continue };
            assert_eq!(transcript.verify(&CAST.committee, &CAST.terms), Ok(output));
            assert!(self.output.is_none_or(|known| known == output), "two outputs of one draw");
            self.output = Some(output);
        }
        output.faults.iter().for_each(|fault| self.excuse(Peer::Client, fault));
    }

    /// What a server does, once its records are stored.
    fn take_from(&mut self, at: u16, step: ServerStep) {
        let (records, held) = step.into_records();
        if !records.is_empty() && self.forgets.remove(&server(at)) {
            return self.restart(server(at));
        }
        self.journals.entry(at).or_default().extend(records.iter().map(Wire::encode));
        let output = held.release();
        for (to, message) in output.messages {
            self.judge(at, &message);
            let all = (0..SERVERS).map(server).chain([Peer::Client]);
            for peer in all.filter(|peer| receives(&to, *peer)) {
                self.send(server(at), peer, &message);
            }
        }
        output.faults.iter().for_each(|fault| self.excuse(server(at), fault));
    }

    /// A server says one thing of each kind, answers once with a pair, and opens what a quorum
    /// signed.
    fn judge(&mut self, at: u16, message: &Message) {
        match message {
            Message::Dealing(said, offer) => {
                self.note(at, *offer, false);
                let first = self.dealt.entry(at).or_insert_with(|| said.clone());
                assert_eq!(first, said, "server {at} deals twice");
            }
            Message::Acknowledgement(said) => {
                let first = self.acknowledged.entry(at).or_insert(said.statement);
                assert_eq!(*first, said.statement, "server {at} acknowledges twice");
                let choice = self.choices.get_mut(&said.statement);
                let choice = choice.expect("it acknowledges what the client signed");
                match said.word {
                    Word::Single(signature) => drop(choice.signed.insert(at, signature)),
                    Word::Part { ahead, .. } => {
                        choice.parts.insert(at);
                        self.note(at, ahead, true);
                    }
                    Word::Refusal { ahead, .. } => self.note(at, ahead, false),
                }
            }
            Message::Opened(opened) => {
                let first = self.opened.entry(at).or_insert_with(|| opened.clone());
                assert_eq!(first, opened, "server {at} opens twice");
                let signed = self.choices.get(&opened.statement).map_or(0, Choice::signers);
                assert!(signed >= QUORUM, "server {at} opens what {signed} servers signed");
                let others = self.opened.values().all(|other| other.statement == opened.statement);
                assert!(others, "two statements are opened");
            }
            Message::Decision(decision) => {
                let opened = self.opened.get(&at).map(|opened| opened.statement);
                let relayed = Some(decision.statement.id());
                assert_eq!(opened, relayed, "server {at} relays what it did not open");
            }
            Message::Invitation(_) | Message::Choice(_) | Message::Ask(..) | _ => {
                unreachable!("server {at} speaks as a client")
            }
        }
    }

    /// Who delivers a corrupted message answers for it, who lies is convicted, and nobody else. A
    /// client that lies is told another truth than it told, and blames whom it likes.
    fn excuse(&mut self, by: Peer, fault: &Fault<Peer>) {
        let Fault { culprit, evidence, .. } = fault;
        let lied = self.liars.contains(culprit);
        // Whoever hears another question than was asked answers that.
        let deliveries = [(*culprit, by), (by, *culprit)];
        let corrupted = deliveries.iter().any(|delivery| self.corrupted.contains(delivery));
        assert!(lied || corrupted || self.liars.contains(&by), "{by:?} blames {fault:?}");
        if let Some(evidence) = evidence {
            let convicts = randhound::blame::verify(evidence, &CAST.session);
            assert!(lied && convicts == Some(*culprit), "{by:?} convicts {fault:?}");
            self.convicted.insert(*culprit);
        }
    }

    /// Starts a machine again, from the bytes that it stored.
    fn restart(&mut self, who: Peer) {
        let mut cx = Cx::new(self.now, &mut self.rng);
        match who {
            Peer::Client => {
                let stored = self.client_journal.iter().map(|bytes| ClientRecord::decode(bytes));
                let stored = stored.collect::<Result<_, _>>().expect("as written");
                let (client, step) = CAST.client(stored, &mut cx);
                self.client = client;
                self.take(step);
            }
            Peer::Server(at) => {
                let stored = self.journals.entry(at.get()).or_default().iter();
                let stored = stored.map(|bytes| ServerRecord::decode(bytes));
                let stored = stored.collect::<Result<_, _>>().expect("as written");
                let (server, step) = CAST.server(at.get(), stored, &mut cx);
                self.servers.insert(at.get(), server);
                self.take_from(at.get(), step);
            }
            Peer::Guest(_) => {}
        }
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

    /// The network heals: an honest client that is started again has an output.
    fn end(mut self) {
        self.forgets.clear();
        self.queue.clear();
        self.restart(Peer::Client);
        self.say(0, false);
        for _ in 0..8 {
            self.settle(1000);
            self.pass(0);
        }
        let honest = !self.liars.contains(&Peer::Client);
        assert!(self.output.is_some() || !honest, "all arrives, and there is no output");
    }
}

fn server(at: u16) -> Peer {
    Peer::Server(CAST.index(at))
}
