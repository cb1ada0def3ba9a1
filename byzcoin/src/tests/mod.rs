//! Tests of the real replica under votes that are a model, so that schedules can be played by
//! hand, at random, and to the end.

mod bounds;
mod faults;
mod model;
mod planted;
mod scenarios;
mod walks;
mod wire;
mod world;
