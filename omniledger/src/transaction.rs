//! Transactions: they declare all that they spend and create, and every owner signs all of it.
//!
//! A transaction names its inputs with their values and owners, its outputs with their shards,
//! values and owners, its epoch and a nonce. The [`Session`] is the hash of all that and of the
//! ledger's genesis, so a signature on it opens this transaction on this ledger and nothing
//! else. Since everything is declared, whoever holds a transaction can check all of it but
//! whether its inputs are unspent: a shard that holds some of the inputs can check the balance
//! of all.
//!
//! Σ inputs ≥ Σ outputs (OmniLedger, section IV). What inputs exceed outputs by is burnt: who
//! pays a fee names it as an output.
//!
//! An outpoint's id is H(session ‖ position). The output names its shard, for an id that decided
//! its shard would be circular.
//!
//! ```
//! use cosi::keys::Seed;
//! use omniledger::{
//!     genesis::GenesisId,
//!     transaction::{Declaration, Input, Outpoint, Output, Rules},
//! };
//! let rules = Rules { genesis: GenesisId([7; 32]), epoch: 0, shards: 1 };
//! let [alice, bob] = [1, 2].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
//!
//! let coin = Input {
//!     outpoint: Outpoint { shard: 0, id: [9; 32], version: 0 },
//!     value: 50,
//!     owner: alice.public().to_bytes(),
//! };
//! let gift = Output { shard: 0, value: 50, owner: bob.public().to_bytes() };
//! let declared = Declaration::new(0, 1, vec![coin], vec![gift])?;
//! let transaction = declared.sign(&rules.genesis, |_| Some(&alice))?;
//!
//! let checks = rules.check(vec![transaction.clone()]);
//! assert!(checks.results[0].is_ok() && checks.signatures == 1);
//!
//! let elsewhere = Rules { genesis: GenesisId([8; 32]), ..rules };
//! assert!(elsewhere.check(vec![transaction]).results[0].is_err());
//! # Ok::<(), omniledger::transaction::BuildError>(())
//! ```

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::{OUTPOINT, TRANSACTION, UNSPENT},
    keys::{Batch, PublicKeyBytes, Signature, SigningKey},
    transcript::Hash,
    wire::{BoundedVec, Wire},
};

pub use crate::rejection::Rejection;
use crate::{genesis::GenesisId, ledger::Checks};

/// The most inputs a transaction has.
pub const MAX_INPUTS: usize = 2048;
/// The most outputs a transaction has.
pub const MAX_OUTPUTS: usize = 4096;
/// The most bytes a transaction's encoding has.
pub const MAX_BYTES: usize = 28 + MAX_INPUTS * (78 + 64) + MAX_OUTPUTS * 42;

/// Names a transaction on one ledger, and is what its owners sign:
/// H(all that it declares ‖ genesis id).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Session(pub [u8; 32]);

impl Session {
    /// Signs as the owner of an input. **Whoever holds the transaction with all of its
    /// signatures can have it executed**: sign what you want done.
    pub fn sign(&self, owner: &SigningKey) -> Signature {
        owner.sign(&TRANSACTION, &self.0)
    }

    /// The name of the session's output at `position`.
    pub fn outpoint(&self, position: u32) -> [u8; 32] {
        outpoint(&self.0, position)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({self})")
    }
}

/// The name of an output by what creates it: a session, or the genesis.
pub(crate) fn outpoint(origin: &[u8; 32], position: u32) -> [u8; 32] {
    Hash::new(OUTPOINT).fixed(origin).number(u64::from(position)).digest()
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
    /// 0 at its creation.
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
    /// What stands for this output in a ledger's state, at its outpoint's id.
    pub fn leaf(&self) -> [u8; 32] {
        let Outpoint { shard, id, version } = &self.outpoint;
        let name = Hash::new(UNSPENT).fixed(&shard.to_le_bytes()).fixed(id);
        name.fixed(&version.to_le_bytes()).number(self.value).fixed(&self.owner).digest()
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

/// All that a transaction declares, and so all that its owners sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[non_exhaustive]
pub struct Declaration {
    /// The epoch in which it may be executed.
    pub epoch: u64,
    /// Tells this transaction from another that does the same.
    pub nonce: u64,
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
    /// Declares a transaction that spends `inputs` and creates `outputs`.
    pub fn new(
        epoch: u64,
        nonce: u64,
        inputs: Vec<Input>,
        outputs: Vec<Output>,
    ) -> Result<Self, BuildError> {
        let inputs = BoundedVec::new(inputs).ok_or(BuildError::TooManyInputs)?;
        let outputs = BoundedVec::new(outputs).ok_or(BuildError::TooManyOutputs)?;
        Ok(Self { epoch, nonce, inputs, outputs })
    }

    /// What the owners of the inputs sign, on the ledger with this genesis.
    pub fn session(&self, genesis: &GenesisId) -> Session {
        Session(Hash::new(TRANSACTION).bytes(&self.encode()).fixed(&genesis.0).digest())
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
pub(crate) fn sum(values: impl IntoIterator<Item = u64>) -> Option<u64> {
    values.into_iter().try_fold(0_u64, u64::checked_add)
}

/// A declaration, and the signature of each input's owner on its session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// What it does.
    pub declaration: Declaration,
    /// One signature for each input, in the inputs' order.
    pub signatures: BoundedVec<Signature, MAX_INPUTS>,
}

/// A transaction that is well-formed and that every owner signed: [`Rules::check`] alone makes
/// one. It names the ledger and the epoch it was checked for, and none other takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    transaction: Transaction,
    session: Session,
    rules: Rules,
}

impl Checked {
    /// The transaction.
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The transaction.
    pub fn into_transaction(self) -> Transaction {
        self.transaction
    }

    /// Its name.
    pub const fn session(&self) -> Session {
        self.session
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// What makes a transaction well-formed, apart from the ledger's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The ledger.
    pub genesis: GenesisId,
    /// The current epoch.
    pub epoch: u64,
    /// How many shards there are. Shards are numbered from 0.
    pub shards: u16,
}

impl Rules {
    /// Checks what can be checked without the ledger's state, signatures in one batch.
    ///
    /// When the batch does not hold, each transaction is checked by itself, and in those that
    /// fail each signature: at most three checks a signature, whatever strangers send. All of
    /// them follow the ZIP-215 rule, by which one check and a batch agree.
    pub fn check(&self, transactions: Vec<Transaction>) -> Checks<Checked, Rejection> {
        let shape = |transaction: Transaction| match self.shape(&transaction) {
            Ok(session) => Ok(Checked { transaction, session, rules: *self }),
            Err(rejection) => Err(rejection),
        };
        let mut results: Vec<_> = transactions.into_iter().map(shape).collect();
        let signatures = results.iter().flatten().map(|checked| checked.witness().count()).sum();
        if !holds(results.iter().flatten().flat_map(Checked::witness)) {
            for result in &mut results {
                if let Err(rejection) = result.as_ref().map_or(Ok(()), Checked::signed) {
                    *result = Err(rejection);
                }
            }
        }
        Checks { results, signatures }
    }

    /// The transaction's session, when all but its signatures is in order.
    fn shape(&self, transaction: &Transaction) -> Result<Session, Rejection> {
        let Transaction { declaration, signatures } = transaction;
        let Declaration { epoch, inputs, outputs, .. } = declaration;
        if *epoch != self.epoch {
            return Err(Rejection::WrongEpoch { declared: *epoch, current: self.epoch });
        }
        if inputs.is_empty() {
            return Err(Rejection::NoInputs);
        }
        if signatures.len() != inputs.len() {
            let (signatures, inputs) = (signatures.len(), inputs.len());
            return Err(Rejection::SignatureCount { signatures, inputs });
        }
        let shards = inputs.iter().map(|input| input.outpoint.shard);
        let mut shards = shards.chain(outputs.iter().map(|output| output.shard));
        if let Some(shard) = shards.find(|shard| *shard >= self.shards) {
            return Err(Rejection::UnknownShard { shard });
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = inputs.iter().find(|input| !seen.insert(input.outpoint.id)) {
            return Err(Rejection::DuplicateInput { outpoint: twice.outpoint.id });
        }
        let (Some(spent), Some(created)) = (declaration.value_in(), declaration.value_out()) else {
            return Err(Rejection::Overflow);
        };
        if spent < created {
            return Err(Rejection::Inflation { spent, created });
        }
        Ok(declaration.session(&self.genesis))
    }
}

impl Checked {
    /// Who must have signed what, and the signature.
    fn witness(&self) -> impl Iterator<Item = Witness<'_>> {
        let Transaction { declaration, signatures } = &self.transaction;
        let signed = declaration.inputs.iter().zip(signatures.iter());
        signed.map(|(input, signature)| (&input.owner, &self.session, signature))
    }

    /// Checks this transaction's signatures by themselves.
    fn signed(&self) -> Result<(), Rejection> {
        if holds(self.witness()) {
            return Ok(());
        }
        let each = self.witness().enumerate();
        let bad = each.filter(|(_, witness)| !holds([*witness])).map(|(input, _)| input).collect();
        Err(Rejection::BadSignature { inputs: bad })
    }
}

type Witness<'a> = (&'a PublicKeyBytes, &'a Session, &'a Signature);

/// Whether all of these signatures hold.
fn holds<'a>(witnesses: impl IntoIterator<Item = Witness<'a>>) -> bool {
    let mut batch = Batch::new();
    for (owner, session, signature) in witnesses {
        batch.add(*owner, &TRANSACTION, &session.0, signature);
    }
    batch.verify()
}
