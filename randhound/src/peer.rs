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

impl From<Index> for Peer {
    fn from(server: Index) -> Self {
        Self::Server(server)
    }
}

/// A server that broke a rule, and what convicts it.
pub(crate) type Culprit = (Index, FaultKind, Option<Evidence>);

/// The faults that were reported: at most one a kind for each peer.
#[derive(Debug)]
pub(crate) struct Blamed<P>(BTreeSet<(P, FaultKind)>);

impl<P> Default for Blamed<P> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<P: Copy + Ord> Blamed<P> {
    /// The step that reports `culprit`, the first time.
    pub(crate) fn fault<M, E, R>(
        &mut self,
        culprit: P,
        kind: FaultKind,
        evidence: Option<Evidence>,
    ) -> Step<M, E, R, P> {
        if self.0.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence })
        } else {
            Step::none()
        }
    }

    /// The step that reports all of these, each the first time.
    pub(crate) fn faults<M, E, R>(
        &mut self,
        culprits: impl IntoIterator<Item = Culprit>,
    ) -> Step<M, E, R, P>
    where
        P: From<Index>,
    {
        culprits.into_iter().fold(Step::none(), |step, (server, kind, evidence)| {
            step.and(self.fault(server.into(), kind, evidence))
        })
    }
}
