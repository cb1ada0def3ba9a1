//! What a client does with what servers say, and with its own records.

use std::time::Duration;

use cosi::machine::{Cx, FaultKind, Step, Time, To};
use randhound::{
    Client, Message, Peer, client,
    client::{Command, Record},
    message::{Dealing, Said, Shown},
};

use crate::{
    common::{World, dealings, released, rng, world},
    table::Table,
};

fn say(client: &mut Client, cx: &mut Cx<'_>, said: &Said<Dealing>, world: &World) -> Vec<Record> {
    let from = Peer::Server(world.index(said.what.dealer));
    let step = client.handle_message(cx, from, world.dealt(said));
    step.into_records().0
}

/// The choices that a step sends.
fn choices(messages: &[(To<Peer>, Message)]) -> Vec<&Shown> {
    let shown = messages.iter().filter_map(|(_, message)| {
        let Message::Choice(shown) = message else { return None };
        Some(shown)
    });
    shown.collect()
}

#[test]
fn a_client_keeps_to_the_choice_that_it_recorded() {
    let world = world(4, 4);
    let deals = dealings(&world);
    let mut rng = rng(1);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let mut client = world.client();
    let (mut records, _) = client.handle_command(&mut cx, Command::Start).unwrap().into_records();
    assert_eq!(records, [Record::Started]);
    assert_eq!(say(&mut client, &mut cx, &deals[2], &world), []);
    assert_eq!(say(&mut client, &mut cx, &deals[3], &world), [], "too few offered");
    assert_eq!(say(&mut client, &mut cx, &deals[1], &world), [], "others may yet deal");
    let later = client.next_timeout().unwrap();
    assert_eq!(later, Time::at(Duration::from_millis(200)));
    let step = client.handle_timeout(&mut Cx::new(later, &mut crate::common::rng(2)));
    let (chosen, _) = step.into_records();
    let [Record::Chosen(choice, _)] = &chosen[..] else { panic!("{chosen:?}") };
    assert_eq!(choice.what.dealers.iter().collect::<Vec<_>>(), [2, 3]);
    let choice = choice.clone();
    records.extend(chosen);

    // Other deals come first after the crash, and change nothing.
    let (mut client, step) = Client::restore(world.client_setup(), records, &mut cx).unwrap();
    let output = released(step);
    let again = choices(&output.messages);
    assert_eq!(again.len(), 4);
    assert!(again.iter().all(|shown| shown.statement == choice));
    for said in &deals[..2] {
        assert_eq!(say(&mut client, &mut cx, said, &world), []);
    }
    let later = client.next_timeout().unwrap();
    let output = released(client.handle_timeout(&mut Cx::new(later, &mut crate::common::rng(2))));
    let again = choices(&output.messages);
    assert_eq!(again.len(), 4);
    assert!(again.iter().all(|shown| shown.statement == choice));
}

/// A client whose journal lost its choice would make another one, and sign both.
#[test]
fn a_journal_with_a_gap_is_refused() {
    let world = world(4, 4);
    let mut table = Table::new(&world);
    let mut asked = table.start();
    while table.events.is_empty() {
        asked = table.deliver(asked);
    }
    let whole = &table.records;
    assert_eq!(whole.len(), 3);
    let mut rng = rng(1);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let mut restore = |of: &[usize]| {
        let records = of.iter().map(|at| whole[*at].clone());
        Client::restore(world.client_setup(), records, &mut cx).map(drop)
    };
    for of in [&[][..], &[0], &[0, 1], &[0, 1, 2]] {
        assert_eq!(restore(of), Ok(()), "{of:?}");
    }
    for of in [&[0, 2][..], &[1], &[2], &[1, 2], &[0, 1, 0], &[0, 0], &[0, 1, 1], &[0, 1, 2, 1]] {
        assert_eq!(restore(of), Err(client::SetupError::Foreign), "{of:?}");
    }
}

#[test]
fn servers_answer_for_themselves() {
    let world = world(4, 4);
    let deals = dealings(&world);
    let mut rng = rng(1);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let mut client = world.client();
    let early = world.dealt(&deals[0]);
    let zero = Peer::Server(world.index(0));
    assert_eq!(client.handle_message(&mut cx, zero, early.clone()), Step::none(), "early");
    let _ = client.handle_command(&mut cx, Command::Start).unwrap();
    let one = Peer::Server(world.index(1));
    let output = released(client.handle_message(&mut cx, one, early.clone()));
    assert_eq!((output.faults[0].culprit, output.faults[0].kind), (one, FaultKind::InvalidPayload));
    assert_eq!(client.handle_message(&mut cx, one, early.clone()), Step::none(), "told once");
    assert_eq!(client.handle_message(&mut cx, Peer::Guest(1), early.clone()), Step::none());
    // One slot a server: a peer that repeats itself makes nothing grow.
    for _ in 0..10 {
        assert_eq!(client.handle_message(&mut cx, zero, early.clone()), Step::none());
    }
    // A forged second deal is no evidence.
    let mut forged = deals[0].clone();
    forged.what.deal = deals[1].what.deal.clone();
    let output = released(client.handle_message(&mut cx, zero, world.dealt(&forged)));
    assert_eq!(output.faults[0].kind, FaultKind::BadSignature);
    assert_eq!(output.faults[0].evidence, None);
}

/// A round trip takes nothing from the time of the next.
#[test]
fn patience_begins_anew_with_each_round_trip() {
    let world = world(4, 4);
    let late = world.client_setup().patience - Duration::from_secs(1);
    let mut table = Table::new(&world);
    let mut asked = table.start();
    for _ in 0..3 {
        assert_eq!(table.events, []);
        let end = table.now.after(late);
        while table.client.next_timeout().unwrap() < end {
            table.wait();
        }
        table.now = end;
        asked = table.deliver(asked);
    }
    assert!(matches!(table.events[..], [client::Event::Finished(..)]), "{:?}", table.events);
}
