//! Commits a Bitcoin block on a sharded ledger, and checks every claim that it makes.

mod adversary;
mod audit;
mod block;
mod cast;
mod cli;
mod conflicts;
mod export;
mod progress;
mod report;
mod run;
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use examples::{Stopwatch, report::say};
use omniledger::{Peer, Transaction};

use crate::{
    audit::{Audit, Broken, audit},
    block::{BlockError, Scenario},
    cli::Args,
    export::{Evidence, ExportError},
    progress::Progress,
    report::Report,
    run::{Finished, RunError},
};

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {error}; name a raw Bitcoin block", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}: {error}", path.display())]
    Block { path: PathBuf, error: BlockError },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{0}")]
    Export(ExportError),
    #[error("{0}")]
    Refused(ExportError),
    #[error("{}", .0.join("; "))]
    Broken(Vec<String>),
}

impl Failure {
    /// 1: something does not hold. 2: the program cannot do what it was asked.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(RunError::Bug(_)) | Self::Broken(_) => 1,
            Self::Refused(ExportError::Refused { .. }) => 1,
            Self::Read { .. } | Self::Block { .. } | Self::Run(_) => 2,
            Self::Export(_) | Self::Refused(_) => 2,
        }
    }
}

fn main() -> ExitCode {
    let done = match Args::parse(std::env::args_os()) {
        Ok(Args::Run(args)) => run_ledger(&args),
        Ok(Args::Verify(dir)) => verify(&dir),
        Err(error) => error.exit(),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    eprintln!("omniledger: {failure}");
    ExitCode::from(failure.exit_code())
}

fn run_ledger(args: &cli::Run) -> Result<(), Failure> {
    args.export.as_deref().map_or(Ok(()), export::prepare).map_err(Failure::Export)?;
    let (stopwatch, progress) = (Stopwatch::start(), Progress::new());
    let scenario = scenario(args.block.as_deref(), args.shards)?;
    let finished = run::run(args, &scenario, &progress)?;
    progress.say("checking every proof as a stranger would");
    let audited = finished.evidence.as_ref().map_or_else(|| Err(no_evidence()), audit_run);
    let (found, broken) = match audited {
        Ok(found) => (found, None),
        Err(broken) => (Audit::default(), Some(broken.to_string())),
    };
    if let (Some(dir), Some(evidence)) = (&args.export, &finished.evidence) {
        export::write(dir, evidence).map_err(Failure::Export)?;
    }
    let violations: Vec<_> = violations(&finished, &found).into_iter().chain(broken).collect();
    let statistics = scenario.statistics();
    let took = stopwatch.elapsed();
    let report = Report::new(args, statistics, &finished, &found, violations.clone(), took);
    if args.json {
        say(&format!("{}\n", report.json()));
    } else {
        say(&format!("{}\n", report.table()));
    }
    if violations.is_empty() { Ok(()) } else { Err(Failure::Broken(violations)) }
}

fn scenario(block: Option<&Path>, shards: u16) -> Result<Scenario, Failure> {
    let (path, bytes) = match block {
        None => (PathBuf::from("the block that is built in"), block::mainnet_702861().to_vec()),
        Some(path) => {
            let bytes = fs::read(path);
            (path.into(), bytes.map_err(|error| Failure::Read { path: path.into(), error })?)
        }
    };
    Scenario::read(&bytes, shards).map_err(|error| Failure::Block { path, error })
}

/// Checks what the run ended up with, from bytes, as somebody would who has only the genesis.
fn audit_run(evidence: &Evidence) -> Result<Audit, Broken> {
    audit(&evidence.files(), None)
}

fn no_evidence() -> Broken {
    Broken::whole("evidence", "the wallet or a shard is not there to show its proofs")
}

/// What does not hold, beyond what the audit says.
fn violations(finished: &Finished, found: &Audit) -> Vec<String> {
    let Finished { world, placement, transactions, conflicts, .. } = finished;
    let mut violations = world.violations.clone();
    let (proven, contested) = finished.committed();
    if proven != transactions.len() {
        violations.push(format!("liveness: {proven} of {} are committed", transactions.len()));
    }
    if found.value_in != found.value_out {
        violations.push(format!("value: {} came in, {} went out", found.value_in, found.value_out));
    }
    if found.locks_left > 0 {
        violations.push(format!("locks: {} sessions left theirs behind", found.locks_left));
    }
    let all = proven.saturating_add(contested);
    if found.verified != all {
        violations.push(format!("proofs: {} of {all} are verified", found.verified));
    }
    let spent_twice = |pair: &[Transaction; 2]| pair.iter().all(|side| finished.is_committed(side));
    if conflicts.iter().any(spent_twice) {
        violations.push("double spend: both sides of a conflict are committed".into());
    }
    violations.extend(unchecked(finished));
    for (kind, blame) in &world.faults {
        let innocent = blame.culprits.iter().find(|culprit: &&Peer| {
            let position = world.position(**culprit);
            position.is_none_or(|position| !placement.byzantine.contains(&position))
        });
        if let Some(innocent) = innocent {
            let name = world.name(*innocent);
            violations.push(format!("blame: {name} is honest and blamed of {}", kind.name()));
        }
    }
    violations
}

/// The honest validators that did not check every signature of every transaction which takes from
/// their shard or gives to it.
fn unchecked(finished: &Finished) -> Vec<String> {
    let Finished { world, placement, transactions, .. } = finished;
    let mut unchecked = Vec::new();
    for (shard, info) in (0..).zip(placement.epoch.shards()) {
        let touches = |transaction: &&Transaction| {
            let declaration = &transaction.declaration;
            let outputs = declaration.outputs.iter().any(|output| output.shard == shard);
            outputs || declaration.inputs_of(shard).next().is_some()
        };
        let signatures = transactions.iter().filter(touches).map(|pay| pay.signatures.len());
        let needed: usize = signatures.sum();
        for member in info.roster().members() {
            let peer = Peer::Validator(member.peer);
            let byzantine =
                world.position(peer).is_some_and(|at| placement.byzantine.contains(&at));
            let checked = world.signatures.get(&peer).copied().unwrap_or_default();
            if !byzantine && checked < needed {
                let name = world.name(peer);
                unchecked.push(format!("signatures: {name} checked {checked} of {needed}"));
            }
        }
    }
    unchecked
}

fn verify(dir: &Path) -> Result<(), Failure> {
    let found = export::verify(dir).map_err(Failure::Refused)?;
    let name = String::from_utf8_lossy(&found.genesis.name).into_owned();
    let Audit { verified, value_in, value_out, unspent, value_unspent, .. } = found.audit;
    let blocks: u64 = found.audit.shards.iter().map(|shard| shard.blocks).sum();
    println!(
        "{name:?} {}: the randomness and the assignment of {} validators to {} shards follow from \
         the genesis; {blocks} blocks with every proof in them hold; {} sessions are committed, {} \
         of them across shards, {} aborted, {} locks are given back and {} left; {verified} \
         receipts hold; {value_in} came in and {value_out} went out, no output is spent twice, and \
         {unspent} unspent outputs hold {value_unspent}.",
        found.genesis.id(),
        found.genesis.validators.len(),
        found.genesis.shards,
        found.audit.committed,
        found.audit.cross_shard,
        found.audit.aborted,
        found.audit.given_back,
        found.audit.locks_left,
    );
    Ok(())
}
