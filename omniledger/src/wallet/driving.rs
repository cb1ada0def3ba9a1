//! What a wallet that knows the epoch keeps, and whom it asks.

use alloc::{collections::BTreeMap, vec::Vec};

use atomix::{Client, Rosters, Session};
use cosi::{machine::Cx, wire::BoundedVec};

use crate::{
    decision::Decision,
    epoch::{Epoch, EpochProof},
    identity::any,
    message::{Guest, MAX_ASK, Message, Peer, Query, Want},
};

/// What a wallet works with once it knows the epoch.
#[derive(Debug)]
pub(super) struct Driving {
    pub(super) epoch: Epoch,
    pub(super) proof: EpochProof,
    pub(super) client: Client<Rosters<Decision>>,
    /// What is asked of each shard: at most one question a payment.
    pub(super) questions: BTreeMap<u16, BTreeMap<Session, Want>>,
    /// After which session to go on asking, by shard: each has its turn.
    pub(super) turns: BTreeMap<u16, Session>,
}

impl Driving {
    /// What to ask now: one validator of each shard, about as many sessions as one question
    /// holds.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>) -> Vec<(Peer, Message)> {
        let mut asked = Vec::new();
        for (shard, open) in &self.questions {
            let turn = self.turns.get(shard).copied().unwrap_or(Session([0; 32]));
            let in_turn = open.range(turn..).chain(open.range(..turn));
            let due = in_turn
                .take(MAX_ASK)
                .map(|(session, want)| Query { session: *session, want: *want });
            let due: Vec<_> = due.collect();
            let Some(last) = due.last().map(|last| last.session) else { continue };
            self.turns.insert(*shard, last);
            let members = self.epoch.shard(*shard).into_iter();
            let members = members.flat_map(|info| info.roster().members());
            let members: Vec<_> = members.map(|member| Peer::Validator(member.peer)).collect();
            let queries = BoundedVec::new(due).unwrap_or_default();
            if let Some(to) = any(&members, cx) {
                asked.push((to, Message::Guest(Guest::Ask { shard: *shard, queries })));
            }
        }
        asked
    }
}
