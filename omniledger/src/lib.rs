#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

pub mod genesis;
pub mod ledger;
mod rejection;
pub mod transaction;
pub mod utxo;

pub use cosi::{keys, roster, wire};
pub use skipchain::Shape;
