//! A process that keeps a journal on disk, killed again and again at any moment.
//!
//! Run without arguments, this is the parent: it starts itself as the child, reads from a pipe what
//! the child has released, kills it, and looks at the file.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    env,
    io::{BufRead, BufReader, Write, stdout},
    path::Path,
    process::{Command, Stdio, exit},
    sync::mpsc,
    thread,
    time::Duration,
};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::tokio::{Disk, DiskError, Journal};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use tokio::runtime::{Builder, Runtime};

const LABEL: &str = "killed";
const PATH: &str = "COSI_TEST_JOURNAL";
const REWRITES: &str = "COSI_TEST_REWRITES";
const ROUNDS: u32 = 20;

/// Numbered from 1, without a gap. Written in batches.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Record {
    Entry {
        number: u64,
        /// The last number of its batch.
        until: u64,
        filler: Box<[u64; 32]>,
    },
    /// Stands for all up to this number.
    Snapshot(u64),
}

fn entry(number: u64, until: u64) -> Record {
    Record::Entry {
        number,
        until,
        filler: Box::new([number.wrapping_mul(0x9e37_79b9_7f4a_7c15); 32]),
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// The last number, if the records are whole.
fn check(records: &[Record]) -> Result<u64, String> {
    let (mut last, mut batch) = (0, 0);
    for (at, record) in records.iter().enumerate() {
        match record {
            Record::Snapshot(upto) if at == 0 => (last, batch) = (*upto, *upto),
            Record::Entry { number, until, .. }
                if *number == last + 1
                    && *record == entry(*number, *until)
                    && (batch == last || batch == *until) =>
            {
                (last, batch) = (*number, *until);
            }
            Record::Snapshot(_) | Record::Entry { .. } => {
                return Err(format!("{record:?} after {last}"));
            }
        }
    }
    if last == batch { Ok(last) } else { Err(format!("half a batch: {last} of {batch}")) }
}

/// Appends for ever, and rewrites if asked, and says what it has released.
fn child(path: &Path, rewrites: bool) -> Result<(), DiskError> {
    runtime().block_on(async {
        let mut disk = Disk::open(path, LABEL).await?;
        let mut last = check(&disk.replay().await?).unwrap();
        for turn in 0_u64.. {
            if rewrites && turn % 3 == 2 {
                disk.rewrite(vec![Record::Snapshot(last)]).await?;
            } else {
                let until = last + 1 + turn % 4;
                disk.append((last + 1..=until).map(|number| entry(number, until)).collect())
                    .await?;
                last = until;
            }
            stdout().write_all(format!("{last}\n").as_bytes()).unwrap();
        }
        Ok(())
    })
}

fn start(path: &Path, rewrites: bool) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(PATH, path).stdout(Stdio::piped()).stderr(Stdio::piped());
    if rewrites {
        command.env(REWRITES, "yes");
    }
    command
}

/// Kills the child after a while, which begins when it starts, or when it has released something;
/// and tells the last number that it released.
fn life(path: &Path, rewrites: bool, working: bool, span: Duration) -> u64 {
    let mut child = start(path, rewrites).spawn().unwrap();
    let pipe = BufReader::new(child.stdout.take().unwrap());
    let (first, released) = mpsc::channel();
    let listener = thread::spawn(move || {
        let numbers = pipe.lines().map_while(Result::ok).filter_map(|line| line.parse().ok());
        numbers.inspect(|_| first.send(()).unwrap_or_default()).last().unwrap_or(0)
    });
    if working {
        released.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    thread::sleep(span);
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "it runs until it is killed");
    listener.join().unwrap()
}

fn no_released_record_is_lost(rewrites: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (mut stored, mut lives) = (0, 0);
    for round in 0..ROUNDS {
        // Some die while they open the file, the first while it makes it.
        let working = round % 3 != 0;
        let span = Duration::from_micros(rng.next_u64() % if working { 30_000 } else { 12_000 });
        let released = life(&path, rewrites, working, span);
        let records: Vec<Record> = runtime()
            .block_on(async { Disk::open(&path, LABEL).await.unwrap().replay().await.unwrap() });
        let last = check(&records).unwrap_or_else(|why| panic!("round {round}: {why}"));
        assert!(last >= released && last >= stored, "{released} was released, {last} is there");
        assert!(released == 0 || last <= released + 4, "one batch more at most");
        lives += u64::from(released > stored);
        stored = last;
    }
    assert!(lives >= 13, "few lived to write anything: {lives}");
    println!("rewrites: {rewrites}; {ROUNDS} killed, {stored} records");
}

fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut disk = runtime().block_on(Disk::open(&path, LABEL)).unwrap();
    runtime().block_on(disk.append(vec![entry(1, 1)])).unwrap();
    let output = start(&path, false).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(why.contains("another process has the journal open"), "{why}");
    let records: Vec<Record> = runtime().block_on(disk.replay()).unwrap();
    assert_eq!(records, [entry(1, 1)]);
}

fn main() {
    if let Some(path) = env::var_os(PATH) {
        if let Err(error) = child(Path::new(&path), env::var_os(REWRITES).is_some()) {
            eprintln!("{error}");
            exit(2);
        }
        return;
    }
    a_second_process_is_kept_out();
    no_released_record_is_lost(false);
    no_released_record_is_lost(true);
}
