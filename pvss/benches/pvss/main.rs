//! What dealing, checking and opening cost at n = 32, t = 11, on one thread but for the rows that
//! say otherwise: `cargo bench -p pvss`.
//!
//! `cargo run --release --bin evaluate -- pvss` measures the same within a minute, judges it, and
//! puts the crate `pvss` of crates.io beside it, as does `cargo bench -p examples --bench pvss`:
//! were it among the dependencies here, `-p pvss` would name either.
#![allow(missing_docs, unreachable_pub, reason = "a bench measures")]

mod work;

use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use pvss::Scheme;

use crate::work::{Group, MEMBERS, verify_many};

/// How many groups make 1,024 dealers.
const GROUPS: usize = 32;

fn rows(rows: &mut BenchmarkGroup<'_, WallTime>, scheme: Scheme) {
    let group = Group::new(scheme, 0);
    assert!(group.is_sound());
    rows.bench_function("deal", |b| b.iter(|| group.deal().expect("there is a dealer")));
    rows.bench_function("verify one deal", |b| b.iter(|| assert!(group.verify_one(0))));

    let all = u64::try_from(MEMBERS).unwrap_or_default();
    rows.throughput(Throughput::Elements(all));
    rows.bench_function("verify a group's 32 deals", |b| {
        b.iter(|| assert!(group.verify().iter().all(|holds| *holds)));
    });
    rows.bench_function("curve25519-dalek decompress a group's points", |b| {
        b.iter(|| assert_eq!(group.decompress(), group.points()));
    });
    rows.throughput(Throughput::Elements(1));

    let mut opening = group.opening().expect("the deal verifies");
    rows.bench_function("decrypt and prove a share", |b| {
        b.iter(|| opening.decrypt().expect("the same choice as before"));
    });
    let shares = opening.shares();
    assert!(shares.iter().all(|share| opening.holds(share)));
    rows.bench_function("verify 11 shares and recover", |b| {
        b.iter(|| opening.recover(&shares).expect("all verify"));
    });
}

fn many(rows: &mut BenchmarkGroup<'_, WallTime>, scheme: Scheme) {
    let groups: Vec<_> = (0..GROUPS).map(|number| Group::new(scheme, number)).collect();
    let all = GROUPS.saturating_mul(MEMBERS);
    let check = || assert_eq!(verify_many(&groups), all);
    rows.sample_size(10).throughput(Throughput::Elements(u64::try_from(all).unwrap_or_default()));
    rows.bench_function("verify the deals of 1,024 dealers", |b| b.iter(check));
    let threads = rayon::ThreadPoolBuilder::new().build().expect("a system with threads");
    rows.bench_function("verify the deals of 1,024 dealers, on all processors", |b| {
        b.iter(|| threads.install(check));
    });
}

fn schemes(c: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1);
    one.build_global().expect("nobody has asked for threads before");
    for scheme in [Scheme::Dhpvss, Scheme::Schoenmakers] {
        let mut group = c.benchmark_group(format!("{scheme:?}"));
        group.sample_size(20).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        rows(&mut group, scheme);
        many(&mut group, scheme);
        group.finish();
    }
}

criterion_group!(benches, schemes);
criterion_main!(benches);
