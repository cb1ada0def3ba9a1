//! One challenge, and what it was answered.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};

use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity};

use super::{
    Config, Step,
    desk::{Desk, Offer},
    limb::{Limb, Reply},
};
use crate::{
    blame,
    challenge::{Challenge, ChallengeId, Terms},
    machine::{Cx, Evidence, Index, Time, To},
    mask::Mask,
    message::{Account, Ask, Inquiry, Message, Response, Said, StatementBytes, Sum},
    nonce::NoncePair,
    roster::Roster,
    session::Session,
    signature::{CollectiveSignature, check_strict},
    tree::{Branch, add_up},
};

/// One challenge of a session.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: ChallengeId,
    /// The challenge, but for its statement.
    bare: Said<Challenge>,
    /// All attempts share it.
    statement: Arc<StatementBytes>,
    terms: Terms,
    /// The leader's own response, and all that are folded into it.
    own: Scalar,
    /// One slot for each signer that was asked directly; once overdue, for each that owes.
    slots: BTreeMap<Index, Slot>,
    /// Whether a slot was lost that is no longer there.
    lost: bool,
    /// The branches, by who stands at their root.
    pub(super) limbs: BTreeMap<Index, Limb>,
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
    /// Challenges the owners of `offers`, and `branches`, in which none of them stands, nor anybody
    /// twice. The leader's own pair is drawn last and answers here, so nobody can choose nonces
    /// that cancel the sums.
    pub(super) fn new(
        Desk { config, drawn, .. }: &mut Desk,
        cx: &mut Cx<'_>,
        session: Session,
        statement: &Arc<StatementBytes>,
        offers: Vec<(Index, Offer)>,
        branches: BTreeMap<Index, Branch>,
    ) -> Option<Self> {
        let (_, pair, own) =
            NoncePair::draw(cx, &config.key, &config.roster.id(), config.me, drawn);
        let points = offers.iter().map(|(_, offer)| offer.points);
        let sums = points.fold(own, |[r1, r2], [p1, p2]| [r1 + p1, r2 + p2]);
        let sums = add_up(sums, branches.values());
        let signers = offers.iter().map(|(member, _)| member.get()).chain([config.me.get()]);
        let signers = signers.chain(branches.values().flat_map(|branch| branch.mask().iter()));
        let challenge = Challenge {
            session,
            mask: Mask::of(config.roster.size(), signers),
            commitments: sums.map(|sum| sum.compress().to_bytes()),
            statement: StatementBytes::clone(statement),
        };
        let terms = Terms::of(&challenge, &config.roster, &sums)?;
        let own = pair.answer(&terms.b, &terms.c, &config.key);
        let slot = |(member, offer)| (member, Slot { offer, answer: Answer::Owed });
        let slots = offers.into_iter().map(slot).collect();
        let (id, mut bare) = (challenge.id(), Said::new(&config.key, challenge));
        bare.what.statement = StatementBytes::default();
        let limbs = branches.into_iter().map(|(head, branch)| (head, Limb::new(branch))).collect();
        let (statement, lost, overdue) = (statement.clone(), false, false);
        Some(Self { id, bare, statement, terms, own, slots, lost, limbs, overdue })
    }

    /// The challenge, as it was signed.
    fn challenge(&self) -> Said<Challenge> {
        whole(&self.bare, &self.statement)
    }

    /// The challenge, to each who owes a response, and to each branch that was not asked member by
    /// member since; the inquiry, to each in the others who owes an answer to it.
    pub(super) fn ask(&self, config: &Config) -> Step {
        let branches = self.limbs.iter().filter(|(_, limb)| limb.replies.is_none() && limb.pends());
        let branches =
            branches.map(|(to, limb)| (to, Ask::Branch(limb.owed.branch.said.what.nonce)));
        let slots = self.slots.iter().filter(|(_, slot)| slot.owes());
        let slots = slots.map(|(to, slot)| (to, Ask::Own(slot.offer.said.what.nonce)));
        let challenges = branches.chain(slots).fold(Step::none(), |step, (to, ask)| {
            step.send(To::One(*to), Message::Challenge(self.challenge(), ask))
        });
        let inquired = self.limbs.values().flat_map(|limb| limb.debtors(&config.roster));
        challenges.and(self.inquiry(config, inquired.collect()))
    }

    /// Asks these members directly what became of the challenge.
    fn inquiry(&self, config: &Config, members: Vec<Index>) -> Step {
        if members.is_empty() {
            return Step::none();
        }
        let (roster, leader) = (config.roster.id(), config.me.get());
        let inquiry = Inquiry { roster, leader, challenge: self.id };
        let inquiry = Message::Inquiry(Said::new(&config.key, inquiry));
        Step::none().send(To::Some(members), inquiry)
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_settled(&self) -> bool {
        !self.slots.values().any(Slot::owes) && !self.limbs.values().any(Limb::pends)
    }

    /// Whether the member owes a response, or what became of the challenge in its branch.
    pub(super) fn is_owed_by(&self, member: Index) -> bool {
        self.slots.get(&member).is_some_and(Slot::owes)
            || self.limbs.values().any(|limb| limb.is_owed_by(member))
    }

    /// Who owes a response; and an answer to an inquiry, if it is due.
    pub(super) fn debtors<'a>(
        &'a self,
        roster: &'a Roster,
        now: Time,
    ) -> impl Iterator<Item = Index> + 'a {
        let silent = self.slots.iter().filter(|(_, slot)| slot.owes()).map(|(member, _)| *member);
        let due = self.limbs.values().filter(move |limb| limb.is_due(now));
        silent.chain(due.flat_map(|limb| limb.debtors(roster)))
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

    /// The member, who was asked for itself, cannot respond.
    pub(super) fn lose(&mut self, member: Index) -> bool {
        let slot = self.slots.get_mut(&member).filter(|slot| slot.owes());
        slot.is_some_and(|slot| {
            slot.answer = Answer::Lost;
            true
        })
    }

    /// A branch that has not answered lacks this member's share: says the member. Whether that is
    /// news.
    pub(super) fn lose_branch(&mut self, member: Index) -> bool {
        let mut limbs = self.limbs.values_mut().filter(|limb| limb.lacks(member));
        limbs.next().is_some_and(|limb| {
            limb.failed |= limb.owed.answer.is_none();
            let owes = limb.is_owed_by(member);
            let replies = limb.replies.as_mut().filter(|_| owes);
            replies.into_iter().for_each(|replies| drop(replies.insert(member, Reply::Refused)));
            true
        })
    }

    /// The member does not sign the statement. Whether that is news.
    pub(super) fn decline(&mut self, member: Index) -> bool {
        self.lose(member) || self.lose_branch(member)
    }

    /// Keeps a sum that a branch owes. One that is late, or was not to come, is checked by itself.
    pub(super) fn sum(
        &mut self,
        config: &Config,
        from: Index,
        said: Said<Sum>,
        ahead: Branch,
    ) -> bool {
        let Self { id, limbs, terms, overdue, .. } = self;
        let Some(limb) = limbs.get_mut(&from) else { return false };
        let kept = limb.answer(id, said, ahead);
        if kept && (*overdue || limb.failed || limb.replies.is_some()) {
            limb.reconsider(terms, &config.roster);
        }
        kept
    }

    /// Keeps an account of who owes one.
    pub(super) fn tell(
        &mut self,
        config: &Config,
        member: Index,
        told: (Said<Account>, Option<Branch>),
    ) -> bool {
        let Self { id, limbs, terms, .. } = self;
        let limb = limbs.values_mut().find(|limb| limb.is_owed_by(member));
        limb.is_some_and(|limb| {
            let kept = limb.tell(member, id, terms, &config.roster, told);
            limb.recount(terms, &config.roster);
            kept
        })
    }

    /// What proves that the member's own share in a branch is wrong, if it is.
    pub(super) fn wrong_share(&self, member: Index) -> Option<Option<Evidence>> {
        self.limbs.values().find_map(|limb| limb.wrong_share(member, || self.challenge()))
    }

    /// Whether the member was asked for itself.
    pub(super) fn asked(&self, member: Index) -> bool {
        let is_in = |limb: &Limb| limb.owed.branch.mask().contains(member.get());
        self.bare.what.mask.contains(member.get()) && !self.limbs.values().any(is_in)
    }

    /// Whether the member may yet answer.
    pub(super) fn expects(&self, member: Index) -> bool {
        self.is_owed_by(member) || self.limbs.values().any(|limb| limb.lacks(member))
    }

    /// Keeps what the branches that nobody had to ask about committed to for the time after: once,
    /// for the leader names no pair twice.
    pub(super) fn keep_ahead(&mut self, desk: &mut Desk) {
        for limb in self.limbs.values_mut().filter(|limb| !limb.failed && limb.replies.is_none()) {
            let ahead = limb.owed.answer.as_mut().and_then(|answer| answer.ahead.take());
            ahead.into_iter().for_each(|ahead| desk.grove.keep(ahead, &desk.config));
        }
    }

    /// The members of the branches that nobody had to ask about signed over the tree.
    pub(super) fn redeem(&self, desk: &mut Desk) {
        let held = self.limbs.values().filter(|limb| !limb.failed && limb.replies.is_none());
        held.for_each(|limb| desk.grove.redeem(limb.owed.branch.mask()));
    }

    /// Asks all members of each branch without a share directly, once, to answer by then. `None`:
    /// of all, or there are none.
    pub(super) fn inquire(&mut self, config: &Config, due: Time) -> Option<Step> {
        let failed = |limb: &&mut Limb| limb.share().is_none() && limb.replies.is_none();
        let mut members = Vec::new();
        for limb in self.limbs.values_mut().filter(failed) {
            limb.inquire(due);
            members.extend(limb.owed.branch.mask().iter().filter_map(|at| config.roster.index(at)));
        }
        (!members.is_empty()).then(|| self.inquiry(config, members))
    }

    /// The signature, if all responded, and rightly.
    pub(super) fn signature(&self) -> Option<CollectiveSignature> {
        if self.lost {
            return None;
        }
        let shares = self.limbs.values().map(Limb::share);
        let mut shares = shares.chain(self.slots.values().map(Slot::scalar));
        let s = shares.try_fold(self.own, |s, share| Some(s + share?))?;
        let (commitment, response) = (self.terms.commitment, s.to_bytes());
        let Challenge { session, mask, .. } = &self.bare.what;
        let message = session.mode.signed(&session.roster, mask, &self.statement);
        check_strict(&self.terms.key, &commitment, &response, &message).ok()?;
        Some(CollectiveSignature { commitment, response, mask: mask.clone() })
    }

    /// Checks what is unchecked: the branches; of the responses the sum first, and only if that
    /// fails each. Returns whose response is wrong, with what proves it. Once overdue, keeps of each
    /// that does not owe no more than its part in the sum.
    pub(super) fn examine(&mut self, config: &Config) -> Vec<(Index, Option<Evidence>)> {
        self.limbs.values_mut().for_each(|limb| limb.examine(&self.terms, &config.roster));
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
                    let challenge = whole(&self.bare, &self.statement);
                    let evidence = blame::invalid_response(&challenge, &slot.offer.said, said);
                    slot.answer = Answer::Lost;
                    wrong.push((*member, evidence));
                }
            }
        }
        if self.overdue {
            self.fold();
        }
        wrong
    }

    fn fold(&mut self) {
        let Self { own, slots, lost, .. } = self;
        slots.retain(|_, slot| {
            match slot.answer {
                Answer::Valid(s) => *own += s,
                Answer::Lost => *lost = true,
                Answer::Owed | Answer::Unchecked(..) => return true,
            }
            false
        });
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

fn whole(bare: &Said<Challenge>, statement: &StatementBytes) -> Said<Challenge> {
    let what = Challenge { statement: statement.clone(), ..bare.what.clone() };
    Said { what, signature: bare.signature }
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
