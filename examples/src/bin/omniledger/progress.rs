//! What is shown while the run goes on, on standard error.

use std::cell::Cell;

use examples::Bar;
use omniledger::Epoch;

use crate::world::World;

/// A bar on a terminal, or a line a block elsewhere.
pub(crate) struct Progress {
    bar: Bar,
    blocks: Cell<usize>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = Bar::new("{elapsed:>4} [{bar:40}] {pos} of {len} transactions proven, {msg}");
        Self { bar, blocks: Cell::new(0) }
    }

    /// Says what is done before transactions are counted.
    pub(crate) fn say(&self, what: &str) {
        self.bar.say(&format!("{what} …"));
    }

    pub(crate) fn start(&self, transactions: usize) {
        self.bar.start(transactions, "");
    }

    /// Says who works where.
    pub(crate) fn seated(&self, epoch: &Epoch) {
        for (shard, info) in epoch.shards().iter().enumerate() {
            let number = u16::try_from(shard).unwrap_or(u16::MAX);
            let members: Vec<u16> = epoch.members(number).iter().map(|at| at.get()).collect();
            let size = info.roster().size();
            self.bar.say(&format!("shard {shard}: {size} validators, {members:?}"));
        }
    }

    /// Shows how far the run is, when there is a new block.
    pub(crate) fn show(&self, world: &World) {
        self.bar.set(world.proven.len());
        if self.blocks.replace(world.blocks.len()) == world.blocks.len() {
            return;
        }
        let Some(((shard, index), block)) =
            world.blocks.iter().max_by_key(|(_, block)| block.decided)
        else {
            return;
        };
        self.bar.message(format!("shard {shard}, block {index}"));
        let form = if block.collective { "collectively" } else { "individually" };
        self.bar.say(&format!(
            "shard {shard}, block {index}: {} entries, decided {form} in view {} at {:.2} s",
            block.entries,
            block.view,
            block.decided.since_epoch().as_secs_f64(),
        ));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish();
    }
}
