//! What a stranger needs to check a run, as files; and the stranger.
//!
//! ```text
//! DIR/genesis.bin                    the genesis: all that is trusted
//! DIR/epoch.bin                      the transcript of the randomness that dealt the shards
//! DIR/shards/NNNN/chain.bin          a shard's headers and links, from its first block to its head
//! DIR/shards/NNNN/head.bin           the same head by the fewest links
//! DIR/shards/NNNN/blocks/NNNNNN.bin  what the shard was asked, block by block, from 1 on
//! DIR/receipts/NNNNNN.bin            a committed transaction each, with all that proves it
//! ```
//!
//! Every byte of every file is checked, and that there is no file too few or too many.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use cosi::wire::Wire;
use omniledger::{Decision, EpochProof, Genesis, Receipt, skipchain::Proof};

use crate::audit::{Audit, Broken, Files, Part, ShardFiles, audit, order};

/// What a run leaves behind.
pub(crate) struct Evidence {
    pub(crate) genesis: Genesis,
    pub(crate) epoch: EpochProof,
    pub(crate) shards: Vec<ShardEvidence>,
    /// In any order. `verify` asks for one of each committed session.
    pub(crate) receipts: Vec<Receipt>,
}

/// What a shard leaves behind.
pub(crate) struct ShardEvidence {
    /// Level-0 links from the first block to the head.
    pub(crate) chain: Proof<Decision>,
    /// The same head by the fewest links.
    pub(crate) head: Proof<Decision>,
    /// The body of each block, encoded, from block 1 on.
    pub(crate) bodies: Vec<Vec<u8>>,
}

impl Evidence {
    /// The bytes that are published.
    pub(crate) fn files(&self) -> Files {
        let shard = |ShardEvidence { chain, head, bodies }: &ShardEvidence| ShardFiles {
            chain: chain.encode(),
            head: head.encode(),
            bodies: bodies.clone(),
        };
        let mut receipts: Vec<_> = self.receipts.iter().collect();
        receipts.sort_by_key(|receipt| order(receipt));
        Files {
            genesis: self.genesis.encode(),
            epoch: self.epoch.encode(),
            shards: self.shards.iter().map(shard).collect(),
            receipts: receipts.into_iter().map(Wire::encode).collect(),
        }
    }
}

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// The directory holds something that is not to be overwritten.
    #[error("{} is not empty; name a new directory", .0.display())]
    NotEmpty(PathBuf),
    /// The file does not hold what it must.
    #[error("{}: {check}: {why}", path.display())]
    Refused { path: PathBuf, check: &'static str, why: String },
}

/// What a stranger finds.
pub(crate) struct Found {
    pub(crate) genesis: Genesis,
    pub(crate) audit: Audit,
}

const GENESIS: &str = "genesis.bin";
const EPOCH: &str = "epoch.bin";
const SHARDS: &str = "shards";
const CHAIN: &str = "chain.bin";
const HEAD: &str = "head.bin";
const BLOCKS: &str = "blocks";
const RECEIPTS: &str = "receipts";

fn shard_name(number: usize) -> String {
    format!("{number:04}")
}

fn file_name(number: usize) -> String {
    format!("{number:06}.bin")
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ExportError + '_ {
    |error| ExportError::Io { path: path.into(), error }
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    fs::write(path, bytes).map_err(failed(path))
}

fn load(path: &Path) -> Result<Vec<u8>, ExportError> {
    fs::read(path).map_err(failed(path))
}

/// Makes `dir` if need be, and refuses one that holds anything.
pub(crate) fn prepare(dir: &Path) -> Result<(), ExportError> {
    fs::create_dir_all(dir).map_err(failed(dir))?;
    match fs::read_dir(dir).map_err(failed(dir))?.next() {
        None => Ok(()),
        Some(_) => Err(ExportError::NotEmpty(dir.into())),
    }
}

/// Writes everything to `dir`, which is [prepared](prepare).
pub(crate) fn write(dir: &Path, evidence: &Evidence) -> Result<(), ExportError> {
    let files = evidence.files();
    let make = |path: &Path| fs::create_dir_all(path).map_err(failed(path));
    save(&dir.join(GENESIS), &files.genesis)?;
    save(&dir.join(EPOCH), &files.epoch)?;
    make(&dir.join(SHARDS))?;
    for (number, shard) in files.shards.iter().enumerate() {
        let path = dir.join(SHARDS).join(shard_name(number));
        make(&path.join(BLOCKS))?;
        save(&path.join(CHAIN), &shard.chain)?;
        save(&path.join(HEAD), &shard.head)?;
        for (index, body) in (1..).zip(&shard.bodies) {
            save(&path.join(BLOCKS).join(file_name(index)), body)?;
        }
    }
    make(&dir.join(RECEIPTS))?;
    for (number, receipt) in files.receipts.iter().enumerate() {
        save(&dir.join(RECEIPTS).join(file_name(number)), receipt)?;
    }
    Ok(())
}

/// Reads what is in `dir`, which must be all that was [written](write) and nothing else, and
/// believes none of it but the genesis.
pub(crate) fn verify(dir: &Path) -> Result<Found, ExportError> {
    let files = read(dir)?;
    let refused = |Broken { part, check, why }: Broken| ExportError::Refused {
        path: path_of(dir, part),
        check,
        why,
    };
    let audit = audit(&files, None).map_err(refused)?;
    let genesis = Genesis::decode(&files.genesis);
    let genesis = genesis.map_err(|error| refused(Broken::whole("encoding", error)))?;
    Ok(Found { genesis, audit })
}

fn read(dir: &Path) -> Result<Files, ExportError> {
    holds(dir, [GENESIS, EPOCH, SHARDS, RECEIPTS].map(String::from))?;
    let mut shards = Vec::new();
    for path in numbered(&dir.join(SHARDS), 0, shard_name)? {
        holds(&path, [CHAIN, HEAD, BLOCKS].map(String::from))?;
        let bodies = numbered(&path.join(BLOCKS), 1, file_name)?;
        shards.push(ShardFiles {
            chain: load(&path.join(CHAIN))?,
            head: load(&path.join(HEAD))?,
            bodies: bodies.iter().map(|path| load(path)).collect::<Result<_, _>>()?,
        });
    }
    let receipts = numbered(&dir.join(RECEIPTS), 0, file_name)?;
    Ok(Files {
        genesis: load(&dir.join(GENESIS))?,
        epoch: load(&dir.join(EPOCH))?,
        shards,
        receipts: receipts.iter().map(|path| load(path)).collect::<Result<_, _>>()?,
    })
}

/// The paths in a directory that holds numbered entries from `first` on, and nothing else.
fn numbered(
    dir: &Path,
    first: usize,
    name: fn(usize) -> String,
) -> Result<Vec<PathBuf>, ExportError> {
    let names: Vec<_> = (first..).map(name).take(list(dir)?.len()).collect();
    holds(dir, names.iter().cloned())?;
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

/// Checks that a directory holds entries of these names, and no others.
fn holds(dir: &Path, names: impl IntoIterator<Item = String>) -> Result<(), ExportError> {
    let (expected, found) = (BTreeSet::from_iter(names), list(dir)?);
    let (missing, odd) = (expected.difference(&found).next(), found.difference(&expected).next());
    let why = match (missing, odd) {
        (None, None) => return Ok(()),
        (Some(_), None) => "it is missing".to_owned(),
        (Some(_), Some(odd)) => format!("it is missing, and {odd} should not be there"),
        (None, Some(_)) => "it should not be there".to_owned(),
    };
    let path = missing.or(odd).map_or_else(|| dir.into(), |name| dir.join(name));
    Err(ExportError::Refused { path, check: "layout", why })
}

/// The names in a directory. One that is no text stands for itself as far as it is.
fn list(dir: &Path) -> Result<BTreeSet<String>, ExportError> {
    let entries = fs::read_dir(dir).map_err(failed(dir))?;
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect::<Result<_, _>>().map_err(failed(dir))
}

/// Which file a part is in.
fn path_of(dir: &Path, part: Part) -> PathBuf {
    let shard = |number: u16| dir.join(SHARDS).join(shard_name(number.into()));
    match part {
        Part::Whole => dir.into(),
        Part::Genesis => dir.join(GENESIS),
        Part::Epoch => dir.join(EPOCH),
        Part::Shard(number) => shard(number),
        Part::Chain(number) => shard(number).join(CHAIN),
        Part::Head(number) => shard(number).join(HEAD),
        Part::Blocks(number) => shard(number).join(BLOCKS),
        Part::Block(number, index) => {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            shard(number).join(BLOCKS).join(file_name(index))
        }
        Part::Receipt(number) => dir.join(RECEIPTS).join(file_name(number)),
    }
}
