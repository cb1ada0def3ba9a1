//! The simulator, held to arithmetic that is not its own.
#![cfg(feature = "sim")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod adversary;
mod bugs;
mod crashes;
mod links;
mod processors;
mod replay;
mod teller;
mod witnesses;
