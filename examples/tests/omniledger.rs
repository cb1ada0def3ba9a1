//! The program as its users run it.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Output},
};

use serde_json::Value;

fn omniledger(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_omniledger")).args(arguments).output().unwrap()
}

/// The exit code, and what is printed for people: errors first.
fn said(arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = omniledger(arguments);
    let text = [stderr, stdout].concat();
    (status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// A directory of this test's own, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("omniledger-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn help_tells_what_there_is() {
    let (code, help) = said(&["--help"]);
    assert_eq!(code, 0);
    for word in ["--adversary", "--byzantine", "--export", "--json", "verify", "Exit codes"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn bad_usage_is_refused_with_its_mend() {
    let (code, error) = said(&["--byzantine", "3", "--adversary", "silent"]);
    assert_eq!(code, 2);
    assert!(error.contains("--byzantine 2 or less, or --validators 10 or more"), "{error}");

    let scratch = Scratch::new("usage");
    let garbage = scratch.path("garbage");
    fs::write(&garbage, [7; 1000]).unwrap();
    let (code, error) = said(&["--block", &garbage]);
    assert_eq!(code, 2);
    assert!(error.contains(&garbage) && error.contains("no Bitcoin block"), "{error}");

    let (code, error) = said(&["--block", &scratch.path("absent")]);
    assert_eq!(code, 2);
    assert!(error.contains("absent") && error.contains("name a raw Bitcoin block"), "{error}");

    let (code, error) = said(&["verify", &scratch.path("absent")]);
    assert_eq!(code, 2);
    assert!(error.contains("genesis.bin"), "{error}");

    // Not even begun: the directory holds something.
    let (code, error) = said(&["--export", &scratch.path("")]);
    assert_eq!(code, 2);
    assert!(error.contains("not empty"), "{error}");
}

/// Puts a file's bytes back when it goes.
struct Changed<'a>(&'a Path, Vec<u8>);

impl<'a> Changed<'a> {
    fn new(path: &'a Path, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let before = fs::read(path).unwrap();
        let mut bytes = before.clone();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        Self(path, before)
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        let _ = fs::write(self.0, &self.1);
    }
}

fn refused(dir: &str, named: &str) {
    let (code, error) = said(&["verify", dir]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains(named), "{named} is not named: {error}");
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// The one test that runs a whole block, twice.
#[test]
fn a_block_is_committed_exported_verified_and_the_same_again() {
    let scratch = Scratch::new("run");
    let dir = scratch.path("proofs");
    let output = omniledger(&["--json", "--export", &dir]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut report = json(&output);
    for key in ["transactions", "committed", "verified_by_light_client"] {
        assert_eq!(report[key], 2500, "{key}");
    }
    assert_eq!((&report["aborted"], &report["certificates"]["individual"]), (&0.into(), &0.into()));
    assert_eq!(report["value_in"], report["value_out"]);
    assert!(report["signatures_checked"].as_u64().unwrap() >= 6518 * 7);
    assert_eq!(report["faults"], Value::Object(serde_json::Map::default()));

    let mut again = json(&omniledger(&["--json"]));
    for report in [&mut report, &mut again] {
        assert!(report.as_object_mut().unwrap().remove("measured").is_some());
    }
    assert_eq!(report, again, "the same seed gives the same report");

    let (code, verified) = said(&["verify", &dir]);
    assert_eq!(code, 0, "{verified}");
    assert!(verified.contains("2500 transactions"), "{verified}");

    let path = |name: &str| Path::new(&dir).join(name);
    let flip = |at: usize, bit: u8| move |bytes: &mut Vec<u8>| bytes[at] ^= 1 << bit;
    let (genesis, chain) = (path("genesis.bin"), path("chain.bin"));
    let length = |path: &Path| usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    for at in [0, 40, length(&genesis) / 2, length(&genesis) - 1] {
        let _changed = Changed::new(&genesis, flip(at, 3));
        refused(&dir, "genesis.bin");
    }
    for at in [0, 33, length(&chain) / 2, length(&chain) - 1] {
        let _changed = Changed::new(&chain, flip(at, 0));
        refused(&dir, "chain.bin");
    }
    let receipts = ["receipts/000000.bin", "receipts/001234.bin", "receipts/002499.bin"];
    for (bit, name) in (0..).zip(receipts) {
        let receipt = path(name);
        for at in [1, length(&receipt) / 2, length(&receipt) - 1] {
            let _changed = Changed::new(&receipt, flip(at, bit));
            refused(&dir, name);
        }
    }
    {
        let receipt = path(receipts[1]);
        let _longer = Changed::new(&receipt, |bytes| bytes.push(0));
        refused(&dir, receipts[1]);
    }

    // One is taken away, and one stands twice.
    let (taken, kept) = (path(receipts[1]), scratch.path("kept"));
    fs::rename(&taken, &kept).unwrap();
    refused(&dir, "receipts/001235.bin");
    fs::rename(&kept, &taken).unwrap();
    let twice = path("receipts/001234.bin.again");
    fs::copy(&taken, &twice).unwrap();
    refused(&dir, "receipts/001234.bin.again: order");
    fs::remove_file(&twice).unwrap();
    let last = path(receipts[2]);
    fs::rename(&last, &kept).unwrap();
    refused(&dir, "completeness");
    fs::rename(&kept, &last).unwrap();
    assert_eq!(said(&["verify", &dir]).0, 0, "all is as it was");
}
