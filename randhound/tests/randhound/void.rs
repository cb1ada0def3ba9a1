//! What is void is void by any fragments, and nothing else is.

use cosi::{
    Attests, Policy, VerifyError,
    keys::Seed,
    machine::{Cx, Time},
    mask::Mask,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use proptest::{collection::vec, prelude::*, sample::subsequence};
use randhound::{
    AttemptError, DealsError, Server, Session, Statement, StatementError, Terms, TranscriptError,
    Void, VoidError,
    coded::{self, Coded},
    message::ByClient,
    rescuer::Event,
    server::SetupError,
};

use crate::{
    common::{World, deal_again, rng, world},
    formats::pinned,
    stage::{Plot, Stage, leaves, pick, shards},
};

const ALL: [u16; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

/// All sets of f + 1 = 3 of 8 servers.
fn subsets() -> Vec<[u16; 3]> {
    let mut subsets = Vec::new();
    for one in ALL {
        for two in one + 1..8 {
            subsets.extend((two + 1..8).map(|three| [one, two, three]));
        }
    }
    assert_eq!(subsets.len(), 56);
    subsets
}

/// Choices of sound deals, each with fragments that are not theirs.
fn garbled(world: &World) -> Vec<(&'static str, Plot)> {
    let dealings = crate::common::dealings(world);
    let [first, last] = [false, true].map(|last| pick(world, &dealings, last));
    let session = world.session();
    let right = leaves(world, &first);
    let mut bytes = first[0].encode();
    bytes.extend(first[1].encode());
    let code = |bytes: Vec<u8>| shards(world, &Coded::code(&session, bytes).unwrap());
    assert_eq!(code(bytes.clone()), right, "the bytes that are coded");
    let change = |act: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut leaves = right.clone();
        act(&mut leaves);
        leaves
    };
    let leaves = [
        ("no deals", code(b"no deals".to_vec())),
        ("nothing", code(Vec::new())),
        ("other deals", leaves(world, &last)),
        ("deals and more", code([&bytes[..], &[1; 9]].concat())),
        ("deals and a zero too many", code([&bytes[..], &[0; 9]].concat())),
        ("half of the deals", code(bytes[..bytes.len() / 2].to_vec())),
        ("a wrong fragment", change(&|leaves| leaves[2][5] ^= 1)),
        ("a wrong recovery fragment", change(&|leaves| leaves[7][0] ^= 1)),
        ("a long fragment", change(&|leaves| leaves[4].extend([0; 2]))),
        ("two swapped", change(&|leaves| leaves.swap(0, 1))),
        ("odd", vec![vec![1; 3]; 8]),
        ("empty", vec![vec![]; 8]),
        ("other sizes each", (0..8).map(|at| vec![7; 2 * at]).collect()),
        ("the longest", vec![vec![9; coded::MAX_FRAGMENT]; 8]),
    ];
    leaves.map(|(name, leaves)| (name, Plot::new(world, first.clone(), &leaves))).into()
}

#[test]
fn a_certified_statement_over_other_fragments_is_void_by_any_of_them() {
    let world = world(8, 4);
    for (name, plot) in garbled(&world) {
        let certificate = plot.certificate(&world, &ALL);
        let step = if name == "the longest" { 11 } else { 1 };
        for of in subsets().into_iter().step_by(step) {
            let void = plot.void(&world, &certificate, &of);
            assert_eq!(void.verify(&world.committee, &world.terms), Ok(()), "{name}: {of:?}");
        }
    }
}

/// A verifier that does not code the deals anew believes what is void. Then a slot has two outputs,
/// since the proof opens the next attempt, and the client has whichever it likes published.
#[test]
fn an_output_of_what_is_void_breaks_published() {
    let mut world = world(8, 4);
    let (_, plot) = garbled(&world).remove(0);
    let mut stage = Stage::new(&world);
    stage.deals(&ALL);
    let certificate = stage.acknowledge(&plot, &ALL);
    let opened = stage.open(&plot, &certificate, &ALL);
    // A quorum's certificate, every deal and every share hold.
    let roster = world.committee.roster();
    assert_eq!(certificate.attests(&plot.statement.what, roster, &Policy::Quorum), Ok(()));
    let believed = plot.output(&world, &opened).unwrap();
    let void = plot.void(&world, &certificate, &[0, 1, 2]);
    (world.terms.attempt, world.void) = (1, Some(void));
    let (next, transcript) = world.run();
    assert_eq!(transcript.verify(&world.committee, &world.terms), Ok(next));
    assert_ne!(believed, next);
}

/// The servers see a fragment each, acknowledge, and open what can be no output.
#[test]
fn a_void_statement_has_no_transcript() {
    let world = world(8, 4);
    for (name, plot) in garbled(&world) {
        let mut stage = Stage::new(&world);
        stage.deals(&ALL);
        let certificate = stage.acknowledge(&plot, &ALL);
        let opened = stage.open(&plot, &certificate, &ALL);
        assert!(plot.output(&world, &opened).is_some(), "{name}: the client learns a sum");
        let transcript = plot.transcript(&world, &certificate, &opened);
        let verdict = transcript.verify(&world.committee, &world.terms);
        assert_eq!(verdict, Err(TranscriptError::Availability), "{name}");
        let Event::Void(void) = stage.rescue(&ALL[2..]) else { panic!("{name}") };
        assert_eq!(void.verify(&world.committee, &world.terms), Ok(()), "{name}");
        assert_eq!(void, plot.void(&world, &certificate, &[2, 3, 4]));
    }
}

/// f accomplices in one group are enough to have deals certified there that do not hold.
#[test]
fn deals_that_only_accomplices_saw_are_void_if_they_do_not_hold() {
    let world = world(8, 4);
    let session = world.session();
    let members = |group| {
        let members = session.groups().members(group).unwrap().iter();
        members.map(|member| member.get()).collect::<Vec<_>>()
    };
    let (others, own) = (members(0), members(1));
    let dealings = crate::common::dealings(&world);
    let mut deals = pick(&world, &dealings, false);
    let other = Terms { slot: 99, ..world.terms.clone() };
    let other = Session::new(world.committee.clone(), &other).unwrap();
    let mut bad = deals[1].to_vec();
    bad[0] = deal_again(&world, &other, &bad[0], &mut rng(3));
    deals[1] = BoundedVec::new(bad).unwrap();
    let plot = Plot::honest(&world, deals);
    let certificate = plot.certificate(&world, &[&others[..], &own[..2]].concat());
    for of in subsets() {
        let void = plot.void(&world, &certificate, &of);
        assert_eq!(void.verify(&world.committee, &world.terms), Ok(()), "{of:?}");
    }
    let mut stage = Stage::new(&world);
    assert_eq!(stage.acknowledge(&plot, &others).signers().count(), 4);
    let opened = stage.open(&plot, &certificate, &ALL);
    assert_eq!(opened.len(), 4, "nobody honest opens what does not hold");
    let verdict = plot.transcript(&world, &certificate, &opened);
    let verdict = verdict.verify(&world.committee, &world.terms);
    assert!(matches!(verdict, Err(TranscriptError::Deals(DealsError::Deal { .. }))));
    let Event::Void(void) = stage.rescue(&[&others[..], &own[2..]].concat()) else { panic!() };
    assert_eq!(void.verify(&world.committee, &world.terms), Ok(()));
}

#[test]
fn nobody_voids_a_sound_statement() {
    let world = world(8, 4);
    let deals = pick(&world, &crate::common::dealings(&world), false);
    let plot = Plot::honest(&world, deals);
    let certificate = plot.certificate(&world, &ALL);
    for of in subsets() {
        let void = plot.void(&world, &certificate, &of);
        assert_eq!(void.verify(&world.committee, &world.terms), Err(VoidError::Sound), "{of:?}");
    }
}

/// The fragments of a proof.
type Shown = Vec<(u16, coded::Fragment)>;

/// What is changed in a proof, of a void statement and of a sound one, fails its check.
#[test]
fn each_field_of_a_proof_that_is_tampered_with_fails_its_check() {
    let world = world(8, 4);
    let garbled = garbled(&world).swap_remove(0).1;
    let sound = Plot::honest(&world, garbled.deals.clone());
    for plot in [garbled, sound.clone()] {
        let certificate = plot.certificate(&world, &ALL[..6]);
        let proof = plot.void(&world, &certificate, &[1, 4, 6]);
        let verdict = |change: &dyn Fn(&mut Void)| {
            let mut proof = proof.clone();
            change(&mut proof);
            proof.verify(&world.committee, &world.terms).unwrap_err()
        };
        use VoidError as E;
        assert_eq!(verdict(&|it| it.config.slot = 4), E::Config);
        assert_eq!(verdict(&|it| it.config.attempt = 1), E::Config);
        assert_eq!(verdict(&|it| it.config.purpose[0] ^= 1), E::Config);
        assert_eq!(verdict(&|it| it.config.group_size = 5), E::Config);
        assert_eq!(verdict(&|it| it.config.client = world.keys[0].public().to_bytes()), E::Config);
        assert_eq!(
            verdict(&|it| it.statement.what.session.0[0] ^= 1),
            E::Statement(StatementError::Session)
        );
        assert_eq!(verdict(&|it| it.statement.signature.0[0] ^= 1), E::Client);
        let own = |it: &mut Void| {
            it.statement = ByClient::new(&world.keys[0], it.statement.what.clone());
        };
        assert_eq!(verdict(&own), E::Client);
        let few = |it: &mut Void| it.certificate = plot.certificate(&world, &ALL[..5]);
        assert_eq!(verdict(&few), E::Certificate(VerifyError::Policy));
        // The client signs another statement, which the certificate is not on.
        let other = |it: &mut Void| {
            let mut statement = it.statement.what.clone();
            statement.availability = [7; 32];
            it.statement = ByClient::new(&world.client, statement);
        };
        assert_eq!(verdict(&other), E::Certificate(VerifyError::Signature));
        let with = |of: &[u16]| plot.void(&world, &certificate, of).fragments;
        for of in [&[1, 4][..], &[1, 4, 6, 7], &[4, 1, 6], &[1, 1, 6], &[]] {
            assert_eq!(verdict(&|it| it.fragments = with(of)), E::Fragments { need: 3 }, "{of:?}");
        }
        let changed = |act: &dyn Fn(&mut Shown)| {
            verdict(&|it| {
                let mut fragments = it.fragments.clone().into_inner();
                act(&mut fragments);
                it.fragments = BoundedVec::new(fragments).unwrap();
            })
        };
        let another = changed(&|it| it[1].0 = 5);
        assert_eq!(another, E::Fragment { server: 5 });
        assert_eq!(
            changed(&|it| it[2].0 = 8),
            E::Fragment { server: 8 },
            "there is no such server"
        );
        let flipped = changed(&|it| {
            let mut bytes = it[0].1.bytes.to_vec();
            bytes[0] ^= 1;
            it[0].1.bytes = BoundedBytes::new(bytes).unwrap();
        });
        assert_eq!(flipped, E::Fragment { server: 1 });
        let path = changed(&|it| it[0].1.siblings = BoundedVec::default());
        assert_eq!(path, E::Fragment { server: 1 });
    }
    // A sound statement of another slot does not hold in this one, and voids nothing here.
    let mut elsewhere = crate::common::world(8, 4);
    elsewhere.terms.slot = 4;
    let deals = pick(&elsewhere, &crate::common::dealings(&elsewhere), false);
    let foreign = Plot::honest(&elsewhere, deals);
    let certificate = foreign.certificate(&elsewhere, &ALL);
    let proof = foreign.void(&elsewhere, &certificate, &[0, 1, 2]);
    assert_eq!(proof.verify(&world.committee, &world.terms), Err(VoidError::Config));
    let config = world.session().config().clone();
    let proof = Void { config, ..proof };
    let why = VoidError::Statement(StatementError::Session);
    assert_eq!(proof.verify(&world.committee, &world.terms), Err(why));
    let none = Terms { group_size: 0, ..world.terms.clone() };
    let refused = proof.verify(&world.committee, &none);
    assert!(matches!(refused, Err(VoidError::Session(_))));
}

/// A proof that depends on no deal.
fn simple() -> Void {
    let world = world(4, 4);
    let statement = Statement {
        session: world.session().id(),
        dealers: Mask::of(4, [0, 2]),
        roots: BoundedVec::new(vec![[1; 32]]).unwrap(),
        availability: [0; 32],
    };
    let leaves = [[1; 6], [2; 6], [3; 6], [4; 6]].map(Vec::from);
    let mut plot = Plot::new(&world, vec![], &leaves);
    let availability = plot.statement.what.availability;
    plot.statement = ByClient::new(&world.client, Statement { availability, ..statement });
    let void = plot.void(&world, &plot.certificate(&world, &[0, 1, 3]), &[1, 3]);
    assert_eq!(void.verify(&world.committee, &world.terms), Ok(()));
    void
}

#[test]
fn the_format_of_proofs_is_pinned() {
    assert_eq!(pinned(&simple()), "7c849983e6783a3e");
}

#[test]
fn hostile_lengths_of_proofs_are_refused_without_allocating() {
    let void = simple();
    let bytes = void.encode();
    let fragments = bytes.len() - void.fragments.encode().len();
    let with = |at: usize, number: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        Void::decode(&bytes)
    };
    assert_eq!(with(fragments, 2), Ok(void.clone()));
    for number in [3, 65_537, u32::MAX] {
        assert!(with(fragments, number).is_err(), "{number} fragments");
    }
    // After their number and the first one's position.
    let first = fragments + 4 + 2;
    assert_eq!(with(first, 6), Ok(void));
    for number in [7, u32::try_from(coded::MAX_FRAGMENT).unwrap() + 1, u32::MAX] {
        assert!(with(first, number).is_err(), "{number} bytes");
    }
    let siblings = first + 4 + 6;
    for number in [65, u32::MAX] {
        assert!(with(siblings, number).is_err(), "{number} siblings");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is under the root, all fragments say the same.
    #[test]
    fn the_verdict_is_the_same_by_any_fragments(
        leaves in vec(vec(any::<u8>(), 0..40), 8),
        replaced in subsequence(&ALL[..], 0..=8),
        of in subsequence(&ALL[..], 3),
        others in subsequence(&ALL[..], 3),
    ) {
        thread_local! {
            static WORLD: World = world(8, 4);
            static SOUND: Plot = WORLD.with(|world| {
                Plot::honest(world, pick(world, &crate::common::dealings(world), false))
            });
        }
        WORLD.with(|world| SOUND.with(|sound| {
            let mut mixed: Vec<_> =
                sound.fragments.iter().map(|fragment| fragment.bytes.to_vec()).collect();
            for at in &replaced {
                mixed[usize::from(*at)].clone_from(&leaves[usize::from(*at)]);
            }
            let plot = Plot::new(world, sound.deals.clone(), &mixed);
            let certificate = plot.certificate(world, &ALL[..6]);
            let expected = if replaced.is_empty() { Err(VoidError::Sound) } else { Ok(()) };
            for of in [of, others] {
                let void = plot.void(world, &certificate, &of);
                prop_assert_eq!(void.verify(&world.committee, &world.terms), expected.clone());
            }
            Ok(())
        }))?;
    }
}

/// Whether the client's signature and f + 1 fragments show that a statement of its session has no
/// sound deals: what would do if the client could sign only one.
fn signed_and_void(world: &World, void: &Void) -> bool {
    let session = world.session();
    let roster = session.roster();
    let statement = &void.statement.what;
    let fragments =
        void.fragments.iter().map(|(at, fragment)| (world.index(*at), fragment.clone()));
    let fragments: std::collections::BTreeMap<_, _> = fragments.collect();
    let stand = |(index, fragment): (&cosi::machine::Index, &coded::Fragment)| {
        fragment.verify(roster, &statement.availability, *index)
    };
    void.statement.verify(session.client())
        && fragments.iter().all(stand)
        && coded::rebuild(&session, &fragments).is_none_or(|deals| {
            let choice = randhound::draw::Choice { statement: statement.clone(), deals };
            session.check_choice(&choice).is_err()
        })
}

/// A client that knows the slot's output, and the proof that it signed something void beside it.
fn beside_the_decided(world: &World) -> (Stage<'_>, Void) {
    let mut stage = Stage::new(world);
    let dealings = stage.deals(&ALL);
    let decided = Plot::honest(world, pick(world, &dealings, false));
    let certificate = stage.acknowledge(&decided, &ALL);
    let opened = stage.open(&decided, &certificate, &ALL);
    assert!(decided.output(world, &opened).is_some());
    let beside = Plot::new(world, pick(world, &dealings, true), &vec![vec![0; 2]; 8]);
    (stage, beside.void(world, &certificate, &[0, 1, 2]))
}

#[test]
fn a_void_statement_that_nobody_certified_breaks_published() {
    let world = world(8, 4);
    let (mut stage, void) = beside_the_decided(&world);
    assert!(signed_and_void(&world, &void), "the slot is open again");
    let Event::Finished(..) = stage.rescue(&ALL) else { panic!() };
    // The client knows one output, draws another, and has whichever it likes published.
}

#[test]
fn a_void_statement_that_nobody_certified_opens_nothing() {
    let world = world(8, 4);
    let (_, void) = beside_the_decided(&world);
    let why = VoidError::Certificate(VerifyError::Signature);
    assert_eq!(void.verify(&world.committee, &world.terms), Err(why.clone()));
    assert_eq!(refused(&world, 1, Some(void)), AttemptError::Void(why));
}

/// Why the server refuses to serve this attempt.
fn refused(world: &World, attempt: u32, void: Option<Void>) -> AttemptError {
    let SetupError::Attempt(why) = serve(world, attempt, void).unwrap_err() else { panic!() };
    why
}

fn serve(world: &World, attempt: u32, void: Option<Void>) -> Result<Server, SetupError> {
    let terms = Terms { attempt, ..world.terms.clone() };
    let session = Session::new(world.committee.clone(), &terms).unwrap();
    let setup = randhound::server::Setup { session, void, ..world.server_setup(0) };
    let mut rng = rng(1);
    Server::restore(setup, [], &mut Cx::new(Time::default(), &mut rng)).map(|(server, _)| server)
}

#[test]
fn only_a_void_attempt_opens_the_next() {
    let mut world = world(8, 4);
    let plot = garbled(&world).swap_remove(0).1;
    let certificate = plot.certificate(&world, &ALL);
    let void = plot.void(&world, &certificate, &[0, 1, 2]);
    assert!(serve(&world, 0, None).is_ok());
    assert_eq!(refused(&world, 0, Some(void.clone())), AttemptError::First);
    assert_eq!(refused(&world, 1, None), AttemptError::Closed(1));
    assert!(serve(&world, 1, Some(void.clone())).is_ok());
    let config = AttemptError::Void(VoidError::Config);
    assert_eq!(refused(&world, 2, Some(void.clone())), config, "that of attempt 0");
    let sound = Plot::honest(&world, plot.deals.clone());
    let certificate = sound.certificate(&world, &ALL);
    let sound = sound.void(&world, &certificate, &[0, 1, 2]);
    assert_eq!(refused(&world, 1, Some(sound)), AttemptError::Void(VoidError::Sound));
    world.terms.slot = 4;
    assert_eq!(refused(&world, 1, Some(void.clone())), config, "that of another slot");
    world.terms.slot = 3;

    // The slot goes to another client, and ends with an output, from fresh deals.
    let before = crate::common::dealings(&world);
    world.client = Seed::from_bytes([10; 32]).signing_key();
    world.terms = Terms { attempt: 1, client: world.client.public().to_bytes(), ..world.terms };
    world.void = Some(void);
    let (output, transcript) = world.run();
    assert_eq!(transcript.verify(&world.committee, &world.terms), Ok(output));
    let deals = transcript.groups.iter().flat_map(|part| part.deals.iter());
    for said in deals {
        assert_ne!(said.what.deal, before[usize::from(said.what.dealer)].what.deal);
    }
    // A server shows the proof after a crash again.
    assert!(serve(&world, 1, world.void.clone()).is_ok());
}
