//! Bytes of a stranger, taken for proofs, signatures and evidence.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(verify);
