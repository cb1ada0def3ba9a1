//! That the seeds reach what they are called, and that what is broken is noticed.

use super::*;

fn reached(name: &str) -> World {
    let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
    run(&input)
}

/// What the seeds are called is what happens.
#[test]
fn seeds_reach_every_fate() {
    let fates = |name| reached(name).fates.into_iter().collect::<Vec<_>>();
    let refused = Some(Reason::Refused(Refusal::Spent));
    assert_eq!(fates("nothing"), []);
    assert_eq!(fates("committed"), [(0, None), (1, None), (7, None)]);
    assert_eq!(fates("rejected"), [(2, Some(Reason::Rejected))]);
    assert_eq!(fates("refused"), [(3, refused)]);
    assert_eq!(fates("follows"), [(1, None), (4, None)]);
    assert_eq!(fates("orphaned"), [(5, refused), (6, Some(Reason::Orphaned))]);
    assert_eq!(fates("lies"), []);
    assert!(reached("lies").liars.len() > 4 && !reached("lies").misplaced.is_empty());
    let false_epochs = reached("false-epochs");
    assert!(!false_epochs.liars.is_empty() && false_epochs.wallet.epoch().is_none());
    assert_eq!(fates("crash"), [(0, None), (1, None)]);
    assert!(reached("delayed").delayed.contains(&5));
}

#[test]
fn what_is_told_without_reason_is_noticed() {
    let noticed = |event: Event| {
        let mut world = reached("committed");
        let tell = core::panic::AssertUnwindSafe(|| world.on_event(&event));
        std::panic::catch_unwind(tell).is_err()
    };
    let [committed, refused, open] = [0, 3, 5].map(session);
    let spent = Reason::Refused(Refusal::Spent);
    assert!(!noticed(Event::Committed { session: committed }));
    assert!(noticed(Event::Committed { session: open }));
    assert!(noticed(Event::Aborted { session: committed, reason: Reason::Rejected }));
    assert!(noticed(Event::Aborted { session: refused, reason: spent }));
    assert!(noticed(Event::Aborted { session: open, reason: Reason::Rejected }));
    assert!(noticed(Event::Aborted { session: open, reason: Reason::Orphaned }));
    assert!(noticed(Event::Delayed { session: open }));
}

#[test]
fn a_payment_that_nobody_made_and_a_false_proof_are_noticed() {
    let (_, forged) = crate::realm::FORGED.first().unwrap().clone();
    let transaction = payment(5).transaction().clone();
    let judged = |paid: &[u8], action: Action<_>| {
        let mut world = World::new();
        world.paid.extend(paid);
        let request = Request { transaction: transaction.clone(), action };
        let requests = cosi::wire::BoundedVec::new(vec![request]).unwrap();
        let message = Message::Guest(Guest::Submit { shard: 1, requests });
        let judge = core::panic::AssertUnwindSafe(|| world.judge(&message));
        std::panic::catch_unwind(judge).is_ok()
    };
    assert!(judged(&[5], Action::Initialize { shown: None }));
    assert!(!judged(&[], Action::Initialize { shown: None }));
    assert!(!judged(&[5], Action::Initialize { shown: Some(forged) }));
    assert!(!judged(&[5], Action::Commit { proofs: cosi::wire::BoundedVec::default() }));
}
