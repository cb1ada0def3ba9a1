//! One honest member of a tree, and everybody else by hand: what it answers, once, and whom it
//! blames.

use std::time::Duration;

use cosi::{
    Cosigner, Mode, Policy, blame,
    challenge::Challenge,
    cosigner::{self, Command},
    machine::{Cx, Fault, FaultKind, Index, Time, To},
    mask::Mask,
    message::{Call, Message, Said, StatementBytes, Sum, Tuple},
    nonce::NonceId,
    roster::Roster,
    session::{Digest, Session},
    tree::{Shape, Tree},
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, traits::Identity};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    grove::{kary, key, roster},
    sums::terms,
};

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
        sessions.into_iter().filter_map(move |session| {
            let tree = Tree::new(kary(2), SIZE.into(), leader, &session.id().0).unwrap();
            let children: Vec<_> = tree.children(ME).collect();
            let parent = tree.parent(ME).filter(|parent| *parent != leader)?;
            let [first, second] = children[..] else { return None };
            let issued = Time::at(Duration::from_secs(u64::from(session.attempt) + 1));
            let statement = statement.clone();
            Some(Script { session, statement, parent, children: [first, second], tree, issued })
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
    pub(crate) tree: Tree,
    pub(crate) issued: Time,
}

impl Script {
    pub(crate) fn call(&self) -> Message {
        let patience = PATIENCE.as_nanos() as u64;
        let (session, shape, issued) = (self.session.clone(), kary(2), self.issued);
        let call = Call { session, shape, issued, patience };
        Message::Call(Said::new(&key(self.session.leader), call), bytes(&self.statement))
    }

    /// What a leaf says whose nonces are 2 and 3.
    pub(crate) fn leaf(&self, member: u16) -> Tuple {
        let own = [2u64, 3].map(|r| EdwardsPoint::mul_base(&Scalar::from(r)).compress().to_bytes());
        Tuple {
            leader: self.session.leader,
            session: self.session.id(),
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
        Message::Challenge(Said::new(&key(self.session.leader), challenge.clone()), nonce)
    }

    fn sum(&self, challenge: &Challenge, member: u16) -> Sum {
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

pub(crate) fn said_tuple(tuple: Tuple) -> Message {
    Message::Tuple(Said::new(&key(tuple.member), tuple))
}

fn said_sum(sum: Sum) -> Message {
    Message::Sum(Said::new(&key(sum.member), sum))
}

/// The only tuple that was sent, and to whom.
pub(crate) fn the_tuple(heard: &Heard) -> (u16, Tuple) {
    let tuples: Vec<_> = heard
        .iter()
        .filter_map(|(to, message)| match message {
            Message::Tuple(said) => Some((to[0], said.what.clone())),
            _ => None,
        })
        .collect();
    let [(to, tuple)] = &tuples[..] else { panic!("{heard:?}") };
    (*to, tuple.clone())
}

/// Has the member commit together with both children.
fn committed(scene: &mut Scene, script: &Script) -> Tuple {
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    assert_eq!(scene.hear(first, said_tuple(script.leaf(first))), []);
    let (to, tuple) = the_tuple(&scene.hear(second, said_tuple(script.leaf(second))));
    assert_eq!(to, script.parent);
    tuple
}

fn all(script: &Script) -> Vec<u16> {
    [&[script.session.leader, ME], &script.children[..]].concat()
}

#[test]
fn it_passes_on_sums_up_and_answers() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let mut children = script.children.to_vec();
    children.sort_unstable();
    assert_eq!(scene.hear(script.parent, script.call()), [(children.clone(), script.call())]);
    let [first, second] = script.children;
    scene.hear(first, said_tuple(script.leaf(first)));
    let (_, tuple) = the_tuple(&scene.hear(second, said_tuple(script.leaf(second))));
    // Own points, and twice those of the leaves.
    for ((own, sum), r) in tuple.own.iter().zip(&tuple.sums).zip([2u64, 3]) {
        let own = CompressedEdwardsY(*own).decompress().unwrap();
        let sum = CompressedEdwardsY(*sum).decompress().unwrap();
        assert_eq!(sum, own + EdwardsPoint::mul_base(&Scalar::from(2 * r)));
    }
    let mut subtree = [&[ME], &children[..]].concat();
    subtree.sort_unstable();
    assert_eq!(tuple.mask.iter().collect::<Vec<_>>(), subtree);

    let challenge = script.challenge(&tuple, &all(&script), 7);
    let message = script.signed(&challenge, tuple.nonce);
    let passed_on = scene.hear(script.parent, message.clone());
    let expected: Vec<_> = children
        .iter()
        .map(|child| (vec![*child], script.signed(&challenge, NonceId([*child as u8; 16]))))
        .collect();
    assert_eq!(passed_on, expected);
    assert_eq!(scene.hear(first, said_sum(script.sum(&challenge, first))), []);
    let answer = scene.hear(second, said_sum(script.sum(&challenge, second)));
    let [(to, Message::Sum(said))] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!((&to[..], said.what.nonce), (&[script.parent][..], tuple.nonce));
    // Said again, it is the same.
    assert_eq!(scene.hear(script.parent, message), answer);
    assert_eq!(scene.faults, []);
}

/// The same pair, in two challenges, by whichever parent: it answers one of them, once.
#[test]
fn a_pair_answers_once_whatever_the_tree_says() {
    let mut scene = Scene::ready();
    let mut scripts = scene.scripts(0, b"M");
    let one = scripts.next().unwrap();
    let two = scripts.find(|two| two.parent != one.parent).unwrap();
    let [first, second] = [&one, &two].map(|script| committed(&mut scene, script));
    assert_ne!(first.nonce, second.nonce);
    let ask = |scene: &mut Scene, script: &Script, from, more, nonce| {
        let challenge = script.challenge(&first, &all(script), more);
        scene.hear(from, script.signed(&challenge, nonce))
    };
    // In the other's session; from the other parent; from a child; from the leader itself.
    assert_eq!(ask(&mut scene, &two, two.parent, 1, first.nonce), []);
    assert_eq!(ask(&mut scene, &one, two.parent, 1, first.nonce), []);
    assert_eq!(ask(&mut scene, &one, one.children[0], 1, first.nonce), []);
    let direct = ask(&mut scene, &one, 0, 1, first.nonce);
    assert!(matches!(direct[..], [(_, Message::Refusal(_))]), "no star's pair: {direct:?}");
    // From its parent it is answered, if the challenge is the one that was refused.
    let answered = ask(&mut scene, &one, one.parent, 1, first.nonce);
    assert_eq!(answered.len(), 2, "passed on to both children");
    // Another one in the session convicts the leader, whoever passes it on.
    assert_eq!(ask(&mut scene, &one, one.parent, 2, first.nonce), []);
    let [fault] = &scene.faults[..] else { panic!("{:?}", scene.faults) };
    assert_eq!((fault.culprit.get(), fault.kind), (0, FaultKind::Equivocation));
    let evidence = fault.evidence.clone().unwrap();
    assert_eq!(blame::verify(&evidence, &scene.roster), Some(fault.culprit));
    // The pair is spent: in no other session is there an answer with it.
    for script in scene.scripts(0, b"M").skip(2).take(6) {
        scene.hear(script.parent, script.call());
        assert_eq!(ask(&mut scene, &script, script.parent, 3, first.nonce), []);
    }
}

#[test]
fn z_holds_of_the_subtree_those_whose_tuples_are_here() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let [here, late] = script.children;
    scene.hear(here, said_tuple(script.leaf(here)));
    let (_, tuple) = the_tuple(&scene.pass(PATIENCE));
    let ask = |scene: &mut Scene, signers: &[u16]| {
        let challenge = script.challenge(&tuple, signers, 7);
        scene.hear(script.parent, script.signed(&challenge, tuple.nonce))
    };
    assert_eq!(ask(&mut scene, &[0, ME, here, late]), [], "no tuple of one of them");
    assert_eq!(ask(&mut scene, &[0, ME, script.parent]), [], "the sums are over both");
    assert_eq!(ask(&mut scene, &[0, here, script.parent]), [], "not the own bit");
    assert_eq!(ask(&mut scene, &[ME, here]), [], "too few for the own policy");
    let wide = Mask::from_bytes(vec![0xff; 3]).unwrap();
    let challenge = Challenge { mask: wide, ..script.challenge(&tuple, &[], 7) };
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)), []);
    assert_eq!(scene.faults, [], "a parent may pass on what was not for this member");
    let answered = ask(&mut scene, &[0, ME, here]);
    assert!(matches!(&answered[..], [(to, Message::Challenge(..))] if to[..] == [here]));
}

#[test]
fn nothing_is_answered_that_is_not_validated() {
    // Refused, or not yet validated: no tuple.
    let mut scene = Scene::new(|config| config);
    let script = scene.scripts(0, b"M").next().unwrap();
    assert_eq!(scene.hear(script.parent, script.call()).len(), 1, "passed on");
    for child in script.children {
        assert_eq!(scene.hear(child, said_tuple(script.leaf(child))), []);
    }
    assert_eq!((scene.pass(PATIENCE), scene.asked), (vec![], 1));
    // Late, but once validated it commits at once.
    let (_, tuple) = the_tuple(&scene.validate(b"M"));
    assert_eq!(tuple.mask.count(), 3);
    // Refused since: no answer.
    scene.tell(Command::Validated { digest: Digest::of(b"M"), accept: false });
    let challenge = script.challenge(&tuple, &all(&script), 7);
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)), []);
    // Forgotten: the pair is gone.
    scene.tell(Command::Forget { digest: Digest::of(b"M") });
    scene.validate(b"M");
    assert_eq!(scene.hear(script.parent, script.signed(&challenge, tuple.nonce)), []);
    // And whoever still has the call does not bring it back.
    assert_eq!(scene.hear(script.parent, script.call()), []);
    assert_eq!(scene.faults, []);
}

#[test]
fn two_leaders_trees_do_not_mix() {
    let mut scene = Scene::ready();
    let mine = scene.scripts(0, b"M").next().unwrap();
    let other = scene.scripts(2, b"M").find(|other| other.children.contains(&mine.children[0]));
    let other = other.unwrap();
    scene.hear(mine.parent, mine.call());
    scene.hear(other.parent, other.call());
    // A tuple under the other leader's name, or for its session.
    let child = mine.children[0];
    let leaf = mine.leaf(child);
    scene.hear(child, said_tuple(Tuple { leader: 2, ..leaf.clone() }));
    scene.hear(child, said_tuple(Tuple { session: other.session.id(), ..leaf }));
    // Both wait in vain.
    let tuples = scene.pass(PATIENCE);
    assert_eq!(tuples.len(), 2);
    for (_, message) in &tuples {
        let Message::Tuple(said) = message else { panic!() };
        assert_eq!(said.what.mask.iter().collect::<Vec<_>>(), [ME]);
    }
    let [Message::Tuple(first), Message::Tuple(second)] = [&tuples[0].1, &tuples[1].1] else {
        panic!()
    };
    assert_ne!(first.what.nonce, second.what.nonce);
    assert_ne!(first.what.own, second.what.own);
    // The pair of one, named by the other.
    let challenge = other.challenge(&second.what, &[2, ME, other.parent], 7);
    assert_eq!(scene.hear(other.parent, other.signed(&challenge, first.what.nonce)), []);
    assert_eq!(scene.hear(other.parent, other.signed(&challenge, second.what.nonce)).len(), 1);
}

/// What does not fit a child's place is as if it had not come.
#[test]
fn a_childs_tuple_must_be_of_its_subtree() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let [first, second] = script.children;
    let leaf = script.leaf(first);
    let identity = EdwardsPoint::identity().compress().to_bytes();
    let mask = |members: &[u16]| Mask::of(SIZE.into(), members.iter().copied());
    let raw = |bytes: Vec<u8>| Mask::from_bytes(bytes).unwrap();
    let padded = |mut bytes: Vec<u8>| {
        bytes[1] |= 0x80;
        raw(bytes)
    };
    let wrong = [
        Tuple { mask: mask(&[]), ..leaf.clone() },
        Tuple { mask: mask(&[first, second]), ..leaf.clone() },
        Tuple { mask: mask(&[first, ME]), ..leaf.clone() },
        Tuple { mask: mask(&[second]), ..leaf.clone() },
        Tuple { mask: padded(leaf.mask.as_bytes().to_vec()), ..leaf.clone() },
        Tuple { mask: raw([leaf.mask.as_bytes(), &[0]].concat()), ..leaf.clone() },
        Tuple { mask: raw(leaf.mask.as_bytes()[..1].to_vec()), ..leaf.clone() },
        Tuple { sums: [identity; 2], ..leaf.clone() },
        Tuple { session: script.session(99), ..leaf.clone() },
        Tuple { leader: 99, ..leaf.clone() },
    ];
    for tuple in wrong {
        assert_eq!(scene.hear(first, said_tuple(tuple)), []);
    }
    // Somebody else's tuple, passed on; and one of somebody who is no child.
    assert_eq!(scene.hear(second, said_tuple(leaf.clone())), []);
    assert_eq!(scene.hear(script.parent, said_tuple(script.leaf(script.parent))), []);
    assert_eq!(scene.faults, []);
    // Of two that are right the last counts: its sender may have crashed in between.
    let again = Tuple { nonce: NonceId([77; 16]), ..leaf.clone() };
    scene.hear(first, said_tuple(leaf));
    scene.hear(first, said_tuple(again));
    let (_, tuple) = the_tuple(&scene.hear(second, said_tuple(script.leaf(second))));
    assert_eq!(tuple.mask.count(), 3);
    let challenge = script.challenge(&tuple, &all(&script), 7);
    let passed_on = scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
    let named = passed_on.iter().any(|(to, message)| {
        to[..] == [first]
            && matches!(message, Message::Challenge(_, nonce) if *nonce == NonceId([77; 16]))
    });
    assert!(named);
}

#[test]
fn points_and_scalars_that_are_none_are_malformed() {
    let scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let leaf = script.leaf(script.children[0]);
    let challenge = script.challenge(&leaf, &all(&script), 7);
    let malformed = |message: Message| message.verify(&scene.roster).err();
    let none = [[0xff; 32]; 2];
    let tuples = [Tuple { own: none, ..leaf.clone() }, Tuple { sums: none, ..leaf.clone() }];
    for tuple in tuples {
        assert_eq!(malformed(said_tuple(tuple)), Some(FaultKind::Malformed));
    }
    let sum = Sum { sum: [0xff; 32], ..script.sum(&challenge, leaf.member) };
    assert_eq!(malformed(said_sum(sum)), Some(FaultKind::Malformed));
    let Message::Call(said, _) = script.call() else { panic!() };
    let other = Message::Call(said.clone(), bytes(b"another"));
    assert_eq!(malformed(other), Some(FaultKind::Malformed));
    let forged = Said::new(&key(3), said.what);
    assert_eq!(malformed(Message::Call(forged, bytes(b"M"))), Some(FaultKind::BadSignature));
    let nobody = Tuple { member: SIZE, ..leaf };
    assert_eq!(
        malformed(Message::Tuple(Said::new(&key(3), nobody))),
        Some(FaultKind::BadSignature)
    );
}

/// Only what answers the challenge, with the pair that was named, is summed up, once.
#[test]
fn a_childs_sum_must_be_the_one_that_is_owed() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let tuple = committed(&mut scene, &script);
    let [first, second] = script.children;
    let challenge = script.challenge(&tuple, &all(&script), 7);
    let early = said_sum(script.sum(&challenge, first));
    assert_eq!(scene.hear(first, early), [], "before it was asked");
    scene.hear(script.parent, script.signed(&challenge, tuple.nonce));
    assert_eq!(scene.hear(first, said_sum(script.sum(&challenge, first))), []);
    let right = script.sum(&challenge, second);
    let other = script.challenge(&tuple, &all(&script), 8);
    for wrong in [
        Sum { nonce: NonceId([1; 16]), ..right.clone() },
        Sum { challenge: other.id(), ..right.clone() },
        Sum { leader: 2, ..right.clone() },
    ] {
        assert_eq!(scene.hear(second, said_sum(wrong)), []);
    }
    assert_eq!(scene.hear(first, said_sum(right.clone())), [], "passed on");
    let twice = Sum { sum: [0; 32], ..script.sum(&challenge, first) };
    assert_eq!(scene.hear(first, said_sum(twice)), []);
    let answer = scene.hear(second, said_sum(right));
    let [(_, Message::Sum(said))] = &answer[..] else { panic!("{answer:?}") };
    // Less the children's, it is the own answer.
    let sum = Scalar::from_canonical_bytes(said.what.sum).unwrap();
    let own = sum - Scalar::from(u64::from(first)) - Scalar::from(u64::from(second));
    let (b, c) = terms(&scene.roster, &challenge, b"M");
    let [r1, r2] = tuple.own.map(|bytes| CompressedEdwardsY(bytes).decompress().unwrap());
    assert_eq!(EdwardsPoint::mul_base(&own), r1 + b * r2 + c * key(ME).public().point());
    assert_eq!(scene.faults, []);
}

/// The wait is the member's share of the leader's patience, and what comes later is too late.
#[test]
fn late_children_are_left_out() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    // At depth 2 of 3.
    assert_eq!((script.tree.depth(), script.tree.wait(ME, PATIENCE)), (3, PATIENCE / 3));
    let due = scene.cosigner.next_timeout().unwrap().since_epoch();
    assert_eq!(due, scene.now + PATIENCE / 3);
    let [first, second] = script.children;
    scene.hear(first, said_tuple(script.leaf(first)));
    assert_eq!(scene.pass(PATIENCE / 3 - Duration::from_nanos(1)), []);
    let (_, tuple) = the_tuple(&scene.pass(Duration::from_nanos(1)));
    assert!(tuple.mask.contains(first) && !tuple.mask.contains(second));
    assert_eq!(scene.hear(second, said_tuple(script.leaf(second))), []);
    assert_eq!((scene.cosigner.next_timeout(), scene.pass(PATIENCE)), (None, vec![]));
    // Asked again, it says the same.
    let (_, again) = the_tuple(&scene.hear(script.parent, script.call()));
    assert_eq!(again, tuple);
    assert_eq!(scene.hear(script.children[0], script.call()), [], "to its parent alone");
}

/// Of another roster, another mode, or with no place for this member.
#[test]
fn calls_that_are_not_for_this_member_are_nobodys_fault() {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    let raw = Session { mode: Mode::Raw, ..script.session.clone() };
    let elsewhere = Session { roster: roster(4).id(), ..script.session.clone() };
    let own = Session { leader: ME, ..script.session.clone() };
    for session in [raw, elsewhere, own] {
        let script = Script { session, ..script.clone() };
        assert_eq!(scene.hear(script.parent, script.call()), []);
    }
    assert_eq!((scene.faults.len(), scene.asked), (0, 0));
    let mut without = Scene::new(|mut config| {
        config.limits.calls = 0;
        config
    });
    without.validate(b"M");
    assert_eq!(without.hear(script.parent, script.call()), []);
    // A star is a tree too, of leaves.
    let Message::Call(said, _) = script.call() else { panic!() };
    let star = Said::new(&key(0), Call { shape: Shape::Star, ..said.what });
    let (to, tuple) = the_tuple(&scene.hear(0, Message::Call(star, bytes(b"M"))));
    assert_eq!((to, tuple.mask.count(), tuple.own), (0, 1, tuple.sums));
}

impl Script {
    fn session(&self, attempt: u32) -> cosi::session::SessionId {
        Session { attempt, entropy: [1; 32], ..self.session.clone() }.id()
    }
}
