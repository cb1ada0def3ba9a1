//! What anybody may ask of the shard: what holds in some order, and what never does.

use std::sync::LazyLock;

use atomix::{Action, Outcome};
use cosi::wire::{BoundedVec, Wire};
use omniledger::message::{Proof, Request};

use super::SHARD;
use crate::realm::{FORGED, STORY, payment};

/// From 0 to 6 the story, and the payments that could yet be done; from 7 on what is refused, in
/// the end or at once.
pub(super) static MENU: LazyLock<Vec<Request>> = LazyLock::new(|| {
    let request =
        |number, action| Request { transaction: payment(number).transaction().clone(), action };
    let ask = |shown: Option<Proof>| Action::Initialize { shown };
    let said = |number, outcome| STORY.find(number, 0, outcome).expect("shard 0 said so").clone();
    let forged = |at: usize| FORGED.get(at).expect("eight lies").1.clone();
    let commit =
        |proof: Proof| Action::Commit { proofs: BoundedVec::new(vec![proof]).expect("one proof") };
    let of_story = STORY.requests.iter().filter(|(shard, _)| *shard == SHARD);
    let mut menu: Vec<_> = of_story.map(|(_, request)| request.clone()).collect();
    let mut unsigned = request(5, ask(None));
    unsigned.transaction = tampered(&unsigned.transaction);
    menu.extend([
        request(8, ask(None)),
        request(5, ask(None)),
        request(3, commit(forged(3))),
        request(5, ask(Some(forged(0)))),
        unsigned,
        request(0, Action::Commit { proofs: BoundedVec::default() }),
        request(1, ask(None)),
        request(5, Action::Abort { proof: said(2, Outcome::Rejected) }),
        request(5, Action::Abort { proof: forged(7) }),
        request(0, ask(Some(said(0, Outcome::Accepted)))),
        request(2, ask(Some(said(0, Outcome::Accepted)))),
        request(3, commit(said(4, Outcome::Accepted))),
    ]);
    menu
});

/// The transaction with a bit of its last signature flipped.
fn tampered(transaction: &atomix::Transaction) -> atomix::Transaction {
    let mut bytes = transaction.encode();
    bytes.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
    Wire::decode(&bytes).expect("a signature is any 64 bytes")
}
