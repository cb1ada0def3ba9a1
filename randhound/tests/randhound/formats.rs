//! Every wire type: one encoding, pinned; nothing else decodes.

use core::fmt::Debug;

use cosi::{
    domain::{ACKNOWLEDGING, BATCH, DEALING, DEALS_ROOT},
    mask::Mask,
    round::Question,
    transcript::Hash,
    wire::Wire,
};
use randhound::{
    Message, StatementId, Transcript, client, draw,
    message::{
        Acknowledgement, Ask, ByClient, Dealing, Decision, Kept, Opened, Said, Shown, Word, root,
        round,
    },
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
        "a6d023c58e519401",
        "009554c46f306bcc",
        "c04397054f7d4787",
        "a1e01f91abf019be",
        "d867ff9c2cd7ce82",
        "3f7cc51ad052f792",
        "6afa7ba9840c8564",
        "8b4e1cb3bef03129",
        "5f7cd5e7ed561baa",
        "1d8d572eed629465",
        "411ccf3eed759338",
        "ac8b7e6574709603",
        "0665d92cb0f79bfb",
        "199c970be485920b",
        "488b5b62d6691eb0",
        "256f795f05e7d25c",
        "98bb2c50ccc6d2e4",
        "0bf4b7d11519dd9f",
        "9157827e13140141",
        "b9674ac7dc7ff1ef",
        "dce9c0f9edd2b598",
        "dd11977dca29189a",
        "4e02652557574596",
        "de1f3743412e431d",
    ];
    assert_eq!(found, expected);
}

/// By the documented rules, written anew.
#[test]
fn roots_and_rounds_name_all_that_they_are_of() {
    let world = world(4, 4);
    let (_, transcript) = world.run();
    let (deals, id) = (&transcript.groups[0].deals, transcript.statement.id());
    let rule = |group: u64, deals: &[Said<Dealing>]| {
        let hash = Hash::new(DEALS_ROOT).number(group).number(deals.len() as u64);
        let add = |hash: Hash, said: &Said<Dealing>| {
            let signed = Hash::new(DEALING).bytes(&said.encode()).digest();
            hash.number(said.what.dealer.into()).fixed(&signed)
        };
        deals.iter().fold(hash, add).digest()
    };
    for group in [0, 1, 256] {
        assert_eq!(root(group, deals), rule(group.into(), deals));
        assert_eq!(root(group, &deals[..1]), rule(group.into(), &deals[..1]));
    }
    let mut resigned = deals.to_vec();
    resigned[0].signature.0[0] ^= 1;
    assert_ne!(root(0, &resigned), root(0, deals));
    let other = StatementId([7; 32]);
    for (id, attempt) in [(id, 0), (id, 1), (id, 255), (other, 0)] {
        let named = Hash::new(ACKNOWLEDGING).fixed(&id.0).fixed(&[attempt]).digest();
        assert_eq!(round(id, attempt), named);
    }
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
        "49d6169000ee1689",
        "78ec61ec28857e2a",
        "adc363ae094bbef2",
        "990a4382021c75a3",
        "78ec61ec28857e2a",
        "d4228adb59899c59",
        "990a4382021c75a3",
        "0084666d6597a4c6",
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
