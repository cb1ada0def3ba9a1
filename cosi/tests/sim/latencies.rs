//! Distributions, held to floating-point mathematics that they do not use, and regions.

use std::time::Duration;

use cosi::sim::{Flaw, Latency, Matrix, Network, Quantiles};

use crate::teller::{Command, millis, run, tellers};

const DRAWS: u64 = 4000;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What so many messages took, in milliseconds, in ascending order.
fn draws(latency: Latency, seed: u64) -> Vec<f64> {
    let mut sim = tellers(Network { seed, latency, ..Network::default() }, 2);
    (0..DRAWS).for_each(|round| sim.command(millis(round), 1, Command::Say(round)));
    run(&mut sim);
    let heard = sim.application().heard(2).into_iter();
    let delays = heard.map(|(at, _, round, _)| (at.since_epoch() - ms(round)).as_secs_f64() * 1e3);
    let mut delays: Vec<_> = delays.collect();
    delays.sort_by(f64::total_cmp);
    assert_eq!(delays.len(), DRAWS as usize);
    delays
}

/// Checks every thousandth of the draws' distribution function against `quantile`'s, by
/// Kolmogorov and Smirnov: 4,000 draws stray by more than 0.0308 once in a thousand times.
fn follows(draws: &[f64], cumulative: impl Fn(f64) -> f64) {
    for (at, draw) in draws.iter().enumerate() {
        let off = (cumulative(*draw) - at as f64 / draws.len() as f64).abs();
        assert!(off < 0.0308, "{off} at {draw} ms");
    }
}

/// The normal distribution function, by Simpson's rule from the mean on.
fn normal(z: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.).exp() / (2. * std::f64::consts::PI).sqrt();
    let steps = 100;
    let width = z / f64::from(steps);
    let area: f64 = (0..steps)
        .map(|step| {
            let x = f64::from(step) * width;
            (density(x) + 4. * density(x + width / 2.) + density(x + width)) * width / 6.
        })
        .sum();
    0.5 + area
}

#[test]
fn exponential() {
    let drawn = draws(Latency::Exponential { least: ms(20), mean: ms(40) }, 7);
    assert!(drawn[0] >= 20. && drawn[0] < 20.2);
    follows(&drawn, |x| 1. - (-(x - 20.) / 40.).exp());
    // The tail is there: one in a thousand exceeds 6.9 means.
    assert!(drawn[DRAWS as usize - 1] > 20. + 6.5 * 40.);
}

#[test]
fn normal_and_never_below_zero() {
    let drawn = draws(Latency::Normal { mean: ms(50), deviation: ms(10) }, 7);
    follows(&drawn, |x| normal((x - 50.) / 10.));
    let tails = (drawn[0], drawn[DRAWS as usize - 1]);
    assert!(tails.0 < 22. && tails.0 > -10. && tails.1 > 78. && tails.1 < 110., "{tails:?}");
    let wide = draws(Latency::Normal { mean: ms(10), deviation: ms(10) }, 7);
    let zeros = wide.iter().filter(|draw| **draw == 0.).count();
    // Below one deviation under the mean: 634.6 ± 23.1 of 4,000; the range is five deviations.
    assert!((520..=750).contains(&zeros), "{zeros}");
}

#[test]
fn log_normal() {
    for (median, sigma) in [(80., 250_u16), (3., 1500)] {
        let latency = Latency::LogNormal {
            median: Duration::from_millis(median as u64),
            sigma_per_mille: sigma,
        };
        let drawn = draws(latency, 7);
        follows(&drawn, |x| normal((x / median).ln() / (f64::from(sigma) / 1000.)));
    }
    let fixed = draws(Latency::LogNormal { median: ms(80), sigma_per_mille: 0 }, 7);
    assert_eq!((fixed[0], fixed[DRAWS as usize - 1]), (80., 80.));
    // As wide as it gets, it saturates.
    let latency = Latency::LogNormal { median: Duration::MAX, sigma_per_mille: u16::MAX };
    let mut sim = tellers(Network { latency, ..Network::default() }, 2);
    (0..50).for_each(|round| sim.command(millis(0), 1, Command::Say(round)));
    assert!(sim.run_until(millis(1), |_| false).is_ok());
}

#[test]
fn quantiles_as_given() {
    let points = [10, 20, 60, 70, 400].map(ms).to_vec();
    let drawn = draws(Latency::Quantiles(Quantiles::new(points).unwrap()), 7);
    assert!(drawn[0] >= 10. && drawn[DRAWS as usize - 1] < 400.);
    let points = [10., 20., 60., 70., 400.];
    follows(&drawn, |x| {
        let range = points.windows(2).position(|range| x < range[1]).unwrap();
        (range as f64 + (x - points[range]) / (points[range + 1] - points[range])) / 4.
    });
    let one = draws(Latency::Quantiles(Quantiles::new(vec![ms(33)]).unwrap()), 7);
    assert_eq!((one[0], one[DRAWS as usize - 1]), (33., 33.));
    assert_eq!(Quantiles::new(vec![]), None);
    assert_eq!(Quantiles::new(vec![ms(2), ms(1)]), None);
}

#[test]
fn a_seed_draws_the_same_on_every_platform() {
    let distributions = [
        Latency::Jittered { least: ms(20), jitter: ms(40) },
        Latency::Exponential { least: ms(20), mean: ms(40) },
        Latency::Normal { mean: ms(50), deviation: ms(10) },
        Latency::LogNormal { median: ms(80), sigma_per_mille: 250 },
        Latency::Quantiles(Quantiles::new([10, 20, 60].map(ms).to_vec()).unwrap()),
    ];
    let first = |latency: &Latency, seed| {
        let mut sim = tellers(Network { seed, latency: latency.clone(), ..Network::default() }, 2);
        (1..=3).for_each(|round| sim.command(millis(0), 1, Command::Say(round)));
        run(&mut sim);
        let heard = sim.application().heard(2).into_iter();
        let mut times: Vec<_> =
            heard.map(|heard| (heard.2, heard.0.since_epoch().as_nanos())).collect();
        times.sort_unstable();
        times.into_iter().map(|(_, nanos)| nanos).collect::<Vec<_>>()
    };
    let drawn: Vec<_> = distributions.iter().map(|latency| first(latency, 7)).collect();
    assert_eq!(drawn, PINNED);
    assert!(distributions.iter().zip(&drawn).all(|(latency, drawn)| first(latency, 8) != *drawn));
}

/// Nanoseconds, as drawn on x86-64.
const PINNED: [[u128; 3]; 5] = [
    [20_933_424, 41_384_308, 58_055_442],
    [170_310_975, 45_048_881, 21_993_413],
    [41_613_943, 65_805_141, 50_255_762],
    [64_869_346, 118_766_000, 80_513_163],
    [10_466_712, 22_768_617, 56_110_884],
];

#[test]
fn regions_have_latencies_in_each_direction_and_links_go_first() {
    let fixed = |millis| Latency::Fixed(ms(millis));
    let matrix = Matrix::new(vec![vec![fixed(1), fixed(100)], vec![fixed(200), fixed(3)]]).unwrap();
    assert_eq!(matrix.regions(), 2);
    let mut sim = tellers(Network::default(), 4);
    sim.regions(matrix, |peer| usize::from(peer > 2));
    sim.link(1, 4, fixed(7));
    // One that comes later is in no region.
    sim.add(5, crate::teller::Config::Sound);
    (1..=5).for_each(|peer| sim.command(millis(0), peer, Command::Say(1)));
    run(&mut sim);
    let took = |from: u8| {
        let heard = |to| sim.application().heard(to).into_iter().find(|heard| heard.1 == from);
        (1..=5).filter(|to| *to != from).map(|to| heard(to).unwrap().0).collect::<Vec<_>>()
    };
    assert_eq!(took(1), [1, 100, 7, 50].map(millis));
    assert_eq!(took(2), [1, 100, 100, 50].map(millis));
    assert_eq!(took(3), [200, 200, 3, 50].map(millis));
    assert_eq!(took(5), [50; 4].map(millis));
}

#[test]
fn a_matrix_is_square_and_holds_every_region() {
    let fixed = Latency::Fixed(ms(1));
    assert_eq!(Matrix::new(vec![vec![fixed.clone(); 2]; 3]), None);
    assert_eq!(Matrix::new(vec![vec![fixed.clone()], vec![fixed.clone(); 2]]), None);
    let mut sim = tellers(Network::default(), 3);
    sim.regions(Matrix::new(vec![vec![fixed; 2]; 2]).unwrap(), usize::from);
    assert_eq!(sim.step().unwrap_err().flaw, Flaw::Region { peer: 2, region: 2, regions: 2 });
}
