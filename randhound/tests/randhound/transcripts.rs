//! A transcript convinces, and no other transcript does.

use cosi::{
    Attests, Policy, VerifyError,
    roster::{Keys, Roster},
    wire::{BoundedVec, Wire},
};
use pvss::{Scheme, ShareError, ShareKeys};
use randhound::{
    Committee, CommitteeError, DealingError, DealsError, GroupTranscript, Message, Session,
    SessionError, Statement, StatementError, Terms, Transcript, TranscriptError,
    message::{Deals, Decision, Said, root},
};

use crate::common::{World, answer, rng, world};

fn parts(transcript: &mut Transcript, change: impl FnOnce(&mut Vec<GroupTranscript>)) {
    let mut groups = core::mem::take(&mut transcript.groups).into_inner();
    change(&mut groups);
    transcript.groups = BoundedVec::new(groups).unwrap();
}

fn shares(part: &mut GroupTranscript, change: impl FnOnce(&mut Vec<pvss::DecryptedShare>)) {
    let mut shares = core::mem::take(&mut part.shares).into_inner();
    change(&mut shares);
    part.shares = BoundedVec::new(shares).unwrap();
}

#[test]
fn each_field_that_is_tampered_with_fails_its_check() {
    let world = world(8, 4);
    let (output, sound) = world.run();
    assert_eq!(sound.verify(&world.committee, &world.terms), Ok(output));
    let verdict = |change: &dyn Fn(&mut Transcript)| {
        let mut transcript = sound.clone();
        change(&mut transcript);
        transcript.verify(&world.committee, &world.terms).unwrap_err()
    };
    use TranscriptError as E;
    assert_eq!(verdict(&|it| it.config.slot = 4), E::Config);
    assert_eq!(verdict(&|it| it.config.group_size = 5), E::Config);
    assert_eq!(
        verdict(&|it| it.statement.session.0[0] ^= 1),
        E::Statement(StatementError::Session)
    );
    assert_eq!(
        verdict(&|it| it.statement.dealers = cosi::mask::Mask::of(8, 0..8)),
        E::Statement(StatementError::Threshold { group: 0, have: 4, need: 2 })
    );
    assert_eq!(
        verdict(&|it| it.statement.roots = BoundedVec::default()),
        E::Statement(StatementError::Roots)
    );
    // A statement that is sound by itself is not what the quorum signed.
    assert!(matches!(verdict(&|it| it.statement.availability[0] ^= 1), E::Certificate(_)));
    let another = verdict(&|it| {
        let mut roots = it.statement.roots.clone().into_inner();
        roots[0][0] ^= 1;
        it.statement.roots = BoundedVec::new(roots).unwrap();
    });
    assert!(matches!(another, E::Certificate(_)));
    assert_eq!(
        verdict(&|it| parts(it, |groups| drop(groups.pop()))),
        E::Groups { have: 1, need: 2 }
    );
    assert_eq!(
        verdict(&|it| parts(it, |groups| groups[1].deals = Deals::default())),
        E::Deals(DealsError::Dealers { group: 1 })
    );
    assert_eq!(
        verdict(&|it| parts(it, |groups| {
            let mut deals = groups[1].deals.clone().into_inner();
            deals[0].signature.0[0] ^= 1;
            groups[1].deals = Deals::new(deals).unwrap();
        })),
        E::Deals(DealsError::Root { group: 1 })
    );
    let few = E::Shares { group: 0, need: 2 };
    assert_eq!(
        verdict(&|it| parts(it, |groups| shares(&mut groups[0], |all| drop(all.pop())))),
        few
    );
    assert_eq!(
        verdict(&|it| parts(it, |groups| {
            shares(&mut groups[0], |all| all[1] = all[0].clone());
        })),
        few
    );
    // Nor is the order anybody's choice.
    assert_eq!(verdict(&|it| parts(it, |groups| shares(&mut groups[0], |all| all.reverse()))), few);
    // One share more than it takes, though it is sound: a session has few transcripts.
    let part = &sound.groups[0];
    let members = world.session().groups().members(0).unwrap().to_vec();
    let mut unused = (0..).zip(members);
    let (_, unused) = unused
        .find(|(position, _)| part.shares.iter().all(|share| share.trustee != *position))
        .unwrap();
    let decision = Message::Decision(Decision {
        config: sound.config.clone(),
        statement: sound.statement.clone(),
        certificate: sound.certificate.clone(),
        deals: part.deals.clone(),
    });
    let Message::Opened(third) = answer(&world, unused.get(), decision) else { panic!() };
    let third = third.share;
    let many = |it: &mut Transcript| {
        parts(it, |groups| {
            shares(&mut groups[0], |all| {
                all.push(third.clone());
                all.sort_unstable_by_key(|share| share.trustee);
            });
        });
    };
    assert_eq!(verdict(&many), few);
    let mut instead = sound.clone();
    parts(&mut instead, |groups| {
        shares(&mut groups[0], |all| {
            all[1] = third.clone();
            all.sort_unstable_by_key(|share| share.trustee);
        });
    });
    assert_eq!(instead.verify(&world.committee, &world.terms), Ok(output), "any t shares do");
    let wrong = verdict(&|it| {
        parts(it, |groups| {
            let other = groups[1].shares[0].shares.clone();
            shares(&mut groups[0], |all| all[0].shares = other);
        });
    });
    assert!(matches!(wrong, E::Share { group: 0, why: ShareError::Proof, .. }), "{wrong}");
}

#[test]
fn every_changed_byte_is_refused() {
    let world = world(4, 4);
    let (_, sound) = world.run();
    let bytes = sound.encode();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let verdict = Transcript::<cosi::Certificate>::decode(&bytes);
        let refused = verdict.map_or(true, |it| it.verify(&world.committee, &world.terms).is_err());
        assert!(refused, "byte {at}");
    }
}

#[test]
fn other_terms_and_other_servers_are_refused() {
    let world = world(8, 4);
    let (_, sound) = world.run();
    let own = world.terms.clone();
    for terms in [
        Terms { purpose: [0; 32], ..own.clone() },
        Terms { slot: 4, ..own.clone() },
        Terms { attempt: 1, ..own.clone() },
        Terms { group_size: 8, ..own.clone() },
        Terms { client: world.keys[0].public().to_bytes(), ..own.clone() },
    ] {
        assert_eq!(sound.verify(&world.committee, &terms), Err(TranscriptError::Config));
    }
    let other = crate::common::world(9, 4);
    assert_eq!(sound.verify(&other.committee, &own), Err(TranscriptError::Config));
    let prior = sound.verify(&world.committee, &Terms { prior: [6; 32], ..own.clone() });
    assert!(prior.is_err(), "another grouping");
    let none = sound.verify(&world.committee, &Terms { group_size: 0, ..own.clone() });
    assert!(matches!(none, Err(TranscriptError::Session(_))));
    let size = |group_size| {
        let terms = Terms { group_size, ..own.clone() };
        Session::new(world.committee.clone(), &terms).map(drop)
    };
    assert_eq!([128, 129].map(size), [Ok(()), Err(SessionError::GroupSize)]);
    let none = sound.verify(&world.committee, &Terms { client: [0; 32], ..own });
    assert!(matches!(none, Err(TranscriptError::Session(_))));
}

/// Any decision of the servers may stand for a certificate. This one says yes to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whatever;

impl Attests<Statement> for Whatever {
    fn attests<K: Keys + ?Sized>(
        &self,
        _: &Statement,
        _: &K,
        _: &Policy,
    ) -> Result<(), VerifyError> {
        Ok(())
    }
}

/// A quorum's signatures on deals that do not hold, which honest servers never give.
#[test]
fn a_decision_does_not_make_deals_valid() {
    let world = world(8, 4);
    let (output, sound) = world.run();
    let Transcript { config, statement, groups, .. } = sound;
    let sound = Transcript { config, statement, certificate: Whatever, groups };
    assert_eq!(sound.verify(&world.committee, &world.terms), Ok(output));
    let swap = |world: &World, signs: bool| {
        let mut groups = sound.groups.clone().into_inner();
        let mut deals = groups[0].deals.clone().into_inner();
        let mut dealing = deals[1].what.clone();
        dealing.dealer = deals[0].what.dealer;
        let signer = if signs { deals[0].what.dealer } else { deals[1].what.dealer };
        deals[0] = Said::new(&world.keys[usize::from(signer)], dealing);
        let mut statement = sound.statement.clone();
        let mut roots = statement.roots.into_inner();
        roots[0] = root(0, &deals);
        statement.roots = BoundedVec::new(roots).unwrap();
        let dealer = deals[0].what.dealer;
        groups[0].deals = Deals::new(deals).unwrap();
        let groups = BoundedVec::new(groups).unwrap();
        let bad = Transcript { statement, groups, config: sound.config.clone(), ..sound.clone() };
        (dealer, bad.verify(&world.committee, &world.terms))
    };
    let (dealer, verdict) = swap(&world, false);
    let why = DealingError::Signature;
    assert_eq!(verdict, Err(TranscriptError::Deals(DealsError::Deal { dealer, why })));
    let (dealer, verdict) = swap(&world, true);
    let why = DealingError::Deal(pvss::DealError::Proof);
    assert_eq!(verdict, Err(TranscriptError::Deals(DealsError::Deal { dealer, why })));
}

#[test]
fn a_committee_has_equal_servers_with_their_own_keys() {
    let world = world(4, 4);
    let roster = world.committee.roster();
    let mut members = roster.members().to_vec();
    members[2].weight = 2;
    let weighted = Roster::new(members).unwrap();
    let refused = Committee::new(weighted, world.committee.keys().clone()).unwrap_err();
    assert_eq!(refused, CommitteeError::Weight);
    let mut rng = rng(4);
    let registered = [1, 0, 2, 3].map(|at| {
        let owner = *world.keys[at].public();
        (owner, world.secrets[at].register(&owner, &mut rng))
    });
    let keys = ShareKeys::new(Scheme::Dhpvss, registered).unwrap();
    let refused = Committee::new(roster.clone(), keys).unwrap_err();
    assert_eq!(refused, CommitteeError::Owners);
}
