//! The file of a draw.

use std::path::{Path, PathBuf};

use cosi::{roster::RosterId, wire::Wire};
use examples::files::{FileError, read};
use randhound::{Committee, Config, Publication, PublicationError, Randomness};

/// Longer than the publication of any roster that there can be.
const LIMIT: u64 = 1 << 26;

/// Why a file does not convince.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CheckError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "invalid: format: {} is no publication: cut off, with more at its end, or of other bytes \
         altogether",
        .0.display()
    )]
    Format(PathBuf),
    #[error("invalid: {0}")]
    Refused(#[from] PublicationError),
}

impl CheckError {
    /// Whether the file was read, and does not hold.
    pub(crate) const fn is_invalid(&self) -> bool {
        matches!(self, Self::Format(_) | Self::Refused(_))
    }
}

/// A file that holds.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) output: Randomness,
    pub(crate) publication: Publication,
    pub(crate) bytes: usize,
}

impl Checked {
    /// Reads a file and checks everything.
    pub(crate) fn load(
        path: &Path,
        roster: [u8; 32],
        purpose: &[u8; 32],
        slot: u64,
    ) -> Result<Self, CheckError> {
        let (publication, bytes) = decode(path)?;
        Self::new(publication, bytes, roster, purpose, slot)
    }

    /// Reads a file and checks everything but its slot, which it says.
    pub(crate) fn load_any_slot(
        path: &Path,
        roster: [u8; 32],
        purpose: &[u8; 32],
    ) -> Result<Self, CheckError> {
        let (publication, bytes) = decode(path)?;
        let slot = publication.transcript.config.slot;
        Self::new(publication, bytes, roster, purpose, slot)
    }

    /// Reads a file and checks it for the roster, the purpose and the slot that it brings: that it
    /// is sound, and not whose draw it is.
    pub(crate) fn load_own(path: &Path) -> Result<Self, CheckError> {
        let (publication, bytes) = decode(path)?;
        let committee = Committee::of(&publication.members).map_err(PublicationError::from)?;
        let Config { purpose, slot, .. } = publication.transcript.config;
        Self::new(publication, bytes, committee.roster().id().0, &purpose, slot)
    }

    fn new(
        publication: Publication,
        bytes: usize,
        roster: [u8; 32],
        purpose: &[u8; 32],
        slot: u64,
    ) -> Result<Self, CheckError> {
        let output = publication.verify(RosterId(roster), purpose, slot)?;
        Ok(Self { output, publication, bytes })
    }
}

fn decode(path: &Path) -> Result<(Publication, usize), CheckError> {
    let bytes = match read(path, LIMIT, "a publication") {
        Err(FileError::TooLong { .. }) => return Err(CheckError::Format(path.into())),
        bytes => bytes?,
    };
    let publication = Publication::decode(&bytes);
    Ok((publication.map_err(|_| CheckError::Format(path.into()))?, bytes.len()))
}
