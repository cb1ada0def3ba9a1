//! DHPVSS written down once more: slowly, from the paper, with every choice open to an attacker.

use std::iter;

use cosi::{
    domain::{DEAL, DEAL_POINTS},
    keys::PublicKeyBytes,
    transcript::{Hash, Transcript},
    wire::BoundedVec,
};
use curve25519_dalek::{RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT as G};
use pvss::{Deal, Scheme, Sharing, dhpvss};

use crate::common::*;

/// A deal by its points, and what an attacker that makes it knows.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) mask: Scalar,
    pub(crate) ephemeral: RistrettoPoint,
    pub(crate) shares: Vec<RistrettoPoint>,
    pub(crate) commitments: [RistrettoPoint; 2],
    pub(crate) response: Scalar,
}

/// The share keys of members 0 to n − 1.
pub(crate) fn xs(n: usize) -> Vec<RistrettoPoint> {
    (0..n).map(|number| point(&register(number, Scheme::Dhpvss).1.key)).collect()
}

/// p(1), …, p(n).
pub(crate) fn on_polynomial(coefficients: &[Scalar], n: usize) -> Vec<Scalar> {
    let value = |i: u64| {
        let powers = (0..coefficients.len()).map(|k| (0..k).map(|_| Scalar::from(i)).product());
        powers.zip(coefficients).map(|(power, a): (Scalar, _)| power * a).sum()
    };
    (1..).map(value).take(n).collect()
}

/// Some polynomial's shares, as points, and its secret.
pub(crate) fn plain(t: usize, n: usize, seed: u64) -> (Vec<RistrettoPoint>, RistrettoPoint) {
    let mut rng = rng(seed);
    let p: Vec<_> = (0..t).map(|_| Scalar::random(&mut rng)).collect();
    (on_polynomial(&p, n).iter().map(|value| G * value).collect(), G * p[0])
}

/// What the crate's challenge is about: all of it.
pub(crate) fn whole(sharing: &Sharing, dealer: &PublicKeyBytes) -> Transcript {
    let mut transcript = Transcript::new(DEAL);
    transcript.append(b"sharing", &sharing.id().0);
    transcript.append(b"dealer", dealer);
    transcript
}

/// v_1, …, v_n: the coefficients of q(−x)·(1 − x)^t, by Pascal's triangle.
pub(crate) fn word(q: &[Scalar], t: usize) -> Vec<Scalar> {
    let mut binomials = vec![Scalar::ONE];
    for _ in 0..t {
        let shifted = [&[Scalar::ZERO], &binomials[..]].concat();
        binomials.push(Scalar::ZERO);
        binomials.iter_mut().zip(shifted).for_each(|(own, left)| *own += left);
    }
    let sign = |at: usize| if at.is_multiple_of(2) { Scalar::ONE } else { -Scalar::ONE };
    let coefficient = |at: usize| {
        let terms = q.iter().enumerate().take(at + 1);
        terms.filter_map(|(j, q)| Some(q * sign(j) * binomials.get(at - j)? * sign(at - j))).sum()
    };
    (0..q.len() + t).map(coefficient).collect()
}

/// The coefficients of q that a challenge stands for.
pub(crate) fn powers(c: &Scalar, number: usize) -> Vec<Scalar> {
    iter::successors(Some(Scalar::ONE), |power| Some(power * c)).take(number).collect()
}

/// As a deal's transcript takes its points.
pub(crate) fn hashed(points: &[[u8; 32]]) -> [u8; 64] {
    Hash::new(DEAL_POINTS).bytes(&points.concat()).wide()
}

/// U and V.
pub(crate) fn dual(
    transcript: &mut Transcript,
    t: usize,
    xs: &[RistrettoPoint],
    ephemeral: &RistrettoPoint,
    shares: &[RistrettoPoint],
) -> [RistrettoPoint; 2] {
    transcript.append(b"D", &bytes(ephemeral));
    transcript.append(b"C", &hashed(&shares.iter().map(bytes).collect::<Vec<_>>()));
    let word = word(&powers(&transcript.challenge(b"c"), xs.len() - t), t);
    [xs, shares].map(|points| word.iter().zip(points).map(|(weight, point)| point * weight).sum())
}

pub(crate) fn challenge(transcript: &mut Transcript, commitments: &[RistrettoPoint; 2]) -> Scalar {
    commitments.iter().for_each(|point| transcript.append(b"commitment", &bytes(point)));
    transcript.challenge(b"e")
}

impl Hand {
    /// Deals these shares, given as points, with the proof that the equations ask for; `shift` is
    /// added to K and taken from L.
    pub(crate) fn deal(
        mut transcript: Transcript,
        t: usize,
        xs: &[RistrettoPoint],
        mask: Scalar,
        plain: &[RistrettoPoint],
        shift: RistrettoPoint,
    ) -> Self {
        let ephemeral = G * mask;
        let shares: Vec<_> = xs.iter().zip(plain).map(|(x, share)| share + x * mask).collect();
        let [u, _] = dual(&mut transcript, t, xs, &ephemeral, &shares);
        let w = number(0x1234_5678);
        let commitments = [G * w + shift, u * w - shift];
        let response = w - challenge(&mut transcript, &commitments) * mask;
        Self { mask, ephemeral, shares, commitments, response }
    }

    /// The sums that are O when the two equations hold, for this challenge.
    pub(crate) fn errors(&self, [u, v]: [RistrettoPoint; 2], e: Scalar) -> [RistrettoPoint; 2] {
        let [k, l] = self.commitments;
        [G * self.response + self.ephemeral * e - k, u * self.response + v * e - l]
    }

    /// The same, for the challenge that follows from this transcript.
    pub(crate) fn checked(
        &self,
        mut transcript: Transcript,
        t: usize,
        xs: &[RistrettoPoint],
    ) -> [RistrettoPoint; 2] {
        let uv = dual(&mut transcript, t, xs, &self.ephemeral, &self.shares);
        self.errors(uv, challenge(&mut transcript, &self.commitments))
    }

    /// The crate's form.
    pub(crate) fn wire(&self) -> Deal {
        Deal::Dhpvss(dhpvss::Deal {
            ephemeral: bytes(&self.ephemeral),
            shares: BoundedVec::new(self.shares.iter().map(bytes).collect()).unwrap(),
            commitments: self.commitments.each_ref().map(bytes),
            response: self.response.to_bytes(),
        })
    }

    pub(crate) fn from_wire(deal: &Deal) -> Self {
        let Deal::Dhpvss(deal) = deal else { panic!("by DHPVSS") };
        Self {
            mask: Scalar::ZERO,
            ephemeral: point(&deal.ephemeral),
            shares: deal.shares.iter().map(point).collect(),
            commitments: deal.commitments.each_ref().map(point),
            response: Scalar::from_canonical_bytes(deal.response).unwrap(),
        }
    }
}
