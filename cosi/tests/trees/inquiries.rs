//! What the leader asks members directly, once a branch has failed: whom it asks again, and whom it
//! counts as silent.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    Policy, leader,
    machine::{FaultKind, Index, Time, To},
    message::{Commitment, Inquiry, Message, Refusal, Said},
    nonce::NonceId,
    roster::RosterId,
    sim::{Boundary, Crash, Deliveries, Latency, When},
};
use curve25519_dalek::{EdwardsPoint, Scalar};

use crate::{
    attacks::{first_tree, heads, send},
    grove::{Config, Grove, Node, Sent, grove, kary, key, roster, tuned},
};

const HOP: Duration = Duration::from_millis(50);

fn without_singles(mut config: Config) -> Config {
    config.leader.timing.individual = None;
    config
}

/// It commits for its branch, and says nothing to a challenge, nor passes it on.
fn silent_head(_: u16, output: Sent) -> Deliveries<Node> {
    let said = output.into_iter().filter(|(_, message)| {
        !matches!(
            message,
            Message::Challenge(..)
                | Message::Sum(..)
                | Message::Account(..)
                | Message::Refusal(_)
                | Message::Response(_)
        )
    });
    said.flat_map(|(to, message)| send(to, message)).collect()
}

fn until(grove: &mut Grove, millis: u64) {
    let _ = grove.sim.run_until(Time::at(Duration::from_millis(millis)), |_| false);
}

fn links(grove: &mut Grove, from: u16, to: &[u16], takes: Duration) {
    for to in to {
        let (from, to) = (grove.at(from), grove.at(*to));
        grove.sim.link(from, to, Latency::Fixed(takes));
    }
}

/// Below a silent head, three honest members do not hear the leader for a second, in which it asks
/// them what became of the challenge. It asks again.
#[test]
fn an_inquiry_that_is_lost_is_said_again() {
    let head = heads(&first_tree(13, kary(3)))[0];
    let below: Vec<u16> = first_tree(13, kary(3)).children(head).collect();
    let mut grove = tuned(13, kary(3), without_singles);
    grove.corrupt([head], silent_head);
    grove.announce(0, b"x", Policy::Weight(12));
    // The challenge goes out at 0.4 s, the inquiry two seconds later.
    until(&mut grove, 2000);
    links(&mut grove, 0, &below, Duration::from_secs(100_000));
    until(&mut grove, 3000);
    links(&mut grove, 0, &below, HOP);
    until(&mut grove, 300_000);
    let (_, absent, took) = grove.signed(b"x");
    assert_eq!(absent, [head]);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// The same three are down when the inquiry comes, and back soon after.
#[test]
fn whoever_was_down_at_an_inquiry_is_asked_again() {
    let head = heads(&first_tree(13, kary(3)))[0];
    let below: Vec<u16> = first_tree(13, kary(3)).children(head).collect();
    let mut grove = tuned(13, kary(3), without_singles);
    grove.corrupt([head], silent_head);
    for at in &below {
        let when = When::At(Time::at(Duration::from_millis(2250)));
        let down_for = Some(Duration::from_millis(300));
        let crash = Crash { when, boundary: Boundary::Idle, down_for };
        grove.sim.crash(grove.at(*at), crash);
    }
    grove.announce(0, b"x", Policy::Weight(12));
    until(&mut grove, 300_000);
    assert_eq!(grove.signed(b"x").1, [head]);
}

/// One disruptor owes to the first attempt, and pays just after the leader has asked the branch of
/// the other one, in the second: who was asked a moment ago owes nothing as yet.
#[test]
fn whoever_was_asked_a_moment_ago_is_in_time() {
    let tree = first_tree(13, kary(3));
    let (head, other) = (heads(&tree)[0], heads(&tree)[1]);
    let leaf = tree.children(head).next().unwrap();
    let mut grove = grove(13, kary(3));
    let mut sums = 0;
    grove.corrupt([leaf, other], move |me, output| {
        let strategy = |(to, message)| match message {
            Message::Sum(..) if me == leaf => vec![],
            Message::Sum(..) => {
                sums += 1;
                if sums == 1 { send(to, message) } else { vec![] }
            }
            message => send(to, message),
        };
        output.into_iter().flat_map(strategy).collect()
    });
    grove.announce(0, b"x", Policy::Weight(11));
    until(&mut grove, 1500);
    links(&mut grove, leaf, &[0], Duration::from_millis(4010));
    grove.run();
    assert_eq!(grove.attempts(), 2, "the first one is completed while the second one descends");
    assert_eq!(grove.signed(b"x").1, vec![0u16; 0]);
    grove.sign(b"y", 9);
    let aside: BTreeSet<u16> = grove.plans().last().unwrap().aside.iter().collect();
    let honest: BTreeSet<u16> = tree.subtree(other).iter().filter(|at| *at != other).collect();
    assert!(aside.is_disjoint(&honest), "{aside:?}");
    assert!(aside.is_subset(&BTreeSet::from([head, leaf, other])), "{aside:?}");
}

/// A leaf tells the leader that it cannot answer, and its parent its sum: the sum of the branch
/// holds all the same.
#[test]
fn a_sound_sum_counts_after_a_refusal() {
    let tree = first_tree(13, kary(3));
    let leaf = tree.children(heads(&tree)[0]).next().unwrap();
    let mut grove = grove(13, kary(3));
    let mut number = 0;
    grove.corrupt([leaf], move |me, output| {
        let mut refuse = |challenge| {
            number += 1;
            let points = [7u64, 8].map(|r| EdwardsPoint::mul_base(&Scalar::from(r)));
            let points = points.map(|point| point.compress().to_bytes());
            let (roster, nonce) = (roster(13).id(), NonceId([number; 16]));
            let ahead = Commitment { roster, leader: 0, member: me, nonce, points };
            let ahead = Said::new(&key(me), ahead);
            let refusal = Refusal { challenge, member: me, nonce: None, ahead };
            Message::Refusal(Said::new(&key(me), refusal))
        };
        let leader = To::One(roster(13).index(0).unwrap());
        let strategy = |(to, message)| match message {
            Message::Sum(said, ahead) => {
                let refusal = refuse(said.what.challenge);
                [send(leader.clone(), refusal), send(to, Message::Sum(said, ahead))].concat()
            }
            Message::Account(said, _) => send(to, refuse(said.what.response.what.challenge)),
            message => send(to, message),
        };
        output.into_iter().flat_map(strategy).collect()
    });
    for number in 0..3u8 {
        let (_, absent, took) = grove.sign(&[number], 9);
        assert_eq!((absent, grove.attempts()), (vec![], usize::from(number) + 1));
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

/// Whoever the branches bring has committed: it is not named where somebody else is missing, and it
/// is asked directly where the branches are too few.
#[test]
fn whoever_committed_in_a_branch_is_not_silent() {
    let tree = first_tree(13, kary(3));
    let leaf = tree.children(heads(&tree)[0]).next().unwrap();
    let mut grove = tuned(13, kary(3), without_singles);
    grove.corrupt([leaf], |_, _| vec![]);
    grove.announce(0, b"x", Policy::Complete);
    grove.run();
    let events = &grove.sim.application().events;
    let [(_, _, leader::Event::Failed { absent, .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!(absent.iter().copied().map(Index::get).collect::<Vec<_>>(), [leaf]);
    let log = grove.log.borrow();
    let asked = log.iter().filter(|(_, _, message)| matches!(message, Message::Announcement(..)));
    let asked: BTreeSet<u16> = asked.map(|(_, to, _)| *to).collect();
    assert_eq!(asked, (1..13).collect(), "the tree is left");
    drop(log);
    let (_, absent, _) = grove.sign(b"y", 12);
    assert_eq!(absent, [leaf]);
}

/// It names its roster, which whoever delivers it must have looked at.
#[test]
fn an_inquiry_is_for_one_roster() {
    let roster = roster(4);
    let inquiry = |of: RosterId| {
        let challenge = cosi::challenge::ChallengeId([1; 32]);
        let inquiry = Inquiry { roster: of, leader: 0, challenge };
        Message::Inquiry(Said::new(&key(0), inquiry))
    };
    assert!(inquiry(roster.id()).verify(&roster).is_ok());
    let other = inquiry(RosterId([9; 32])).verify(&roster);
    assert_eq!(other.map(|_| ()), Err(FaultKind::Malformed));
}
