//! Sessions across shards, attacked.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod attacks;
mod client;
mod common;
mod explore;
mod limits;
mod reference;
mod sealed;
mod wire;
