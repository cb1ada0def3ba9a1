//! What says that a roster decided: one collective signature, or many single ones.

use alloc::{collections::BTreeMap, vec::Vec};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    domain::INDIVIDUAL,
    keys::{Batch, Signature, SigningKey},
    mask::Mask,
    roster::{Index, Keys, RosterId},
    signature::{CollectiveSignature, Policy, VerifyError, check_mask},
    wire::BoundedVec,
};

/// A statement that members of a roster signed.
///
/// Collective by default; individual after a timeout, since single signatures need no nonces and
/// never restart. Weights are never added across the two forms.
///
/// ```
/// use cosi::{Certificate, Policy, keys::Seed, roster::{Member, Roster}};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// let keys = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
/// let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
/// let signed = |at: u16| {
///     let signature = cosi::certificate::sign(&keys[usize::from(at)], &roster.id(), b"statement");
///     (roster.index(at).unwrap(), signature)
/// };
/// let certificate = Certificate::individual(&roster, [0, 2, 3].map(signed)).unwrap();
/// certificate.verify(&roster, b"statement", &Policy::Quorum)?;
///
/// let few = Certificate::individual(&roster, [0, 2].map(signed)).unwrap();
/// assert!(few.verify(&roster, b"statement", &Policy::Quorum).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Certificate {
    /// One signature by all in its mask, in accountable mode.
    Collective(CollectiveSignature),
    /// One signature a member, each over `tag ‖ roster ‖ statement`.
    Individual {
        /// Who signed.
        mask: Mask,
        /// The signatures, in the order of the mask.
        signatures: BoundedVec<Signature, 65_536>,
    },
}

impl Certificate {
    /// The individual certificate of these members. `None` without any; a member's last
    /// signature counts, and that of nobody in this roster does not.
    pub fn individual<K: Keys + ?Sized>(
        keys: &K,
        signatures: impl IntoIterator<Item = (Index, Signature)>,
    ) -> Option<Self> {
        let members = |(index, _): &(Index, _)| usize::from(index.get()) < keys.size();
        let signatures: BTreeMap<_, _> = signatures.into_iter().filter(members).collect();
        let mask = Mask::of(keys.size(), signatures.keys().map(|index| index.get()));
        let signatures = BoundedVec::new(signatures.into_values().collect())?;
        (!signatures.is_empty()).then_some(Self::Individual { mask, signatures })
    }

    /// Checks that members whom `policy` accepts signed `statement`.
    pub fn verify<K: Keys + ?Sized>(
        &self,
        keys: &K,
        statement: &[u8],
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        let (mask, signatures) = match self {
            Self::Collective(signature) => return signature.verify(keys, statement, policy),
            Self::Individual { mask, signatures } => (mask, signatures),
        };
        check_mask(keys, mask, policy)?;
        if signatures.len() != mask.count() {
            return Err(VerifyError::Mask);
        }
        let statement = tagged(&keys.id(), statement);
        let mut batch = Batch::new();
        for (at, signature) in mask.iter().zip(signatures.iter()) {
            let (key, _) = keys.member(at).ok_or(VerifyError::Unopened(at))?;
            batch.add(key.to_bytes(), &INDIVIDUAL, &statement, signature);
        }
        if batch.verify() { Ok(()) } else { Err(VerifyError::Signature) }
    }

    /// Who signed.
    pub const fn signers(&self) -> &Mask {
        match self {
            Self::Collective(signature) => &signature.mask,
            Self::Individual { mask, .. } => mask,
        }
    }
}

/// Signs `statement` as one member, for an individual certificate.
pub fn sign(key: &SigningKey, roster: &RosterId, statement: &[u8]) -> Signature {
    key.sign(&INDIVIDUAL, &tagged(roster, statement))
}

/// Whether `signature` is the member's own on `statement`, as an individual certificate holds it.
pub fn verify_single<K: Keys + ?Sized>(
    keys: &K,
    signer: Index,
    statement: &[u8],
    signature: &Signature,
) -> bool {
    let statement = tagged(&keys.id(), statement);
    keys.member(signer.get()).is_some_and(|(key, _)| key.verify(&INDIVIDUAL, &statement, signature))
}

fn tagged(roster: &RosterId, statement: &[u8]) -> Vec<u8> {
    [&roster.0[..], statement].concat()
}

/// Something that a roster can decide: a typed encoding that begins with a domain tag of its
/// own, so that no statement passes for one of another kind.
pub trait Statement {
    /// The bytes that are signed.
    fn to_signed(&self) -> Vec<u8>;
}

/// Verifies that a given roster decided a statement.
///
/// A [`Certificate`] attests whatever its signers signed. The proof of another engine's
/// decision can stand for it wherever only the decision matters.
pub trait Attests<S: ?Sized> {
    /// Checks that members whom `policy` accepts decided `statement`.
    fn attests<K: Keys + ?Sized>(
        &self,
        statement: &S,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError>;
}

impl<S: Statement + ?Sized> Attests<S> for Certificate {
    fn attests<K: Keys + ?Sized>(
        &self,
        statement: &S,
        keys: &K,
        policy: &Policy,
    ) -> Result<(), VerifyError> {
        self.verify(keys, &statement.to_signed(), policy)
    }
}
