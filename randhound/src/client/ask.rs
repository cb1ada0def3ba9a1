//! What a client asks, and whom.

use alloc::vec::Vec;

use cosi::machine::{Index, Step, To};

use super::{Client, ClientStep, Setup, State};
use crate::{
    message::{Ask, ByClient, Message},
    peer::Peer,
};

impl Client {
    /// Asks everyone who did not answer in this round trip.
    pub(super) fn ask(&self) -> ClientStep {
        let Setup { session, key, .. } = &self.setup;
        let mut step = Step::none();
        for (group, members) in session.groups().iter() {
            step = match &self.state {
                State::Idle | State::Over => step,
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
                State::Opening(plan, certificate, shares) => {
                    let Some(collect) = shares.get(group).filter(|shares| !shares.is_done()) else {
                        continue;
                    };
                    [true, false].into_iter().fold(step, |step, knows| {
                        let missing = |(position, server): (u16, Index)| {
                            let signed = certificate.signers().contains(server.get());
                            !collect.has(position) && signed == knows
                        };
                        send(step, members, missing, || {
                            Message::Decision(plan.decision(session, certificate, group, knows))
                        })
                    })
                }
            };
        }
        step
    }
}

/// Adds a message to those members of a group, with their positions, that satisfy the condition.
fn send(
    step: ClientStep,
    members: &[Index],
    condition: impl Fn((u16, Index)) -> bool,
    message: impl FnOnce() -> Message,
) -> ClientStep {
    let members = (0..).zip(members.iter().copied()).filter(|member| condition(*member));
    let servers: Vec<_> = members.map(|(_, server)| Peer::Server(server)).collect();
    if servers.is_empty() { step } else { step.send(To::Some(servers), message()) }
}
