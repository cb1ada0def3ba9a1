//! What the program is asked for.

use std::{ffi::OsString, path::PathBuf};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{
    SECTIONS,
    section::{Ask, Section},
};

const ABOUT: &str = "\
Holds the protocol crates to their targets: does the work in this very call, checks that the \
results are right, and prints beside each number what a reference takes and what is to be reached.";

const MORE: &str = "\
Examples:
  evaluate list                             the sections, with a line each
  evaluate cosi                             all rows of one, as a table for people
  evaluate cosi --csv >cosi.csv             the same for a program
  evaluate cosi --only verify --check       some rows; fails unless their targets are met
  evaluate randhound --out plots            all rows, and what it takes as servers grow, plotted

A row is measured, on a clock of processor time, or simulated, on the virtual clock of a network
whose processors are measured. References are quoted: other people's programs on another machine.
Peers are measured beside the work. Build with --release, on a machine that has little else to do.

CSV:
  metric,kind,reference,here,target,unit,met
  One line a row that has a target; less is better. Where there is no reference it is empty. Peers
  have no target: they are in the table alone. So are series, such as the cost of growing numbers
  of servers, and comparisons; --out writes them as CSV of their own, and the series as SVG too.

Exit codes:
  0  the rows are there, and all results are right
  1  a result is wrong; with --check also: a target is not met; the error says which
  2  the program cannot do what it was asked; the error says what to change";

/// What to do.
#[derive(Clone, Debug)]
pub(crate) enum Args {
    /// Name the sections.
    List,
    /// Evaluate one.
    Evaluate(Evaluate),
}

/// What to evaluate, and how to say it.
#[derive(Clone, Debug)]
pub(crate) struct Evaluate {
    /// What.
    pub(crate) section: &'static Section,
    /// Of that, what, and how thoroughly.
    pub(crate) ask: Ask,
    /// Whether to print CSV.
    pub(crate) csv: bool,
    /// Whether a missed target is a failure.
    pub(crate) check: bool,
    /// Where the exhibits are to be written.
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Parser)]
#[command(name = "evaluate", version, about = ABOUT, after_help = MORE, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// The section to evaluate: see `evaluate list`
    #[arg(required = true)]
    section: Option<String>,

    /// Prints CSV, and nothing else, on standard output
    #[arg(long)]
    csv: bool,

    /// Only the rows whose metric contains this
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,

    /// Takes a tenth of the samples. The work is the same, the numbers are noisier
    #[arg(long)]
    quick: bool,

    /// Ends with exit code 1 when a row misses its target
    #[arg(long)]
    check: bool,

    /// Writes the section's series and comparisons into this folder, as CSV and SVG
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Names the sections, with a line each
    List,
}

impl Args {
    /// Reads the command line, the program's name first. The error knows its exit code: 2 for
    /// bad usage, 0 where help was asked for.
    pub(crate) fn parse(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let cli = Cli::try_parse_from(line)?;
        if let Some(Verb::List) = cli.verb {
            return Ok(Self::List);
        }
        let name = cli.section.unwrap_or_default();
        let Some(section) = SECTIONS.iter().find(|section| section.name == name) else {
            let names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
            let message = format!("there is no section {name:?}, but: {}", names.join(", "));
            return Err(Cli::command().error(ErrorKind::InvalidValue, message));
        };
        let peers = !cli.csv && cli.only.is_none();
        let exhibits = peers || cli.out.is_some();
        let ask = Ask { only: cli.only, quick: cli.quick, peers, exhibits };
        let Cli { csv, check, out, .. } = cli;
        Ok(Self::Evaluate(Evaluate { section, ask, csv, check, out }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_code(line: &[&str]) -> i32 {
        Args::parse(line).err().map_or(-1, |error| error.exit_code())
    }

    #[test]
    fn a_line_is_read_or_refused() {
        let Ok(Args::Evaluate(read)) = Args::parse(["evaluate", "cosi", "--csv", "--only", "x y"])
        else {
            unreachable!("the line is sound")
        };
        assert_eq!((read.section.name, read.csv, read.check), ("cosi", true, false));
        assert_eq!(
            (read.ask.only.as_deref(), read.ask.quick, read.ask.peers),
            (Some("x y"), false, false)
        );
        assert!(matches!(Args::parse(["evaluate", "list"]), Ok(Args::List)));
        assert_eq!(exit_code(&["evaluate", "--help"]), 0);
        for line in [&["evaluate"][..], &["evaluate", "nothing"], &["evaluate", "cosi", "--no"]] {
            assert_eq!(exit_code(line), 2, "{line:?}");
        }
    }
}
