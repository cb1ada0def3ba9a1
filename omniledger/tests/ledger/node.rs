//! One type for validators and wallets: each takes what is its own.

use std::time::Duration;

use omniledger::{
    Node,
    node::{Config, Error, Record, RestoreError},
    validator, wallet,
};

use crate::town::{Town, now, take, town, validator_config, wallet_config};

fn validator(town: &Town) -> Config {
    Config::Validator(Box::new(validator_config(&town.genesis, 0)))
}

fn records(config: Config) -> Vec<Record> {
    take([now(|cx| Node::restore(config, [], cx).unwrap().1)]).records
}

#[test]
fn a_validator_takes_no_payments() {
    let town = town();
    let (mut node, _) = now(|cx| Node::restore(validator(&town), [], cx).unwrap());
    let pay = wallet::Command::Pay(Box::new(town.spend(0, 0)));
    let error = now(|cx| node.handle_command(cx, pay).map(|_| ()));
    assert_eq!(error, Err(Error::NoWallet));
}

#[test]
fn a_journal_of_another_kind_is_refused() {
    let town = town();
    let wallet = || Config::Wallet(wallet_config(&town.genesis));
    let restore = |config, records: Vec<Record>| {
        now(|cx| Node::restore(config, records, cx).map(|_| ())).err()
    };
    let theirs = records(validator(&town));
    assert!(!theirs.is_empty());
    let own = vec![Record::Wallet(wallet::Record::Paid(town.spend(0, 0)))];
    assert_eq!(restore(wallet(), theirs.clone()), Some(RestoreError::Kind));
    assert_eq!(restore(validator(&town), own.clone()), Some(RestoreError::Kind));
    assert_eq!(restore(wallet(), own), None);
    assert_eq!(restore(validator(&town), theirs), None);
}

#[test]
fn a_retry_after_no_time_does_not_stop_the_clock() {
    let town = town();
    let config = validator::Config { retry: Duration::ZERO, ..validator_config(&town.genesis, 1) };
    let config = Config::Validator(Box::new(config));
    let (mut node, _) = now(|cx| Node::restore(config, [], cx).unwrap());
    let later = crate::town::at(1, |cx| {
        let _ = node.handle_timeout(cx);
        node.next_timeout().unwrap() > cx.now()
    });
    assert!(later);
}
