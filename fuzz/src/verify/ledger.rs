//! What convinces who knows the genesis alone: how the epoch came about, receipts and chains.

use std::sync::LazyLock;

use cosi::wire::{BoundedVec, Wire};
use omniledger::{
    Decision, Epoch, EpochProof, Receipt, Stranger, message::Proof as Word, skipchain::Proof,
};
use randhound::{GroupTranscript, Transcript};

use super::{bare, taken};
use crate::{
    decode::ledger,
    realm::{GENESIS, PAYMENTS, REALM, SHARDS, STORY},
};

fn stranger() -> Stranger {
    static STRANGER: LazyLock<Stranger> =
        LazyLock::new(|| Stranger::new(&GENESIS, &REALM.proof).expect("a sound epoch"));
    STRANGER.clone()
}

/// The transcript without the shares, of which any that suffice will do. It yields one epoch.
pub(super) fn epoch(bytes: &[u8]) -> Option<Vec<u8>> {
    let proof = EpochProof::decode(bytes).ok()?;
    let epoch = Epoch::verify(&GENESIS, &proof).ok()?;
    assert_eq!(epoch.randomness(), REALM.epoch.randomness(), "another epoch of one genesis");
    let rosters = |epoch: &Epoch| -> Vec<_> {
        epoch.shards().iter().map(|shard| (shard.chain(), shard.roster().id())).collect()
    };
    assert_eq!(rosters(&epoch), rosters(&REALM.epoch), "other shards of one epoch");
    let parts = proof.transcript.groups.iter();
    let parts = parts
        .map(|part| GroupTranscript { deals: part.deals.clone(), shares: BoundedVec::default() });
    let groups = BoundedVec::new(parts.collect())?;
    Some(EpochProof { transcript: Transcript { groups, ..proof.transcript } }.encode())
}

pub(super) fn epochs() -> Vec<Vec<u8>> {
    vec![REALM.proof.encode()]
}

pub(super) fn receipt(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |receipt: &Receipt| stranger().verify(receipt).is_ok())
}

/// The first has two words, and the last is of a payment that creates nothing.
pub(super) fn receipts() -> Vec<Vec<u8>> {
    [0, 1, 4, 7].map(|number| STORY.receipt(number).encode()).to_vec()
}

pub(super) fn chain(bytes: &[u8]) -> Option<Vec<u8>> {
    let chain = Proof::<Decision>::decode(bytes).ok()?;
    let mut clients = (0..SHARDS).filter_map(|shard| stranger().light_client(&GENESIS, shard));
    clients.any(|mut client| client.verify(&chain).is_ok()).then(|| bare(&chain))
}

pub(super) fn chains() -> Vec<Vec<u8>> {
    ledger::chains().iter().map(Wire::encode).collect()
}

/// What shards said on payments.
pub(super) fn word(bytes: &[u8]) -> Option<Vec<u8>> {
    let rosters = REALM.epoch.rosters();
    taken(bytes, |word: &Word| {
        PAYMENTS.iter().any(|payment| word.verify(payment, &rosters).is_ok())
    })
}

pub(super) fn words() -> Vec<Vec<u8>> {
    STORY.said.iter().map(|(_, proof)| proof.encode()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realm::FORGED;

    #[test]
    fn what_two_of_four_say_convinces_nobody() {
        assert_eq!(FORGED.len(), 8);
        for (_, proof) in FORGED.iter() {
            assert_eq!(word(&proof.encode()), None);
        }
    }
}
