//! Bytes of a stranger, through every decoder.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(decode);
