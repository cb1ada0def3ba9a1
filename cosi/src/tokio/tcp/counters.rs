//! What a host can see of its connections.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What has passed between this host and one peer.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])+ pub $name: u64,)+
            /// Whether the connection to the peer is up.
            pub connected: bool,
        }

        /// [`Counters`] that count.
        #[derive(Default)]
        pub(super) struct Live {
            $(pub(super) $name: AtomicU64,)+
            pub(super) connected: AtomicBool,
        }

        impl Live {
            pub(super) fn read(&self) -> Counters {
                Counters {
                    $($name: self.$name.load(Relaxed),)+
                    connected: self.connected.load(Relaxed),
                }
            }
        }
    };
}

counters! {
    /// Messages written to a connection. Whether they arrived is another matter.
    frames_out,
    /// Their bytes, with the lengths before them.
    bytes_out,
    /// Messages that came.
    frames_in,
    /// Their bytes, with the lengths before them.
    bytes_in,
    /// Messages for the peer that were dropped: because newer ones took their room, or because
    /// they are longer than the limit.
    dropped,
    /// How often a connection to the peer came up.
    connects,
    /// How often a connection from the peer came up.
    accepts,
    /// How often a connection from the peer was closed because of bytes that are no message.
    malformed,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}

/// Counts a message of `bytes` bytes.
pub(super) fn count(frames: &AtomicU64, total: &AtomicU64, bytes: usize) {
    add(frames, 1);
    add(total, u64::try_from(bytes).unwrap_or(u64::MAX));
}
