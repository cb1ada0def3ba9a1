//! Acknowledging together: rounds, what fails them, and what comes after.

use cosi::{
    Certificate, Policy, Statement as _,
    machine::{Cx, FaultKind, Time},
    mask::Mask,
    nonce::NonceId,
    round::{Asking, Offer, Question},
};
use randhound::{
    Client, Message, Peer,
    client::{self, Abort, Event},
    message::{Acknowledgement, Ask, Word},
};

use crate::{
    common::{World, world},
    table::{Asked, Table, ask, asked, wrong_part},
};

/// A table at which the client has chosen, with all servers' offers.
fn chosen(world: &World) -> (Table<'_>, Asked) {
    let mut table = Table::new(world);
    let invited = table.start();
    let shown = table.deliver(invited);
    assert_eq!(table.records.len(), 2, "started and chosen");
    (table, shown)
}

/// Goes on to the end, and returns who signed the certificate, and whether together.
fn finish(table: &mut Table<'_>, decided: Asked) -> (bool, Vec<u16>) {
    let mut decided = decided;
    while table.events.is_empty() {
        assert_eq!(table.deliver(decided), []);
        decided = if table.events.is_empty() { table.wait() } else { Vec::new() };
    }
    let [Event::Finished(output, transcript)] = &table.events[..] else { panic!() };
    let verdict = transcript.verify(&table.world.committee, &table.world.terms);
    assert_eq!(verdict, Ok(*output));
    let certificate = table.certificate().unwrap();
    assert_eq!(transcript.certificate, certificate);
    let together = matches!(certificate, Certificate::Collective(_));
    (together, certificate.signers().iter().collect())
}

fn word(message: &Message) -> &Word {
    let Message::Acknowledgement(said) = message else { panic!("{message:?}") };
    &said.word
}

#[test]
fn all_acknowledge_together() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let all: Vec<u16> = (0..7).collect();
    assert_eq!(asked(&shown), (Some(0), all.clone(), vec![]));
    let decided = table.deliver(shown);
    // The short certificate goes to everybody, and deals to nobody who has them.
    let mut shown_to = Vec::new();
    for (to, message) in &decided {
        let Message::Decision(decision) = message else { panic!("{message:?}") };
        assert!(decision.deals.is_empty());
        shown_to.push(*to);
    }
    shown_to.sort_unstable();
    assert_eq!(shown_to, all);
    assert_eq!(finish(&mut table, decided), (true, all));
    assert_eq!(table.faults, []);
}

#[test]
fn without_rounds_all_sign_one_by_one() {
    let world = world(4, 4);
    let mut table = Table::new(&world);
    let setup = client::Setup { rounds: 0, ..world.client_setup() };
    let mut rng = crate::common::rng(1);
    let mut cx = Cx::new(Time::default(), &mut rng);
    table.client = Client::restore(setup, [], &mut cx).unwrap().0;
    let invited = table.start();
    let shown = table.deliver(invited);
    assert_eq!(asked(&shown), (None, vec![], vec![0, 1, 2, 3]));
    let decided = table.deliver(shown);
    assert_eq!(finish(&mut table, decided), (false, vec![0, 1, 2]));
}

#[test]
fn a_silent_server_costs_one_round() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let nothing = table.carry(shown, |from, reply| (from != 2).then_some(reply));
    assert_eq!(nothing, [], "stragglers have some grace");
    let again = table.wait();
    // The others have the statement, and are asked with few bytes.
    assert_eq!(asked(&again), (Some(1), vec![0, 1, 3, 4, 5, 6], vec![2]));
    for (to, message) in &again {
        assert_eq!(matches!(message, Message::Ask(..)), *to != 2);
    }
    let decided = table.carry(again, |from, reply| (from != 2).then_some(reply));
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 3, 4, 5, 6]));
    assert_eq!(table.faults, []);
}

#[test]
fn a_wrong_part_costs_one_round_and_is_named() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let liar = Peer::Server(world.index(4));
    let lie = |from, reply| Some(if from == 4 { wrong_part(reply) } else { reply });
    let again = table.carry(shown, lie);
    assert_eq!(asked(&again), (Some(1), vec![0, 1, 2, 3, 5, 6], vec![4]));
    assert_eq!(table.blamed(), [(liar, FaultKind::InvalidProof)]);
    assert_eq!(table.faults[0].evidence, None, "a part is not signed");
    let decided = table.carry(again, lie);
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2, 3, 5, 6]));
}

/// A network that says again what was said in a round that failed, and a server that is not asked,
/// end no round and blame nobody.
#[test]
fn parts_of_another_round_or_of_who_is_not_asked_count_for_nothing() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let (liar, mut first) = (Peer::Server(world.index(4)), Vec::new());
    let again = table.carry(shown, |from, reply| {
        first.push((from, reply.clone()));
        Some(if from == 4 { wrong_part(reply) } else { reply })
    });
    assert_eq!(asked(&again), (Some(1), vec![0, 1, 2, 3, 5, 6], vec![4]));
    for (from, reply) in first.clone() {
        assert_eq!(table.hear(from, reply), []);
    }
    let (_, reply) = first.into_iter().find(|(from, _)| *from == 4).unwrap();
    let Message::Acknowledgement(mut said) = reply else { panic!() };
    let Word::Part { attempt, .. } = &mut said.word else { panic!() };
    *attempt = 1;
    assert_eq!(table.hear(4, Message::Acknowledgement(said)), []);
    let decided = table.deliver(again);
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2, 3, 5, 6]));
    assert_eq!(table.blamed(), [(liar, FaultKind::InvalidProof)]);
}

#[test]
fn a_wrong_part_is_named_though_others_are_silent() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let act = |from, reply| match from {
        2 => None,
        4 => Some(wrong_part(reply)),
        _ => Some(reply),
    };
    assert_eq!(table.carry(shown, act), []);
    let again = table.wait();
    assert_eq!(asked(&again), (Some(1), vec![0, 1, 3, 5, 6], vec![2, 4]));
    let decided = table.carry(again, act);
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 3, 5, 6]));
}

#[test]
fn liars_in_each_round_are_named_and_the_others_sign_one_by_one() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let lie = |liar| move |from, reply| Some(if from == liar { wrong_part(reply) } else { reply });
    let again = table.carry(shown, lie(4));
    let singly = table.carry(again, lie(5));
    let (round, parts, singles) = asked(&singly);
    assert_eq!((round, parts), (None, vec![]));
    // The first liar was asked for a signature before, and may have given it.
    assert!([0, 1, 2, 3, 5, 6].iter().all(|at| singles.contains(at)));
    let decided = table.deliver(singly);
    let (together, signers) = finish(&mut table, decided);
    assert_eq!((together, signers.len()), (false, 5));
    let liars = [4, 5].map(|at| (Peer::Server(world.index(at)), FaultKind::InvalidProof));
    assert_eq!(table.blamed(), liars);
}

#[test]
fn a_server_that_always_refuses_costs_both_rounds() {
    let world = world(4, 4);
    let (mut table, mut shown) = chosen(&world);
    let refuse = |from, reply: Message| {
        let Message::Acknowledgement(said) = &reply else { return Some(reply) };
        match said.word {
            Word::Part { attempt, ahead, .. } if from == 0 => {
                let word = Word::Refusal { attempt, ahead };
                Some(Message::Acknowledgement(Acknowledgement { word, ..said.clone() }))
            }
            _ => Some(reply),
        }
    };
    for round in [Some(0), Some(1), None] {
        assert_eq!(asked(&shown).0, round);
        shown = table.carry(shown, refuse);
    }
    assert_eq!(finish(&mut table, shown), (false, vec![0, 1, 2]));
    assert_eq!(table.faults, [], "a lost pair is nobody's fault");
}

#[test]
fn pairs_lost_in_a_crash_cost_one_round() {
    let world = world(4, 4);
    let (mut table, shown) = chosen(&world);
    (0..4).for_each(|at| table.restart_server(at));
    let again = table.carry(shown, |_, reply| {
        assert!(matches!(word(&reply), Word::Refusal { attempt: 0, .. }));
        Some(reply)
    });
    assert_eq!(asked(&again), (Some(1), vec![0, 1, 2, 3], vec![]));
    let decided = table.deliver(again);
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2, 3]));
    assert_eq!(table.faults, []);
}

#[test]
fn a_restored_client_asks_for_signatures() {
    let world = world(7, 4);
    for answered in [false, true] {
        let (mut table, shown) = chosen(&world);
        if answered {
            assert_eq!(table.carry(shown, |from, reply| (from != 6).then_some(reply)), []);
        }
        let again = table.restart_client();
        assert_eq!(asked(&again), (None, vec![], (0..7).collect()));
        assert!(again.iter().all(|(_, message)| matches!(message, Message::Choice(_))));
        let decided = table.deliver(again);
        let (together, signers) = finish(&mut table, decided);
        assert_eq!((together, signers.len()), (false, 5));
    }
    // Once the certificate is recorded, it goes on with that.
    let (mut table, shown) = chosen(&world);
    table.deliver(shown);
    let decided = table.restart_client();
    assert_eq!(decided.len(), 7);
    assert_eq!(finish(&mut table, decided), (true, (0..7).collect()));
}

#[test]
fn an_offer_of_no_points_is_named_and_its_server_signs_alone() {
    let world = world(4, 4);
    let mut table = Table::new(&world);
    let invited = table.start();
    let spoil = |bad: &'static [u16]| {
        move |from, reply| match reply {
            Message::Dealing(said, offer) if bad.contains(&from) => {
                let mut nowhere = [0; 32];
                nowhere[0] = 2;
                Some(Message::Dealing(said, Offer { points: [nowhere; 2], ..offer }))
            }
            other => Some(other),
        }
    };
    let shown = table.carry(invited.clone(), spoil(&[1]));
    assert_eq!(asked(&shown), (Some(0), vec![0, 2, 3], vec![1]));
    assert_eq!(table.blamed(), [(Peer::Server(world.index(1)), FaultKind::InvalidPayload)]);
    let decided = table.deliver(shown);
    // It did not acknowledge in the form that counts, and gets its group's deals again.
    for (to, message) in &decided {
        let Message::Decision(decision) = message else { panic!() };
        assert_eq!(decision.deals.is_empty(), *to != 1);
    }
    assert_eq!(finish(&mut table, decided), (true, vec![0, 2, 3]));

    // Where no quorum offers, patience ends with single signatures.
    let mut table = Table::new(&world);
    let invited = table.start();
    assert_eq!(table.carry(invited, spoil(&[1, 2])), []);
    let mut singly = table.wait();
    while table.records.len() == 1 {
        singly = table.wait();
    }
    assert_eq!(asked(&singly), (None, vec![], vec![0, 1, 2, 3]));
    let decided = table.deliver(singly);
    assert_eq!(finish(&mut table, decided), (false, vec![0, 1, 2]));
}

/// A server that spoils its offer leaves too few, and the time of who comes after it begins anew.
#[test]
fn the_grace_for_stragglers_begins_with_a_quorum_of_offers() {
    let world = world(7, 7);
    let mut table = Table::new(&world);
    let invited = table.start();
    let mut dealt: Vec<_> =
        invited.into_iter().map(|(to, message)| (to, table.reply(to, message))).collect();
    let (last, straggler) = (dealt.pop().unwrap(), dealt.pop().unwrap());
    let spoiled = dealt.last().cloned().unwrap();
    for (from, message) in dealt {
        assert_eq!(table.hear(from, message), []);
    }
    let begun = table.now;
    let grace = world.client_setup().grace;
    assert_eq!(table.client.next_timeout(), Some(begun.after(grace)), "five of seven");
    let Message::Dealing(said, offer) = spoiled.1 else { panic!() };
    let mut nowhere = [0; 32];
    nowhere[0] = 2;
    let nonce = NonceId([0; 16]);
    assert_ne!(offer.nonce, nonce);
    let offer = Offer { nonce, points: [nowhere; 2] };
    assert_eq!(table.hear(spoiled.0, Message::Dealing(said, offer)), []);
    assert_eq!(table.client.next_timeout(), Some(begun.after(crate::table::RETRY)));
    table.wait();
    assert_eq!(table.hear(straggler.0, straggler.1), []);
    assert_eq!(table.client.next_timeout(), Some(table.now.after(grace)));
    let shown = table.hear(last.0, last.1);
    assert_eq!(asked(&shown), (Some(0), vec![0, 1, 2, 3, 5, 6], vec![4]));
}

/// A quorum is heard, but no quorum of those who were asked for parts.
#[test]
fn parts_and_signatures_are_never_counted_together() {
    let world = world(4, 4);
    let mut table = Table::new(&world);
    let invited = table.start();
    // Server 3 is late, and asked for a signature.
    assert_eq!(table.carry(invited, |from, reply| (from != 3).then_some(reply)), []);
    let shown = table.wait();
    assert_eq!(asked(&shown), (Some(0), vec![0, 1, 2], vec![3]));
    // Server 2 falls silent: two parts and a signature.
    assert_eq!(table.carry(shown, |from, reply| (from != 2).then_some(reply)), []);
    assert_eq!(table.certificate(), None);
    let singly = table.wait();
    assert_eq!(asked(&singly), (None, vec![], vec![0, 1, 2]));
    let decided = table.carry(singly, |from, reply| (from != 2).then_some(reply));
    assert_eq!(finish(&mut table, decided), (false, vec![0, 1, 3]));
}

#[test]
fn a_straggler_is_waited_for_and_a_late_one_is_not() {
    let world = world(4, 4);
    // Within the grace.
    let (mut table, shown) = chosen(&world);
    let mut late = Vec::new();
    let nothing = table.carry(shown, |from, reply| {
        if from == 3 {
            late.push(reply);
            return None;
        }
        Some(reply)
    });
    assert_eq!(nothing, []);
    let decided = table.hear(3, late[0].clone());
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2, 3]));
    // After it: the part of a round that is over is nobody's fault, and counts nowhere.
    let (mut table, shown) = chosen(&world);
    table.carry(shown, |from, reply| (from != 3).then_some(reply));
    let again = table.wait();
    assert_eq!(table.hear(3, late[0].clone()), []);
    let decided = table.deliver(again);
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2]));
    assert_eq!(table.faults, []);
}

/// Messages that arrive twice and in another order make servers refuse, and parts stand.
#[test]
fn a_repeated_question_takes_no_part_back() {
    let world = world(4, 4);
    let (mut table, shown) = chosen(&world);
    let mut replies = Vec::new();
    for (to, message) in shown {
        let first = table.reply(to, message.clone());
        let second = table.reply(to, message);
        assert!(matches!(word(&first), Word::Part { attempt: 0, .. }));
        assert!(matches!(word(&second), Word::Refusal { attempt: 0, .. }));
        replies.push((to, [second, first]));
    }
    let mut decided = Vec::new();
    for (from, both) in replies {
        // The refusal comes after the part, or before it. The last one alone would end the round.
        let both = if from == 3 || from == 0 { [both[1].clone(), both[0].clone()] } else { both };
        decided.extend(both.into_iter().flat_map(|reply| table.hear(from, reply)));
    }
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2, 3]));
}

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

#[test]
fn words_for_another_statement_and_forged_ones_are_named() {
    let world = world(4, 4);
    let (mut table, shown) = chosen(&world);
    let replies: Vec<_> =
        shown.into_iter().map(|(to, message)| (to, table.reply(to, message))).collect();
    let Message::Acknowledgement(said) = replies[0].1.clone() else { panic!() };
    let mut other = said.clone();
    other.statement.0[0] ^= 1;
    assert_eq!(table.hear(0, Message::Acknowledgement(other)), []);
    let forged = Acknowledgement { word: Word::Single(cosi::keys::Signature([3; 64])), ..said };
    assert_eq!(table.hear(1, Message::Acknowledgement(forged)), []);
    let [zero, one] = [0, 1].map(|at| Peer::Server(world.index(at)));
    let blamed = [(zero, FaultKind::InvalidPayload), (one, FaultKind::BadSignature)];
    assert_eq!(table.blamed(), blamed);
    // Neither takes the place of the right word.
    let decided = replies.into_iter().flat_map(|(from, reply)| table.hear(from, reply)).collect();
    assert_eq!(finish(&mut table, decided), (true, vec![0, 1, 2, 3]));
}

/// One slot a server: whoever repeats itself is one server, and no quorum.
#[test]
fn one_server_fills_no_quorum() {
    let world = world(4, 4);
    let mut table = Table::new(&world);
    let invited = table.start();
    let mut dealt: Vec<Message> = Vec::new();
    for (to, message) in &invited {
        // Each restart offers another pair, and the deal stays the same.
        dealt.push(table.reply(*to, message.clone()));
    }
    assert_eq!(table.hear(0, dealt[0].clone()), []);
    for _ in 0..20 {
        table.restart_server(0);
        let again = table.reply(0, invited[0].1.clone());
        let (Message::Dealing(first, old), Message::Dealing(second, new)) = (&dealt[0], &again)
        else {
            panic!()
        };
        assert_eq!(first, second);
        assert_ne!(old, new);
        assert_eq!(table.hear(0, again.clone()), []);
        dealt[0] = again;
    }
    assert_eq!(table.hear(1, dealt[1].clone()), []);
    assert_eq!(table.records.len(), 1, "two servers of four");
    assert_eq!(table.hear(2, dealt[2].clone()), []);
    let shown = table.hear(3, dealt[3].clone());
    // The latest pair is asked for.
    let (_, zero) = shown.iter().find(|(to, _)| *to == 0).unwrap();
    let reply = table.reply(0, zero.clone());
    assert!(matches!(word(&reply), Word::Part { .. }));
    for _ in 0..20 {
        assert_eq!(table.hear(0, reply.clone()), []);
    }
    assert_eq!(table.client.next_timeout(), Some(table.now.after(crate::table::RETRY)));
    // Signatures too: the round trip ends with one server's.
    let single = table.reply(0, Message::Ask(statement(&shown), Ask::Single));
    for _ in 0..20 {
        assert_eq!(table.hear(0, single.clone()), []);
    }
    while table.events.is_empty() {
        table.wait();
    }
    assert_eq!(table.events, [Event::Aborted(Abort::Acknowledgements { have: 1, need: 3 })]);
}

/// Who gave a part is not asked for it again while others are waited for.
#[test]
fn who_answered_in_a_round_is_not_asked_again() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let silent = |from, reply| (![2, 4, 5].contains(&from)).then_some(reply);
    assert_eq!(table.carry(shown, silent), []);
    for _ in 0..2 {
        let again = table.wait();
        assert_eq!(asked(&again), (Some(0), vec![2, 4, 5], vec![]));
        assert!(again.iter().all(|(_, message)| matches!(message, Message::Choice(_))));
    }
}

/// Two servers that give a part and a signature each are no quorum of four, and begin no grace.
#[test]
fn who_gives_a_part_and_a_signature_is_heard_once() {
    let world = world(4, 4);
    let (mut table, shown) = chosen(&world);
    let id = statement(&shown);
    for (to, message) in shown.into_iter().take(2) {
        let both = [message, Message::Ask(id, Ask::Single)];
        for said in both.map(|message| table.reply(to, message)) {
            assert_eq!(table.hear(to, said), []);
        }
    }
    assert_eq!(table.client.next_timeout(), Some(table.now.after(crate::table::RETRY)));
}

fn statement(shown: &Asked) -> randhound::StatementId {
    let Message::Choice(shown) = &shown[0].1 else { panic!() };
    shown.statement.what.id()
}

/// I2 to one server, and what it is asked.
fn part_of(shown: &Asked, at: u16) -> (Message, u8, Question, NonceId) {
    let (_, message) = shown.iter().find(|(to, _)| *to == at).unwrap().clone();
    let Ask::Part { attempt, question, nonce } = ask(&message).clone() else { panic!() };
    (message, attempt, question, nonce)
}

#[test]
fn a_server_spends_a_pair_once() {
    let world = world(4, 4);
    let (mut table, shown) = chosen(&world);
    let (message, _, question, nonce) = part_of(&shown, 1);
    let id = statement(&shown);
    let first = table.reply(1, message.clone());
    let Word::Part { attempt: 0, ahead, .. } = word(&first) else { panic!("{first:?}") };
    assert_ne!(ahead.nonce, nonce);
    // By the same question, another round's, or another name: the pair is gone.
    let mut ask = |attempt, nonce| {
        let ask = Ask::Part { attempt, question: question.clone(), nonce };
        word(&table.reply(1, Message::Ask(id, ask))).clone()
    };
    let refusal = |attempt| Word::Refusal { attempt, ahead: *ahead };
    assert_eq!(ask(0, nonce), refusal(0));
    assert_eq!(ask(1, nonce), refusal(1));
    let mut unknown = nonce;
    unknown.0[0] ^= 1;
    assert_eq!(ask(7, unknown), refusal(7), "what was offered stays");
    assert!(matches!(ask(1, ahead.nonce), Word::Part { attempt: 1, .. }));
    assert!(matches!(ask(1, ahead.nonce), Word::Refusal { attempt: 1, .. }));
    // A crash loses what was offered last.
    let Word::Refusal { ahead, .. } = ask(1, nonce) else { panic!() };
    table.restart_server(1);
    let ask = Ask::Part { attempt: 2, question, nonce: ahead.nonce };
    let last = table.reply(1, Message::Ask(id, ask));
    assert!(matches!(word(&last), Word::Refusal { attempt: 2, .. }));
}

#[test]
fn a_server_answers_only_for_a_quorum_with_itself_in_it() {
    let world = world(7, 4);
    let (mut table, shown) = chosen(&world);
    let (message, attempt, sound, mut nonce) = part_of(&shown, 1);
    let id = statement(&shown);
    let questions = [
        Mask::of(7, [0, 2, 3, 4, 5, 6]),
        Mask::of(7, [0, 1, 2, 3]),
        Mask::of(9, 0..9),
        Mask::of(7, []),
    ];
    let Message::Choice(first) = &message else { panic!() };
    let mut singly = first.clone();
    singly.ask = Ask::Single;
    assert!(matches!(word(&table.reply(1, Message::Choice(singly))), Word::Single(_)));
    let mut hear = |question: Question, nonce| {
        let ask = Ask::Part { attempt, question, nonce };
        word(&table.reply(1, Message::Ask(id, ask))).clone()
    };
    for mask in questions {
        let word = hear(Question { mask, ..sound.clone() }, nonce);
        let Word::Refusal { ahead, .. } = word else { panic!("{word:?}") };
        assert_ne!(ahead.nonce, nonce, "a pair that was asked for is gone");
        nonce = ahead.nonce;
    }
    let none = [[2; 32], sound.commitments[1]];
    let word = hear(Question { commitments: none, ..sound.clone() }, nonce);
    let Word::Refusal { ahead, .. } = word else { panic!("{word:?}") };
    // Five of seven are a quorum.
    let mask = Mask::of(7, [0, 1, 2, 3, 4]);
    assert!(matches!(hear(Question { mask, ..sound }, ahead.nonce), Word::Part { .. }));

    // Only the client asks, and for what was shown.
    let again = |id| Message::Ask(id, Ask::Single);
    assert_eq!(table.tell(Peer::Server(world.index(2)), 1, again(id)), []);
    assert_eq!(table.tell(Peer::Guest(3), 1, again(id)), []);
    let mut other = id;
    other.0[0] ^= 1;
    assert_eq!(table.tell(Peer::Client, 1, again(other)), []);
    assert_eq!(table.tell(Peer::Client, 2, again(id)), [], "it was shown nothing");
    let stranger = Peer::Server(world.index(2));
    assert_eq!(table.blamed(), [(stranger, FaultKind::WrongRole)]);
}

/// A server that answered for few would sign alone what the others never see: with the parts of a
/// minority alone the client has a signature that no policy of a quorum accepts.
#[test]
fn a_minoritys_parts_convince_nobody() {
    let world = world(4, 4);
    let (_, shown) = chosen(&world);
    let Message::Choice(first) = &shown[0].1 else { panic!() };
    let signed = first.statement.what.to_signed();
    let roster = world.committee.roster();
    let mut rng = crate::common::rng(3);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let pairs: Vec<_> = [0, 1]
        .map(|at: u16| {
            let key = &world.keys[usize::from(at)];
            (at, Offer::draw(&mut cx, key, &roster.id(), &[0; 32], &mut 0))
        })
        .into();
    let offers = pairs.iter().map(|(at, (offer, _))| (world.index(*at), offer.decode().unwrap()));
    let asking = Asking::new(roster, &[0; 32], offers, &signed).unwrap();
    let round = cosi::round::Round::new(roster, &[0; 32], asking.question(), &signed).unwrap();
    let answers = pairs
        .into_iter()
        .map(|(at, (_, pair))| (world.index(at), round.answer(pair, &world.keys[usize::from(at)])));
    let signature = asking.finish(roster, answers).unwrap();
    let certificate = Certificate::Collective(signature);
    assert!(certificate.verify(roster, &signed, &Policy::Quorum).is_err());
}
