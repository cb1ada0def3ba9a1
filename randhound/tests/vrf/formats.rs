//! Every wire type: one encoding, pinned; nothing else decodes.

use core::fmt::Debug;

use cosi::wire::Wire;
use randhound::vrf::{Proof, Registration, VrfSecret};

use crate::common::*;

/// Holds `samples`, encoded, to their length and the first bytes of their hash, and their decoder
/// to what every decoder refuses.
#[track_caller]
fn pinned<T: Wire + PartialEq + Debug>(len: usize, hash: &str, samples: &[T]) {
    let encodings: Vec<_> = samples.iter().map(Wire::encode).collect();
    for (sample, encoding) in samples.iter().zip(&encodings) {
        assert_eq!(encoding.len(), len);
        assert_eq!(T::decode(encoding).as_ref(), Ok(sample));
        assert!((0..len).all(|cut| T::decode(&encoding[..cut]).is_err()));
        for trailing in [0, 1, 0xff] {
            assert!(T::decode(&[&encoding[..], &[trailing]].concat()).is_err());
        }
    }
    // No length is in them: whatever their first bytes say, they hold as much.
    assert_eq!(T::decode(&vec![0xff; len]).unwrap().encode(), vec![0xff; len]);
    assert!(T::decode(&vec![0xff; 1 << 16]).is_err());
    let found = sha512(&[&encodings.concat()]);
    let found: String = found[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, hash, "the format changed");
}

#[test]
fn formats_are_pinned() {
    let secrets = [1, 2].map(|number| VrfSecret::derive(&seed(number)));
    let proofs: [Proof; 2] = secrets.each_ref().map(|secret| secret.prove(b"input").0);
    pinned(80, "3415f71b05ec97c1", &proofs);
    let owner = *seed(1).signing_key().public();
    let registrations: [Registration; 2] =
        secrets.each_ref().map(|secret| secret.register(&owner, &mut rng(1)));
    pinned(96, "13b224ad83fea339", &registrations);
}

#[test]
fn derived_keys_and_outputs_are_pinned() {
    let secret = VrfSecret::derive(&seed(1));
    let found = [&secret.key().to_bytes()[..8], &secret.prove(b"input").1.to_bytes()[..8]];
    let found =
        found.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    assert_eq!(found, ["dd459d4808d6f1f0", "0b08da5ae708dc68"]);
}
