//! What the network does to messages.

use std::{num::NonZeroU64, time::Duration};

use cosi::{
    machine::Time,
    sim::{Latency, Network, Traffic},
};

use crate::teller::{Command, Sim, millis, run, tellers};

fn network() -> Network {
    Network { seed: 7, ..Network::default() }
}

fn fixed(millis: u64) -> Latency {
    Latency::Fixed(Duration::from_millis(millis))
}

#[test]
fn a_link_takes_its_own_latency_in_its_own_direction() {
    let mut sim = tellers(Network { latency: fixed(30), ..network() }, 3);
    sim.link(1, 3, fixed(200));
    sim.command(millis(5), 1, Command::Say(1));
    sim.command(millis(1000), 3, Command::Say(2));
    run(&mut sim);
    assert_eq!(sim.application().times(2), [millis(35), millis(1030)]);
    assert_eq!(sim.application().times(3), [millis(205)]);
    assert_eq!(sim.application().times(1), [millis(1030)]);
    assert_eq!(sim.now(), millis(1030));
}

#[test]
fn jitter_stays_in_its_range_fills_it_and_reorders() {
    let latency =
        Latency::Jittered { least: Duration::from_millis(100), jitter: Duration::from_millis(50) };
    let mut sim = tellers(Network { latency, ..network() }, 2);
    (0..1000).for_each(|round| sim.command(millis(round), 1, Command::Say(round)));
    run(&mut sim);
    let heard = sim.application().heard(2);
    assert_eq!(heard.len(), 1000);
    let delays = heard.iter().map(|(at, _, round, _)| {
        at.since_epoch().checked_sub(Duration::from_millis(*round)).unwrap().as_micros()
    });
    let delays: Vec<u128> = delays.collect();
    assert!(delays.iter().all(|delay| (100_000..=150_000).contains(delay)));
    assert!(delays.iter().any(|delay| *delay < 102_000));
    assert!(delays.iter().any(|delay| *delay > 148_000));
    // The mean of a thousand has a deviation of 50,000 / √12 / √1,000 ≈ 456 µs.
    let mean = delays.iter().sum::<u128>() / 1000;
    assert!((122_500..127_500).contains(&mean), "{mean}");
    assert!(heard.windows(2).any(|pair| pair[0].2 > pair[1].2));
}

#[test]
fn copies_leave_an_uplink_one_after_the_other() {
    let uplink = NonZeroU64::new(1000);
    let mut sim = tellers(Network { uplink, latency: fixed(50), ..network() }, 4);
    sim.command(millis(0), 1, Command::Pad(1, 100));
    // The line is still at work on the first message when the second comes, and free for the third.
    sim.command(millis(250), 1, Command::Pad(2, 200));
    sim.command(millis(2000), 1, Command::Pad(3, 100));
    run(&mut sim);
    let times = |ms: [u64; 3]| ms.map(millis);
    assert_eq!(sim.application().times(2), times([100 + 50, 300 + 200 + 50, 2150]));
    assert_eq!(sim.application().times(3), times([200 + 50, 300 + 400 + 50, 2250]));
    assert_eq!(sim.application().times(4), times([300 + 50, 300 + 600 + 50, 2350]));
}

#[test]
fn what_arrives_together_queues_at_a_downlink() {
    let mut sim = tellers(Network { latency: fixed(50), ..network() }, 4);
    sim.bandwidth(4, None, NonZeroU64::new(1000));
    sim.command(millis(0), 1, Command::Pad(1, 100));
    sim.command(millis(0), 2, Command::Pad(1, 300));
    sim.command(millis(60), 3, Command::Pad(1, 50));
    run(&mut sim);
    let heard: Vec<_> =
        sim.application().heard(4).iter().map(|(at, from, ..)| (*at, *from)).collect();
    assert_eq!(heard, [(millis(150), 1), (millis(450), 2), (millis(500), 3)]);
    assert_eq!(sim.application().times(3), [millis(50), millis(50)]);
}

#[test]
fn a_message_queues_at_both_ends() {
    let (uplink, downlink) = (NonZeroU64::new(1000), NonZeroU64::new(500));
    let mut sim = tellers(Network { uplink, downlink, latency: fixed(50), ..network() }, 2);
    (1..=3).for_each(|round| sim.command(millis(0), 1, Command::Pad(round, 100)));
    // The other direction has lines of its own.
    sim.command(millis(0), 2, Command::Pad(1, 100));
    run(&mut sim);
    // The downlink is slower: the first comes at 150, and each takes 200.
    assert_eq!(sim.application().times(2), [350, 550, 750].map(millis));
    let counters = sim.counters(2).unwrap();
    assert_eq!(counters.transit, Duration::from_millis(350 + 550 + 750));
    assert_eq!(counters.longest_transit, Duration::from_millis(750));
    let total = sim.total();
    assert_eq!(total.transit, counters.transit + Duration::from_millis(350));
    assert_eq!(total.longest_transit, counters.longest_transit);
    assert_eq!(sim.application().times(1), [millis(350)]);
}

#[test]
fn a_part_of_a_nanosecond_counts_as_a_whole() {
    let mut sim = tellers(Network { latency: fixed(0), ..network() }, 2);
    sim.bandwidth(1, NonZeroU64::new(3), None);
    sim.command(millis(0), 1, Command::Say(1));
    run(&mut sim);
    assert_eq!(sim.application().times(2), [Time::at(Duration::from_nanos(6_666_666_667))]);
}

/// Node 1 says 2,000 things to node 2.
fn chatter(network: Network) -> Sim {
    let mut sim = tellers(network, 2);
    (0..2000).for_each(|round| sim.command(millis(round), 1, Command::Say(round)));
    run(&mut sim);
    sim
}

#[test]
fn as_much_is_lost_as_was_asked_for() {
    for (loss_per_mille, range) in [(0, 0..=0), (250, 403..=597), (1000, 2000..=2000)] {
        // 2,000 at one in four: 500 ± 19.4; the range is five deviations.
        let sim = chatter(Network { loss_per_mille, ..network() });
        let (sent, received) = (sim.counters(1).unwrap(), sim.counters(2).unwrap());
        assert!(range.contains(&sent.lost), "{}", sent.lost);
        assert_eq!(sent.sent, Traffic { messages: 2000, bytes: 40_000 });
        assert_eq!(received.received.messages, 2000 - sent.lost);
        assert_eq!(sim.application().times(2).len() as u64, 2000 - sent.lost);
    }
}

#[test]
fn as_much_is_doubled_as_was_asked_for() {
    for (duplicate_per_mille, range) in [(0, 0..=0), (100, 133..=267), (1000, 2000..=2000)] {
        // 2,000 at one in ten: 200 ± 13.4; the range is five deviations.
        let sim = chatter(Network { duplicate_per_mille, ..network() });
        let (sent, received) = (sim.counters(1).unwrap(), sim.counters(2).unwrap());
        assert!(range.contains(&sent.duplicated), "{}", sent.duplicated);
        assert_eq!(sent.sent.messages, 2000);
        assert_eq!(received.received.messages, 2000 + sent.duplicated);
        assert_eq!(received.received.bytes, 20 * received.received.messages);
        assert_eq!(sim.application().times(2).len() as u64, received.received.messages);
    }
}

#[test]
fn what_is_lost_is_not_doubled() {
    let sim = chatter(Network { loss_per_mille: 500, duplicate_per_mille: 500, ..network() });
    let (sent, received) = (sim.counters(1).unwrap(), sim.counters(2).unwrap());
    assert!(sent.lost > 0 && sent.duplicated > 0);
    assert_eq!(received.received.messages, 2000 - sent.lost + sent.duplicated);
}

#[test]
fn broadcasts_reach_members_and_nobody_else() {
    let mut sim = tellers(network(), 5);
    sim.members([1, 2, 3]);
    sim.members_of(2, [2, 5]);
    sim.command(millis(0), 1, Command::Say(1));
    sim.command(millis(0), 2, Command::Say(2));
    sim.command(millis(0), 4, Command::Say(3));
    // Direct messages go where they say: to a guest, to oneself, to nobody.
    sim.command(millis(0), 3, Command::Tell(4, vec![4, 3, 9]));
    run(&mut sim);
    let rounds = |peer| {
        let heard = sim.application().heard(peer);
        heard.into_iter().map(|(at, from, round, _)| (at, from, round)).collect::<Vec<_>>()
    };
    assert_eq!(rounds(1), [(millis(50), 4, 3)]);
    assert_eq!(rounds(2), [(millis(50), 1, 1), (millis(50), 4, 3)]);
    assert_eq!(rounds(3), [(millis(0), 3, 4), (millis(50), 1, 1), (millis(50), 4, 3)]);
    assert_eq!(rounds(4), [(millis(50), 3, 4)]);
    assert_eq!(rounds(5), [(millis(50), 2, 2)]);
    assert_eq!(sim.counters(3).unwrap().unroutable, 1);
}

#[test]
fn traffic_is_counted_by_node_and_label() {
    let mut sim = tellers(network(), 3);
    sim.label(|message| if message.round == 1 { "first" } else { "other" });
    sim.command(millis(0), 1, Command::Pad(1, 100));
    sim.command(millis(0), 1, Command::Pad(2, 30));
    sim.command(millis(0), 2, Command::Pad(2, 40));
    run(&mut sim);
    let one = sim.counters(1).unwrap();
    assert_eq!(one.sent, Traffic { messages: 4, bytes: 260 });
    assert_eq!(one.sent_by_label["first"], Traffic { messages: 2, bytes: 200 });
    assert_eq!(one.sent_by_label["other"], Traffic { messages: 2, bytes: 60 });
    assert_eq!(one.received_by_label["other"], Traffic { messages: 1, bytes: 40 });
    // Two records of 16 bytes; two commands and one message after the start.
    assert_eq!((one.records, one.record_bytes, one.steps), (2, 32, 4));
    let total = sim.total();
    assert_eq!(total.sent, Traffic { messages: 6, bytes: 340 });
    assert_eq!(total.received, total.sent);
    assert_eq!(total.received_by_label["other"], Traffic { messages: 4, bytes: 140 });

    let measured = sim.measured();
    let inputs = ["first", "other", "command", "restore"].map(|label| measured[label].inputs);
    assert_eq!(inputs, [2, 4, 3, 3]);
}
