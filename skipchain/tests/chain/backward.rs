//! The past of a trusted block, by hashes alone.

use proptest::prelude::*;
use skipchain::{BackError, BackProof, wire::Wire};

use crate::common::{Chain, shape};

fn back(chain: &Chain, from: u64, target: u64) -> Option<BackProof> {
    BackProof::build(from, target, |at| Some((chain.header(at).clone(), chain.back(at).clone())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_earlier_block_is_reached(
        (base, max) in prop_oneof![Just((1, 1)), (2..5u32, 1..6u8)],
        len in 1..90u64,
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let chain = Chain::new(1, shape(base, max), len, 30);
        let size = usize::try_from(len).unwrap() + 1;
        let (a, b) = (a.index(size) as u64, b.index(size) as u64);
        let (target, from) = (a.min(b), a.max(b));
        let proof = BackProof::decode(&back(&chain, from, target).unwrap().encode()).unwrap();
        prop_assert!(max < 6 || proof.hops() <= 2 * 7 * base as usize);
        let mut client = chain.client(from);
        let reached = client.verify_back(&proof).unwrap();
        prop_assert_eq!(reached.header(), chain.header(target));
        // From there, forward proofs start.
        prop_assert!(client.verify(&chain.proof(target, target)).is_ok());
    }
}

#[test]
fn every_byte_of_a_way_back_counts() {
    let chain = Chain::new(1, shape(2, 4), 22, 30);
    let proof = back(&chain, 20, 3).unwrap();
    assert_eq!(proof.hops(), 4);
    let bytes = proof.encode();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let Ok(proof) = BackProof::decode(&bytes) else { continue };
            assert!(chain.client(20).verify_back(&proof).is_err(), "byte {at}");
        }
    }
    assert_eq!(chain.client(22).verify_back(&proof), Err(BackError::Start));
    assert_eq!(proof.verify(chain.header(22)), Err(BackError::Start));
    assert!(back(&chain, 3, 20).is_none());
}

#[test]
fn a_way_back_is_not_anothers() {
    let (chain, other) = (Chain::new(1, shape(2, 4), 9, 30), Chain::new(2, shape(2, 4), 9, 30));
    let refused = chain.client(8).verify_back(&back(&other, 8, 3).unwrap());
    assert_eq!(refused, Err(BackError::BackLink { step: 0 }));
}
