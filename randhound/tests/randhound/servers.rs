//! What a server does with messages out of place, and with too many of them.

use cosi::{
    Certificate, Statement as _,
    certificate::sign,
    machine::{Cx, FaultKind, Time, To},
    mask::Mask,
    wire::BoundedVec,
};
use pvss::{Chosen, verify_shares};
use randhound::{
    AttemptError, Client, Message, Peer, Server, Session, Statement, Terms, blame, client,
    message::{ByClient, Dealing, Deals, Decision, NOT_CODED, Said, Shown, root},
    server,
};

use crate::common::{World, dealings, invitation, released, rng, world};

/// Hands `server` a message, and returns what it said, recorded and blamed.
fn hand(
    server: &mut Server,
    from: Peer,
    message: Message,
) -> (Vec<Message>, Vec<server::Record>, Vec<FaultKind>) {
    let mut rng = rng(5);
    let step = server.handle_message(&mut Cx::new(Time::default(), &mut rng), from, message);
    let (records, held) = step.into_records();
    let output = held.release();
    let said = output.messages.into_iter().map(|(_, message)| message).collect();
    (said, records, output.faults.into_iter().map(|fault| fault.kind).collect())
}

/// The choice of these deals, in a world of one group.
fn choice(world: &World, deals: &[Said<Dealing>], dealers: [u16; 2]) -> (Statement, Deals) {
    let deals = dealers.map(|at| deals[usize::from(at)].clone());
    let list = Deals::new(deals.clone().into()).unwrap();
    let statement = Statement {
        session: world.session().id(),
        dealers: Mask::of(world.keys.len(), dealers),
        roots: BoundedVec::new(vec![root(0, &deals)]).unwrap(),
        availability: world.availability(core::slice::from_ref(&list)),
    };
    (statement, list)
}

/// The certificate that these servers' signatures make.
fn certify(world: &World, statement: &[u8], by: &[u16]) -> Certificate {
    let roster = world.committee.roster();
    let sign = |at: &u16| {
        let key = &world.keys[usize::from(*at)];
        (world.index(*at), sign(key, &roster.id(), statement))
    };
    Certificate::individual(roster, by.iter().map(sign)).unwrap()
}

/// What a client that goes through the published steps ends up with: statement, certificate,
/// and the deals of each group.
fn decided(world: &World) -> (Statement, Certificate, Vec<Deals>) {
    let (_, transcript) = world.run();
    let deals = transcript.groups.iter().map(|part| part.deals.clone()).collect();
    (transcript.statement, transcript.certificate, deals)
}

#[test]
fn a_server_deals_once_and_sends_the_same_again() {
    let world = world(4, 4);
    let mut server = world.server(0);
    let (first, records, _) = hand(&mut server, Peer::Client, invitation(&world));
    assert_eq!((first.len(), records.len()), (1, 1));
    let (again, nothing, _) = hand(&mut server, Peer::Client, invitation(&world));
    assert_eq!((&again, nothing), (&first, vec![]));

    let mut rng = rng(6);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (_, step) = Server::restore(world.server_setup(0), records, &mut cx).unwrap();
    let said = released(step).messages.into_iter().map(|(_, message)| message);
    let [Message::Dealing(again, fresh)] = &said.collect::<Vec<_>>()[..] else { panic!() };
    let [Message::Dealing(first, offer)] = &first[..] else { panic!() };
    assert_eq!(again, first, "restored, from other entropy");
    assert_ne!(fresh, offer, "a pair is lost with the machine");
}

#[test]
fn a_second_draw_in_one_slot_is_refused() {
    let world = world(4, 4);
    let mut server = world.server(0);
    let (_, records, _) = hand(&mut server, Peer::Client, invitation(&world));
    let mut config = world.session().config().clone();
    config.attempt = 1;
    let again = Message::Invitation(ByClient::new(&world.client, config));
    let (said, recorded, faults) = hand(&mut server, Peer::Client, again);
    assert_eq!((said, recorded, faults), (vec![], vec![], vec![FaultKind::InvalidPayload]));

    // Nor does a host that restores the slot's journal on other terms get a second draw.
    let terms = Terms { attempt: 1, ..world.terms.clone() };
    let session = Session::new(world.committee.clone(), &terms).unwrap();
    let setup = server::Setup { session, ..world.server_setup(0) };
    let mut rng = rng(6);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let refused = Server::restore(setup, records.clone(), &mut cx).unwrap_err();
    assert_eq!(refused, server::SetupError::Attempt(AttemptError::Closed(1)));
    let terms = Terms { slot: 4, ..world.terms.clone() };
    let session = Session::new(world.committee.clone(), &terms).unwrap();
    let setup = server::Setup { session, ..world.server_setup(0) };
    let refused = Server::restore(setup, records, &mut cx).unwrap_err();
    assert_eq!(refused, server::SetupError::Foreign);

    let mut client = world.client();
    let _ = client.handle_command(&mut cx, client::Command::Start).unwrap();
    let refused = client.handle_command(&mut cx, client::Command::Start).unwrap_err();
    assert_eq!(refused, client::Error::Started);
}

#[test]
fn only_the_client_of_the_slot_is_answered() {
    let world = world(4, 4);
    let (statement, _, deals) = decided(&world);
    let mut server = world.server(0);
    let config = world.session().config().clone();
    let stranger = &world.keys[1];
    let forged = Message::Invitation(ByClient::new(stranger, config));
    assert_eq!(hand(&mut server, Peer::Client, forged).2, [FaultKind::BadSignature]);
    let other = Peer::Server(world.index(1));
    assert_eq!(hand(&mut server, other, invitation(&world)).2, [FaultKind::WrongRole]);
    assert_eq!(hand(&mut server, other, invitation(&world)).2, [], "told once");
    assert_eq!(hand(&mut server, Peer::Guest(3), invitation(&world)).2, [], "no name to blame");
    let forged = Shown {
        statement: ByClient::new(stranger, statement.clone()),
        ..world.shown(statement.clone(), &deals, 0)
    };
    let forged = Message::Choice(forged);
    let (said, recorded, _) = hand(&mut server, Peer::Client, forged);
    assert_eq!((said, recorded), (vec![], vec![]));
    // The client's own choice, which anybody passes on.
    let mut server = world.server(0);
    let shown = Message::Choice(world.shown(statement, &deals, 0));
    for (from, blamed) in [(other, vec![FaultKind::WrongRole]), (Peer::Guest(3), vec![])] {
        let found = hand(&mut server, from, shown.clone());
        assert_eq!(found, (vec![], vec![], blamed));
    }
    assert_eq!(hand(&mut server, Peer::Client, shown).0.len(), 1);
}

/// A client has a statement in each of its sessions, and a server knows one of them.
#[test]
fn what_is_of_another_session_is_not_answered() {
    let world = world(4, 4);
    let (statement, certificate, deals) = decided(&world);
    let mut elsewhere = crate::common::world(4, 4);
    elsewhere.terms.slot = 4;
    let (others, others_certificate, others_deals) = decided(&elsewhere);
    let mut server = world.server(0);
    let shown = Message::Choice(world.shown(statement.clone(), &deals, 0));
    assert_eq!(hand(&mut server, Peer::Client, shown).0.len(), 1);
    // It contradicts nothing, and convicts nobody.
    let shown = Message::Choice(elsewhere.shown(others.clone(), &others_deals, 0));
    let mut rng = rng(5);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let output = released(server.handle_message(&mut cx, Peer::Client, shown));
    let [fault] = &output.faults[..] else { panic!("{:?}", output.faults) };
    assert_eq!((fault.kind, &fault.evidence), (FaultKind::InvalidPayload, &None));
    assert_eq!(output.messages, []);

    let ids = [elsewhere.session().id(), world.session().id()];
    let told = ids.map(|id| hand(&mut server, Peer::Guest(1), Message::Inquiry(id)).0.len());
    assert_eq!(told, [0, 1]);

    // What was decided elsewhere, under its own config or this one, and the reverse.
    let configs = [elsewhere.session().config().clone(), world.session().config().clone()];
    let decide =
        |config: usize, statement: &Statement, certificate: &Certificate, deals: &Deals| {
            Message::Decision(Decision {
                config: configs[config].clone(),
                statement: statement.clone(),
                certificate: certificate.clone(),
                deals: deals.clone(),
            })
        };
    for decision in [
        decide(0, &others, &others_certificate, &others_deals[0]),
        decide(1, &others, &others_certificate, &others_deals[0]),
        decide(0, &statement, &certificate, &deals[0]),
    ] {
        let mut server = world.server(3);
        let found = hand(&mut server, Peer::Server(world.index(1)), decision);
        assert_eq!(found, (vec![], vec![], vec![FaultKind::InvalidPayload]));
    }
    let sound = decide(1, &statement, &certificate, &deals[0]);
    let (said, records, _) = hand(&mut world.server(3), Peer::Guest(1), sound);
    assert_eq!((said.len(), records.len()), (1, 1));
    let refused = Server::restore(elsewhere.server_setup(3), records, &mut cx).unwrap_err();
    assert_eq!(refused, server::SetupError::Foreign);
}

#[test]
fn a_server_acknowledges_one_statement_and_two_convict_the_client() {
    let world = world(4, 4);
    let session = world.session();
    let dealings = dealings(&world);
    let message = |dealers: [u16; 2]| {
        let (statement, deals) = choice(&world, &dealings, dealers);
        Message::Choice(world.shown(statement, &[deals], 2))
    };
    let mut server = world.server(2);
    let (acknowledged, records, _) = hand(&mut server, Peer::Client, message([0, 1]));
    assert_eq!((acknowledged.len(), records.len()), (1, 1));
    assert_eq!(hand(&mut server, Peer::Client, message([0, 1])), (acknowledged, vec![], vec![]));

    let mut rng = rng(5);
    let mut cx = Cx::new(Time::default(), &mut rng);
    // It remembers after a crash.
    let (mut server, _) = Server::restore(world.server_setup(2), records, &mut cx).unwrap();
    let output = released(server.handle_message(&mut cx, Peer::Client, message([1, 3])));
    assert_eq!(output.messages, []);
    let [fault] = &output.faults[..] else { panic!() };
    let evidence = fault.evidence.clone().unwrap();
    assert_eq!(fault.kind, FaultKind::Equivocation);
    assert_eq!(blame::verify(&evidence, &session), Some(Peer::Client));

    // One statement twice, or statements of another session, convict nobody.
    let [one, _] = &evidence.statements[..] else { panic!() };
    let twice = BoundedVec::new(vec![one.clone(), one.clone()]).unwrap();
    let twice = cosi::machine::Evidence { statements: twice, ..evidence.clone() };
    assert_eq!(blame::verify(&twice, &session), None);
    let terms = Terms { slot: 4, ..world.terms.clone() };
    let other = Session::new(world.committee.clone(), &terms).unwrap();
    assert_eq!(blame::verify(&evidence, &other), None);
}

#[test]
fn a_choice_that_does_not_hold_is_not_acknowledged() {
    let world = world(8, 4);
    let (sound, _, deals) = decided(&world);
    let place = world.session().groups().place(world.index(0)).unwrap();
    let own = deals[usize::from(place.group)].clone();
    let shown = world.shown(sound.clone(), &deals, 0);
    let refuse = |statement: Statement, deals: Deals| {
        let statement = ByClient::new(&world.client, statement);
        let choice = Message::Choice(Shown { statement, deals, ..shown.clone() });
        let (said, recorded, faults) = hand(&mut world.server(0), Peer::Client, choice);
        assert_eq!((said, recorded, faults), (vec![], vec![], vec![FaultKind::InvalidPayload]));
    };
    let with = |change: &dyn Fn(&mut Statement)| {
        let mut statement = sound.clone();
        change(&mut statement);
        statement
    };
    refuse(with(&|it| it.session.0[0] ^= 1), own.clone());
    refuse(with(&|it| it.availability[0] = 1), own.clone());
    // What a consensus decides need not be coded. What a client has certified must.
    refuse(with(&|it| it.availability = NOT_CODED), own.clone());
    refuse(with(&|it| it.roots = Default::default()), own.clone());
    refuse(with(&|it| it.dealers = Mask::of(8, 0..8)), own.clone());
    refuse(with(&|it| it.dealers = Mask::of(9, [0])), own.clone());
    // A group that is not its own has a dealer less, or a root is missing or too many.
    let session = world.session();
    let others = session.groups().members(1 - place.group).unwrap();
    let one = others.iter().find(|it| sound.dealers.contains(it.get())).unwrap().get();
    let fewer = Mask::of(8, sound.dealers.iter().filter(|dealer| *dealer != one));
    refuse(with(&|it| it.dealers = fewer.clone()), own.clone());
    let every = Mask::of(8, sound.dealers.iter().chain(others.iter().map(|it| it.get())));
    refuse(with(&|it| it.dealers = every.clone()), own.clone());
    let mut padded = sound.dealers.as_bytes().to_vec();
    padded.push(0);
    refuse(with(&|it| it.dealers = Mask::from_bytes(padded.clone()).unwrap()), own.clone());
    let mut roots = sound.roots.clone().into_inner();
    roots.push([0; 32]);
    refuse(with(&|it| it.roots = BoundedVec::new(roots.clone()).unwrap()), own.clone());
    let mut roots = sound.roots.clone().into_inner();
    roots[usize::from(place.group)][0] ^= 1;
    refuse(with(&|it| it.roots = BoundedVec::new(roots.clone()).unwrap()), own.clone());
    let mut reversed = own.clone().into_inner();
    reversed.reverse();
    refuse(sound.clone(), Deals::new(reversed).unwrap());
    refuse(sound.clone(), deals[usize::from(1 - place.group)].clone());
    refuse(sound.clone(), Deals::default());

    // A deal that was never signed, and one that was signed and does not hold, each under its root.
    for signs in [false, true] {
        let mut deals = own.clone().into_inner();
        let dealer = usize::from(deals[0].what.dealer);
        let mut bad = deals[1].what.clone();
        bad.dealer = deals[0].what.dealer;
        let key = if signs { &world.keys[dealer] } else { &world.keys[(dealer + 1) % 8] };
        deals[0] = Said::new(key, bad);
        let mut roots = sound.roots.clone().into_inner();
        roots[usize::from(place.group)] = root(place.group, &deals);
        let roots = BoundedVec::new(roots).unwrap();
        refuse(with(&|it| it.roots = roots.clone()), Deals::new(deals).unwrap());
    }
}

#[test]
fn whoever_shows_the_certificate_gets_the_share_once_made() {
    let world = world(4, 4);
    let session = world.session();
    let (statement, certificate, deals) = decided(&world);
    let config = session.config().clone();
    let whole =
        Decision { config, statement: statement.clone(), certificate, deals: deals[0].clone() };
    // It saw neither I1 nor I2, and a stranger asks.
    let mut server = world.server(3);
    let lacking = Decision { deals: Deals::default(), ..whole.clone() };
    let (said, recorded, faults) =
        hand(&mut server, Peer::Guest(1), Message::Decision(lacking.clone()));
    assert_eq!((said, recorded, faults), (vec![], vec![], vec![]));
    // Whoever relays a long certificate leaves deals out, and is not to blame.
    let relay = Peer::Server(world.index(1));
    let found = hand(&mut server, relay, Message::Decision(lacking.clone()));
    assert_eq!(found, (vec![], vec![], vec![]));
    let (first, records, _) = hand(&mut server, Peer::Guest(1), Message::Decision(whole.clone()));
    let [Message::Opened(opened)] = &first[..] else { panic!() };
    let verified: Vec<_> = deals[0]
        .iter()
        .map(|said| {
            let dealer = world.keys[usize::from(said.what.dealer)].public().to_bytes();
            said.what.deal.verify(session.sharing(0).unwrap(), &dealer).unwrap()
        })
        .collect();
    let chosen = Chosen::sum(session.sharing(0).unwrap(), &statement.id().0, &verified).unwrap();
    assert!(verify_shares(&chosen, [&opened.share])[0].is_ok());
    let again = hand(&mut server, Peer::Guest(2), Message::Decision(lacking));
    assert_eq!(again, (first.clone(), vec![], vec![]));

    let mut rng = rng(6);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (_, step) = Server::restore(world.server_setup(3), records, &mut cx).unwrap();
    let output = released(step);
    assert_eq!(output.messages[0].1, first[0]);
    assert_eq!(output.events, [server::Event::Opened(statement.id())]);

    // Too few signatures, or signatures on something else, open nothing.
    for certificate in
        [certify(&world, &statement.to_signed(), &[0, 1]), certify(&world, b"else", &[0, 1, 2])]
    {
        let decision = Decision { certificate, ..whole.clone() };
        let peer = Peer::Server(world.index(1));
        let (said, recorded, faults) =
            hand(&mut world.server(3), peer, Message::Decision(decision));
        assert_eq!((said, recorded, faults), (vec![], vec![], vec![FaultKind::InvalidProof]));
    }
}

#[test]
fn a_machine_refuses_keys_and_records_that_are_not_its_own() {
    let world = world(4, 4);
    let mut rng = rng(6);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let setup = server::Setup { key: world.keys[1].clone(), ..world.server_setup(0) };
    assert_eq!(Server::restore(setup, [], &mut cx).unwrap_err(), server::SetupError::Keys);
    let setup = server::Setup { secret: world.secrets[1].clone(), ..world.server_setup(0) };
    assert_eq!(Server::restore(setup, [], &mut cx).unwrap_err(), server::SetupError::Keys);
    // What another server of the session wrote.
    let (statement, certificate, deals) = decided(&world);
    let (_, mut others, _) = hand(&mut world.server(1), Peer::Client, invitation(&world));
    let config = world.session().config().clone();
    let decision = Decision { config, statement, certificate, deals: deals[0].clone() };
    let decision = Message::Decision(decision);
    let (_, opened, _) = hand(&mut world.server(1), Peer::Guest(0), decision);
    others.extend(opened);
    assert_eq!(others.len(), 2);
    for record in others {
        let own = Server::restore(world.server_setup(1), [record.clone()], &mut cx);
        assert!(own.is_ok());
        let refused = Server::restore(world.server_setup(0), [record], &mut cx).unwrap_err();
        assert_eq!(refused, server::SetupError::Foreign);
    }
    let setup = client::Setup { key: world.keys[1].clone(), ..world.client_setup() };
    assert_eq!(Client::restore(setup, [], &mut cx).unwrap_err(), client::SetupError::Key);
    let (mut statement, _, deals) = decided(&world);
    statement.session.0[0] ^= 1;
    let choice = ByClient::new(&world.client, statement);
    let record = client::Record::Chosen(choice, BoundedVec::new(deals).unwrap());
    let records = [client::Record::Started, record];
    let refused = Client::restore(world.client_setup(), records, &mut cx).unwrap_err();
    assert_eq!(refused, client::SetupError::Foreign);
}

/// It acknowledges by itself, since its pairs are lost; and what it opened is in its journal with
/// the deals that it had from I2.
#[test]
fn a_restored_server_says_its_last_word_again() {
    let world = world(4, 4);
    let mut server = world.server(0);
    let (statement, certificate, deals) = decided(&world);
    let config = world.session().config().clone();
    let shown = Message::Choice(world.shown(statement.clone(), &deals, 0));
    let decision =
        Decision { config, statement: statement.clone(), certificate, deals: Deals::default() };
    let mut records = Vec::new();
    let mut rng = rng(6);
    let mut cx = Cx::new(Time::default(), &mut rng);
    for message in [invitation(&world), shown, Message::Decision(decision)] {
        let (said, recorded, _) = hand(&mut server, Peer::Client, message);
        records.extend(recorded);
        let (_, step) = Server::restore(world.server_setup(0), records.clone(), &mut cx).unwrap();
        let again = released(step).messages;
        let [(to, again)] = &again[..] else { panic!("{again:?}") };
        assert_eq!(*to, To::One(Peer::Client));
        // The pair that is offered beside a deal is another one.
        match (again, &said[0]) {
            (Message::Dealing(again, _), Message::Dealing(said, _)) => assert_eq!(again, said),
            (again, said) => assert_eq!(again, said),
        }
    }
    let [.., server::Record::Opened(decision, _)] = &records[..] else { panic!() };
    assert_eq!((&decision.statement, &decision.deals), (&statement, &deals[0]));
}

/// Which of two deals, statements or shares was sent, a journal that holds both does not tell.
#[test]
fn a_journal_with_a_second_record_of_a_kind_is_refused() {
    let world = world(4, 4);
    let mut server = world.server(0);
    let (statement, certificate, deals) = decided(&world);
    let config = world.session().config().clone();
    let shown = world.shown(statement.clone(), &deals, 0);
    let decision = Decision { config, statement, certificate, deals: deals[0].clone() };
    let said = [invitation(&world), Message::Choice(shown), Message::Decision(decision)];
    let records = said.map(|message| hand(&mut server, Peer::Client, message).1.remove(0));
    let mut rng = rng(6);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let mut restore = |records: Vec<server::Record>| {
        Server::restore(world.server_setup(0), records, &mut cx).map(drop)
    };
    assert_eq!(restore(records.to_vec()), Ok(()));
    for second in &records {
        let records = records.iter().chain([second]).cloned().collect();
        assert_eq!(restore(records), Err(server::SetupError::Foreign), "{second:?}");
    }
    // Nor was a share opened for another statement than the one that was decided.
    let [_, _, server::Record::Opened(decision, mut opened)] = records else { panic!() };
    opened.statement.0[0] ^= 1;
    let other = server::Record::Opened(decision, opened);
    assert_eq!(restore(vec![other]), Err(server::SetupError::Foreign));
}

/// A client that shows two choices gets at most one of them certified, and all honest servers
/// open that one alone.
#[test]
fn a_certificate_binds_a_server_that_acknowledged_something_else() {
    let world = world(4, 4);
    let dealings = dealings(&world);
    let [(one, ones_deals), (other, others_deals)] =
        [[0, 1], [1, 3]].map(|dealers| choice(&world, &dealings, dealers));
    let mut server = world.server(2);
    let message = Message::Choice(world.shown(one.clone(), core::slice::from_ref(&ones_deals), 2));
    assert_eq!(hand(&mut server, Peer::Client, message).0.len(), 1);

    let decide = |statement: &Statement, deals: &Deals, by: &[u16]| {
        Message::Decision(Decision {
            config: world.session().config().clone(),
            statement: statement.clone(),
            certificate: certify(&world, &statement.to_signed(), by),
            deals: deals.clone(),
        })
    };
    // What it acknowledged is short of a quorum.
    let short = decide(&one, &ones_deals, &[0, 2]);
    assert_eq!(hand(&mut server, Peer::Client, short).0, []);
    // The right statement does not excuse wrong deals.
    let wrong = decide(&other, &ones_deals, &[0, 1, 3]);
    assert_eq!(hand(&mut server, Peer::Client, wrong).0, []);
    let decision = decide(&other, &others_deals, &[0, 1, 3]);
    let (said, records, _) = hand(&mut server, Peer::Client, decision);
    let [Message::Opened(opened)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((opened.statement, records.len()), (other.id(), 1));

    // Even a second certificate, which takes more than f faulty servers, opens nothing more.
    let second = decide(&one, &ones_deals, &[0, 1, 3]);
    assert_eq!(hand(&mut server, Peer::Client, second), (vec![], vec![], vec![]));
}
