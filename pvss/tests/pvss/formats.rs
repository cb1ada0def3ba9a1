//! The formats of the wire types: a change fails here, and so is a decision.

use core::fmt::Debug;

use cosi::wire::Wire;
use pvss::{Chosen, Deal, MAX_TRUSTEES, Scheme};
use sha2::{Digest, Sha256};

use crate::common::*;

/// Holds `samples`, encoded, to their committed hash, and their decoder to what every decoder
/// refuses. `lengths`: where a length stands in the first sample, and the size of an item.
#[track_caller]
fn check<T: Wire + PartialEq + Debug>(format: &str, samples: &[T], lengths: &[(usize, usize)]) {
    let name = core::any::type_name::<T>();
    let mut hash = Sha256::new();
    for sample in samples {
        let bytes = sample.encode();
        hash.update(&bytes);
        assert_eq!(T::decode(&bytes).as_ref(), Ok(sample), "{name}: round trip");
        for len in 0..bytes.len() {
            assert!(T::decode(&bytes[..len]).is_err(), "{name}: cut to {len} bytes");
        }
        for trailing in [0, 1, 0xff] {
            let longer = [&bytes[..], &[trailing]].concat();
            assert!(T::decode(&longer).is_err(), "{name}: a trailing byte");
        }
    }
    let bytes = samples[0].encode();
    for (at, item) in lengths {
        let (before, rest) = bytes.split_at(*at);
        let (len, rest) = rest.split_at(4);
        let len = u32::from_le_bytes(len.try_into().unwrap());
        let (items, after) = rest.split_at(usize::try_from(len).unwrap() * item);
        let most = u32::try_from(MAX_TRUSTEES).unwrap();
        let holding = |count: u32, really: u32| {
            let items = items[..*item].repeat(usize::try_from(really).unwrap());
            T::decode(&[before, &count.to_le_bytes(), &items, after].concat())
        };
        assert!(holding(most, most).is_ok(), "{name}: {most} items at {at}");
        assert!(holding(most + 1, most + 1).is_err(), "{name}: one more at {at}");
        assert!(holding(u32::MAX, 1).is_err(), "{name}: a hostile length at {at}");
        assert!(holding(2, 1).is_err(), "{name}: a missing item at {at}");
        assert!(holding(0, 1).is_err(), "{name}: an item too many at {at}");
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, format, "{name}: the format changed");
}

fn deals(scheme: Scheme) -> Vec<Deal> {
    [(3, 2), (1, 1), (5, 2)].map(|(n, t)| dealt(&group(n, t, scheme), 0).0).into()
}

#[test]
fn deals_by_dhpvss() {
    check(
        "d6b92f57f9561a78cef0b7a7f9b38318c4f7101bf8bd473a67b14786523ecb60",
        &deals(Scheme::Dhpvss),
        &[(33, 32)],
    );
}

#[test]
fn deals_by_schoenmakers() {
    check(
        "943c9e592f9e858ff0c69f84eab9f57cc64f5c07781c215d42fc093d946e87ec",
        &deals(Scheme::Schoenmakers),
        &[(1, 96), (197, 64)],
    );
}

#[test]
fn registrations() {
    let samples = [Scheme::Dhpvss, Scheme::Schoenmakers].map(|scheme| register(1, scheme).1);
    check("4446a9abb96fb78303be54e25648b77ecb91d4f2a8ffb769629b05ba07636587", &samples, &[]);
    check(
        "b413f47d13ee2fe6c845b2ee141af81de858df4ec549a58b7970bb96645bc8d2",
        &[Scheme::Dhpvss, Scheme::Schoenmakers],
        &[],
    );
}

#[test]
fn opened_shares() {
    let sharing = group(3, 2, Scheme::Dhpvss);
    let deals = [0, 1].map(|number| verified(&sharing, number).0);
    let each = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    let sum = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    let shares = [opened(&each, 1), opened(&sum, 2)];
    check("0ba9873fcd04e800b1f5390929d8e0cbad364d73d241a6b4e2f35108c1a8cdd2", &shares, &[(2, 32)]);
    check(
        "6cc3313c4649b9fad65e0c8a23c6f02d709c580d8cc57f9d91fb2ed63ada0429",
        &shares.map(|share| share.proof),
        &[],
    );
}

#[test]
fn sizes_are_as_documented() {
    let sharing = group(32, 11, Scheme::Dhpvss);
    assert_eq!(dealt(&sharing, 0).0.encode().len(), 1_157);
    assert_eq!(dealt(&group(32, 11, Scheme::Schoenmakers), 0).0.encode().len(), 3_113);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&verified(&sharing, 0).0]).unwrap();
    assert_eq!(opened(&chosen, 0).encode().len(), 134);
    let n = MAX_TRUSTEES;
    let largest = dealt(&group(n, n, Scheme::Schoenmakers), 0).0.encode().len();
    assert_eq!(largest, 40_969, "fits a signed statement of evidence");
}
