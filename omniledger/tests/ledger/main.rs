//! A ledger of many shards, under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and picks what it looks for"
)]

mod adversary;
mod beacon;
mod bounds;
mod branch;
mod decision;
mod epoch;
mod genesis;
mod network;
mod node;
mod payments;
mod receipt;
mod reference;
mod shards;
mod town;
mod validator;
mod wallet;
mod wire;
