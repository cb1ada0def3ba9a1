//! Attacks on opening: trustees that lie, that are asked too much, and whose shares count twice.

use cosi::{domain::DECRYPTION, transcript::Transcript, wire::BoundedVec};
use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT as G, traits::Identity,
};
use pvss::{Chosen, DecryptedShare, Proof, Scheme, ShareError, TrusteeError};

use crate::{common::*, published::*};

const DH: Scheme = Scheme::Dhpvss;

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

/// The weights of three shares in a composite proof, drawn from its transcript.
type Weights = fn(&mut Transcript) -> [Scalar; 3];

const ONE: Scalar = Scalar::ONE;
const BY_THE_BOOK: Weights =
    |transcript| [ONE, transcript.challenge(b"d"), transcript.challenge(b"d")];
const CARELESS: [Weights; 3] = [
    |_| [ONE; 3],
    |transcript| {
        BY_THE_BOOK(transcript);
        [ONE; 3]
    },
    |transcript| {
        let d = transcript.challenge(b"d");
        [ONE, d, d]
    },
];

/// Trustee 1 opens its shares of three deals with these errors, and proves them by these weights.
fn composite(chosen: &Chosen, errors: [i64; 3], weights: Weights) -> DecryptedShare {
    let x = scalar(1, DH);
    let bases: Vec<_> = (chosen.dealers().iter())
        .map(|who| {
            let number = (0..3).find(|number| dealer(*number) == *who).unwrap();
            Hand::from_wire(&dealt(chosen.sharing(), number).0).ephemeral
        })
        .collect();
    let truth = opened(chosen, 1).shares;
    let shares: Vec<_> =
        truth.iter().zip(errors).map(|(share, error)| point(share) + G * number(error)).collect();
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"chosen", &chosen.id().0);
    transcript.append_number(b"trustee", 1);
    shares.iter().for_each(|share| transcript.append(b"share", &bytes(share)));
    let base: RistrettoPoint =
        bases.iter().zip(weights(&mut transcript)).map(|(base, d)| base * d).sum();
    let k = number(9);
    let commitments = [G * k, base * k];
    let response = (k - challenge(&mut transcript, &commitments) * x).to_bytes();
    DecryptedShare {
        trustee: 1,
        shares: BoundedVec::new(shares.iter().map(bytes).collect()).unwrap(),
        proof: Proof { commitments: commitments.each_ref().map(bytes), response },
    }
}

#[test]
fn a_composite_proof_weighs_its_shares() {
    let sharing = group(3, 2, DH);
    let deals = [0, 1, 2].map(|number| verified(&sharing, number).0);
    let chosen = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    assert!(composite(&chosen, [0; 3], BY_THE_BOOK).verify(&chosen).is_ok());
    // Errors that cancel where two shares or all have one weight, proven by the book and by it.
    for errors in [[1, -1, 0], [0, 1, -1], [1, 1, -2]] {
        for weights in CARELESS.into_iter().chain([BY_THE_BOOK]) {
            let lying = composite(&chosen, errors, weights);
            assert_eq!(lying.verify(&chosen).unwrap_err(), ShareError::Proof, "{errors:?}");
        }
    }
}

/// A share of two deals whose proof is made before the second: that is what then meets the
/// equations, with whatever is hashed in its place. The first is the true one.
fn second_last(chosen: &Chosen, hands: [&Hand; 2], hashed: &[[u8; 32]]) -> DecryptedShare {
    let (x, k, l) = (scalar(1, DH), number(9), number(10));
    let commitments = [G * k, G * l];
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"chosen", &chosen.id().0);
    transcript.append_number(b"trustee", 1);
    hashed.iter().for_each(|share| transcript.append(b"share", share));
    let d = transcript.challenge(b"d");
    let e = challenge(&mut transcript, &commitments);
    let z = k - e * x;
    let [first, second] = hands.map(|hand| hand.ephemeral);
    let rest = commitments[1] - (first + second * d) * z - first * x * e;
    let lie = hands[1].shares[1] - rest * (d * e).invert();
    assert_ne!(lie, hands[1].shares[1] - second * x);
    DecryptedShare {
        trustee: 1,
        shares: BoundedVec::new(vec![bytes(&(hands[0].shares[1] - first * x)), bytes(&lie)])
            .unwrap(),
        proof: Proof { commitments: commitments.each_ref().map(bytes), response: z.to_bytes() },
    }
}

/// Two deals in the order of the choice, and it.
fn two_deals() -> (Chosen, [Hand; 2]) {
    let sharing = group(3, 2, DH);
    let mut members = [0, 1];
    members.sort_by_key(|number| dealer(*number));
    let deals = members.map(|number| verified(&sharing, number).0);
    let chosen = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    (chosen, members.map(|number| Hand::from_wire(&dealt(&sharing, number).0)))
}

#[test]
fn a_further_share_left_out_of_the_hash_breaks_published() {
    let (chosen, [first, second]) = two_deals();
    let x = scalar(1, DH);
    let hashed = [bytes(&(first.shares[1] - first.ephemeral * x))];
    let lie = second_last(&chosen, [&first, &second], &hashed);
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"chosen", &chosen.id().0);
    transcript.append_number(b"trustee", 1);
    transcript.append(b"share", &hashed[0]);
    let d = transcript.challenge(b"d");
    let [k, l] = lie.proof.commitments.each_ref().map(point);
    let e = challenge(&mut transcript, &[k, l]);
    let z = Scalar::from_canonical_bytes(lie.proof.response).unwrap();
    let products =
        [(&first, 0), (&second, 1)].map(|(hand, at)| hand.shares[1] - point(&lie.shares[at]));
    let base = first.ephemeral + second.ephemeral * d;
    assert_eq!(G * z + G * x * e, k);
    assert_eq!(base * z + (products[0] + products[1] * d) * e, l);
}

#[test]
fn all_shares_are_in_the_hash_so_none_is_chosen_last() {
    let (chosen, [first, second]) = two_deals();
    let truth = opened(&chosen, 1);
    for hashed in [&truth.shares[..], &truth.shares[..1], &[]] {
        let lie = second_last(&chosen, [&first, &second], hashed);
        assert_eq!(lie.shares[0], truth.shares[0]);
        assert_eq!(lie.verify(&chosen).unwrap_err(), ShareError::Proof);
    }
}

/// What trustee 1 opens by a secret, which need not be its own, and proves by that secret and a
/// nonce that is always the same; and the challenge.
fn by_secret(chosen: &Chosen, hand: &Hand, x: Scalar) -> (DecryptedShare, Scalar) {
    let k = number(9);
    let share = bytes(&(hand.shares[1] - hand.ephemeral * x));
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"chosen", &chosen.id().0);
    transcript.append_number(b"trustee", 1);
    transcript.append(b"share", &share);
    let commitments = [G * k, hand.ephemeral * k];
    let e = challenge(&mut transcript, &commitments);
    let proof =
        Proof { commitments: commitments.each_ref().map(bytes), response: (k - e * x).to_bytes() };
    (DecryptedShare { trustee: 1, shares: BoundedVec::new(vec![share]).unwrap(), proof }, e)
}

#[test]
fn a_proof_without_the_key_breaks_published() {
    let sharing = group(3, 2, DH);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
    let hand = Hand::from_wire(&dealt(&sharing, 0).0);
    let (lie, e) = by_secret(&chosen, &hand, number(8));
    let z = Scalar::from_canonical_bytes(lie.proof.response).unwrap();
    let product = hand.shares[1] - point(&lie.shares[0]);
    assert_eq!(hand.ephemeral * z + product * e, point(&lie.proof.commitments[1]));
    assert_ne!(product, hand.ephemeral * scalar(1, DH), "by some secret, not by the key's");
}

#[test]
fn a_trustee_opens_by_its_keys_secret_alone() {
    let sharing = group(3, 2, DH);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
    let hand = Hand::from_wire(&dealt(&sharing, 0).0);
    let (lie, _) = by_secret(&chosen, &hand, number(8));
    assert_eq!(lie.verify(&chosen).unwrap_err(), ShareError::Proof);
}

#[test]
fn a_nonce_by_a_stuck_generator_breaks_published() {
    let sharing = group(3, 2, DH);
    let hand = Hand::from_wire(&dealt(&sharing, 0).0);
    let x = scalar(1, DH);
    let [(z, e), (y, f)] = [2, 3].map(|context| {
        let deal = verified(&sharing, 0).0;
        let chosen = Chosen::sum(&sharing, &[context; 32], [&deal]).unwrap();
        let (share, e) = by_secret(&chosen, &hand, x);
        assert!(share.verify(&chosen).is_ok());
        (Scalar::from_canonical_bytes(share.proof.response).unwrap(), e)
    });
    assert_eq!((z - y) * (f - e).invert(), x, "the secret, from two proofs with one nonce");
}

#[test]
fn a_stuck_generator_repeats_no_nonce() {
    let proofs: Vec<_> = [DH, Scheme::Schoenmakers]
        .into_iter()
        .flat_map(|scheme| {
            let sharing = group(3, 2, scheme);
            let (deal, _) = verified(&sharing, 0);
            [2, 3].map(|context| {
                let chosen = Chosen::sum(&sharing, &[context; 32], [&deal]).unwrap();
                opened(&chosen, 1).proof
            })
        })
        .collect();
    assert_ne!(proofs[0].commitments[0], proofs[1].commitments[0]);
    assert_ne!(proofs[2].commitments[0], proofs[3].commitments[0]);
}

#[test]
fn opened_bytes_that_are_no_canonical_point_or_scalar_are_refused() {
    for scheme in [DH, Scheme::Schoenmakers] {
        let sharing = group(3, 2, scheme);
        let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
        let mut bad = [(); 4].map(|()| opened(&chosen, 1));
        bad[0].shares = BoundedVec::new(vec![[0xff; 32]]).unwrap();
        bad[1].proof.commitments[0] = [0xff; 32];
        bad[2].proof.commitments[1] = [0xff; 32];
        bad[3].proof.response = plus_order(&bad[3].proof.response);
        for (at, share) in bad.iter().enumerate() {
            assert_eq!(share.verify(&chosen).unwrap_err(), ShareError::Encoding, "{at}");
        }
    }
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
            let nobodys = DecryptedShare { trustee, ..opened(&chosen, 0) };
            assert_eq!(nobodys.verify(&chosen).unwrap_err(), ShareError::Stranger);
        }
        let again = pvss::recover(&chosen, &[share(0), share(0)]).unwrap_err();
        assert_eq!(again, pvss::RecoverError::Duplicate { culprits: vec![1] });
        let again = pvss::recover(&chosen, &[share(0), share(2), share(2)]).unwrap_err();
        assert_eq!(again, pvss::RecoverError::Duplicate { culprits: vec![2] });
        assert_eq!(pvss::recover(&chosen, &[share(2), share(0)]).unwrap(), [secret]);
    }
}
