//! A shard's chain as the test has decided it, with all keys of its validators.

use cosi::{
    Certificate, certificate,
    domain::BYZCOIN,
    keys::SigningKey,
    merkle::tree::Tree,
    roster::Roster,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use omniledger::{
    Decision, Message, Receipt, Session, Transaction,
    atomix::{Action, Outcome, Place, Rosters, Sealed, ShardState},
    byzcoin::{self, Body, Height, Kind, Proposal, Scope, View, message},
    chain,
    ledger::{Checked, Ledger},
    message::{Proof, Request},
    skipchain::{BlockId, Header, Timeline},
};

use crate::town::{Town, initialize, key};

pub(crate) struct Branch<'a> {
    pub(crate) town: &'a Town,
    pub(crate) shard: u16,
    pub(crate) roster: Roster,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) timeline: Timeline<Decision>,
    pub(crate) state: ShardState,
    /// The tree over each block's entries, and what stands in them.
    pub(crate) blocks: Vec<(Tree, Vec<(Session, Outcome)>)>,
    pub(crate) rosters: Rosters<Decision>,
    parent: [u8; 32],
}

/// A block that may come next.
pub(crate) struct Draft {
    pub(crate) header: Header,
    pub(crate) body: Vec<u8>,
    state: ShardState,
    entries: Tree,
    said: Vec<(Session, Outcome)>,
}

impl Draft {
    pub(crate) fn app(&self) -> Vec<u8> {
        self.header.id().encode()
    }
}

/// The encoded body of these requests.
pub(crate) fn body(requests: &[Request]) -> Vec<u8> {
    chain::Body { requests: BoundedVec::new(requests.to_vec()).unwrap() }.encode()
}

impl<'a> Branch<'a> {
    pub(crate) fn new(town: &'a Town, shard: u16) -> Self {
        let info = town.epoch.shard(shard).unwrap();
        let timeline = Timeline::new(info.header(&town.genesis)).unwrap();
        Self {
            town,
            shard,
            roster: info.roster().clone(),
            keys: town.members(shard).into_iter().map(key).collect(),
            state: info.state(&town.genesis),
            blocks: Vec::new(),
            rosters: town.epoch.rosters(),
            parent: timeline.tip().id().0,
            timeline,
        }
    }

    /// The block of these requests; what of them cannot be done leaves no trace in the header.
    pub(crate) fn draft(&self, requests: &[Request]) -> Draft {
        let mut state = self.state.clone();
        state.begin_block(0, self.timeline.tip().index + 1).unwrap();
        let (mut verdicts, rules) = (Vec::new(), self.town.genesis.rules());
        for Request { transaction, action } in requests {
            let Ok(transaction) = rules.check_one(transaction.clone()) else { continue };
            let request = Checked { transaction, action: action.clone() };
            verdicts.extend(state.perform(&self.rosters, &request).unwrap_or_default());
        }
        let of = verdicts.len().try_into().unwrap();
        let entries = (0..).zip(&verdicts).map(|(at, verdict)| verdict.entry(at, of));
        let entries = Tree::new(entries);
        let said = verdicts.iter().map(|verdict| (verdict.session, verdict.outcome)).collect();
        let header = self.timeline.next(self.roster.id(), entries.root(), Some(state.root()));
        Draft { header, body: body(requests), state, entries, said }
    }

    pub(crate) fn height(&self) -> Height {
        Height::new(self.timeline.tip().index + 1)
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope { chain: self.timeline.tip().chain.0, epoch: 0, roster: self.roster.id() }
    }

    pub(crate) fn proposal(&self, app: &[u8], body: &[u8]) -> (Proposal, Body) {
        let body = Body::new(body).unwrap();
        let header = byzcoin::Header {
            parent: self.parent,
            height: self.height(),
            first_view: View::ZERO,
            next_roster: self.roster.id(),
            next_start: 0,
            app: BoundedBytes::new(app.to_vec()).unwrap(),
        };
        (Proposal::new(header, &body), body)
    }

    /// What the leader of view 0 says when it proposes this.
    pub(crate) fn propose(&self, app: &[u8], body: &[u8]) -> Vec<Message> {
        let (proposal, body) = self.proposal(app, body);
        let digest = proposal.digest();
        let statement = self.scope().statement(Kind::Proposal, self.height(), View::ZERO, digest);
        let signature = self.keys[0].sign(&BYZCOIN, &statement.encode());
        let propose = message::Propose { view: View::ZERO, proposal, signer: 0, signature };
        let chunks = self.chunks(digest, &body);
        std::iter::once(self.wrap(byzcoin::Message::Propose(propose))).chain(chunks).collect()
    }

    fn chunks(&self, digest: [u8; 32], body: &Body) -> Vec<Message> {
        let height = self.height();
        let chunk = |chunk| self.wrap(byzcoin::Message::Chunk { height, digest, chunk });
        body.chunks().iter().cloned().map(chunk).collect()
    }

    pub(crate) fn wrap(&self, message: byzcoin::MessageOf<byzcoin::votes::CosiVotes>) -> Message {
        Message::Shard { epoch: 0, shard: self.shard, message: Box::new(message) }
    }

    pub(crate) fn certify(&self, signers: &[u16], statement: &impl cosi::Statement) -> Certificate {
        certify(&self.roster, &self.keys, signers, statement)
    }

    pub(crate) fn decision(&self, signers: &[u16], proposal: Proposal) -> Decision {
        let (height, digest) = (proposal.header.height, proposal.digest());
        let statement = self.scope().statement(Kind::Commit, height, View::ZERO, digest);
        let certificate = self.certify(signers, &statement);
        Decision { epoch: 0, view: View::ZERO, proposal, certificate }
    }

    /// What a quorum says that decides this, whatever it is.
    pub(crate) fn decided(&self, app: &[u8], body: &[u8]) -> Vec<Message> {
        let (proposal, body) = self.proposal(app, body);
        let digest = proposal.digest();
        let Decision { view, proposal, certificate, .. } = self.decision(&[0, 2, 3], proposal);
        let decided = message::Decided { proposal, view, certificate };
        let chunks = self.chunks(digest, &body);
        std::iter::once(self.wrap(byzcoin::Message::Decided(decided))).chain(chunks).collect()
    }

    /// Has the quorum decide on these requests.
    pub(crate) fn commit(&mut self, requests: &[Request]) -> Vec<Message> {
        let draft = self.draft(requests);
        let app = draft.app();
        let messages = self.decided(&app, &draft.body);
        let (proposal, _) = self.proposal(&app, &draft.body);
        self.parent = proposal.digest();
        let decision = self.decision(&[0, 2, 3], proposal);
        self.timeline.append(&draft.header, decision).unwrap();
        self.state = draft.state;
        self.blocks.push((draft.entries, draft.said));
        messages
    }

    /// The same, where all requests initialize.
    pub(crate) fn commit_all(&mut self, transactions: &[Transaction]) -> Vec<Message> {
        self.commit(&transactions.iter().map(initialize).collect::<Vec<_>>())
    }

    /// That the shard said this, once it did.
    pub(crate) fn proof(&self, transaction: &Transaction, outcome: Outcome) -> Proof {
        let said = (self.town.session(transaction), outcome);
        let places = self.blocks.iter().zip(1..).find_map(|((tree, all), index)| {
            let at = all.iter().position(|other| *other == said)?;
            Some((index, tree.path(at.try_into().unwrap()).unwrap()))
        });
        let (index, path) = places.unwrap();
        let sealed = self.sealed(index, Place::Logged(path));
        Proof { shard: self.shard, outcome, height: index, inclusion: sealed }
    }

    pub(crate) fn sealed(&self, index: u64, place: Place) -> Sealed<Decision> {
        Sealed {
            header: self.timeline.header(index).unwrap().clone(),
            from: self.from(index),
            back: self.timeline.back_links(index).unwrap().open(0).unwrap(),
            attestation: self.timeline.attestation(index).unwrap().clone(),
            place,
        }
    }

    fn from(&self, index: u64) -> BlockId {
        self.timeline.id(index - 1).unwrap()
    }
}

/// Asks to create outputs, on these proofs.
pub(crate) fn commit(transaction: &Transaction, proofs: &[Proof]) -> Request {
    let proofs = BoundedVec::new(proofs.to_vec()).unwrap();
    Request { transaction: transaction.clone(), action: Action::Commit { proofs } }
}

/// Asks to give inputs back.
pub(crate) fn abort(transaction: &Transaction, proof: Proof) -> Request {
    Request { transaction: transaction.clone(), action: Action::Abort { proof } }
}

/// Asks to initialize, and shows an acceptance.
pub(crate) fn show(transaction: &Transaction, proof: Proof) -> Request {
    let action = Action::Initialize { shown: Some(proof) };
    Request { transaction: transaction.clone(), action }
}

/// A receipt of a transaction that one shard did.
pub(crate) fn receipt(transaction: &Transaction, said: &[Proof]) -> Receipt {
    let said = BoundedVec::new(said.to_vec()).unwrap();
    Receipt { transaction: transaction.clone(), said }
}

/// What these members of a roster signed, one by one.
pub(crate) fn certify(
    roster: &Roster,
    keys: &[SigningKey],
    signers: &[u16],
    statement: &impl cosi::Statement,
) -> Certificate {
    let signed = signers.iter().map(|at| {
        let key = &keys[usize::from(*at)];
        let signature = certificate::sign(key, &roster.id(), &statement.to_signed());
        (roster.index(*at).unwrap(), signature)
    });
    Certificate::individual(roster, signed).unwrap()
}
