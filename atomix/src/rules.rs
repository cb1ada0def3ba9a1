//! What makes a transaction well-formed: its own words, and its epoch's published parameters.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    domain::ATOMIX_SESSION,
    keys::{Batch, PublicKeyBytes, Signature},
};

pub use crate::malformed::Malformed;
use crate::transaction::{Declaration, GenesisId, MAX_INPUT_SHARDS, Session, Transaction};

/// What is published for an epoch, the same in every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Parameters {
    /// How many shards there are. Shards are numbered from 0.
    pub shards: u16,
    /// D: the most blocks that a deadline is away from the first block of the session's epoch.
    pub deadline: u32,
    /// The most inputs a transaction has. Above [`MAX_INPUTS`](crate::transaction::MAX_INPUTS), that holds.
    pub inputs: u32,
    /// The most outputs a transaction has. Above [`MAX_OUTPUTS`](crate::transaction::MAX_OUTPUTS), that holds.
    pub outputs: u32,
}

impl Default for Parameters {
    /// 4 shards, a deadline at most 65,536 blocks off, 2,048 inputs and 4,096 outputs.
    fn default() -> Self {
        Self { shards: 4, deadline: 1 << 16, inputs: 2048, outputs: 4096 }
    }
}

/// What makes a transaction well-formed, apart from any shard's state.
///
/// All shards must come to the same answer, or one locks what another drops and the lock has no
/// exit. So the answer depends on the session and on what was published for its epoch, and on
/// no shard's present.
///
/// ```
/// use atomix::{Declaration, GenesisId, Input, Malformed, Outpoint, Parameters, Rules, keys::Seed};
/// let mut rules = Rules::new(GenesisId([7; 32]), Parameters { shards: 2, ..Default::default() });
/// rules.publish(5, Parameters { shards: 8, ..Default::default() });
///
/// let alice = Seed::from_bytes([1; 32]).signing_key();
/// let outpoint = Outpoint { shard: 6, id: [9; 32], version: 0 };
/// let coin = Input { outpoint, value: 50, owner: alice.public().to_bytes() };
/// let burn = |epoch| {
///     let declared = Declaration::new(epoch, 1, 100, vec![coin], vec![]).unwrap();
///     rules.check_one(declared.sign(&rules.genesis(), |_| Some(&alice)).unwrap())
/// };
/// assert_eq!(burn(4), Err(Malformed::UnknownShard { shard: 6 }));
/// assert!(burn(5).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    genesis: GenesisId,
    /// By the first epoch in which they hold: one entry for each change that the host publishes.
    parameters: BTreeMap<u64, Parameters>,
}

/// A transaction that is well-formed and that every owner signed: [`Rules::check`] alone makes
/// one. It names the ledger and the parameters it was checked for, and none other takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    transaction: Transaction,
    session: Session,
    genesis: GenesisId,
    parameters: Parameters,
}

/// What [`Rules::check`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// An answer for each transaction, in the order given.
    pub results: Vec<Result<Checked, Malformed>>,
    /// How many signatures were checked, each counted once.
    pub signatures: usize,
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

    /// What it does.
    pub const fn declaration(&self) -> &Declaration {
        &self.transaction.declaration
    }

    /// Its name.
    pub const fn session(&self) -> Session {
        self.session
    }
}

impl Rules {
    /// The rules of the ledger with this genesis, whose parameters are these from epoch 0 on.
    pub fn new(genesis: GenesisId, parameters: Parameters) -> Self {
        Self { genesis, parameters: BTreeMap::from([(0, parameters)]) }
    }

    /// The ledger.
    pub const fn genesis(&self) -> GenesisId {
        self.genesis
    }

    /// Sets what holds from `epoch` on.
    ///
    /// **Duty**: publish an epoch's parameters before any shard enters it, the same to all.
    pub fn publish(&mut self, epoch: u64, parameters: Parameters) {
        self.parameters.insert(epoch, parameters);
    }

    /// The parameters of an epoch.
    pub fn parameters(&self, epoch: u64) -> Option<&Parameters> {
        self.parameters.range(..=epoch).next_back().map(|(_, parameters)| parameters)
    }

    /// Whether these rules would come to the same answer on what was checked.
    pub fn covers(&self, checked: &Checked) -> bool {
        let epoch = checked.declaration().epoch;
        checked.genesis == self.genesis && self.parameters(epoch) == Some(&checked.parameters)
    }

    /// Checks what can be checked without a shard's state, signatures in one batch.
    ///
    /// When the batch does not hold, each transaction is checked by itself, and in those that
    /// fail each signature: at most three checks a signature, whatever strangers send. All of
    /// them follow the ZIP-215 rule, by which one check and a batch agree.
    pub fn check(&self, transactions: Vec<Transaction>) -> Checks {
        let shape = |transaction| self.shape(transaction);
        let mut results: Vec<_> = transactions.into_iter().map(shape).collect();
        let signatures = results.iter().flatten().map(|checked| checked.witness().count()).sum();
        if !holds(results.iter().flatten().flat_map(Checked::witness)) {
            for result in &mut results {
                if let Err(malformed) = result.as_ref().map_or(Ok(()), Checked::signed) {
                    *result = Err(malformed);
                }
            }
        }
        Checks { results, signatures }
    }

    /// Checks one transaction.
    pub fn check_one(&self, transaction: Transaction) -> Result<Checked, Malformed> {
        let checked = self.shape(transaction)?;
        checked.signed()?;
        Ok(checked)
    }

    /// The transaction, when all but its signatures is in order.
    fn shape(&self, transaction: Transaction) -> Result<Checked, Malformed> {
        let Transaction { declaration, signatures } = &transaction;
        let Declaration { epoch, deadline, inputs, outputs, .. } = declaration;
        let unknown = Malformed::UnknownEpoch { epoch: *epoch };
        let parameters = *self.parameters(*epoch).ok_or(unknown)?;
        if inputs.is_empty() {
            return Err(Malformed::NoInputs);
        }
        let most = [(inputs.len(), parameters.inputs), (outputs.len(), parameters.outputs)];
        if most.into_iter().any(|(len, most)| u32::try_from(len).is_ok_and(|len| len > most)) {
            return Err(Malformed::TooLarge);
        }
        if *deadline > parameters.deadline {
            let (deadline, most) = (*deadline, parameters.deadline);
            return Err(Malformed::Deadline { deadline, most });
        }
        if signatures.len() != inputs.len() {
            let (signatures, inputs) = (signatures.len(), inputs.len());
            return Err(Malformed::SignatureCount { signatures, inputs });
        }
        let shards = inputs.iter().map(|input| input.outpoint.shard);
        let mut shards = shards.chain(outputs.iter().map(|output| output.shard));
        if let Some(shard) = shards.find(|shard| *shard >= parameters.shards) {
            return Err(Malformed::UnknownShard { shard });
        }
        let shards = declaration.input_shards().len();
        if shards > MAX_INPUT_SHARDS {
            return Err(Malformed::TooManyShards { shards });
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = inputs.iter().find(|input| !seen.insert(input.outpoint.id)) {
            return Err(Malformed::DuplicateInput { outpoint: twice.outpoint.id });
        }
        if let Some(last) = inputs.iter().find(|input| input.given_back().is_none()) {
            return Err(Malformed::LastVersion { outpoint: last.outpoint.id });
        }
        let (Some(spent), Some(created)) = (declaration.value_in(), declaration.value_out()) else {
            return Err(Malformed::Overflow);
        };
        if spent < created {
            return Err(Malformed::Inflation { spent, created });
        }
        let (session, genesis) = (declaration.session(&self.genesis), self.genesis);
        Ok(Checked { transaction, session, genesis, parameters })
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
    fn signed(&self) -> Result<(), Malformed> {
        if holds(self.witness()) {
            return Ok(());
        }
        let each = self.witness().enumerate();
        let bad = each.filter(|(_, witness)| !holds([*witness])).map(|(input, _)| input).collect();
        Err(Malformed::BadSignature { inputs: bad })
    }
}

type Witness<'a> = (&'a PublicKeyBytes, &'a Session, &'a Signature);

/// Whether all of these signatures hold.
fn holds<'a>(witnesses: impl IntoIterator<Item = Witness<'a>>) -> bool {
    let mut batch = Batch::new();
    for (owner, session, signature) in witnesses {
        batch.add(*owner, &ATOMIX_SESSION, &session.0, signature);
    }
    batch.verify()
}
