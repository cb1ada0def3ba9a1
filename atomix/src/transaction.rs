//! Transactions: they declare all that they spend and create, and every owner signs all of it.
//!
//! A transaction names its inputs with their shards, versions, values and owners, its outputs
//! with their shards, values and owners, its epoch, mode, deadline and a nonce. The [`Session`]
//! is the hash of all that and of the ledger's genesis, so a signature on it opens this
//! transaction on this ledger and nothing else, and nobody but the owners opens one. A retry is
//! a new session.
//!
//! Since everything is declared, a shard that holds some of the inputs checks the balance of
//! all: it sees no other shard's ledger, and needs none, for every input shard holds its own
//! inputs against its own ledger.
//!
//! Σ inputs ≥ Σ outputs (OmniLedger, section IV). What inputs exceed outputs by is burnt: who
//! pays a fee names it as an output.
//!
//! ```
//! use atomix::{Declaration, GenesisId, Input, Outpoint, Output, Rules, keys::Seed};
//! let rules = Rules::new(GenesisId([7; 32]), Default::default());
//! let [alice, bob] = [1, 2].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
//!
//! let coin = Input {
//!     outpoint: Outpoint { shard: 0, id: [9; 32], version: 0 },
//!     value: 50,
//!     owner: alice.public().to_bytes(),
//! };
//! let gift = Output { shard: 3, value: 50, owner: bob.public().to_bytes() };
//! let declared = Declaration::new(0, 1, 100, vec![coin], vec![gift])?;
//! let transaction = declared.sign(&rules.genesis(), |_| Some(&alice))?;
//! assert!(rules.check(vec![transaction.clone()]).results[0].is_ok());
//!
//! let elsewhere = Rules::new(GenesisId([8; 32]), Default::default());
//! assert!(elsewhere.check(vec![transaction]).results[0].is_err());
//! # Ok::<(), atomix::transaction::BuildError>(())
//! ```

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{ATOMIX_OUTPOINT, ATOMIX_SESSION, ATOMIX_UNSPENT},
    keys::{PublicKeyBytes, Signature, SigningKey},
    transcript::Hash,
    wire::{BoundedVec, Wire},
};

/// The most inputs a transaction has.
pub const MAX_INPUTS: usize = 2048;
/// The most outputs a transaction has.
pub const MAX_OUTPUTS: usize = 4096;
/// The most shards that a transaction's inputs live in, and so the most proofs that a commit
/// carries.
pub const MAX_INPUT_SHARDS: usize = 64;
/// The most bytes a transaction's encoding has.
pub const MAX_BYTES: usize = 33 + MAX_INPUTS * (78 + 64) + MAX_OUTPUTS * 42;

/// Names a ledger: the hash of its genesis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct GenesisId(pub [u8; 32]);

/// Names a transaction on one ledger, and is what its owners sign:
/// H(all that it declares ‖ genesis id).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Session(pub [u8; 32]);

impl Session {
    /// Signs as the owner of an input. **Whoever holds the transaction with all of its
    /// signatures can have it executed, and after its window rejected**: sign what you want done.
    pub fn sign(&self, owner: &SigningKey) -> Signature {
        owner.sign(&ATOMIX_SESSION, &self.0)
    }

    /// The name of the session's output at `position`.
    pub fn outpoint(&self, position: u32) -> [u8; 32] {
        outpoint(&self.0, position)
    }
}

macro_rules! shown_in_hex {
    ($($name:ident)+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )+};
}

shown_in_hex! { GenesisId Session }

/// The name of an output by what creates it: a session, or a ledger's genesis.
///
/// The output names its shard, for an id that decided its shard would be circular.
pub fn outpoint(origin: &[u8; 32], position: u32) -> [u8; 32] {
    Hash::new(ATOMIX_OUTPOINT).fixed(origin).number(u64::from(position)).digest()
}

/// Names an output that can be spent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Outpoint {
    /// The shard that keeps it.
    pub shard: u16,
    /// H(session ‖ position).
    pub id: [u8; 32],
    /// How many aborted sessions have given it back: 0 at its creation.
    pub version: u32,
}

/// An unspent output in full: what a ledger keeps a hash of, and what who spends it declares.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Input {
    /// Its name.
    pub outpoint: Outpoint,
    /// How much it is worth, in the ledger's smallest unit. May be nothing.
    pub value: u64,
    /// Who may spend it.
    pub owner: PublicKeyBytes,
}

impl Input {
    /// What stands for this output in a shard's state, at its outpoint's id.
    pub fn leaf(&self) -> [u8; 32] {
        let Outpoint { shard, id, version } = &self.outpoint;
        let name = Hash::new(ATOMIX_UNSPENT).fixed(&shard.to_le_bytes()).fixed(id);
        name.fixed(&version.to_le_bytes()).number(self.value).fixed(&self.owner).digest()
    }

    /// The same output as an abort gives it back: its version is one higher. `None` at the last
    /// version, which no well-formed transaction spends.
    pub fn given_back(&self) -> Option<Self> {
        let version = self.outpoint.version.checked_add(1)?;
        Some(Self { outpoint: Outpoint { version, ..self.outpoint }, ..*self })
    }
}

/// An output to create.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Output {
    /// The shard that shall keep it.
    pub shard: u16,
    /// How much it is worth, in the ledger's smallest unit. May be nothing.
    pub value: u64,
    /// Who may spend it.
    pub owner: PublicKeyBytes,
}

/// Who decides between commit and abort. A session names its mode and every shard obeys only
/// that mode's proofs: two modes for one session would be a double spend.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
#[non_exhaustive]
pub enum Mode {
    /// The input shards' verdicts, which whoever holds the transaction carries. A lock lasts
    /// until somebody does. The only mode of this version.
    #[default]
    Client,
}

/// All that a transaction declares, and so all that its owners sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub struct Declaration {
    /// The epoch of the session. An input shard accepts it first in this epoch or the next.
    pub epoch: u64,
    /// Tells this transaction from another that does the same.
    pub nonce: u64,
    /// Who decides.
    pub mode: Mode,
    /// Until when an input shard accepts the session: this many blocks after the shard's first
    /// block of the session's epoch. Afterwards it rejects what it has not accepted.
    pub deadline: u32,
    /// What it spends.
    pub inputs: BoundedVec<Input, MAX_INPUTS>,
    /// What it creates.
    pub outputs: BoundedVec<Output, MAX_OUTPUTS>,
}

/// Why a wallet cannot make such a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// More than [`MAX_INPUTS`].
    #[error("a transaction spends at most {MAX_INPUTS} outputs; merge some first")]
    TooManyInputs,
    /// More than [`MAX_OUTPUTS`].
    #[error("a transaction creates at most {MAX_OUTPUTS} outputs; split it")]
    TooManyOutputs,
    /// The key of the input at this position is not at hand.
    #[error("no key of the owner of input {input} is at hand; let its owner sign the session")]
    MissingKey {
        /// The position.
        input: usize,
    },
}

impl Declaration {
    /// Declares a transaction that spends `inputs` and creates `outputs`, in [`Mode::Client`].
    pub fn new(
        epoch: u64,
        nonce: u64,
        deadline: u32,
        inputs: Vec<Input>,
        outputs: Vec<Output>,
    ) -> Result<Self, BuildError> {
        let inputs = BoundedVec::new(inputs).ok_or(BuildError::TooManyInputs)?;
        let outputs = BoundedVec::new(outputs).ok_or(BuildError::TooManyOutputs)?;
        Ok(Self { epoch, nonce, mode: Mode::Client, deadline, inputs, outputs })
    }

    /// What the owners of the inputs sign, on the ledger with this genesis.
    pub fn session(&self, genesis: &GenesisId) -> Session {
        Session(Hash::new(ATOMIX_SESSION).bytes(&self.encode()).fixed(&genesis.0).digest())
    }

    /// Signs for every owner. `key_of` finds an owner's key; where owners do not share one
    /// wallet, each signs the [`Session`] and somebody puts the signatures together.
    pub fn sign<'a>(
        self,
        genesis: &GenesisId,
        key_of: impl Fn(&PublicKeyBytes) -> Option<&'a SigningKey>,
    ) -> Result<Transaction, BuildError> {
        let session = self.session(genesis);
        let sign = |(input, Input { owner, .. }): (usize, &Input)| match key_of(owner) {
            Some(key) if key.public().to_bytes() == *owner => Ok(session.sign(key)),
            _ => Err(BuildError::MissingKey { input }),
        };
        let signatures = self.inputs.iter().enumerate().map(sign).collect::<Result<_, _>>()?;
        let signatures = BoundedVec::new(signatures).ok_or(BuildError::TooManyInputs)?;
        Ok(Transaction { declaration: self, signatures })
    }

    /// The outputs, as who spends them later declares them.
    pub fn created(&self, session: Session) -> impl Iterator<Item = Input> {
        (0..).zip(self.outputs.iter()).map(move |(position, Output { shard, value, owner })| {
            Input {
                outpoint: Outpoint { shard: *shard, id: session.outpoint(position), version: 0 },
                value: *value,
                owner: *owner,
            }
        })
    }

    /// The shards that the inputs live in.
    pub fn input_shards(&self) -> BTreeSet<u16> {
        self.inputs.iter().map(|input| input.outpoint.shard).collect()
    }

    /// The shards that the outputs shall live in.
    pub fn output_shards(&self) -> BTreeSet<u16> {
        self.outputs.iter().map(|output| output.shard).collect()
    }

    /// The inputs that live in this shard.
    pub fn inputs_of(&self, shard: u16) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(move |input| input.outpoint.shard == shard)
    }

    /// Σ inputs, or `None` when it overflows.
    pub fn value_in(&self) -> Option<u64> {
        sum(self.inputs.iter().map(|input| input.value))
    }

    /// Σ outputs, or `None` when it overflows.
    pub fn value_out(&self) -> Option<u64> {
        sum(self.outputs.iter().map(|output| output.value))
    }
}

/// The sum of these values, or `None` when it overflows.
fn sum(values: impl IntoIterator<Item = u64>) -> Option<u64> {
    values.into_iter().try_fold(0_u64, u64::checked_add)
}

/// A declaration, and the signature of each input's owner on its session.
///
/// **Whoever holds one can have it executed**, and after its window rejected.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// What it does.
    pub declaration: Declaration,
    /// One signature for each input, in the inputs' order.
    pub signatures: BoundedVec<Signature, MAX_INPUTS>,
}
