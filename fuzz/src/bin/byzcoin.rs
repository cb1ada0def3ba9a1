//! Four replicas on a network that does its worst, with crashes and a liar.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(byzcoin);
