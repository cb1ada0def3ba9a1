//! The paper's own rules, written here, and what breaks them; and that it breaks nothing here.
//! Four servers, of which server 0 is faulty.

use std::{collections::BTreeSet, time::Duration};

use cosi::machine::FaultKind;
use curve25519_dalek::{RistrettoPoint, Scalar};
use randhound::randshare::{Deal, Message};

use crate::common::{Net, commit, deal, recover, roster, value};

/// Steps 2.3 to 2.5 of the paper: what one server makes of the votes on one secret.
#[derive(Default)]
struct Ballot {
    positive: BTreeSet<u16>,
    negative: BTreeSet<u16>,
    commits: [BTreeSet<u16>; 2],
    decided: Option<bool>,
}

impl Ballot {
    fn prepare(&mut self, from: u16, vote: bool) {
        let votes = if vote { &mut self.positive } else { &mut self.negative };
        votes.insert(from);
    }

    fn commit(&mut self, from: u16, vote: bool) {
        let commits = &mut self.commits[usize::from(vote)];
        commits.insert(from);
        if commits.len() >= 3 && self.decided.is_none() {
            self.decided = Some(vote);
        }
    }

    /// What the server commits to: 2f + 1 positive votes or f + 1 negative ones decide. The paper
    /// does not say that one excludes the other; `once` does.
    fn commits(&self, once: bool) -> Vec<bool> {
        let due = [(self.positive.len() >= 3, true), (self.negative.len() >= 2, false)];
        let due = due.into_iter().filter(|(is_due, _)| *is_due).map(|(_, vote)| vote);
        due.take(if once { 1 } else { 2 }).collect()
    }
}

/// All votes on the secret of server 0 arrive, who votes and commits to each server as it likes.
fn published(
    honest: [bool; 3],
    votes: impl Fn(u16) -> Vec<bool>,
    commits: impl Fn(u16) -> Vec<bool>,
    once: bool,
) -> [Option<bool>; 3] {
    let mut ballots = [(); 3].map(|()| Ballot::default());
    for (at, ballot) in (1..).zip(&mut ballots) {
        (1..).zip(honest).for_each(|(from, vote)| ballot.prepare(from, vote));
        votes(at).into_iter().for_each(|vote| ballot.prepare(0, vote));
    }
    let committed = ballots.each_ref().map(|ballot| ballot.commits(once));
    for (at, ballot) in (1..).zip(&mut ballots) {
        for (from, committed) in (1..).zip(&committed) {
            committed.iter().for_each(|vote| ballot.commit(from, *vote));
        }
        commits(at).into_iter().for_each(|vote| ballot.commit(0, vote));
    }
    ballots.map(|ballot| ballot.decided)
}

#[test]
fn the_published_votes_decide_on_honest_dealers() {
    assert_eq!(published([true; 3], |_| vec![], |_| vec![], true), [Some(true); 3]);
    assert_eq!(published([false; 3], |_| vec![], |_| vec![], true), [Some(false); 3]);
}

/// One bad share, and silence: two positive votes are no three, and one negative vote is no two.
#[test]
fn one_bad_share_breaks_published() {
    let decided = published([true, true, false], |_| vec![], |_| vec![], false);
    assert_eq!(decided, [None; 3], "all messages have arrived, and everybody waits for ever");
}

#[test]
fn one_bad_share_stalls_nobody() {
    let roster = roster(4);
    let corrupt = |from: u16, to: u16, message: Message| match message {
        Message::Deal(deal) if from == 0 && to == 3 => {
            vec![Message::Deal(Deal { share: [1; 32], ..deal })]
        }
        Message::Deal(_) => vec![message],
        _ if from == 0 => vec![],
        _ => vec![message],
    };
    let mut net = Net::with(&roster, 1, Box::new(corrupt));
    net.run(Duration::from_secs(20));
    assert_eq!(net.output(1..4).1, [1, 2, 3]);
}

/// With votes for one here and for the other there, honest servers decide differently, or, where
/// a server commits but once, one of them never decides.
#[test]
fn votes_both_ways_breaks_published() {
    let honest = [true, true, false];
    let votes = |to| [vec![true], vec![true, false], vec![false]][to as usize - 1].clone();
    let commits = |to| vec![to != 3];
    let decided = published(honest, votes, commits, false);
    assert_eq!((decided[0], decided[2]), (Some(true), Some(false)), "two outputs");
    let decided = published(honest, votes, commits, true);
    assert_eq!((decided[0], decided[2]), (Some(true), None), "one never ends");
    // The refusal: run::two_faced_votes_split_nobody.
}

fn polynomial(a: u64, b: u64) -> [Scalar; 2] {
    [a, b].map(Scalar::from)
}

/// Commitments that are sent, and not broadcast: everybody's share is valid and all votes are
/// positive, and servers recover two secrets, each from f + 1 shares that are valid for it.
#[test]
fn two_sets_of_commitments_breaks_published() {
    let [left, right] = [polynomial(1, 2), polynomial(3, 4)];
    // Server 3 got the other set, and server 0 discloses to each what is valid there.
    let valid = |of: &[Scalar; 2], server: u16, share: Scalar| {
        let point = |x: &[u8; 32]| {
            curve25519_dalek::ristretto::CompressedRistretto(*x).decompress().unwrap()
        };
        let commitments = commit(of);
        let [a, b] = [0, 1].map(|k: usize| point(&commitments.0[k]));
        RistrettoPoint::mul_base(&share) == a + b * Scalar::from(u64::from(server) + 1)
    };
    let shares = [(1, value(&left, 1)), (2, value(&left, 2)), (3, value(&right, 3))];
    let at = |of: &[Scalar; 2]| {
        let disclosed = shares.into_iter().chain([(0, value(of, 0))]);
        let held: Vec<_> = disclosed.filter(|(at, share)| valid(of, *at, *share)).collect();
        recover(&held[..2])
    };
    assert_eq!([at(&left), at(&right)], [Scalar::from(1_u64), Scalar::from(3_u64)]);
}

#[test]
fn two_sets_of_commitments_make_one_secret_or_none() {
    let roster = roster(4);
    // Server 3 alone has the other set: the first one is delivered. Or servers 2 and 3: neither.
    for (others, dealers) in [(3..4, vec![0, 1, 2, 3]), (2..4, vec![1, 2, 3])] {
        let seen = others.clone();
        let corrupt = move |from: u16, to: u16, message: Message| match message {
            Message::Deal(_) if from == 0 && seen.contains(&to) => {
                vec![deal(&polynomial(3, 4), to)]
            }
            _ => vec![message],
        };
        let mut net = Net::with(&roster, 1, Box::new(corrupt));
        net.run(Duration::from_secs(20));
        assert_eq!(net.output(1..4).1, dealers, "{others:?}");
    }
}

/// An honest server that holds a share of the other set would be a liar if it disclosed that, and
/// a dealer that tells it the other commitments once more is one.
#[test]
fn two_sets_of_commitments_frame_nobody() {
    let roster = roster(4);
    let other = polynomial(3, 4);
    // Server 1 hears first what server 0 discloses.
    let mut disclosed = false;
    let corrupt = move |from: u16, to: u16, message: Message| match (from, to, &message) {
        (3, 0, Message::Deal(_)) => vec![deal(&other, to)],
        (3, 0, Message::Votes(_)) => vec![message, Message::Commitments(3, commit(&other))],
        (_, 1, Message::Disclosed(..)) => {
            disclosed |= from == 0;
            if disclosed { vec![message] } else { vec![] }
        }
        _ => vec![message],
    };
    let mut net = Net::with(&roster, 1, Box::new(corrupt));
    net.run(Duration::from_secs(20));
    assert_eq!(net.output(0..3).1, [0, 1, 2, 3]);
    let blamed: BTreeSet<_> =
        net.faults.iter().map(|(by, it)| (*by, it.culprit.get(), it.kind)).collect();
    assert_eq!(blamed, BTreeSet::from([(0, 3, FaultKind::InvalidPayload)]));
}

/// Who deals last knows \[s\]G of all others' sums, and chooses its own secret so that \[Z\]G
/// begins as it likes: the published output Z is not uniform.
#[test]
fn a_chosen_sum_breaks_published() {
    let (others, chosen) = grind(1);
    let z = others + chosen;
    assert_eq!(RistrettoPoint::mul_base(&z).compress().to_bytes()[0], 0, "one in 128");
}

/// A secret such that, with those of the others in the run of this seed, the sum times the
/// generator begins with a zero byte. The others' sum is told for the test alone.
fn grind(seed: u64) -> (Scalar, Scalar) {
    let roster = roster(4);
    let net = Net::new(&roster, seed);
    let deals = |dealer: u16| {
        let of = net.wire.iter().filter(move |(from, ..)| *from == dealer);
        of.filter_map(|(_, to, message)| match message {
            Message::Deal(deal) => Some((*to, deal.clone())),
            _ => None,
        })
    };
    let public = |dealer| {
        let (_, deal) = deals(dealer).next().unwrap();
        let bytes = curve25519_dalek::ristretto::CompressedRistretto(deal.commitments.0[0]);
        bytes.decompress().unwrap()
    };
    let sum: RistrettoPoint = (1..4).map(public).sum();
    let begins =
        |secret: &Scalar| (sum + RistrettoPoint::mul_base(secret)).compress().to_bytes()[0] == 0;
    let chosen = (0_u64..).map(Scalar::from).find(begins).unwrap();
    let secret = |dealer| {
        let shares = deals(dealer).take(2).map(|(to, deal)| {
            (to, Option::<Scalar>::from(Scalar::from_canonical_bytes(deal.share)).unwrap())
        });
        recover(&shares.collect::<Vec<_>>())
    };
    ((1..4).map(secret).sum(), chosen)
}

/// The same dealer here: the sum is as it likes, and the output has nothing of it.
#[test]
fn a_chosen_sum_chooses_no_output() {
    let mut first = BTreeSet::new();
    for seed in 1..5 {
        let (others, chosen) = grind(seed);
        assert_eq!(RistrettoPoint::mul_base(&(others + chosen)).compress().to_bytes()[0], 0);
        let own = [chosen, Scalar::ONE];
        let corrupt = move |from: u16, to: u16, message: Message| match message {
            Message::Deal(_) if from == 0 => vec![deal(&own, to)],
            _ => vec![message],
        };
        let mut net = Net::with(&roster(4), seed, Box::new(corrupt));
        net.run(Duration::from_secs(20));
        let (output, dealers) = net.output(1..4);
        assert_eq!(dealers, [0, 1, 2, 3]);
        first.insert(output.0[0]);
    }
    assert_eq!(first.len(), 4, "four outputs begin with four bytes");
}
