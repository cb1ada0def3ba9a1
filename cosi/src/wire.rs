//! The one canonical encoding: borsh, with bounds.
//!
//! A value has one encoding and an encoding has one value: [`Wire::decode`] refuses trailing
//! bytes, values out of range and lengths beyond a bound, and allocates for no more than the
//! input holds. No wire type holds a bare `Vec` or `String`.

use alloc::vec::Vec;
use core::ops::Deref;

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Result},
};

/// These bytes are not the encoding of such a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the encoding of such a value: truncated, trailing bytes, or out of bounds")]
pub struct DecodeError;

/// A value with one canonical encoding.
///
/// ```
/// use cosi::wire::{BoundedVec, Wire};
///
/// let names = BoundedVec::<u16, 3>::new(vec![7, 9]).unwrap();
/// let bytes = names.encode();
/// assert_eq!(BoundedVec::decode(&bytes), Ok(names));
/// assert!(BoundedVec::<u16, 1>::decode(&bytes).is_err());
/// assert!(BoundedVec::<u16, 3>::decode(&[&bytes[..], &[0]].concat()).is_err());
/// ```
pub trait Wire: BorshSerialize + BorshDeserialize {
    /// The encoding.
    fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("a vector takes every byte")
    }

    /// The value that encodes to exactly `bytes`.
    fn decode(bytes: &[u8]) -> core::result::Result<Self, DecodeError> {
        borsh::from_slice(bytes).map_err(|_| DecodeError)
    }
}

impl<T: BorshSerialize + BorshDeserialize> Wire for T {}

/// At most `N` items, and decoding allocates for no more than arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct BoundedVec<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for BoundedVec<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> BoundedVec<T, N> {
    /// `None` when there are more than `N` items.
    pub fn new(items: Vec<T>) -> Option<Self> {
        (items.len() <= N).then_some(Self(items))
    }

    /// The items.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Deref for BoundedVec<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: BorshDeserialize, const N: usize> BorshDeserialize for BoundedVec<T, N> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let len = length::<N, R>(reader)?;
        (0..len).map(|_| T::deserialize_reader(reader)).collect::<Result<_>>().map(Self)
    }
}

/// At most `N` bytes, and decoding allocates for no more than arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct BoundedBytes<const N: usize>(Vec<u8>);

impl<const N: usize> BoundedBytes<N> {
    /// `None` when there are more than `N` bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= N).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn into_inner(self) -> Vec<u8> {
        self.0
    }
}

impl<const N: usize> Deref for BoundedBytes<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> BorshDeserialize for BoundedBytes<N> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let mut missing = length::<N, R>(reader)?;
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        while missing > 0 {
            let (now, _) = chunk.split_at_mut(missing.min(4096));
            reader.read_exact(now)?;
            bytes.extend_from_slice(now);
            missing = missing.saturating_sub(now.len());
        }
        Ok(Self(bytes))
    }
}

fn length<const N: usize, R: Read>(reader: &mut R) -> Result<usize> {
    let len = usize::try_from(u32::deserialize_reader(reader)?).unwrap_or(usize::MAX);
    if len <= N { Ok(len) } else { Err(Error::new(ErrorKind::InvalidData, "too long")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_items_refuse_long_truncated_and_trailing_input() {
        let bytes = BoundedBytes::<5000>::new(alloc::vec![7; 5000]).unwrap();
        let encoding = bytes.encode();
        assert_eq!(BoundedBytes::<5000>::decode(&encoding), Ok(bytes));
        assert!(BoundedBytes::<4999>::decode(&encoding).is_err());
        assert!(BoundedBytes::<5000>::decode(&encoding[..5003]).is_err());
        assert!(BoundedBytes::<5001>::decode(&[&encoding[..], &[7]].concat()).is_err());
        assert!(BoundedBytes::<1>::new(alloc::vec![0; 2]).is_none());

        let items = BoundedVec::<u32, 3>::new(alloc::vec![1, 2, 3]).unwrap();
        let encoding = items.encode();
        assert_eq!(BoundedVec::<u32, 3>::decode(&encoding), Ok(items));
        assert!(BoundedVec::<u32, 2>::decode(&encoding).is_err());
        assert!(BoundedVec::<u32, 3>::decode(&encoding[..15]).is_err());
        assert!(BoundedVec::<u8, { usize::MAX }>::decode(&[0xff; 8]).is_err());
    }
}
