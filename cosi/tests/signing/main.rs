//! Collective signatures and certificates, under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod ahead;
mod bench;
mod certificate;
mod common;
mod declining;
mod forgetting;
mod framing;
mod hedging;
mod leaders;
mod naming;
mod policies;
mod progress;
mod quotas;
mod reach;
mod reference;
mod ros;
mod rounds;
mod scripted;
mod sessions;
mod singles;
mod strategies;
mod verdicts;
mod wire;
