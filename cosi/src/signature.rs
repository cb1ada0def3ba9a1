//! What collective signing yields, and the strict rule that checks it.
//!
//! `R ‖ s` is an RFC 8032 Ed25519 signature under A_Z = Σ_{i ∈ Z} A_i, so any Ed25519 verifier
//! accepts it; the mask Z says who took part. One check costs a double-scalar multiplication
//! and at most min(present, absent) point additions.
//!
//! *Strict* means: s < ℓ, R canonical and of large order, A_Z of large order, the equation
//! without the cofactor, a mask of exactly ⌈n/8⌉ bytes with its padding zero, at least one
//! signer.

use alloc::vec::Vec;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, traits::Identity};
use ed25519_dalek::VerifyingKey;

use crate::{
    domain::ACCOUNTABLE,
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
pub(crate) fn aggregate<K: Keys + ?Sized>(
    keys: &K,
    mask: &Mask,
) -> Result<EdwardsPoint, VerifyError> {
    let point = |at| keys.member(at).map(|(key, _)| key.point()).ok_or(VerifyError::Unopened(at));
    let sum_present =
        || mask.iter().try_fold(EdwardsPoint::identity(), |sum, at| Ok(sum + point(at)?));
    let sum_absent = || {
        // Together first: a point is large to carry past thousands who are present.
        let absent: Vec<_> = absent(keys, mask).collect();
        absent.into_iter().try_fold(*keys.sum(), |sum, at| Ok(sum - point(at)?))
    };
    let absent_are_fewer = mask.count().saturating_mul(2) > keys.size();
    if absent_are_fewer {
        sum_absent().or_else(|_| sum_present())
    } else {
        sum_present().or_else(|error| sum_absent().map_err(|_: VerifyError| error))
    }
}

/// The weight of the present, from their own weights or from those of the absent.
fn weigh<K: Keys + ?Sized>(keys: &K, mask: &Mask) -> Result<u64, VerifyError> {
    let weight = |at| keys.member(at).map(|(_, weight)| u64::from(weight));
    let present: Result<u64, _> =
        mask.iter().map(|at| weight(at).ok_or(VerifyError::Unopened(at))).sum();
    present.or_else(|error| {
        let absent: Option<u64> = absent(keys, mask).map(weight).sum();
        absent.map(|absent| keys.weight().saturating_sub(absent)).ok_or(error)
    })
}

fn absent<K: Keys + ?Sized>(keys: &K, mask: &Mask) -> impl Iterator<Item = u16> {
    (0..=u16::MAX).take(keys.size()).filter(|at| !mask.contains(*at))
}

/// The strict Ed25519 rule for `R ‖ s` on `message` under `key`.
pub(crate) fn check_strict(
    key: &EdwardsPoint,
    commitment: &[u8; 32],
    response: &[u8; 32],
    message: &[u8],
) -> Result<(), VerifyError> {
    let signature = ed25519_dalek::Signature::from_components(*commitment, *response);
    let key = VerifyingKey::from(*key);
    key.verify_strict(message, &signature).map_err(|_| VerifyError::Signature)
}
