//! `beacon` in directories that end with the test.

#[path = "../common/scratch.rs"]
mod scratch;

use serde_json::Value;

pub(crate) use self::scratch::{Ran, Scratch};

impl Scratch {
    /// Runs the program here, its arguments separated by spaces.
    pub(crate) fn beacon(&self, arguments: &str) -> Ran {
        self.run(env!("CARGO_BIN_EXE_beacon"), &arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Draws for the purpose `test`, and returns what is said as JSON.
    pub(crate) fn draw(&self, arguments: &str) -> Value {
        self.beacon(&format!("run --purpose test --json {arguments}")).json(0)
    }

    /// Verifies a file as slot `slot` of `test`.
    pub(crate) fn verify(&self, file: &str, roster: &str, slot: u64) -> Ran {
        self.beacon(&format!(
            "verify {file} --roster-id {roster} --purpose test --slot {slot} --json"
        ))
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
