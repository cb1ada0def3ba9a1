//! `witness` as its users run it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;
mod files;
#[cfg(unix)]
mod network;
mod raw;
#[cfg(unix)]
mod rogue;
#[cfg(unix)]
mod serving;
