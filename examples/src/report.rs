//! Results, for people and for programs.

use std::{
    io::{self, ErrorKind, Write as _},
    process,
};

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

/// Prints results: as one JSON object, or as a table.
pub fn print<T: Serialize>(results: &T, json: bool, table: impl FnOnce(&T) -> String) {
    let text =
        if json { serde_json::to_string(results).unwrap_or_default() } else { table(results) };
    say(&format!("{text}\n"));
}

/// Prints a text. Where that is impossible the program ends with exit code 2, unless it is the
/// reader who has seen enough.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = said
        && error.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("cannot print: {error}");
        process::exit(2);
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
