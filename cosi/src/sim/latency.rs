//! How long the wire takes, drawn in whole numbers alone.
//!
//! A floating-point logarithm or exponential may differ by a bit from one platform's mathematics
//! library to another's, and one bit is another run. Every draw here is integer arithmetic on the
//! seeded stream, so a seed gives the same latencies everywhere.

use alloc::vec::Vec;
use core::time::Duration;

use curve25519_dalek::rand_core::Rng;

/// How long the wire takes, one way.
///
/// Every draw is nanoseconds in integer arithmetic: the same seed gives the same latency on every
/// platform. Where one draw may be shorter than the one before, messages overtake one another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latency {
    /// Always this long.
    Fixed(Duration),
    /// `least` and, uniformly, up to `jitter` more.
    Jittered {
        /// The shortest.
        least: Duration,
        /// How much longer it may be.
        jitter: Duration,
    },
    /// `least` and, exponentially distributed, on average `mean` more; at most 45 times as much.
    Exponential {
        /// The shortest.
        least: Duration,
        /// How much longer it is on average.
        mean: Duration,
    },
    /// Normally distributed, as the sum of twelve uniform draws is; what would be below zero is
    /// zero. Never further than six deviations from the mean.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Log-normally distributed: as often above the median by a factor as below it by the same.
    LogNormal {
        /// What half of the draws exceed.
        median: Duration,
        /// The standard deviation of the natural logarithm, in thousandths. With 250, one draw in
        /// six is more than e^0.25 ≈ 1.28 times the median.
        sigma_per_mille: u16,
    },
    /// As measured somewhere.
    Quantiles(Quantiles),
}

/// An empirical distribution: equally likely ranges, each uniform.
///
/// ```
/// use core::time::Duration;
/// use cosi::sim::Quantiles;
///
/// // Least, quartiles, and most, in milliseconds.
/// let measured = [12, 48, 51, 60, 240].map(Duration::from_millis);
/// assert!(Quantiles::new(measured.to_vec()).is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantiles(Vec<Duration>);

impl Quantiles {
    /// From the quantiles at 0, 1/k, 2/k, … and 1, in ascending order. `None`: there is none, or
    /// they do not ascend.
    pub fn new(points: Vec<Duration>) -> Option<Self> {
        (!points.is_empty() && points.is_sorted()).then_some(Self(points))
    }

    fn at(&self, share: u64) -> Duration {
        let ranges = u64::try_from(self.0.len()).unwrap_or(u64::MAX).saturating_sub(1);
        let place = u128::from(share).saturating_mul(u128::from(ranges));
        let range = usize::try_from(place >> 64).unwrap_or(usize::MAX);
        let low = self.0.get(range).copied().unwrap_or_default();
        let high = self.0.get(range.saturating_add(1)).copied().unwrap_or(low);
        let more = scale(high.saturating_sub(low), u128::from(low_half(place)), 64);
        low.saturating_add(more)
    }
}

impl Latency {
    pub(super) fn sample(&self, rng: &mut impl Rng) -> Duration {
        match self {
            Self::Fixed(latency) => *latency,
            Self::Jittered { least, jitter } => {
                least.saturating_add(scale(*jitter, u128::from(rng.next_u64()), 64))
            }
            Self::Exponential { least, mean } => {
                least.saturating_add(scale(*mean, exponential(rng.next_u64()), 32))
            }
            Self::Normal { mean, deviation } => {
                let deviate = normal(rng);
                let off = scale(*deviation, u128::from(deviate.unsigned_abs()), 32);
                if deviate < 0 { mean.saturating_sub(off) } else { mean.saturating_add(off) }
            }
            Self::LogNormal { median, sigma_per_mille } => {
                let log = i128::from(normal(rng)).saturating_mul(i128::from(*sigma_per_mille));
                let log = log.saturating_mul(i128::from(LOG2_E)) >> 32;
                let log = log.checked_div(1000).and_then(|log| i64::try_from(log).ok());
                times_power(*median, log.unwrap_or(i64::MAX))
            }
            Self::Quantiles(quantiles) => quantiles.at(rng.next_u64()),
        }
    }
}

/// ln 2, and 1 / ln 2, in units of 2⁻³².
const LN_2: u64 = 2_977_044_472;
const LOG2_E: u64 = 6_196_328_019;

/// 2^(1/2), 2^(1/4), 2^(1/8), …, in units of 2⁻⁶², each the root of the one before.
const ROOTS: [u64; 32] = roots();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "evaluated by the compiler, which refuses what overflows"
)]
const fn roots() -> [u64; 32] {
    let (mut roots, mut root, mut at) = ([0; 32], 2_u128 << 62, 0);
    while at < 32 {
        root = (root << 62).isqrt();
        roots[at] = root as u64;
        at += 1;
    }
    roots
}

/// `factor · 2^−bits` of it. In whole nanoseconds, rounded down, as a clock shows them.
fn scale(duration: Duration, factor: u128, bits: u32) -> Duration {
    let nanos = nanos(duration).saturating_mul(factor).unbounded_shr(bits);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn nanos(duration: Duration) -> u128 {
    duration.as_nanos().min(u128::from(u64::MAX))
}

fn low_half(value: u128) -> u64 {
    u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

/// An exponential deviate of mean 1 from a uniform one, in units of 2⁻³²: −ln(share · 2⁻⁶⁴).
fn exponential(share: u64) -> u128 {
    let bits = (64_u64 << 32).saturating_sub(log2(share.max(1)));
    u128::from(bits).saturating_mul(u128::from(LN_2)) >> 32
}

/// The logarithm to base 2, in units of 2⁻³², of what is not zero: one bit a squaring.
fn log2(value: u64) -> u64 {
    let zeros = value.leading_zeros();
    let mut mantissa = u128::from(value.unbounded_shl(zeros));
    let mut log = u64::from(63_u32.saturating_sub(zeros));
    for _ in 0..32 {
        mantissa = mantissa.saturating_mul(mantissa) >> 63;
        let bit = mantissa >> 64;
        mantissa = if bit == 0 { mantissa } else { mantissa >> 1 };
        log = (log << 1) | low_half(bit);
    }
    log
}

/// A normal deviate of mean 0 and deviation 1, in units of 2⁻³²: twelve uniform draws, each of
/// variance 1/12, less their mean.
fn normal(rng: &mut impl Rng) -> i64 {
    let draws = (0..12).map(|_| i64::from(rng.next_u32()));
    draws.fold(-(6_i64 << 32), i64::saturating_add)
}

/// `duration · 2^log`, where `log` is in units of 2⁻³².
fn times_power(duration: Duration, log: i64) -> Duration {
    let mut power = 1_u128 << 62;
    for (bit, root) in (0..32).rev().zip(ROOTS) {
        if log.unbounded_shr(bit) & 1 == 1 {
            power = power.saturating_mul(u128::from(root)) >> 62;
        }
    }
    match u32::try_from(62_i64.saturating_sub(log >> 32)) {
        Ok(bits) => scale(duration, power, bits),
        Err(_) => Duration::from_nanos(u64::MAX),
    }
}

/// A latency for each pair of regions.
///
/// ```
/// use core::time::Duration;
/// use cosi::sim::{Latency, Matrix};
///
/// let ms = |ms| Latency::Fixed(Duration::from_millis(ms));
/// // Europe and Asia; what goes east is slower than what comes west.
/// let matrix = Matrix::new(vec![vec![ms(10), ms(130)], vec![ms(120), ms(30)]]);
/// assert!(matrix.is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix(Vec<Vec<Latency>>);

impl Matrix {
    /// `rows[from][to]` is the latency from one region to another, or within one. `None`: the
    /// rows are not as long as there are rows.
    pub fn new(rows: Vec<Vec<Latency>>) -> Option<Self> {
        rows.iter().all(|row| row.len() == rows.len()).then_some(Self(rows))
    }

    /// How many regions there are.
    pub fn regions(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, from: usize, to: usize) -> Option<&Latency> {
        self.0.get(from)?.get(to)
    }
}
