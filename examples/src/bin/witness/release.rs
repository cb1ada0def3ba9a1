//! What witnesses cosign: that this file is this version of this name.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{Statement, domain::RELEASE, wire::Wire};
use sha2::{Digest as _, Sha512};

use crate::label::Label;

/// A file under a name and a version.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Release {
    /// What it is a version of.
    pub(crate) name: Label<128>,
    /// Which one.
    pub(crate) version: Label<64>,
    /// The file's length in bytes.
    pub(crate) size: u64,
    /// The file's SHA-512.
    pub(crate) sha512: [u8; 64],
}

impl Release {
    /// Reads the file, whole, and keeps none of it.
    pub(crate) fn of(path: &Path, name: Label<128>, version: Label<64>) -> io::Result<Self> {
        let (size, sha512) = measure(path)?;
        Ok(Self { name, version, size, sha512 })
    }

    /// The release that a statement is about, if it is about one.
    pub(crate) fn from_signed(statement: &[u8]) -> Option<Self> {
        Self::decode(statement.strip_prefix(&RELEASE)?).ok()
    }
}

impl Statement for Release {
    fn to_signed(&self) -> Vec<u8> {
        [&RELEASE[..], &self.encode()].concat()
    }
}

/// A file's length and SHA-512.
pub(crate) fn measure(path: &Path) -> io::Result<(u64, [u8; 64])> {
    let mut hash = Hash(Sha512::new());
    let size = io::copy(&mut File::open(path)?, &mut hash)?;
    Ok((size, hash.0.finalize().into()))
}

struct Hash(Sha512);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> Release {
        let (name, version) = (Label::new("tool").unwrap(), Label::new("1.0").unwrap());
        Release { name, version, size: 0x0102, sha512: [0xab; 64] }
    }

    /// A change of the format is a decision: old signatures would no longer hold.
    #[test]
    fn a_statement_is_tagged_and_has_one_encoding() {
        let expected = [
            &b"witness/v1/file\0"[..],
            &[4, 0, 0, 0],
            b"tool",
            &[3, 0, 0, 0],
            b"1.0",
            &[2, 1, 0, 0, 0, 0, 0, 0],
            &[0xab; 64],
        ]
        .concat();
        assert_eq!(release().to_signed(), expected);
        assert_eq!(Release::from_signed(&expected), Some(release()));
        for length in 0..expected.len() {
            assert_eq!(Release::from_signed(&expected[..length]), None);
        }
        assert_eq!(Release::from_signed(&[&expected[..], &[0]].concat()), None);
        // Another tag; no name; lengths beyond the bound and the input; what is no text.
        for (at, byte) in [(0, b'W'), (16, 0), (16, 200), (19, 0xff), (20, 0xff), (21, b'\n')] {
            let mut bytes = expected.clone();
            bytes[at] = byte;
            assert_eq!(Release::from_signed(&bytes), None, "byte {at} is {byte}");
        }
    }

    #[test]
    fn names_are_printable_and_bounded() {
        for (name, fits) in [
            ("a", true),
            ("a.tar.gz+x86_64@2", true),
            (&"n".repeat(128), true),
            (&"n".repeat(129), false),
            ("", false),
            ("a b", false),
            ("a\u{1b}[31m", false),
            ("\u{430}", false),
            ("a\u{202e}", false),
        ] {
            assert_eq!(Label::<128>::new(name).is_ok(), fits, "{name:?}");
            let bytes = [&u32::try_from(name.len()).unwrap().to_le_bytes()[..], name.as_bytes()];
            assert_eq!(Label::<128>::decode(&bytes.concat()).is_ok(), fits, "{name:?}");
            let json = serde_json::to_string(name).unwrap();
            assert_eq!(serde_json::from_str::<Label<128>>(&json).is_ok(), fits, "{name:?}");
        }
    }

    #[test]
    fn a_file_is_measured_whole() {
        let path = std::env::temp_dir().join(format!("witness-measure-{}", std::process::id()));
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &bytes).unwrap();
        let expected = (800_000, Sha512::digest(&bytes).into());
        assert_eq!(measure(&path).unwrap(), expected);
        std::fs::remove_file(&path).unwrap();
        assert!(measure(&path).is_err());
    }
}
