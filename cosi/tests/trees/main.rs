//! Signing over trees, in the simulator and by hand, with honest members and others.
#![cfg(feature = "sim")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod ahead;
mod attacks;
mod bounds;
mod declines;
mod forgetting;
mod framing;
mod grove;
mod honest;
mod inquiries;
mod member;
mod recovery;
mod replays;
mod scale;
mod scene;
mod shapes;
mod strangers;
mod strategies;
mod sums;
