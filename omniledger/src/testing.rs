//! A ledger whose validators' keys are all at hand, so that a test can have anything decided.

extern crate std;

use alloc::{vec, vec::Vec};

use atomix::{Action, Declaration, Input, Output, Rosters, Transaction};
use byzcoin::{Height, Kind, Proposal, Scope, View};
use cosi::{
    Certificate, Statement as _, certificate,
    keys::{PeerId, Seed, SigningKey},
    wire::{BoundedBytes, Wire},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use randhound::Randomness;

use crate::{
    chain::{Chain, Executed},
    decision::Decision,
    epoch::{EPOCH, Epoch},
    genesis::{Genesis, Grant, Limits, Registration},
    ledger::Checked,
    message::{Proof, Request, Want},
};

/// What a request asks for.
pub(crate) type Asks = Action<atomix::Sealed<Decision>>;

/// Asks for a verdict.
pub(crate) const INITIALIZE: Asks = Action::Initialize { shown: None };

pub(crate) struct Town {
    pub(crate) genesis: Genesis,
    pub(crate) seeds: Vec<Seed>,
    pub(crate) epoch: Epoch,
    pub(crate) rosters: Rosters<Decision>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) owner: SigningKey,
}

impl Town {
    /// Four validators a shard, and a coin of 100 in each of these shards.
    pub(crate) fn new(shards: u16, coins: &[u16]) -> Self {
        Self::with(shards, coins, Limits::default())
    }

    pub(crate) fn with(shards: u16, coins: &[u16], limits: Limits) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let seeds: Vec<_> = (1..=u8::try_from(shards).unwrap().saturating_mul(4))
            .map(|number| Seed::from_bytes([number; 32]))
            .collect();
        let validators = seeds.iter().map(|seed| Registration::new(seed, &mut rng)).collect();
        let owner = Seed::from_bytes([200; 32]).signing_key();
        let grant =
            |shard: &u16| Grant { shard: *shard, owner: owner.public().to_bytes(), value: 100 };
        let grants = coins.iter().map(grant).collect();
        let genesis = Genesis::new("town", shards, validators, grants).unwrap();
        let genesis = Genesis { limits, ..genesis };
        let roster = genesis.roster().unwrap();
        let epoch = Epoch::new(&genesis, &roster, Randomness([5; 32])).unwrap();
        let chains = epoch.shards().iter().map(|shard| Chain::new(&genesis, shard).unwrap());
        let chains = chains.collect();
        Self { rosters: epoch.rosters(), genesis, seeds, epoch, chains, owner }
    }

    pub(crate) fn coin(&self, at: usize) -> Input {
        self.genesis.granted().nth(at).unwrap()
    }

    pub(crate) fn gift(&self, shard: u16) -> Output {
        Output { shard, value: 100, owner: self.owner.public().to_bytes() }
    }

    /// Spends these on a gift in a shard.
    pub(crate) fn pay(
        &self,
        (nonce, deadline): (u64, u32),
        inputs: &[Input],
        to: u16,
    ) -> Transaction {
        let gift = vec![self.gift(to)];
        let declared = Declaration::new(EPOCH, nonce, deadline, inputs.to_vec(), gift).unwrap();
        declared.sign(&self.genesis.id(), |_| Some(&self.owner)).unwrap()
    }

    pub(crate) fn checked(&self, Request { transaction, action }: Request) -> Checked {
        let transaction = self.genesis.rules().check_one(transaction).unwrap();
        Checked { transaction, action }
    }

    pub(crate) fn asks(&self, transaction: &Transaction, action: Asks) -> Checked {
        self.checked(Request { transaction: transaction.clone(), action })
    }

    /// Has a shard's validators decide a block of these requests.
    pub(crate) fn decide(&mut self, shard: u16, requests: &[Checked]) -> Executed {
        let at = usize::from(shard);
        let executed = self.chains[at].execute(&self.rosters, requests).unwrap();
        let decision = self.decision(shard, &executed);
        self.chains[at].append(&executed, decision).unwrap();
        executed
    }

    fn decision(&self, shard: u16, executed: &Executed) -> Decision {
        let info = self.epoch.shard(shard).unwrap();
        let (roster, id) = (info.roster(), executed.header.id());
        let header = byzcoin::Header {
            parent: [0; 32],
            height: Height::new(executed.header.index),
            first_view: View::ZERO,
            next_roster: roster.id(),
            next_start: 0,
            app: BoundedBytes::new(id.encode()).unwrap(),
        };
        let proposal = Proposal::new(header, &byzcoin::Body::new(b"body").unwrap());
        let scope = Scope { chain: info.chain().0, epoch: EPOCH, roster: roster.id() };
        let (height, view) = (proposal.header.height, View::ZERO);
        let vote = scope.statement(Kind::Commit, height, view, proposal.digest()).to_signed();
        let keys = self.seeds.iter().map(Seed::signing_key);
        let signed = keys.filter_map(|key| {
            let index = roster.index_of(PeerId::of(key.public()))?;
            Some((index, certificate::sign(&key, &roster.id(), &vote)))
        });
        let certificate = Certificate::individual(roster, signed).unwrap();
        Decision { epoch: EPOCH, view, proposal, certificate }
    }

    /// A shard's word on a session.
    pub(crate) fn word(&self, shard: u16, transaction: &Transaction, want: Want) -> Proof {
        let session = transaction.declaration.session(&self.genesis.id());
        self.chains[usize::from(shard)].find(session, want).remove(0)
    }
}
