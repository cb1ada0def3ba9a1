//! The nonce pairs that servers offer.

use alloc::collections::BTreeMap;

use cosi::{
    machine::{FaultKind, Index},
    nonce::NonceId,
    roster::Roster,
    round::Offer,
};
use curve25519_dalek::EdwardsPoint;

use crate::peer::Culprit;

/// The latest offer of each server, whose points are decoded once.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers(BTreeMap<Index, (NonceId, [EdwardsPoint; 2])>);

impl Offers {
    /// Keeps what `from` offers, in place of what it offered before.
    pub(super) fn keep(&mut self, from: Index, offer: &Offer) -> Result<(), Culprit> {
        if self.nonce(from) == Some(offer.nonce) {
            return Ok(());
        }
        let points = offer.decode().ok_or((from, FaultKind::InvalidPayload, None))?;
        self.0.insert(from, (offer.nonce, points));
        Ok(())
    }

    /// Leaves a server out.
    pub(super) fn remove(&mut self, server: Index) {
        self.0.remove(&server);
    }

    /// Whether a quorum offered.
    pub(super) fn are_quorum(&self, roster: &Roster) -> bool {
        is_quorum(roster, self.0.len())
    }

    /// The name of a server's pair.
    pub(super) fn nonce(&self, server: Index) -> Option<NonceId> {
        self.0.get(&server).map(|(nonce, _)| *nonce)
    }

    /// How many servers offered.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What they offered.
    pub(super) fn points(&self) -> impl Iterator<Item = (Index, [EdwardsPoint; 2])> {
        self.0.iter().map(|(server, (_, points))| (*server, *points))
    }
}

/// Whether so many servers, all of which have weight 1, are a quorum.
pub(super) fn is_quorum(roster: &Roster, servers: usize) -> bool {
    u64::try_from(servers).is_ok_and(|servers| servers >= roster.quorum())
}
