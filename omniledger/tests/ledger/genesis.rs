//! Geneses that are refused, and what an id covers.

use cosi::{
    roster::{Member, RosterError},
    wire::{BoundedBytes, BoundedVec},
};
use omniledger::{
    Shape,
    chain::MAX_TRANSACTIONS,
    genesis::{Genesis, GenesisError, Grant, Limits, MAX_BLOCK_BYTES, MAX_GRANTS},
    ledger::Ledger,
    transaction::{MAX_BYTES, Outpoint},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::common::key;

fn members(weights: &[u32]) -> Vec<Member> {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let keys = (1..).map(key);
    weights
        .iter()
        .zip(keys)
        .map(|(weight, key)| Member { weight: *weight, ..Member::new(&key, &mut rng) })
        .collect()
}

pub(crate) fn sample() -> Genesis {
    let grant = |owner, value| Grant { owner: key(owner).public().to_bytes(), value };
    Genesis::new("town", members(&[1; 4]), vec![grant(1, 5), grant(1, 5), grant(2, 0)]).unwrap()
}

/// Why `genesis` has neither a roster nor a ledger.
fn refusal(genesis: &Genesis) -> GenesisError {
    let error = genesis.roster().unwrap_err();
    assert_eq!(genesis.ledger().unwrap_err(), error);
    error
}

#[test]
fn grants_are_unspent_under_names_of_this_ledger() {
    let genesis = sample();
    let ledger = genesis.ledger().unwrap();
    let granted: Vec<_> = genesis.granted().collect();
    assert_eq!((granted.len(), ledger.unspent().len()), (3, 3), "like grants have unlike names");
    for (coin, grant) in granted.iter().zip(genesis.grants.iter()) {
        assert_eq!((coin.value, coin.owner), (grant.value, grant.owner));
        assert_eq!((coin.outpoint.shard, coin.outpoint.version), (0, 0));
        assert_eq!(ledger.spendable(coin), Ok(()));
    }
    let name = BoundedBytes::new(b"city".to_vec()).unwrap();
    let other = Genesis { name, ..genesis };
    assert_ne!(other.ledger().unwrap().root(), ledger.root());
    assert!(other.granted().all(|coin| ledger.spendable(&coin).is_err()));
}

#[test]
fn an_id_covers_every_field() {
    let genesis = sample();
    let mut ids = vec![genesis.id()];
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut swapped = members(&[1; 4]);
    swapped.swap(0, 1);
    let mut proven_again = members(&[1; 4]);
    proven_again[0] = Member::new(&key(1), &mut rng);
    let mut grants = genesis.grants.to_vec();
    grants[0].value += 1;
    let limits = genesis.limits;
    let others = [
        Genesis { name: BoundedBytes::new(b"Town".to_vec()).unwrap(), ..genesis.clone() },
        Genesis { validators: BoundedVec::new(swapped).unwrap(), ..genesis.clone() },
        Genesis { validators: BoundedVec::new(proven_again).unwrap(), ..genesis.clone() },
        Genesis { shape: Shape::new(3, 32).unwrap(), ..genesis.clone() },
        Genesis { shape: Shape::new(2, 31).unwrap(), ..genesis.clone() },
        Genesis { limits: Limits { bytes: limits.bytes + 1, ..limits }, ..genesis.clone() },
        Genesis { limits: Limits { transactions: 1, ..limits }, ..genesis.clone() },
        Genesis { grants: BoundedVec::new(grants).unwrap(), ..genesis.clone() },
        Genesis { grants: BoundedVec::default(), ..genesis },
    ];
    ids.extend(others.iter().map(Genesis::id));
    assert!(others.iter().all(|other| other.roster().is_ok()));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

#[test]
fn validators_without_a_safe_quorum_are_refused() {
    let with = |members: Vec<Member>| Genesis {
        validators: BoundedVec::new(members).unwrap(),
        ..sample()
    };
    assert_eq!(refusal(&with(vec![])), GenesisError::Roster(RosterError::Size));
    for fragile in [&[1; 1][..], &[1; 3], &[2, 1, 1, 1, 1], &[5; 3], &[100, 99, 99]] {
        assert_eq!(refusal(&with(members(fragile))), GenesisError::Fragile);
    }
    for safe in [&[1; 4][..], &[1; 7], &[2, 1, 1, 1, 1, 1], &[5; 4]] {
        assert!(with(members(safe)).roster().is_ok());
    }
    let mut unproven = members(&[1; 4]);
    unproven[2].proof = unproven[1].proof;
    let culprits = vec![2];
    let expected = GenesisError::Roster(RosterError::NoPossession { culprits });
    assert_eq!(refusal(&with(unproven)), expected);
}

#[test]
fn parameters_out_of_range_are_refused() {
    for name in [&b""[..], b"\xff", b"to\nwn", b"\x1b[2J"] {
        let name = BoundedBytes::new(name.to_vec()).unwrap();
        assert_eq!(refusal(&Genesis { name, ..sample() }), GenesisError::Name);
    }
    let long = "n".repeat(65);
    assert_eq!(Genesis::new(&long, members(&[1; 4]), vec![]), Err(GenesisError::Name));
    let least = u32::try_from(MAX_BYTES).unwrap();
    let most = u32::try_from(MAX_TRANSACTIONS).unwrap();
    for (transactions, bytes) in
        [(0, least), (1, least - 1), (1, MAX_BLOCK_BYTES + 1), (most + 1, least)]
    {
        let genesis = Genesis { limits: Limits { transactions, bytes }, ..sample() };
        assert_eq!(refusal(&genesis), GenesisError::Limits);
    }
    for (transactions, bytes) in [(1, least), (most, MAX_BLOCK_BYTES)] {
        let genesis = Genesis { limits: Limits { transactions, bytes }, ..sample() };
        assert!(genesis.roster().is_ok());
    }
}

#[test]
fn grants_that_overflow_or_are_too_many_are_refused() {
    let grant = |value| Grant { owner: key(1).public().to_bytes(), value };
    let of = |grants| Genesis::new("town", members(&[1; 4]), grants);
    assert!(of(vec![grant(u64::MAX), grant(0)]).is_ok());
    assert_eq!(of(vec![grant(u64::MAX), grant(1)]), Err(GenesisError::Overflow));
    assert_eq!(of(vec![grant(1); MAX_GRANTS + 1]), Err(GenesisError::TooManyGrants));

    let full = of(vec![grant(1); MAX_GRANTS]).unwrap();
    let last = full.granted().last().unwrap();
    assert_eq!(full.ledger().unwrap().spendable(&last), Ok(()));
    assert!(matches!(last.outpoint, Outpoint { shard: 0, version: 0, .. }));
}
