//! The results, for people and for programs.

use std::{collections::BTreeMap, time::Duration};

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use crate::{
    audit::Audit,
    block::Statistics,
    cli::{self, Adversary},
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
    pub(crate) adversary: &'static str,
    /// The positions of the Byzantine validators.
    pub(crate) byzantine: Vec<u16>,
    pub(crate) latency_ms: u128,
    pub(crate) transactions: usize,
    pub(crate) committed: usize,
    pub(crate) aborted: usize,
    /// How many for which reason.
    pub(crate) aborted_reasons: BTreeMap<&'static str, usize>,
    pub(crate) verified_by_light_client: usize,
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

/// Encoded sizes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ProofBytes {
    /// The chain from the genesis to the head.
    pub(crate) chain: usize,
    /// Transactions' receipts.
    pub(crate) receipt_median: usize,
    pub(crate) receipt_largest: usize,
}

/// What the virtual clock says.
#[derive(Debug, Serialize)]
pub(crate) struct Simulated {
    pub(crate) seconds: f64,
    /// From the payment to the wallet's proof.
    pub(crate) latency_median_ms: f64,
    pub(crate) latency_p99_ms: f64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
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
        let chain = finished.evidence.as_ref().map_or(0, |found| found.chain.encoded_len());
        let receipts = sorted(audit.receipts.iter().copied());
        let measured = finished.measured.iter().map(|(label, took)| {
            (*label, Cpu { inputs: took.inputs, milliseconds: milliseconds(took.cpu) })
        });
        Self {
            ok: violations.is_empty(),
            violations,
            seed: args.seed,
            validators: args.validators,
            adversary: adversary(args.adversary),
            byzantine: finished.byzantine.clone(),
            latency_ms: args.latency.as_millis(),
            transactions: finished.transactions.len(),
            committed: world.proven.len(),
            aborted: world.aborted.len(),
            aborted_reasons,
            verified_by_light_client: audit.verified,
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
                chain,
                receipt_median: quantile(&receipts, 50),
                receipt_largest: quantile(&receipts, 100),
            },
            simulated: simulated(finished),
            trace: finished.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
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
        row(
            "transactions",
            format!("{} ({} inputs, {} outputs)", self.transactions, self.inputs, self.outputs),
        );
        row("committed", self.committed.to_string());
        row("aborted", reasons(self.aborted, &self.aborted_reasons));
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
        let ProofBytes { chain, receipt_median, receipt_largest } = self.proof_bytes;
        row("chain from the genesis", format!("{chain} bytes"));
        row(
            "receipts",
            format!("{receipt_median} bytes in the median, {receipt_largest} the largest"),
        );
        let Simulated { seconds, latency_median_ms, latency_p99_ms, messages, bytes } =
            self.simulated;
        row(
            "simulated time",
            format!(
                "{seconds:.2} s, links of {} ms, {messages} messages, {bytes} bytes",
                self.latency_ms
            ),
        );
        row(
            "simulated latency to proof",
            format!("{latency_median_ms:.0} ms in the median, {latency_p99_ms:.0} ms p99"),
        );
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

fn simulated(finished: &Finished) -> Simulated {
    let world = &finished.world;
    let waits = world.proven.iter().filter_map(|(session, proven)| {
        let paid = world.paid.get(session)?;
        Some(proven.since_epoch().saturating_sub(paid.since_epoch()))
    });
    let waits = sorted(waits);
    Simulated {
        seconds: finished.simulated.as_secs_f64(),
        latency_median_ms: milliseconds(quantile(&waits, 50)),
        latency_p99_ms: milliseconds(quantile(&waits, 99)),
        messages: finished.counters.sent.messages,
        bytes: finished.counters.sent.bytes,
    }
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
