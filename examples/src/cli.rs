//! Values on command lines.

use std::time::Duration;

/// A time in seconds, from a millisecond to a day.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let sound =
        |time: &Duration| (Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(time);
    seconds.filter(sound).ok_or_else(|| "give seconds, from 0.001 to 86400".into())
}
