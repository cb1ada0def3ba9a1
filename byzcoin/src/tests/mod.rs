//! Tests of the real replica under votes that are a model, so that schedules can be played by
//! hand, at random, and to the end.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test that overflows fails, and looks for one kind of message"
)]

mod bounds;
mod exhaustive;
mod faults;
mod model;
mod planted;
mod review;
mod scenarios;
mod twins;
mod walks;
mod wire;
mod world;
