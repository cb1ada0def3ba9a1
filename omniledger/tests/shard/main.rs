//! A shard's validators and wallets, its decisions and receipts, under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod bounds;
mod decision;
mod messages;
mod network;
mod receipt;
mod town;
mod validator;
mod wallet;
