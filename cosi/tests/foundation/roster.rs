//! Rosters that are refused, what an id commits to, the quorum's arithmetic, and masks.

use std::collections::BTreeSet;

use cosi::{
    domain::{INDIVIDUAL, MEMBER, ROSTER},
    keys::{PeerId, ProofOfPossession},
    mask::Mask,
    merkle::tree,
    roster::{MAX_MEMBERS, Member, Roster, RosterError, RosterId, faulty, quorum},
};
use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY,
};
use sha2::{Digest, Sha256, Sha512};

use crate::{key, members, rng};

fn refusal(members: &[Member]) -> RosterError {
    Roster::new(members.iter().cloned()).unwrap_err()
}

/// The id, by its definition.
pub(crate) fn id_of(members: &[Member], sum: &[u8; 32]) -> RosterId {
    let leaves = members.iter().map(|member| {
        let weight = member.weight.to_le_bytes();
        let fields = [&weight[..], &member.key, &member.peer.to_bytes(), &member.extension];
        Sha256::digest([&[0][..], &MEMBER, &fields.concat()].concat()).into()
    });
    let size = u64::try_from(members.len()).unwrap().to_le_bytes();
    let weight: u64 = members.iter().map(|member| u64::from(member.weight)).sum();
    let (weight, root) = (weight.to_le_bytes(), tree::root(leaves));
    let wide = Sha512::digest([&ROSTER[..], &size, &weight, sum, &root].concat());
    RosterId(wide[..32].try_into().unwrap())
}

#[test]
fn nobody_and_too_many_are_refused_before_any_work() {
    assert_eq!(refusal(&[]), RosterError::Size);
    let member = members(&[1]).remove(0);
    assert_eq!(Roster::new(std::iter::repeat(member.clone())), Err(RosterError::Size));
    let most = Roster::new(std::iter::repeat_n(member, MAX_MEMBERS));
    let culprits = (1..MAX_MEMBERS).collect();
    assert_eq!(most, Err(RosterError::Duplicate { culprits }), "as many as may be");
}

#[test]
fn every_refusal_names_exactly_the_culprits() {
    let good = members(&[1; 6]);
    assert!(Roster::new(good.clone()).is_ok());
    let spoil = |spoil: &dyn Fn(&mut Member)| {
        let mut members = good.clone();
        [1, 4].into_iter().for_each(|at: usize| spoil(&mut members[at]));
        refusal(&members)
    };
    let culprits = vec![1, 4];

    let refused = spoil(&|member| member.weight = 0);
    assert_eq!(refused, RosterError::NoWeight { culprits: culprits.clone() });

    let mut proofs = [1, 4].map(|number| ProofOfPossession::prove(&key(number), &mut rng(9)));
    proofs.iter_mut().for_each(|proof| proof.response[0] ^= 1);
    let refused = spoil(&|member| {
        let at = usize::from(member.key != key(1).public().to_bytes());
        member.proof = proofs[at];
    });
    assert_eq!(refused, RosterError::NoPossession { culprits: culprits.clone() });

    let refused = spoil(&|member| {
        let point = EdwardsPoint::mul_base(&crate::keys::scalar(member.weight.try_into().unwrap()));
        let own = CompressedEdwardsY(member.key).decompress().unwrap();
        member.key = (own + point + EIGHT_TORSION[3]).compress().to_bytes();
    });
    assert_eq!(refused, RosterError::BadKey { culprits: culprits.clone() });

    let mut twice = good.clone();
    (twice[1].key, twice[4].key) = (good[0].key, good[3].key);
    assert_eq!(refusal(&twice), RosterError::Duplicate { culprits: culprits.clone() });
    let mut twice = good.clone();
    (twice[1].peer, twice[4].peer) = (good[0].peer, good[3].peer);
    assert_eq!(refusal(&twice), RosterError::Duplicate { culprits });
    let whole = [good[0].clone(), good[1].clone(), good[0].clone()];
    assert_eq!(refusal(&whole), RosterError::Duplicate { culprits: vec![2] });
}

#[test]
fn two_proofs_that_are_wrong_in_opposite_ways_do_not_cancel() {
    let mut members = members(&[1; 3]);
    let shift = |response: &mut [u8; 32], by: Scalar| {
        let scalar = Scalar::from_bytes_mod_order(*response);
        *response = (scalar + by).to_bytes();
    };
    shift(&mut members[0].proof.response, Scalar::ONE);
    shift(&mut members[2].proof.response, -Scalar::ONE);
    assert_eq!(refusal(&members), RosterError::NoPossession { culprits: vec![0, 2] });
}

#[test]
fn an_id_commits_to_every_field_of_every_member_and_to_their_order() {
    let good = members(&[3, 1, 2, 5]);
    let id = |members: &[Member]| Roster::new(members.iter().cloned()).unwrap().id();
    let mut ids = BTreeSet::from([id(&good)]);
    for at in 0..good.len() {
        let changes: [&dyn Fn(&mut Member); 5] = [
            &|member| member.weight += 1,
            &|member| member.extension[31] ^= 1,
            &|member| member.peer = PeerId::of(key(77).public()),
            &|member| {
                let Member { key, proof, .. } = Member::new(&key(78), &mut rng(1));
                (member.key, member.proof) = (key, proof);
            },
            &|member| *member = Member::new(&key(79), &mut rng(1)),
        ];
        for change in changes {
            let mut changed = good.clone();
            change(&mut changed[at]);
            assert!(ids.insert(id(&changed)), "member {at}");
        }
        assert!(ids.insert(id(&[&good[..at], &good[at + 1..]].concat())), "without {at}");
        for other in 0..at {
            let mut swapped = good.clone();
            swapped.swap(at, other);
            assert!(ids.insert(id(&swapped)), "{at} and {other} swapped");
        }
    }
    let mut weights_swapped = good.clone();
    (weights_swapped[0].weight, weights_swapped[1].weight) = (1, 3);
    assert!(ids.insert(id(&weights_swapped)), "with the same total");

    // A proof is how a member came in, not who it is.
    let mut proved_again = good.clone();
    proved_again[0].proof = ProofOfPossession::prove(&key(0), &mut rng(1234));
    assert_ne!(proved_again, good);
    assert_eq!(id(&proved_again), id(&good));
}

#[test]
fn an_id_is_the_hash_that_its_definition_says() {
    for weights in [&[1][..], &[1, 1, 1, 1], &[7, 1, 2, 9, 4], &[u32::MAX; 3]] {
        let members = members(weights);
        let points = (0..).zip(weights).map(|(number, _)| *key(number).public().point());
        let sum = points.sum::<EdwardsPoint>().compress().to_bytes();
        let roster = Roster::new(members.clone()).unwrap();
        assert_eq!(roster.id(), id_of(&members, &sum));
        let expected: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        assert_eq!(roster.weight(), expected);
    }
}

#[test]
fn two_quorums_share_an_honest_member_whatever_the_weight_and_2f_plus_1_does_not() {
    let mut too_little = 0;
    for weight in 1..2000_u64 {
        let (f, q) = (faulty(weight), quorum(weight));
        // The most weight that is less than a third.
        let most = (0..weight).rev().find(|f| 3 * f < weight).unwrap();
        assert_eq!((f, q), (most, weight - most));
        assert!(q + q - weight > f, "two quorums of {weight} share more than f");
        assert!(q <= weight - f, "the honest alone are a quorum of {weight}");
        let naive = 2 * f + 1;
        let forks = (naive + naive).saturating_sub(weight) <= f;
        assert_eq!(forks, weight != 3 * f + 1, "2f + 1 of {weight}");
        too_little += u32::from(forks);
    }
    assert_eq!(too_little, 1999 - 667);
    assert_eq!((quorum(1), quorum(2), quorum(3), quorum(4)), (1, 2, 3, 3));
    assert_eq!((faulty(0), quorum(0)), (0, 0));
    assert_eq!(quorum(u64::MAX), u64::MAX - (u64::MAX - 1) / 3);
}

#[test]
fn weight_and_not_heads_decides() {
    let roster = Roster::new(members(&[10, 1, 1, 1])).unwrap();
    assert_eq!((roster.weight(), roster.faulty(), roster.quorum()), (13, 4, 9));
    let weigh = |members: &[u16]| roster.weight_of(&Mask::of(4, members.iter().copied()));
    assert_eq!(weigh(&[1, 2, 3]), 3);
    assert_eq!(weigh(&[0]), 10);
    assert_eq!(weigh(&[0, 0, 3]), 11, "each member counts once");
    assert_eq!(roster.weight_of(&Mask::from_bytes(vec![0xff; 8192]).unwrap()), 13);
    let heavy = Roster::new(members(&[u32::MAX; 5])).unwrap();
    assert_eq!(heavy.weight(), 5 * u64::from(u32::MAX));
}

#[test]
fn positions_peers_and_keys_belong_together_and_none_is_beyond() {
    let roster = Roster::new(members(&[1, 2, 3])).unwrap();
    assert_eq!(roster.indices().map(|index| index.get()).collect::<Vec<_>>(), [0, 1, 2]);
    for number in 0..3 {
        let index = roster.index(number).unwrap();
        let (signer, peer) = (key(number), PeerId::of(key(number).public()));
        assert_eq!(roster.key(index), Some(signer.public()));
        assert_eq!((roster.peer(index), roster.index_of(peer)), (Some(peer), Some(index)));
        let signature = signer.sign(&INDIVIDUAL, b"said");
        for other in roster.indices() {
            assert_eq!(roster.verify(other, &INDIVIDUAL, b"said", &signature), other == index);
        }
    }
    assert_eq!((roster.index(3), roster.index(u16::MAX)), (None, None));
    assert_eq!(roster.index_of(PeerId::of(key(3).public())), None);
    // An index of a larger roster says nothing in a smaller one.
    let larger = Roster::new(members(&[1; 5])).unwrap();
    let beyond = larger.index(4).unwrap();
    assert_eq!((roster.key(beyond), roster.member(beyond)), (None, None));
    let signature = key(4).sign(&INDIVIDUAL, b"said");
    assert!(!roster.verify(beyond, &INDIVIDUAL, b"said", &signature));
}

#[test]
fn a_mask_of_another_length_or_with_a_bit_beyond_does_not_fit() {
    for size in 1..40_usize {
        let full = Mask::of(size, 0..u16::MAX);
        assert_eq!((full.count(), full.fits(size)), (size, true));
        for bytes in 0..8 {
            let zeros = Mask::from_bytes(vec![0; bytes]).unwrap();
            assert_eq!(
                zeros.fits(size),
                bytes * 8 >= size && bytes * 8 < size + 8,
                "{bytes} bytes for {size}"
            );
        }
        for bit in 0..size.next_multiple_of(8) {
            let mut bytes = Mask::empty(size).as_bytes().to_vec();
            bytes[bit / 8] |= 1 << (bit % 8);
            let mask = Mask::from_bytes(bytes).unwrap();
            assert_eq!(mask.fits(size), bit < size, "bit {bit} of {size}");
            assert_eq!(mask.iter().collect::<Vec<_>>(), [u16::try_from(bit).unwrap()]);
        }
    }
    let largest = Mask::of(MAX_MEMBERS, 0..=u16::MAX);
    assert_eq!((largest.count(), largest.fits(MAX_MEMBERS)), (MAX_MEMBERS, true));
    assert!(largest.contains(u16::MAX) && !Mask::of(8, [7]).contains(8));
}
