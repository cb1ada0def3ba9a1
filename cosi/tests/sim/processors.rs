//! Time that nodes take, and deadlines.

use std::time::Duration;

use cosi::sim::{Cpu, Network};

use crate::teller::{Command, Event, millis, run, tellers};

const CPU: Cpu = Cpu::Fixed(Duration::from_millis(10));

#[test]
fn inputs_wait_for_a_busy_node() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 4);
    for peer in [1, 2, 3] {
        sim.command(millis(100), peer, Command::Tell(1, vec![4]));
    }
    run(&mut sim);
    // Sent at 110, there at 160, and then one after the other.
    assert_eq!(sim.application().times(4), [170, 180, 190].map(millis));
    let begun = sim.application().events.iter().filter_map(|(_, _, event)| match event {
        Event::Heard { begun, .. } => Some(*begun),
        Event::Said { .. } | Event::Rang { .. } => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), [160, 170, 180].map(millis));
}

#[test]
fn a_deadline_comes_after_the_work_in_hand_and_before_the_next() {
    let mut sim = tellers(Network { cpu: CPU, ..Network::default() }, 3);
    sim.command(millis(100), 3, Command::Wake(millis(165)));
    sim.command(millis(100), 1, Command::Tell(1, vec![3]));
    sim.command(millis(101), 2, Command::Tell(1, vec![3]));
    run(&mut sim);
    assert_eq!(sim.application().times(3), [170, 190].map(millis));
    let rang = Event::Rang { begun: millis(170) };
    assert!(sim.application().events.contains(&(3, millis(180), rang)));
}

#[test]
fn an_answer_is_given_at_once_and_before_other_inputs() {
    let mut sim = tellers(Network::default(), 2);
    sim.application_mut().answers = 2;
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(50), 2, Command::Say(7));
    run(&mut sim);
    let rounds: Vec<_> = sim.application().said(2).iter().map(|said| said.0).collect();
    assert_eq!(rounds, [7, 2]);
    // Heard at 50 and answered at 50; heard back at 100.
    assert!(sim.application().heard(1).iter().any(|heard| (heard.0, heard.2) == (millis(100), 2)));
}

#[test]
fn deadlines_move_and_ring_once() {
    let mut sim = tellers(Network::default(), 1);
    sim.command(millis(0), 1, Command::Wake(millis(500)));
    sim.command(millis(10), 1, Command::Wake(millis(300)));
    sim.command(millis(20), 1, Command::Wake(millis(400)));
    sim.command(millis(600), 1, Command::Wake(millis(100)));
    let mut times = Vec::new();
    while sim.step().unwrap() {
        times.push(sim.now());
    }
    // The start, four commands, and the deadlines: one met, one past when it was set.
    assert_eq!(times, [0, 0, 10, 20, 400, 600, 600].map(millis));
    let rang = [400, 600].map(|at| (1, millis(at), Event::Rang { begun: millis(at) }));
    assert_eq!(sim.application().events, rang);
    assert_eq!((sim.now(), sim.counters(1).unwrap().timeouts), (millis(600), 2));
}

#[test]
fn spurious_timeouts_are_injected_and_change_nothing() {
    let run = |spurious_per_mille| {
        let mut sim = tellers(Network { spurious_per_mille, ..Network::default() }, 3);
        sim.command(millis(0), 1, Command::Wake(millis(500)));
        (1..=3).for_each(|peer| sim.command(millis(100), peer, Command::Say(1)));
        run(&mut sim);
        sim
    };
    let (without, with) = (run(0), run(1000));
    assert_eq!(without.application().events, with.application().events);
    // 3 starts, 4 commands, 6 messages, and one deadline.
    assert_eq!((without.total().steps, without.total().timeouts), (14, 1));
    assert_eq!((with.total().steps, with.total().timeouts), (14 + 13, 1 + 13));
}
