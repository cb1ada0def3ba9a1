//! Schoenmakers' scheme, from the paper once more, and the attacks on careless forms of it.

use cosi::{domain::DEAL, keys::PublicKeyBytes, transcript::Transcript, wire::BoundedVec};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    traits::{Identity, IsIdentity},
};
use pvss::{Chosen, Deal, DealError, Scheme, Sharing, TrusteeError, schoenmakers, verify_all};

use crate::{
    common::*,
    published::{hashed, on_polynomial, whole},
};

const SCH: Scheme = Scheme::Schoenmakers;

fn xs(n: usize) -> Vec<RistrettoPoint> {
    (0..n).map(|number| point(&register(number, SCH).1.key)).collect()
}

/// H of the session \[1; 32\].
fn h() -> RistrettoPoint {
    let hash = cosi::transcript::Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]);
    RistrettoPoint::from_uniform_bytes(&hash.wide())
}

/// A deal by its points: A_k, B_k, z_k, and Y_i, V_i.
#[derive(Clone)]
struct Hand {
    coefficients: Vec<([RistrettoPoint; 2], Scalar)>,
    shares: Vec<[RistrettoPoint; 2]>,
}

fn challenge(sharing: &Sharing, dealer: &PublicKeyBytes, hand: &Hand) -> Scalar {
    let mut transcript = whole(sharing, dealer);
    let coefficients = hand.coefficients.iter().flat_map(|(points, _)| points);
    let points = coefficients.chain(hand.shares.iter().flatten()).map(bytes);
    transcript.append(b"points", &hashed(&points.collect::<Vec<_>>()));
    transcript.challenge(b"e")
}

impl Hand {
    fn from_wire(deal: &Deal) -> Self {
        let Deal::Schoenmakers(deal) = deal else { panic!("by Schoenmakers") };
        let coefficient = |of: &schoenmakers::Coefficient| {
            let z = Scalar::from_canonical_bytes(of.response).unwrap();
            ([of.committed, of.nonce].each_ref().map(point), z)
        };
        let share = |of: &schoenmakers::Share| [of.encrypted, of.nonce].each_ref().map(point);
        Self {
            coefficients: deal.coefficients.iter().map(coefficient).collect(),
            shares: deal.shares.iter().map(share).collect(),
        }
    }

    fn wire(&self) -> Deal {
        let coefficient = |(points, z): &([RistrettoPoint; 2], Scalar)| {
            let [committed, nonce] = points.each_ref().map(bytes);
            schoenmakers::Coefficient { committed, nonce, response: z.to_bytes() }
        };
        let share = |points: &[RistrettoPoint; 2]| {
            let [encrypted, nonce] = points.each_ref().map(bytes);
            schoenmakers::Share { encrypted, nonce }
        };
        Deal::Schoenmakers(schoenmakers::Deal {
            coefficients: BoundedVec::new(self.coefficients.iter().map(coefficient).collect())
                .unwrap(),
            shares: BoundedVec::new(self.shares.iter().map(share).collect()).unwrap(),
        })
    }

    /// z(1), …, z(n).
    fn responses(&self) -> Vec<Scalar> {
        let z: Vec<_> = self.coefficients.iter().map(|(_, z)| *z).collect();
        on_polynomial(&z, self.shares.len())
    }

    /// The sums that are O when the equations hold, for this challenge: of each coefficient, and
    /// of each share.
    fn errors(&self, e: Scalar) -> [Vec<RistrettoPoint>; 2] {
        let coefficient = |([a, b], z): &([RistrettoPoint; 2], Scalar)| h() * z + a * e - b;
        let shares = xs(self.shares.len()).into_iter().zip(&self.shares).zip(self.responses());
        [
            self.coefficients.iter().map(coefficient).collect(),
            shares.map(|((x, [y, v]), z)| x * z + y * e - v).collect(),
        ]
    }

    fn holds(&self, e: Scalar) -> bool {
        self.errors(e).iter().flatten().all(RistrettoPoint::is_identity)
    }

    /// Answers this challenge, for nonces r.
    fn answer(&mut self, e: Scalar, p: &[Scalar], r: &[Scalar]) {
        let answers = p.iter().zip(r).map(|(a, r)| r - e * a);
        self.coefficients.iter_mut().zip(answers).for_each(|((_, z), answer)| *z = answer);
    }
}

/// r_0, … of deals by hand.
fn nonces(t: usize) -> Vec<Scalar> {
    (0..t).map(|k| number(0x1234_5678 + 91 * i64::try_from(k).unwrap())).collect()
}

/// Deals by the book, but for a lie added to each encrypted share, and `shift` added to the B_k in
/// turn plus and minus.
fn by_hand(
    sharing: &Sharing,
    who: usize,
    p: &[Scalar],
    lies: &[RistrettoPoint],
    shift: RistrettoPoint,
) -> Hand {
    let n = sharing.keys().len();
    let r = nonces(p.len());
    let coefficient = |(k, (a, r)): (usize, (&Scalar, &Scalar))| {
        let shift = if k % 2 == 0 { shift } else { -shift };
        ([h() * a, h() * r + shift], Scalar::ZERO)
    };
    let slots = xs(n).into_iter().zip(on_polynomial(p, n)).zip(on_polynomial(&r, n)).zip(lies);
    let share = slots.map(|(((x, value), r), lie)| [x * value + lie, x * r]);
    let coefficients = p.iter().zip(&r).enumerate().map(coefficient).collect();
    let mut hand = Hand { coefficients, shares: share.collect() };
    hand.answer(challenge(sharing, &dealer(who), &hand), p, &r);
    hand
}

/// No lie to any of n trustees.
fn truth(n: usize) -> Vec<RistrettoPoint> {
    vec![RistrettoPoint::identity(); n]
}

#[test]
fn a_deal_meets_its_equations() {
    for (n, t) in [(1, 1), (4, 4), (6, 3)] {
        let sharing = group(n, t, SCH);
        let (deal, secret) = dealt(&sharing, 0);
        let hand = Hand::from_wire(&deal);
        assert!(hand.holds(challenge(&sharing, &dealer(0), &hand)), "{n} {t}");
        let numbered = (1..).zip(hand.shares.iter()).enumerate();
        let shares: Vec<_> = numbered
            .map(|(at, (i, [y, _]))| (i, y * scalar(at, SCH).invert()))
            .skip(n - t)
            .collect();
        assert_eq!(bytes(&interpolate(&shares)), *secret.to_bytes());
        let p: Vec<_> = (0..t).map(|k| number(i64::try_from(k).unwrap() + 3)).collect();
        let own = by_hand(&sharing, 0, &p, &truth(n), RistrettoPoint::identity()).wire();
        assert!(own.verify(&sharing, &dealer(0)).is_ok(), "{n} {t}");
    }
}

/// Σ_k\[i^k\]P_k.
fn at(i: i64, points: &[RistrettoPoint]) -> RistrettoPoint {
    let power = |k: usize| (0..k).map(|_| number(i)).product::<Scalar>();
    points.iter().enumerate().map(|(k, point)| point * power(k)).sum()
}

/// One proof a share, as the paper has it: U_i, V_i and a response for each.
#[test]
fn a_deal_meets_the_published_equations_of_each_share() {
    for (n, t) in [(1, 1), (4, 4), (6, 3)] {
        let sharing = group(n, t, SCH);
        let hand = Hand::from_wire(&dealt(&sharing, 0).0);
        let e = challenge(&sharing, &dealer(0), &hand);
        let [a, b] = [0, 1].map(|which| {
            hand.coefficients.iter().map(|(points, _)| points[which]).collect::<Vec<_>>()
        });
        let slots = (1..).zip(xs(n)).zip(hand.responses()).zip(&hand.shares);
        for (((i, x), z), [y, v]) in slots {
            let (committed, u) = (at(i, &a), at(i, &b));
            assert_eq!((h() * z + committed * e, x * z + y * e), (u, *v), "{n} {t} {i}");
        }
    }
}

#[test]
fn nonces_on_a_polynomial_save_points_and_responses() {
    let (n, t) = (32, 11);
    let Deal::Schoenmakers(deal) = dealt(&group(n, t, SCH), 0).0 else { panic!("by Schoenmakers") };
    let points = 2 * (deal.coefficients.len() + deal.shares.len());
    let responses = deal.coefficients.len();
    // A_k, and Y_i, U_i, V_i with a response for each share.
    let published = (t + 3 * n, n);
    assert_eq!(((points, responses), published), ((86, 11), (107, 32)));
    let sizes = [(points, responses), published].map(|(points, scalars)| 32 * (points + scalars));
    assert_eq!(sizes, [3_104, 4_448]);
    let deal = Deal::Schoenmakers(deal);
    assert_eq!(cosi::wire::Wire::encode(&deal).len(), sizes[0] + 9, "a scheme and two lengths");
}

/// Shares of no polynomial, and a proof made backwards: z and e first, then B and V.
fn backwards() -> (Hand, Scalar) {
    let (n, e, z) = (4, number(5), [number(6), number(7)]);
    let mut rng = rng(3);
    let coefficients = z.map(|z| {
        let a = RistrettoPoint::random(&mut rng);
        ([a, h() * z + a * e], z)
    });
    let shares = xs(n).into_iter().zip(on_polynomial(&z, n)).map(|(x, z)| {
        let y = RistrettoPoint::random(&mut rng);
        [y, x * z + y * e]
    });
    (Hand { coefficients: coefficients.into(), shares: shares.collect() }, e)
}

#[test]
fn a_challenge_read_from_the_wire_breaks_published() {
    let (hand, e) = backwards();
    assert!(hand.holds(e));
}

#[test]
fn a_challenge_is_computed_and_forged_deals_are_refused() {
    let sharing = group(4, 2, SCH);
    let (hand, _) = backwards();
    assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
}

#[test]
fn a_dealer_lies_about_no_share() {
    let sharing = group(4, 2, SCH);
    let p = [number(3), number(4)];
    let one = |at: usize| {
        let mut lies = truth(4);
        lies[at] = G;
        lies
    };
    for lies in (0..4).map(one).chain([vec![G; 4]]) {
        let lie = by_hand(&sharing, 0, &p, &lies, RistrettoPoint::identity()).wire();
        assert_eq!(lie.verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    }
}

/// What turns shares of `low` into those of `low` and one more coefficient.
fn higher(low: &[Scalar], n: usize) -> (Vec<Scalar>, Vec<RistrettoPoint>) {
    let high = [low, &[number(9)]].concat();
    let values = on_polynomial(&high, n).into_iter().zip(on_polynomial(low, n));
    let lies = values.zip(xs(n)).map(|((high, low), x)| x * (high - low)).collect();
    (high, lies)
}

#[test]
fn proofs_of_shares_without_commitments_breaks_published() {
    // Each share's own proof of log_{X_i} Y_i shows that it is known, and nothing of its degree.
    let (n, e, w) = (4, number(5), number(6));
    let (high, _) = higher(&[number(3), number(4)], n);
    let values = on_polynomial(&high, n);
    let proven = xs(n).into_iter().zip(&values).all(|(x, value)| {
        let (y, z) = (x * value, w - e * value);
        x * z + y * e == x * w
    });
    assert!(proven);
    let shares: Vec<_> = (1..).zip(values).map(|(i, value)| (i, G * value)).collect();
    assert_ne!(interpolate(&shares[..2]), interpolate(&shares[2..]), "of two secrets");
}

#[test]
fn shares_of_a_higher_degree_are_refused() {
    let (n, zero) = (4, RistrettoPoint::identity());
    let sharing = group(n, 2, SCH);
    let low = [number(3), number(4)];
    let (high, lies) = higher(&low, n);
    // Proven as of the degree that they should have, and of the one that they have.
    let hidden = by_hand(&sharing, 0, &low, &lies, zero);
    let shown = by_hand(&sharing, 0, &high, &truth(n), zero);
    // With nonces of that degree too: z(i) is what it should be of no coefficients sent.
    let mut deep = hidden.clone();
    let r = on_polynomial(&[&nonces(2)[..], &[number(8)]].concat(), n);
    deep.shares.iter_mut().zip(xs(n)).zip(r).for_each(|(([_, v], x), r)| *v = x * r);
    deep.answer(challenge(&sharing, &dealer(0), &deep), &low, &nonces(2));
    for (hand, error) in
        [(hidden, DealError::Proof), (shown, DealError::Size), (deep, DealError::Proof)]
    {
        assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), error);
    }
    // Where the degree is in order, so is the same deal.
    let three = group(n, 3, SCH);
    assert!(by_hand(&three, 0, &high, &truth(n), zero).wire().verify(&three, &dealer(0)).is_ok());
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
    assert_ne!(bytes(&(hand.coefficients[0].0[0] * log.invert())), *secret.to_bytes());
    let e = challenge(&sharing, &dealer(0), &hand);
    assert!(hand.holds(e), "this is the base");
}

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
        let coefficients: [fn(&mut schoenmakers::Coefficient) -> &mut [u8; 32]; 2] =
            [|of| &mut of.committed, |of| &mut of.nonce];
        for (deal, field) in deals.iter_mut().zip(coefficients) {
            let mut coefficients = honest.coefficients.to_vec();
            *field(&mut coefficients[1]) = bad;
            deal.coefficients = BoundedVec::new(coefficients).unwrap();
        }
        let shares: [fn(&mut schoenmakers::Share) -> &mut [u8; 32]; 2] =
            [|of| &mut of.encrypted, |of| &mut of.nonce];
        for (deal, field) in deals.iter_mut().skip(2).zip(shares) {
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
        let y: RistrettoPoint = of.iter().map(|hand| hand.shares[trustee][0]).sum();
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
        let asked = honest.shares[at][0] * blind;
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
    for (points, z) in &mut copy.coefficients {
        points.iter_mut().for_each(|point| *point *= blind);
        *z *= blind;
    }
    copy.shares.iter_mut().flatten().for_each(|point| *point *= blind);
    for who in [0, 1] {
        assert_eq!(copy.wire().verify(&sharing, &dealer(who)).unwrap_err(), DealError::Proof);
    }
}

/// A deal to two trustees whose second key is chosen after the challenge, which does not know it:
/// Y_2 is no share of the dealt polynomial. Its secret x is known, so it is registered.
fn key_chosen_last(challenge: impl FnOnce(&Hand) -> Scalar) -> (Hand, Scalar, Scalar) {
    let (p, r) = ([number(3), number(4)], nonces(2));
    let [v, y] = [52, 53].map(number);
    let x = xs(1)[0];
    let coefficients = p.iter().zip(&r).map(|(a, r)| ([h() * a, h() * r], Scalar::ZERO)).collect();
    let first = [x * on_polynomial(&p, 1)[0], x * on_polynomial(&r, 1)[0]];
    let mut hand = Hand { coefficients, shares: vec![first, [G * y, G * v]] };
    let e = challenge(&hand);
    hand.answer(e, &p, &r);
    let secret = (v - e * y) * hand.responses()[1].invert();
    (hand, secret, e)
}

/// A challenge that follows from what is dealt, and not from whom to.
fn without_keys(hand: &Hand) -> Scalar {
    let mut transcript = Transcript::new(DEAL);
    let coefficients = hand.coefficients.iter().flat_map(|(points, _)| points);
    for point in coefficients.chain(hand.shares.iter().flatten()) {
        transcript.append(b"point", &bytes(point));
    }
    transcript.challenge(b"e")
}

#[test]
fn a_key_left_out_of_the_hash_breaks_published() {
    let (hand, secret, e) = key_chosen_last(without_keys);
    let [errors, _] = hand.errors(e);
    let ([y, v], z) = (hand.shares[1], hand.responses()[1]);
    assert!(errors.iter().all(RistrettoPoint::is_identity));
    assert_eq!(G * secret * z + y * e, v, "all is in order");
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
