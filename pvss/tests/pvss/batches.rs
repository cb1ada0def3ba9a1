//! Errors that cancel in a batch by DHPVSS: within a deal, across deals, and across groups.

use cosi::{
    domain::SHARE_BATCH,
    transcript::{Hash, HashRng},
};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    rand_core::Rng,
    traits::{Identity, IsIdentity},
};
use pvss::{DealError, Scheme, Sharing, verify_all, verify_groups};

use crate::{common::*, published::*};

const DH: Scheme = Scheme::Dhpvss;

/// Two deals, wrong by ±G: the first in K and L, or each in its own K.
fn cancelling(sharing: &Sharing, n: usize, t: usize) -> [Vec<Hand>; 2] {
    let deal = |number, shift| {
        let (shares, _) = plain(t, n, 1);
        Hand::deal(whole(sharing, &dealer(number)), t, &xs(n), Scalar::from(77u64), &shares, shift)
    };
    let (plus, minus) = (deal(0, G), deal(1, -G));
    [vec![plus.clone()], vec![plus, minus]]
}

#[test]
fn batch_coefficients_shared_between_equations_breaks_published() {
    let sharing = group(5, 2, DH);
    let [within, across] = cancelling(&sharing, 5, 2);
    let errors = |hands: &[Hand]| -> Vec<_> {
        let numbered = hands.iter().enumerate();
        numbered.map(|(at, hand)| hand.checked(whole(&sharing, &dealer(at)), 2, &xs(5))).collect()
    };
    let rho = Scalar::random(&mut rng(8));
    // One coefficient a deal.
    let [[k, l]] = errors(&within)[..] else { panic!("one deal") };
    assert!(!k.is_identity() && ((k + l) * rho).is_identity());
    // One coefficient a kind of equation.
    let [[k, l], [k2, l2]] = errors(&across)[..] else { panic!("two deals") };
    let sigma = Scalar::random(&mut rng(9));
    assert!(!k2.is_identity() && ((k + k2) * rho + (l + l2) * sigma).is_identity());
}

#[test]
fn every_equation_has_its_own_coefficient_so_errors_do_not_cancel() {
    let sharing = group(5, 2, DH);
    for hands in cancelling(&sharing, 5, 2) {
        let deals: Vec<_> = hands.iter().map(Hand::wire).collect();
        let numbered = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
        for verdict in verify_all(&sharing, numbered) {
            assert_eq!(verdict.unwrap_err(), DealError::Proof);
        }
    }
}

/// A deal in each of two groups, wrong by ±G in K.
fn across_groups() -> [(Sharing, Hand); 2] {
    let keys = keys(6, DH);
    [([0, 1, 2], G), ([3, 4, 5], -G)].map(|(members, shift)| {
        let sharing = Sharing::new([1; 32], &keys.group(members).unwrap(), 2).unwrap();
        let (shares, _) = plain(2, 3, 1);
        let xs: Vec<_> = members.iter().map(|at| point(&register(*at, DH).1.key)).collect();
        let who = dealer(members[0]);
        let zero = RistrettoPoint::identity();
        let mut hand = Hand::deal(whole(&sharing, &who), 2, &xs, number(77), &shares, zero);
        let mut transcript = whole(&sharing, &who);
        let uv = dual(&mut transcript, 2, &xs, &hand.ephemeral, &hand.shares);
        // By the book, but for K.
        let w = number(0x1234_5678);
        hand.commitments = [G * w + shift, uv[0] * w];
        hand.response = w - challenge(&mut transcript, &hand.commitments) * hand.mask;
        (sharing, hand)
    })
}

#[test]
fn batch_coefficients_shared_between_groups_breaks_published() {
    let [first, second] = across_groups().map(|(sharing, hand)| {
        let at = if hand.commitments[0] == G * number(0x1234_5678) + G { 0 } else { 3 };
        let xs: Vec<_> = (at..at + 3).map(|at| point(&register(at, DH).1.key)).collect();
        hand.checked(whole(&sharing, &dealer(at)), 2, &xs)
    });
    let [rho, sigma] = [1, 2].map(|seed| Scalar::random(&mut rng(seed)));
    assert!(!first[0].is_identity() && !second[0].is_identity());
    let sum = (first[0] + second[0]) * rho + (first[1] + second[1]) * sigma;
    assert!(sum.is_identity(), "each group's batch by the same coefficients");
}

#[test]
fn groups_checked_at_once_have_coefficients_of_their_own() {
    let [(left, first), (right, second)] = across_groups();
    let deals = [first.wire(), second.wire()];
    let groups = [(&left, [(dealer(0), &deals[0])]), (&right, [(dealer(3), &deals[1])])];
    for verdict in verify_groups(groups).into_iter().flatten() {
        assert_eq!(verdict.unwrap_err(), DealError::Proof);
    }
}

/// The first coefficient of each deal in a batch of two, if only the statement decided.
fn guessed(sharing: &Sharing) -> [Scalar; 2] {
    let seed = Hash::new(SHARE_BATCH).fixed(&sharing.id().0).fixed(&sharing.id().0);
    let mut rng = HashRng::new(Hash::new(SHARE_BATCH).fixed(&seed.wide()).number(0));
    let mut drawn = [[0; 16]; 4];
    rng.fill_bytes(drawn.as_flattened_mut());
    [drawn[0], drawn[2]].map(|bytes| Scalar::from(u128::from_le_bytes(bytes)))
}

/// Two deals whose errors cancel under these coefficients of their first equations.
fn cancelling_under(sharing: &Sharing, rhos: [Scalar; 2]) -> [Hand; 2] {
    [(0, G), (1, -G)].map(|(at, shift): (usize, RistrettoPoint)| {
        let (xs, who) = (xs(3), dealer(at));
        let (shares, _) = plain(2, 3, 1);
        let mut hand = Hand::deal(
            whole(sharing, &who),
            2,
            &xs,
            number(77),
            &shares,
            RistrettoPoint::identity(),
        );
        let mut transcript = whole(sharing, &who);
        let [u, _] = dual(&mut transcript, 2, &xs, &hand.ephemeral, &hand.shares);
        let w = number(0x1234_5678);
        hand.commitments = [G * w + shift * rhos[at].invert(), u * w];
        hand.response = w - challenge(&mut transcript, &hand.commitments) * hand.mask;
        hand
    })
}

#[test]
fn batch_coefficients_known_before_the_deals_breaks_published() {
    let sharing = group(3, 2, DH);
    let rhos = guessed(&sharing);
    let hands = cancelling_under(&sharing, rhos);
    let errors = [0, 1].map(|at| hands[at].checked(whole(&sharing, &dealer(at)), 2, &xs(3)));
    assert!(errors.iter().all(|[first, second]| !first.is_identity() && second.is_identity()));
    assert!((errors[0][0] * rhos[0] + errors[1][0] * rhos[1]).is_identity());
}

#[test]
fn batch_coefficients_follow_from_every_byte_of_every_deal() {
    let sharing = group(3, 2, DH);
    let rhos = guessed(&sharing);
    let deals = cancelling_under(&sharing, rhos).map(|hand| hand.wire());
    let claims = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
    for verdict in verify_all(&sharing, claims) {
        assert_eq!(verdict.unwrap_err(), DealError::Proof);
    }
}
