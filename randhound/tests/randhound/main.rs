//! RandHound: whole runs, attacks, transcripts and formats.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::large_enum_variant,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and holds few things"
)]

mod acknowledging;
mod answering;
mod attacks;
mod clients;
mod coded;
mod common;
mod convictions;
mod draw;
mod draw_attacks;
mod draw_sim;
mod formats;
mod net;
mod publications;
mod published;
mod relaying;
mod rescue;
mod rescuers;
mod run;
mod servers;
mod stage;
mod strategies;
mod table;
mod transcripts;
mod void;
mod withholding;
