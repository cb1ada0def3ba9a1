//! Errors that cancel in a batch by Schoenmakers' scheme: within a deal, and across deals.

use super::*;

/// A deal by the book but for its nonces' commitments, which `change` alters before the challenge:
/// the errors of the equations are what it takes away.
fn wrong(sharing: &Sharing, who: usize, change: impl FnOnce(&mut Hand)) -> Hand {
    let (p, n) = ([number(3), number(4)], sharing.keys().len());
    let mut hand = by_hand(sharing, who, &p, &truth(n));
    change(&mut hand);
    hand.answer(challenge(sharing, &dealer(who), &hand), &p, &nonces(2));
    hand
}

/// Deals of two equations that are wrong by G and by −G: of two coefficients, of two shares, and
/// of one each.
fn within_a_deal(sharing: &Sharing) -> [Hand; 3] {
    let changes: [fn(&mut Hand); 3] = [
        |hand| {
            hand.coefficients[0].0[1] += G;
            hand.coefficients[1].0[1] -= G;
        },
        |hand| {
            hand.shares[1][1] += G;
            hand.shares[3][1] -= G;
        },
        |hand| {
            hand.coefficients[1].0[1] += G;
            hand.shares[2][1] -= G;
        },
    ];
    changes.map(|change| wrong(sharing, 0, change))
}

#[test]
fn batch_coefficients_shared_between_equations_breaks_published() {
    let sharing = group(4, 2, SCH);
    let [rho, sigma] = [1, 2].map(|seed| Scalar::random(&mut rng(seed)));
    for (at, hand) in within_a_deal(&sharing).into_iter().enumerate() {
        let errors = hand.errors(challenge(&sharing, &dealer(0), &hand));
        let wrong = errors.iter().flatten().filter(|error| !error.is_identity());
        assert_eq!(wrong.count(), 2);
        let [first, second] = errors.map(|of| of.iter().sum::<RistrettoPoint>());
        let (kinds, deal) = (first * rho + second * sigma, (first + second) * rho);
        // One coefficient a kind of equation, and one a deal.
        assert_eq!((kinds.is_identity(), deal.is_identity()), (at < 2, true), "{at}");
    }
}

#[test]
fn each_equation_of_a_batch_has_a_coefficient_of_its_own() {
    let sharing = group(4, 2, SCH);
    for hand in within_a_deal(&sharing) {
        let deal = hand.wire();
        let verdicts = verify_all(&sharing, [(dealer(0), &deal)]);
        let [verdict] = &verdicts[..] else { panic!("one deal") };
        assert_eq!(verdict.as_ref().unwrap_err(), &DealError::Proof);
    }
}

/// Two deals each, wrong by ±G in the equation of every coefficient, or of every share.
fn across_deals(sharing: &Sharing) -> [[Hand; 2]; 2] {
    let both = [(0, G), (1, -G)];
    [
        both.map(|(who, shift)| {
            wrong(sharing, who, |hand| {
                hand.coefficients.iter_mut().for_each(|([_, b], _)| *b += shift);
            })
        }),
        both.map(|(who, shift)| {
            wrong(sharing, who, |hand| hand.shares.iter_mut().for_each(|[_, v]| *v += shift))
        }),
    ]
}

#[test]
fn batch_coefficients_shared_between_deals_breaks_published() {
    let sharing = group(3, 2, SCH);
    for (kind, hands) in across_deals(&sharing).into_iter().enumerate() {
        let errors =
            [0, 1].map(|at| hands[at].errors(challenge(&sharing, &dealer(at), &hands[at])));
        assert!(errors.iter().flat_map(|of| &of[kind]).all(|error| !error.is_identity()));
        let [first, second] = errors.map(|of| of.concat());
        // A coefficient for each equation, but the same for every deal.
        let mut rng = rng(8);
        let both = first.iter().zip(&second).map(|(first, second)| first + second);
        let sum = both.map(|error| error * Scalar::random(&mut rng)).sum::<RistrettoPoint>();
        assert!(sum.is_identity());
    }
}

#[test]
fn each_deal_of_a_batch_has_coefficients_of_its_own() {
    let sharing = group(3, 2, SCH);
    for hands in across_deals(&sharing) {
        let deals = hands.map(|hand| hand.wire());
        let claims = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
        for verdict in verify_all(&sharing, claims) {
            assert_eq!(verdict.unwrap_err(), DealError::Proof);
        }
    }
}

/// Three deals to one trustee, whose errors cancel under the coefficients that would follow from
/// all of them but the responses.
fn answered_last(sharing: &Sharing) -> ([Hand; 3], [[Scalar; 3]; 2]) {
    let mut hands = [0, 1, 2].map(|who| by_hand(sharing, who, &[number(3)], &truth(1)));
    let challenges = [0, 1, 2].map(|who| challenge(sharing, &dealer(who), &hands[who]));
    let digests = challenges.map(|e| Hash::new(DEAL).fixed(e.as_bytes()).digest());
    let drawn =
        drawn(digests.iter().fold(Hash::new(SHARE_BATCH), |seed, digest| {
            seed.fixed(&sharing.id().0).fixed(digest)
        }));
    // Of each deal the first weighs \[z\]H + \[e\]A − B, the second \[z\]X + \[e\]Y − V.
    let [rho, sigma] = [0, 1].map(|which| [0, 1, 2].map(|deal: usize| drawn[2 * deal + which]));
    // What is orthogonal to both.
    for (at, hand) in hands.iter_mut().enumerate() {
        let [next, last] = [(at + 1) % 3, (at + 2) % 3];
        hand.coefficients[0].1 += rho[next] * sigma[last] - rho[last] * sigma[next];
    }
    (hands, [rho, sigma])
}

#[test]
fn batch_coefficients_known_before_the_answers_breaks_published() {
    let sharing = group(1, 1, SCH);
    let (hands, coefficients) = answered_last(&sharing);
    let errors = [0, 1, 2].map(|at| hands[at].errors(challenge(&sharing, &dealer(at), &hands[at])));
    assert!(errors.iter().flatten().flatten().all(|error| !error.is_identity()));
    let weighed = |kind: usize, at: usize| errors[at][kind][0] * coefficients[kind][at];
    let sum = [0, 1].map(|kind| (0..3).map(|at| weighed(kind, at)).sum::<RistrettoPoint>());
    assert!(sum.iter().all(RistrettoPoint::is_identity));
}

#[test]
fn batch_coefficients_follow_from_every_answer() {
    let sharing = group(1, 1, SCH);
    let deals = answered_last(&sharing).0.map(|hand| hand.wire());
    let claims = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
    for verdict in verify_all(&sharing, claims) {
        assert_eq!(verdict.unwrap_err(), DealError::Proof);
    }
}
