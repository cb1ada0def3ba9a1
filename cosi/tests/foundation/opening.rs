//! Openings of a roster, forged.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    mask::Mask,
    roster::{Keys, Member, OpenedRoster, Opening, Roster, RosterId},
    wire::Wire,
};
use curve25519_dalek::EdwardsPoint;

use crate::{key, members, roster::id_of};

/// An opening, open to forgers.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Forged {
    size: u32,
    weight: u64,
    sum: [u8; 32],
    root: [u8; 32],
    members: Vec<Opened>,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Opened {
    key: [u8; 32],
    weight: u32,
    peer: [u8; 32],
    extension: [u8; 32],
    index: u64,
    len: u64,
    siblings: Vec<[u8; 32]>,
}

impl Forged {
    fn check(&self, id: RosterId) -> Option<OpenedRoster> {
        Opening::decode(&self.encode()).ok()?.check(id)
    }
}

const WEIGHTS: [u32; 7] = [3, 1, 2, 5, 1, 1, 4];

fn roster() -> Roster {
    Roster::new(members(&WEIGHTS)).unwrap()
}

fn open(shown: &[u16]) -> (RosterId, Forged) {
    let roster = roster();
    let opening = roster.open(&Mask::of(roster.size(), shown.iter().copied()));
    (roster.id(), Forged::decode(&opening.encode()).unwrap())
}

fn sum(of: impl IntoIterator<Item = u16>) -> [u8; 32] {
    let points = of.into_iter().map(|number| *key(number).public().point());
    points.sum::<EdwardsPoint>().compress().to_bytes()
}

#[test]
fn an_opening_says_what_its_roster_says_of_every_set_of_members() {
    let roster = roster();
    for set in 0..1_u16 << WEIGHTS.len() {
        let mask = Mask::of(7, (0..7).filter(|bit| set >> bit & 1 == 1));
        let opening = roster.open(&mask);
        let opening = Opening::decode(&opening.encode()).unwrap();
        let opened = opening.check(roster.id()).unwrap();
        assert_eq!((opened.id(), opened.size(), opened.weight()), (roster.id(), 7, 17));
        assert_eq!(opened.sum().to_bytes(), sum(0..7));
        assert_eq!(opened.sum().point().compress().to_bytes(), sum(0..7));
        for position in 0..10 {
            let known = Keys::member(&roster, position).filter(|_| mask.contains(position));
            assert_eq!(opened.member(position), known);
        }
    }
}

#[test]
fn every_flipped_bit_of_an_opening_is_refused() {
    let (id, forged) = open(&[0, 6]);
    let bytes = forged.encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let accepted = Opening::decode(&flipped).ok().and_then(|opening| opening.check(id));
        assert!(accepted.is_none(), "bit {bit}");
    }
    for bit in 0..256 {
        let mut other = id;
        other.0[bit / 8] ^= 1 << (bit % 8);
        assert!(forged.check(other).is_none());
    }
}

#[test]
fn members_out_of_order_twice_or_elsewhere_are_refused() {
    let (id, good) = open(&[1, 3, 4]);
    assert!(good.check(id).is_some());
    let mut orders = BTreeSet::new();
    for chosen in [[0, 2, 1], [1, 0, 2], [2, 1, 0], [0, 0, 1], [0, 1, 1], [2, 0, 1], [1, 2, 0]] {
        orders.insert(chosen);
        let members = chosen.map(|at: usize| good.members[at].clone()).to_vec();
        assert!(Forged { members, ..good.clone() }.check(id).is_none(), "{chosen:?}");
    }
    assert_eq!(orders.len(), 7);
    for index in (0..9).filter(|index| *index != 3) {
        let mut moved = good.clone();
        moved.members = vec![Opened { index, ..good.members[1].clone() }];
        assert!(moved.check(id).is_none(), "3 shown at {index}");
    }
    let mut exchanged = good.clone();
    (exchanged.members[0].key, exchanged.members[1].key) =
        (good.members[1].key, good.members[0].key);
    assert!(exchanged.check(id).is_none());
}

#[test]
fn a_path_of_another_length_or_tree_size_is_refused() {
    let (id, good) = open(&[6]);
    let spoil = |spoil: &dyn Fn(&mut Opened)| {
        let mut forged = good.clone();
        spoil(&mut forged.members[0]);
        forged.check(id).is_none()
    };
    assert!(spoil(&|member| member.siblings.truncate(1)));
    assert!(spoil(&|member| member.siblings.clear()));
    assert!(spoil(&|member| member.siblings.push([0; 32])));
    assert!(spoil(&|member| member.siblings.swap(0, 1)));
    for len in (0..70).chain([u64::MAX]).filter(|len| *len != 7) {
        assert!(spoil(&|member| member.len = len), "{len}");
        // Nor does a tree that is said to be of that size everywhere.
        let mut forged = good.clone();
        (forged.size, forged.members[0].len) = (len.try_into().unwrap_or(u32::MAX), len);
        assert!(forged.check(id).is_none(), "{len}");
    }
}

#[test]
fn a_size_that_no_roster_has_is_refused_even_under_its_own_id() {
    use sha2::{Digest, Sha512};
    let (_, good) = open(&[]);
    let own_id = |forged: &Forged| {
        let (size, weight) = (u64::from(forged.size).to_le_bytes(), forged.weight.to_le_bytes());
        let parts = [&cosi::domain::ROSTER[..], &size, &weight, &forged.sum, &forged.root];
        RosterId(Sha512::digest(parts.concat())[..32].try_into().unwrap())
    };
    assert_eq!(own_id(&good), roster().id());
    assert!(Forged { size: 65_536, ..good.clone() }.check(own_id(&good)).is_none());
    for (size, accepted) in [(65_536, true), (65_537, false), (u32::MAX, false)] {
        let forged = Forged { size, ..good.clone() };
        assert_eq!(forged.check(own_id(&forged)).is_some(), accepted);
    }
    // Neither does a ΣA that is no point, whatever id it hashes to.
    let no_point = (0..)
        .map(|byte| [byte; 32])
        .find(|bytes| curve25519_dalek::edwards::CompressedEdwardsY(*bytes).decompress().is_none());
    let forged = Forged { sum: no_point.unwrap(), ..good };
    assert!(forged.check(own_id(&forged)).is_none());
}

#[test]
fn a_sum_that_is_not_that_of_the_members_is_in_no_rosters_id() {
    let (id, good) = open(&[2]);
    let members: Vec<Member> = members(&WEIGHTS);
    assert_eq!(id_of(&members, &sum(0..7)), id, "the id is a function of the members");
    // Without a member, with one twice, and the sum that an attacker has the secret of.
    for forged_sum in [sum(0..6), sum((0..7).chain([6])), sum([99])] {
        let forged = Forged { sum: forged_sum, ..good.clone() };
        assert!(forged.check(id).is_none());
        // It opens only under an id that no roster of these members has.
        let forged_id = id_of(&members, &forged_sum);
        assert!(forged.check(forged_id).is_some());
        assert_ne!(Roster::new(members.clone()).unwrap().id(), forged_id);
    }
}

#[test]
fn weights_cannot_be_moved_from_one_member_to_another() {
    let (id, good) = open(&[0, 3]);
    let mut forged = good.clone();
    forged.members[0].weight += 1;
    forged.members[1].weight -= 1;
    assert!(forged.check(id).is_none());
    assert!(Forged { weight: good.weight + 1, ..good }.check(id).is_none());
}

#[test]
fn at_most_1024_members_are_opened() {
    let roster = Roster::new(members(&[1; 1030])).unwrap();
    let opening = roster.open(&Mask::of(1030, 0..1030));
    let opened = Opening::decode(&opening.encode()).unwrap().check(roster.id()).unwrap();
    assert_eq!(opened.size(), 1030);
    assert!(opened.member(1023).is_some() && opened.member(1024).is_none());
}
