#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;
#[cfg(feature = "sim")]
extern crate std;

pub mod certificate;
pub mod domain;
pub mod keys;
pub mod machine;
pub mod mask;
pub mod merkle;
mod opening;
pub mod raw;
pub mod roster;
pub mod signature;
#[cfg(feature = "sim")]
pub mod sim;
mod step;
pub mod transcript;
pub mod wire;

pub use certificate::{Attests, Certificate, Statement};
pub use signature::{CollectiveSignature, Mode, Policy, VerifyError};
