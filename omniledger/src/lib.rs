#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

pub mod chain;
mod decision;
pub mod genesis;
pub mod ledger;
pub mod message;
pub mod node;
mod pool;
pub mod receipt;
mod rejection;
pub mod sizing;
pub mod transaction;
pub mod utxo;
pub mod validator;
pub mod wallet;

pub use byzcoin;
pub use cosi::{domain, keys, machine, roster, wire};
pub use skipchain::{self, Shape};

pub use self::{
    decision::Decision,
    genesis::{Genesis, GenesisId},
    message::{Message, Peer},
    node::Node,
    pool::{PoolLimits, Refusal},
    receipt::{Receipt, Stranger},
    transaction::{Session, Transaction},
    validator::Validator,
    wallet::Wallet,
};
