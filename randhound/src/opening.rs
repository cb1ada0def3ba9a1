//! Opening a decided choice: asking every server for its share, until the output is recovered.

use alloc::vec::Vec;

use cosi::{
    Certificate,
    machine::{Index, Step, To},
    mask::Mask,
};

use crate::{
    choice::Checked,
    message::{Deals, Decision, Message, Opened},
    peer::{Culprit, Peer},
    session::Session,
    shares::Shares,
    transcript::{Randomness, Transcript},
};

/// A choice that holds and is decided, and the shares that came of it.
#[derive(Debug)]
pub(crate) struct Opening {
    checked: Checked,
    certificate: Certificate,
    shares: Shares,
}

impl Opening {
    pub(crate) fn new(session: &Session, checked: Checked, certificate: Certificate) -> Self {
        Self { checked, certificate, shares: Shares::new(session) }
    }

    /// Takes in what `from` opened, and names who opened badly.
    pub(crate) fn insert(
        &mut self,
        session: &Session,
        from: Index,
        opened: Opened,
    ) -> Vec<Culprit> {
        self.shares.insert(session, &self.checked, from, opened)
    }

    /// Shows the decision: a short certificate to all, a long one to one server a group, who relays
    /// it to the others.
    pub(crate) fn show<E, R>(&self, session: &Session) -> Step<Message, E, R, Peer> {
        if matches!(self.certificate, Certificate::Collective(_)) {
            return self.ask(session);
        }
        let signers = self.certificate.signers();
        session.groups().iter().fold(Step::none(), |step, (group, members)| {
            let Some(relay) = relay(members, signers) else { return step };
            let decision = self.decision(session, group, signers.contains(relay.get()));
            step.send(To::One(Peer::Server(relay)), Message::Decision(decision))
        })
    }

    /// Asks whoever's share is missing, in groups that have too few. Who signed the statement has
    /// its group's deals, and the others are given them.
    pub(crate) fn ask<E, R>(&self, session: &Session) -> Step<Message, E, R, Peer> {
        let signers = self.certificate.signers();
        session.groups().iter().fold(Step::none(), |step, (group, members)| {
            let Some(collect) = self.shares.get(group).filter(|shares| !shares.is_done()) else {
                return step;
            };
            [true, false].into_iter().fold(step, |step, knows| {
                let missing = |(position, server): (u16, Index)| {
                    !collect.has(position) && signers.contains(server.get()) == knows
                };
                send(step, members, missing, || {
                    Message::Decision(self.decision(session, group, knows))
                })
            })
        })
    }

    /// I3 for those of a group that know its deals, or for the others.
    fn decision(&self, session: &Session, group: u16, knows: bool) -> Decision {
        let deals = self.checked.choice.deals.get(usize::from(group)).filter(|_| !knows);
        Decision {
            config: session.config().clone(),
            statement: self.checked.choice.statement.clone(),
            certificate: self.certificate.clone(),
            deals: deals.map_or_else(Deals::default, Clone::clone),
        }
    }

    /// The output and its transcript, once every group has enough shares.
    pub(crate) fn finish(&self, session: &Session) -> Option<(Randomness, Transcript)> {
        if !self.shares.is_done() {
            return None;
        }
        let (output, groups) = self.shares.recover(session, &self.checked)?;
        let (config, certificate) = (session.config().clone(), self.certificate.clone());
        let statement = self.checked.choice.statement.clone();
        Some((output, Transcript { config, statement, certificate, groups }))
    }

    /// Verifies every share, and names who opened badly.
    pub(crate) fn check(&mut self, session: &Session) -> Vec<Culprit> {
        self.shares.check(session, &self.checked)
    }

    /// The first group that has too few shares, with how many it has and how many it needs.
    pub(crate) fn short(&self) -> Option<(u16, usize, usize)> {
        self.shares.short()
    }
}

/// Who alone passes a long certificate on in a group: the first that signed, or the first. Were it
/// whoever is shown one, a client that shows it to all would have each send it to each.
pub(crate) fn relay(members: &[Index], signers: &Mask) -> Option<Index> {
    let signed = members.iter().find(|member| signers.contains(member.get()));
    signed.or_else(|| members.first()).copied()
}

/// Adds a message to those members of a group, with their positions, that satisfy the condition.
pub(crate) fn send<E, R>(
    step: Step<Message, E, R, Peer>,
    members: &[Index],
    condition: impl Fn((u16, Index)) -> bool,
    message: impl FnOnce() -> Message,
) -> Step<Message, E, R, Peer> {
    let members = (0..).zip(members.iter().copied()).filter(|member| condition(*member));
    let servers: Vec<_> = members.map(|(_, server)| Peer::Server(server)).collect();
    if servers.is_empty() { step } else { step.send(To::Some(servers), message()) }
}
