//! What the output is made of, and who knows what of it, and when.

use std::{collections::BTreeMap, time::Duration};

use cosi::domain::RANDSHARE_OUTPUT;
use curve25519_dalek::Scalar;
use randhound::{Randomness, randshare::Message};
use sha2::{Digest, Sha512};

use crate::common::{Net, recover, roster, setup};

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
