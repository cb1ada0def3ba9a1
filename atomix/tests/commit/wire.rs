//! The encodings of all wire types: their form, and what is refused.

use atomix::{
    Action, Declaration, GenesisId, InBlock, Input, Message, Mode, Outcome, Outpoint, Output,
    Parameters, Place, Proof, ProofError, Refusal, Request, Sealed, Session, Transaction, Verdict,
    client::Record,
    inclusion::Roots,
    merkle::{map::Map, tree::Tree},
    roster::RosterId,
    transaction::{MAX_BYTES, MAX_INPUT_SHARDS, MAX_INPUTS, MAX_OUTPUTS},
    wire::{BoundedVec, Wire},
};
use cosi::{keys::Signature, transcript};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use skipchain::{BlockId, ChainId, Header, Shape, Siblings};

fn bytes<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn short(rng: &mut ChaCha20Rng) -> u16 {
    u16::from_le_bytes(bytes(rng))
}

fn few<T>(rng: &mut ChaCha20Rng, make: impl Fn(&mut ChaCha20Rng) -> T) -> Vec<T> {
    (0..rng.next_u32() % 4).map(|_| make(rng)).collect()
}

fn outpoint(rng: &mut ChaCha20Rng) -> Outpoint {
    Outpoint { shard: short(rng), id: bytes(rng), version: rng.next_u32() }
}

fn input(rng: &mut ChaCha20Rng) -> Input {
    Input { outpoint: outpoint(rng), value: rng.next_u64(), owner: bytes(rng) }
}

fn output(rng: &mut ChaCha20Rng) -> Output {
    Output { shard: short(rng), value: rng.next_u64(), owner: bytes(rng) }
}

fn declaration(rng: &mut ChaCha20Rng) -> Declaration {
    let (inputs, outputs) = (few(rng, input), few(rng, output));
    let (epoch, nonce, deadline) = (rng.next_u64(), rng.next_u64(), rng.next_u32());
    Declaration::new(epoch, nonce, deadline, inputs, outputs).unwrap()
}

fn transaction(rng: &mut ChaCha20Rng) -> Transaction {
    let declaration = declaration(rng);
    let signatures = BoundedVec::new(few(rng, |rng| Signature(bytes(rng)))).unwrap();
    Transaction { declaration, signatures }
}

fn parameters(rng: &mut ChaCha20Rng) -> Parameters {
    let (shards, deadline) = (short(rng), rng.next_u32());
    Parameters { shards, deadline, inputs: rng.next_u32(), outputs: rng.next_u32() }
}

fn outcome(rng: &mut ChaCha20Rng) -> Outcome {
    let all = [Outcome::Accepted, Outcome::Rejected, Outcome::GivenBack, Outcome::Created];
    all[rng.next_u32() as usize % 4]
}

fn verdict(rng: &mut ChaCha20Rng) -> Verdict {
    Verdict {
        chain: ChainId(bytes(rng)),
        shard: short(rng),
        session: Session(bytes(rng)),
        outcome: outcome(rng),
        outpoints: BoundedVec::new(few(rng, outpoint)).unwrap(),
        height: rng.next_u64(),
    }
}

fn roots(rng: &mut ChaCha20Rng) -> Roots {
    Roots {
        clock: bytes(rng),
        unspent: bytes(rng),
        accepted: bytes(rng),
        rejected: bytes(rng),
        rejected_before: bytes(rng),
        given_back: bytes(rng),
        created: bytes(rng),
    }
}

fn place(rng: &mut ChaCha20Rng) -> Place {
    if rng.next_u32().is_multiple_of(2) {
        let tree = Tree::new((0..9).map(|_| bytes(rng)));
        return Place::Logged(tree.path(rng.next_u64() % 9).unwrap());
    }
    let map: Map = (0..4).map(|_| (bytes(rng), bytes(rng))).collect();
    Place::Kept { roots: Box::new(roots(rng)), proof: map.prove(&bytes(rng)) }
}

fn in_block(rng: &mut ChaCha20Rng) -> InBlock {
    InBlock { index: rng.next_u64(), place: place(rng) }
}

/// Attested by a number, which stands for any certificate.
fn sealed(rng: &mut ChaCha20Rng) -> Sealed<u64> {
    let (chain, roster) = (ChainId(bytes(rng)), RosterId(bytes(rng)));
    let header = Header::genesis(chain, Shape::default(), roster, bytes(rng), Some(bytes(rng)));
    let (from, attestation) = (BlockId(bytes(rng)), rng.next_u64());
    let back = Siblings::new((0..rng.next_u64() % 4).map(|_| bytes(rng)).collect()).unwrap();
    Sealed { header, from, back, attestation, place: place(rng) }
}

fn proof<I>(rng: &mut ChaCha20Rng, inclusion: fn(&mut ChaCha20Rng) -> I) -> Proof<I> {
    let (shard, outcome, height) = (short(rng), outcome(rng), rng.next_u64());
    Proof { shard, outcome, height, inclusion: inclusion(rng) }
}

fn action(rng: &mut ChaCha20Rng) -> Action<InBlock> {
    match rng.next_u32() % 4 {
        0 => Action::Initialize { shown: None },
        1 => Action::Initialize { shown: Some(proof(rng, in_block)) },
        2 => Action::Commit {
            proofs: BoundedVec::new(few(rng, |rng| proof(rng, in_block))).unwrap(),
        },
        _ => Action::Abort { proof: proof(rng, in_block) },
    }
}

fn request(rng: &mut ChaCha20Rng) -> Request<InBlock> {
    Request { transaction: transaction(rng), action: action(rng) }
}

fn refusal(rng: &mut ChaCha20Rng) -> Refusal {
    let outpoint = bytes(rng);
    match rng.next_u32() % 8 {
        0 => Refusal::OtherRules,
        1 => Refusal::LaterEpoch { declared: rng.next_u64(), current: rng.next_u64() },
        2 => Refusal::NotParty,
        3 => Refusal::UnknownOutpoint { outpoint },
        4 => Refusal::WrongDeclaration { outpoint },
        5 => Refusal::Closed,
        6 => Refusal::Proofs,
        _ => {
            use ProofError::{Absent, NotParty, Roster, Unknown};
            let error = [NotParty, Unknown, Roster, Absent][rng.next_u32() as usize % 4];
            Refusal::Proof { shard: short(rng), error }
        }
    }
}

fn message(rng: &mut ChaCha20Rng) -> Message<InBlock> {
    match rng.next_u32() % 3 {
        0 => Message::Request(request(rng)),
        1 => Message::Answer { session: Session(bytes(rng)), proof: proof(rng, in_block) },
        _ => Message::Refused { session: Session(bytes(rng)), refusal: refusal(rng) },
    }
}

fn record(rng: &mut ChaCha20Rng) -> Record<InBlock> {
    match rng.next_u32() % 3 {
        0 => Record::Started(Box::new(transaction(rng))),
        1 => Record::Proven(Session(bytes(rng)), proof(rng, in_block)),
        _ => Record::Forgotten(Session(bytes(rng))),
    }
}

/// Checks 32 seeded values of a type, and returns the hash over their encodings.
fn format<T: Wire + PartialEq + core::fmt::Debug>(make: impl Fn(&mut ChaCha20Rng) -> T) -> String {
    let mut rng = ChaCha20Rng::seed_from_u64(702_861);
    let mut hash = transcript::Hash::new([0; 16]);
    for _ in 0..32 {
        let value = make(&mut rng);
        let encoding = value.encode();
        assert_eq!(T::decode(&encoding), Ok(value));
        for len in 0..encoding.len() {
            assert!(T::decode(&encoding[..len]).is_err(), "truncated to {len}");
        }
        assert!(T::decode(&[&encoding[..], &[0]].concat()).is_err(), "a trailing byte");
        hash = hash.bytes(&encoding);
    }
    hash.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn formats_are_those_committed() {
    let formats = [
        ("GenesisId", format(|rng| GenesisId(bytes(rng)))),
        ("Session", format(|rng| Session(bytes(rng)))),
        ("Outpoint", format(outpoint)),
        ("Input", format(input)),
        ("Output", format(output)),
        ("Mode", format(|_| Mode::Client)),
        ("Declaration", format(declaration)),
        ("Transaction", format(transaction)),
        ("Parameters", format(parameters)),
        ("Outcome", format(outcome)),
        ("Verdict", format(verdict)),
        ("Roots", format(roots)),
        ("Place", format(place)),
        ("InBlock", format(in_block)),
        ("Sealed", format(sealed)),
        ("Proof", format(|rng| proof(rng, sealed))),
        ("Action", format(action)),
        ("Request", format(request)),
        ("Refusal", format(refusal)),
        ("Message", format(message)),
        ("Record", format(record)),
    ];
    let committed = [
        ("GenesisId", "643aee75bed9f1f4"),
        ("Session", "643aee75bed9f1f4"),
        ("Outpoint", "4ab2e2143fba5204"),
        ("Input", "29b823b681641eed"),
        ("Output", "e9294d1f70c5e32c"),
        ("Mode", "c274c285aa8e41a0"),
        ("Declaration", "193ecf348fbd4945"),
        ("Transaction", "914d81839b589cc5"),
        ("Parameters", "fbbf79b26f7e5962"),
        ("Outcome", "1a8c6dfe9f839b6b"),
        ("Verdict", "ce71cb08e99e7c49"),
        ("Roots", "6e601edc1f0f7ab7"),
        ("Place", "475eb78949a22c11"),
        ("InBlock", "f85f007a77fb453e"),
        ("Sealed", "b2b7223f8103043d"),
        ("Proof", "4378038a501bb454"),
        ("Action", "5b9100f7ea02bf2b"),
        ("Request", "1306573445ab13df"),
        ("Refusal", "b2a25ec975d8e33c"),
        ("Message", "fb966faa092dcb7c"),
        ("Record", "0a8b190f93594c1f"),
    ];
    assert_eq!(formats.each_ref().map(|(name, hash)| (*name, &hash[..])).to_vec(), committed);
}

#[test]
fn hostile_lengths_are_refused() {
    let long = |len: usize| u32::try_from(len).unwrap().to_le_bytes();
    // Epoch, nonce, mode, deadline.
    let head = [0; 8 + 8 + 1 + 4];
    let declared = |inputs: usize, outputs: usize| {
        let inputs = [&long(inputs)[..], &vec![0; inputs * 78]].concat();
        let outputs = [&long(outputs)[..], &vec![0; outputs * 42]].concat();
        [&head[..], &inputs, &outputs].concat()
    };
    assert!(Declaration::decode(&declared(MAX_INPUTS, MAX_OUTPUTS)).is_ok());
    assert!(Declaration::decode(&declared(MAX_INPUTS + 1, 0)).is_err());
    assert!(Declaration::decode(&declared(0, MAX_OUTPUTS + 1)).is_err());
    let signed = |inputs, outputs, signatures: usize| {
        let signatures = [&long(signatures)[..], &vec![0; signatures * 64]].concat();
        [declared(inputs, outputs), signatures].concat()
    };
    let largest = signed(MAX_INPUTS, MAX_OUTPUTS, MAX_INPUTS);
    assert_eq!(largest.len(), MAX_BYTES);
    assert!(Transaction::decode(&largest).is_ok());
    assert!(Transaction::decode(&signed(1, 1, MAX_INPUTS + 1)).is_err());
    // No other mode is known.
    let mut other = declared(1, 1);
    other[16] = 1;
    assert!(Declaration::decode(&other).is_err());

    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let one = proof(&mut rng, in_block).encode();
    let proofs = |count: usize| [&[1][..], &long(count), &one.repeat(count)].concat();
    assert!(Action::<InBlock>::decode(&proofs(MAX_INPUT_SHARDS)).is_ok());
    assert!(Action::<InBlock>::decode(&proofs(MAX_INPUT_SHARDS + 1)).is_err());
    let verdict = |count: usize| {
        [&[0; 32 + 2 + 32 + 1][..], &long(count), &vec![0; count * 38], &[0; 8]].concat()
    };
    assert!(Verdict::decode(&verdict(MAX_OUTPUTS)).is_ok());
    assert!(Verdict::decode(&verdict(MAX_OUTPUTS + 1)).is_err());
    for tag in 0..4 {
        let huge = [&[tag][..], &[0xff; 256]].concat();
        assert!(Action::<InBlock>::decode(&huge).is_err());
        assert!(Message::<InBlock>::decode(&huge).is_err());
        assert!(Record::<InBlock>::decode(&huge).is_err());
        assert!(Place::decode(&huge).is_err());
    }
}
