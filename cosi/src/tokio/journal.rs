//! What outlives a crash.

use alloc::{sync::Arc, vec::Vec};
use core::{convert::Infallible, future::Future};
use std::sync::{Mutex, PoisonError};

use crate::{
    machine::Never,
    wire::{DecodeError, Wire},
};

/// Makes records durable.
///
/// One journal belongs to one machine. When a call fails, drop the machine and restore it from a
/// journal that is opened again: whether the records of that call are in it is unknown till then.
pub trait Journal<R>: Send {
    /// What went wrong.
    type Error;

    /// Appends all records or none, and syncs.
    fn append(&mut self, records: Vec<R>) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// All records, in order.
    fn replay(&mut self) -> impl Future<Output = Result<Vec<R>, Self::Error>> + Send;

    /// Puts `records`, a snapshot, in the place of all that are there: all of it or nothing, and
    /// syncs.
    fn rewrite(&mut self, records: Vec<R>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A journal in memory. It outlives a machine, by a clone, but not the process.
///
/// ```
/// use cosi::tokio::{Journal, Memory};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let disk = Memory::new();
/// disk.clone().append(vec![1u64, 2]).await?;
/// let records: Vec<u64> = disk.clone().replay().await?;
/// assert_eq!(records, [1, 2]);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Vec<Vec<u8>>>>);

impl Memory {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, then: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<R: Wire + Send> Journal<R> for Memory {
    type Error = DecodeError;

    async fn append(&mut self, records: Vec<R>) -> Result<(), DecodeError> {
        self.with(|log| log.extend(records.iter().map(Wire::encode)));
        Ok(())
    }

    async fn replay(&mut self) -> Result<Vec<R>, DecodeError> {
        self.with(|log| log.iter().map(|bytes| R::decode(bytes)).collect())
    }

    async fn rewrite(&mut self, records: Vec<R>) -> Result<(), DecodeError> {
        self.with(|log| *log = records.iter().map(Wire::encode).collect());
        Ok(())
    }
}

/// The journal of a machine that has no records.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

macro_rules! no_journal {
    ($record:ty) => {
        impl Journal<$record> for NoJournal {
            type Error = Infallible;

            async fn append(&mut self, _: Vec<$record>) -> Result<(), Infallible> {
                Ok(())
            }

            async fn replay(&mut self) -> Result<Vec<$record>, Infallible> {
                Ok(Vec::new())
            }

            async fn rewrite(&mut self, _: Vec<$record>) -> Result<(), Infallible> {
                Ok(())
            }
        }
    };
}

no_journal!(Infallible);
no_journal!(Never);
