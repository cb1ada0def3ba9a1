//! Results, for people and for programs.

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

/// Prints results: as one JSON object, or as a table.
pub fn print<T: Serialize>(results: &T, json: bool, table: impl FnOnce(&T) -> String) {
    if json {
        println!("{}", serde_json::to_string(results).unwrap_or_default());
    } else {
        println!("{}", table(results));
    }
}

/// A table of names and values.
#[derive(Debug)]
pub struct Rows(Table);

impl Default for Rows {
    fn default() -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING);
        Self(table)
    }
}

impl Rows {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.add_row([name.to_owned(), value.into()]);
    }

    /// The lines.
    pub fn text(&self) -> String {
        self.0.trim_fmt()
    }
}
