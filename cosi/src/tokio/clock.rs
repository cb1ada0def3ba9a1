//! The host's time.
#![expect(clippy::disallowed_types, reason = "the clock is what others get their time from")]

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::machine::Time;

/// Tells the host's time. Never goes backwards while it runs.
pub trait Clock: Send {
    /// The time.
    fn now(&self) -> Time;
}

/// The operating system's clock. Clones tell one time.
///
/// When the system's clock is set back, this one goes on at half its pace until the two agree.
/// So it never goes backwards, and deadlines are met at most that much later.
///
/// ```
/// use cosi::tokio::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// let before = clock.now();
/// assert!(clock.clone().now() >= before);
/// ```
#[derive(Clone, Debug)]
pub struct SystemClock(Arc<Mutex<(Time, Instant)>>);

impl SystemClock {
    /// The clock, showing what the system's shows.
    #[expect(clippy::new_without_default, reason = "a clock is started, not defaulted")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new((system(), Instant::now()))))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (shown, at) = *last;
        let now = Instant::now();
        *last = (advance(shown, now.saturating_duration_since(at), system()), now);
        last.0
    }
}

fn system() -> Time {
    Time::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// What to show `elapsed` after `shown`, when the system's clock shows `system`.
fn advance(shown: Time, elapsed: Duration, system: Time) -> Time {
    system.max(shown.after(elapsed.checked_div(2).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Time {
        Time::at(Duration::from_secs(seconds))
    }

    #[test]
    fn a_clock_that_is_set_back_slows_down_until_the_system_has_caught_up() {
        let second = Duration::from_secs(1);
        assert_eq!(advance(seconds(100), second, seconds(101)), seconds(101));
        assert_eq!(advance(seconds(100), second, seconds(500)), seconds(500), "set forward");
        // Set back by ten seconds: after 20 they agree.
        let (mut shown, mut system, mut steps) = (seconds(100), seconds(90), 0);
        while shown != system {
            system = system.after(second);
            let next = advance(shown, second, system);
            assert!(next > shown && next < shown.after(second));
            (shown, steps) = (next, steps + 1);
        }
        assert_eq!(steps, 20);
    }

    #[test]
    fn clones_share_what_was_shown() {
        let clock = SystemClock::new();
        let ahead = seconds(10_000_000_000);
        clock.0.lock().unwrap().0 = ahead;
        assert!(clock.clone().now() >= ahead);
        assert!(clock.now() < ahead.after(Duration::from_secs(60)));
    }
}
