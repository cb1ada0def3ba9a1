//! Schoenmakers' scheme, from the paper once more, and the attacks on careless forms of it.

use cosi::{domain::DEAL, keys::PublicKeyBytes, transcript::Transcript, wire::BoundedVec};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    traits::{Identity, IsIdentity},
};
use pvss::{Chosen, Deal, DealError, Scheme, Sharing, TrusteeError, schoenmakers, verify_all};

use crate::{common::*, published::on_polynomial};

const SCH: Scheme = Scheme::Schoenmakers;

fn xs(n: usize) -> Vec<RistrettoPoint> {
    (0..n).map(|number| point(&register(number, SCH).1.key)).collect()
}

/// H of the session \[1; 32\].
fn h() -> RistrettoPoint {
    let hash = cosi::transcript::Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]);
    RistrettoPoint::from_uniform_bytes(&hash.wide())
}

/// A deal by its points: A_k, and U_i, V_i, Y_i, z_i.
#[derive(Clone)]
struct Hand {
    coefficients: Vec<RistrettoPoint>,
    shares: Vec<([RistrettoPoint; 3], Scalar)>,
}

fn challenge(sharing: &Sharing, dealer: &PublicKeyBytes, hand: &Hand) -> Scalar {
    let mut transcript = Transcript::new(DEAL);
    transcript.append(b"sharing", &sharing.id().0);
    transcript.append(b"dealer", dealer);
    hand.coefficients.iter().for_each(|a| transcript.append(b"A", &bytes(a)));
    for ([u, v, y], _) in &hand.shares {
        transcript.append(b"Y", &bytes(y));
        [u, v].iter().for_each(|point| transcript.append(b"commitment", &bytes(point)));
    }
    transcript.challenge(b"e")
}

impl Hand {
    fn from_wire(deal: &Deal) -> Self {
        let Deal::Schoenmakers(deal) = deal else { panic!("by Schoenmakers") };
        let share = |share: &schoenmakers::Share| {
            let [u, v] = share.commitments.each_ref().map(point);
            let z = Scalar::from_canonical_bytes(share.response).unwrap();
            ([u, v, point(&share.encrypted)], z)
        };
        let shares = deal.shares.iter().map(share).collect();
        Self { coefficients: deal.coefficients.iter().map(point).collect(), shares }
    }

    fn wire(&self) -> Deal {
        let share = |([u, v, y], z): &([RistrettoPoint; 3], Scalar)| schoenmakers::Share {
            encrypted: bytes(y),
            commitments: [bytes(u), bytes(v)],
            response: z.to_bytes(),
        };
        Deal::Schoenmakers(schoenmakers::Deal {
            coefficients: BoundedVec::new(self.coefficients.iter().map(bytes).collect()).unwrap(),
            shares: BoundedVec::new(self.shares.iter().map(share).collect()).unwrap(),
        })
    }

    /// The sums that are O when the equations hold, for this challenge.
    fn errors(&self, e: Scalar) -> Vec<[RistrettoPoint; 2]> {
        let points = (1..).zip(xs(self.shares.len())).zip(&self.shares);
        let errors = points.map(|((i, x), ([u, v, y], z))| {
            let committed: RistrettoPoint = (0..)
                .zip(&self.coefficients)
                .map(|(k, a)| a * (0..k).map(|_: usize| number(i)).product::<Scalar>())
                .sum();
            [h() * z + committed * e - u, x * z + y * e - v]
        });
        errors.collect()
    }
}

/// Deals by the book, but with these encrypted shares, and `shift` added to each U_i of the given
/// trustees, in turn plus and minus.
fn by_hand(
    sharing: &Sharing,
    who: usize,
    p: &[Scalar],
    lie: RistrettoPoint,
    shift: RistrettoPoint,
) -> Hand {
    let n = sharing.keys().len();
    let w = number(0x1234_5678);
    let values = on_polynomial(p, n);
    let numbered = xs(n).into_iter().zip(&values).enumerate();
    let share = |(at, (x, value)): (usize, (RistrettoPoint, &Scalar))| {
        let shift = if at % 2 == 0 { shift } else { -shift };
        ([h() * w + shift, x * w, x * value + lie], Scalar::ZERO)
    };
    let coefficients = p.iter().map(|a| h() * a).collect();
    let mut hand = Hand { coefficients, shares: numbered.map(share).collect() };
    let e = challenge(sharing, &dealer(who), &hand);
    hand.shares.iter_mut().zip(values).for_each(|((_, z), value)| *z = w - e * value);
    hand
}

#[test]
fn a_deal_meets_the_published_equations() {
    let zero = G - G;
    for (n, t) in [(1, 1), (4, 4), (6, 3)] {
        let sharing = group(n, t, SCH);
        let (deal, secret) = dealt(&sharing, 0);
        let hand = Hand::from_wire(&deal);
        let e = challenge(&sharing, &dealer(0), &hand);
        assert!(hand.errors(e).iter().flatten().all(RistrettoPoint::is_identity), "{n} {t}");
        let numbered = (1..).zip(hand.shares.iter()).enumerate();
        let shares: Vec<_> = numbered
            .map(|(at, (i, ([_, _, y], _)))| (i, y * scalar(at, SCH).invert()))
            .skip(n - t)
            .collect();
        assert_eq!(bytes(&interpolate(&shares)), *secret.to_bytes());
        let p: Vec<_> = (0..t).map(|k| number(i64::try_from(k).unwrap() + 3)).collect();
        let own = by_hand(&sharing, 0, &p, zero, zero).wire();
        assert!(own.verify(&sharing, &dealer(0)).is_ok(), "{n} {t}");
    }
}

/// Shares of no polynomial, and a proof made backwards: z and e first, then U and V.
fn backwards() -> (Hand, Scalar) {
    let (n, e, z) = (4, number(5), number(6));
    let mut rng = rng(3);
    let a: Vec<_> = (0..2).map(|_| RistrettoPoint::random(&mut rng)).collect();
    let share = |(i, x): (i64, RistrettoPoint)| {
        let y = RistrettoPoint::random(&mut rng);
        ([h() * z + (a[0] + a[1] * number(i)) * e, x * z + y * e, y], z)
    };
    let shares = (1..).zip(xs(n)).map(share).collect();
    (Hand { coefficients: a, shares }, e)
}

#[test]
fn a_challenge_read_from_the_wire_breaks_published() {
    let (hand, e) = backwards();
    assert!(hand.errors(e).iter().flatten().all(RistrettoPoint::is_identity));
}

#[test]
fn a_challenge_is_computed_and_forged_deals_are_refused() {
    let sharing = group(4, 2, SCH);
    let (hand, _) = backwards();
    assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    let lie = by_hand(&sharing, 0, &[number(3), number(4)], G, G - G);
    assert_eq!(lie.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
}

#[test]
fn a_second_base_of_known_logarithm_breaks_published() {
    // H = [h]G with h = hash(session), as published code derives it.
    let log = cosi::transcript::Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]).scalar();
    let secret = number(42);
    let committed = (G * log) * secret;
    assert_eq!(committed * log.invert(), G * secret, "from the first commitment alone");
}

#[test]
fn the_second_base_is_hashed_to() {
    let sharing = group(3, 2, SCH);
    let (deal, secret) = dealt(&sharing, 0);
    let hand = Hand::from_wire(&deal);
    let log = cosi::transcript::Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]).scalar();
    assert_ne!(bytes(&(hand.coefficients[0] * log.invert())), *secret.to_bytes());
    let e = challenge(&sharing, &dealer(0), &hand);
    assert!(hand.errors(e).iter().flatten().all(RistrettoPoint::is_identity), "this is the base");
}

#[test]
fn batch_coefficients_shared_between_equations_breaks_published() {
    let sharing = group(4, 2, SCH);
    let hand = by_hand(&sharing, 0, &[number(3), number(4)], G - G, G);
    let errors = hand.errors(challenge(&sharing, &dealer(0), &hand));
    assert!(errors.iter().all(|[first, _]| !first.is_identity()));
    let [rho, sigma] = [1, 2].map(|seed| Scalar::random(&mut rng(seed)));
    let one_a_deal = errors.iter().map(|[first, second]| first * rho + second * sigma);
    assert!(one_a_deal.sum::<RistrettoPoint>().is_identity());
}

#[test]
fn each_equation_of_a_batch_has_a_coefficient_of_its_own() {
    let sharing = group(4, 2, SCH);
    let deal = by_hand(&sharing, 0, &[number(3), number(4)], G - G, G).wire();
    let [verdict] = &verify_all(&sharing, [(dealer(0), &deal)])[..] else { panic!("one deal") };
    assert_eq!(verdict.as_ref().unwrap_err(), &DealError::Proof);
}

#[test]
fn a_deal_is_of_one_dealer_session_and_threshold() {
    let sharing = group(4, 2, SCH);
    let (deal, _) = dealt(&sharing, 0);
    assert!(deal.verify(&sharing, &dealer(0)).is_ok());
    assert_eq!(deal.verify(&sharing, &dealer(1)).unwrap_err(), DealError::Proof);
    let next = Sharing::new([2; 32], sharing.keys(), 2).unwrap();
    assert_eq!(deal.verify(&next, &dealer(0)).unwrap_err(), DealError::Proof);
    let higher = Sharing::new([1; 32], sharing.keys(), 3).unwrap();
    assert_eq!(deal.verify(&higher, &dealer(0)).unwrap_err(), DealError::Size);
    let other = Sharing::new([1; 32], &sharing.keys().group([1, 0, 2, 3]).unwrap(), 2).unwrap();
    assert_eq!(deal.verify(&other, &dealer(0)).unwrap_err(), DealError::Proof);
}

#[test]
fn identities_and_bytes_that_are_no_points_are_refused() {
    let sharing = group(3, 2, SCH);
    let Deal::Schoenmakers(honest) = dealt(&sharing, 0).0 else { panic!("by Schoenmakers") };
    for (bad, error) in [([0; 32], DealError::Identity), ([0xff; 32], DealError::Encoding)] {
        let mut deals = vec![honest.clone(); 4];
        let mut coefficients = honest.coefficients.to_vec();
        coefficients[1] = bad;
        deals[0].coefficients = BoundedVec::new(coefficients).unwrap();
        let fields: [fn(&mut schoenmakers::Share) -> &mut [u8; 32]; 3] = [
            |share| &mut share.encrypted,
            |share| &mut share.commitments[0],
            |share| &mut share.commitments[1],
        ];
        for (deal, field) in deals.iter_mut().skip(1).zip(fields) {
            let mut shares = honest.shares.to_vec();
            *field(&mut shares[2]) = bad;
            deal.shares = BoundedVec::new(shares).unwrap();
        }
        for (at, deal) in deals.into_iter().enumerate() {
            let verdict = Deal::Schoenmakers(deal).verify(&sharing, &dealer(0));
            assert_eq!(verdict.unwrap_err(), error, "{at}");
        }
    }
}

#[test]
fn a_trustee_lies_about_no_share() {
    let sharing = group(3, 2, SCH);
    let deals = [0, 1].map(|number| verified(&sharing, number).0);
    for chosen in [Chosen::sum, Chosen::each].map(|open| open(&sharing, &[2; 32], deals.iter())) {
        let chosen = chosen.unwrap();
        let truth = opened(&chosen, 1);
        assert!(truth.verify(&chosen).is_ok());
        let mut lie = truth.clone();
        let mut shares = truth.shares.to_vec();
        shares[0] = bytes(&(point(&shares[0]) + G));
        lie.shares = BoundedVec::new(shares).unwrap();
        assert_eq!(lie.verify(&chosen).unwrap_err(), pvss::ShareError::Proof);
    }
}

#[test]
fn two_sums_that_differ_in_one_dealer_breaks_published() {
    let sharing = group(3, 2, SCH);
    let hands = [0, 1, 2].map(|number| Hand::from_wire(&dealt(&sharing, number).0));
    let open = |trustee: usize, of: &[&Hand]| {
        let y: RistrettoPoint = of.iter().map(|hand| hand.shares[trustee].0[2]).sum();
        y * scalar(trustee, SCH).invert()
    };
    let [a, b, c] = &hands;
    let shares = [0, 1].map(|at: usize| {
        (i64::try_from(at).unwrap() + 1, open(at, &[a, b, c]) - open(at, &[a, b]))
    });
    assert_eq!(bytes(&interpolate(&shares)), *dealt(&sharing, 2).1.to_bytes());
}

#[test]
fn a_trustee_opens_no_second_sum() {
    let sharing = group(3, 2, SCH);
    let deals = [0, 1, 2].map(|number| verified(&sharing, number).0);
    let all = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    let two = Chosen::sum(&sharing, &[2; 32], &deals[..2]).unwrap();
    let each = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    let mut trustee = trustee(&sharing, 1);
    assert!(trustee.decrypt(&all, &mut rng(1)).is_ok());
    for other in [two, each] {
        assert_eq!(trustee.decrypt(&other, &mut rng(1)), Err(TrusteeError::Opened));
    }
}

#[test]
fn a_trustee_that_opens_unverified_deals_is_an_oracle_breaks_published() {
    let sharing = group(3, 2, SCH);
    let (deal, secret) = dealt(&sharing, 0);
    let honest = Hand::from_wire(&deal);
    let blind = number(99);
    let open = |trustee: usize, y: RistrettoPoint| y * scalar(trustee, SCH).invert();
    // A share that nobody has seen before, and the honest one by it.
    let opened = [0, 1].map(|at: usize| {
        let asked = honest.shares[at].0[2] * blind;
        (i64::try_from(at).unwrap() + 1, open(at, asked) * blind.invert())
    });
    assert_eq!(bytes(&interpolate(&opened)), *secret.to_bytes());
}

#[test]
fn a_blinded_copy_of_a_share_is_no_verified_deal() {
    let sharing = group(3, 2, SCH);
    let mut copy = Hand::from_wire(&dealt(&sharing, 0).0);
    assert_eq!(copy.wire().verify(&sharing, &dealer(1)).unwrap_err(), DealError::Proof);
    let blind = number(99);
    // All of the honest deal, multiplied: the responses follow but for the challenge.
    copy.coefficients.iter_mut().for_each(|a| *a *= blind);
    for (points, z) in &mut copy.shares {
        points.iter_mut().for_each(|point| *point *= blind);
        *z *= blind;
    }
    for who in [0, 1] {
        assert_eq!(copy.wire().verify(&sharing, &dealer(who)).unwrap_err(), DealError::Proof);
    }
}

/// A deal to two trustees whose second key is chosen after the challenge, which does not know it:
/// Y_2 is no share of the dealt polynomial. Its secret x is known, so it is registered.
fn key_chosen_last(challenge: impl FnOnce(&Hand) -> Scalar) -> (Hand, Scalar, Scalar) {
    let p = [number(3), number(4)];
    let values = on_polynomial(&p, 2);
    let [w, v, y] = [51, 52, 53].map(number);
    let x = xs(1)[0];
    let shares = vec![
        ([h() * w, x * w, x * values[0]], Scalar::ZERO),
        ([h() * w, G * v, G * y], Scalar::ZERO),
    ];
    let mut hand = Hand { coefficients: p.iter().map(|a| h() * a).collect(), shares };
    let e = challenge(&hand);
    hand.shares.iter_mut().zip(values).for_each(|((_, z), value)| *z = w - e * value);
    let secret = (v - e * y) * hand.shares[1].1.invert();
    (hand, secret, e)
}

/// A challenge that follows from what is dealt, and not from whom to.
fn without_keys(hand: &Hand) -> Scalar {
    let mut transcript = Transcript::new(DEAL);
    hand.coefficients.iter().for_each(|a| transcript.append(b"A", &bytes(a)));
    for (points, _) in &hand.shares {
        points.iter().for_each(|point| transcript.append(b"point", &bytes(point)));
    }
    transcript.challenge(b"e")
}

#[test]
fn a_key_left_out_of_the_hash_breaks_published() {
    let (hand, secret, e) = key_chosen_last(without_keys);
    let ([u, v, y], z) = &hand.shares[1];
    let committed = hand.coefficients[0] + hand.coefficients[1] * number(2);
    assert_eq!((h() * z + committed * e, G * secret * z + y * e), (*u, *v), "all is in order");
    let opened = y * secret.invert();
    assert_ne!(opened, G * (number(3) + number(4) * number(2)), "but the share");
}

#[test]
fn keys_are_in_the_hash_so_none_is_chosen_last() {
    // The dealer knows the challenge for the key that it has, and chooses another.
    let own = group(2, 2, SCH);
    let (hand, secret, _) = key_chosen_last(|hand| challenge(&own, &dealer(0), hand));
    // Registered as its owner's, by the book.
    let k = number(11);
    let (key, commitment) = (bytes(&(G * secret)), bytes(&(G * k)));
    let hash = cosi::transcript::Hash::new(cosi::domain::SHARE_POSSESSION).fixed(&[1]);
    let e = hash.fixed(&dealer(1)).fixed(&key).fixed(&commitment).scalar();
    let response = (k + e * secret).to_bytes();
    let late = (owner(1), pvss::Registration { key, commitment, response });
    let keys = pvss::ShareKeys::new(SCH, [register(0, SCH), late]).unwrap();
    let sharing = Sharing::new([1; 32], &keys, 2).unwrap();
    for sharing in [&own, &sharing] {
        assert_eq!(hand.wire().verify(sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    }
}

/// Two deals, wrong by ±G in the first equation of every share.
fn across_deals(sharing: &Sharing) -> [Hand; 2] {
    let n = sharing.keys().len();
    [(0, G), (1, -G)].map(|(who, shift)| {
        let zero = RistrettoPoint::identity();
        let mut hand = by_hand(sharing, who, &[number(3), number(4)], zero, zero);
        let (w, values) = (number(0x1234_5678), on_polynomial(&[number(3), number(4)], n));
        hand.shares.iter_mut().for_each(|([u, ..], _)| *u += shift);
        let e = challenge(sharing, &dealer(who), &hand);
        hand.shares.iter_mut().zip(values).for_each(|((_, z), value)| *z = w - e * value);
        hand
    })
}

#[test]
fn batch_coefficients_shared_between_deals_breaks_published() {
    let sharing = group(3, 2, SCH);
    let hands = across_deals(&sharing);
    let errors = [0, 1].map(|at| hands[at].errors(challenge(&sharing, &dealer(at), &hands[at])));
    assert!(errors.iter().flatten().all(|[first, _]| !first.is_identity()));
    // Coefficients for each share and equation, but the same for every deal.
    let mut rng = rng(8);
    let sum: RistrettoPoint = (0..3)
        .flat_map(|share| {
            [0, 1].map(|equation| errors[0][share][equation] + errors[1][share][equation])
        })
        .map(|error| error * Scalar::random(&mut rng))
        .sum();
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
