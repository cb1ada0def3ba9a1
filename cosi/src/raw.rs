//! Collective signatures on bare messages, for foreign verifiers and foreign rosters.

use alloc::vec::Vec;

use curve25519_dalek::{EdwardsPoint, traits::Identity};

use crate::{
    domain,
    keys::{Aggregate, PublicKeyBytes, decode_point},
    signature::{CollectiveSignature, VerifyError, check_strict},
};

/// Checks `R ‖ s ‖ Z` on `message` under unproven keys, strictly, and tells how many signed.
///
/// **Rogue keys pass**: whoever chose its key last may have signed for all. Use this for
/// reference vectors and foreign signatures whose keys something else vouches for; it never
/// yields a [`Roster`](crate::roster::Roster). `least` is how many must have signed; there is
/// always at least one. Only the signers' keys are looked at: for many signatures under the same
/// keys see [`UnprovenKeys`].
pub fn verify(
    keys: &[PublicKeyBytes],
    message: &[u8],
    signature: &[u8],
    least: usize,
) -> Result<usize, VerifyError> {
    let point = |at: u16| keys.get(usize::from(at)).and_then(decode_point);
    check(keys.len(), point, message, signature, least)
}

/// Keys that nobody proves to possess, decoded once for many checks.
///
/// **Rogue keys pass**, as in [`verify`].
///
/// ```
/// use cosi::{keys::Seed, raw::UnprovenKeys};
/// # use ed25519_dalek::{Signer, SigningKey};
/// let key = Seed::from_bytes([1; 32]).signing_key().public().to_bytes();
/// let keys = UnprovenKeys::decode(&[key]).ok_or("a key is no key")?;
/// # let ed25519 = SigningKey::from_bytes(&[1; 32]);
/// // An Ed25519 signature is a collective one by a single signer, but for the mask.
/// let signature = [&ed25519.sign(b"message").to_bytes()[..], &[1]].concat();
/// assert_eq!(keys.verify(b"message", &signature, 1), Ok(1));
/// assert!(keys.verify(b"another", &signature, 1).is_err());
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnprovenKeys(Vec<EdwardsPoint>);

impl UnprovenKeys {
    /// Decodes the keys. `None` when one is no canonical point. Torsion is let through.
    pub fn decode(keys: &[PublicKeyBytes]) -> Option<Self> {
        keys.iter().map(decode_point).collect::<Option<_>>().map(Self)
    }

    /// Checks `R ‖ s ‖ Z` on `message`, as [`verify`] does, and tells how many signed.
    pub fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        least: usize,
    ) -> Result<usize, VerifyError> {
        let point = |at: u16| self.0.get(usize::from(at)).copied();
        check(self.0.len(), point, message, signature, least)
    }
}

fn check(
    size: usize,
    point: impl Fn(u16) -> Option<EdwardsPoint>,
    message: &[u8],
    signature: &[u8],
    least: usize,
) -> Result<usize, VerifyError> {
    let signature = CollectiveSignature::from_bytes(signature, size)?;
    let signers = signature.mask.count();
    if signers == 0 {
        return Err(VerifyError::Mask);
    }
    if signers < least {
        return Err(VerifyError::Policy);
    }
    let mut present = signature.mask.iter();
    let key = present.try_fold(EdwardsPoint::identity(), |sum, at| Some(sum + point(at)?));
    let key = key.ok_or(VerifyError::Signature)?;
    check_strict(&Aggregate::of(key), &signature.commitment, &signature.response, message)?;
    Ok(signers)
}

/// Whether raw mode may sign `message`: nothing that begins as a statement of this workspace,
/// nor as what TLS 1.3 signs (RFC 8446, section 4.4.3).
pub fn may_sign(message: &[u8]) -> bool {
    let tagged = domain::ALL.iter().any(|(_, tag)| message.starts_with(tag));
    !tagged && !message.starts_with(&[0x20; 64])
}
