#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;
#[cfg(feature = "sim")]
extern crate std;

pub mod domain;
pub mod keys;
pub mod machine;
pub mod mask;
pub mod merkle;
mod opening;
pub mod roster;
#[cfg(feature = "sim")]
pub mod sim;
mod step;
pub mod transcript;
pub mod wire;
