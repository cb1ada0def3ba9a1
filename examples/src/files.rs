//! Files as these programs read and write them: bounded, synced, and the JSON ones in one form.

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
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is something already.
    #[error("{} exists already, and is not overwritten; move it, or choose another name", .0.display())]
    Exists(PathBuf),
    /// It is longer than any of its kind.
    #[error("{} is longer than {limit} bytes, too long for {kind}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes of its kind.
        limit: u64,
        /// What it should be.
        kind: &'static str,
    },
    /// It is of another kind.
    #[error("{} is not {kind}: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It is secret, and others than its owner may read it.
    #[error("others may read {}: their mode is {mode:o}; run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// A kind of JSON file: its name for errors, and how long one may be.
pub trait Document: Serialize + DeserializeOwned {
    /// What errors call it.
    const KIND: &'static str;
    /// The most bytes of one.
    const LIMIT: u64;
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64, kind: &'static str) -> Result<Vec<u8>, FileError> {
    let broken = |error| FileError::Read { path: path.into(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(broken)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    Err(FileError::TooLong { path: path.into(), limit, kind })
}

/// Refuses a file that others than its owner may read.
pub fn is_private(path: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = path.metadata();
        let metadata = metadata.map_err(|error| FileError::Read { path: path.into(), error })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FileError::Exposed { path: path.into(), mode });
        }
    }
    Ok(())
}

/// Reads a JSON file, byte for byte as [`text`] writes it.
pub fn load<T: Document>(path: &Path) -> Result<T, FileError> {
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
pub fn text<T: Document>(document: &T) -> String {
    // No document has a map with keys that are not text, which alone could fail.
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

/// Writes a file that is not there yet, for its owner's eyes alone if it is `secret`.
pub fn create(path: &Path, bytes: &[u8], secret: bool) -> Result<(), FileError> {
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
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let unfinished = with_suffix(path, ".unfinished");
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    });
    written.map_err(|error| FileError::Write { path: path.into(), error })
}

/// Refuses a path in no directory, before there is something to lose.
pub fn has_directory(path: &Path) -> Result<(), FileError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let is_one = directory.metadata().and_then(|metadata| {
        if metadata.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
    });
    is_one.map_err(|error| FileError::Write { path: path.into(), error })
}

/// Refuses a path at which there is something.
pub fn is_free(path: &Path) -> Result<(), FileError> {
    if path.symlink_metadata().is_ok() { Err(FileError::Exists(path.into())) } else { Ok(()) }
}

/// `path` with more at its end: `a.tar` and `.sig` make `a.tar.sig`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Bytes that JSON holds as lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex<T = Vec<u8>>(
    /// The bytes.
    pub T,
);

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
pub fn hex(bytes: &[u8]) -> String {
    bytes.to_lower_hex_string()
}

/// The bytes that hex of either case stands for.
pub fn unhex(text: &str) -> Result<Vec<u8>, HexError> {
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
pub enum HexError {
    /// It begins with 0x.
    #[error("hex has no prefix here; leave the 0x out")]
    Prefix,
    /// There is another character in it.
    #[error("{0:?} is no hex digit")]
    Digit(char),
    /// It has an odd number of digits.
    #[error("{0} hex digits are no whole number of bytes")]
    Odd(usize),
}
