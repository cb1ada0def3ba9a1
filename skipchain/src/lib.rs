#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

pub mod back;
pub mod client;
pub mod conflict;
pub mod endorser;
pub mod header;
pub mod inclusion;
pub mod link;
pub mod proof;
pub mod spine;
pub mod timeline;

pub use back::{BackError, BackProof};
pub use client::{LightClient, Trust, Verified};
pub use conflict::Conflict;
pub use cosi::{machine, merkle::tree, roster, wire};
pub use endorser::{Endorsed, Endorser};
pub use header::{BlockId, ChainId, Header, Shape};
pub use inclusion::Inclusion;
pub use link::{Attestation, Attested, Link, LinkStatement};
pub use proof::{Proof, ProofError};
pub use spine::{BackLinks, Siblings, Spine, SpineError};
pub use timeline::{LinkError, Timeline};
