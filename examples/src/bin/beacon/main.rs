//! Draws public randomness and winners by it, and checks both.

mod cli;
mod keys;
mod list;
mod processes;
mod publication;
mod report;
mod run;
mod serve;
mod simulated;
mod slots;

use std::{io, path::Path, process::ExitCode};

use cosi::{domain::BEACON_PURPOSE, transcript::Hash};
use examples::{files::FileError, report::print};
use randhound::SessionError;

use crate::{
    cli::{Cli, Verb, Which},
    keys::KeysError,
    list::{List, ListError},
    publication::{CheckError, Checked},
    report::{Invalid, Verified, Winners},
    run::RunError,
    serve::ServeError,
    slots::SlotError,
};

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Slot(#[from] SlotError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("server {0}: {1}")]
    Serve(u16, ServeError),
    #[error("no runtime: {0}")]
    Runtime(io::Error),
}

impl Failure {
    /// 1: something does not hold. 2: the program cannot do what it was asked.
    const fn exit_code(&self) -> u8 {
        let fails = match self {
            Self::Check(error) => error.is_invalid(),
            Self::Slot(error) => error.is_invalid(),
            Self::Run(error) => error.is_shortage(),
            Self::File(_) | Self::Keys(_) | Self::List(_) | Self::Session(_) => false,
            Self::Serve(..) | Self::Runtime(_) => false,
        };
        if fails { 1 } else { 2 }
    }
}

fn main() -> ExitCode {
    let done = match Cli::read(std::env::args_os()) {
        Ok(Cli { verb: Verb::Run(args) }) => run::run(&args),
        Ok(Cli { verb: Verb::Verify(args) }) => verify(&args),
        Ok(Cli { verb: Verb::Draw(args) }) => draw(&args),
        Ok(Cli { verb: Verb::Serve(args) }) => serve(&args),
        Err(error) => error.exit(),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    eprintln!("beacon: {failure}");
    ExitCode::from(failure.exit_code())
}

fn verify(args: &cli::Verify) -> Result<(), Failure> {
    let checked = check(load(&args.file, &args.which), args.json)?;
    print(&Verified::new(&checked, &args.which), args.json, Verified::table);
    Ok(())
}

fn draw(args: &cli::Draw) -> Result<(), Failure> {
    let list = List::load(&args.from)?;
    let positions = list.check(args.winners)?;
    let which = args.asked.which();
    let checked = match &which {
        Some(which) => load(&args.file, which),
        None => Checked::load_own(&args.file),
    };
    let checked = check(checked, args.json)?;
    let winners = list.winners(&checked.output, positions);
    let drawn = Winners::new(&checked, which.is_some(), &list, winners);
    print(&drawn, args.json, Winners::table);
    Ok(())
}

fn load(path: &Path, which: &Which) -> Result<Checked, CheckError> {
    Checked::load(path, which.roster_id, &purpose(&which.purpose), which.slot)
}

/// Where a file does not hold, prints the reason as JSON too.
fn check(checked: Result<Checked, CheckError>, json: bool) -> Result<Checked, Failure> {
    if let Err(error) = &checked
        && error.is_invalid()
        && json
    {
        let reason = error.to_string();
        print(&Invalid { valid: false, reason }, true, |_| String::new());
    }
    Ok(checked?)
}

fn serve(args: &cli::Serve) -> Result<(), Failure> {
    runtime()?.block_on(serve::run(args)).map_err(|error| Failure::Serve(args.server, error))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::Runtime)
}

/// What a session calls a purpose: H(tag ‖ length ‖ text), for any text.
fn purpose(text: &str) -> [u8; 32] {
    Hash::new(BEACON_PURPOSE).bytes(text.as_bytes()).digest()
}
