//! One challenge, and what it was answered.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity};

use super::{
    Config, Step,
    desk::{Desk, Offer},
};
use crate::{
    blame,
    challenge::{Challenge, ChallengeId, Terms},
    machine::{Cx, Evidence, Index, To},
    mask::Mask,
    message::{Message, Response, Said, StatementBytes, Sum},
    nonce::NoncePair,
    session::Session,
    signature::{CollectiveSignature, check_strict},
    tree::{Branches, Sums},
};

/// One challenge of a session.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: ChallengeId,
    challenge: Said<Challenge>,
    terms: Terms,
    /// The leader's own response.
    own: Scalar,
    /// One slot for each signer that was asked directly.
    slots: BTreeMap<Index, Slot>,
    /// What the children in a tree owe. They are nobody's debtors for it.
    sums: Sums,
    /// Whether patience is over: late responses are then checked one by one.
    pub(super) overdue: bool,
}

#[derive(Debug)]
struct Slot {
    offer: Offer,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Owed,
    Unchecked(Box<Said<Response>>, Option<Scalar>),
    Valid(Scalar),
    /// Refused, or wrong: the attempt will not complete.
    Lost,
}

impl Attempt {
    /// Challenges the owners of `offers`, and a tree's `branches`. The leader's own pair is drawn last and answers here,
    /// so nobody can choose nonces that cancel the sums.
    pub(super) fn new(
        Desk { config, drawn, .. }: &mut Desk,
        cx: &mut Cx<'_>,
        session: Session,
        statement: &StatementBytes,
        offers: Vec<(Index, Offer)>,
        branches: Branches,
    ) -> Option<Self> {
        let (_, pair, own) =
            NoncePair::draw(cx, &config.key, &config.roster.id(), config.me, drawn);
        let points = offers.iter().map(|(_, offer)| offer.points);
        let sums = points.fold(own, |[r1, r2], [p1, p2]| [r1 + p1, r2 + p2]);
        let sums = branches.add_to(sums);
        let signers = offers.iter().map(|(member, _)| member.get()).chain([config.me.get()]);
        let signers = signers.chain(branches.members());
        let challenge = Challenge {
            session,
            mask: Mask::of(config.roster.size(), signers),
            commitments: sums.map(|sum| sum.compress().to_bytes()),
            statement: statement.clone(),
        };
        let terms = Terms::of(&challenge, &config.roster, &sums)?;
        let own = pair.answer(&terms.b, &terms.c, &config.key);
        let slot = |(member, offer)| (member, Slot { offer, answer: Answer::Owed });
        let slots = offers.into_iter().map(slot).collect();
        let (id, challenge) = (challenge.id(), Said::new(&config.key, challenge));
        let sums = branches.into_sums();
        Some(Self { id, challenge, terms, own, slots, sums, overdue: false })
    }

    /// The challenge, to each who owes a response.
    pub(super) fn ask(&self) -> Step {
        let tree = self.sums.ask(&self.challenge);
        self.slots.iter().filter(|(_, slot)| slot.owes()).fold(tree, |step, (to, slot)| {
            let nonce = slot.offer.said.what.nonce;
            step.send(To::One(*to), Message::Challenge(self.challenge.clone(), nonce))
        })
    }

    /// Whether a tree takes part.
    pub(super) fn has_tree(&self) -> bool {
        !self.sums.is_empty()
    }

    /// Whether nothing is owed.
    pub(super) fn is_answered(&self) -> bool {
        self.debtors().next().is_none() && self.sums.total(self.own).is_some()
    }

    /// Keeps a sum that a child owes.
    pub(super) fn sum(&mut self, sum: &Sum, from: Index) -> bool {
        self.sums.add(sum, from)
    }

    /// Whether the member owes a response.
    pub(super) fn is_owed_by(&self, member: Index) -> bool {
        self.slots.get(&member).is_some_and(Slot::owes)
    }

    /// Who owes a response.
    pub(super) fn debtors(&self) -> impl Iterator<Item = Index> + '_ {
        self.slots.iter().filter(|(_, slot)| slot.owes()).map(|(member, _)| *member)
    }

    /// Keeps a response that is owed. One with another pair than was named counts as none.
    pub(super) fn respond(&mut self, member: Index, said: Said<Response>) -> bool {
        let Some(slot) = self.slots.get_mut(&member) else { return false };
        if !slot.owes() || slot.offer.said.what.nonce != said.what.nonce {
            return false;
        }
        let s = Scalar::from_canonical_bytes(said.what.response).into();
        slot.answer = Answer::Unchecked(Box::new(said), s);
        true
    }

    /// The member cannot respond.
    pub(super) fn lose(&mut self, member: Index) {
        if let Some(slot) = self.slots.get_mut(&member) {
            slot.answer = Answer::Lost;
        }
    }

    /// The signature, if all responded, and rightly.
    pub(super) fn signature(&self) -> Option<CollectiveSignature> {
        let mut s = self.sums.total(self.own)?;
        for slot in self.slots.values() {
            s += slot.scalar()?;
        }
        let (commitment, response) = (self.terms.commitment, s.to_bytes());
        check_strict(&self.terms.key, &commitment, &response, &self.terms.message).ok()?;
        Some(CollectiveSignature { commitment, response, mask: self.challenge.what.mask.clone() })
    }

    /// Checks what is unchecked: the sum first, and only if that fails each. Returns whose
    /// response is wrong, with what proves it.
    pub(super) fn examine(&mut self, config: &Config) -> Vec<(Index, Option<Evidence>)> {
        let unchecked = |slot: &Slot| matches!(slot.answer, Answer::Unchecked(..));
        let all_right = self.sum_holds(config, unchecked);
        let mut wrong = Vec::new();
        for (member, slot) in &mut self.slots {
            let Answer::Unchecked(said, s) = &slot.answer else { continue };
            let key = config.roster.key(*member);
            let right = |s: &Scalar| {
                all_right
                    || key.is_some_and(|key| self.terms.hold(s, &slot.offer.points, key.point()))
            };
            match s.filter(right) {
                Some(s) => slot.answer = Answer::Valid(s),
                None => {
                    let evidence = blame::invalid_response(&self.challenge, &slot.offer.said, said);
                    slot.answer = Answer::Lost;
                    wrong.push((*member, evidence));
                }
            }
        }
        wrong
    }

    fn sum_holds(&self, config: &Config, which: impl Fn(&Slot) -> bool) -> bool {
        let (mut s, mut key) = (Scalar::ZERO, EdwardsPoint::identity());
        let mut sums = [EdwardsPoint::identity(); 2];
        for (member, slot) in self.slots.iter().filter(|(_, slot)| which(slot)) {
            let (Some(scalar), Some(point)) = (slot.scalar(), config.roster.key(*member)) else {
                return false;
            };
            s += scalar;
            key += point.point();
            sums.iter_mut().zip(&slot.offer.points).for_each(|(sum, point)| *sum += point);
        }
        self.terms.hold(&s, &sums, &key)
    }
}

impl Slot {
    const fn owes(&self) -> bool {
        matches!(self.answer, Answer::Owed)
    }

    fn scalar(&self) -> Option<Scalar> {
        match &self.answer {
            Answer::Unchecked(_, s) => *s,
            Answer::Valid(s) => Some(*s),
            Answer::Owed | Answer::Lost => None,
        }
    }
}
