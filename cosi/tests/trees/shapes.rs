//! Trees by their definition, whatever the shape, the size and the seed.

use std::collections::BTreeSet;

use cosi::{
    tree::{Branching, Shape, Tree},
    wire::Wire,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::grove::kary;

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Star),
        (2u8..=255).prop_map(kary),
        (2u8..6).prop_map(kary),
        Just(Shape::Groups)
    ]
}

fn ancestors(tree: &Tree, member: u16) -> Vec<u16> {
    std::iter::successors(tree.parent(member), |above| tree.parent(*above)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_member_has_one_place_under_the_leader(
        shape in shapes(), size in 1usize..400, lead in any::<u16>(), seed in any::<[u8; 32]>(),
    ) {
        let leader = lead % size as u16;
        let tree = Tree::new(shape, size, leader, &seed).unwrap();
        let members: BTreeSet<u16> = (0..size as u16).collect();
        let mut reached = BTreeSet::from([leader]);
        let mut depth = 0;
        for member in &members {
            let children: Vec<_> = tree.children(*member).collect();
            for child in &children {
                prop_assert_eq!(tree.parent(*child), Some(*member));
                prop_assert!(reached.insert(*child), "twice");
            }
            match shape {
                Shape::Kary { branching } => {
                    prop_assert!(children.len() <= usize::from(branching.get()));
                }
                Shape::Star => prop_assert!(children.is_empty() || *member == leader),
                Shape::Groups => {}
            }
            let above = ancestors(&tree, *member);
            prop_assert_eq!(above.last().copied().unwrap_or(*member), leader);
            depth = depth.max(above.len());
            // The subtree is whoever has the member above.
            let below = members.iter().copied().filter(|other| {
                other == member || ancestors(&tree, *other).contains(member)
            });
            prop_assert_eq!(tree.subtree(*member).iter().collect::<Vec<_>>(), below.collect::<Vec<_>>());
        }
        prop_assert_eq!(&reached, &members);
        prop_assert_eq!((tree.parent(leader), tree.depth()), (None, depth));
    }

    #[test]
    fn balanced_trees_are_at_most_three_deep(size in 1usize..70_000) {
        let size = size.min(65_536);
        let shape = Shape::balanced(size);
        let Shape::Kary { branching } = shape else { panic!() };
        let b = usize::from(branching.get());
        prop_assert!(b.pow(3) >= size && (b == 2 || (b - 1).pow(3) < size));
        prop_assert!(Tree::new(shape, size, 0, &[1; 32]).unwrap().depth() <= 3);
    }

    #[test]
    fn groups_are_a_root_of_n_and_as_large_as_one_another(size in 2usize..2000, seed in any::<[u8; 32]>()) {
        let tree = Tree::new(Shape::Groups, size, 0, &seed).unwrap();
        let sizes: Vec<_> = tree.children(0).map(|head| tree.subtree(head).count()).collect();
        prop_assert!(sizes.len().pow(2) < size && size <= (sizes.len() + 1).pow(2));
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        prop_assert_eq!(tree.depth(), if size > 2 && size > sizes.len() + 1 { 2 } else { 1 });
    }

    /// A child gives up an equal share of the patience before its parent does.
    #[test]
    fn waits_shrink_with_depth(shape in shapes(), size in 2usize..300) {
        let tree = Tree::new(shape, size, 0, &[2; 32]).unwrap();
        let patience = std::time::Duration::from_secs(60);
        let share = patience / tree.depth() as u32;
        prop_assert!(patience - tree.wait(0, patience) <= std::time::Duration::from_nanos(16));
        for member in 1..size as u16 {
            let (wait, parent) = (tree.wait(member, patience), tree.parent(member).unwrap());
            if tree.children(member).count() == 0 {
                prop_assert!(wait.is_zero());
            } else {
                prop_assert_eq!(wait + share, tree.wait(parent, patience));
            }
        }
    }
}

/// A change of the rule would let members of one tree stand in two: it is a decision.
#[test]
fn places_are_those_of_version_1() {
    let mut hash = Sha256::new();
    for (seed, shape) in (0u8..).zip([Shape::Star, kary(3), Shape::Groups]) {
        let tree = Tree::new(shape, 40, 11, &[seed; 32]).unwrap();
        for member in 0..40 {
            hash.update(tree.parent(member).unwrap_or(u16::MAX).to_le_bytes());
        }
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "e2525b7439b6cd811d53929adc01bf36de5dc332b545f91c9bdde81fe9460e73");
}

/// Over seeds, every member stands at every place: nobody is an inner node for good.
#[test]
fn places_are_dealt_evenly() {
    let mut children_of_leader = [0; 13];
    for seed in 0..2600u16 {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&seed.to_le_bytes());
        let tree = Tree::new(kary(3), 13, 5, &bytes).unwrap();
        tree.children(5).for_each(|child| children_of_leader[usize::from(child)] += 1);
    }
    assert_eq!(children_of_leader[5], 0);
    let others = children_of_leader.iter().enumerate().filter(|(at, _)| *at != 5);
    assert!(others.clone().all(|(_, count)| (550..750).contains(count)), "{children_of_leader:?}");
}

#[test]
fn no_tree_is_too_large_or_without_its_leader() {
    assert!(Tree::new(kary(2), 65_537, 0, &[0; 32]).is_none());
    assert!(Tree::new(kary(2), 4, 4, &[0; 32]).is_none());
    assert!(Tree::new(kary(2), 0, 0, &[0; 32]).is_none());
    let largest = Tree::new(kary(2), 65_536, 0, &[0; 32]).unwrap();
    assert_eq!(largest.depth(), 16);
    assert_eq!(largest.subtree(0).count(), 65_536);
    let tree = Tree::new(Shape::Groups, 9, 0, &[0; 32]).unwrap();
    assert_eq!((tree.parent(9), tree.children(9).count(), tree.subtree(9).count()), (None, 0, 0));
}

#[test]
fn insane_shapes_have_no_encoding() {
    assert!(Branching::new(0).is_none() && Branching::new(1).is_none());
    assert_eq!(Shape::decode(&[0]), Ok(Shape::Star));
    assert_eq!(Shape::decode(&[1, 2]), Ok(kary(2)));
    assert_eq!(Shape::decode(&[1, 255]), Ok(kary(255)));
    assert_eq!(Shape::decode(&[2]), Ok(Shape::Groups));
    for insane in [&[1, 0][..], &[1, 1], &[1], &[3], &[0, 0], &[]] {
        assert!(Shape::decode(insane).is_err(), "{insane:?}");
    }
}
