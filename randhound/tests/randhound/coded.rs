//! The fragments of coded deals: any f + 1 rebuild them, and a vector pins them.

use std::collections::BTreeMap;

use cosi::wire::Wire;
use randhound::{
    Session, Terms,
    coded::{Coded, Fragment, enough, rebuild},
    message::Deals,
};

use crate::common::{World, dealings, world};

fn all(session: &Session, coded: &Coded) -> BTreeMap<cosi::machine::Index, Fragment> {
    let fragment = |index| (index, coded.fragment(index).unwrap());
    session.roster().indices().map(fragment).collect()
}

/// The first t_l deals of each group.
fn deals(world: &World) -> Vec<Deals> {
    let (session, dealings) = (world.session(), dealings(world));
    let of_group = |(group, members): (u16, &[cosi::machine::Index])| {
        let dealers = members.iter().take(session.threshold(group));
        let deals = dealers.map(|dealer| dealings[usize::from(dealer.get())].clone());
        Deals::new(deals.collect()).unwrap()
    };
    session.groups().iter().map(of_group).collect()
}

#[test]
fn any_f_plus_one_fragments_rebuild_the_deals_and_fewer_do_not() {
    for (servers, f) in [(1_u16, 0_u32), (2, 0), (3, 0), (4, 1), (7, 2)] {
        let world = world(servers, 4);
        let (session, deals) = (world.session(), deals(&world));
        assert_eq!(enough(&session), f as usize + 1);
        let coded = Coded::new(&session, &deals).unwrap();
        let fragments = all(&session, &coded);
        for (index, fragment) in &fragments {
            assert!(fragment.verify(session.roster(), &coded.root(), *index));
        }
        for subset in 0..1_u32 << servers {
            let chosen = fragments.iter().filter(|(index, _)| subset >> index.get() & 1 == 1);
            let chosen: BTreeMap<_, _> = chosen.map(|(at, own)| (*at, own.clone())).collect();
            let rebuilt = rebuild(&session, &chosen);
            if subset.count_ones() > f {
                assert_eq!(&rebuilt.unwrap()[..], &deals[..], "{servers} {subset:b}");
            } else {
                assert_eq!(rebuilt, None, "{servers} {subset:b}");
            }
        }
    }
}

/// The first f + 1 fragments are the deals' encodings one after the other, cut.
#[test]
fn fragments_are_laid_out_as_documented() {
    let world = world(7, 4);
    let (session, deals) = (world.session(), deals(&world));
    let mut bytes: Vec<u8> = deals.iter().flat_map(Wire::encode).collect();
    let size = bytes.len().div_ceil(3).next_multiple_of(2);
    bytes.resize(3 * size, 0);
    let coded = Coded::new(&session, &deals).unwrap();
    let fragments = all(&session, &coded);
    let own: Vec<u8> = fragments.values().take(3).flat_map(|own| own.bytes.to_vec()).collect();
    assert_eq!(own, bytes);
    assert!(fragments.values().all(|fragment| fragment.bytes.len() == size));
}

/// Seven servers, of whom three rebuild, and thirteen bytes: two fragments of six, and one of one
/// byte and five zeros.
#[test]
fn fragments_are_pinned() {
    let session = world(7, 4).session();
    let coded = Coded::code(&session, (1..=13).collect()).unwrap();
    let fragments = all(&session, &coded);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found: Vec<_> = fragments.values().map(|fragment| hex(&fragment.bytes)).collect();
    let expected = [
        "010203040506",
        "0708090a0b0c",
        "0d0000000000",
        "ba70f5080b07",
        "6da913000300",
        "e221340e0c0a",
        "3ef2d8080a07",
    ];
    assert_eq!(found, expected);
    // A larger session, whose fragments the root stands for.
    let many = Coded::code(&world(100, 100).session(), (0..=255).collect()).unwrap();
    let roots = [coded.root(), many.root()].map(|root| hex(&root[..8]));
    assert_eq!(roots, ["ea42a925882b8d62", "0592a62e35be4dea"]);
}

#[test]
fn a_fragment_is_its_servers_and_under_its_root() {
    let world = world(7, 4);
    let session = world.session();
    let roster = session.roster();
    let coded = Coded::new(&session, &deals(&world)).unwrap();
    let root = coded.root();
    let [two, three] = [2, 3].map(|at| world.index(at));
    let own = coded.fragment(two).unwrap();
    assert!(own.verify(roster, &root, two));
    assert!(!own.verify(roster, &root, three), "another's");
    assert!(!own.verify(roster, &[0; 32], two), "another root");
    let mut changed = own.bytes.clone().into_inner();
    changed[0] ^= 1;
    let bytes = cosi::wire::BoundedBytes::new(changed).unwrap();
    assert!(!Fragment { bytes, ..own.clone() }.verify(roster, &root, two));
    let mut short = own.siblings.clone().into_inner();
    short.pop();
    let siblings = cosi::wire::BoundedVec::new(short).unwrap();
    assert!(!Fragment { siblings, ..own }.verify(roster, &root, two));
}

#[test]
fn fragments_of_other_sizes_or_of_no_deals_rebuild_nothing() {
    let world = world(7, 4);
    let session = world.session();
    let coded = Coded::new(&session, &deals(&world)).unwrap();
    let mut fragments = all(&session, &coded);
    let longer = Coded::code(&session, vec![1; 10_000]).unwrap();
    fragments.insert(world.index(6), longer.fragment(world.index(6)).unwrap());
    assert_eq!(rebuild(&session, &fragments), None);
    assert_eq!(rebuild(&session, &all(&session, &longer)), None, "no deals");
    assert_eq!(rebuild(&session, &BTreeMap::new()), None);
    // Another number of groups reads other deals, or none.
    let terms = Terms { group_size: 2, ..world.terms.clone() };
    let other = Session::new(world.committee.clone(), &terms).unwrap();
    assert_eq!(rebuild(&other, &all(&session, &coded)), None);
    // As long as a fragment may be, and longer.
    let most = 3 * randhound::coded::MAX_FRAGMENT;
    assert!(Coded::code(&session, vec![0; most]).is_some());
    assert!(Coded::code(&session, vec![0; most + 1]).is_none());
}
