//! What the output is made of, and who knows what of it, and when.

use std::{collections::BTreeMap, time::Duration};

use cosi::{domain::RANDSHARE_OUTPUT, machine::Cx, machine::Time};
use curve25519_dalek::Scalar;
use randhound::{
    RandShare, Randomness,
    randshare::{Event, Message, Record},
};
use sha2::{Digest, Sha512};

use crate::common::{Net, recover, released, rng, roster, setup};

fn scalar(bytes: [u8; 32]) -> Scalar {
    Option::from(Scalar::from_canonical_bytes(bytes)).unwrap()
}

/// All shares that were dealt to others, by dealer and receiver.
fn dealt(net: &Net<'_>) -> BTreeMap<(u16, u16), Scalar> {
    let deals = net.delivered.iter().filter_map(|(from, to, message)| match message {
        Message::Deal(deal) => Some(((*from, *to), scalar(deal.share))),
        _ => None,
    });
    deals.collect()
}

fn shares_of(dealt: &BTreeMap<(u16, u16), Scalar>, dealer: u16) -> Vec<(u16, Scalar)> {
    let of = dealt.iter().filter(|((from, _), _)| *from == dealer);
    of.map(|((_, to), share)| (*to, *share)).collect()
}

/// Step by step, as it is documented.
#[test]
fn the_output_is_a_hash_of_the_sum_of_all_secrets() {
    let roster = roster(7);
    let mut net = Net::new(&roster, 1);
    net.run(Duration::from_secs(1));
    let dealt = dealt(&net);
    let secret = |dealer| recover(&shares_of(&dealt, dealer)[1..4]);
    let sum: Scalar = (0..7).map(secret).sum();
    let digest = Sha512::new()
        .chain_update(RANDSHARE_OUTPUT)
        .chain_update(roster.id().0)
        .chain_update(setup(&roster, 0).session)
        .chain_update(0b111_1111_u64.to_le_bytes())
        .chain_update(sum.to_bytes())
        .finalize();
    let output = Randomness(digest[..32].try_into().unwrap());
    assert_eq!(net.output(0..7), (output, (0..7).collect()));
}

/// Until somebody discloses, no share is seen but by its receiver, and what f servers have
/// recovers nothing.
#[test]
fn shares_travel_to_their_receivers_alone() {
    let roster = roster(7);
    let mut net = Net::new(&roster, 2);
    let is_disclosed = |net: &Net<'_>| {
        net.wire.iter().any(|(.., message)| matches!(message, Message::Disclosed(..)))
    };
    while !is_disclosed(&net) {
        assert!(net.step());
    }
    let dealt = dealt(&net);
    assert_eq!(dealt.len(), 42);
    for (from, to, message) in &net.delivered {
        let bytes = borsh::to_vec(message).unwrap();
        for ((dealer, receiver), share) in &dealt {
            let is_seen = bytes.windows(32).any(|window| window == share.as_bytes());
            let is_its_deal =
                (from, to) == (dealer, receiver) && matches!(message, Message::Deal(_));
            assert_eq!(is_seen, is_its_deal);
        }
    }
    let shares = shares_of(&dealt, 6);
    let secret = recover(&shares[..3]);
    assert_eq!(recover(&shares[2..5]), secret, "f + 1 shares");
    assert_ne!(recover(&shares[..2]), secret, "f shares");
}

/// All that servers 0 to 3 sent and received, and what server 3 had dealt itself.
struct Told {
    seed: Record,
    heard: Vec<(u16, Message)>,
    output: Randomness,
}

fn record(seed: u64) -> Told {
    let mut net = Net::new(&roster(4), seed);
    net.run(Duration::from_secs(1));
    let heard = net.delivered.iter().filter(|(_, to, _)| *to == 3);
    let heard = heard.map(|(from, _, message)| (*from, message.clone())).collect();
    Told { seed: net.journals[&3][0].clone(), heard, output: net.output(0..4).0 }
}

/// All that a third party could check of a record: an honest server that hears all of it tells the
/// output.
fn convinces(told: &Told) -> bool {
    let (roster, mut rng) = (roster(4), rng(1));
    let mut cx = Cx::new(Time::default(), &mut rng);
    let (mut server, _) =
        RandShare::restore(setup(&roster, 3), [told.seed.clone()], &mut cx).unwrap();
    let mut events = Vec::new();
    for (from, message) in &told.heard {
        let from = roster.index(*from).unwrap();
        let step = server.handle_message(&mut cx, from, message.clone());
        events.extend(released(step).events);
    }
    matches!(&events[..], [Event::Drawn(output, _)] if *output == told.output)
}

/// Whoever plays all servers by itself draws until it likes the output, and its record is as good
/// as any: there is no key in a [`Setup`](randhound::randshare::Setup), and nobody's signature.
#[test]
fn a_record_of_a_run_convinces_no_third_party() {
    let real = record(1);
    assert!(convinces(&real));
    let forged = (2..).map(record).find(|told| told.output.0[0] >= 224).unwrap();
    assert!(convinces(&forged), "drawn by one, and as it likes");
}
