//! Every wire type: one encoding, pinned; nothing else decodes.

use core::fmt::Debug;

use cosi::{domain::BATCH, mask::Mask, round::Question, transcript::Hash, wire::Wire};
use randhound::{
    Message, Transcript, client, draw,
    message::{Acknowledgement, Ask, ByClient, Decision, Kept, Opened, Shown, Word},
    server,
};

use crate::{common::world, net::Net};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Checks round trip, truncation and trailing bytes; returns a short hash of the encoding.
pub(crate) fn pinned<T: Wire + PartialEq + Debug>(value: &T) -> String {
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
    for cut in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
        assert!(T::decode(&bytes[..cut]).is_err(), "{cut} of {}", bytes.len());
    }
    assert!(T::decode(&[&bytes[..], &[0]].concat()).is_err());
    hex(&Hash::new(BATCH).bytes(&bytes).digest())
}

#[test]
fn formats_are_pinned() {
    let world = world(4, 4);
    let session = world.session();
    let (output, transcript) = world.run();
    let part = &transcript.groups[0];
    let statement = transcript.statement.clone();
    let choice = ByClient::new(&world.client, statement.clone());
    let config = session.config().clone();
    let invitation = ByClient::new(&world.client, config.clone());
    let id = statement.id();
    let shown = world.shown(statement.clone(), core::slice::from_ref(&part.deals), 1);
    let ahead = world.offer(1);
    let mask = Mask::of(4, [0, 1, 3]);
    let ask = Ask::Part {
        attempt: 1,
        question: Question { mask, commitments: ahead.points },
        nonce: ahead.nonce,
    };
    let words = [
        Word::Single(choice.signature),
        Word::Part { attempt: 1, response: [7; 32], ahead },
        Word::Refusal { attempt: 1, ahead },
    ];
    let words = words.map(|word| Acknowledgement { statement: id, word });
    let [single, partial, refusal] = &words;
    let fragment = shown.fragment.clone();
    let kept = Kept {
        session: session.id(),
        acknowledged: Some((choice.clone(), fragment.clone())),
        decided: Some((statement.clone(), transcript.certificate.clone())),
    };
    let nothing = Kept { session: session.id(), acknowledged: None, decided: None };
    let decision = Decision {
        config,
        statement: statement.clone(),
        certificate: transcript.certificate.clone(),
        deals: part.deals.clone(),
    };
    let opened = Opened { statement: statement.id(), group: 0, share: part.shares[0].clone() };
    let deals = cosi::wire::BoundedVec::new(vec![part.deals.clone()]).unwrap();
    let found = [
        pinned(&Message::Invitation(invitation)),
        pinned(&Message::Dealing(part.deals[0].clone(), ahead)),
        pinned(&Message::Choice(shown.clone())),
        pinned(&Message::Choice(Shown { ask: ask.clone(), ..shown.clone() })),
        pinned(&Message::Ask(id, Ask::Single)),
        pinned(&Message::Ask(id, ask)),
        pinned(&Message::Acknowledgement(single.clone())),
        pinned(&Message::Acknowledgement(partial.clone())),
        pinned(&Message::Acknowledgement(refusal.clone())),
        pinned(&Message::Decision(decision.clone())),
        pinned(&Message::Opened(opened.clone())),
        pinned(&Message::Inquiry(session.id())),
        pinned(&Message::Kept(kept)),
        pinned(&Message::Kept(nothing)),
        pinned(&fragment),
        pinned(&server::Record::Dealt(part.deals[0].clone())),
        pinned(&server::Record::Acknowledged(choice.clone(), part.deals.clone(), fragment.clone())),
        pinned(&server::Record::Opened(decision, opened)),
        pinned(&client::Record::Started),
        pinned(&client::Record::Chosen(choice, deals)),
        pinned(&client::Record::Certified(transcript.certificate.clone())),
        pinned(&transcript),
        pinned(&output),
        hex(&session.id().0),
        hex(&statement.id().0),
    ];
    let expected = [
        "a1ea1494c33d77fd",
        "e8bb0f9d29eed6cb",
        "8d3a5177da1eebd8",
        "4a8270f5221cb6f7",
        "3af44a0b27c0f902",
        "bbbde9201422f92c",
        "a62fa779dee74cd9",
        "65856f215325ae1c",
        "725a7818062fdbef",
        "6becd784472e5687",
        "e3f9529a2c12f2b0",
        "411ccf3eed759338",
        "f98930854744ead8",
        "0665d92cb0f79bfb",
        "3fcbcb958f372153",
        "323aaa8319d9ec01",
        "a4b1569ff1bb7620",
        "02870325c4fc274f",
        "0bf4b7d11519dd9f",
        "593e7f1246480cb4",
        "1813d206d49da3c2",
        "939d7cc8568abb0f",
        "dd11977dca29189a",
        "4e02652557574596",
        "913cc8e7d6c37cf0",
    ];
    assert_eq!(found, expected);
}

#[test]
fn formats_of_draws_are_pinned() {
    let world = world(4, 4);
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    net.decide(&choice);
    net.deliver();
    let [dealt, decided, opened, drawn] = &net.journals[1][..] else { panic!() };
    let share = net.shares()[1].1.clone();
    let found = [
        pinned(&choice),
        pinned(&draw::Message::Dealing(net.deal(1))),
        pinned(&draw::Message::Ask(choice.statement.id())),
        pinned(&draw::Message::Opened(share)),
        pinned(dealt),
        pinned(decided),
        pinned(opened),
        pinned(drawn),
    ];
    let expected = [
        "af051a8c6d8d986c",
        "f56d06f31283a716",
        "b6d797330d4ece41",
        "29a1690efab73795",
        "f56d06f31283a716",
        "7529d303e792101a",
        "29a1690efab73795",
        "45b06e9789edd8f3",
    ];
    assert_eq!(found, expected);
}

#[test]
fn hostile_lengths_of_draws_are_refused_without_allocating() {
    // After the statement's fixed parts, and after the record's tag, a number of lists.
    let lists = |number: u32| [&[3][..], &number.to_le_bytes()].concat();
    assert!(draw::Record::decode(&lists(0)).is_ok());
    assert!(draw::Record::decode(&[lists(1), vec![0; 4]].concat()).is_ok());
    let many = |number: u32| [lists(number), vec![0; 4 * 65_537]].concat();
    assert!(draw::Record::decode(&many(65_536)[..5 + 4 * 65_536]).is_ok(), "the bound");
    assert!(draw::Record::decode(&many(65_537)).is_err(), "more groups than there may be");
    assert!(draw::Record::decode(&lists(u32::MAX)).is_err());
    let shares = [lists(1), 257_u32.to_le_bytes().into()].concat();
    assert!(draw::Record::decode(&shares).is_err(), "more shares than a group has members");

    let world = world(4, 4);
    let mut net = Net::new(&world);
    net.lead(0);
    net.deliver();
    let (_, choice) = net.chosen[0].clone();
    let at = choice.statement.encode().len();
    for number in [65_537, u32::MAX] {
        let mut bytes = choice.encode();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        assert!(draw::Choice::decode(&bytes).is_err());
    }
}

#[test]
fn hostile_lengths_are_refused_without_allocating() {
    let world = world(4, 4);
    let (_, transcript) = world.run();
    let part = transcript.groups[0].clone();
    let shown = world.shown(transcript.statement.clone(), core::slice::from_ref(&part.deals), 1);
    let at = 1 + shown.statement.encode().len();
    let mut bytes = Message::Choice(shown).encode();
    bytes[at..at + 4].copy_from_slice(&257_u32.to_le_bytes());
    assert!(Message::decode(&bytes).is_err(), "more deals than a group has members");
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Message::decode(&bytes).is_err());
    let head = transcript.encode().len() - transcript.groups.encode().len();
    let mut bytes = transcript.encode();
    bytes[head..head + 4].copy_from_slice(&65_537_u32.to_le_bytes());
    assert!(Transcript::<cosi::Certificate>::decode(&bytes).is_err());
}

#[test]
fn a_known_grouping_is_pinned() {
    let session = world(12, 4).session();
    let groups: Vec<Vec<u16>> = session
        .groups()
        .iter()
        .map(|(_, members)| members.iter().map(|member| member.get()).collect())
        .collect();
    let expected = [[0, 3, 6, 7], [4, 8, 9, 10], [1, 2, 5, 11]];
    assert_eq!(groups, expected);
}

/// A step-by-step reading of the documented rule.
#[test]
fn groups_follow_the_documented_rule() {
    use sha2::{Digest, Sha512};
    for (servers, size) in [(1, 4), (5, 4), (6, 4), (31, 8), (12, 128)] {
        let world = world(servers, size);
        let session = world.session();
        let seed = Sha512::new()
            .chain_update(b"randhound/v1/grp")
            .chain_update(session.roster().id().0)
            .chain_update(world.terms.purpose)
            .chain_update(world.terms.slot.to_le_bytes())
            .chain_update(world.terms.prior)
            .finalize();
        let mut drawn = 0_u64;
        let mut draw = || {
            let block = Sha512::new().chain_update(seed).chain_update(drawn.to_le_bytes());
            drawn += 1;
            u64::from_le_bytes(block.finalize()[..8].try_into().unwrap())
        };
        let mut order: Vec<u16> = (0..servers).collect();
        for i in (1..u128::from(servers)).rev() {
            let limit = (1_u128 << 64) / (i + 1) * (i + 1);
            let x = loop {
                let x = u128::from(draw());
                if x < limit {
                    break x;
                }
            };
            order.swap(i as usize, (x % (i + 1)) as usize);
        }
        let number = ((servers + size / 2) / size).max(1);
        assert_eq!(session.groups().len(), usize::from(number));
        for (group, members) in session.groups().iter() {
            let dealt = (0..servers).filter(|entry| entry % number == group);
            let mut dealt: Vec<u16> = dealt.map(|entry| order[usize::from(entry)]).collect();
            dealt.sort_unstable();
            assert_eq!(members.iter().map(|member| member.get()).collect::<Vec<_>>(), dealt);
        }
    }
}
