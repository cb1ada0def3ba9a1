#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;

pub mod blame;
mod candidate;
mod choice;
pub mod client;
pub mod coded;
mod collect;
pub mod draw;
mod gather;
mod groups;
pub mod message;
mod opening;
mod pace;
mod peer;
mod publication;
pub mod randshare;
pub mod rescuer;
mod seat;
pub mod server;
mod session;
mod shares;
#[cfg(feature = "sim")]
pub mod sim;
mod sizing;
mod transcript;
mod verify;
mod void;
pub mod vrf;

pub use candidate::{Candidate, CandidatesError};
pub use choice::ChoiceError;
pub use client::Client;
pub use cosi::machine;
#[cfg(feature = "tokio")]
pub use cosi::tokio;
pub use draw::Draw;
pub use groups::{Groups, MAX_GROUP_SIZE, Place, threshold};
pub use message::{Config, Message, SessionId, Statement, StatementId};
pub use peer::Peer;
pub use publication::{Publication, PublicationError};
pub use randshare::RandShare;
pub use rescuer::Rescuer;
pub use server::Server;
pub use session::{Committee, CommitteeError, Session, SessionError, Terms};
pub use sizing::{availability, group_size};
pub use transcript::{GroupTranscript, Randomness, Transcript, TranscriptError};
pub use verify::{DealingError, DealsError, StatementError};
pub use void::{AttemptError, Void, VoidError};
