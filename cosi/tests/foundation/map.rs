//! The sparse Merkle map against a naive one, and forged proofs against it.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{MAP_LEAF, MAP_NODE},
    merkle::map::{EMPTY, Hash, Map, Proof, ProofError},
    wire::Wire,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::rng;

/// A proof, open to forgers.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Forged {
    end: End,
    siblings: Vec<Hash>,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum End {
    Value(Hash),
    Nothing,
    Other { key: Hash, value: Hash },
}

impl Forged {
    fn of(proof: &Proof) -> Self {
        Self::decode(&proof.encode()).unwrap()
    }

    fn verify(&self, root: &Hash, key: &Hash) -> Result<Option<Hash>, ProofError> {
        Proof::decode(&self.encode()).unwrap().verify(root, key)
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

fn leaf(key: &Hash, value: &Hash) -> Hash {
    hash(&[&MAP_LEAF, key, value])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&MAP_NODE, left, right])
}

fn key(number: u32) -> Hash {
    hash(&[&number.to_le_bytes()])
}

/// A key that differs from every other such key in its last two bytes only.
fn deep(number: u16) -> Hash {
    let mut key = [7; 32];
    key[30..].copy_from_slice(&number.to_be_bytes());
    key
}

fn right(key: &Hash, depth: usize) -> bool {
    key[depth / 8] & (0x80 >> (depth % 8)) != 0
}

/// The root, as the definition has it.
fn reference(entries: &BTreeMap<Hash, Hash>, depth: usize) -> Hash {
    match entries.len() {
        0 => [0; 32],
        1 => entries.iter().map(|(key, value)| leaf(key, value)).next().unwrap(),
        _ => {
            let (right, left) = entries.iter().partition(|(key, _)| right(key, depth));
            node(&reference(&left, depth + 1), &reference(&right, depth + 1))
        }
    }
}

fn any_key() -> impl Strategy<Value = Hash> {
    prop_oneof![
        (0..40_u32).prop_map(key),
        (0..12_u16).prop_map(deep),
        (0..16_u16).prop_map(|bit| deep(1 << bit)),
    ]
}

fn any_value() -> impl Strategy<Value = Hash> {
    (0..4_u8).prop_map(|byte| [byte; 32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_operations_give_the_naive_map_and_every_proof_says_so(
        operations in prop::collection::vec((any_key(), prop::option::of(any_value())), 0..120),
        asked in prop::collection::vec(any_key(), 8),
    ) {
        let (mut map, mut naive) = (Map::new(), BTreeMap::new());
        for (at, (key, value)) in operations.iter().enumerate() {
            let before = match value {
                Some(value) => (map.insert(*key, *value), naive.insert(*key, *value)),
                None => (map.remove(key), naive.remove(key)),
            };
            prop_assert_eq!(before.0, before.1);
            if at % 16 == 0 {
                prop_assert_eq!(map.root(), reference(&naive, 0));
            }
        }
        let root = map.root();
        prop_assert_eq!(root, reference(&naive, 0));
        prop_assert_eq!((map.len(), map.is_empty()), (naive.len(), naive.is_empty()));
        prop_assert!(map.iter().eq(naive.iter()));
        prop_assert_eq!(&map, &naive.clone().into_iter().rev().collect::<Map>());
        for key in operations.iter().map(|(key, _)| key).chain(&asked) {
            prop_assert_eq!(map.get(key), naive.get(key));
            let proof = map.prove(key);
            prop_assert_eq!(proof.verify(&root, key), Ok(naive.get(key).copied()));
            prop_assert_eq!(Proof::decode(&proof.encode()), Ok(proof));
        }
    }

    #[test]
    fn a_root_has_one_answer_for_a_key_whatever_the_proof(
        end in prop_oneof![
            any_value().prop_map(End::Value),
            Just(End::Nothing),
            (any_key(), any_value()).prop_map(|(key, value)| End::Other { key, value }),
        ],
        keep in 0..20_usize,
        present in 0..20_u32,
    ) {
        // All siblings are right, so that only the end and the length are forged.
        let map: Map = (0..20).map(|number| (key(number), [1; 32])).collect();
        for asked in [key(present), key(present + 100)] {
            let mut forged = Forged::of(&map.prove(&asked));
            forged.end = end.clone();
            forged.siblings.truncate(keep);
            if let Ok(found) = forged.verify(&map.root(), &asked) {
                prop_assert_eq!(found, map.get(&asked).copied());
            }
        }
    }
}

#[test]
fn the_root_forgets_the_order_and_what_was_removed() {
    let entries = [key(1), key(2), deep(1), deep(2), deep(3)].map(|key| (key, hash(&[&key])));
    let expected = reference(&BTreeMap::from(entries), 0);
    let (mut order, mut swaps, mut seen) = ([0, 1, 2, 3, 4], [0; 5], 0);
    let mut check = |order: [usize; 5]| {
        let mut map = Map::new();
        for at in order {
            map.insert(deep(99), [9; 32]);
            map.insert(entries[at].0, [at.try_into().unwrap(); 32]);
            map.remove(&deep(99));
            map.insert(entries[at].0, entries[at].1);
        }
        assert_eq!(map.root(), expected, "{order:?}");
        order.iter().rev().for_each(|at| assert!(map.remove(&entries[*at].0).is_some()));
        assert_eq!((map.root(), map.len()), (EMPTY, 0));
        seen += 1;
    };
    check(order);
    // Heap's algorithm: every order once.
    let mut at = 1;
    while at < 5 {
        if swaps[at] < at {
            order.swap(if at % 2 == 0 { 0 } else { swaps[at] }, at);
            check(order);
            swaps[at] += 1;
            at = 1;
        } else {
            swaps[at] = 0;
            at += 1;
        }
    }
    assert_eq!(seen, 120);
}

#[test]
fn every_altered_byte_length_and_order_of_a_proof_is_refused() {
    let mut map: Map = (0..24).map(|number| (key(number), [1; 32])).collect();
    map.extend([(deep(1), [1; 32]), (deep(2), [2; 32])]);
    let root = map.root();
    let mut ends = [0; 3];
    for asked in (0..60).map(key).chain([deep(1), deep(4), deep(5)]) {
        let (proof, answer) = (map.prove(&asked), map.get(&asked).copied());
        let (bytes, forged) = (proof.encode(), Forged::of(&proof));
        ends[match forged.end {
            End::Value(_) => 0,
            End::Nothing => 1,
            End::Other { .. } => 2,
        }] += 1;
        assert_eq!(forged.verify(&root, &asked), Ok(answer));
        for at in 0..bytes.len().min(1000) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let verdict = Proof::decode(&flipped).map(|proof| proof.verify(&root, &asked));
            assert!(!matches!(verdict, Ok(Ok(_))), "byte {at}");
        }
        for kept in 0..forged.siblings.len() {
            for siblings in [&forged.siblings[..kept], &forged.siblings[kept + 1..]] {
                let siblings = siblings.to_vec();
                assert!(Forged { siblings, ..forged.clone() }.verify(&root, &asked).is_err());
            }
            let mut swapped = forged.clone();
            swapped.siblings.swap(kept, 0);
            let same = swapped == forged;
            assert_eq!(swapped.verify(&root, &asked).is_ok(), same);
        }
        for extra in [EMPTY, root, leaf(&asked, &[1; 32])] {
            for at in [0, forged.siblings.len()] {
                let mut longer = forged.clone();
                longer.siblings.insert(at, extra);
                assert!(longer.verify(&root, &asked).is_err());
            }
        }
        let other = if asked == key(3) { key(4) } else { key(3) };
        assert!(proof.verify(&root, &other).is_err());
        assert!(proof.verify(&EMPTY, &asked).is_err());
    }
    assert!(ends.iter().all(|seen| *seen > 2), "every kind of end was tried: {ends:?}");
}

#[test]
fn a_present_key_is_not_proved_absent_by_its_own_leaf() {
    let map: Map = (0..9).map(|number| (key(number), [1; 32])).collect();
    let mut forged = Forged::of(&map.prove(&key(5)));
    forged.end = End::Other { key: key(5), value: [1; 32] };
    // The path itself leads to the root: only the rule stands against it.
    assert_eq!(forged.verify(&map.root(), &key(5)), Err(ProofError::Misplaced));
}

#[test]
fn a_leaf_off_its_path_proves_no_absence() {
    let on = |side| (0..).map(key).find(|key| right(key, 0) == side).unwrap();
    let (asked, stray) = (on(false), on(true));
    // The root of somebody who put a leaf where its key does not lead.
    let root = node(&leaf(&stray, &[1; 32]), &EMPTY);
    let forged = Forged { end: End::Other { key: stray, value: [1; 32] }, siblings: vec![EMPTY] };
    assert_eq!(forged.verify(&root, &asked), Err(ProofError::Misplaced));
    assert!(forged.verify(&root, &stray).is_err());
}

#[test]
fn a_leaf_does_not_pass_for_a_node_nor_a_node_for_a_leaf() {
    let victim = (0..).map(key).find(|key| !right(key, 0)).unwrap();

    // An entry whose key and value are the children of a node that never was.
    let (planted, sibling) = (leaf(&victim, &[6; 32]), [8; 32]);
    let map = Map::from_iter([(planted, sibling)]);
    let forged = Forged { end: End::Value([6; 32]), siblings: vec![sibling] };
    assert_eq!(forged.verify(&map.root(), &victim), Err(ProofError::Root));
    assert_eq!(map.root(), leaf(&planted, &sibling));
    assert_ne!(map.root(), node(&planted, &sibling), "the tags alone make the difference");

    // A node of the map, shown as the leaf of an entry that never was.
    let other = (0..).map(key).find(|key| right(key, 0)).unwrap();
    let map = Map::from_iter([(victim, [1; 32]), (other, [2; 32])]);
    let (left, right) = (leaf(&victim, &[1; 32]), leaf(&other, &[2; 32]));
    assert_eq!(map.root(), node(&left, &right));
    let forged = Forged { end: End::Value(right), siblings: vec![] };
    assert_eq!(forged.verify(&map.root(), &left), Err(ProofError::Root));
}

#[test]
fn a_value_of_zeros_is_there_and_an_empty_map_has_nothing() {
    assert_eq!(Map::new().root(), EMPTY);
    assert_eq!(Map::new().prove(&key(1)).verify(&EMPTY, &key(1)), Ok(None));
    let map = Map::from_iter([(key(1), EMPTY)]);
    assert_ne!(map.root(), EMPTY);
    assert_eq!(map.prove(&key(1)).verify(&map.root(), &key(1)), Ok(Some(EMPTY)));
}

#[test]
fn the_deepest_path_has_256_siblings_and_the_usual_one_few() {
    let mut map = Map::from_iter([(deep(0), [1; 32]), (deep(1), [2; 32])]);
    let proof = map.prove(&deep(1));
    assert_eq!(Forged::of(&proof).siblings.len(), 256);
    assert_eq!(proof.verify(&map.root(), &deep(1)), Ok(Some([2; 32])));
    assert!(proof.encode().len() <= 8261);
    map.remove(&deep(0));
    assert_eq!(Forged::of(&map.prove(&deep(1))).siblings, [] as [Hash; 0]);

    let map: Map = (0..4096).map(|number| (key(number), [1; 32])).collect();
    let lengths = (0..4096).map(|number| Forged::of(&map.prove(&key(number))).siblings.len());
    let (total, longest) = lengths.fold((0, 0), |(sum, most), len| (sum + len, most.max(len)));
    assert!(total < 14 * 4096 && longest < 36, "{total} siblings, {longest} at the most");
}

#[test]
fn threads_share_a_map_and_agree() {
    let map: Map = (0..3000).map(|number| (key(number), [1; 32])).collect();
    let expected = reference(&map.iter().map(|(key, value)| (*key, *value)).collect(), 0);
    std::thread::scope(|scope| {
        let askers = [0; 4].map(|_| scope.spawn(|| map.root()));
        askers.into_iter().for_each(|asker| assert_eq!(asker.join().unwrap(), expected));
    });
}

#[test]
fn a_block_tried_on_a_clone_leaves_the_parent_as_it_was() {
    use rand_chacha::rand_core::Rng;
    let mut rng = rng(1);
    let parent: Map = (0..500).map(|number| (key(number), [1; 32])).collect();
    let naive: BTreeMap<_, _> = (0..500).map(|number| (key(number), [1; 32])).collect();
    for _ in 0..20 {
        let (mut child, mut model) = (parent.clone(), naive.clone());
        for _ in 0..50 {
            let (spent, made) = (key(rng.next_u32() % 500), key(rng.next_u32()));
            assert_eq!(child.remove(&spent), model.remove(&spent));
            assert_eq!(child.insert(made, [2; 32]), model.insert(made, [2; 32]));
        }
        assert_eq!(child.root(), reference(&model, 0));
        assert_eq!(parent.root(), reference(&naive, 0));
    }
}
