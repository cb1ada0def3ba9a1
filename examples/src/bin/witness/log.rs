//! What a witness remembers: every release that it agreed to sign, and so the only file that it
//! will ever sign under that name and version.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{keys::PublicKeyBytes, tokio::Journal};

use crate::{label::Label, release::Release};

/// How many releases a witness remembers for one publisher: 20 MB at most.
pub(crate) const LIMIT: usize = 65_536;

/// A release that a witness agreed to sign.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Entry {
    pub(crate) release: Release,
    /// The key of the member that first asked.
    pub(crate) publisher: PublicKeyBytes,
}

/// What a witness makes of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is new, and remembered durably.
    New,
    /// It was agreed to before.
    Again,
    /// Another file has this name and version.
    Taken(Entry),
    /// The publisher has had as many releases cosigned as one may.
    Full,
}

/// An append-only log over a journal.
#[derive(Debug)]
pub(crate) struct Log<J> {
    journal: J,
    /// At most `limit` a publisher.
    entries: BTreeMap<(Label<128>, Label<64>), Entry>,
    /// How many of them each publisher has.
    counts: BTreeMap<PublicKeyBytes, usize>,
    limit: usize,
}

impl<J: Journal<Entry>> Log<J> {
    /// The log that a journal holds.
    pub(crate) async fn open(mut journal: J, limit: usize) -> Result<Self, J::Error> {
        let entries = journal.replay().await?;
        let mut log = Self { journal, entries: BTreeMap::new(), counts: BTreeMap::new(), limit };
        entries.into_iter().for_each(|entry| log.insert(entry));
        Ok(log)
    }

    /// How many releases it holds.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Decides on a release. Where the answer is [`Answer::New`], it is durable before this returns.
    pub(crate) async fn admit(&mut self, entry: Entry) -> Result<Answer, J::Error> {
        let Entry { release, publisher, .. } = &entry;
        if let Some(before) = self.entries.get(&(release.name.clone(), release.version.clone())) {
            let same = before.release == *release;
            return Ok(if same { Answer::Again } else { Answer::Taken(before.clone()) });
        }
        if self.counts.get(publisher).is_some_and(|count| *count >= self.limit) {
            return Ok(Answer::Full);
        }
        self.journal.append(vec![entry.clone()]).await?;
        self.insert(entry);
        Ok(Answer::New)
    }

    fn insert(&mut self, entry: Entry) {
        let Release { name, version, .. } = &entry.release;
        let count = self.counts.entry(entry.publisher).or_default();
        *count = count.saturating_add(1);
        self.entries.entry((name.clone(), version.clone())).or_insert(entry);
    }
}

#[cfg(test)]
mod tests {
    use cosi::tokio::Memory;

    use super::*;

    fn entry(version: &str, file: u8, publisher: u8) -> Entry {
        let release = Release {
            name: Label::new("tool").unwrap(),
            version: Label::new(version).unwrap(),
            size: 7,
            sha512: [file; 64],
        };
        Entry { release, publisher: [publisher; 32] }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn one_file_a_version_whoever_asks_and_whatever_crashes() {
        block_on(async {
            let disk = Memory::new();
            let mut log = Log::open(disk.clone(), 9).await.unwrap();
            assert_eq!(log.admit(entry("1", 1, 1)).await.unwrap(), Answer::New);
            assert_eq!(log.admit(entry("2", 2, 1)).await.unwrap(), Answer::New);
            let mut reopened = Log::open(disk, 9).await.unwrap();
            for log in [&mut log, &mut reopened] {
                for publisher in [1, 2] {
                    let again = log.admit(entry("1", 1, publisher)).await.unwrap();
                    assert_eq!(again, Answer::Again);
                    let other = log.admit(entry("1", 2, publisher)).await.unwrap();
                    assert_eq!(other, Answer::Taken(entry("1", 1, 1)));
                }
                let mut longer = entry("1", 1, 1);
                longer.release.size += 1;
                assert!(matches!(log.admit(longer).await.unwrap(), Answer::Taken(_)));
                assert_eq!(log.len(), 2);
            }
        });
    }

    #[test]
    fn a_publisher_fills_its_own_share_and_nobody_elses() {
        block_on(async {
            let disk = Memory::new();
            for _restart in 0..2 {
                let mut log = Log::open(disk.clone(), 3).await.unwrap();
                for version in ["1", "2", "3"] {
                    log.admit(entry(version, 1, 1)).await.unwrap();
                }
                assert_eq!(log.admit(entry("4", 1, 1)).await.unwrap(), Answer::Full);
                assert_eq!(log.admit(entry("3", 1, 1)).await.unwrap(), Answer::Again);
                assert_ne!(log.admit(entry("5", 1, 2)).await.unwrap(), Answer::Full);
                assert_eq!(log.len(), 4);
            }
        });
    }

    #[test]
    fn entries_have_one_encoding() {
        use cosi::wire::Wire;
        let bytes = entry("1.0", 1, 2).encode();
        assert_eq!(Entry::decode(&bytes), Ok(entry("1.0", 1, 2)));
        assert_eq!(bytes.len(), (4 + 4) + (4 + 3) + 8 + 64 + 32);
        for length in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..length]).is_err());
        }
        assert!(Entry::decode(&[&bytes[..], &[0]].concat()).is_err());
        for (at, byte) in [(0, 0), (0, 200), (3, 0xff), (4, b' '), (4, 0x1b), (4, 0xff), (8, 0)] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            assert!(Entry::decode(&bytes).is_err(), "byte {at} is {byte}");
        }
    }
}
