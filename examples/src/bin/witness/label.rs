//! Names and versions: text that looks the same to everybody.

use std::{fmt, ops::Deref};

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{self, ErrorKind, Read},
};
use cosi::wire::BoundedBytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// From 1 to `N` printable ASCII characters without a space. No two of them look alike, and none
/// does anything to a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label<const N: usize>(String);

/// Why text is no [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be 1 to {most} printable ASCII characters without a space")]
pub(crate) struct LabelError {
    most: usize,
}

impl<const N: usize> Label<N> {
    pub(crate) fn new(text: &str) -> Result<Self, LabelError> {
        let fits =
            (1..=N).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(LabelError { most: N }) }
    }
}

impl<const N: usize> Deref for Label<N> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Display for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<const N: usize> BorshSerialize for Label<N> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        BorshSerialize::serialize(&self.0, writer)
    }
}

impl<const N: usize> BorshDeserialize for Label<N> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let bytes = BoundedBytes::<N>::deserialize_reader(reader)?;
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| Self::new(text).ok());
        text.ok_or_else(|| ErrorKind::InvalidData.into())
    }
}

impl<const N: usize> Serialize for Label<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Label<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&<String as Deserialize>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
