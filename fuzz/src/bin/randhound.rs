//! A client and seven servers on a network that does its worst, with crashes and liars.
#![cfg_attr(fuzzing, no_main)]

fuzz::main!(randhound);
