//! A small town: owners with one coin each, and a ledger that has them.

use cosi::keys::{Seed, SigningKey};
use omniledger::{
    genesis::GenesisId,
    ledger::Ledger,
    transaction::{Declaration, Input, Outpoint, Output, Rejection, Rules, Transaction},
    utxo::Utxo,
};

pub(crate) const RULES: Rules = Rules { genesis: GenesisId([7; 32]), epoch: 3, shards: 2 };

pub(crate) fn key(owner: u8) -> SigningKey {
    Seed::from_bytes([owner; 32]).signing_key()
}

/// The coin of `owner`, worth 100.
pub(crate) fn coin(owner: u8) -> Input {
    let outpoint = Outpoint { shard: 0, id: [owner; 32], version: 0 };
    Input { outpoint, value: 100, owner: key(owner).public().to_bytes() }
}

pub(crate) fn output(owner: u8, value: u64) -> Output {
    Output { shard: 0, value, owner: key(owner).public().to_bytes() }
}

/// A ledger on which owners 1 to 9 have a coin each.
pub(crate) fn town() -> Utxo {
    Utxo::new(RULES, (1..10).map(coin))
}

pub(crate) fn declare(inputs: &[Input], outputs: &[Output]) -> Declaration {
    Declaration::new(RULES.epoch, 1, inputs.to_vec(), outputs.to_vec()).unwrap()
}

/// Signs for owners 1 to 9.
pub(crate) fn sign(declaration: Declaration) -> Transaction {
    sign_for(&RULES.genesis, declaration)
}

pub(crate) fn sign_for(genesis: &GenesisId, declaration: Declaration) -> Transaction {
    let keys: Vec<_> = (1..10).map(key).collect();
    let find = |owner: &[u8; 32]| keys.iter().find(|key| key.public().to_bytes() == *owner);
    declaration.sign(genesis, find).unwrap()
}

/// Checks and executes one transaction. A refused one must change nothing.
pub(crate) fn execute(ledger: &mut Utxo, transaction: &Transaction) -> Result<(), Rejection> {
    let before = ledger.root();
    let checked = ledger.check(vec![transaction.clone()]).results.remove(0);
    let done = checked.and_then(|checked| ledger.apply(&checked));
    assert_eq!(done.is_err(), ledger.root() == before, "all or nothing");
    done
}

/// The name of the rule that refuses `transaction` in a fresh town, or "executed".
pub(crate) fn verdict(transaction: &Transaction) -> &'static str {
    execute(&mut town(), transaction).err().map_or("executed", |rejection| rejection.name())
}
