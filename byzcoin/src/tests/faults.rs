//! What a Byzantine member can do: sign anything as itself, and use what others signed.

use std::vec::Vec;

use cosi::wire::{BoundedBytes, BoundedVec};

use super::{
    model::{Cert, Sig},
    world::{Msg, World, roster},
};
use crate::{
    Body, Digest, Header, Height, Kind, Proposal, Statement, View,
    message::{Change, Decided, Message, NewView, Prepared, Propose, ViewChange},
    rules,
    statement::Lock,
};

impl World {
    /// A block that extends genesis, first proposed in `view`, with this body.
    pub(crate) fn block(&self, view: View, body: &[u8]) -> (Proposal, Body) {
        self.block_on(Height::FIRST, [9; 32], 0, view, body)
    }

    pub(crate) fn block_on(
        &self,
        height: Height,
        parent: Digest,
        start: u16,
        view: View,
        body: &[u8],
    ) -> (Proposal, Body) {
        let body = Body::new(body).unwrap();
        let header = Header {
            parent,
            height,
            first_view: view,
            next_roster: self.scope().roster,
            next_start: rules::next_start(self.n, start, height, view, 16),
            app: BoundedBytes::default(),
        };
        (Proposal::new(header, &body), body)
    }

    pub(crate) fn sign(&self, byzantine: usize, statement: Statement) -> Sig {
        assert!(self.nodes[byzantine].is_none(), "only the Byzantine sign by hand");
        Sig { signer: u16::try_from(byzantine).unwrap(), statement }
    }

    pub(crate) fn propose(&self, byzantine: usize, view: View, proposal: &Proposal) -> Msg {
        let (height, digest) = (proposal.header.height, proposal.digest());
        let statement = self.scope().statement(Kind::Proposal, height, view, digest);
        let signature = self.sign(byzantine, statement);
        let (proposal, signer) = (proposal.clone(), signature.signer);
        Message::Propose(Propose { view, proposal, signer, signature })
    }

    /// Sends a proposal and its body to these members.
    pub(crate) fn put(
        &mut self,
        byzantine: usize,
        to: &[usize],
        view: View,
        block: &(Proposal, Body),
    ) {
        let (propose, digest) = (self.propose(byzantine, view, &block.0), block.0.digest());
        let height = block.0.header.height;
        for to in to {
            self.post(byzantine, *to, propose.clone());
            for chunk in block.1.chunks().iter().cloned() {
                self.post(byzantine, *to, Message::Chunk { height, digest, chunk });
            }
        }
    }

    pub(crate) fn vote(&self, byzantine: usize, kind: Kind, height: Height, lock: Lock) -> Msg {
        let statement = self.scope().statement(kind, height, lock.view, lock.digest);
        Message::Votes(self.sign(byzantine, statement))
    }

    pub(crate) fn view_change(
        &self,
        byzantine: usize,
        height: Height,
        view: View,
        lock: Option<Lock>,
    ) -> ViewChange<Sig> {
        let digest = Lock::digest(lock);
        let statement = self.scope().statement(Kind::ViewChange, height, view, digest);
        let signature = self.sign(byzantine, statement);
        ViewChange { height, view, change: Change { signer: signature.signer, lock, signature } }
    }

    /// The certificate on a statement, if a quorum signed it, the Byzantine whatever suits them.
    pub(crate) fn certificate(&self, statement: Statement) -> Option<Cert> {
        let mut voters = self.sigs.get(&statement).cloned().unwrap_or_default();
        let byzantine = (0..self.n).filter(|node| self.nodes[*node].is_none());
        voters.extend(byzantine.map(|node| u16::try_from(node).unwrap()));
        let enough = u64::try_from(voters.len()).unwrap() >= roster(self.n).quorum();
        enough.then(|| Cert(BoundedVec::new(voters.into_iter().collect()).unwrap(), statement))
    }

    pub(crate) fn prepared(&self, height: Height, lock: Lock) -> Option<Prepared<Cert>> {
        let statement = self.scope().statement(Kind::Prepare, height, lock.view, lock.digest);
        Some(Prepared { height, lock, certificate: self.certificate(statement)? })
    }

    pub(crate) fn decision(&self, proposal: &Proposal, view: View) -> Option<Msg> {
        let (height, digest) = (proposal.header.height, proposal.digest());
        let statement = self.scope().statement(Kind::Commit, height, view, digest);
        let certificate = self.certificate(statement)?;
        Some(Message::Decided(Decided { proposal: proposal.clone(), view, certificate }))
    }

    /// The last view change that `node` sent for `view`.
    pub(crate) fn asked(&self, node: usize, height: Height, view: View) -> Option<ViewChange<Sig>> {
        let own = self.sent.iter().rev().filter(|sent| sent.from == node);
        own.filter_map(|sent| match &sent.message {
            Message::ViewChange(change) => Some(change.clone()),
            _ => None,
        })
        .find(|change| {
            (change.height, change.view, usize::from(change.change.signer)) == (height, view, node)
        })
    }

    /// A new view from these view changes.
    pub(crate) fn new_view(
        &self,
        mut from: Vec<ViewChange<Sig>>,
        certificate: Option<Cert>,
    ) -> NewView<Sig, Cert> {
        from.sort_by_key(|change| change.change.signer);
        let (height, view) = (from[0].height, from[0].view);
        let changes = from.into_iter().map(|change| change.change).collect();
        NewView { height, view, changes: BoundedVec::new(changes).unwrap(), certificate }
    }
}
