//! Errors that cancel in a batch by Schoenmakers' scheme: within a deal, and across deals.

use super::*;

/// A deal of two equations that are wrong by G and by −G.
fn within_a_deal(sharing: &Sharing) -> Hand {
    by_hand(sharing, 0, &[number(3), number(4)], &truth(4), G)
}

#[test]
fn batch_coefficients_shared_between_equations_breaks_published() {
    let sharing = group(4, 2, SCH);
    let hand = within_a_deal(&sharing);
    let [first, second] = hand.errors(challenge(&sharing, &dealer(0), &hand));
    assert!(first.iter().all(|error| !error.is_identity()));
    let [rho, sigma] = [1, 2].map(|seed| Scalar::random(&mut rng(seed)));
    let [first, second] = [first, second].map(|of| of.iter().sum::<RistrettoPoint>());
    assert!((first * rho + second * sigma).is_identity(), "one coefficient a kind of equation");
}

#[test]
fn each_equation_of_a_batch_has_a_coefficient_of_its_own() {
    let sharing = group(4, 2, SCH);
    let deal = within_a_deal(&sharing).wire();
    let [verdict] = &verify_all(&sharing, [(dealer(0), &deal)])[..] else { panic!("one deal") };
    assert_eq!(verdict.as_ref().unwrap_err(), &DealError::Proof);
}

/// Two deals, wrong by ±G in the equation of every coefficient.
fn across_deals(sharing: &Sharing) -> [Hand; 2] {
    [(0, G), (1, -G)].map(|(who, shift)| {
        let (p, n) = ([number(3), number(4)], sharing.keys().len());
        let mut hand = by_hand(sharing, who, &p, &truth(n), RistrettoPoint::identity());
        hand.coefficients.iter_mut().for_each(|([_, b], _)| *b += shift);
        hand.answer(challenge(sharing, &dealer(who), &hand), &p, &nonces(2));
        hand
    })
}

#[test]
fn batch_coefficients_shared_between_deals_breaks_published() {
    let sharing = group(3, 2, SCH);
    let hands = across_deals(&sharing);
    let [first, second] =
        [0, 1].map(|at| hands[at].errors(challenge(&sharing, &dealer(at), &hands[at])).concat());
    assert!(first[..2].iter().chain(&second[..2]).all(|error| !error.is_identity()));
    // A coefficient for each equation, but the same for every deal.
    let mut rng = rng(8);
    let both = first.iter().zip(&second).map(|(first, second)| first + second);
    let sum = both.map(|error| error * Scalar::random(&mut rng)).sum::<RistrettoPoint>();
    assert!(sum.is_identity());
}

#[test]
fn each_deal_of_a_batch_has_coefficients_of_its_own() {
    let sharing = group(3, 2, SCH);
    let deals = across_deals(&sharing).map(|hand| hand.wire());
    let claims = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
    for verdict in verify_all(&sharing, claims) {
        assert_eq!(verdict.unwrap_err(), DealError::Proof);
    }
}
