//! Seven servers whose consensus stands in for a client.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(rescue);
