//! Whom the machines talk to, and whom they have blamed.

use alloc::collections::BTreeSet;

use cosi::machine::{Evidence, Fault, FaultKind, Index, Step};

/// Whom a machine of a session talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// The client that the session's terms name.
    Client,
    /// A server of the roster.
    Server(Index),
    /// Anybody else, by a number that the host gives.
    Guest(u64),
}

/// The faults that were reported: at most one a kind for the client and for each server. Guests
/// have no name that outlives a connection, so nobody reports them.
#[derive(Debug, Default)]
pub(crate) struct Blamed(BTreeSet<(Peer, FaultKind)>);

impl Blamed {
    /// The step that reports `culprit`, the first time.
    pub(crate) fn fault<M, E, R>(
        &mut self,
        culprit: Peer,
        kind: FaultKind,
        evidence: Option<Evidence>,
    ) -> Step<M, E, R, Peer> {
        let known = matches!(culprit, Peer::Client | Peer::Server(_));
        if known && self.0.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence })
        } else {
            Step::none()
        }
    }
}
