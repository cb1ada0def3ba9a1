#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

pub mod chain;
mod decision;
pub mod epoch;
pub mod genesis;
mod identity;
pub mod ledger;
pub mod message;
pub mod node;
mod pool;
pub mod receipt;
mod shard;
pub mod sizing;
#[cfg(test)]
mod testing;
pub mod validator;
pub mod wallet;

pub use atomix::{self, GenesisId, Session, Transaction};
pub use byzcoin;
#[cfg(feature = "tokio")]
pub use cosi::tokio;
pub use cosi::{domain, keys, machine, roster, wire};
pub use randhound;
pub use skipchain::{self, Shape};

pub use self::{
    decision::Decision,
    epoch::{Epoch, EpochProof},
    genesis::Genesis,
    message::{Message, Peer},
    node::Node,
    pool::{PoolLimits, Refusal},
    receipt::{Receipt, Stranger},
    validator::Validator,
    wallet::Wallet,
};
