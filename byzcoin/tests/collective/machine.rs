//! One machine of votes against scripted peers.

use std::time::Duration;

use byzcoin::{
    Height, Kind, Statement, View, Votes,
    roster::RosterId,
    votes::{Command, CosiVotes, Message, Timing},
};
use cosi::{
    Mode, Statement as _, certificate, leader,
    machine::FaultKind,
    message::{Message as CosiMessage, Said, StatementBytes},
    session::{Digest, Session},
};

use crate::common::{H, Net, V0, is_collective, is_single, key, single};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn votes_come_to_one_collective_certificate() {
    for size in [1, 4, 7, 10] {
        let mut net = Net::new(size);
        let statement = net.prepare(9);
        net.open(0, statement);
        for member in 0..size {
            net.vote(member, statement, 0);
        }
        net.run_all();
        let [(0, of, certificate)] = &net.certified[..] else { panic!("{:?}", net.certified) };
        assert!(*of == statement && is_collective(certificate));
        assert_eq!(certificate.signers().count(), usize::from(size));
        assert!(net.faults.is_empty() && !net.log.iter().any(|(_, _, said)| is_single(said)));
        // To say it again is harmless.
        net.open(0, statement);
        net.run_all();
        assert_eq!(net.certified.len(), 2);
        assert_eq!(net.certified[0], net.certified[1]);
    }
}

#[test]
fn the_order_of_voting_opening_and_announcing_is_free() {
    for order in 0..3 {
        let mut net = Net::new(4);
        let statement = net.prepare(9);
        match order {
            0 => net.vote(0, statement, 0),
            1 => net.open(0, statement),
            _ => (1..4).for_each(|member| net.vote(member, statement, 0)),
        }
        net.run_all();
        assert_eq!(net.certified, []);
        net.open(0, statement);
        net.vote(0, statement, 0);
        net.run_all();
        (1..4).for_each(|member| net.vote(member, statement, 0));
        net.run_all();
        assert_eq!(net.certified.len(), 1, "{order}");
        assert!(is_collective(&net.certified[0].2));
    }
}

#[test]
fn a_leader_signs_nothing_before_its_own_vote() {
    for crashes in [false, true] {
        let mut net = Net::new(4);
        let statement = net.prepare(9);
        net.open(0, statement);
        if crashes {
            net.crash(0);
            net.open(0, statement);
        }
        (1..4).for_each(|member| net.vote(member, statement, 0));
        net.wait(2 * SECOND, |_, _, _| true);
        assert!(net.log.iter().all(|(from, _, _)| *from != 0), "not even a call for nonces");
        // The others' single votes are a quorum, and the leader's is not among them.
        net.wait(2 * SECOND, |_, _, _| true);
        let [(0, _, certificate)] = &net.certified[..] else { panic!("{:?}", net.certified) };
        assert!(!is_collective(certificate));
        assert_eq!(certificate.signers().iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(net.log.iter().all(|(from, _, _)| *from != 0));
    }
}

#[test]
fn who_did_not_vote_signs_nothing() {
    let mut net = Net::new(4);
    let statement = net.prepare(9);
    net.open(0, statement);
    (0..3).for_each(|member| net.vote(member, statement, 0));
    net.wait(30 * SECOND, |_, _, _| true);
    assert!(net.log.iter().all(|(from, _, _)| *from != 3));
    assert!(!net.certified[0].2.signers().contains(3));
}

#[test]
fn the_two_forms_never_add_up() {
    // 7 members, a quorum of 5. 0 leads; 1, 2 and 3 are heard singly, 4, 5 and 6 in cosi alone.
    let mut net = Net::new(7);
    let statement = net.prepare(9);
    net.open(0, statement);
    (0..7).for_each(|member| net.vote(member, statement, 0));
    let apart = |from: u16, to: u16, message: &Message| {
        let other = from.max(to);
        if is_single(message) { other <= 3 } else { other > 3 }
    };
    net.wait(300 * SECOND, apart);
    let count = |singly: bool| {
        let from = net.log.iter().filter(|(_, to, said)| *to == 0 && is_single(said) == singly);
        let heard = from.filter(|(from, to, said)| apart(*from, *to, said));
        heard.map(|(from, _, _)| *from).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!((count(true), count(false)), (3, 3), "all but the leader were heard in one form");
    assert_eq!(net.certified, []);
    // One more single vote, and the single ones are enough by themselves.
    net.hear(4, 0, single(4, statement));
    let [(0, _, certificate)] = &net.certified[..] else { panic!("{:?}", net.certified) };
    assert!(!is_collective(certificate));
    assert_eq!(certificate.signers().iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn single_votes_finish_what_cosi_cannot() {
    for size in [4, 7, 10] {
        let mut net = Net::new(size);
        let statement = net.prepare(9);
        net.open(0, statement);
        // The last f are silent, and of cosi nothing arrives.
        (0..size - (size - 1) / 3).for_each(|member| net.vote(member, statement, 0));
        net.wait(Duration::from_millis(2999), |_, _, message| is_single(message));
        assert_eq!(net.certified, []);
        net.wait(Duration::from_millis(1), |_, _, message| is_single(message));
        let [(0, _, certificate)] = &net.certified[..] else { panic!("{:?}", net.certified) };
        assert!(!is_collective(certificate));
    }
}

#[test]
fn a_single_vote_is_said_again_with_back_off() {
    let mut net = Net::new(4);
    let statement = net.prepare(9);
    net.vote(1, statement, 0);
    net.wait(100 * SECOND, |_, _, _| false);
    // After 3, 3 + 6, 9 + 12, 21 + 24, 45 + 48 seconds.
    assert_eq!(net.log.iter().filter(|(_, _, said)| is_single(said)).count(), 5);
    // And at once when the replica says so.
    net.vote(1, statement, 0);
    assert_eq!(net.log.len(), 6);
    assert!(net.log.iter().all(|sent| *sent == (1, 0, single(1, statement))));
}

#[test]
fn no_patience_is_no_standstill() {
    let timing = Timing { individual_after: Duration::ZERO, ..Timing::default() };
    let mut net = Net::with(4, timing);
    let statement = net.prepare(9);
    net.open(0, statement);
    (0..4).for_each(|member| net.vote(member, statement, 0));
    net.wait(SECOND, |_, _, _| true);
    assert!(!net.certified.is_empty());
}

#[test]
fn contradicting_single_votes_convict_their_signer() {
    for kind in [Kind::Prepare, Kind::Commit] {
        let mut net = Net::new(4);
        let [one, other] = [1, 2].map(|digest| net.scope().statement(kind, H, V0, [digest; 32]));
        net.hear(3, 0, single(3, one));
        net.hear(3, 0, single(3, one));
        assert_eq!(net.faults, []);
        net.hear(3, 0, single(3, other));
        net.hear(3, 0, single(3, one));
        let [(0, fault)] = &net.faults[..] else { panic!("{:?}", net.faults) };
        assert_eq!((fault.culprit.get(), fault.kind), (3, FaultKind::Equivocation));
        assert!(fault.evidence.is_some(), "and it convinces others: the network checks that");
    }
}

#[test]
fn votes_of_two_slots_convict_nobody() {
    let mut net = Net::new(4);
    let base = net.prepare(1);
    let others = [
        Statement { height: Height::new(2), digest: [2; 32], ..base },
        Statement { view: View::new(1), digest: [2; 32], ..base },
        Statement { kind: Kind::Commit, digest: [2; 32], ..base },
        Statement { chain: [9; 32], digest: [2; 32], ..base },
        Statement { epoch: 9, digest: [2; 32], ..base },
    ];
    for other in others {
        net.hear(3, 0, single(3, base));
        net.hear(3, 0, single(3, other));
    }
    assert_eq!(net.faults, []);
}

/// What convicts nobody is no evidence: such statements are signed in other ways, if at all.
#[test]
fn what_is_no_vote_is_no_contradiction() {
    for kind in [Kind::Proposal, Kind::ViewChange, Kind::Body] {
        let mut net = Net::new(4);
        for digest in [1, 2] {
            let statement = net.scope().statement(kind, H, V0, [digest; 32]);
            net.hear(3, 0, single(3, statement));
        }
        assert!(net.faults.iter().all(|(_, fault)| fault.evidence.is_none()), "{kind:?}");
    }
    let mut net = Net::new(4);
    for digest in [1, 2] {
        let statement = Statement { roster: RosterId([9; 32]), ..net.prepare(digest) };
        let signed = statement.to_signed();
        let signature = certificate::sign(&key(3), &net.roster.id(), &signed);
        let vote = byzcoin::votes::Single { statement, signer: 3, signature };
        net.hear(3, 0, Message::Single(vote));
    }
    assert!(net.faults.iter().all(|(_, fault)| fault.evidence.is_none()), "another roster");
}

#[test]
fn nothing_but_the_statement_itself_counts() {
    let mut net = Net::new(4);
    let statement = net.prepare(9);
    net.open(0, statement);
    let others = [
        Statement { chain: [9; 32], ..statement },
        Statement { epoch: 9, ..statement },
        Statement { kind: Kind::Commit, ..statement },
        Statement { height: Height::new(2), ..statement },
        Statement { view: View::new(1), ..statement },
    ];
    for member in 1..4 {
        for other in others {
            net.hear(member, 0, single(member, other));
        }
    }
    // A vote on one statement does not pass for one on another.
    for member in 1..4 {
        let Message::Single(vote) = single(member, others[2]) else { panic!() };
        net.hear(member, 0, Message::Single(byzcoin::votes::Single { statement, ..vote }));
        // Nor for one of another member.
        let Message::Single(vote) = single(member, statement) else { panic!() };
        let signer = member % 3 + 1;
        net.hear(member, 0, Message::Single(byzcoin::votes::Single { signer, ..vote }));
        net.hear(member, 0, Message::Single(byzcoin::votes::Single { signer: 77, ..vote }));
    }
    assert_eq!(net.certified, []);
    let bad: Vec<_> =
        net.faults.iter().filter(|(_, f)| f.kind == FaultKind::BadSignature).collect();
    assert_eq!(bad.len(), 3, "whoever delivered it");
    (1..4).for_each(|member| net.hear(member, 0, single(member, statement)));
    assert_eq!(net.certified.len(), 1);
}

/// A rival that calls for nonces on a statement before anybody has voted for it.
#[test]
fn who_announces_first_delays_nobody() {
    let mut net = Net::new(4);
    let statement = net.prepare(9);
    let bytes = StatementBytes::new(statement.to_signed()).unwrap();
    let session = Session {
        mode: Mode::Accountable,
        roster: net.roster.id(),
        statement: Digest::of(&bytes),
        leader: 3,
        entropy: [5; 32],
        attempt: 0,
    };
    let rival = Message::Collective(CosiMessage::Announcement(Said::new(&key(3), session), bytes));
    for member in 0..3 {
        net.hear(3, member, rival.clone());
    }
    (1..3).for_each(|member| net.vote(member, statement, 0));
    net.open(0, statement);
    net.vote(0, statement, 0);
    net.wait(SECOND, |from, to, _| from != 3 && to != 3);
    let [(0, _, certificate)] = &net.certified[..] else { panic!("{:?}", net.certified) };
    assert!(is_collective(certificate));
}

/// Nonces go with the view of the leader that they are for, and not with the height.
#[test]
fn a_view_change_releases_the_nonces_of_its_leader() {
    for (before, released) in [
        ((Height::new(2), V0), false),
        ((H, View::new(1)), true),
        ((Height::new(2), View::new(3)), true),
    ] {
        let mut net = Net::new(4);
        let first = net.prepare(9);
        net.open(0, first);
        (0..4).for_each(|member| net.vote(member, first, 0));
        net.run_all();
        assert_eq!(net.certified.len(), 1);
        let (_, _, said) = net.log.last().unwrap();
        assert!(matches!(said, Message::Collective(CosiMessage::Response(_))), "with nonces ahead");
        (0..4).for_each(|member| net.command(member, Command::Drop { before }));
        let next = Statement { height: Height::new(2), view: View::new(4), ..first };
        net.log.clear();
        (0..4).for_each(|member| net.vote(member, next, 0));
        net.open(0, next);
        net.run_all();
        let refused = net
            .log
            .iter()
            .any(|(_, _, said)| matches!(said, Message::Collective(CosiMessage::Refusal(_))));
        assert_eq!(refused, released, "{before:?}");
        assert_eq!(net.certified.len(), 2, "a lost nonce costs one attempt");
        assert!(is_collective(&net.certified[1].2) && net.faults.is_empty());
    }
}

#[test]
fn what_was_dropped_is_over() {
    let mut net = Net::new(4);
    let statement = net.prepare(9);
    (1..4).for_each(|member| net.vote(member, statement, 0));
    (0..4).for_each(|member| net.command(member, Command::Drop { before: (H, View::new(1)) }));
    net.vote(0, statement, 0);
    net.command(0, Command::Drop { before: (H, View::new(1)) });
    net.wait(100 * SECOND, |_, _, _| true);
    assert_eq!((net.log.len(), net.certified.len()), (0, 0));
    assert!(net.members.iter().all(|votes| votes.next_timeout().is_none()));
}

#[test]
fn a_batch_of_signatures_holds_if_each_does() {
    let net = Net::new(7);
    let mut signed: Vec<_> = (0..7_u16)
        .map(|at| {
            let view = View::new(u32::from(at) + 1);
            let statement = net.scope().statement(Kind::ViewChange, H, view, [1; 32]);
            let signature = net.members[usize::from(at)].sign(&statement);
            (net.index(at), statement, signature)
        })
        .collect();
    let all = |signed: &[(_, Statement, _)]| {
        let signed = signed.iter().map(|(at, statement, signature)| (*at, *statement, signature));
        CosiVotes::verify_signatures(&net.roster, signed)
    };
    assert!(all(&signed) && all(&signed[..1]) && all(&[]));
    for wrong in 0..7 {
        let mut other = signed.clone();
        other[wrong].1.epoch += 1;
        assert!(!all(&other));
    }
    // A vote's signature is no signature on a message.
    let (_, statement, _) = signed[2];
    signed[2].2 = certificate::sign(&key(2), &net.roster.id(), &statement.to_signed());
    assert!(!all(&signed));
}

#[test]
fn a_foreign_key_makes_no_voter() {
    let net = Net::new(4);
    let timing = Timing { collective: leader::Timing::default(), individual_after: SECOND };
    let config = byzcoin::votes::Config { key: key(1), timing };
    assert!(CosiVotes::new(config, &net.roster, net.index(2)).is_none());
}
