//! Writes the first inputs of `corpus/decode`: of each wire type a value, and what is almost one.

use std::{fs, io, path::Path};

use cosi::{
    Certificate, CollectiveSignature, certificate,
    keys::{PeerId, ProofOfPossession, Seed},
    machine::{Evidence, Signed, Time},
    mask::Mask,
    merkle::tree::{Tree, leaf_hash},
    roster::{Member, Roster},
    wire::{BoundedBytes, BoundedVec, Wire},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/decode");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("nothing"), [])?;
    for (row, (name, value)) in (0u8..).zip(values()) {
        let (_, truncated) = value.split_last().expect("no encoding is empty");
        let write = |kind: &str, parts: &[&[u8]]| {
            let input = [&[row][..], &parts.concat()].concat();
            fs::write(folder.join(format!("{name}-{kind}")), input)
        };
        write("valid", &[&value])?;
        write("truncated", &[truncated])?;
        write("trailing", &[&value, &[0]])?;
        write("all-ones", &[&vec![0xff; value.len()]])?;
    }
    Ok(())
}

/// A value of each wire type, encoded, in the order of the decoders.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let keys = [1, 2, 3, 4, 5].map(|seed| Seed::from_bytes([seed; 32]).signing_key());
    let key = &keys[0];
    let members = keys.each_ref().map(|key| Member::new(key, &mut rng));
    let roster = Roster::new(members.clone()).expect("five sound members");
    let mask = Mask::of(roster.size(), [1, 4]);
    let signature = key.sign(&cosi::domain::INDIVIDUAL, b"statement");
    let bytes = BoundedBytes::<65_536>::new(b"statement".to_vec()).expect("a few bytes");
    let signed = Signed { statement: bytes.clone(), signature };
    let statements = BoundedVec::new(vec![signed.clone(); 2]).expect("two of four");
    let tree = Tree::new([7, 8, 9].map(|leaf| leaf_hash(&[leaf])));
    let collective =
        CollectiveSignature { commitment: [7; 32], response: [9; 32], mask: mask.clone() };
    let signed_by = mask.iter().filter_map(|at| {
        let key = keys.get(usize::from(at))?;
        let signature = certificate::sign(key, &roster.id(), b"statement");
        Some((roster.index(at)?, signature))
    });
    let certificate = Certificate::individual(&roster, signed_by).expect("two signers");
    let opening = roster.open(&mask);
    vec![
        ("bytes", bytes.encode()),
        ("items", BoundedVec::<u64, 64>::new(vec![7, 8, 9]).expect("three of 64").encode()),
        ("time", Time::default().after(core::time::Duration::from_secs(7)).encode()),
        ("peer", PeerId::of(key.public()).encode()),
        ("signature", signature.encode()),
        ("possession", ProofOfPossession::prove(key, &mut rng).encode()),
        ("roster-id", roster.id().encode()),
        ("member", members[0].encode()),
        ("mask", mask.encode()),
        ("path", tree.path(1).expect("one of three").encode()),
        ("opening", opening.encode()),
        ("signed", signed.encode()),
        ("evidence", Evidence { domain: cosi::domain::BLAME, statements }.encode()),
        ("collective", collective.encode()),
        ("certificate", certificate.encode()),
    ]
}
