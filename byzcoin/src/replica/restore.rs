//! From records back to a replica.

use alloc::collections::{BTreeMap, BTreeSet};

use cosi::machine::{Cx, StepOf, To};

use super::{
    Config, Inner, Replica, RestoreError,
    state::{Candidate, Chain, Link, Round},
};
use crate::{
    block::{Assembly, Body, Proposal},
    message::Message,
    record::{Record, RecordOf},
    statement::{Height, Lock, View},
    votes::Votes,
};

impl<V: Votes> Replica<V> {
    /// The replica that wrote `records`; without any, a fresh one at height 1.
    ///
    /// Tells of every decision again, in order, then says what it may have said before: a view
    /// change byte for byte, its proposal, its votes.
    pub fn restore(
        config: Config<V::Config>,
        records: impl IntoIterator<Item = RecordOf<V>>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, StepOf<Self>), RestoreError> {
        let (config, votes) = config.split();
        let votes = V::new(votes, &config.roster, config.me).ok_or(RestoreError::Votes)?;
        let (tip, applied) = (Height::default(), Height::default());
        let mut replica = Self {
            round: Round::new(Height::FIRST, config.genesis, 0),
            chain: Chain { links: BTreeMap::new(), tip, applied },
            config,
            votes,
            ahead: BTreeMap::new(),
            behind: None,
            pull: None,
            blamed: BTreeSet::new(),
        };
        let (mut step, mut fresh) = (Inner::<V>::none(), true);
        for record in records {
            replica.replay(record)?;
            while let Some(given) = replica.upon_applicable() {
                step = step.and(given);
            }
            fresh = false;
        }
        if !fresh {
            step = step.and(replica.resume(cx));
        }
        let step = replica.settle(cx, step);
        Ok((replica, step))
    }

    fn replay(&mut self, record: RecordOf<V>) -> Result<(), RestoreError> {
        let height = self.round.height;
        match record {
            Record::Decided(decided) => {
                let (header, digest) = (&decided.proposal.header, decided.proposal.digest());
                if header.height != height || header.parent != self.round.parent {
                    return Err(RestoreError::OutOfOrder(header.height));
                }
                let kept = self.round.candidates.remove(&digest);
                let (assembly, stored) = kept.map_or_else(
                    || (Assembly::new(decided.proposal.clone()), false),
                    |kept| (kept.assembly, kept.stored),
                );
                let (view, certificate) = (decided.view, decided.certificate);
                self.extend(Link { assembly, view, certificate, stored }, digest);
            }
            Record::Entered(new_view) => {
                if new_view.height == height && new_view.view > self.round.view {
                    self.opened(new_view);
                }
            }
            Record::OwnProposal(view, proposal) => {
                if proposal.header.height == height {
                    let digest = proposal.digest();
                    self.round.own = Some(Lock { view, digest });
                    self.admit(digest, proposal, view);
                }
            }
            Record::Body(proposal, body) => self.replay_body(proposal, body),
            Record::VotedPrepare(at, view, digest) => {
                if at == height {
                    self.round.prepared = Some(Lock { view, digest });
                }
            }
            Record::VotedCommit(at, view, digest) => {
                if at == height {
                    self.round.committed = Some(Lock { view, digest });
                }
            }
            Record::HighPc(prepared) => {
                if prepared.height == height {
                    self.round.high = Some(prepared.lock);
                    self.round.held.insert(prepared.lock.view, prepared);
                }
            }
            Record::ViewChange(change) => {
                if change.height == height {
                    self.round.sent = Some(change);
                }
            }
        }
        Ok(())
    }

    fn replay_body(&mut self, proposal: Proposal, body: Body) {
        let (height, digest) = (proposal.header.height, proposal.digest());
        let assembly = Assembly::whole(proposal.clone(), body);
        if height == self.round.height {
            self.admit(digest, proposal.clone(), self.round.view);
            let fresh = || Candidate::new(proposal, View::ZERO);
            let kept = self.round.candidates.entry(digest).or_insert_with(fresh);
            (kept.assembly, kept.stored) = (assembly, true);
        } else if let Some(link) = self.chain.links.get_mut(&height)
            && link.assembly.proposal == proposal
        {
            (link.assembly, link.stored) = (assembly, true);
        }
    }

    /// Says again what a crash may have swallowed.
    fn resume(&mut self, cx: &mut Cx<'_>) -> Inner<V> {
        let step = self.announce();
        let view = self.round.view;
        if let Some(sent) = self.round.sent.clone().filter(|sent| sent.view > view) {
            self.round.changes.insert(self.config.me, sent.clone());
            self.round.resend = Some((cx.now().after(self.config.timing.pull_after), 0));
            return step.send(To::All, Message::ViewChange(sent));
        }
        if view > View::ZERO {
            self.start_timer(cx, view);
        }
        if let Some(own) = self.round.own.filter(|own| own.view == view)
            && let Some(kept) = self.round.candidates.get(&own.digest)
        {
            let proposal = kept.assembly.proposal.clone();
            self.round.proposal = Some(self.signed(view, proposal));
        }
        step.and(self.repeat(cx))
    }
}
