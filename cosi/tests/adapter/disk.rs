//! The journal on disk, damaged, foreign and in several hands.

use std::{fs, path::PathBuf};

use cosi::tokio::{Disk, DiskError, Journal};
use tempfile::TempDir;

const LABEL: &str = "machine 1";

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}

async fn records(path: &PathBuf) -> Result<Vec<u64>, DiskError> {
    Disk::open(path, LABEL).await?.replay().await
}

#[tokio::test]
async fn records_stay_in_order_and_a_snapshot_takes_their_place() {
    let (_folder, path) = place();
    let mut expected = Vec::new();
    for round in 0..10_u64 {
        let mut disk = Disk::open(&path, LABEL).await.unwrap();
        for batch in [vec![round, round + 1], vec![], vec![round * 7]] {
            expected.extend(&batch);
            disk.append(batch).await.unwrap();
        }
        if round == 4 {
            expected = vec![1000, 1001];
            disk.rewrite(expected.clone()).await.unwrap();
        }
        let found: Vec<u64> = disk.replay().await.unwrap();
        assert_eq!(found, expected);
    }
    assert_eq!(records(&path).await.unwrap(), expected);
    let mut disk = Disk::open(&path, LABEL).await.unwrap();
    disk.rewrite(Vec::<u64>::new()).await.unwrap();
    drop(disk);
    assert_eq!(records(&path).await.unwrap(), []);
}

#[tokio::test]
async fn room_that_a_rewrite_frees_is_used_again() {
    let (_folder, path) = place();
    let mut disk = Disk::open(&path, LABEL).await.unwrap();
    let mut sizes = Vec::new();
    for _ in 0..30 {
        disk.append(vec![[7_u8; 100_000]; 10]).await.unwrap();
        disk.rewrite(vec![[7_u8; 100_000]]).await.unwrap();
        sizes.push(fs::metadata(&path).unwrap().len());
    }
    assert!(sizes[29] <= sizes[5], "{sizes:?}");
}

#[tokio::test]
async fn one_hand_at_a_time_has_the_file() {
    let (_folder, path) = place();
    let disk = Disk::open(&path, LABEL).await.unwrap();
    assert_eq!(Disk::open(&path, LABEL).await.unwrap_err(), DiskError::Locked);
    drop(disk);
    assert!(Disk::open(&path, LABEL).await.is_ok());
}

#[tokio::test]
async fn dropping_an_append_midway_leaves_it_whole_or_absent_and_the_file_free() {
    let (_folder, path) = place();
    let mut whole = 0_u64;
    for round in 0..20_u64 {
        let mut disk = Disk::open(&path, LABEL).await.unwrap();
        {
            let append = disk.append(vec![round; 3]);
            tokio::pin!(append);
            // Begun, and given up.
            for _ in 0..round % 3 {
                tokio::select! {
                    biased;
                    _ = &mut append => {}
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        drop(disk);
        let found = records(&path).await.unwrap();
        assert_eq!(found.len() % 3, 0);
        let last = found.last().copied();
        whole += u64::from(last == Some(round));
    }
    assert!(whole > 0, "some were on the disk");
}

#[tokio::test]
async fn another_machines_journal_and_other_files_are_refused() {
    let (_folder, path) = place();
    let mut disk = Disk::open(&path, LABEL).await.unwrap();
    disk.append(vec![7_u64]).await.unwrap();
    drop(disk);
    for other in ["machine 2", "", "machine 11"] {
        let refusal = Disk::open(&path, other).await.unwrap_err();
        assert_eq!(refusal, DiskError::Foreign(LABEL.into()));
    }
    assert_eq!(records(&path).await, Ok(vec![7]));
    let mut disk = Disk::open(&path, LABEL).await.unwrap();
    let other: Result<Vec<u32>, _> = disk.replay().await;
    assert_eq!(other, Err(DiskError::Format(0)));
    drop(disk);

    let table = redb::TableDefinition::<u64, u64>::new("of another program");
    let other = path.with_extension("other");
    let database = redb::Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(Disk::open(&other, LABEL).await, Err(DiskError::Foreign(_))));

    fs::write(&other, b"a letter").unwrap();
    assert!(matches!(Disk::open(&other, LABEL).await, Err(DiskError::Damaged(_))));
    fs::write(&other, [0; 10_000]).unwrap();
    assert!(matches!(Disk::open(&other, LABEL).await, Err(DiskError::Damaged(_))));
    let nowhere = path.join("nowhere/journal");
    assert!(matches!(Disk::open(&nowhere, LABEL).await, Err(DiskError::Io(_))));
}

#[tokio::test]
async fn a_crash_while_a_journal_is_made_leaves_none() {
    for left in [&b""[..], b"half of a header", &[0; 10_000]] {
        let (_folder, path) = place();
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, left).unwrap();
        let mut disk = Disk::open(&path, LABEL).await.unwrap();
        assert!(!unfinished.exists());
        disk.append(vec![7_u64]).await.unwrap();
        drop(disk);
        // A crash right after it was made.
        fs::hard_link(&path, &unfinished).unwrap();
        assert_eq!(records(&path).await, Ok(vec![7]));
        assert!(!unfinished.exists());
    }
}

#[tokio::test]
async fn a_torn_file_is_an_error_and_never_fewer_records() {
    let (_folder, path) = place();
    let mut disk = Disk::open(&path, LABEL).await.unwrap();
    let written: Vec<u64> = (0..500).collect();
    for batch in written.chunks(50) {
        disk.append(batch.to_vec()).await.unwrap();
    }
    drop(disk);
    let file = fs::read(&path).unwrap();
    for kept in [1, 100, 4096, file.len() / 10, file.len() / 2, file.len() - 1] {
        fs::write(&path, &file[..kept]).unwrap();
        let error = records(&path).await.unwrap_err();
        assert!(matches!(error, DiskError::Damaged(_) | DiskError::Io(_)), "{kept}: {error:?}");
    }
    fs::write(&path, &file).unwrap();
    assert_eq!(records(&path).await, Ok(written));
}
