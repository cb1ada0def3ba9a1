//! What a stranger needs to check a run, as files; and the stranger.
//!
//! ```text
//! DIR/genesis.bin          the genesis: all that is trusted
//! DIR/chain.bin            headers and links from the genesis to the head
//! DIR/receipts/NNNNNN.bin  one transaction each, with all that proves it from the genesis on
//! ```
//!
//! Every byte of every file is checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cosi::wire::Wire;
use omniledger::{Decision, Genesis, Receipt, Stranger, skipchain::Proof};

use crate::audit::{Audit, audit};

/// What a run leaves behind.
pub(crate) struct Evidence {
    pub(crate) genesis: Genesis,
    pub(crate) chain: Proof<Decision>,
    /// In the chain's order.
    pub(crate) receipts: Vec<Receipt>,
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
    pub(crate) blocks: u64,
    pub(crate) audit: Audit,
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ExportError + '_ {
    |error| ExportError::Io { path: path.into(), error }
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
    let receipts = dir.join("receipts");
    fs::create_dir(&receipts).map_err(failed(&receipts))?;
    let save = |path: PathBuf, bytes: Vec<u8>| fs::write(&path, bytes).map_err(failed(&path));
    save(dir.join("genesis.bin"), evidence.genesis.encode())?;
    save(dir.join("chain.bin"), evidence.chain.encode())?;
    for (number, receipt) in evidence.receipts.iter().enumerate() {
        save(receipts.join(format!("{number:06}.bin")), receipt.encode())?;
    }
    Ok(())
}

/// Reads what is in `dir` and believes none of it but the genesis.
pub(crate) fn verify(dir: &Path) -> Result<Found, ExportError> {
    let load = |path: &Path| fs::read(path).map_err(failed(path));
    let refused =
        |path: &Path, check, why: String| ExportError::Refused { path: path.into(), check, why };
    let path = dir.join("genesis.bin");
    let genesis = Genesis::decode(&load(&path)?)
        .map_err(|error| refused(&path, "encoding", error.to_string()))?;
    let mut stranger =
        Stranger::new(&genesis).map_err(|error| refused(&path, "genesis", error.to_string()))?;

    let path = dir.join("chain.bin");
    let chain = Proof::decode(&load(&path)?)
        .map_err(|error| refused(&path, "encoding", error.to_string()))?;
    let head = stranger.verify_chain(&chain).map_err(|error| {
        let why = format!("{error} (this file, or genesis.bin, is not as it was written)");
        refused(&path, "links", why)
    })?;

    let receipts = dir.join("receipts");
    let entries = fs::read_dir(&receipts).map_err(failed(&receipts))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(failed(&receipts))?;
    paths.sort();
    let files = paths.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    let audit = audit(&genesis, &head, files).map_err(|broken| {
        let path = broken.receipt.and_then(|number| paths.get(number)).unwrap_or(&receipts);
        refused(path, broken.check, broken.why)
    })?;
    Ok(Found { genesis, blocks: head.index, audit })
}
