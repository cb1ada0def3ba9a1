//! What the program is asked for.

use std::{ffi::OsString, num::NonZeroU16, path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind, value_parser};
use cosi::roster::faulty;

const ABOUT: &str = "\
Commits the transactions of a Bitcoin block on a sharded ledger, all validators in this one \
process on a simulated network: they draw public randomness, which deals them into shards, the \
shards commit, most transactions across several, and a light client that trusts only the \
genesis checks every one of them.";

const MORE: &str = "\
Examples:
  omniledger                                the 2,500 transactions of mainnet block 702861
  omniledger --adversary equivocate         the same, with 2 of 7 validators lying in each shard
  omniledger --validators 64 --shards 8     more of both
  omniledger --conflicts 100                100 double spends beside it; of each, one side at most succeeds
  omniledger --block FILE --export DIR      your own block, and proofs to keep
  omniledger verify DIR                     checks those proofs, with nothing else in hand
  omniledger --seed 7 --json | tail -n 1    one JSON object for a program to read

Exit codes:
  0  all holds
  1  an invariant broke, or a proof does not hold; the output says which
  2  the program cannot do what it was asked; the error says what to change";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Args {
    /// Run a ledger.
    Run(Run),
    /// Check what a run exported to this directory.
    Verify(PathBuf),
}

/// How to run a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many validators there are.
    pub(crate) validators: u16,
    /// How many shards they are dealt into.
    pub(crate) shards: u16,
    /// How many of them are Byzantine. None without an adversary.
    pub(crate) byzantine: u16,
    /// What the Byzantine ones do.
    pub(crate) adversary: Adversary,
    /// Decides all randomness.
    pub(crate) seed: u64,
    /// How long a message takes one way.
    pub(crate) latency: Duration,
    /// How often each node crashes and restarts.
    pub(crate) restarts: u16,
    /// How many outputs two wallets race to spend.
    pub(crate) conflicts: u16,
    /// The block to commit, if not the one built in.
    pub(crate) block: Option<PathBuf>,
    /// Whether to print JSON.
    pub(crate) json: bool,
    /// Where to write proofs.
    pub(crate) export: Option<PathBuf>,
}

/// What Byzantine validators do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adversary {
    /// All validators are honest
    None,
    /// Byzantine validators say nothing
    Silent,
    /// Byzantine validators send signatures that do not hold, and bytes that mean nothing
    Garbage,
    /// Byzantine validators tell one half of the others this, and the other half that
    Equivocate,
}

#[derive(Debug, Parser)]
#[command(name = "omniledger", version, about = ABOUT, after_help = MORE)]
#[command(args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// How many validators there are, at least four a shard
    #[arg(long, value_name = "N", default_value_t = 28, value_parser = value_parser!(u16).range(4..=256))]
    validators: u16,

    /// How many shards they are dealt into
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u16).range(1..=64))]
    shards: u16,

    /// How many validators the adversary has, in each shard fewer than a third
    /// [default: as many as may be]
    #[arg(long, value_name = "N")]
    byzantine: Option<u16>,

    /// What the adversary's validators do
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Adversary::None)]
    adversary: Adversary,

    /// Decides all randomness: the same seed gives the same output but for what is measured
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How many milliseconds a message takes one way, in simulated time
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u64).range(..=10_000))]
    latency_ms: u64,

    /// How often each validator and each wallet crashes and restarts from its journal
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u16).range(..=16))]
    restarts: u16,

    /// How many double spends to attempt beside the block: for each, two wallets race to spend one
    /// output across shards. At most one succeeds, and the other's locks are given back
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u16).range(..=1000))]
    conflicts: u16,

    /// Commits this raw Bitcoin block, in binary or hex, in place of the one built in
    #[arg(long, value_name = "FILE")]
    block: Option<PathBuf>,

    /// Prints the results as one JSON object on the last line
    #[arg(long)]
    json: bool,

    /// Writes the genesis, how the shards came about, their blocks, and a proof for each transaction
    /// to this directory
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Checks every proof in a directory that a run exported, with nothing else in hand
    Verify {
        /// The directory
        dir: PathBuf,
    },
}

impl Args {
    /// Reads the command line, the program's name first. The error knows its exit code: 2 for
    /// bad usage, 0 where help was asked for.
    pub(crate) fn parse(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let cli = Cli::try_parse_from(line)?;
        match cli.verb {
            Some(Verb::Verify { dir }) => Ok(Self::Verify(dir)),
            None => cli.run().map(Self::Run),
        }
    }
}

impl Cli {
    fn run(self) -> Result<Run, clap::Error> {
        let least = self.shards.saturating_mul(4);
        if self.validators < least {
            let (validators, shards) = (self.validators, self.shards);
            return Err(refuse(&format!(
                "{shards} shards take {least} validators at least, four each, and there are \
                 {validators}: give --validators {least} or more, or fewer --shards"
            )));
        }
        Ok(Run {
            validators: self.validators,
            shards: self.shards,
            byzantine: self.byzantine()?,
            adversary: self.adversary,
            seed: self.seed,
            latency: Duration::from_millis(self.latency_ms),
            restarts: self.restarts,
            conflicts: self.conflicts,
            block: self.block,
            json: self.json,
            export: self.export,
        })
    }

    fn byzantine(&self) -> Result<u16, clap::Error> {
        let most = sizes(self.validators, self.shards).map(most_byzantine).sum();
        match (self.adversary, self.byzantine) {
            (Adversary::None, None | Some(0)) => Ok(0),
            (Adversary::None, Some(_)) => Err(refuse(
                "--byzantine needs something for them to do: \
                 add --adversary silent, garbage or equivocate",
            )),
            (_, None) => Ok(most),
            (_, Some(0)) => {
                Err(refuse("an adversary needs a validator: give --byzantine 1 or more"))
            }
            (_, Some(some)) if some <= most => Ok(some),
            (_, Some(many)) => {
                let (validators, shards) = (self.validators, self.shards);
                Err(refuse(&format!(
                    "{validators} validators in {shards} shards withstand at most {most} Byzantine \
                     ones, fewer than a third in each shard, not {many}: give --byzantine {most} \
                     or less, or more --validators"
                )))
            }
        }
    }
}

/// How many validators each shard has.
pub(crate) fn sizes(validators: u16, shards: u16) -> impl Iterator<Item = u16> {
    let shards = NonZeroU16::new(shards).unwrap_or(NonZeroU16::MIN);
    let (each, rest) = (validators / shards, validators % shards);
    (0..shards.get()).map(move |shard| each.saturating_add(u16::from(shard < rest)))
}

/// How many Byzantine validators a shard of this size withstands.
pub(crate) fn most_byzantine(size: u16) -> u16 {
    u16::try_from(faulty(size.into())).unwrap_or(u16::MAX)
}

fn refuse(why: &str) -> clap::Error {
    Cli::command().error(ErrorKind::ValueValidation, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::parse(["omniledger"].into_iter().chain(line.split_whitespace()))
    }

    fn run(line: &str) -> Run {
        let Args::Run(run) = parse(line).unwrap() else { panic!("{line}") };
        run
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let default = Run {
            validators: 28,
            shards: 4,
            byzantine: 0,
            adversary: Adversary::None,
            seed: 1,
            latency: Duration::from_millis(50),
            restarts: 1,
            conflicts: 0,
            block: None,
            json: false,
            export: None,
        };
        assert_eq!(run(""), default);
        let silent = Run { byzantine: 8, adversary: Adversary::Silent, ..default.clone() };
        assert_eq!(run("--adversary silent"), silent);
        let every = "--validators 10 --shards 2 --byzantine 1 --adversary garbage --seed 9 \
                     --latency-ms 5 --restarts 0 --conflicts 3 --block b --json --export d";
        let expected = Run {
            validators: 10,
            shards: 2,
            byzantine: 1,
            adversary: Adversary::Garbage,
            seed: 9,
            latency: Duration::from_millis(5),
            restarts: 0,
            conflicts: 3,
            block: Some("b".into()),
            json: true,
            export: Some("d".into()),
        };
        assert_eq!(run(every), expected);
        assert_eq!(parse("verify somewhere").unwrap(), Args::Verify("somewhere".into()));
    }

    #[test]
    fn fewer_than_a_third_of_each_shard_are_byzantine() {
        // Validators, shards, and f in each added up by hand.
        for (validators, shards, most) in
            [(4, 1, 1), (7, 1, 2), (28, 4, 8), (64, 8, 16), (29, 4, 8), (10, 2, 2), (256, 64, 64)]
        {
            let line = |byzantine| {
                format!(
                    "--adversary equivocate --validators {validators} --shards {shards} \
                     --byzantine {byzantine}"
                )
            };
            assert_eq!(run(&line(most)).byzantine, most);
            let error = parse(&line(most + 1)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let mend = format!("--byzantine {most} or less");
            assert!(error.to_string().contains(&mend), "{error}");
        }
        assert_eq!(run("--adversary silent --validators 4 --shards 1").byzantine, 1);
        let error = parse("--validators 15 --shards 4").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--validators 16 or more"), "{error}");
    }

    #[test]
    fn bad_usage_is_refused_with_exit_code_2() {
        for line in [
            "--byzantine 1",
            "--adversary none --byzantine 2",
            "--adversary silent --byzantine 0",
            "--adversary loud",
            "--validators 3",
            "--validators 257",
            "--validators x",
            "--latency-ms 10001",
            "--restarts 17",
            "--shards 0",
            "--shards 65",
            "--conflicts 1001",
            "--seed -1",
            "--unknown",
            "verify",
            "verify a b",
            "--json verify a",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(run("--byzantine 0").byzantine, 0);
    }

    #[test]
    fn the_help_names_every_option_and_exit_code() {
        let error = parse("--help").unwrap_err();
        assert_eq!(error.exit_code(), 0);
        let help = error.to_string();
        for needed in [
            "--validators <N>",
            "--byzantine <N>",
            "--adversary <HOW>",
            "silent",
            "garbage",
            "equivocate",
            "--seed <N>",
            "--latency-ms <N>",
            "--restarts <N>",
            "--block <FILE>",
            "--json",
            "--export <DIR>",
            "verify",
            "Examples:",
            "Exit codes:",
        ] {
            assert!(help.contains(needed), "{needed} is missing in\n{help}");
        }
    }
}
