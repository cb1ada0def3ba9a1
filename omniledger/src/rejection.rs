//! Why transactions are refused.

use alloc::vec::Vec;
use core::fmt;

/// Why a transaction is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// It is for another epoch.
    #[error("the transaction is for epoch {declared}, not {current}; sign it for this epoch")]
    WrongEpoch {
        /// The epoch that it declares.
        declared: u64,
        /// The current epoch.
        current: u64,
    },
    /// It spends nothing, so nothing would keep it from being executed twice.
    #[error("the transaction spends nothing; give it an input")]
    NoInputs,
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
    /// It was checked for another ledger or epoch.
    #[error("the transaction was checked for another ledger or epoch; check it for this one")]
    OtherRules,
    /// No such output is unspent: it is spent, or never was.
    #[error("output {} is spent or never was; spend another", Hex(outpoint))]
    UnknownOutpoint {
        /// The output's name.
        outpoint: [u8; 32],
    },
    /// The output's shard, version, value or owner is not what is declared.
    #[error("output {} is not as declared; declare what the ledger has", Hex(outpoint))]
    WrongDeclaration {
        /// The output's name.
        outpoint: [u8; 32],
    },
}

impl Rejection {
    /// The reason in one word, in snake case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongEpoch { .. } => "wrong_epoch",
            Self::NoInputs => "no_inputs",
            Self::SignatureCount { .. } => "signature_count",
            Self::UnknownShard { .. } => "unknown_shard",
            Self::DuplicateInput { .. } => "duplicate_input",
            Self::Overflow => "overflow",
            Self::Inflation { .. } => "inflation",
            Self::BadSignature { .. } => "bad_signature",
            Self::OtherRules => "other_rules",
            Self::UnknownOutpoint { .. } => "unknown_outpoint",
            Self::WrongDeclaration { .. } => "wrong_declaration",
        }
    }
}

/// Shows the first bytes of a name.
struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
