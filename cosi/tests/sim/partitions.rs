//! Cuts through the network, and what becomes of messages across them.

use cosi::{
    machine::Time,
    sim::{Across, Cut, Flaw, Network, Partition, Traffic, What},
};

use crate::teller::{Command, Sim, millis, run, tellers};

/// From 100 ms to 200 ms, when messages take 50 ms.
fn partition(cut: Cut<u8>, across: Across) -> Partition<u8> {
    Partition { from: millis(100), until: Some(millis(200)), cut, across }
}

fn groups(groups: &[&[u8]]) -> Cut<u8> {
    Cut::Groups(groups.iter().map(|group| group.to_vec()).collect())
}

/// Node 1 speaks to node 2 at each of these times, in milliseconds; when node 2 hears of it.
fn heard(partitions: &[Partition<u8>], at: &[u64]) -> (Sim, Vec<(u64, Time)>) {
    let mut sim = tellers(Network::default(), 2);
    partitions.iter().for_each(|partition| sim.partition(partition.clone()));
    for at in at {
        sim.command(millis(*at), 1, Command::Tell(*at, vec![2]));
    }
    run(&mut sim);
    let heard = sim.application().heard(2).into_iter().map(|(now, _, round, _)| (round, now));
    let heard = heard.collect();
    (sim, heard)
}

/// Sent before, on the wire when it begins, amid it, on the wire when it heals, and after.
const TIMES: [u64; 8] = [49, 50, 75, 100, 150, 199, 200, 300];

#[test]
fn what_is_on_the_wire_at_any_moment_of_it_is_dropped() {
    let (sim, heard) = heard(&[partition(groups(&[&[1]]), Across::Dropped)], &TIMES);
    assert_eq!(heard, [(49, millis(99)), (200, millis(250)), (300, millis(350))]);
    let counters = sim.counters(1).unwrap();
    assert_eq!((counters.cut, counters.held, counters.lost), (5, 0, 0));
    // What was sent was sent.
    assert_eq!(counters.sent.messages, 8);
    assert_eq!(sim.counters(2).unwrap().received, Traffic { messages: 3, bytes: 60 });
    assert_eq!((sim.total().cut, sim.total().missed), (5, 0));
}

#[test]
fn or_it_departs_anew_when_the_partition_heals() {
    let (sim, heard) = heard(&[partition(groups(&[&[1]]), Across::Held)], &TIMES);
    let late = [50, 75, 100, 150, 199, 200].map(|round| (round, millis(250)));
    // In the order of sending, but for what departs at the very time and was planned before.
    assert_eq!(heard[0], (49, millis(99)));
    let mut middle = heard[1..7].to_vec();
    middle.sort_unstable();
    assert_eq!(middle, late);
    assert_eq!(heard[7], (300, millis(350)));
    let counters = sim.counters(1).unwrap();
    assert_eq!((counters.cut, counters.held), (0, 5));
}

#[test]
fn a_partition_that_never_heals_drops_what_it_would_hold() {
    for across in [Across::Dropped, Across::Held] {
        let never = Partition { until: None, ..partition(groups(&[&[1]]), across) };
        let (sim, heard) = heard(&[never], &[49, 50, 5000]);
        assert_eq!(heard, [(49, millis(99))]);
        assert_eq!(sim.counters(1).unwrap().cut, 2);
    }
}

#[test]
fn partitions_add_up_and_one_that_ends_before_it_begins_is_none() {
    let held = |from, until| Partition {
        from: millis(from),
        until: Some(millis(until)),
        ..partition(groups(&[&[1]]), Across::Held)
    };
    // Held by two at once until the later heals, and by a third as it departs anew.
    let (sim, times) = heard(&[held(100, 200), held(150, 180), held(240, 400)], &[140]);
    assert_eq!(times, [(140, millis(450))]);
    assert_eq!(sim.counters(1).unwrap().held, 2);
    // Dropping goes before holding.
    let drop = partition(groups(&[&[1]]), Across::Dropped);
    for partitions in [[held(100, 300), drop.clone()], [drop, held(100, 300)]] {
        let (sim, times) = heard(&partitions, &[140]);
        assert_eq!((times.len(), sim.counters(1).unwrap().cut), (0, 1));
    }
    let (_, times) = heard(&[held(200, 100), held(150, 150)], &TIMES);
    assert_eq!(times, TIMES.map(|at| (at, millis(at + 50))));
}

/// Who hears whom amid the partition.
fn hears(cut: Cut<u8>, nodes: u8) -> Vec<(u8, Vec<u8>)> {
    let mut sim = tellers(Network::default(), nodes);
    sim.partition(partition(cut, Across::Dropped));
    // A node that comes later belongs to those that are in no group.
    sim.add(nodes + 1, crate::teller::Config::Sound);
    (1..=nodes + 1).for_each(|peer| sim.command(millis(120), peer, Command::Say(1)));
    run(&mut sim);
    let heard = |peer| sim.application().heard(peer).iter().map(|heard| heard.1).collect();
    (1..=nodes + 1).map(|peer| (peer, heard(peer))).collect()
}

#[test]
fn any_grouping_can_be_made() {
    // Two groups and the rest.
    let three = hears(groups(&[&[1, 2], &[3]]), 5);
    let expected: [(u8, &[u8]); 6] =
        [(1, &[2]), (2, &[1]), (3, &[]), (4, &[5, 6]), (5, &[4, 6]), (6, &[4, 5])];
    assert_eq!(three, expected.map(|(peer, heard)| (peer, heard.to_vec())));
    // Node 2 is in two groups: both hear it, and do not hear each other.
    let bridge = hears(groups(&[&[1, 2], &[2, 3]]), 3);
    let expected: [(u8, &[u8]); 4] = [(1, &[2]), (2, &[1, 3]), (3, &[2]), (4, &[])];
    assert_eq!(bridge, expected.map(|(peer, heard)| (peer, heard.to_vec())));
    // One way: 1 is not heard by 2 and 3, and hears them.
    let one_way = hears(Cut::OneWay { from: vec![1], to: vec![2, 3] }, 3);
    let expected: [(u8, &[u8]); 4] = [(1, &[2, 3, 4]), (2, &[3, 4]), (3, &[2, 4]), (4, &[1, 2, 3])];
    assert_eq!(one_way, expected.map(|(peer, heard)| (peer, heard.to_vec())));
}

#[test]
fn a_node_always_reaches_itself() {
    let mut sim = tellers(Network::default(), 2);
    sim.partition(partition(Cut::OneWay { from: vec![1], to: vec![1, 2] }, Across::Dropped));
    sim.command(millis(120), 1, Command::Tell(1, vec![1, 2]));
    run(&mut sim);
    assert_eq!(sim.application().times(1), [millis(120)]);
    assert!(sim.application().times(2).is_empty());
}

#[test]
fn one_that_begins_in_the_past_begins_now() {
    let mut sim = tellers(Network::default(), 2);
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(80), 1, Command::Say(2));
    sim.run_until(millis(100), |_| false).unwrap();
    sim.partition(Partition { from: millis(0), ..partition(groups(&[&[1]]), Across::Dropped) });
    run(&mut sim);
    // The first had arrived at 50; the second was on the wire.
    assert_eq!(sim.application().times(2), [millis(50)]);
    assert_eq!(sim.counters(1).unwrap().cut, 1);
}

#[test]
fn queues_are_not_on_the_wire() {
    let mut sim = tellers(Network::default(), 2);
    // 100 bytes take 100 ms at either end.
    sim.bandwidth(1, std::num::NonZeroU64::new(1000), None);
    sim.bandwidth(2, None, std::num::NonZeroU64::new(1000));
    let during = |from, until| Partition {
        from: millis(from),
        until: Some(millis(until)),
        ..partition(groups(&[&[1]]), Across::Dropped)
    };
    // On the wire from 100 to 150.
    sim.partition(during(10, 100));
    sim.partition(during(151, 240));
    sim.command(millis(0), 1, Command::Pad(1, 100));
    run(&mut sim);
    assert_eq!(sim.application().times(2), [millis(250)]);
}

#[test]
fn the_trace_tells_and_the_seed_replays() {
    let cut = |across| {
        let mut sim = tellers(Network { seed: 3, ..Network::default() }, 3);
        sim.partition(partition(groups(&[&[1]]), across));
        let (seen, sink) = std::sync::mpsc::channel();
        sim.observe(move |peer, entry| seen.send((peer, entry.clone())).unwrap());
        sim.command(millis(120), 1, Command::Say(1));
        run(&mut sim);
        let entries = sink.try_iter().filter(|(_, entry)| {
            matches!(entry.what, What::Cut { message: 0 } | What::Held { message: 0 })
        });
        let at = entries.map(|(peer, entry)| (peer, entry.at)).collect::<Vec<_>>();
        (sim.digest(), at)
    };
    let (dropped, held) = (cut(Across::Dropped), cut(Across::Held));
    assert_eq!(dropped.1, [(2, millis(170)), (3, millis(170))]);
    assert_eq!(held.1, dropped.1);
    assert_ne!(dropped.0, held.0);
    assert_eq!(held, cut(Across::Held));
}

#[test]
fn a_partition_names_nodes_that_are_there() {
    for cut in [groups(&[&[1], &[9]]), Cut::OneWay { from: vec![1], to: vec![9] }] {
        let mut sim = tellers(Network::default(), 2);
        sim.partition(partition(cut, Across::Held));
        assert_eq!(sim.step().unwrap_err().flaw, Flaw::Unknown { peer: 9 });
    }
}
