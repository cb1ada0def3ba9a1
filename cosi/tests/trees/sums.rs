//! A tree's signature is the star's, and the naive sum of what each member said.

use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    CollectiveSignature,
    challenge::Challenge,
    message::{Account, Ask, Message},
    nonce::NonceId,
    roster::Roster,
    tree::Shape,
};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use proptest::prelude::*;
use sha2::{Digest, Sha512};

use crate::{
    attacks::{again, first_tree, heads, send, wrong_response, wrong_sum},
    grove::{Grove, grove, kary, key},
};

fn scalar(bytes: &[u8; 32]) -> Scalar {
    Scalar::from_canonical_bytes(*bytes).unwrap()
}

fn points(bytes: &[[u8; 32]; 2]) -> [EdwardsPoint; 2] {
    bytes.map(|bytes| CompressedEdwardsY(bytes).decompress().unwrap())
}

fn wide(hash: Sha512) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

/// b and c, by arithmetic of its own.
pub(crate) fn terms(roster: &Roster, challenge: &Challenge, statement: &[u8]) -> (Scalar, Scalar) {
    let roster = roster.id().0;
    let mask = challenge.mask.as_bytes();
    let key: EdwardsPoint = challenge.mask.iter().map(|at| *key(at).public().point()).sum();
    let key = key.compress().to_bytes();
    let m = [&cosi::domain::ACCOUNTABLE[..], &roster, mask, statement].concat();
    let b = Sha512::new_with_prefix(cosi::domain::BINDING).chain_update([0]);
    let b = b.chain_update(challenge.session.id().0).chain_update(roster);
    let b = b.chain_update((mask.len() as u64).to_le_bytes()).chain_update(mask);
    let b = b.chain_update(key).chain_update(challenge.commitments.concat());
    let b = wide(b.chain_update(Sha512::digest(&m)));
    let [r1, r2] = points(&challenge.commitments);
    let c = Sha512::new_with_prefix((r1 + b * r2).compress().to_bytes());
    (b, wide(c.chain_update(key).chain_update(m)))
}

/// What each member but the leader committed to and answered, taken apart again: what it said, less
/// what was said to it.
fn shares(grove: &Grove, challenge: &Challenge) -> BTreeMap<u16, ([EdwardsPoint; 2], Scalar)> {
    let log = grove.log.borrow();
    let mut heard = BTreeMap::<u16, Scalar>::new();
    let mut committed = BTreeMap::<(u16, NonceId), [EdwardsPoint; 2]>::new();
    let mut shares = BTreeMap::new();
    for (from, to, message) in log.iter() {
        match message {
            Message::Commitment(said) => {
                committed.insert((*from, said.what.nonce), points(&said.what.points));
            }
            Message::Tuple(said, _) => {
                committed.insert((*from, said.what.nonce), points(&said.what.own));
            }
            Message::Response(said) => {
                let ahead = &said.what.ahead.what;
                committed.insert((*from, ahead.nonce), points(&ahead.points));
            }
            Message::Sum(_, ahead) => {
                committed.insert((*from, ahead.what.nonce), points(&ahead.what.own));
            }
            _ => {}
        }
        match message {
            Message::Response(said) if said.what.challenge == challenge.id() => {
                let own = committed[&(*from, said.what.nonce)];
                shares.insert(*from, (own, scalar(&said.what.response)));
            }
            Message::Sum(said, _) if said.what.challenge == challenge.id() => {
                let sum = scalar(&said.what.sum);
                let below = heard.get(from).copied().unwrap_or_default();
                *heard.entry(*to).or_default() += sum;
                shares.insert(*from, (committed[&(*from, said.what.nonce)], sum - below));
            }
            _ => {}
        }
    }
    shares
}

fn is_the_naive_sum(grove: &Grove, signature: &CollectiveSignature, statement: &[u8]) {
    let challenge = grove.log.borrow().iter().rev().find_map(|(_, _, message)| match message {
        Message::Challenge(said, _) => Some(said.what.clone()),
        _ => None,
    });
    let challenge = challenge.unwrap();
    assert_eq!(challenge.mask, signature.mask);
    let (b, c) = terms(&grove.roster, &challenge, statement);
    let [mut r1, mut r2] = points(&challenge.commitments);
    assert_eq!((r1 + b * r2).compress().to_bytes(), signature.commitment);
    let mut s = scalar(&signature.response);
    let shares = shares(grove, &challenge);
    let signers = signature.mask.iter().filter(|member| *member != 0);
    assert!(shares.keys().copied().eq(signers));
    for (member, ([own1, own2], share)) in shares {
        let right = own1 + b * own2 + c * key(member).public().point();
        assert_eq!(EdwardsPoint::mul_base(&share), right, "member {member}");
        (r1, r2, s) = (r1 - own1, r2 - own2, s - share);
    }
    // What is left is the leader's own, and right too.
    assert_eq!(EdwardsPoint::mul_base(&s), r1 + b * r2 + c * key(0).public().point());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_tree_is_the_star_and_the_naive_sum(
        shape in prop_oneof![(2u8..6).prop_map(kary), Just(Shape::Groups), Just(Shape::Star)],
        present in prop::collection::btree_set(1u16..15, 1..15),
    ) {
        let silent: Vec<u16> = (1..15).filter(|member| !present.contains(member)).collect();
        let weight = present.len() as u64 + 1;
        let mut masks = vec![];
        for shape in [shape, Shape::Star] {
            let mut grove = grove(15, shape);
            grove.corrupt(silent.clone(), |_, _| vec![]);
            // Who is silent is found out; stands aside, and others take its place; and the others
            // commit ahead.
            for statement in [b"first", b"aside", b"ahead"] {
                let (signature, absent, _) = grove.sign(statement, weight);
                prop_assert_eq!(&absent, &silent);
                is_the_naive_sum(&grove, &signature, statement);
                masks.push(signature.mask);
            }
            prop_assert_eq!(grove.attempts(), 3);
            let plans = grove.plans();
            for plan in plans.iter().skip(1) {
                prop_assert_eq!(plan.aside.iter().collect::<Vec<_>>(), silent.clone());
            }
            prop_assert!(shape == Shape::Star || plans.len() <= 2);
        }
        masks.dedup();
        prop_assert_eq!(masks.len(), 1);
    }
}

/// A head whose share is wrong leaves branches behind that are sound: the leader asks those itself,
/// in the next attempt.
#[test]
fn a_branch_without_its_head_is_the_leaders() {
    let tree = first_tree(40, kary(3));
    let head = heads(&tree)[0];
    let mut grove = grove(40, kary(3));
    grove.corrupt([head], |_, output| {
        let lie = |(to, message)| match message {
            Message::Sum(said, ahead) => send(to, Message::Sum(wrong_sum(said), ahead)),
            Message::Account(said, ahead) => {
                let share =
                    |what: Account| Account { response: wrong_response(what.response), ..what };
                send(to, Message::Account(again(said, share), ahead))
            }
            other => send(to, other),
        };
        output.into_iter().flat_map(lie).collect()
    });
    let (signature, absent, _) = grove.sign(b"x", 39);
    assert_eq!((absent, grove.attempts()), (vec![head], 2));
    is_the_naive_sum(&grove, &signature, b"x");
    let log = grove.log.borrow();
    let asked: BTreeSet<u16> = log
        .iter()
        .filter_map(|(from, to, message)| match message {
            Message::Challenge(said, Ask::Branch(_)) if *from == 0 => {
                (said.what.mask == signature.mask).then_some(*to)
            }
            _ => None,
        })
        .collect();
    let below = tree.children(head).chain(tree.children(0).filter(|other| *other != head));
    assert_eq!(asked, below.collect());
    // Nobody had to be called, or asked for itself.
    assert!(
        !log.iter().any(|(_, _, m)| matches!(m, Message::Response(_) | Message::Announcement(..)))
    );
    drop(log);
    assert_eq!(grove.said("call"), 39);
}
