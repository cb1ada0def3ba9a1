//! Every wire type: one encoding, pinned; nothing else decodes.

use core::fmt::Debug;
use std::time::Duration;

use cosi::{
    domain::BATCH,
    transcript::Hash,
    wire::{BoundedVec, Wire},
};
use randhound::randshare::{DealId, Message, Record, Values, Vote, Word};

use crate::common::{Net, roster};

/// Checks round trip, truncation and trailing bytes; returns a short hash of the encoding.
fn pinned<T: Wire + PartialEq + Debug>(value: &T) -> String {
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
    for cut in 0..bytes.len() {
        assert!(T::decode(&bytes[..cut]).is_err(), "{cut} of {}", bytes.len());
    }
    assert!(T::decode(&[&bytes[..], &[0]].concat()).is_err());
    let digest = Hash::new(BATCH).bytes(&bytes).digest();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn formats_are_pinned() {
    let mut net = Net::new(&roster(4), 1);
    net.run(Duration::from_secs(1));
    let first = |is: fn(&Message) -> bool| {
        pinned(&net.delivered.iter().find(|(.., message)| is(message)).unwrap().2)
    };
    let commitments = net.delivered.iter().find_map(|(.., message)| match message {
        Message::Deal(deal) => Some(deal.commitments.clone()),
        _ => None,
    });
    let words = [
        Word::Echo(DealId([1; 32])),
        Word::Ready(DealId([2; 32])),
        Word::Estimate(1, true),
        Word::Coordinate(3, false),
        Word::Auxiliary(4, Values::No),
        Word::Auxiliary(5, Values::Yes),
        Word::Auxiliary(255, Values::Both),
    ];
    let votes = words.map(|word| Vote { dealer: 258, word });
    let record = |is: fn(&Record) -> bool| pinned(net.journals[&1].iter().find(|r| is(r)).unwrap());
    let found = [
        first(|message| matches!(message, Message::Deal(_))),
        first(|message| matches!(message, Message::Disclosed(..))),
        pinned(&Message::Votes(BoundedVec::new(votes.into()).unwrap())),
        pinned(&Message::Ask(7)),
        pinned(&Message::Commitments(2, commitments.unwrap())),
        record(|record| matches!(record, Record::Dealt(_))),
        record(|record| matches!(record, Record::Kept(..))),
        record(|record| matches!(record, Record::Voted(_))),
        record(|record| matches!(record, Record::Agreed(..))),
        record(|record| matches!(record, Record::Drawn(_))),
    ];
    let expected = [
        "0f66d07aed0e50c9",
        "74a7c5c47409d487",
        "28674a06ff08671f",
        "bdd2e58072c35138",
        "423bc99c8170b00f",
        "f3627270153fcecd",
        "66cfe31eea5e3c6c",
        "2b006743b3ddd109",
        "65382bbf9d964bb7",
        "8553ca76584514dc",
    ];
    assert_eq!(found, expected);
}

#[test]
fn hostile_lengths_and_values_are_refused_without_allocating() {
    let votes = |number: u32| [&[1][..], &number.to_le_bytes()].concat();
    assert!(Message::decode(&votes(0)).is_ok());
    // Estimates of round 1, of 5 bytes each.
    let many = |number: usize| {
        let vote = [0, 0, 2, 1, 1];
        [votes(u32::try_from(number).unwrap()), vote.repeat(number)].concat()
    };
    assert!(Message::decode(&many(1024)).is_ok(), "the bound");
    assert!(Message::decode(&many(1025)).is_err());
    assert!(Message::decode(&votes(u32::MAX)).is_err());
    let shares = |number: u32| [&[2][..], &[0; 8], &number.to_le_bytes(), &[0; 34 * 65]].concat();
    assert!(Message::decode(&shares(64)[..13 + 34 * 64]).is_ok(), "the bound");
    assert!(Message::decode(&shares(65)).is_err());
    let points = |number: u32| [&[4, 0, 0][..], &number.to_le_bytes(), &[0; 32 * 23]].concat();
    assert!(Message::decode(&points(22)[..7 + 32 * 22]).is_ok(), "the bound");
    assert!(Message::decode(&points(23)).is_err());
    // A fourth set of values, a sixth word, and a truth that is neither.
    for vote in [[0, 0, 4, 1, 3], [0, 0, 5, 1, 1], [0, 0, 2, 1, 2]] {
        assert!(Message::decode(&[votes(1), vote.to_vec()].concat()).is_err());
    }
}
