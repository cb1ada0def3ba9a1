#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

mod chosen;
mod deal;
pub mod dhpvss;
mod dleq;
mod group;
mod keys;
mod parallel;
pub mod recovery;
pub mod schoenmakers;
mod secret;
mod share;
mod sharing;
mod trustee;
mod wide;

pub use cosi::machine;
#[cfg(feature = "tokio")]
pub use cosi::tokio;

pub use chosen::{Chosen, ChosenError, ChosenId};
pub use deal::{Deal, DealError, VerifiedDeal, deal, verify_all, verify_groups};
pub use dleq::Proof;
pub use group::PointBytes;
pub use keys::{KeysError, Registration, Scheme, ShareKeys, ShareSecret};
pub use recovery::Recovery;
pub use secret::Secret;
pub use share::{DecryptedShare, RecoverError, ShareError, VerifiedShare, recover, verify_shares};
pub use sharing::{MAX_TRUSTEES, Sharing, SharingError, SharingId};
pub use trustee::{Trustee, TrusteeError};
