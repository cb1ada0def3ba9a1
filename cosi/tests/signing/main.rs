//! Collective signatures and certificates, under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod certificate;
mod common;
mod framing;
mod quotas;
mod reference;
mod ros;
mod scripted;
mod sessions;
mod strategies;
mod wire;
