//! Checks a ledger from bytes, trusting nothing but its genesis, by arithmetic of its own.
//!
//! 1. The epoch: the transcript of its randomness, and by it who works in which shard.
//! 2. Every shard, block by block: the links from the first block to the head, the body that each
//!    decision names, every signature and foreign proof in it, and the roots that it comes to.
//! 3. The books, kept anew over what all shards said: nothing is spent twice or made of nothing,
//!    and each session ends everywhere alike.
//! 4. The receipts: one of each committed session, in the books' order.

mod books;
mod replay;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use cosi::wire::Wire;
use omniledger::{
    EpochProof, Genesis, Receipt, Session, Stranger,
    atomix::{Outcome, Place},
    epoch::EpochError,
    message::Proof,
};

use self::{
    books::{Books, Closed, Flaw},
    replay::Replayed,
};

/// A ledger as a stranger gets it. Of these bytes none is believed but the genesis's.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) genesis: Vec<u8>,
    pub(crate) epoch: Vec<u8>,
    pub(crate) shards: Vec<ShardFiles>,
    /// In the order of [`order`].
    pub(crate) receipts: Vec<Vec<u8>>,
}

/// A shard as a stranger gets it.
#[derive(Clone, Debug)]
pub(crate) struct ShardFiles {
    /// The links of level 0 from the first block to the head.
    pub(crate) chain: Vec<u8>,
    /// The same head by the fewest links.
    pub(crate) head: Vec<u8>,
    /// The body of each block, from block 1 on.
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// What an audit finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Transactions whose receipts hold.
    pub(crate) verified: usize,
    /// What all committed transactions of the ledger spend, and what they create, in its smallest
    /// unit. The rest is burnt.
    pub(crate) value_in: u128,
    pub(crate) value_out: u128,
    /// Outputs that are unspent and not locked at the end, and what they are worth.
    pub(crate) unspent: usize,
    pub(crate) value_unspent: u128,
    /// Sessions with a lock that was neither committed everywhere nor given back.
    pub(crate) locks_left: usize,
    /// Sessions that every output shard created the outputs of.
    pub(crate) committed: usize,
    /// Sessions that a shard rejected.
    pub(crate) aborted: usize,
    /// Locks given back, one a session and shard.
    pub(crate) given_back: usize,
    /// Committed sessions that touch more than one shard.
    pub(crate) cross_shard: usize,
    /// What dealt the validators to the shards.
    pub(crate) randomness: [u8; 32],
    /// Bytes of the proof of the epoch.
    pub(crate) transcript_bytes: usize,
    /// Bytes of each receipt.
    pub(crate) receipts: Vec<usize>,
    /// The shards, in order.
    pub(crate) shards: Vec<ShardAudit>,
}

/// What an audit finds of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShardAudit {
    pub(crate) validators: usize,
    /// Blocks after the first one, which nobody decided.
    pub(crate) blocks: u64,
    /// What the shard said in them.
    pub(crate) entries: usize,
    /// Bytes of all links of level 0, and of the shortest proof of the head.
    pub(crate) chain_bytes: usize,
    pub(crate) head_bytes: usize,
    /// How many links the shortest proof has.
    pub(crate) head_links: usize,
}

/// Where something does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// In what the parts come to together.
    Whole,
    Genesis,
    Epoch,
    Shard(u16),
    Chain(u16),
    Head(u16),
    /// In what a shard's blocks come to together.
    Blocks(u16),
    /// In a shard's block with this index.
    Block(u16, u64),
    /// Counted from 0.
    Receipt(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the ledger"),
            Self::Genesis => f.write_str("the genesis"),
            Self::Epoch => f.write_str("the epoch"),
            Self::Shard(shard) => write!(f, "shard {shard}"),
            Self::Chain(shard) => write!(f, "shard {shard}'s chain"),
            Self::Head(shard) => write!(f, "shard {shard}'s head"),
            Self::Blocks(shard) => write!(f, "shard {shard}'s blocks"),
            Self::Block(shard, index) => write!(f, "shard {shard}'s block {index}"),
            Self::Receipt(number) => write!(f, "receipt {number}"),
        }
    }
}

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {check}: {why}")]
pub(crate) struct Broken {
    pub(crate) part: Part,
    pub(crate) check: &'static str,
    pub(crate) why: String,
}

impl Broken {
    fn of(part: Part, check: &'static str, why: impl ToString) -> Self {
        Self { part, check, why: why.to_string() }
    }

    pub(crate) fn whole(check: &'static str, why: impl ToString) -> Self {
        Self::of(Part::Whole, check, why)
    }

    fn flaw(part: Part) -> impl Fn(Flaw) -> Self {
        move |Flaw { check, why }| Self::of(part, check, why)
    }
}

fn decode<T: Wire>(part: Part, bytes: &[u8]) -> Result<T, Broken> {
    T::decode(bytes).map_err(|error| Broken::of(part, "encoding", error))
}

/// Audits a ledger of which there must be a receipt of each of the `wanted` sessions, and of no
/// other; by default of all that are committed.
pub(crate) fn audit(files: &Files, wanted: Option<&BTreeSet<Session>>) -> Result<Audit, Broken> {
    let genesis: Genesis = decode(Part::Genesis, &files.genesis)?;
    let proof: EpochProof = decode(Part::Epoch, &files.epoch)?;
    let mut stranger = Stranger::new(&genesis, &proof).map_err(|error| {
        if let EpochError::Genesis(error) = error {
            return Broken::of(Part::Genesis, "genesis", error);
        }
        // A genesis that was touched makes a ledger of another name, whose epoch this is not.
        Broken::of(
            Part::Epoch,
            "epoch",
            format!("{error} (this file, or genesis.bin, is not as it was written)"),
        )
    })?;
    let shards = replay::replay(&genesis, &stranger, &files.shards)?;
    let closed = settle(&genesis, &shards)?;
    let mut receipts =
        Receipts { stranger: &mut stranger, shards: &shards, places: places(&shards) };
    let verified = receipts.check(&files.receipts, &closed.committed, wanted)?;
    Ok(Audit {
        verified,
        randomness: stranger.epoch().randomness().0,
        transcript_bytes: files.epoch.len(),
        receipts: files.receipts.iter().map(Vec::len).collect(),
        shards: shards.iter().zip(&files.shards).map(|(shard, files)| shard.audit(files)).collect(),
        ..closed.audit
    })
}

/// Keeps the books over what all shards said, and compares what is left with the shards' states.
fn settle(genesis: &Genesis, shards: &[Replayed]) -> Result<Closed, Broken> {
    let mut books = Books::open(genesis.granted());
    for (session, declaration) in shards.iter().flat_map(Replayed::declarations) {
        books.declare(session, declaration);
    }
    for (shard, index, verdict) in shards.iter().flat_map(Replayed::verdicts) {
        books.enter(verdict).map_err(Broken::flaw(Part::Block(shard, index)))?;
    }
    for shard in shards {
        books.compare(&shard.state).map_err(Broken::flaw(Part::Blocks(shard.number)))?;
    }
    books.close().map_err(Broken::flaw(Part::Whole))
}

/// Where a shard said something: the block, the position in it, and of how many.
type Position = (u64, u64, u64);

/// Where each shard said what. A rejection may stand twice, and no receipt shows any.
fn places(shards: &[Replayed]) -> BTreeMap<(u16, Session, Outcome), Position> {
    let of = |shard: &Replayed| {
        let number = shard.number;
        let places = shard
            .places()
            .map(move |(verdict, position)| ((number, verdict.session, verdict.outcome), position));
        places.collect::<Vec<_>>()
    };
    shards.iter().flat_map(of).collect()
}

/// Where the log has what a proof proves. `None`: the state is to show it.
fn position(proof: &Proof) -> Option<Position> {
    match &proof.inclusion.place {
        Place::Logged(path) => Some((proof.height, path.index(), path.len())),
        Place::Kept { .. } => None,
    }
}

/// By what receipts are sorted: the first of their proofs, by block, shard and position.
pub(crate) fn order(receipt: &Receipt) -> Option<(u64, u16, u64)> {
    let key = |proof: &Proof| position(proof).map(|(height, at, _)| (height, proof.shard, at));
    receipt.said.iter().filter_map(key).min()
}

struct Receipts<'a> {
    stranger: &'a mut Stranger,
    shards: &'a [Replayed],
    places: BTreeMap<(u16, Session, Outcome), Position>,
}

impl Receipts<'_> {
    /// Checks every receipt, that none is missing, and none is too many. Returns how many.
    fn check(
        &mut self,
        receipts: &[Vec<u8>],
        committed: &BTreeMap<Session, BTreeSet<(u16, Outcome)>>,
        wanted: Option<&BTreeSet<Session>>,
    ) -> Result<usize, Broken> {
        let mut wanted: BTreeSet<_> =
            wanted.cloned().unwrap_or_else(|| committed.keys().copied().collect());
        let mut expected = BTreeMap::new();
        for (session, said) in committed {
            if wanted.remove(session) {
                let key = said.iter().filter_map(|(shard, outcome)| {
                    let (height, at, _) = self.places.get(&(*shard, *session, *outcome))?;
                    Some((*height, *shard, *at))
                });
                expected.insert((key.min(), *session), *session);
            }
        }
        if let Some(session) = wanted.first() {
            return Err(Broken::whole("commitment", format!("{session} is not committed")));
        }
        let mut expected = expected.into_values();
        for (number, bytes) in receipts.iter().enumerate() {
            let session = self.prove(number, bytes)?;
            let next = expected.next();
            if next != Some(session) {
                let next = next.map_or_else(|| "none".to_owned(), |next| next.to_string());
                let why = format!("it is of {session}, and due here is one of {next}");
                return Err(Broken::of(Part::Receipt(number), "order", why));
            }
        }
        match expected.next() {
            None => Ok(receipts.len()),
            Some(session) => {
                let why = format!("it is missing: {session} is committed and has no receipt");
                Err(Broken::of(Part::Receipt(receipts.len()), "completeness", why))
            }
        }
    }

    /// The session that this receipt proves by what stands in the audited chains.
    fn prove(&mut self, number: usize, bytes: &[u8]) -> Result<Session, Broken> {
        let broken = |check, why: String| Broken::of(Part::Receipt(number), check, why);
        let receipt: Receipt = decode(Part::Receipt(number), bytes)?;
        let proven = self.stranger.verify(&receipt);
        let session = proven.map_err(|error| broken("proof", error.to_string()))?.session;
        for proof in receipt.said.iter() {
            replay::shows(self.shards, proof).map_err(|why| broken("fork", why))?;
            let place = self.places.get(&(proof.shard, session, proof.outcome)).copied();
            if place.is_none() || place != position(proof) {
                let why = format!("shard {} said this at {place:?} and not there", proof.shard);
                return Err(broken("place", why));
            }
        }
        Ok(session)
    }
}

#[cfg(test)]
mod tests;
