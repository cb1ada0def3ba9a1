//! What a client asks, and whom.

use cosi::machine::{Index, Step, To};

use super::{Client, ClientStep, Setup, State};
use crate::{
    message::{Ask, ByClient, Message},
    opening::send,
    peer::Peer,
};

impl Client {
    /// Asks everyone who did not answer in this round trip.
    pub(super) fn ask(&self) -> ClientStep {
        let Setup { session, key, .. } = &self.setup;
        if let State::Opening(opening) = &self.state {
            return opening.ask(session);
        }
        let mut step = Step::none();
        for (group, members) in session.groups().iter() {
            step = match &self.state {
                State::Idle | State::Opening(_) | State::Over => step,
                State::Dealing(deals) => {
                    let Some(collect) = deals.get(group) else { continue };
                    let missing = |(_, server): (_, Index)| !collect.has(server.get());
                    send(step, members, missing, || {
                        let config = session.config().clone();
                        Message::Invitation(ByClient::new(key, config))
                    })
                }
                State::Choosing(plan, signatures) => {
                    let missing = members.iter().filter(|server| !signatures.contains_key(server));
                    missing.fold(step, |step, server| {
                        match plan.shown(group, *server, Ask::Single) {
                            Some(shown) => step.send(To::One(Peer::Server(*server)), shown),
                            None => step,
                        }
                    })
                }
            };
        }
        step
    }
}
