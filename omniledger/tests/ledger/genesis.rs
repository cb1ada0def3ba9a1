//! Geneses that are refused, and what an id covers.

use std::collections::BTreeSet;

use cosi::{
    keys::{PeerId, Seed},
    roster::RosterError,
    wire::{BoundedBytes, BoundedVec},
};
use omniledger::{
    Genesis, Shape,
    atomix::Outpoint,
    genesis::{
        GenesisError, Grant, LEAST_VALIDATORS, Limits, MAX_BLOCK_BYTES, MAX_GRANTS, MAX_REQUESTS,
        MAX_SHARDS, Registration,
    },
    message::MAX_REQUEST_BYTES,
    randhound::MAX_GROUP_SIZE,
    validator, wallet,
};
use pvss::KeysError;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::town::{genesis, key, now, seed, to, town, validator_config, wallet_config};

/// Why there is no such ledger: neither roster, committee, validator, wallet nor epoch.
fn refusal(genesis: &Genesis) -> GenesisError {
    let error = genesis.roster().unwrap_err();
    assert_eq!(genesis.committee().unwrap_err(), error);
    refused(genesis, &error);
    error
}

fn refused(genesis: &Genesis, error: &GenesisError) {
    let config = validator_config(genesis, 0);
    let validator = now(|cx| validator::Validator::restore(config, [], cx).err());
    assert_eq!(validator, Some(validator::RestoreError::Genesis(error.clone())));
    let wallet = now(|cx| wallet::Wallet::restore(wallet_config(genesis), [], cx).err());
    assert_eq!(wallet, Some(wallet::RestoreError::Genesis(error.clone())));
    let epoch = omniledger::Epoch::verify(genesis, &town().proof).err();
    assert_eq!(epoch, Some(omniledger::epoch::EpochError::Genesis(error.clone())));
}

fn with(validators: Vec<Registration>) -> Genesis {
    Genesis { validators: BoundedVec::new(validators).unwrap(), ..genesis(8, 2, 2) }
}

fn registered(count: u8) -> Vec<Registration> {
    genesis(count, 1, 0).validators.into_inner()
}

#[test]
fn grants_are_unspent_in_their_shards_under_names_of_this_ledger() {
    let town = town();
    let granted: Vec<_> = town.genesis.granted().collect();
    let names: BTreeSet<_> = granted.iter().map(|coin| coin.outpoint.id).collect();
    assert_eq!((granted.len(), names.len()), (12, 12), "like grants have unlike names");
    for (coin, grant) in granted.iter().zip(town.genesis.grants.iter()) {
        assert_eq!((coin.value, coin.owner), (grant.value, grant.owner));
        assert_eq!((coin.outpoint.shard, coin.outpoint.version), (grant.shard, 0));
        for (number, shard) in (0..).zip(town.epoch.shards()) {
            let spendable = shard.state(&town.genesis).spendable(coin).is_ok();
            assert_eq!(spendable, number == grant.shard);
        }
    }
    let name = BoundedBytes::new(b"city".to_vec()).unwrap();
    let other = Genesis { name, ..town.genesis.clone() };
    let state = town.epoch.shard(0).unwrap().state(&town.genesis);
    assert!(other.granted().all(|coin| state.spendable(&coin).is_err()));
}

#[test]
fn an_id_covers_every_field_and_names_the_chains() {
    let genesis = genesis(8, 2, 3);
    assert_eq!(genesis.validators.len(), 8);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut swapped = genesis.validators.to_vec();
    swapped.swap(0, 1);
    let mut proven_again = genesis.validators.to_vec();
    proven_again[0] = Registration::new(&seed(0), &mut rng);
    let mut grants = genesis.grants.to_vec();
    grants[0].value += 1;
    let mut moved = genesis.grants.to_vec();
    moved[0].shard = 1;
    let limits = genesis.limits;
    let others = [
        Genesis { name: BoundedBytes::new(b"Town".to_vec()).unwrap(), ..genesis.clone() },
        Genesis { validators: BoundedVec::new(swapped).unwrap(), ..genesis.clone() },
        Genesis { validators: BoundedVec::new(proven_again).unwrap(), ..genesis.clone() },
        Genesis { shards: 1, grants: BoundedVec::default(), ..genesis.clone() },
        Genesis { group_size: 31, ..genesis.clone() },
        Genesis { prior: [1; 32], ..genesis.clone() },
        Genesis { shape: Shape::new(3, 32).unwrap(), ..genesis.clone() },
        Genesis { shape: Shape::new(2, 31).unwrap(), ..genesis.clone() },
        Genesis { limits: Limits { bytes: limits.bytes + 1, ..limits }, ..genesis.clone() },
        Genesis { limits: Limits { requests: 1, ..limits }, ..genesis.clone() },
        Genesis { grants: BoundedVec::new(grants).unwrap(), ..genesis.clone() },
        Genesis { grants: BoundedVec::new(moved).unwrap(), ..genesis.clone() },
        Genesis { grants: BoundedVec::default(), ..genesis.clone() },
    ];
    assert!(others.iter().all(|other| other.committee().is_ok()));
    let all = || std::iter::once(&genesis).chain(&others);
    assert_eq!(all().map(Genesis::id).collect::<BTreeSet<_>>().len(), 14);
    let chains = |of: &Genesis| [of.identity_chain(), of.shard_chain(0), of.shard_chain(1)];
    assert_eq!(all().flat_map(chains).collect::<BTreeSet<_>>().len(), 3 * 14);
}

#[test]
fn share_keys_are_bound_to_the_roster() {
    let all = registered(8);
    // Two validators' share keys in each other's place.
    let mut swapped = all.clone();
    (swapped[2].share, swapped[5].share) = (all[5].share, all[2].share);
    let genesis = with(swapped);
    assert!(genesis.roster().is_ok(), "the signing keys hold");
    let error = GenesisError::Extension { culprits: vec![2, 5] };
    assert_eq!(genesis.committee().unwrap_err(), error);
    refused(&genesis, &error);

    // With the entries changed to match, the roster is another, and the keys are no one's proof.
    let mut moved = all.clone();
    moved.swap(2, 5);
    for at in [2, 5] {
        let extension = moved[at].member.extension;
        moved[at].member = omniledger::roster::Member { extension, ..all[at].member.clone() };
    }
    let genesis = with(moved);
    assert_ne!(genesis.roster().unwrap().id(), with(all.clone()).roster().unwrap().id());
    let culprits = vec![2, 5];
    let error = GenesisError::Shares(KeysError::NoPossession { culprits });
    assert_eq!(genesis.committee().unwrap_err(), error);
    refused(&genesis, &error);
    // A validator that is there twice.
    let mut twice = all;
    twice[3] = twice[4].clone();
    assert!(matches!(refusal(&with(twice)), GenesisError::Roster(RosterError::Duplicate { .. })));
    // `new` refuses the same.
    let mut swapped = registered(4);
    swapped[1].share = swapped[2].share;
    let error = Genesis::new("town", 1, swapped, vec![]).unwrap_err();
    assert_eq!(error, GenesisError::Extension { culprits: vec![1] });
}

#[test]
fn a_registration_is_of_one_seed() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let one = Registration::new(&Seed::from_bytes([1; 32]), &mut rng);
    let again = Registration::new(&Seed::from_bytes([1; 32]), &mut rng);
    assert_eq!((one.member.key, one.share.key), (again.member.key, again.share.key));
    assert_eq!(one.member.peer, PeerId::of(key(1).public()));
    assert_eq!(one.member.weight, 1);
}

#[test]
fn validators_without_a_safe_quorum_are_refused() {
    assert_eq!(refusal(&with(vec![])), GenesisError::TooFewValidators { shards: 2, least: 8 });
    for (count, shards) in [(3, 1), (7, 2), (11, 3)] {
        let validators = BoundedVec::new(registered(12)[..count].to_vec()).unwrap();
        let genesis = Genesis { shards, validators, ..genesis(8, 1, 0) };
        let least = usize::from(shards) * LEAST_VALIDATORS;
        assert_eq!(refusal(&genesis), GenesisError::TooFewValidators { shards, least });
    }
    let mut heavy = registered(8);
    heavy[1].member.weight = 2;
    assert_eq!(refusal(&with(heavy)), GenesisError::Weight);
    let mut unproven = registered(8);
    unproven[2].member.proof = unproven[1].member.proof;
    let expected = GenesisError::Roster(RosterError::NoPossession { culprits: vec![2] });
    assert_eq!(refusal(&with(unproven)), expected);
}

#[test]
fn parameters_out_of_range_are_refused() {
    let sound = genesis(8, 2, 2);
    for name in [&b""[..], b"\xff", b"to\nwn", b"\x1b[2J"] {
        let name = BoundedBytes::new(name.to_vec()).unwrap();
        assert_eq!(refusal(&Genesis { name, ..sound.clone() }), GenesisError::Name);
    }
    let long = "n".repeat(65);
    assert_eq!(Genesis::new(&long, 1, registered(4), vec![]), Err(GenesisError::Name));
    for shards in [0, MAX_SHARDS + 1, u16::MAX] {
        assert_eq!(refusal(&Genesis { shards, ..sound.clone() }), GenesisError::Shards);
    }
    for group_size in [0, MAX_GROUP_SIZE + 1, u16::MAX] {
        assert_eq!(refusal(&Genesis { group_size, ..sound.clone() }), GenesisError::GroupSize);
    }
    let least = u32::try_from(MAX_REQUEST_BYTES).unwrap();
    let most = u32::try_from(MAX_REQUESTS).unwrap();
    for (requests, bytes) in
        [(0, least), (1, least - 1), (1, MAX_BLOCK_BYTES + 1), (most + 1, least)]
    {
        let genesis = Genesis { limits: Limits { requests, bytes }, ..sound.clone() };
        assert_eq!(refusal(&genesis), GenesisError::Limits);
    }
    for (requests, bytes) in [(1, least), (most, MAX_BLOCK_BYTES)] {
        let genesis = Genesis { limits: Limits { requests, bytes }, ..sound.clone() };
        assert!(genesis.committee().is_ok());
    }
    // As many groups of the beacon as there are validators, and one.
    for group_size in [1, 8, MAX_GROUP_SIZE] {
        let genesis = Genesis { group_size, ..sound.clone() };
        let config = validator_config(&genesis, 0);
        assert!(now(|cx| validator::Validator::restore(config, [], cx).is_ok()));
    }
}

#[test]
fn grants_that_overflow_or_are_too_many_or_nowhere_are_refused() {
    let grant = |shard, value| Grant { shard, owner: to(0, 0).owner, value };
    let of = |grants| Genesis::new("town", 1, registered(4), grants);
    assert!(of(vec![grant(0, u64::MAX), grant(0, 0)]).is_ok());
    let over = Genesis {
        grants: BoundedVec::new(vec![grant(0, u64::MAX), grant(1, 1)]).unwrap(),
        ..genesis(8, 2, 0)
    };
    assert_eq!(refusal(&over), GenesisError::Overflow);
    let nowhere = BoundedVec::new(vec![grant(0, 1), grant(2, 1)]).unwrap();
    let nowhere = Genesis { grants: nowhere, ..genesis(8, 2, 0) };
    assert_eq!(refusal(&nowhere), GenesisError::UnknownShard { grant: 1 });
    assert_eq!(of(vec![grant(0, 1); MAX_GRANTS + 1]), Err(GenesisError::TooManyGrants));

    let full = of(vec![grant(0, 1); MAX_GRANTS]).unwrap();
    let last = full.granted().last().unwrap();
    assert!(matches!(last.outpoint, Outpoint { shard: 0, version: 0, .. }));
    assert_eq!(
        full.granted().map(|coin| coin.outpoint.id).collect::<BTreeSet<_>>().len(),
        MAX_GRANTS
    );
}
