//! One round of collective signing, for protocols that carry it in messages of their own, and whose
//! leader need be no member.
//!
//! ```text
//!  leader                                   cosigner i
//!    |<----- Offer(nonce, R1_i, R2_i) ----------|   ahead of time, beside something else
//!    |------ Question(Z, R1, R2), nonce ------->|   with the statement
//!    |<----- s_i = r1 + b·r2 + c·a -------------|
//! ```
//!
//! The equations are those of [`Leader`](crate::Leader) and [`Cosigner`](crate::Cosigner), whose
//! robustness (attempts, blame, trees) is here the protocol's own to give. What a signature
//! verifies as is the same too: a [`CollectiveSignature`] in accountable mode.
//!
//! A cosigner's duties, each of which keeps its key secret or its word its own:
//!
//! - Answer only for a statement that it means to sign, with its own bit in Z, beside members whom
//!   its own policy accepts.
//! - Keep pairs in memory alone, and take a pair from where it is kept before answering: a
//!   [`NoncePair`] answers once, whatever is asked.
//!
//! A leader's: name no two rounds alike.
//!
//! ```
//! use cosi::{Policy, keys::Seed, machine::{Cx, Time}, roster::{Member, Roster}};
//! use cosi::round::{Asking, Offer, Question, Round};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let mut rng = ChaCha20Rng::seed_from_u64(7);
//! let keys = [1, 2, 3].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
//! let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
//! let (asker, name, mut drawn) = ([9; 32], [7; 32], 0);
//!
//! // Each member offers a pair, and keeps its secret half.
//! let mut cx = Cx::new(Time::default(), &mut rng);
//! let (offers, mut pairs): (Vec<_>, Vec<_>) = keys.iter()
//!     .map(|key| Offer::draw(&mut cx, key, &roster.id(), &asker, &mut drawn))
//!     .unzip();
//!
//! // The leader asks all of them.
//! let decoded = roster.indices().zip(offers.iter().map(|offer| offer.decode().unwrap()));
//! let asking = Asking::new(&roster, &name, decoded, b"statement").unwrap();
//! let question: &Question = asking.question();
//!
//! // Each answers once.
//! let round = Round::new(&roster, &name, question, b"statement").unwrap();
//! let answers: Vec<_> = roster.indices().zip(keys.iter().zip(pairs.drain(..)))
//!     .map(|(index, (key, pair))| (index, round.answer(pair, key)))
//!     .collect();
//! let signature = asking.finish(&roster, answers.iter().copied()).unwrap();
//! signature.verify(&roster, b"statement", &Policy::Complete)?;
//!
//! // Whoever answers wrongly is named.
//! let mut wrong = answers;
//! wrong[1].1[0] ^= 1;
//! let culprits = asking.finish(&roster, wrong.iter().copied()).unwrap_err();
//! assert_eq!(culprits, [roster.index(1).unwrap()]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{collections::BTreeMap, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity};

use crate::{
    challenge::{Asked, Terms},
    domain::ROUND,
    keys::SigningKey,
    machine::{Cx, Index},
    mask::Mask,
    message::{PointBytes, decode_points},
    nonce::{NonceId, NoncePair},
    roster::{Roster, RosterId},
    session::SessionId,
    signature::{CollectiveSignature, Mode},
    transcript::Hash,
};

/// The public half of a pair that its owner may spend once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Offer {
    /// The pair's name.
    pub nonce: NonceId,
    /// R1 and R2 of its owner.
    pub points: PointBytes,
}

impl Offer {
    /// Draws a pair for the leader that `asker` names. `drawn` counts the machine's pairs; see
    /// [`NoncePair::draw`] for what makes up for a weak generator.
    pub fn draw(
        cx: &mut Cx<'_>,
        key: &SigningKey,
        roster: &RosterId,
        asker: &[u8; 32],
        drawn: &mut u64,
    ) -> (Self, NoncePair) {
        let (nonce, pair, points) = NoncePair::draw_outside(cx, key, roster, asker, drawn);
        (Self { nonce, points: points.map(|point| point.compress().to_bytes()) }, pair)
    }

    /// The points, if they are any. Torsion is let through: the equation catches it.
    pub fn decode(&self) -> Option<[EdwardsPoint; 2]> {
        decode_points(&self.points)
    }
}

/// What a leader asks its cosigners to answer: the same for all, and never a bare scalar.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Question {
    /// Z: who is to answer.
    pub mask: Mask,
    /// R1 and R2, the sums of what they offered.
    pub commitments: PointBytes,
}

/// A round, as a cosigner sees it.
#[derive(Clone, Debug)]
pub struct Round(Terms);

/// The name that binds a round's nonces.
fn named(name: &[u8; 32]) -> SessionId {
    SessionId(Hash::new(ROUND).fixed(name).digest())
}

impl Round {
    /// The round that `question` asks for. `None` where nobody may answer: Z is no set of members,
    /// the commitments are no points, or what follows from them has small order.
    pub fn new(
        roster: &Roster,
        name: &[u8; 32],
        question: &Question,
        statement: &[u8],
    ) -> Option<Self> {
        let sums = decode_points(&question.commitments)?;
        terms(roster, name, question, statement, &sums).map(Self)
    }

    /// The answer s = r1 + b·r2 + c·a, with the pair that the leader named.
    pub fn answer(&self, pair: NoncePair, key: &SigningKey) -> [u8; 32] {
        pair.answer(&self.0.b, &self.0.c, key).to_bytes()
    }
}

fn terms(
    roster: &Roster,
    name: &[u8; 32],
    Question { mask, commitments }: &Question,
    statement: &[u8],
    sums: &[EdwardsPoint; 2],
) -> Option<Terms> {
    let name = named(name);
    Asked { mode: Mode::Accountable, name, mask, commitments, statement }.terms(roster, sums)
}

/// A round, as its leader sees it.
#[derive(Clone, Debug)]
pub struct Asking {
    question: Question,
    terms: Terms,
    /// One entry a member of Z.
    offers: BTreeMap<Index, [EdwardsPoint; 2]>,
}

impl Asking {
    /// A round among those who offered. `None` where nobody may answer it.
    pub fn new(
        roster: &Roster,
        name: &[u8; 32],
        offers: impl IntoIterator<Item = (Index, [EdwardsPoint; 2])>,
        statement: &[u8],
    ) -> Option<Self> {
        let offers = BTreeMap::from_iter(offers);
        let sums = sum(offers.values());
        let mask = Mask::of(roster.size(), offers.keys().map(|index| index.get()));
        let commitments = sums.map(|sum| sum.compress().to_bytes());
        let question = Question { mask, commitments };
        let terms = terms(roster, name, &question, statement, &sums)?;
        Some(Self { question, terms, offers })
    }

    /// What to ask.
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// The signature, once all in Z answered. The sum of the answers is checked first, and each of
    /// them only if it does not hold.
    ///
    /// # Errors
    ///
    /// Who answered wrongly, or not at all. Where answers are missing, wrong ones that make up for
    /// each other are not named.
    pub fn finish(
        &self,
        roster: &Roster,
        answers: impl IntoIterator<Item = (Index, [u8; 32])>,
    ) -> Result<CollectiveSignature, Vec<Index>> {
        let decode = |(index, s)| Some((index, Option::from(Scalar::from_canonical_bytes(s))?));
        let answers: BTreeMap<Index, Scalar> = answers.into_iter().filter_map(decode).collect();
        let (given, missing): (Vec<Index>, Vec<Index>) =
            self.offers.keys().partition(|index| answers.contains_key(*index));
        let s: Scalar = given.iter().filter_map(|index| answers.get(index)).sum();
        let hold = self.holds(&s, &given, roster);
        if hold && missing.is_empty() {
            let (commitment, mask) = (self.terms.commitment, self.question.mask.clone());
            return Ok(CollectiveSignature { commitment, response: s.to_bytes(), mask });
        }
        let right = |index: &Index| {
            hold || answers.get(index).is_some_and(|s| self.holds(s, &[*index], roster))
        };
        let mut culprits = missing;
        culprits.extend(given.into_iter().filter(|index| !right(index)));
        culprits.sort_unstable();
        Err(culprits)
    }

    /// Whether s is the sum of right answers by these.
    fn holds(&self, s: &Scalar, members: &[Index], roster: &Roster) -> bool {
        let offers = members.iter().filter_map(|index| self.offers.get(index));
        let keys = members.iter().filter_map(|index| Some(roster.key(*index)?.point()));
        self.terms.hold(s, &sum(offers), &keys.sum())
    }
}

fn sum<'a>(offers: impl Iterator<Item = &'a [EdwardsPoint; 2]>) -> [EdwardsPoint; 2] {
    offers.fold([EdwardsPoint::identity(); 2], |[first, second], offer| {
        let [one, two] = offer;
        [first + one, second + two]
    })
}
