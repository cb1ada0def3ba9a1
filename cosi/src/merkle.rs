//! Commitments to many values: an ordered [`tree`] and a [`map`] that proves absence too.

pub mod map;
pub mod tree;
