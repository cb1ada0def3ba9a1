//! A node's disk.

use alloc::vec::Vec;

use borsh::BorshSerialize;

use crate::wire::{DecodeError, Wire};

/// The records that a node stored, as bytes, in order. It outlives the node's crashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Journal {
    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All records' encodings, one after the other.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records, each decoded from its bytes.
    pub fn records<R: Wire>(&self) -> Result<Vec<R>, DecodeError> {
        let starts = core::iter::once(&0).chain(&self.ends);
        let parts = starts.zip(&self.ends);
        parts.map(|(&start, &end)| R::decode(self.bytes.get(start..end).unwrap_or(&[]))).collect()
    }

    /// Appends the records and returns their bytes.
    pub(super) fn append(&mut self, records: &[impl BorshSerialize]) -> &[u8] {
        let start = self.bytes.len();
        for record in records {
            record.serialize(&mut self.bytes).expect("a vector takes every byte");
            self.ends.push(self.bytes.len());
        }
        self.bytes.get(start..).unwrap_or(&[])
    }
}
