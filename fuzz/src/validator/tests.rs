//! That the seeds reach what they are called, and that what is broken is noticed.

use atomix::{Outcome, Verdict};
use omniledger::Refusal;

use super::*;

fn reached(name: &str) -> World {
    let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
    run(&input)
}

#[test]
fn seeds_reach_blocks_votes_crashes_and_unsound_quorums() {
    let blocks = |name| reached(name).committed.len();
    assert_eq!((blocks("nothing"), blocks("two-of-four")), (0, 0));
    let story = reached("story");
    assert_eq!(story.committed.len(), 3);
    assert_eq!(story.answered, BTreeSet::from([0, 2, 4, 8]));
    let proposes = reached("proposes");
    assert!(proposes.own.is_some() && proposes.committed == Vec::from_iter(proposes.own));
    let singly = reached("voted-singly");
    let kinds: BTreeSet<_> = singly.voted.keys().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, BTreeSet::from([Kind::Prepare, Kind::Commit]));
    assert!(reached("unsound").unsound && blocks("unsound") == 1);
    assert!(reached("unsound-header").unsound && blocks("unsound-header") == 0);
    assert!(reached("one-header").unsound && blocks("one-header") == 0);
    assert_eq!(blocks("crash"), 3);
    assert_eq!(blocks("later"), 3);
}

#[test]
fn what_breaks_a_rule_is_noticed() {
    let noticed = |act: fn(&mut World)| {
        let mut world = reached("story");
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| act(&mut world))).is_err()
    };
    let said = |number, outcome| {
        Verdict::new(REALM.shard(SHARD).chain(), SHARD, payment(number), outcome, 4)
    };
    assert!(!noticed(|world| world.books.audit(world.validator.state().unwrap())));
    assert!(noticed(|world| world.books.audit(&Branch::new(SHARD).state)));
    let mut books = reached("story").books;
    books.enter(&said(5, Outcome::Accepted));
    for (number, outcome) in
        [(5, Outcome::Accepted), (5, Outcome::GivenBack), (3, Outcome::Created)]
    {
        let verdict = said(number, outcome);
        let mut books = reached("story").books;
        books.enter(&said(5, Outcome::Accepted));
        let enter = core::panic::AssertUnwindSafe(|| books.enter(&verdict));
        assert!(std::panic::catch_unwind(enter).is_err(), "{number} {outcome:?}");
    }
    assert!(noticed(|world| world.books.allows(payment(5).session(), Refusal::Spent)));
    assert!(noticed(|world| world.books.allows(payment(5).session(), Refusal::Misdeclared)));
    assert!(!noticed(|world| world.books.allows(payment(8).session(), Refusal::Spent)));
    assert!(noticed(|world| {
        let (slot, _) = world.voted.first_key_value().expect("it voted");
        world.votes(*slot, [7; 32]);
    }));
    assert!(noticed(|world| world.votes((Kind::Prepare, Height::new(9), View::ZERO), [7; 32])));
}
