//! Share keys that are chosen by others' keys, and registrations that prove nothing.

use cosi::{
    domain::{SHARE_BATCH, SHARE_POSSESSION},
    transcript::{Hash, HashRng, Transcript},
};
use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT as G, rand_core::Rng,
    traits::IsIdentity,
};
use pvss::{KeysError, Registration, Scheme, ShareKeys, Sharing};

use crate::{common::*, published::*};

const DH: Scheme = Scheme::Dhpvss;

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
    let challenge = Hash::new(SHARE_POSSESSION).fixed(&[0]).fixed(&dealer(2));
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

/// Registrations of members 0 and 1 whose answers are wrong by these numbers, and the challenges.
fn answered(errors: [Scalar; 2]) -> [(Registration, Scalar); 2] {
    [0, 1].map(|at| {
        let mut registration = register(at, DH).1;
        let z = Scalar::from_canonical_bytes(registration.response).unwrap() + errors[at];
        registration.response = z.to_bytes();
        let hash = Hash::new(SHARE_POSSESSION).fixed(&[0]).fixed(&dealer(at));
        let e = hash.fixed(&registration.key).fixed(&registration.commitment).scalar();
        (registration, e)
    })
}

/// \[z\]G − \[e\]X − K.
fn error((of, e): &(Registration, Scalar)) -> RistrettoPoint {
    let z = Scalar::from_canonical_bytes(of.response).unwrap();
    G * z - point(&of.key) * e - point(&of.commitment)
}

/// The coefficients of a batch of two proofs of possession, if the answers did not decide on them.
fn before_the_answers() -> [Scalar; 2] {
    let challenges = answered([Scalar::ZERO; 2]).map(|(_, e)| e);
    let seed = challenges.iter().fold(Hash::new(SHARE_BATCH), |seed, e| seed.fixed(e.as_bytes()));
    let mut drawn = [[0; 16]; 2];
    HashRng::new(seed).fill_bytes(drawn.as_flattened_mut());
    drawn.map(|bytes| Scalar::from(u128::from_le_bytes(bytes)))
}

#[test]
fn possession_proven_by_errors_that_cancel_breaks_published() {
    assert!(answered([Scalar::ZERO; 2]).iter().all(|of| error(of).is_identity()));
    let two = answered([Scalar::ONE, -Scalar::ONE]).map(|of| error(&of));
    assert!(!two[0].is_identity() && (two[0] + two[1]).is_identity(), "one coefficient for all");
    let [rho, sigma] = before_the_answers();
    let two = answered([sigma, -rho]).map(|of| error(&of));
    assert!(!two[0].is_identity() && (two[0] * rho + two[1] * sigma).is_identity());
}

#[test]
fn each_proof_of_possession_has_a_coefficient_that_follows_from_all_of_them() {
    let [rho, sigma] = before_the_answers();
    for errors in [[Scalar::ONE, -Scalar::ONE], [sigma, -rho]] {
        let [first, second] = answered(errors).map(|(registration, _)| registration);
        let members = [(owner(0), first), (owner(1), second)];
        let refused = ShareKeys::new(DH, members).unwrap_err();
        assert_eq!(refused, KeysError::NoPossession { culprits: vec![0, 1] });
    }
}

#[test]
fn a_sharings_name_follows_from_all_that_it_is_of() {
    let four = keys(4, DH);
    let others = (0..3).map(|number| register(number, DH));
    // The same share key, under another name.
    let renamed = (owner(5), own(3, DH).register(&owner(5), &mut rng(1)));
    let renamed = ShareKeys::new(DH, others.chain([renamed])).unwrap();
    let of = |session, keys: &ShareKeys, t| Sharing::new([session; 32], keys, t).unwrap();
    let names = [
        of(1, &four, 2),
        of(2, &four, 2),
        of(1, &four, 1),
        of(1, &four, 3),
        of(1, &four.group([0, 1, 3, 2]).unwrap(), 2),
        of(1, &four.group([0, 1, 2]).unwrap(), 2),
        of(1, &keys(5, DH), 2),
        of(1, &renamed, 2),
        of(1, &keys(4, Scheme::Schoenmakers), 2),
    ];
    let distinct: std::collections::BTreeSet<_> = names.iter().map(Sharing::id).collect();
    assert_eq!(distinct.len(), names.len());
    let (deal, _) = dealt(&names[0], 0);
    for (at, sharing) in names.iter().enumerate() {
        assert_eq!(deal.verify(sharing, &dealer(0)).is_ok(), at == 0, "{at}");
    }
}
