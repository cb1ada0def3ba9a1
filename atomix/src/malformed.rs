//! Why a transaction is dropped before any shard's state is looked at.

use alloc::vec::Vec;
use core::fmt;

/// Why a transaction is malformed or not signed. Such a one gets no verdict and no lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// No parameters are published for its epoch.
    #[error("no parameters are known for epoch {epoch}; sign it for the current one")]
    UnknownEpoch {
        /// The epoch that it declares.
        epoch: u64,
    },
    /// It spends nothing, so nothing would keep it from being executed twice.
    #[error("the transaction spends nothing; give it an input")]
    NoInputs,
    /// It has more inputs or outputs than its epoch allows.
    #[error("the transaction has more inputs or outputs than its epoch allows; split it")]
    TooLarge,
    /// Its inputs live in more shards than a commit carries proofs of.
    #[error("the inputs live in {shards} shards; merge some first")]
    TooManyShards {
        /// How many.
        shards: usize,
    },
    /// Its deadline is farther off than its epoch allows.
    #[error("the deadline is {deadline} blocks off, and at most {most} are allowed")]
    Deadline {
        /// The deadline that it declares.
        deadline: u32,
        /// The farthest.
        most: u32,
    },
    /// An input's owner did not sign, or somebody signed who owns none.
    #[error("{signatures} signatures stand for {inputs} inputs; let each owner sign once an input")]
    SignatureCount {
        /// How many signatures there are.
        signatures: usize,
        /// How many there must be.
        inputs: usize,
    },
    /// It names a shard that does not exist.
    #[error("there is no shard {shard}; name one of this ledger's")]
    UnknownShard {
        /// The shard.
        shard: u16,
    },
    /// It spends an output twice.
    #[error("output {} is spent twice in the transaction; name it once", Hex(outpoint))]
    DuplicateInput {
        /// The output's name.
        outpoint: [u8; 32],
    },
    /// An abort could not give this input back under a new version.
    #[error("output {} has no version left; it can no longer be spent", Hex(outpoint))]
    LastVersion {
        /// The output's name.
        outpoint: [u8; 32],
    },
    /// A sum of its values is beyond 64 bits.
    #[error("the values overflow; declare those that the ledger knows")]
    Overflow,
    /// It creates more than it spends.
    #[error("the transaction creates {created} and spends {spent}; create no more than that")]
    Inflation {
        /// Σ inputs.
        spent: u64,
        /// Σ outputs.
        created: u64,
    },
    /// Signatures that are not their owners', or sign another transaction or ledger.
    #[error("the signatures of inputs {inputs:?} do not hold; let their owners sign this session")]
    BadSignature {
        /// The inputs' positions.
        inputs: Vec<usize>,
    },
}

impl Malformed {
    /// The reason in one word, in snake case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownEpoch { .. } => "unknown_epoch",
            Self::NoInputs => "no_inputs",
            Self::TooLarge => "too_large",
            Self::TooManyShards { .. } => "too_many_shards",
            Self::Deadline { .. } => "deadline",
            Self::SignatureCount { .. } => "signature_count",
            Self::UnknownShard { .. } => "unknown_shard",
            Self::DuplicateInput { .. } => "duplicate_input",
            Self::LastVersion { .. } => "last_version",
            Self::Overflow => "overflow",
            Self::Inflation { .. } => "inflation",
            Self::BadSignature { .. } => "bad_signature",
        }
    }
}

/// Shows the first bytes of a name.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
