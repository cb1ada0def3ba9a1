//! Commits a Bitcoin block on a replicated ledger, and checks every claim that it makes.

mod adversary;
mod audit;
mod block;
mod cli;
mod export;
mod progress;
mod report;
mod run;
mod world;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use cosi::wire::Wire;
use omniledger::Peer;

use crate::{
    audit::{Audit, Broken, audit},
    block::{BlockError, Scenario},
    cli::Args,
    export::{Evidence, ExportError},
    progress::{Progress, Stopwatch},
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
    let scenario = scenario(args.block.as_deref())?;
    let finished = run::run(args, &scenario, &progress)?;
    progress.say("checking every proof as a stranger would");
    let audited = finished.evidence.as_ref().map_or_else(|| Err(no_wallet()), audit_run);
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
        println!("{}", report.json());
    } else {
        println!("{}", report.table());
    }
    if violations.is_empty() { Ok(()) } else { Err(Failure::Broken(violations)) }
}

fn scenario(block: Option<&Path>) -> Result<Scenario, Failure> {
    let (path, bytes) = match block {
        None => (PathBuf::from("the block that is built in"), block::mainnet_702861().to_vec()),
        Some(path) => {
            let bytes = fs::read(path);
            (path.into(), bytes.map_err(|error| Failure::Read { path: path.into(), error })?)
        }
    };
    Scenario::read(&bytes).map_err(|error| Failure::Block { path, error })
}

/// Checks what the wallet ended up with, from bytes, as somebody would who has only the genesis.
fn audit_run(evidence: &Evidence) -> Result<Audit, Broken> {
    audit(&evidence.genesis, &evidence.chain, evidence.receipts.iter().map(Wire::encode))
}

fn no_wallet() -> Broken {
    Broken::whole("wallet", "it is not there to show its proofs")
}

/// What does not hold, beyond what the audit says.
fn violations(finished: &Finished, found: &Audit) -> Vec<String> {
    let Finished { world, byzantine, transactions, .. } = finished;
    let mut violations = world.violations.clone();
    let proven = world.proven.len();
    if proven.saturating_add(world.aborted.len()) != transactions.len() {
        violations.push(format!("liveness: {proven} of {} are committed", transactions.len()));
    }
    if found.verified != proven {
        violations.push(format!("proofs: {} of {proven} are verified", found.verified));
    }
    let byzantine: BTreeSet<u16> = byzantine.iter().copied().collect();
    for (kind, blame) in &world.faults {
        let innocent = blame.culprits.iter().find(|culprit: &&Peer| {
            world.position(**culprit).is_none_or(|position| !byzantine.contains(&position))
        });
        if let Some(innocent) = innocent {
            let name = world.name(*innocent);
            violations.push(format!("blame: {name} is honest and blamed of {}", kind.name()));
        }
    }
    violations
}

fn verify(dir: &Path) -> Result<(), Failure> {
    let found = export::verify(dir).map_err(Failure::Refused)?;
    let name = String::from_utf8_lossy(&found.genesis.name).into_owned();
    println!(
        "{name:?} {}: {} transactions in {} blocks are proven from the genesis on, {} came in and \
         {} went out, no output is spent twice, and {} unspent outputs hold {}.",
        found.genesis.id(),
        found.audit.verified,
        found.blocks,
        found.audit.value_in,
        found.audit.value_out,
        found.audit.unspent,
        found.audit.value_unspent,
    );
    Ok(())
}
