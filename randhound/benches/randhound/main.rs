//! What a session's parts cost a client, a verifier and a rescuer: `cargo bench -p randhound`.
//!
//! `cargo run --release --bin evaluate -- randhound` measures whole runs, and judges them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "a bench measures, with real clocks, and fails by panicking"
)]

mod work;

use std::{collections::BTreeMap, time::Duration};

use cosi::keys::Seed;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use randhound::{
    coded::{self, Coded},
    vrf::VrfSecret,
};

use crate::work::{Acknowledging, World};

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("groups of 32");
    group.sample_size(10).warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(2));
    for servers in [128, 1024] {
        let world = World::new(servers, 32).expect("a sound committee");
        let run = world.run(Acknowledging::Collective).expect("an output");
        assert!(run.is_sound(&world));
        let session = world.session().expect("sound terms");
        let id = |work| BenchmarkId::new(work, servers);
        group.bench_function(id("open a session"), |b| b.iter(|| world.session().expect("terms")));
        group.bench_function(id("verify a transcript"), |b| {
            b.iter(|| run.verify(&world).expect("a sound transcript"));
        });
        let deals = || run.transcript.groups.iter().map(|part| &part.deals);
        let coded = Coded::new(&session, deals()).expect("deals that fit");
        group.bench_function(id("code the deals"), |b| {
            b.iter(|| Coded::new(&session, deals()).expect("deals that fit"));
        });
        let last = session.roster().indices().skip(coded::enough(&session));
        let fragments: BTreeMap<_, _> = last
            .take(coded::enough(&session))
            .filter_map(|server| Some((server, coded.fragment(server)?)))
            .collect();
        group.bench_function(id("rebuild the deals"), |b| {
            b.iter(|| coded::rebuild(&session, &fragments).expect("f + 1 fragments"));
        });
    }
    group.finish();
}

fn values(c: &mut Criterion) {
    let mut group = c.benchmark_group("vrf, ELL2");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    let secret = VrfSecret::derive(&Seed::from_bytes([7; 32]));
    let key = secret.key();
    group.bench_function("prove", |b| b.iter(|| secret.prove(b"leader of epoch 7")));
    let (proof, output) = secret.prove(b"leader of epoch 7");
    group.bench_function("verify", |b| {
        b.iter(|| assert!(key.verify(b"leader of epoch 7", &proof) == Ok(output)));
    });
    group.finish();
}

criterion_group!(benches, sessions, values);
criterion_main!(benches);
