extern crate std;

use alloc::vec;

use atomix::Transaction;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::testing::Town;

/// A payment, and one that spends what it was to create.
fn chain_of_two(town: &Town) -> [(Session, Transaction); 2] {
    let genesis = town.genesis.id();
    let first = town.pay((0, 100), &[town.coin(0)], 0);
    let session = first.declaration.session(&genesis);
    let gift = first.declaration.created(session).next().unwrap();
    let second = town.pay((1, 100), &[gift], 0);
    let follower = second.declaration.session(&genesis);
    [(session, first), (follower, second)]
}

fn config(town: &Town) -> Config {
    let (poll, patience) = (Duration::from_millis(200), Duration::from_secs(30));
    Config { genesis: town.genesis.clone(), poll, patience }
}

/// Who spends what an aborted payment was to create is told so, and does not wait for ever.
#[test]
fn nothing_waits_for_an_aborted_payment() {
    let town = Town::new(1, &[0]);
    let [(session, first), (follower, second)] = chain_of_two(&town);
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut cx = Cx::new(Time::default(), &mut rng);
    let aborted = Record::Aborted(session, Reason::Rejected);
    let journal = vec![Record::Paid(first), aborted];
    let (mut wallet, _) = Wallet::restore(config(&town), journal.clone(), &mut cx).unwrap();

    let pay = Command::Pay(Box::new(second.clone()));
    let (records, held) = wallet.handle_command(&mut cx, pay).unwrap().into_records();
    let reason = Reason::Orphaned;
    assert_eq!(held.release().events, [Event::Aborted { session: follower, reason }]);
    assert_eq!(wallet.pending(), 0);

    // A crash between the two records loses nothing.
    for kept in 1..=records.len() {
        let records = records.iter().take(kept).cloned();
        let journal = journal.iter().cloned().chain(records);
        let (wallet, _) = Wallet::restore(config(&town), journal, &mut cx).unwrap();
        assert_eq!((kept, wallet.pending()), (kept, 0));
    }
}
