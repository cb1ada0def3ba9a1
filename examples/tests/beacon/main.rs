//! `beacon` as its users run it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;
mod draws;
#[cfg(unix)]
mod processes;
mod simulated;
mod tampering;
