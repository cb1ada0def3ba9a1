//! Sharing among 32, of whom 11 recover, by `pvss` and by the crate of that name from crates.io:
//! `cargo bench -p examples --bench pvss`.
#![allow(missing_docs, reason = "a bench measures")]

#[path = "../src/bin/evaluate/pvss/peer.rs"]
mod peer;
#[path = "../../pvss/benches/pvss/work.rs"]
#[expect(dead_code, reason = "the peer has no batches, and no recovery in both schemes")]
mod work;

use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use pvss::Scheme;

use crate::{
    peer::{Scrape, Simple},
    work::{Group, MEMBERS, THRESHOLD},
};

fn ours(rows: &mut BenchmarkGroup<'_, WallTime>, scheme: Scheme) {
    let group = Group::new(scheme, 0);
    assert!(group.is_sound());
    let mut opening = group.opening().expect("the deal verifies");
    rows.bench_function("deal", |b| b.iter(|| group.deal().expect("there is a dealer")));
    rows.bench_function("verify one deal", |b| b.iter(|| assert!(group.verify_one(0))));
    rows.bench_function("decrypt and prove a share", |b| {
        b.iter(|| opening.decrypt().expect("the same choice as before"));
    });
}

fn schemes(c: &mut Criterion) {
    let group =
        |c: &mut Criterion, name: &str, rows: &dyn Fn(&mut BenchmarkGroup<'_, WallTime>)| {
            let mut group = c.benchmark_group(name);
            group.sample_size(20).warm_up_time(Duration::from_millis(300));
            rows(group.measurement_time(Duration::from_secs(2)));
            group.finish();
        };
    group(c, "DHPVSS", &|rows| ours(rows, Scheme::Dhpvss));
    group(c, "SCRAPE, crate pvss 0.3", &|rows| {
        let scrape = Scrape::new(MEMBERS, THRESHOLD).expect("it holds");
        rows.bench_function("deal", |b| b.iter(|| scrape.deal()));
        rows.bench_function("verify one deal", |b| b.iter(|| assert!(scrape.verify())));
        rows.bench_function("decrypt and prove a share", |b| b.iter(|| scrape.decrypt()));
    });
    group(c, "Schoenmakers", &|rows| ours(rows, Scheme::Schoenmakers));
    group(c, "Schoenmakers, crate pvss 0.3", &|rows| {
        let simple = Simple::new(MEMBERS, THRESHOLD).expect("it holds");
        rows.bench_function("deal", |b| b.iter(|| simple.deal()));
        rows.bench_function("verify one deal", |b| b.iter(|| assert!(simple.verify())));
    });
}

criterion_group!(benches, schemes);
criterion_main!(benches);
