//! One binary a story, made of the protocol crates. This library holds the tests of the
//! repository's README.
//!
//! - `omniledger` commits a block of Bitcoin's mainnet on a replicated ledger and checks it.
//! - `witness` has files cosigned by processes that remember what they signed.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
