//! Attacks: each breaks the form that was published, written here, and fails in this crate.

use std::collections::BTreeSet;

use cosi::{
    domain::RANDOMNESS,
    keys::Seed,
    machine::{Cx, FaultKind, Time},
    message::Said,
    transcript::Hash,
};
use curve25519_dalek::{RistrettoPoint, rand_core::Rng, ristretto::CompressedRistretto};
use pvss::{Chosen, Secret, Sharing, Trustee, VerifiedDeal, deal, recover, verify_shares};
use randhound::{
    DealsError, Message, Peer, Session, Terms, TranscriptError,
    message::{ByClient, Dealing, Deals},
};

use crate::common::{World, rng, world};

/// What t trustees of a group open for deals that came with an index-only certificate.
fn open(world: &World, sharing: &Sharing, deals: &[VerifiedDeal]) -> Secret {
    let chosen = Chosen::sum(sharing, &[0; 32], deals).unwrap();
    let session = world.session();
    let members = session.groups().members(0).unwrap();
    let shares = members[..sharing.threshold()].iter().map(|member| {
        let secret = world.secrets[usize::from(member.get())].clone();
        Trustee::new(sharing.clone(), secret).unwrap().decrypt(&chosen, &mut rng(3)).unwrap()
    });
    let shares: Vec<_> = shares.collect();
    let shares = verify_shares(&chosen, &shares).into_iter().map(Result::unwrap);
    recover(&chosen, &shares.collect::<Vec<_>>()).unwrap().remove(0)
}

/// The published commitment: the servers agree on *who* deals, by index. The dealer that colludes
/// with the client signs another deal once it knows the sum of the others.
#[test]
fn a_certificate_over_indices_breaks_published() {
    let world = world(4, 4);
    let session = world.session();
    let sharing = session.sharing(0).unwrap();
    let mut rng = rng(2);
    let mut deal_by = |at: usize| {
        let own = world.keys[at].public().to_bytes();
        let (deal, secret) = deal(sharing, &own, &world.secrets[at], &mut rng);
        (deal.verify(sharing, &own).unwrap(), secret)
    };
    let point = |secret: &Secret| CompressedRistretto(*secret.to_bytes()).decompress().unwrap();
    let output = |sum: RistrettoPoint| {
        let sum = sum.compress().to_bytes();
        Hash::new(RANDOMNESS).fixed(&session.id().0).fixed(&sum).digest()
    };
    let (honest, _) = deal_by(0);
    let (first, first_secret) = deal_by(1);
    // The opened sum less its own secret tells the dealer the honest one.
    let opened = open(&world, sharing, &[honest.clone(), first]);
    let honest_sum = point(&opened) - point(&first_secret);
    // It draws deals until the output is one that it likes, and signs that one: the dealers'
    // indices are the same, and so the certificate holds.
    let liked = |(_, secret): &(VerifiedDeal, Secret)| output(honest_sum + point(secret))[0] < 8;
    let (swapped, _) = (0..).map(|_| deal_by(1)).find(liked).unwrap();
    let drawn = output(point(&open(&world, sharing, &[honest, swapped])));
    assert!(drawn[0] < 8, "the adversary chose the output");
}

#[test]
fn a_deal_swapped_after_the_certificate_is_refused() {
    let world = world(4, 4);
    let session = world.session();
    let (_, mut transcript) = world.run();
    let mut groups = transcript.groups.clone().into_inner();
    let mut deals = groups[0].deals.clone().into_inner();
    let dealer = deals[0].what.dealer;
    let at = usize::from(dealer);
    let own = world.keys[at].public().to_bytes();
    let sharing = session.sharing(0).unwrap();
    let (deal, _) = deal(sharing, &own, &world.secrets[at], &mut rng(4));
    deals[0] = Said::new(&world.keys[at], Dealing { session: session.id(), dealer, deal });
    groups[0].deals = Deals::new(deals).unwrap();
    transcript.groups = cosi::wire::BoundedVec::new(groups).unwrap();
    let verdict = transcript.verify(&world.committee, &world.terms);
    assert_eq!(verdict, Err(TranscriptError::Deals(DealsError::Root { group: 0 })));
}

const SERVERS: u16 = 32;
const SIZE: u16 = 8;

/// Whether some group of these has too few honest members to recover without the faulty.
fn captured(mut groups: impl Iterator<Item = Vec<u16>>, faulty: &BTreeSet<u16>) -> bool {
    groups.any(|group| {
        let honest = group.iter().filter(|server| !faulty.contains(server)).count();
        honest < group.len() / 3 + 1
    })
}

fn faulty() -> BTreeSet<u16> {
    (0..(SERVERS - 1) / 3).collect()
}

/// The published grouping follows a seed that the client picks.
#[test]
fn a_seed_of_the_clients_choice_breaks_published() {
    let grouping = |seed: u64| {
        let mut rng = rng(seed);
        let mut order: Vec<u16> = (0..SERVERS).collect();
        for last in (1..order.len()).rev() {
            let other = (rng.next_u64() % (last as u64 + 1)) as usize;
            order.swap(last, other);
        }
        order.chunks(usize::from(SIZE)).map(<[u16]>::to_vec).collect::<Vec<_>>().into_iter()
    };
    assert!((0..2_000).any(|seed| captured(grouping(seed), &faulty())), "a group is the client's");
}

#[test]
fn nothing_that_a_client_says_moves_the_grouping() {
    let world = world(SERVERS, SIZE);
    let groups = |terms: &Terms| {
        let session = Session::new(world.committee.clone(), terms).unwrap();
        let members = |(_, members): (u16, &[cosi::roster::Index])| {
            members.iter().map(|member| member.get()).collect::<Vec<_>>()
        };
        session.groups().iter().map(members).collect::<Vec<_>>()
    };
    let fixed = groups(&world.terms);
    for seed in 0..50 {
        let client = Seed::from_bytes([seed; 32]).signing_key().public().to_bytes();
        let terms = Terms { client, attempt: seed.into(), ..world.terms.clone() };
        assert_eq!(groups(&terms), fixed);
    }
    // What the application fixes does move it.
    for terms in [
        Terms { slot: 4, ..world.terms.clone() },
        Terms { purpose: [1; 32], ..world.terms.clone() },
        Terms { prior: [6; 32], ..world.terms.clone() },
    ] {
        assert_ne!(groups(&terms), fixed);
    }
    // A transcript for a grouping of the client's own making is one on other terms.
    let (_, transcript) = crate::common::world(8, 4).run();
    let mut own = crate::common::world(8, 4);
    own.terms.prior = [6; 32];
    assert!(transcript.verify(&own.committee, &own.terms).is_err());
}

/// A client that names the slot does not pick the seed, and grinds the grouping all the same.
fn captured_slot(world: &World) -> Terms {
    let terms = |slot| Terms { slot, ..world.terms.clone() };
    let grouping = |slot| {
        let session = Session::new(world.committee.clone(), &terms(slot)).unwrap();
        let members = |(_, members): (u16, &[cosi::roster::Index])| {
            members.iter().map(|member| member.get()).collect::<Vec<_>>()
        };
        session.groups().iter().map(members).collect::<Vec<_>>().into_iter()
    };
    (0..2_000).find(|slot| captured(grouping(*slot), &faulty())).map(terms).unwrap()
}

#[test]
fn a_slot_of_the_clients_choice_breaks_published() {
    let world = world(SERVERS, SIZE);
    assert_ne!(captured_slot(&world).slot, world.terms.slot, "a group is the client's");
}

#[test]
fn a_slot_that_was_not_allotted_is_refused() {
    let world = world(SERVERS, SIZE);
    let terms = captured_slot(&world);
    let session = Session::new(world.committee.clone(), &terms).unwrap();
    let invitation = Message::Invitation(ByClient::new(&world.client, session.config().clone()));
    let mut rng = rng(2);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let step = world.server(20).handle_message(&mut cx, Peer::Client, invitation);
    let (records, held) = step.into_records();
    let output = held.release();
    assert_eq!((records, output.messages), (vec![], vec![]));
    assert_eq!(output.faults[0].kind, FaultKind::InvalidPayload);
}
