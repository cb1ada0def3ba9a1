//! Whatever runs in a process of its own: a validator, or a wallet.

use cosi::{
    impl_machine,
    machine::{self, Cx, Step as StepOf, Time},
};
use omniledger::{Message, Peer, Validator, Wallet, validator, wallet};

/// A node of the network.
#[derive(Debug)]
pub(crate) enum Node {
    Validator(Box<Validator>),
    Wallet(Box<Wallet>),
}

/// How a node is set up.
#[derive(Clone, Debug)]
pub(crate) enum Config {
    Validator(Box<validator::Config>),
    Wallet(wallet::Config),
}

/// What a node tells.
#[derive(Debug)]
pub(crate) enum Event {
    Validator(validator::Event),
    Wallet(wallet::Event),
}

/// What a node must not forget.
#[derive(Debug, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub(crate) enum Record {
    Validator(Box<validator::Record>),
    Wallet(wallet::Record),
}

/// Why a node refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    #[error("a validator takes no payments; pay with a wallet")]
    NoWallet,
}

/// Why a node does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Validator(#[from] validator::RestoreError),
    #[error(transparent)]
    Wallet(#[from] wallet::RestoreError),
    #[error("the journal is one of another kind of node")]
    Kind,
}

type Step = machine::Step<Message, Event, Record, Peer>;

impl_machine! {
    Node {
        Peer = Peer, Message = Message, Command = wallet::Command, Event = Event, Record = Record,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Node {
    fn restore(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        match config {
            Config::Validator(config) => {
                let records = records.into_iter().map(|record| match record {
                    Record::Validator(record) => Ok(*record),
                    Record::Wallet(_) => Err(RestoreError::Kind),
                });
                let records: Vec<_> = records.collect::<Result<_, _>>()?;
                let (validator, step) = Validator::restore(*config, records, cx)?;
                Ok((Self::Validator(Box::new(validator)), of_validator(step)))
            }
            Config::Wallet(config) => {
                let records = records.into_iter().map(|record| match record {
                    Record::Wallet(record) => Ok(record),
                    Record::Validator(_) => Err(RestoreError::Kind),
                });
                let records: Vec<_> = records.collect::<Result<_, _>>()?;
                let (wallet, step) = Wallet::restore(config, records, cx)?;
                Ok((Self::Wallet(Box::new(wallet)), of_wallet(step)))
            }
        }
    }

    fn handle_message(&mut self, cx: &mut Cx<'_>, from: Peer, message: Message) -> Step {
        match self {
            Self::Validator(node) => of_validator(node.handle_message(cx, from, message)),
            Self::Wallet(node) => of_wallet(node.handle_message(cx, from, message)),
        }
    }

    fn handle_command(&mut self, cx: &mut Cx<'_>, command: wallet::Command) -> Result<Step, Error> {
        match self {
            Self::Validator(_) => Err(Error::NoWallet),
            Self::Wallet(node) => Ok(of_wallet(node.handle_command(cx, command)?)),
        }
    }

    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        match self {
            Self::Validator(node) => of_validator(node.handle_timeout(cx)),
            Self::Wallet(node) => of_wallet(node.handle_timeout(cx)),
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Validator(node) => node.next_timeout(),
            Self::Wallet(node) => node.next_timeout(),
        }
    }
}

fn of_validator(step: validator::Step) -> Step {
    wrap(step, Event::Validator, |record| Record::Validator(Box::new(record)))
}

fn of_wallet(step: wallet::Step) -> Step {
    wrap(step, Event::Wallet, Record::Wallet)
}

fn wrap<E, R>(
    child: StepOf<Message, E, R, Peer>,
    event: impl Fn(E) -> Event,
    record: impl Fn(R) -> Record,
) -> Step {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, record);
    events.into_iter().map(event).fold(step, Step::event)
}
