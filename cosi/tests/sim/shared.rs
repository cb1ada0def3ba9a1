//! Work that is done once for real and charged to every node.

use std::time::Duration;

use cosi::{
    machine::{Cx, FaultKind, Time, To},
    sim::{
        Adversary, Cpu, Deliveries, Delivery, Flaw, Network, SharedCheck, SharedWork, Simulation,
    },
    wire::Wire,
};
use curve25519_dalek::rand_core::CryptoRng;

use crate::teller::{
    Command, Config, Log, Message, Sim, Step, Teller, check, message, millis, run,
};

const HASHES: u32 = 5000;

/// Hashes for all; round 13 is nobody's to share.
struct Hashing {
    calls: u64,
}

impl SharedCheck<Teller> for Hashing {
    type Verified = (Message, u8);

    fn verify(&mut self, message: &Message) -> Option<(Message, u8)> {
        self.calls += 1;
        assert!(self.calls < 10, "the same bytes are checked again");
        (message.round != 13).then(|| (message.clone(), check(message, HASHES)))
    }

    fn handle(
        &mut self,
        machine: &mut Teller,
        cx: &mut Cx<'_>,
        from: u8,
        (message, _): (Message, u8),
    ) -> Step {
        machine.heard(cx, from, &message)
    }
}

fn crowd(nodes: u8, cpu: Cpu) -> Sim {
    let mut sim = Simulation::new(Network { cpu, seed: 7, ..Network::default() }, Log::default());
    (1..=nodes).for_each(|peer| sim.add(peer, Config::Slow(HASHES)));
    sim
}

#[test]
fn the_first_does_it_and_all_are_charged() {
    let mut sim = crowd(101, Cpu::Measured);
    sim.share(Hashing { calls: 0 });
    sim.command(millis(0), 1, Command::Say(1));
    run(&mut sim);
    let SharedWork { done, spent, reused, charged } = sim.shared_work();
    assert_eq!((done, reused), (1, 99));
    assert_eq!(charged, spent * 99);
    assert!(spent > Duration::from_micros(20), "{spent:?}");
    // Each of the hundred worked for that long, and what the machines took for real is less.
    assert_eq!(sim.application().heard(101).len(), 1);
    for peer in 2..=101 {
        assert!(sim.counters(peer).unwrap().busy >= spent);
        let heard = sim.application().times(peer)[0];
        assert!(heard >= millis(50).after(spent), "{heard:?}");
    }
    assert!(sim.counters(1).unwrap().busy < spent);
    let text = sim.shared_work().to_string();
    assert!(
        text.starts_with("1 checks done for real (") && text.contains("99 more charged"),
        "{text}"
    );

    let recording = sim.recording().unwrap();
    let mut replay = crowd(101, Cpu::Replayed(recording.clone()));
    replay.share(Hashing { calls: 0 });
    replay.command(millis(0), 1, Command::Say(1));
    run(&mut replay);
    assert_eq!((replay.digest(), replay.total()), (sim.digest(), sim.total()));
    // Even without sharing it is the same run.
    let mut alone = crowd(101, Cpu::Replayed(recording));
    alone.command(millis(0), 1, Command::Say(1));
    run(&mut alone);
    assert_eq!((alone.digest(), alone.shared_work()), (sim.digest(), SharedWork::default()));
}

#[test]
fn up_to_a_hundred_nodes_do_everything_themselves() {
    for nodes in [4, 100] {
        let mut sim = crowd(nodes, Cpu::Ideal);
        let refused = Flaw::Unshared { nodes: usize::from(nodes) };
        assert_eq!(sim.shared::<u8>().unwrap_err().flaw, refused);
        sim.share(Hashing { calls: 0 });
        assert_eq!(sim.step().unwrap_err().flaw, refused);
    }
    let flaw = Flaw::<u8>::Unshared { nodes: 100 };
    assert_eq!(
        flaw.to_string(),
        "100 nodes do all their work themselves; share it among more than 100"
    );
    assert!(crowd(101, Cpu::Ideal).shared::<u8>().is_ok());
}

#[test]
fn the_same_bytes_are_shared_and_no_others() {
    let mut sim = crowd(101, Cpu::Ideal);
    sim.share(Hashing { calls: 0 });
    // Two words, and one of them again.
    for (at, peer, round) in [(0, 1, 1), (0, 3, 1), (100, 1, 1)] {
        sim.command(millis(at), peer, Command::Say(round));
    }
    run(&mut sim);
    let SharedWork { done, reused, .. } = sim.shared_work();
    assert_eq!((done, reused), (2, 298));
    assert_eq!(sim.application().heard(101).len(), 3);
}

#[test]
fn what_the_check_declines_each_node_handles_by_itself() {
    let mut sim = crowd(101, Cpu::Measured);
    sim.share(Hashing { calls: 0 });
    sim.command(millis(0), 1, Command::Tell(13, vec![2, 3, 4]));
    run(&mut sim);
    assert_eq!(sim.shared_work(), SharedWork::default());
    assert_eq!([2, 3, 4].map(|peer| sim.application().times(peer).len()), [1; 3]);
    // The machine hashes for real.
    assert!(sim.counters(4).unwrap().busy > 2 * sim.counters(5).unwrap().busy);
}

/// Repeats what it heard, in its own name, and adds garbage.
#[derive(Default)]
struct Parrot(Vec<Message>);

impl Adversary<Teller> for Parrot {
    fn corrupt(
        &mut self,
        _: u8,
        _: Time,
        _: &mut dyn CryptoRng,
        _: Vec<(To<u8>, Message)>,
    ) -> Deliveries<Teller> {
        let heard = self.0.drain(..).map(|message| (To::All, Delivery::Message(message)));
        heard.flat_map(|sent| [sent, (To::One(3), Delivery::Bytes(vec![7; 9]))]).collect()
    }

    fn receive(
        &mut self,
        _: u8,
        _: Time,
        _: &mut dyn CryptoRng,
        _: u8,
        message: Message,
    ) -> Vec<(u8, Message)> {
        self.0.push(message);
        Vec::new()
    }
}

#[test]
fn who_brings_the_bytes_does_not_matter_and_what_is_no_message_is_blamed() {
    let mut sim = crowd(101, Cpu::Ideal);
    sim.byzantine([2], Parrot::default());
    sim.share(Hashing { calls: 0 });
    sim.command(millis(0), 1, Command::Say(1));
    run(&mut sim);
    // 99 honest nodes hear it from the first, 100 from the second.
    let SharedWork { done, reused, .. } = sim.shared_work();
    assert_eq!((done, reused), (1, 198));
    let of = |peer| sim.application().heard(peer).iter().map(|heard| heard.1).collect::<Vec<_>>();
    assert_eq!((of(3), of(1)), (vec![1, 2], vec![2]));
    let faults: Vec<_> = sim
        .application()
        .faults
        .iter()
        .map(|(at, _, fault)| (*at, fault.culprit, fault.kind))
        .collect();
    assert_eq!(faults, [(3, 2, FaultKind::Malformed)]);
}

#[test]
fn an_application_shares_its_work_and_the_simulation_counts_it() {
    let sim = crowd(101, Cpu::Ideal);
    let mut shared = sim.shared().unwrap();
    let heavy = message(1, 2, 20);
    let (first, cost) = shared.once(&heavy.encode(), || check(&heavy, HASHES));
    assert_eq!(shared.once(&heavy.encode(), || panic!("known")), (first, cost));
    assert_eq!(shared.once(&[], || 77).0, 77);
    let SharedWork { done, spent, reused, charged } = sim.shared_work();
    assert_eq!((done, reused, charged), (2, 1, cost));
    assert!(spent >= cost && cost > Duration::from_micros(20));
    assert!(format!("{shared:?}").contains("results: 2"));
}

#[test]
fn the_oldest_work_is_forgotten_beyond_64_mib() {
    let sim = crowd(101, Cpu::Ideal);
    let mut shared = sim.shared().unwrap();
    let bytes = |name: u8| vec![name; 1 << 20];
    (0..65).for_each(|name| assert_eq!(shared.once(&bytes(name), || name).0, name));
    assert!(format!("{shared:?}").contains("results: 64"));
    assert_eq!(shared.once(&bytes(1), || 255).0, 1);
    assert_eq!(shared.once(&bytes(0), || 255).0, 255);
    assert_eq!(shared.once(&bytes(1), || 254).0, 254);
    // What is larger is never kept.
    let huge = vec![0; 65 << 20];
    assert_eq!([1, 2].map(|result| shared.once(&huge, || result).0), [1, 2]);
    assert!(format!("{shared:?}").contains("results: 0"));
}
