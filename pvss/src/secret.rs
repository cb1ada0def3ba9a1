//! What is shared.

use core::fmt;

use curve25519_dalek::{RistrettoPoint, traits::Identity};
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A shared secret: a random element of ristretto255.
///
/// To share something else, encrypt it under a key derived from [`to_bytes`](Self::to_bytes).
/// Zeroized when dropped; not `Clone`:
///
/// ```compile_fail,E0599
/// # fn twice(secret: pvss::Secret) -> (pvss::Secret, pvss::Secret) {
/// (secret.clone(), secret)
/// # }
/// ```
#[derive(ZeroizeOnDrop)]
pub struct Secret(RistrettoPoint);

impl Secret {
    pub(crate) const fn new(point: RistrettoPoint) -> Self {
        Self(point)
    }

    /// The sum of secrets: random if any of them is, and independent of the others.
    ///
    /// ```
    /// # use pvss::Secret;
    /// assert_eq!(Secret::sum([]), Secret::sum([&Secret::sum([])]));
    /// ```
    pub fn sum<'a>(secrets: impl IntoIterator<Item = &'a Self>) -> Self {
        Self(secrets.into_iter().fold(RistrettoPoint::identity(), |sum, secret| sum + secret.0))
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.compress().to_bytes())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
