//! How large shards must be: the probability that a random assignment gives one to the adversary.
//!
//! A shard of s members keeps its guarantees while at most f = ⌊(s − 1)/3⌋ of them are Byzantine.
//! It is **bad** when at least f + 1 are.
//!
//! A probability is a number from 0 to 1 whatever the input: one that is not a number counts as 1.
//! Sums are exact but for rounding, which is less than 10⁻⁸ of them; below 10⁻³⁰⁰ they may be 0.
//!
//! The source is OmniLedger (Kokoris-Kogias et al., IEEE S&P 2018): shard-size security and epoch
//! security, in its security analysis. What is bad follows byzcoin's f, which is one less than
//! ⌊s/3⌋ where 3 divides s.

use alloc::{vec, vec::Vec};
use core::ops::RangeInclusive;

use cosi::roster::faulty;
use libm::{exp, lgamma, log, log1p, log2};

/// The probability that a shard of `size` members is bad when each is Byzantine with probability
/// `adversary`, independently: P\[Bin(s, p) ≥ f + 1\].
///
/// A shard of nobody is bad.
///
/// ```
/// use omniledger::sizing::binomial;
///
/// assert_eq!(format!("{:.1e}", binomial(70, 0.125)), "2.2e-6");
/// assert_eq!(format!("{:.1e}", binomial(600, 0.25)), "3.0e-6");
/// ```
pub fn binomial(size: u16, adversary: f64) -> f64 {
    let p = share(adversary);
    if size == 0 || p >= 1. {
        return 1.;
    }
    if p <= 0. {
        return 0.;
    }
    let s = f64::from(size);
    let range = least_bad(size)..=size;
    let peak = mode((s + 1.) * p, &range);
    let k = f64::from(peak);
    let at_peak = ln_choose(s, k) + k * log(p) + (s - k) * log1p(-p);
    sum(range, peak, at_peak, next_binomial(s, p))
}

/// The probability that a shard of `size` members is bad when they are drawn at random, each at
/// most once, from `validators` of whom `byzantine` are Byzantine.
///
/// More Byzantine validators than there are count as all of them, and so does a larger shard.
/// A shard of nobody is bad.
///
/// ```
/// use omniledger::sizing::hypergeometric;
///
/// // Seven of 28 with four Byzantine ones: at least three of the four.
/// let draws = 1_184_040.;
/// assert!((hypergeometric(28, 4, 7) - (4. * 10_626. + 2_024.) / draws).abs() < 1e-12);
/// // Without replacement it is less than with.
/// assert!(hypergeometric(1_800, 225, 72) < omniledger::sizing::binomial(72, 0.125));
/// ```
pub fn hypergeometric(validators: u16, byzantine: u16, size: u16) -> f64 {
    let (byzantine, size) = (byzantine.min(validators), size.min(validators));
    let honest = validators.saturating_sub(byzantine);
    // At least the members who find no honest validator are Byzantine.
    let (least_bad, least) = (least_bad(size), size.saturating_sub(honest));
    if size == 0 || least >= least_bad {
        return 1.;
    }
    let range = least_bad..=size.min(byzantine);
    if range.is_empty() {
        return 0.;
    }
    let [n, b, h, s] = [validators, byzantine, honest, size].map(f64::from);
    let peak = mode((s + 1.) * (b + 1.) / (n + 2.), &range);
    let k = f64::from(peak);
    let at_peak = ln_choose(b, k) + ln_choose(h, s - k) - ln_choose(n, s);
    sum(range, peak, at_peak, |k| (b - k) / (k + 1.) * ((s - k) / (h - s + k + 1.)))
}

/// The probability that at least one shard is bad when all validators, of whom `byzantine` are
/// Byzantine, are assigned at random to shards of these `sizes`.
///
/// Exact, and so at most the sum of what [`hypergeometric`] says of each. The shards' members are
/// all the validators there are; more Byzantine ones count as all of them. It takes
/// validators · `byzantine` steps.
///
/// ```
/// use omniledger::sizing::{any_shard, hypergeometric};
///
/// let any = any_shard(8, &[7; 4]);
/// assert_eq!(format!("{any:.3}"), "0.937");
/// // The sum over the shards says nothing here.
/// assert!(4. * hypergeometric(28, 8, 7) > 1.);
/// ```
pub fn any_shard(byzantine: u16, sizes: &[u16]) -> f64 {
    let validators = sizes.iter().map(|size| u64::from(*size)).sum::<u64>();
    if sizes.contains(&0) {
        return 1.;
    }
    if byzantine == 0 || sizes.is_empty() {
        return 0.;
    }
    if u64::from(byzantine) >= validators {
        return 1.;
    }
    // Validators that are Byzantine independently of each other, with whatever probability, are
    // the random assignment once there are `byzantine` in all. This probability makes that likely.
    let p = f64::from(byzantine) / validators as f64;
    let mut placed = Placed::none(byzantine);
    sizes.iter().for_each(|size| placed = placed.with_shard(*size, p));
    placed.any_bad()
}

/// By how many Byzantine members the shards so far have in all: the probability of that many with
/// no bad shard, and with one.
struct Placed {
    sound: Vec<f64>,
    bad: Vec<f64>,
}

impl Placed {
    fn none(byzantine: u16) -> Self {
        let bad = vec![0.; usize::from(byzantine).saturating_add(1)];
        let mut sound = bad.clone();
        sound.iter_mut().take(1).for_each(|of_none| *of_none = 1.);
        Self { sound, bad }
    }

    /// With a shard of `size` more, whose members are Byzantine with probability `p`.
    fn with_shard(&self, size: u16, p: f64) -> Self {
        let [mut sound, mut bad] = [&self.sound, &self.bad].map(|old| vec![0.; old.len()]);
        let (weights, least_bad) = (weights(size, p), usize::from(least_bad(size)));
        for (before, (was_sound, was_bad)) in self.sound.iter().zip(&self.bad).enumerate() {
            if was_sound + was_bad <= 0. {
                continue;
            }
            let now = sound.iter_mut().zip(&mut bad).skip(before);
            for (here, ((sound, bad), weight)) in now.zip(&weights).enumerate() {
                let stays = if here < least_bad { &mut *sound } else { &mut *bad };
                *stays += was_sound * weight;
                *bad += was_bad * weight;
            }
        }
        Self { sound, bad }
    }

    /// The probability of a bad shard, given that all Byzantine validators are placed.
    fn any_bad(&self) -> f64 {
        let [sound, bad] = [&self.sound, &self.bad].map(|of| of.last().copied().unwrap_or(0.));
        share(bad / (sound + bad))
    }
}

/// How many members of a shard of `size` are replaced at a time while an epoch changes:
/// k = min(⌊log₂ s⌋, ⌊(s − 1)/3⌋).
///
/// A shard of fewer than four tolerates nobody who is not there, and 0 is the answer.
///
/// ```
/// assert_eq!([3, 4, 7, 70, 600].map(omniledger::sizing::swap), [0, 1, 2, 6, 9]);
/// ```
pub fn swap(size: u16) -> u16 {
    let most = size.checked_ilog2().and_then(|log| u16::try_from(log).ok()).unwrap_or(0);
    most.min(tolerated(size))
}

/// A bound on the probability that an epoch has a bad shard, with `shards` of `size` members whose
/// memberships change gradually: 1/(1 − p) · m · P · (1 + ⌈s/k⌉), where P is [`binomial`] and k is
/// [`swap`]. At most 1.
///
/// The first factor counts the draws that the adversary has by leading one RandHound run after
/// the other, Σ pⁱ. It is never less than the paper's 4/3, which is for 25 %. The last counts the
/// mixed memberships on the way from one assignment to the next beside the assignment itself.
/// Where k is 0 the shards cannot change gradually, and the bound is 1.
///
/// ```
/// use omniledger::sizing::epoch;
///
/// // Sixteen shards of 70 at 12.5 %: 4/3 · 16 · 2.2·10⁻⁶ · 13.
/// assert_eq!(format!("{:.0e}", epoch(16, 70, 0.125)), "6e-4");
/// ```
pub fn epoch(shards: u16, size: u16, adversary: f64) -> f64 {
    let bad = binomial(size, adversary);
    if shards == 0 || bad <= 0. {
        return 0.;
    }
    let steps = match swap(size) {
        0 => return 1.,
        together => f64::from(size.div_ceil(together)) + 1.,
    };
    let draws = 1. / (1. - share(adversary).max(0.25));
    share(draws * f64::from(shards) * bad * steps)
}

/// The least size of a shard that is bad with a probability of at most `bound`, when each validator
/// is Byzantine with probability `adversary`. `None`: no size is.
///
/// **A larger shard is not always safer**: f grows with every third member alone.
///
/// ```
/// use omniledger::sizing::{binomial, smallest_shard};
///
/// let sizes = [0.01, 0.05, 0.125, 0.25].map(|adversary| smallest_shard(adversary, 1e-6));
/// assert_eq!(sizes, [13, 28, 76, 646].map(Some));
/// assert!(binomial(77, 0.125) > 1e-6);
/// assert_eq!(smallest_shard(0.34, 1e-6), None);
/// ```
pub fn smallest_shard(adversary: f64, bound: f64) -> Option<u16> {
    // Of the three sizes with one f, the least is the safest.
    (1..=u16::MAX).step_by(3).find(|size| binomial(*size, adversary) <= bound)
}

/// −log₂ of a probability: how many bits of security it is. Infinite for 0.
///
/// ```
/// use omniledger::sizing::{binomial, bits};
///
/// assert_eq!(format!("{:.1}", bits(binomial(600, 0.25))), "18.4");
/// ```
pub fn bits(probability: f64) -> f64 {
    0. - log2(share(probability))
}

/// A probability, of whatever number.
const fn share(number: f64) -> f64 {
    number.min(1.).max(0.)
}

/// f = ⌊(s − 1)/3⌋.
fn tolerated(size: u16) -> u16 {
    u16::try_from(faulty(size.into())).unwrap_or(u16::MAX)
}

/// f + 1.
fn least_bad(size: u16) -> u16 {
    tolerated(size).saturating_add(1)
}

/// The whole number next below `mode`, or what is nearest to it in the range.
fn mode(mode: f64, range: &RangeInclusive<u16>) -> u16 {
    (mode as u16).max(*range.start()).min(*range.end())
}

/// ln of the number of ways to choose `k` of `n`.
fn ln_choose(n: f64, k: f64) -> f64 {
    lgamma(n + 1.) - lgamma(k + 1.) - lgamma(n - k + 1.)
}

/// The sum of a distribution over a range, from the logarithm of its greatest term there.
fn sum(range: RangeInclusive<u16>, peak: u16, ln_peak: f64, next: impl Fn(f64) -> f64) -> f64 {
    // The 65,535 terms there may be do not change the sum where they are less.
    let multiples: f64 = terms(range, peak, 1e-21, next).iter().map(|(_, term)| term).sum();
    share(exp(ln_peak) * multiples)
}

/// The terms of a distribution over a range, by their places, as multiples of the one at `peak`,
/// the greatest. `next(k)` is the term at k + 1 divided by the one at k. Terms below `least` are
/// left out.
fn terms(
    range: RangeInclusive<u16>,
    peak: u16,
    least: f64,
    next: impl Fn(f64) -> f64,
) -> Vec<(u16, f64)> {
    let mut terms = Vec::new();
    let mut term = 1.;
    for k in peak..=*range.end() {
        if term < least {
            break;
        }
        terms.push((k, term));
        term *= next(k.into());
    }
    term = 1.;
    for k in (*range.start()..peak).rev() {
        term /= next(k.into());
        if term < least {
            break;
        }
        terms.push((k, term));
    }
    terms
}

/// P\[Bin(s, p) = k + 1\] / P\[Bin(s, p) = k\].
fn next_binomial(s: f64, p: f64) -> impl Fn(f64) -> f64 {
    move |k| (s - k) / (k + 1.) * (p / (1. - p))
}

/// The probabilities that 0, 1, … of `size` members are Byzantine, when each is with probability
/// `p`, strictly between 0 and 1.
fn weights(size: u16, p: f64) -> Vec<f64> {
    let (s, range) = (f64::from(size), 0..=size);
    let peak = mode((s + 1.) * p, &range);
    let terms = terms(range, peak, f64::MIN_POSITIVE, next_binomial(s, p));
    let total: f64 = terms.iter().map(|(_, term)| term).sum();
    let mut weights = vec![0.; usize::from(size).saturating_add(1)];
    for (k, term) in terms {
        if let Some(weight) = weights.get_mut(usize::from(k)) {
            *weight = term / total;
        }
    }
    weights
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "overflow fails the test")]
mod tests {
    extern crate std;

    use std::format;

    use proptest::prelude::*;

    use super::*;

    /// The number of ways to choose `k` of `n`, in whole numbers.
    fn choose(n: u64, k: u64) -> u128 {
        (0..k).fold(1, |ways, i| ways * u128::from(n - i) / u128::from(i + 1))
    }

    /// More than a third of the members, or a third of them.
    fn is_bad(byzantine: u64, size: u64) -> bool {
        3 * byzantine >= size
    }

    /// Whether two numbers are the same but for a billionth.
    fn same(one: f64, other: f64) -> bool {
        one == other || (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
    }

    /// P[Bin(s, a/d) is bad], as a fraction of dˢ.
    fn binomial_in_whole_numbers(size: u64, a: u128, d: u128) -> f64 {
        let exponent = |of: u64| u32::try_from(of).unwrap();
        let ways = (0..=size)
            .filter(|k| is_bad(*k, size))
            .map(|k| choose(size, k) * a.pow(exponent(k)) * (d - a).pow(exponent(size - k)));
        ways.sum::<u128>() as f64 / d.pow(exponent(size)) as f64
    }

    /// All draws of a shard that are bad, as a fraction of all there are.
    fn hypergeometric_in_whole_numbers(n: u64, b: u64, s: u64) -> f64 {
        let draws = |k: u64| choose(b, k) * choose(n - b, s - k);
        let bad = (0..=s.min(b)).filter(|k| s - k <= n - b && is_bad(*k, s));
        bad.map(draws).sum::<u128>() as f64 / choose(n, s) as f64
    }

    #[test]
    fn the_papers_sizes_are_as_safe_as_it_says() {
        for (size, adversary, expected) in [(70, 0.125, "2.2e-6"), (600, 0.25, "3.0e-6")] {
            assert_eq!(format!("{:.1e}", binomial(size, adversary)), expected);
        }
        for (adversary, size) in [(0.01, 13), (0.05, 28), (0.125, 76), (0.25, 646)] {
            assert_eq!(smallest_shard(adversary, 1e-6), Some(size));
            assert!((1..size).all(|smaller| binomial(smaller, adversary) > 1e-6), "{size}");
        }
    }

    #[test]
    fn binomial_is_the_sum_of_its_terms() {
        for size in 1..=40 {
            for (a, d) in [(1, 8), (1, 4), (1, 3), (1, 2), (2, 3), (7, 8)] {
                let expected = binomial_in_whole_numbers(size, a, d);
                let found = binomial(size.try_into().unwrap(), a as f64 / d as f64);
                assert!(same(found, expected), "{size} {a}/{d}: {found} {expected}");
            }
        }
    }

    #[test]
    fn hypergeometric_counts_the_draws() {
        for (n, b, s) in
            (1..=24).flat_map(|n| (0..=n).flat_map(move |b| (1..=n).map(move |s| (n, b, s))))
        {
            let expected = hypergeometric_in_whole_numbers(n, b, s);
            let [validators, byzantine, size] = [n, b, s].map(|of| u16::try_from(of).unwrap());
            let found = hypergeometric(validators, byzantine, size);
            assert!(same(found, expected), "{n} {b} {s}: {found} {expected}");
        }
        assert!(same(hypergeometric(120, 30, 60), hypergeometric_in_whole_numbers(120, 30, 60)));
    }

    /// Which assignments are bad, by going through all sets of Byzantine validators.
    #[test]
    fn any_shard_counts_the_assignments() {
        for sizes in
            [&[4, 4, 4][..], &[7, 7], &[1, 4, 3, 2], &[5, 4, 4], &[12], &[1, 1], &[10, 1, 4]]
        {
            let n: u16 = sizes.iter().sum();
            let (mut bad, mut all) = (std::vec![0_u32; 20], std::vec![0_u32; 20]);
            for set in 0..1_u32 << n {
                let mut rest = set;
                let broken = sizes.iter().fold(false, |broken, size| {
                    let members = rest & ((1 << size) - 1);
                    rest >>= size;
                    broken | is_bad(members.count_ones().into(), u64::from(*size))
                });
                let byzantine = set.count_ones() as usize;
                all[byzantine] += 1;
                bad[byzantine] += u32::from(broken);
            }
            for byzantine in 0..=n {
                let at = usize::from(byzantine);
                let (expected, found) =
                    (f64::from(bad[at]) / f64::from(all[at]), any_shard(byzantine, sizes));
                assert!(same(found, expected), "{sizes:?} {byzantine}: {found} {expected}");
            }
        }
    }

    /// It is no less than one shard's, no more than the sum, and as exact where it is tiny.
    #[test]
    fn any_shard_is_at_most_the_sum_of_the_shards() {
        for (validators, byzantine, shards) in
            [(28, 4, 4), (28, 8, 4), (64, 8, 8), (1_800, 225, 25), (1_800, 180, 6)]
        {
            let size = validators / shards;
            let sizes = std::vec![size; shards.into()];
            let (one, any) =
                (hypergeometric(validators, byzantine, size), any_shard(byzantine, &sizes));
            let sum = one * f64::from(shards);
            assert!(one <= any && any <= sum * (1. + 1e-9), "{one} {any} {sum}");
            assert!(sum > 1e-3 || any > sum * (1. - sum), "{any} {sum}");
        }
    }

    /// Who is in the shard, and who is Byzantine, can be drawn in either order.
    #[test]
    fn hypergeometric_is_the_same_from_either_side() {
        for (n, b, s) in [
            (1_800_u16, 450, 600),
            (1_800, 599, 450),
            (60_000, 15_000, 600),
            (65_535, 9_000, 2_000),
        ] {
            let [total, byzantine, size] = [n, b, s].map(f64::from);
            let ln_factorial = |of: f64| (1..=of as u32).map(|k| f64::from(k).ln()).sum::<f64>();
            let ways = |n: f64, k: f64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
            let all = ways(total, byzantine);
            let range = s.div_ceil(3)..=s.min(b);
            // The Byzantine ones are drawn here, and the shard's members in the code.
            let mut term = 0.;
            let mut sum = 0.;
            for k in range.clone() {
                let at = f64::from(k);
                if k == *range.start() {
                    term = (ways(size, at) + ways(total - size, byzantine - at) - all).exp();
                }
                sum += term;
                term *= (size - at) * (byzantine - at)
                    / ((at + 1.) * (total - size - byzantine + at + 1.));
            }
            let found = hypergeometric(n, b, s);
            assert!((found - sum).abs() <= 1e-8 * sum, "{n} {b} {s}: {found} {sum}");
        }
    }

    #[test]
    fn the_epochs_bound_is_the_formula() {
        for (shards, size, adversary, times) in [
            // 1 + ⌈70/6⌉, 1 + ⌈600/9⌉, 1 + ⌈646/9⌉.
            (16, 70, 0.125, 16. * 13.),
            (25, 600, 0.25, 25. * 68.),
            (1, 646, 0.25, 73.),
        ] {
            let expected = 4. / 3. * times * binomial(size, adversary);
            assert!(same(epoch(shards, size, adversary), expected), "{shards} {size} {adversary}");
        }
        let bad = binomial_in_whole_numbers(4, 1, 30);
        assert!(same(epoch(1, 4, 1. / 30.), 4. / 3. * 5. * bad));
        let bad = binomial_in_whole_numbers(31, 3, 10);
        assert!(same(epoch(1, 31, 0.3), (1. / 0.7 * 9. * bad).min(1.)));
        assert_eq!(
            (epoch(1, 3, 1e-9), epoch(1, 3, 0.), epoch(0, 3, 1.), epoch(1, 100, 1.)),
            (1., 0., 0., 1.)
        );
    }

    #[test]
    fn where_nobody_or_everybody_is_byzantine_nothing_is_left_to_chance() {
        for size in [1, 2, 3, 4, 70, 600, u16::MAX] {
            for (adversary, expected) in
                [(0., 0.), (-0., 0.), (-7., 0.), (1., 1.), (7., 1.), (f64::NAN, 1.)]
            {
                assert_eq!(binomial(size, adversary), expected, "{size} {adversary}");
            }
            assert_eq!((hypergeometric(size, 0, size), hypergeometric(size, size, 1)), (0., 1.));
            assert_eq!((any_shard(0, &[size, size]), any_shard(u16::MAX, &[size])), (0., 1.));
            // All are in the shard.
            let tolerated = size.div_ceil(3) - 1;
            assert_eq!(hypergeometric(size, tolerated, size), 0.);
            assert_eq!(hypergeometric(size, tolerated + 1, size), 1.);
        }
        assert_eq!(
            (binomial(0, 0.), hypergeometric(9, 0, 0), hypergeometric(0, 0, 9)),
            (1., 1., 1.)
        );
        assert_eq!((any_shard(1, &[]), any_shard(0, &[4, 0])), (0., 1.));
        assert_eq!(
            (smallest_shard(0., 0.), smallest_shard(1., 0.5), smallest_shard(0.1, f64::NAN)),
            (Some(1), None, None)
        );
        assert_eq!((bits(0.), bits(1.), bits(0.125), bits(f64::NAN)), (f64::INFINITY, 0., 3., 0.));
    }

    proptest! {
        #[test]
        fn any_input_has_a_probability(
            [size, validators, byzantine, shards] in any::<[u16; 4]>(),
            adversary in prop_oneof![proptest::num::f64::ANY, 0. ..=1.],
        ) {
            let sizes = [size % 64, shards % 64, validators % 64];
            for found in [
                binomial(size, adversary),
                hypergeometric(validators, byzantine, size),
                any_shard(byzantine, &sizes),
                epoch(shards, size, adversary),
            ] {
                prop_assert!((0. ..=1.).contains(&found), "{found}");
            }
            prop_assert!(bits(adversary) >= 0.);
        }

        #[test]
        fn more_byzantine_validators_are_never_better(
            size in 1..2_000_u16,
            validators in 1..u16::MAX,
            [less, more] in any::<[u16; 2]>(),
        ) {
            let (less, more) = (less.min(more), less.max(more));
            let [few, many] = [less, more].map(|of| hypergeometric(validators, of.min(validators), size));
            let [rare, often] = [less, more].map(|of| binomial(size, f64::from(of) / 65_535.));
            prop_assert!(few <= many * (1. + 1e-8), "{few} {many}");
            prop_assert!(rare <= often * (1. + 1e-8), "{rare} {often}");
        }

        #[test]
        fn of_the_sizes_with_one_f_the_least_is_the_safest(f in 0..300_u16, adversary in 0. ..1.) {
            let [least, middle, most] = [1, 2, 3].map(|above| binomial(3 * f + above, adversary));
            prop_assert!(least <= middle * (1. + 1e-8) && middle <= most * (1. + 1e-8));
        }
    }
}
