//! What the numbers were found on.

use std::fs;

/// The processor, and what of it curve arithmetic makes use of.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let build =
        if cfg!(debug_assertions) { "a debug build: use --release" } else { "release build" };
    format!("{}, {cores} cores of which one is used; {}; {build}", processor(), backend())
}

/// What it calls itself.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().into())
}

/// The AVX-512 backend of curve25519-dalek: compiled in or not, there or not.
fn backend() -> &'static str {
    match (cfg!(curve25519_dalek_backend = "avx512"), has_avx512()) {
        (true, true) => "curve25519-dalek's AVX-512 IFMA backend is compiled in and runs",
        (true, false) => {
            "curve25519-dalek's AVX-512 IFMA backend is compiled in, but the processor lacks it"
        }
        (false, true) => {
            "curve25519-dalek's AVX-512 IFMA backend is not compiled in, though the processor has \
             it: see .cargo/config.toml"
        }
        (false, false) => {
            "curve25519-dalek's AVX-512 IFMA backend is not compiled in, and the processor lacks it"
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512ifma") && is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_avx512() -> bool {
    false
}
