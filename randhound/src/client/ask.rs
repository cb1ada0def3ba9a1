//! What a client asks, and whom.

use cosi::machine::{Index, Step, To};

use super::{Client, ClientStep, Setup, State, acknowledging::Acknowledging, plan::Plan};
use crate::{
    message::{ByClient, Message},
    opening::send,
    peer::Peer,
};

impl Client {
    /// Asks at the beginning of a round trip, or of another form of acknowledging.
    pub(super) fn ask(&self) -> ClientStep {
        match &self.state {
            State::Opening(opening) => opening.show(self.session()),
            State::Idle | State::Dealing(_) | State::Acknowledging(..) | State::Over => {
                self.ask_again()
            }
        }
    }

    /// Asks everyone who did not answer in this round trip.
    pub(super) fn ask_again(&self) -> ClientStep {
        let Setup { session, key, .. } = &self.setup;
        if let State::Opening(opening) = &self.state {
            return opening.ask(session);
        }
        let mut step = Step::none();
        for (group, members) in session.groups().iter() {
            step = match &self.state {
                State::Idle | State::Opening(_) | State::Over => step,
                State::Dealing(invited) => {
                    let Some(collect) = invited.deals.get(group) else { continue };
                    let missing = |(_, server): (_, Index)| !collect.has(server.get());
                    send(step, members, missing, || {
                        let config = session.config().clone();
                        Message::Invitation(ByClient::new(key, config))
                    })
                }
                State::Acknowledging(plan, words) => {
                    let question = |server| Some((server, question(plan, words, group, server)?));
                    let questions = members.iter().copied().filter_map(question);
                    questions.fold(step, |step, (server, question)| {
                        step.send(To::One(Peer::Server(server)), question)
                    })
                }
            };
        }
        step
    }
}

/// I2 for a server of a group, or I2′ for one that has the statement. `None`: it has answered.
fn question(plan: &Plan, words: &Acknowledging, group: u16, server: Index) -> Option<Message> {
    let ask = words.ask(server)?;
    if words.is_aware(server) {
        return Some(Message::Ask(plan.checked.id, ask));
    }
    plan.shown(group, server, ask)
}
