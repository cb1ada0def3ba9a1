#![no_std]
#![doc = include_str!("../README.md")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
pub mod evidence;
pub mod message;
pub mod record;
pub mod replica;
pub mod rules;
pub mod statement;
#[cfg(test)]
mod tests;
pub mod votes;

#[cfg(feature = "tokio")]
pub use cosi::tokio;
pub use cosi::{domain, keys, machine, roster, wire};

pub use self::{
    block::{Block, Body, Chunk, Decision, Header, Proposal},
    message::{Message, MessageOf, Verified},
    record::{Record, RecordOf},
    replica::{Command, Config, Error, Event, EventOf, Limits, Replica, RestoreError, Timing},
    statement::{Digest, Height, Kind, Scope, Statement, View},
    votes::Votes,
};
