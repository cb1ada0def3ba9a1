use core::convert::Infallible;
use cosi::{machine::*, sim::Application};

/// Greets everyone when told to, and reports who greets it.
pub struct Greeter;

type Step = cosi::machine::Step<String, u8, (), u8>;

impl Greeter {
    fn handle_message(&mut self, _: &mut Cx<'_>, from: u8, _: String) -> Step {
        Step::none().event(from)
    }

    fn handle_command(&mut self, _: &mut Cx<'_>, name: String) -> Result<Step, Infallible> {
        Ok(Step::none().send(To::All, name))
    }

    fn handle_timeout(&mut self, _: &mut Cx<'_>) -> Step {
        Step::none()
    }

    fn next_timeout(&self) -> Option<Time> {
        None
    }

    fn restore(
        _: (),
        _: impl IntoIterator<Item = ()>,
        _: &mut Cx<'_>,
    ) -> Result<(Self, Step), Infallible> {
        Ok((Self, Step::none()))
    }
}

cosi::impl_machine! {
    Greeter { Peer = u8, Message = String, Command = String, Event = u8, Record = (), Error = Infallible }
    restore { Config = (), RestoreError = Infallible }
}

/// Who heard whom, and when.
#[derive(Default)]
pub struct Guestbook(pub Vec<(u8, Time, u8)>);

impl Application<Greeter> for Guestbook {
    fn on_event(&mut self, peer: u8, now: Time, from: u8, _: &mut Vec<String>) {
        self.0.push((peer, now, from));
    }

    fn on_fault(&mut self, _: u8, _: Time, _: Fault<u8>) {}

    fn on_error(&mut self, _: u8, _: Time, _: Infallible) {}
}
