//! A small town over three shards: owners with one coin each, and a notary who remembers what
//! the shards said.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use atomix::{
    Checked, Client, Declaration, Done, GenesisId, Input, Message, Outcome, Outpoint, Output,
    Parameters, Proof, ProofError, Refusal, Request, Rules, ShardState, Shards, Verdict,
    client::{Command, Config, Event, Record, Step},
    keys::{Seed, SigningKey},
    machine::{self, Cx, Time, To},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
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
pub(crate) struct Notary {
    pub(crate) said: BTreeSet<[u8; 32]>,
    /// What was said under rosters that count no more.
    pub(crate) retired: BTreeSet<[u8; 32]>,
}

impl Shards for Notary {
    type Inclusion = ();

    fn chain(&self, shard: u16) -> Option<ChainId> {
        (shard < SHARDS).then(|| chain(shard))
    }

    fn holds(&self, verdict: &Verdict, (): &()) -> Result<(), ProofError> {
        match verdict.leaf() {
            leaf if self.said.contains(&leaf) => Ok(()),
            leaf if self.retired.contains(&leaf) => Err(ProofError::Roster),
            _ => Err(ProofError::Absent),
        }
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
        assert!(matches!(done, Ok(Done::New(_))) || state.root() == before, "nothing or all");
        let done = done?;
        self.notary.said.insert(done.verdict().leaf());
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

impl Town {
    /// What a shard answers. Transactions that were checked before are not checked again.
    pub(crate) fn serve(
        &mut self,
        shard: u16,
        request: &Request<()>,
        known: &[Checked],
    ) -> Message<()> {
        let same = |checked: &&Checked| *checked.transaction() == request.transaction;
        let checked = known.iter().find(same).cloned();
        let checked =
            checked.unwrap_or_else(|| rules().check_one(request.transaction.clone()).unwrap());
        let session = checked.session();
        match self.act(shard, |state, notary| state.apply(&checked, &request.action, notary)) {
            Ok(proof) => Message::Answer { session, proof },
            Err(refusal) => Message::Refused { session, refusal },
        }
    }

    /// Σ over those of `outputs` that can be spent.
    pub(crate) fn worth(&self, outputs: &[Input]) -> u64 {
        outputs.iter().filter(|output| self.has(output)).map(|output| output.value).sum()
    }
}

/// A client of the town.
pub(crate) type Driver = Client<Notary>;

pub(crate) fn config(notary: &Notary) -> Config<Notary> {
    Config {
        rules: rules(),
        shards: notary.clone(),
        retry: Duration::from_secs(1),
        patience: Duration::ZERO,
        most: 8,
    }
}

pub(crate) fn at(seconds: u64) -> Time {
    Time::at(Duration::from_secs(seconds))
}

/// Handles one input at a time of day.
pub(crate) fn with_cx<T>(seconds: u64, act: impl FnOnce(&mut Cx<'_>) -> T) -> T {
    act(&mut Cx::new(at(seconds), &mut ChaCha20Rng::seed_from_u64(seconds)))
}

/// The records and what goes out.
pub(crate) type Split = (Vec<Record<()>>, machine::Output<Message<()>, Event, u16>);

pub(crate) fn split(step: Step<()>) -> Split {
    let (records, held) = step.into_records();
    (records, held.release())
}

/// Lets the client talk to the town for so many turns of its clock. `lost` says which messages
/// never arrive; the others' answers arrive twice. Returns records and events.
pub(crate) fn converse(
    town: &mut Town,
    client: &mut Driver,
    first: Step<()>,
    known: &[Checked],
    turns: u64,
    mut lost: impl FnMut() -> bool,
) -> (Vec<Record<()>>, Vec<Event>) {
    let (mut all_records, mut all_events) = (vec![], vec![]);
    let mut steps = vec![first];
    let start = client.next_timeout().map_or(0, |next| next.since_epoch().as_secs());
    for turn in start..start + turns {
        while let Some(step) = steps.pop() {
            let (records, output) = split(step);
            all_records.extend(records);
            all_events.extend(output.events);
            assert!(output.faults.is_empty());
            for (to, message) in output.messages {
                let (To::One(shard), Message::Request(request)) = (to, message) else {
                    panic!("a client asks one shard at a time")
                };
                if lost() {
                    continue;
                }
                let answer = town.serve(shard, &request, known);
                let follow = Command::Follow(Box::new(town.notary.clone()));
                let followed = with_cx(turn, |cx| client.handle_command(cx, follow)).unwrap();
                let heard = with_cx(turn, |cx| client.handle_message(cx, shard, answer.clone()));
                let again = with_cx(turn, |cx| client.handle_message(cx, shard, answer));
                steps.extend([again, heard, followed]);
            }
        }
        steps.push(with_cx(turn, |cx| client.handle_timeout(cx)));
    }
    (all_records, all_events)
}
