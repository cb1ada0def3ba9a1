//! The encodings of all that nodes say and keep: their form, and what is refused.

use core::fmt::Debug;

use cosi::{
    merkle::tree::{Path, Tree},
    transcript,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Peer, Refusal, Session,
    chain::{Body, Entry, MAX_TRANSACTIONS, Verdict},
    message::{Answer, Found, Guest, MAX_ASK, MAX_SUBMIT},
    node, wallet,
};

use crate::town::{GUEST, Town, nothing, peer};

/// Checks values of a type, and returns the hash over their encodings.
fn format<T: Wire + PartialEq + Debug>(values: impl IntoIterator<Item = T>) -> String {
    let mut hash = transcript::Hash::new([0; 16]);
    for value in values {
        let encoding = value.encode();
        assert_eq!(T::decode(&encoding).as_ref(), Ok(&value));
        for len in 0..encoding.len() {
            assert!(T::decode(&encoding[..len]).is_err(), "{value:?} truncated to {len}");
        }
        assert!(T::decode(&[&encoding[..], &[0]].concat()).is_err(), "a trailing byte");
        hash = hash.bytes(&encoding);
    }
    hash.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn formats_are_those_committed() {
    let mut town = Town::new(3);
    let pays = [town.spend(0), town.spend(1)];
    let draft = town.draft(&pays);
    let proposal = town.propose(&draft.header.id().encode(), &draft.body);
    let decided = town.commit(&pays);
    let sessions = pays.each_ref().map(|pay| town.session(pay));
    let found = || [town.found(&pays[0], 1, 0), town.found(&pays[1], 1, 1)];
    let decision = town.links[0].attestation().clone();
    let refused = [
        (sessions[0], Refusal::Spent),
        (sessions[1], Refusal::Misdeclared),
        (Session([7; 32]), Refusal::Missing),
    ];
    let answer = || Answer {
        links: Some(town.links_after(0)),
        found: BoundedVec::new(found().to_vec()).unwrap(),
        refused: BoundedVec::new(refused.to_vec()).unwrap(),
    };
    let guests = || {
        let submit = Guest::Submit(BoundedVec::new(pays.to_vec()).unwrap());
        let sessions = BoundedVec::new(sessions.to_vec()).unwrap();
        [submit, Guest::Ask { head: 1 << 40, sessions }, Guest::Answer(answer())]
    };
    let records = || {
        [
            wallet::Record::Paid(pays[0].clone()),
            wallet::Record::Links(town.links_after(0)),
            wallet::Record::Found(town.found(&pays[0], 1, 0)),
            wallet::Record::Aborted(sessions[1], Refusal::Spent),
        ]
    };
    let entry = Entry { at: 2, of: 1 << 33, verdict: Verdict::Committed(sessions[0]) };
    let transactions = BoundedVec::new(pays.to_vec()).unwrap();
    let formats = [
        ("Peer", format([peer(0), GUEST])),
        ("Decision", format([decision])),
        ("Message::Shard", format([proposal, decided].concat())),
        ("Message::Guest", format(guests().map(Message::Guest))),
        ("Answer", format([answer(), nothing()])),
        ("Found", format(found())),
        ("Receipt", format([town.receipt(&pays[0], 1, 0), town.receipt(&pays[1], 1, 1)])),
        ("Body", format([Body { transactions }])),
        ("Entry", format([entry])),
        ("wallet::Record", format(records())),
        ("node::Record", format(records().map(node::Record::Wallet))),
    ];
    let committed = [
        ("Peer", "a20ac7dab5b5bf58"),
        ("Decision", "75a2d093a0f36dff"),
        ("Message::Shard", "2de5fae312e7fd5e"),
        ("Message::Guest", "688d46544cdb14f4"),
        ("Answer", "10dfb6ee27fc27c6"),
        ("Found", "a6c3a94c7181829e"),
        ("Receipt", "6b95f0430bb62cc0"),
        ("Body", "615a8444ac96b242"),
        ("Entry", "9d11562b4d86502b"),
        ("wallet::Record", "1d5f787b2aa0bc3f"),
        ("node::Record", "4eac18a2e54a828b"),
    ];
    let formats = formats.each_ref().map(|(name, hash)| (*name, &hash[..]));
    assert_eq!(formats.to_vec(), committed);
}

/// The encoding of a list of `len` items.
fn list(len: usize, item: &[u8]) -> Vec<u8> {
    [&u32::try_from(len).unwrap().to_le_bytes()[..], &item.repeat(len)].concat()
}

#[test]
fn hostile_lengths_are_refused() {
    let town = Town::new(1);
    let pay = town.spend(0).encode();
    let path = Tree::new([[7; 32]]).path(0).unwrap();
    let found = Found { session: Session([7; 32]), block: 1, path }.encode();
    let refused = (Session([7; 32]), Refusal::Spent).encode();
    let empty = list(0, &[]);
    let guest = |bytes: &[&[u8]]| Message::decode(&[&[1][..], &bytes.concat()].concat()).is_ok();
    for (more, fits) in [(0, true), (1, false)] {
        assert_eq!(guest(&[&[0], &list(MAX_SUBMIT + more, &pay)]), fits, "Submit");
        assert_eq!(guest(&[&[1], &[0; 8], &list(MAX_ASK + more, &[7; 32])]), fits, "Ask");
        let many = list(MAX_ASK + more, &found);
        assert_eq!(guest(&[&[2], &[0], &many, &empty]), fits, "found");
        let many = list(MAX_ASK + more, &refused);
        assert_eq!(guest(&[&[2], &[0], &empty, &many]), fits, "refused");
    }
    let bare = {
        let mut bare = vec![0; 16];
        bare.extend([0; 12]);
        bare
    };
    assert!(Body::decode(&list(MAX_TRANSACTIONS, &bare)).is_ok());
    assert!(Body::decode(&list(MAX_TRANSACTIONS + 1, &bare)).is_err());
    for bytes in [&[0xff; 64][..], &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]] {
        assert!(Message::decode(bytes).is_err() && Body::decode(bytes).is_err());
        assert!(Answer::decode(bytes).is_err() && Peer::decode(bytes).is_err());
        assert!(Path::decode(bytes).is_err() && wallet::Record::decode(bytes).is_err());
    }
}
