//! How long certificates reach everybody: by one server a group.

use cosi::Certificate;
use randhound::{Message, Peer, client::Event};

use crate::{
    acknowledging::chosen,
    common::world,
    table::{Asked, Table},
};

#[test]
fn a_long_certificate_is_relayed_and_a_silent_relay_is_got_around() {
    let world = world(8, 4);
    let (mut table, _) = chosen(&world);
    let shown = table.restart_client();
    let decided = table.deliver(shown);
    let session = world.session();
    let relays: Vec<u16> = decided.iter().map(|(to, _)| *to).collect();
    // The first signers of each group.
    let expected = session.groups().iter().map(|(_, members)| {
        let signers = table.certificate().unwrap();
        members
            .iter()
            .map(|member| member.get())
            .find(|at| signers.signers().contains(*at))
            .unwrap()
    });
    assert_eq!(relays, expected.collect::<Vec<_>>());

    // The first relays; its group's shares reach the client, of whoever acknowledged.
    let (relay, decision) = decided[0].clone();
    let said = table.tell(Peer::Client, relay, decision);
    let from = Peer::Server(world.index(relay));
    let mut heard = 0;
    for (to, message) in said {
        let (from, reply) = match to {
            Peer::Client => (relay, message),
            Peer::Server(member) => {
                let Message::Decision(decision) = &message else { panic!() };
                assert!(decision.deals.is_empty());
                let mut replies = table.tell(from, member.get(), message);
                let Some((Peer::Client, reply)) = replies.pop() else { continue };
                assert_eq!(replies, [], "nobody relays a second time");
                (member.get(), reply)
            }
            Peer::Guest(_) => panic!(),
        };
        assert_eq!(table.hear(from, reply), []);
        heard += 1;
    }
    assert!(heard >= session.threshold(0), "{heard}");

    // The second keeps silent: after a while its group's other members are asked.
    assert_eq!(table.events, []);
    let again = table.wait();
    let group = session.groups().members(1).unwrap();
    assert_eq!(again.len(), group.len());
    let replies = again.into_iter().filter(|(to, _)| *to != relays[1]).collect();
    assert_eq!(table.deliver(replies), []);
    assert!(matches!(table.events[..], [Event::Finished(..)]));
    assert_eq!(table.faults, []);
}

/// Who did not sign has no deals from I2 and would have to be given them, and may be silent.
#[test]
fn a_long_certificate_goes_to_who_signed_it() {
    let world = world(8, 4);
    let (mut table, _) = chosen(&world);
    let session = world.session();
    let firsts = [0, 1].map(|group| session.groups().members(group).unwrap()[0].get());
    let shown = table.restart_client();
    let decided = table.carry(shown, |from, reply| (!firsts.contains(&from)).then_some(reply));
    let seconds = [0, 1].map(|group| session.groups().members(group).unwrap()[1].get());
    let relays: Vec<u16> = decided.iter().map(|(to, _)| *to).collect();
    assert_eq!(relays, seconds);
    for (relay, decision) in decided {
        let relayed = table.tell(Peer::Client, relay, decision);
        let relayed = relayed.into_iter().filter(|(to, _)| *to != Peer::Client);
        let first = firsts.map(|at| Peer::Server(world.index(at)));
        assert!(relayed.map(|(to, _)| to).any(|to| first.contains(&to)));
    }
}

/// A client that shows every server a long certificate, or is made to by a silent relay, has one
/// server a group pass it on, not each to each.
#[test]
fn a_long_certificate_shown_to_all_is_relayed_once_a_group() {
    let world = world(8, 4);
    let (mut table, _) = chosen(&world);
    let shown = table.restart_client();
    let decided = table.deliver(shown);
    let (_, decision) = decided[0].clone();
    let mut relays = Vec::new();
    for at in (0..8).rev() {
        let said = table.tell(Peer::Client, at, decision.clone());
        let (own, relayed): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|(to, _)| *to == Peer::Client);
        assert_eq!(own.len(), 1, "all acknowledged, and open");
        if !relayed.is_empty() {
            assert_eq!(relayed.len(), 3, "the others of its group");
            relays.push(at);
        }
    }
    relays.sort_unstable();
    let mut expected: Vec<u16> = decided.iter().map(|(to, _)| *to).collect();
    expected.sort_unstable();
    assert_eq!(relays, expected);
}

/// Strangers have nobody do their work for them, and a short certificate goes to everybody anyway.
#[test]
fn only_the_clients_long_certificate_is_relayed() {
    let world = world(8, 4);
    let told = |table: &mut Table<'_>, decided: Asked, from| {
        for (to, decision) in decided {
            let said = table.tell(from, to, decision);
            assert!(matches!(said[..], [(_, Message::Opened(_))]), "{said:?}");
        }
    };
    let (mut table, shown) = chosen(&world);
    let short = table.deliver(shown);
    assert!(matches!(table.certificate(), Some(Certificate::Collective(_))));
    told(&mut table, short, Peer::Client);
    // All of those whom the client shows it would relay the long one.
    for from in [Peer::Guest(1), Peer::Server(world.index(3))] {
        let (mut table, _) = chosen(&world);
        let shown = table.restart_client();
        let long = table.deliver(shown);
        assert_eq!(long.len(), 2);
        told(&mut table, long, from);
    }
}
