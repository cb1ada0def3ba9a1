//! One binary a story, made of the protocol crates.
//!
//! - `omniledger` commits a block of Bitcoin's mainnet on a replicated ledger and checks it.
//! - `witness` has files cosigned by processes that remember what they signed.
//! - `beacon` draws public randomness among processes, and winners by it, and checks both.
//! - `evaluate` holds the crates to their targets.
//!
//! This library holds what several of them need, and the tests of the repository's README.

mod bar;
pub mod cli;
pub mod files;
pub mod report;
mod seen;
mod stopwatch;

use curve25519_dalek::rand_core::{CryptoRng, UnwrapErr};
use getrandom::SysRng;

pub use crate::{bar::Bar, seen::Seen, stopwatch::Stopwatch};

/// The operating system's entropy. A system without any is not one to make keys on.
pub fn entropy() -> impl CryptoRng + Send + 'static {
    UnwrapErr(SysRng)
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
