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
    for sizes in [&[4, 4, 4][..], &[7, 7], &[1, 4, 3, 2], &[5, 4, 4], &[12], &[1, 1], &[10, 1, 4]] {
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
    for (n, b, s) in
        [(1_800_u16, 450, 600), (1_800, 599, 450), (60_000, 15_000, 600), (65_535, 9_000, 2_000)]
    {
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
            term *=
                (size - at) * (byzantine - at) / ((at + 1.) * (total - size - byzantine + at + 1.));
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
    assert_eq!((binomial(0, 0.), hypergeometric(9, 0, 0), hypergeometric(0, 0, 9)), (1., 1., 1.));
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
