//! Words of shards that lie, made by hand.
#![allow(clippy::arithmetic_side_effects, reason = "overflow fails the test")]

use cosi::wire::BoundedVec;
use omniledger::{
    atomix::{GenesisId, Output, Parameters, Rules},
    skipchain::ChainId,
};

use super::*;
use Outcome::{Accepted, Created, GivenBack, Rejected};

const ALICE: [u8; 32] = [1; 32];
const CHAIN: ChainId = ChainId([0; 32]);

/// A coin of 100 in each of three shards.
fn coin(shard: u16) -> Input {
    let id = [u8::try_from(shard).unwrap(); 32];
    Input { outpoint: Outpoint { shard, id, version: 0 }, value: 100, owner: ALICE }
}

fn declared(inputs: &[Input], outputs: &[(u16, u64)]) -> Declaration {
    let outputs =
        outputs.iter().map(|(shard, value)| Output { shard: *shard, value: *value, owner: ALICE });
    Declaration::new(0, 0, 0, inputs.to_vec(), outputs.collect()).unwrap()
}

fn session(number: usize) -> Session {
    Session([u8::try_from(number).unwrap(); 32])
}

/// What a shard says of an outpoint or two.
fn verdict(of: usize, shard: u16, outcome: Outcome, outpoints: Vec<Outpoint>) -> Verdict {
    let outpoints = BoundedVec::new(outpoints).unwrap();
    Verdict { chain: CHAIN, shard, session: session(of), outcome, outpoints, height: 1 }
}

/// What a shard says of a session in words that fit the declaration.
fn word(of: usize, declared: &Declaration, shard: u16, outcome: Outcome) -> Verdict {
    let inputs = declared.inputs.iter().map(|input| input.outpoint);
    let outputs = (0..).zip(declared.outputs.iter()).map(|(position, output)| Outpoint {
        shard: output.shard,
        id: session(of).outpoint(position),
        version: 0,
    });
    let named: Vec<_> = match outcome {
        Accepted | Rejected => inputs.collect(),
        GivenBack => inputs.map(|one| Outpoint { version: one.version + 1, ..one }).collect(),
        Created => outputs.collect(),
    };
    let own = named.into_iter().filter(|one| one.shard == shard).collect();
    verdict(of, shard, outcome, own)
}

type Word = (usize, u16, Outcome);

/// Enters these words of the sessions that are declared, and closes.
fn keep(declared: &[Declaration], words: &[Word]) -> Result<Closed, &'static str> {
    let mut books = Books::open((0..3).map(coin));
    for (number, declared) in declared.iter().enumerate() {
        books.declare(session(number), declared);
    }
    for (of, shard, outcome) in words {
        let word = word(*of, &declared[*of], *shard, *outcome);
        books.enter(&word).map_err(|flaw| flaw.check)?;
    }
    books.close().map_err(|flaw| flaw.check)
}

fn flaw(declared: &[Declaration], words: &[Word]) -> &'static str {
    keep(declared, words).unwrap_err()
}

/// Takes 100 from shards 0 and 1 each, and gives 150 to shard 1 and 50 to shard 2.
fn across() -> Declaration {
    declared(&[coin(0), coin(1)], &[(1, 150), (2, 50)])
}

#[test]
fn sound_words_add_up() {
    let all = [(0, 0, Accepted), (0, 1, Accepted), (0, 1, Created), (0, 2, Created)];
    let Closed { audit, committed } = keep(&[across()], &all).unwrap();
    assert_eq!((audit.value_in, audit.value_out, audit.value_unspent), (200, 200, 300));
    assert_eq!((audit.unspent, audit.committed, audit.cross_shard), (3, 1, 1));
    assert_eq!((audit.locks_left, audit.aborted, audit.given_back), (0, 0, 0));
    assert_eq!(committed[&session(0)], BTreeSet::from([(1, Created), (2, Created)]));

    // Given back, and spent again, one version later.
    let (lost, mut again) = (across(), coin(0));
    again.outpoint.version = 1;
    let next = declared(&[again], &[(0, 90)]);
    let words =
        [(0, 0, Accepted), (0, 1, Rejected), (0, 0, GivenBack), (1, 0, Accepted), (1, 0, Created)];
    let Closed { audit, .. } = keep(&[lost, next], &words).unwrap();
    assert_eq!((audit.committed, audit.aborted, audit.given_back), (1, 1, 1));
    assert_eq!((audit.cross_shard, audit.locks_left), (0, 0));
    assert_eq!((audit.value_in, audit.value_out, audit.value_unspent), (100, 90, 290));

    // Without outputs, all is burnt; and what is over may be rejected again.
    let burn = declared(&[coin(2)], &[]);
    let words = [(0, 2, Accepted), (1, 0, Rejected), (1, 1, Rejected), (1, 0, Rejected)];
    let Closed { audit, committed } = keep(&[burn, across()], &words).unwrap();
    assert_eq!((audit.value_in, audit.value_out, audit.value_unspent), (100, 0, 200));
    assert_eq!(committed[&session(0)], BTreeSet::from([(2, Accepted)]));
    assert_eq!((audit.committed, audit.aborted), (1, 1));
}

#[test]
fn a_lock_that_is_left_counts_and_its_value_is_not_lost() {
    let all = [(0, 0, Accepted), (0, 1, Accepted), (0, 1, Created), (0, 2, Created)];
    for (told, unspent) in [(1, 200), (2, 100), (3, 250)] {
        let Closed { audit, committed } = keep(&[across()], &all[..told]).unwrap();
        assert_eq!((audit.locks_left, audit.committed), (1, 0), "{told}");
        assert_eq!(audit.value_unspent, unspent, "{told}");
        assert!(committed.is_empty());
    }
    let rejected = [(0, 0, Accepted), (0, 1, Rejected)];
    let Closed { audit, .. } = keep(&[across()], &rejected).unwrap();
    assert_eq!((audit.locks_left, audit.aborted, audit.value_unspent), (1, 1, 200));
}

#[test]
fn nothing_is_spent_twice() {
    let [one, other] = [declared(&[coin(0)], &[(0, 100)]), declared(&[coin(0)], &[(1, 100)])];
    let words = [(0, 0, Accepted), (1, 0, Accepted)];
    assert_eq!(flaw(&[one, other.clone()], &words), "double spend");
    // The version that an abort took away.
    let words = [(0, 0, Accepted), (0, 1, Rejected), (0, 0, GivenBack), (1, 0, Accepted)];
    assert_eq!(flaw(&[across(), other], &words), "double spend");
}

#[test]
fn nothing_comes_of_nothing() {
    let mut unknown = coin(0);
    unknown.outpoint.id = [9; 32];
    assert_eq!(flaw(&[declared(&[unknown], &[(0, 100)])], &[(0, 0, Accepted)]), "existence");
    let mut later = coin(0);
    later.outpoint.version = 1;
    assert_eq!(flaw(&[declared(&[later], &[(0, 100)])], &[(0, 0, Accepted)]), "existence");
    // In another shard than the one that has it.
    let mut elsewhere = coin(0);
    elsewhere.outpoint.shard = 1;
    assert_eq!(flaw(&[declared(&[elsewhere], &[(0, 100)])], &[(0, 1, Accepted)]), "existence");
    // Before it is created.
    let first = declared(&[coin(0)], &[(1, 100)]);
    let made = Outpoint { shard: 1, id: session(0).outpoint(0), version: 0 };
    let second = declared(&[Input { outpoint: made, ..coin(0) }], &[(1, 100)]);
    let both = [first, second];
    assert_eq!(flaw(&both, &[(0, 0, Accepted), (1, 1, Accepted)]), "existence");
    let words = [(0, 0, Accepted), (0, 1, Created), (1, 1, Accepted), (1, 1, Created)];
    assert!(keep(&both, &words).is_ok());

    for lie in [Input { value: 101, ..coin(0) }, Input { owner: [2; 32], ..coin(0) }] {
        let lie = declared(&[lie], &[(0, 100)]);
        assert_eq!(flaw(&[lie], &[(0, 0, Accepted)]), "declaration");
    }
    let more = declared(&[coin(0)], &[(0, 101)]);
    assert_eq!(flaw(&[more], &[(0, 0, Accepted), (0, 0, Created)]), "inflation");
}

#[test]
fn a_shard_does_not_contradict_itself() {
    let twice =
        [(Accepted, Rejected), (Rejected, Accepted), (Accepted, Accepted), (Rejected, GivenBack)];
    for (first, second) in twice {
        let words = [(0, 0, first), (0, 0, second)];
        assert_eq!(flaw(&[across()], &words), "contradiction", "{first:?} {second:?}");
    }
    assert_eq!(flaw(&[across()], &[(0, 0, GivenBack)]), "contradiction");
    assert_eq!(flaw(&[across()], &[(0, 2, Created), (0, 2, Created)]), "contradiction");
    let words = [(0, 0, Accepted), (0, 0, GivenBack), (0, 0, GivenBack)];
    assert_eq!(flaw(&[across()], &words), "contradiction");
}

#[test]
fn shards_do_not_contradict_one_another() {
    // Created without acceptance, in part, or in spite of a rejection or a return.
    assert_eq!(flaw(&[across()], &[(0, 2, Created)]), "commit");
    assert_eq!(flaw(&[across()], &[(0, 0, Accepted), (0, 2, Created)]), "commit");
    let words = [(0, 0, Accepted), (0, 1, Rejected), (0, 2, Created)];
    assert_eq!(flaw(&[across()], &words), "commit");
    let both = [(0, 0, Accepted), (0, 1, Accepted)];
    let words = [&both[..], &[(0, 2, Created), (0, 0, GivenBack)]].concat();
    assert_eq!(flaw(&[across()], &words), "commit");
    // Given back though no shard rejected it.
    let words = [&both[..], &[(0, 0, GivenBack)]].concat();
    assert_eq!(flaw(&[across()], &words), "abort");
}

#[test]
fn a_word_is_about_what_the_session_declares() {
    let across = across();
    let mut books = Books::open((0..3).map(coin));
    let stranger = books.enter(&word(0, &across, 0, Accepted)).unwrap_err();
    assert_eq!(stranger.check, "session");
    books.declare(session(0), &across);
    let wrong = [
        verdict(0, 0, Accepted, vec![]),
        verdict(0, 0, Accepted, vec![coin(0).outpoint, coin(1).outpoint]),
        verdict(0, 0, GivenBack, vec![coin(0).outpoint]),
        verdict(0, 1, Created, vec![coin(1).outpoint]),
        // No party to it.
        verdict(0, 2, Accepted, vec![]),
        verdict(0, 0, Created, vec![]),
    ];
    for wrong in wrong {
        assert_eq!(books.enter(&wrong).unwrap_err().check, "outpoints", "{wrong:?}");
    }
    assert_eq!(books.enter(&word(0, &across, 0, Accepted)), Ok(()));
}

#[test]
fn the_books_are_held_against_the_grants_and_the_states() {
    let mut books = Books::open((0..3).map(coin));
    let mut extra = coin(0);
    extra.outpoint.id = [9; 32];
    books.unspent.insert(extra.outpoint, extra);
    assert_eq!(books.close().unwrap_err().check, "conservation");

    let rules = Rules::new(GenesisId([7; 32]), Parameters { shards: 3, ..Parameters::default() });
    let state = |coins: &[Input]| ShardState::new(CHAIN, 0, rules.clone(), coins.iter().copied());
    let books = Books::open((0..3).map(coin));
    assert_eq!(books.compare(&state(&[coin(0), coin(1)])), Ok(()), "shard 1 has the other");
    let richer = Input { value: 101, ..coin(0) };
    for wrong in [&[][..], &[coin(0), extra], &[extra], &[richer]] {
        assert_eq!(books.compare(&state(wrong)).unwrap_err().check, "unspent");
    }
}
