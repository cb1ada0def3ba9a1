//! What the other three of the shard sign: whatever an input has them sign.

use byzcoin::{
    Digest, Height, Kind, View,
    message::{Change, Decided, Message as Said, NewView, Prepared, Propose, ViewChange},
    statement::Lock,
    votes::{self, Single},
};
use cosi::{
    Statement as _, certificate,
    domain::BYZCOIN,
    wire::{BoundedVec, Wire},
};
use omniledger::{Message, Peer, message::Request};

use super::{MENU, OTHERS, SHARD, World};
use crate::realm::{Block, REALM};

type Bft = byzcoin::MessageOf<votes::CosiVotes>;

impl World {
    /// The block of the draft, which is remembered. An item beyond the menu spoils its header.
    fn block(&mut self, view: View) -> Block {
        let items = self.draft.iter();
        let requests: Vec<Request> =
            items.filter_map(|item| MENU.get(usize::from(*item)).cloned()).collect();
        let spoilt = requests.len() < self.draft.len();
        let (mut block, mut sound) = self.branch.next(&requests, view);
        if spoilt {
            block = self.branch.seal(&requests, Vec::new(), self.branch.state.clone(), view);
        }
        sound &= !spoilt && requests.len() <= super::MOST;
        self.blocks.insert(block.proposal.digest(), (block.clone(), sound));
        block
    }

    /// The others say something on the block that they make of the draft, in a view. Once all of
    /// them have decided it, the draft is empty.
    pub(super) fn say(&mut self, detail: u8) {
        let (what, view) = (detail & 7, View::new(u32::from(detail.wrapping_shr(3))));
        let block = self.block(view);
        let (height, proposal) = (block.proposal.header.height, block.proposal.clone());
        let digest = proposal.digest();
        let lock = Lock { view, digest };
        let [three, two] = [&OTHERS[..], &[0, 2]];
        match what {
            0 => {
                let signer = self.branch.leader(view);
                if OTHERS.contains(&signer) {
                    let statement =
                        self.branch.scope().statement(Kind::Proposal, height, view, digest);
                    let key = REALM.key(SHARD, signer);
                    let signature = key.sign(&BYZCOIN, &statement.encode());
                    let propose = Propose { view, proposal, signer, signature };
                    self.tell(signer, Said::Propose(propose));
                }
                self.chunks(&block);
            }
            1 | 3 => {
                let signers = if what == 1 { three } else { two };
                let certificate = self.branch.certify(Kind::Prepare, &block, view, signers);
                self.tell(0, Said::Prepared(Prepared { height, lock, certificate }));
            }
            2 | 4 => {
                let signers = if what == 2 { three } else { two };
                let certificate = self.branch.certify(Kind::Commit, &block, view, signers);
                self.tell(2, Said::Decided(Decided { proposal, view, certificate }));
                self.chunks(&block);
                if what == 2 {
                    self.draft.clear();
                }
            }
            5 => self.vote(Kind::Prepare, view, digest),
            6 => self.vote(Kind::Commit, view, digest),
            _ => self.chunks(&block),
        }
    }

    /// Each of the others votes by itself, for what the validator proposed last or this.
    fn vote(&mut self, kind: Kind, view: View, digest: Digest) {
        let digest = self.own.unwrap_or(digest);
        let height = Height::new(self.branch.height().wrapping_add(1));
        let statement = self.branch.scope().statement(kind, height, view, digest);
        for signer in OTHERS {
            let id = REALM.roster(SHARD).id();
            let key = REALM.key(SHARD, signer);
            let signature = certificate::sign(key, &id, &statement.to_signed());
            let single = Single { statement, signer, signature };
            self.tell(signer, Said::Votes(votes::Message::Single(single)));
        }
    }

    fn chunks(&mut self, block: &Block) {
        let (height, digest) = (block.proposal.header.height, block.proposal.digest());
        self.tell(3, Said::Content(block.proposal.clone()));
        let body = byzcoin::Body::new(&block.body).expect("a short body");
        for chunk in body.chunks().iter().cloned() {
            self.tell(3, Said::Chunk { height, digest, chunk });
        }
    }

    /// The others ask for a view, all or two of them, or say that all have.
    pub(super) fn change_view(&mut self, detail: u8) {
        let view = View::new(u32::from(detail & 3));
        let height = Height::new(self.branch.height().wrapping_add(1));
        let statement =
            self.branch.scope().statement(Kind::ViewChange, height, view, Lock::digest(None));
        let changes = OTHERS.map(|signer| {
            let signature = REALM.key(SHARD, signer).sign(&BYZCOIN, &statement.encode());
            Change { signer, lock: None, signature }
        });
        if detail & 8 > 0 {
            let changes = BoundedVec::new(changes.to_vec()).expect("three changes");
            let opened = NewView { height, view, changes, certificate: None };
            return self.tell(0, Said::NewView(opened));
        }
        let most = if detail & 4 > 0 { 2 } else { 3 };
        for change in changes.into_iter().take(most) {
            let signer = change.signer;
            self.tell(signer, Said::ViewChange(ViewChange { height, view, change }));
        }
    }

    fn tell(&mut self, from: u16, message: Bft) {
        let message = Message::Shard { epoch: 0, shard: SHARD, message: Box::new(message) };
        self.hears(Peer::Validator(REALM.peer(SHARD, from)), &message);
    }
}
