//! A validator whose whole shard lies.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(validator);
