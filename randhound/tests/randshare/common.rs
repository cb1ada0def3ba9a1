//! Rosters, and a network that delivers in order.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use cosi::{
    keys::Seed,
    machine::{Cx, Fault, Index, Step, Time, To},
    roster::{Member, Roster},
    wire::BoundedVec,
};
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use randhound::{
    RandShare, Randomness,
    randshare::{Commitments, Deal, Event, Message, RandShareStep, Record, Setup},
};

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn roster(servers: u16) -> Roster {
    let member = |at: u16| {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&at.to_le_bytes());
        Member::new(&Seed::from_bytes(seed).signing_key(), &mut rng(at.into()))
    };
    Roster::new((0..servers).map(member)).unwrap()
}

pub(crate) fn setup(roster: &Roster, at: u16) -> Setup {
    Setup {
        roster: roster.clone(),
        session: *b"who sweeps the kitchen next week",
        index: roster.index(at).unwrap(),
        retry: Duration::from_millis(400),
        grace: Duration::from_secs(2),
        patience: Duration::from_millis(300),
    }
}

/// A polynomial, by its coefficients from the lowest, and its value for a server.
pub(crate) fn value(polynomial: &[Scalar], server: u16) -> Scalar {
    let x = Scalar::from(u64::from(server) + 1);
    polynomial.iter().rev().fold(Scalar::ZERO, |sum, a| sum * x + a)
}

pub(crate) fn commit(polynomial: &[Scalar]) -> Commitments {
    let commit = |a: &Scalar| RistrettoPoint::mul_base(a).compress().to_bytes();
    Commitments(BoundedVec::new(polynomial.iter().map(commit).collect()).unwrap())
}

/// What a dealer with this polynomial gives a server.
pub(crate) fn deal(polynomial: &[Scalar], server: u16) -> Message {
    let share = value(polynomial, server).to_bytes();
    Message::Deal(Deal { commitments: commit(polynomial), share })
}

/// What shares recover, by Lagrange's formula.
pub(crate) fn recover(shares: &[(u16, Scalar)]) -> Scalar {
    let x = |server: u16| Scalar::from(u64::from(server) + 1);
    let weigh = |(own, share): &(u16, Scalar)| {
        let others = shares.iter().filter(|(other, _)| other != own);
        others.fold(*share, |product, (other, _)| {
            product * x(*other) * (x(*other) - x(*own)).invert()
        })
    };
    shares.iter().map(weigh).sum()
}

/// What an adversary makes of a message.
pub(crate) type Corrupt<'a> = Box<dyn FnMut(u16, u16, Message) -> Vec<Message> + 'a>;

/// All servers of a roster, on a network that delivers in order.
pub(crate) struct Net<'a> {
    pub(crate) servers: BTreeMap<u16, RandShare>,
    pub(crate) journals: BTreeMap<u16, Vec<Record>>,
    pub(crate) wire: VecDeque<(u16, u16, Message)>,
    /// All that was delivered, in order.
    pub(crate) delivered: Vec<(u16, u16, Message)>,
    pub(crate) drawn: BTreeMap<u16, (Randomness, Vec<u16>)>,
    pub(crate) faults: Vec<(u16, Fault<Index>)>,
    pub(crate) corrupt: Corrupt<'a>,
    roster: Roster,
    now: Time,
}

impl<'a> Net<'a> {
    pub(crate) fn new(roster: &Roster, seed: u64) -> Self {
        Self::with(roster, seed, Box::new(|_, _, message| vec![message]))
    }

    pub(crate) fn with(roster: &Roster, seed: u64, corrupt: Corrupt<'a>) -> Self {
        let mut net = Self {
            servers: BTreeMap::new(),
            journals: BTreeMap::new(),
            wire: VecDeque::new(),
            delivered: Vec::new(),
            drawn: BTreeMap::new(),
            faults: Vec::new(),
            corrupt,
            roster: roster.clone(),
            now: Time::default(),
        };
        for index in roster.indices() {
            let at = index.get();
            let mut rng = rng(seed * 1_000 + u64::from(at));
            let mut cx = Cx::new(net.now, &mut rng);
            let (server, step) = RandShare::restore(setup(roster, at), [], &mut cx).unwrap();
            net.servers.insert(at, server);
            net.take(at, step);
        }
        net
    }

    fn take(&mut self, at: u16, step: RandShareStep) {
        let (records, held) = step.into_records();
        self.journals.entry(at).or_default().extend(records);
        let output = held.release();
        for (to, message) in output.messages {
            let others: Vec<u16> = match to {
                To::All => self.roster.indices().map(Index::get).collect(),
                To::One(peer) => vec![peer.get()],
                To::Some(peers) => peers.into_iter().map(Index::get).collect(),
            };
            for other in others.into_iter().filter(|other| *other != at) {
                for message in (self.corrupt)(at, other, message.clone()) {
                    self.wire.push_back((at, other, message));
                }
            }
        }
        for event in output.events {
            let Event::Drawn(output, dealers) = event else { panic!("{event:?}") };
            let drawn = (output, dealers.into_iter().map(Index::get).collect());
            assert_eq!(self.drawn.entry(at).or_insert_with(|| drawn.clone()), &drawn);
        }
        self.faults.extend(output.faults.into_iter().map(|fault| (at, fault)));
    }

    /// Delivers one message. `false`: there is none.
    pub(crate) fn step(&mut self) -> bool {
        let Some((from, to, message)) = self.wire.pop_front() else { return false };
        self.delivered.push((from, to, message.clone()));
        let (mut rng, from) = (rng(1), self.roster.index(from).unwrap());
        let mut cx = Cx::new(self.now, &mut rng);
        let step = self.servers.get_mut(&to).unwrap().handle_message(&mut cx, from, message);
        self.take(to, step);
        true
    }

    /// Delivers all, and lets time pass, for so long.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            while self.step() {}
            let next = self.servers.values().filter_map(RandShare::next_timeout).min();
            let Some(next) = next.filter(|next| *next <= end) else { return };
            self.now = next;
            for at in self.servers.keys().copied().collect::<Vec<_>>() {
                let mut rng = rng(2);
                let mut cx = Cx::new(self.now, &mut rng);
                let step = self.servers.get_mut(&at).unwrap().handle_timeout(&mut cx);
                self.take(at, step);
            }
        }
    }

    /// The output of all these servers.
    pub(crate) fn output(&self, of: impl IntoIterator<Item = u16>) -> (Randomness, Vec<u16>) {
        let mut outputs: Vec<_> = of.into_iter().map(|at| self.drawn[&at].clone()).collect();
        outputs.dedup();
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        outputs.remove(0)
    }
}

/// What was sent.
pub(crate) fn released<M, E, R, P>(step: Step<M, E, R, P>) -> cosi::machine::Output<M, E, P> {
    step.into_records().1.release()
}
