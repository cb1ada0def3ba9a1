//! What proves an epoch, and everything else.

use cosi::{
    Attests, Policy, VerifyError,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Epoch, EpochProof, Genesis,
    byzcoin::{Kind, View},
    epoch::EpochError,
    randhound::TranscriptError,
};
use proptest::prelude::*;

use crate::{
    branch::certify,
    town::{Town, key, town},
};

#[test]
fn an_epoch_follows_from_bytes() {
    let town = town();
    let (genesis, proof) = (town.genesis.encode(), town.proof.encode());
    let genesis = Genesis::decode(&genesis).unwrap();
    let epoch = Epoch::verify(&genesis, &EpochProof::decode(&proof).unwrap()).unwrap();
    assert_eq!(epoch.randomness(), town.epoch.randomness());
    assert_eq!(epoch.number(), 0);
    for shard in [0, 1] {
        assert_eq!(epoch.members(shard), town.epoch.members(shard));
        assert_eq!(
            epoch.shard(shard).unwrap().header(&genesis),
            town.epoch.shard(shard).unwrap().header(&town.genesis)
        );
        let stranger = town.stranger();
        let first = stranger.first_header(&genesis, shard).unwrap();
        let client = stranger.light_client(&genesis, shard).unwrap();
        assert_eq!(*client.head().header(), first);
    }
    assert!(town.stranger().light_client(&genesis, 2).is_none());
}

#[test]
fn an_epoch_of_another_ledger_is_refused() {
    let (town, other) = (town(), Town::new(8, 2, 4));
    assert_eq!(Epoch::verify(&other.genesis, &town.proof).err(), Some(EpochError::Identity));
    // The beacon's groups are another matter than the chain.
    let size = Genesis { group_size: 4, ..town.genesis.clone() };
    assert!(Epoch::verify(&size, &town.proof).is_err());
    let prior = Genesis { prior: [1; 32], ..town.genesis.clone() };
    assert!(Epoch::verify(&prior, &town.proof).is_err());
    let terms = town.genesis.terms();
    assert_eq!(terms.client, town.genesis.validators[0].member.key, "who leads view 0");
}

#[test]
fn each_part_of_a_proof_is_checked() {
    let town = town();
    type Change = fn(&mut EpochProof);
    let identity: [Change; 8] = [
        |proof| proof.transcript.certificate.header.index = 2,
        |proof| proof.transcript.certificate.header.index = 0,
        |proof| proof.transcript.certificate.header.chain.0[0] ^= 1,
        |proof| proof.transcript.certificate.header.back_root[0] ^= 1,
        |proof| proof.transcript.certificate.header.roster.0[0] ^= 1,
        |proof| proof.transcript.certificate.header.state_root = Some([0; 32]),
        |proof| proof.transcript.certificate.decision.epoch = 1,
        |proof| proof.transcript.certificate.decision.epoch = u64::MAX,
    ];
    for (at, change) in identity.iter().enumerate() {
        let mut proof = town.proof.clone();
        change(&mut proof);
        assert_eq!(Epoch::verify(&town.genesis, &proof).err(), Some(EpochError::Identity), "{at}");
    }
    let certificate: [Change; 7] = [
        |proof| proof.transcript.certificate.header.payload_root[0] ^= 1,
        |proof| proof.transcript.certificate.decision.view = View::new(1),
        |proof| proof.transcript.certificate.decision.proposal.size ^= 1,
        |proof| proof.transcript.certificate.decision.proposal.chunk_root[0] ^= 1,
        |proof| proof.transcript.certificate.decision.proposal.header.parent[0] ^= 1,
        |proof| proof.transcript.certificate.decision.proposal.header.app = Default::default(),
        |proof| proof.transcript.certificate.decision.proposal.header.next_start ^= 1,
    ];
    for (at, change) in certificate.iter().enumerate() {
        let mut proof = town.proof.clone();
        change(&mut proof);
        let error = Epoch::verify(&town.genesis, &proof).unwrap_err();
        let refused = EpochError::Transcript(TranscriptError::Certificate(VerifyError::Signature));
        assert_eq!(error, refused, "{at}");
    }
    let transcript: [Change; 5] = [
        |proof| proof.transcript.config.slot = 1,
        |proof| proof.transcript.config.client[0] ^= 1,
        |proof| proof.transcript.statement.session.0[0] ^= 1,
        |proof| proof.transcript.groups = BoundedVec::default(),
        |proof| {
            let mut groups = proof.transcript.groups.to_vec();
            let mut shares = groups[0].shares.to_vec();
            shares.swap_remove(0);
            groups[0].shares = BoundedVec::new(shares).unwrap();
            proof.transcript.groups = BoundedVec::new(groups).unwrap();
        },
    ];
    for (at, change) in transcript.iter().enumerate() {
        let mut proof = town.proof.clone();
        change(&mut proof);
        let error = Epoch::verify(&town.genesis, &proof).unwrap_err();
        assert!(matches!(error, EpochError::Transcript(_)), "{at}: {error}");
    }
}

/// A decision of the identity chain by these validators, of this kind, on what the proof decided.
fn decided_by(town: &Town, signers: &[u16], kind: Kind) -> EpochProof {
    let mut proof = town.proof.clone();
    let attestation = &mut proof.transcript.certificate;
    let (roster, decision) = (town.genesis.roster().unwrap(), &mut attestation.decision);
    let vote = byzcoin::Statement {
        chain: attestation.header.chain.0,
        epoch: 0,
        roster: roster.id(),
        kind,
        height: decision.proposal.header.height,
        view: decision.view,
        digest: decision.proposal.digest(),
    };
    let keys: Vec<_> = (0..8).map(key).collect();
    decision.certificate = certify(&roster, &keys, signers, &vote);
    proof
}

#[test]
fn a_quorum_of_all_validators_decides_and_no_shard_alone() {
    let town = town();
    let verify = |proof: &EpochProof| Epoch::verify(&town.genesis, proof).map(|it| it.randomness());
    // Six of eight are a quorum. Another certificate is another proof of the same epoch.
    for signers in [&[0, 1, 2, 3, 4, 5][..], &[1, 2, 3, 5, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7]] {
        let proof = decided_by(&town, signers, Kind::Commit);
        assert_eq!(verify(&proof), Ok(town.epoch.randomness()));
    }
    for signers in [&[0, 1, 2, 3, 4][..], &[4, 5, 6, 7], &[0]] {
        let error = verify(&decided_by(&town, signers, Kind::Commit)).unwrap_err();
        assert!(matches!(error, EpochError::Transcript(TranscriptError::Certificate(_))));
    }
    for kind in [Kind::Proposal, Kind::Prepare, Kind::ViewChange, Kind::Body] {
        assert!(verify(&decided_by(&town, &[0, 1, 2, 3, 4, 5, 6, 7], kind)).is_err());
    }
    // An attestation is for one statement and one roster.
    let transcript = &town.proof.transcript;
    let (statement, attestation) = (&transcript.statement, &transcript.certificate);
    let all = town.genesis.roster().unwrap();
    let own = town.epoch.shard(0).unwrap().roster();
    assert_eq!(attestation.attests(statement, &all, &Policy::Quorum), Ok(()));
    assert!(attestation.attests(statement, own, &Policy::Quorum).is_err());
    let mut other = statement.clone();
    other.roots = BoundedVec::new(vec![[7; 32]]).unwrap();
    assert!(attestation.attests(&other, &all, &Policy::Quorum).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn every_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let town = town();
        let mut bytes = town.proof.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(forged) = EpochProof::decode(&bytes) {
            prop_assert!(Epoch::verify(&town.genesis, &forged).is_err(), "byte {at}, bit {bit}");
        }
    }

    #[test]
    fn garbage_is_no_epoch(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(EpochProof::decode(&bytes).is_err());
    }
}
