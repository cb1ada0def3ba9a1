#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

pub mod client;
pub mod inclusion;
pub mod malformed;
pub mod message;
pub mod proof;
pub mod refusal;
pub mod rules;
pub mod shard;
pub mod transaction;
pub mod verdict;

pub use client::Client;
#[cfg(feature = "tokio")]
pub use cosi::tokio;
pub use cosi::{keys, machine, merkle, roster, wire};
pub use inclusion::{InBlock, Place, Rosters, Sealed, Seen};
pub use malformed::Malformed;
pub use message::{Action, Message, Request};
pub use proof::{Proof, ProofError, Shards};
pub use refusal::Refusal;
pub use rules::{Checked, Parameters, Rules};
pub use shard::{Done, ShardState};
pub use transaction::{
    Declaration, GenesisId, Input, Mode, Outpoint, Output, Session, Transaction,
};
pub use verdict::{Outcome, Verdict};
