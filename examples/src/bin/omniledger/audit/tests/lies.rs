//! A shard's quorum lies, and decides what no honest validator would.

use cosi::{
    merkle::tree,
    roster::RosterId,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    atomix::{Action, Outcome},
    chain::Body,
    ledger::{Checked, Ledger as _},
    message::Request,
};

use super::{
    super::*,
    broken,
    world::{Lie, pay, world},
};

/// What the audit says of the ledger in which shard 0 goes on like this.
fn after(lie: &Lie) -> (Part, &'static str) {
    let mut files = world().evidence.files();
    files.shards[0] = world().extend(0, lie);
    broken(&files)
}

fn body(requests: Vec<Request>) -> Vec<u8> {
    Body { requests: BoundedVec::new(requests).unwrap() }.encode()
}

/// The first request that shard 0 did.
fn done() -> Request {
    let body = Body::decode(&world().evidence.shards[0].bodies[0]).unwrap();
    body.requests[0].clone()
}

#[test]
fn a_block_without_requests_is_sound() {
    let world = world();
    let mut files = world.evidence.files();
    let before = audit(&files, None).unwrap();
    files.shards[0] = world.extend(0, &world.idle(0));
    let found = audit(&files, None).unwrap();
    assert_eq!(found.shards[0].blocks, before.shards[0].blocks + 1);
    assert_eq!(found.shards[0].entries, before.shards[0].entries);
}

#[test]
fn a_block_comes_to_what_its_header_says() {
    let block = Part::Block(0, world().idle(0).header.index);
    let idle = || world().idle(0);
    let (timeline, roster) = (world().timeline(0), idle().header.roster);
    let state = idle().header.state_root;

    let header = timeline.next(roster, [7; 32], state);
    assert_eq!(after(&Lie { header, ..idle() }), (block, "entries"));
    for state in [None, Some([7; 32]), timeline.tip().state_root] {
        let header = timeline.next(roster, tree::root([]), state);
        assert_eq!(after(&Lie { header, ..idle() }), (block, "state"));
    }
    let header = timeline.next(RosterId([7; 32]), tree::root([]), state);
    assert_eq!(after(&Lie { header, ..idle() }), (Part::Chain(0), "epoch"));
    assert_eq!(after(&Lie { epoch: 1, ..idle() }), (Part::Chain(0), "epoch"));
}

#[test]
fn a_block_holds_requests_that_can_be_done() {
    let block = Part::Block(0, world().idle(0).header.index);
    let with = |body| after(&Lie { body, ..world().idle(0) });
    assert_eq!(with(vec![7]), (block, "encoding"));
    assert_eq!(with(vec![0; (2 << 20) + 5]), (block, "body"));
    assert_eq!(with(body(vec![done(); 17])), (block, "body"));
    assert_eq!(with(body(vec![done()])), (block, "execution"));
    let mut unsigned = done();
    unsigned.transaction.signatures = Default::default();
    assert_eq!(with(body(vec![unsigned])), (block, "transaction"));
    // The session is known, and its owner did not sign this copy.
    let mut forged = done();
    let genesis = &world().evidence.genesis;
    let other = pay(genesis, 77, &genesis.granted().collect::<Vec<_>>()[..1], &[]);
    let count = forged.transaction.signatures.len();
    let signatures = vec![other.signatures[0]; count];
    forged.transaction.signatures = BoundedVec::new(signatures).unwrap();
    assert_eq!(with(body(vec![forged])), (block, "transaction"));
}

#[test]
fn one_chain_has_one_head() {
    let world = world();
    let mut files = world.evidence.files();
    let sound = world.extend(0, &world.idle(0));
    let header = world.timeline(0).next(world.idle(0).header.roster, [7; 32], None);
    let forked = world.extend(0, &Lie { header, ..world.idle(0) });
    files.shards[0] = ShardFiles { head: forked.head, ..sound };
    assert_eq!(broken(&files), (Part::Head(0), "head"));
}

#[test]
fn a_shard_acts_on_words_that_stand_in_the_others_chains() {
    let world = world();
    let genesis = &world.evidence.genesis;
    // A coin that nobody spent.
    let coin = genesis.granted().nth(8).unwrap();
    let transaction = pay(genesis, 99, &[coin], &[(1, 100)]);
    let checked = genesis.rules().check_one(transaction.clone()).unwrap();
    // Shard 0 accepts it beside its chain, and shard 1 creates the outputs in good faith.
    let proofs = vec![world.forge(0, &checked, Outcome::Accepted)];
    let action = Action::Commit { proofs: BoundedVec::new(proofs).unwrap() };
    let (timeline, mut state) = (world.timeline(1), world.state(1));
    state.begin_block(0, timeline.tip().index + 1).unwrap();
    let request = Checked { transaction: checked, action: action.clone() };
    let verdicts = state.perform(world.stranger().rosters(), &request).unwrap();
    let entries = tree::root([verdicts[0].entry(0, 1)]);
    let header = timeline.next(timeline.tip().roster, entries, Some(state.state_root()));
    let index = header.index;
    let lie = Lie { header, body: body(vec![Request { transaction, action }]), epoch: 0 };
    let mut files = world.evidence.files();
    files.shards[1] = world.extend(1, &lie);
    assert_eq!(broken(&files), (Part::Block(1, index), "fork"));
}
