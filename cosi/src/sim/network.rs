//! What carries bytes from node to node, and what the machines run on.

use core::{num::NonZeroU64, time::Duration};

use curve25519_dalek::rand_core::Rng;

use super::{Cpu, Latency};
use crate::machine::Time;

/// The world of a simulation: what every link and node is like, and where chance comes from.
///
/// The default is a perfect network with 50 ms of latency and processors that take no time.
#[derive(Clone, Debug)]
pub struct Network {
    /// All chance, of the network and of every node, derives from this.
    pub seed: u64,
    /// The time at which the simulation begins.
    pub start: Time,
    /// How long the wire takes, unless the [regions](super::Simulation::regions) or the
    /// [link](super::Simulation::link) say otherwise.
    pub latency: Latency,
    /// How many bytes a second leave a node. `None`: any number.
    ///
    /// The copies for several receivers leave one after the other, in the order of sending.
    pub uplink: Option<NonZeroU64>,
    /// How many bytes a second reach a node. `None`: any number.
    ///
    /// What arrives while another message is coming in waits, in the order of arrival.
    pub downlink: Option<NonZeroU64>,
    /// How many of a thousand copies are lost on the wire.
    pub loss_per_mille: u16,
    /// How many of a thousand copies arrive twice, each with a latency of its own.
    pub duplicate_per_mille: u16,
    /// After how many of a thousand steps a node's `handle_timeout` is called though nothing is
    /// due. A sound machine does not mind.
    pub spurious_per_mille: u16,
    /// How long a node works on an input.
    pub cpu: Cpu,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            seed: 0,
            start: Time::default(),
            latency: Latency::Fixed(Duration::from_millis(50)),
            uplink: None,
            downlink: None,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            spurious_per_mille: 0,
            cpu: Cpu::Ideal,
        }
    }
}

/// Whether something that happens `per_mille` times of a thousand happens.
pub(super) fn chance(per_mille: u16, rng: &mut impl Rng) -> bool {
    per_mille > 0 && (u64::from(rng.next_u32()).saturating_mul(1000) >> 32) < u64::from(per_mille)
}

/// One direction of a node's access to the network: bytes queue up and pass at its rate.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) rate: Option<NonZeroU64>,
    free: Time,
}

impl Pipe {
    pub(super) fn new(rate: Option<NonZeroU64>) -> Self {
        Self { rate, free: Time::default() }
    }

    /// When `bytes` that come at `now` are through.
    pub(super) fn pass(&mut self, now: Time, bytes: usize) -> Time {
        let Some(rate) = self.rate else { return now };
        let bytes = u128::try_from(bytes).unwrap_or(u128::MAX);
        let nanos = bytes.saturating_mul(1_000_000_000).div_ceil(u128::from(rate.get()));
        let through = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free = self.free.max(now).after(through);
        self.free
    }
}
