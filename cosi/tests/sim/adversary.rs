//! The adversary's power, and its bounds.

use cosi::{
    machine::{Fault, FaultKind, Time, To},
    sim::{Adversary, Boundary, Crash, Deliveries, Delivery, Network, When},
    wire::Wire,
};
use curve25519_dalek::rand_core::CryptoRng;
use std::time::Duration;

use crate::teller::{Command, Event, Message, Teller, message, millis, run, tellers};

/// Tells each peer another word, and follows up with bytes that are no message.
struct Liar;

impl Adversary<Teller> for Liar {
    fn corrupt(
        &mut self,
        peer: u8,
        _: Time,
        _: &mut dyn CryptoRng,
        output: Vec<(To<u8>, Message)>,
    ) -> Deliveries<Teller> {
        assert_eq!(peer, 1, "only Byzantine nodes' output comes here");
        let mut sent = Vec::new();
        for (_, Message { round, word, .. }) in output {
            for to in [2, 3] {
                let lie = message(round, word ^ u64::from(to), 20);
                sent.push((To::One(to), Delivery::Message(lie)));
            }
            sent.push((To::All, Delivery::Bytes(vec![0xff; 7])));
            sent.push((To::One(2), Delivery::Bytes(message(round, 0, 20).encode())));
        }
        sent
    }
}

#[test]
fn it_equivocates_and_sends_garbage_in_its_own_name_only() {
    let mut sim = tellers(Network { seed: 7, ..Network::default() }, 3);
    sim.byzantine([1], Liar);
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(0), 2, Command::Say(1));
    sim.command(millis(10), 1, Command::Nonsense);
    sim.command(millis(200), 1, Command::Say(2));
    run(&mut sim);
    let log = sim.application();
    let said = sim.machine(1).unwrap().said[&1];
    let of_1 = |peer| {
        let heard = log.heard(peer).into_iter();
        heard.filter(|heard| (heard.1, heard.2) == (1, 1)).map(|heard| heard.3).collect::<Vec<_>>()
    };
    assert_eq!(of_1(2), [said ^ 2, 0]);
    assert_eq!(of_1(3), [said ^ 3]);
    // Node 2's word arrives as it was said.
    let [(_, word)] = log.said(2)[..] else { panic!("{:?}", log.said(2)) };
    assert!(log.heard(3).contains(&(millis(50), 2, 1, word)));
    // Two garbage messages each, one fault each.
    let fault = Fault { culprit: 1, kind: FaultKind::Malformed, evidence: None };
    assert_eq!(log.faults, [2, 3].map(|peer| (peer, millis(50), fault.clone())));
    let malformed = [1, 2, 3].map(|peer| sim.counters(peer).unwrap().malformed);
    assert_eq!(malformed, [0, 2, 2]);
    assert_eq!(sim.counters(1).unwrap().sent_by_label["bytes"].bytes, 2 * (2 * 7 + 20));
    assert_eq!(sim.measured()["malformed"].inputs, 4);
    // Nobody hears what the Byzantine node tells and refuses.
    assert!(log.events.iter().all(|(peer, ..)| *peer != 1) && log.errors.is_empty());
}

#[test]
fn garbage_is_reported_again_by_a_node_that_forgot_it() {
    let mut sim = tellers(Network { seed: 7, ..Network::default() }, 3);
    sim.byzantine([1], Liar);
    let boundary = Boundary::Idle;
    let down_for = Some(Duration::from_millis(1));
    sim.crash(2, Crash { when: When::At(millis(100)), boundary, down_for });
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(200), 1, Command::Say(2));
    run(&mut sim);
    let reports: Vec<_> = sim.application().faults.iter().map(|(at, now, _)| (*at, *now)).collect();
    assert_eq!(reports, [(2, millis(50)), (3, millis(50)), (2, millis(250))]);
}

/// Silent, but an application to its machines.
pub(crate) struct Mute {
    pub(crate) heard: u64,
}

impl Adversary<Teller> for Mute {
    fn corrupt(
        &mut self,
        _: u8,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<u8>, Message)>,
    ) -> Deliveries<Teller> {
        // Its chance is its own.
        rng.next_u64();
        // Speaks on inputs to which the honest machine is silent.
        if self.heard > 0 && output.is_empty() {
            return vec![(To::One(2), Delivery::Message(message(9, self.heard, 20)))];
        }
        Vec::new()
    }

    fn on_event(&mut self, peer: u8, _: Time, event: Event, commands: &mut Vec<Command>) {
        assert_eq!(peer, 1);
        if let Event::Heard { round, .. } = event {
            self.heard += 1;
            commands.push(Command::Say(round));
        }
    }
}

#[test]
fn it_hosts_its_machines_and_can_be_silent() {
    let run = |corrupt: bool| {
        let mut sim = tellers(Network { seed: 7, ..Network::default() }, 2);
        if corrupt {
            sim.byzantine([1], Mute { heard: 0 });
        }
        sim.command(millis(0), 2, Command::Say(1));
        sim.command(millis(100), 2, Command::Say(2));
        run(&mut sim);
        sim
    };
    let (corrupt, honest) = (run(true), run(false));
    assert_eq!(corrupt.machine(1).unwrap().said.len(), 2);
    let log = corrupt.application();
    assert_eq!(log.heard(2), [(millis(200), 1, 9, 1)]);
    // Honest nodes' chance does not hang on the adversary's.
    assert_eq!(log.said(2), honest.application().said(2));
}

#[test]
fn an_honest_node_is_not_touched() {
    let mut sim = tellers(Network::default(), 3);
    sim.byzantine([], Liar);
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(0), 1, Command::Nonsense);
    run(&mut sim);
    assert_eq!(sim.application().times(2), sim.application().times(3));
    assert!(sim.application().faults.is_empty());
    assert_eq!(sim.application().errors, [(1, millis(0))]);
}
