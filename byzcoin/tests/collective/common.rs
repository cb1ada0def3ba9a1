//! Votes without replicas: a network that delivers in order, and what a test lets through.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use byzcoin::{
    Height, Kind, Scope, Statement, View, Votes, evidence,
    votes::{Command, Config, CosiVotes, Event, Message, Single, Timing},
};
use cosi::{
    Certificate, Policy, Statement as _, blame, certificate,
    keys::{Seed, SigningKey},
    machine::{Cx, Fault, Index, StepOf, Time, To},
    roster::{Member, Roster},
    wire::Wire,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) const H: Height = Height::FIRST;
pub(crate) const V0: View = View::ZERO;

pub(crate) fn key(member: u16) -> Arc<SigningKey> {
    let mut seed = [3; 32];
    seed[..2].copy_from_slice(&member.to_le_bytes());
    Arc::new(Seed::from_bytes(seed).signing_key())
}

pub(crate) fn roster(size: u16) -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    Roster::new((0..size).map(|at| Member::new(&key(at), &mut rng))).unwrap()
}

/// Whom the evidence convicts, by either crate's rule.
pub(crate) fn convicted(fault: &Fault<Index>, roster: &Roster) -> Option<Index> {
    let evidence = fault.evidence.as_ref()?;
    blame::verify(evidence, roster).or_else(|| evidence::verify(evidence, roster))
}

pub(crate) struct Net {
    pub(crate) roster: Roster,
    pub(crate) members: Vec<CosiVotes>,
    pub(crate) now: Time,
    pub(crate) rng: ChaCha20Rng,
    queue: VecDeque<(u16, u16, Message)>,
    /// Everything that was ever sent: from, to.
    pub(crate) log: Vec<(u16, u16, Message)>,
    pub(crate) certified: Vec<(u16, Statement, Certificate)>,
    pub(crate) faults: Vec<(u16, Fault<Index>)>,
    timing: Timing,
}

impl Net {
    pub(crate) fn new(size: u16) -> Self {
        Self::with(size, Timing::default())
    }

    pub(crate) fn with(size: u16, timing: Timing) -> Self {
        let mut net = Self {
            roster: roster(size),
            members: vec![],
            now: Time::at(Duration::from_secs(1)),
            rng: ChaCha20Rng::seed_from_u64(7),
            queue: VecDeque::new(),
            log: vec![],
            certified: vec![],
            faults: vec![],
            timing,
        };
        net.members = (0..size).map(|at| net.fresh(at)).collect();
        net
    }

    fn fresh(&self, at: u16) -> CosiVotes {
        let config = Config { key: key(at), timing: self.timing };
        CosiVotes::new(config, &self.roster, self.index(at)).unwrap()
    }

    /// Nothing of a member's votes outlives a crash.
    pub(crate) fn crash(&mut self, at: u16) {
        self.members[usize::from(at)] = self.fresh(at);
    }

    pub(crate) fn index(&self, at: u16) -> Index {
        self.roster.index(at).unwrap()
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope { chain: [1; 32], epoch: 2, roster: self.roster.id() }
    }

    pub(crate) fn prepare(&self, digest: u8) -> Statement {
        self.scope().statement(Kind::Prepare, H, V0, [digest; 32])
    }

    fn act(&mut self, at: u16, act: impl FnOnce(&mut CosiVotes, &mut Cx<'_>) -> StepOf<CosiVotes>) {
        let mut cx = Cx::new(self.now, &mut self.rng);
        let step = act(&mut self.members[usize::from(at)], &mut cx);
        let output = step.into_records().1.release();
        for (to, message) in output.messages {
            let to: Vec<u16> = match to {
                To::All => (0..u16::try_from(self.members.len()).unwrap()).collect(),
                To::One(one) => vec![one.get()],
                To::Some(some) => some.into_iter().map(Index::get).collect(),
            };
            for to in to.into_iter().filter(|to| *to != at) {
                self.queue.push_back((at, to, message.clone()));
                self.log.push((at, to, message.clone()));
            }
        }
        for Event::Certified { statement, certificate } in output.events {
            let proof = certificate.verify(&self.roster, &statement.to_signed(), &Policy::Quorum);
            assert_eq!(proof, Ok(()), "what is certified convinces others");
            self.certified.push((at, statement, certificate));
        }
        for fault in output.faults {
            if fault.evidence.is_some() {
                let convict = convicted(&fault, &self.roster);
                assert_eq!(
                    convict,
                    Some(fault.culprit),
                    "evidence that convinces nobody: {fault:?}"
                );
            }
            self.faults.push((at, fault));
        }
    }

    pub(crate) fn open(&mut self, at: u16, statement: Statement) {
        self.command(at, Command::Open { statement });
    }

    pub(crate) fn vote(&mut self, at: u16, statement: Statement, leader: u16) {
        let leader = self.index(leader);
        self.command(at, Command::Vote { statement, leader });
    }

    pub(crate) fn command(&mut self, at: u16, command: Command) {
        self.act(at, |votes, cx| match votes.handle_command(cx, command) {
            Ok(step) => step,
            Err(never) => match never {},
        });
    }

    pub(crate) fn hear(&mut self, from: u16, to: u16, message: Message) {
        let from = self.index(from);
        let message = Message::decode(&message.encode()).unwrap();
        self.act(to, |votes, cx| votes.handle_message(cx, from, message));
    }

    /// Delivers what is on the way, and what follows, if it is `such`. The rest is lost.
    pub(crate) fn run(&mut self, such: impl Fn(u16, u16, &Message) -> bool) {
        for _ in 0..10_000 {
            let Some((from, to, message)) = self.queue.pop_front() else { return };
            if such(from, to, &message) {
                self.hear(from, to, message);
            }
        }
        panic!("the members do not stop talking");
    }

    pub(crate) fn run_all(&mut self) {
        self.run(|_, _, _| true);
    }

    /// Lets the time come of everything that is due within `wait`, delivering in between.
    pub(crate) fn wait(&mut self, wait: Duration, such: impl Fn(u16, u16, &Message) -> bool) {
        let until = self.now.after(wait);
        self.run(&such);
        while let Some(next) = self.members.iter().filter_map(CosiVotes::next_timeout).min() {
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            for at in 0..u16::try_from(self.members.len()).unwrap() {
                self.act(at, |votes, cx| {
                    let step = votes.handle_timeout(cx);
                    let next = votes.next_timeout();
                    assert!(next.is_none_or(|next| next > cx.now()), "the deadline stands still");
                    step
                });
            }
            self.run(&such);
        }
        self.now = until;
    }
}

pub(crate) fn single(signer: u16, statement: Statement) -> Message {
    let signature = certificate::sign(&key(signer), &statement.roster, &statement.to_signed());
    Message::Single(Single { statement, signer, signature })
}

pub(crate) fn is_single(message: &Message) -> bool {
    matches!(message, Message::Single(_))
}

pub(crate) fn is_collective(certificate: &Certificate) -> bool {
    matches!(certificate, Certificate::Collective(_))
}
