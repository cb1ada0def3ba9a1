//! The same ledger as files, of which every byte and every name counts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

use super::world::world;
use crate::export::{ExportError, prepare, verify, write};

/// A directory of this test's own with the ledger in it, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("omniledger-audit-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        prepare(&path).unwrap();
        write(&path, &world().evidence).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Every file and directory, files first.
    fn all(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut files, mut dirs, mut next) = (Vec::new(), Vec::new(), vec![self.0.clone()]);
        while let Some(dir) = next.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { next.push(path) } else { files.push(path) }
            }
            dirs.push(dir);
        }
        files.sort();
        (files, dirs)
    }

    /// The file that is refused, and the check that it fails.
    fn refused(&self) -> (PathBuf, &'static str) {
        match verify(&self.0).map(|_| ()).unwrap_err() {
            ExportError::Refused { path, check, .. } => (path, check),
            other => panic!("{other}"),
        }
    }

    fn exchange(&self, one: &Path, other: &Path) {
        let aside = self.path("aside");
        fs::rename(one, &aside).unwrap();
        fs::rename(other, one).unwrap();
        fs::rename(&aside, other).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_written_is_verified_and_never_overwritten() {
    let scratch = Scratch::new("sound");
    let found = verify(&scratch.0).unwrap();
    assert_eq!(found.genesis, world().evidence.genesis);
    assert_eq!(found.audit, super::audit(&world().evidence.files(), None).unwrap());
    assert!(matches!(prepare(&scratch.0), Err(ExportError::NotEmpty(path)) if path == scratch.0));
    let absent = scratch.path("absent");
    assert!(matches!(verify(&absent), Err(ExportError::Io { path, .. }) if path == absent));
}

#[test]
fn every_byte_of_every_file_counts() {
    let scratch = Scratch::new("bytes");
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (genesis, epoch) = (scratch.path("genesis.bin"), scratch.path("epoch.bin"));
    for file in scratch.all().0 {
        let sound = fs::read(&file).unwrap();
        let name = file.display();
        let last = sound.len() - 1;
        let any = (0..6).map(|_| usize::try_from(rng.next_u64()).unwrap() % sound.len());
        for at in any.collect::<Vec<_>>().into_iter().chain([0, last]) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (rng.next_u64() % 8);
            fs::write(&file, bytes).unwrap();
            let (path, check) = scratch.refused();
            // Another genesis is the genesis of another ledger.
            let named = path == file || (file == genesis && path == epoch);
            assert!(named, "byte {at} of {name}: {check} of {}", path.display());
        }
        let longer = [&sound[..], &[0]].concat();
        for bytes in [&longer[..], &sound[..last], &[]] {
            fs::write(&file, bytes).unwrap();
            assert_eq!(scratch.refused().0, file, "{} bytes", bytes.len());
        }
        fs::write(&file, sound).unwrap();
    }
    verify(&scratch.0).unwrap();
}

#[test]
fn every_name_counts() {
    let scratch = Scratch::new("names");
    let (files, dirs) = scratch.all();
    let aside = env::temp_dir().join(format!("omniledger-audit-aside-{}", process::id()));
    for path in files.iter().chain(dirs.iter().filter(|dir| **dir != scratch.0)) {
        fs::rename(path, &aside).unwrap();
        // Of a numbered file, the last one is missed by what refers to it.
        let (missed, _) = scratch.refused();
        assert_eq!(missed, *path, "missing");
        fs::rename(&aside, path).unwrap();

        let renamed = path.with_extension("old");
        fs::rename(path, &renamed).unwrap();
        assert_eq!(scratch.refused(), (path.clone(), "layout"), "renamed");
        fs::rename(&renamed, path).unwrap();
    }
    for dir in &dirs {
        let odd = dir.join("odd");
        fs::write(&odd, []).unwrap();
        assert_eq!(scratch.refused().1, "layout", "{}", odd.display());
        fs::remove_file(&odd).unwrap();
    }
    verify(&scratch.0).unwrap();
}

#[test]
fn every_place_counts() {
    let scratch = Scratch::new("places");
    let (files, _) = scratch.all();
    let mut swapped = 0;
    for pair in files.windows(2) {
        let [one, other] = pair else { unreachable!() };
        if fs::read(one).unwrap() != fs::read(other).unwrap() {
            scratch.exchange(one, other);
            let (path, check) = scratch.refused();
            assert!(path == *one || path == *other, "{check} of {}", path.display());
            scratch.exchange(one, other);
            swapped += 1;
        }
    }
    assert!(swapped + 3 > files.len());
    let [one, other] = ["shards/0000", "shards/0001"].map(|name| scratch.path(name));
    scratch.exchange(&one, &other);
    assert_eq!(scratch.refused(), (one.join("chain.bin"), "links"));
    scratch.exchange(&one, &other);
    verify(&scratch.0).unwrap();
}
