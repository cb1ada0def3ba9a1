//! What a leader's sessions share: commitments to spend, and whom not to rely on.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use curve25519_dalek::EdwardsPoint;

use super::{
    Config, Step,
    grove::{Grove, Planted},
};
use crate::{
    machine::{Cx, Evidence, Fault, FaultKind, Index},
    message::{Commitment, Said},
    nonce::NonceId,
};

/// How many spent commitments of a member are remembered, so that a duplicate that the network
/// made is not spent twice.
const SPENT: usize = 64;
/// The most sessions that a member sits out, or that go without trees.
const LONGEST: u32 = 64;

/// A member's commitment, decoded.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) said: Said<Commitment>,
    pub(super) points: [EdwardsPoint; 2],
}

/// What the sessions share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) config: Config,
    /// One slot a member, each with at most `Limits::offers` offers and `SPENT` names.
    offers: BTreeMap<Index, Offers>,
    /// Who signed a wrong response: at most every member.
    convicted: BTreeSet<Index>,
    /// Who sits out: at most every member.
    bench: BTreeMap<Index, Bench>,
    /// Who refused in a session, and has not signed since: at most every member.
    refused: BTreeSet<Index>,
    /// The weight of all who have an unspent offer.
    offered: u64,
    /// At most one entry for each member and kind.
    blamed: BTreeSet<(Index, FaultKind)>,
    /// How many pairs of its own it drew.
    pub(super) drawn: u64,
    /// The tree, from session to session.
    pub(super) grove: Grove,
}

#[derive(Debug, Default)]
struct Offers {
    unspent: VecDeque<Offer>,
    spent: VecDeque<NonceId>,
}

/// For how many sessions something is left out.
#[derive(Debug, Default)]
pub(super) struct Bench {
    /// Doubles each time.
    term: u32,
    left: u32,
}

impl Bench {
    pub(super) const fn count_down(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    pub(super) fn sit_out(&mut self) {
        self.term = self.term.saturating_mul(2).clamp(1, LONGEST);
        self.left = self.term.saturating_add(1); // the next session counts down first
    }

    pub(super) const fn sits_out(&self) -> bool {
        self.left > 0
    }
}

impl Desk {
    pub(super) fn new(config: Config) -> Self {
        let (offers, bench) = (BTreeMap::new(), BTreeMap::new());
        let (convicted, blamed) = (BTreeSet::new(), BTreeSet::new());
        let (refused, grove) = (BTreeSet::new(), Grove::new());
        Self { config, offers, convicted, bench, refused, offered: 0, blamed, drawn: 0, grove }
    }

    /// Takes an offer in, unless it is another leader's or was here before. Whether it is new.
    pub(super) fn add(&mut self, member: Index, offer: Offer) -> bool {
        let commitment = &offer.said.what;
        let mine = commitment.leader == self.config.me.get() && member != self.config.me;
        if !mine || commitment.roster != self.config.roster.id() {
            return false;
        }
        self.grove.heard(member);
        let (id, weight) = (commitment.nonce, self.weight(member));
        let offers = self.offers.entry(member).or_default();
        let mut unspent = offers.unspent.iter();
        if offers.spent.contains(&id) || unspent.any(|old| old.said.what.nonce == id) {
            return false;
        }
        if offers.unspent.is_empty() {
            self.offered = self.offered.saturating_add(weight);
        }
        offers.unspent.push_back(offer);
        if offers.unspent.len() > self.config.limits.offers.max(1) {
            offers.unspent.pop_front();
        }
        true
    }

    /// Whether the member has an unspent offer.
    pub(super) fn has_offer(&self, member: Index) -> bool {
        self.offers.get(&member).is_some_and(|offers| !offers.unspent.is_empty())
    }

    /// Spends the member's latest offer, which its owner still holds if it holds any.
    pub(super) fn spend(&mut self, member: Index) -> Option<Offer> {
        let offers = self.offers.get_mut(&member)?;
        let offer = offers.unspent.pop_back()?;
        let spent_last = offers.unspent.is_empty();
        offers.spent.push_back(offer.said.what.nonce);
        if offers.spent.len() > SPENT {
            offers.spent.pop_front();
        }
        if spent_last {
            self.offered = self.offered.saturating_sub(self.weight(member));
        }
        Some(offer)
    }

    /// The most weight that could sign now, the leader's included. Spares a look at every member
    /// at every commitment.
    pub(super) fn reach(&self) -> u64 {
        self.offered.saturating_add(self.weight(self.config.me))
    }

    fn weight(&self, member: Index) -> u64 {
        self.config.roster.member(member).map_or(0, |member| u64::from(member.weight))
    }

    pub(super) fn is_convicted(&self, member: Index) -> bool {
        self.convicted.contains(&member)
    }

    pub(super) fn sits_out(&self, member: Index) -> bool {
        self.bench.get(&member).is_some_and(Bench::sits_out)
    }

    /// A session begins.
    pub(super) fn count_down(&mut self) {
        self.bench.values_mut().for_each(Bench::count_down);
        self.grove.count_down();
    }

    /// The tree for a session.
    pub(super) fn plant(&mut self, cx: &mut Cx<'_>) -> Option<Planted> {
        self.grove.plant(cx, &self.config, self.drawn, &self.convicted)
    }

    /// The member withheld its response to the end of a session. It stands aside, too.
    pub(super) fn sit_out(&mut self, member: Index) {
        self.grove.set_aside(member);
        self.bench.entry(member).or_default().sit_out();
    }

    /// The member refused in a session. Once is no offence: it may have crashed.
    pub(super) fn refused(&mut self, member: Index) {
        if !self.refused.insert(member) {
            self.sit_out(member);
        }
    }

    /// The member signed.
    pub(super) fn redeem(&mut self, member: Index) {
        self.bench.remove(&member);
        self.refused.remove(&member);
    }

    /// The member signed a wrong response.
    pub(super) fn convict(&mut self, member: Index, evidence: Option<Evidence>) -> Step {
        self.convicted.insert(member);
        self.blame(member, FaultKind::InvalidProof, evidence)
    }

    pub(super) fn blame(
        &mut self,
        culprit: Index,
        kind: FaultKind,
        evidence: Option<Evidence>,
    ) -> Step {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence })
        } else {
            Step::none()
        }
    }
}
