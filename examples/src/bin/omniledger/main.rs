//! Commits a Bitcoin block on a replicated ledger.
#![allow(dead_code, reason = "the run is made of these parts")]

mod block;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Args::parse(std::env::args_os()) {
        Ok(arguments) => println!("{arguments:?}"),
        Err(error) => error.exit(),
    }
    ExitCode::SUCCESS
}
