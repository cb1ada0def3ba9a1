//! RandHound: whole runs, attacks, transcripts and formats.

mod attacks;
mod common;
mod formats;
mod run;
mod servers;
mod transcripts;
