//! The client machine: that it comes to an end, whatever is lost and whenever it crashes.

use atomix::{
    Action, Checked, Message, Outcome, Refusal,
    client::{Client, Command, Error, Event, Record, RestoreError},
    machine::{FaultKind, To},
};

use crate::common::{
    Driver, Notary, Said, Town, WORTH, at, coin, config, converse, created, output, pay, split,
    with_cx,
};

fn restore(notary: &Notary, records: &[Record<()>]) -> (Driver, atomix::client::Step<()>) {
    let records = records.to_vec();
    with_cx(0, |cx| Client::restore(config(notary), records, cx)).unwrap()
}

fn started(pay: &Checked) -> Record<()> {
    Record::Started(Box::new(pay.transaction().clone()))
}

fn drive(pay: &Checked) -> Command<Notary> {
    Command::Drive(Box::new(pay.transaction().clone()))
}

/// Three input shards, two output shards.
fn wide() -> Checked {
    pay(1, &[coin(3), coin(1), coin(2)], &[output(2, 5, WORTH), output(0, 6, WORTH)])
}

/// One that shard 2 can only reject: its input there is a lie.
fn doomed() -> Checked {
    pay(1, &[coin(3), coin(1), atomix::Input { value: 7, ..coin(2) }], &[output(2, 5, WORTH)])
}

#[test]
fn a_session_commits_and_its_end_is_told_again_after_a_crash() {
    let (mut town, tx) = (Town::new(), wide());
    let (mut client, _) = restore(&town.notary, &[]);
    let step = with_cx(0, |cx| client.handle_command(cx, drive(&tx))).unwrap();
    let (records, events) = converse(&mut town, &mut client, step, &[], 6, || false);
    assert_eq!(events, [Event::Committed(tx.session())]);
    assert!(town.has(&created(&tx, 0)) && town.has(&created(&tx, 1)));
    assert_eq!(client.next_timeout(), None);
    assert_eq!((client.proofs(&tx.session()).count(), records.len()), (5, 6));

    let (client, step) = restore(&town.notary, &records);
    let (_, output) = split(step);
    assert_eq!((output.events, output.messages.len()), (events, 0));
    assert_eq!(client.unfinished().count(), 0);
}

#[test]
fn a_session_aborts_and_no_lock_is_left() {
    let (mut town, tx) = (Town::new(), doomed());
    let (mut client, step) = restore(&town.notary, &[started(&tx)]);
    let (_, events) = converse(&mut town, &mut client, step, &[], 6, || false);
    assert_eq!(events.last(), Some(&Event::Aborted(tx.session())));
    let wrong = Refusal::WrongDeclaration { outpoint: [2; 32] };
    let refused = Event::Refused { session: tx.session(), shard: 2, refusal: wrong };
    let told = events.iter().filter(|event| **event == refused).count();
    assert_eq!(told, usize::from(events.len() == 2));
    for owner in [3, 1] {
        assert!(town.has(&coin(owner).given_back().unwrap()));
    }
    assert!(town.has(&coin(2)));
}

#[test]
fn a_crash_after_any_message_leaves_no_lock() {
    for (tx, commits) in [(wide(), true), (doomed(), false)] {
        for alive in 0..14 {
            let mut town = Town::new();
            let (mut client, step) = restore(&town.notary, &[started(&tx)]);
            let mut messages = 0;
            let dies = || {
                messages += 1;
                messages > alive
            };
            let known = [tx.clone()];
            let (mut records, _) = converse(&mut town, &mut client, step, &known, 6, dies);
            records.insert(0, started(&tx));
            // It comes back with what it stored, or with its oldest backup.
            for kept in [&records[..], &records[..1]] {
                let mut town = town.clone();
                let (mut client, step) = restore(&town.notary, kept);
                let (_, events) = converse(&mut town, &mut client, step, &known, 6, || false);
                let end = if commits { Event::Committed } else { Event::Aborted };
                assert!(events.contains(&end(tx.session())), "alive for {alive}: {events:?}");
                let coins = [3, 1].map(|owner| town.has(&coin(owner).given_back().unwrap()));
                assert_eq!(coins, [!commits; 2]);
            }
        }
    }
}

#[test]
fn two_clients_drive_one_session_and_every_third_message_is_lost() {
    let (mut town, tx) = (Town::new(), wide());
    let mut clients = [0, 1].map(|_| restore(&town.notary, &[started(&tx)]));
    let mut count = 0;
    for (client, step) in &mut clients {
        let step = std::mem::replace(step, atomix::client::Step::none());
        let lost = || {
            count += 1;
            count % 3 == 0
        };
        let (_, events) = converse(&mut town, client, step, &[], 6, lost);
        assert_eq!(events, [Event::Committed(tx.session())]);
    }
}

#[test]
fn proofs_that_are_too_old_are_asked_for_anew() {
    let (mut town, tx) = (Town::new(), wide());
    let (mut client, step) = restore(&town.notary, &[started(&tx)]);
    let (_, output) = split(step);
    let mut answers = vec![];
    for (to, message) in output.messages {
        let (To::One(shard), Message::Request(request)) = (to, message) else { panic!() };
        answers.push((shard, town.serve(shard, &request, &[])));
    }
    let follow = |client: &mut Driver, notary: Notary| {
        let step = with_cx(0, |cx| client.handle_command(cx, Command::Follow(Box::new(notary))));
        assert_eq!(split(step.unwrap()), split(atomix::client::Step::none()));
    };
    follow(&mut client, town.notary.clone());
    for (shard, answer) in answers.iter().take(2).cloned() {
        let _ = with_cx(0, |cx| client.handle_message(cx, shard, answer));
    }
    // Rosters change: what was said counts no more, until it is said again.
    town.notary.retired = std::mem::take(&mut town.notary.said);
    follow(&mut client, town.notary.clone());
    let (shard, answer) = answers[2].clone();
    let step = with_cx(0, |cx| client.handle_message(cx, shard, answer.clone()));
    assert_eq!(split(step), split(atomix::client::Step::none()), "late, and nobody's fault");
    let asked = split(with_cx(1, |cx| client.handle_timeout(cx))).1.messages;
    let plain = |action: &Action<()>| matches!(action, Action::Initialize { shown: None });
    let again = |(to, message): &(To<u16>, Message<()>)| {
        let Message::Request(request) = message else { panic!() };
        (to.clone(), plain(&request.action))
    };
    let asked_again = asked.iter().map(again).collect::<Vec<_>>();
    assert_eq!(asked_again, [(To::One(0), true), (To::One(1), true)], "for fresh proofs");
    let Message::Request(request) = &asked[0].1 else { panic!() };
    let Message::Answer { .. } = town.serve(0, request, &[]) else { panic!() };
    assert_eq!(town.notary.said.len(), 1);
    follow(&mut client, town.notary.clone());
    let (_, output) = split(with_cx(2, |cx| client.handle_timeout(cx)));
    let shown = Said { shard: 0, outcome: Outcome::Accepted, height: 1, inclusion: () };
    let (to, Message::Request(request)) = &output.messages[0] else { panic!() };
    let action = Action::Initialize { shown: Some(shown) };
    assert_eq!((to, &request.action), (&To::One(2), &action));
    // The client goes on with fresh proofs alone.
    let step = atomix::client::Step::none();
    let (_, events) = converse(&mut town, &mut client, step, &[], 6, || false);
    assert_eq!(events, [Event::Committed(tx.session())]);
}

#[test]
fn peers_are_held_to_what_they_prove() {
    let (mut town, tx) = (Town::new(), wide());
    let (mut client, _) = restore(&town.notary, &[started(&tx)]);
    let session = tx.session();
    let forged = Said { shard: 1, outcome: Outcome::Accepted, height: 1, inclusion: () };
    let tell = |client: &mut Driver, message| {
        let (records, output) = split(with_cx(0, |cx| client.handle_message(cx, 1, message)));
        assert_eq!((records.len(), output.messages.len()), (0, 0));
        (output.faults, output.events)
    };
    let answer = Message::Answer { session, proof: forged };
    let (faults, _) = tell(&mut client, answer.clone());
    assert_eq!((faults[0].culprit, faults[0].kind), (1, FaultKind::InvalidProof));
    assert_eq!(tell(&mut client, answer).0, [], "once");
    let request = atomix::Request {
        transaction: tx.transaction().clone(),
        action: Action::Initialize { shown: None },
    };
    assert_eq!(tell(&mut client, Message::Request(request)).0[0].kind, FaultKind::WrongRole);
    // A refusal is told once for each shard that has a say, and nothing follows from it.
    let refused = Message::Refused { session, refusal: Refusal::NotParty };
    assert_eq!(tell(&mut client, refused.clone()).1.len(), 1);
    assert_eq!(tell(&mut client, refused.clone()).1.len(), 0);
    let (_, output) = split(with_cx(0, |cx| client.handle_message(cx, 77, refused)));
    assert_eq!(output.events, []);
    let step = split(with_cx(1, |cx| client.handle_timeout(cx)));
    assert_eq!(step.1.messages.len(), 3);
    assert_eq!(client.next_timeout(), Some(at(2)));
    assert_eq!(split(with_cx(1, |cx| client.handle_timeout(cx))).1.messages, []);

    // Once a shard has accepted, it has not rejected.
    let proof = town.lock(1, &tx).unwrap();
    let rejected = Said { outcome: Outcome::Rejected, ..proof.clone() };
    let mut both = town.notary.clone();
    let chain = crate::common::chain(1);
    both.said.insert(atomix::Verdict::new(chain, 1, &tx, Outcome::Rejected, 1).leaf());
    let follow = Command::Follow(Box::new(both));
    let _ = with_cx(1, |cx| client.handle_command(cx, follow)).unwrap();
    let _ = with_cx(1, |cx| client.handle_message(cx, 1, Message::Answer { session, proof }));
    let contradiction = Message::Answer { session, proof: rejected };
    assert_eq!(tell(&mut client, contradiction), (vec![], vec![]));
    assert_eq!(client.proofs(&session).count(), 1);
}

#[test]
fn commands_are_refused_when_they_make_no_sense() {
    let (mut town, tx) = (Town::new(), wide());
    let (mut client, _) = restore(&town.notary, &[]);
    let command = |client: &mut Driver, command| {
        with_cx(0, |cx| client.handle_command(cx, command)).map(split)
    };
    let (forget, give_up) = (Command::Forget(tx.session()), Command::GiveUp(tx.session()));
    assert_eq!(command(&mut client, forget.clone()), Err(Error::Unknown));
    assert!(command(&mut client, drive(&tx)).is_ok());
    assert_eq!(command(&mut client, drive(&tx)), Err(Error::Repeated));
    assert_eq!(command(&mut client, forget.clone()), Err(Error::Unfinished));
    let (records, _) = command(&mut client, give_up.clone()).unwrap();
    assert_eq!(records, [Record::Forgotten(tx.session())]);
    assert!(command(&mut client, drive(&tx)).is_ok());
    let proof = town.lock(0, &tx).unwrap();
    command(&mut client, Command::Follow(Box::new(town.notary.clone()))).unwrap();
    let answer = Message::Answer { session: tx.session(), proof: proof.clone() };
    let (records, _) = split(with_cx(0, |cx| client.handle_message(cx, 0, answer)));
    assert_eq!(records, [Record::Proven(tx.session(), proof)]);
    assert_eq!(command(&mut client, give_up), Err(Error::Locked));

    for nonce in 2..9 {
        assert!(command(&mut client, drive(&pay(nonce, &[coin(1)], &[]))).is_ok());
    }
    assert_eq!(command(&mut client, drive(&pay(9, &[coin(1)], &[]))), Err(Error::Full(8)));
    // What is published holds from then on.
    let alone = atomix::Parameters { shards: 1, ..atomix::Parameters::default() };
    assert!(command(&mut client, Command::Publish(3, alone)).is_ok());
    let later = crate::common::pay_in(3, 10, 10, &[coin(1)], &[]);
    assert!(matches!(command(&mut client, drive(&later)), Err(Error::Malformed(_))));
    let mut forged = pay(10, &[coin(1)], &[]).into_transaction();
    forged.declaration.nonce = 11;
    let forged = Command::Drive(Box::new(forged));
    assert!(matches!(command(&mut client, forged), Err(Error::Malformed(_))));
    let foreign = [Record::Forgotten(tx.session())];
    let restored = with_cx(0, |cx| Client::restore(config(&town.notary), foreign, cx));
    assert_eq!(restored.unwrap_err(), RestoreError::Unknown(tx.session()));
}
