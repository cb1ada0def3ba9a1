//! What happened, in numbers.

use alloc::collections::BTreeMap;
use core::time::Duration;

/// Messages and their encoded size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many. A message counts once for each receiver.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Traffic {
    fn count(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    const fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What one node did and met, over all its lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// What it sent, lost copies included, duplicates not.
    pub sent: Traffic,
    /// The same, by label.
    pub sent_by_label: BTreeMap<&'static str, Traffic>,
    /// What arrived while it was up, duplicates included.
    pub received: Traffic,
    /// The same, by label.
    pub received_by_label: BTreeMap<&'static str, Traffic>,
    /// Copies of what it sent that the network lost.
    pub lost: u64,
    /// Copies of what it sent that the network doubled.
    pub duplicated: u64,
    /// Copies of what it sent that a partition dropped.
    pub cut: u64,
    /// How often a partition held a copy of what it sent.
    pub held: u64,
    /// What it sent to peers that do not exist.
    pub unroutable: u64,
    /// How long what it received was under way, all together: from its sender's step, through
    /// both queues and the wire. Divided by `received.messages` it is the mean latency.
    pub transit: Duration,
    /// How long the slowest of it was under way.
    pub longest_transit: Duration,
    /// What arrived while it was down.
    pub missed: u64,
    /// What arrived that is no message.
    pub malformed: u64,
    /// Steps it took: one an input, and one a start.
    pub steps: u64,
    /// How many of them were `handle_timeout`, called in time or not.
    pub timeouts: u64,
    /// Records it stored.
    pub records: u64,
    /// How many bytes they have.
    pub record_bytes: u64,
    /// How often it went down.
    pub crashes: u64,
    /// How often it came up again.
    pub restarts: u64,
    /// How long its processor worked, in simulated time; work that a crash cut off counts in full.
    pub busy: Duration,
}

impl Counters {
    pub(super) fn sent(&mut self, label: &'static str, bytes: usize) {
        self.sent.count(bytes);
        self.sent_by_label.entry(label).or_default().count(bytes);
    }

    pub(super) fn received(&mut self, label: &'static str, bytes: usize, transit: Duration) {
        self.transit = self.transit.saturating_add(transit);
        self.longest_transit = self.longest_transit.max(transit);
        self.received.count(bytes);
        self.received_by_label.entry(label).or_default().count(bytes);
    }

    pub(super) fn stored(&mut self, records: usize, bytes: usize) {
        self.records = self.records.saturating_add(u64::try_from(records).unwrap_or(u64::MAX));
        self.record_bytes =
            self.record_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Adds another node's numbers to these; the longest transit is the longer one.
    pub fn add(&mut self, other: &Self) {
        self.sent.add(other.sent);
        self.received.add(other.received);
        for (label, traffic) in &other.sent_by_label {
            self.sent_by_label.entry(label).or_default().add(*traffic);
        }
        for (label, traffic) in &other.received_by_label {
            self.received_by_label.entry(label).or_default().add(*traffic);
        }
        let sums = [
            (&mut self.lost, other.lost),
            (&mut self.duplicated, other.duplicated),
            (&mut self.cut, other.cut),
            (&mut self.held, other.held),
            (&mut self.unroutable, other.unroutable),
            (&mut self.missed, other.missed),
            (&mut self.malformed, other.malformed),
            (&mut self.steps, other.steps),
            (&mut self.timeouts, other.timeouts),
            (&mut self.records, other.records),
            (&mut self.record_bytes, other.record_bytes),
            (&mut self.crashes, other.crashes),
            (&mut self.restarts, other.restarts),
        ];
        for (mine, theirs) in sums {
            increase(mine, theirs);
        }
        self.transit = self.transit.saturating_add(other.transit);
        self.longest_transit = self.longest_transit.max(other.longest_transit);
        self.busy = self.busy.saturating_add(other.busy);
    }
}

pub(super) const fn increase(counter: &mut u64, by: u64) {
    *counter = counter.saturating_add(by);
}

/// Real processor time that machines took for one kind of input.
///
/// Differs from run to run, and decides nothing in the simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// How many inputs.
    pub inputs: u64,
    /// The time of the simulation's thread in decoding and handling them.
    pub cpu: Duration,
}

impl Measured {
    pub(super) const fn add(&mut self, cpu: Duration) {
        increase(&mut self.inputs, 1);
        self.cpu = self.cpu.saturating_add(cpu);
    }
}
