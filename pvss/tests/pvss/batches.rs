//! Errors that cancel in a batch by DHPVSS: within a deal, across deals, and across groups.

use cosi::{
    domain::{DEAL, SHARE_BATCH},
    keys::PublicKeyBytes,
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

/// Two deals, wrong by ±G in K and in L: the first alone, or both.
fn cancelling(sharing: &Sharing, n: usize, t: usize) -> [Vec<Hand>; 2] {
    let deal = |number, shift| {
        let (shares, _) = plain(t, n, 1);
        Hand::deal(whole(sharing, &dealer(number)), t, &xs(n), Scalar::from(77u64), &shares, shift)
    };
    let (plus, minus) = (deal(0, G), deal(1, -G));
    [vec![plus.clone()], vec![plus, minus]]
}

/// Two deals, wrong by ±G in K alone, or in L alone.
fn cancelling_in(sharing: &Sharing, which: usize) -> [Hand; 2] {
    [(0, G), (1, -G)].map(|(number, shift)| {
        let (who, xs, zero) = (dealer(number), xs(5), RistrettoPoint::identity());
        let (shares, _) = plain(2, 5, 1);
        let mut hand = Hand::deal(whole(sharing, &who), 2, &xs, Scalar::from(77u64), &shares, zero);
        let mut transcript = whole(sharing, &who);
        dual(&mut transcript, 2, &xs, &hand.ephemeral, &hand.shares);
        let w = hand.response + own_challenge(sharing, &who, &hand) * hand.mask;
        hand.commitments[which] += shift;
        hand.response = w - challenge(&mut transcript, &hand.commitments) * hand.mask;
        hand
    })
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
    // One equation of a kind weighed, and the other not.
    for which in [0, 1] {
        let alone = errors(&cancelling_in(&sharing, which));
        assert!(!alone[0][which].is_identity() && alone[0][1 - which].is_identity());
        assert!((alone[0][which] + alone[1][which]).is_identity());
    }
}

#[test]
fn every_equation_has_its_own_coefficient_so_errors_do_not_cancel() {
    let sharing = group(5, 2, DH);
    let alone = [0, 1].map(|which| Vec::from(cancelling_in(&sharing, which)));
    for hands in cancelling(&sharing, 5, 2).into_iter().chain(alone) {
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

/// The coefficients of the first eight equations of a batch with this seed.
pub(crate) fn drawn(seed: Hash) -> [Scalar; 8] {
    let mut rng = HashRng::new(Hash::new(SHARE_BATCH).fixed(&seed.wide()).number(0));
    let mut drawn = [[0; 16]; 8];
    rng.fill_bytes(drawn.as_flattened_mut());
    drawn.map(|bytes| Scalar::from(u128::from_le_bytes(bytes)))
}

/// What the coefficients of a batch of two deals could follow from, in careless code, with the
/// deals' challenges and the digests of all their bytes.
type Careless = fn(&Sharing, [Scalar; 2], [[u8; 32]; 2]) -> Hash;

const CARELESS: [Careless; 5] = [
    |_, _, _| Hash::new(SHARE_BATCH),
    |sharing, _, _| Hash::new(SHARE_BATCH).fixed(&sharing.id().0).fixed(&sharing.id().0),
    |sharing, [e, f], _| {
        let [e, f] = [e, f].map(|e| Hash::new(DEAL).fixed(e.as_bytes()).digest());
        let seed = Hash::new(SHARE_BATCH).fixed(&sharing.id().0).fixed(&e);
        seed.fixed(&sharing.id().0).fixed(&f)
    },
    |sharing, _, [first, _]| Hash::new(SHARE_BATCH).fixed(&sharing.id().0).fixed(&first),
    |sharing, _, [_, last]| Hash::new(SHARE_BATCH).fixed(&sharing.id().0).fixed(&last),
];

/// A deal to one trustee: L is O then, and an answer that is wrong by 1 is an error of G.
fn to_one(sharing: &Sharing, number: usize, error: Scalar) -> Hand {
    let statement = whole(sharing, &dealer(number));
    let (shares, zero) = (plain(1, 1, 1).0, RistrettoPoint::identity());
    let mut hand = Hand::deal(statement, 1, &xs(1), Scalar::from(77u64), &shares, zero);
    hand.response += error;
    hand
}

fn own_challenge(sharing: &Sharing, who: &PublicKeyBytes, hand: &Hand) -> Scalar {
    let mut transcript = whole(sharing, who);
    let n = sharing.keys().len();
    dual(&mut transcript, sharing.threshold(), &xs(n), &hand.ephemeral, &hand.shares);
    challenge(&mut transcript, &hand.commitments)
}

/// Two deals, wrong by these multiples of G.
fn two(sharing: &Sharing, errors: [Scalar; 2]) -> [Hand; 2] {
    [0, 1].map(|at| to_one(sharing, at, errors[at]))
}

/// Two deals whose errors cancel under what careless code takes for the coefficients of their
/// first equations; and these.
fn cancelling_under(sharing: &Sharing, careless: Careless) -> ([Hand; 2], [Scalar; 2]) {
    let coefficients = |hands: &[Hand; 2]| {
        let challenges = [0, 1].map(|at| own_challenge(sharing, &dealer(at), &hands[at]));
        let digest = |at: usize| {
            let hash = Hash::new(DEAL).fixed(challenges[at].as_bytes());
            hash.fixed(hands[at].response.as_bytes()).digest()
        };
        let [first, _, second, ..] = drawn(careless(sharing, challenges, [0, 1].map(digest)));
        [first, second]
    };
    // One of the two answers first, wrong by 1, and the other once the coefficients are known.
    [0, 1]
        .into_iter()
        .find_map(|first| {
            let mut errors = [Scalar::ONE; 2];
            let [rho, sigma] = coefficients(&two(sharing, errors));
            let ratio = if first == 0 { rho * sigma.invert() } else { sigma * rho.invert() };
            errors[1 - first] = -ratio;
            let hands = two(sharing, errors);
            let known = coefficients(&hands) == [rho, sigma];
            known.then_some((hands, [rho, sigma]))
        })
        .expect("careless code ignores either answer")
}

#[test]
fn batch_coefficients_known_before_the_deals_breaks_published() {
    let sharing = group(1, 1, DH);
    for careless in CARELESS {
        let (hands, rhos) = cancelling_under(&sharing, careless);
        let errors = [0, 1].map(|at| hands[at].checked(whole(&sharing, &dealer(at)), 1, &xs(1)));
        assert!(errors.iter().all(|[first, second]| !first.is_identity() && second.is_identity()));
        assert!((errors[0][0] * rhos[0] + errors[1][0] * rhos[1]).is_identity());
    }
}

#[test]
fn batch_coefficients_follow_from_every_byte_of_every_deal() {
    let sharing = group(1, 1, DH);
    for careless in CARELESS {
        let deals = cancelling_under(&sharing, careless).0.map(|hand| hand.wire());
        let claims = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
        for verdict in verify_all(&sharing, claims) {
            assert_eq!(verdict.unwrap_err(), DealError::Proof);
        }
    }
}

/// How many deals, at most, a batch sums up by one stream of coefficients.
const PART: usize = 128;

/// A part of a batch and one deal more. The last is wrong by −G, and the first by so much of G.
fn parts(sharing: &Sharing, first: i64) -> Vec<Hand> {
    let error = |at| number(if at == 0 { first } else { -i64::from(at == PART) });
    (0..=PART).map(|at| to_one(sharing, at, error(at))).collect()
}

#[test]
fn batch_coefficients_that_begin_anew_breaks_published() {
    let sharing = group(1, 1, DH);
    let hands = parts(&sharing, 1);
    let errors = [0, PART].map(|at| hands[at].checked(whole(&sharing, &dealer(at)), 1, &xs(1)));
    let [rho, sigma, ..] = drawn(Hash::new(SHARE_BATCH));
    assert!(!errors[0][0].is_identity());
    let sum: RistrettoPoint = errors.iter().map(|[k, l]| k * rho + l * sigma).sum();
    assert!(sum.is_identity(), "the first equations of either part by the same coefficients");
}

#[test]
fn parts_of_a_batch_have_coefficients_of_their_own() {
    let sharing = group(1, 1, DH);
    for first in [1, 0] {
        let deals: Vec<_> = parts(&sharing, first).iter().map(Hand::wire).collect();
        let check = || {
            let claims = deals.iter().enumerate().map(|(at, deal)| (dealer(at), deal));
            for (at, verdict) in verify_all(&sharing, claims).into_iter().enumerate() {
                let wrong = at == PART || (at == 0 && first != 0);
                assert_eq!(verdict.err(), wrong.then_some(DealError::Proof), "{at}");
            }
        };
        check();
        #[cfg(feature = "rayon")]
        for threads in [1, 2, 3] {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(check);
        }
    }
}
