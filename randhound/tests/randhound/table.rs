//! A session by hand: the test carries every message, and restarts whom it likes.

use std::time::Duration;

use cosi::{
    Certificate,
    machine::{Cx, Fault, FaultKind, Time, To},
};
use randhound::{
    Client, Message, Peer, Server, client,
    message::{Acknowledgement, Ask, Word},
    server,
};

use crate::common::{World, rng};

/// Client and servers, what they stored, and whom they blamed.
pub(crate) struct Table<'a> {
    pub(crate) world: &'a World,
    pub(crate) now: Time,
    pub(crate) client: Client,
    pub(crate) servers: Vec<Server>,
    pub(crate) records: Vec<client::Record>,
    pub(crate) journals: Vec<Vec<server::Record>>,
    pub(crate) faults: Vec<Fault<Peer>>,
    pub(crate) events: Vec<client::Event>,
    turns: u64,
}

/// What the client says, by receiver.
pub(crate) type Asked = Vec<(u16, Message)>;

impl<'a> Table<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let all = 0..u16::try_from(world.keys.len()).unwrap();
        Self {
            world,
            now: Time::default(),
            client: world.client(),
            servers: all.clone().map(|at| world.server(at)).collect(),
            records: Vec::new(),
            journals: all.map(|_| Vec::new()).collect(),
            faults: Vec::new(),
            events: Vec::new(),
            turns: 0,
        }
    }

    /// Runs a machine, from entropy that no other turn has.
    fn turn<T>(&mut self, act: impl FnOnce(&mut Self, &mut Cx<'_>) -> T) -> T {
        self.turns += 1;
        let mut rng = rng(self.turns);
        act(self, &mut Cx::new(self.now, &mut rng))
    }

    fn said(&mut self, step: client::ClientStep) -> Asked {
        let (records, held) = step.into_records();
        self.records.extend(records);
        let output = held.release();
        self.faults.extend(output.faults);
        self.events.extend(output.events);
        let mut asked = Vec::new();
        for (to, message) in output.messages {
            for peer in peers(to) {
                let Peer::Server(index) = peer else { panic!("{peer:?}") };
                asked.push((index.get(), message.clone()));
            }
        }
        asked
    }

    pub(crate) fn start(&mut self) -> Asked {
        let step =
            self.turn(|table, cx| table.client.handle_command(cx, client::Command::Start).unwrap());
        self.said(step)
    }

    /// Hands the client a message.
    pub(crate) fn hear(&mut self, from: u16, message: Message) -> Asked {
        let peer = Peer::Server(self.world.index(from));
        let step = self.turn(|table, cx| table.client.handle_message(cx, peer, message));
        self.said(step)
    }

    /// Lets time pass, up to the client's next deadline.
    pub(crate) fn wait(&mut self) -> Asked {
        self.now = self.client.next_timeout().unwrap();
        let step = self.turn(|table, cx| table.client.handle_timeout(cx));
        self.said(step)
    }

    /// Hands a server a message, and returns what it says.
    pub(crate) fn tell(&mut self, from: Peer, to: u16, message: Message) -> Vec<(Peer, Message)> {
        let at = usize::from(to);
        let step = self.turn(|table, cx| table.servers[at].handle_message(cx, from, message));
        let (records, held) = step.into_records();
        self.journals[at].extend(records);
        let output = held.release();
        self.faults.extend(output.faults);
        let messages = output.messages.into_iter();
        messages
            .flat_map(|(to, said)| peers(to).into_iter().map(move |to| (to, said.clone())))
            .collect()
    }

    /// What a server says to the client, asked by it.
    pub(crate) fn reply(&mut self, to: u16, message: Message) -> Message {
        let said = self.tell(Peer::Client, to, message);
        let (_, reply) = said.into_iter().find(|(to, _)| *to == Peer::Client).unwrap();
        reply
    }

    /// Carries all of this to the servers, and what they reply to the client, unless `keep`
    /// withholds it. Returns what the client says then.
    pub(crate) fn carry(
        &mut self,
        asked: Asked,
        mut keep: impl FnMut(u16, Message) -> Option<Message>,
    ) -> Asked {
        let mut replies = Vec::new();
        for (to, message) in asked {
            let said = self.tell(Peer::Client, to, message);
            let said = said.into_iter().filter(|(to, _)| *to == Peer::Client);
            replies.extend(said.filter_map(|(_, reply)| Some((to, keep(to, reply)?))));
        }
        replies.into_iter().flat_map(|(from, reply)| self.hear(from, reply)).collect()
    }

    /// Carries it all.
    pub(crate) fn deliver(&mut self, asked: Asked) -> Asked {
        self.carry(asked, |_, message| Some(message))
    }

    /// Crashes the client, and starts it from its records.
    pub(crate) fn restart_client(&mut self) -> Asked {
        let (setup, records) = (self.world.client_setup(), self.records.clone());
        let step = self.turn(|table, cx| {
            let (client, step) = Client::restore(setup, records, cx).unwrap();
            table.client = client;
            step
        });
        self.said(step)
    }

    /// Crashes a server, and starts it from its records. What it says then is lost.
    pub(crate) fn restart_server(&mut self, at: u16) {
        let (setup, at) = (self.world.server_setup(at), usize::from(at));
        let records = self.journals[at].clone();
        self.turn(|table, cx| table.servers[at] = Server::restore(setup, records, cx).unwrap().0);
    }

    /// Whom the client or a server blamed, and why.
    pub(crate) fn blamed(&self) -> Vec<(Peer, FaultKind)> {
        self.faults.iter().map(|fault| (fault.culprit, fault.kind)).collect()
    }

    /// The certificate that the client recorded.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.records.iter().find_map(|record| {
            let client::Record::Certified(certificate) = record else { return None };
            Some(certificate.clone())
        })
    }
}

fn peers(to: To<Peer>) -> Vec<Peer> {
    match to {
        To::One(peer) => vec![peer],
        To::Some(peers) => peers,
        To::All => panic!("nobody speaks to all"),
    }
}

/// How the receiver is to acknowledge.
pub(crate) fn ask(message: &Message) -> &Ask {
    match message {
        Message::Choice(shown) => &shown.ask,
        Message::Ask(_, ask) => ask,
        other => panic!("{other:?}"),
    }
}

/// Who is asked for a part, in the round that all of them name, and who for a signature.
pub(crate) fn asked(messages: &[(u16, Message)]) -> (Option<u8>, Vec<u16>, Vec<u16>) {
    let (mut rounds, mut parts, mut singles) = (Vec::new(), Vec::new(), Vec::new());
    for (to, message) in messages {
        match ask(message) {
            Ask::Single => singles.push(*to),
            Ask::Part { attempt, .. } => {
                rounds.push(*attempt);
                parts.push(*to);
            }
        }
    }
    parts.sort_unstable();
    singles.sort_unstable();
    rounds.dedup();
    assert!(rounds.len() <= 1, "{rounds:?}");
    (rounds.pop(), parts, singles)
}

/// Changes the part in an acknowledgement, if there is one.
pub(crate) fn wrong_part(message: Message) -> Message {
    let Message::Acknowledgement(Acknowledgement { statement, word }) = message else {
        return message;
    };
    let word = match word {
        Word::Part { attempt, mut response, ahead } => {
            response[0] ^= 1;
            Word::Part { attempt, response, ahead }
        }
        other => other,
    };
    Message::Acknowledgement(Acknowledgement { statement, word })
}

/// After one retry, in which nothing comes.
pub(crate) const RETRY: Duration = Duration::from_millis(400);
