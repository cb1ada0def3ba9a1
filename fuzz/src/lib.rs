#![doc = include_str!("../README.md")]

mod decode;

use std::{fs, io, path::Path};

pub use decode::decode;

/// A target: whatever the bytes, it returns, or panics because a rule is broken.
pub type Target = fn(&[u8]);

/// Every target, by the name of its binary and of its folder under `corpus`.
pub const TARGETS: &[(&str, Target)] = &[("decode", decode)];

/// Runs every file of the folder `corpus` through `target`, in the order of their names, and
/// tells how many there were.
pub fn replay(target: Target, corpus: &Path) -> io::Result<usize> {
    let mut files =
        fs::read_dir(corpus)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    for file in &files {
        let input = fs::read(file)?;
        println!("{}", file.display());
        target(&input);
    }
    Ok(files.len())
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
