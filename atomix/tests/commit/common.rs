//! A small town over three shards: owners with one coin each, and a notary who remembers what
//! the shards said.

use std::collections::{BTreeMap, BTreeSet};

use atomix::{
    Checked, Declaration, Done, GenesisId, Input, Outcome, Outpoint, Output, Parameters, Proof,
    ProofError, Refusal, Rules, ShardState, Shards, Verdict,
    keys::{Seed, SigningKey},
};
use skipchain::ChainId;

pub(crate) const GENESIS: GenesisId = GenesisId([7; 32]);
pub(crate) const SHARDS: u16 = 3;
/// What every coin is worth.
pub(crate) const WORTH: u64 = 100;

pub(crate) fn rules() -> Rules {
    Rules::new(GENESIS, Parameters { shards: SHARDS, deadline: 1000, ..Parameters::default() })
}

pub(crate) fn key(owner: u8) -> SigningKey {
    Seed::from_bytes([owner; 32]).signing_key()
}

/// The coin of `owner` in the shard owner mod 3.
pub(crate) fn coin(owner: u8) -> Input {
    let outpoint = Outpoint { shard: u16::from(owner) % SHARDS, id: [owner; 32], version: 0 };
    Input { outpoint, value: WORTH, owner: key(owner).public().to_bytes() }
}

pub(crate) fn output(shard: u16, owner: u8, value: u64) -> Output {
    Output { shard, value, owner: key(owner).public().to_bytes() }
}

/// A transaction of epoch 0 that lives long.
pub(crate) fn pay(nonce: u64, inputs: &[Input], outputs: &[Output]) -> Checked {
    pay_in(0, nonce, 1000, inputs, outputs)
}

pub(crate) fn pay_in(
    epoch: u64,
    nonce: u64,
    deadline: u32,
    inputs: &[Input],
    outputs: &[Output],
) -> Checked {
    let (inputs, outputs) = (inputs.to_vec(), outputs.to_vec());
    let declared = Declaration::new(epoch, nonce, deadline, inputs, outputs).unwrap();
    rules().check_one(sign(declared)).unwrap()
}

pub(crate) fn sign(declared: Declaration) -> atomix::Transaction {
    let keys: Vec<_> = (1..10).map(key).collect();
    let find = |owner: &[u8; 32]| keys.iter().find(|key| key.public().to_bytes() == *owner);
    declared.sign(&GENESIS, find).unwrap()
}

pub(crate) fn chain(shard: u16) -> ChainId {
    ChainId([u8::try_from(shard).unwrap() + 1; 32])
}

/// Believes what it was told of, so that tests are about the protocol and not about signatures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notary(pub(crate) BTreeSet<[u8; 32]>);

impl Shards for Notary {
    type Inclusion = ();

    fn chain(&self, shard: u16) -> Option<ChainId> {
        (shard < SHARDS).then(|| chain(shard))
    }

    fn holds(&self, verdict: &Verdict, (): &()) -> Result<(), ProofError> {
        self.0.contains(&verdict.leaf()).then_some(()).ok_or(ProofError::Absent)
    }
}

/// The shards, which log what they say with the notary.
#[derive(Clone, Debug)]
pub(crate) struct Town {
    pub(crate) shards: BTreeMap<u16, ShardState>,
    pub(crate) notary: Notary,
}

/// A proof that costs nothing.
pub(crate) type Said = Proof<()>;

impl Town {
    /// Owners 1 to 9 have a coin each.
    pub(crate) fn new() -> Self {
        let state = |shard| ShardState::new(chain(shard), shard, rules(), (1..10).map(coin));
        let mut shards: BTreeMap<_, _> = (0..SHARDS).map(|shard| (shard, state(shard))).collect();
        shards.values_mut().for_each(|shard| shard.begin(0, 1).unwrap());
        Self { shards, notary: Notary::default() }
    }

    /// The next block of a shard, in the same epoch or after `epochs` turns.
    pub(crate) fn turn(&mut self, shard: u16, epochs: u64) {
        let state = self.shards.get_mut(&shard).unwrap();
        for _ in 0..epochs {
            state.begin(state.epoch() + 1, state.index() + 1).unwrap();
        }
    }

    pub(crate) fn turn_all(&mut self, epochs: u64) {
        (0..SHARDS).for_each(|shard| self.turn(shard, epochs));
    }

    fn act(
        &mut self,
        shard: u16,
        act: impl FnOnce(&mut ShardState, &Notary) -> Result<Done, Refusal>,
    ) -> Result<Said, Refusal> {
        let state = self.shards.get_mut(&shard).unwrap();
        let before = state.root();
        let done = act(state, &self.notary);
        assert_eq!(matches!(done, Ok(Done::New(_))) || state.root() == before, true);
        let done = done?;
        self.notary.0.insert(done.verdict().leaf());
        Ok(Proof::new(done.verdict(), ()))
    }

    pub(crate) fn lock(&mut self, shard: u16, pay: &Checked) -> Result<Said, Refusal> {
        self.act(shard, |state, notary| state.lock(pay, None, notary))
    }

    pub(crate) fn lock_shown(
        &mut self,
        shard: u16,
        pay: &Checked,
        shown: &Said,
    ) -> Result<Said, Refusal> {
        self.act(shard, |state, notary| state.lock(pay, Some(shown), notary))
    }

    pub(crate) fn create(
        &mut self,
        shard: u16,
        pay: &Checked,
        proofs: &[Said],
    ) -> Result<Said, Refusal> {
        self.act(shard, |state, notary| state.create(pay, proofs, notary))
    }

    pub(crate) fn give_back(
        &mut self,
        shard: u16,
        pay: &Checked,
        proof: &Said,
    ) -> Result<Said, Refusal> {
        self.act(shard, |state, notary| state.give_back(pay, proof, notary))
    }

    /// Whether this output can be spent.
    pub(crate) fn has(&self, output: &Input) -> bool {
        self.shards[&output.outpoint.shard].spendable(output).is_ok()
    }
}

/// The `position`th output, as who spends it declares it.
pub(crate) fn created(pay: &Checked, position: usize) -> Input {
    pay.declaration().created(pay.session()).nth(position).unwrap()
}

pub(crate) fn outcome(said: &Result<Said, Refusal>) -> Outcome {
    said.as_ref().unwrap().outcome
}
