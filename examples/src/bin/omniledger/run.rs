//! Runs a ledger on a simulated network, and has wallets pay every transaction.

use std::time::Duration;

use cosi::{
    keys::Seed,
    machine::Time,
    sim::{Boundary, Bug, Counters, Crash, Measured, Outcome, Simulation, When},
};
use omniledger::{
    EpochProof, Genesis, GenesisId, Message, Node, Peer, Transaction, byzcoin,
    genesis::{GenesisError, Registration},
    node::Config,
    randhound, wallet,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    block::{BlockError, Scenario},
    cast::{Cast, Placement, PlacementError, shuffle, within},
    cli,
    conflicts::Conflicts,
    export::{Evidence, ShardEvidence},
    progress::Progress,
    world::World,
};

/// The wallet that pays the block, and the two that contest outputs.
const WALLET: Peer = Peer::Guest(0);
const RIVALS: [Peer; 2] = [Peer::Guest(1), Peer::Guest(2)];
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
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A machine did what no machine does.
    #[error("simulation: {0}")]
    Bug(#[from] Bug<Peer>),
}

/// A run that is over.
pub(crate) struct Finished {
    pub(crate) world: World,
    pub(crate) placement: Placement,
    /// The block's transactions, and the two sides of each conflict.
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) conflicts: Vec<[Transaction; 2]>,
    /// What strangers check. `None`: the wallet lost its proofs, or a node is down.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) simulated: Duration,
    pub(crate) counters: Counters,
    pub(crate) measured: Vec<(&'static str, Measured)>,
    pub(crate) digest: [u8; 32],
}

impl Finished {
    /// Names the ledger.
    pub(crate) fn genesis_id(&self) -> Option<GenesisId> {
        self.evidence.as_ref().map(|evidence| evidence.genesis.id())
    }

    /// Whether a wallet proved that the transaction is committed.
    pub(crate) fn is_committed(&self, transaction: &Transaction) -> bool {
        self.genesis_id()
            .is_some_and(|id| self.world.proven.contains_key(&transaction.declaration.session(&id)))
    }

    /// How many of the block's transactions are committed, and how many of those that contest
    /// outputs.
    pub(crate) fn committed(&self) -> (usize, usize) {
        let count = |transactions: &mut dyn Iterator<Item = &Transaction>| {
            transactions.filter(|transaction| self.is_committed(transaction)).count()
        };
        (count(&mut self.transactions.iter()), count(&mut self.conflicts.iter().flatten()))
    }
}

/// Runs to the end, or to the limit of time.
pub(crate) fn run(
    args: &cli::Run,
    scenario: &Scenario,
    progress: &Progress,
) -> Result<Finished, RunError> {
    let mut rng = ChaCha20Rng::seed_from_u64(args.seed);
    let seeds: Vec<Seed> = (0..args.validators).map(|_| Seed::generate(&mut rng)).collect();
    let double = Conflicts::new(args.conflicts, args.shards);
    let genesis = genesis(args, scenario, &double, &seeds, &mut rng)?;
    progress.say("signing every spend");
    let (transactions, conflicts) = (scenario.sign(&genesis)?, double.sign(&genesis));

    let cast = Cast { args, genesis: &genesis, seeds: &seeds };
    progress.say("drawing randomness");
    let placement = cast.place(&mut rng)?;
    progress.seated(&placement.epoch);
    let committee = genesis.committee()?;
    let session = randhound::Session::new(committee.clone(), &genesis.terms());
    let session = session.map_err(GenesisError::from)?;
    let world = World::new(committee.roster().clone(), placement.epoch.clone(), session);
    let mut network = cast.network(world, &placement.byzantine, Some(&placement.epoch));
    network.label(label);
    let wallets = if conflicts.is_empty() { 1 } else { 3 };
    let wallets: Vec<Peer> = [WALLET].into_iter().chain(RIVALS).take(wallets).collect();
    for wallet in &wallets {
        network.add(*wallet, Config::Wallet(cast.wallet()));
    }
    let start = placement.seated.saturating_add(cast.delay(8));
    let turns: Vec<Peer> = cast.peers().into_iter().chain(wallets).collect();
    let (window, crashes) = crash_all(&cast, &mut network, turns.clone(), start, &mut rng);
    let host = Host { genesis: genesis.id(), start, window, crashes, delay: cast.delay(1) };
    host.pay_all(&mut network, WALLET, transactions.iter());
    let sides: [fn(&[Transaction; 2]) -> &Transaction; 2] = [|[one, _]| one, |[_, other]| other];
    for (rival, side) in RIVALS.into_iter().zip(sides) {
        host.pay_all(&mut network, rival, conflicts.iter().map(side));
    }

    let planned = u64::from(args.restarts).saturating_mul(u64::try_from(turns.len()).unwrap_or(0));
    let wanted = transactions.len().saturating_add(conflicts.len().saturating_mul(2));
    progress.start(wanted);
    let outcome = network.run_until(Time::at(LIMIT), |network| {
        let world = network.application();
        progress.show(world);
        let settled = world.proven.len().saturating_add(world.aborted.len());
        settled >= wanted && network.total().restarts >= planned
    })?;
    progress.finish();
    if outcome != Outcome::Done {
        let after = network.now().since_epoch();
        let why = format!("liveness: not all is settled after {after:?} of simulated time");
        network.application_mut().violations.push(why);
    }
    let simulated = network.now().since_epoch();
    // What the last answers were made of reaches every validator.
    let rest = network.now().after(cast.delay(64));
    network.run_until(rest, |_| false)?;
    check_shards(&mut network, &placement, args.shards);
    let evidence = collect(&cast, &network, transactions.iter().chain(conflicts.iter().flatten()));
    let (counters, digest) = (network.total(), network.digest());
    let measured = network.measured().iter().map(|(label, took)| (*label, *took)).collect();
    let empty = World::new(
        committee.roster().clone(),
        placement.epoch.clone(),
        randhound::Session::new(committee, &genesis.terms()).map_err(GenesisError::from)?,
    );
    let world = std::mem::replace(network.application_mut(), empty);
    Ok(Finished {
        world,
        placement,
        transactions,
        conflicts,
        evidence,
        simulated,
        counters,
        measured,
        digest,
    })
}

/// The ledger: the block's grants, and then those for conflicts.
fn genesis(
    args: &cli::Run,
    scenario: &Scenario,
    conflicts: &Conflicts,
    seeds: &[Seed],
    rng: &mut ChaCha20Rng,
) -> Result<Genesis, GenesisError> {
    let validators = seeds.iter().map(|seed| Registration::new(seed, rng)).collect();
    let grants = scenario.grants().iter().copied().chain(conflicts.grants()).collect();
    let genesis = Genesis::new("bitcoin block", args.shards, validators, grants)?;
    // What nobody chose: the block is older than these validators.
    Ok(Genesis { prior: scenario.id(), ..genesis })
}

/// Plans for every node to crash and restart, one after the other, in every place of a step.
/// Returns the time in which they all do, which is the time to keep them busy, and when each does.
fn crash_all(
    cast: &Cast<'_>,
    network: &mut Simulation<Node, World>,
    mut nodes: Vec<Peer>,
    start: Duration,
    rng: &mut ChaCha20Rng,
) -> (Duration, Vec<(Peer, Duration)>) {
    let boundaries =
        [Boundary::BeforeRecords, Boundary::BeforeRelease, Boundary::AfterRelease, Boundary::Idle];
    // Round after round in one order, so that nobody is to crash who is down; and each time in
    // another place.
    shuffle(&mut nodes, rng);
    let round = |at: u16| nodes.iter().zip(boundaries.into_iter().cycle().skip(at.into()));
    let turns: Vec<_> = (0..cast.args.restarts).flat_map(round).collect();
    let crashes = u32::try_from(turns.len()).unwrap_or(u32::MAX).saturating_add(1);
    // As many at a time as there are shards, on average.
    let pause = cast.delay(8).checked_div(cast.args.shards.into()).unwrap_or_default();
    let window = pause.saturating_mul(crashes).max(WINDOW);
    let turn = window.checked_div(crashes).unwrap_or(window);
    let (mut at, mut planned) = (start, Vec::new());
    for (node, boundary) in turns {
        at = at.saturating_add(turn);
        let down_for = Some(cast.delay(4));
        network.crash(*node, Crash { when: When::At(Time::at(at)), boundary, down_for });
        planned.push((*node, at));
    }
    (window, planned)
}

/// The program that wallets work for.
struct Host {
    genesis: GenesisId,
    start: Duration,
    window: Duration,
    /// When which node crashes.
    crashes: Vec<(Peer, Duration)>,
    /// How long a message takes.
    delay: Duration,
}

impl Host {
    /// Has a wallet pay these transactions, in order, at an even pace. A wallet that is down hears
    /// nothing, so what it may have missed is asked for again when it is back.
    fn pay_all<'a>(
        &self,
        network: &mut Simulation<Node, World>,
        wallet: Peer,
        payments: impl ExactSizeIterator<Item = &'a Transaction>,
    ) {
        let count = u32::try_from(payments.len()).unwrap_or(u32::MAX);
        let pace = self.window.checked_div(count).unwrap_or_default();
        let mut at = self.start;
        for transaction in payments {
            let session = transaction.declaration.session(&self.genesis);
            network.application_mut().paid.insert(session, Time::at(at));
            let pay = wallet::Command::Pay(Box::new(transaction.clone()));
            network.command(Time::at(at), wallet, pay.clone());
            for back in self.missed(wallet, at, pace) {
                network.command(Time::at(back), wallet, pay.clone());
            }
            at = at.saturating_add(pace);
        }
    }

    /// When to repeat what the wallet was asked at `at`, since it crashed about then.
    fn missed(&self, wallet: Peer, at: Duration, pace: Duration) -> impl Iterator<Item = Duration> {
        let down = self.delay.saturating_mul(8).saturating_add(pace);
        let crashes = self.crashes.iter().filter(move |(node, _)| *node == wallet);
        crashes.filter_map(move |(_, crash)| {
            let back = crash.saturating_add(down);
            let about = crash.saturating_sub(down)..=back;
            about.contains(&at).then_some(back)
        })
    }
}

/// Holds the randomness against what the placement was made for.
fn check_shards(network: &mut Simulation<Node, World>, placement: &Placement, shards: u16) {
    let Placement { byzantine, epoch, .. } = placement;
    let mut violations = Vec::new();
    if (0..shards).any(|shard| !within(byzantine, epoch, shard)) {
        violations.push("placement: a shard has more Byzantine validators than its f".into());
    }
    let drawn = network.application().randomness;
    if drawn.is_some_and(|drawn| drawn != epoch.randomness()) {
        violations.push("placement: the randomness is not the one that was rehearsed".into());
    }
    network.application_mut().violations.extend(violations);
}

/// What a stranger checks: how the shards came about, their blocks, and the wallet's receipts.
fn collect<'a>(
    cast: &Cast<'_>,
    network: &Simulation<Node, World>,
    transactions: impl Iterator<Item = &'a Transaction>,
) -> Option<Evidence> {
    let Node::Wallet(wallet) = network.machine(WALLET)? else { return None };
    let rivals = RIVALS.into_iter().filter_map(|rival| network.machine(rival));
    let rivals = rivals.filter_map(|machine| match machine {
        Node::Wallet(rival) => Some(rival),
        Node::Validator(_) => None,
    });
    let wallets: Vec<_> = [wallet].into_iter().chain(rivals).collect();
    let receipt = |session| wallets.iter().find_map(|wallet| wallet.receipt(&session));
    let genesis = cast.genesis;
    let shards = (0..cast.args.shards).map(|shard| shard_evidence(cast, network, shard));
    let sessions = transactions.map(|pay| pay.declaration.session(&genesis.id()));
    Some(Evidence {
        genesis: genesis.clone(),
        epoch: EpochProof::clone(wallet.epoch_proof()?),
        shards: shards.collect::<Option<_>>()?,
        receipts: sessions.filter_map(receipt).collect(),
    })
}

/// The shard's chain from the validator that has most of it.
fn shard_evidence(
    cast: &Cast<'_>,
    network: &Simulation<Node, World>,
    shard: u16,
) -> Option<ShardEvidence> {
    let machines = cast.peers().into_iter().filter_map(|peer| network.machine(peer));
    let timelines = machines.filter_map(|machine| match machine {
        Node::Validator(validator) if validator.shard() == Some(shard) => validator.timeline(),
        Node::Validator(_) | Node::Wallet(_) => None,
    });
    let longest = timelines.max_by_key(|timeline| timeline.tip().index)?;
    let tip = longest.tip().index;
    let blocks = &network.application().blocks;
    let bodies = (1..=tip).map(|index| blocks.get(&(shard, index)).map(|block| block.body.clone()));
    Some(ShardEvidence {
        chain: longest.plain(0, usize::MAX)?,
        head: longest.prove(0, tip)?,
        bodies: bodies.collect::<Option<_>>()?,
    })
}

/// By what name a message is counted.
#[expect(clippy::wildcard_enum_match_arm, reason = "kinds to come have no name yet")]
fn label(message: &Message) -> &'static str {
    use byzcoin::{Message as Said, votes::Message as Vote};
    use omniledger::message::Guest;
    match message {
        Message::Identity(_) => "identity_chain",
        Message::Beacon(_) => "beacon",
        Message::Sync(_) => "epoch_proof",
        Message::Shard { message, .. } => match &**message {
            Said::Propose(_) => "proposal",
            Said::Content(_) | Said::Chunk { .. } => "block_body",
            Said::Votes(Vote::Collective(_)) => "collective_vote",
            Said::Votes(Vote::Single(_)) => "single_vote",
            Said::Prepared(_) => "prepare_certificate",
            Said::Decided(_) => "commit_certificate",
            Said::ViewChange(_) => "view_change",
            Said::NewView(_) => "new_view",
            Said::Pull(_) => "pull",
        },
        Message::Guest(Guest::Submit { .. }) => "submission",
        Message::Guest(Guest::Ask { .. }) => "question",
        Message::Guest(Guest::Answer(_)) => "answer",
        _ => "other",
    }
}
