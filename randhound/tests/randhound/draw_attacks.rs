//! Attacks on a draw: by its leader, by dealers, and by trustees.

use std::time::Duration;

use cosi::{machine::FaultKind, mask::Mask, wire::BoundedVec};
use randhound::{
    ChoiceError, DealingError, DealsError, Session, StatementError, Terms, blame,
    draw::{Choice, Command, Error, Message, Record},
    message::{Dealing, Deals, Said, Statement, root},
};

use crate::{
    common::{World, deal_again, rng, world},
    net::Net,
};

/// The published run: the client alone gets the shares, and nothing binds it to a slot. It runs
/// again until it likes the output, and publishes that run.
#[test]
fn a_client_that_withholds_what_it_dislikes_breaks_published() {
    let mut world = world(4, 4);
    let liked = (0..).find_map(|slot| {
        world.terms.slot = slot;
        let (output, transcript) = world.run();
        (output.0[0] >= 248).then_some((output, transcript))
    });
    let (output, transcript) = liked.unwrap();
    // The verifier takes the slot from the transcript, and sees one honest run.
    let terms = Terms { slot: transcript.config.slot, ..world.terms.clone() };
    assert_eq!(transcript.verify(&world.committee, &terms), Ok(output));
    assert_ne!(terms.slot, 0, "the adversary chose the output");
}

/// The same leader in a draw. It makes two choices and tries to learn what either yields.
#[test]
fn a_leader_that_withholds_learns_nothing_and_is_replaced() {
    let world = world(7, 3);
    // Before the decision it has every message that anybody sends, and acts on none.
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, withheld) = net.chosen[0].clone();
    for at in 1..7 {
        net.wire.push_back((0, at, Message::Ask(withheld.statement.id())));
    }
    net.deliver();
    net.wait(Duration::from_secs(1));
    net.deliver();
    assert_eq!(net.shares(), [], "there is no output that it could like or dislike");
    // Consensus changes its view. The next leader lacks a dealer, and so proposes another choice.
    let mut other = Net::with(
        &world,
        Box::new(|from, _, message| if from == 6 { vec![] } else { vec![message] }),
    );
    other.lead(1);
    other.deliver();
    other.wait(Duration::from_secs(2));
    let (_, decided) = other.chosen[0].clone();
    net.lead(1);
    net.decide(&decided);
    net.deliver();
    let output = net.output(&decided, &[]);
    // What it withheld is opened by nobody, even if it says that this is decided.
    for at in 1..7 {
        net.tell(at, Command::Decided(Box::new(withheld.clone())));
        net.wire.push_back((0, at, Message::Ask(withheld.statement.id())));
    }
    net.deliver();
    assert_eq!(net.output(&decided, &[]), output);
    let decided = decided.statement.id();
    assert!(net.shares().iter().all(|(_, opened)| opened.statement == decided));
}

/// After the decision a leader that says nothing more stops nobody, since all serve all.
#[test]
fn a_leader_that_is_silent_after_the_decision_stops_nothing() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.corrupt = Box::new(|from, _, message| if from == 0 { vec![] } else { vec![message] });
    for at in 1..7 {
        net.tell(at, Command::Decided(Box::new(choice.clone())));
    }
    net.deliver();
    net.output(&choice, &[0]);
}

/// A sound choice in a world of two groups of four, and all deals.
fn sound(world: &World) -> (Choice, Vec<Said<Dealing>>) {
    let mut net = Net::new(world);
    net.lead(0);
    net.deliver();
    let deals = net.servers().map(|at| net.deal(at));
    (net.chosen[0].1.clone(), deals.collect())
}

/// The choice with other deals in group 0, under a root and a mask that fit them.
fn with_deals(
    world: &World,
    sound: &Choice,
    change: impl FnOnce(&mut Vec<Said<Dealing>>),
) -> Choice {
    let mut deals = sound.deals.clone().into_inner();
    let mut first = deals[0].clone().into_inner();
    change(&mut first);
    let mut roots = sound.statement.roots.clone().into_inner();
    roots[0] = root(0, &first);
    deals[0] = Deals::new(first).unwrap();
    let dealers = deals.iter().flat_map(|deals| deals.iter()).map(|said| said.what.dealer);
    let dealers = Mask::of(world.keys.len(), dealers);
    let roots = BoundedVec::new(roots).unwrap();
    let statement = Statement { dealers, roots, ..sound.statement.clone() };
    Choice { statement, deals: BoundedVec::new(deals).unwrap() }
}

#[test]
fn a_choice_that_does_not_hold_is_refused_by_name() {
    let world = world(8, 4);
    let session = world.session();
    let (sound, deals) = sound(&world);
    let dealer = sound.deals[0][0].what.dealer;
    let terms = Terms { slot: 99, ..world.terms.clone() };
    let elsewhere = Session::new(world.committee.clone(), &terms).unwrap();
    let statement = |change: &dyn Fn(&mut Statement)| {
        let mut choice = sound.clone();
        change(&mut choice.statement);
        choice
    };
    let bad = |why| ChoiceError::Deals(DealsError::Deal { dealer, why });
    let few = |have| StatementError::Threshold { group: 0, have, need: 2 };
    let key = &world.keys[usize::from(dealer)];
    let (foreign, _) = sound.deals[1].split_first().unwrap();
    let unused = deals.iter().find(|said| {
        let place = session.groups().place(world.index(said.what.dealer)).unwrap();
        place.group == 0 && !sound.statement.dealers.contains(said.what.dealer)
    });
    let unused = unused.unwrap().clone();
    let cases = [
        (
            statement(&|statement| statement.session = elsewhere.id()),
            StatementError::Session.into(),
        ),
        (
            statement(&|statement| statement.dealers = Mask::of(9, [])),
            StatementError::Dealers.into(),
        ),
        (statement(&|statement| statement.availability[3] = 1), ChoiceError::Availability),
        (
            statement(&|statement| statement.roots = BoundedVec::default()),
            StatementError::Roots.into(),
        ),
        // Too few dealers, and too many.
        (with_deals(&world, &sound, |deals| drop(deals.pop())), few(1).into()),
        (with_deals(&world, &sound, |deals| deals.push(unused.clone())), few(3).into()),
        // Not a list a group.
        (
            Choice { deals: BoundedVec::default(), ..sound.clone() },
            ChoiceError::Groups { have: 0, need: 2 },
        ),
        // Another root.
        (
            statement(&|statement| {
                let mut roots = statement.roots.clone().into_inner();
                roots[1][0] ^= 1;
                statement.roots = BoundedVec::new(roots).unwrap();
            }),
            DealsError::Root { group: 1 }.into(),
        ),
        // A deal by somebody else than the mask says.
        (
            {
                let mut choice = with_deals(&world, &sound, |deals| deals[0] = unused.clone());
                choice.statement.dealers = sound.statement.dealers.clone();
                choice
            },
            DealsError::Dealers { group: 0 }.into(),
        ),
        // A deal of the other group.
        (with_deals(&world, &sound, |deals| deals[0] = foreign.clone()), few(1).into()),
        // A deal of another session, signed as such.
        (
            with_deals(&world, &sound, |deals| {
                let again = deal_again(&world, &elsewhere, &deals[0], &mut rng(4));
                let what = Dealing { session: elsewhere.id(), ..again.what };
                deals[0] = Said::new(key, what);
            }),
            bad(DealingError::Foreign),
        ),
        // A deal that does not hold, signed by its dealer.
        (
            with_deals(&world, &sound, |deals| {
                deals[0] = deal_again(&world, &elsewhere, &deals[0], &mut rng(4));
            }),
            bad(DealingError::Deal(pvss::DealError::Proof)),
        ),
        // A deal that nobody signed.
        (
            with_deals(&world, &sound, |deals| deals[0].signature.0[0] ^= 1),
            bad(DealingError::Signature),
        ),
    ];
    let mut net = Net::new(&world);
    for (choice, why) in cases {
        assert_eq!(session.check_choice(&choice).unwrap_err(), why);
        assert_eq!(net.on(3, |draw, _| draw.check(&choice)), Err(why.clone()));
        let command = Command::Decided(Box::new(choice));
        let refused = net.on(3, |draw, cx| draw.handle_command(cx, command)).unwrap_err();
        assert_eq!(refused, Error::Choice(why));
    }
    // Neither do other deals pass under a statement that was checked.
    net.on(3, |draw, _| draw.check(&sound)).unwrap();
    let swapped = Choice {
        statement: sound.statement.clone(),
        ..with_deals(&world, &sound, |deals| {
            deals[0] = deal_again(&world, &session, &deals[0], &mut rng(4));
        })
    };
    let command = Command::Decided(Box::new(swapped));
    let refused = net.on(3, |draw, cx| draw.handle_command(cx, command)).unwrap_err();
    assert_eq!(refused, Error::Choice(DealsError::Root { group: 0 }.into()));
    // It is as before, and opens what holds.
    assert_eq!(session.check_choice(&sound).unwrap().len(), 2);
    net.decide(&sound);
    net.deliver();
    net.output(&sound, &[]);
}

/// The first two servers of each group deal badly, in one way or another.
#[test]
fn bad_deals_are_left_out_and_convict_who_signed_them() {
    let world = world(16, 8);
    let session = world.session();
    let terms = Terms { slot: 99, ..world.terms.clone() };
    let elsewhere = Session::new(world.committee.clone(), &terms).unwrap();
    let bad: Vec<u16> =
        session.groups().iter().flat_map(|(_, all)| &all[..2]).map(|at| at.get()).collect();
    let leader = (0..16).find(|at| !bad.contains(at)).unwrap();
    type Way<'a> = &'a dyn Fn(&Said<Dealing>) -> Vec<Said<Dealing>>;
    let ways: [(Way<'_>, FaultKind, bool); 5] = [
        (
            &|said| {
                let mut said = said.clone();
                said.signature.0[0] ^= 1;
                vec![said]
            },
            FaultKind::BadSignature,
            false,
        ),
        (
            &|said| vec![deal_again(&world, &elsewhere, said, &mut rng(4))],
            FaultKind::InvalidProof,
            true,
        ),
        (
            &|said| vec![said.clone(), deal_again(&world, &session, said, &mut rng(4))],
            FaultKind::Equivocation,
            true,
        ),
        (
            &|said| {
                let mut said = said.clone();
                said.what.dealer ^= 1;
                vec![said]
            },
            FaultKind::InvalidPayload,
            false,
        ),
        (
            &|said| {
                let what = Dealing { session: elsewhere.id(), ..said.what.clone() };
                vec![Said::new(&world.keys[usize::from(what.dealer)], what)]
            },
            FaultKind::InvalidPayload,
            false,
        ),
    ];
    for (way, kind, convicts) in ways {
        let corrupt = |from, _, message| {
            let Message::Dealing(said) = &message else { return vec![message] };
            let said = if bad.contains(&from) { way(said) } else { vec![said.clone()] };
            said.into_iter().map(Message::Dealing).collect()
        };
        let mut net = Net::with(&world, Box::new(corrupt));
        net.lead(leader);
        net.deliver();
        net.wait(Duration::from_secs(2));
        let [(_, choice)] = &net.chosen[..] else { panic!("{kind:?}") };
        let choice = choice.clone();
        assert_eq!(net.faults.len(), bad.len(), "{kind:?}");
        for (at, fault) in &net.faults {
            assert_eq!((*at, fault.kind), (leader, kind));
            assert!(bad.contains(&fault.culprit.get()));
            let convicted = fault.evidence.as_ref().map(|proof| blame::verify(proof, &session));
            let culprit = randhound::Peer::Server(fault.culprit);
            assert_eq!(convicted, convicts.then_some(Some(culprit)));
        }
        net.decide(&choice);
        net.deliver();
        net.output(&choice, &[]);
    }
}

/// A dealer tells one leader this and the next one that. What is decided convicts it.
#[test]
fn a_deal_other_than_the_decided_one_convicts_its_dealer() {
    let world = world(7, 3);
    let session = world.session();
    let dealer = session.groups().members(0).unwrap()[0];
    let [one, two] = [0, 1, 2].map(|at| (dealer.get() + at) % 7)[1..] else { panic!() };
    let corrupt = |from, to, mut message| {
        if let Message::Dealing(said) = &mut message
            && (from, to) == (dealer.get(), one)
        {
            *said = deal_again(&world, &session, said, &mut rng(4));
        }
        vec![message]
    };
    let mut net = Net::with(&world, Box::new(corrupt));
    for leader in [one, two] {
        net.lead(leader);
        net.deliver();
    }
    let [_, (_, choice)] = &net.chosen[..] else { panic!() };
    let choice = choice.clone();
    assert_eq!(net.faults, []);
    net.decide(&choice);
    net.deliver();
    net.output(&choice, &[]);
    let [(at, fault)] = &net.faults[..] else { panic!("{:?}", net.faults) };
    assert_eq!((*at, fault.culprit, fault.kind), (one, dealer, FaultKind::Equivocation));
    let convicted = blame::verify(fault.evidence.as_ref().unwrap(), &session);
    assert_eq!(convicted, Some(randhound::Peer::Server(dealer)));
}

/// All but t_l members of each group open garbage, or nothing.
#[test]
fn bad_and_withheld_shares_stop_nothing_while_the_threshold_is_honest() {
    let world = world(16, 8);
    let session = world.session();
    let bad: Vec<u16> =
        session.groups().iter().flat_map(|(_, all)| &all[3..]).map(|at| at.get()).collect();
    assert_eq!(bad.len(), 10);
    for garbage in [true, false] {
        let mut net = Net::new(&world);
        net.lead(0);
        net.deliver();
        let (_, choice) = net.chosen[0].clone();
        net.corrupt = Box::new(|from, _, mut message| {
            let Message::Opened(opened) = &mut message else { return vec![message] };
            if bad.contains(&from) {
                opened.share.shares = garbage_share(from);
            }
            if bad.contains(&from) && !garbage { vec![] } else { vec![message] }
        });
        net.decide(&choice);
        // The bad ones come first.
        net.wire.make_contiguous().reverse();
        net.deliver();
        net.output(&choice, &bad);
        assert!(net.faults.iter().all(|(at, fault)| {
            bad.contains(&fault.culprit.get())
                && fault.kind == FaultKind::InvalidProof
                && fault.culprit.get() != *at
        }));
        assert_eq!(net.faults.is_empty(), !garbage);
    }
}

/// One share that is no point, and another one that is the identity.
fn garbage_share<const N: usize>(from: u16) -> BoundedVec<[u8; 32], N> {
    BoundedVec::new(vec![[u8::try_from(from % 2).unwrap() * 255; 32]]).unwrap()
}

/// One share too few in one group: nobody draws, and everybody asks until somebody answers.
#[test]
fn who_lacks_a_share_asks_until_it_comes() {
    let world = world(7, 3);
    let members = world.session().groups().members(0).unwrap().to_vec();
    let late: Vec<u16> = members[1..].iter().map(|member| member.get()).collect();
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.corrupt =
        Box::new(|from, _, message| if late.contains(&from) { vec![] } else { vec![message] });
    net.decide(&choice);
    net.deliver();
    for _ in 0..3 {
        net.wait(Duration::from_millis(400));
        net.deliver();
    }
    let drawn = |net: &Net<'_>| net.drawn.iter().filter(|drawn| drawn.is_some()).count();
    assert_eq!(drawn(&net), late.len(), "they have their own shares and the first one's");
    net.corrupt = Box::new(|_, _, message| vec![message]);
    let before = net.sent.len();
    net.wait(Duration::from_millis(399));
    assert_eq!(net.sent.len(), before);
    net.wait(Duration::from_millis(1));
    net.deliver();
    net.output(&choice, &[]);
    // Each answer is the share that was opened first.
    for (at, message) in &net.sent[before..] {
        let Message::Opened(opened) = message else { continue };
        assert_eq!(net.journals[usize::from(*at)][2], Record::Opened(opened.clone()));
    }
}
