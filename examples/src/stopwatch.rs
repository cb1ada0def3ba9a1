//! What a clock on the wall says.

use std::time::Duration;

/// Real time.
#[expect(clippy::disallowed_types, reason = "it is measured, and decides nothing")]
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_types, reason = "it is measured, and decides nothing")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// How long ago that was.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
