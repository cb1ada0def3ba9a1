//! Signatures of the reference format, under keys that nothing vouches for.
//!
//! *Unusable* is what could not be an input: no file, no hex, no key. *Invalid* is a signature that
//! does not hold, whatever is wrong with it: it may be of any length.

use std::path::{Path, PathBuf};

use cosi::{
    VerifyError,
    keys::{KeyError, PublicKey, PublicKeyBytes},
    mask::Mask,
    raw,
    roster::MAX_MEMBERS,
};

use crate::files::{FileError, HexError, read, unhex};

/// The longest file of keys: 65,536 lines, and as much again for blank ones.
const LIMIT: u64 = 1 << 23;

/// Why a signature does not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RawError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}, line {line}: {why}", path.display())]
    Key { path: PathBuf, line: usize, why: KeyLine },
    #[error("{}: {keys} keys; there must be from 1 to {MAX_MEMBERS}, one a line in hex", path.display())]
    Keys { path: PathBuf, keys: usize },
    #[error("--{flag}: {why}")]
    Hex { flag: &'static str, why: HexError },
    #[error("a threshold of {threshold} makes no sense for {keys} keys; ask for 1 to {keys}")]
    Threshold { threshold: usize, keys: usize },
    #[error("{0}")]
    Invalid(#[from] VerifyError),
    #[error("{signers} of {keys} keys signed, and {threshold} must")]
    TooFew { signers: usize, keys: usize, threshold: usize },
}

/// Why a line of a file is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyLine {
    #[error("{0}")]
    Hex(#[from] HexError),
    #[error("{0} bytes are no key; a key has 32")]
    Length(usize),
    #[error("{0}")]
    Point(KeyError),
}

impl RawError {
    /// Whether the input was usable, and the signature does not hold.
    pub(crate) const fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::TooFew { .. })
    }
}

/// A signature of the reference format that holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Valid {
    /// Which keys signed, by position from 0.
    pub(crate) signers: Vec<u16>,
    /// How many keys there are.
    pub(crate) keys: usize,
    /// How many had to sign.
    pub(crate) threshold: usize,
}

/// Checks `R ‖ s ‖ Z` in hex on a message in hex, under the keys in a file, by the strict rule.
/// Without a threshold all must have signed.
pub(crate) fn verify(
    keys: &Path,
    message: &str,
    signature: &str,
    threshold: Option<usize>,
) -> Result<Valid, RawError> {
    let points = read_keys(keys)?;
    let hex = |flag, text| unhex(text).map_err(|why| RawError::Hex { flag, why });
    let message = hex("message-hex", message)?;
    let signature = hex("signature-hex", signature)?;
    let keys = points.len();
    let threshold = threshold.unwrap_or(keys);
    // What nobody signed is invalid whatever the threshold, so one that makes no sense comes after.
    let signers = raw::verify(&points, &message, &signature, 1)?;
    if !(1..=keys).contains(&threshold) {
        return Err(RawError::Threshold { threshold, keys });
    }
    if signers < threshold {
        return Err(RawError::TooFew { signers, keys, threshold });
    }
    let mask = signature.get(64..).and_then(|mask| Mask::from_bytes(mask.to_vec()));
    let signers = mask.iter().flat_map(Mask::iter).collect();
    Ok(Valid { signers, keys, threshold })
}

/// One key a line in hex of either case. Blank lines, and white space around a key, mean nothing.
fn read_keys(path: &Path) -> Result<Vec<PublicKeyBytes>, RawError> {
    let bytes = read(path, LIMIT, "a list of keys")?;
    let text = String::from_utf8_lossy(&bytes);
    let mut keys = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let key = read_key(text.trim());
        keys.push(key.map_err(|why| RawError::Key { path: path.into(), line, why })?);
    }
    if (1..=MAX_MEMBERS).contains(&keys.len()) {
        return Ok(keys);
    }
    Err(RawError::Keys { path: path.into(), keys: keys.len() })
}

fn read_key(text: &str) -> Result<PublicKeyBytes, KeyLine> {
    let bytes = unhex(text)?;
    let length = bytes.len();
    let key = bytes.try_into().map_err(|_| KeyLine::Length(length))?;
    match PublicKey::from_bytes(&key) {
        Err(error @ KeyError::Encoding) => Err(KeyLine::Point(error)),
        // A point of small order is a point: whether a signature under it holds is the rule's to say.
        _ => Ok(key),
    }
}
