//! A client that learns the output and says nothing, or says nothing at all.

use cosi::{Certificate, machine::Index};
use randhound::{
    Message, Peer, Randomness,
    message::Deals,
    rescuer::{Abort, Event},
    server::Record,
};

use crate::{
    common::{World, world},
    stage::{Plot, Stage, pick},
};

/// What came of a client's plan.
struct Withheld<'a> {
    stage: Stage<'a>,
    plot: Plot,
    certificate: Certificate,
    /// What the client knows.
    seen: Randomness,
    /// The group whose deals it showed to its accomplices alone.
    group: u16,
    /// All servers but the accomplices.
    honest: Vec<u16>,
}

fn members(world: &World, group: u16) -> Vec<u16> {
    let session = world.session();
    session.groups().members(group).unwrap().iter().copied().map(Index::get).collect()
}

/// f = 2 of 8 servers are the client's, in one group of four. The other two there hear of nothing,
/// and all the others see what honest clients show.
fn withhold(world: &World) -> Withheld<'_> {
    let group = 1;
    let [others, own] = [0, group].map(|group| members(world, group));
    let (accomplices, dark) = own.split_at(2);
    let heard = [&others[..], accomplices].concat();
    let mut stage = Stage::new(world);
    let dealings = stage.deals(&heard);
    let plot = Plot::honest(world, pick(world, &dealings, false));
    let certificate = stage.acknowledge(&plot, &heard);
    let opened = stage.open(&plot, &certificate, &heard);
    let seen = plot.output(world, &opened).unwrap();
    let honest = [&others[..], dark].concat();
    Withheld { stage, plot, certificate, seen, group, honest }
}

/// The published run has no fragments: an honest server keeps the deals of its own group.
#[test]
fn deals_shown_to_accomplices_alone_breaks_published() {
    let world = world(8, 4);
    let Withheld { mut stage, plot, certificate, group, honest, .. } = withhold(&world);
    // Nobody honest stores a deal of the group, so that nobody can be given any.
    let stored = honest.iter().filter_map(|at| stage.stored.get(at)).flatten();
    let keeps = |deals: &Deals| deals == &plot.deals[usize::from(group)];
    let found = stored.filter(|record| match record {
        Record::Acknowledged(_, deals, _) => keeps(deals),
        Record::Opened(decision, _) => keeps(&decision.deals),
        Record::Dealt(_) | _ => false,
    });
    assert_eq!(found.count(), 0);
    // Whoever shows all of them the certificate gets no share of the group.
    let shown = |at: &u16| {
        let decision = plot.decision(&world, &certificate, *at, false);
        stage.hand(*at, Peer::Guest(0), decision)
    };
    let said: Vec<_> = honest.iter().flat_map(shown).collect();
    let opened = said.into_iter().map(|said| {
        let Message::Opened(opened) = said else { panic!("{said:?}") };
        opened
    });
    let opened: Vec<_> = opened.collect();
    assert_eq!(opened.len(), 4);
    assert!(opened.iter().all(|opened| opened.group != group));
    assert_eq!(
        plot.output(&world, &opened),
        None,
        "the client knows it, and nobody else ever will"
    );
}

#[test]
fn deals_shown_to_accomplices_alone_are_rebuilt() {
    let world = world(8, 4);
    // By a stranger, and by whoever has the client's connection after it.
    for rescuer in [Peer::Guest(0), Peer::Client] {
        let Withheld { mut stage, seen, honest, .. } = withhold(&world);
        stage.rescuer = rescuer;
        let Event::Finished(output, transcript) = stage.rescue(&honest) else { panic!() };
        assert_eq!(output, seen);
        assert_eq!(transcript.verify(&world.committee, &world.terms), Ok(output));
    }
}

/// The certificate forms at the client, and no honest server sees it.
#[test]
fn a_client_that_shows_no_certificate_learns_nothing_and_loses_the_slot() {
    let world = world(8, 4);
    let all: Vec<u16> = (0..8).collect();
    let own = members(&world, 1);
    let (accomplices, honest): (Vec<u16>, Vec<u16>) =
        all.iter().partition(|at| own[..2].contains(at));
    let mut stage = Stage::new(&world);
    let dealings = stage.deals(&all);
    let plot = Plot::honest(&world, pick(&world, &dealings, false));
    let certificate = stage.acknowledge(&plot, &all);
    let opened = stage.open(&plot, &certificate, &accomplices);
    assert_eq!(opened.len(), 2, "a group's threshold");
    assert_eq!(plot.output(&world, &opened), None, "and nothing of the other group");

    let why = Event::Aborted(Abort::Certificate { answers: 6, servers: 8 });
    assert_eq!(stage.rescue(&honest), why);
    let stored = honest.iter().filter_map(|at| stage.stored.get(at)).flatten();
    assert!(stored.clone().count() > 0);
    assert!(stored.clone().all(|record| !matches!(record, Record::Opened(..))));

    // Whom it opens the output to, it opens it to all.
    for first in honest.clone() {
        let mut stage = Stage::new(&world);
        let again = stage.deals(&all);
        assert_eq!(again, dealings);
        stage.acknowledge(&plot, &all);
        assert_eq!(stage.open(&plot, &certificate, &[first]).len(), 1);
        let Event::Finished(output, _) = stage.rescue(&honest) else { panic!() };
        let opened = stage.open(&plot, &certificate, &all);
        assert_eq!(plot.output(&world, &opened), Some(output));
    }
}

/// Servers that were never invited open on the certificate, with the deals that a rescuer gives.
#[test]
fn servers_that_saw_nothing_open_on_the_certificate() {
    let world = world(4, 4);
    let mut stage = Stage::new(&world);
    let dealings = stage.deals(&[0, 1, 2]);
    let plot = Plot::honest(&world, pick(&world, &dealings, false));
    let certificate = stage.acknowledge(&plot, &[0, 1, 2]);
    assert_eq!(stage.open(&plot, &certificate, &[0]).len(), 1);
    // With server 2 silent, t = 2 shares and f + 1 = 2 fragments are those of 0, 1 and 3.
    let Event::Finished(_, transcript) = stage.rescue(&[0, 1, 3]) else { panic!() };
    assert!(transcript.verify(&world.committee, &world.terms).is_ok());
    // Without server 1 the uninvited one is needed for its share, and has no fragment.
    let mut stage = Stage::new(&world);
    stage.deals(&[0, 1, 2]);
    stage.acknowledge(&plot, &[0, 1, 2]);
    stage.open(&plot, &certificate, &[0]);
    let why = Event::Aborted(Abort::Fragments { have: 1, need: 2 });
    assert_eq!(stage.rescue(&[0, 3]), why);
    // A group of four at t = 2, where only one opens.
    let silent = |at: u16, said: Message| {
        let opens = at == 1 && matches!(said, Message::Opened(_));
        if opens { Message::Inquiry(world.session().id()) } else { said }
    };
    let (event, _) = stage.rescue_with(&[0, 1], silent);
    assert_eq!(event, Event::Aborted(Abort::Shares { group: 0, have: 1, need: 2 }));
}
