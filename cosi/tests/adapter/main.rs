//! The adapters to tokio: the driver, networks and journals.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;
#[cfg(feature = "redb")]
mod disk;
mod driver;
mod hostile;
mod ringer;
mod signing;
mod tcp;
