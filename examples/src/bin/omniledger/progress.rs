//! What is shown while the run goes on, on standard error.

use std::{cell::Cell, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::world::World;

/// A bar on a terminal, or a line a block elsewhere.
pub(crate) struct Progress {
    bar: ProgressBar,
    blocks: Cell<usize>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "{elapsed:>4} [{bar:40}] {pos} of {len} transactions proven, {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, blocks: Cell::new(0) }
    }

    /// Says what is done before transactions are counted.
    pub(crate) fn say(&self, what: &str) {
        self.print(&format!("{what} …"));
    }

    pub(crate) fn start(&self, transactions: usize) {
        self.bar.set_length(u64::try_from(transactions).unwrap_or(u64::MAX));
    }

    /// Shows how far the run is, when there is a new block.
    pub(crate) fn show(&self, world: &World) {
        let proven = u64::try_from(world.proven.len()).unwrap_or(u64::MAX);
        if self.bar.position() != proven {
            self.bar.set_position(proven);
        }
        if self.blocks.replace(world.blocks.len()) == world.blocks.len() {
            return;
        }
        let Some((index, block)) = world.blocks.last_key_value() else { return };
        self.bar.set_message(format!("block {index}"));
        let form = if block.collective { "collectively" } else { "individually" };
        self.print(&format!(
            "block {index}: {} transactions, decided {form} in view {} at {:.2} s",
            block.sessions.len(),
            block.view,
            block.decided.since_epoch().as_secs_f64(),
        ));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

/// Real time.
#[expect(clippy::disallowed_types, reason = "it is measured, and decides nothing")]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_types, reason = "it is measured, and decides nothing")]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
