//! Bounds that cannot be seen from outside.

use cosi::{keys::Seed, roster::Member};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::{genesis::Genesis, pool::PoolLimits};

#[test]
fn few_tried_blocks_are_kept_and_the_rest_is_checked_again() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
    let members = keys.iter().map(|key| Member::new(key, &mut rng)).collect();
    let genesis = Genesis::new("town", members, Vec::new()).unwrap();
    let [key, ..] = keys;
    let (timing, votes) = Default::default();
    let pool = PoolLimits::default();
    let config = Config { genesis, key, timing, votes, pool, block_bytes: 1 };
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (mut validator, _) = Validator::restore(config, [], &mut cx).unwrap();

    let good = validator.chain.execute(Vec::new()).unwrap();
    for number in 0..100 {
        let mut other = good.clone();
        other.header.payload_root = [number; 32];
        validator.keep(other);
        assert!(validator.tried.len() <= MAX_TRIED);
    }
    validator.keep(good.clone());
    assert_eq!(validator.tried.len(), MAX_TRIED);
    let body = Body { transactions: BoundedVec::default() }.encode();
    let (signatures, again) = validator.check(&good.header.id().encode(), &body).unwrap();
    assert_eq!((signatures, again.header), (0, good.header));
}
