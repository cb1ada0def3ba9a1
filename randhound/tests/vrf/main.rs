//! Verifiable random functions: the RFC's vectors, attacks, registrations and formats.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    non_snake_case,
    reason = "a test fails by panicking, and points are upper case"
)]

mod attacks;
mod common;
mod formats;
mod peer;
mod registrations;
mod vectors;
