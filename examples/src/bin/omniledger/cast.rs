//! Who takes part in a run, and which of them are Byzantine.

use std::{collections::BTreeSet, time::Duration};

use cosi::{
    keys::{PeerId, Seed, SigningKey},
    leader,
    machine::{Fault, Time},
    sim::{Application, Bug, Cpu, Latency, Network, Outcome, Simulation},
};
use omniledger::{
    Epoch, Genesis, Node, Peer, PoolLimits, byzcoin,
    node::{Config, Error, Event},
    validator, wallet,
};
use rand_chacha::{ChaCha20Rng, rand_core::Rng};

use crate::{
    adversary::{Byzantine, Cast as AdversaryCast},
    cli::{self, Adversary, most_byzantine},
};

/// How many bytes of requests a validator proposes at once.
const BLOCK_BYTES: u32 = 1 << 19;
/// How long a node works on an input, in simulated time.
const CPU: Duration = Duration::from_micros(100);
/// After how much simulated time without randomness there is none.
const LIMIT: Duration = Duration::from_secs(3600);
/// How often a placement is tried.
const TRIES: usize = 64;

/// Who takes part.
pub(crate) struct Cast<'a> {
    pub(crate) args: &'a cli::Run,
    pub(crate) genesis: &'a Genesis,
    pub(crate) seeds: &'a [Seed],
}

/// Which validators are Byzantine, by their positions in the genesis, and what the randomness
/// comes to with them.
pub(crate) struct Placement {
    pub(crate) byzantine: BTreeSet<u16>,
    pub(crate) epoch: Epoch,
    /// When the last honest validator knows its shard.
    pub(crate) seated: Duration,
}

/// Why there is no placement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlacementError {
    /// The beacon does not end.
    #[error(
        "the beacon: no randomness after {LIMIT:?} of simulated time; with fewer than a third \
             of the validators Byzantine there must be"
    )]
    Stuck,
    /// No luck.
    #[error(
        "no placement of the Byzantine validators keeps to every shard's f; give another --seed"
    )]
    Unlucky,
    /// A machine did what no machine does.
    #[error("simulation: {0}")]
    Bug(#[from] Bug<Peer>),
}

impl Cast<'_> {
    /// A network of all validators, of which these are Byzantine. `epoch` is what the adversary
    /// knows of the shards in advance.
    pub(crate) fn network<A: Application<Node>>(
        &self,
        application: A,
        byzantine: &BTreeSet<u16>,
        epoch: Option<&Epoch>,
    ) -> Simulation<Node, A> {
        let network = Network {
            seed: self.args.seed,
            latency: Latency::Fixed(self.args.latency),
            cpu: Cpu::Fixed(CPU),
            ..Network::default()
        };
        let mut network = Simulation::new(network, application);
        for seed in self.seeds {
            let config = Config::Validator(Box::new(self.validator(seed)));
            network.add(peer(&seed.signing_key()), config);
        }
        if self.args.adversary != Adversary::None && !byzantine.is_empty() {
            let in_hand = (0..).zip(self.seeds).filter(|(at, _)| byzantine.contains(at));
            let peers: Vec<_> =
                in_hand.clone().map(|(_, seed)| peer(&seed.signing_key())).collect();
            let cast = AdversaryCast { genesis: self.genesis, epoch, validators: self.peers() };
            let hand = Byzantine::new(self.args.adversary, cast, in_hand);
            network.byzantine(peers, hand);
        }
        network
    }

    /// All waits are multiples of a message's delay: a view lasts longer than a round with every
    /// fallback, single votes wait longer than cosigning with retries takes.
    fn validator(&self, seed: &Seed) -> validator::Config {
        let collective = leader::Timing {
            patience: self.delay(6),
            grace: self.delay(1),
            limit: self.delay(1200),
            individual: None,
        };
        validator::Config {
            genesis: self.genesis.clone(),
            seed: seed.clone(),
            timing: byzcoin::Timing {
                first_timeout: self.delay(48),
                longest_timeout: self.delay(768),
                pull_after: self.delay(5),
            },
            votes: byzcoin::votes::Timing { collective, individual_after: self.delay(24) },
            retry: self.delay(8),
            pool: PoolLimits::default(),
            block_bytes: BLOCK_BYTES,
        }
    }

    /// A wallet asks often, and waits for missing inputs for longer than a few slow views take.
    pub(crate) fn wallet(&self) -> wallet::Config {
        wallet::Config {
            genesis: self.genesis.clone(),
            poll: self.delay(2),
            patience: self.delay(400),
        }
    }

    pub(crate) fn delay(&self, messages: u32) -> Duration {
        self.args.latency.max(Duration::from_millis(1)).saturating_mul(messages)
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.seeds.iter().map(|seed| peer(&seed.signing_key())).collect()
    }

    /// Gives the adversary the beacon's first leader, and validators of every shard in turn until
    /// it has as many as it may have there.
    ///
    /// The adversary so placed knows the randomness in advance, which no real one does: the beacon
    /// is run for it alone, until a choice of validators yields an assignment that the choice
    /// fits.
    pub(crate) fn place(&self, rng: &mut ChaCha20Rng) -> Result<Placement, PlacementError> {
        let mut byzantine = BTreeSet::new();
        if self.args.adversary != Adversary::None {
            byzantine.insert(0);
        }
        for _ in 0..TRIES {
            let (epoch, dealers, seated) = self.rehearse(&byzantine)?;
            if self.fits(&byzantine, &epoch) {
                return Ok(Placement { byzantine, epoch, seated });
            }
            byzantine = self.choose(&epoch, &dealers, rng);
        }
        Err(PlacementError::Unlucky)
    }

    /// Runs the beacon by itself: the epoch, whose deals it is made of, and how long it takes.
    fn rehearse(
        &self,
        byzantine: &BTreeSet<u16>,
    ) -> Result<(Epoch, BTreeSet<u16>, Duration), PlacementError> {
        let mut network = self.network(Audience::default(), byzantine, None);
        let honest = self.seeds.len().saturating_sub(byzantine.len());
        let outcome =
            network.run_until(Time::at(LIMIT), |network| network.application().seated >= honest)?;
        let honest = (0..).zip(self.peers()).filter(|(at, _)| !byzantine.contains(at));
        let mut validators = honest.filter_map(|(_, peer)| match network.machine(peer) {
            Some(Node::Validator(validator)) => Some(validator),
            Some(Node::Wallet(_)) | None => None,
        });
        let known = validators.find_map(|node| Some((node.epoch()?, node.epoch_proof()?)));
        let Some((epoch, proof)) = known.filter(|_| outcome == Outcome::Done) else {
            return Err(PlacementError::Stuck);
        };
        let dealers = proof.transcript.statement.dealers.iter().collect();
        Ok((epoch.clone(), dealers, network.now().since_epoch()))
    }

    /// Whether there are as many as asked for, and in no shard too many.
    fn fits(&self, byzantine: &BTreeSet<u16>, epoch: &Epoch) -> bool {
        let all = byzantine.len() == usize::from(self.args.byzantine);
        all && (0..self.args.shards).all(|shard| within(byzantine, epoch, shard))
    }

    /// Chooses as many as asked for, shard by shard in turn: the first leader, then those whose
    /// deals are not in the randomness, for without them it stays as it is.
    fn choose(
        &self,
        epoch: &Epoch,
        dealers: &BTreeSet<u16>,
        rng: &mut ChaCha20Rng,
    ) -> BTreeSet<u16> {
        let mut shards: Vec<Vec<u16>> = (0..self.args.shards)
            .map(|shard| {
                let members = epoch.members(shard).iter().map(|index| index.get());
                let mut members: Vec<_> = members.collect();
                shuffle(&mut members, rng);
                members.sort_by_key(|at| (*at != 0, dealers.contains(at)));
                members.truncate(most_byzantine(size(&members)).into());
                members
            })
            .collect();
        // The first leader's shard has the first turn, so that even few have it among them.
        shards.sort_by_key(|members| !members.contains(&0));
        let mut chosen = BTreeSet::new();
        while chosen.len() < self.args.byzantine.into()
            && shards.iter().any(|left| !left.is_empty())
        {
            for left in &mut shards {
                if chosen.len() < self.args.byzantine.into() && !left.is_empty() {
                    chosen.insert(left.remove(0));
                }
            }
        }
        chosen
    }
}

/// Whether a shard has no more Byzantine members than it withstands.
pub(crate) fn within(byzantine: &BTreeSet<u16>, epoch: &Epoch, shard: u16) -> bool {
    let members = epoch.members(shard);
    let bad = members.iter().filter(|member| byzantine.contains(&member.get())).count();
    bad <= usize::from(most_byzantine(size(members)))
}

fn size<T>(members: &[T]) -> u16 {
    u16::try_from(members.len()).unwrap_or(u16::MAX)
}

/// Hears who is seated.
#[derive(Debug, Default)]
struct Audience {
    seated: usize,
}

impl Application<Node> for Audience {
    fn on_event(&mut self, _: Peer, _: Time, event: Event, _: &mut Vec<wallet::Command>) {
        let seated = matches!(event, Event::Validator(validator::Event::Seated { .. }));
        self.seated = self.seated.saturating_add(usize::from(seated));
    }

    fn on_fault(&mut self, _: Peer, _: Time, _: Fault<Peer>) {}

    fn on_error(&mut self, _: Peer, _: Time, _: Error) {}
}

pub(crate) fn peer(key: &SigningKey) -> Peer {
    Peer::Validator(PeerId::of(key.public()))
}

/// Fisher and Yates' shuffle. The bias of the remainder is below 2⁻⁴⁸ here.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha20Rng) {
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let other = usize::try_from(rng.next_u64().checked_rem(bound).unwrap_or_default());
        items.swap(last, other.unwrap_or_default());
    }
}
