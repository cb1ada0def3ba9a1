//! Every slot that a peer can fill in the votes, filled.

use byzcoin::{Height, Kind, Statement, View, votes::Message};
use cosi::{
    Mode, Statement as _,
    challenge::Challenge,
    mask::Mask,
    message::{Ask, Commitment, Message as CosiMessage, Refusal, Response, Said, StatementBytes},
    nonce::NonceId,
    session::{Digest, Session},
};

use crate::common::{H, Net, V0, key, single};

/// What the members hold, by the length of its description: a measure that no field escapes.
fn held(net: &Net) -> usize {
    format!("{:?}", net.members[0]).len()
}

fn flood(net: &mut Net, from: u64) {
    let key = key(3);
    let (base, roster) = (net.prepare(9), net.roster.id());
    for at in from..from + 120 {
        let view = View::new(u32::try_from(at).unwrap());
        for kind in [Kind::Proposal, Kind::Prepare, Kind::Commit, Kind::ViewChange, Kind::Body] {
            for (height, view) in [(Height::new(at), V0), (H, view)] {
                net.hear(3, 0, single(3, Statement { kind, height, view, ..base }));
            }
        }
        let statement = Statement { view, ..base }.to_signed();
        // What is no statement of byzcoin's, as long as it may be.
        let junk = vec![u8::try_from(at % 251).unwrap(); 32_768];
        for statement in [statement, junk] {
            let statement = StatementBytes::new(statement).unwrap();
            let session = Session {
                mode: Mode::Accountable,
                roster,
                statement: Digest::of(&statement),
                leader: 3,
                entropy: [at.to_le_bytes()[0]; 32],
                attempt: 0,
            };
            let announced =
                CosiMessage::Announcement(Said::new(&key, session.clone()), statement.clone());
            net.hear(3, 0, Message::Collective(announced));
            let points = [net.roster.key(net.index(1)).unwrap().to_bytes(); 2];
            let challenge =
                Challenge { session, mask: Mask::of(4, 0..4), commitments: points, statement };
            let id = challenge.id();
            let nonce = NonceId([at.to_le_bytes()[0]; 16]);
            let challenged = CosiMessage::Challenge(Said::new(&key, challenge), Ask::Own(nonce));
            net.hear(3, 0, Message::Collective(challenged));
            let commitment = Commitment { roster, leader: 0, member: 3, nonce, points };
            let ahead = Said::new(&key, commitment);
            net.hear(3, 0, Message::Collective(CosiMessage::Commitment(ahead.clone())));
            let response = Response {
                challenge: id,
                member: 3,
                nonce,
                response: [1; 32],
                ahead: ahead.clone(),
            };
            net.hear(3, 0, Message::Collective(CosiMessage::Response(Said::new(&key, response))));
            let refusal = Refusal { challenge: id, member: 3, nonce: Some(nonce), ahead };
            net.hear(3, 0, Message::Collective(CosiMessage::Refusal(Said::new(&key, refusal))));
        }
    }
}

#[test]
fn a_flood_fills_every_slot_once() {
    let mut net = Net::new(4);
    flood(&mut net, 1);
    let full = held(&net);
    flood(&mut net, 121);
    let after = held(&net);
    println!("{full} then {after} bytes of state described");
    assert!(after < full + full / 20, "{full} grew to {after}");
    assert!(full < 200_000, "what is no vote is not kept: {full}");
    assert!(net.faults.len() <= 12, "{:?}", net.faults);
    assert!(net.faults.iter().all(|(_, fault)| fault.culprit.get() == 3));
    // And the others vote on as if nothing had been.
    let statement = net.prepare(7);
    net.open(0, statement);
    (0..3).for_each(|member| net.vote(member, statement, 0));
    net.wait(std::time::Duration::from_secs(9), |from, to, _| from != 3 && to != 3);
    assert_eq!(net.certified.len(), 1);
}

#[test]
fn what_the_replica_drops_is_forgotten() {
    let mut net = Net::new(4);
    let height_of = |height: u64| Statement { height: Height::new(height), ..net.prepare(9) };
    let statements: Vec<_> = (1..=60).map(height_of).collect();
    let mut sizes = vec![];
    for statement in statements {
        for kind in [Kind::Prepare, Kind::Commit] {
            let statement = Statement { kind, ..statement };
            net.open(0, statement);
            (0..4).for_each(|member| net.vote(member, statement, 0));
            net.run_all();
        }
        let before = (statement.height.next(), V0);
        (0..4).for_each(|member| net.command(member, byzcoin::votes::Command::Drop { before }));
        let all: usize = net.members.iter().map(|votes| format!("{votes:?}").len()).sum();
        sizes.push(all);
    }
    assert_eq!(net.certified.len(), 120);
    // Names of spent nonces are kept up to a number; nothing else is left of a height.
    assert!(sizes[59] < sizes[40] + 2_000, "{sizes:?}");
}
