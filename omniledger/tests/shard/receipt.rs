//! Receipts: what a stranger accepts, and everything else.

use cosi::{
    VerifyError,
    keys::Signature,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Genesis, Receipt, Stranger,
    receipt::ReceiptError,
    skipchain::{Link, Proof, ProofError},
    transaction::Rejection,
};

use crate::town::{Town, to_owner};

/// A town that has decided two blocks, and the receipt of a payment in the second.
fn town() -> (Town, Receipt) {
    let mut town = Town::new(5);
    town.commit(&[town.spend(0)]);
    let pays = [town.spend(1), town.spend(2), town.spend(3)];
    town.commit(&pays);
    let receipt = town.receipt(&pays[1], 2, 1);
    (town, receipt)
}

#[test]
fn a_stranger_believes_a_receipt_from_bytes_with_the_genesis_alone() {
    let (town, receipt) = town();
    let genesis = Genesis::decode(&town.genesis.encode()).unwrap();
    let mut stranger = Stranger::new(&genesis).unwrap();
    let proven = stranger.verify(&Receipt::decode(&receipt.encode()).unwrap()).unwrap();
    assert_eq!(proven.session, town.session(&receipt.transaction));
    assert_eq!((proven.header.index, proven.at, proven.of), (2, 1, 3));
    assert_eq!(proven.header, *town.spine.tip());
}

#[test]
fn every_flipped_byte_is_refused_by_a_fresh_stranger_and_by_a_warm_one() {
    let (town, receipt) = town();
    let bytes = receipt.encode();
    let mut warm = town.stranger();
    warm.verify(&receipt).unwrap();
    for at in 0..bytes.len() {
        // Every bit of a sample of bytes, one bit of all others.
        let bits = if at % 16 == 3 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            let mut forged = bytes.clone();
            forged[at] ^= 1 << bit;
            let Ok(forged) = Receipt::decode(&forged) else { continue };
            assert!(warm.verify(&forged).is_err(), "warm: byte {at}, bit {bit}");
            assert!(town.stranger().verify(&forged).is_err(), "fresh: byte {at}, bit {bit}");
        }
    }
    assert!(warm.verify(&receipt).is_ok());
}

#[test]
fn a_receipt_of_another_ledger_is_refused() {
    let (_, receipt) = town();
    let elsewhere = Town::new(6);
    let error = elsewhere.stranger().verify(&receipt).unwrap_err();
    assert_eq!(error, ReceiptError::Chain(ProofError::Chain));
}

#[test]
fn a_payment_stands_at_one_place_only() {
    let (town, receipt) = town();
    let mut stranger = town.stranger();
    for path in [town.blocks[1].path(0), town.blocks[1].path(2), town.blocks[0].path(0)] {
        let moved = Receipt { path: path.unwrap(), ..receipt.clone() };
        assert_eq!(stranger.verify(&moved), Err(ReceiptError::Inclusion));
    }
    // RFC 6962 leaves the size open: leaf 2 of 3 has the path of leaf 1 of 2. The entry says it.
    let siblings = || BoundedVec::new(receipt.path.siblings().to_vec()).unwrap();
    for (index, len) in [(1, 4), (0, 3), (2, 3), (1, 3 << 40), (u64::MAX, u64::MAX)] {
        let path = cosi::merkle::tree::Path::new(index, len, siblings());
        let forged = Receipt { path, ..receipt.clone() };
        assert_eq!(stranger.verify(&forged), Err(ReceiptError::Inclusion), "{index} of {len}");
    }
    let alone = town.blocks[1].path(2).unwrap();
    let siblings = BoundedVec::new(alone.siblings().to_vec()).unwrap();
    let last = town.receipt(&town.spend(3), 2, 2);
    assert!(stranger.verify(&last).is_ok());
    let forged = Receipt { path: cosi::merkle::tree::Path::new(1, 2, siblings), ..last };
    assert_eq!(stranger.verify(&forged), Err(ReceiptError::Inclusion));
}

#[test]
fn a_payment_that_was_not_committed_has_no_receipt() {
    let (town, receipt) = town();
    let other = town.pay(9, &[town.coin(2)], &[to_owner(100)]);
    let forged = Receipt { transaction: other, ..receipt.clone() };
    assert_eq!(town.stranger().verify(&forged), Err(ReceiptError::Inclusion));

    let mut forged = receipt;
    let mut signature = forged.transaction.signatures[0].0;
    signature[3] ^= 1;
    forged.transaction.signatures = BoundedVec::new(vec![Signature(signature)]).unwrap();
    let bad = Rejection::BadSignature { inputs: vec![0] };
    assert_eq!(town.stranger().verify(&forged), Err(ReceiptError::Transaction(bad)));
}

#[test]
fn a_chain_cut_short_or_reordered_or_without_a_quorum_is_refused() {
    let (town, receipt) = town();
    let from = omniledger::chain::genesis_header(&town.genesis).unwrap();
    let chain = |links: Vec<Link<_>>| Proof::new(&from, links).unwrap();
    let links = &town.links;
    for broken in [vec![], links[..1].to_vec(), links[1..].to_vec()] {
        let forged = Receipt { chain: chain(broken), ..receipt.clone() };
        assert!(town.stranger().verify(&forged).is_err());
    }
    let swapped = vec![links[1].clone(), links[0].clone()];
    assert!(town.stranger().verify(&Receipt { chain: chain(swapped), ..receipt.clone() }).is_err());

    // Two of four are no quorum, three are.
    let mut short = Town::new(5);
    let pays = [short.spend(0)];
    let draft = short.draft(&pays);
    let (proposal, _) = short.proposal(&draft.header.id().encode(), &draft.body);
    let back = short.spine.back_links();
    let receipt = |short: &Town, signers: &[u16]| {
        let decision = short.decision(signers, proposal.clone());
        let link = Link::new(0, short.spine.tip(), &draft.header, &back, decision, None).unwrap();
        let (chain, path) = (chain(vec![link]), draft.entries.path(0).unwrap());
        Receipt { transaction: pays[0].clone(), chain, path }
    };
    assert!(short.stranger().verify(&receipt(&short, &[0, 1, 3])).is_ok());
    let error = short.stranger().verify(&receipt(&short, &[0, 1])).unwrap_err();
    let ReceiptError::Chain(ProofError::Certificate { link: 0, error }) = error else {
        panic!("{error:?}")
    };
    assert_ne!(error, VerifyError::Signature, "they did sign");
    short.commit(&pays);
}
