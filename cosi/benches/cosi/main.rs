//! What verifying, registering and signing cost, beside the peers: `cargo bench -p cosi`.
//!
//! `cargo run --release --bin evaluate -- cosi` measures the same within a minute, and judges it.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_types,
    missing_docs,
    unreachable_pub,
    reason = "a bench measures, with real clocks"
)]

mod work;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};

use crate::work::{
    Costs, Frost, Round, Signed, Single, decode, decompress, encoded, keys, members, register,
};

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(2));
    group
}

fn verify(c: &mut Criterion) {
    let mut group = group(c, "verify");
    let single = Single::new();
    group.bench_function("ed25519-dalek strict, 1 signer", |b| b.iter(|| assert!(single.verify())));
    let frost = Frost::new(100, 67).expect("a threshold below the size");
    group.bench_function("frost-ed25519, 67 of 100", |b| b.iter(|| assert!(frost.verify())));
    for (size, present) in [(144, 144), (1024, 683), (4096, 4096)] {
        let signed = Signed::new(&Round::new(size, present));
        assert!(signed.is_sound());
        let name = format!("cosi, {present} of {size}");
        group.bench_function(name, |b| b.iter(|| assert!(signed.verify())));
    }
    group.finish();
}

fn registration(c: &mut Criterion) {
    let mut group = group(c, "4,096 keys");
    let members = members(&keys(4096));
    let encoded = encoded(&members);
    group.throughput(Throughput::Elements(4096));
    group.bench_function("decode", |b| b.iter(|| assert!(decode(&encoded).is_some())));
    group.bench_function("curve25519-dalek decompress", |b| {
        b.iter(|| assert_eq!(decompress(&encoded), 4096));
    });
    group.bench_function("register", |b| {
        let members = || members.clone();
        b.iter_batched(
            members,
            |members| assert!(register(members).is_some()),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Rounds at one of their two sides.
fn rounds(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    round: impl Fn() -> Costs,
    side: fn(&Costs) -> Duration,
) {
    group.bench_function(name, |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| side(&round())).sum());
    });
}

fn sign(c: &mut Criterion) {
    let mut group = group(c, "sign, 67 of 100");
    let round = Round::new(100, 67);
    let cosi = || round.sign().1;
    rounds(&mut group, "cosi, leader", cosi, |costs| costs.leader);
    rounds(&mut group, "cosi, cosigner", cosi, |costs| costs.signer);
    let frost = Frost::new(100, 67).expect("a threshold below the size");
    let frost = || frost.sign().expect("each signs with its own share");
    rounds(&mut group, "frost-ed25519, coordinator", frost, |costs| costs.leader);
    rounds(&mut group, "frost-ed25519, signer", frost, |costs| costs.signer);
    group.finish();
}

criterion_group!(benches, verify, registration, sign);
criterion_main!(benches);
