//! What dealing, checking and opening cost at n = 32, t = 11: `cargo bench -p pvss`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking")]

use std::{sync::Arc, time::Duration};

use cosi::keys::{PublicKeyBytes, Seed};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pvss::{
    Chosen, Deal, Scheme, ShareKeys, ShareSecret, Sharing, Trustee, deal, recover, verify_all,
    verify_shares,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const MEMBERS: u8 = 32;
const THRESHOLD: usize = 11;

struct Group {
    sharing: Sharing,
    secrets: Vec<Arc<ShareSecret>>,
    deals: Vec<(PublicKeyBytes, Deal)>,
}

fn group(scheme: Scheme) -> Group {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let seeds = || (0..MEMBERS).map(|seed| Seed::from_bytes([seed; 32]));
    let secrets: Vec<_> =
        seeds().map(|seed| Arc::new(ShareSecret::derive(&seed, scheme))).collect();
    let owners: Vec<_> = seeds().map(|seed| *seed.signing_key().public()).collect();
    let members = owners.iter().zip(&secrets);
    let members: Vec<_> =
        members.map(|(owner, secret)| (*owner, secret.register(owner, &mut rng))).collect();
    let sharing =
        Sharing::new([7; 32], &ShareKeys::new(scheme, members).unwrap(), THRESHOLD).unwrap();
    let dealers = owners.iter().zip(&secrets);
    let deals = dealers
        .map(|(owner, secret)| {
            let owner = owner.to_bytes();
            (owner, deal(&sharing, &owner, secret, &mut rng).0)
        })
        .collect();
    Group { sharing, secrets, deals }
}

fn rows(c: &mut Criterion) {
    for scheme in [Scheme::Dhpvss, Scheme::Schoenmakers] {
        let Group { sharing, secrets, deals } = group(scheme);
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let mut rows = c.benchmark_group(format!("{scheme:?}"));
        rows.sample_size(20).warm_up_time(Duration::from_millis(300));
        rows.measurement_time(Duration::from_secs(2));

        let (owner, first) = deals.first().unwrap();
        let own = secrets.first().unwrap();
        rows.bench_function("deal", |b| b.iter(|| deal(&sharing, owner, own, &mut rng)));
        rows.bench_function("verify one deal", |b| {
            b.iter(|| first.verify(&sharing, owner).unwrap())
        });

        let batch = || verify_all(&sharing, deals.iter().map(|(owner, deal)| (*owner, deal)));
        rows.throughput(Throughput::Elements(MEMBERS.into()));
        rows.bench_function("verify a group's 32 deals", |b| b.iter(batch));
        rows.throughput(Throughput::Elements(1));

        let verified: Vec<_> = batch().into_iter().map(Result::unwrap).take(THRESHOLD).collect();
        rows.bench_function("choose 11 deals", |b| {
            b.iter(|| Chosen::sum(&sharing, &[1; 32], &verified).unwrap());
        });
        let chosen = Chosen::sum(&sharing, &[1; 32], &verified).unwrap();
        let trustee = |secret: &Arc<_>| Trustee::new(sharing.clone(), Arc::clone(secret)).unwrap();
        let mut opener = trustee(own);
        rows.bench_function("decrypt and prove a share", |b| {
            b.iter(|| opener.decrypt(&chosen, &mut rng).unwrap());
        });
        let shares: Vec<_> = secrets
            .iter()
            .take(THRESHOLD)
            .map(|secret| trustee(secret).decrypt(&chosen, &mut rng).unwrap())
            .collect();
        rows.bench_function("verify 11 shares and recover", |b| {
            b.iter(|| {
                let shares = verify_shares(&chosen, &shares);
                let shares: Vec<_> = shares.into_iter().map(Result::unwrap).collect();
                recover(&chosen, &shares).unwrap()
            });
        });
        rows.finish();
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
