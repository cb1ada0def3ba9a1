//! What every protocol crate stands on, under attack.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod formats;
mod keys;
mod map;
mod opening;
mod possession;
mod roster;
mod step;
mod tree;
mod wall;

use cosi::{
    keys::{Seed, SigningKey},
    roster::Member,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The secret behind [`key`].
fn seed(number: u16) -> [u8; 32] {
    let mut seed = [0xa5; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    seed
}

fn key(number: u16) -> SigningKey {
    Seed::from_bytes(seed(number)).signing_key()
}

/// Members 0 to n − 1 with their weights.
fn members(weights: &[u32]) -> Vec<Member> {
    let numbered = (0..).zip(weights);
    let member = |(number, weight): (u16, &u32)| {
        let extension = [u8::try_from(number % 256).unwrap(); 32];
        Member { weight: *weight, extension, ..Member::new(&key(number), &mut rng(number.into())) }
    };
    numbered.map(member).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(digits: &str) -> [u8; N] {
    assert_eq!(digits.len(), 2 * N);
    core::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
}
