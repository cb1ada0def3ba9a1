//! Has files cosigned by witnesses, and checks what they signed.

mod cli;
mod keys;
mod label;
mod log;
mod members;
mod node;
mod raw;
mod release;
mod report;
mod serve;
mod sign;
mod signed;
mod verify;

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode};

use examples::{entropy, files};

use crate::{
    cli::{Cli, Verb},
    files::FileError,
    keys::KeyFileError,
    members::{Members, MembersError},
    node::NodeError,
    raw::RawError,
    sign::SignError,
    verify::VerifyError,
};

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Members(#[from] MembersError),
    #[error("{0:?} is no address; write FILE=IP:PORT, as in ann.pub=127.0.0.1:7001")]
    Address(String),
    #[error(
        "give a FILE and its --roster, or --raw with --keys, --message-hex and --signature-hex"
    )]
    NothingToVerify,
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("{}{_0}", if _0.is_invalid() { "invalid: " } else { "" })]
    Raw(#[from] RawError),
}

impl Failure {
    /// 1: something does not hold. 2: the program cannot do what it was asked.
    const fn exit_code(&self) -> u8 {
        let fails = match self {
            Self::Members(error) => error.is_refusal(),
            Self::Sign(error) => error.is_refusal(),
            Self::Raw(error) => error.is_invalid(),
            Self::Verify(error) => matches!(error, VerifyError::Refused(_)),
            Self::File(_) | Self::Key(_) | Self::Address(_) | Self::NothingToVerify => false,
            Self::Runtime(_) | Self::Node(_) => false,
        };
        if fails { 1 } else { 2 }
    }
}

fn main() -> ExitCode {
    let done = match Cli::read(std::env::args_os()) {
        Ok(Cli { verb: Verb::Keygen(args) }) => keygen(&args),
        Ok(Cli { verb: Verb::Roster(args) }) => roster(&args),
        Ok(Cli { verb: Verb::Serve(args) }) => run(serve::run(&args)),
        Ok(Cli { verb: Verb::Sign(args) }) => run(sign::run(&args)),
        Ok(Cli { verb: Verb::Verify(args) }) => verify::run(&args),
        Err(error) => error.exit(),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    eprintln!("witness: {failure}");
    ExitCode::from(failure.exit_code())
}

/// Runs a command that needs a network.
fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::Runtime)?.block_on(command)
}

fn keygen(args: &cli::Keygen) -> Result<(), Failure> {
    let made = keys::generate(&args.prefix, args.name.as_deref(), args.pkcs8.as_deref())?;
    report::print(&made, args.json, report::generated);
    Ok(())
}

fn roster(args: &cli::Roster) -> Result<(), Failure> {
    let members = match (&args.show, &args.out) {
        (Some(path), _) => Members::load(path)?,
        (None, out) => {
            let members = Members::register(&addressed(args)?)?;
            if let Some(path) = out {
                members.write(path)?;
            }
            members
        }
    };
    report::print(&members.listing(), args.json, report::roster);
    Ok(())
}

/// The registrations, and where the witnesses are.
fn addressed(args: &cli::Roster) -> Result<Vec<(PathBuf, SocketAddr)>, Failure> {
    let mut next = args.ports_from;
    let mut addressed = Vec::new();
    for file in &args.files {
        if let Some((path, address)) = file.rsplit_once('=') {
            let address = address.parse().map_err(|_| Failure::Address(file.clone()))?;
            addressed.push((path.into(), address));
            continue;
        }
        let address = next.ok_or_else(|| MembersError::NoAddress(file.clone()))?;
        next = address.port().checked_add(1).map(|port| SocketAddr::new(address.ip(), port));
        addressed.push((file.into(), address));
    }
    Ok(addressed)
}
