//! RandShare: whole runs, attacks, limits and formats.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::large_enum_variant,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and holds few things"
)]

mod common;
mod formats;
mod limits;
mod published;
mod run;
mod secrets;
