//! The client and the servers of a session of RandHound as nodes of one kind, for the simulator.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    impl_machine,
    machine::{Cx, Step, Time},
};
use randhound::{Client, Message, Peer, Server, client, server};

/// A node of a session.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once, and never moved")]
pub enum Node {
    /// The one client.
    Client(Client),
    /// A server.
    Server(Server),
}

/// What a node is made of.
#[derive(Clone, Debug)]
pub enum Setup {
    /// The client.
    Client(client::Setup),
    /// A server.
    Server(server::Setup),
}

/// What a node must not forget.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[expect(clippy::large_enum_variant, reason = "few a session")]
pub enum Record {
    /// The client's.
    Client(client::Record),
    /// A server's.
    Server(server::Record),
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "told once a session")]
pub enum Event {
    /// The client.
    Client(client::Event),
    /// A server.
    Server(server::Event),
}

/// Why a command is turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client does.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// A server has no commands.
    #[error("a server takes no commands; give them to the client")]
    Server,
}

/// Why a node does not come to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The client does not.
    #[error(transparent)]
    Client(#[from] client::SetupError),
    /// A server does not.
    #[error(transparent)]
    Server(#[from] server::SetupError),
    /// A record is of the other kind of node.
    #[error("the records are of another node; restore each from its own journal")]
    Foreign,
}

/// The step of a node.
pub type NodeStep = Step<Message, Event, Record, Peer>;

impl Node {
    /// The node that wrote `records`, and the step that says again what it said last.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, NodeStep), SetupError> {
        let records = records.into_iter();
        match setup {
            Setup::Client(setup) => {
                let records = records.map(|record| match record {
                    Record::Client(record) => Ok(record),
                    Record::Server(_) => Err(SetupError::Foreign),
                });
                let records = records.collect::<Result<Vec<_>, _>>()?;
                let (client, step) = Client::restore(setup, records, cx)?;
                Ok((Self::Client(client), of_client(step)))
            }
            Setup::Server(setup) => {
                let records = records.map(|record| match record {
                    Record::Server(record) => Ok(record),
                    Record::Client(_) => Err(SetupError::Foreign),
                });
                let records = records.collect::<Result<Vec<_>, _>>()?;
                let (server, step) = Server::restore(setup, records, cx)?;
                Ok((Self::Server(server), of_server(step)))
            }
        }
    }

    /// Takes in what `from` said.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> NodeStep {
        match self {
            Self::Client(client) => of_client(client.handle_message(cx, from, message)),
            Self::Server(server) => of_server(server.handle_message(cx, from, message)),
        }
    }

    /// Has the client do something.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: client::Command,
    ) -> Result<NodeStep, Error> {
        match self {
            Self::Client(client) => Ok(of_client(client.handle_command(cx, command)?)),
            Self::Server(_) => Err(Error::Server),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> NodeStep {
        match self {
            Self::Client(client) => of_client(client.handle_timeout(cx)),
            Self::Server(server) => of_server(server.handle_timeout(cx)),
        }
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Client(client) => client.next_timeout(),
            Self::Server(server) => server.next_timeout(),
        }
    }
}

fn of_client(child: client::ClientStep) -> NodeStep {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, Record::Client);
    events.into_iter().fold(step, |step, event| step.event(Event::Client(event)))
}

fn of_server(child: server::ServerStep) -> NodeStep {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, Record::Server);
    events.into_iter().fold(step, |step, event| step.event(Event::Server(event)))
}

impl_machine! {
    Node {
        Peer = Peer, Message = Message, Command = client::Command, Event = Event,
        Record = Record, Error = Error
    }
    restore { Config = Setup, RestoreError = SetupError }
}

/// What a message is, for counting.
pub const fn label(message: &Message) -> &'static str {
    match message {
        Message::Invitation(_) => "I1",
        Message::Dealing(..) => "R1",
        Message::Choice(_) => "I2",
        Message::Ask(..) => "I2'",
        Message::Acknowledgement(_) => "R2",
        Message::Decision(_) => "I3",
        Message::Opened(_) => "R3",
        _ => "other",
    }
}
