//! Files as this program reads and writes them: bounded, synced, and the JSON ones in one form.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bitcoin::hex::{DisplayHex as _, FromHex as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FileError {
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("{} exists already, and is not overwritten; move it, or choose another name", .0.display())]
    Exists(PathBuf),
    #[error("{} is longer than {limit} bytes, too long for {kind}", path.display())]
    TooLong { path: PathBuf, limit: u64, kind: &'static str },
    #[error("{} is not {kind}: {why}", path.display())]
    Form { path: PathBuf, kind: &'static str, why: String },
}

/// A kind of JSON file: its name for errors, and how long one may be.
pub(crate) trait Document: Serialize + DeserializeOwned {
    const KIND: &'static str;
    const LIMIT: u64;
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64, kind: &'static str) -> Result<Vec<u8>, FileError> {
    let broken = |error| FileError::Read { path: path.into(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(broken)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    Err(FileError::TooLong { path: path.into(), limit, kind })
}

/// Reads a JSON file, byte for byte as [`text`] writes it.
pub(crate) fn load<T: Document>(path: &Path) -> Result<T, FileError> {
    let bytes = read(path, T::LIMIT, T::KIND)?;
    let bad = |why: String| FileError::Form { path: path.into(), kind: T::KIND, why };
    let document = serde_json::from_slice(&bytes).map_err(|error| bad(harmless(&error)))?;
    let canonical = text(&document);
    if canonical.as_bytes() == bytes {
        return Ok(document);
    }
    let same = canonical.bytes().zip(&bytes).take_while(|(one, other)| one == *other);
    let line = same.filter(|(byte, _)| *byte == b'\n').count().saturating_add(1);
    Err(bad(format!("line {line} is not in the form in which this program writes it")))
}

/// An error that may quote a stranger's file, without what would do something to a terminal.
fn harmless(error: &serde_json::Error) -> String {
    error.to_string().replace(char::is_control, "?")
}

/// The one form of a JSON file.
pub(crate) fn text<T: Document>(document: &T) -> String {
    // No document has a map with keys that are not text, which alone could fail.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

/// Writes a file that is not there yet, for its owner's eyes alone if it is `secret`.
pub(crate) fn create(path: &Path, bytes: &[u8], secret: bool) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return FileError::Exists(path.into());
        }
        FileError::Write { path: path.into(), error }
    })
}

/// Writes a file, whole or not at all, over one that may be there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let unfinished = with_suffix(path, ".unfinished");
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    });
    written.map_err(|error| FileError::Write { path: path.into(), error })
}

/// Refuses a path in no directory, before there is something to lose.
pub(crate) fn has_directory(path: &Path) -> Result<(), FileError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let is_one = directory.metadata().and_then(|metadata| {
        if metadata.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
    });
    is_one.map_err(|error| FileError::Write { path: path.into(), error })
}

/// Refuses a path at which there is something.
pub(crate) fn is_free(path: &Path) -> Result<(), FileError> {
    if path.symlink_metadata().is_ok() { Err(FileError::Exists(path.into())) } else { Ok(()) }
}

/// `path` with more at its end: `a.tar` and `.sig` make `a.tar.sig`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Bytes that JSON holds as lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex<T = Vec<u8>>(pub(crate) T);

impl<T: AsRef<[u8]>> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(self.0.as_ref()))
    }
}

impl<'de, T: TryFrom<Vec<u8>>> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = unhex(&text).map_err(serde::de::Error::custom)?;
        let length = bytes.len();
        let wrong = |_| serde::de::Error::custom(format!("{length} bytes are too few or too many"));
        T::try_from(bytes).map(Self).map_err(wrong)
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.to_lower_hex_string()
}

/// The bytes that hex of either case stands for.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, HexError> {
    if text.starts_with("0x") || text.starts_with("0X") {
        return Err(HexError::Prefix);
    }
    if let Some(other) = text.chars().find(|character| !character.is_ascii_hexdigit()) {
        return Err(HexError::Digit(other));
    }
    Vec::from_hex(text).map_err(|_| HexError::Odd(text.len()))
}

/// Why text is no hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HexError {
    #[error("hex has no prefix here; leave the 0x out")]
    Prefix,
    #[error("{0:?} is no hex digit")]
    Digit(char),
    #[error("{0} hex digits are no whole number of bytes")]
    Odd(usize),
}
