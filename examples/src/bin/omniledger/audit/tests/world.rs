//! Two shards of four validators, whose keys are all in the test's hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
    time::Duration,
};

use cosi::{
    Certificate, Statement as _,
    keys::{PeerId, Seed, SigningKey},
    machine::{Fault, Time},
    merkle::tree::Tree,
    sim::{Application, Network, Outcome as Ended, Simulation},
    wire::{BoundedBytes, Wire},
};
use omniledger::{
    Decision, Genesis, Node, Peer, PoolLimits, Session, Stranger, Transaction,
    atomix::{Checked, Declaration, Input, Outcome, Output, Place, Sealed, ShardState, Verdict},
    byzcoin::{self, Height, Kind, Proposal, Scope, View},
    genesis::{Grant, Limits, Registration},
    ledger::Ledger as _,
    message::Proof,
    node::{Config, Error, Event},
    skipchain::{Header, Timeline},
    validator, wallet,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::super::{Replayed, ShardFiles, replay};
use crate::export::{Evidence, ShardEvidence};

/// What a run of a small ledger left behind.
pub(super) struct World {
    pub(super) evidence: Evidence,
    /// All transactions that wallets were told to pay.
    pub(super) sent: BTreeMap<Session, Transaction>,
    pub(super) committed: BTreeSet<Session>,
}

#[derive(Default)]
struct Bank {
    bodies: BTreeMap<(u16, u64), Vec<u8>>,
    committed: BTreeSet<Session>,
    aborted: BTreeSet<Session>,
}

impl Application<Node> for Bank {
    fn on_event(&mut self, _: Peer, _: Time, event: Event, _: &mut Vec<wallet::Command>) {
        match event {
            Event::Validator(validator::Event::Committed { shard, block, body, .. }) => {
                self.bodies.insert((shard, block), body);
            }
            Event::Wallet(wallet::Event::Committed { session }) => {
                self.committed.insert(session);
            }
            Event::Wallet(wallet::Event::Aborted { session, .. }) => {
                self.aborted.insert(session);
            }
            _ => {}
        }
    }

    fn on_fault(&mut self, _: Peer, _: Time, fault: Fault<Peer>) {
        panic!("{fault:?}");
    }

    fn on_error(&mut self, _: Peer, _: Time, error: Error) {
        panic!("{error}");
    }
}

pub(super) fn owner() -> SigningKey {
    Seed::from_bytes([9; 32]).signing_key()
}

fn seeds() -> impl Iterator<Item = Seed> {
    (1..=8).map(|seed| Seed::from_bytes([seed; 32]))
}

/// Five coins of 100 in each shard, the even ones in shard 0.
fn genesis() -> Genesis {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let validators = seeds().map(|seed| Registration::new(&seed, &mut rng)).collect();
    let owner = owner().public().to_bytes();
    let grants = (0..10).map(|coin| Grant { shard: coin % 2, owner, value: 100 }).collect();
    let genesis = Genesis::new("town", 2, validators, grants).unwrap();
    Genesis { limits: Limits { requests: 16, ..genesis.limits }, ..genesis }
}

pub(super) fn pay(
    genesis: &Genesis,
    nonce: u64,
    inputs: &[Input],
    outputs: &[(u16, u64)],
) -> Transaction {
    let key = owner();
    let owner = key.public().to_bytes();
    let outputs =
        outputs.iter().map(|(shard, value)| Output { shard: *shard, value: *value, owner });
    let declared = Declaration::new(0, nonce, 60_000, inputs.to_vec(), outputs.collect()).unwrap();
    declared.sign(&genesis.id(), |_| Some(&key)).unwrap()
}

/// The ledger, run once for all tests.
pub(super) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(run)
}

fn run() -> World {
    let genesis = genesis();
    let mut town = Simulation::<Node, _>::new(Network::default(), Bank::default());
    for seed in seeds() {
        let peer = PeerId::of(seed.signing_key().public());
        let (timing, votes) = Default::default();
        let (retry, pool, genesis) =
            (Duration::from_secs(1), PoolLimits::default(), genesis.clone());
        let block_bytes = 1 << 18;
        let validator =
            validator::Config { genesis, seed, timing, votes, retry, pool, block_bytes };
        town.add(Peer::Validator(peer), Config::Validator(Box::new(validator)));
    }
    let wallets = [Peer::Guest(0), Peer::Guest(1)];
    for wallet in wallets {
        let (poll, patience) = (Duration::from_millis(200), Duration::from_secs(2));
        town.add(
            wallet,
            Config::Wallet(wallet::Config { genesis: genesis.clone(), poll, patience }),
        );
    }
    let coins: Vec<_> = genesis.granted().collect();
    let first = pay(&genesis, 0, &[coins[0]], &[(1, 60), (0, 40)]);
    let made: Vec<_> =
        first.declaration.created(first.declaration.session(&genesis.id())).collect();
    let honest = [
        first,
        pay(&genesis, 1, &[coins[1]], &[(1, 100)]),
        pay(&genesis, 2, &[coins[2], coins[3]], &[(1, 150), (0, 50)]),
        pay(&genesis, 3, &[made[0], coins[4]], &[(0, 160)]),
        pay(&genesis, 4, &[coins[5]], &[]),
        pay(&genesis, 5, &[coins[6], coins[7]], &[(1, 200)]),
    ];
    let rival = pay(&genesis, 6, &[coins[6], coins[9]], &[(0, 200)]);
    let mut sent = BTreeMap::new();
    let paid = honest.into_iter().map(|pay| (wallets[0], pay)).chain([(wallets[1], rival)]);
    for (second, (wallet, pay)) in (0_u32..).zip(paid) {
        // The last two at once.
        let at = Time::at(Duration::from_secs(second.min(5).into()));
        sent.insert(pay.declaration.session(&genesis.id()), pay.clone());
        town.command(at, wallet, wallet::Command::Pay(Box::new(pay)));
    }
    let ended = town.run_until(Time::at(Duration::from_secs(120)), |town| {
        let Bank { committed, aborted, .. } = town.application();
        committed.len() + aborted.len() == 7
    });
    assert_ne!(ended.unwrap(), Ended::Limit);
    let evidence = collect(&town, genesis, wallets);
    World { evidence, sent, committed: town.application().committed.clone() }
}

fn collect(town: &Simulation<Node, Bank>, genesis: Genesis, wallets: [Peer; 2]) -> Evidence {
    let wallets = wallets.map(|wallet| match town.machine(wallet) {
        Some(Node::Wallet(wallet)) => wallet,
        _ => panic!(),
    });
    let Bank { bodies, committed, .. } = town.application();
    let receipts = committed
        .iter()
        .map(|session| wallets.iter().find_map(|wallet| wallet.receipt(session)).unwrap());
    let shard = |number: u16| {
        let timelines = seeds().filter_map(|seed| {
            let peer = Peer::Validator(PeerId::of(seed.signing_key().public()));
            let Some(Node::Validator(node)) = town.machine(peer) else { panic!() };
            node.timeline().filter(|_| node.shard() == Some(number))
        });
        let timeline = timelines.max_by_key(|timeline| timeline.tip().index).unwrap();
        let tip = timeline.tip().index;
        ShardEvidence {
            chain: timeline.plain(0, usize::MAX).unwrap(),
            head: timeline.prove(0, tip).unwrap(),
            bodies: (1..=tip).map(|index| bodies[&(number, index)].clone()).collect(),
        }
    };
    Evidence {
        epoch: wallets[0].epoch_proof().unwrap().clone(),
        shards: [0, 1].map(shard).into(),
        receipts: receipts.collect(),
        genesis,
    }
}

/// What a quorum is to decide.
pub(super) struct Lie {
    pub(super) header: Header,
    pub(super) body: Vec<u8>,
    pub(super) epoch: u64,
}

impl World {
    pub(super) fn stranger(&self) -> Stranger {
        Stranger::new(&self.evidence.genesis, &self.evidence.epoch).unwrap()
    }

    /// A shard's chain, as a validator has it.
    pub(super) fn timeline(&self, shard: u16) -> Timeline<Decision> {
        let first = self.stranger().first_header(&self.evidence.genesis, shard).unwrap();
        let mut timeline = Timeline::new(first).unwrap();
        for link in self.evidence.shards[usize::from(shard)].chain.links() {
            let next = link.follow(timeline.tip(), &timeline.tip().id()).unwrap();
            timeline.append(&next, link.attestation().clone()).unwrap();
        }
        timeline
    }

    /// The shards, executed again.
    pub(super) fn replay(&self) -> Vec<Replayed> {
        let files = self.evidence.files();
        replay::replay(&self.evidence.genesis, &self.stranger(), &files.shards).unwrap()
    }

    /// A shard's state after the last block.
    pub(super) fn state(&self, shard: u16) -> ShardState {
        self.replay().swap_remove(shard.into()).state
    }

    /// A shard whose chain ends at this block.
    pub(super) fn cut(&self, shard: u16, tip: u64) -> ShardFiles {
        let (timeline, kept) = (self.timeline(shard), usize::try_from(tip).unwrap());
        let bodies = &self.evidence.shards[usize::from(shard)].bodies[..kept];
        ShardFiles {
            chain: timeline.plain(0, kept).unwrap().encode(),
            head: timeline.prove(0, tip).unwrap().encode(),
            bodies: bodies.to_vec(),
        }
    }

    /// The block without requests after a shard's last one.
    pub(super) fn idle(&self, shard: u16) -> Lie {
        let (timeline, mut state) = (self.timeline(shard), self.state(shard));
        state.begin_block(0, timeline.tip().index + 1).unwrap();
        let roster = timeline.tip().roster;
        let header = timeline.next(roster, Tree::new([]).root(), Some(state.state_root()));
        Lie { header, body: vec![0; 4], epoch: 0 }
    }

    /// The quorum's decision on this, whatever it is.
    pub(super) fn decide(&self, shard: u16, lie: &Lie) -> Decision {
        let stranger = self.stranger();
        let info = stranger.epoch().shard(shard).unwrap();
        let (roster, height) = (info.roster(), Height::new(lie.header.index));
        let header = byzcoin::Header {
            parent: [0; 32],
            height,
            first_view: View::ZERO,
            next_roster: roster.id(),
            next_start: 0,
            app: BoundedBytes::new(lie.header.id().encode()).unwrap(),
        };
        let proposal = Proposal::new(header, &byzcoin::Body::new(&lie.body).unwrap());
        let scope = Scope { chain: info.chain().0, epoch: lie.epoch, roster: roster.id() };
        let vote = scope.statement(Kind::Commit, height, View::ZERO, proposal.digest());
        let signed = seeds().filter_map(|seed| {
            let key = seed.signing_key();
            let index = roster.index_of(PeerId::of(key.public()))?;
            Some((index, cosi::certificate::sign(&key, &roster.id(), &vote.to_signed())))
        });
        let certificate = Certificate::individual(roster, signed).unwrap();
        Decision { epoch: lie.epoch, view: View::ZERO, proposal, certificate }
    }

    /// The shard with one more block.
    pub(super) fn extend(&self, shard: u16, lie: &Lie) -> ShardFiles {
        let mut timeline = self.timeline(shard);
        timeline.append(&lie.header, self.decide(shard, lie)).unwrap();
        let mut bodies = self.evidence.shards[usize::from(shard)].bodies.clone();
        bodies.push(lie.body.clone());
        ShardFiles {
            chain: timeline.plain(0, usize::MAX).unwrap().encode(),
            head: timeline.prove(0, lie.header.index).unwrap().encode(),
            bodies,
        }
    }

    /// The quorum's word, in a block after the last one that stands in no chain.
    pub(super) fn forge(&self, shard: u16, checked: &Checked, outcome: Outcome) -> Proof {
        let timeline = self.timeline(shard);
        let (tip, from) = (timeline.tip(), timeline.tip().id());
        let verdict = Verdict::new(tip.chain, shard, checked, outcome, tip.index + 1);
        let entries = Tree::new([verdict.entry(0, 1)]);
        let header = timeline.next(tip.roster, entries.root(), Some([7; 32]));
        let lie = Lie { header, body: vec![], epoch: 0 };
        let attestation = self.decide(shard, &lie);
        let place = Place::Logged(entries.path(0).unwrap());
        let back = timeline.spine().back_links().open(0).unwrap();
        let sealed = Sealed { header: lie.header, from, back, attestation, place };
        Proof::new(&verdict, sealed)
    }
}
