//! A session's client, servers and rescuers as nodes of one kind, for [`cosi::sim`].
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use cosi::{keys::Seed, machine::{Fault, Time}, roster::{Member, Roster}};
//! use cosi::sim::{Application, Network, Simulation};
//! use pvss::{Scheme, ShareKeys, ShareSecret};
//! use randhound::{Committee, Peer, Session, Terms, client, server};
//! use randhound::{Randomness, sim::{Command, Error, Event, Node, Setup}};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//!
//! /// Keeps the output that the client tells.
//! #[derive(Debug, Default)]
//! struct Drawn(Option<Randomness>);
//!
//! impl Application<Node> for Drawn {
//!     fn on_event(&mut self, _: Peer, _: Time, event: Event, _: &mut Vec<Command>) {
//!         if let Event::Client(client::Event::Finished(output, _)) = event {
//!             self.0 = Some(output);
//!         }
//!     }
//!
//!     fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) {
//!         panic!("{fault:?}");
//!     }
//!
//!     fn on_error(&mut self, _: Peer, _: Time, error: Error) {
//!         panic!("{error}");
//!     }
//! }
//!
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! # let seeds = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]));
//! # let keys = seeds.each_ref().map(Seed::signing_key);
//! # let secrets = seeds.map(|seed| Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss)));
//! # let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! # let shares: Vec<_> = keys.iter().zip(&secrets)
//! #     .map(|(key, secret)| (*key.public(), secret.register(key.public(), &mut rng)))
//! #     .collect();
//! # let committee = Committee::new(roster.clone(), ShareKeys::new(Scheme::Dhpvss, shares)?)?;
//! # let key = Seed::from_bytes([9; 32]).signing_key();
//! # let (purpose, slot, attempt, client) = ([0; 32], 1, 0, key.public().to_bytes());
//! # let terms = Terms { purpose, slot, attempt, client, group_size: 4, prior: [5; 32] };
//! # let session = Session::new(committee, &terms)?;
//! # let second = Duration::from_secs(1);
//! let mut simulation = Simulation::new(Network::default(), Drawn::default());
//! let (retry, grace, patience, rounds) = (second, second / 5, second, 2);
//! let client = client::Setup { session: session.clone(), key, retry, grace, patience, rounds };
//! simulation.add(Peer::Client, Setup::Client(client));
//! for (index, (key, secret)) in roster.indices().zip(keys.into_iter().zip(secrets)) {
//!     let server = server::Setup { session: session.clone(), index, key, secret, void: None };
//!     simulation.add(Peer::Server(index), Setup::Server(server));
//! }
//! simulation.command(Time::default(), Peer::Client, Command::Client(client::Command::Start));
//! simulation.run_until(Time::at(10 * second), |_| false)?;
//! assert!(simulation.application().0.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    impl_machine,
    machine::{Cx, Never, Step, Time},
};

use crate::{Client, Message, Peer, Rescuer, Server, client, rescuer, server};

/// A client, a server, or a rescuer.
#[derive(Debug)]
pub enum Node {
    /// The client.
    Client(Client),
    /// A server.
    Server(Server),
    /// A rescuer.
    Rescuer(Rescuer),
}

/// What a node is made of.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "few of them, and never moved in bulk")]
pub enum Setup {
    /// A client is.
    Client(client::Setup),
    /// A server is.
    Server(server::Setup),
    /// A rescuer is.
    Rescuer(rescuer::Setup),
}

/// What the application asks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Of the client.
    Client(client::Command),
    /// Of a rescuer.
    Rescuer(rescuer::Command),
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client tells.
    Client(client::Event),
    /// A server tells.
    Server(server::Event),
    /// A rescuer tells.
    Rescuer(rescuer::Event),
}

/// What a node must not forget. A rescuer may forget everything.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[expect(clippy::large_enum_variant, reason = "three a session")]
pub enum Record {
    /// The client must not.
    Client(client::Record),
    /// A server must not.
    Server(server::Record),
}

/// Why a command is turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// By the client.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// By a rescuer.
    #[error(transparent)]
    Rescuer(#[from] rescuer::Error),
    /// The node is none that takes this command.
    #[error("the command is for a node of another kind; give it to that")]
    Role,
}

/// Why a node does not come to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A client.
    #[error(transparent)]
    Client(#[from] client::SetupError),
    /// A server.
    #[error(transparent)]
    Server(#[from] server::SetupError),
    /// The journal is of a node of another kind.
    #[error("a record is of a node of another kind; restore each node from its own journal")]
    Role,
}

/// The step of a node.
pub type NodeStep = Step<Message, Event, Record, Peer>;

fn own<E, R>(
    child: Step<Message, E, R, Peer>,
    event: fn(E) -> Event,
    record: fn(R) -> Record,
) -> NodeStep {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, record);
    events.into_iter().map(event).fold(step, Step::event)
}

fn of_client(child: client::ClientStep) -> NodeStep {
    own(child, Event::Client, Record::Client)
}

fn of_server(child: server::ServerStep) -> NodeStep {
    own(child, Event::Server, Record::Server)
}

fn of_rescuer(child: rescuer::RescuerStep) -> NodeStep {
    own(child, Event::Rescuer, |never: Never| match never {})
}

impl Node {
    /// The node that wrote `records`.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, NodeStep), SetupError> {
        let records = records.into_iter();
        Ok(match setup {
            Setup::Client(setup) => {
                let own = |record| match record {
                    Record::Client(record) => Ok(record),
                    Record::Server(_) => Err(SetupError::Role),
                };
                let records = records.map(own).collect::<Result<Vec<_>, _>>()?;
                let (client, step) = Client::restore(setup, records, cx)?;
                (Self::Client(client), of_client(step))
            }
            Setup::Server(setup) => {
                let own = |record| match record {
                    Record::Server(record) => Ok(record),
                    Record::Client(_) => Err(SetupError::Role),
                };
                let records = records.map(own).collect::<Result<Vec<_>, _>>()?;
                let (server, step) = Server::restore(setup, records, cx)?;
                (Self::Server(server), of_server(step))
            }
            Setup::Rescuer(setup) => {
                if records.count() > 0 {
                    return Err(SetupError::Role);
                }
                (Self::Rescuer(Rescuer::new(setup)), Step::none())
            }
        })
    }

    /// Takes in what `from` said.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> NodeStep {
        match self {
            Self::Client(client) => of_client(client.handle_message(cx, from, message)),
            Self::Server(server) => of_server(server.handle_message(cx, from, message)),
            Self::Rescuer(rescuer) => of_rescuer(rescuer.handle_message(cx, from, message)),
        }
    }

    /// Does what the application asks.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<NodeStep, Error> {
        match (self, command) {
            (Self::Client(client), Command::Client(command)) => {
                Ok(of_client(client.handle_command(cx, command)?))
            }
            (Self::Rescuer(rescuer), Command::Rescuer(command)) => {
                Ok(of_rescuer(rescuer.handle_command(cx, command)?))
            }
            (Self::Server(_), _)
            | (Self::Client(_), Command::Rescuer(_))
            | (Self::Rescuer(_), Command::Client(_)) => Err(Error::Role),
        }
    }

    /// Acts on the time in `cx`.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> NodeStep {
        match self {
            Self::Client(client) => of_client(client.handle_timeout(cx)),
            Self::Server(server) => of_server(server.handle_timeout(cx)),
            Self::Rescuer(rescuer) => of_rescuer(rescuer.handle_timeout(cx)),
        }
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Client(client) => client.next_timeout(),
            Self::Server(server) => server.next_timeout(),
            Self::Rescuer(rescuer) => rescuer.next_timeout(),
        }
    }
}

impl_machine! {
    Node {
        Peer = Peer, Message = Message, Command = Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Setup, RestoreError = SetupError }
}
