//! Sharing and recovering, and every attack on it: against the form that falls to it, and here.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod attacks;
mod batches;
mod common;
mod formats;
mod keys;
mod opening;
mod published;
mod recovery;
mod schoenmakers;
mod shares;
mod sharing;
