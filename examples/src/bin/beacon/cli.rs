//! What the program is asked for.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use examples::{cli::seconds, files::unhex};

const ABOUT: &str = "\
Draws public randomness by RandHound, which nobody can bias, neither the servers that make it nor \
the client that drives them, and which anyone can check from a file and the roster's id. Draws \
winners by it.";

const MORE: &str = "\
A lottery:
  beacon run --servers 16 --group-size 8 --purpose lottery --out draw.bin
  beacon verify draw.bin --roster-id HEX --purpose lottery --slot 1
  beacon draw draw.bin --from names.txt --winners 3 --roster-id HEX --purpose lottery --slot 1
The first command prints the HEX of the others.

What has to be public before a draw, so that nobody chooses it afterwards: the roster's id, the
purpose, the slot, and the list to draw from. Whoever verifies takes them from there, and never from
the file or from who brings it.

Exit codes:
  0  done; of verify and draw: the output holds
  1  something does not hold, or too few servers took part; the output says what
  2  the program cannot do what it was asked; the error says what to change";

const RUN: &str = "\
Draws the output of one slot, and writes it with all that convinces others of it. Starts the servers \
as processes of its own, each with its keys and its journal, over TCP with mutual TLS, and drives \
them as the client. More than 64 servers are simulated: the same machines in one process, in virtual \
time. The output says so.

Slots: a purpose's outputs are numbered. Which server works in which group follows from the roster, \
the purpose, the slot, and the output of the slot before, which nobody knew when the roster was \
closed. Slot 0 has none before it, so its output is used for nothing but the groups of slot 1, and \
both are drawn here unless --slot or --after say otherwise. Groups matter only for how many servers \
may be missing: more than a third of all servers are chosen to deal, so however they are grouped, \
some chosen secret is an honest server's, in a group where the faulty ones cannot open it.

One person runs all servers here. In earnest they belong to parties that do not trust one another, \
and fewer than a third of them are faulty.";

const RUN_MORE: &str = "\
Keys and journals are in a directory that is gone afterwards, and so is the roster, unless --dir
keeps them. With --dir the same command run again, after a crash too, goes on where it was and ends
with the same output, since no server deals twice in a slot. In earnest, close the roster first, and
draw slot 1 once the roster's id and the list are public:
  beacon run --servers 16 --group-size 8 --purpose lottery --dir town --slot 0 --out 0.bin
  beacon run --servers 16 --group-size 8 --purpose lottery --dir town --after 0.bin --out 1.bin
  beacon run --servers 16 --group-size 8 --purpose lottery --dir town --after 1.bin --out 2.bin

Exit codes:
  0  drawn
  1  too few servers took part, and the output says what is missing; or --after FILE does not hold
  2  the program cannot do what it was asked; the error says what to change";

const VERIFY: &str = "\
Checks the file of a draw, offline, and prints its output. The roster's id, the purpose and the slot \
say which draw it has to be of: a file that brings its own roster proves nothing.";

const VERIFY_MORE: &str = "\
What is checked, by the word that an error begins with:
  format        the file is a publication, to the last byte
  purpose       it is for the purpose
  slot          it is of the slot
  members       every server proves possession of its signing key
  share keys    every server proves possession of its share key
  roster        the servers are those of the roster's id, in this order, with these share keys
  config        the transcript is of this roster
  statement     the choice is of this session, with as many dealers a group as its threshold
  certificate   a quorum of the servers signed it, before any share was opened
  groups        there is one part for each group
  deals         the chosen deals are those that were signed for, and each of them verifies
  shares        each group opened enough shares, and each of them verifies
  availability  what the servers hold to rebuild the deals is made of these

Exit codes:
  0  the output holds
  1  it does not; the output names the check that fails
  2  unusable input: a file that cannot be read, an id that is no 32 bytes in hex";

const DRAW: &str = "\
Verifies the file of a draw as `beacon verify` does, and draws distinct winners from a list by its \
output. Whoever repeats it gets the same winners. The list must be public before the draw is made, \
to the byte: whoever can change it once the output is known can choose who wins. Without \
--roster-id, --purpose and --slot the file is checked for its own ones, which says nothing of whose \
draw it is, and the output says so.";

const DRAW_MORE: &str = "\
The rule: let seed be SHA-512(tag ‖ output ‖ SHA-512(LIST)), where tag is \"beacon/v1/win\" and three
zero bytes. Draw number k, from 0, is the first 8 bytes, little-endian, of SHA-512(seed ‖ k), k in 8
bytes, little-endian. The lines are shuffled by Fisher and Yates: for i from the last position,
counted from 0, down to 1, the lines at i and at x mod (i + 1) change places, where x is the next
draw that is below the largest multiple of i + 1 up to 2^64. The first K win, in this order.

Exit codes:
  0  the output holds, and these are the winners
  1  it does not hold; the output names the check that fails
  2  unusable input: a list with blank or repeated lines, more winners than lines";

#[derive(Debug, Parser)]
#[command(name = "beacon", version, about = ABOUT, after_help = MORE, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Draws the output of a slot, and writes what convinces others of it
    #[command(long_about = RUN, after_long_help = RUN_MORE)]
    Run(Run),
    /// Checks the file of a draw, offline
    #[command(long_about = VERIFY, after_long_help = VERIFY_MORE)]
    Verify(Verify),
    /// Draws winners from a list by the output of a draw
    #[command(long_about = DRAW, after_long_help = DRAW_MORE)]
    Draw(Draw),
    /// Is one server, for `beacon run`
    #[command(hide = true)]
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// How many servers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(4..=4096))]
    pub(crate) servers: u16,

    /// About how many servers a group has: the more, the more may be missing wherever they are,
    /// and the more work
    #[arg(long, value_name = "C", default_value = "32",
          value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) group_size: u16,

    /// What the output is for
    #[arg(long, value_name = "TEXT", value_parser = purpose)]
    pub(crate) purpose: String,

    /// Where to write what convinces others. Overwrites nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Which of the purpose's outputs to draw: 0, 1, or with --after the next one
    /// [default: 1, or the one after FILE's]
    #[arg(long, value_name = "N")]
    pub(crate) slot: Option<u64>,

    /// The file of the slot before, drawn by the same servers
    #[arg(long, value_name = "FILE", requires = "dir")]
    pub(crate) after: Option<PathBuf>,

    /// Keeps the servers' keys and journals in this directory, which is made if it is not there. It
    /// holds every server's secret keys, readable by their owner alone
    #[arg(long, conflicts_with = "simulated")]
    pub(crate) dir: Option<PathBuf>,

    /// Simulates the servers in one process, however few they are
    #[arg(long)]
    pub(crate) simulated: bool,

    /// Does not start the last K servers
    #[arg(long, value_name = "K", default_value = "0")]
    pub(crate) absent: u16,

    /// Kills the K servers before them once they have dealt
    #[arg(long, value_name = "K", default_value = "0")]
    pub(crate) kill: u16,

    /// For how many seconds to wait for servers, in each of the three round trips
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which draw a file has to be of.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The id of the servers' roster
    #[arg(long, value_name = "HEX", value_parser = digest)]
    pub(crate) roster_id: [u8; 32],

    /// What the output has to be for
    #[arg(long, value_name = "TEXT", value_parser = purpose)]
    pub(crate) purpose: String,

    /// Which of the purpose's outputs it has to be
    #[arg(long, value_name = "N")]
    pub(crate) slot: u64,
}

/// [`Which`], or nothing.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(crate) struct Asked {
    /// The id of the servers' roster
    #[arg(long, value_name = "HEX", value_parser = digest, requires_all = ["purpose", "slot"])]
    roster_id: Option<[u8; 32]>,

    /// What the output has to be for
    #[arg(long, value_name = "TEXT", value_parser = purpose, requires = "roster_id")]
    purpose: Option<String>,

    /// Which of the purpose's outputs it has to be
    #[arg(long, value_name = "N", requires = "roster_id")]
    slot: Option<u64>,
}

impl Asked {
    pub(crate) fn which(&self) -> Option<Which> {
        let (roster_id, slot) = self.roster_id.zip(self.slot)?;
        Some(Which { roster_id, purpose: self.purpose.clone()?, slot })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file of the draw
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) which: Which,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Draw {
    /// The file of the draw
    pub(crate) file: PathBuf,

    /// Who takes part: a text file with a participant a line, no line twice
    #[arg(long, value_name = "LIST")]
    pub(crate) from: PathBuf,

    /// How many win
    #[arg(long, value_name = "K")]
    pub(crate) winners: usize,

    #[command(flatten)]
    pub(crate) asked: Asked,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `beacon run` tells a server.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the keys and journals are
    #[arg(long)]
    pub(crate) dir: PathBuf,

    /// Its position in the roster
    #[arg(long)]
    pub(crate) server: u16,

    #[arg(long, value_parser = digest)]
    pub(crate) purpose: [u8; 32],

    #[arg(long)]
    pub(crate) slot: u64,

    #[arg(long, value_parser = digest)]
    pub(crate) client: [u8; 32],

    #[arg(long)]
    pub(crate) group_size: u16,

    #[arg(long, value_parser = digest)]
    pub(crate) prior: [u8; 32],
}

impl Cli {
    pub(crate) fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(line)
    }
}

fn purpose(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("say what the output is for".into()) } else { Ok(text.into()) }
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let bytes = unhex(text).map_err(|error| error.to_string())?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| format!("{length} bytes; give 32, that is, 64 hex digits"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
