//! A trustee, who opens what was dealt to it: one set of deals a session.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use cosi::wire::BoundedVec;
use curve25519_dalek::{RistrettoPoint, rand_core::CryptoRng};
use zeroize::Zeroizing;

use crate::{
    chosen::{Chosen, ChosenId, Part},
    dleq::Proof,
    keys::{Scheme, ShareSecret},
    share::DecryptedShare,
    sharing::Sharing,
};

/// One trustee in one sharing. It opens one [`Chosen`], and refuses every other.
///
/// The caller's duties: one `Trustee` a sharing; make the [`ChosenId`] durable before the share
/// leaves; after a crash, [`resume`](Self::resume) with it.
///
/// ```
/// # use std::sync::Arc;
/// # use cosi::keys::Seed;
/// # use pvss::*;
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let seeds = [1, 2, 3].map(|seed| Seed::from_bytes([seed; 32]));
/// # let owners = seeds.each_ref().map(|seed| *seed.signing_key().public());
/// # let secrets = seeds.each_ref().map(|seed| ShareSecret::derive(seed, Scheme::Dhpvss));
/// # let members = owners.iter().zip(&secrets);
/// # let members = members.map(|(owner, own)| (*owner, own.register(owner, &mut rng)));
/// # let keys = ShareKeys::new(Scheme::Dhpvss, members.collect::<Vec<_>>())?;
/// # let sharing = Sharing::new([7; 32], &keys, 2)?;
/// # let deals = [0, 1].map(|at| {
/// #     let dealer = owners[at].to_bytes();
/// #     deal(&sharing, &dealer, &secrets[at], &mut rng).0.verify(&sharing, &dealer).unwrap()
/// # });
/// # let [alices_secret, ..] = secrets;
/// let both = Chosen::sum(&sharing, &[1; 32], &deals)?;
/// let one = Chosen::sum(&sharing, &[1; 32], &deals[..1])?;
/// let mut alice = Trustee::new(sharing, Arc::new(alices_secret))?;
/// assert!(alice.decrypt(&both, &mut rng)?.verify(&both).is_ok());
/// assert_eq!(alice.decrypt(&one, &mut rng), Err(TrusteeError::Opened));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trustee {
    sharing: Sharing,
    secret: Arc<ShareSecret>,
    position: u16,
    opened: Option<ChosenId>,
}

/// Why a trustee does not open something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrusteeError {
    /// The secret's key is not among the sharing's.
    #[error("the secret is of no trustee of this sharing; use the secret that was registered")]
    Stranger,
    /// What is to be opened is of another sharing.
    #[error("the deals are of another sharing; ask this session's trustee")]
    Foreign,
    /// Another set of deals was opened, or the same one in another form or context.
    #[error("another set of deals was opened in this session; open that one again or none")]
    Opened,
}

impl Trustee {
    /// The trustee of `sharing` with this secret.
    pub fn new(sharing: Sharing, secret: Arc<ShareSecret>) -> Result<Self, TrusteeError> {
        if sharing.keys().scheme() != secret.scheme() {
            return Err(TrusteeError::Stranger);
        }
        let position = sharing.keys().keys().position(|key| key.bytes == secret.key().bytes);
        let position = position.and_then(|at| u16::try_from(at).ok());
        let position = position.ok_or(TrusteeError::Stranger)?;
        Ok(Self { sharing, secret, position, opened: None })
    }

    /// The trustee after a crash that followed on opening `opened`.
    #[must_use]
    pub fn resume(self, opened: ChosenId) -> Self {
        Self { opened: Some(opened), ..self }
    }

    /// Its position among the share keys.
    pub const fn position(&self) -> u16 {
        self.position
    }

    /// What it has opened.
    pub const fn opened(&self) -> Option<ChosenId> {
        self.opened
    }

    /// Opens its share of what was chosen, with a proof. The same again gives the same share.
    pub fn decrypt(
        &mut self,
        chosen: &Chosen,
        rng: &mut dyn CryptoRng,
    ) -> Result<DecryptedShare, TrusteeError> {
        if *chosen.sharing() != self.sharing {
            return Err(TrusteeError::Foreign);
        }
        if self.opened.is_some_and(|opened| opened != chosen.id()) {
            return Err(TrusteeError::Opened);
        }
        self.opened = Some(chosen.id());
        Ok(self.open(chosen, rng))
    }

    fn open(&self, chosen: &Chosen, rng: &mut dyn CryptoRng) -> DecryptedShare {
        let (scheme, trustee) = (self.secret.scheme(), self.position);
        let x = self.secret.scalar();
        let inverse = match scheme {
            Scheme::Dhpvss => None,
            Scheme::Schoenmakers => Some(Zeroizing::new(x.invert())),
        };
        let encrypted = |part: &Part| part.encrypted(trustee.into()).copied();
        let decrypt = |part| {
            let encrypted: RistrettoPoint = encrypted(part)?;
            Some(match &inverse {
                None => encrypted - part.ephemeral() * x,
                Some(inverse) => encrypted * **inverse,
            })
        };
        let points: Vec<_> = chosen.parts().iter().filter_map(decrypt).collect();
        let shares: Vec<_> = points.iter().map(|share| share.compress().to_bytes()).collect();
        let transcript = chosen.transcript(trustee, &shares);
        let bases = match scheme {
            Scheme::Dhpvss => chosen.parts().iter().map(|part| *part.ephemeral()).collect(),
            Scheme::Schoenmakers => points,
        };
        let proof = Proof::prove(transcript, &self.secret, &bases, rng);
        DecryptedShare { trustee, shares: BoundedVec::new(shares).unwrap_or_default(), proof }
    }
}

impl fmt::Debug for Trustee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Trustee");
        fields.field("sharing", &self.sharing.id()).field("position", &self.position);
        fields.field("opened", &self.opened).finish_non_exhaustive()
    }
}
