//! A machine with a bit of everything: it says words, keeps what it said, and rings when told to.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    impl_machine,
    machine::{self, Cx, Fault, FaultKind, Time, To},
};

pub(crate) type Step = machine::Step<u64, Event, u64, u8>;

/// A word that nobody may say.
pub(crate) const RUDE: u64 = 0;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Keeps a word, and says it to everyone.
    Say(u64),
    /// Rings in a while.
    Wake(Duration),
    /// Tells that many times.
    Tell(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Heard { from: u8, word: u64 },
    Rang { at: Time },
    Told(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Said,
    Asleep,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

#[derive(Debug, Default)]
pub(crate) struct Ringer {
    said: BTreeSet<u64>,
    wake: Option<Time>,
}

impl Ringer {
    fn handle_message(&mut self, _: &mut Cx<'_>, from: u8, word: u64) -> Step {
        if word == RUDE {
            let fault = Fault { culprit: from, kind: FaultKind::WrongRole, evidence: None };
            return Step::none().fault(fault);
        }
        Step::none().event(Event::Heard { from, word })
    }

    fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Refused> {
        match command {
            Command::Say(word) if !self.said.insert(word) => Err(Refused::Said),
            Command::Say(word) => Ok(Step::none().record(word).send(To::All, word)),
            Command::Wake(_) if self.wake.is_some() => Err(Refused::Asleep),
            Command::Wake(after) => {
                self.wake = Some(cx.now().after(after));
                Ok(Step::none())
            }
            Command::Tell(times) => {
                Ok((0..times).fold(Step::none(), |step, at| step.event(Event::Told(at))))
            }
        }
    }

    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        if self.wake.is_none_or(|wake| wake > cx.now()) {
            return Step::none();
        }
        self.wake = None;
        Step::none().event(Event::Rang { at: cx.now() })
    }

    fn next_timeout(&self) -> Option<Time> {
        self.wake
    }

    /// Says again, and tells, what it said.
    pub(crate) fn restore(
        (): (),
        records: impl IntoIterator<Item = u64>,
        _: &mut Cx<'_>,
    ) -> Result<(Self, Step), Refused> {
        let said = BTreeSet::from_iter(records);
        let step = said
            .iter()
            .fold(Step::none(), |step, &word| step.send(To::All, word).event(Event::Told(word)));
        Ok((Self { said, wake: None }, step))
    }
}

impl_machine! {
    Ringer { Peer = u8, Message = u64, Command = Command, Event = Event, Record = u64, Error = Refused }
    restore { Config = (), RestoreError = Refused }
}
