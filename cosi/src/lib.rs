#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;
#[cfg(any(feature = "sim", feature = "tokio"))]
extern crate std;

pub mod blame;
pub mod certificate;
pub mod challenge;
pub mod cosigner;
pub mod domain;
pub mod keys;
pub mod leader;
pub mod machine;
pub mod mask;
pub mod merkle;
pub mod message;
pub mod nonce;
mod opening;
pub mod raw;
pub mod roster;
pub mod round;
pub mod session;
pub mod signature;
#[cfg(feature = "sim")]
pub mod sim;
mod step;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod transcript;
pub mod tree;
pub mod wire;
pub mod witness;

pub use certificate::{Attests, Certificate, Statement};
pub use cosigner::Cosigner;
pub use leader::Leader;
pub use signature::{CollectiveSignature, Mode, Policy, VerifyError};
pub use witness::Witness;
