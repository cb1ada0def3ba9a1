//! Telling somebody of what comes from a network.

use core::fmt;

use cosi::{machine::To, tokio::Network, wire::DecodeError};

/// A network, and who is told of what comes.
pub struct Seen<N, F> {
    network: N,
    seen: F,
}

impl<N, F> Seen<N, F> {
    /// The same network; `seen` is told of every message before its receiver is.
    pub const fn new(network: N, seen: F) -> Self {
        Self { network, seen }
    }
}

impl<N: fmt::Debug, F> fmt::Debug for Seen<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("network", &self.network).finish_non_exhaustive()
    }
}

impl<P, M, N, F> Network<P, M> for Seen<N, F>
where
    P: Copy + Send,
    M: Send,
    N: Network<P, M>,
    F: FnMut(P, &M) + Send,
{
    fn send(&mut self, to: To<P>, message: M) {
        self.network.send(to, message);
    }

    async fn recv(&mut self) -> Option<(P, Result<M, DecodeError>)> {
        let (from, message) = self.network.recv().await?;
        if let Ok(message) = &message {
            (self.seen)(from, message);
        }
        Some((from, message))
    }
}
