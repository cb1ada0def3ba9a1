//! Three shards that are asked for anything, by whoever carries true and false proofs.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(atomix);
