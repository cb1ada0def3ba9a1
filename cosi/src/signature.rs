//! What collective signing yields, and the strict rule that checks it.
//!
//! `R ‖ s` is an RFC 8032 Ed25519 signature under A_Z = Σ_{i ∈ Z} A_i, so any Ed25519 verifier
//! accepts it; the mask Z says who took part. One check costs a double-scalar multiplication
//! and at most min(present, absent, n/4) point additions, none with all present. (With an
//! [`Opening`](crate::roster::Opening) at most as many as it opens members.)
//!
//! *Strict* means: s < ℓ, R canonical and of large order, A_Z of large order, the equation
//! without the cofactor, a mask of exactly ⌈n/8⌉ bytes with its padding zero, at least one
//! signer.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};

use crate::{
    domain::ACCOUNTABLE,
    keys::{Aggregate, PublicKeyBytes},
    mask::Mask,
    raw,
    roster::{Keys, RosterId},
};

/// What the signers of one roster sign.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Mode {
    /// `tag ‖ roster ‖ Z ‖ statement`: the 64 bytes fix who signed. Without Z, members with
    /// related keys could move credit among themselves.
    Accountable,
    /// The message itself, for verifiers that know Ed25519 and nothing else. With one signer
    /// this is that signer's plain signature on any message, so give it keys of its own.
    Raw,
}

impl Mode {
    /// The bytes that are signed.
    pub fn signed(self, roster: &RosterId, mask: &Mask, statement: &[u8]) -> Vec<u8> {
        match self {
            Self::Accountable => [&ACCOUNTABLE[..], &roster.0, mask.as_bytes(), statement].concat(),
            Self::Raw => statement.to_vec(),
        }
    }
}

/// Who must have signed.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    /// Every member.
    Complete,
    /// Members of weight q = W − f.
    Quorum,
    /// Members of this weight together.
    Weight(u64),
    /// Whoever this function accepts. With more signers it must not turn down what it accepts with
    /// fewer: a leader challenges all who are there, and takes a set that it turns down for too
    /// few.
    Predicate(fn(&Mask) -> bool),
}

impl Policy {
    /// The least weight that could satisfy it.
    pub(crate) fn least<K: Keys + ?Sized>(&self, keys: &K) -> u64 {
        match self {
            Self::Complete => keys.weight(),
            Self::Quorum => crate::roster::quorum(keys.weight()),
            Self::Weight(least) => *least,
            Self::Predicate(_) => 0,
        }
    }

    /// Whether these members, who must all be known to `keys`, are enough.
    ///
    /// An opened roster knows the weight of its opened members alone: it counts the present
    /// where they are opened, or all but the absent where those are.
    pub fn accepts<K: Keys + ?Sized>(&self, keys: &K, mask: &Mask) -> Result<bool, VerifyError> {
        Ok(match self {
            Self::Complete => mask.count() == keys.size(),
            Self::Quorum => weigh(keys, mask)? >= crate::roster::quorum(keys.weight()),
            Self::Weight(least) => weigh(keys, mask)? >= *least,
            Self::Predicate(accepts) => accepts(mask),
        })
    }
}

/// Why a collective signature or a certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The mask is too short or too long, has padding set, or is empty.
    #[error("the mask is not that of signers of this roster")]
    Mask,
    /// Too few signed.
    #[error("the policy does not accept these signers")]
    Policy,
    /// The opened roster does not show a signer, nor all who are absent.
    #[error("member {0} is not opened; ask for an opening with this signature's members")]
    Unopened(u16),
    /// What raw mode does not sign, and a member may have signed alone: see [`raw::may_sign`].
    #[error("raw mode signs no message that begins as another kind of statement")]
    Reserved,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
}

/// A signature by the members that its mask names.
///
/// ```
/// use cosi::{
///     CollectiveSignature, Leader, Policy, keys::Seed, leader::{Command, Config, Event},
///     machine::{Cx, Time}, roster::{Member, Roster},
/// };
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// // A roster of one signs without a message; [`leader`](cosi::leader) shows one of four.
/// let key = Seed::from_bytes([1; 32]).signing_key();
/// let roster = Roster::new([Member::new(&key, &mut rng)])?;
/// let config = Config::new(roster.clone(), roster.index(0).unwrap(), key.into());
/// let mut cx = Cx::new(Time::default(), &mut rng);
/// let (mut leader, _) = Leader::restore(config, [], &mut cx)?;
/// let (statement, policy) = (b"statement".to_vec(), Policy::Complete);
/// let step = leader.handle_command(&mut cx, Command::Announce { statement, policy })?;
/// let Some(Event::Signed { signature, .. }) = step.into_records().1.release().events.pop()
/// else { panic!() };
///
/// let signature = CollectiveSignature::from_bytes(&signature.to_bytes(), 1)?;
/// signature.verify(&roster, b"statement", &Policy::Complete)?;
/// assert!(signature.verify(&roster, b"another", &Policy::Complete).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct CollectiveSignature {
    /// R.
    pub commitment: [u8; 32],
    /// s.
    pub response: [u8; 32],
    /// Z.
    pub mask: Mask,
}

impl CollectiveSignature {
    /// `R ‖ s ‖ Z`.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.commitment[..], &self.response, self.mask.as_bytes()].concat()
    }

    /// The signature `R ‖ s ‖ Z` by members of a roster of `size`.
    pub fn from_bytes(bytes: &[u8], size: usize) -> Result<Self, VerifyError> {
        let (commitment, rest) = bytes.split_first_chunk().ok_or(VerifyError::Signature)?;
        let (response, mask) = rest.split_first_chunk().ok_or(VerifyError::Signature)?;
        let mask = Mask::from_bytes(mask.to_vec()).filter(|mask| mask.fits(size));
        let mask = mask.ok_or(VerifyError::Mask)?;
        Ok(Self { commitment: *commitment, response: *response, mask })
    }

    /// A_Z, the sum of the signers' keys: the Ed25519 key under which `R ‖ s` verifies anywhere, on
    /// the bytes that [`Mode::signed`] tells. It vouches for nothing before [`Self::verify`] does.
    pub fn key<K: Keys + ?Sized>(&self, keys: &K) -> Result<PublicKeyBytes, VerifyError> {
        if !self.mask.fits(keys.size()) || self.mask.count() == 0 {
            return Err(VerifyError::Mask);
        }
        Ok(aggregate(keys, &self.mask)?.to_bytes())
    }

    /// Checks that members whom `policy` accepts signed `statement` in accountable mode.
    pub fn verify<K: Keys + ?Sized>(
        &self,
        keys: &K,
        statement: &[u8],
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        self.verify_mode(Mode::Accountable, keys, statement, policy)
    }

    /// Checks that members whom `policy` accepts signed `statement` in this mode. Raw mode knows
    /// no statement of another kind: a member's plain signature on one is that of Z = {i}.
    pub fn verify_mode<K: Keys + ?Sized>(
        &self,
        mode: Mode,
        keys: &K,
        statement: &[u8],
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        check_mask(keys, &self.mask, policy)?;
        if mode == Mode::Raw && !raw::may_sign(statement) {
            return Err(VerifyError::Reserved);
        }
        let key = aggregate(keys, &self.mask)?;
        let message = mode.signed(&keys.id(), &self.mask, statement);
        check_strict(&key, &self.commitment, &self.response, &message)
    }
}

/// Checks that the mask names signers of this roster, and enough of them.
pub(crate) fn check_mask<K: Keys + ?Sized>(
    keys: &K,
    mask: &Mask,
    policy: &Policy,
) -> Result<(), VerifyError> {
    if !mask.fits(keys.size()) || mask.count() == 0 {
        return Err(VerifyError::Mask);
    }
    if policy.accepts(keys, mask)? { Ok(()) } else { Err(VerifyError::Policy) }
}

/// A_Z: the sum of the present keys, or of all keys less the absent. The error names a signer.
pub(crate) fn aggregate<K: Keys + ?Sized>(keys: &K, mask: &Mask) -> Result<Aggregate, VerifyError> {
    if mask.count() == keys.size() {
        return Ok(*keys.sum());
    }
    let sum_present = || keys.sum_of(&mut mask.iter()).map_err(VerifyError::Unopened);
    let sum_absent = || {
        let absent = keys.sum_of(&mut mask.absent(keys.size())).map_err(VerifyError::Unopened);
        absent.map(|absent| keys.sum().point() - absent)
    };
    by_the_fewer(keys, mask, sum_present, sum_absent).map(Aggregate::of)
}

/// The weight of the present, from their own weights or from those of the absent.
fn weigh<K: Keys + ?Sized>(keys: &K, mask: &Mask) -> Result<u64, VerifyError> {
    let weight = |at| keys.member(at).map(|(_, weight)| u64::from(weight));
    let weight = |at| weight(at).ok_or(VerifyError::Unopened(at));
    let weigh_present = || mask.iter().map(weight).sum();
    let weigh_absent = || {
        let absent: Result<u64, _> = mask.absent(keys.size()).map(weight).sum();
        absent.map(|absent| keys.weight().saturating_sub(absent))
    };
    by_the_fewer(keys, mask, weigh_present, weigh_absent)
}

/// What follows from the present or from the absent, whoever are fewer, and from the others where
/// an opened roster does not know those. The error is that of the present.
fn by_the_fewer<K: Keys + ?Sized, T>(
    keys: &K,
    mask: &Mask,
    present: impl FnOnce() -> Result<T, VerifyError>,
    absent: impl FnOnce() -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let absent_are_fewer = mask.count().saturating_mul(2) > keys.size();
    if absent_are_fewer {
        absent().or_else(|_| present())
    } else {
        present().or_else(|error| absent().map_err(|_| error))
    }
}

/// The strict Ed25519 rule for `R ‖ s` on `message` under `key`.
///
/// R is not decoded: it is the canonical encoding of \[s\]B − \[c\]A or there is no signature, so
/// its order can be seen there.
pub(crate) fn check_strict(
    key: &Aggregate,
    commitment: &[u8; 32],
    response: &[u8; 32],
    message: &[u8],
) -> Result<(), VerifyError> {
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*response));
    let s = s.ok_or(VerifyError::Signature)?;
    let c = Sha512::new_with_prefix(commitment).chain_update(key.bytes).chain_update(message);
    let c = Scalar::from_bytes_mod_order_wide(&c.finalize().into());
    // A is negated and c is not: on torsion, which unproven keys may have, −c is not the inverse.
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&c, &-key.point, &s);
    let holds = expected.compress().to_bytes() == *commitment
        && !expected.is_small_order()
        && !key.point.is_small_order();
    if holds { Ok(()) } else { Err(VerifyError::Signature) }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use ed25519_dalek::VerifyingKey;

    use super::*;

    /// The order of the group, ℓ, little-endian.
    const ORDER: [u8; 32] = {
        let mut order = [0; 32];
        let low = 0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed_u128.to_le_bytes();
        let mut at = 0;
        while at < 16 {
            order[at] = low[at];
            at += 1;
        }
        order[31] = 0x10;
        order
    };

    fn plus_order(scalar: &Scalar) -> [u8; 32] {
        let (mut sum, mut carry) = ([0; 32], 0);
        for at in 0..32 {
            let digit = u16::from(scalar.as_bytes()[at]) + u16::from(ORDER[at]) + carry;
            (sum[at], carry) = (digit as u8, digit >> 8);
        }
        sum
    }

    /// Keys and commitments with every torsion part, alone and on a point of large order, and
    /// responses that fit the equation or miss it: the verdict is always ed25519-dalek's.
    #[test]
    fn the_strict_rule_is_that_of_ed25519_dalek() {
        let a = Scalar::from(11_u8);
        let (mut held, mut refused) = (0, 0);
        let parts = || [Scalar::ZERO, Scalar::from(5_u8)].into_iter();
        let keys = [Scalar::ZERO, a].into_iter();
        for (secret, nonce) in keys.flat_map(|key| parts().map(move |nonce| (key, nonce))) {
            for (key_torsion, torsion) in EIGHT_TORSION
                .iter()
                .flat_map(|key| EIGHT_TORSION.iter().map(move |other| (key, other)))
            {
                let key = Aggregate::of(EdwardsPoint::mul_base(&secret) + key_torsion);
                let point = EdwardsPoint::mul_base(&nonce) + torsion;
                for message in 0..4_u8 {
                    let commitment = point.compress().to_bytes();
                    let c = Sha512::new_with_prefix(commitment).chain_update(key.bytes);
                    let c = c.chain_update([message]).finalize().into();
                    let s = nonce + Scalar::from_bytes_mod_order_wide(&c) * secret;
                    for response in [s.to_bytes(), (s + a).to_bytes(), plus_order(&s)] {
                        let ours = check_strict(&key, &commitment, &response, &[message]).is_ok();
                        let signature =
                            ed25519_dalek::Signature::from_components(commitment, response);
                        let theirs = VerifyingKey::from(key.point);
                        let theirs = theirs.verify_strict(&[message], &signature).is_ok();
                        assert_eq!(ours, theirs);
                        if ours { held += 1 } else { refused += 1 }
                    }
                }
            }
        }
        assert!(held > 8 && refused > 1000, "{held} hold, {refused} do not");
    }

    #[test]
    fn a_commitment_with_a_second_encoding_is_refused() {
        // y = p + 1 and −0: both would be the identity, which no honest R is.
        let mut above = [0xff; 32];
        (above[0], above[31]) = (0xee, 0x7f);
        let mut minus_zero = [0; 32];
        (minus_zero[0], minus_zero[31]) = (1, 0x80);
        let key = Aggregate::of(ED25519_BASEPOINT_POINT);
        for commitment in [above, minus_zero] {
            let c = Sha512::new_with_prefix(commitment).chain_update(key.bytes);
            let s = Scalar::from_bytes_mod_order_wide(&c.finalize().into());
            let holds = check_strict(&key, &commitment, &s.to_bytes(), b"");
            assert_eq!(holds, Err(VerifyError::Signature));
        }
    }
}
