//! One call of a leader's tree, at a member that commits for its subtree.

use core::mem;

use curve25519_dalek::{EdwardsPoint, Scalar};

use super::Config;
use crate::{
    challenge::{Challenge, ChallengeId, Terms},
    machine::{Index, Time},
    mask::Mask,
    message::{Said, Sum, Tuple},
    nonce::{NonceId, NoncePair},
    session::{Digest, SessionId},
    tree::{Branches, Sums},
};

/// A pair, its name and its points.
pub(super) type Drawn = (NonceId, NoncePair, [EdwardsPoint; 2]);

/// One call, and how far it has come.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) leader: Index,
    pub(super) session: SessionId,
    pub(super) digest: Digest,
    pub(super) issued: Time,
    pub(super) parent: Index,
    /// This member and all below it.
    pub(super) subtree: Mask,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The own pair is to come, once the statement is validated, and tuples of the children.
    Gathering {
        branches: Branches,
        own: Option<Drawn>,
        /// When to wait for children no longer. `None`: it is over.
        until: Option<Time>,
    },
    /// The tuple is sent.
    Committed { tuple: Said<Tuple>, pair: NoncePair, sums: Sums },
    /// The pair is spent, and sums of the children may be to come.
    Answered {
        challenge: Said<Challenge>,
        id: ChallengeId,
        nonce: NonceId,
        own: Scalar,
        sums: Sums,
    },
    /// There is no pair: it is on its way from one phase to the next, or the statement was refused
    /// after the tuple was sent.
    Spent,
}

impl Relay {
    /// Takes the member's own pair in, unless it has one.
    pub(super) fn join(&mut self, draw: impl FnOnce() -> Drawn) {
        if let Phase::Gathering { own: own @ None, .. } = &mut self.phase {
            *own = Some(draw());
        }
    }

    /// Takes the member's own pair out, for the statement is refused. What was answered stays.
    pub(super) fn withdraw(&mut self) {
        match &mut self.phase {
            Phase::Gathering { own, .. } => *own = None,
            Phase::Committed { .. } => self.phase = Phase::Spent,
            Phase::Answered { .. } | Phase::Spent => {}
        }
    }

    /// Takes a child's tuple in. Those that come late are left out.
    pub(super) fn gather(&mut self, said: Said<Tuple>, sums: [EdwardsPoint; 2], from: Index) {
        if let Phase::Gathering { branches, until: Some(_), .. } = &mut self.phase {
            branches.add(said, sums, from);
        }
    }

    /// Whether children are waited for that are to be waited for no longer.
    pub(super) fn give_up(&mut self, now: Time) {
        if let Phase::Gathering { until: until @ Some(_), .. } = &mut self.phase {
            *until = until.filter(|until| now < *until);
        }
    }

    /// When children are waited for no longer.
    pub(super) const fn until(&self) -> Option<Time> {
        if let Phase::Gathering { until, .. } = &self.phase { *until } else { None }
    }

    /// Sums the tuples up with the member's own pair, once: when all are there, or those that are
    /// not are waited for no longer.
    pub(super) fn commit(&mut self, config: &Config) -> Option<&Said<Tuple>> {
        let Phase::Gathering { branches, own: Some(_), until } = &self.phase else { return None };
        if until.is_some() && !branches.is_full() {
            return None;
        }
        let phase = mem::replace(&mut self.phase, Phase::Spent);
        let Phase::Gathering { branches, own: Some((nonce, pair, own)), .. } = phase else {
            return None;
        };
        let encode = |points: [EdwardsPoint; 2]| points.map(|point| point.compress().to_bytes());
        let members = branches.members().chain([config.me.get()]);
        let tuple = Tuple {
            leader: self.leader.get(),
            session: self.session,
            member: config.me.get(),
            nonce,
            own: encode(own),
            sums: encode(branches.add_to(own)),
            mask: Mask::of(config.roster.size(), members),
            children: branches.hash(),
        };
        let tuple = Said::new(&config.key, tuple);
        self.phase = Phase::Committed { tuple, pair, sums: branches.into_sums() };
        self.tuple()
    }

    /// The tuple that was sent, while its pair is unspent.
    pub(super) const fn tuple(&self) -> Option<&Said<Tuple>> {
        if let Phase::Committed { tuple, .. } = &self.phase { Some(tuple) } else { None }
    }

    /// Whether `from` is the one to pass on the challenge, and names the own pair.
    pub(super) fn expects(&self, from: Index, nonce: &NonceId) -> bool {
        let named = match &self.phase {
            Phase::Committed { tuple, .. } => Some(&tuple.what.nonce),
            Phase::Answered { nonce, .. } => Some(nonce),
            Phase::Gathering { .. } | Phase::Spent => None,
        };
        from == self.parent && named == Some(nonce)
    }

    /// The challenge that was answered.
    pub(super) const fn challenge(&self) -> Option<&Said<Challenge>> {
        if let Phase::Answered { challenge, .. } = &self.phase { Some(challenge) } else { None }
    }

    /// Whether the challenge asks of the subtree exactly what the tuple committed to: the sums are
    /// over all of it, so no honest leader asks for a part.
    pub(super) fn covers(&self, mask: &Mask) -> bool {
        let asked = mask.iter().filter(|member| self.subtree.contains(*member));
        self.tuple().is_some_and(|tuple| asked.eq(tuple.what.mask.iter()))
    }

    /// Spends the pair on the challenge. Without terms nobody answers.
    pub(super) fn answer(
        &mut self,
        config: &Config,
        said: &Said<Challenge>,
        sums: &[EdwardsPoint; 2],
    ) {
        let Some(terms) = Terms::of(&said.what, &config.roster, sums) else { return };
        match mem::replace(&mut self.phase, Phase::Spent) {
            Phase::Committed { tuple, pair, sums } => {
                let own = pair.answer(&terms.b, &terms.c, &config.key);
                let (challenge, id, nonce) = (said.clone(), said.what.id(), tuple.what.nonce);
                self.phase = Phase::Answered { challenge, id, nonce, own, sums };
            }
            phase @ (Phase::Gathering { .. } | Phase::Answered { .. } | Phase::Spent) => {
                self.phase = phase;
            }
        }
    }

    /// Takes a child's sum in.
    pub(super) fn add(&mut self, sum: &Sum, from: Index) -> bool {
        let Phase::Answered { id, sums, .. } = &mut self.phase else { return false };
        *id == sum.challenge && sums.add(sum, from)
    }

    /// The sum of the subtree, once every child's is there.
    pub(super) fn sum(&self, config: &Config) -> Option<Said<Sum>> {
        let Phase::Answered { id, nonce, own, sums, .. } = &self.phase else { return None };
        let sum = Sum {
            leader: self.leader.get(),
            challenge: *id,
            member: config.me.get(),
            nonce: *nonce,
            sum: sums.total(*own)?.to_bytes(),
        };
        Some(Said::new(&config.key, sum))
    }
}
