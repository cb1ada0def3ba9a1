//! Acknowledging together: rounds, what fails them, and what comes after.

use cosi::{
    Certificate,
    machine::{Cx, FaultKind, Time},
    nonce::NonceId,
    round::Offer,
};
use randhound::{
    Client, Message, Peer, StatementId,
    client::{self, Abort, Event},
    message::{Acknowledgement, Ask, Word},
};

use crate::{
    common::{World, world},
    table::{Asked, Table, asked, wrong_part},
};

/// A table at which the client has chosen, with all servers' offers.
pub(crate) fn chosen(world: &World) -> (Table<'_>, Asked) {
    let mut table = Table::new(world);
    let invited = table.start();
    let shown = table.deliver(invited);
    assert_eq!(table.records.len(), 2, "started and chosen");
    (table, shown)
}

/// Goes on to the end, and returns who signed the certificate, and whether together.
pub(crate) fn finish(table: &mut Table<'_>, decided: Asked) -> (bool, Vec<u16>) {
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

pub(crate) fn word(message: &Message) -> &Word {
    let Message::Acknowledgement(said) = message else { panic!("{message:?}") };
    &said.word
}

pub(crate) fn statement(shown: &Asked) -> StatementId {
    let Message::Choice(shown) = &shown[0].1 else { panic!() };
    shown.statement.what.id()
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
