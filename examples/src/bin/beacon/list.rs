//! Who takes part in a lottery, and who wins.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use cosi::{
    domain::BEACON_WINNERS,
    transcript::{Hash, HashRng},
};
use examples::files::{FileError, read};
use randhound::Randomness;
use sha2::{Digest as _, Sha512};

/// The most bytes of a list.
const LIMIT: u64 = 1 << 28;

/// Why there is nobody to draw.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ListError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}, line {line}: {why}", path.display())]
    Line { path: PathBuf, line: usize, why: LineError },
    #[error("{winners} winners of {participants} participants; draw 1 to {participants}")]
    Winners { winners: usize, participants: usize },
    #[error("{} is empty; write a participant a line", .0.display())]
    Empty(PathBuf),
}

/// Why a line names no participant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("blank; take it out")]
    Blank,
    #[error("the same as line {0}; a participant stands in the list once")]
    Repeated(usize),
    #[error("no UTF-8 text")]
    Text,
    #[error("a control character; take it out")]
    Control,
}

/// Participants, one a line.
#[derive(Debug)]
pub(crate) struct List {
    path: PathBuf,
    pub(crate) names: Vec<String>,
    /// SHA-512 of the file.
    pub(crate) hash: [u8; 64],
}

impl List {
    pub(crate) fn load(path: &Path) -> Result<Self, ListError> {
        Self::parse(path, &read(path, LIMIT, "a list")?)
    }

    /// The participants. A line ends with LF, or CR LF; the last one need not. Spaces around a
    /// name are part of it for the hash, and not for telling participants apart.
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ListError> {
        let hash = Sha512::digest(bytes).into();
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if body.is_empty() {
            return Err(ListError::Empty(path.into()));
        }
        let (mut names, mut lines) = (Vec::new(), BTreeMap::new());
        for (line, bytes) in (1_usize..).zip(body.split(|byte| *byte == b'\n')) {
            let bad = |why| ListError::Line { path: path.into(), line, why };
            let name = core::str::from_utf8(bytes).map_err(|_| bad(LineError::Text))?.trim();
            if name.is_empty() {
                return Err(bad(LineError::Blank));
            }
            if name.chars().any(char::is_control) {
                return Err(bad(LineError::Control));
            }
            if let Some(first) = lines.insert(name.to_owned(), line) {
                return Err(bad(LineError::Repeated(first)));
            }
            names.push(name.to_owned());
        }
        Ok(Self { path: path.into(), names, hash })
    }

    /// Refuses more winners than there are participants.
    pub(crate) fn check(&self, winners: usize) -> Result<usize, ListError> {
        let participants = self.names.len();
        if (1..=participants).contains(&winners) {
            Ok(winners)
        } else {
            Err(ListError::Winners { winners, participants })
        }
    }

    /// The lines that win, counted from 1, in the order of the draw: the first so many of all,
    /// shuffled by what follows from the output and the list.
    pub(crate) fn winners(&self, output: &Randomness, number: usize) -> Vec<usize> {
        let seed = Hash::new(BEACON_WINNERS).fixed(&output.0).fixed(&self.hash);
        let mut lines: Vec<usize> = (1..=self.names.len()).collect();
        HashRng::new(seed).shuffle(&mut lines);
        lines.truncate(number);
        lines
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &[u8]) -> Result<List, String> {
        List::parse(Path::new("list"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn participants_stand_on_lines_of_their_own() {
        for text in [&b"ann\nbob\n"[..], b"ann\nbob", b"ann\r\nbob\r\n", b" ann\nbob\t"] {
            assert_eq!(list(text).unwrap().names, ["ann", "bob"]);
        }
        for (text, mend) in [
            (&b""[..], "empty"),
            (b"\n", "empty"),
            (b"ann\n\nbob\n", "line 2: blank"),
            (b"ann\n  \nbob\n", "line 2: blank"),
            (b"ann\nbob\n\n", "line 3: blank"),
            (b"ann\nbob\n ann\n", "line 3: the same as line 1"),
            (b"ann\n\xff\n", "line 2: no UTF-8"),
            (b"a\x1b[2Jnn\n", "line 1: a control character"),
        ] {
            let refused = list(text).unwrap_err();
            assert!(refused.contains(mend), "{refused}");
        }
        let list = list(b"ann\nbob\n").unwrap();
        for winners in [0, 3, usize::MAX] {
            assert!(list.check(winners).unwrap_err().to_string().contains("draw 1 to 2"));
        }
    }

    /// The rule as `beacon draw --help` tells it, written out.
    #[test]
    fn winners_follow_from_the_output_and_the_list() {
        let (output, text) = (Randomness([7; 32]), b"ann\nbob\ncyd\ndan\neve\n");
        let list = list(text).unwrap();
        let seed = Sha512::new()
            .chain_update(b"beacon/v1/win\0\0\0")
            .chain_update([7; 32])
            .chain_update(Sha512::digest(text))
            .finalize();
        let draw = |k: u64| {
            let hash = Sha512::new().chain_update(seed).chain_update(k.to_le_bytes()).finalize();
            u64::from_le_bytes(hash[..8].try_into().unwrap())
        };
        // No draw here is above the largest multiple, which happens once in 2^61.
        let mut lines = [1, 2, 3, 4, 5];
        for (k, last) in (1..5).rev().enumerate() {
            let other = draw(k.try_into().unwrap()) % (u64::try_from(last).unwrap() + 1);
            lines.swap(last, other.try_into().unwrap());
        }
        assert_eq!(list.winners(&output, 5), lines);
        assert_eq!(list.winners(&output, 2), lines[..2]);
        // Another output, and another list, draw others.
        let others = (0..40).map(|byte| list.winners(&Randomness([byte; 32]), 5));
        assert!(std::collections::BTreeSet::from_iter(others).len() > 20);
        assert_ne!(List::parse(Path::new(""), b"ann\nbob\ncyd\ndan\neve").unwrap().hash, list.hash);
    }
}
