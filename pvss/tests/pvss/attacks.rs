//! Attacks on deals by DHPVSS, in pairs: each succeeds against the published or a careless form,
//! written down here, and fails against the crate.

use cosi::{domain::SHARE_BATCH, transcript::Transcript, wire::BoundedVec};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    traits::{Identity, IsIdentity},
};
use pvss::{Chosen, Deal, DealError, MAX_TRUSTEES, Scheme, Sharing};

use crate::{common::*, published::*};

const DH: Scheme = Scheme::Dhpvss;

/// Shares of no polynomial of degree t − 1.
fn garbage(n: usize) -> Vec<RistrettoPoint> {
    let mut rng = rng(5);
    (0..n).map(|_| RistrettoPoint::random(&mut rng)).collect()
}

#[test]
fn a_deal_meets_the_published_equations() {
    for (n, t) in [(1, 1), (4, 4), (7, 3), (MAX_TRUSTEES, 1)] {
        let sharing = group(n, t, DH);
        let hand = Hand::from_wire(&dealt(&sharing, 0).0);
        let errors = hand.checked(whole(&sharing, &dealer(0)), t, &xs(n));
        assert!(errors.iter().all(RistrettoPoint::is_identity), "{n} {t}");
        let (shares, _) = plain(t, n, 1);
        let statement = whole(&sharing, &dealer(0));
        let own = Hand::deal(statement, t, &xs(n), number(77), &shares, RistrettoPoint::identity());
        assert!(own.wire().verify(&sharing, &dealer(0)).is_ok(), "{n} {t}");
    }
}

#[test]
fn shares_are_weighed_by_words_of_the_published_dual_code() {
    for (n, t) in [(1, 1), (4, 1), (4, 3), (9, 4)] {
        let mut rng = rng(6);
        let q: Vec<_> = (t..n).map(|_| Scalar::random(&mut rng)).collect();
        let word = word(&q, t);
        // v_i = m*(i)/Π_{j≠i}(i − j) for the m* of degree ≤ n − t − 1 that its first values fix.
        let indices: Vec<_> = (1..=i64::try_from(n).unwrap()).collect();
        let below =
            |i: &i64| indices.iter().filter(|j| *j != i).map(|j| number(i - j)).product::<Scalar>();
        let values: Vec<_> = indices.iter().zip(&word).map(|(i, v)| v * below(i)).collect();
        let (first, rest) = indices.split_at(n - t);
        for i in rest {
            // Lagrange's formula at i is that at 0 of points moved by i.
            let moved: Vec<_> = first.iter().map(|j| j - i).collect();
            let value: Scalar =
                moved.iter().zip(&values).map(|(j, value)| value * lambda(*j, &moved)).sum();
            assert_eq!(value, values[usize::try_from(*i).unwrap() - 1], "{n} {t} {i}");
        }
        // Each q has a word of its own, so no difference of the shares goes unweighed.
        for (k, own) in q.iter().enumerate() {
            let mut other = q.clone();
            other[k] = own + Scalar::ONE;
            let other = super::published::word(&other, t);
            assert!(other[..k] == word[..k] && other[k] != word[k], "{n} {t} {k}");
        }
    }
}

/// Shares of degree 2 or more that a word drawn before them, from D alone, does not see, and their
/// deal: with e, U and V as whoever draws words so has them.
fn unseen(sharing: &Sharing) -> ([RistrettoPoint; 5], Hand, Scalar, [RistrettoPoint; 2]) {
    let (mask, w) = (number(77), number(6));
    let mut early = whole(sharing, &dealer(0));
    early.append(b"D", &bytes(&(G * mask)));
    let word = word(&powers(&early.challenge(b"c"), 3), 2);
    let mut plain = [1, 2, 4, 8, 0].map(number);
    let sum: Scalar = word.iter().zip(&plain).map(|(weight, share)| weight * share).sum();
    plain[4] = -sum * word[4].invert();
    let plain = plain.map(|share| G * share);
    let xs = xs(5);
    let shares: Vec<_> = xs.iter().zip(&plain).map(|(x, share)| share + x * mask).collect();
    let weighted = |points: &[RistrettoPoint]| -> RistrettoPoint {
        word.iter().zip(points).map(|(weight, point)| point * weight).sum()
    };
    let uv = [weighted(&xs), weighted(&shares)];
    early.append(b"C", &hashed(&shares.iter().map(bytes).collect::<Vec<_>>()));
    let commitments = [G * w, uv[0] * w];
    let e = challenge(&mut early, &commitments);
    (plain, Hand { mask, ephemeral: G * mask, shares, commitments, response: w - e * mask }, e, uv)
}

#[test]
fn a_word_known_before_the_shares_are_chosen_breaks_published() {
    let (plain, hand, e, uv) = unseen(&group(5, 2, DH));
    assert!(hand.errors(uv, e).iter().all(RistrettoPoint::is_identity), "the equations hold");
    let secret =
        |at: [i64; 2]| interpolate(&at.map(|i| (i, plain[usize::try_from(i).unwrap() - 1])));
    assert_ne!(secret([1, 2]), secret([2, 3]), "and who opens decides what was dealt");
}

#[test]
fn a_word_follows_from_the_shares_that_it_weighs() {
    let sharing = group(5, 2, DH);
    let (plain, early, ..) = unseen(&sharing);
    // Whoever drew the word before the shares would take the first; the second is by the book.
    let zero = RistrettoPoint::identity();
    let late = Hand::deal(whole(&sharing, &dealer(0)), 2, &xs(5), early.mask, &plain, zero);
    for hand in [early, late] {
        assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    }
}

#[test]
fn a_trustee_that_opens_unverified_deals_is_an_oracle_breaks_published() {
    let sharing = group(3, 2, DH);
    let (deal, _) = dealt(&sharing, 0);
    let honest = Hand::from_wire(&deal);
    let x = scalar(1, DH);
    let decrypt = |d: RistrettoPoint, c: RistrettoPoint| c - d * x;
    let mine = RistrettoPoint::random(&mut rng(3));
    let mask = mine - decrypt(honest.ephemeral, mine);
    assert_eq!(honest.shares[1] - mask, decrypt(honest.ephemeral, honest.shares[1]));
}

#[test]
fn a_copied_mask_is_no_verified_deal() {
    let sharing = group(3, 2, DH);
    let honest = Hand::from_wire(&dealt(&sharing, 0).0);
    let mut altered = honest.clone();
    altered.shares[1] = RistrettoPoint::random(&mut rng(3));
    let mut shifted = honest.clone();
    let shift = plain(2, 3, 9).0;
    shifted.shares.iter_mut().zip(&shift).for_each(|(share, shift)| *share += shift);
    // The attacker knows the difference to the honest deal, but not its mask.
    let mask = number(1);
    let zero = RistrettoPoint::identity();
    let mut guessed = Hand::deal(whole(&sharing, &dealer(1)), 2, &xs(3), mask, &shift, zero);
    guessed.ephemeral = honest.ephemeral;
    for (at, hand) in [honest, altered, shifted, guessed].into_iter().enumerate() {
        let error = hand.wire().verify(&sharing, &dealer(1)).unwrap_err();
        assert_eq!(error, DealError::Proof, "{at}");
    }
}

/// Garbage with a proof made backwards: z and e first, then K and L.
fn backwards(sharing: &Sharing, n: usize, t: usize) -> (Hand, Scalar, [RistrettoPoint; 2]) {
    let (mask, e, z) = (number(77), number(5), number(6));
    let shares: Vec<_> = xs(n).iter().zip(garbage(n)).map(|(x, s)| x * mask + s).collect();
    let mut transcript = whole(sharing, &dealer(0));
    let [u, v] = dual(&mut transcript, t, &xs(n), &(G * mask), &shares);
    let commitments = [G * z + G * mask * e, u * z + v * e];
    (Hand { mask, ephemeral: G * mask, shares, commitments, response: z }, e, [u, v])
}

#[test]
fn a_challenge_read_from_the_wire_breaks_published() {
    let (hand, e, uv) = backwards(&group(5, 2, DH), 5, 2);
    assert!(hand.errors(uv, e).iter().all(RistrettoPoint::is_identity));
    let [_, v] = uv;
    assert_ne!(v, uv[0] * hand.mask, "and the shares are of no polynomial");
}

#[test]
fn a_challenge_is_computed_and_forged_deals_are_refused() {
    let sharing = group(5, 2, DH);
    let (hand, ..) = backwards(&sharing, 5, 2);
    assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    // Garbage dealt by the book.
    let zero = RistrettoPoint::identity();
    let book = Hand::deal(whole(&sharing, &dealer(0)), 2, &xs(5), number(7), &garbage(5), zero);
    assert_eq!(book.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
}

/// A statement that names neither dealer nor session, nor t, nor whose the keys are.
fn nameless() -> Transcript {
    Transcript::new(SHARE_BATCH)
}

#[test]
fn a_deal_copied_by_another_dealer_or_session_breaks_published() {
    let (shares, _) = plain(2, 4, 1);
    let zero = RistrettoPoint::identity();
    let hand = Hand::deal(nameless(), 2, &xs(4), number(77), &shares, zero);
    // Whoever presents it wherever, it verifies.
    let errors = hand.checked(nameless(), 2, &xs(4));
    assert!(errors.iter().all(RistrettoPoint::is_identity));
}

#[test]
fn a_deal_is_of_one_dealer_session_threshold_and_group() {
    let keys = keys(5, DH);
    let members = |at: [usize; 4]| keys.group(at).unwrap();
    let sharing = Sharing::new([1; 32], &members([0, 1, 2, 3]), 2).unwrap();
    let (deal, _) = dealt(&sharing, 0);
    assert!(deal.verify(&sharing, &dealer(0)).is_ok());
    let elsewhere = [
        (dealer(1), sharing.clone()),
        (dealer(0), Sharing::new([2; 32], sharing.keys(), 2).unwrap()),
        (dealer(0), Sharing::new([1; 32], sharing.keys(), 3).unwrap()),
        (dealer(0), Sharing::new([1; 32], sharing.keys(), 1).unwrap()),
        (dealer(0), Sharing::new([1; 32], &members([1, 0, 2, 3]), 2).unwrap()),
        (dealer(0), Sharing::new([1; 32], &members([0, 1, 2, 4]), 2).unwrap()),
    ];
    for (at, (dealer, sharing)) in elsewhere.iter().enumerate() {
        assert_eq!(deal.verify(sharing, dealer).unwrap_err(), DealError::Proof, "{at}");
    }
}

/// Deals that are drawn by a stuck generator alone have one mask. Once the sum of the first is
/// open, the second hides nothing, though both verify. This crate hedges masks, so that a stuck
/// generator repeats none: see the test on that among those of sharings.
#[test]
fn a_repeated_mask_breaks_published() {
    let sharings = [1, 2].map(|session| Sharing::new([session; 32], &keys(4, DH), 2).unwrap());
    let zero = RistrettoPoint::identity();
    let dealt = [1, 2].map(|seed| plain(2, 4, seed));
    let [first, second] = [0, 1].map(|at| {
        let whole = whole(&sharings[at], &dealer(0));
        let hand = Hand::deal(whole, 2, &xs(4), number(77), &dealt[at].0, zero);
        assert!(hand.wire().verify(&sharings[at], &dealer(0)).is_ok());
        hand
    });
    let share = |at: usize| second.shares[at] - first.shares[at] + dealt[0].0[at];
    assert_eq!(interpolate(&[(1, share(0)), (2, share(1))]), dealt[1].1);
}

#[test]
fn the_identity_as_a_mask_breaks_published() {
    let sharing = group(4, 2, DH);
    let (shares, secret) = plain(2, 4, 1);
    let zero = RistrettoPoint::identity();
    let open = Hand::deal(whole(&sharing, &dealer(0)), 2, &xs(4), Scalar::ZERO, &shares, zero);
    let errors = open.checked(whole(&sharing, &dealer(0)), 2, &xs(4));
    assert!(errors.iter().all(RistrettoPoint::is_identity), "the equations hold");
    let public: Vec<_> = (1..).zip(open.shares.iter().copied()).take(2).collect();
    assert_eq!(interpolate(&public), secret, "and nothing is hidden");
    assert_eq!(open.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Identity);
}

#[test]
fn bytes_that_are_no_canonical_point_or_scalar_are_refused() {
    let sharing = group(3, 2, DH);
    let Deal::Dhpvss(honest) = dealt(&sharing, 0).0 else { panic!("by DHPVSS") };
    // p, whose canonical form is 0; a negative field element; no square; ℓ.
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let mut negative = [0; 32];
    negative[0] = 1;
    let order = {
        let mut bytes = (-Scalar::ONE).to_bytes();
        bytes[0] += 1;
        bytes
    };
    for bad in [p, negative, [0xff; 32]] {
        let mut deals = vec![honest.clone(); 4];
        deals[0].ephemeral = bad;
        let mut shares = honest.shares.to_vec();
        shares[2] = bad;
        deals[1].shares = BoundedVec::new(shares).unwrap();
        deals[2].commitments[0] = bad;
        deals[3].commitments[1] = bad;
        for (at, deal) in deals.into_iter().enumerate() {
            let error = Deal::Dhpvss(deal).verify(&sharing, &dealer(0)).unwrap_err();
            assert_eq!(error, DealError::Encoding, "{at}");
        }
    }
    let mut deal = honest.clone();
    deal.response = order;
    assert_eq!(Deal::Dhpvss(deal).verify(&sharing, &dealer(0)).unwrap_err(), DealError::Encoding);
    let mut deal = honest;
    let mut shares = deal.shares.to_vec();
    shares[0] = [0; 32];
    deal.shares = BoundedVec::new(shares).unwrap();
    assert_eq!(Deal::Dhpvss(deal).verify(&sharing, &dealer(0)).unwrap_err(), DealError::Identity);
}

#[test]
fn identities_refused_where_all_shares_are_needed_breaks_published() {
    let sharing = group(3, 3, DH);
    let hand = Hand::from_wire(&dealt(&sharing, 0).0);
    let mut transcript = whole(&sharing, &dealer(0));
    let uv = dual(&mut transcript, 3, &xs(3), &hand.ephemeral, &hand.shares);
    // Code that takes no identity for a base, a product or a commitment refuses honest dealers.
    let [_, l] = hand.commitments;
    assert!(uv.iter().chain([&l]).all(RistrettoPoint::is_identity));
}

#[test]
fn where_all_shares_are_needed_identities_are_computed_and_taken() {
    let sharing = group(3, 3, DH);
    let (deal, secret) = dealt(&sharing, 0);
    let deal = deal.verify(&sharing, &dealer(0)).unwrap();
    let chosen = Chosen::sum(&sharing, &[2; 32], [&deal]).unwrap();
    let shares = [0, 1, 2].map(|at| opened(&chosen, at).verify(&chosen).unwrap());
    assert_eq!(pvss::recover(&chosen, &shares).unwrap(), [secret]);
    // The second equation is no less of a check: L, which must be O, is another point.
    let Deal::Dhpvss(mut other) = dealt(&sharing, 0).0 else { panic!("by DHPVSS") };
    other.commitments[1] = bytes(&G);
    let other = Deal::Dhpvss(other).verify(&sharing, &dealer(0));
    assert_eq!(other.unwrap_err(), DealError::Proof);
}
