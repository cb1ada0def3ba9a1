//! A leader and three cosigners over trees, on a network that does its worst.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(trees);
