//! Members that lead and cosign, in the simulator, over trees.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use cosi::{
    CollectiveSignature, Cosigner, Leader, Policy, blame, cosigner, impl_machine,
    keys::{Seed, SigningKey},
    leader,
    machine::{self, Cx, Fault, Index, Time, To},
    message::{Ask, Message},
    roster::{Member, Roster},
    session::Digest,
    sim::{Adversary, Application, Deliveries, Delivery, Network, Outcome, Simulation},
    tree::{Branching, Plan, Shape, Tree},
};
use curve25519_dalek::rand_core::CryptoRng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn key(member: u16) -> Arc<SigningKey> {
    let [low, high] = (member + 1).to_le_bytes();
    let mut seed = [3; 32];
    (seed[0], seed[1]) = (low, high);
    Arc::new(Seed::from_bytes(seed).signing_key())
}

pub(crate) fn roster(size: u16) -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    Roster::new((0..size).map(|at| Member::new(&key(at), &mut rng))).unwrap()
}

pub(crate) fn kary(branching: u8) -> Shape {
    Shape::Kary { branching: Branching::new(branching).unwrap() }
}

/// From, to, what.
pub(crate) type Log = Rc<RefCell<Vec<(u16, u16, Message)>>>;

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) leader: leader::Config,
    pub(crate) cosigner: cosigner::Config,
    pub(crate) log: Log,
    /// How long the application takes.
    pub(crate) verdict: Duration,
}

/// A member: a leader and a cosigner.
#[derive(Debug)]
pub(crate) struct Node {
    leader: Leader,
    cosigner: Cosigner,
    me: Index,
    log: Log,
    verdict: Duration,
    /// Verdicts to come.
    pending: Vec<(Time, cosigner::Command)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Command {
    Lead(leader::Command),
    Cosign(cosigner::Command),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Leader(leader::Event),
    Cosigner(cosigner::Event),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a command was refused")]
pub(crate) struct Refused;

pub(crate) type Step = machine::Step<Message, Event, ()>;

impl_machine! {
    Node {
        Peer = Index, Message = Message, Command = Command, Event = Event, Record = (),
        Error = Refused
    }
    restore { Config = Config, RestoreError = Refused }
}

impl Node {
    fn restore(
        config: Config,
        _: impl IntoIterator<Item = ()>,
        _: &mut Cx<'_>,
    ) -> Result<(Self, Step), Refused> {
        let Config { leader, cosigner, log, verdict } = config;
        let me = leader.me;
        let leader = Leader::new(leader).map_err(|_| Refused)?;
        let cosigner = Cosigner::new(cosigner).map_err(|_| Refused)?;
        let pending = vec![];
        Ok((Self { leader, cosigner, me, log, verdict, pending }, Step::none()))
    }

    fn handle_message(&mut self, cx: &mut Cx<'_>, from: Index, message: Message) -> Step {
        self.log.borrow_mut().push((from.get(), self.me.get(), message.clone()));
        if message.is_for_leader_at(self.me) {
            led(self.leader.handle_message(cx, from, message))
        } else {
            cosigned(self.cosigner.handle_message(cx, from, message))
        }
    }

    fn handle_command(&mut self, cx: &mut Cx<'_>, command: Command) -> Result<Step, Refused> {
        match command {
            Command::Lead(command) => {
                self.leader.handle_command(cx, command).map(led).map_err(|_| Refused)
            }
            Command::Cosign(command) if !self.verdict.is_zero() => {
                self.pending.push((cx.now().after(self.verdict), command));
                Ok(Step::none())
            }
            Command::Cosign(command) => {
                self.cosigner.handle_command(cx, command).map(cosigned).map_err(|_| Refused)
            }
        }
    }

    fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        let mut step =
            led(self.leader.handle_timeout(cx)).and(cosigned(self.cosigner.handle_timeout(cx)));
        let now = cx.now();
        let due: Vec<_> = self.pending.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, command) in due {
            step = step.and(cosigned(self.cosigner.handle_command(cx, command).unwrap()));
        }
        step
    }

    fn next_timeout(&self) -> Option<Time> {
        let pending = self.pending.iter().map(|(at, _)| *at);
        let own = self.leader.next_timeout().into_iter().chain(self.cosigner.next_timeout());
        own.chain(pending).min()
    }
}

fn led(child: leader::Step) -> Step {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, |never| match never {});
    events.into_iter().fold(step, |step, event| step.event(Event::Leader(event)))
}

fn cosigned(child: cosigner::Step) -> Step {
    let mut step = Step::none();
    let events = step.absorb(child, |message| message, |never| match never {});
    events.into_iter().fold(step, |step, event| step.event(Event::Cosigner(event)))
}

/// What the members' applications saw. They refuse what begins with "bad".
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) events: Vec<(Index, Time, leader::Event)>,
    pub(crate) faults: Vec<(Index, Fault<Index>)>,
}

fn verdict(event: &cosigner::Event) -> Command {
    let cosigner::Event::Validate { digest, statement, .. } = event else { panic!("{event:?}") };
    assert_eq!(*digest, Digest::of(statement));
    let accept = !statement.starts_with(b"bad");
    Command::Cosign(cosigner::Command::Answered { digest: *digest, accept })
}

impl Application<Node> for Notes {
    fn on_event(&mut self, peer: Index, now: Time, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::Leader(event) => self.events.push((peer, now, event)),
            Event::Cosigner(event) => commands.push(verdict(&event)),
        }
    }

    fn on_fault(&mut self, peer: Index, _: Time, fault: Fault<Index>) {
        self.faults.push((peer, fault));
    }

    fn on_error(&mut self, peer: Index, _: Time, error: Refused) {
        panic!("{peer:?}: {error}");
    }
}

/// What a faulty member sends in place of its output.
pub(crate) type Sent = Vec<(To<Index>, Message)>;

struct Strategy<F>(F);

impl<F: FnMut(u16, Sent) -> Deliveries<Node>> Adversary<Node> for Strategy<F> {
    fn corrupt(
        &mut self,
        peer: Index,
        _: Time,
        _: &mut dyn CryptoRng,
        output: Sent,
    ) -> Deliveries<Node> {
        (self.0)(peer.get(), output)
    }

    fn on_event(&mut self, _: Index, _: Time, event: Event, commands: &mut Vec<Command>) {
        if let Event::Cosigner(event) = event {
            commands.push(verdict(&event));
        }
    }
}

pub(crate) fn honestly(output: Sent) -> Deliveries<Node> {
    output.into_iter().map(|(to, message)| (to, Delivery::Message(message))).collect()
}

pub(crate) struct Grove {
    pub(crate) roster: Roster,
    pub(crate) sim: Simulation<Node, Notes>,
    pub(crate) log: Log,
    byzantine: BTreeSet<u16>,
}

/// A simulation of so many members, which lead over such trees.
pub(crate) fn grove(size: u16, shape: Shape) -> Grove {
    tuned(size, shape, |config| config)
}

pub(crate) fn tuned(size: u16, shape: Shape, tune: impl Fn(Config) -> Config) -> Grove {
    planted(Network { seed: 7, ..Network::default() }, size, shape, tune)
}

pub(crate) fn planted(
    network: Network,
    size: u16,
    shape: Shape,
    tune: impl Fn(Config) -> Config,
) -> Grove {
    let roster = roster(size);
    let log = Log::default();
    let mut sim = Simulation::new(network, Notes::default());
    sim.label(|message| match message {
        Message::Announcement(..) => "announcement",
        Message::Commitment(_) => "commitment",
        Message::Challenge(..) => "challenge",
        Message::Response(_) => "response",
        Message::Call(..) => "call",
        Message::Tuple(..) => "tuple",
        Message::Sum(..) => "sum",
        Message::Inquiry(_) => "inquiry",
        Message::Account(..) => "account",
        Message::Refusal(_) => "refusal",
        _ => "other",
    });
    for me in roster.indices() {
        let leader = leader::Config::new(roster.clone(), me, key(me.get()));
        let leader = leader::Config { shape, ..leader };
        let mut cosigner = cosigner::Config::new(roster.clone(), me, key(me.get()));
        cosigner.limits.calls = 4;
        cosigner.policy = Policy::Weight(1);
        let verdict = Duration::ZERO;
        sim.add(me, tune(Config { leader, cosigner, log: log.clone(), verdict }));
    }
    Grove { roster, sim, log, byzantine: BTreeSet::new() }
}

impl Grove {
    pub(crate) fn at(&self, member: u16) -> Index {
        self.roster.index(member).unwrap()
    }

    /// Lets `strategy` decide what these members send.
    pub(crate) fn corrupt(
        &mut self,
        members: impl IntoIterator<Item = u16>,
        strategy: impl FnMut(u16, Sent) -> Deliveries<Node> + 'static,
    ) {
        self.byzantine = members.into_iter().collect();
        let members: Vec<_> = self.byzantine.iter().map(|at| self.at(*at)).collect();
        self.sim.byzantine(members, Strategy(strategy));
    }

    pub(crate) fn announce(&mut self, leader: u16, statement: &[u8], policy: Policy) {
        let command = leader::Command::Announce { statement: statement.to_vec(), policy };
        self.sim.command(self.sim.now(), self.at(leader), Command::Lead(command));
    }

    pub(crate) fn run(&mut self) {
        let limit = self.sim.now().after(Duration::from_secs(600));
        assert_eq!(self.sim.run_until(limit, |_| false).unwrap(), Outcome::Quiet);
    }

    /// Member 0 has the statement signed by members of this weight.
    pub(crate) fn sign(
        &mut self,
        statement: &[u8],
        weight: u64,
    ) -> (CollectiveSignature, Vec<u16>, Duration) {
        let before = self.sim.now();
        self.announce(0, statement, Policy::Weight(weight));
        self.run();
        let (signature, absent, at) = self.signed(statement);
        (signature, absent, at - before.since_epoch())
    }

    /// The one signature on the statement, verified by the rule for all Ed25519 signatures under
    /// the sum of the signers' keys, who is absent, and when it was there. And whoever is blamed
    /// for anything is no innocent.
    pub(crate) fn signed(&self, statement: &[u8]) -> (CollectiveSignature, Vec<u16>, Duration) {
        let mut found =
            self.sim.application().events.iter().filter_map(|(_, at, event)| match event {
                leader::Event::Signed { statement: of, signature, absent, .. }
                    if of == statement =>
                {
                    Some((signature.clone(), absent.clone(), at.since_epoch()))
                }
                _ => None,
            });
        let (signature, absent, at) = found.next().expect("no signature");
        assert!(found.next().is_none(), "signed twice");
        let signers = self.roster.indices().filter(|i| signature.mask.contains(i.get()));
        let sum: curve25519_dalek::EdwardsPoint =
            signers.map(|i| key(i.get()).public().point().to_owned()).sum();
        let verifier = ed25519_dalek::VerifyingKey::from_bytes(&sum.compress().to_bytes()).unwrap();
        let message = [
            &cosi::domain::ACCOUNTABLE[..],
            &self.roster.id().0,
            signature.mask.as_bytes(),
            statement,
        ];
        let plain =
            ed25519_dalek::Signature::from_components(signature.commitment, signature.response);
        verifier.verify_strict(&message.concat(), &plain).unwrap();
        let absent: Vec<_> = absent.into_iter().map(Index::get).collect();
        let is_absent = |i: &Index| absent.contains(&i.get());
        assert!(self.roster.indices().all(|i| signature.mask.contains(i.get()) != is_absent(&i)));
        self.nobody_innocent_is_blamed();
        self.no_pair_is_named_twice();
        (signature, absent, at)
    }

    /// Member 0 names each pair of an honest member in one challenge at most.
    pub(crate) fn no_pair_is_named_twice(&self) {
        let mut named = BTreeMap::new();
        for (from, to, message) in self.log.borrow().iter() {
            let Message::Challenge(said, Ask::Own(nonce) | Ask::Branch(nonce)) = message else {
                continue;
            };
            let honest = !self.byzantine.contains(to);
            if honest && (*from, said.what.session.leader) == (0, 0) {
                let first = *named.entry((*to, *nonce)).or_insert(said.what.id());
                assert_eq!(first, said.what.id(), "a pair of {to} is named twice");
            }
        }
    }

    pub(crate) fn nobody_innocent_is_blamed(&self) {
        for (by, fault) in &self.sim.application().faults {
            assert!(self.byzantine.contains(&fault.culprit.get()), "{by:?} blames {fault:?}");
            if let Some(evidence) = &fault.evidence {
                assert_eq!(blame::verify(evidence, &self.roster), Some(fault.culprit));
            }
        }
    }

    /// The plans of the trees that member 0 called, one a call.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let mut calls = BTreeMap::new();
        for (_, _, message) in self.log.borrow().iter() {
            let Message::Call(said, _) = message else { continue };
            if said.what.session.leader == 0 {
                calls.insert(said.what.issued, said.what.plan.clone());
            }
        }
        calls.into_values().collect()
    }

    /// The trees that member 0 called, one a call.
    pub(crate) fn trees(&self) -> Vec<Tree> {
        let size = self.roster.size();
        self.plans().iter().map(|plan| Tree::new(plan, size, 0).unwrap()).collect()
    }

    /// How many such messages were said.
    pub(crate) fn said(&self, label: &str) -> u64 {
        self.sim.total().sent_by_label.get(label).map_or(0, |traffic| traffic.messages)
    }

    /// How many challenges member 0 signed.
    pub(crate) fn attempts(&self) -> usize {
        let log = self.log.borrow();
        let challenges = log.iter().filter_map(|(_, _, message)| match message {
            Message::Challenge(said, _) if said.what.session.leader == 0 => Some(said.what.id()),
            _ => None,
        });
        challenges.collect::<BTreeSet<_>>().len()
    }
}
