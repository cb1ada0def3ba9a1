//! What became of the payments: all that the shards say, and what is forged.

use std::sync::LazyLock;

use atomix::{Action, Outcome, Verdict};
use byzcoin::View;
use cosi::wire::BoundedVec;
use omniledger::{
    Receipt,
    message::{Proof, Request},
};

use super::{Branch, REALM, payment};
use crate::town::QUORUM;

/// How a payment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Committed,
    Rejected,
    /// Shard 0 refuses it for good, and said nothing.
    Refused,
    /// No shard has heard of it.
    Open,
}

/// How each payment ends, by its number.
const TRUTHS: [Truth; 9] = [
    Truth::Committed,
    Truth::Committed,
    Truth::Rejected,
    Truth::Refused,
    Truth::Committed,
    Truth::Open,
    Truth::Open,
    Truth::Committed,
    Truth::Open,
];

/// How a payment ends.
pub(crate) fn truth(number: u8) -> Truth {
    *TRUTHS.get(usize::from(number)).expect("nine payments")
}

/// All that happened.
pub(crate) struct Story {
    /// All that the shards said, with the payments' numbers.
    pub(crate) said: Vec<(u8, Proof)>,
    /// All that they were asked.
    pub(crate) requests: Vec<(u16, Request)>,
    /// The shards' chains.
    pub(crate) branches: [Branch; 2],
}

/// The one story.
pub(crate) static STORY: LazyLock<Story> = LazyLock::new(|| {
    let branches = [0, 1].map(Branch::new);
    let mut story = Story { said: Vec::new(), requests: Vec::new(), branches };
    let ask = || Action::Initialize { shown: None };
    let [first, second] = [0, 1];
    story.block(second, vec![(0, ask()), (2, ask())]);
    story.block(first, vec![(0, ask()), (1, ask())]);
    let shown = Some(story.proof(2, 1, Outcome::Accepted));
    let accepted = |story: &Story, number, shard| {
        let proofs = BoundedVec::new(vec![story.proof(number, shard, Outcome::Accepted)]);
        Action::Commit { proofs: proofs.expect("one") }
    };
    let commit = accepted(&story, 0, 1);
    let asked = vec![(2, Action::Initialize { shown }), (4, ask()), (7, ask()), (0, commit)];
    story.block(first, asked);
    let proof = story.proof(2, 0, Outcome::Rejected);
    let mut asked = [0, 4].map(|number| (number, accepted(&story, number, 0))).to_vec();
    asked.push((2, Action::Abort { proof }));
    story.block(second, asked);
    story
});

type Asked = Action<atomix::Sealed<omniledger::Decision>>;

impl Story {
    /// A shard does what it is asked, in a block.
    fn block(&mut self, shard: usize, asked: Vec<(u8, Asked)>) {
        let request = |(number, action): (u8, Asked)| Request {
            transaction: payment(number).transaction().clone(),
            action,
        };
        let requests: Vec<_> = asked.into_iter().map(request).collect();
        let branch = self.branches.get_mut(shard).expect("two shards");
        let (block, sound) = branch.next(&requests, View::ZERO);
        assert!(sound, "the story goes otherwise");
        for proof in branch.proofs(&block, &QUORUM) {
            let rosters = REALM.epoch.rosters();
            let is_on = |number: &u8| proof.verify(payment(*number), &rosters).is_ok();
            let number = (0..super::MOST).find(is_on).expect("it convinces");
            self.said.push((number, proof));
        }
        let decision = branch.decide(&block, View::ZERO, &QUORUM);
        branch.push(&block, decision);
        self.requests.extend(requests.into_iter().map(|request| (branch.shard, request)));
    }

    /// What a shard said on a payment, if it did.
    pub(crate) fn find(&self, number: u8, shard: u16, outcome: Outcome) -> Option<&Proof> {
        let of = |(on, proof): &&(u8, Proof)| {
            (*on, proof.shard, proof.outcome) == (number, shard, outcome)
        };
        self.said.iter().find(of).map(|(_, proof)| proof)
    }

    fn proof(&self, number: u8, shard: u16, outcome: Outcome) -> Proof {
        self.find(number, shard, outcome).expect("the shard said so").clone()
    }

    /// What proves a committed payment.
    pub(crate) fn receipt(&self, number: u8) -> Receipt {
        let declared = payment(number).declaration();
        let (shards, outcome) = if declared.outputs.is_empty() {
            (declared.input_shards(), Outcome::Accepted)
        } else {
            (declared.output_shards(), Outcome::Created)
        };
        let said = shards.into_iter().map(|shard| self.proof(number, shard, outcome));
        let said = BoundedVec::new(said.collect()).expect("two at most");
        Receipt { transaction: payment(number).transaction().clone(), said }
    }
}

/// What two of four validators of a shard say although nobody else does: that the open payments
/// and the refused one are accepted and committed, and that what is committed is rejected.
pub(crate) static FORGED: LazyLock<Vec<(u8, Proof)>> = LazyLock::new(|| {
    use Outcome::{Accepted, Created, Rejected};
    let lies = [
        (0, 5, Accepted),
        (1, 5, Accepted),
        (0, 5, Created),
        (0, 3, Accepted),
        (1, 3, Created),
        (0, 1, Rejected),
        (1, 0, Rejected),
        (0, 5, Rejected),
    ];
    let forge = |(shard, number, outcome)| {
        let branch = Branch::new(shard);
        let chain = REALM.shard(shard).chain();
        let verdict = Verdict::new(chain, shard, payment(number), outcome, 1);
        let block = branch.seal(&[], vec![verdict], branch.state.clone(), View::ZERO);
        let proof = branch.proofs(&block, &[0, 2]).into_iter().next();
        (number, proof.expect("one verdict"))
    };
    lies.map(forge).to_vec()
});
