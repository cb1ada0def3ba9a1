//! A wallet that hears anything from its validators.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(wallet);
