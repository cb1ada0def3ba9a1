//! Attacks, in pairs: each succeeds against the published or a careless form, written down here,
//! and fails against the crate.

use cosi::{
    domain::{DECRYPTION, SHARE_BATCH},
    transcript::{Hash, Transcript},
    wire::BoundedVec,
};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    traits::{Identity, IsIdentity},
};
use pvss::{
    Chosen, Deal, DealError, KeysError, MAX_TRUSTEES, Registration, Scheme, ShareError, ShareKeys,
    Sharing, TrusteeError,
};

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
        // Each q has a word of its own, so all words of the code are drawn, each as likely.
        for (k, own) in q.iter().enumerate() {
            let mut other = q.clone();
            other[k] = own + Scalar::ONE;
            let other = super::published::word(&other, t);
            assert!(other[..k] == word[..k] && other[k] != word[k], "{n} {t} {k}");
        }
    }
}

/// X_3 = −Σ_{i<3}(λ_i/λ_3)X_i, for the evaluation points 1, 2, 3.
fn rogue_key() -> RistrettoPoint {
    let points = [1, 2, 3];
    let last = lambda(3, &points).invert();
    -(1..).zip(&xs(2)).map(|(i, x)| x * lambda(i, &points) * last).sum::<RistrettoPoint>()
}

#[test]
fn a_rogue_share_key_breaks_published() {
    let keys = [&xs(2)[..], &[rogue_key()]].concat();
    let (shares, secret) = plain(3, 3, 1);
    let hand = Hand::deal(Transcript::new(SHARE_BATCH), 3, &keys, number(77), &shares, G);
    let public: Vec<_> = (1..).zip(hand.shares).collect();
    assert_eq!(interpolate(&public), secret, "from the public deal alone");
}

#[test]
fn a_rogue_share_key_is_not_registered() {
    let honest = register(2, DH).1;
    let k = number(11);
    let commitment = bytes(&(G * k));
    let challenge = Hash::new(cosi::domain::SHARE_POSSESSION).fixed(&[0]).fixed(&dealer(2));
    let e = challenge.fixed(&bytes(&rogue_key())).fixed(&commitment).scalar();
    // A proof of another key, one that answers for nothing, one with K chosen after e.
    let late = G * k - rogue_key() * e;
    let proofs = [
        (honest.commitment, honest.response),
        (commitment, k.to_bytes()),
        (bytes(&late), k.to_bytes()),
    ];
    for (commitment, response) in proofs {
        let rogue = Registration { key: bytes(&rogue_key()), commitment, response };
        let members = [register(0, DH), register(1, DH), (owner(2), rogue)];
        let refused = ShareKeys::new(DH, members).unwrap_err();
        assert_eq!(refused, KeysError::NoPossession { culprits: vec![2] });
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

#[test]
fn two_sums_that_differ_in_one_dealer_breaks_published() {
    let sharing = group(3, 2, DH);
    let hands = [0, 1, 2].map(|number| Hand::from_wire(&dealt(&sharing, number).0));
    let open = |trustee: usize, of: &[&Hand]| {
        let d: RistrettoPoint = of.iter().map(|hand| hand.ephemeral).sum();
        let c: RistrettoPoint = of.iter().map(|hand| hand.shares[trustee]).sum();
        c - d * scalar(trustee, DH)
    };
    let [a, b, c] = &hands;
    let shares = [0, 1].map(|at: usize| {
        (i64::try_from(at).unwrap() + 1, open(at, &[a, b, c]) - open(at, &[a, b]))
    });
    assert_eq!(bytes(&interpolate(&shares)), *dealt(&sharing, 2).1.to_bytes());
}

#[test]
fn a_trustee_opens_no_second_sum() {
    let sharing = group(3, 2, DH);
    let deals = [0, 1, 2].map(|number| verified(&sharing, number).0);
    let all = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    let two = Chosen::sum(&sharing, &[2; 32], &deals[..2]).unwrap();
    let each = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    let again = Chosen::sum(&sharing, &[3; 32], &deals).unwrap();
    let mut trustee = trustee(&sharing, 1);
    assert!(trustee.decrypt(&all, &mut rng(1)).is_ok());
    for other in [two, each, again] {
        assert_eq!(trustee.decrypt(&other, &mut rng(1)), Err(TrusteeError::Opened));
    }
    assert!(trustee.decrypt(&all, &mut rng(1)).is_ok());
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

/// A trustee's lie: L is random, and the share is what then meets the equations.
fn lie(
    chosen: &Chosen,
    hand: &Hand,
    challenge: impl Fn(&RistrettoPoint, &[RistrettoPoint; 2]) -> Scalar,
) -> (RistrettoPoint, [RistrettoPoint; 2], Scalar) {
    let (x, k) = (scalar(1, DH), number(9));
    let commitments = [G * k, RistrettoPoint::random(&mut rng(4))];
    let e = challenge(&RistrettoPoint::identity(), &commitments);
    let z = k - e * x;
    let product = (commitments[1] - hand.ephemeral * z) * e.invert();
    assert_eq!(chosen.secrets(), 1);
    (hand.shares[1] - product, commitments, z)
}

/// Whether share 1 meets the equations, for this challenge.
fn meets(
    hand: &Hand,
    (share, [k, l], z): &(RistrettoPoint, [RistrettoPoint; 2], Scalar),
    e: Scalar,
) -> bool {
    let x = G * scalar(1, DH);
    G * z + x * e == *k && hand.ephemeral * z + (hand.shares[1] - share) * e == *l
}

#[test]
fn a_share_left_out_of_the_hash_breaks_published() {
    let sharing = group(3, 2, DH);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
    let hand = Hand::from_wire(&dealt(&sharing, 0).0);
    let weak = |_: &RistrettoPoint, commitments: &[RistrettoPoint; 2]| {
        challenge(&mut Transcript::new(DECRYPTION), commitments)
    };
    let lie = lie(&chosen, &hand, weak);
    assert!(meets(&hand, &lie, weak(&lie.0, &lie.1)));
    let truth = hand.shares[1] - hand.ephemeral * scalar(1, DH);
    assert_ne!(lie.0, truth);
}

#[test]
fn a_share_is_in_the_hash_so_no_trustee_lies() {
    let sharing = group(3, 2, DH);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
    let hand = Hand::from_wire(&dealt(&sharing, 0).0);
    let strong = |share: &RistrettoPoint, commitments: &[RistrettoPoint; 2]| {
        let mut transcript = Transcript::new(DECRYPTION);
        transcript.append(b"chosen", &chosen.id().0);
        transcript.append_number(b"trustee", 1);
        transcript.append(b"share", &bytes(share));
        challenge(&mut transcript, commitments)
    };
    // The truth meets the equations, by this very challenge.
    let truth = opened(&chosen, 1);
    let points = truth.proof.commitments.each_ref().map(point);
    let z = Scalar::from_canonical_bytes(truth.proof.response).unwrap();
    let parts = (point(&truth.shares[0]), points, z);
    assert!(meets(&hand, &parts, strong(&parts.0, &parts.1)));
    // The lie, told with whatever share in the hash, does not.
    let (share, commitments, z) = lie(&chosen, &hand, strong);
    let mut lying = truth;
    lying.shares = BoundedVec::new(vec![bytes(&share)]).unwrap();
    lying.proof.commitments = commitments.each_ref().map(bytes);
    lying.proof.response = z.to_bytes();
    assert_eq!(lying.verify(&chosen).unwrap_err(), ShareError::Proof);
}

#[test]
fn a_composite_proof_without_coefficients_breaks_published() {
    let sharing = group(3, 2, DH);
    let hands = [0, 1].map(|number| Hand::from_wire(&dealt(&sharing, number).0));
    let x = scalar(1, DH);
    let lies: Vec<_> = hands
        .iter()
        .zip([G, -G])
        .map(|(hand, lie)| hand.shares[1] - hand.ephemeral * x + lie)
        .collect();
    // All that a proof over the plain sums of bases and products shows:
    let base = hands[0].ephemeral + hands[1].ephemeral;
    let product = hands[0].shares[1] - lies[0] + hands[1].shares[1] - lies[1];
    assert_eq!(product, base * x);
}

#[test]
fn a_composite_proof_weighs_its_shares() {
    let sharing = group(3, 2, DH);
    let deals = [0, 1].map(|number| verified(&sharing, number).0);
    let chosen = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    let truth = opened(&chosen, 1);
    assert!(truth.verify(&chosen).is_ok());
    let shares = [point(&truth.shares[0]) + G, point(&truth.shares[1]) - G];
    // The liar proves by the book, for the shares that it claims.
    let x = scalar(1, DH);
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"chosen", &chosen.id().0);
    transcript.append_number(b"trustee", 1);
    shares.iter().for_each(|share| transcript.append(b"share", &bytes(share)));
    let d = transcript.challenge(b"d");
    let hands = chosen.dealers().iter().map(|who| {
        let number = [0, 1].into_iter().find(|number| dealer(*number) == *who).unwrap();
        Hand::from_wire(&dealt(&sharing, number).0)
    });
    let bases: Vec<_> = hands.map(|hand| hand.ephemeral).collect();
    let k = number(9);
    let commitments = [G * k, (bases[0] + bases[1] * d) * k];
    let z = k - challenge(&mut transcript, &commitments) * x;
    let mut lying = truth;
    lying.shares = BoundedVec::new(shares.iter().map(bytes).collect()).unwrap();
    lying.proof.commitments = commitments.each_ref().map(bytes);
    lying.proof.response = z.to_bytes();
    assert_eq!(lying.verify(&chosen).unwrap_err(), ShareError::Proof);
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
fn masks_that_sum_to_the_identity_are_legal() {
    let sharing = group(3, 2, DH);
    let zero = RistrettoPoint::identity();
    let deals = [77, -77].map(|mask| {
        let at = usize::from(mask < 0);
        let (shares, _) = plain(2, 3, u64::try_from(at).unwrap());
        let statement = whole(&sharing, &dealer(at));
        let hand = Hand::deal(statement, 2, &xs(3), number(mask), &shares, zero);
        hand.wire().verify(&sharing, &dealer(at)).unwrap()
    });
    let chosen = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    let shares = [0, 2].map(|number| opened(&chosen, number).verify(&chosen).unwrap());
    let secret = plain(2, 3, 0).1 + plain(2, 3, 1).1;
    assert_eq!(*pvss::recover(&chosen, &shares).unwrap()[0].to_bytes(), bytes(&secret));
}

/// A dealer and trustee 1 together: a mask chosen after the challenge, so that trustee 1 opens a
/// share that is not its own. The challenge knows X, \[x\]D, K and L, as published code draws it.
struct Conspiracy {
    mask: Scalar,
    product: RistrettoPoint,
    commitments: [RistrettoPoint; 2],
    response: Scalar,
}

fn without_bases(product: &RistrettoPoint, commitments: &[RistrettoPoint; 2]) -> Scalar {
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"X", &bytes(&(G * scalar(1, DH))));
    transcript.append(b"product", &bytes(product));
    challenge(&mut transcript, commitments)
}

fn conspire() -> Conspiracy {
    let [p, k, l] = [41, 42, 43].map(number);
    let (product, commitments) = (G * p, [G * k, G * l]);
    let e = without_bases(&product, &commitments);
    let response = k - e * scalar(1, DH);
    let mask = (l - e * p) * response.invert();
    Conspiracy { mask, product, commitments, response }
}

#[test]
fn a_base_left_out_of_the_hash_breaks_published() {
    let Conspiracy { mask, product, commitments: [k, l], response: z } = conspire();
    let (base, x) = (G * mask, scalar(1, DH));
    let e = without_bases(&product, &[k, l]);
    assert_eq!((G * z + G * x * e, base * z + product * e), (k, l), "the equations hold");
    assert_ne!(product, base * x, "for what is no multiple by x");
}

#[test]
fn bases_are_in_the_hash_so_nobody_chooses_them_last() {
    let sharing = group(3, 2, DH);
    let Conspiracy { mask, product, commitments, response } = conspire();
    let (shares, _) = plain(2, 3, 1);
    let zero = RistrettoPoint::identity();
    let hand = Hand::deal(whole(&sharing, &dealer(0)), 2, &xs(3), mask, &shares, zero);
    let deal = hand.wire().verify(&sharing, &dealer(0)).expect("the deal itself is sound");
    let chosen = Chosen::sum(&sharing, &[2; 32], [&deal]).unwrap();
    let mut lie = opened(&chosen, 1);
    assert!(lie.verify(&chosen).is_ok());
    lie.shares = BoundedVec::new(vec![bytes(&(hand.shares[1] - product))]).unwrap();
    lie.proof.commitments = commitments.each_ref().map(bytes);
    lie.proof.response = response.to_bytes();
    assert_eq!(lie.verify(&chosen).unwrap_err(), ShareError::Proof);
}

/// Interpolation at 0 as careless code has it: over the points that peers name.
fn careless(shares: &[(i64, RistrettoPoint)]) -> RistrettoPoint {
    interpolate(shares)
}

#[test]
fn zero_and_repeated_points_breaks_published() {
    let (shares, secret) = plain(2, 3, 1);
    assert_eq!(careless(&[(1, shares[0]), (2, shares[1])]), secret);
    assert_eq!(careless(&[(0, G), (2, shares[1])]), G, "who names 0 decides what is recovered");
    // λ = 1/0, which is 0 here, where it does not end the program.
    let twice = careless(&[(1, shares[0]), (1, shares[0])]);
    assert_ne!(twice, secret);
    let above_n = i64::from(u16::MAX) + 1;
    let stranger = careless(&[(1, shares[0]), (above_n, G)]);
    assert_ne!(stranger, secret);
}

#[test]
fn points_follow_from_positions_and_count_once() {
    for scheme in [DH, Scheme::Schoenmakers] {
        let sharing = group(3, 2, scheme);
        let (deal, secret) = verified(&sharing, 0);
        let chosen = Chosen::sum(&sharing, &[2; 32], [&deal]).unwrap();
        let share = |at: usize| opened(&chosen, at).verify(&chosen).unwrap();
        // Position 0 has the point 1. What would have the point 0, or 4, is nobody's.
        for trustee in [3, u16::MAX] {
            let nobodys = pvss::DecryptedShare { trustee, ..opened(&chosen, 0) };
            assert_eq!(nobodys.verify(&chosen).unwrap_err(), ShareError::Stranger);
        }
        let again = pvss::recover(&chosen, &[share(0), share(0)]).unwrap_err();
        assert_eq!(again, pvss::RecoverError::Duplicate { culprits: vec![1] });
        let again = pvss::recover(&chosen, &[share(0), share(2), share(2)]).unwrap_err();
        assert_eq!(again, pvss::RecoverError::Duplicate { culprits: vec![2] });
        assert_eq!(pvss::recover(&chosen, &[share(2), share(0)]).unwrap(), [secret]);
    }
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
