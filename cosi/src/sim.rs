//! A deterministic network for any machine whose messages and records are bytes.
//!
//! - One seed reproduces a run bit for bit: every delay, loss and crash, and the randomness of
//!   every node's every life. [`Simulation::digest`] names the run, so two can be compared.
//! - Time is virtual. It costs nothing to wait, and no clock is read but by
//!   [`Simulation::measured`], which decides nothing.
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
//! Two nodes greet each other through a slow network.
//!
//! ```
//! use core::{num::NonZeroU64, time::Duration};
//! use cosi::{machine::*, sim::{Application, Network, Outcome, Simulation}};
//!
//! /// Greets everyone when told to, and reports who greets it.
//! struct Greeter;
//! type Step = cosi::machine::Step<String, u8, (), u8>;
//! # #[derive(Debug, PartialEq)]
//! # struct Never;
//! # impl std::fmt::Display for Never {
//! #     fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) }
//! # }
//! # impl std::error::Error for Never {}
//!
//! impl Greeter {
//!     fn handle_message(&mut self, _: &mut Cx<'_>, from: u8, _: String) -> Step {
//!         Step::none().event(from)
//!     }
//!     fn handle_command(&mut self, _: &mut Cx<'_>, name: String) -> Result<Step, Never> {
//!         Ok(Step::none().send(To::All, name))
//!     }
//! #   fn handle_timeout(&mut self, _: &mut Cx<'_>) -> Step { Step::none() }
//! #   fn next_timeout(&self) -> Option<Time> { None }
//! #   fn restore(_: (), _: impl IntoIterator<Item = ()>, _: &mut Cx<'_>) -> Result<(Self, Step), Never> {
//! #       Ok((Self, Step::none()))
//! #   }
//!     // ... handle_timeout, next_timeout, restore ...
//! }
//! # cosi::impl_machine! {
//! #     Greeter { Peer = u8, Message = String, Command = String, Event = u8, Record = (), Error = Never }
//! #     restore { Config = (), RestoreError = Never }
//! # }
//!
//! #[derive(Default)]
//! struct Guestbook(Vec<(u8, Time, u8)>);
//!
//! impl Application<Greeter> for Guestbook {
//!     fn on_event(&mut self, peer: u8, now: Time, from: u8, _: &mut Vec<String>) {
//!         self.0.push((peer, now, from));
//!     }
//!     fn on_fault(&mut self, _: u8, _: Time, _: Fault<u8>) {}
//!     fn on_error(&mut self, _: u8, _: Time, _: Never) {}
//! }
//!
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
//! # Ok::<(), cosi::sim::Bug<u8>>(())
//! ```

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
