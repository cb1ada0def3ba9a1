//! Every corpus passes, begins with the seeds, and no target is left without one, or a binary.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

#[test]
fn every_corpus_passes() {
    for target in fuzz::TARGETS {
        assert!(fuzz::replay(target.run, &corpus(target.name)).unwrap() > 0, "{}", target.name);
    }
}

/// A format that changed leaves a corpus that means something else: see the README.
#[test]
fn every_corpus_begins_with_its_seeds() {
    for target in fuzz::TARGETS {
        let committed = fuzz::load(&corpus(target.name)).unwrap();
        for (name, input) in (target.seeds)() {
            let stands = committed.get(&name) == Some(&input);
            assert!(stands, "{}/{name}: run `cargo run -p fuzz --example seeds`", target.name);
        }
    }
}

#[test]
fn targets_binaries_and_corpora_are_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |within: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder.join(within)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let declared = manifest.split("[[bin]]\nname = \"").skip(1);
    let declared = declared.map(|entry| entry.split('"').next().unwrap().to_owned()).collect();
    let targets = BTreeSet::from_iter(fuzz::TARGETS.iter().map(|target| target.name.to_owned()));
    assert_eq!(targets, names("src/bin"));
    assert_eq!(targets, names("corpus"));
    assert_eq!(targets, declared);
}
