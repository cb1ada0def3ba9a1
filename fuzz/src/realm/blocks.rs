//! A shard's blocks, as its validators would make them, or as they must not.

use atomix::{Place, Proof, Sealed, ShardState, Verdict};
use byzcoin::{Kind, Proposal, Scope, View, block::App, rules};
use cosi::{
    Certificate, Statement as _, certificate,
    merkle::tree::Tree,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Decision,
    chain::Body,
    ledger::{Checked, Ledger as _},
    message::Request,
    skipchain::{Header, Timeline},
};

use super::{GENESIS, REALM, RULES};

/// A shard's chain up to some block.
#[derive(Clone)]
pub(crate) struct Branch {
    pub(crate) shard: u16,
    pub(crate) state: ShardState,
    pub(crate) timeline: Timeline<Decision>,
    /// What byzcoin calls the last block.
    parent: byzcoin::Digest,
    start: u16,
}

/// A block that may follow.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) proposal: Proposal,
    pub(crate) body: Vec<u8>,
    pub(crate) verdicts: Vec<Verdict>,
    state: ShardState,
    entries: Tree,
}

impl Branch {
    /// The chain's beginning.
    pub(crate) fn new(shard: u16) -> Self {
        let info = REALM.shard(shard);
        let tip = info.header(&GENESIS);
        let parent = tip.id().0;
        let timeline = Timeline::new(tip).expect("a genesis");
        Self { shard, state: info.state(&GENESIS), timeline, parent, start: 0 }
    }

    /// What the votes on the next block share.
    pub(crate) fn scope(&self) -> Scope {
        let chain = REALM.shard(self.shard).chain().0;
        Scope { chain, epoch: 0, roster: REALM.roster(self.shard).id() }
    }

    /// The last block's height.
    pub(crate) const fn height(&self) -> u64 {
        self.timeline.tip().index
    }

    /// Who proposes the next block in a view.
    pub(crate) fn leader(&self, view: View) -> u16 {
        rules::leader(REALM.roster(self.shard).size(), self.start, view)
    }

    /// What the requests come to, one after another. Each that the shard refuses stands in the
    /// block all the same, and brings nothing about; and the second value says so.
    pub(crate) fn next(&self, requests: &[Request], view: View) -> (Block, bool) {
        let (mut state, mut verdicts, mut sound) = (self.state.clone(), Vec::new(), true);
        let index = self.height().wrapping_add(1);
        state.begin_block(0, index).expect("the next block");
        let rosters = REALM.epoch.rosters();
        for Request { transaction, action } in requests {
            let checked = RULES.check_one(transaction.clone()).ok();
            let done = checked.and_then(|transaction| {
                let request = Checked { transaction, action: action.clone() };
                state.perform(&rosters, &request).ok()
            });
            sound &= done.is_some();
            verdicts.extend(done.into_iter().flatten());
        }
        (self.seal(requests, verdicts, state, view), sound)
    }

    /// The block with these verdicts and this state, whether or not they follow.
    pub(crate) fn seal(
        &self,
        requests: &[Request],
        verdicts: Vec<Verdict>,
        state: ShardState,
        view: View,
    ) -> Block {
        let of = u64::try_from(verdicts.len()).unwrap_or(u64::MAX);
        let entries = Tree::new((0..).zip(&verdicts).map(|(at, said)| said.entry(at, of)));
        let roster = REALM.roster(self.shard).id();
        let header = self.timeline.next(roster, entries.root(), Some(state.root()));
        let requests = BoundedVec::new(requests.to_vec()).expect("a few requests");
        let body = Body { requests }.encode();
        let size = REALM.roster(self.shard).size();
        let height = byzcoin::Height::new(header.index);
        let proposal = byzcoin::Header {
            parent: self.parent,
            height,
            first_view: view,
            next_roster: roster,
            next_start: rules::next_start(size, self.start, height, view, 16),
            app: App::new(header.id().encode()).expect("a hash"),
        };
        let carried = byzcoin::Body::new(&body).expect("a short body");
        let proposal = Proposal::new(proposal, &carried);
        Block { header, proposal, body, verdicts, state, entries }
    }

    /// The certificate by the members at these places.
    pub(crate) fn certify(
        &self,
        kind: Kind,
        block: &Block,
        view: View,
        signers: &[u16],
    ) -> Certificate {
        let (height, digest) = (block.proposal.header.height, block.proposal.digest());
        let statement = self.scope().statement(kind, height, view, digest).to_signed();
        let roster = REALM.roster(self.shard);
        let signed = signers.iter().map(|at| {
            let key = REALM.key(self.shard, *at);
            (roster.index(*at).expect("a place"), certificate::sign(key, &roster.id(), &statement))
        });
        Certificate::individual(roster, signed).expect("there are signers")
    }

    /// The decision of the members at these places.
    pub(crate) fn decide(&self, block: &Block, view: View, signers: &[u16]) -> Decision {
        let certificate = self.certify(Kind::Commit, block, view, signers);
        Decision { epoch: 0, view, proposal: block.proposal.clone(), certificate }
    }

    /// What the members at these places said in a block, by its entries.
    pub(crate) fn proofs(&self, block: &Block, signers: &[u16]) -> Vec<Proof<Sealed<Decision>>> {
        let decision = self.decide(block, View::ZERO, signers);
        let back = self.timeline.spine().back_links();
        let back = back.open(0).expect("a link to the block before");
        let said = (0..).zip(&block.verdicts).map(|(at, verdict)| {
            let place = Place::Logged(block.entries.path(at).expect("an entry"));
            let sealed = Sealed {
                header: block.header.clone(),
                from: self.timeline.tip().id(),
                back: back.clone(),
                attestation: decision.clone(),
                place,
            };
            Proof::new(verdict, sealed)
        });
        said.collect()
    }

    /// Appends a block.
    pub(crate) fn push(&mut self, block: &Block, decision: Decision) {
        self.timeline.append(&block.header, decision).expect("the next block");
        self.state = block.state.clone();
        self.parent = block.proposal.digest();
        self.start = block.proposal.header.next_start;
    }
}
