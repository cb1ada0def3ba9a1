//! What an adversary can do beyond its answers, what it cannot, and what the wire's scheduler can.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    sync::mpsc::{Sender, channel},
    time::Duration,
};

use cosi::{
    machine::{Time, To},
    sim::{Act, Adversary, Boundary, Crash, Deliveries, Delivery, Flaw, Latency, Network, When},
    wire::Wire,
};
use curve25519_dalek::rand_core::CryptoRng;

use crate::teller::{Command, Event, Message, Sim, Teller, message, millis, run, tellers};

/// One who does what a test says, and nothing else.
#[derive(Default)]
struct Schemer {
    /// What is held back of what its nodes would send: who, and what.
    held: Vec<(u8, To<u8>, Message)>,
    /// When to act: then it sends what it holds, last first, and these.
    acts: Vec<(Time, Vec<Act<Teller>>)>,
}

impl Adversary<Teller> for Schemer {
    fn corrupt(
        &mut self,
        peer: u8,
        _: Time,
        _: &mut dyn CryptoRng,
        output: Vec<(To<u8>, Message)>,
    ) -> Deliveries<Teller> {
        self.held.extend(output.into_iter().map(|(to, message)| (peer, to, message)));
        Vec::new()
    }

    fn next_timeout(&self) -> Option<Time> {
        self.acts.first().map(|(at, _)| *at)
    }

    fn act(&mut self, now: Time, _: &mut dyn CryptoRng) -> Vec<Act<Teller>> {
        let (at, acts) = self.acts.remove(0);
        assert!(now >= at);
        let held = self.held.drain(..).rev();
        let held = held.map(|(peer, to, message)| (peer, to, Delivery::Message(message)));
        held.chain(acts).collect()
    }
}

/// Four nodes, of which the adversary has 1 and 2.
fn world(network: Network, schemer: Schemer) -> Sim {
    let mut sim = tellers(network, 4);
    sim.byzantine([1, 2], schemer);
    sim
}

fn says(from: u8, to: u8, round: u64) -> Act<Teller> {
    (from, To::One(to), Delivery::Message(message(round, 0, 20)))
}

/// When, from whom and in which round.
fn heard(sim: &Sim, peer: u8) -> Vec<(Time, u8, u64)> {
    sim.application()
        .heard(peer)
        .into_iter()
        .map(|(at, from, round, _)| (at, from, round))
        .collect()
}

#[test]
fn it_delays_and_reorders_what_its_nodes_send() {
    let acts = vec![(millis(500), vec![])];
    let mut sim = world(Network::default(), Schemer { acts, ..Schemer::default() });
    for (at, peer, round) in [(0, 1, 1), (10, 2, 2), (20, 1, 3)] {
        sim.command(millis(at), peer, Command::Tell(round, vec![3]));
    }
    run(&mut sim);
    assert_eq!(
        heard(&sim, 3),
        [(1, 3), (2, 2), (1, 1)].map(|(from, round)| (millis(550), from, round))
    );
}

#[test]
fn it_acts_at_times_of_its_own_choosing_and_through_all_its_nodes() {
    let garbage = (2, To::All, Delivery::Bytes(vec![7]));
    let acts =
        vec![(millis(100), vec![says(1, 3, 1), says(2, 4, 2)]), (millis(300), vec![garbage])];
    let mut sim = world(Network::default(), Schemer { acts, ..Schemer::default() });
    run(&mut sim);
    assert_eq!(heard(&sim, 3), [(millis(150), 1, 1)]);
    assert_eq!(heard(&sim, 4), [(millis(150), 2, 2)]);
    let faults: Vec<_> = sim
        .application()
        .faults
        .iter()
        .map(|(at, now, fault)| (*at, *now, fault.culprit))
        .collect();
    assert_eq!(faults, [3, 4].map(|peer| (peer, millis(350), 2)));
    assert_eq!(sim.now(), millis(350));
}

#[test]
fn a_time_that_is_past_is_now() {
    let mut sim = tellers(Network::default(), 4);
    sim.command(millis(70), 3, Command::Tell(0, vec![]));
    sim.run_until(millis(70), |_| false).unwrap();
    let acts = vec![(millis(10), vec![says(1, 3, 1)]), (millis(90), vec![says(1, 3, 2)])];
    sim.byzantine([1, 2], Schemer { acts, ..Schemer::default() });
    run(&mut sim);
    assert_eq!(heard(&sim, 3), [(millis(120), 1, 1), (millis(140), 1, 2)]);
}

/// Speaks when its machine has been silent for 200 ms.
struct Patient(Option<Time>);

impl Adversary<Teller> for Patient {
    fn corrupt(
        &mut self,
        _: u8,
        now: Time,
        _: &mut dyn CryptoRng,
        output: Vec<(To<u8>, Message)>,
    ) -> Deliveries<Teller> {
        if !output.is_empty() {
            self.0 = Some(now.after(Duration::from_millis(200)));
        }
        Vec::new()
    }

    fn next_timeout(&self) -> Option<Time> {
        self.0
    }

    fn act(&mut self, _: Time, _: &mut dyn CryptoRng) -> Vec<Act<Teller>> {
        self.0.take().map(|_| says(1, 3, 9)).into_iter().collect()
    }
}

#[test]
fn its_deadline_moves_both_ways() {
    let mut sim = tellers(Network::default(), 3);
    sim.byzantine([1], Patient(None));
    for at in [0, 100, 250, 1000] {
        sim.command(millis(at), 1, Command::Say(at));
    }
    run(&mut sim);
    let times = [450, 1200].map(|at| (millis(at + 50), 1, 9));
    assert_eq!(heard(&sim, 3), times);
    // An adversary that comes later has deadlines of its own.
    let mut sim = tellers(Network::default(), 3);
    sim.byzantine([1], Patient(Some(millis(500))));
    sim.byzantine([], Patient(Some(millis(300))));
    run(&mut sim);
    assert_eq!(heard(&sim, 3), [(millis(350), 1, 9)]);
}

/// Lets its machines hear what a test says, writes down what they make of it, and is silent.
struct Whisperer {
    receive: Receive,
    events: Sender<(u8, Event)>,
}

/// Who hears what from whom, in place of each message.
type Receive = fn(u8, u8, Message, &mut dyn CryptoRng) -> Vec<(u8, Message)>;

impl Adversary<Teller> for Whisperer {
    fn corrupt(
        &mut self,
        _: u8,
        _: Time,
        _: &mut dyn CryptoRng,
        _: Vec<(To<u8>, Message)>,
    ) -> Deliveries<Teller> {
        Vec::new()
    }

    fn receive(
        &mut self,
        peer: u8,
        _: Time,
        rng: &mut dyn CryptoRng,
        from: u8,
        message: Message,
    ) -> Vec<(u8, Message)> {
        assert!(peer <= 2, "only what Byzantine nodes receive comes here");
        (self.receive)(peer, from, message, rng)
    }

    fn on_event(&mut self, peer: u8, _: Time, event: Event, _: &mut Vec<Command>) {
        self.events.send((peer, event)).unwrap();
    }
}

/// Nodes 3 and 4 speak in rounds 1 and 2; what the machines of 1 and 2 hear: who, from whom, in
/// which round, which word.
fn whispered(receive: Receive) -> (Sim, Vec<(u8, u8, u64, u64)>) {
    let (events, heard) = channel();
    let mut sim = tellers(Network { seed: 7, ..Network::default() }, 4);
    sim.byzantine([1, 2], Whisperer { receive, events });
    (1..=2).for_each(|round| sim.command(millis(10 * round), 3, Command::Say(round)));
    (1..=2).for_each(|round| sim.command(millis(10 * round + 5), 4, Command::Say(round)));
    run(&mut sim);
    let heard = heard.try_iter().map(|(peer, event)| {
        let Event::Heard { from, round, word, .. } = event else { panic!("{event:?}") };
        (peer, from, round, word)
    });
    let heard = heard.collect();
    (sim, heard)
}

#[test]
fn it_withholds_what_its_nodes_receive() {
    let (free, all) = whispered(|_, from, said, _| vec![(from, said)]);
    let who = |heard: &[(u8, u8, u64, u64)]| {
        heard.iter().map(|(peer, from, round, _)| (*peer, *from, *round)).collect::<Vec<_>>()
    };
    let everything = [(3, 1), (4, 1), (3, 2), (4, 2)]
        .into_iter()
        .flat_map(|(from, round)| [1, 2].map(|peer| (peer, from, round)));
    assert_eq!(who(&all), everything.collect::<Vec<_>>());
    // Node 1 is not to hear of round 1, node 2 not of node 4.
    let (sim, some) = whispered(|peer, from, said, _| {
        let is_withheld = (peer, said.round) == (1, 1) || (peer, from) == (2, 4);
        if is_withheld { vec![] } else { vec![(from, said)] }
    });
    assert_eq!(who(&some), [(2, 3, 1), (1, 3, 2), (2, 3, 2), (1, 4, 2)]);
    // Honest nodes heard what they would have heard.
    assert_eq!([3, 4].map(|peer| heard(&sim, peer)), [3, 4].map(|peer| heard(&free, peer)));
    assert_eq!(sim.counters(1).unwrap().received, free.counters(1).unwrap().received);
}

#[test]
fn its_machines_believe_what_it_lets_them_hear() {
    let lie: Receive = |_, from, said, rng| {
        vec![(9, message(77, rng.next_u64(), 20)), (from, message(said.round, 5, 20))]
    };
    let (sim, heard) = whispered(lie);
    assert_eq!(heard.len(), 16);
    assert!(heard.iter().step_by(2).all(|heard| (heard.1, heard.2) == (9, 77)));
    assert!(heard.iter().skip(1).step_by(2).all(|heard| heard.1 != 9 && heard.3 == 5));
    // Both in one step; and all the adversary's chance comes from the seed.
    assert_eq!(sim.counters(1).unwrap().steps, 1 + 4);
    assert_eq!(whispered(lie).1, heard);
    assert!(sim.application().events.iter().all(|(peer, ..)| *peer > 2));
}

#[test]
fn it_cannot_speak_as_an_honest_node() {
    for forged in [3, 9] {
        let acts = vec![(millis(100), vec![says(1, 4, 1), says(forged, 4, 2), says(1, 4, 3)])];
        let mut sim = world(Network::default(), Schemer { acts, ..Schemer::default() });
        let end = sim.run_until(millis(1000), |_| false).map_err(|bug| bug.flaw);
        let flaw = if forged == 3 { Flaw::Forged { peer: 3 } } else { Flaw::Unknown { peer: 9 } };
        assert_eq!(end, Err(flaw));
        assert!(sim.total().sent.messages == 1);
    }
}

#[test]
fn it_cannot_speak_through_a_node_that_is_down() {
    let acts =
        vec![(millis(100), vec![says(1, 3, 1), says(2, 3, 2)]), (millis(300), vec![says(1, 3, 3)])];
    let mut sim = world(Network::default(), Schemer { acts, ..Schemer::default() });
    let (when, boundary) = (When::At(millis(50)), Boundary::Idle);
    sim.crash(1, Crash { when, boundary, down_for: Some(Duration::from_millis(200)) });
    run(&mut sim);
    assert_eq!(heard(&sim, 3), [(millis(150), 2, 2), (millis(350), 1, 3)]);
}

#[test]
fn it_cannot_outrun_its_uplink_or_the_wire() {
    let acts = vec![(millis(100), vec![says(1, 3, 1), says(1, 4, 2), says(2, 3, 3)])];
    let mut sim = world(Network::default(), Schemer { acts, ..Schemer::default() });
    // 20 bytes take 200 ms.
    sim.bandwidth(1, NonZeroU64::new(100), None);
    run(&mut sim);
    assert_eq!(heard(&sim, 3), [(millis(150), 2, 3), (millis(350), 1, 1)]);
    assert_eq!(heard(&sim, 4), [(millis(550), 1, 2)]);
}

#[test]
fn its_deadline_advances_as_everyones() {
    let acts = vec![(millis(100), vec![]), (millis(100), vec![])];
    let mut sim = world(Network::default(), Schemer { acts, ..Schemer::default() });
    let end = sim.run_until(millis(1000), |_| false).map_err(|bug| bug.flaw);
    assert_eq!(end, Err(Flaw::Impatient));
}

/// Five nodes that speak at random times under random latencies.
fn busy(schedule: impl FnOnce(&mut Sim)) -> Sim {
    let latency =
        Latency::Jittered { least: Duration::from_millis(20), jitter: Duration::from_millis(60) };
    let mut sim = tellers(Network { seed: 7, latency, ..Network::default() }, 5);
    schedule(&mut sim);
    (0..20)
        .for_each(|round| sim.command(millis(round), 1 + (round % 5) as u8, Command::Say(round)));
    run(&mut sim);
    sim
}

fn all_heard(sim: &Sim) -> BTreeSet<(u8, u8, u64, Time)> {
    let of =
        |peer| heard(sim, peer).into_iter().map(move |(at, from, round)| (peer, from, round, at));
    (1..=5).flat_map(of).collect()
}

#[test]
fn a_scheduler_delays_whom_it_likes_and_loses_nothing() {
    const BOUND: Duration = Duration::from_millis(400);
    let free = busy(|_| ());
    // It reads the messages; what it asks for beyond its bound it does not get.
    let delayed = busy(|sim| {
        sim.schedule(BOUND, |_, _, letter| {
            let said = Message::decode(letter.bytes).unwrap();
            assert_eq!(letter.label, "message");
            match (letter.from, letter.to, said.round) {
                (1, 2, _) => Duration::MAX,
                (_, 3, 7) => Duration::from_millis(30),
                _ => Duration::ZERO,
            }
        });
    });
    let expected = all_heard(&free).into_iter().map(|(to, from, round, at)| {
        let more = match (from, to, round) {
            (1, 2, _) => BOUND,
            (_, 3, 7) => Duration::from_millis(30),
            _ => Duration::ZERO,
        };
        (to, from, round, at.after(more))
    });
    assert_eq!(all_heard(&delayed), expected.collect());
    assert_eq!(delayed.total().lost, 0);
}

#[test]
fn a_scheduler_s_chance_is_seeded_and_its_own() {
    let random = || {
        busy(|sim| {
            sim.schedule(Duration::from_millis(100), |now, rng, _| {
                assert!(now < millis(100));
                Duration::from_nanos(rng.next_u64() % 100_000_000)
            });
        })
    };
    let (one, other, free) = (random(), random(), busy(|_| ()));
    assert_eq!(one.digest(), other.digest());
    assert_ne!(one.digest(), free.digest());
    // Each message takes what it took without, and up to a tenth of a second more.
    let times = |sim: &Sim| {
        let key =
            |(to, from, round, at): (u8, u8, u64, Time)| ((to, from, round), at.since_epoch());
        all_heard(sim).into_iter().map(key).collect::<BTreeMap<_, _>>()
    };
    let (with, without) = (times(&one), times(&free));
    assert_eq!(with.len(), without.len());
    let more = with.iter().map(|(key, at)| *at - without[key]);
    assert!(more.clone().all(|more| more < Duration::from_millis(100)));
    assert!(more.max().unwrap() > Duration::from_millis(90));
}
