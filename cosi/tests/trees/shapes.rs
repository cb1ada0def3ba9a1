//! Trees by their definition, whatever the shape, the size and the seed.

use std::collections::BTreeSet;

use cosi::{
    mask::Mask,
    tree::{Branching, MAX_CHILDREN, Plan, Shape, Tree},
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

fn plan(shape: Shape, size: usize, seed: [u8; 32]) -> Plan {
    Plan { shape, seed, aside: Mask::empty(size) }
}

fn place_of(order: &[u16]) -> impl Fn(u16) -> usize + '_ {
    move |member| order.iter().position(|at| *at == member).unwrap()
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
        let tree = Tree::new(&plan(shape, size, seed), size, leader).unwrap();
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
        prop_assert!(Tree::new(&plan(shape, size, [1; 32]), size, 0).unwrap().depth() <= 3);
    }

    #[test]
    fn groups_are_a_root_of_n_and_as_large_as_one_another(size in 2usize..2000, seed in any::<[u8; 32]>()) {
        let tree = Tree::new(&plan(Shape::Groups, size, seed), size, 0).unwrap();
        let sizes: Vec<_> = tree.children(0).map(|head| tree.subtree(head).count()).collect();
        prop_assert!(sizes.len().pow(2) < size && size <= (sizes.len() + 1).pow(2));
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        prop_assert_eq!(tree.depth(), if size > 2 && size > sizes.len() + 1 { 2 } else { 1 });
    }

    /// Rule 3, written out: from the root down, whoever is aside gives its place to the last below.
    #[test]
    fn whoever_is_aside_is_replaced_from_below(
        shape in shapes(), size in 2usize..60, seed in any::<[u8; 32]>(), gone in any::<u64>(),
    ) {
        let before = Tree::new(&plan(shape, size, seed), size, 0).unwrap();
        let aside: Vec<u16> = (1..size as u16).filter(|at| gone >> (at % 64) & 1 == 1).collect();
        let aside_mask = Mask::of(size, aside.iter().copied());
        let plan = Plan { aside: aside_mask.clone(), ..plan(shape, size, seed) };
        let after = Tree::new(&plan, size, 0).unwrap();
        // Places from the root down, level by level, are the order of the members.
        let mut order = vec![0];
        let mut next = 0;
        while next < order.len() {
            order.extend(before.children(order[next]));
            next += 1;
        }
        let above = |place: usize| before.parent(order[place]).map(place_of(&order));
        let mut stands: Vec<Option<u16>> = order.iter().copied().map(Some).collect();
        let is_below = |mut at: usize, top: usize| loop {
            if at == top { break true }
            let Some(next) = above(at) else { break false };
            at = next;
        };
        for top in 0..size {
            if !stands[top].is_some_and(|member| aside.contains(&member)) { continue }
            let heir = (top + 1..size).rev().find(|at| {
                is_below(*at, top) && stands[*at].is_some_and(|member| !aside.contains(&member))
            });
            stands[top] = heir.and_then(|heir| stands[heir].take());
        }
        for (at, member) in stands.iter().enumerate() {
            let Some(member) = member else { continue };
            let parent = above(at).map(|above| stands[above].expect("nobody below an empty place"));
            prop_assert_eq!(after.parent(*member), parent);
            prop_assert!(after.contains(*member));
        }
        prop_assert_eq!(after.subtree(0).count(), size - aside.len());
        prop_assert!(aside.iter().all(|at| !after.contains(*at) && after.parent(*at).is_none()));
        // In its own group.
        for head in after.children(0) {
            let own = before.children(0).map(|old| before.subtree(old)).any(|group| {
                group.contains(head) && after.subtree(head).is_subset(&group)
            });
            prop_assert!(own);
        }
    }

    /// A child gives up an equal share of the patience before its parent does.
    #[test]
    fn waits_shrink_with_depth(shape in shapes(), size in 2usize..300) {
        let tree = Tree::new(&plan(shape, size, [2; 32]), size, 0).unwrap();
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
        let tree = Tree::new(&plan(shape, 40, [seed; 32]), 40, 11).unwrap();
        for member in 0..40 {
            hash.update(tree.parent(member).unwrap_or(u16::MAX).to_le_bytes());
        }
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "53d57999459e95adb21817aea7d2b53c19683a986430dc334311efa0afa7fb91");
}

/// Over seeds, every member stands at every place: nobody is an inner node for good.
#[test]
fn places_are_dealt_evenly() {
    let mut children_of_leader = [0; 13];
    for seed in 0..2600u16 {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&seed.to_le_bytes());
        let tree = Tree::new(&plan(kary(3), 13, bytes), 13, 5).unwrap();
        tree.children(5).for_each(|child| children_of_leader[usize::from(child)] += 1);
    }
    assert_eq!(children_of_leader[5], 0);
    let others = children_of_leader.iter().enumerate().filter(|(at, _)| *at != 5);
    assert!(others.clone().all(|(_, count)| (550..750).contains(count)), "{children_of_leader:?}");
}

#[test]
fn no_tree_is_too_large_or_without_its_leader() {
    assert!(Tree::new(&plan(kary(2), 65_537, [0; 32]), 65_537, 0).is_none());
    assert!(Tree::new(&plan(kary(2), 4, [0; 32]), 4, 4).is_none());
    assert!(Tree::new(&plan(kary(2), 0, [0; 32]), 0, 0).is_none());
    let largest = Tree::new(&plan(kary(2), 65_536, [0; 32]), 65_536, 0).unwrap();
    assert_eq!(largest.depth(), 16);
    assert_eq!(largest.subtree(0).count(), 65_536);
    let tree = Tree::new(&plan(Shape::Groups, 9, [0; 32]), 9, 0).unwrap();
    assert_eq!((tree.parent(9), tree.children(9).count(), tree.subtree(9).count()), (None, 0, 0));
}

/// One member's silence moves nobody but its heir.
#[test]
fn one_more_aside_moves_few() {
    let all = plan(kary(21), 8421, [7; 32]);
    let before = Tree::new(&all, 8421, 0).unwrap();
    let head = before.children(0).next().unwrap();
    let aside = Mask::of(8421, [head]);
    let after = Tree::new(&Plan { aside, ..all }, 8421, 0).unwrap();
    let moved: Vec<u16> = (0..8421).filter(|at| before.parent(*at) != after.parent(*at)).collect();
    let heir = after.children(0).find(|at| before.parent(*at) != Some(0)).unwrap();
    // The head, the heir, and those whose parent it was.
    let children: Vec<u16> = before.children(head).collect();
    assert!(moved.iter().all(|at| [head, heir].contains(at) || children.contains(at)));
    assert!(before.subtree(head).contains(heir) && before.children(heir).next().is_none());
    assert_eq!(after.subtree(heir).count() + 1, before.subtree(head).count());
}

#[test]
fn the_leader_is_never_aside_and_masks_must_fit() {
    for aside in [Mask::of(9, [0]), Mask::empty(17), Mask::empty(0)] {
        assert!(Tree::new(&Plan { aside, ..plan(kary(2), 9, [0; 32]) }, 9, 0).is_none());
    }
    let all = Mask::of(9, 1..9);
    let bare = Tree::new(&Plan { aside: all, ..plan(kary(2), 9, [0; 32]) }, 9, 0).unwrap();
    assert_eq!((bare.depth(), bare.children(0).count()), (0, 0));
}

/// No node has more children than an account names.
#[test]
fn nobody_has_too_many_children() {
    for size in [65_536, 65_281, 65_000, 40_000] {
        let tree = Tree::new(&plan(Shape::Groups, size, [0; 32]), size, 0).unwrap();
        let most = (0..=u16::MAX).take(size).map(|at| tree.children(at).count()).max();
        assert!(most.unwrap() <= MAX_CHILDREN, "{size}");
    }
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
