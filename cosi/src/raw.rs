//! Collective signatures on bare messages, for foreign verifiers and foreign rosters.

use alloc::vec::Vec;

use curve25519_dalek::{EdwardsPoint, traits::Identity};

use crate::{
    domain,
    keys::{PublicKeyBytes, decode_point},
    signature::{CollectiveSignature, VerifyError, check_strict},
};

/// Checks `R ‖ s ‖ Z` on `message` under unproven keys, strictly, and tells how many signed.
///
/// **Rogue keys pass**: whoever chose its key last may have signed for all. Use this for
/// reference vectors and foreign signatures whose keys something else vouches for; it never
/// yields a [`Roster`](crate::roster::Roster). `least` is how many must have signed; there is
/// always at least one.
pub fn verify(
    keys: &[PublicKeyBytes],
    message: &[u8],
    signature: &[u8],
    least: usize,
) -> Result<usize, VerifyError> {
    let signature = CollectiveSignature::from_bytes(signature, keys.len())?;
    let signers = signature.mask.count();
    if signers == 0 {
        return Err(VerifyError::Mask);
    }
    if signers < least {
        return Err(VerifyError::Policy);
    }
    let present = signature.mask.iter().map(|at| keys.get(usize::from(at)));
    let points: Option<Vec<_>> = present.map(|key| decode_point(key?)).collect();
    let points = points.ok_or(VerifyError::Signature)?;
    let key = points.iter().fold(EdwardsPoint::identity(), |sum, point| sum + point);
    check_strict(&key, &signature.commitment, &signature.response, message)?;
    Ok(signers)
}

/// Whether raw mode may sign `message`: nothing that begins as a statement of this workspace,
/// nor as what TLS 1.3 signs (RFC 8446, section 4.4.3).
pub fn may_sign(message: &[u8]) -> bool {
    let tagged = domain::ALL.iter().any(|(_, tag)| message.starts_with(tag));
    !tagged && !message.starts_with(&[0x20; 64])
}
