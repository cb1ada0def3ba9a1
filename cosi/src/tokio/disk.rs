//! A journal on disk, by redb.

use alloc::{string::String, string::ToString, sync::Arc, vec::Vec};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ::tokio::task::spawn_blocking;
use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
    WriteTransaction,
};

use super::Journal;
use crate::wire::Wire;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const LABEL: &str = "label";

/// How much of the file is kept in memory.
const CACHE: usize = 1 << 24;

/// Why a journal on disk cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// Another process, or another [`Disk`] of this one, has the file.
    #[error("another process has the journal open; stop it, or give this one a file of its own")]
    Locked,
    /// Another machine's records are in the file, or something else altogether.
    #[error("the journal belongs to another machine, {0:?}; give each machine a file of its own")]
    Foreign(String),
    /// The file is not as it was written.
    #[error(
        "the journal is damaged ({0}); retire the machine's keys, for with an older copy or an \
         empty file it may contradict what it has said"
    )]
    Damaged(String),
    /// There is no room on the disk.
    #[error("the disk is full; make room and restore the machine")]
    Full,
    /// The system refuses.
    #[error("the journal cannot be used ({0}); mend that and restore the machine")]
    Io(String),
    /// This record does not decode.
    #[error("record {0} of the journal has another format; run the version that wrote it")]
    Format(u64),
    /// A call failed before.
    #[error("the journal is closed since an earlier error; open it again and restore the machine")]
    Closed,
}

/// A journal on disk, in one file. Takes Rust 1.90.
///
/// - When [`append`](Journal::append) or [`rewrite`](Journal::rewrite) has returned, what it was
///   given is on the disk, as far as the disk tells the truth: each is one two-phase commit of
///   redb, synced. A crash before that leaves all of it or nothing.
/// - One process at a time has the file. A new one is made under the name `PATH.unfinished`.
/// - The file carries the label that it was made with, and is opened with no other. Let the label
///   name the machine and its key, the roster's id say.
/// - Opening reads the whole file and checks it. Damage is an error and never fewer records.
/// - Calls block a thread of the runtime's pool for blocking work, and none of its workers. Dropping
///   the journal waits for the call under way, if any.
///
/// Keep no copies to go back to: a machine that is restored from an older file contradicts what it
/// said since. The file does not shrink; room that a rewrite frees is used again.
///
/// ```
/// use cosi::tokio::{Disk, DiskError, Journal};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("journal");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut disk = Disk::open(&path, "witness 7").await?;
/// disk.append(vec![1u64, 2]).await?;
/// assert_eq!(Disk::open(&path, "witness 7").await.unwrap_err(), DiskError::Locked);
/// drop(disk);
///
/// let mut disk = Disk::open(&path, "witness 7").await?;
/// let records: Vec<u64> = disk.replay().await?;
/// assert_eq!(records, [1, 2]);
/// drop(disk);
///
/// let foreign = DiskError::Foreign("witness 7".into());
/// assert_eq!(Disk::open(&path, "witness 8").await.unwrap_err(), foreign);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct Disk(Arc<Mutex<Option<Database>>>);

impl Disk {
    /// Opens the journal at `path`, or makes one there with this label.
    pub async fn open(
        path: impl Into<PathBuf>,
        label: impl Into<Vec<u8>>,
    ) -> Result<Self, DiskError> {
        let (path, label) = (path.into(), label.into());
        blocking(move || {
            let disk = if path.exists() {
                Self::with(builder().open(&path).map_err(failure)?, &label)?
            } else {
                Self::make(&path, &label)?
            };
            // Left there by a crash right after the file was made.
            fs::remove_file(unfinished(&path)).or_else(absent).map_err(io_failure)?;
            sync_folder(&path).map_err(io_failure)?;
            Ok(disk)
        })
        .await
    }

    /// Makes a journal under another name, so that a crash leaves no half of one at `path`.
    fn make(path: &Path, label: &[u8]) -> Result<Self, DiskError> {
        let name = unfinished(path);
        let database = match builder().create(&name).map_err(failure) {
            Err(DiskError::Damaged(_)) => {
                fs::remove_file(&name).map_err(io_failure)?;
                builder().create(&name).map_err(failure)?
            }
            made => made?,
        };
        let disk = Self::with(database, label)?;
        match fs::hard_link(&name, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(DiskError::Locked),
            linked => linked.map_err(io_failure).map(|()| disk),
        }
    }

    fn with(database: Database, label: &[u8]) -> Result<Self, DiskError> {
        check_label(&database, label)?;
        Ok(Self(Arc::new(Mutex::new(Some(database)))))
    }

    /// Does `work` where it may block. A journal that failed is closed.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, DiskError> + Send + 'static,
    ) -> Result<T, DiskError> {
        let slot = self.0.clone();
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let database = slot.take().ok_or(DiskError::Closed)?;
            let done = work(&database)?;
            *slot = Some(database);
            Ok(done)
        })
        .await
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl<R: Wire + Send> Journal<R> for Disk {
    type Error = DiskError;

    async fn append(&mut self, records: Vec<R>) -> Result<(), DiskError> {
        let records: Vec<_> = records.iter().map(Wire::encode).collect();
        self.call(move |database| {
            commit(database, |transaction| {
                let table = transaction.open_table(RECORDS)?;
                let next = table.last()?.map_or(0, |(last, _)| last.value().saturating_add(1));
                insert(table, next, &records)
            })
        })
        .await
    }

    async fn replay(&mut self) -> Result<Vec<R>, DiskError> {
        let records = self.call(|database| read(database).map_err(failure)).await?;
        let decode = |(at, bytes): (u64, Vec<u8>)| R::decode(&bytes).map_err(|_| at);
        let records: Result<_, _> = records.into_iter().map(decode).collect();
        records.map_err(DiskError::Format)
    }

    async fn rewrite(&mut self, records: Vec<R>) -> Result<(), DiskError> {
        let records: Vec<_> = records.iter().map(Wire::encode).collect();
        self.call(move |database| {
            commit(database, |transaction| {
                transaction.delete_table(RECORDS)?;
                insert(transaction.open_table(RECORDS)?, 0, &records)
            })
        })
        .await
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// Runs `work` on a thread that may block. redb panics on some damage.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DiskError> + Send + 'static,
) -> Result<T, DiskError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => Err(DiskError::Damaged("redb gave up on it".to_string())),
        Err(_) => Err(DiskError::Closed),
    }
}

/// One commit: durable when this returns.
fn commit(
    database: &Database,
    change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), DiskError> {
    let attempt = || {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        change(&transaction)?;
        Ok::<_, redb::Error>(transaction.commit()?)
    };
    attempt().map_err(failure)
}

fn insert(
    mut table: redb::Table<'_, u64, &[u8]>,
    first: u64,
    records: &[Vec<u8>],
) -> Result<(), redb::Error> {
    for (at, record) in (first..).zip(records) {
        table.insert(at, record.as_slice())?;
    }
    Ok(())
}

fn read(database: &Database) -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(RECORDS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let entries = table.iter()?.map(|entry| {
        let (at, bytes) = entry?;
        Ok((at.value(), bytes.value().to_vec()))
    });
    entries.collect()
}

/// Holds that the file has this label, or gives it to a new one.
fn check_label(database: &Database, label: &[u8]) -> Result<(), DiskError> {
    let look = || {
        let transaction = database.begin_read()?;
        let tables: Vec<_> = transaction.list_tables()?.map(|t| t.name().to_string()).collect();
        if tables.is_empty() {
            return Ok(None);
        }
        if !tables.iter().any(|name| name == META.name()) {
            return Ok(Some(b"of another program".to_vec()));
        }
        let found = transaction.open_table(META)?.get(LABEL)?.map(|found| found.value().to_vec());
        Ok::<_, redb::Error>(Some(found.unwrap_or_default()))
    };
    match look().map_err(failure)? {
        Some(found) if found == label => Ok(()),
        Some(found) => Err(DiskError::Foreign(String::from_utf8_lossy(&found).into_owned())),
        None => commit(database, |transaction| {
            transaction.open_table(META)?.insert(LABEL, label)?;
            Ok(())
        }),
    }
}

/// What a journal is called until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".unfinished");
    name.into()
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Makes the file's name as durable as its content.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) { File::open(folder.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

fn io_failure(error: io::Error) -> DiskError {
    failure(redb::Error::Io(error))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is for the operator to read")]
fn failure(error: impl Into<redb::Error>) -> DiskError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => DiskError::Locked,
        redb::Error::Corrupted(why) => DiskError::Damaged(why),
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                DiskError::Damaged(error.to_string())
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DiskError::Full,
            _ => DiskError::Io(error.to_string()),
        },
        error @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::UpgradeRequired(_)) => DiskError::Foreign(error.to_string()),
        error => DiskError::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use redb::{StorageBackend, backends::InMemoryBackend};

    use super::*;

    /// A disk whose content outlives who has it open, and that may be full.
    #[derive(Clone, Debug, Default)]
    struct Device(Arc<(InMemoryBackend, AtomicBool)>);

    impl Device {
        fn check(&self) -> Result<(), io::Error> {
            let full = self.0.1.load(Relaxed);
            if full { Err(io::Error::from(ErrorKind::StorageFull)) } else { Ok(()) }
        }

        fn open(&self) -> Result<Disk, DiskError> {
            Disk::with(builder().create_with_backend(self.clone()).map_err(failure)?, b"label")
        }

        async fn records(self) -> Result<Vec<u64>, DiskError> {
            blocking(move || self.open()).await?.replay().await
        }

        fn content(&self) -> Vec<u8> {
            let len = self.0.0.len().unwrap();
            let mut content = alloc::vec![0; usize::try_from(len).unwrap()];
            self.0.0.read(0, &mut content).unwrap();
            content
        }

        fn with_content(content: &[u8]) -> Self {
            let device = Self::default();
            device.0.0.set_len(u64::try_from(content.len()).unwrap()).unwrap();
            device.0.0.write(0, content).unwrap();
            device
        }
    }

    impl StorageBackend for Device {
        fn len(&self) -> Result<u64, io::Error> {
            self.0.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
            self.0.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> Result<(), io::Error> {
            self.check()?;
            self.0.0.set_len(len)
        }
        fn sync_data(&self) -> Result<(), io::Error> {
            self.check()
        }
        fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
            self.check()?;
            self.0.0.write(offset, data)
        }
    }

    #[::tokio::test]
    async fn a_full_disk_is_an_error_that_closes_the_journal_and_loses_nothing() {
        let device = Device::default();
        let mut disk = device.open().unwrap();
        disk.append(alloc::vec![1_u64, 2]).await.unwrap();
        device.0.1.store(true, Relaxed);
        assert_eq!(disk.append(alloc::vec![3_u64, 4]).await, Err(DiskError::Full));
        device.0.1.store(false, Relaxed);
        assert_eq!(disk.append(alloc::vec![5_u64]).await, Err(DiskError::Closed));
        assert_eq!(Journal::<u64>::replay(&mut disk).await, Err(DiskError::Closed));
        drop(disk);

        let mut disk = device.open().unwrap();
        let found: Vec<u64> = disk.replay().await.unwrap();
        assert!(found == [1, 2] || found == [1, 2, 3, 4], "{found:?}");
        device.0.1.store(true, Relaxed);
        assert_eq!(disk.rewrite(alloc::vec![9_u64]).await, Err(DiskError::Full));
        device.0.1.store(false, Relaxed);
        drop(disk);
        let again: Vec<u64> = device.open().unwrap().replay().await.unwrap();
        assert!(again == found || again == [9], "{again:?}");
    }

    #[::tokio::test]
    async fn damage_is_an_error_and_never_other_records() {
        let device = Device::default();
        let mut disk = device.open().unwrap();
        let written: Vec<u64> = (0..500).collect();
        for batch in written.chunks(50) {
            disk.append(batch.to_vec()).await.unwrap();
        }
        drop(disk);
        let content = device.content();
        assert_eq!(Device::with_content(&content).records().await.as_ref(), Ok(&written));

        let (mut refused, mut harmless) = (0, 0);
        let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
        let anywhere = used.iter().map(|at| 8 * at + at % 8).step_by(used.len() / 500);
        for bit in (0..320 * 8).chain(anywhere) {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match Device::with_content(&damaged).records().await {
                Ok(found) => assert_eq!((&found, harmless += 1), (&written, ()), "bit {bit}"),
                Err(error) => assert_ne!((error, refused += 1), (DiskError::Locked, ())),
            }
        }
        assert!(refused > 50 && harmless > 0, "{refused} {harmless}");
    }
}
