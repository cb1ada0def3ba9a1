//! Votes that a leader gathers by collective signing: the machine by itself, and replicas that
//! decide by it in the simulator, under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod bounds;
mod cluster;
mod common;
mod crashes;
mod machine;
mod replicas;
mod strategies;
mod wire;
