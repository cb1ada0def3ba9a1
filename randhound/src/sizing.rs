//! How large groups must be.

use libm::{exp2, log2};

use crate::groups::{MAX_GROUP_SIZE, number, threshold};

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

/// The least size c, of at most [`MAX_GROUP_SIZE`], such that all groups of a session of `servers`
/// that asks for it recover their secrets but with probability 2^−`bits`. `None`: no size does.
///
/// Groups that a session deals have a few more or fewer members than c, and each counts as large as
/// it is: a group of 30 recovers less surely than one of 29, since its threshold is higher by one.
/// So a size above c may not do.
///
/// ```
/// assert_eq!(randhound::group_size(1_024, 0.33, 8.), Some(29));
/// assert_eq!(randhound::group_size(1_024, 0.66, 8.), None);
/// ```
pub fn group_size(servers: u32, p: f64, bits: f64) -> Option<u16> {
    let servers = usize::try_from(servers).unwrap_or(usize::MAX);
    (1..=MAX_GROUP_SIZE).find(|c| all_available(servers, *c, p) >= bits)
}

/// −log2 of the sum of the probabilities that groups of about `c` cannot recover their secrets.
fn all_available(servers: usize, c: u16, p: f64) -> f64 {
    let number = number(servers, c);
    let small = servers.checked_div(number).unwrap_or_default();
    let large = servers.checked_rem(number).unwrap_or_default();
    let fail = |groups: usize, size: usize| {
        let [groups, size] = [groups, size].map(|it| u32::try_from(it).unwrap_or(u32::MAX));
        let bits = availability(u16::try_from(size).unwrap_or(u16::MAX), p);
        f64::from(groups) * exp2(-bits)
    };
    -log2(fail(number.saturating_sub(large), small) + fail(large, small.saturating_add(1)))
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

    /// By the sizes that a roster's servers have when they are dealt one by one.
    #[test]
    fn the_least_sufficient_size_is_chosen() {
        for (servers, p, bits) in
            [(1024, 0.25, 20.), (500, 0.33, 8.), (100, 0.33, 30.), (4096, 0.33, 20.), (9, 0.25, 3.)]
        {
            let enough = |c: u16| {
                let number = usize::max(1, (servers + usize::from(c) / 2) / usize::from(c));
                let mut sizes = std::vec![0_u16; number];
                (0..servers).for_each(|server| sizes[server % number] += 1);
                let fail: f64 = sizes.into_iter().map(|size| (-direct(size, p)).exp2()).sum();
                -fail.log2() >= bits
            };
            let chosen = group_size(u32::try_from(servers).unwrap(), p, bits);
            assert_eq!(chosen, (1..=MAX_GROUP_SIZE).find(|c| enough(*c)), "{servers} {p} {bits}");
            assert!(chosen.is_some(), "{servers} {p} {bits}");
        }
        assert_eq!(group_size(1024, 0.66, 20.), None);
        assert_eq!(group_size(1024, 1., 1.), None);
        assert_eq!(group_size(1024, 0., 99.), Some(1));
    }
}
