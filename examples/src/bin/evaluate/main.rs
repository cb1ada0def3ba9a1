//! Holds the protocol crates to their targets: does the work, checks the results, and measures.
//!
//! A section a crate. To add one, write its module and put its `SECTION` into [`SECTIONS`].

mod cli;
mod cosi;
mod exhibit;
mod platform;
mod plot;
mod pvss;
mod randhound;
mod samples;
mod section;
mod table;

use std::{io, path::PathBuf, process::ExitCode};

use examples::report::say;

use crate::{
    cli::{Args, Evaluate},
    section::{Findings, Section, Unsound},
};

/// What there is to evaluate.
const SECTIONS: &[Section] = &[cosi::SECTION, pvss::SECTION, randhound::SECTION];

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Unsound(#[from] Unsound),
    #[error("not met: {}", .0.join("; "))]
    Missed(Vec<&'static str>),
    #[error("no row of {section:?} has {only:?} in its name; run it without --only to see them")]
    Nothing { section: &'static str, only: String },
    #[error("cannot write into {folder:?}: {error}; name a folder that can be written with --out")]
    Out { folder: PathBuf, error: io::Error },
}

impl Failure {
    /// 1: something does not hold. 2: the program cannot do what it was asked.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Unsound(_) | Self::Missed(_) => 1,
            Self::Nothing { .. } | Self::Out { .. } => 2,
        }
    }
}

fn main() -> ExitCode {
    let done = match Args::parse(std::env::args_os()) {
        Ok(Args::List) => {
            say(&table::list(SECTIONS));
            Ok(())
        }
        Ok(Args::Evaluate(evaluate)) => run(&evaluate),
        Err(error) => error.exit(),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    eprintln!("evaluate: {failure}");
    ExitCode::from(failure.exit_code())
}

fn run(evaluate: &Evaluate) -> Result<(), Failure> {
    let Evaluate { section, ask, csv, check, out } = evaluate;
    let mut findings = Findings::new(ask);
    (section.run)(&mut findings)?;
    if findings.rows.is_empty() {
        let only = ask.only.clone().unwrap_or_default();
        return Err(Failure::Nothing { section: section.name, only });
    }
    if *csv {
        say(&table::csv(&findings.rows));
    } else {
        say(&table::table(section, &findings));
    }
    if let Some(folder) = out {
        for exhibit in &findings.exhibits {
            let written = exhibit.save(folder);
            let written =
                written.map_err(|error| Failure::Out { folder: folder.clone(), error })?;
            written.iter().for_each(|path| eprintln!("wrote {path}"));
        }
    }
    let missed = findings.rows.iter().filter(|row| !row.is_met());
    let missed: Vec<_> = missed.map(|row| row.target.metric).collect();
    if *check && !missed.is_empty() { Err(Failure::Missed(missed)) } else { Ok(()) }
}
