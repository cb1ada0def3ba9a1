//! One honest member of a tree, and everybody else by hand.

use std::time::Duration;

use cosi::{
    Cosigner, Mode, Policy,
    challenge::Challenge,
    cosigner::{self, Command},
    machine::{Cx, Fault, Index, Time, To},
    mask::Mask,
    message::{Ask, Call, Inquiry, Message, Said, StatementBytes, Sum, Tuple},
    nonce::NonceId,
    roster::Roster,
    session::{Digest, Session},
    tree::{Plan, PlanId, Tree},
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::grove::{kary, key, roster};

/// The honest member.
pub(crate) const ME: u16 = 1;
pub(crate) const SIZE: u16 = 15;
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) struct Scene {
    pub(crate) roster: Roster,
    pub(crate) cosigner: Cosigner,
    rng: ChaCha20Rng,
    pub(crate) now: Duration,
    pub(crate) faults: Vec<Fault<Index>>,
    pub(crate) asked: usize,
}

pub(crate) type Heard = Vec<(Vec<u16>, Message)>;

impl Scene {
    pub(crate) fn new(tune: impl FnOnce(cosigner::Config) -> cosigner::Config) -> Self {
        let roster = roster(SIZE);
        let mut config = cosigner::Config::new(roster.clone(), roster.index(ME).unwrap(), key(ME));
        (config.limits.calls, config.policy) = (4, Policy::Weight(3));
        let cosigner = Cosigner::new(tune(config)).unwrap();
        let rng = ChaCha20Rng::seed_from_u64(5);
        Self { roster, cosigner, rng, now: Duration::from_secs(1), faults: vec![], asked: 0 }
    }

    /// A member that has validated the statements "M" and "N".
    pub(crate) fn ready() -> Self {
        let mut scene = Self::new(|config| config);
        for statement in [b"M", b"N"] {
            assert_eq!(scene.validate(statement), []);
        }
        scene
    }

    pub(crate) fn hear(&mut self, from: u16, message: Message) -> Heard {
        let from = self.roster.index(from).unwrap();
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let step = self.cosigner.handle_message(&mut cx, from, message);
        self.heard(step)
    }

    pub(crate) fn tell(&mut self, command: Command) -> Heard {
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let step = self.cosigner.handle_command(&mut cx, command).unwrap();
        self.heard(step)
    }

    pub(crate) fn validate(&mut self, statement: &[u8]) -> Heard {
        self.tell(Command::Validated { digest: Digest::of(statement), accept: true })
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: Duration) -> Heard {
        self.now += time;
        let mut cx = Cx::new(Time::at(self.now), &mut self.rng);
        let step = self.cosigner.handle_timeout(&mut cx);
        let next = self.cosigner.next_timeout();
        assert!(next.is_none_or(|next| next.since_epoch() > self.now), "no progress");
        self.heard(step)
    }

    fn heard(&mut self, step: cosigner::Step) -> Heard {
        let output = step.into_records().1.release();
        self.faults.extend(output.faults);
        self.asked += output.events.len();
        let to = |to: To<Index>| match to {
            To::All => panic!("a cosigner speaks to those it names"),
            To::One(one) => vec![one.get()],
            To::Some(some) => some.into_iter().map(Index::get).collect(),
        };
        let messages = output.messages.into_iter();
        messages.map(|(peers, message)| (to(peers), message)).collect()
    }

    pub(crate) fn session(&self, leader: u16, statement: &[u8], attempt: u32) -> Session {
        Session {
            mode: Mode::Accountable,
            roster: self.roster.id(),
            statement: Digest::of(statement),
            leader,
            entropy: [9; 32],
            attempt,
        }
    }

    /// Attempts of the leader in whose tree the member has children, and a parent but the leader.
    pub(crate) fn scripts(
        &self,
        leader: u16,
        statement: &[u8],
    ) -> impl Iterator<Item = Script> + use<> {
        let sessions: Vec<_> =
            (0..2000).map(|attempt| self.session(leader, statement, attempt)).collect();
        let statement = statement.to_vec();
        let roster = self.roster.id();
        sessions.into_iter().filter_map(move |session| {
            let (shape, aside) = (kary(2), Mask::empty(SIZE.into()));
            let plan = Plan { shape, seed: session.id().0, aside };
            let tree = Tree::new(&plan, SIZE.into(), leader).unwrap();
            let children: Vec<_> = tree.children(ME).collect();
            let parent = tree.parent(ME).filter(|parent| *parent != leader)?;
            let [first, second] = children[..] else { return None };
            let issued = Time::at(Duration::from_secs(u64::from(session.attempt) + 1));
            let statement = statement.clone();
            let id = plan.id(&roster, leader);
            let children = [first, second];
            Some(Script { session, statement, parent, children, plan, id, tree, issued })
        })
    }
}

/// One call, in which the member has a parent and two children, which are leaves.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) session: Session,
    pub(crate) statement: Vec<u8>,
    pub(crate) parent: u16,
    pub(crate) children: [u16; 2],
    pub(crate) plan: Plan,
    pub(crate) id: PlanId,
    pub(crate) tree: Tree,
    pub(crate) issued: Time,
}

impl Script {
    pub(crate) fn call(&self) -> Message {
        let patience = PATIENCE.as_nanos() as u64;
        let (session, plan, issued) = (self.session.clone(), self.plan.clone(), self.issued);
        let call = Call { session, plan, issued, patience };
        Message::Call(Said::new(&key(self.session.leader), call), bytes(&self.statement))
    }

    /// What a leaf says whose nonces are 2 and 3.
    pub(crate) fn leaf(&self, member: u16) -> Tuple {
        let own = [2u64, 3].map(|r| EdwardsPoint::mul_base(&Scalar::from(r)).compress().to_bytes());
        Tuple {
            roster: self.session.roster,
            leader: self.session.leader,
            plan: self.id,
            member,
            nonce: NonceId([member as u8; 16]),
            own,
            sums: own,
            mask: Mask::of(SIZE.into(), [member]),
            children: [0; 32],
        }
    }

    /// A challenge whose sums are the tuple's, and a point more.
    pub(crate) fn challenge(&self, tuple: &Tuple, signers: &[u16], more: u64) -> Challenge {
        let more = EdwardsPoint::mul_base(&Scalar::from(more));
        let point = |bytes| CompressedEdwardsY(bytes).decompress().unwrap();
        Challenge {
            session: self.session.clone(),
            mask: Mask::of(SIZE.into(), signers.iter().copied()),
            commitments: tuple.sums.map(|sum| (point(sum) + more).compress().to_bytes()),
            statement: bytes(&self.statement),
        }
    }

    pub(crate) fn signed(&self, challenge: &Challenge, nonce: NonceId) -> Message {
        self.asked(challenge, Ask::Branch(nonce))
    }

    pub(crate) fn asked(&self, challenge: &Challenge, ask: Ask) -> Message {
        Message::Challenge(Said::new(&key(self.session.leader), challenge.clone()), ask)
    }

    pub(crate) fn inquiry(&self, challenge: &Challenge) -> Message {
        let (roster, leader) = (self.session.roster, self.session.leader);
        let inquiry = Inquiry { roster, leader, challenge: challenge.id() };
        Message::Inquiry(Said::new(&key(leader), inquiry))
    }

    /// What a leaf commits to for the time after: its nonces are 4 and 5.
    pub(crate) fn ahead(&self, member: u16) -> Tuple {
        let own = [4u64, 5].map(|r| EdwardsPoint::mul_base(&Scalar::from(r)).compress().to_bytes());
        let nonce = NonceId([member as u8 + 100; 16]);
        Tuple { nonce, own, sums: own, ..self.leaf(member) }
    }

    /// What a child that is a leaf says to its parent on the call.
    pub(crate) fn tuple(&self, tuple: Tuple) -> Message {
        Message::Tuple(Said::new(&key(tuple.member), tuple), self.session.id())
    }

    /// What it answers.
    pub(crate) fn said_sum(&self, sum: Sum) -> Message {
        let ahead = self.ahead(sum.member);
        Message::Sum(Said::new(&key(sum.member), sum), Said::new(&key(ahead.member), ahead))
    }

    pub(crate) fn sum(&self, challenge: &Challenge, member: u16) -> Sum {
        Sum {
            leader: self.session.leader,
            challenge: challenge.id(),
            member,
            nonce: NonceId([member as u8; 16]),
            sum: Scalar::from(u64::from(member)).to_bytes(),
        }
    }
}

pub(crate) fn bytes(statement: &[u8]) -> StatementBytes {
    StatementBytes::new(statement.to_vec()).unwrap()
}

/// The only tuple that was sent, and to whom.
pub(crate) fn the_tuple(heard: &Heard) -> (u16, Tuple) {
    let tuples: Vec<_> = heard
        .iter()
        .filter_map(|(to, message)| match message {
            Message::Tuple(said, _) => Some((to[0], said.what.clone())),
            _ => None,
        })
        .collect();
    let [(to, tuple)] = &tuples[..] else { panic!("{heard:?}") };
    (*to, tuple.clone())
}

/// The leader is told that the statement is not signed, and nothing else is said.
pub(crate) fn declines(heard: &[(Vec<u16>, Message)]) {
    let [(to, Message::Decline(said))] = heard else { panic!("{heard:?}") };
    assert_eq!((&to[..], said.what.leader, said.what.member), (&[0][..], 0, ME));
}
