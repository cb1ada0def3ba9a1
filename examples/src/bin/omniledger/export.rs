//! What a stranger needs to check a run, as files; and the stranger.
//!
//! ```text
//! DIR/genesis.bin          the genesis: all that is trusted
//! DIR/chain.bin            headers and links from the genesis to the head
//! DIR/receipts/NNNNNN.bin  one transaction each, with all that proves it from the genesis on
//! ```
//!
//! Every byte of every file is checked, and that the receipts are complete and in the chain's
//! order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cosi::wire::Wire;
use omniledger::{Decision, Genesis, Receipt, skipchain::Proof};

use crate::audit::{Audit, Broken, GENESIS, LINKS, audit};

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
    let genesis_path = dir.join("genesis.bin");
    let genesis = Genesis::decode(&load(&genesis_path)?)
        .map_err(|error| refused(&genesis_path, "encoding", error.to_string()))?;
    let chain_path = dir.join("chain.bin");
    let chain = Proof::decode(&load(&chain_path)?)
        .map_err(|error| refused(&chain_path, "encoding", error.to_string()))?;

    let receipts = dir.join("receipts");
    let entries = fs::read_dir(&receipts).map_err(failed(&receipts))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(failed(&receipts))?;
    paths.sort();
    let files = paths.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    let audit = audit(&genesis, &chain, files).map_err(|broken| {
        let Broken { receipt, check, why } = broken;
        let path = match (receipt, check) {
            (Some(number), _) => paths.get(number).unwrap_or(&receipts),
            (None, GENESIS) => &genesis_path,
            // A genesis that was touched makes a ledger of another name, which no link fits.
            (None, LINKS) => {
                let why = format!("{why} (this file, or genesis.bin, is not as it was written)");
                return refused(&chain_path, check, why);
            }
            (None, _) => &receipts,
        };
        refused(path, check, why)
    })?;
    let blocks = u64::try_from(chain.hops()).unwrap_or(u64::MAX);
    Ok(Found { genesis, blocks, audit })
}
