//! Errors that cancel in a batch of opened shares: within a share's proof, and across trustees.

use cosi::{
    domain::{DECRYPTION, SHARE_BATCH},
    transcript::{Hash, HashRng, Transcript},
    wire::{BoundedVec, Wire},
};
use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT as G,
    rand_core::Rng,
    traits::{Identity, IsIdentity},
};
use pvss::{Chosen, DecryptedShare, Proof, Scheme, ShareError, verify_shares};

use crate::{common::*, published::*};

const DH: Scheme = Scheme::Dhpvss;

/// One deal to three, by its points, and its choice.
fn one_deal() -> (Chosen, Hand) {
    let sharing = group(3, 2, DH);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
    (chosen, Hand::from_wire(&dealt(&sharing, 0).0))
}

fn challenge_of(chosen: &Chosen, share: &DecryptedShare) -> Scalar {
    let mut transcript = Transcript::new(DECRYPTION);
    transcript.append(b"chosen", &chosen.id().0);
    transcript.append_number(b"trustee", share.trustee.into());
    share.shares.iter().for_each(|share| transcript.append(b"share", share));
    challenge(&mut transcript, &share.proof.commitments.each_ref().map(point))
}

/// A trustee's true share, proven but for these errors in K and L, and this one in the answer.
fn opened_wrongly(
    chosen: &Chosen,
    hand: &Hand,
    trustee: usize,
    shifts: [RistrettoPoint; 2],
    error: Scalar,
) -> DecryptedShare {
    let (x, k) = (scalar(trustee, DH), number(9));
    let share = hand.shares[trustee] - hand.ephemeral * x;
    let commitments = [bytes(&(G * k + shifts[0])), bytes(&(hand.ephemeral * k + shifts[1]))];
    let mut share = DecryptedShare {
        trustee: u16::try_from(trustee).unwrap(),
        shares: BoundedVec::new(vec![bytes(&share)]).unwrap(),
        proof: Proof { commitments, response: [0; 32] },
    };
    let z = k - challenge_of(chosen, &share) * x + error;
    share.proof.response = z.to_bytes();
    share
}

/// The sums that are O when the two equations hold.
fn errors(chosen: &Chosen, hand: &Hand, share: &DecryptedShare) -> [RistrettoPoint; 2] {
    let (at, e) = (usize::from(share.trustee), challenge_of(chosen, share));
    let z = Scalar::from_canonical_bytes(share.proof.response).unwrap();
    let [k, l] = share.proof.commitments.each_ref().map(point);
    let product = hand.shares[at] - point(&share.shares[0]);
    [G * z + G * scalar(at, DH) * e - k, hand.ephemeral * z + product * e - l]
}

/// Proofs whose errors are G and −G: in K and L of one, in the K of two, and in the L of two.
fn cancelling(chosen: &Chosen, hand: &Hand) -> [Vec<DecryptedShare>; 3] {
    let zero = RistrettoPoint::identity();
    let cases = [vec![[G, -G]], vec![[G, zero], [-G, zero]], vec![[zero, G], [zero, -G]]];
    cases.map(|shifts| {
        let numbered = shifts.into_iter().enumerate();
        numbered
            .map(|(at, shifts)| opened_wrongly(chosen, hand, at, shifts, Scalar::ZERO))
            .collect()
    })
}

#[test]
fn batch_coefficients_shared_between_equations_breaks_published() {
    let (chosen, hand) = one_deal();
    let honest = opened_wrongly(&chosen, &hand, 0, [RistrettoPoint::identity(); 2], Scalar::ZERO);
    assert!(honest.verify(&chosen).is_ok());
    let [rho, sigma] = [1, 2].map(|seed| Scalar::random(&mut rng(seed)));
    let weights = [[rho, rho], [rho, sigma], [rho, sigma]];
    for (shares, [rho, sigma]) in cancelling(&chosen, &hand).iter().zip(weights) {
        let errors: Vec<_> = shares.iter().map(|share| errors(&chosen, &hand, share)).collect();
        assert!(errors.iter().all(|[k, l]| !k.is_identity() || !l.is_identity()));
        // One coefficient a proof, or one a kind of equation.
        let sum: RistrettoPoint = errors.iter().map(|[k, l]| k * rho + l * sigma).sum();
        assert!(sum.is_identity());
    }
}

#[test]
fn each_equation_of_a_batch_has_a_coefficient_of_its_own() {
    let (chosen, hand) = one_deal();
    for shares in cancelling(&chosen, &hand) {
        for verdict in verify_shares(&chosen, &shares) {
            assert_eq!(verdict.unwrap_err(), ShareError::Proof);
        }
    }
}

/// What the coefficients of a batch of three shares could follow from, in careless code.
type Careless = fn(Hash, [Vec<u8>; 3]) -> Hash;

fn add(seed: Hash, share: &[u8]) -> Hash {
    seed.fixed(&Hash::new(SHARE_BATCH).bytes(share).digest())
}

const CARELESS: [Careless; 4] = [
    |seed, _| seed,
    |seed, shares| shares.iter().fold(seed, |seed, share| add(seed, &share[..share.len() - 32])),
    |seed, [first, ..]| add(seed, &first),
    |seed, [.., last]| add(seed, &last),
];

fn coefficients(chosen: &Chosen, shares: &[DecryptedShare; 3], careless: Careless) -> [Scalar; 6] {
    let seed = Hash::new(SHARE_BATCH).fixed(&chosen.id().0);
    let mut drawn = [[0; 16]; 8];
    HashRng::new(careless(seed, shares.each_ref().map(Wire::encode)))
        .fill_bytes(drawn.as_flattened_mut());
    core::array::from_fn(|at| Scalar::from(u128::from_le_bytes(drawn[at])))
}

/// Three shares with answers that are wrong by what is orthogonal to the coefficients of their
/// first equations and to those of their second, since all have one base; and these.
fn cancelling_under(
    chosen: &Chosen,
    hand: &Hand,
    careless: Careless,
) -> ([DecryptedShare; 3], [Scalar; 6]) {
    let zero = RistrettoPoint::identity();
    let open = |wrong: [Scalar; 3]| {
        [0, 1, 2].map(|at| opened_wrongly(chosen, hand, at, [zero; 2], wrong[at]))
    };
    // One answers first, wrong by 1, and the others once the coefficients are known.
    let answer = |first: usize| {
        let known = coefficients(chosen, &open([Scalar::ONE; 3]), careless);
        let orthogonal = [(1, 2), (2, 0), (0, 1)]
            .map(|(i, j)| known[2 * i] * known[2 * j + 1] - known[2 * j] * known[2 * i + 1]);
        let shares = open(orthogonal.map(|of| of * orthogonal[first].invert()));
        (coefficients(chosen, &shares, careless) == known).then_some((shares, known))
    };
    [0, 2].into_iter().find_map(answer).expect("careless code ignores the others' answers")
}

#[test]
fn batch_coefficients_known_before_the_shares_breaks_published() {
    let (chosen, hand) = one_deal();
    for careless in CARELESS {
        let (shares, known) = cancelling_under(&chosen, &hand, careless);
        let errors = shares.each_ref().map(|share| errors(&chosen, &hand, share));
        assert!(errors.iter().flatten().all(|error| !error.is_identity()));
        let weighed = errors.iter().flatten().zip(known).map(|(error, rho)| error * rho);
        assert!(weighed.sum::<RistrettoPoint>().is_identity());
    }
}

#[test]
fn batch_coefficients_follow_from_every_byte_of_every_share() {
    let (chosen, hand) = one_deal();
    for careless in CARELESS {
        let (shares, _) = cancelling_under(&chosen, &hand, careless);
        for verdict in verify_shares(&chosen, &shares) {
            assert_eq!(verdict.unwrap_err(), ShareError::Proof);
        }
    }
}
