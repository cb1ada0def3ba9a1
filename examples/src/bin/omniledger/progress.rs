//! What is shown while the run goes on, on standard error.

use std::{cell::Cell, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use omniledger::Epoch;

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

    /// Says who works where.
    pub(crate) fn seated(&self, epoch: &Epoch) {
        for (shard, info) in epoch.shards().iter().enumerate() {
            let number = u16::try_from(shard).unwrap_or(u16::MAX);
            let members: Vec<u16> = epoch.members(number).iter().map(|at| at.get()).collect();
            let size = info.roster().size();
            self.print(&format!("shard {shard}: {size} validators, {members:?}"));
        }
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
        let Some(((shard, index), block)) =
            world.blocks.iter().max_by_key(|(_, block)| block.decided)
        else {
            return;
        };
        self.bar.set_message(format!("shard {shard}, block {index}"));
        let form = if block.collective { "collectively" } else { "individually" };
        self.print(&format!(
            "shard {shard}, block {index}: {} entries, decided {form} in view {} at {:.2} s",
            block.entries,
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
