//! A deterministic network for any machine whose messages and records are bytes.
//!
//! # Guarantee
//!
//! - One seed reproduces a run bit for bit: every delay, loss and crash, and the randomness of
//!   every node's every life. [`Simulation::digest`] names the run, so two can be compared.
//! - Time is virtual. It costs nothing to wait, and no clock is read but the processor time of
//!   this thread, which decides nothing unless [`Cpu::Measured`] is asked for; such a run is
//!   recorded, and its recording replays it bit for bit.
//! - A node loses in a crash all but its journal, and its machine is restored from the bytes
//!   there. Crashes strike where they hurt: see [`Boundary`].
//! - An [`Adversary`] has the nodes in hand that are declared Byzantine, and no more power.
//! - After every event the caller's invariants are checked. What no sound machine does is a
//!   [`Bug`] that names the node and the seed.
//!
//! A node takes one input at a time: answers of its application first, then what is due, then
//! commands and messages as they come. A message to oneself arrives at once.
//!
//! # Example
//!
//! Two nodes greet each other through a slow network. This is all that a machine and an
//! application need.
//!
//! ```
#![doc = include_str!("sim/greeter.rs")]
//! use core::{num::NonZeroU64, time::Duration};
//! use cosi::sim::{Network, Outcome, Simulation};
//!
//! # fn main() -> Result<(), cosi::sim::Bug<u8>> {
//! let network = Network { seed: 7, uplink: NonZeroU64::new(1_000), ..Network::default() };
//! let mut simulation = Simulation::new(network, Guestbook::default());
//! simulation.add(1, ());
//! simulation.add(2, ());
//! simulation.command(Time::default(), 1, "Ada, 1".into());
//!
//! let limit = Time::at(Duration::from_secs(1));
//! assert_eq!(simulation.run_until(limit, |_| false)?, Outcome::Quiet);
//! // Ten bytes, encoded, at 1,000 a second, and 50 ms on the wire.
//! let arrival = Time::at(Duration::from_millis(10 + 50));
//! assert_eq!(simulation.application().0, [(2, arrival, 1)]);
//! # Ok(())
//! # }
//! ```
//!
//! # Your part
//!
//! **The machine** must be a function of its inputs: the time and the randomness come from its
//! [`Cx`](crate::machine::Cx), and nothing in it hangs on addresses, threads or the order of a hash
//! table. The types ask for the rest: see [`Subject`]. Driven by hand it is the same machine.
//!
//! **The [`Application`]** is one value for all honest nodes, told which node speaks. What it answers
//! to an event is done at that node before anything else. It is not charged for its time unless it
//! says so by [`Application::busy`]; it must be as deterministic as the machines.
//!
//! **The [`Adversary`]** is one value for all Byzantine nodes, so they know what any of them knows.
//! Their machines run as they are; it decides what they hear, what is sent in place of what they
//! say, and what they send at times of its own. Whoever delays honest nodes' messages is another:
//! [`Simulation::schedule`], within a bound.
//!
//! **An invariant** is a closure that sees the whole simulation after every event: machines, journals,
//! counters, and what the application wrote down. It returns what is wrong. Keep it cheap, or let
//! it look only where something happened.
//!
//! ```
//! # mod greeter { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/greeter.rs")); }
//! # use greeter::*;
//! # use core::time::Duration;
//! # use cosi::{machine::Time, sim::{Flaw, Network, Simulation}};
//! # let mut simulation = Simulation::new(Network::default(), Guestbook::default());
//! # (1..=3).for_each(|peer| simulation.add(peer, ()));
//! # simulation.command(Time::default(), 1, "Ada".into());
//! simulation.invariant("nobody is greeted twice", |simulation| {
//!     let greeted = simulation.application().0.iter().filter(|(peer, ..)| *peer == 2).count();
//!     if greeted < 2 { Ok(()) } else { Err(format!("{greeted} greetings")) }
//! });
//! simulation.command(Time::default(), 3, "Bob".into());
//! let bug = simulation.run_until(Time::at(Duration::from_secs(1)), |_| false).unwrap_err();
//! assert!(matches!(bug.flaw, Flaw::Invariant { name: "nobody is greeted twice", .. }));
//! ```
//!
//! # The network
//!
//! A message passes its sender's uplink, then the wire, then the receiver's downlink, each as a
//! whole; the copies for several receivers leave one after the other. [`Latency`] is fixed or drawn
//! from a distribution, [for all](Network::latency), [by regions](Simulation::regions) or
//! [by link](Simulation::link). Copies are [lost](Network::loss_per_mille) and
//! [doubled](Network::duplicate_per_mille), and a [`Partition`] cuts nodes off until it heals:
//!
//! ```
//! # mod greeter { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/greeter.rs")); }
//! # use greeter::*;
//! # use core::time::Duration;
//! use cosi::machine::Time;
//! use cosi::sim::{Across, Cut, Network, Outcome, Partition, Simulation};
//!
//! # fn main() -> Result<(), cosi::sim::Bug<u8>> {
//! let at = |millis| Time::at(Duration::from_millis(millis));
//! let mut simulation = Simulation::new(Network::default(), Guestbook::default());
//! (1..=3).for_each(|peer| simulation.add(peer, ()));
//! // Node 3 is alone for a tenth of a second; transports try again until they get through.
//! simulation.partition(Partition {
//!     from: at(0),
//!     until: Some(at(100)),
//!     cut: Cut::Groups(vec![vec![1, 2], vec![3]]),
//!     across: Across::Held,
//! });
//! simulation.command(at(10), 1, "Ada".into());
//! assert_eq!(simulation.run_until(at(1_000), |_| false)?, Outcome::Quiet);
//! assert_eq!(simulation.application().0, [(2, at(10 + 50), 1), (3, at(100 + 50), 1)]);
//! # Ok(())
//! # }
//! ```
//!
//! # Processors
//!
//! Each node has one, which takes no time, a fixed time a step, or the time that the step took
//! here: see [`Cpu`]. A measured run is not the same twice, but its recording is:
//!
//! ```
//! # mod greeter { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim/greeter.rs")); }
//! # use greeter::*;
//! # use core::time::Duration;
//! use cosi::{machine::Time, sim::{Cpu, Network, Recording, Simulation}, wire::Wire};
//!
//! # fn main() -> Result<(), cosi::sim::Bug<u8>> {
//! let run = |cpu| {
//!     let network = Network { seed: 7, cpu, ..Network::default() };
//!     let mut simulation = Simulation::new(network, Guestbook::default());
//!     (1..=3).for_each(|peer| simulation.add(peer, ()));
//!     simulation.command(Time::default(), 1, "Ada".into());
//!     simulation.run_until(Time::at(Duration::from_secs(1)), |_| false)?;
//!     Ok(simulation)
//! };
//! let measured = run(Cpu::Measured)?;
//! let saved: Vec<u8> = measured.recording().expect("it is measured").encode();
//!
//! let recording = Recording::decode(&saved).expect("it was saved so");
//! let replayed = run(Cpu::Replayed(recording))?;
//! assert_eq!(replayed.digest(), measured.digest());
//! assert_eq!(replayed.application().0, measured.application().0);
//! # Ok(())
//! # }
//! ```
//!
//! Simulated nodes share no cache. With more than 100 nodes, an expensive check of the same bytes may
//! be done once for real while its measured cost is charged to every node that must do it: of
//! messages by [`Simulation::share`], by the application with [`Simulation::shared`]. Print
//! [`Simulation::shared_work`] beside the results: it says how much was done, and how much charged.
//!
//! # When a run fails
//!
//! A [`Bug`] prints its seed. The same seed and the same calls, made in the same order, fail at the
//! same event; [`Simulation::observe`] shows every [`Entry`] up to there, and
//! [`Simulation::step`] goes one event at a time. If processors were measured, save the
//! [recording](Simulation::recording) of the failed run too, and replay it. A replay that is not
//! the recorded run ends in a bug itself, at the first step that differs. Compare digests before
//! trusting a comparison of anything else.
//!
//! # What is not modelled
//!
//! - Disks: storing takes no time, and a step's records are stored all or none. A torn write is a
//!   driver's business.
//! - Encoding, encryption and the operating system: a node is charged for decoding and handling
//!   alone, and with [`Cpu::Measured`] for a part of the clock's reading, under a microsecond.
//! - Transports: no congestion, no retransmission but [`Across::Held`], no connection to set up.
//!   A queue has no limit. What waits in a crashed node's uplink still leaves.
//! - Clocks: all nodes read the same.
//! - Processors of many cores, and memory.

mod adversary;
mod application;
mod bug;
mod carriage;
mod counters;
mod events;
mod incoming;
mod input;
mod journal;
mod latency;
mod life;
mod network;
mod node;
mod outcome;
mod partition;
mod processor;
mod run;
mod shared;
mod simulation;
mod trace;

pub use self::{
    adversary::{Act, Adversary, Deliveries, Delivery, Letter},
    application::{Application, Boundary, Crash, Subject, When},
    bug::{Bug, Flaw, Outcome},
    counters::{Counters, Measured, Traffic},
    journal::Journal,
    latency::{Latency, Matrix, Quantiles},
    network::Network,
    partition::{Across, Cut, Partition},
    processor::{Cpu, Recording},
    shared::{Shared, SharedCheck, SharedWork},
    simulation::Simulation,
    trace::{Entry, What},
};
