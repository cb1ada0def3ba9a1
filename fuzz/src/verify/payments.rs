//! What convinces a shard: signed payments, and the verdicts of other shards.

use atomix::{Proof, Sealed, Transaction};
use cosi::wire::Wire;

use super::taken;
use crate::city::{PAYMENTS, RULES, STORY, is_own};

/// Who brings a coin with a key of its own may spend that coin, which is none of the ledger's.
pub(super) fn payment(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |payment: &Transaction| {
        is_own(payment) && RULES.check_one(payment.clone()).is_ok()
    })
}

pub(super) fn payments() -> Vec<Vec<u8>> {
    PAYMENTS.iter().map(|payment| payment.transaction().encode()).collect()
}

pub(super) fn verdict(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |proof: &Proof<Sealed>| {
        PAYMENTS.iter().any(|payment| proof.verify(payment, &STORY.city.rosters).is_ok())
    })
}

pub(super) fn verdicts() -> Vec<Vec<u8>> {
    STORY.all_proofs().iter().map(Wire::encode).collect()
}
