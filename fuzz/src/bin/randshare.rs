//! Four servers of RandShare.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(randshare);
