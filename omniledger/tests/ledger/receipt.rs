//! Receipts: what a stranger accepts, and everything else.

use std::slice::from_ref;

use cosi::{
    keys::Signature,
    merkle::tree::Path,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    EpochProof, Genesis, Receipt, Stranger, Transaction,
    atomix::{Malformed, Outcome, Place, ProofError},
    message::Proof,
    receipt::ReceiptError,
};

use crate::{
    branch::{Branch, commit, receipt},
    town::{Town, WORTH, to, town},
};

/// A payment of a coin in each of two shards to both, done; and what both said last.
fn done(town: &Town) -> (Transaction, [Branch<'_>; 2], Receipt) {
    let inputs = [town.coin_of(0, 0), town.coin_of(1, 0)];
    let pay = town.pay(1, &inputs, &[to(0, 50), to(1, 150)]);
    let mut shards = [0, 1].map(|shard| Branch::new(town, shard));
    for (shard, branch) in (0..).zip(&mut shards) {
        branch.commit_all(&[town.spend(shard, 1), pay.clone(), town.spend(shard, 2)]);
    }
    let accepted = [0, 1].map(|at: usize| shards[at].proof(&pay, Outcome::Accepted));
    for (branch, other) in shards.iter_mut().zip([1, 0]) {
        branch.commit(&[commit(&pay, from_ref(&accepted[other]))]);
    }
    let said = [0, 1].map(|at: usize| shards[at].proof(&pay, Outcome::Created));
    let receipt = receipt(&pay, &said);
    (pay, shards, receipt)
}

#[test]
fn a_stranger_believes_a_receipt_from_bytes_with_genesis_and_epoch() {
    let town = town();
    let (pay, _, receipt) = done(&town);
    let genesis = Genesis::decode(&town.genesis.encode()).unwrap();
    let epoch = EpochProof::decode(&town.proof.encode()).unwrap();
    let mut stranger = Stranger::new(&genesis, &epoch).unwrap();
    let proven = stranger.verify(&Receipt::decode(&receipt.encode()).unwrap()).unwrap();
    assert_eq!(proven.session, town.session(&pay));
    let verdicts: Vec<_> =
        proven.verdicts.iter().map(|it| (it.shard, it.outcome, it.height)).collect();
    assert_eq!(verdicts, [(0, Outcome::Created, 2), (1, Outcome::Created, 2)]);
    assert!(Stranger::new(&Town::new(8, 2, 4).genesis, &epoch).is_err());
}

#[test]
fn every_flipped_byte_is_refused_by_a_fresh_stranger_and_by_a_warm_one() {
    let town = town();
    let (_, _, receipt) = done(&town);
    let bytes = receipt.encode();
    let mut warm = town.stranger();
    let fresh = warm.clone();
    warm.verify(&receipt).unwrap();
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] ^= 1 << (at % 8);
        let Ok(forged) = Receipt::decode(&forged) else { continue };
        let verdicts = [warm.verify(&forged), fresh.clone().verify(&forged)];
        assert_eq!(verdicts[0], verdicts[1], "what is remembered changes no verdict");
        refused += usize::from(verdicts[0].is_err());
        assert!(verdicts[0].is_err(), "byte {at}");
    }
    assert!(refused > bytes.len() / 2, "{refused} of {}", bytes.len());
    assert!(warm.verify(&receipt).is_ok());
}

#[test]
fn a_receipt_of_another_ledger_is_refused() {
    let (here, other) = (town(), Town::new(8, 2, 4));
    let (_, _, receipt) = done(&here);
    let error = other.stranger().verify(&receipt).unwrap_err();
    assert!(matches!(error, ReceiptError::Transaction(Malformed::BadSignature { .. })));
}

#[test]
fn every_output_shard_must_have_said_that_it_created() {
    let town = town();
    let (pay, shards, sound) = done(&town);
    let accepted = [0, 1].map(|at: usize| shards[at].proof(&pay, Outcome::Accepted));
    let created = sound.said.to_vec();
    let mut stranger = town.stranger();
    let both = std::collections::BTreeSet::from([0, 1]);
    for said in [
        vec![],
        vec![created[0].clone()],
        vec![created[1].clone()],
        vec![created[1].clone(), created[0].clone()],
        vec![created[0].clone(), created[0].clone()],
        vec![created[0].clone(), created[1].clone(), created[1].clone()],
        vec![created[0].clone(), accepted[1].clone()],
        accepted.to_vec(),
    ] {
        let error = stranger.verify(&receipt(&pay, &said)).unwrap_err();
        assert_eq!(error, ReceiptError::Shards { shards: both.clone() });
    }
    // A word of another session, or under another name.
    let other = shards[1].proof(&town.spend(1, 1), Outcome::Created);
    let renamed = Proof { outcome: Outcome::Created, ..accepted[1].clone() };
    let moved = Proof { shard: 1, ..created[0].clone() };
    for last in [other, renamed, moved] {
        let said = [created[0].clone(), last];
        let error = stranger.verify(&receipt(&pay, &said)).unwrap_err();
        assert_eq!(error, ReceiptError::Proof { shard: 1, error: ProofError::Absent });
    }
    assert!(stranger.verify(&sound).is_ok());
}

#[test]
fn what_creates_nothing_is_proven_by_its_input_shards() {
    let town = town();
    let burn = town.pay(1, &[town.coin_of(0, 0), town.coin_of(1, 0)], &[]);
    let mut shards = [0, 1].map(|shard| Branch::new(&town, shard));
    shards.iter_mut().for_each(|branch| drop(branch.commit_all(from_ref(&burn))));
    let said = [0, 1].map(|at: usize| shards[at].proof(&burn, Outcome::Accepted));
    let proven = town.stranger().verify(&receipt(&burn, &said)).unwrap();
    assert!(proven.verdicts.iter().all(|it| it.outcome == Outcome::Accepted));
    for half in said.iter().map(from_ref) {
        assert!(town.stranger().verify(&receipt(&burn, half)).is_err());
    }
}

#[test]
fn a_word_stands_at_one_place_only() {
    let town = town();
    let (_, shards, _) = done(&town);
    let spend = town.spend(0, 1);
    let sound = shards[0].proof(&spend, Outcome::Created);
    let mut stranger = town.stranger();
    assert!(stranger.verify(&receipt(&spend, from_ref(&sound))).is_ok());
    // Five entries: two of each payment within the shard, and one of the other.
    let (tree, said) = &shards[0].blocks[0];
    assert_eq!(said.len(), 5);
    let Place::Logged(path) = sound.inclusion.place.clone() else { panic!() };
    let siblings = || BoundedVec::new(path.siblings().to_vec()).unwrap();
    let others = [0, 2, 4].map(|at| tree.path(at).unwrap());
    let lengths = [(1, 4), (1, 6), (0, 5), (1, 3 << 40), (u64::MAX, u64::MAX)];
    let forged = lengths.map(|(index, len)| Path::new(index, len, siblings()));
    for path in others.into_iter().chain(forged) {
        let mut proof = sound.clone();
        proof.inclusion.place = Place::Logged(path);
        let error = stranger.verify(&receipt(&spend, &[proof])).unwrap_err();
        assert_eq!(error, ReceiptError::Proof { shard: 0, error: ProofError::Absent });
    }
}

#[test]
fn a_verdict_in_the_state_of_a_later_block_is_proven_from_there() {
    let town = town();
    let (pay, shards, _) = done(&town);
    let kept = shards.each_ref().map(|branch| {
        let place = branch.state.place(town.session(&pay), Outcome::Created).unwrap();
        let logged = branch.proof(&pay, Outcome::Created);
        Proof { inclusion: branch.sealed(2, place), ..logged }
    });
    assert!(town.stranger().verify(&receipt(&pay, &kept)).is_ok());
    // Under the block before, the state is another.
    let mut early = kept.clone();
    early[1].inclusion = shards[1].sealed(1, kept[1].inclusion.place.clone());
    assert!(town.stranger().verify(&receipt(&pay, &early)).is_err());
}

#[test]
fn a_block_without_a_quorum_of_its_shard_proves_nothing() {
    let town = town();
    let spend = town.spend(0, 0);
    let (mut branch, other) = (Branch::new(&town, 0), Branch::new(&town, 1));
    let draft = branch.draft(&[crate::town::initialize(&spend)]);
    let (proposal, _) = branch.proposal(&draft.app(), &draft.body);
    let foreign = other.decision(&[0, 1, 2], proposal.clone());
    let by = |signers: &[u16]| branch.decision(signers, proposal.clone());
    let decisions = [by(&[0, 1, 3]), by(&[0, 1]), by(&[2]), foreign];
    branch.commit_all(from_ref(&spend));
    let sound = branch.proof(&spend, Outcome::Created);
    for (attestation, holds) in decisions.into_iter().zip([true, false, false, false]) {
        let mut proof = sound.clone();
        proof.inclusion.attestation = attestation;
        let verdict = town.stranger().verify(&receipt(&spend, &[proof]));
        let refused = ReceiptError::Proof { shard: 0, error: ProofError::Roster };
        assert_eq!(verdict.map(|_| ()), if holds { Ok(()) } else { Err(refused) });
    }
}

#[test]
fn a_payment_that_was_not_committed_has_no_receipt() {
    let town = town();
    let (_, shards, _) = done(&town);
    let (spend, other) = (town.spend(0, 1), town.pay(9, &[town.coin_of(0, 1)], &[to(0, WORTH)]));
    let proof = shards[0].proof(&spend, Outcome::Created);
    let error = town.stranger().verify(&receipt(&other, from_ref(&proof))).unwrap_err();
    assert_eq!(error, ReceiptError::Proof { shard: 0, error: ProofError::Absent });

    let mut forged = spend;
    let mut signature = forged.signatures[0].0;
    signature[3] ^= 1;
    forged.signatures = BoundedVec::new(vec![Signature(signature)]).unwrap();
    let error = town.stranger().verify(&receipt(&forged, &[proof])).unwrap_err();
    assert_eq!(error, ReceiptError::Transaction(Malformed::BadSignature { inputs: vec![0] }));
}
