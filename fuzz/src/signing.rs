//! A leader and three cosigners, as a star or over trees, on a network that does its worst. All
//! members are honest.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    CollectiveSignature, Cosigner, Leader, Policy, cosigner,
    domain::ACCOUNTABLE,
    leader,
    machine::{Cx, Fault, Index, Time},
    message::{Message, Said},
    nonce::NonceId,
    roster::Keys,
    tree::{Branching, Shape},
    wire::Wire,
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, traits::Identity};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest as _, Sha512};

use crate::{
    actions::Actions,
    town::{ROSTER, SIZE, key, member, receives, rng},
    transit::{Sent, Transit},
};

/// The most messages on their way. The oldest is lost to make room.
const IN_FLIGHT: usize = 64;

/// Each byte is an action; a corruption takes the next one as its place.
///
/// # Panics
/// When a signature that the leader reports does not hold; when a nonce answers two challenges;
/// when anyone is convicted, or blamed for more than a message that the network corrupted; when
/// a statement stays unsigned although all messages arrive.
pub fn cosi(input: &[u8]) {
    run(Shape::Star, input).end();
}

/// The same over binary trees: two sub-leaders under the leader, and a member under one of them.
///
/// # Panics
/// As [`cosi()`].
pub fn trees(input: &[u8]) {
    run(binary(), input).end();
}

fn binary() -> Shape {
    Shape::Kary { branching: Branching::new(2).expect("two are enough") }
}

fn run(shape: Shape, input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(shape), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        let place = if kind == 3 { actions.byte() } else { 0 };
        world.act(kind, detail, place);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let all = 7 << 5;
    let seeds: [(&str, &[u8]); 7] = [
        ("nothing", &[]),
        ("signed", &[6 << 5, all]),
        ("ahead", &[6 << 5, all, 0xc1, all, 0xc2, all, 0xc3, all]),
        ("crash", &[6 << 5, 0, 0xa1, all, 0x80, all, 0x80, all]),
        ("corrupt", &[6 << 5, 0x60, 200, 0, 0, 0x61, 90, all, 0x80, all]),
        ("twice", &[6 << 5, 0x40, 0x41, 0x42, all, 0x40, 0x41, all]),
        ("lost", &[6 << 5, 0, 0, 0, 0x20, 0, 0, 0x80, all, 0xc1, 0x21, all, 0x80, 0xa0, 0xc0, all]),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input.to_vec())).to_vec()
}

/// Inputs that reach deep into trees.
pub(crate) fn tree_seeds() -> Vec<(String, Vec<u8>)> {
    let (announce, all, wait, second) = (6 << 5, 7 << 5, 0x80, 0x84);
    let seeds: [(&str, &[u8]); 10] = [
        ("nothing", &[]),
        ("signed", &[announce, all]),
        ("lost-challenge", &[announce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, all, wait, all, wait, all]),
        ("lost-sum", &[announce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, all, wait, all, wait, all]),
        ("again", &[announce, all, 0xc1, all, 0xc2, all]),
        ("crash", &[announce, 0, 0, 0, 0, 0, 0, 0xa3, all, wait, all, wait, all, wait, all]),
        ("corrupt", &[announce, 0, 0, 0x60, 200, 0, 0, 0x61, 90, all, wait, all, wait, all]),
        ("twice", &[announce, 0x40, 0x41, 0, 0, 0x40, 0x41, 0x42, all, 0x40, all]),
        ("lost-call", &[announce, 0x20, all, wait, all, wait, all, wait, all]),
        ("late", &[announce, 0, 0, second, second, second, second, all, wait, all, wait, all]),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input.to_vec())).to_vec()
}

struct World {
    shape: Shape,
    now: Time,
    rng: ChaCha20Rng,
    leader: Leader,
    cosigners: BTreeMap<u16, Cosigner>,
    queue: Transit<u16>,
    /// What each pair answered, for its owner and, where that says so, for its branch: at most as
    /// many as there were actions.
    answered: BTreeMap<(u16, NonceId, bool), Vec<u8>>,
    /// From whom whom a corrupted message reached, (from, to).
    corrupted: BTreeSet<(u16, u16)>,
    signed: usize,
}

impl World {
    fn new(shape: Shape) -> Self {
        let cosigners = (1..SIZE).map(|at| (at, start(at))).collect();
        Self {
            shape,
            now: Time::default(),
            rng: rng(9),
            leader: lead(shape),
            cosigners,
            queue: Transit::new(IN_FLIGHT),
            answered: BTreeMap::new(),
            corrupted: BTreeSet::new(),
            signed: 0,
        }
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        match kind {
            0..=3 => {
                let arrived = self.queue.meddle(kind, detail, place);
                arrived.into_iter().for_each(|sent| self.deliver(sent));
            }
            4 => self.pass(detail),
            5 if detail & 3 == 0 => self.leader = lead(self.shape),
            5 => {
                let at = u16::from(detail & 3);
                self.cosigners.insert(at, start(at));
            }
            6 => self.announce(&[detail % 4]),
            7 => self.settle(IN_FLIGHT),
            _ => {}
        }
    }

    /// Has a statement signed. It may be being signed, or be one too many.
    fn announce(&mut self, statement: &[u8]) {
        let (statement, policy) = (statement.to_vec(), Policy::Quorum);
        let mut cx = Cx::new(self.now, &mut self.rng);
        let command = leader::Command::Announce { statement, policy };
        if let Ok(step) = self.leader.handle_command(&mut cx, command) {
            self.take(step);
        }
    }

    /// Time passes: until somebody has something to do, or some quarters of a second.
    fn pass(&mut self, detail: u8) {
        let some = self.now.after(Duration::from_millis(u64::from(detail).saturating_mul(250)));
        let due = self.deadline().filter(|_| detail == 0);
        self.now = self.now.max(due.unwrap_or(some));
        let mut cx = Cx::new(self.now, &mut self.rng);
        let step = self.leader.handle_timeout(&mut cx);
        self.take(step);
        for at in 1..SIZE {
            let Some(cosigner) = self.cosigners.get_mut(&at) else { continue };
            let step = cosigner.handle_timeout(&mut Cx::new(self.now, &mut self.rng));
            self.take_from(at, step);
        }
        let next = self.deadline();
        assert!(next.is_none_or(|next| next > self.now), "a deadline that does not advance");
    }

    fn deadline(&self) -> Option<Time> {
        let cosigners = self.cosigners.values().filter_map(Cosigner::next_timeout);
        self.leader.next_timeout().into_iter().chain(cosigners).min()
    }

    fn deliver(&mut self, sent: Sent<u16>) {
        let Some(message) = sent.decode() else { return };
        let Sent { from, to, corrupted, .. } = sent;
        if corrupted {
            self.corrupted.insert((from, to));
        }
        let mut cx = Cx::new(self.now, &mut self.rng);
        if to == 0 {
            let step = self.leader.handle_message(&mut cx, member(from), message);
            return self.take(step);
        }
        let Some(cosigner) = self.cosigners.get_mut(&to) else { return };
        let step = cosigner.handle_message(&mut cx, member(from), message);
        self.take_from(to, step);
    }

    fn take(&mut self, step: leader::Step) {
        let output = step.into_records().1.release();
        for (to, message) in output.messages {
            let bytes = message.encode();
            for at in (1..SIZE).filter(|at| receives(&to, member(*at))) {
                self.queue.send(0, at, bytes.clone());
            }
        }
        for event in output.events {
            let holds = match event {
                leader::Event::Signed { statement, signature, .. } => holds(&signature, &statement),
                leader::Event::Individual { statement, certificate, .. } => {
                    certificate.verify(&*ROSTER, &statement, &Policy::Quorum).is_ok()
                }
                leader::Event::Failed { .. } | _ => continue,
            };
            assert!(holds, "a signature that does not hold");
            self.signed = self.signed.wrapping_add(1);
        }
        output.faults.iter().for_each(|fault| self.excuse(0, fault));
    }

    fn take_from(&mut self, at: u16, step: cosigner::Step) {
        let output = step.into_records().1.release();
        for (to, message) in output.messages {
            let leader_alone = receives(&to, member(0)) || self.shape != Shape::Star;
            assert!(leader_alone, "a cosigner speaks to its leader alone");
            let answer = if let Message::Response(Said { what, .. }) = &message {
                Some((what.nonce, what.challenge, what.response, false))
            } else if let Message::Account(Said { what, .. }, _) = &message {
                let what = &what.response.what;
                Some((what.nonce, what.challenge, what.response, false))
            } else if let Message::Sum(Said { what, .. }, _) = &message {
                Some((what.nonce, what.challenge, what.sum, true))
            } else {
                None
            };
            if let Some((nonce, challenge, answer, of_branch)) = answer {
                let answer = [&challenge.0[..], &answer].concat();
                let key = (at, nonce, of_branch);
                let first = self.answered.entry(key).or_insert_with(|| answer.clone());
                assert_eq!(*first, answer, "a nonce answers twice");
                let other = self.answered.get(&(at, nonce, !of_branch));
                let same = other.is_none_or(|other| other.starts_with(&challenge.0));
                assert!(same, "a nonce answers two challenges");
            }
            let bytes = message.encode();
            for to in (0..SIZE).filter(|peer| receives(&to, member(*peer))) {
                self.queue.send(at, to, bytes.clone());
            }
        }
        output.faults.iter().for_each(|fault| self.excuse(at, fault));
        for event in output.events {
            let cosigner::Event::Validate { digest, .. } = event else { continue };
            let Some(cosigner) = self.cosigners.get_mut(&at) else { continue };
            let verdict = cosigner::Command::Answered { digest, accept: true };
            let mut cx = Cx::new(self.now, &mut self.rng);
            if let Ok(step) = cosigner.handle_command(&mut cx, verdict) {
                self.take_from(at, step);
            }
        }
    }

    /// Who delivers a corrupted message answers for it, and nobody for anything else.
    fn excuse(&self, at: u16, fault: &Fault<Index>) {
        let heard = self.corrupted.contains(&(fault.culprit.get(), at));
        assert!(heard && fault.evidence.is_none(), "{at} blames an honest member: {fault:?}");
    }

    /// Delivers what is on its way and what follows, in order, so many messages at most.
    fn settle(&mut self, most: usize) {
        for _ in 0..most {
            let Some(sent) = self.queue.next() else { return };
            self.deliver(sent);
        }
    }

    /// The network heals: whatever happened, a statement is signed before the leader gives up.
    fn end(mut self) {
        self.queue.clear();
        self.now = self.now.after(Duration::from_secs(100));
        while self.leader.next_timeout().is_some() {
            self.pass(0); // what was left open is given up, or signed
            self.settle(1000);
        }
        let before = self.signed;
        self.announce(b"at last");
        self.settle(1000);
        while self.leader.next_timeout().is_some() {
            self.pass(0);
            self.settle(1000);
        }
        assert!(self.signed > before, "all are honest, all arrives, and nothing is signed");
    }
}

fn lead(shape: Shape) -> Leader {
    let config = leader::Config::new(ROSTER.clone(), member(0), key(0).clone());
    let config = leader::Config { shape, ..config };
    Leader::new(config).expect("the leader's own key")
}

fn start(at: u16) -> Cosigner {
    let mut config = cosigner::Config::new(ROSTER.clone(), member(at), key(at).clone());
    config.limits.calls = 4;
    Cosigner::new(config).expect("the cosigner's own key")
}

/// Whether three of the four signed: [s]B = R + [c]A, c = SHA-512(R ‖ A ‖ m).
fn holds(signature: &CollectiveSignature, statement: &[u8]) -> bool {
    let CollectiveSignature { commitment, response, mask } = signature;
    let [set] = mask.as_bytes() else { return false };
    let signers = (0..SIZE).filter(|at| set.wrapping_shr((*at).into()) & 1 == 1);
    let keys = signers.map(|at| *key(at).public().point());
    let (count, sum) = keys.fold((0_usize, EdwardsPoint::identity()), |(count, sum), key| {
        (count.wrapping_add(1), sum + key)
    });
    let Some(r) = CompressedEdwardsY(*commitment).decompress() else { return false };
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*response));
    let Some(s) = s else { return false };
    let signed = [&ACCOUNTABLE[..], &Keys::id(&*ROSTER).0, &[*set], statement].concat();
    let hash = Sha512::new().chain_update(commitment).chain_update(sum.compress().as_bytes());
    let c = Scalar::from_bytes_mod_order_wide(&hash.chain_update(signed).finalize().into());
    count >= 3 && *set < 1 << SIZE && EdwardsPoint::mul_base(&s) == r + c * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::town::collective;

    /// What the seeds are called is what happens.
    #[test]
    fn seeds_reach_signatures_and_blame() {
        let reached = |name: &str| {
            let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
            run(Shape::Star, &input)
        };
        assert_eq!(reached("nothing").signed, 0);
        assert_eq!(reached("signed").signed, 1);
        assert_eq!(reached("ahead").signed, 4);
        assert!(reached("crash").signed > 0);
        assert!(!reached("corrupt").corrupted.is_empty());
        assert_eq!(reached("twice").signed, 1);
        assert_eq!(reached("lost").signed, 2);
    }

    /// In a tree each of the three answers once; who lost its pair has the others answer again.
    #[test]
    fn tree_seeds_reach_signatures_over_trees() {
        let reached = |name: &str| {
            let (_, input) = tree_seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
            let world = run(binary(), &input);
            (world.signed, world.answered.len(), world.corrupted.is_empty())
        };
        assert_eq!(reached("nothing"), (0, 0, true));
        assert_eq!(reached("signed"), (1, 3, true));
        assert_eq!(reached("again"), (3, 9, true));
        // The challenge below a head is lost: the rest of the tree commits no second time.
        assert_eq!(reached("lost-challenge"), (1, 5, true));
        // The sum below a head is lost: both of that branch tell what they answered.
        assert_eq!(reached("lost-sum"), (1, 4, true));
        assert_eq!(reached("crash"), (1, 4, true));
        assert_eq!(reached("corrupt"), (1, 3, false));
        for name in ["twice", "lost-call", "late"] {
            assert_eq!(reached(name), (1, 3, true), "{name}");
        }
    }

    #[test]
    fn a_signature_that_does_not_hold_is_noticed() {
        let signature = collective(b"statement");
        assert!(holds(&signature, b"statement"));
        assert!(!holds(&signature, b"another"));
        let mut other = signature.clone();
        other.response[0] ^= 1;
        assert!(!holds(&other, b"statement"));
        let mask = cosi::mask::Mask::of(SIZE.into(), [0, 1]);
        assert!(!holds(&CollectiveSignature { mask, ..signature }, b"statement"));
    }
}
