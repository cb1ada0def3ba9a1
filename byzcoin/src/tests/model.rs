//! Votes without keys: a signature is its signer and the statement, a certificate a set of them.
//!
//! What a member may sign is for the [world](super::world) to see to.

use alloc::collections::{BTreeMap, BTreeSet};
use core::convert::Infallible;
use std::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    keys,
    machine::{Cx, Index, Machine, StepOf, Time, To},
    mask::Mask,
    roster::Roster,
    wire::BoundedVec,
};

use crate::{
    statement::Statement,
    votes::{Command, Event, Votes},
};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub(crate) struct Sig {
    pub(crate) signer: u16,
    pub(crate) statement: Statement,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub(crate) struct Cert(pub(crate) BoundedVec<u16, 64>, pub(crate) Statement);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ModelVotes {
    roster: Roster,
    me: Index,
    open: BTreeMap<Statement, BTreeSet<u16>>,
    done: BTreeSet<Statement>,
}

impl ModelVotes {
    fn count(&mut self, sig: Sig) -> StepOf<Self> {
        let Some(votes) = self.open.get_mut(&sig.statement) else { return StepOf::<Self>::none() };
        votes.insert(sig.signer);
        let weight = self.roster.weight_of(&Mask::of(self.roster.size(), votes.iter().copied()));
        if weight < self.roster.quorum() || !self.done.insert(sig.statement) {
            return StepOf::<Self>::none();
        }
        let voters = BoundedVec::new(votes.iter().copied().collect::<Vec<_>>()).unwrap();
        let (statement, certificate) = (sig.statement, Cert(voters, sig.statement));
        StepOf::<Self>::none().event(Event::Certified { statement, certificate })
    }
}

impl Machine for ModelVotes {
    type Peer = Index;
    type Message = Sig;
    type Command = Command;
    type Event = Event<Cert>;
    type Record = Infallible;
    type Error = Infallible;

    fn handle_message(&mut self, _: &mut Cx<'_>, from: Index, sig: Sig) -> StepOf<Self> {
        if sig.signer == from.get() { self.count(sig) } else { StepOf::<Self>::none() }
    }

    fn handle_command(&mut self, _: &mut Cx<'_>, c: Command) -> Result<StepOf<Self>, Infallible> {
        Ok(match c {
            Command::Open { statement } => {
                self.open.entry(statement).or_default();
                StepOf::<Self>::none()
            }
            Command::Vote { statement, leader } => {
                let sig = Sig { signer: self.me.get(), statement };
                if leader == self.me {
                    self.count(sig)
                } else {
                    StepOf::<Self>::none().send(To::One(leader), sig)
                }
            }
            Command::Drop { before } => {
                self.open.retain(|statement, _| (statement.height, statement.view) >= before);
                self.done.retain(|statement| (statement.height, statement.view) >= before);
                StepOf::<Self>::none()
            }
        })
    }

    fn handle_timeout(&mut self, _: &mut Cx<'_>) -> StepOf<Self> {
        StepOf::<Self>::none()
    }

    fn next_timeout(&self) -> Option<Time> {
        None
    }
}

impl Votes for ModelVotes {
    type Config = ();
    type Signature = Sig;
    type Certificate = Cert;

    fn new(_: (), roster: &Roster, me: Index) -> Option<Self> {
        Some(Self { roster: roster.clone(), me, open: BTreeMap::new(), done: BTreeSet::new() })
    }

    fn sign(&self, statement: &Statement) -> Sig {
        Sig { signer: self.me.get(), statement: *statement }
    }

    fn verify_signature(_: &Roster, signer: Index, statement: &Statement, sig: &Sig) -> bool {
        sig.signer == signer.get() && sig.statement == *statement
    }

    fn verify_certificate(roster: &Roster, statement: &Statement, certificate: &Cert) -> bool {
        let voters = BTreeSet::from_iter(certificate.0.iter().copied());
        let weight = roster.weight_of(&Mask::of(roster.size(), voters));
        certificate.1 == *statement && weight >= roster.quorum()
    }

    fn plain(_: &Sig) -> Option<keys::Signature> {
        None
    }
}
