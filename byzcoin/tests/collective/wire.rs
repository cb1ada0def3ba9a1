//! What travels.

use byzcoin::{
    Height, Kind, Statement, View,
    votes::{Command, Message, Single},
};
use cosi::{domain, transcript::Hash, wire::Wire};

use crate::common::{H, Net, V0, single};

/// One message of each form that a run with a view change brings about.
fn every_form() -> Vec<Message> {
    let mut net = Net::new(4);
    let first = net.prepare(9);
    let before = (H, View::new(1));
    let next = Statement { height: Height::new(2), view: View::new(1), ..first };
    for statement in [first, next] {
        (0..4).for_each(|member| net.vote(member, statement, 0));
        net.open(0, statement);
        net.run_all();
        (0..4).for_each(|member| net.command(member, Command::Drop { before }));
    }
    let mut forms: Vec<Message> = vec![];
    for (_, _, message) in net.log {
        let form = |message: &Message| message.encode()[..2].to_vec();
        if forms.iter().all(|known| form(known) != form(&message)) {
            forms.push(message);
        }
    }
    forms.push(single(2, first));
    forms
}

#[test]
fn every_message_has_one_encoding() {
    let forms = every_form();
    assert_eq!(forms.len(), 6, "five of cosi, and the single vote");
    let mut all = Hash::new(domain::BATCH);
    for message in &forms {
        let bytes = message.encode();
        assert_eq!(Message::decode(&bytes).as_ref(), Ok(message));
        assert!((0..bytes.len()).all(|len| Message::decode(&bytes[..len]).is_err()), "truncated");
        assert!(Message::decode(&[&bytes[..], &[0]].concat()).is_err(), "a trailing byte");
        for at in 0..bytes.len() - 4 {
            let mut hostile = bytes.clone();
            hostile[at..at + 4].copy_from_slice(&[0xff; 4]);
            // Whatever it says, it costs no more than its size.
            let _ = Message::decode(&hostile);
        }
        all = all.bytes(&bytes);
    }
    let digest: String = all.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, FORMAT, "the format has changed: that is a decision");
}

/// The first bytes of the hash over the encodings of each message. Nonces are drawn into it.
const FORMAT: &str = "e1b9654e9f5b9554";

#[test]
fn a_single_vote_is_what_it_was() {
    let net = Net::new(4);
    let statement = net.scope().statement(Kind::Commit, H, V0, [6; 32]);
    let Message::Single(Single { signature, .. }) = single(2, statement) else { panic!() };
    let bytes = single(2, statement).encode();
    assert_eq!(bytes, [&[1][..], &statement.encode(), &[2, 0], &signature.0].concat());
    assert_eq!(bytes.len(), 1 + 117 + 2 + 64);
}
