//! Bytes of a stranger, through every decoder.

pub(crate) mod ledger;
pub(crate) mod samples;

use core::fmt::Debug;

use cosi::wire::Wire;

use self::samples::{ROWS, Row};

/// Decodes the input, but for its first byte, as the wire type that this byte names.
///
/// # Panics
/// When a value has a second encoding, or when decoding holds more than a few times the input's
/// size in memory.
pub fn decode(input: &[u8]) {
    let Some((row, bytes)) = input.split_first() else { return };
    if let Some(row) = ROWS.get(usize::from(*row)) {
        (row.decoder)(bytes);
    }
}

/// The inputs to begin with: of each wire type some values, and what is almost one.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![("nothing".to_owned(), Vec::new())];
    for (number, Row { name, samples, .. }) in (0u8..).zip(ROWS) {
        for (count, value) in samples().into_iter().enumerate() {
            let name = if count == 0 { (*name).to_owned() } else { format!("{name}-{count}") };
            let kinds = [
                ("valid", value.clone()),
                ("truncated", value.split_last().map_or(&[][..], |(_, rest)| rest).to_vec()),
                ("trailing", [&value[..], &[0]].concat()),
                ("all-ones", vec![0xff; value.len()]),
            ];
            // Every type has the four kinds, and its further samples are values.
            for (kind, bytes) in kinds.into_iter().take(if count == 0 { 4 } else { 1 }) {
                seeds.push((format!("{name}-{kind}"), [&[number][..], &bytes].concat()));
            }
        }
    }
    seeds
}

/// Whether the bytes are a value.
fn round_trip<T: Wire + Debug>(bytes: &[u8]) -> bool {
    let mut decoded = None;
    let used = allocation_counter::measure(|| decoded = T::decode(bytes).ok()).bytes_max;
    assert!(used <= most_memory(bytes.len()), "{} bytes took {used} to decode", bytes.len());
    decoded.is_some_and(|value| {
        assert_eq!(value.encode(), bytes, "{value:?} has a second encoding");
        true
    })
}

/// The most bytes that decoding `len` bytes may hold at once: an optional field is a byte in the
/// encoding and more than a hundred in memory, a growing vector has its old half beside the new
/// one, and 4 KiB are free.
fn most_memory(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(24).saturating_add(4096)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// A decoder that believes the length it reads.
    #[derive(Debug)]
    struct Trusting(Vec<u8>);

    impl borsh::BorshDeserialize for Trusting {
        fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
            let len = u32::deserialize_reader(reader)?;
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            reader.read_exact(&mut bytes)?;
            Ok(Self(bytes))
        }
    }

    impl borsh::BorshSerialize for Trusting {
        fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
            self.0.serialize(writer)
        }
    }

    /// A decoder that takes every odd byte for one and every even byte for zero.
    #[derive(Debug)]
    struct Sloppy(u8);

    impl borsh::BorshDeserialize for Sloppy {
        fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
            Ok(Self(u8::deserialize_reader(reader)? % 2))
        }
    }

    impl borsh::BorshSerialize for Sloppy {
        fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
            self.0.serialize(writer)
        }
    }

    #[test]
    fn a_decoder_that_trusts_a_length_or_has_two_encodings_is_caught() {
        assert!(round_trip::<Trusting>(&[1, 0, 0, 0, 7]));
        assert!(catch_unwind(|| round_trip::<Trusting>(&[0, 0, 1, 0])).is_err());
        assert!(round_trip::<Sloppy>(&[1]));
        assert!(catch_unwind(|| round_trip::<Sloppy>(&[3])).is_err());
    }

    #[test]
    fn every_type_has_a_value_and_a_refusal() {
        for Row { name, decoder, samples } in ROWS {
            for sample in samples() {
                assert!(decoder(&sample), "{name}");
                assert!(!decoder(&sample[..sample.len() - 1]), "{name}");
            }
            assert!(!samples().is_empty(), "{name}");
        }
    }
}
