//! What a validator prepares in its shard, what it refuses, and when it stops.

use std::slice::from_ref;

use cosi::{
    keys::Signature,
    machine::{Fault, FaultKind},
    merkle::tree::Tree,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Transaction, Validator,
    atomix::{Outcome, Place},
    byzcoin,
    genesis::Limits,
    message::{MAX_REQUEST_BYTES, Query, Request, Want},
    skipchain::Header,
    validator::{ChainName, Event, Record, RestoreError},
};

use crate::{
    branch::{Branch, abort, body, commit, show},
    town::{
        Heard, Town, ask, genesis, initialize, now, seed, submit, take, tell, to, town,
        validator_config,
    },
};

fn prepares(heard: &Heard) -> bool {
    heard.records.iter().any(|record| match record {
        Record::Shard(record) => matches!(**record, byzcoin::Record::VotedPrepare(..)),
        _ => false,
    })
}

/// Has a fresh validator of the branch's shard hear a proposal, after it has heard of `known`.
fn hear(branch: &Branch<'_>, known: &[Request], proposal: Vec<Message>) -> Heard {
    let (town, shard) = (branch.town, branch.shard);
    let mut node = town.validator(shard, 1);
    let _ = tell(&mut node, town.peer(shard, 0), submit(shard, known));
    tell(&mut node, town.peer(shard, 0), proposal)
}

/// What the leader says that proposes these requests under the header that follows from `like`.
fn propose(branch: &Branch<'_>, like: &[Request], requests: &[Request]) -> Vec<Message> {
    branch.propose(&branch.draft(like).app(), &body(requests))
}

fn refuses(branch: &Branch<'_>, known: &[Request], proposal: Vec<Message>) {
    let heard = hear(branch, known, proposal);
    assert!(!prepares(&heard));
    let culprit = branch.town.peer(branch.shard, 0);
    let fault = Fault { culprit, kind: FaultKind::InvalidPayload, evidence: None };
    assert!(heard.faults.contains(&fault), "{:?}", heard.faults);
}

fn forged(transaction: &Transaction) -> Transaction {
    let mut signatures = transaction.signatures.to_vec();
    let Signature(bytes) = &mut signatures[0];
    bytes[0] ^= 1;
    Transaction { signatures: BoundedVec::new(signatures).unwrap(), ..transaction.clone() }
}

#[test]
fn a_block_that_follows_is_prepared() {
    let town = town();
    let branch = Branch::new(&town, 0);
    let pays = [town.spend(0, 0), town.spend(0, 2)].each_ref().map(initialize);
    for known in [&[][..], &pays[..1], &pays] {
        let heard = hear(&branch, known, propose(&branch, &pays, &pays));
        assert!(prepares(&heard) && heard.faults.is_empty());
        // Each signature is checked once: on submission, or in the block.
        let in_block = Event::Checked { signatures: pays.len() - known.len() };
        assert!(heard.events.contains(&in_block), "{:?}", heard.events);
    }
    assert!(prepares(&hear(&branch, &[], propose(&branch, &[], &[]))), "a block may be empty");
}

#[test]
fn a_block_with_a_bad_request_is_refused() {
    let town = town();
    let branch = Branch::new(&town, 0);
    let [first, second] = [town.spend(0, 0), town.spend(0, 1)];
    let good = [initialize(&first), initialize(&second)];
    let unsigned = Transaction { signatures: BoundedVec::default(), ..second.clone() };
    let foreign = Town::new(8, 2, 4).spend(0, 1);
    let double = town.pay(9, &[town.coin_of(0, 0)], &[to(0, 100)]);
    let inflated = town.pay(9, &[town.coin_of(0, 1)], &[to(0, 101)]);
    let absent = town.pay(9, &[town.created(&second, 0)], &[]);
    let elsewhere = town.spend(1, 0);
    let late = town.pay_by(0, 9, &[town.coin_of(0, 1)], &[to(0, 100)]);
    let bad = [unsigned, forged(&second), foreign, double, inflated, absent, elsewhere, late];
    for last in bad.into_iter().chain([first]) {
        let block = [good[0].clone(), initialize(&last)];
        refuses(&branch, &[], propose(&branch, &block, &block));
        refuses(&branch, &good, propose(&branch, &block, &block));
    }
}

#[test]
fn a_session_that_is_known_does_not_vouch_for_other_signatures() {
    let town = town();
    let branch = Branch::new(&town, 0);
    // Such a one stays known: the shard is to create of it what it has accepted.
    let good = town.pay(1, &[town.coin_of(0, 0), town.coin_of(1, 0)], &[to(0, 200)]);
    let bad = forged(&good);
    assert_eq!(town.session(&good), town.session(&bad));
    refuses(
        &branch,
        &[initialize(&good)],
        propose(&branch, &[initialize(&good)], &[initialize(&bad)]),
    );

    let (mut here, mut there) = (Branch::new(&town, 0), Branch::new(&town, 1));
    let mut node = town.validator(0, 1);
    let _ = tell(&mut node, town.peer(0, 0), here.commit(&[initialize(&good)]));
    there.commit_all(from_ref(&good));
    let proof = there.proof(&good, Outcome::Accepted);
    let (sound, unsound) = (commit(&good, from_ref(&proof)), commit(&bad, from_ref(&proof)));
    let heard = tell(&mut node, town.peer(0, 0), propose(&here, from_ref(&sound), &[unsound]));
    assert!(!prepares(&heard));
    let mut node = town.validator(0, 1);
    let _ = tell(&mut node, town.peer(0, 0), here_again(&town, &good));
    let heard =
        tell(&mut node, town.peer(0, 0), propose(&here, from_ref(&sound), from_ref(&sound)));
    assert!(prepares(&heard));
    assert!(heard.events.contains(&Event::Checked { signatures: 0 }), "known since the lock");
}

fn here_again(town: &Town, good: &Transaction) -> Vec<Message> {
    Branch::new(town, 0).commit(&[initialize(good)])
}

#[test]
fn a_header_that_does_not_follow_is_refused() {
    let town = town();
    let branch = Branch::new(&town, 1);
    let pays = [initialize(&town.spend(1, 0))];
    let draft = branch.draft(&pays);
    let header = &draft.header;
    for wrong in [
        Header { payload_root: [7; 32], ..header.clone() },
        Header { state_root: Some([7; 32]), ..header.clone() },
        Header { state_root: None, ..header.clone() },
        Header { index: 2, ..header.clone() },
        Header { back_root: [7; 32], ..header.clone() },
        Header { chain: town.epoch.shard(0).unwrap().chain(), ..header.clone() },
        Header { roster: town.epoch.shard(0).unwrap().roster().id(), ..header.clone() },
        branch.draft(&[initialize(&town.spend(1, 1))]).header,
        branch.draft(&[]).header,
    ] {
        refuses(&branch, &pays, branch.propose(&wrong.id().encode(), &draft.body));
    }
    let id = draft.app();
    for app in [&[][..], &id[..31], &[&id[..], &[0]].concat()] {
        refuses(&branch, &pays, branch.propose(app, &draft.body));
    }
}

#[test]
fn a_body_has_one_form() {
    let town = town();
    let branch = Branch::new(&town, 0);
    let draft = branch.draft(&[initialize(&town.spend(0, 0))]);
    let trailing = [&draft.body[..], &[0]].concat();
    for body in [&trailing[..], &draft.body[..draft.body.len() - 1], &[0xff; 4], &[]] {
        refuses(&branch, &[], branch.propose(&draft.app(), body));
    }
}

#[test]
fn a_block_beyond_the_limits_is_refused() {
    let limits = Limits { requests: 2, bytes: MAX_REQUEST_BYTES.try_into().unwrap() };
    let town = Town::of(omniledger::Genesis { limits, ..genesis(8, 2, 6) });
    let branch = Branch::new(&town, 0);
    let pays = [0, 1, 2].map(|at| initialize(&town.spend(0, at)));
    assert!(prepares(&hear(&branch, &[], propose(&branch, &pays[..2], &pays[..2]))));
    refuses(&branch, &[], propose(&branch, &pays, &pays));

    // Byzcoin refuses a body beyond the limit by its size, before it comes.
    let fat = vec![0; MAX_REQUEST_BYTES + 5];
    let heard = hear(&branch, &[], branch.propose(&branch.draft(&[]).app(), &fat));
    assert!(!prepares(&heard));
    assert!(heard.faults.iter().any(|fault| fault.kind == FaultKind::InvalidPayload));
}

/// A payment of a coin in each of two shards to the first; shard 1 has accepted it.
fn joint(town: &Town) -> (Transaction, Branch<'_>) {
    let pay = town.pay(1, &[town.coin_of(0, 0), town.coin_of(1, 0)], &[to(0, 200)]);
    let mut there = Branch::new(town, 1);
    there.commit_all(&[town.spend(1, 1), pay.clone()]);
    (pay, there)
}

#[test]
fn steps_of_one_session_in_one_block_come_in_their_order() {
    let town = town();
    let (pay, there) = joint(&town);
    let branch = Branch::new(&town, 0);
    let steps = [initialize(&pay), commit(&pay, &[there.proof(&pay, Outcome::Accepted)])];
    assert!(prepares(&hear(&branch, &[], propose(&branch, &steps, &steps))));
    let [first, second] = steps.clone();
    for wrong in [
        vec![second.clone(), first.clone()],
        vec![second.clone()],
        vec![first.clone(), first.clone(), second.clone()],
        vec![first.clone(), second.clone(), second.clone()],
    ] {
        refuses(&branch, &[], propose(&branch, &wrong, &wrong));
        refuses(&branch, &[], propose(&branch, &steps, &wrong));
        refuses(&branch, &steps, propose(&branch, &wrong, &wrong));
    }
}

#[test]
fn a_foreign_verdict_that_its_shard_did_not_certify_is_refused() {
    let town = town();
    let (pay, there) = joint(&town);
    let (first, sound) = (initialize(&pay), there.proof(&pay, Outcome::Accepted));
    let branch = Branch::new(&town, 0);

    let header = there.timeline.tip().clone();
    let (proposal, _) = there.proposal(&header.id().encode(), b"");
    let with = |change: &dyn Fn(&mut omniledger::message::Proof)| {
        let mut proof = sound.clone();
        change(&mut proof);
        proof
    };
    let attested = |decision: omniledger::Decision| {
        with(&move |proof| proof.inclusion.attestation = decision.clone())
    };
    // The roster of shard 0 decides shard 1's block.
    let ours = {
        let scope = byzcoin::Scope { roster: branch.roster.id(), ..there.scope() };
        let mut proposal = sound.inclusion.attestation.proposal.clone();
        proposal.header.next_roster = branch.roster.id();
        let (height, digest) = (proposal.header.height, proposal.digest());
        let vote = scope.statement(byzcoin::Kind::Commit, height, byzcoin::View::ZERO, digest);
        let certificate = branch.certify(&[0, 1, 2], &vote);
        omniledger::Decision { proposal, certificate, ..sound.inclusion.attestation.clone() }
    };
    // At what height of consensus a block is decided is not what a verdict is about.
    assert!(prepares(&hear(&branch, &[], {
        let other = attested(there.decision(&[0, 1, 3], proposal.clone()));
        let steps = [first.clone(), commit(&pay, &[other])];
        propose(&branch, &steps, &steps)
    })));
    let epoch = omniledger::Decision { epoch: 1, ..sound.inclusion.attestation.clone() };
    let wrong_path = Tree::new([[7; 32]]).path(0).unwrap();
    let forgeries = [
        attested(ours),
        attested(epoch),
        attested(there.decision(&[0, 1], proposal.clone())),
        attested(branch.decision(&[0, 1, 2], proposal)),
        with(&|proof| proof.shard = 0),
        with(&|proof| proof.height += 1),
        with(&|proof| proof.outcome = Outcome::Created),
        with(&|proof| proof.inclusion.place = Place::Logged(wrong_path.clone())),
        with(&|proof| proof.inclusion.header.payload_root = [7; 32]),
        with(&|proof| proof.inclusion.from.0[0] ^= 1),
        there.proof(&town.spend(1, 1), Outcome::Accepted),
    ];
    for (at, forgery) in forgeries.into_iter().enumerate() {
        let bad = commit(&pay, from_ref(&forgery));
        let block = [first.clone(), bad.clone()];
        refuses(&branch, &[], propose(&branch, &block, &block));
        let like = [first.clone(), commit(&pay, from_ref(&sound))];
        refuses(&branch, &like, propose(&branch, &like, &block));

        // Nor does it wait as if it could be done, once the rest is there.
        let (mut own, mut node) = (Branch::new(&town, 0), town.validator(0, 0));
        let _ = tell(&mut node, town.peer(0, 1), own.commit(from_ref(&first)));
        let heard = tell(&mut node, town.peer(0, 1), submit(0, &[bad]));
        assert!(heard.messages.is_empty(), "proposed {at}");
    }
}

#[test]
fn an_abort_takes_a_rejection_by_another_shard() {
    let town = town();
    let pay = town.pay(1, &[town.coin_of(0, 0), town.coin_of(1, 0)], &[to(0, 200)]);
    let (mut here, mut there) = (Branch::new(&town, 0), Branch::new(&town, 1));
    here.commit(&[initialize(&pay)]);
    let accepted = here.proof(&pay, Outcome::Accepted);
    there.commit_all(&[town.spend(1, 0)]);
    there.commit(&[show(&pay, accepted.clone())]);
    let rejected = there.proof(&pay, Outcome::Rejected);
    let mut node = town.validator(0, 1);
    let _ = tell(&mut node, town.peer(0, 0), Branch::new(&town, 0).commit(&[initialize(&pay)]));
    let step = abort(&pay, rejected.clone());
    let heard = tell(&mut node, town.peer(0, 0), propose(&here, from_ref(&step), from_ref(&step)));
    assert!(prepares(&heard));
    let own = omniledger::message::Proof { outcome: Outcome::Rejected, ..accepted.clone() };
    let turned = omniledger::message::Proof { shard: 0, ..rejected };
    for bad in [accepted, own, turned] {
        let mut node = town.validator(0, 1);
        let _ = tell(&mut node, town.peer(0, 0), Branch::new(&town, 0).commit(&[initialize(&pay)]));
        let bad = abort(&pay, bad);
        let heard = tell(&mut node, town.peer(0, 0), propose(&here, from_ref(&step), &[bad]));
        assert!(!prepares(&heard) && !heard.faults.is_empty());
    }
}

#[test]
fn what_a_quorum_decided_is_committed_and_shown() {
    let town = town();
    let mut branch = Branch::new(&town, 1);
    let mut node = town.validator(1, 1);
    let pays = [town.spend(1, 0), town.pay(9, &[town.coin_of(1, 1)], &[to(0, 100)])];
    let heard = tell(&mut node, town.peer(1, 3), branch.commit_all(&pays));
    let sessions = pays.each_ref().map(|pay| town.session(pay));
    let said = heard.events.iter().find_map(|event| match event {
        Event::Committed { shard: 1, block: 1, verdicts, .. } => Some(verdicts.clone()),
        _ => None,
    });
    let said: Vec<_> = said.unwrap().iter().map(|said| (said.session, said.outcome)).collect();
    let expected = [(0, Outcome::Accepted), (0, Outcome::Created), (1, Outcome::Accepted)];
    assert_eq!(said, expected.map(|(at, outcome)| (sessions[at], outcome)));
    assert_eq!(node.timeline().unwrap().tip(), branch.timeline.tip());
    assert_eq!(node.state().unwrap().root(), branch.state.root());

    let query = |at: usize, want| Query { session: sessions[at], want };
    let told = ask(
        &mut node,
        1,
        &[
            query(0, Want::Verdict),
            query(0, Want::Creation),
            query(1, Want::Verdict),
            query(1, Want::Creation),
            query(1, Want::Return),
        ],
    );
    let created = || branch.proof(&pays[0], Outcome::Created);
    let expected = [
        (sessions[0], created()),
        (sessions[0], branch.proof(&pays[0], Outcome::Accepted)),
        (sessions[0], created()),
        (sessions[1], branch.proof(&pays[1], Outcome::Accepted)),
    ];
    assert_eq!(*told.said, expected);
    assert!(told.refused.is_empty());
}

/// Whatever is wrong with a decision, the validator says so, stops, and stays so.
fn stops(branch: &Branch<'_>, decided: Vec<Message>) {
    let town = branch.town;
    let mut node = town.validator(0, 1);
    let heard = tell(&mut node, town.peer(0, 0), decided);
    let unsound = |event: &Event| matches!(event, Event::Unsound { chain: ChainName::Shard(0), height } if height.get() == 1);
    assert!(heard.events.iter().any(unsound), "{:?}", heard.events);
    assert!(!heard.events.iter().any(|event| matches!(event, Event::Committed { .. })));
    silent(branch, &mut node);

    let told = Record::Epoch(Box::new(town.proof.clone()));
    let records = std::iter::once(told).chain(heard.records);
    let config = validator_config(&town.genesis, town.members(0)[1]);
    let (mut node, step) = now(|cx| Validator::restore(config, records, cx).unwrap());
    assert!(take([step]).events.iter().any(unsound), "nor after a restart");
    silent(branch, &mut node);
}

fn silent(branch: &Branch<'_>, node: &mut Validator) {
    let town = branch.town;
    assert_eq!(node.timeline().unwrap().tip().index, 0);
    let pay = initialize(&town.spend(0, 0));
    let heard = tell(node, town.peer(0, 0), propose(branch, &[], &[]));
    assert!(heard.records.is_empty() && heard.messages.is_empty() && heard.events.is_empty());
    let heard = tell(node, town.peer(0, 0), submit(0, &[pay]));
    assert!(heard.records.is_empty() && heard.messages.is_empty());
}

#[test]
fn a_decision_that_does_not_hold_stops_a_validator() {
    let town = town();
    let branch = Branch::new(&town, 0);
    let double = [town.spend(0, 0), town.pay(9, &[town.coin_of(0, 0)], &[to(0, 100)])];
    let draft = branch.draft(&double.each_ref().map(initialize));
    stops(&branch, branch.decided(&draft.app(), &draft.body));
    let stolen = [initialize(&forged(&town.spend(0, 0)))];
    let draft = branch.draft(&stolen);
    stops(&branch, branch.decided(&draft.app(), &draft.body));
    let draft = branch.draft(&[initialize(&town.spend(0, 0))]);
    stops(&branch, branch.decided(&[7; 32], &draft.body));
    stops(&branch, branch.decided(&draft.app(), b"garbage"));
}

#[test]
fn a_journal_is_restored_where_it_belongs() {
    let town = town();
    let number = town.members(0)[1];
    let mut node = town.validator(0, 1);
    let mut branch = Branch::new(&town, 0);
    let heard = tell(&mut node, town.peer(0, 0), branch.commit_all(&[town.spend(0, 0)]));
    let config = || validator_config(&town.genesis, number);
    let restore = |config, records: Vec<Record>| {
        now(|cx| Validator::restore(config, records, cx).map(|(node, _)| node))
    };
    let told = Record::Epoch(Box::new(town.proof.clone()));
    let whole: Vec<_> = std::iter::once(told.clone()).chain(heard.records.clone()).collect();
    let again = restore(config(), whole.clone()).unwrap();
    assert_eq!(again.timeline().unwrap().tip(), branch.timeline.tip());
    assert_eq!(again.shard(), Some(0));

    let lost = restore(config(), heard.records).unwrap_err();
    assert_eq!(lost, RestoreError::Incomplete);
    let stranger = omniledger::validator::Config { seed: seed(99), ..config() };
    assert_eq!(restore(stranger, vec![]).unwrap_err(), RestoreError::NotAValidator);
    let other = Town::new(8, 2, 4);
    let error = restore(validator_config(&other.genesis, number), whole.clone()).unwrap_err();
    assert_eq!(error, RestoreError::Foreign);

    // Another validator's deal is not one's own.
    let dealt = |number| {
        let config = validator_config(&town.genesis, number);
        take([now(|cx| Validator::restore(config, [], cx).unwrap().1)]).records
    };
    let [other, own] = [town.members(0)[2], number].map(dealt);
    assert!(restore(config(), own).is_ok());
    assert_eq!(restore(config(), other).unwrap_err(), RestoreError::Foreign);
    let twice: Vec<_> = whole.iter().chain(&whole[1..]).cloned().collect();
    assert!(matches!(restore(config(), twice).unwrap_err(), RestoreError::Journal(_)));
}
