//! What a rescuer does with what servers say, out of place and too often.

use std::time::Duration;

use cosi::machine::{Cx, Fault, FaultKind, Step, Time, To};
use randhound::{
    Message, Peer, Rescuer, blame,
    message::{ByClient, Kept, Opened},
    rescuer::{Abort, Command, Error, Event},
};

use crate::{
    common::{World, dealings, invitation, released, rng, world},
    stage::{Plot, Stage, pick},
};

fn say(rescuer: &mut Rescuer, from: Peer, message: Message) -> (Vec<Event>, Vec<Fault<Peer>>) {
    let mut rng = rng(5);
    let step = rescuer.handle_message(&mut Cx::new(Time::default(), &mut rng), from, message);
    let output = released(step);
    (output.events, output.faults)
}

fn started(world: &World) -> Rescuer {
    let mut rescuer = Rescuer::new(world.rescuer_setup());
    let mut rng = rng(5);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let sent = released(rescuer.handle_command(&mut cx, Command::Start).unwrap()).messages;
    assert_eq!(sent.len(), 1);
    let refused = rescuer.handle_command(&mut cx, Command::Start).unwrap_err();
    assert_eq!(refused, Error::Started);
    rescuer
}

/// Waits until it gives up.
fn patient(rescuer: &mut Rescuer) -> Event {
    let mut rng = rng(5);
    for _ in 0..100 {
        let now = rescuer.next_timeout().unwrap();
        let output = released(rescuer.handle_timeout(&mut Cx::new(now, &mut rng)));
        if let Some(event) = output.events.into_iter().next() {
            assert_eq!(rescuer.next_timeout(), None);
            return event;
        }
    }
    panic!("a deadline that does not advance");
}

fn kinds(faults: &[Fault<Peer>]) -> Vec<FaultKind> {
    faults.iter().map(|fault| fault.kind).collect()
}

#[test]
fn messages_out_of_place_are_ignored_or_blamed() {
    let world = world(4, 4);
    let zero = Peer::Server(world.index(0));
    let mut idle = Rescuer::new(world.rescuer_setup());
    let nothing = Kept { session: world.session().id(), acknowledged: None, decided: None };
    let mut rng = rng(5);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let early = Message::Kept(nothing.clone());
    assert_eq!(idle.handle_message(&mut cx, zero, early.clone()), Step::none());
    assert_eq!((idle.next_timeout(), idle.handle_timeout(&mut cx)), (None, Step::none()));

    let mut rescuer = started(&world);
    assert_eq!(say(&mut rescuer, zero, invitation(&world)).1[0].kind, FaultKind::WrongRole);
    assert_eq!(say(&mut rescuer, zero, invitation(&world)).1, [], "told once");
    assert_eq!(say(&mut rescuer, Peer::Guest(1), invitation(&world)).1, []);
    assert_eq!(say(&mut rescuer, Peer::Guest(1), early).1, []);
    let [said, ..] = &dealings(&world)[..] else { panic!() };
    assert_eq!(say(&mut rescuer, zero, world.dealt(said)).1, [], "late for the client");
    let mut other = nothing;
    other.session.0[0] ^= 1;
    let (_, faults) = say(&mut rescuer, zero, Message::Kept(other));
    assert_eq!(kinds(&faults), [FaultKind::InvalidPayload]);
    let none = Event::Aborted(Abort::Certificate { answers: 0, servers: 4 });
    assert_eq!(patient(&mut rescuer), none);
}

/// A statement, with its certificate at all four servers.
fn kept(world: &World) -> (Plot, Vec<Kept>) {
    let plot = Plot::honest(world, pick(world, &dealings(world), false));
    let certificate = plot.certificate(world, &[0, 1, 2]);
    let kept = |fragment: &randhound::coded::Fragment| Kept {
        session: world.session().id(),
        acknowledged: Some((plot.statement.clone(), fragment.clone())),
        decided: Some((plot.statement.what.clone(), certificate.clone())),
    };
    let kept = plot.fragments.iter().map(kept).collect();
    (plot, kept)
}

/// One slot a server: whoever repeats itself makes nothing grow, and counts once.
#[test]
fn one_answer_a_server_is_kept_whatever_arrives() {
    let world = world(4, 4);
    let (_, kept) = kept(&world);
    let mut rescuer = started(&world);
    let one = Peer::Server(world.index(1));
    for _ in 0..10 {
        let (events, faults) = say(&mut rescuer, one, Message::Kept(kept[1].clone()));
        assert_eq!((events, faults), (vec![], vec![]));
    }
    // Its first answer counts: what comes after it is not looked at.
    let other = Kept { acknowledged: kept[0].acknowledged.clone(), ..kept[1].clone() };
    assert_eq!(say(&mut rescuer, one, Message::Kept(other)), (vec![], vec![]));
    // Another server's fragment is not its own.
    let zero = Peer::Server(world.index(0));
    let (_, faults) = say(&mut rescuer, zero, Message::Kept(kept[1].clone()));
    assert_eq!(kinds(&faults), [FaultKind::InvalidProof]);
    assert_eq!(say(&mut rescuer, zero, Message::Kept(kept[1].clone())).1, [], "told once");
    let why = Event::Aborted(Abort::Fragments { have: 1, need: 2 });
    assert_eq!(patient(&mut rescuer), why);
}

/// A certificate that does not hold is checked once a server, and keeps nobody from one that does.
#[test]
fn the_first_certificate_that_holds_decides() {
    let world = world(4, 4);
    let (plot, kept) = kept(&world);
    let few = plot.certificate(&world, &[0, 1]);
    let mut elsewhere = crate::common::world(4, 4);
    elsewhere.terms.slot = 4;
    let other = Plot::honest(&elsewhere, pick(&elsewhere, &dealings(&elsewhere), false));
    let foreign = (other.statement.what.clone(), other.certificate(&elsewhere, &[0, 1, 2]));
    let mut rescuer = started(&world);
    for (at, decided) in [(0, (plot.statement.what.clone(), few)), (1, foreign.clone())] {
        let from = Peer::Server(world.index(at));
        let lie = Kept { acknowledged: None, decided: Some(decided), ..kept[0].clone() };
        let (_, faults) = say(&mut rescuer, from, Message::Kept(lie.clone()));
        assert_eq!(kinds(&faults), [FaultKind::InvalidProof]);
        assert_eq!(say(&mut rescuer, from, Message::Kept(lie)).1, []);
    }
    let two = Peer::Server(world.index(2));
    assert_eq!(say(&mut rescuer, two, Message::Kept(kept[2].clone())), (vec![], vec![]));
    // From now on another statement is a lie, whatever is shown with it.
    let lie = Kept { acknowledged: None, decided: Some(foreign), ..kept[0].clone() };
    let three = Peer::Server(world.index(3));
    let (_, faults) = say(&mut rescuer, three, Message::Kept(lie));
    assert_eq!(kinds(&faults), [FaultKind::InvalidProof]);
    // Whoever lied about the certificate may still have its fragment.
    say(&mut rescuer, three, Message::Kept(kept[3].clone()));
    let why = Event::Aborted(Abort::Shares { group: 0, have: 0, need: 2 });
    assert_eq!(patient(&mut rescuer), why);
}

/// A certificate costs as many checks as it has signers, so a server has one try.
#[test]
fn who_lied_about_the_certificate_is_not_heard_again() {
    let world = world(4, 4);
    let (plot, kept) = kept(&world);
    let few = plot.certificate(&world, &[0, 1]);
    let lie = Kept { decided: Some((plot.statement.what.clone(), few)), ..kept[0].clone() };
    let mut rescuer = started(&world);
    let zero = Peer::Server(world.index(0));
    assert_eq!(kinds(&say(&mut rescuer, zero, Message::Kept(lie)).1), [FaultKind::InvalidProof]);
    say(&mut rescuer, zero, Message::Kept(kept[0].clone()));
    let none = Event::Aborted(Abort::Certificate { answers: 1, servers: 4 });
    assert_eq!(patient(&mut rescuer), none);
}

/// What is not the client's word in this session convicts it of nothing.
#[test]
fn no_servers_forgery_convicts_the_client() {
    let world = world(4, 4);
    let (_, kept) = kept(&world);
    let mut elsewhere = crate::common::world(4, 4);
    elsewhere.terms.slot = 4;
    let foreign = Plot::honest(&elsewhere, pick(&elsewhere, &dealings(&elsewhere), false));
    let mut forged = Plot::honest(&world, pick(&world, &dealings(&world), true));
    forged.statement = ByClient::new(&world.keys[2], forged.statement.what);
    let mut rescuer = started(&world);
    let honest = Kept { decided: None, ..kept[0].clone() };
    let zero = Peer::Server(world.index(0));
    assert_eq!(say(&mut rescuer, zero, Message::Kept(honest)), (vec![], vec![]));
    for (at, plot, kind) in
        [(1, foreign, FaultKind::InvalidPayload), (2, forged, FaultKind::BadSignature)]
    {
        let acknowledged = Some((plot.statement, plot.fragments[at].clone()));
        let lie = Kept { acknowledged, decided: None, ..kept[0].clone() };
        let from = Peer::Server(world.index(u16::try_from(at).unwrap()));
        let (_, faults) = say(&mut rescuer, from, Message::Kept(lie));
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert_eq!((fault.culprit, fault.kind), (from, kind));
        assert_eq!(fault.evidence, None);
    }
}

/// A fragment of another statement that the client signed would make the decided one look void.
#[test]
fn once_a_statement_is_decided_no_others_fragment_is_kept() {
    let world = world(4, 4);
    let (_, kept) = kept(&world);
    let other = Plot::honest(&world, pick(&world, &dealings(&world), true));
    let acknowledged = Some((other.statement.clone(), other.fragments[0].clone()));
    let other = Kept { acknowledged, decided: None, ..kept[0].clone() };
    let mut rescuer = started(&world);
    let [zero, three] = [0, 3].map(|at| Peer::Server(world.index(at)));
    assert_eq!(say(&mut rescuer, three, Message::Kept(kept[3].clone())), (vec![], vec![]));
    let (events, faults) = say(&mut rescuer, zero, Message::Kept(other));
    assert_eq!(events, []);
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((fault.culprit, fault.kind), (Peer::Client, FaultKind::Equivocation));
    let why = Event::Aborted(Abort::Fragments { have: 1, need: 2 });
    assert_eq!(patient(&mut rescuer), why);
}

/// A client that had servers acknowledge two statements is convicted by them, and the certificate
/// tells which of them counts.
#[test]
fn two_statements_convict_the_client_and_the_certified_one_is_completed() {
    let world = world(8, 4);
    let mut stage = Stage::new(&world);
    let dealings = stage.deals(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let [one, other] =
        [false, true].map(|last| Plot::honest(&world, pick(&world, &dealings, last)));
    stage.acknowledge(&other, &[0, 1]);
    let certificate = stage.acknowledge(&one, &[2, 3, 4, 5, 6, 7]);
    stage.open(&one, &certificate, &[7]);
    let (event, faults) = stage.rescue_with(&[0, 1, 2, 3, 4, 7], |_, said| said);
    let Event::Finished(output, transcript) = event else { panic!("{event:?}") };
    assert_eq!(transcript.statement, one.statement.what);
    let opened = stage.open(&one, &certificate, &[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(one.output(&world, &opened), Some(output));
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((fault.culprit, fault.kind), (Peer::Client, FaultKind::Equivocation));
    let evidence = fault.evidence.as_ref().unwrap();
    assert_eq!(blame::verify(evidence, &world.session()), Some(Peer::Client));
}

/// Each of the two round trips has its own time, and asks again only who owes an answer.
#[test]
fn who_answered_is_not_asked_again_and_patience_begins_anew() {
    let world = world(4, 4);
    let (_, kept) = kept(&world);
    let [one, two, three] = [1, 2, 3].map(|at| Peer::Server(world.index(at)));
    let mut rescuer = started(&world);
    assert_eq!(say(&mut rescuer, three, Message::Kept(kept[3].clone())), (vec![], vec![]));
    let mut rng = rng(5);
    let late = Time::at(world.rescuer_setup().patience - Duration::from_secs(1));
    let mut now = Time::default();
    while now < late {
        now = rescuer.next_timeout().unwrap();
        let output = released(rescuer.handle_timeout(&mut Cx::new(now, &mut rng)));
        let [(To::Some(asked), Message::Inquiry(_))] = &output.messages[..] else { panic!() };
        assert_eq!(*asked, [Peer::Server(world.index(0)), one, two]);
    }
    let last = Message::Kept(kept[1].clone());
    let output = released(rescuer.handle_message(&mut Cx::new(now, &mut rng), one, last));
    assert!(matches!(output.messages[..], [(_, Message::Decision(_)), ..]));
    // Nine seconds of ten are over, and five more are not too many.
    while now < late.after(Duration::from_secs(5)) {
        now = rescuer.next_timeout().unwrap();
        let output = released(rescuer.handle_timeout(&mut Cx::new(now, &mut rng)));
        assert_eq!(output.events, []);
    }
}

/// Shares are taken from their own servers, once each, for the statement that is decided.
#[test]
fn shares_that_are_anothers_or_for_something_else_are_faults() {
    let world = world(4, 4);
    let mut stage = Stage::new(&world);
    let dealings = stage.deals(&[0, 1, 2, 3]);
    let plot = Plot::honest(&world, pick(&world, &dealings, false));
    let certificate = stage.acknowledge(&plot, &[0, 1, 2]);
    let opened = stage.open(&plot, &certificate, &[0, 1, 2, 3]);
    let changes: [fn(&mut Opened, &Opened); 4] = [
        |own, _| own.statement.0[0] ^= 1,
        |own, _| own.group = 1,
        |own, other| *own = other.clone(),
        |own, other| own.share.shares = other.share.shares.clone(),
    ];
    for change in changes {
        let (event, faults) = stage.rescue_with(&[0, 1, 2, 3], |at, mut said| {
            if let Message::Opened(own) = &mut said
                && (at == 2 || at == 0)
            {
                change(own, &opened[3]);
            }
            said
        });
        assert!(matches!(event, Event::Finished(..)));
        assert!(!faults.is_empty());
        for fault in faults {
            assert!([0, 2].map(|at| Peer::Server(world.index(at))).contains(&fault.culprit));
            assert_eq!(fault.kind, FaultKind::InvalidProof);
        }
    }
}
