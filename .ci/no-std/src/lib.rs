//! Every core crate, where there is no std.
//!
//! The panic handler and the allocator here are std's business: if anything in the tree links
//! std, there are two panic handlers, and the compiler refuses.
#![no_std]

use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr::null_mut,
};

use atomix as _;
use byzcoin as _;
use omniledger as _;
#[cfg(feature = "planted-std")]
use planted as _;
use pvss as _;
use randhound as _;
use skipchain as _;

use cosi::{
    domain::INDIVIDUAL,
    keys::{Batch, ProofOfPossession, Seed},
    wire::Wire,
};

/// A heap without room.
struct Full;

// SAFETY: no memory is ever handed out, which every caller must expect.
unsafe impl GlobalAlloc for Full {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Full = Full;

#[panic_handler]
fn halt(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Signs, encodes, decodes and checks, so that what these need is in the library.
///
/// # Safety
/// `seed` points to 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe(seed: *const [u8; 32]) -> bool {
    // SAFETY: the caller's duty.
    let key = Seed::from_bytes(unsafe { *seed }).signing_key();
    let signature = key.sign(&INDIVIDUAL, b"statement");
    let mut batch = Batch::new();
    batch.add(key.public().to_bytes(), &INDIVIDUAL, b"statement", &signature);
    batch.verify()
        && ProofOfPossession::decode(&signature.encode()).is_ok_and(|p| p.verify(key.public()))
}
