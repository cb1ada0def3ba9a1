//! Bytes of a stranger, through every decoder.

use core::fmt::Debug;

use cosi::{
    Certificate, CollectiveSignature,
    keys::{PeerId, ProofOfPossession, Signature},
    machine::{Evidence, Signed, Time},
    mask::Mask,
    merkle::tree::Path,
    roster::{Member, Opening, RosterId},
    wire::{BoundedBytes, BoundedVec, Wire},
};

/// A decoder for each wire type, which tells whether the bytes were a value of it. An input's first byte is a row here: new rows go last, so that
/// the corpus keeps its meaning.
const DECODERS: &[fn(&[u8]) -> bool] = &[
    round_trip::<BoundedBytes<65_536>>,
    round_trip::<BoundedVec<u64, 64>>,
    round_trip::<Time>,
    round_trip::<PeerId>,
    round_trip::<Signature>,
    round_trip::<ProofOfPossession>,
    round_trip::<RosterId>,
    round_trip::<Member>,
    round_trip::<Mask>,
    round_trip::<Path>,
    round_trip::<Opening>,
    round_trip::<Signed>,
    round_trip::<Evidence>,
    round_trip::<CollectiveSignature>,
    round_trip::<Certificate>,
];

/// Decodes the input, but for its first byte, as the wire type that this byte names.
///
/// # Panics
/// When a value has a second encoding, or when decoding takes more memory than
/// `most_memory` of the input.
pub fn decode(input: &[u8]) {
    let Some((row, bytes)) = input.split_first() else { return };
    if let Some(decoder) = DECODERS.get(usize::from(*row)) {
        decoder(bytes);
    }
}

fn round_trip<T: Wire + Debug>(bytes: &[u8]) -> bool {
    let mut decoded = None;
    let used = allocation_counter::measure(|| decoded = T::decode(bytes).ok()).bytes_max;
    assert!(used <= most_memory(bytes.len()), "{} bytes took {used} to decode", bytes.len());
    decoded.is_some_and(|value| {
        assert_eq!(value.encode(), bytes, "{value:?} has a second encoding");
        true
    })
}

/// The most bytes that decoding `len` bytes may hold at once: a value in memory is a few times
/// its encoding, a growing vector has its old half beside the new one, and 4 KiB are free.
fn most_memory(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(8).saturating_add(4096)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, panic::catch_unwind};

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
    fn the_corpus_has_a_value_of_each_type_and_a_refusal() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/decode");
        let inputs = fs::read_dir(corpus).unwrap().map(|file| fs::read(file.unwrap().path()));
        let inputs: Vec<_> = inputs.map(Result::unwrap).collect();
        for (row, decoder) in (0..).zip(DECODERS) {
            let of_row = inputs.iter().filter(|input| input.first() == Some(&row));
            let accepted = BTreeSet::from_iter(of_row.map(|input| decoder(&input[1..])));
            assert_eq!(accepted, BTreeSet::from([false, true]), "row {row}");
        }
    }
}
