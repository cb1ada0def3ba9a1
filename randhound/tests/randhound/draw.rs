//! Draws by consensus: whole runs, leaders that fall silent, crashes, and bounds.

use std::time::Duration;

use cosi::machine::{Cx, FaultKind, Step, Time};
use randhound::{
    AttemptError, Draw, Session, Terms,
    draw::{Command, Error, Event, Message, Record, Setup, SetupError},
};

use crate::{
    common::{released, rng, world},
    net::Net,
};

#[test]
fn a_draw_ends_everywhere_with_the_one_output() {
    for (servers, size) in [(1, 1), (2, 2), (7, 3), (16, 4), (16, 8)] {
        let world = world(servers, size);
        let mut net = Net::new(&world);
        net.lead(servers / 2);
        net.deliver();
        let [(leader, choice)] = &net.chosen[..] else { panic!("{servers} {size}") };
        assert_eq!(*leader, servers / 2);
        let choice = choice.clone();
        assert_eq!(net.shares(), []);
        net.decide(&choice);
        net.deliver();
        net.output(&choice, &[]);
        assert_eq!(net.faults, []);
        assert_eq!(net.draws[0].next_timeout(), None);
    }
}

#[test]
fn a_leader_waits_for_all_or_for_the_grace_and_chooses_in_order() {
    let world = world(16, 8);
    let session = world.session();
    let mut orders = Vec::new();
    for shift in [0, 5, 11] {
        let mut net = Net::new(&world);
        net.lead(4);
        net.wire.rotate_left(shift);
        if shift == 11 {
            net.wire.make_contiguous().reverse();
        }
        let last = net.wire.pop_back().unwrap();
        net.deliver();
        assert_eq!(net.chosen, [], "one server more is waited for");
        net.wire.push_back(last);
        net.deliver();
        orders.push(net.chosen);
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "in whatever order deals came");
    let (_, choice) = &orders[0][0];
    for ((_, members), deals) in session.groups().iter().zip(choice.deals.iter()) {
        let dealers: Vec<_> = deals.iter().map(|said| said.what.dealer).collect();
        let first: Vec<_> = members.iter().map(|member| member.get()).take(3).collect();
        assert_eq!(dealers, first);
    }

    // Servers 0 to 3 are silent: the grace passes, and the others make do.
    let silent = |from, _, message| if from < 4 { vec![] } else { vec![message] };
    let mut net = Net::with(&world, Box::new(silent));
    net.lead(4);
    net.deliver();
    net.wait(Duration::from_millis(1_999));
    net.deliver();
    assert_eq!(net.chosen, []);
    assert_eq!(net.draws[4].next_timeout(), Some(Time::at(Duration::from_secs(2))));
    net.wait(Duration::from_millis(1));
    let [(4, choice)] = &net.chosen[..] else { panic!() };
    let choice = choice.clone();
    assert!(choice.statement.dealers.iter().all(|dealer| dealer >= 4));
    // Told to lead again, it proposes the same again, at once.
    net.tell(4, Command::Lead);
    assert_eq!(net.chosen, [(4, choice.clone()), (4, choice.clone())]);
    net.decide(&choice);
    net.deliver();
    net.output(&choice, &[0, 1, 2, 3]);
}

#[test]
fn after_the_grace_a_leader_waits_for_the_threshold_of_every_group() {
    let world = world(8, 4);
    let members = world.session().groups().members(1).unwrap().to_vec();
    let members: Vec<_> = members.iter().map(|member| member.get()).collect();
    let others = world.session().groups().members(0).unwrap().to_vec();
    let others: Vec<_> = others.iter().map(|member| member.get()).collect();
    // Of group 1 one server alone deals, and of group 0 all but the first.
    let absent = [others[0], members[1], members[2], members[3]];
    let leader = others[3];
    let late = |from: u16, _, message| {
        if absent.contains(&from) { vec![] } else { vec![message] }
    };
    let mut net = Net::with(&world, Box::new(late));
    net.lead(leader);
    net.deliver();
    net.wait(Duration::from_secs(5));
    net.deliver();
    assert_eq!(net.chosen, []);
    assert_eq!(net.draws[usize::from(leader)].next_timeout(), None, "time alone changes nothing");
    // A bad deal raises hopes, and then the first of group 0 and a good one of group 1 come.
    let mut bad = net.deal(members[1]);
    bad.signature.0[0] ^= 1;
    net.wire.push_back((members[1], leader, Message::Dealing(bad)));
    net.deliver();
    assert_eq!((net.chosen.len(), net.faults.len()), (0, 1));
    for at in [others[0], members[3]] {
        net.wire.push_back((at, leader, Message::Dealing(net.deal(at))));
    }
    net.deliver();
    let [(_, choice)] = &net.chosen[..] else { panic!() };
    let chosen = |group: usize| {
        let dealers = choice.deals[group].iter().map(|said| said.what.dealer);
        dealers.collect::<Vec<_>>()
    };
    assert_eq!(chosen(0), others[..2], "the first of all that came");
    assert_eq!(chosen(1), [members[0], members[3]]);
}

#[test]
fn a_later_leader_completes_the_same_run_with_the_same_deals() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    let dealt: Vec<_> = net.journals.iter().map(|journal| journal[0].clone()).collect();
    // The first leader hears of all deals, and its proposal is lost.
    net.lead(1);
    net.deliver();
    // Deals are sent again, to whoever leads, and are the same.
    net.wait(Duration::from_millis(400));
    net.lead(5);
    net.wait(Duration::from_millis(400));
    net.deliver();
    let [(1, first), (5, second)] = &net.chosen[..] else { panic!() };
    let (first, second) = (first.clone(), second.clone());
    assert_eq!(first, second, "the same deals make the same choice");
    for (at, message) in &net.sent {
        let Message::Dealing(said) = message else { panic!("{message:?}") };
        assert_eq!(Record::Dealt(said.clone()), dealt[usize::from(*at)]);
    }
    net.decide(&second);
    net.deliver();
    let output = net.output(&second, &[]);
    assert!(net.journals.iter().zip(&dealt).all(|(journal, dealt)| journal[0] == *dealt));

    // Whoever leads, what is decided fixes the output.
    let mut net = Net::new(&world);
    net.lead(2);
    net.decide(&first);
    net.deliver();
    assert_eq!(net.output(&first, &[]), output);
    assert_eq!(net.faults, []);
}

#[test]
fn a_checked_choice_is_proposed_by_who_comes_to_lead() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    net.lead(1);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.on(3, |draw, _| draw.check(&choice)).unwrap();
    net.tell(3, Command::Lead);
    assert_eq!(net.chosen[1], (3, choice), "without a single deal but its own");
}

#[test]
fn nobody_opens_before_the_decision() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    let mut other = Net::new(&world);
    other.decide(&choice);
    let shares: Vec<_> = other.wire.drain(..).collect();
    for at in net.servers() {
        net.on(at, |draw, _| draw.check(&choice)).unwrap();
        net.tell(at, Command::Lead);
        for from in net.servers().filter(|from| *from != at) {
            net.wire.push_back((from, at, Message::Ask(choice.statement.id())));
        }
    }
    net.wire.extend(shares);
    net.deliver();
    net.wait(Duration::from_secs(60));
    net.deliver();
    assert_eq!(net.shares(), []);
    assert!(net.journals.iter().all(|journal| matches!(journal[..], [Record::Dealt(_)])));
    assert!(net.drawn.iter().all(Option::is_none));
    // All shares were early, and each server draws as soon as it decides.
    net.tell(6, Command::Decided(Box::new(choice)));
    assert!(net.drawn[6].is_some());
    assert_eq!(net.faults, []);
}

#[test]
fn a_crash_at_every_record_repeats_what_was_said_and_ends_in_the_same_output() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    // Of a deal that was not recorded nothing was sent.
    net.restart(2, 0);
    net.lead(1);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.decide(&choice);
    net.deliver();
    let output = net.output(&choice, &[]);
    let (journals, drawn) = (net.journals.clone(), net.drawn.clone());
    for everybody in [false, true] {
        for kept in (1..=4).rev() {
            for at in net.servers().filter(|at| everybody || *at == 4) {
                let journal = &journals[usize::from(at)];
                let [dealt, Record::Decided(_), Record::Opened(opened), Record::Drawn(_)] =
                    &journal[..]
                else {
                    panic!()
                };
                net.journals[usize::from(at)].clone_from(journal);
                let said = net.restart(at, kept);
                let shares = said.iter().filter(|said| matches!(said, Message::Opened(_)));
                assert_eq!(shares.count(), usize::from(kept > 1));
                if kept > 2 {
                    assert_eq!(said[0], Message::Opened(opened.clone()), "verbatim");
                }
                assert_eq!(net.drawn[usize::from(at)].is_some(), kept == 4);
                assert_eq!(net.journals[usize::from(at)][0], *dealt);
                if kept == 4 {
                    assert_eq!(net.drawn[usize::from(at)], drawn[usize::from(at)]);
                    assert_eq!(net.journals[usize::from(at)], *journal, "nothing twice");
                }
                if kept == 1 {
                    net.tell(at, Command::Follow(world.index((at + 1) % 7)));
                    let (_, Message::Dealing(said)) = net.sent.last().unwrap() else { panic!() };
                    assert_eq!(Record::Dealt(said.clone()), *dealt, "verbatim");
                    net.tell(at, Command::Decided(Box::new(choice.clone())));
                }
            }
            net.wait(Duration::from_millis(400));
            net.deliver();
            assert_eq!(net.output(&choice, &[]), output, "{kept}");
            assert_eq!(net.faults, []);
        }
    }
}

#[test]
fn the_first_decision_counts_for_good() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    net.lead(1);
    net.deliver();
    let (_, first) = net.chosen[0].clone();
    // Another sound choice: without the first dealer of all.
    let without = first.deals[0][0].what.dealer;
    let silent = |from, _, message| if from == without { vec![] } else { vec![message] };
    let leader = (without + 1) % 7;
    let mut others = Net::with(&world, Box::new(silent));
    others.lead(leader);
    others.deliver();
    others.wait(Duration::from_secs(2));
    let (_, second) = others.chosen[0].clone();
    assert!(world.session().check_choice(&second).is_ok());
    assert_ne!(first.statement.id(), second.statement.id());

    net.decide(&first);
    net.deliver();
    let output = net.output(&first, &[]);
    let sent = net.sent.len();
    net.decide(&second);
    net.decide(&first);
    net.lead(2);
    net.deliver();
    assert_eq!((net.sent.len(), net.output(&first, &[])), (sent, output));
    // Who asks for another statement than the decided one is no honest server.
    let zero = world.index(0);
    let ask = Message::Ask(second.statement.id());
    let output = released(net.on(1, |draw, cx| draw.handle_message(cx, zero, ask)));
    assert_eq!(output.messages, []);
    assert_eq!(output.faults[0].kind, FaultKind::InvalidPayload);
    // A crash does not bring a second chance.
    net.restart(1, 3);
    net.tell(1, Command::Decided(Box::new(second)));
    net.wait(Duration::from_millis(400));
    net.deliver();
    net.output(&first, &[]);
}

#[test]
fn one_deal_and_one_share_a_server_are_kept_whatever_arrives() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    let deals: Vec<_> = net.servers().map(|at| net.deal(at)).collect();
    let mut other = Net::new(&world);
    other.lead(0);
    other.deliver();
    let (_, choice) = other.chosen[0].clone();
    other.decide(&choice);
    let shares = other.shares();
    let share = |from: u16| shares.iter().find(|(at, _)| *at == from).unwrap().1.clone();
    let mut random = rng(8);
    let mut cx = Cx::new(Time::default(), &mut random);
    let mut draw = net.draws.remove(0);
    for _ in 0..3 {
        for (at, said) in (1..).zip(&deals[1..]) {
            let from = world.index(at);
            let kept = draw.handle_message(&mut cx, from, Message::Dealing(said.clone()));
            assert_eq!(kept, Step::none());
            // The first share of each is a wrong one, and the right ones come too late.
            let mut wrong = share(at);
            wrong.share.shares = share(at % 6 + 1).share.shares;
            let kept = draw.handle_message(&mut cx, from, Message::Opened(wrong));
            assert_eq!(kept, Step::none());
            let kept = draw.handle_message(&mut cx, from, Message::Opened(share(at)));
            assert_eq!(kept, Step::none());
        }
    }
    // Strangers have no slot, and what fills one is not replaced.
    let stranger = crate::common::world(8, 4).index(7);
    let full = format!("{draw:?}");
    for from in [stranger, world.index(1)] {
        for message in [Message::Dealing(deals[1].clone()), Message::Opened(share(1))] {
            assert_eq!(draw.handle_message(&mut cx, from, message), Step::none());
        }
    }
    assert_eq!(format!("{draw:?}"), full);
    let zero = released(draw.handle_command(&mut cx, Command::Lead).unwrap());
    assert_eq!(zero.events, [Event::Chosen(Box::new(choice.clone()))], "everybody dealt");
    let step = draw.handle_command(&mut cx, Command::Decided(Box::new(choice))).unwrap();
    let output = released(step);
    assert_eq!((output.events, output.faults.len()), (vec![], 6));
    assert!(output.faults.iter().all(|fault| fault.kind == FaultKind::InvalidProof));
    // Nobody is left to be asked.
    let due = draw.next_timeout().unwrap();
    let step = draw.handle_timeout(&mut Cx::new(due, &mut rng(9)));
    assert_eq!(step, Step::none());
    assert!(draw.next_timeout().unwrap() > due);
}

/// The proof of a share is about one statement, and so is the message around it.
#[test]
fn a_share_of_another_statement_is_its_servers_fault() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.decide(&choice);
    net.wire.clear();
    let (_, mut share) = net.shares()[5].clone();
    share.statement.0[0] ^= 1;
    net.wire.push_back((5, 0, Message::Opened(share)));
    net.deliver();
    let [(0, fault)] = &net.faults[..] else { panic!() };
    assert_eq!((fault.culprit.get(), fault.kind), (5, FaultKind::InvalidProof));
}

#[test]
fn a_draw_refuses_what_is_not_its_own() {
    let world = world(7, 3);
    let mut net = Net::new(&world);
    let own = world.index(2);
    let refused = net.on(2, |draw, cx| draw.handle_command(cx, Command::Follow(own)));
    assert_eq!(refused.unwrap_err(), Error::Follow);
    net.lead(1);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.decide(&choice);
    net.deliver();

    let mut random = rng(3);
    let mut cx = Cx::new(Time::default(), &mut random);
    let mut refused = |setup, records: &[Record]| {
        Draw::restore(setup, records.iter().cloned(), &mut cx).unwrap_err()
    };
    let mine = net.journals[2].clone();
    let setup = || world.draw_setup(2);
    let mut keys = setup();
    keys.key = world.keys[1].clone();
    assert_eq!(refused(keys, &mine), SetupError::Keys);
    let mut secret = setup();
    secret.secret = world.secrets[1].clone();
    assert!(matches!(refused(secret, &mine), SetupError::Keys | SetupError::Secret(_)));
    let foreign = SetupError::Foreign;
    assert_eq!(refused(setup(), &net.journals[3]), foreign, "another server's");
    assert_eq!(refused(setup(), &net.journals[3][..1]), foreign);
    let [dealt, decided, opened, drawn] = &mine[..] else { panic!() };
    for records in [
        &[decided][..],
        &[dealt, dealt],
        &[dealt, opened],
        &[dealt, drawn],
        &[dealt, decided, drawn],
        &[dealt, decided, opened, opened],
        &[dealt, decided, opened, decided],
        &[dealt, decided, &net.journals[3][2]],
        &[dealt, decided, opened, &Record::Drawn(Default::default())],
    ] {
        let records: Vec<_> = records.iter().map(|record| (*record).clone()).collect();
        assert_eq!(refused(setup(), &records), foreign, "{records:?}");
    }
    let with = |terms| {
        let session = Session::new(world.committee.clone(), &terms).unwrap();
        Setup { session, ..setup() }
    };
    let other = with(Terms { slot: 4, ..world.terms.clone() });
    assert_eq!(refused(other.clone(), &mine), foreign, "no other slot from the slot's journal");
    assert_eq!(refused(other, &mine[..1]), foreign);
    let second = with(Terms { attempt: 1, ..world.terms.clone() });
    let closed = SetupError::Attempt(AttemptError::Closed(1));
    assert_eq!(refused(second, &[]), closed, "what consensus decides is never void");
}
