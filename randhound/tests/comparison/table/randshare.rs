//! What RandShare is, and is not.

#[allow(dead_code, reason = "shared with the tests of RandShare")]
#[path = "../../randshare/common.rs"]
mod common;

use std::time::Duration;

use cosi::{
    machine::{Cx, Time},
    roster::Roster,
    wire::BoundedVec,
};
use curve25519_dalek::Scalar;
use randhound::{
    RandShare, Randomness,
    randshare::{Event, Message, Record},
};

use self::common::{Net, released, rng, roster, setup};

const LONG: Duration = Duration::from_secs(20);

fn faulty(roster: &Roster) -> u16 {
    u16::try_from(roster.faulty()).unwrap()
}

/// The first f servers are silent, or deal wrong shares to some: all others have one output.
pub(crate) fn faulty_servers_stop_nothing() {
    let roster = roster(7);
    let (f, quorum) = (faulty(&roster), 5);
    let silent = |from: u16, _: u16, message: Message| {
        if from < f { vec![] } else { vec![message] }
    };
    let wrong = |from: u16, to: u16, mut message: Message| {
        if let Message::Deal(deal) = &mut message
            && from < f
            && to > 3
        {
            deal.share[0] ^= 1;
        }
        vec![message]
    };
    for corrupt in [Box::new(silent) as common::Corrupt<'_>, Box::new(wrong)] {
        let mut net = Net::with(&roster, 1, corrupt);
        net.run(LONG);
        let (_, dealers) = net.output(f..7);
        assert!(dealers.len() >= quorum && (f..7).all(|honest| dealers.contains(&honest)));
    }
}

fn share(message: &Message) -> Scalar {
    let Message::Deal(deal) = message else { panic!() };
    Option::from(Scalar::from_canonical_bytes(deal.share)).unwrap()
}

/// When the first honest server discloses, who contributes is decided. Until then, f servers have
/// f shares of each honest secret, which recover it not, while f + 1 would.
pub(crate) fn nobody_knows_the_output_before_a_disclosure() {
    let roster = roster(7);
    let mut net = Net::new(&roster, 2);
    let discloses = |(.., message): &(u16, u16, Message)| matches!(message, Message::Disclosed(..));
    while !net.wire.iter().any(discloses) {
        assert!(net.step());
        assert!(net.drawn.is_empty());
    }
    let f = usize::from(faulty(&roster));
    for honest in 2..7 {
        let deals = net
            .delivered
            .iter()
            .filter(|(from, _, message)| *from == honest && matches!(message, Message::Deal(_)));
        let mut shares: Vec<_> = deals.map(|(_, to, message)| (*to, share(message))).collect();
        shares.sort_unstable_by_key(|(to, _)| *to);
        let secret = common::recover(&shares[3..]);
        assert_ne!(common::recover(&shares[..f]), secret);
        assert_eq!(common::recover(&shares[..=f]), secret);
    }
}

/// f servers that know what the output will be disclose nothing, or other shares: it is the same.
pub(crate) fn nobody_drops_out() {
    let roster = roster(7);
    let f = faulty(&roster);
    let mut honest = Net::new(&roster, 3);
    honest.run(LONG);
    let refused = |from: u16, _: u16, message: Message| match message {
        Message::Disclosed(..) if from < f => vec![],
        message => vec![message],
    };
    let wrong = |from: u16, _: u16, message: Message| match message {
        Message::Disclosed(dealers, shares) if from < f => {
            let mut shares = shares.into_inner();
            shares.iter_mut().for_each(|disclosed| disclosed.share[5] ^= 1);
            vec![Message::Disclosed(dealers, BoundedVec::new(shares).unwrap())]
        }
        message => vec![message],
    };
    for corrupt in [Box::new(refused) as common::Corrupt<'_>, Box::new(wrong)] {
        let mut net = Net::with(&roster, 3, corrupt);
        net.run(LONG);
        assert_eq!(net.output(f..7), honest.output(0..7));
        assert_eq!(net.output(f..7).1.len(), 7, "all contribute");
    }
}

/// All that server 3 heard, and what it drew itself.
struct Told {
    own: Record,
    heard: Vec<(u16, Message)>,
    output: Randomness,
}

fn record(seed: u64) -> Told {
    let mut net = Net::new(&roster(4), seed);
    net.run(Duration::from_secs(1));
    let heard = net.delivered.iter().filter(|(_, to, _)| *to == 3);
    let heard = heard.map(|(from, _, message)| (*from, message.clone())).collect();
    Told { own: net.journals[&3][0].clone(), heard, output: net.output(0..4).0 }
}

/// All that a third party can check: an honest server that heard all of this tells the output.
fn convinces(told: &Told) -> bool {
    let (roster, mut rng) = (roster(4), rng(1));
    let mut cx = Cx::new(Time::default(), &mut rng);
    let own = [told.own.clone()];
    let (mut server, _) = RandShare::restore(setup(&roster, 3), own, &mut cx).unwrap();
    let mut events = Vec::new();
    for (from, message) in &told.heard {
        let from = roster.index(*from).unwrap();
        events.extend(released(server.handle_message(&mut cx, from, message.clone())).events);
    }
    matches!(&events[..], [Event::Drawn(output, _)] if *output == told.output)
}

/// One plays all servers, which takes nobody's key, until it likes the output.
pub(crate) fn a_record_is_made_up_by_one_alone() {
    let forged = (0..).map(record).find(|told| told.output.0[0] >= 224).unwrap();
    assert!(convinces(&record(99)) && convinces(&forged));
}

/// With twice the servers, eight times the messages.
pub(crate) fn work_grows_with_the_cube() {
    let messages = |servers| {
        let mut net = Net::new(&roster(servers), 4);
        net.run(Duration::from_millis(1));
        net.output(0..servers);
        net.delivered.len()
    };
    let [few, many] = [8, 16].map(messages);
    assert!((6 * few..12 * few).contains(&many), "{few} {many}");
}
