//! The time that a round trip takes.

use core::time::Duration;

use cosi::machine::Time;

/// When a round trip's questions are asked again, and when it is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    retry: Duration,
    patience: Duration,
    retry_at: Time,
    deadline: Time,
}

impl Pace {
    /// Either lasts at least a nanosecond, so that deadlines move.
    pub(crate) fn new(retry: Duration, patience: Duration) -> Self {
        let [retry, patience] =
            [retry, patience].map(|duration| duration.max(Duration::from_nanos(1)));
        Self { retry, patience, retry_at: Time::default(), deadline: Time::default() }
    }

    /// A round trip begins.
    pub(crate) fn begin(&mut self, now: Time) {
        self.again(now);
        self.deadline = now.after(self.patience);
    }

    /// Its questions are asked.
    pub(crate) fn again(&mut self, now: Time) {
        self.retry_at = now.after(self.retry);
    }

    /// When something is to be done, at `other` if that is sooner.
    pub(crate) fn due_or(&self, other: Option<Time>) -> Time {
        other.map_or(self.due(), |other| other.min(self.due()))
    }

    /// Whether the questions are to be asked again.
    pub(crate) fn is_slow(&self, now: Time) -> bool {
        self.retry_at <= now
    }

    /// When something is to be done.
    pub(crate) fn due(&self) -> Time {
        self.retry_at.min(self.deadline)
    }

    /// Whether it took too long.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        self.deadline <= now
    }
}
