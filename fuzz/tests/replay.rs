//! Every corpus passes, and no target is left without a corpus or a binary.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn every_corpus_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        assert!(fuzz::replay(*target, &folder.join(name)).unwrap() > 0, "{name} has no corpus");
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
    let targets = BTreeSet::from_iter(fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()));
    assert_eq!(targets, names("src/bin"));
    assert_eq!(targets, names("corpus"));
    assert_eq!(targets, declared);
}
