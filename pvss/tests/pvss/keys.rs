//! Share keys that are chosen by others' keys, and registrations that prove nothing.

use cosi::{
    domain::SHARE_BATCH,
    transcript::{Hash, Transcript},
};
use curve25519_dalek::{RistrettoPoint, constants::RISTRETTO_BASEPOINT_POINT as G};
use pvss::{KeysError, Registration, Scheme, ShareKeys};

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
