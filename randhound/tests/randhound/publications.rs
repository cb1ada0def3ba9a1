//! What convinces whoever knows the roster's id alone, and nothing else does.

use std::collections::BTreeSet;

use cosi::{
    keys::Seed,
    mask::Mask,
    roster::{RosterError, RosterId},
    wire::{BoundedVec, Wire},
};
use pvss::{KeysError, Scheme, ShareSecret};
use randhound::{
    Candidate, CandidatesError, Committee, DealsError, Publication, PublicationError, Randomness,
    Session, SessionError, StatementError, Terms, Transcript, TranscriptError, message::root,
};

use crate::{
    common::{World, dealings, rng, world},
    formats::pinned,
    transcripts::Whatever,
};

/// A world whose roster commits to the share keys, and its candidates.
fn candidates(servers: u16, group_size: u16) -> (World, Vec<Candidate>) {
    let mut rng = rng(3);
    let seed = |at: u16| {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&at.to_le_bytes());
        Seed::from_bytes(seed)
    };
    let candidates: Vec<_> = (0..servers).map(|at| Candidate::new(&seed(at), &mut rng)).collect();
    let committee = Committee::of(&candidates).unwrap();
    (World { committee, ..world(servers, group_size) }, candidates)
}

fn publish(world: &World, candidates: &[Candidate]) -> (Randomness, Publication) {
    let (output, transcript) = world.run();
    let members = BoundedVec::new(candidates.to_vec()).unwrap();
    (output, Publication { members, prior: world.terms.prior, transcript })
}

fn verify(world: &World, publication: &Publication) -> Result<Randomness, PublicationError> {
    let Terms { purpose, slot, .. } = &world.terms;
    publication.verify(world.committee.roster().id(), purpose, *slot)
}

#[test]
fn a_publication_and_a_roster_id_are_enough() {
    for (servers, group_size) in [(4, 4), (12, 4)] {
        let (world, candidates) = candidates(servers, group_size);
        let (output, publication) = publish(&world, &candidates);
        let decoded = Publication::decode(&publication.encode()).unwrap();
        assert_eq!(verify(&world, &decoded), Ok(output));
    }
}

#[test]
fn each_check_is_named() {
    let (world, candidates) = candidates(8, 4);
    let (_, sound) = publish(&world, &candidates);
    let (roster, Terms { purpose, slot, .. }) = (world.committee.roster().id(), &world.terms);
    use PublicationError as E;
    assert_eq!(sound.verify(roster, &[0; 32], *slot), Err(E::Purpose));
    assert_eq!(sound.verify(roster, purpose, 4), Err(E::Slot(3)));
    assert_eq!(sound.verify(RosterId([1; 32]), purpose, *slot), Err(E::Roster));

    let verdict = |change: &dyn Fn(&mut Vec<Candidate>)| {
        let mut members = sound.members.clone().into_inner();
        change(&mut members);
        let members = BoundedVec::new(members).unwrap();
        verify(&world, &Publication { members, ..sound.clone() }).unwrap_err()
    };
    let roster = |error| E::Candidates(CandidatesError::Roster(error));
    let shares = |error| E::Candidates(CandidatesError::Shares(error));
    assert_eq!(
        verdict(&|all| all[2].possession.response[0] ^= 1),
        roster(RosterError::NoPossession { culprits: vec![2] })
    );
    assert_eq!(
        verdict(&|all| all[5].share.response[0] ^= 1),
        shares(KeysError::NoPossession { culprits: vec![5] })
    );
    assert_eq!(verdict(&|all| all.truncate(7)), E::Roster);
    assert_eq!(verdict(&|all| all.swap(0, 1)), E::Roster);
    // A server's other share key, which it proves to know.
    let seed = Seed::from_bytes([99; 32]);
    let secret = ShareSecret::derive(&seed, Scheme::Dhpvss);
    let other = secret.register(world.keys[4].public(), &mut rng(4));
    assert_eq!(verdict(&|all| all[4].share = other), E::Roster);
    // The same key, proved another time: the roster names the registration, proof and all.
    let again = world.secrets[4].register(world.keys[4].public(), &mut rng(5));
    assert_ne!(again, candidates[4].share);
    assert_eq!(verdict(&|all| all[4].share = again), E::Roster);

    let mut changed = sound.clone();
    changed.transcript.config.attempt = 1;
    let why = TranscriptError::Statement(StatementError::Session);
    assert_eq!(verify(&world, &changed), Err(E::Transcript(why)));
    // Terms that make no session, and are the file's own.
    changed.transcript.config.group_size = 0;
    assert_eq!(verify(&world, &changed), Err(E::Config(SessionError::GroupSize)));
    changed.transcript.config = sound.transcript.config.clone();
    changed.transcript.config.client = [0; 32];
    let refused = verify(&world, &changed).unwrap_err();
    assert!(matches!(refused, E::Config(SessionError::Client(_))), "{refused}");
}

/// Servers that are all one attacker's, and a publication by them with an output of its choice.
fn forged() -> (World, Randomness, Publication) {
    let seeds = [60, 61, 62, 63].map(|seed| Seed::from_bytes([seed; 32]));
    let own = seeds.each_ref().map(|seed| Candidate::new(seed, &mut rng(6)));
    let keys = seeds.iter().map(Seed::signing_key).collect();
    let secrets = seeds.iter().map(|seed| ShareSecret::derive(seed, Scheme::Dhpvss).into());
    let mut forger = World {
        committee: Committee::of(&own).unwrap(),
        keys,
        secrets: secrets.collect(),
        ..world(4, 4)
    };
    for prior in 0..=u8::MAX {
        forger.terms.prior = [prior; 32];
        let (output, forged) = publish(&forger, &own);
        if output.0[0] >= 224 {
            return (forger, output, forged);
        }
    }
    panic!("an eighth of all outputs are liked");
}

/// A verifier that takes the roster from the file believes whoever made one up.
#[test]
fn a_publication_that_brings_its_own_roster_breaks_published() {
    let (forger, output, forged) = forged();
    let brought = Committee::of(&forged.members).unwrap().roster().id();
    let Terms { purpose, slot, .. } = &forger.terms;
    assert_eq!(forged.verify(brought, purpose, *slot), Ok(output));
    assert!(output.0[0] >= 224, "the attacker chose the output");
}

/// Servers of the attacker's own convince nobody who knows the roster's id.
#[test]
fn a_publication_that_brings_its_own_roster_is_refused() {
    let (world, _) = candidates(4, 4);
    let (_, _, forged) = forged();
    assert_eq!(verify(&world, &forged), Err(PublicationError::Roster));
}

#[test]
fn every_changed_byte_is_refused_and_named() {
    // In one group every prior groups alike, and still only one verifies.
    for (servers, group_size) in [(4, 4), (8, 4)] {
        let (world, candidates) = candidates(servers, group_size);
        let (_, sound) = publish(&world, &candidates);
        let (bytes, mut checks) = (sound.encode(), BTreeSet::new());
        let step = if servers == 4 { 1 } else { 3 };
        for at in (0..bytes.len()).step_by(step) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            if let Ok(changed) = Publication::decode(&bytes) {
                let error = verify(&world, &changed).expect_err(&format!("byte {at}"));
                let text = error.to_string();
                let (check, _) = text.split_once(": ").expect(&text);
                checks.insert(check.to_owned());
            }
        }
        let expected = [
            "certificate",
            "config",
            "deals",
            "members",
            "purpose",
            "roster",
            "share keys",
            "shares",
            "slot",
            "statement",
        ];
        let found: Vec<_> = checks.iter().map(String::as_str).collect();
        assert_eq!(found, expected);
    }
}

/// A client that picks the prior grinds a group in which it has all the chosen dealers: in the
/// published protocol, whose grouping's seed is the client's choice, the session goes on.
#[test]
fn grinding_the_prior_breaks_published() {
    let (world, _) = candidates(12, 4);
    // Four servers in the client's hands, in one group.
    assert!(grind(&world).is_some());
}

/// A prior that puts the last four servers into one group.
fn grind(world: &World) -> Option<Terms> {
    let mut priors = (0_u32..20_000).map(|at| {
        let mut prior = [0; 32];
        prior[..4].copy_from_slice(&at.to_le_bytes());
        Terms { prior, ..world.terms.clone() }
    });
    priors.find(|terms| {
        let session = Session::new(world.committee.clone(), terms).unwrap();
        let group = |at| session.groups().place(world.index(at)).unwrap().group;
        (9..12).all(|at| group(at) == group(8))
    })
}

#[test]
fn a_client_that_grinds_the_prior_has_nothing_to_publish() {
    let (world, candidates) = candidates(12, 4);
    let ground = grind(&world).unwrap();
    let session = Session::new(world.committee.clone(), &ground).unwrap();
    // It names the same session, so honest servers deal, each to the group that it knows.
    assert_eq!(session.id(), world.session().id());
    let (dealt, (output, sound)) = (dealings(&world), publish(&world, &candidates));
    for (group, members) in session.groups().iter() {
        let dealers: Vec<_> = members.iter().take(2).map(|member| member.get()).collect();
        let deals: Vec<_> = dealers.iter().map(|at| dealt[usize::from(*at)].clone()).collect();
        let mut statement = sound.transcript.statement.clone();
        statement.dealers = Mask::of(12, dealers);
        let mut roots = vec![[0; 32]; 3];
        roots[usize::from(group)] = root(group, &deals);
        statement.roots = BoundedVec::new(roots).unwrap();
        let verdict = session.check_deals(&statement, group, &deals).unwrap_err();
        assert!(matches!(verdict, DealsError::Deal { .. }), "{verdict}");
    }

    // Nor does what the servers did decide hold under it, whoever attests it.
    let Publication { members, prior, transcript } = sound;
    let Transcript { config, statement, groups, .. } = transcript;
    let transcript = Transcript { config, statement, certificate: Whatever, groups };
    let sound = Publication { members, prior, transcript };
    let Terms { purpose, slot, .. } = &world.terms;
    let roster = world.committee.roster().id();
    assert_eq!(sound.verify(roster, purpose, *slot), Ok(output));
    let forged = Publication { prior: ground.prior, ..sound };
    let refused = forged.verify(roster, purpose, *slot).unwrap_err();
    assert!(matches!(refused, PublicationError::Transcript(_)), "{refused}");
}

#[test]
fn formats_are_pinned() {
    let (world, candidates) = candidates(4, 4);
    let (_, publication) = publish(&world, &candidates);
    let found = [pinned(&candidates[0]), pinned(&publication)];
    assert_eq!(found, ["2cfeb9e8969ca2a4", "80abe3ca8c23133d"]);
    // A number of members that the bytes do not have.
    for members in [5, 65_536, 65_537, u32::MAX] {
        let mut bytes = publication.encode();
        bytes[..4].copy_from_slice(&members.to_le_bytes());
        assert!(Publication::<cosi::Certificate>::decode(&bytes).is_err(), "{members}");
    }
}
