//! Members that decline a statement, at each place of a tree.

use std::time::Duration;

use cosi::{Policy, cosigner, leader, message::Message, session::Digest};

use crate::grove::{Command, Grove, grove, honestly, kary};

const SIZE: u16 = 13;
/// A patience.
const PATIENCE: Duration = Duration::from_secs(2);

impl Grove {
    fn turn_down(&mut self, member: u16, statement: &[u8]) {
        let command = cosigner::Command::Validated { digest: Digest::of(statement), accept: false };
        self.sim.command(self.sim.now(), self.at(member), Command::Cosign(command));
    }
}

/// Nobody is blamed or stands aside for it, and the tree is the same afterwards.
#[test]
fn whoever_declines_costs_others_nothing_wherever_it_stands() {
    for member in 1..SIZE {
        let mut grove = grove(SIZE, kary(3));
        grove.turn_down(member, b"1");
        let (_, absent, took) = grove.sign(b"1", u64::from(SIZE) - 1);
        assert_eq!(absent, [member]);
        assert!(took < PATIENCE, "{member}: {took:?}");
        for statement in [b"2", b"3"] {
            let (_, absent, _) = grove.sign(statement, u64::from(SIZE));
            assert!(absent.is_empty(), "{member}: {absent:?}");
        }
        let plans = grove.plans();
        assert!(plans.iter().all(|plan| *plan == plans[0]), "{member} stands aside");
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// A statement that is challenged at once, with what came ahead.
#[test]
fn whoever_declines_a_challenge_costs_round_trips_and_no_patience() {
    for member in 1..SIZE {
        let mut grove = grove(SIZE, kary(3));
        grove.sign(b"1", SIZE.into());
        grove.turn_down(member, b"2");
        let (_, absent, took) = grove.sign(b"2", u64::from(SIZE) - 1);
        assert_eq!(absent, [member]);
        assert!(took < PATIENCE, "{member}: {took:?}");
        for statement in [b"3", b"4"] {
            let (_, absent, _) = grove.sign(statement, u64::from(SIZE));
            assert!(absent.is_empty(), "{member}: {absent:?}");
        }
        let plans = grove.plans();
        assert!(plans.iter().all(|plan| *plan == plans[0]), "{member} stands aside");
        assert_eq!(grove.sim.application().faults, []);
    }
}

/// Everybody declines: the session fails at once, and the trees are not to blame.
#[test]
fn a_declined_statement_fails_at_once() {
    let mut grove = grove(SIZE, kary(3));
    grove.announce(0, b"bad", Policy::Quorum);
    grove.run();
    let events = &grove.sim.application().events;
    let [(_, at, leader::Event::Failed { .. })] = &events[..] else { panic!("{events:?}") };
    assert!(at.since_epoch() < PATIENCE, "{at:?}");
    let calls = grove.said("call");
    let (_, absent, _) = grove.sign(b"good", SIZE.into());
    assert!(absent.is_empty() && grove.said("call") > calls);
    let is_decline = |message: &Message| matches!(message, Message::Decline(_));
    assert!(grove.log.borrow().iter().all(|(_, to, m)| *to == 0 || !is_decline(m)));
}

/// Neither trees nor the star get anywhere: more withhold than the policy can do without.
#[test]
fn single_signatures_end_a_session_over_trees() {
    let mut grove = grove(SIZE, kary(3));
    grove.corrupt(1..6, |_, mut output| {
        output.retain(|(_, m)| {
            !matches!(m, Message::Sum(..) | Message::Response(_) | Message::Account(..))
        });
        honestly(output)
    });
    grove.announce(0, b"x", Policy::Quorum);
    grove.run();
    let events = &grove.sim.application().events;
    let [(_, at, leader::Event::Individual { certificate, statement, .. })] = &events[..] else {
        panic!("{events:?}")
    };
    certificate.verify(&grove.roster, statement, &Policy::Quorum).unwrap();
    let half = Duration::from_secs(30);
    assert!(half < at.since_epoch() && at.since_epoch() < half * 2, "{at:?}");
    assert_eq!(grove.sim.application().faults, []);
}
