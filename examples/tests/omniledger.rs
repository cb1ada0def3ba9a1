//! The program as its users run it.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../src/bin/omniledger/block/mined.rs"]
mod mined;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Output},
};

use bitcoin::OutPoint;
use serde_json::Value;

use self::mined::{coinbase, mined, outside, spending};

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
    for word in [
        "--adversary",
        "--byzantine",
        "--conflicts",
        "--export",
        "--json",
        "--shards",
        "verify",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn bad_usage_is_refused_with_its_mend() {
    let (code, error) =
        said(&["--validators", "14", "--shards", "2", "--byzantine", "5", "--adversary", "silent"]);
    assert_eq!(code, 2);
    assert!(error.contains("--byzantine 4 or less, or more --validators"), "{error}");

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
    assert!(error.contains("absent"), "{error}");

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

/// A block of 60 transactions: fans, merges, and a chain of ten.
fn small_block() -> Vec<u8> {
    let mut block = vec![coinbase()];
    for at in 0..24u32 {
        let value = u64::from(at) + 10;
        block.push(spending(&[outside(1, at), outside(2, at)], &[value, 7, value]));
    }
    for at in 1..25 {
        let before = block[at].compute_txid();
        let out = |vout| OutPoint { txid: before, vout };
        block.push(spending(&[out(0), out(2)], &[at as u64, 18]));
    }
    for _ in 0..10 {
        let txid = block.last().unwrap().compute_txid();
        let value = block.last().unwrap().output[0].value.to_sat();
        block.push(spending(&[OutPoint { txid, vout: 0 }], &[value]));
    }
    mined(block)
}

#[test]
fn a_block_is_committed_across_shards_exported_verified_and_the_same_again() {
    let scratch = Scratch::new("run");
    let (dir, block) = (scratch.path("proofs"), scratch.path("block"));
    fs::write(&block, small_block()).unwrap();
    let run =
        ["--validators", "8", "--shards", "2", "--block", &block, "--conflicts", "3", "--json"];
    let output = omniledger(&[&run[..], &["--export", &dir]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut report = json(&output);
    for key in ["transactions", "committed", "verified_by_light_client"] {
        assert_eq!(report[key], 59, "{key}");
    }
    assert!(report["cross_shard"].as_u64().unwrap() > 29);
    assert_eq!(
        (&report["locks_left"], &report["certificates"]["individual"]),
        (&0.into(), &0.into())
    );
    assert_eq!(report["value_in"], report["value_out"]);
    assert_eq!(report["faults"], Value::Object(serde_json::Map::default()));
    assert_eq!(report["conflicts"]["injected"], 3);
    assert!(report["aborted"].as_u64().unwrap() >= 3);
    assert!(report["conflicts"]["given_back"].as_u64().unwrap() >= 3);
    assert_eq!((&report["shards"], report["per_shard"].as_array().unwrap().len()), (&2.into(), 2));
    assert_eq!(report["randomness"].as_str().unwrap().len(), 64);

    let mut again = json(&omniledger(&run));
    for report in [&mut report, &mut again] {
        assert!(report.as_object_mut().unwrap().remove("measured").is_some());
    }
    assert_eq!(report, again, "the same seed gives the same report");

    let (code, verified) = said(&["verify", &dir]);
    assert_eq!(code, 0, "{verified}");
    assert!(verified.contains("receipts hold") && verified.contains("and 0 left"), "{verified}");

    let path = |name: &str| Path::new(&dir).join(name);
    let length = |path: &Path| usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    for name in [
        "genesis.bin",
        "epoch.bin",
        "shards/0000/chain.bin",
        "shards/0000/head.bin",
        "shards/0001/chain.bin",
        "shards/0001/blocks/000001.bin",
        "receipts/000000.bin",
        "receipts/000058.bin",
    ] {
        let path = path(name);
        for (at, bit) in [(0, 3), (length(&path) / 2, 0), (length(&path) - 1, 7)] {
            let _changed = Changed::new(&path, |bytes| bytes[at] ^= 1 << bit);
            refused(&dir, name);
        }
        let _longer = Changed::new(&path, |bytes| bytes.push(0));
        refused(&dir, name);
    }
    assert_eq!(said(&["verify", &dir]).0, 0, "all is as it was");
}

#[test]
fn byzantine_validators_are_named_and_stop_nobody() {
    let scratch = Scratch::new("byzantine");
    let block = scratch.path("block");
    fs::write(&block, small_block()).unwrap();
    let positions = |value: &Value| {
        value.as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).collect::<Vec<_>>()
    };
    for (adversary, seed) in [("silent", "1"), ("garbage", "2"), ("equivocate", "3")] {
        let output = omniledger(&[
            "--validators",
            "8",
            "--shards",
            "2",
            "--block",
            &block,
            "--adversary",
            adversary,
            "--seed",
            seed,
            "--json",
        ]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{adversary}: {errors}");
        let report = json(&output);
        assert_eq!(report["committed"], 59, "{adversary}");
        let byzantine = positions(&report["byzantine"]);
        assert_eq!(byzantine.len(), 2, "one in each shard");
        for shard in report["per_shard"].as_array().unwrap() {
            let members = positions(&shard["validators"]);
            assert_eq!(members.iter().filter(|at| byzantine.contains(at)).count(), 1);
        }
        // The beacon's first leader is one of them, so another one chose.
        assert!(byzantine.contains(&0) && report["beacon"]["client"] != 0, "{report}");
        let named = report["faults"].as_object().unwrap().values();
        let named = named.flat_map(|fault| positions(&fault["culprits"]));
        assert!(named.into_iter().all(|culprit| byzantine.contains(&culprit)), "{adversary}");
    }
}

#[test]
fn few_byzantine_validators_have_the_first_leader_among_them() {
    let scratch = Scratch::new("few");
    let block = scratch.path("block");
    fs::write(&block, small_block()).unwrap();
    for seed in ["1", "2", "3", "4"] {
        let output = omniledger(&[
            "--validators",
            "12",
            "--shards",
            "3",
            "--byzantine",
            "2",
            "--adversary",
            "silent",
            "--block",
            &block,
            "--restarts",
            "0",
            "--seed",
            seed,
            "--json",
        ]);
        let report = json(&output);
        assert_eq!((&report["ok"], &report["committed"]), (&true.into(), &59.into()), "{report}");
        let byzantine = report["byzantine"].as_array().unwrap();
        assert!(byzantine.len() == 2 && byzantine[0] == 0, "{byzantine:?}");
    }
}
