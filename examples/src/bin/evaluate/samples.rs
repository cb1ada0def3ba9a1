//! How long work takes, on a machine that does other things too.
//!
//! The clock is the processor time of this thread, so being put aside costs nothing. What shares
//! the core or its caches still does, and only ever adds: so a single work's time is that of the
//! fastest sample. Two works are compared sample by sample, in turn, so what disturbs the one
//! disturbs the other: their ratio is the median.

use std::time::Duration;

use crate::cosi::work::cpu_time;

/// Samples, in order of size.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self(samples)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The least, infinite without samples.
    pub(crate) fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::INFINITY)
    }

    /// The one in the middle, or the mean of the two there.
    pub(crate) fn median(&self) -> f64 {
        let upper = self.0.len() / 2;
        let lower = self.0.len().saturating_sub(1) / 2;
        match (self.0.get(lower), self.0.get(upper)) {
            (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
            _ => f64::INFINITY,
        }
    }
}

/// Seconds that `work` takes: `count` samples, each the mean of `batch` times.
pub(crate) fn sample(count: usize, batch: u32, mut work: impl FnMut()) -> Samples {
    work(); // with cold caches
    Samples::new((0..count).map(|_| mean(batch, &mut work)).collect())
}

/// How many times as long as `there` `here` takes: `count` samples, each of two batches, now the
/// one first and now the other.
pub(crate) fn compare(
    count: usize,
    batch: u32,
    mut here: impl FnMut(),
    mut there: impl FnMut(),
) -> Samples {
    here();
    there();
    let ratio = |at: usize| {
        if at.is_multiple_of(2) {
            let first = mean(batch, &mut here);
            first / mean(batch, &mut there)
        } else {
            let first = mean(batch, &mut there);
            mean(batch, &mut here) / first
        }
    };
    Samples::new((0..count).map(ratio).collect())
}

fn mean(batch: u32, work: &mut impl FnMut()) -> f64 {
    let began = cpu_time();
    (0..batch).for_each(|_| work());
    seconds(cpu_time().saturating_sub(began)) / f64::from(batch)
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn the_middle_and_the_least_are_where_they_should_be() {
        let samples = |values: &[f64]| Samples::new(values.to_vec());
        assert_eq!(samples(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(samples(&[4.0, 1.0, 9.0, 2.0]).median(), 3.0);
        assert_eq!(samples(&[3.0, 1.0, 2.0]).least(), 1.0);
        assert_eq!(samples(&[7.0]).median(), 7.0);
        assert_eq!(samples(&[]).median(), f64::INFINITY, "no samples meet no target");
        assert_eq!(samples(&[]).least(), f64::INFINITY);
        assert_eq!(samples(&[3.0, 1.0]).count(), 2);
    }

    fn spin(rounds: u64) {
        let product =
            (0..rounds).fold(1_u64, |product, round| product.wrapping_mul(round | 1) ^ round);
        black_box(product);
    }

    #[test]
    fn work_three_times_as_long_takes_three_times_as_long() {
        let rounds = black_box(20_000);
        let ratio = compare(41, 4, || spin(black_box(rounds * 3)), || spin(black_box(rounds)));
        assert!((2.0..4.5).contains(&ratio.median()), "{}", ratio.median());
        assert_eq!(ratio.count(), 41);
        let (long, short) = (sample(9, 4, || spin(rounds * 3)), sample(9, 4, || spin(rounds)));
        assert!(long.least() > short.least() * 1.5);
    }

    #[test]
    fn each_sample_does_its_work_as_often_as_it_says() {
        let (mut here, mut there) = (0, 0);
        compare(5, 3, || here += 1, || there += 1);
        assert_eq!((here, there), (16, 16));
        let mut times = 0;
        assert_eq!(sample(4, 2, || times += 1).count(), 4);
        assert_eq!(times, 9);
    }
}
