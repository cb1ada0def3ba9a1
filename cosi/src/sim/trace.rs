//! What happened, in order.

use alloc::vec::Vec;

use borsh::BorshSerialize;
use sha2::{Digest, Sha256};

use super::Boundary;
use crate::machine::Time;

/// Something that happened at a node. Nodes and messages are numbered as they come, from 0.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// At which node.
    pub node: usize,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
#[non_exhaustive]
pub enum What {
    /// The node came up, from this many records.
    Started {
        /// Its journal's length.
        records: usize,
    },
    /// Its application gave it a command.
    Command,
    /// It refused the command.
    Refused,
    /// Its `handle_timeout` was called.
    Timeout,
    /// A message got into its hands.
    Received {
        /// The sender.
        from: usize,
        /// Which message.
        message: u64,
    },
    /// What it received is no message.
    Malformed,
    /// It stored a step's records.
    Stored {
        /// How many.
        records: usize,
    },
    /// It sent a message.
    Sent {
        /// The receiver.
        to: usize,
        /// Which message.
        message: u64,
        /// Its encoded size.
        bytes: usize,
    },
    /// The network lost what it had just sent.
    Lost,
    /// The network doubled what it had just sent.
    Duplicated,
    /// A message arrived while it was down.
    Missed {
        /// Which message.
        message: u64,
    },
    /// It told its application something.
    Event,
    /// It told its application of a fault.
    Fault {
        /// Who is blamed, if it is a node.
        culprit: Option<usize>,
        /// [`FaultKind::name`](crate::machine::FaultKind::name).
        kind: &'static str,
    },
    /// It went down.
    Crashed {
        /// Where.
        boundary: Boundary,
    },
    /// A partition dropped a message before it arrived here.
    Cut {
        /// Which message.
        message: u64,
    },
    /// A partition holds a message on its way here.
    Held {
        /// Which message.
        message: u64,
    },
}

/// A running hash over every [`Entry`], every message sent and every record stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Trace {
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.buffer.clear();
        entry.serialize(&mut self.buffer).expect("a vector takes every byte");
        self.hash.update(&self.buffer);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.hash.update(bytes);
    }

    /// Where in which run this is: the beginning of the digest.
    pub(super) fn print(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.digest();
        [a, b, c, d]
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}
