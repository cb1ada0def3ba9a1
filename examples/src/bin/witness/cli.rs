//! What the program is asked for.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use cosi::tree;
use examples::cli::seconds;

const ABOUT: &str = "\
Has files cosigned by witnesses. A publisher shows a file to witnesses under a name and a version; \
each remembers it and signs, and refuses any other file under that name and version; their \
signatures add up to one Ed25519 signature, which says who signed, and which OpenSSL accepts.";

const MORE: &str = "\
A first round, with five witnesses on one machine:
  for name in ann bob cyd dan eve; do witness keygen $name; done
  witness roster --out roster.json --ports-from 127.0.0.1:7001 *.pub
  for name in bob cyd dan eve; do witness serve --roster roster.json --key $name.key & done
  witness sign FILE --version 1.0 --roster roster.json --key ann.key
  witness verify FILE --roster roster.json

Exit codes:
  0  done; of verify: the signature holds
  1  something does not hold, or too few witnesses signed in time; the output says what or who
  2  the program cannot do what it was asked; the error says what to change";

const KEYGEN: &str = "\
Makes a witness. Writes PREFIX.key, the secret key in PKCS#8, readable by its owner alone, and \
PREFIX.pub, the registration that others need: the public key and a proof that its owner knows the \
secret. Overwrites nothing.";

const ROSTER: &str = "\
Registers witnesses in the order given, checks every key and every proof of possession, and writes \
the roster file that all of them and all verifiers need. Prints the roster's id, which commits to \
the keys in this order; the quorum, n less the fewer than a third that may be faulty; and the \
aggregate, the sum of all keys. Names and addresses are not part of the id.";

const SERVE: &str = "\
Cosigns for the other members until it is told to stop (SIGINT or SIGTERM). It signs the first file \
that it is shown under a name and a version, remembers that before it signs, and refuses any other \
file under them, whoever asks, after any crash. It signs beside however many others: who reads the \
signature decides how many are enough.";

const SIGN: &str = "\
Has a file cosigned, as a member of the roster that does not serve meanwhile: it signs too, and \
remembers the release as the others do. Writes FILE.cosig, the signature, and for OpenSSL FILE.msg, \
the signed bytes, FILE.sig, the 64 bytes of the Ed25519 signature, and FILE.pem, the sum of the \
signers' keys. Completes whenever as many witnesses as the threshold asks for answer in time, and \
names those that are missing.";

const VERIFY: &str = "\
Checks a signature file against the roster and the file; or, with --raw, any signature R ‖ s ‖ mask \
of the reference format under bare keys, by the strict rule.";

const VERIFY_USAGE: &str = "\
witness verify [OPTIONS] --roster <FILE> <FILE>
       witness verify --raw --keys <FILE> --message-hex <HEX> --signature-hex <HEX> [--threshold <K>]";

const VERIFY_MORE: &str = "\
Raw signatures: FILE of --keys has one key of 32 bytes a line. Hex may be upper case; 0x is refused; \
blank lines, spaces around a key and CR before LF mean nothing. Bit i of the mask, from the least \
significant of the first byte, is the key on line i, from 0. The keys come without proofs of \
possession, so rogue keys pass: something else must vouch for them.

Exit codes:
  0  the signature holds
  1  it does not, for the reason printed, be it too short or too long, and whatever the threshold
  2  unusable input: a file that is not there or of another kind, a key that is no point, odd or no
     hex, a threshold that is not from 1 to n";

#[derive(Debug, Parser)]
#[command(name = "witness", version, about = ABOUT, after_help = MORE, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Makes a witness: a secret key, and the registration that others need
    #[command(long_about = KEYGEN)]
    Keygen(Keygen),
    /// Makes the roster of witnesses from their registrations, or shows one
    #[command(long_about = ROSTER)]
    Roster(Roster),
    /// Cosigns for the other members until it is told to stop
    #[command(long_about = SERVE)]
    Serve(Serve),
    /// Has a file cosigned
    #[command(long_about = SIGN)]
    Sign(Sign),
    /// Checks a signature file, or with --raw a signature of the reference format
    #[command(long_about = VERIFY, after_long_help = VERIFY_MORE, override_usage = VERIFY_USAGE)]
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where to write: PREFIX.key and PREFIX.pub
    pub(crate) prefix: PathBuf,

    /// What people call the witness: at most 32 printable ASCII characters without a space
    /// [default: the last part of PREFIX]
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Takes over this Ed25519 key, in PKCS#8 as `openssl genpkey -algorithm ed25519` writes it, in
    /// PEM or DER, in place of a fresh one
    #[arg(long, value_name = "FILE")]
    pub(crate) pkcs8: Option<PathBuf>,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Roster {
    /// The witnesses' registrations, in order, each with the address at which it listens if
    /// --ports-from gives it none
    #[arg(value_name = "FILE[=IP:PORT]", required_unless_present = "show")]
    pub(crate) files: Vec<String>,

    /// Where to write the roster
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    pub(crate) out: Option<PathBuf>,

    /// Gives the witnesses without an address this one, the next port, and so on
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) ports_from: Option<SocketAddr>,

    /// Checks and shows this roster file, and writes nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "out", "ports_from"])]
    pub(crate) show: Option<PathBuf>,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which member a process is.
#[derive(Debug, Args)]
pub(crate) struct Member {
    /// The roster file
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: PathBuf,

    /// The member's secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// What the member remembers having signed; made when it is not there. Keep it as long as the
    /// key: without it a witness could sign two files under one version
    /// [default: the path of the key, ending in .log]
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// Where to listen, if not at the address in the roster
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) member: Member,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The file
    pub(crate) file: PathBuf,

    /// What the file is a version of: at most 128 printable ASCII characters without a space
    /// [default: the file's name]
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Which version it is: at most 64 printable ASCII characters without a space
    #[arg(long)]
    pub(crate) version: String,

    #[command(flatten)]
    pub(crate) member: Member,

    /// How many members must sign, this one included [default: the quorum]
    #[arg(long, value_name = "K")]
    pub(crate) threshold: Option<usize>,

    /// For how many seconds to try
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// For how many seconds to wait for the others, once as many as the threshold asks for are there
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) grace: Duration,

    /// How witnesses are asked: each by this process (star), or through one another, over a tree
    /// three deep (balanced) or in √n groups (groups). What a tree does not bring is asked directly
    #[arg(long, value_enum, default_value_t = Shape::Star)]
    pub(crate) shape: Shape,

    /// Where to write: PREFIX.cosig, PREFIX.msg, PREFIX.sig and PREFIX.pem [default: FILE]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) out: Option<PathBuf>,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The shape of a tree, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    Star,
    Balanced,
    Groups,
}

impl Shape {
    pub(crate) fn over(self, members: usize) -> tree::Shape {
        match self {
            Self::Star => tree::Shape::Star,
            Self::Balanced => tree::Shape::balanced(members),
            Self::Groups => tree::Shape::Groups,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file that was signed
    #[arg(required_unless_present = "raw", conflicts_with = "raw")]
    pub(crate) file: Option<PathBuf>,

    /// The roster file
    #[arg(long, value_name = "FILE", required_unless_present = "raw", conflicts_with = "raw")]
    pub(crate) roster: Option<PathBuf>,

    /// The signature file [default: FILE.cosig]
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub(crate) signature: Option<PathBuf>,

    /// What the file must be a version of [default: what the signature says]
    #[arg(long, conflicts_with = "raw")]
    pub(crate) name: Option<String>,

    /// Which version it must be [default: what the signature says]
    #[arg(long, conflicts_with = "raw")]
    pub(crate) version: Option<String>,

    /// How many must have signed [default: the quorum; with --raw, all]
    #[arg(long, value_name = "K")]
    pub(crate) threshold: Option<usize>,

    /// Writes PREFIX.msg, PREFIX.sig and PREFIX.pem for OpenSSL, made from the roster
    #[arg(long, value_name = "PREFIX", conflicts_with = "raw")]
    pub(crate) openssl: Option<PathBuf>,

    /// Checks a signature of the reference format
    #[arg(long, requires_all = ["keys", "message_hex", "signature_hex"])]
    pub(crate) raw: bool,

    /// The keys, one of 32 bytes a line, in hex
    #[arg(long, value_name = "FILE", requires = "raw")]
    pub(crate) keys: Option<PathBuf>,

    /// The message that was signed, in hex
    #[arg(long, value_name = "HEX", requires = "raw")]
    pub(crate) message_hex: Option<String>,

    /// R ‖ s ‖ mask, in hex
    #[arg(long, value_name = "HEX", requires = "raw")]
    pub(crate) signature_hex: Option<String>,

    /// Prints the results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cli {
    /// Reads the command line, the program's name first. The error knows its exit code: 2 for
    /// bad usage, 0 where help was asked for.
    pub(crate) fn read(
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Self::try_parse_from(line)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Verb, clap::Error> {
        let line = ["witness"].into_iter().chain(line.split_whitespace());
        Cli::read(line).map(|cli| cli.verb)
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let Verb::Sign(sign) = parse("sign f --version 1 --roster r --key k").unwrap() else {
            panic!()
        };
        assert_eq!((sign.timeout, sign.grace), (Duration::from_secs(30), Duration::from_secs(1)));
        assert_eq!((sign.threshold, sign.shape, sign.json), (None, Shape::Star, false));
        assert_eq!(
            (sign.name, sign.out, sign.member.log, sign.member.listen),
            (None, None, None, None)
        );
        let line = "sign f --version 1 --roster r --key k --timeout 0.25 --grace 86400";
        let Verb::Sign(sign) = parse(line).unwrap() else { panic!() };
        assert_eq!(sign.timeout, Duration::from_millis(250));
        let Verb::Verify(verify) = parse("verify f --roster r").unwrap() else { panic!() };
        assert_eq!((verify.threshold, verify.raw, verify.signature), (None, false, None));
    }

    #[test]
    fn an_empty_message_is_a_message() {
        let line = ["witness", "verify", "--raw", "--keys", "k", "--message-hex", ""];
        let line = line.into_iter().chain(["--signature-hex", ""]);
        let Verb::Verify(verify) = Cli::read(line).unwrap().verb else { panic!() };
        assert_eq!(verify.message_hex.as_deref(), Some(""));
    }

    #[test]
    fn bad_usage_is_refused_with_exit_code_2() {
        for line in [
            "",
            "witness",
            "keygen",
            "keygen a b",
            "roster a.pub=1.1.1.1:1",
            "roster --out r",
            "roster --show r --out s",
            "roster --show r a.pub",
            "roster --out r --ports-from host a.pub",
            "serve --roster r",
            "serve --key k",
            "serve --roster r --key k --listen 1.1.1.1",
            "sign --version 1 --roster r --key k",
            "sign f --roster r --key k",
            "sign f --version 1 --roster r --key k --timeout 86401",
            "sign f --version 1 --roster r --key k --timeout nan",
            "sign f --version 1 --roster r --key k --threshold -1",
            "verify",
            "verify f",
            "verify --roster r",
            "verify f --roster r --keys k",
            "verify --raw",
            "verify --raw --keys k --message-hex 00",
            "verify f --raw --keys k --message-hex 00 --signature-hex 00",
            "verify --raw --roster r --keys k --message-hex 00 --signature-hex 00",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
