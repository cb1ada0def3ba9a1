//! Sessions across shards, attacked.

mod attacks;
mod common;
mod limits;
