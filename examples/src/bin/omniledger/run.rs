//! Runs a ledger on a simulated network, and has a wallet pay every transaction of the block.

use std::time::Duration;

use cosi::{
    keys::{PeerId, Seed, SigningKey},
    leader,
    machine::Time,
    roster::{Member, Roster},
    sim::{
        Boundary, Bug, Counters, Cpu, Crash, Latency, Measured, Network, Outcome, Simulation, When,
    },
};
use omniledger::{
    Genesis, Message, Node, Peer, PoolLimits, Transaction, byzcoin, genesis::GenesisError,
    node::Config, validator, wallet,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{
    adversary::Byzantine,
    block::{BlockError, Scenario},
    cli::{self, Adversary},
    export::Evidence,
    progress::Progress,
    world::World,
};

/// The wallet's place on the network.
const WALLET: Peer = Peer::Guest(0);
/// How many bytes of transactions a validator proposes at once.
const BLOCK_BYTES: u32 = 1 << 18;
/// How long a node works on an input, in simulated time.
const CPU: Duration = Duration::from_micros(100);
/// The least time over which payments are spread.
const WINDOW: Duration = Duration::from_secs(5);
/// After how much simulated time without an end the run has failed.
const LIMIT: Duration = Duration::from_secs(3600);

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("the block: {0}")]
    Block(#[from] BlockError),
    #[error("the genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// A machine did what no machine does.
    #[error("simulation: {0}")]
    Bug(#[from] Bug<Peer>),
}

/// A run that is over.
pub(crate) struct Finished {
    pub(crate) world: World,
    pub(crate) byzantine: Vec<u16>,
    pub(crate) transactions: Vec<Transaction>,
    /// What the wallet ended up with. `None`: it lost its chain, or its machine is down.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) simulated: Duration,
    pub(crate) counters: Counters,
    pub(crate) measured: Vec<(&'static str, Measured)>,
    pub(crate) digest: [u8; 32],
}

/// Runs to the end, or to the limit of time.
pub(crate) fn run(
    args: &cli::Run,
    scenario: &Scenario,
    progress: &Progress,
) -> Result<Finished, RunError> {
    let mut rng = ChaCha20Rng::seed_from_u64(args.seed);
    let keys: Vec<SigningKey> =
        (0..args.validators).map(|_| Seed::generate(&mut rng).signing_key()).collect();
    let members = keys.iter().map(|key| Member::new(key, &mut rng)).collect();
    let genesis = Genesis::new("bitcoin block", members, scenario.grants().to_vec())?;
    progress.say("signing every spend");
    let transactions = scenario.sign(&genesis)?;

    let roster = genesis.roster()?;
    let cast = Cast { args, genesis: &genesis, roster: &roster, keys: &keys };
    let mut network = cast.network();
    let byzantine = cast.corrupt(&mut network, &mut rng);
    let window = cast.crash_all(&mut network, &mut rng);
    pay_all(&mut network, &genesis, &transactions, window);

    let planned = u64::from(args.restarts).saturating_mul(args.validators.into());
    let wanted = transactions.len();
    progress.start(wanted);
    let end = Time::at(LIMIT);
    let outcome = network.run_until(end, |network| {
        let world = network.application();
        progress.show(world);
        let settled = world.proven.len().saturating_add(world.aborted.len());
        settled >= wanted && network.total().restarts >= planned
    })?;
    progress.finish();
    if outcome == Outcome::Limit {
        let why = format!("liveness: not all is settled after {LIMIT:?} of simulated time");
        network.application_mut().violations.push(why);
    }
    let evidence = collect(&network, &genesis);
    let world = std::mem::replace(network.application_mut(), World::new(roster));
    Ok(Finished {
        world,
        byzantine,
        transactions,
        evidence,
        simulated: network.now().since_epoch(),
        counters: network.total(),
        measured: network.measured().iter().map(|(label, took)| (*label, *took)).collect(),
        digest: network.digest(),
    })
}

/// Who takes part.
struct Cast<'a> {
    args: &'a cli::Run,
    genesis: &'a Genesis,
    roster: &'a Roster,
    keys: &'a [SigningKey],
}

impl Cast<'_> {
    fn network(&self) -> Simulation<Node, World> {
        let network = Network {
            seed: self.args.seed,
            latency: Latency::Fixed(self.args.latency),
            cpu: Cpu::Fixed(CPU),
            ..Network::default()
        };
        let mut network = Simulation::new(network, World::new(self.roster.clone()));
        network.label(label);
        for key in self.keys {
            network.add(peer(key), Config::Validator(Box::new(self.validator(key))));
        }
        let wallet = wallet::Config { genesis: self.genesis.clone(), poll: self.delay(2) };
        network.add(WALLET, Config::Wallet(wallet));
        network
    }

    /// All waits are multiples of a message's delay: a view lasts longer than a round with every
    /// fallback, single votes wait longer than cosigning with retries takes.
    fn validator(&self, key: &SigningKey) -> validator::Config {
        let collective = leader::Timing {
            patience: self.delay(6),
            grace: self.delay(1),
            limit: self.delay(1200),
        };
        validator::Config {
            genesis: self.genesis.clone(),
            key: key.clone(),
            timing: byzcoin::Timing {
                first_timeout: self.delay(48),
                longest_timeout: self.delay(768),
                pull_after: self.delay(5),
            },
            votes: byzcoin::votes::Timing { collective, individual_after: self.delay(24) },
            pool: PoolLimits::default(),
            block_bytes: BLOCK_BYTES,
        }
    }

    fn delay(&self, messages: u32) -> Duration {
        self.args.latency.max(Duration::from_millis(1)).saturating_mul(messages)
    }

    fn peers(&self) -> Vec<Peer> {
        self.keys.iter().map(peer).collect()
    }

    /// Gives the first leader, and others by lot, to the adversary. Returns their positions.
    fn corrupt(&self, network: &mut Simulation<Node, World>, rng: &mut ChaCha20Rng) -> Vec<u16> {
        let mut positions: Vec<u16> = (0..self.args.validators).collect();
        shuffle(positions.get_mut(1..).unwrap_or_default(), rng);
        positions.truncate(self.args.byzantine.into());
        positions.sort_unstable();
        if self.args.adversary == Adversary::None {
            return Vec::new();
        }
        let scope =
            byzcoin::Scope { chain: self.genesis.id().0, epoch: 0, roster: self.roster.id() };
        let members =
            positions.iter().filter_map(|at| Some((*at, self.keys.get(usize::from(*at))?)));
        let members: Vec<_> = members.map(|(at, key)| (at, peer(key), key.clone())).collect();
        let peers: Vec<_> = members.iter().map(|(_, peer, _)| *peer).collect();
        let hand = Byzantine::new(self.args.adversary, scope, members, self.peers());
        network.byzantine(peers, hand);
        positions
    }

    /// Plans for every validator to crash and restart, one after the other, in every place of a
    /// step. Returns the time in which they all do, which is the time to keep them busy.
    fn crash_all(&self, network: &mut Simulation<Node, World>, rng: &mut ChaCha20Rng) -> Duration {
        let boundaries = [
            Boundary::BeforeRecords,
            Boundary::BeforeRelease,
            Boundary::AfterRelease,
            Boundary::Idle,
        ];
        let mut turns: Vec<Peer> = (0..self.args.restarts).flat_map(|_| self.peers()).collect();
        shuffle(&mut turns, rng);
        let crashes = u32::try_from(turns.len()).unwrap_or(u32::MAX);
        let pause = self.delay(8);
        let window = pause.saturating_mul(crashes.saturating_add(1)).max(WINDOW);
        let turn = window.checked_div(crashes.saturating_add(1)).unwrap_or(window);
        let mut at = Duration::ZERO;
        for (validator, boundary) in turns.into_iter().zip(boundaries.into_iter().cycle()) {
            at = at.saturating_add(turn);
            let down_for = Some(self.delay(4));
            network.crash(validator, Crash { when: When::At(Time::at(at)), boundary, down_for });
        }
        window
    }
}

/// Has the wallet pay every transaction, in the block's order, at an even pace.
fn pay_all(
    network: &mut Simulation<Node, World>,
    genesis: &Genesis,
    transactions: &[Transaction],
    window: Duration,
) {
    let count = u32::try_from(transactions.len()).unwrap_or(u32::MAX);
    let pace = window.checked_div(count).unwrap_or_default();
    let mut at = Duration::ZERO;
    for transaction in transactions {
        let session = transaction.declaration.session(&genesis.id());
        network.application_mut().paid.insert(session, Time::at(at));
        let pay = wallet::Command::Pay(Box::new(transaction.clone()));
        network.command(Time::at(at), WALLET, pay);
        at = at.saturating_add(pace);
    }
}

/// What the wallet can prove, in the chain's order.
fn collect(network: &Simulation<Node, World>, genesis: &Genesis) -> Option<Evidence> {
    let Node::Wallet(wallet) = network.machine(WALLET)? else { return None };
    let world = network.application();
    let proven = world.blocks.values().flat_map(|block| &block.sessions);
    let receipts = proven.filter_map(|session| wallet.receipt(session)).collect();
    Some(Evidence { genesis: genesis.clone(), chain: wallet.chain()?, receipts })
}

fn peer(key: &SigningKey) -> Peer {
    Peer::Validator(PeerId::of(key.public()))
}

/// Fisher and Yates' shuffle. The bias of the remainder is below 2⁻⁴⁸ here.
fn shuffle<T>(items: &mut [T], rng: &mut ChaCha20Rng) {
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let other = usize::try_from(rng.next_u64().checked_rem(bound).unwrap_or_default());
        items.swap(last, other.unwrap_or_default());
    }
}

/// By what name a message is counted.
#[expect(clippy::wildcard_enum_match_arm, reason = "kinds to come have no name yet")]
fn label(message: &Message) -> &'static str {
    use byzcoin::{Message as Said, votes::Message as Vote};
    use omniledger::message::Guest;
    match message {
        Message::Shard { message, .. } => match &**message {
            Said::Propose(_) => "proposal",
            Said::Content(_) | Said::Chunk { .. } => "block_body",
            Said::Votes(Vote::Collective(_)) => "collective_vote",
            Said::Votes(Vote::Single(_)) => "single_vote",
            Said::Prepared(_) => "prepare_certificate",
            Said::Decided(_) => "commit_certificate",
            Said::ViewChange(_) => "view_change",
            Said::NewView(_) => "new_view",
            Said::Pull(_) => "request",
        },
        Message::Guest(Guest::Submit(_)) => "payment",
        Message::Guest(Guest::Ask { .. }) => "question",
        Message::Guest(Guest::Answer(_)) => "answer",
        _ => "other",
    }
}
