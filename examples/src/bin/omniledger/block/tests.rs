//! The block of mainnet, blocks made up, and what is no block.

use bitcoin::{
    Amount, CompactTarget, ScriptBuf, Sequence, TxIn, Witness,
    absolute::LockTime,
    block::{Header, Version},
    hashes::Hash as _,
    hex::DisplayHex,
};
use cosi::roster::Member;
use omniledger::{ledger::Ledger, utxo::Rejection};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;

fn genesis(scenario: &Scenario) -> Genesis {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let keys = (1..5).map(|seed| Seed::from_bytes([seed; 32]).signing_key());
    let validators = keys.map(|key| Member::new(&key, &mut rng)).collect();
    Genesis::new("block", validators, scenario.grants().to_vec()).unwrap()
}

/// A block of these transactions, as if mined, and its encoding.
fn mined(txdata: Vec<bitcoin::Transaction>) -> Vec<u8> {
    let header = Header {
        version: Version::ONE,
        prev_blockhash: bitcoin::BlockHash::all_zeros(),
        merkle_root: bitcoin::TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    serialize(&block)
}

fn spending(inputs: &[OutPoint], values: &[u64]) -> bitcoin::Transaction {
    let input = inputs.iter().map(|previous_output| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    });
    let output = values.iter().map(|value| TxOut {
        value: Amount::from_sat(*value),
        script_pubkey: ScriptBuf::from_bytes(vec![7]),
    });
    let (input, output) = (input.collect(), output.collect());
    let version = bitcoin::transaction::Version::TWO;
    bitcoin::Transaction { version, lock_time: LockTime::ZERO, input, output }
}

fn outside(number: u8, vout: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout }
}

fn coinbase() -> bitcoin::Transaction {
    spending(&[OutPoint::null()], &[50])
}

#[test]
fn the_block_is_the_one_of_mainnet() {
    let scenario = Scenario::read(mainnet_702861()).unwrap();
    let expected = Statistics {
        transactions: 2500,
        inputs: 6518,
        outputs: 6270,
        fees: 255,
        grants: 6191,
        depth: 17,
        largest: 1012,
        zero_outputs: 23,
    };
    assert_eq!(scenario.statistics(), &expected);
    assert_eq!(scenario.grants().len(), 6191);
}

#[test]
fn every_transaction_keeps_the_blocks_values_and_order_and_balances() {
    let scenario = Scenario::read(mainnet_702861()).unwrap();
    let genesis = genesis(&scenario);
    let signed = scenario.sign(&genesis).unwrap();
    assert_eq!(signed, scenario.sign(&genesis).unwrap());
    let block: Block = deserialize(mainnet_702861()).unwrap();
    assert_eq!(signed.len(), block.txdata.len());
    let mut fees = 0;
    for (ours, theirs) in signed.iter().zip(&block.txdata) {
        let Declaration { inputs, outputs, .. } = &ours.declaration;
        let spent: u128 = inputs.iter().map(|input| u128::from(input.value)).sum();
        let created: u128 = outputs.iter().map(|output| u128::from(output.value)).sum();
        assert_eq!(spent, created);
        assert_eq!(inputs.len(), theirs.input.len());
        let real = theirs.output.iter().map(|output| output.value.to_sat());
        let kept = outputs.iter().map(|output| output.value);
        assert!(real.eq(kept.take(theirs.output.len())));
        fees += outputs.len() - theirs.output.len();
    }
    assert_eq!(fees, scenario.statistics().fees);
}

#[test]
fn the_ledger_executes_the_block_once_and_keeps_its_value() {
    let scenario = Scenario::read(mainnet_702861()).unwrap();
    let genesis = genesis(&scenario);
    let mut ledger = genesis.ledger().unwrap();
    let checks = ledger.check(scenario.sign(&genesis).unwrap());
    assert_eq!(checks.signatures, 6518);
    let checked = checks.results.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let mut unspent: BTreeMap<_, _> =
        genesis.granted().map(|coin| (coin.outpoint.id, coin.value)).collect();
    let granted: u128 = unspent.values().copied().map(u128::from).sum();
    for transaction in &checked {
        ledger.apply(transaction).unwrap();
        let declared = &transaction.transaction().declaration;
        for input in declared.inputs.iter() {
            assert_eq!(unspent.remove(&input.outpoint.id), Some(input.value));
        }
        let created = declared.created(transaction.session());
        unspent.extend(created.map(|coin| (coin.outpoint.id, coin.value)));
    }
    assert_eq!(unspent.values().copied().map(u128::from).sum::<u128>(), granted);
    assert!(ledger.unspent().iter().map(|(id, _)| id).eq(unspent.keys()));
    let root = ledger.root();
    for transaction in &checked {
        let again = ledger.apply(transaction);
        assert!(matches!(again, Err(Rejection::UnknownOutpoint { .. })));
    }
    assert_eq!(ledger.root(), root);
}

#[test]
fn other_genesis_grants_are_refused() {
    let scenario = Scenario::read(&mined(vec![coinbase()])).unwrap();
    let mut genesis = genesis(&scenario);
    assert_eq!(scenario.sign(&genesis).map(|signed| signed.len()), Ok(1));
    genesis.grants = Default::default();
    assert_eq!(scenario.sign(&genesis), Err(BlockError::Genesis));
}

#[test]
fn missing_value_is_granted_and_surplus_is_a_fee() {
    let miner = coinbase().compute_txid();
    let pay = spending(&[outside(1, 0), outside(1, 1), outside(2, 0)], &[7, 0, 4]);
    let first = OutPoint { txid: pay.compute_txid(), vout: 0 };
    let last = OutPoint { vout: 2, ..first };
    let mixed = spending(&[first, outside(3, 0)], &[6]);
    let merge = spending(&[last, OutPoint { txid: miner, vout: 0 }], &[50]);
    let scenario = Scenario::read(&mined(vec![coinbase(), pay, mixed, merge])).unwrap();
    let values: Vec<_> = scenario.grants().iter().map(|grant| grant.value).collect();
    assert_eq!(values, [50, 4, 4, 3, 0]);
    let signed = scenario.sign(&genesis(&scenario)).unwrap();
    let outputs = signed.iter().map(|transaction| {
        transaction.declaration.outputs.iter().map(|output| output.value).collect::<Vec<_>>()
    });
    let expected = [vec![50], vec![7, 0, 4], vec![6, 1], vec![50, 4]];
    assert_eq!(outputs.collect::<Vec<_>>(), expected);
    let statistics = scenario.statistics();
    assert_eq!((statistics.depth, statistics.fees, statistics.largest), (2, 2, 3));
}

#[test]
fn a_block_reads_the_same_in_hex() {
    let block = mined(vec![coinbase(), spending(&[outside(1, 0)], &[1])]);
    let hex = format!("{}\n", block.to_lower_hex_string());
    let [a, b] = [&block[..], hex.as_bytes()].map(|bytes| Scenario::read(bytes).unwrap());
    assert_eq!(a.grants(), b.grants());
}

#[test]
fn what_is_no_block_is_refused() {
    let block = mainnet_702861();
    for bytes in [
        &b""[..],
        b"hello",
        b"00",
        include_bytes!("tests.rs"),
        &block[..block.len() - 1],
        &block[..80],
        &[block, &[0]].concat(),
    ] {
        let error = Scenario::read(bytes).unwrap_err();
        assert!(matches!(error, BlockError::Encoding(_)), "{error}");
        assert!(error.to_string().contains("bitcoin-cli getblock"));
    }
}

#[test]
fn a_block_that_is_not_as_mined_is_refused() {
    let with = |at: usize| {
        let mut block = mainnet_702861().to_vec();
        block[at] ^= 1;
        Scenario::read(&block).map(|_| ())
    };
    assert_eq!(with(0), Err(BlockError::Work));
    assert_eq!(with(40), Err(BlockError::Work));
    let last = mainnet_702861().len() - 1;
    assert_eq!(with(last), Err(BlockError::Commitment), "the last lock time");
}

#[test]
fn a_block_that_spends_what_is_not_there_is_refused() {
    let read = |txdata| Scenario::read(&mined(txdata)).map(|_| ());
    let pay = spending(&[outside(1, 0)], &[5]);
    let created = OutPoint { txid: pay.compute_txid(), vout: 0 };
    let (spend, inflate) = (spending(&[created], &[5]), spending(&[created], &[6]));
    assert_eq!(read(vec![coinbase(), pay.clone(), spend.clone()]), Ok(()));

    let wrong = |position| Err(BlockError::Order { position });
    assert_eq!(read(vec![coinbase(), spend.clone(), pay.clone()]), wrong(1));
    let again = spending(&[created], &[4]);
    assert_eq!(read(vec![coinbase(), pay.clone(), spend, again]), wrong(3));
    let other = spending(&[outside(1, 0)], &[4]);
    assert_eq!(read(vec![coinbase(), pay.clone(), other]), wrong(2));
    let nowhere = spending(&[OutPoint { vout: 1, ..created }], &[5]);
    assert_eq!(read(vec![coinbase(), pay.clone(), nowhere]), wrong(2));
    assert_eq!(read(vec![coinbase(), coinbase()]), wrong(1));

    assert_eq!(
        read(vec![coinbase(), pay.clone(), inflate]),
        Err(BlockError::Balance { position: 2 })
    );
    let overflow = spending(&[outside(1, 0)], &[u64::MAX, 1]);
    assert_eq!(read(vec![coinbase(), overflow]), Err(BlockError::Balance { position: 1 }));
    assert_eq!(read(vec![pay]), Err(BlockError::Coinbase));
}

#[test]
fn a_transaction_beyond_the_limits_is_refused() {
    let read = |inputs: u32, outputs| {
        let inputs: Vec<_> = (0..inputs).map(|vout| outside(1, vout)).collect();
        let large = spending(&inputs, &vec![1; outputs]);
        Scenario::read(&mined(vec![coinbase(), large])).map(|_| ())
    };
    let refused = |error| Err(BlockError::Transaction { position: 1, error });
    assert_eq!(read(2048, 4096), Ok(()));
    assert_eq!(read(2049, 1), refused(BuildError::TooManyInputs));
    assert_eq!(read(1, 4097), refused(BuildError::TooManyOutputs));
}
