#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;
#[cfg(feature = "sim")]
extern crate std;

pub mod genesis;
pub mod ledger;
mod rejection;
pub mod transaction;
pub mod utxo;
