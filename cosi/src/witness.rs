//! A witness: one member as it runs, leading sessions of its own and cosigning those of others.
//!
//! A machine that owns a [`Leader`] and a [`Cosigner`] of the same member, and routes to them: the
//! one to put behind a network. Nothing is recorded: see the two.
//!
//! *Upon* a message that goes up to a session of its own: the leader takes it in. *Upon* any other:
//! the cosigner.
//!
//! ```
//! # use std::{collections::VecDeque, sync::Arc};
//! # use cosi::{Policy, keys::Seed, machine::{Cx, Time, To}, roster::{Member, Roster}};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use cosi::{cosigner, leader, witness::{Command, Config, Event, Witness}};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! # let keys = [1, 2, 3].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()));
//! # let roster = Roster::new(keys.each_ref().map(|key| Member::new(key, &mut rng)))?;
//! # let mut cx = Cx::new(Time::default(), &mut rng);
//! let mut witnesses = Vec::new();
//! for (me, key) in roster.indices().zip(keys) {
//!     let (witness, _) = Witness::restore(Config::new(roster.clone(), me, key), [], &mut cx)?;
//!     witnesses.push((me, witness));
//! }
//!
//! let (statement, policy) = (b"log head 42".to_vec(), Policy::Complete);
//! let command = Command::Lead(leader::Command::Announce { statement, policy });
//! let mut steps = VecDeque::from([(0, witnesses[0].1.handle_command(&mut cx, command)?)]);
//! let signature = 'signed: loop {
//!     let (at, step) = steps.pop_front().expect("somebody has something to say");
//!     let output = step.into_records().1.release();
//!     for event in output.events {
//!         match event {
//!             Event::Led(leader::Event::Signed { signature, .. }) => break 'signed signature,
//!             Event::Cosigned(cosigner::Event::Validate { digest, .. }) => {
//!                 // ... look at the statement, and say yes:
//!                 let verdict = cosigner::Command::Answered { digest, accept: true };
//!                 let step = witnesses[at].1.handle_command(&mut cx, Command::Cosign(verdict))?;
//!                 steps.push_back((at, step));
//!             }
//!             other => panic!("{other:?}"),
//!         }
//!     }
//!     let from = witnesses[at].0;
//!     for (to, message) in output.messages {
//!         for (other, (me, witness)) in witnesses.iter_mut().enumerate() {
//!             let is_addressed = match &to {
//!                 To::All => *me != from,
//!                 To::One(one) => one == me,
//!                 To::Some(some) => some.contains(me),
//!             };
//!             if is_addressed {
//!                 steps.push_back((other, witness.handle_message(&mut cx, from, message.clone())));
//!             }
//!         }
//!     }
//! };
//! signature.verify(&roster, b"log head 42", &Policy::Complete)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use crate::{
    cosigner::{self, Cosigner},
    impl_machine,
    keys::SigningKey,
    leader::{self, Leader},
    machine::{self, Cx, Fault, FaultKind, Index, Never, Time},
    message::{Message, Verified},
    roster::Roster,
};

/// What one input to a [`Witness`] brings about.
pub type Step = machine::Step<Message, Event, Never>;

/// How a member leads and cosigns.
#[derive(Clone, Debug)]
pub struct Config {
    /// How it leads.
    pub leader: leader::Config,
    /// How it cosigns: the same member, with the same key and in the same mode.
    pub cosigner: cosigner::Config,
}

impl Config {
    /// The defaults of both: the accountable mode over a star.
    pub fn new(roster: Roster, me: Index, key: Arc<SigningKey>) -> Self {
        let leader = leader::Config::new(roster.clone(), me, key.clone());
        Self { leader, cosigner: cosigner::Config::new(roster, me, key) }
    }
}

/// What the application asks of a [`Witness`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// For the sessions that it leads.
    Lead(leader::Command),
    /// For those that it cosigns.
    Cosign(cosigner::Command),
}

/// What a [`Witness`] tells its application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Of a session that it leads.
    Led(leader::Event),
    /// Of one that it cosigns.
    Cosigned(cosigner::Event),
}

/// The application asked for something that makes no sense now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Of the sessions that it leads.
    #[error(transparent)]
    Lead(#[from] leader::Error),
    /// Of those that it cosigns.
    #[error(transparent)]
    Cosign(#[from] cosigner::Error),
}

/// The configuration is not a member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The key is another's.
    #[error("the key is not that of the member; configure the member's own key")]
    NotTheMembersKey,
    /// The two halves are not of one member, roster or mode.
    #[error("leader and cosigner differ in roster, member or mode; configure both alike")]
    Differ,
}

/// A member that has statements signed, and signs what others lead.
#[derive(Debug)]
pub struct Witness {
    me: Index,
    leader: Leader,
    cosigner: Cosigner,
    /// At most one entry for each member and kind, and whether with evidence.
    blamed: BTreeMap<(Index, FaultKind), bool>,
}

impl_machine! {
    Witness {
        Peer = Index, Message = Message, Command = Command, Event = Event, Record = Never,
        Error = Error
    }
    restore { Config = Config, RestoreError = RestoreError }
}

impl Witness {
    /// A fresh witness: it has no records.
    pub fn restore(
        config: Config,
        _records: impl IntoIterator<Item = Never>,
        _cx: &mut Cx<'_>,
    ) -> Result<(Self, Step), RestoreError> {
        Ok((Self::new(config)?, Step::none()))
    }

    /// A witness that leads nothing and knows nothing yet.
    pub fn new(Config { leader, cosigner }: Config) -> Result<Self, RestoreError> {
        let alike = leader.roster.id() == cosigner.roster.id()
            && leader.me == cosigner.me
            && leader.mode == cosigner.mode;
        if !alike {
            return Err(RestoreError::Differ);
        }
        let me = leader.me;
        let leader = Leader::new(leader).map_err(|_| RestoreError::NotTheMembersKey)?;
        let cosigner = Cosigner::new(cosigner).map_err(|_| RestoreError::NotTheMembersKey)?;
        Ok(Self { me, leader, cosigner, blamed: BTreeMap::new() })
    }

    /// Does what the application asks, or says why that makes no sense.
    pub fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Error> {
        Ok(match command {
            Command::Lead(command) => {
                let child = self.leader.handle_command(cx, command)?;
                self.own(child, Event::Led)
            }
            Command::Cosign(command) => {
                let child = self.cosigner.handle_command(cx, command)?;
                self.own(child, Event::Cosigned)
            }
        })
    }

    /// Takes in what `from` said. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Index, message: Message) -> Step {
        if message.is_for_leader_at(self.me) {
            let child = self.leader.handle_message(cx, from, message);
            self.own(child, Event::Led)
        } else {
            let child = self.cosigner.handle_message(cx, from, message);
            self.own(child, Event::Cosigned)
        }
    }

    /// Takes in what was verified elsewhere, under this witness's roster.
    pub fn handle_verified(
        &mut self,
        cx: &mut Cx<'_>,
        from: Index,
        verified: Verified<Message>,
    ) -> Step {
        if verified.message.is_for_leader_at(self.me) {
            let child = self.leader.handle_verified(cx, from, verified);
            self.own(child, Event::Led)
        } else {
            let child = self.cosigner.handle_verified(cx, from, verified);
            self.own(child, Event::Cosigned)
        }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        let (led, cosigned) = (self.leader.handle_timeout(cx), self.cosigner.handle_timeout(cx));
        let step = self.own(led, Event::Led);
        step.and(self.own(cosigned, Event::Cosigned))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        [self.leader.next_timeout(), self.cosigner.next_timeout()].into_iter().flatten().min()
    }

    /// Takes over a half's step. What one half has blamed a member for, the other does not blame it
    /// for again, unless it can prove what the first could not.
    fn own<E>(&mut self, child: machine::Step<Message, E>, event: fn(E) -> Event) -> Step {
        let mut step = Step::none();
        let child = child.retain_faults(|Fault { culprit, kind, evidence }| {
            let proven = self.blamed.entry((*culprit, *kind));
            let is_new = matches!(proven, Entry::Vacant(_));
            let proven = proven.or_default();
            let says_more = is_new || (evidence.is_some() && !*proven);
            *proven |= evidence.is_some();
            says_more
        });
        let events = step.absorb(child, |message| message, |never| match never {});
        events.into_iter().map(event).fold(step, Step::event)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{keys::Seed, roster::Member, signature::Mode};

    #[test]
    fn both_halves_are_one_members() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let keys = [1, 2].map(|seed| Arc::new(Seed::from_bytes([seed; 32]).signing_key()));
        let [roster, other] = [0, 5].map(|weight| {
            let members = keys.each_ref().map(|key| Member::new(key, &mut rng));
            let weigh = |member: Member| Member { weight: member.weight + weight, ..member };
            Roster::new(members.map(weigh)).unwrap()
        });
        let [me, you] = [0, 1].map(|at| roster.index(at).unwrap());
        let config = Config::new(roster.clone(), me, keys[0].clone());
        assert!(Witness::new(config.clone()).is_ok());

        let leader = leader::Config { mode: Mode::Raw, ..config.leader.clone() };
        let mixed = Config { leader, ..config.clone() };
        assert_eq!(Witness::new(mixed).unwrap_err(), RestoreError::Differ);
        for cosigner in [
            cosigner::Config::new(roster.clone(), you, keys[1].clone()),
            cosigner::Config::new(other, me, keys[0].clone()),
        ] {
            let mixed = Config { cosigner, ..config.clone() };
            assert_eq!(Witness::new(mixed).unwrap_err(), RestoreError::Differ);
        }
        let stolen = Config::new(roster, you, keys[0].clone());
        assert_eq!(Witness::new(stolen).unwrap_err(), RestoreError::NotTheMembersKey);
    }
}
