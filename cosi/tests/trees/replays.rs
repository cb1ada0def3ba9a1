//! Members that say again, to anybody, whatever anybody said, and lead with two tongues.

use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    Policy,
    challenge::Challenge,
    leader,
    machine::{FaultKind, To},
    message::{Message, Said},
    tree::Shape,
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY, rand_core::Rng};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::grove::{Grove, Sent, grove, honestly, kary, key};

const SIZE: u16 = 16;
/// As many as are honest.
const WEIGHT: u64 = 12;

/// Another challenge in the same session, by the same leader.
fn twin(said: &Said<Challenge>) -> Said<Challenge> {
    let mut what = said.what.clone();
    let point = CompressedEdwardsY(what.commitments[0]).decompress().unwrap();
    what.commitments[0] = (point + EdwardsPoint::mul_base(&Scalar::ONE)).compress().to_bytes();
    Said::new(&key(what.session.leader), what)
}

/// Lets these members drop a fifth of what they are to say, sign a twin of each challenge of
/// theirs, and pass on what they overheard, their leaders' challenges as twins too.
fn corrupt(grove: &mut Grove, seed: u64, faulty: [u16; 4]) {
    let (log, roster) = (grove.log.clone(), grove.roster.clone());
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut left = 400;
    grove.corrupt(faulty, move |me, output: Sent| {
        let mut below = |most: usize| rng.next_u32() as usize % most;
        let (mut sent, heard) = (vec![], log.borrow());
        for (to, message) in output {
            if below(5) == 0 {
                continue;
            }
            if let Message::Challenge(said, nonce) = &message
                && said.what.session.leader == me
            {
                let to = if below(2) == 0 { to.clone() } else { To::All };
                sent.push((to, Message::Challenge(twin(said), *nonce)));
            }
            sent.push((to, message));
        }
        for _ in 0..below(6).min(heard.len()).min(left) {
            left -= 1;
            let (_, _, message) = &heard[heard.len() - 1 - below(heard.len().min(200))];
            let mut message = message.clone();
            if let Message::Challenge(said, _) = &mut message
                && faulty.contains(&said.what.session.leader)
                && below(2) == 0
            {
                *said = twin(said);
            }
            let to = roster.index(below(SIZE.into()) as u16).unwrap();
            sent.push((To::One(to), message));
        }
        honestly(sent)
    });
}

/// No honest member answers twice with one pair: for itself, for its branch, or in an account.
fn each_pair_answers_once(grove: &Grove, faulty: [u16; 4]) {
    let mut challenges = BTreeMap::new();
    let mut answers = BTreeMap::new();
    for (_, _, message) in grove.log.borrow().iter() {
        let (member, nonce, challenge, kind, answer) = match message {
            Message::Response(Said { what, .. }) => {
                (what.member, what.nonce, what.challenge, "own", what.response)
            }
            Message::Sum(Said { what, .. }, _) => {
                (what.member, what.nonce, what.challenge, "sum", what.sum)
            }
            Message::Account(Said { what, .. }, _) => {
                let what = &what.response.what;
                (what.member, what.nonce, what.challenge, "own", what.response)
            }
            _ => continue,
        };
        if !faulty.contains(&member) {
            let first = *challenges.entry((member, nonce)).or_insert(challenge);
            assert_eq!(first, challenge, "a pair of {member} answers twice");
            let first = *answers.entry((member, nonce, kind)).or_insert(answer);
            assert_eq!(first, answer, "a pair of {member} answers twice");
        }
    }
    assert!(answers.len() > 100);
}

fn overheard(seed: u64, shape: Shape) {
    let faulty = [1, 5, 9, 13].map(|at| at + (seed % 3) as u16);
    let mut grove = grove(SIZE, shape);
    corrupt(&mut grove, seed, faulty);
    let mut wanted = BTreeSet::new();
    for leader in (0..SIZE).step_by(2).chain(faulty) {
        let statement = leader.to_le_bytes().to_vec();
        grove.announce(leader, &statement, Policy::Weight(WEIGHT));
        if !faulty.contains(&leader) {
            wanted.insert(statement);
        }
    }
    grove.run();
    grove.nobody_innocent_is_blamed();
    each_pair_answers_once(&grove, faulty);
    let notes = grove.sim.application();
    let signed = notes.events.iter().filter_map(|(_, _, event)| match event {
        leader::Event::Signed { statement, .. } => Some(statement.clone()),
        _ => None,
    });
    assert!(wanted.is_subset(&signed.collect()), "honest leaders are served");
    let convicted = notes.faults.iter().filter(|(_, fault)| fault.kind == FaultKind::Equivocation);
    assert!(convicted.count() > 0, "nobody heard both twins");
}

#[test]
fn whatever_is_said_again_no_pair_answers_twice() {
    for (seed, shape) in [kary(2), kary(3), Shape::Groups].into_iter().enumerate() {
        overheard(seed as u64, shape);
    }
}
