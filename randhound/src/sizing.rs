//! How large groups must be.

use libm::log2;

use crate::groups::{MAX_GROUP_SIZE, threshold};

/// −log2 of the probability that a group of `c` servers cannot recover its secrets, when each is
/// faulty with probability `p`, independently: P\[Bin(c, p) ≥ c − ⌊c/3⌋\].
///
/// Infinite where p ≤ 0, and 0 where p ≥ 1. Exact but for rounding: the first term is summed up
/// in logarithms, the others as multiples of it.
///
/// ```
/// let bits = [16, 32, 64].map(|c| (10. * randhound::availability(c, 0.33)).round() / 10.);
/// assert_eq!(bits, [8.1, 14.7, 25.3]);
/// ```
pub fn availability(c: u16, p: f64) -> f64 {
    if p <= 0. {
        return f64::INFINITY;
    }
    if p >= 1. {
        return 0.;
    }
    let (c, recover) = (f64::from(c), threshold(c.into()));
    // At least c − t + 1 faulty, that is, the sum begins where t − 1 = ⌊c/3⌋ are honest.
    let honest = u16::try_from(recover.saturating_sub(1)).unwrap_or(u16::MAX);
    let faulty = c - f64::from(honest);
    let choices = |at: u16| log2(c - f64::from(at)) - log2(f64::from(at) + 1.);
    let first =
        (0..honest).map(choices).sum::<f64>() + faulty * log2(p) + f64::from(honest) * log2(1. - p);
    let (mut sum, mut term) = (0., 1.);
    for left in (0..=honest).rev() {
        sum += term;
        let left = f64::from(left);
        term *= left / (c - left + 1.) * (p / (1. - p));
    }
    -(first + log2(sum))
}

/// The least size c of groups, of at most [`MAX_GROUP_SIZE`], such that all about n/c groups of
/// `servers` recover their secrets but with probability 2^−`bits`. `None`: no size does.
///
/// ```
/// assert_eq!(randhound::group_size(1_024, 0.33, 8.), Some(29));
/// assert_eq!(randhound::group_size(1_024, 0.66, 8.), None);
/// ```
pub fn group_size(servers: u32, p: f64, bits: f64) -> Option<u16> {
    let groups = |c: u16| (f64::from(servers) / f64::from(c)).max(1.);
    (1..=MAX_GROUP_SIZE).find(|c| availability(*c, p) - log2(groups(*c)) >= bits)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "overflow fails the test")]
mod tests {
    extern crate std;

    use super::*;

    /// The definition, term by term, in plain products.
    fn direct(c: u16, p: f64) -> f64 {
        let tail = (c - c / 3..=c).map(|faulty| {
            let choose: f64 = (0..faulty).map(|i| f64::from(c - i) / f64::from(i + 1)).product();
            choose * p.powi(i32::from(faulty)) * (1. - p).powi(i32::from(c - faulty))
        });
        -tail.sum::<f64>().log2()
    }

    #[test]
    fn availability_is_the_binomial_tail() {
        for (c, bits) in [(16, 8.1), (32, 14.7), (64, 25.3)] {
            assert!((availability(c, 0.33) - bits).abs() < 0.05, "{c}");
        }
        for c in 1..=MAX_GROUP_SIZE {
            for p in [0.05, 0.25, 1. / 3., 0.5, 0.66, 0.9] {
                assert!((availability(c, p) - direct(c, p)).abs() < 1e-9, "{c} {p}");
            }
        }
        assert_eq!((availability(9, 0.), availability(9, 1.)), (f64::INFINITY, 0.));
    }

    #[test]
    fn the_least_sufficient_size_is_chosen() {
        let c = group_size(1024, 0.25, 20.).unwrap();
        let enough = |c: u16| direct(c, 0.25) - (1024. / f64::from(c)).log2() >= 20.;
        assert!(enough(c) && (1..c).all(|smaller| !enough(smaller)), "{c}");
        assert_eq!(group_size(1024, 0.66, 20.), None);
    }
}
