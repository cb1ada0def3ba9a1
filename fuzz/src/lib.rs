#![doc = include_str!("../README.md")]

mod actions;
mod city;
mod commit;
mod committee;
mod consensus;
mod decode;
mod drawing;
mod draws;
mod hops;
mod realm;
mod rescuing;
mod sharing;
mod signing;
mod town;
mod transit;
mod validator;
mod verify;
mod wallet;

use std::{collections::BTreeMap, fs, io, path::Path};

pub use commit::atomix;
pub use consensus::byzcoin;
pub use decode::decode;
pub use drawing::randhound;
pub use draws::draw;
pub use rescuing::rescue;
pub use sharing::randshare;
pub use signing::{cosi, trees};
pub use validator::validator;
pub use verify::verify;
pub use wallet::wallet;

/// A target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its binary, and of its folder under `corpus`.
    pub name: &'static str,
    /// Whatever the bytes, it returns, or panics because a rule is broken.
    pub run: fn(&[u8]),
    /// The inputs to begin with, by their names. They are always the same.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "decode", run: decode, seeds: decode::seeds },
    Target { name: "verify", run: verify, seeds: verify::seeds },
    Target { name: "cosi", run: cosi, seeds: signing::seeds },
    Target { name: "trees", run: trees, seeds: signing::tree_seeds },
    Target { name: "byzcoin", run: byzcoin, seeds: consensus::seeds },
    Target { name: "wallet", run: wallet, seeds: wallet::seeds },
    Target { name: "validator", run: validator, seeds: validator::seeds },
    Target { name: "atomix", run: atomix, seeds: commit::seeds },
    Target { name: "randhound", run: randhound, seeds: drawing::seeds },
    Target { name: "draw", run: draw, seeds: draws::seeds },
    Target { name: "randshare", run: randshare, seeds: sharing::seeds },
    Target { name: "rescue", run: rescue, seeds: rescuing::seeds },
];

/// Runs every file of the folder `corpus` through a target, in the order of their names, and
/// tells how many there were.
pub fn replay(run: fn(&[u8]), corpus: &Path) -> io::Result<usize> {
    let inputs = load(corpus)?;
    for (name, input) in &inputs {
        println!("{}/{name}", corpus.display());
        run(input);
    }
    Ok(inputs.len())
}

/// The files of a folder, by their names.
pub fn load(corpus: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let files = fs::read_dir(corpus)?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    });
    files.collect()
}

/// The whole of a target's binary: under `cargo fuzz` libFuzzer runs the target, and otherwise
/// its corpus goes through it once.
#[macro_export]
macro_rules! main {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::$target(input));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            let name = stringify!($target);
            let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
            let inputs = $crate::replay($crate::$target, &corpus)?;
            println!("{inputs} inputs of the corpus pass. To search for more that do not:");
            println!("RUSTC_BOOTSTRAP=1 cargo fuzz run {name}");
            Ok(())
        }
    };
}
