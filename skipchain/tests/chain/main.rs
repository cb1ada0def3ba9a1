//! The promises of the crate, each under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod anchor;
mod backward;
mod common;
mod endorser;
mod format;
mod forward;
mod headers;
mod refusals;
mod timeline;
