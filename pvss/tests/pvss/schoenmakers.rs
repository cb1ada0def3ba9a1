//! Schoenmakers' scheme, from the paper once more, and the attacks on careless forms of it.

mod attacks;
mod batches;
mod opening;

use cosi::{
    domain::{DEAL, SHARE_BATCH},
    keys::PublicKeyBytes,
    transcript::{Hash, Transcript},
    wire::BoundedVec,
};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    traits::{Identity, IsIdentity},
};
use pvss::{Chosen, Deal, DealError, Scheme, Sharing, TrusteeError, schoenmakers, verify_all};

use crate::{
    batches::drawn,
    common::*,
    published::{hashed, on_polynomial, whole},
};

const SCH: Scheme = Scheme::Schoenmakers;

fn xs(n: usize) -> Vec<RistrettoPoint> {
    (0..n).map(|number| point(&register(number, SCH).1.key)).collect()
}

/// H of the session \[1; 32\].
fn h() -> RistrettoPoint {
    let hash = Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]);
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

/// Deals by the book, but for a lie added to each encrypted share.
fn by_hand(sharing: &Sharing, who: usize, p: &[Scalar], lies: &[RistrettoPoint]) -> Hand {
    let n = sharing.keys().len();
    let r = nonces(p.len());
    let coefficients = p.iter().zip(&r).map(|(a, r)| ([h() * a, h() * r], Scalar::ZERO));
    let slots = xs(n).into_iter().zip(on_polynomial(p, n)).zip(on_polynomial(&r, n)).zip(lies);
    let shares = slots.map(|(((x, value), r), lie)| [x * value + lie, x * r]).collect();
    let mut hand = Hand { coefficients: coefficients.collect(), shares };
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
        let own = by_hand(&sharing, 0, &p, &truth(n)).wire();
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
