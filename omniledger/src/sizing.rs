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
mod tests;
