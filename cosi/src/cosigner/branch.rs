//! The second half of a round at a member of a tree: it passes a challenge on, and responds for
//! its subtree; and tells the leader how it went, if that asks.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use curve25519_dalek::Scalar;

use super::{Config, Step, calling::Committed};
use crate::{
    challenge::{Challenge, ChallengeId, Terms},
    machine::{Index, To},
    message::{
        Account, Ask, Commitment, Message, Named, Quote, Response, Said, StatementBytes, Sum, Tuple,
    },
    nonce::NoncePair,
    session::{Digest, SessionId},
    tree::{Branch, Owed},
    wire::BoundedVec,
};

/// A challenge that a subtree answers. Its pair is out of the pool, so it answers nothing else.
#[derive(Debug)]
pub(super) struct Responding {
    pub(super) leader: Index,
    pub(super) session: SessionId,
    pub(super) digest: Digest,
    pub(super) id: ChallengeId,
    pub(super) challenge: Said<Challenge>,
    /// Who passed it on, and gets the sum.
    pub(super) asker: Index,
    tuple: Said<Tuple>,
    own: Own,
    /// What each child owes that the tuple names.
    owed: BTreeMap<Index, Owed>,
    /// The sum, and the tuple for the time after.
    pub(super) sum: Option<(Said<Sum>, Said<Tuple>)>,
    /// What the leader is told of it.
    inquiry: Inquired,
}

/// The member's own share.
#[derive(Debug)]
enum Own {
    /// The statement has yet to be validated.
    Waiting {
        pair: NoncePair,
        b: Scalar,
        c: Scalar,
    },
    Given(Scalar),
    /// The statement is refused, and the pair is gone.
    Withheld,
}

#[derive(Debug)]
enum Inquired {
    Never,
    /// The own share is to come first.
    Waiting,
    /// With this response.
    Told(Box<Said<Response>>),
}

impl Responding {
    /// Spends the pair of a tuple on a challenge with these terms: for good, though the answer may
    /// have to wait.
    pub(super) fn new(
        leader: Index,
        asker: Index,
        challenge: Said<Challenge>,
        terms: &Terms,
        committed: Committed,
    ) -> Self {
        let Committed { said, pair, branches, .. } = committed;
        let owed = branches.into_iter().map(|(child, branch)| (child, Owed::new(branch)));
        Self {
            leader,
            session: challenge.what.session.id(),
            digest: challenge.what.session.statement,
            id: challenge.what.id(),
            challenge,
            asker,
            tuple: said,
            own: Own::Waiting { pair, b: terms.b, c: terms.c },
            owed: owed.collect(),
            sum: None,
            inquiry: Inquired::Never,
        }
    }

    /// The challenge, to each child.
    pub(super) fn pass_on(&self) -> Step {
        self.owed.iter().fold(Step::none(), |step, (child, owed)| {
            let ask = Ask::Branch(owed.branch.said.what.nonce);
            step.send(To::One(*child), Message::Challenge(self.challenge.clone(), ask))
        })
    }

    /// The statement is validated: makes the own share. Whether the leader waits for it.
    pub(super) fn answer(&mut self, config: &Config) -> bool {
        if let Own::Waiting { .. } = self.own
            && let Own::Waiting { pair, b, c } = core::mem::replace(&mut self.own, Own::Withheld)
        {
            self.own = Own::Given(pair.answer(&b, &c, &config.key));
        }
        matches!(self.inquiry, Inquired::Waiting)
    }

    /// The statement is refused: gives up the pair. What was answered stays.
    pub(super) fn withdraw(&mut self) {
        if let Own::Waiting { .. } = self.own {
            self.own = Own::Withheld;
        }
    }

    /// Releases the statement. Whether there is something to tell the leader, which stays.
    pub(super) fn forget(&mut self) -> bool {
        self.challenge.what.statement = StatementBytes::default();
        matches!(self.own, Own::Given(_))
    }

    /// Takes a child's sum in.
    pub(super) fn add(&mut self, from: Index, said: Said<Sum>, ahead: Branch) -> bool {
        let id = self.id;
        self.owed.get_mut(&from).is_some_and(|owed| owed.answer(&id, said, ahead))
    }

    /// s_T, once the own share and every child's are there.
    pub(super) fn total(&self) -> Option<Scalar> {
        let Own::Given(own) = &self.own else { return None };
        self.owed.values().try_fold(*own, |total, owed| Some(total + owed.answer.as_ref()?.s))
    }

    /// The sum, said, together with `ahead`, which commits for the time after.
    pub(super) fn say(&mut self, config: &Config, total: &Scalar, ahead: Said<Tuple>) {
        let sum = Sum {
            leader: self.leader.get(),
            challenge: self.id,
            member: config.me.get(),
            nonce: self.tuple.what.nonce,
            sum: total.to_bytes(),
        };
        self.sum = Some((Said::new(&config.key, sum), ahead));
    }

    /// Whose tree it is.
    pub(super) const fn scope(&self) -> crate::tree::Scope {
        let Tuple { roster, leader, plan, .. } = &self.tuple.what;
        (*roster, *leader, *plan)
    }

    /// The children's tuples for the time after.
    pub(super) fn ahead(&self) -> BTreeMap<Index, Branch> {
        let ahead = |owed: &Owed| owed.answer.as_ref()?.ahead.clone();
        self.owed.iter().filter_map(|(child, owed)| Some((*child, ahead(owed)?))).collect()
    }

    /// The sum again, to whoever asks as before.
    pub(super) fn sum_again(&self, from: Index) -> Step {
        let sum = self.sum.clone().filter(|_| from == self.asker);
        sum.map_or_else(Step::none, |(said, ahead)| {
            Step::none().send(To::One(from), Message::Sum(said, ahead))
        })
    }

    /// Whether the account still lacks the pair that goes with it.
    pub(super) const fn lacks_commitment(&self) -> bool {
        matches!((&self.own, &self.inquiry), (Own::Given(_), Inquired::Never | Inquired::Waiting))
    }

    /// What the leader is told: nothing before the own share is made, which waits for the verdict.
    /// `ahead` goes with it the first time.
    pub(super) fn account(&mut self, config: &Config, ahead: Option<Said<Commitment>>) -> Step {
        if let (Own::Given(own), Some(ahead)) = (&self.own, ahead) {
            let response = Response {
                challenge: self.id,
                member: config.me.get(),
                nonce: self.tuple.what.nonce,
                response: own.to_bytes(),
                ahead,
            };
            self.inquiry = Inquired::Told(Box::new(Said::new(&config.key, response)));
        }
        let Inquired::Told(response) = &self.inquiry else {
            self.inquiry = Inquired::Waiting;
            return Step::none();
        };
        let Some(children) = BoundedVec::new(self.children()) else { return Step::none() };
        let response = Said::clone(response);
        let account = Account { tuple: self.tuple.clone(), response, children };
        let ahead = self.sum.as_ref().map(|(_, ahead)| ahead.clone());
        let account = Message::Account(Said::new(&config.key, account), ahead);
        Step::none().send(To::One(self.leader), account)
    }

    fn children(&self) -> Vec<(Named, Option<Quote>)> {
        let quote = |owed: &Owed| {
            let said = &owed.answer.as_ref()?.said;
            Some(Quote { sum: said.what.sum, signature: said.signature })
        };
        self.owed.values().map(|owed| (owed.branch.said.what.to_named(), quote(owed))).collect()
    }
}
