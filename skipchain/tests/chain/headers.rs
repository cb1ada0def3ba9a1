//! Headers and spines.

use cosi::{merkle::tree, roster::RosterId};
use proptest::prelude::*;
use skipchain::{BlockId, ChainId, Header, Shape, Spine, SpineError, wire::Wire};

use crate::common::{Chain, shape};

/// On how many levels a block has links, counted one by one.
fn height(base: u32, max: u8, index: u64) -> u8 {
    if base == 1 || index == 0 {
        return max;
    }
    let fits = |level: &u8| u128::from(index) % u128::from(base).pow(u32::from(*level)) == 0;
    u8::try_from((0..max).take_while(fits).count()).unwrap()
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![Just(shape(1, 1)), (2..7u32, 1..6u8).prop_map(|(base, max)| shape(base, max))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn back_links_are_those_of_the_definition(shape in any_shape(), len in 0..150u64) {
        let chain = Chain::new(1, shape, len, 200);
        for (index, header) in (0..).zip(&chain.headers) {
            let height = height(shape.base(), shape.max_height(), index);
            prop_assert_eq!((header.index, header.height), (index, height));
            let levels = if index == 0 { 0 } else { height };
            let ids: Vec<_> = (0..levels).map(|level| {
                let stride = u64::from(shape.base()).pow(level.into());
                chain.header(index - stride).id()
            }).collect();
            prop_assert_eq!(chain.back(index).ids(), &ids[..]);
            let leaves = ids.iter().map(|BlockId(id)| {
                tree::leaf_hash(&[&b"skipchain/v1/bk\0"[..], id].concat())
            });
            prop_assert_eq!(header.back_root, tree::root(leaves));
        }
    }

    #[test]
    fn heights_never_pass_the_cap(base in 2..u32::MAX, max in 1..=64u8, index in 1..u64::MAX) {
        let shape = shape(base, max);
        let mut factors = 0;
        let mut rest = index;
        while rest % u64::from(base) == 0 {
            (rest, factors) = (rest / u64::from(base), factors + 1);
        }
        prop_assert_eq!(shape.height(index), max.min(factors + 1));
        prop_assert_eq!(shape.height(0), max);
    }
}

#[test]
fn a_plain_chain_has_one_level_and_no_shape_is_without_bounds() {
    assert_eq!(Shape::default(), shape(2, 32));
    assert!([(0, 1), (1, 2), (2, 0), (2, 65)].iter().all(|(b, h)| Shape::new(*b, *h).is_none()));
    assert_eq!((shape(1, 1).height(8), shape(2, 64).height(1 << 63)), (1, 64));
    assert_eq!((shape(2, 64).stride(63), shape(10, 32).stride(31)), (Some(1 << 63), None));
    assert!(Shape::decode(&[1, 0, 0, 0, 2]).is_err() && Shape::decode(&[0; 5]).is_err());
}

/// Each field of a header changed, and what a spine says to it. The roster and the roots are
/// the proposer's to choose.
fn changes(header: &Header) -> Vec<(Header, Option<SpineError>)> {
    let of = |change: fn(&mut Header), error| {
        let mut changed = header.clone();
        change(&mut changed);
        (changed, error)
    };
    vec![
        of(|header| header.version += 1, Some(SpineError::Version)),
        of(|header| header.chain = ChainId([0; 32]), Some(SpineError::Chain)),
        of(|header| header.index += 1, Some(SpineError::Index)),
        of(|header| header.index -= 1, Some(SpineError::Index)),
        of(|header| header.height += 1, Some(SpineError::Height)),
        of(|header| header.height -= 1, Some(SpineError::Height)),
        of(|header| header.shape = shape(3, 4), Some(SpineError::Shape)),
        of(|header| header.shape = shape(2, 5), Some(SpineError::Shape)),
        of(|header| header.back_root[31] ^= 1, Some(SpineError::BackLink)),
        of(|header| header.roster = RosterId([0; 32]), None),
        of(|header| header.payload_root[0] ^= 1, None),
        of(|header| header.state_root = None, None),
    ]
}

#[test]
fn each_field_of_a_header_is_checked_or_the_proposers_and_all_are_in_the_id() {
    let mut chain = Chain::new(1, shape(2, 4), 3, 9);
    let before = chain.spine.clone();
    chain.append([1; 32]);
    let header = chain.header(4).clone();
    for (changed, error) in changes(&header) {
        assert_ne!(changed.id(), header.id());
        let mut spine = before.clone();
        let pushed = spine.push(&changed);
        assert_eq!(pushed.err(), error, "{changed:?}");
        assert_eq!(spine == before, error.is_some(), "a refused header changed the spine");
    }
    assert_eq!(before.clone().push(&header), Ok(header.id()));
}

#[test]
fn back_links_are_checked_at_every_level() {
    let chain = Chain::new(1, shape(2, 4), 7, 9);
    let next = chain.spine.next(chain.header(0).roster, [1; 32], None);
    assert_eq!(next.height, 4);
    for level in 0..4 {
        let mut ids = chain.spine.back_links().ids().to_vec();
        ids[level] = chain.header(5 - u64::try_from(level).unwrap()).id();
        let back_root = ids.into_iter().collect::<skipchain::BackLinks>().root();
        let forged = Header { back_root, ..next.clone() };
        assert_eq!(chain.spine.check(&forged), Err(SpineError::BackLink), "level {level}");
    }
    assert_eq!(chain.spine.check(&next), Ok(()));
}

#[test]
fn a_spine_starts_at_a_genesis_and_comes_back_from_its_bytes() {
    let chain = Chain::new(1, shape(3, 3), 20, 9);
    let spine = Spine::decode(&chain.spine.encode()).unwrap();
    assert_eq!(spine, chain.spine);
    assert_eq!((spine.tip(), spine.tip_id()), (chain.header(20), chain.header(20).id()));

    let genesis = chain.header(0).clone();
    for (forged, error) in [
        (Header { version: 2, ..genesis.clone() }, SpineError::Version),
        (Header { index: 3, ..genesis.clone() }, SpineError::Index),
        (Header { height: 1, ..genesis.clone() }, SpineError::Height),
        (Header { back_root: [0; 32], ..genesis.clone() }, SpineError::BackLink),
    ] {
        assert_eq!(Spine::new(forged), Err(error));
    }
    // The id of the tip, and of no other block, is the last of level 0.
    let mut bytes = chain.spine.encode();
    let ids = chain.header(20).encode().len() + 4;
    bytes[ids] ^= 1;
    assert!(Spine::decode(&bytes).is_err());
    let mut bytes = chain.spine.encode();
    bytes[ids - 4] -= 1;
    assert!(Spine::decode(&bytes[..bytes.len() - 32]).is_err());
}

#[test]
fn the_last_index_has_no_successor() {
    let mut chain = Chain::new(1, shape(2, 1), 0, 9);
    let mut bytes = chain.spine.encode();
    let at = 1 + 32;
    bytes[at..at + 8].fill(0xff);
    let tip = Header::decode(&bytes[..bytes.len() - 36]).unwrap();
    let last = bytes.len() - 32;
    bytes[last..].copy_from_slice(&tip.id().0);
    chain.spine = Spine::decode(&bytes).unwrap();
    let next = chain.spine.next(tip.roster, [0; 32], None);
    assert_eq!(chain.spine.push(&next), Err(SpineError::Index));
}
