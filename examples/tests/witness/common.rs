//! `witness` in directories that end with the test.

#[path = "../common/scratch.rs"]
mod scratch;

use serde_json::Value;

pub(crate) use self::scratch::{Ran, Scratch};

impl Scratch {
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Changes a text file.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// Runs the program here, its arguments separated by spaces.
    pub(crate) fn witness(&self, arguments: &str) -> Ran {
        self.run(env!("CARGO_BIN_EXE_witness"), &arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Makes witnesses of these names, and a roster of them all.
    pub(crate) fn roster(&self, names: &[&str], first_port: u16) {
        let mut roster = format!("roster --out roster.json --ports-from 127.0.0.1:{first_port}");
        for name in names {
            self.witness(&format!("keygen {name}")).ok();
            roster += &format!(" {name}.pub");
        }
        self.witness(&roster).ok();
    }
}

/// The names in a JSON list.
pub(crate) fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}
