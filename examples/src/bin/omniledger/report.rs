//! The results, for people and for programs.

use std::{collections::BTreeMap, time::Duration};

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use omniledger::{Session, Transaction, byzcoin, sizing};

use crate::{
    audit::Audit,
    block::Statistics,
    cli::{self, Adversary, sizes},
    run::Finished,
    world::World,
};

/// All that a run came to. The same seed gives the same report, but for `measured`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    /// What does not hold.
    pub(crate) violations: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) validators: u16,
    pub(crate) shards: u16,
    pub(crate) per_shard: Vec<Shard>,
    /// How probable it is that some shard has more Byzantine members than it withstands, when
    /// validators are Byzantine as many as may be, and dealt at random.
    pub(crate) bad_shard_probability: f64,
    /// What dealt the validators into shards.
    pub(crate) randomness: String,
    pub(crate) beacon: Beacon,
    /// What proves that: the epoch's proof.
    pub(crate) transcript_bytes: usize,
    pub(crate) adversary: &'static str,
    /// The positions of the Byzantine validators.
    pub(crate) byzantine: Vec<u16>,
    pub(crate) latency_ms: u128,
    /// Of the block.
    pub(crate) transactions: usize,
    /// Of these.
    pub(crate) committed: usize,
    /// Of these, committed by several shards.
    pub(crate) cross_shard: usize,
    /// Of these, and of those that contest outputs.
    pub(crate) aborted: usize,
    /// How many for which reason.
    pub(crate) aborted_reasons: BTreeMap<&'static str, usize>,
    pub(crate) verified_by_light_client: usize,
    pub(crate) conflicts: Conflicts,
    /// Sessions that hold inputs locked and are neither committed nor aborted.
    pub(crate) locks_left: usize,
    pub(crate) value_in: u128,
    pub(crate) value_out: u128,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) signatures_checked: usize,
    pub(crate) blocks: usize,
    pub(crate) view_changes: usize,
    pub(crate) certificates: Certificates,
    pub(crate) faults: BTreeMap<&'static str, Blame>,
    pub(crate) restarts: u64,
    pub(crate) proof_bytes: ProofBytes,
    pub(crate) simulated: Simulated,
    /// Names the run: a hash over every event, message and record.
    pub(crate) trace: String,
    pub(crate) measured: Measured,
}

/// A shard.
#[derive(Debug, Serialize)]
pub(crate) struct Shard {
    /// Its validators' positions.
    pub(crate) validators: Vec<u16>,
    pub(crate) blocks: u64,
    /// What it said on transactions.
    pub(crate) entries: usize,
    /// Its whole chain, in bytes; and what proves its last block by the fewest links.
    pub(crate) chain_bytes: usize,
    pub(crate) head_bytes: usize,
    pub(crate) head_links: usize,
}

/// How the randomness came about.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Beacon {
    /// Whose turn it was to choose the deals, by position, and in which view.
    pub(crate) client: u16,
    pub(crate) view: u32,
    /// Whose deals it is made of.
    pub(crate) dealers: Vec<u16>,
    /// When all honest validators knew it, in simulated time.
    pub(crate) seconds: f64,
}

/// Double spends beside the block.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Conflicts {
    pub(crate) injected: usize,
    /// Of which one side is committed, or none.
    pub(crate) one_committed: usize,
    pub(crate) none_committed: usize,
    /// How many locks were taken off again.
    pub(crate) given_back: usize,
}

/// How blocks were decided.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Certificates {
    pub(crate) collective: usize,
    pub(crate) individual: usize,
}

/// Reports of one kind of misbehaviour by honest nodes.
#[derive(Debug, Serialize)]
pub(crate) struct Blame {
    pub(crate) reports: usize,
    /// Whom they name, by position.
    pub(crate) culprits: Vec<u16>,
    /// Against whom there is evidence that convinces everyone.
    pub(crate) convicted: Vec<u16>,
}

/// Encoded sizes of transactions' receipts.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ProofBytes {
    pub(crate) receipt_median: usize,
    pub(crate) receipt_largest: usize,
}

/// What the virtual clock says.
#[derive(Debug, Serialize)]
pub(crate) struct Simulated {
    pub(crate) seconds: f64,
    /// From the payment, or from when what it spends was proven, to the wallet's proof.
    pub(crate) latency_median_ms: f64,
    pub(crate) latency_p99_ms: f64,
    /// The same, of transactions within a shard.
    pub(crate) regular: Latency,
    /// And of those across shards.
    pub(crate) cross_shard: Latency,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// How long payments took.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) transactions: usize,
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
}

/// What real clocks say. Differs from run to run.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// By kind of input.
    pub(crate) cpu: BTreeMap<&'static str, Cpu>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Cpu {
    pub(crate) inputs: u64,
    pub(crate) milliseconds: f64,
}

impl Report {
    pub(crate) fn new(
        args: &cli::Run,
        statistics: &Statistics,
        finished: &Finished,
        audit: &Audit,
        violations: Vec<String>,
        took: Duration,
    ) -> Self {
        let world = &finished.world;
        let collective = world.blocks.values().filter(|block| block.collective).count();
        let individual = world.blocks.len().saturating_sub(collective);
        let mut aborted_reasons = BTreeMap::<_, usize>::new();
        for reason in world.aborted.values() {
            let count = aborted_reasons.entry(*reason).or_default();
            *count = count.saturating_add(1);
        }
        let (committed, contested) = finished.committed();
        let receipts = sorted(audit.receipts.iter().copied());
        let measured = finished.measured.iter().map(|(label, took)| {
            (*label, Cpu { inputs: took.inputs, milliseconds: milliseconds(took.cpu) })
        });
        Self {
            ok: violations.is_empty(),
            violations,
            seed: args.seed,
            validators: args.validators,
            shards: args.shards,
            per_shard: per_shard(finished, audit),
            bad_shard_probability: bad_shard(args),
            randomness: hex(&finished.placement.epoch.randomness().0),
            beacon: beacon(finished),
            transcript_bytes: audit.transcript_bytes,
            adversary: adversary(args.adversary),
            byzantine: finished.placement.byzantine.iter().copied().collect(),
            latency_ms: args.latency.as_millis(),
            transactions: finished.transactions.len(),
            committed,
            cross_shard: cross_shard(finished),
            aborted: world.aborted.len(),
            aborted_reasons,
            // Every receipt holds, or none counts. Those of contested outputs are not the block's.
            verified_by_light_client: audit.verified.saturating_sub(contested),
            conflicts: conflicts(finished, audit),
            locks_left: audit.locks_left,
            value_in: audit.value_in,
            value_out: audit.value_out,
            inputs: statistics.inputs,
            outputs: statistics.outputs,
            signatures_checked: world.signatures.values().sum(),
            blocks: world.blocks.len(),
            view_changes: world.views.len(),
            certificates: Certificates { collective, individual },
            faults: faults(world),
            restarts: finished.counters.restarts,
            proof_bytes: ProofBytes {
                receipt_median: quantile(&receipts, 50),
                receipt_largest: quantile(&receipts, 100),
            },
            simulated: simulated(finished),
            trace: hex(&finished.digest),
            measured: Measured { seconds: took.as_secs_f64(), cpu: measured.collect() },
        }
    }

    /// The report as one JSON object on one line.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The report as a table.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        row(
            "validators",
            match &self.byzantine[..] {
                [] => format!("{}, all honest", self.validators),
                some => format!(
                    "{}, of which {some:?} are Byzantine: {}",
                    self.validators, self.adversary
                ),
            },
        );
        let Beacon { client, view, dealers, seconds } = &self.beacon;
        row(
            "randomness",
            format!(
                "{}\nfrom {} deals, chosen by validator {client} in view {view}, known \
                     to all after {seconds:.2} s, proven by {} bytes",
                self.randomness,
                dealers.len(),
                self.transcript_bytes
            ),
        );
        for (number, shard) in self.per_shard.iter().enumerate() {
            let Shard { validators, blocks, entries, chain_bytes, head_bytes, head_links } = shard;
            row(
                &format!("shard {number}"),
                format!(
                    "{blocks} blocks with {entries} entries by {validators:?}\nchain of \
                     {chain_bytes} bytes, its head proven by {head_links} links, {head_bytes} bytes"
                ),
            );
        }
        row(
            "demonstration sizes",
            format!(
                "dealt at random, a shard of this run is beyond its f with probability {:.2}; see \
                 omniledger::sizing for sizes that are safe",
                self.bad_shard_probability
            ),
        );
        row(
            "transactions",
            format!("{} ({} inputs, {} outputs)", self.transactions, self.inputs, self.outputs),
        );
        row("committed", format!("{}, {} across shards", self.committed, self.cross_shard));
        row("aborted", reasons(self.aborted, &self.aborted_reasons));
        let Conflicts { injected, one_committed, none_committed, given_back } = self.conflicts;
        row(
            "double spends",
            format!(
                "{injected}: of {one_committed} one side is committed, of {none_committed} none; \
                 {given_back} locks given back, {} left",
                self.locks_left
            ),
        );
        row("verified by the light client", self.verified_by_light_client.to_string());
        row("value in, value out", format!("{}, {}", self.value_in, self.value_out));
        row("signatures checked", format!("{} by honest validators", self.signatures_checked));
        row("blocks", self.blocks.to_string());
        let Certificates { collective, individual } = self.certificates;
        row("commit certificates", format!("{collective} collective, {individual} individual"));
        row("views changed", self.view_changes.to_string());
        row("crashes and restarts", self.restarts.to_string());
        for (kind, blame) in &self.faults {
            let Blame { reports, culprits, convicted } = blame;
            row(
                &format!("fault: {kind}"),
                format!("{reports} reports name {culprits:?}; evidence convicts {convicted:?}"),
            );
        }
        let ProofBytes { receipt_median, receipt_largest } = self.proof_bytes;
        row(
            "receipts",
            format!("{receipt_median} bytes in the median, {receipt_largest} the largest"),
        );
        let Simulated { seconds, messages, bytes, regular, cross_shard, .. } = &self.simulated;
        row(
            "simulated time",
            format!(
                "{seconds:.2} s, links of {} ms, {messages} messages, {bytes} bytes",
                self.latency_ms
            ),
        );
        for (name, latency) in [("within a shard", regular), ("across shards", cross_shard)] {
            let Latency { transactions, median_ms, p99_ms } = latency;
            row(
                &format!("simulated latency {name}"),
                format!("{median_ms:.0} ms in the median, {p99_ms:.0} ms p99, of {transactions}"),
            );
        }
        row("measured: real time", format!("{:.2} s", self.measured.seconds));
        for (kind, Cpu { inputs, milliseconds }) in &self.measured.cpu {
            row(
                &format!("measured: CPU, {}", kind.replace('_', " ")),
                format!("{milliseconds:.0} ms for {inputs} inputs"),
            );
        }
        table.trim_fmt()
    }
}

fn adversary(adversary: Adversary) -> &'static str {
    match adversary {
        Adversary::None => "none",
        Adversary::Silent => "silent",
        Adversary::Garbage => "garbage",
        Adversary::Equivocate => "equivocate",
    }
}

fn reasons(count: usize, reasons: &BTreeMap<&'static str, usize>) -> String {
    let reasons: Vec<_> =
        reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if reasons.is_empty() { count.to_string() } else { format!("{count}: {}", reasons.join(", ")) }
}

fn faults(world: &World) -> BTreeMap<&'static str, Blame> {
    let positions = |peers: &std::collections::BTreeSet<_>| {
        sorted(peers.iter().filter_map(|peer| world.position(*peer)))
    };
    let blame = |blame: &crate::world::Blame| Blame {
        reports: blame.reports,
        culprits: positions(&blame.culprits),
        convicted: positions(&blame.convicted),
    };
    world.faults.iter().map(|(kind, found)| (kind.name(), blame(found))).collect()
}

fn per_shard(finished: &Finished, audit: &Audit) -> Vec<Shard> {
    let shard = |(number, found): (u16, &crate::audit::ShardAudit)| {
        let members = finished.placement.epoch.members(number);
        Shard {
            validators: members.iter().map(|member| member.get()).collect(),
            blocks: found.blocks,
            entries: found.entries,
            chain_bytes: found.chain_bytes,
            head_bytes: found.head_bytes,
            head_links: found.head_links,
        }
    };
    (0..).zip(&audit.shards).map(shard).collect()
}

/// The least probability that the sizing formula gives with as many Byzantine validators as the
/// run's shards withstand together.
fn bad_shard(args: &cli::Run) -> f64 {
    let sizes: Vec<u16> = sizes(args.validators, args.shards).collect();
    let most = sizes.iter().map(|size| cli::most_byzantine(*size)).sum();
    sizing::any_shard(most, &sizes)
}

fn beacon(finished: &Finished) -> Beacon {
    let Some(evidence) = &finished.evidence else { return Beacon::default() };
    let transcript = &evidence.epoch.transcript;
    let view = transcript.certificate.decision.view;
    let proposed = transcript.certificate.decision.proposal.header.first_view;
    Beacon {
        client: byzcoin::rules::leader(evidence.genesis.validators.len(), 0, proposed),
        view: view.get(),
        dealers: transcript.statement.dealers.iter().collect(),
        seconds: finished.placement.seated.as_secs_f64(),
    }
}

fn conflicts(finished: &Finished, audit: &Audit) -> Conflicts {
    let count = |wanted: usize| {
        let sides = |pair: &&[Transaction; 2]| {
            pair.iter().filter(|side| finished.is_committed(side)).count()
        };
        finished.conflicts.iter().filter(|pair| sides(pair) == wanted).count()
    };
    Conflicts {
        injected: finished.conflicts.len(),
        one_committed: count(1),
        none_committed: count(0),
        given_back: audit.given_back,
    }
}

/// How many of the block's committed transactions are across shards.
fn cross_shard(finished: &Finished) -> usize {
    let committed = finished.transactions.iter().filter(|pay| finished.is_committed(pay));
    committed.filter(|pay| is_cross_shard(pay)).count()
}

/// Whether a transaction takes from one shard and gives to another, or takes from several.
pub(crate) fn is_cross_shard(transaction: &Transaction) -> bool {
    let declaration = &transaction.declaration;
    declaration.input_shards().union(&declaration.output_shards()).count() > 1
}

fn simulated(finished: &Finished) -> Simulated {
    let waits = waits(finished);
    let of = |cross: Option<bool>| {
        let kind =
            waits.iter().filter(|(is_cross, _)| cross.is_none_or(|cross| *is_cross == cross));
        let waits = sorted(kind.map(|(_, wait)| *wait));
        Latency {
            transactions: waits.len(),
            median_ms: milliseconds(quantile(&waits, 50)),
            p99_ms: milliseconds(quantile(&waits, 99)),
        }
    };
    let all = of(None);
    Simulated {
        seconds: finished.simulated.as_secs_f64(),
        latency_median_ms: all.median_ms,
        latency_p99_ms: all.p99_ms,
        regular: of(Some(false)),
        cross_shard: of(Some(true)),
        messages: finished.counters.sent.messages,
        bytes: finished.counters.sent.bytes,
    }
}

/// How long each of the block's transactions took, and whether it is across shards. The wallet
/// holds a payment back until what it spends is proven.
fn waits(finished: &Finished) -> Vec<(bool, Duration)> {
    let Some(id) = finished.genesis_id() else { return Vec::new() };
    let world = &finished.world;
    let mut created = BTreeMap::<[u8; 32], Session>::new();
    let mut waits = Vec::new();
    for transaction in &finished.transactions {
        let declaration = &transaction.declaration;
        let session = declaration.session(&id);
        let sources = declaration
            .inputs
            .iter()
            .filter_map(|input| world.proven.get(created.get(&input.outpoint.id)?).copied());
        let start = sources.chain(world.paid.get(&session).copied()).max();
        if let (Some(start), Some(proven)) = (start, world.proven.get(&session)) {
            let wait = proven.since_epoch().saturating_sub(start.since_epoch());
            waits.push((is_cross_shard(transaction), wait));
        }
        created.extend(declaration.created(session).map(|output| (output.outpoint.id, session)));
    }
    waits
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values
}

/// The least value that `percent` of the sorted values do not exceed.
fn quantile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}
