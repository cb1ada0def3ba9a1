//! The block of mainnet, blocks made up, and what is no block.

use bitcoin::hex::DisplayHex;
use omniledger::{
    atomix::{Action, Rosters, ShardState},
    genesis::Registration,
    ledger::{Checked, Idle, Ledger},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::{
    mined::{coinbase, mined, outside, spending},
    *,
};

const SHARDS: u16 = 4;

fn genesis(scenario: &Scenario) -> Genesis {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let seeds = (1..17).map(|seed| Seed::from_bytes([seed; 32]));
    let validators = seeds.map(|seed| Registration::new(&seed, &mut rng)).collect();
    Genesis::new("block", SHARDS, validators, scenario.grants().to_vec()).unwrap()
}

#[test]
fn the_block_is_the_one_of_mainnet() {
    let scenario = Scenario::read(mainnet_702861(), SHARDS).unwrap();
    let expected = Statistics {
        transactions: 2500,
        inputs: 6518,
        outputs: 6270,
        fees: 255,
        grants: 6191,
        depth: 17,
        largest: 1012,
        zero_outputs: 23,
        cross_shard: 2347,
    };
    assert_eq!(scenario.statistics(), &expected);
    assert_eq!(scenario.grants().len(), 6191);
}

#[test]
fn every_transaction_keeps_the_blocks_values_and_order_and_balances() {
    let scenario = Scenario::read(mainnet_702861(), SHARDS).unwrap();
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
fn an_outputs_shard_is_its_outpoints_hash_mod_shards() {
    let output = outside(7, 3);
    let bytes = [&[7; 32][..], &[3, 0, 0, 0]].concat();
    let digest = sha256::Hash::hash(&bytes).to_byte_array();
    for shards in 1..=64 {
        // The number's digits to the base 256, one at a time from the last.
        let (mut place, mut sum) = (1u64, 0u64);
        for digit in digest.iter().rev() {
            sum = (sum + u64::from(*digit) * place) % u64::from(shards);
            place = place * 256 % u64::from(shards);
        }
        assert_eq!(u64::from(shard_of(&output, shards)), sum, "{shards}");
    }
    let scenario = Scenario::read(mainnet_702861(), 1).unwrap();
    assert_eq!(scenario.statistics().cross_shard, 0);
    assert!(scenario.grants().iter().all(|grant| grant.shard == 0));
}

#[test]
fn one_shard_executes_the_block_once_and_keeps_its_value() {
    let scenario = Scenario::read(mainnet_702861(), 1).unwrap();
    let genesis = Genesis { shards: 1, ..genesis(&scenario) };
    let rules = genesis.rules();
    let mut state = ShardState::new(genesis.shard_chain(0), 0, rules.clone(), genesis.granted());
    let checks = rules.check(scenario.sign(&genesis).unwrap());
    assert_eq!(checks.signatures, 6518);
    let mut unspent: BTreeMap<_, _> =
        genesis.granted().map(|coin| (coin.outpoint.id, coin.value)).collect();
    let granted: u128 = unspent.values().copied().map(u128::from).sum();
    let requests = checks.results.into_iter().map(|checked| Checked {
        transaction: checked.unwrap(),
        action: Action::Initialize { shown: None },
    });
    let (requests, rosters): (Vec<_>, _) = (requests.collect(), Rosters::new());
    state.begin_block(0, 1).unwrap();
    for request in &requests {
        assert_eq!(state.perform(&rosters, request).unwrap().len(), 2);
        let declared = request.transaction.declaration();
        for input in declared.inputs.iter() {
            assert_eq!(unspent.remove(&input.outpoint.id), Some(input.value));
        }
        let created = declared.created(request.transaction.session());
        unspent.extend(created.map(|coin| (coin.outpoint.id, coin.value)));
    }
    assert_eq!(unspent.values().copied().map(u128::from).sum::<u128>(), granted);
    assert!(state.unspent().iter().map(|(id, _)| id).eq(unspent.keys()));
    let root = state.state_root();
    for request in &requests {
        assert_eq!(state.perform(&rosters, request), Err(Idle::Repeated));
    }
    assert_eq!(state.state_root(), root);
}

#[test]
fn other_genesis_grants_are_refused() {
    let scenario = Scenario::read(&mined(vec![coinbase()]), SHARDS).unwrap();
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
    let scenario = Scenario::read(&mined(vec![coinbase(), pay, mixed, merge]), SHARDS).unwrap();
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
    let [a, b] = [&block[..], hex.as_bytes()].map(|bytes| Scenario::read(bytes, SHARDS).unwrap());
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
        let error = Scenario::read(bytes, SHARDS).unwrap_err();
        assert!(matches!(error, BlockError::Encoding(_)), "{error}");
        assert!(error.to_string().contains("bitcoin-cli getblock"));
    }
}

#[test]
fn a_block_that_is_not_as_mined_is_refused() {
    let with = |at: usize| {
        let mut block = mainnet_702861().to_vec();
        block[at] ^= 1;
        Scenario::read(&block, SHARDS).map(|_| ())
    };
    assert_eq!(with(0), Err(BlockError::Work));
    assert_eq!(with(40), Err(BlockError::Work));
    let last = mainnet_702861().len() - 1;
    assert_eq!(with(last), Err(BlockError::Commitment), "the last lock time");
}

#[test]
fn a_block_that_spends_what_is_not_there_is_refused() {
    let read = |txdata| Scenario::read(&mined(txdata), SHARDS).map(|_| ());
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
        Scenario::read(&mined(vec![coinbase(), large]), SHARDS).map(|_| ())
    };
    let refused = |error| Err(BlockError::Transaction { position: 1, error });
    assert_eq!(read(2048, 4096), Ok(()));
    assert_eq!(read(2049, 1), refused(BuildError::TooManyInputs));
    assert_eq!(read(1, 4097), refused(BuildError::TooManyOutputs));
}
