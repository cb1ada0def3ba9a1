//! A leader, its cosigners, and a network of fixed latency that carries bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cosi::{
    Cosigner, Leader, Mode, Policy, blame, cosigner,
    keys::{Seed, SigningKey},
    leader,
    machine::{Cx, Fault, FaultKind, Index, Time, To},
    message::Message,
    roster::{Member, Roster},
    session::Digest,
    wire::Wire,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// One way.
pub(crate) const LATENCY: Duration = Duration::from_millis(50);

pub(crate) fn seed(member: u16) -> [u8; 32] {
    let [low, high] = (member + 1).to_le_bytes();
    let mut seed = [7; 32];
    (seed[0], seed[1]) = (low, high);
    seed
}

pub(crate) fn key(member: u16) -> Arc<SigningKey> {
    Arc::new(Seed::from_bytes(seed(member)).signing_key())
}

pub(crate) fn roster(size: u16) -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    Roster::new((0..size).map(|at| Member::new(&key(at), &mut rng))).unwrap()
}

pub(crate) fn at(roster: &Roster, member: u16) -> Index {
    roster.index(member).unwrap()
}

/// What a faulty member sends instead of a message: each with a further delay.
pub(crate) type Fate = Vec<(Duration, Message)>;
type Adversary = Box<dyn FnMut(u16, Message) -> Fate>;

pub(crate) struct World {
    pub(crate) roster: Roster,
    pub(crate) mode: Mode,
    pub(crate) policy: Policy,
    pub(crate) now: Duration,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) leader: Leader,
    pub(crate) cosigners: BTreeMap<u16, Cosigner>,
    pub(crate) events: Vec<leader::Event>,
    pub(crate) faults: Vec<Fault<Index>>,
    /// Every message that arrived: from, to.
    pub(crate) log: Vec<(u16, u16, Message)>,
    /// When what arrives where, in order of sending.
    queue: BTreeMap<(Duration, u64), (u16, u16, Vec<u8>)>,
    sent: u64,
    faulty: BTreeSet<u16>,
    adversary: Adversary,
}

pub(crate) fn leader_config(roster: &Roster, mode: Mode) -> leader::Config {
    leader::Config { mode, ..leader::Config::new(roster.clone(), at(roster, 0), key(0)) }
}

impl World {
    pub(crate) fn new(size: u16) -> Self {
        Self::with(size, Mode::Accountable, Policy::Quorum)
    }

    pub(crate) fn with(size: u16, mode: Mode, policy: Policy) -> Self {
        Self::of(roster(size), mode, policy)
    }

    pub(crate) fn of(roster: Roster, mode: Mode, policy: Policy) -> Self {
        let (size, mut rng) = (roster.size() as u16, ChaCha20Rng::seed_from_u64(7));
        let mut cx = Cx::new(Time::default(), &mut rng);
        let config = leader_config(&roster, mode);
        let leader = Leader::restore(config, [], &mut cx).unwrap().0;
        let mut world = Self {
            roster,
            mode,
            policy,
            now: Duration::ZERO,
            rng,
            leader,
            cosigners: BTreeMap::new(),
            events: vec![],
            faults: vec![],
            log: vec![],
            queue: BTreeMap::new(),
            sent: 0,
            faulty: BTreeSet::new(),
            adversary: Box::new(|_, message| vec![(Duration::ZERO, message)]),
        };
        (1..size).for_each(|member| world.start(member));
        world
    }

    /// Starts a cosigner, or starts it again after a crash.
    pub(crate) fn start(&mut self, member: u16) {
        let config = cosigner::Config {
            mode: self.mode,
            policy: self.policy,
            ..cosigner::Config::new(self.roster.clone(), at(&self.roster, member), key(member))
        };
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let (cosigner, _) = Cosigner::restore(config, [], &mut cx).unwrap();
        self.cosigners.insert(member, cosigner);
    }

    /// Starts the leader again after a crash.
    pub(crate) fn restart_leader(&mut self) {
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let config = leader_config(&self.roster, self.mode);
        self.leader = Leader::restore(config, [], &mut cx).unwrap().0;
    }

    /// Lets `adversary` decide what these members send. It signs with their keys alone.
    pub(crate) fn corrupt(
        &mut self,
        members: impl IntoIterator<Item = u16>,
        adversary: impl FnMut(u16, Message) -> Fate + 'static,
    ) {
        (self.faulty, self.adversary) = (members.into_iter().collect(), Box::new(adversary));
    }

    pub(crate) fn announce(&mut self, statement: &[u8]) {
        let command =
            leader::Command::Announce { statement: statement.to_vec(), policy: self.policy };
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let step = self.leader.handle_command(&mut cx, command).unwrap();
        self.take(step);
    }

    /// Tells every cosigner that the statement is valid, before anybody asks.
    pub(crate) fn validate(&mut self, statement: &[u8]) {
        let digest = Digest::of(statement);
        for member in self.cosigners.keys().copied().collect::<Vec<_>>() {
            self.tell(member, cosigner::Command::Validated { digest, accept: true });
        }
    }

    pub(crate) fn tell(&mut self, member: u16, command: cosigner::Command) {
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let cosigner = self.cosigners.get_mut(&member).unwrap();
        let step = cosigner.handle_command(&mut cx, command).unwrap();
        self.take_from(member, step);
    }

    /// One input: the next message, or the leader's deadline. False: nothing is left to do.
    pub(crate) fn tick(&mut self) -> bool {
        let message = self.queue.first_key_value().map(|(at, _)| at.0);
        let deadline = self.leader.next_timeout().map(Time::since_epoch);
        match (message, deadline) {
            (None, None) => return false,
            (Some(at), deadline) if deadline.is_none_or(|deadline| at <= deadline) => {
                let ((at, _), (from, to, bytes)) = self.queue.pop_first().unwrap();
                self.now = at;
                self.deliver(from, to, &bytes);
            }
            (_, Some(deadline)) => {
                self.now = self.now.max(deadline);
                let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
                let step = self.leader.handle_timeout(&mut cx);
                self.take(step);
                let next = self.leader.next_timeout();
                assert!(next.is_none_or(|next| next.since_epoch() > self.now), "no progress");
            }
            (Some(_), None) => unreachable!(),
        }
        true
    }

    pub(crate) fn run(&mut self) {
        let mut inputs = 0;
        while self.tick() {
            inputs += 1;
            assert!(inputs < 100_000, "it goes on for ever");
        }
    }

    fn deliver(&mut self, from: u16, to: u16, bytes: &[u8]) {
        let message = Message::decode(bytes).unwrap();
        self.log.push((from, to, message.clone()));
        let from = at(&self.roster, from);
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        if to == 0 {
            let step = self.leader.handle_message(&mut cx, from, message);
            return self.take(step);
        }
        if let Some(cosigner) = self.cosigners.get_mut(&to) {
            let step = cosigner.handle_message(&mut cx, from, message);
            self.take_from(to, step);
        }
    }

    fn take(&mut self, step: leader::Step) {
        let output = step.into_records().1.release();
        for (to, message) in output.messages {
            let to: Vec<_> = match to {
                To::All => (1..self.roster.size() as u16).collect(),
                To::One(one) => vec![one.get()],
                To::Some(some) => some.into_iter().map(Index::get).collect(),
            };
            to.into_iter().for_each(|to| self.send(0, to, &message));
        }
        self.faults.extend(output.faults);
        self.events.extend(output.events);
    }

    fn take_from(&mut self, member: u16, step: cosigner::Step) {
        let output = step.into_records().1.release();
        for (to, message) in output.messages {
            assert_eq!(to, To::One(at(&self.roster, 0)));
            self.send(member, 0, &message);
        }
        self.faults.extend(output.faults);
        for event in output.events {
            let cosigner::Event::Validate { digest, statement, .. } = event else { panic!() };
            assert_eq!(digest, Digest::of(&statement));
            let accept = !statement.starts_with(b"bad");
            self.tell(member, cosigner::Command::Answered { digest, accept });
        }
    }

    fn send(&mut self, from: u16, to: u16, message: &Message) {
        let fate = if self.faulty.contains(&from) {
            (self.adversary)(from, message.clone())
        } else {
            vec![(Duration::ZERO, message.clone())]
        };
        for (delay, message) in fate {
            // Colluders deliver what is theirs over each other's channels.
            let from = match &message {
                Message::Response(said) => said.what.member,
                _ => from,
            };
            self.sent += 1;
            let arrival = (self.now + LATENCY + delay, self.sent);
            self.queue.insert(arrival, (from, to, message.encode()));
        }
    }

    /// The one signature on `statement`, which was verified again, and who is absent.
    pub(crate) fn signed(&self, statement: &[u8]) -> (cosi::CollectiveSignature, Vec<u16>) {
        let mut found = self.events.iter().filter_map(|event| match event {
            leader::Event::Signed { digest, statement: of, signature, absent } => {
                assert_eq!(*digest, Digest::of(of));
                (of == statement).then_some((signature.clone(), absent.clone()))
            }
            _ => None,
        });
        let (signature, absent) = found.next().expect("no signature");
        assert!(found.next().is_none(), "signed twice");
        signature.verify_mode(self.mode, &self.roster, statement, &self.policy).unwrap();
        let absent: Vec<_> = absent.into_iter().map(Index::get).collect();
        assert!(
            self.roster
                .indices()
                .all(|i| { signature.mask.contains(i.get()) != absent.contains(&i.get()) })
        );
        (signature, absent)
    }

    /// Whom evidence convicts, by kind. A fault without evidence does not count.
    pub(crate) fn convicted(&self) -> BTreeSet<(u16, FaultKind)> {
        let faults = self.faults.iter().filter_map(|fault| {
            let evidence = fault.evidence.as_ref()?;
            let evidence = cosi::machine::Evidence::decode(&evidence.encode()).unwrap();
            assert!(evidence.encode().len() <= 256 * 1024);
            assert_eq!(blame::verify(&evidence, &self.roster), Some(fault.culprit));
            Some((fault.culprit.get(), fault.kind))
        });
        faults.collect()
    }

    /// How many challenges the leader signed.
    pub(crate) fn attempts(&self) -> usize {
        let sessions = self.log.iter().filter_map(|(_, _, message)| match message {
            Message::Challenge(said, _) => Some(said.what.id()),
            _ => None,
        });
        sessions.collect::<BTreeSet<_>>().len()
    }
}
