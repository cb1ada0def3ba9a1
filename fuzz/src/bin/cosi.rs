//! A leader and three cosigners on a network that does its worst.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(cosi);
