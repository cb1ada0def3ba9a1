//! What a server answers in a round, and to whom.

use cosi::{
    Certificate, Policy, Statement as _,
    machine::{Cx, FaultKind, Time},
    mask::Mask,
    nonce::NonceId,
    round::{Asking, Offer, Question, Round},
};
use randhound::{
    Message, Peer,
    message::{Ask, Word},
};

use crate::{
    acknowledging::{chosen, statement, word},
    common::{rng, world},
    table::{Asked, ask},
};

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
    let mut rng = rng(3);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let pairs: Vec<_> = [0, 1]
        .map(|at: u16| {
            let key = &world.keys[usize::from(at)];
            (at, Offer::draw(&mut cx, key, &roster.id(), &[0; 32], &mut 0))
        })
        .into();
    let offers = pairs.iter().map(|(at, (offer, _))| (world.index(*at), offer.decode().unwrap()));
    let asking = Asking::new(roster, &[0; 32], offers, &signed).unwrap();
    let round = Round::new(roster, &[0; 32], asking.question(), &signed).unwrap();
    let answers = pairs
        .into_iter()
        .map(|(at, (_, pair))| (world.index(at), round.answer(pair, &world.keys[usize::from(at)])));
    let signature = asking.finish(roster, answers).unwrap();
    let certificate = Certificate::Collective(signature);
    assert!(certificate.verify(roster, &signed, &Policy::Quorum).is_err());
}
