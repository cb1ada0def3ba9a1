//! What a clock on the wall says.
#![expect(clippy::disallowed_types, reason = "it is measured, and decides nothing")]

use std::time::{Duration, Instant};

/// Real time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
